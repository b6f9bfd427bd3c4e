# SPDX-License-Identifier: Apache-2.0
"""Other people's lists of faults (``lab/faults/elsewhere.toml``), and what netdoc made of each mechanism that the lab can make.

A mechanism is right where every fault of it is; it is left out while one of its faults has no verdict.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from tabulate import tabulate

from bench.bounds import share
from bench.matrix import Verdict
from lab.faults.model import FOLDER


class Mechanism(Struct, frozen=True):
    """One of a list: in our words, the lab's faults that are it, or else why there is none."""

    what: str
    faults: tuple[str, ...] = ()
    why: str = ""


class List(Struct, frozen=True):
    """One list: what it is, how many mechanisms it has by its own account, and those that are written down."""

    name: str
    what: str
    count: int
    mechanisms: tuple[Mechanism, ...]


def read() -> tuple[List, ...]:
    """Return the lists."""
    lists: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "elsewhere.toml").read_text())
    return tuple(
        List(
            name,
            of["what"],
            of["mechanisms"],
            tuple(_mechanism(*item) for part in of.values() if isinstance(part, dict) for item in part.items()),
        )
        for name, of in lists.items()
    )


def _mechanism(what: str, answer: list[str] | str) -> Mechanism:
    return Mechanism(what, why=answer) if isinstance(answer, str) else Mechanism(what, tuple(answer))


def table(now: Mapping[str, Verdict], first: Mapping[str, Verdict]) -> str:
    """A line a list."""
    rows = []
    for each in read():
        made = [mechanism for mechanism in each.mechanisms if mechanism.faults]
        judged = [mechanism for mechanism in made if all(name in now for name in mechanism.faults)]
        rows.append([each.what, len(each.mechanisms), len(made), len(judged), _right(judged, first), _right(judged, now)])
    return tabulate(rows, ["List", "Mechanisms", "Made here", "Judged", "First verdict right", "Right now"], tablefmt="github")


def _right(judged: list[Mechanism], verdicts: Mapping[str, Verdict]) -> str:
    known = [mechanism for mechanism in judged if all(name in verdicts for name in mechanism.faults)]
    return share(sum(all(verdicts[name].right for name in mechanism.faults) for mechanism in known), len(known))
