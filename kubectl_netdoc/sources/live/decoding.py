# SPDX-License-Identifier: Apache-2.0
"""Pages of a list as records, in one pass: a page is decoded by its type, and object by object only if one of it does not fit."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.cluster import Listing
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.sources import UNREADABLE

T = TypeVar("T")

OWNER, OURS = "app.kubernetes.io/managed-by", "kubectl-netdoc"


class _ListMeta(Struct, frozen=True):
    continue_: str | None = msgspec.field(name="continue", default=None)


class _Page(Struct, Generic[T], frozen=True):
    items: list[T] | None = None
    metadata: _ListMeta = _ListMeta()


class _Named(Struct, frozen=True):
    name: str = ""
    namespace: str = ""


class Reference(Struct, frozen=True):
    """The name of any object."""

    metadata: _Named = _Named()


class Records:
    """The records of one kind, as the parts of its list come."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.items: list[Any] = []
        self.undecodable: list[Unseen] = []

    @property
    def listing(self) -> Listing:
        """All of them but for objects of other netdoc runs."""
        others = (item for item in self.items if item.metadata.labels.get(OWNER) != OURS)
        return Listing(tuple(others), tuple(self.undecodable))

    def take_page(self, body: bytes) -> str:
        """Keep the records of a page and return the token of the next one; raises what is in ``UNREADABLE``."""
        wanted = self.kind.wire or self.kind.record
        try:
            page = strict_json.decode(body, _Page[wanted])  # type: ignore[valid-type]
        except UNREADABLE:  # one object of it is at fault, or all of it
            raw = strict_json.decode(body, _Page[msgspec.Raw])
            for item in raw.items or ():
                self.take(item)
            return raw.metadata.continue_ or ""
        self.items += map(self.kind.keep, page.items or ())
        return page.metadata.continue_ or ""

    def take(self, raw: msgspec.Raw) -> None:
        """Keep the record of one object."""
        try:
            self.items.append(decode(self.kind, raw))
        except UNREADABLE as error:
            self.undecodable.append(
                Unseen(what=f"{self.kind.name} {_name(raw)}", reason=f"can't be decoded: {error}", expected=True)
            )

    def add(self, others: Records) -> None:
        """Keep what others of the kind have."""
        self.items += others.items
        self.undecodable += others.undecodable


def decode(kind: Kind[Any], raw: msgspec.Raw | bytes) -> Any:
    """Return the record of one object; null counts as absent. It is fast if nothing is null."""
    try:
        return kind.keep(strict_json.decode(raw, kind.wire or kind.record))
    except msgspec.ValidationError:
        return convert(kind, msgspec.json.decode(raw))


def _name(raw: msgspec.Raw) -> str:
    try:
        named = strict_json.decode(raw, Reference).metadata
    except UNREADABLE:
        return "(no name)"
    return f"{named.namespace}/{named.name}" if named.namespace else named.name
