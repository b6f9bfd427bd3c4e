# SPDX-License-Identifier: Apache-2.0
"""Which kinds the API server serves, and in which versions: its discovery, asked once.

A kind is read in the best version that is both served and known. One that is served only in other versions is named with them;
only one that discovery does not name at all is not installed. The core group has had one version ever, so it is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.sources import UNREADABLE
from kubectl_netdoc.sources.live.client import ApiError, Client

ALL_GROUPS = "/apis"
STALE = "Stale"
AT_ONCE = 8


class _Meta(Struct, frozen=True):
    name: str = ""


class _Resource(Struct, frozen=True):
    resource: str = ""


class _Version(Struct, frozen=True):
    version: str = ""
    resources: list[_Resource] | None = None
    freshness: str = ""


class _Group(Struct, frozen=True):
    """A group of the aggregated form (``metadata``), or of the older one (``name``), which lists no resources."""

    metadata: _Meta = _Meta()
    name: str = ""
    versions: list[_Version] | None = None


class _Groups(Struct, frozen=True):
    kind: str
    items: list[_Group] | None = None
    groups: list[_Group] | None = None


class _Named(Struct, frozen=True):
    name: str = ""


class _Resources(Struct, frozen=True):
    resources: list[_Named]


class Served(Struct, frozen=True):
    """What discovery says: the plurals of each API version, None where it does not know them now.

    ``problem``: why discovery can't be read at all; nothing is known then.
    """

    plurals: Mapping[str, frozenset[str] | None] = {}
    problem: str = ""

    def choose(self, kind: Kind[Any]) -> Kind[Any] | Unavailable:
        """Return a kind in the version in which it is read, or why it can't be."""
        if self.problem or not kind.group:
            return kind
        served = tuple(self._versions(kind))
        known = [api for api in kind.apis if api in served]
        if known:
            return kind.at(known[0])
        if served:
            return Unavailable(
                f"the server has {kind.plural} only in {joined(served)}, which this netdoc does not read "
                f"(it reads {joined(kind.apis)})"
            )
        silent = [api for api, plurals in self.plurals.items() if plurals is None and _group(api) in kind.groups]
        if silent:
            return Unavailable(f"whether the server has {kind.plural} is not known: it can't say now what {joined(silent)} has")
        return Unavailable(f"the server has no {kind.plural} in {joined(kind.groups)}", by_design=True)

    def _versions(self, kind: Kind[Any]) -> Iterator[str]:
        for api, plurals in self.plurals.items():
            if _group(api) in kind.groups and plurals and kind.plural in plurals:
                yield api

    def missing(self, kind: Kind[Any]) -> Unavailable:
        """Return what a 404 for a list says: that discovery named it, or could not be read."""
        why = f", and its discovery can't be read: {self.problem}" if self.problem else ", though its discovery names them"
        return Unavailable(f"the server has no {kind.plural} in {kind.api}{why}")


def read(client: Client, kinds: Iterable[Kind[Any]]) -> Served:
    """Ask the server: one request, and of servers before Kubernetes 1.27 one more for each API version that matters."""
    try:
        found = strict_json.decode(client.get(ALL_GROUPS), _Groups)
    except ApiError as error:
        return Served(problem=error.message or f"error {error.status}")
    except UNREADABLE as error:
        return Served(problem=f"it can't be decoded: {error}")
    if found.items is not None or found.groups is None:
        every = [(group.metadata.name, version) for group in found.items or () for version in group.versions or ()]
        return Served({f"{group}/{version.version}": _plurals(version) for group, version in every})
    wanted = {group for kind in kinds for group in kind.groups}
    apis = [f"{group.name}/{v.version}" for group in found.groups if group.name in wanted for v in group.versions or ()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Served(dict(zip(apis, pool.map(lambda api: _asked(client, api), apis), strict=True)))


def _plurals(version: _Version) -> frozenset[str] | None:
    """Return the plurals of a version; None where an API server behind this one did not say them."""
    plurals = frozenset(each.resource for each in version.resources or ())
    return None if version.freshness == STALE and not plurals else plurals


def _asked(client: Client, api: str) -> frozenset[str] | None:
    try:
        return frozenset(each.name for each in strict_json.decode(client.get(f"{ALL_GROUPS}/{api}"), _Resources).resources)
    except (ApiError, *UNREADABLE):
        return None


def _group(api: str) -> str:
    return api.rpartition("/")[0]
