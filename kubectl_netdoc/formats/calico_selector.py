# SPDX-License-Identifier: Apache-2.0
"""Calico's selectors (projectcalico/calico, libcalico-go/lib/selector: tokenizer and parser at commit 87c15906).

``a == 'b' && has(c) || !(d in {'e', 'f'})``: ``!`` binds closest, then ``&&``, then ``||``. Without the label ``!=`` and
``not in`` hold, and ``contains``, ``starts with`` and ``ends with`` do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct

_TOKEN = re.compile(
    r"\s*(?:(?P<call>all|global)\(\s*\)|has\(\s*(?P<has>[^\s()]+)\s*\)|(?P<sign>&&|\|\||==|!=|[!(){},])"
    r"|(?P<word>not\s+in|in|contains|starts\s+with|ends\s+with)(?=[\s{'\"])|(?P<text>'[^']*'|\"[^\"]*\")|(?P<label>[\w./-]+))"
)
_WORDS = {"not in": "not in", "in": "in", "contains": "contains", "starts with": "starts with", "ends with": "ends with"}


class Things(Protocol):
    """What selectors select from: sets as integers."""

    @property
    def all(self) -> int:
        """All of them."""

    def equal(self, key: str, value: str) -> int:
        """Those that have a label with that value."""

    def present(self, key: str) -> int:
        """Those that have a label."""

    def values(self, key: str) -> Iterable[str]:
        """The values that a label has."""


class Labels:
    """One labelled thing: a set of it is 1 or 0."""

    all = 1

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = labels

    def equal(self, key: str, value: str) -> int:
        """Return whether it has a label with that value."""
        return int(self.labels.get(key) == value)

    def present(self, key: str) -> int:
        """Return whether it has a label."""
        return int(key in self.labels)

    def values(self, key: str) -> Iterable[str]:
        """Return the value of a label."""
        return (self.labels[key],) if key in self.labels else ()


class Selector(Struct, frozen=True):
    """A node of a selector: an operator with a label's key and values, or with other nodes."""

    operator: str
    key: str = ""
    values: tuple[str, ...] = ()
    nodes: tuple[Selector, ...] = ()

    def select(self, among: Things) -> int:
        """Return the set that it selects. Raises ``ValueError`` for ``global()``, which selects no labelled thing."""
        match self.operator:
            case "all":
                return among.all
            case "not":
                return among.all & ~self.nodes[0].select(among)
            case "and" | "or":
                found = self.nodes[0].select(among)
                for node in self.nodes[1:]:
                    found = found & node.select(among) if self.operator == "and" else found | node.select(among)
                return found
            case "has":
                return among.present(self.key)
            case "==" | "in":
                return self._any(among, self.values)
            case "!=" | "not in":
                return among.all & ~self._any(among, self.values)
            case "contains":
                return self._any(among, (each for each in among.values(self.key) if self.values[0] in each))
            case "starts with":
                return self._any(among, (each for each in among.values(self.key) if each.startswith(self.values[0])))
            case "ends with":
                return self._any(among, (each for each in among.values(self.key) if each.endswith(self.values[0])))
        raise ValueError(f"{self.operator}() is not for labels")

    def _any(self, among: Things, values: Iterable[str]) -> int:
        found = 0
        for value in values:
            found |= among.equal(self.key, value)
        return found

    def labels(self) -> Iterator[str]:
        """Yield the keys of all labels in it."""
        if self.key:
            yield self.key
        for node in self.nodes:
            yield from node.labels()


ALL = Selector("all")


def parse(text: str) -> Selector:
    """Return a selector; an empty text selects everything. Raises ``ValueError`` where the text is none."""
    if not text.strip():
        return ALL
    tokens = list(_tokens(text))
    node, rest = _either(tokens)
    if rest:
        raise ValueError(f"unexpected {rest[0][1]!r} in selector {text!r}")
    return node


Tokens = list[tuple[str, str]]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"selector {text!r} can't be read at {text[position:]!r}")
        position = found.end()
        kind = str(found.lastgroup)
        value = found[kind]
        yield kind, value[1:-1] if kind == "text" else " ".join(value.split())


def _either(tokens: Tokens) -> tuple[Selector, Tokens]:
    return _chain(tokens, "||", "or")


def _chain(tokens: Tokens, sign: str, operator: str) -> tuple[Selector, Tokens]:
    deeper = _one if operator == "and" else (lambda rest: _chain(rest, "&&", "and"))
    node, tokens = deeper(tokens)
    nodes = [node]
    while tokens and tokens[0] == ("sign", sign):
        node, tokens = deeper(tokens[1:])
        nodes.append(node)
    return (Selector(operator, nodes=tuple(nodes)) if len(nodes) > 1 else nodes[0]), tokens


def _one(tokens: Tokens) -> tuple[Selector, Tokens]:
    if not tokens:
        raise ValueError("the selector ends where something is missing")
    (kind, value), rest = tokens[0], tokens[1:]
    if (kind, value) == ("sign", "!"):
        node, rest = _one(rest)
        return Selector("not", nodes=(node,)), rest
    if (kind, value) == ("sign", "("):
        node, rest = _either(rest)
        return node, _after(rest, ")")
    if kind == "call":
        return Selector(value), rest
    if kind == "has":
        return Selector("has", value), rest
    if kind == "label" and rest and rest[0][1] in ("==", "!=", *_WORDS):
        operator, rest = rest[0][1], rest[1:]
        values, rest = _values(rest) if operator in ("in", "not in") else _text(rest)
        return Selector(operator, value, values), rest
    raise ValueError(f"unexpected {value!r} in a selector")


def _text(tokens: Tokens) -> tuple[tuple[str, ...], Tokens]:
    if not tokens or tokens[0][0] != "text":
        raise ValueError("a selector lacks a value in quotes")
    return (tokens[0][1],), tokens[1:]


def _values(tokens: Tokens) -> tuple[tuple[str, ...], Tokens]:
    rest, found = _after(tokens, "{"), []
    while rest and rest[0][0] == "text":
        found.append(rest[0][1])
        rest = rest[2:] if rest[1:] and rest[1] == ("sign", ",") else rest[1:]
    return tuple(found), _after(rest, "}")


def _after(tokens: Tokens, sign: str) -> Tokens:
    if not tokens or tokens[0] != ("sign", sign):
        raise ValueError(f"a selector lacks {sign!r}")
    return tokens[1:]
