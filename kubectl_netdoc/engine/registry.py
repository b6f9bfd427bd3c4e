# SPDX-License-Identifier: Apache-2.0
"""Finds the checks: every module of every package that an entry point of the group names, built-in or not."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.finding import Code, Explains, Scope
from kubectl_netdoc.core.report import CheckResult, State

GROUP = "kubectl_netdoc.checks"

RETIRED: frozenset[str] = frozenset({"DSE022"})
"""Ids of codes that no longer exist; they are never used again. DNC014 and DNC015 replace DSE022."""


class Registry(Struct, frozen=True):
    """The checks that loaded, in the order of their ids, and a row for each module that did not."""

    checks: tuple[Check, ...]
    broken: tuple[CheckResult, ...] = ()

    @property
    def codes(self) -> dict[str, tuple[Check, Code]]:
        """Every code with its check, by the code's id."""
        return {code.id: (check, code) for check in self.checks for code in check.codes}

    def choose(self, only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Check, ...]:
        """Return the checks named in ``only`` (empty: all) without those in ``skip``; raises ``UnknownName``."""
        known = {check.id: check for check in self.checks}
        chosen, left_out = tuple(only), frozenset(skip)
        for name in (*chosen, *left_out):
            if name not in known:
                raise UnknownName("check", name, known)
        return tuple(c for c in self.checks if (not chosen or c.id in chosen) and c.id not in left_out)


class UnknownName(ValueError):
    """Raised for an unknown name; the message names the closest known one."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        folded = {known_name.casefold(): known_name for known_name in names}
        near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
        hint = f"did you mean {folded[near[0]]!r}?" if near else f"available: {', '.join(names)}"
        super().__init__(f"there is no {what} {name!r}; {hint}")


@contextmanager
def plugins_run() -> Iterator[None]:
    """Send what plugins print to stderr while their code runs: stdout is for the report."""
    with redirect_stdout(sys.stderr):
        yield


@cache
@plugins_run()
def load() -> Registry:
    """Return all installed checks. A module that can't be imported becomes a row with its error, never an exception."""
    checks: dict[str, Check] = {}
    broken: list[CheckResult] = []
    for door in sorted(entry_points(group=GROUP), key=lambda e: (e.name != "builtin", e.name)):
        found, bad = load_package(door)
        for check in found:
            taken = {code.id for known in checks.values() for code in known.codes} & {code.id for code in check.codes}
            if check.id in checks:
                bad.append(_row(door, check.id, "another check has this id already"))
            elif taken:
                bad.append(_row(door, check.id, f"other checks have these codes already: {', '.join(sorted(taken))}"))
            else:
                checks[check.id] = check
        broken += bad
    return Registry(tuple(_completed([checks[name] for name in sorted(checks)])), tuple(broken))


def _completed(checks: list[Check]) -> Iterator[Check]:
    """Yield the checks with what their codes explain because others say where it ends (``Code.tells``)."""
    localising = sorted((code.id, code.effects) for check in checks for code in check.codes if code.tells == "place")

    def completed(code: Code) -> Code:
        if code.tells == "place":
            return code
        placed = {effect for explains in code.explains if explains.scope in PLACED for effect in explains.codes}
        also = tuple(other for other, effects in localising if placed & effects and code.id not in effects)
        more = (Explains(also, "node"), Explains(also, "path")) if also else ()
        return msgspec.structs.replace(code, explains=(*code.explains, *more))

    for check in checks:
        yield msgspec.structs.replace(check, codes=tuple(map(completed, check.codes)))


PLACED: tuple[Scope, ...] = ("subject", "path", "node")
"""Scopes of what is at a place, and not all over the cluster."""


def load_package(door: EntryPoint) -> tuple[list[Check], list[CheckResult]]:
    """Import the package that an entry point names and each module in it."""
    try:
        names = list(_modules(door.load()))
    except (Exception, SystemExit) as error:  # a plugin may do anything at import
        return [], [_row(door, door.value, f"{type(error).__name__}: {error}")]
    checks: list[Check] = []
    broken: list[CheckResult] = []
    for name in names:
        try:
            checks.append(described(importlib.import_module(name)))
        except (Exception, SystemExit) as error:
            broken.append(_row(door, name, f"{type(error).__name__}: {error}"))
    return checks, broken


def _modules(package: ModuleType) -> Iterator[str]:
    """Yield the names of a package's modules and of those in its folders; a folder with a ``check`` is one check in parts."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.ispkg and not hasattr(folder := importlib.import_module(module.name), "check"):
            yield from _modules(folder)
        else:
            yield module.name


def described(module: ModuleType) -> Check:
    """Return a module's check, with the module's docstring as its page; raises ``TypeError`` if there is no check."""
    check = getattr(module, "check", None)
    if not isinstance(check, Check):
        raise TypeError("the module has no value named 'check' of type Check")
    return msgspec.structs.replace(check, doc=inspect.getdoc(module) or "")


def _row(door: EntryPoint, what: str, error: str) -> CheckResult:
    distribution = door.dist.name if door.dist else door.name
    return CheckResult(check=what, title=f"Plugin of {distribution} loads", state=State.CRASHED, error=error)
