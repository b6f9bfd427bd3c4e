# SPDX-License-Identifier: Apache-2.0
"""Documents in files: JSON, YAML, and the stream of ``kubectl cluster-info dump``.

Of texts that mean harm nothing grows without bound: not the depth, not what YAML's aliases expand to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import yaml

from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.objects import items

LARGEST = 10_000_000
"""Most values in one file. A dump of 15,000 pods has about three million."""

DEEPEST = 200
"""Deepest nesting of a file. The YAML parser recurses, and a hostile file must not exhaust the stack."""

NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What PyYAML raises: its own error, and errors of constructors for scalars that don't fit their tag."""


MERGE = "tag:yaml.org,2002:merge"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loads plain values only. Keys merged by ``<<`` are kept once each, so that merges of merges don't multiply."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve ``<<`` as YAML defines it, independent of PyYAML's version: own keys win, then the first source named."""
        own = [pair for pair in node.value if pair[0].tag != MERGE]
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in node.value:
            if key.tag == MERGE:
                for source in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    if not isinstance(source, yaml.MappingNode):
                        raise yaml.constructor.ConstructorError("in a merge", node.start_mark, "a mapping is expected here")
                    self.flatten_mapping(source)
                    merged += source.value
        pairs = (*reversed(merged), *own)
        last = {(key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key): (key, value) for key, value in pairs}
        node.value = list(last.values())
        super().flatten_mapping(node)


class Document(NamedTuple):
    """A document of a file. ``name``: the file, and within a stream also the document's place, as a path."""

    name: str
    content: Any


def parse(raw: bytes, name: str) -> list[Document]:
    """Return the documents of JSON or YAML text; raises ``SourceError`` if it is neither."""
    if LOG_BEGINS.search(raw):
        return _of_dump(_without_logs(raw), name)
    if raw.lstrip()[:1] in (b"{", b"["):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            document = msgspec.json.decode(raw)
            if not _deep(document):
                return [Document(name, document)]
    return [Document(name, document) for document in _parse_yaml(raw, name)]


LOG_BEGINS = re.compile(rb"^==== START logs for container ([^\n]+ of pod [^\n]+) ====$", re.M)
LOG_ENDS = re.compile(rb"==== END logs for container ([^\n]+ of pod [^\n]+) ====$", re.M)
"""What ``kubectl cluster-info dump`` prints before and after the log of a container (kubernetes/kubectl, clusterinfo_dump.go).
The end stands behind the log's last line if that has no line break."""


def _without_logs(raw: bytes) -> bytes:
    """Return the stream of a dump without logs. A log ends with the last line that ends it, for it may contain such a line."""
    ends = {found[1]: found.end() for found in LOG_ENDS.finditer(raw)}
    kept, place = [], 0
    for begin in LOG_BEGINS.finditer(raw):
        if begin.start() >= place:
            kept.append(raw[place : begin.start()])
            place = max(begin.end(), ends.get(begin[1], len(raw)))
    return b"".join((*kept, raw[place:]))


def _of_dump(raw: bytes, name: str) -> list[Document]:
    """Return the documents of a stream, each named as the file that kubectl makes of it in a folder: NAMESPACE/KIND."""
    found = list(_sequence(raw, name)) if raw.lstrip()[:1] == b"{" else _parse_yaml(raw, name)
    parts: list[list[Any]] = [[]]
    for document in found:  # a namespace's lists follow each other, always in the same order
        if _kind(document) in {*map(_kind, parts[-1]), "EventList"}:
            parts.append([])
        parts[-1].append(document)
    return [Document("/".join((name, *_namespaces(part), _kind(each))), each) for part in parts for each in part]


def _namespaces(part: list[Any]) -> set[str]:
    """Return the namespace of the objects in lists; nothing if they are of none or of several."""
    metadata = (item.get("metadata") for each in part for item in items(each) or ())
    found = {name for each in metadata if isinstance(each, dict) and isinstance(name := each.get("namespace"), str)}
    return found if len(found) == 1 else set()


def _kind(document: Any) -> str:
    return str(document.get("kind")) if isinstance(document, dict) else ""


def _sequence(raw: bytes, name: str) -> Iterator[Any]:
    """Yield JSON documents that follow each other."""
    decoder = json.JSONDecoder()
    try:
        text, place = raw.decode(), 0
        while rest := BLANK.match(text, place):
            if (place := rest.end()) == len(text):
                return
            document, place = decoder.raw_decode(text, place)
            if _deep(document):
                raise SourceError(f"{name} is nested deeper than {DEEPEST} levels, which no Kubernetes object is", 2)
            yield document
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name} is not the whole output of kubectl cluster-info dump: {error}", 2) from error


BLANK = re.compile(r"\s*")


def _deep(document: Any) -> bool:
    """Tell whether a document of JSON is nested too deep to be read."""
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, (dict, list))]
    return bool(level)


def _parse_yaml(raw: bytes, name: str) -> list[Any]:
    """Return the documents of YAML, and of JSON that is not one document; an error in either is told with its place."""
    try:
        text = raw.decode()
        _refuse_deep(text, name)
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
        size = sum(_size(document, {}) for document in documents)
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is neither a bundle nor YAML: it is not a text file", 2) from error
    except NOT_YAML as error:
        raise SourceError(f"{name} is not valid YAML: {_what_is_wrong(error)}", 2) from error
    if size > LARGEST:
        raise SourceError(f"{name}: its YAML aliases expand to more than {LARGEST} values", 2)
    return documents


def _what_is_wrong(error: Exception) -> str:
    """Return an error of the parser in one line, with its position if there is one."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(str(problem).split())}"
    return " ".join(str(error).split()) or type(error).__name__


def _size(value: Any, seen: dict[int, int]) -> int:
    """Return the number of values after aliases are expanded: they share memory before, and can grow without bound."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in seen:
        seen[id(value)] = LARGEST  # an alias to what contains it never ends
        seen[id(value)] = 1 + sum(_size(item, seen) for item in (value.values() if isinstance(value, dict) else value))
    return seen[id(value)]


def _refuse_deep(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise SourceError(f"{name} is nested deeper than {DEEPEST} levels, which no Kubernetes object is", 2)
