# SPDX-License-Identifier: Apache-2.0
"""Manifests (a folder, a file or stdin) as a source: a cluster that does not exist yet, for the static part of every check."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.formats.text import joined, safe, some
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind, Object, ObjectMeta, convert, refused
from kubectl_netdoc.records.kinds import KINDS, OWNERS, REPLICA_SET
from kubectl_netdoc.sources import FollowUp, SourceError, nothing_more

Warn = Callable[[str], None]
SUFFIXES = (".yaml", ".yml", ".json")
LARGEST = 10_000_000
"""Most values in one file. A dump of 15,000 pods has about three million."""

DEEPEST = 200
"""Deepest nesting of a file. The YAML parser recurses, and a hostile file must not exhaust the stack."""


def read(path: Path, warn: Warn) -> ManifestSource:
    """Return the manifests under a folder (with subfolders) or in a file; raises ``SourceError`` if there are none."""
    files = _files(path, warn) if path.is_dir() else [path]
    documents: list[tuple[str, Any]] = []
    for file in files:
        try:
            documents += [(str(file), document) for document in parse(file.read_bytes(), str(file))]
        except OSError as error:
            raise SourceError(f"can't read {file}: {error.strerror}", 2) from error
        except SourceError as error:
            if not path.is_dir():
                raise
            warn(f"ignored: {error}")
    return ManifestSource(str(path), documents, warn)


def _files(folder: Path, warn: Warn) -> list[Path]:
    """Return the manifest files in a folder; print one line about other files. Hidden files are left out."""
    files: list[Path] = []
    others: list[str] = []
    for file in sorted(folder.rglob("*")):
        if file.suffix in SUFFIXES and file.is_file():
            files.append(file)
        elif file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            others.append(str(file.relative_to(folder)))
    if others:
        warn(f"ignored, as they don't end in {', '.join(SUFFIXES)}: {some(others, NAMED)}")
    return files


NAMED = 3
"""Most files that a line names."""

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


def parse(raw: bytes, name: str) -> list[Any]:
    """Return the documents of JSON or YAML text; raises ``SourceError`` if it is neither."""
    if raw.lstrip()[:1] in (b"{", b"["):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            document = msgspec.json.decode(raw)
            if not _deep(document):
                return [document]
    return _parse_yaml(raw, name)


def _deep(document: Any) -> bool:
    """Tell whether a document of JSON is nested too deep to be read."""
    level = [document]
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


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a document, those of a List (or PodList …) one by one."""
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        return
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        item_kind = document["kind"].removesuffix("List")
        for item in document["items"]:
            if isinstance(item, dict):
                yield from _objects({"kind": item_kind, **item} if item_kind else item)
    else:
        yield document


class ManifestSource:
    """Manifests as a source: nothing can be measured, and lists that only a cluster has are ``Unavailable``."""

    def __init__(self, name: str, documents: list[tuple[str, Any]], warn: Warn) -> None:
        self._name = name
        self._found: dict[str, list[Any]] = {}
        self._bad: dict[str, list[Unseen]] = {}
        self._place: dict[tuple[str, str, str], tuple[int, str]] = {}
        self._warn = warn
        self._patched = any(Path(file).stem.lower() == "kustomization" for file, _ in documents)
        passed_over: Counter[str] = Counter()
        for file, document in documents:
            objects = list(_objects(document))
            if not objects:
                passed_over[f"a document in {file} that is not a Kubernetes object"] += 1
            for item in objects:
                kind = _kind(item)
                if kind:
                    self._add(kind, item, file)
                    self._settings(kind, item)
                elif not self._templates(item):
                    passed_over[f"kind {item['kind']}"] += 1
        for what, count in sorted(passed_over.items()):
            warn(f"ignored: {what}" + (f" ({count} times)" if count > 1 else ""))
        if not self._found and not self._bad:
            raise SourceError(f"{name} contains no Kubernetes object that netdoc reads", 2)

    def _add(self, kind: Kind[Any], item: dict[str, Any], file: str) -> None:
        why = _unknown_version(kind, item)
        never = "" if why else refused(kind, item)
        if never:
            why = f"every API server refuses it: {never}"
        try:
            record = _with_namespace(kind, convert(kind, _json(item)))
        except (msgspec.MsgspecError, RecursionError) as error:
            why = why or f"can't be decoded: {error}"
        if why:
            what = f"{kind.written or kind.name} {_name(item)}in {file}"
            self._bad.setdefault(kind.name, []).append(Unseen(what, why, expected=True, not_applicable=bool(never)))
            self._warn(f"ignored: {what}: {why}")
            return
        if not kind.names or (record.namespace, record.name) in kind.names:
            identity = kind.name, record.namespace, record.name
            if record.name and identity in self._place:
                where = f"{kind.written or kind.name} {record.namespace}/{record.name}".replace(" /", " ")
                either = kind in OWNERS  # a base and its patch, or two things that are never applied together
                counts = "it is not known which one is used" if either else "the last one is used"
                self._warn(f"{where} exists twice, in {self._place[identity][1]} and in {file}; {counts}")
                if not either:
                    self._found[kind.name][self._place[identity][0]] = record
                    self._place[identity] = self._place[identity][0], file
                    return
            found = self._found.setdefault(kind.name, [])
            self._place[identity] = len(found), file
            found.append(record)

    def _templates(self, item: dict[str, Any]) -> bool:
        """Keep the pod templates in a custom resource (a Rollout, a CloneSet) as the ReplicaSets that it would create."""
        metadata = item.get("metadata")
        if not isinstance(metadata, dict):
            return False
        owner = {"kind": item["kind"], "name": metadata.get("name"), "controller": True}
        templates = list(_pod_templates(item.get("spec")))
        for template in templates:
            kept = {key: metadata.get(key) for key in ("name", "namespace")} | {"ownerReferences": [owner]}
            try:
                record = convert(REPLICA_SET, _json({"metadata": kept, "spec": {"template": template}}))
            except (msgspec.MsgspecError, RecursionError):
                return False
            self._found.setdefault(REPLICA_SET.name, []).append(_with_namespace(REPLICA_SET, record))
        return bool(templates)

    def _settings(self, kind: Kind[Any], item: dict[str, Any]) -> None:
        """Keep what other kinds read from the same object; an error in it is reported once."""
        for other in BESIDE[kind.name] if not _unknown_version(kind, item) else ():
            try:
                record = _with_namespace(other, convert(other, _json(item)))
            except (msgspec.MsgspecError, RecursionError):
                continue
            if not other.names or (record.namespace, record.name) in other.names:
                found = self._found.setdefault(other.name, [])
                found[:] = [known for known in found if (known.namespace, known.name) != (record.namespace, record.name)]
                found.append(record)

    @property
    def label(self) -> str:
        """The path of the manifests."""
        return f"manifests in {self._name}"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the manifests as a cluster."""
        listings = {kind.name: self._listing(kind) for kind in kinds}
        return Cluster(listings, server="", origin="manifests", patched=self._patched)

    def _listing(self, kind: Kind[Any]) -> Listing | Unavailable:
        if kind.name not in self._found and kind.name not in self._bad and not kind.authored:
            return Unavailable("manifests don't contain these; only a cluster has them", by_design=True)
        return Listing(tuple(self._found.get(kind.name, ())), tuple(self._bad.get(kind.name, ())))

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return no replies: manifests can't be measured."""
        return Measured(why_unmeasured="manifests can't be measured; only a cluster can")


