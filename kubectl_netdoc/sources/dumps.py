# SPDX-License-Identifier: Apache-2.0
"""Dumps of a cluster by other tools as a source: what kubectl, must-gather, sos and troubleshoot write of what they read.

All of them are files with lists of objects, or with an object each, in folders that are named after namespaces and kinds. What
counts is which lists a dump has, and of which namespaces: a list that is not there is not an empty one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from kubectl_netdoc.core.cluster import Cluster, Listing, Scope, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.formats.text import counted
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.api_extensions import DEFINITION
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import KINDS, NAMESPACE, POD
from kubectl_netdoc.sources import UNREADABLE, FollowUp, SourceError, Warn, nothing_more
from kubectl_netdoc.sources.documents import Document
from kubectl_netdoc.sources.live.decoding import OURS, OWNER
from kubectl_netdoc.sources.objects import BESIDE, as_json, items, kind_of, name_of, unknown_version

NO_LIST = "the dump has no list of them"
SOME_NAMESPACES = "the dump has lists of them for some namespaces only"
NO_LOGS = "logs in a dump are not read"
NO_SECRETS = "Secrets in a dump are not read"
ONE_BY_ONE = "the dump has a file for each, and nothing says that these are all"

BUILT_IN = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "batch",
        "discovery.k8s.io",
        "metrics.k8s.io",
        "networking.k8s.io",
        "rbac.authorization.k8s.io",
    }
)
"""API groups whose kinds no CustomResourceDefinition makes: the API server's own, and metrics-server's."""

SUFFIX = re.compile(r"\.(?:json|ya?ml)$")
EVERYWHERE = ""
"""Stands for all namespaces, and for the place of what is in none."""


def read_from_cluster(document: Any) -> bool | None:
    """Tell whether a list was read from a cluster, whose API server gives objects uids; None if it has none, or is no list."""
    named = [metadata for item in items(document) or () if "name" in (metadata := _metadata(item))]
    return "uid" in named[0] if named else None


class DumpSource:
    """A dump as a source: nothing can be measured, and lists that are not in it are ``Unavailable``."""

    def __init__(self, name: str, documents: Iterable[Document], warn: Warn) -> None:
        self._name = name
        self._warn = warn
        self._found: defaultdict[str, dict[tuple[str, str], Any]] = defaultdict(dict)
        self._bad: defaultdict[str, list[Unseen]] = defaultdict(list)
        self._lists: defaultdict[str, set[str]] = defaultdict(set)
        self._empty: list[tuple[str, tuple[str, ...]]] = []
        self._spaces: set[str] = set()
        self._newest: datetime | None = None
        foreign: Counter[str] = Counter()
        for document in documents:
            foreign += self._take(document)
        for plural, parts in self._empty:  # now that the namespaces are known
            self._lists[plural] |= self._namespace(parts)
        for what, count in sorted(foreign.items()):
            warn(f"ignored: {counted(count, what)} in {name}, which no API server has written")
        if not self._lists:
            raise SourceError(f"{name} contains no list of objects that netdoc reads", 2)

    def _take(self, document: Document) -> Counter[str]:
        """Keep what is in a document; return how many objects of a kind are not from a cluster."""
        listed = items(document.content)
        inner = document.name.removeprefix(self._name) or document.name.rpartition("/")[2]
        parts = PurePosixPath(SUFFIX.sub("", inner)).parts
        if listed is None:
            single = document.content if isinstance(document.content, dict) else {}
            listed = [single] if isinstance(single.get("kind"), str) else []
        elif not listed or read_from_cluster(document.content):
            self._note(document.content, listed, parts)
        foreign: Counter[str] = Counter()
        for item in listed:
            kind = kind_of(item) if isinstance(item.get("kind"), str) else None
            if kind is None or kind.plural == "secrets":
                continue
            metadata = item.get("metadata")
            if not isinstance(metadata, dict) or not metadata.get("uid"):
                foreign[kind.written or kind.name] += 1
                continue
            for each in (kind, *BESIDE[kind.name]):
                self._add(each, item, document.name)
        return foreign

    def _note(self, document: Any, listed: list[dict[str, Any]], parts: tuple[str, ...]) -> None:
        """Note of which kinds and namespaces a document is the list."""
        kinds = {kind.name: kind for item in listed if isinstance(item.get("kind"), str) and (kind := kind_of(item))}
        spaces = {space for item in listed if isinstance(space := _metadata(item).get("namespace"), str) and space}
        for kind in kinds.values():
            # kubectl prints the objects of one namespace or of all, whatever kinds it was asked for
            self._lists[_resource(kind)] |= spaces if kind.namespaced and len(spaces) == 1 else {EVERYWHERE}
        self._spaces |= spaces
        if not listed and isinstance(document, dict):
            kind = kind_of({**document, "kind": document["kind"].removesuffix("List")}) or _kind_named(parts)
            if kind and kind.namespaced:
                self._empty.append((_resource(kind), parts))
            elif kind:
                self._lists[_resource(kind)].add(EVERYWHERE)

    def _namespace(self, parts: tuple[str, ...]) -> set[str]:
        """Return the namespace that a file's folders or its name tell; none if they tell several."""
        named = self._spaces.intersection(parts) | {name for _, name in self._found[NAMESPACE.name] if name in parts}
        return named if len(named) == 1 else set()

    def _add(self, kind: Kind[Any], item: dict[str, Any], file: str) -> None:
        if not any(_selected(item, selector) for selector in kind.selectors):
            return
        why = unknown_version(kind, item)
        try:
            record = convert(kind, as_json(item))
        except UNREADABLE as error:
            why = why or f"can't be decoded: {error}"
        if why:
            what = f"{kind.written or kind.name} {name_of(item)}in {file}"
            self._bad[kind.name].append(Unseen(what, why, expected=True))
        elif (not kind.names or (record.namespace, record.name) in kind.names) and record.metadata.labels.get(OWNER) != OURS:
            self._found[kind.name][record.namespace, record.name] = record
            self._newest = max((*_moments(item), *((self._newest,) if self._newest else ())), default=None)

    @property
    def label(self) -> str:
        """The path of the dump."""
        return f"dump {self._name}"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the cluster as it was when the dump was made, which is taken from the newest time in its objects."""
        scope = self._scope()
        listings = {kind.name: self._listing(kind, scope.namespaces) for kind in kinds}
        there = {name: listing.items for name, listing in listings.items() if isinstance(listing, Listing)}
        for kind in kinds:
            if kind.pointed and kind.name in there:
                named = kind.pointed(there)
                listings[kind.name] = Listing(tuple(item for item in there[kind.name] if (item.namespace, item.name) in named))
        now = datetime.now(UTC)
        time = min(self._newest or now, now)
        return Cluster(listings, time=time, origin="dump", scope=scope)

    def _scope(self) -> Scope:
        """Return the namespaces of which the dump has the pods, or, if it has no pods, anything."""
        lists = {name: spaces for name, spaces in self._lists.items() if NAMESPACED[name]}
        spaces = lists.get(_resource(POD)) or set().union(*lists.values())
        every = {name for _, name in self._found[NAMESPACE.name]} if _resource(NAMESPACE) in self._lists else None
        if EVERYWHERE in spaces or (every is not None and every <= spaces):
            return Scope()
        return Scope(tuple(sorted(spaces)), "as in the dump")

    def _listing(self, kind: Kind[Any], namespaces: tuple[str, ...]) -> Listing | Unavailable:
        if kind.logs:
            return Unavailable(NO_LOGS)
        if kind.past:
            return Unavailable("a dump has no earlier state", by_design=True)
        if kind.plural == "secrets":
            return Unavailable(NO_SECRETS)
        found, bad = tuple(self._found[kind.name].values()), tuple(self._bad[kind.name])
        spaces = self._lists.get(_resource(kind))
        if found and kind.names:
            return Listing(found, bad)
        if found and spaces is None and not kind.namespaced and kind is not NAMESPACE:
            return Listing(found, (*bad, Unseen(f"other {kind.plural}", ONE_BY_ONE, expected=True)))
        if spaces is None:
            return self._missing(kind, bool(found))
        if kind.names:
            wanted = {space for space, _ in kind.names}
            return Listing((), bad) if EVERYWHERE in spaces or not spaces.isdisjoint(wanted) else Unavailable(NO_LIST)
        wanted = set(namespaces) or {name for _, name in self._found[NAMESPACE.name]} or {EVERYWHERE}
        if not kind.namespaced or EVERYWHERE in spaces or wanted <= spaces:
            within = (item for item in found if not (namespaces and kind.namespaced) or item.namespace in namespaces)
            return Listing(tuple(within), bad)
        return Unavailable(SOME_NAMESPACES)

    def _missing(self, kind: Kind[Any], single: bool) -> Unavailable:
        """Return why there is no list; one that no definition in the dump makes can't exist."""
        defined = self._found[DEFINITION.name].values()
        made = {(definition.group, definition.kind) for definition in defined}
        wanted = {(group, kind.written or kind.name) for group in kind.groups}
        if _resource(DEFINITION) in self._lists and BUILT_IN.isdisjoint(kind.groups) and made.isdisjoint(wanted):
            return Unavailable(f"the cluster has no {kind.plural}: no definition in the dump makes them", by_design=True)
        return Unavailable(ONE_BY_ONE if single else NO_LIST)

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return no replies: a dump can't be measured."""
        return Measured(why_unmeasured="a dump can't be measured; only a cluster can")


