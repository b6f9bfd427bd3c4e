# SPDX-License-Identifier: Apache-2.0
"""Objects in the documents of files: those of lists one by one, and what kinds they are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS

BY_WRITTEN_KIND: defaultdict[str, list[Kind[Any]]] = defaultdict(list)
for _known in (kind for kind in KINDS.values() if not kind.past):
    BY_WRITTEN_KIND[_known.written or _known.name].append(_known)
BESIDE = {
    kind.name: tuple(
        o for o in KINDS.values() if (o.group, o.plural) == (kind.group, kind.plural) and o is not kind and not o.past
    )
    for kind in KINDS.values()
}
"""Further kinds that are read from objects of a kind: ConfigMaps and DaemonSets hold settings of networks and kube-proxy."""


def kind_of(item: dict[str, Any]) -> Kind[Any] | None:
    """Return the kind of an object, by its API group too (Knative has a Service). Items of a PodList have no apiVersion."""
    version = item.get("apiVersion")
    kinds = BY_WRITTEN_KIND.get(item["kind"], [])
    if not isinstance(version, str):
        return kinds[0] if kinds else None
    group = version.rpartition("/")[0]
    return next((kind for kind in kinds if group in kind.groups), None)


def unknown_version(kind: Kind[Any], item: dict[str, Any]) -> str:
    """Return why an object's fields can't be told: it is of a version that netdoc does not know; "" if it does."""
    version = item.get("apiVersion")
    known = not isinstance(version, str) or version in kind.apis
    return "" if known else f"it is of {version}, which this netdoc does not read (it reads {joined(kind.apis)})"


def name_of(item: dict[str, Any]) -> str:
    """Return the name of an object of any shape, followed by a space; "" if it has none."""
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{name} " if isinstance(name, str) and name else ""


def items(document: Any) -> list[dict[str, Any]] | None:
    """Return the objects of a List, a PodList …, or an array; None if the document is none of these.

    Go writes an empty list as null.
    """
    if isinstance(document, list):
        return [item for item in document if isinstance(item, dict) and isinstance(item.get("kind"), str)]
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        return None
    listed = document.get("items", ())
    if not document["kind"].endswith("List") or not isinstance(listed, (list, type(None))):
        return None
    kind = {"kind": document["kind"].removesuffix("List"), "apiVersion": document.get("apiVersion")}
    return [kind | item if kind["kind"] else item for item in listed or () if isinstance(item, dict)]


def objects(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a document, those of a List (or PodList …) one by one."""
    listed = items(document)
    if listed is not None:
        for item in listed:
            yield from objects(item)
    elif isinstance(document, dict) and isinstance(document.get("kind"), str):
        yield document


def as_json(value: Any) -> Any:
    """Return YAML's own types as JSON types: timestamps as text (UTC if they have no zone), and keys as text."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else value
