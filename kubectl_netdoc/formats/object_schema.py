# SPDX-License-Identifier: Apache-2.0
"""What an API server asks of an object's fields: rules that yield, in words, what a value lacks.

A rule takes a value and its path. As in the API null counts as absent, and fields that no rule knows are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kubectl_netdoc.formats.text import counted, joined

Rule = Callable[[Any, str], Iterator[str]]


def anything(value: Any, path: str) -> Iterator[str]:
    """Ask nothing of a value."""
    yield from ()


def fields(known: Mapping[str, Rule], *required: str, one: bool = False, also: Rule = anything) -> Rule:
    """Ask for an object with these fields: those that are ``required``, with ``one`` exactly one; then ask ``also``."""

    def rule(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path} has to be an object"
            return
        there = {key: item for key, item in value.items() if key in known and item is not None}
        if one and len(there) != 1:
            yield f"{path} has to have exactly one of {joined(known, 'or')}"
        for key in required:
            if key not in there:
                yield f"{path}.{key} is missing"
        for key, item in there.items():
            yield from known[key](item, f"{path}.{key}")
        yield from also(there, path)

    return rule


def items(each: Rule, least: int = 0, most: int = 0, also: Rule = anything) -> Rule:
    """Ask for a list with this number of such items (``most`` of 0: any number); then ask ``also``."""

    def rule(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path} has to be a list"
            return
        if len(value) < least:
            yield f"{path} has to have at least {counted(least, 'item')}"
        if most and len(value) > most:
            yield f"{path} has {len(value)} items, and may have {most}"
        for number, item in enumerate(value):
            yield from each(item, f"{path}[{number}]")
        yield from also(value, path)

    return rule


def number(low: int, high: int) -> Rule:
    """Ask for a whole number from ``low`` to ``high``."""

    def rule(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            yield f"{path} has to be a number from {low} to {high}"

    return rule


def words(*allowed: str) -> Rule:
    """Ask for one of these texts."""

    def rule(value: Any, path: str) -> Iterator[str]:
        if value not in allowed:
            yield f"{path} has to be {joined(allowed, 'or')}"

    return rule


def text(most: int = 0, fits: Callable[[str], object] = bool, what: str = "") -> Rule:
    """Ask for a text of at most so many characters that ``fits``; ``what``: what it has to be."""

    def rule(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, str) or (most and len(value) > most):
            yield f"{path} has to be a text" + (f" of at most {counted(most, 'character')}" if most else "")
        elif what and not fits(value):
            yield f"{path} has to be {what}"

    return rule
