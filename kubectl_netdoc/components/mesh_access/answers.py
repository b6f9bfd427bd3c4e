# SPDX-License-Identifier: Apache-2.0
"""What is asked of a mesh and what it answers, and logic with a third value: None is "not known"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.formats.addresses import in_any, is_range
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.remediation.commands import shell_word


class Client(Struct, frozen=True):
    """Who connects. ``mesh``: that whose certificate it has; "" for a client outside all meshes."""

    namespace: str = ""
    account: str = ""
    mesh: str = ""
    addresses: tuple[str, ...] = ()


class Access(Struct, frozen=True):
    """Whether a client is let in (None: not known), by which objects, and why, as the rest of a sentence."""

    allowed: bool | None
    by: tuple[ObjectRef, ...] = ()
    why: str = ""


def every(values: Iterable[bool | None]) -> bool | None:
    """Return whether all hold."""
    found = list(values)
    return False if False in found else None if None in found else True


def some(values: Iterable[bool | None]) -> bool | None:
    """Return whether one holds."""
    found = list(values)
    return True if True in found else None if None in found else False


def opposite(value: bool | None) -> bool | None:
    """Return whether it does not hold."""
    return None if value is None else not value


def listed(addresses: Sequence[str], ranges: Iterable[str]) -> bool | None:
    """Return whether a client's address is in one of some ranges; a range may be a single address."""
    wanted = [text for text in ranges if is_range(text)]
    return any(in_any(address, wanted) for address in addresses) if addresses else None


def read(cluster: Cluster, kind: Kind[Any]) -> list[Any]:
    """Return all objects of a kind; none where it can't be read or is not installed."""
    return list(cluster.all(kind)) if cluster.readable(kind) else []


def said(answer: Access) -> str:
    """Return who decides and how, as a sentence."""
    return f"{joined(f'{each.kind} {each}' for each in answer.by)} {answer.why}" if answer.by else answer.why


def look(found: ObjectRef) -> str:
    """Return the command that shows an object; its group is named, for Istio and Linkerd have kinds of one name."""
    kind = KINDS.get(found.kind)
    resource = f"{kind.plural}.{kind.group}" if kind and kind.group else found.kind.lower()
    return f"kubectl -n {shell_word(found.namespace)} get {resource} {shell_word(found.name)} -o yaml"
