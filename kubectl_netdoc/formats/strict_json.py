# SPDX-License-Identifier: Apache-2.0
"""JSON as records, from any thread.

msgspec builds what it knows of a type when that is first used. It is not done when it runs Python in between, where the
interpreter may go on with another thread: one that uses the same type, or one that holds it, then follows a null pointer (seen
with 0.22.0 as a segmentation fault, once in a hundred runs on a busy machine). So each type is built under one lock.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_BUILDING = threading.Lock()
_BUILT: set[Any] = set()


def decode(raw: bytes | str | msgspec.Raw, wanted: type[T]) -> T:
    """Return JSON as a type; raises what ``msgspec.json.decode`` raises."""
    _build(wanted)
    return msgspec.json.decode(raw, type=wanted)


def convert(value: Any, wanted: type[T]) -> T:
    """Return decoded JSON or YAML as a type; raises ``msgspec.ValidationError``."""
    _build(wanted)
    return msgspec.convert(value, wanted, strict=True)


def _build(wanted: Any) -> None:
    with _BUILDING:
        if wanted not in _BUILT:
            msgspec.json.Decoder(wanted)
            _BUILT.add(wanted)