def _resource(kind: Kind[Any]) -> str:
    return f"{kind.plural}.{kind.group}"


NAMESPACED = {_resource(kind): kind.namespaced for kind in KINDS.values()}


def _kind_named(parts: tuple[str, ...]) -> Kind[Any] | None:
    """Return the kind whose plural a file's name ends with: kubectl's List without objects does not say of what."""
    word = re.split("[^a-z]", parts[-1])[-1] if parts else ""
    return next((kind for kind in KINDS.values() if kind.plural == word), None)


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _selected(item: dict[str, Any], selector: str) -> bool:
    """Tell whether a field selector of a list selects an object, as an API server does."""
    for term in filter(None, selector.split(",")):
        path, _, value = term.partition("=")
        there: Any = item
        for name in path.split("."):
            there = there.get(name) if isinstance(there, dict) else None
        if there != value:
            return False
    return True


def _moments(item: dict[str, Any]) -> Iterator[datetime]:
    """Yield the times at which an object was written or looked at: made, changed, its conditions, an Event's last."""
    metadata, status = _metadata(item), item.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    changes = metadata.get("managedFields")
    places: list[Any] = [metadata.get("creationTimestamp"), item.get("lastTimestamp"), item.get("eventTime")]
    for listed in (changes, conditions):
        for each in filter(lambda each: isinstance(each, dict), listed if isinstance(listed, list) else ()):
            places += [each.get("time"), each.get("lastHeartbeatTime"), each.get("lastTransitionTime")]
    for written in places:
        try:
            yield msgspec.convert(written, datetime, strict=False).astimezone(UTC)
        except (msgspec.ValidationError, OverflowError):
            continue
