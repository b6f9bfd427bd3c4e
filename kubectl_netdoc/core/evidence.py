# SPDX-License-Identifier: Apache-2.0
"""References in evidence, as data: node-to-node paths and objects. They become text only when they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.records.base import Object

Scalar = str | int | float | bool
Evidence = dict[str, Scalar | list[str]]
"""Evidence as every report format has it: numbers, texts and lists of texts."""


class NodePath(Struct, frozen=True, order=True, omit_defaults=True, tag="path"):
    """A path from one node to another, and what was measured on it.

    ``words``: the measurement as text; ``value``: its number, for a heat map (None if nothing came through);
    ``lossy``: whether something was lost.
    """

    one: str
    other: str
    words: str = ""
    value: float | None = None
    lossy: bool = False

    def __str__(self) -> str:
        return f"{self.one} -> {self.other}" + (f": {self.words}" if self.words else "")

    @property
    def nodes(self) -> tuple[str, str]:
        """Both ends."""
        return self.one, self.other


class ObjectRef(Struct, frozen=True, order=True, omit_defaults=True, tag="object"):
    """An object that evidence names, with the port, address and node if they matter.

    An address without an object is of kind ``Address`` and named by itself. Prints as ``namespace/name:port address on node``.
    """

    kind: str
    name: str
    namespace: str = ""
    port: int = 0
    address: str = ""
    node: str = ""

    @classmethod
    def to(cls, kind: str, item: Object, port: int = 0, address: str = "", node: str = "") -> ObjectRef:
        """Return a reference to an object of the API."""
        return cls(kind, item.name, item.namespace, port, address, node)

    def __str__(self) -> str:
        named = f"{self.namespace}/{self.name}" if self.namespace else self.name
        port, address = f":{self.port}" if self.port else "", f" {self.address}" if self.address else ""
        return named + port + address + (f" on {self.node}" if self.node else "")

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace and name."""
        return self.kind, self.namespace, self.name


Reference = NodePath | ObjectRef


@runtime_checkable
class Named(Protocol):
    """Anything that names an object of the API: a Subject, an ObjectRef, a policy, a workload."""

    @property
    def kind(self) -> str:
        """Its kind."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def namespace(self) -> str:
        """Its namespace, "" for what has none."""


def references(evidence: Mapping[str, Any]) -> dict[str, tuple[Reference, ...]]:
    """Return the references in the values of evidence, by the values' names; texts and numbers have none."""
    found = {name: tuple(_references(value)) for name, value in evidence.items()}
    return {name: refs for name, refs in found.items() if refs}


def rendered(value: Any) -> Scalar | list[str]:
    """Return a value in the form that reports contain."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(item) for item in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _references(value: Any) -> Iterator[Reference]:
    for item in value if isinstance(value, (list, tuple, set, frozenset)) else (value,):
        if isinstance(item, (NodePath, ObjectRef)):
            yield item
        elif isinstance(item, Address):
            yield ObjectRef("Address", item.ip, port=item.port, address=item.ip)
        elif isinstance(item, Named):
            yield ObjectRef(item.kind, item.name, item.namespace)
