# SPDX-License-Identifier: Apache-2.0
"""The words that netdoc itself knows. What a check recognises by its name must keep the name, which is no secret.

They are the texts without blanks among the constants of compiled modules: kube-system, k8s-app, coredns, calico-node, nginx … A
name of the user's that happens to be one of them stays as it is. Which modules count follows from what they import, not from a
list: the examples in help texts, in the test kit or in ``why`` are no names that anything is recognised by.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator
from types import CodeType

PACKAGE = "kubectl_netdoc"
PART = re.compile(r"[A-Za-z]+|[0-9][A-Za-z0-9]*")
"""A part of a name: letters, or something that begins with a digit. Everything between parts is kept."""

_NAME = re.compile(r"[^\s\"']{1,120}")


def vocabulary(modules: Iterable[str]) -> frozenset[str]:
    """Return the parts, in lower case, of the words in these modules and in the netdoc modules that they import."""
    words: set[str] = set()
    waiting, seen = [*modules], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            for code in _codes(_compiled(name)):
                words.update(_words(code.co_consts))
                waiting += _imported(code)
    return frozenset(part.lower() for word in words for part in PART.findall(word))


def _compiled(name: str) -> CodeType | None:
    """The code of a module; None if there is no such module, or none in Python."""
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a part of something that is not a package
        return None
    return found.loader.get_code(name) if found and hasattr(found.loader, "get_code") else None  # type: ignore[union-attr]


def _codes(code: CodeType | None) -> Iterator[CodeType]:
    """A module's code, and that of all functions and classes in it."""
    if code:
        yield code
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from _codes(constant)


def _imported(code: CodeType) -> Iterator[str]:
    """The modules of netdoc that code imports: ``from a import b`` has both names, and b may be a module."""
    for name in code.co_names:
        if name.partition(".")[0] == PACKAGE:
            yield name
            yield from (f"{name}.{other}" for other in code.co_names if other.islower())


def _words(constants: Iterable[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, (tuple, frozenset)):
            yield from _words(constant)
        elif isinstance(constant, str) and _NAME.fullmatch(constant):
            yield constant
