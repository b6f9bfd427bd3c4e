# SPDX-License-Identifier: Apache-2.0
"""The peers' figures in the columns of netdoc's: counts bench/verdicts/<peer>, asks nobody."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from tabulate import tabulate

from bench.peers.panel import Healthy, Verdict
from bench.store import VERDICTS

HEADS = ("", "faults", "named", "named first", "wrong per fault", "on the healthy lab", "seconds", "left behind")
COMMANDS = ("", "built from", "asked")


def healthy(folder: Path = VERDICTS) -> dict[str, Healthy]:
    """Return what each peer that was asked says of the healthy lab, by its name."""
    found = sorted(folder.glob("*/healthy.json"))
    return {path.parent.name: msgspec.json.decode(path.read_bytes(), type=Healthy) for path in found}


def broken(peer: str, folder: Path = VERDICTS) -> dict[str, Verdict]:
    """Return its verdicts on faults and pairs."""
    paths = [path for path in sorted((folder / peer).glob("*.json")) if path.stem != "healthy"]
    read = (msgspec.json.decode(path.read_bytes(), type=Verdict) for path in paths)
    return {verdict.name: verdict for verdict in read if verdict.kind != "healthy"}


def habit(by: str, baseline: Collection[str]) -> bool:
    """Whether what named the subject is a check that fires on the healthy lab as well, about other objects."""
    return bool(by) and by.split(" ", 1)[0] in {said.split(" ", 1)[0] for said in baseline}


def row(verdicts: Mapping[str, Verdict], calm: Healthy) -> list[str]:
    """One peer's line."""
    every, count = list(verdicts.values()), len(verdicts) or 1
    right = sum(verdict.right for verdict in every)
    first = sum(verdict.right and verdict.first for verdict in every)
    habits = sum(verdict.right and habit(verdict.by, calm.baseline) for verdict in every)
    return [
        f"{calm.peer} {calm.version}",
        str(len(every)),
        f"{right} ({right / count:.0%}), {habits} by a check that fires on the healthy lab too",
        f"{first} ({first / count:.0%})",
        f"{sum(verdict.wrong for verdict in every) / count:.2f}",
        f"{calm.alarms:g} complaints",
        f"{statistics.median(verdict.seconds for verdict in every):.1f}" if every else "-",
        str(len(calm.left)),
    ]


def table(folder: Path = VERDICTS) -> str:
    """All of them, with how each was built and asked."""
    calm = healthy(folder)
    if not calm:
        return "Not run yet."
    rows = [row(broken(peer, folder), calm[peer]) for peer in calm]
    told = [[f"{one.peer} {one.version}", one.source, f"`{one.command}`"] for one in calm.values()]
    tables = (tabulate(rows, HEADS, tablefmt="github", disable_numparse=True), tabulate(told, COMMANDS, tablefmt="github"))
    return "\n\n".join(tables)


if __name__ == "__main__":
    print(table())
