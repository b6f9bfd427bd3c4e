# SPDX-License-Identifier: Apache-2.0
"""The words that netdoc itself knows: what a check recognises by its name has to keep it, and is no secret.

They are taken from the constants of netdoc's own compiled modules, those that read and judge: kube-system, k8s-app, coredns,
calico-node, nginx … A user's name that happens to be one of them stays as it is.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from types import CodeType

import kubectl_netdoc

NOT_JUDGING = ("cli", "report", "anonymize", "testing", "contract", "reachability", "permissions")
"""Parts of the program that talk to the user: their examples are no names that anything is recognised by."""

PART = re.compile(r"[A-Za-z]+|[0-9][A-Za-z0-9]*")
"""What a name is made of: letters, or what begins with a digit. What stands between is kept."""

_NAME = re.compile(r"[^\s\"']{1,120}")


@cache
def vocabulary() -> frozenset[str]:
    """Return all parts of words that netdoc knows by name, in lower case."""
    return frozenset(part.lower() for word in set(_constants()) for part in PART.findall(word))


def _constants() -> Iterator[str]:
    for module in pkgutil.walk_packages(kubectl_netdoc.__path__, "kubectl_netdoc."):
        if module.name.split(".")[1] not in NOT_JUDGING:
            found = importlib.util.find_spec(module.name)
            code = found.loader.get_code(module.name) if found and found.loader else None  # type: ignore[attr-defined]
            yield from _words(code.co_consts if code else ())


def _words(constants: Iterable[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, CodeType):
            yield from _words(constant.co_consts)
        elif isinstance(constant, (tuple, frozenset)):
            yield from _words(constant)
        elif isinstance(constant, str) and _NAME.fullmatch(constant):
            yield constant
