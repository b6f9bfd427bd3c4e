# SPDX-License-Identifier: Apache-2.0
"""Which fields of an object its record does not know: what such a field means, nobody here can say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from msgspec import Struct
from msgspec.structs import fields

IDLE = frozenset({"description", "enableLogging", "labels", "log", "logLabel", "name"})
"""Fields of policies that decide nothing, and are not kept."""


def unknown_fields(record: type[Struct], value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the fields of a decoded object that a record, or one within it, does not declare."""
    if not isinstance(value, dict):
        return
    declared = {found.encode_name: found.type for found in fields(record)}
    for name, inner in value.items():
        place = f"{path}.{name}" if path else str(name)
        if name not in declared:
            if name not in IDLE:
                yield place
            continue
        within = next(_records(declared[name]), None)
        for part in (inner if isinstance(inner, list) else (inner,)) if within else ():
            yield from unknown_fields(within, part, place)  # type: ignore[arg-type]


def _records(hint: Any) -> Iterator[type[Struct]]:
    """Yield the records in a type, such as the one in ``tuple[A, ...] | None``; an open record takes any field."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        if fields(hint):
            yield hint
        return
    for part in get_args(hint):
        yield from _records(part)