BY_WRITTEN_KIND: defaultdict[str, list[Kind[Any]]] = defaultdict(list)
for _known in KINDS.values():
    BY_WRITTEN_KIND[_known.written or _known.name].append(_known)
BESIDE = {
    kind.name: tuple(o for o in KINDS.values() if (o.group, o.plural) == (kind.group, kind.plural) and o is not kind)
    for kind in KINDS.values()
}
"""Further kinds that are read from objects of a kind: ConfigMaps and DaemonSets hold settings of networks and kube-proxy."""


def _kind(item: dict[str, Any]) -> Kind[Any] | None:
    """Return the kind of an object, by its API group too (Knative has a Service). Items of a PodList have no apiVersion."""
    version = item.get("apiVersion")
    kinds = BY_WRITTEN_KIND.get(item["kind"], [])
    if not isinstance(version, str):
        return kinds[0] if kinds else None
    group = version.rpartition("/")[0]
    return next((kind for kind in kinds if group in kind.groups), None)


def _unknown_version(kind: Kind[Any], item: dict[str, Any]) -> str:
    """Return why an object's fields can't be told: it is of a version that netdoc does not know; "" if it does."""
    version = item.get("apiVersion")
    known = not isinstance(version, str) or version in kind.apis
    return "" if known else f"it is of {version}, which this netdoc does not read (it reads {joined(kind.apis)})"


def _pod_templates(value: Any) -> Iterator[dict[str, Any]]:
    """Yield everything with the shape of a pod template: labels in its metadata, and containers."""
    if isinstance(value, list):
        for item in value:
            yield from _pod_templates(item)
    elif isinstance(value, dict):
        metadata, spec = value.get("metadata"), value.get("spec")
        if isinstance(metadata, dict) and isinstance(spec, dict) and metadata.get("labels") and spec.get("containers"):
            yield {"metadata": {"labels": metadata["labels"]}, "spec": spec}
        else:
            for item in value.values():
                yield from _pod_templates(item)


def _name(item: dict[str, Any]) -> str:
    """Return the name of an object of any shape, followed by a space; "" if it has none."""
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{name} " if isinstance(name, str) and name else ""


def _json(value: Any) -> Any:
    """Return YAML's own types as JSON types: timestamps as text (UTC if they have no zone), and keys as text."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _with_namespace(kind: Kind[Any], record: Object) -> Object:
    if not kind.namespaced or record.namespace:
        return record
    fields: ObjectMeta = msgspec.structs.replace(record.metadata, namespace="default")
    return msgspec.structs.replace(record, metadata=fields)


def warn_on_stderr(text: str) -> None:
    """Print a warning line."""
    print(f"kubectl-netdoc: {safe(text)}", file=sys.stderr)  # noqa: T201 - a warning is what this is
