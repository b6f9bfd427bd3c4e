# SPDX-License-Identifier: Apache-2.0
"""How often netdoc is right: counts the verdicts of `bench.matrix`, prints the score and writes docs/accuracy.md.

    python -m bench.score

It runs nothing on a cluster; `make score` does both.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from tabulate import tabulate

from bench import elsewhere, store
from bench.bounds import at_most, share
from bench.campaign import figures
from bench.matrix import Scene, Verdict, scenes
from bench.netdoc import ROOT
from bench.peers.table import table
from kubectl_netdoc.core.check import Check
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, outcome, pairs
from tests.checks import cases_of

PAGE = ROOT / "docs" / "accuracy.md"
BEGUN = "96583ec"
"""The commit at which verdicts were first written down."""


def read(folder: str) -> dict[str, Verdict]:
    """Return the verdicts of a folder by name."""
    paths = sorted((store.VERDICTS / folder).glob("*.json"))
    return {path.stem: msgspec.json.decode(path.read_bytes(), type=Verdict) for path in paths}


class Score:
    """The figures of a set of verdicts."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        every = list(verdicts)
        self.broken = [verdict for verdict in every if verdict.kind != "healthy"]
        self.variants = [verdict for verdict in every if verdict.kind == "healthy"]
        self.every = every

    @property
    def recalled(self) -> int:
        """Faults of which everything expected was said, code and subject, and each cause named as one."""
        return sum(not (verdict.missing or verdict.unnamed) for verdict in self.broken)

    @property
    def first(self) -> int:
        """Faults whose cause stands first."""
        return sum(verdict.first for verdict in self.broken)

    @property
    def wrong(self) -> int:
        """Causes named that are none, over all faults."""
        return sum(len(verdict.wrong) for verdict in self.broken)

    @property
    def healthy(self) -> tuple[int, int]:
        """Healthy runs in which something was said above info, and healthy runs: after each fault, and in each variant."""
        runs = [bool(verdict.after) for verdict in self.every] + [bool(verdict.causes) for verdict in self.variants]
        return sum(runs), len(runs)

    def rows(self) -> Iterator[tuple[str, str]]:
        """The figures in words, a row each."""
        faults = len(self.broken)
        alarms, runs = self.healthy
        seconds = sorted(verdict.seconds for verdict in self.broken)
        yield "faults and pairs judged", str(faults)
        yield "recall: every expected code on its subject, and the cause named", share(self.recalled, faults)
        yield "right: no wrong cause beside it either", share(sum(verdict.right for verdict in self.broken), faults)
        yield "cause named first", share(self.first, faults)
        yield "wrong causes named beside it, per fault", f"{self.wrong / faults:.2f}" if faults else "-"
        yield "healthy runs with a false alarm", f"{alarms} of {runs} (at most {at_most(alarms, runs):.1%})" if runs else "-"
        if seconds:
            worst = seconds[min(faults - 1, math.ceil(0.95 * faults) - 1)]
            yield (
                "seconds to the answer: median, 95 % within, longest",
                f"{statistics.median(seconds):.1f}, {worst:.1f}, {seconds[-1]:.1f}",
            )
        yield "objects left behind", str(sum(verdict.left for verdict in self.every))


def said(verdict: Verdict | None) -> str:
    """Say a verdict in a cell."""
    if verdict is None:
        return "not run"
    parts = [f"missed {', '.join(verdict.missing)}" if verdict.missing else ""]
    parts += [f"{', '.join(verdict.unnamed)} not named as cause" if verdict.unnamed else ""]
    parts += [f"beside it {', '.join(verdict.wrong)}" if verdict.wrong else "" if verdict.first else "not first"]
    return "; ".join(filter(None, parts)) or "right"


def fault_table(known: Sequence[Scene], now: dict[str, Verdict], first: dict[str, Verdict]) -> str:
    """A line a fault."""
    rows = []
    for scene in known:
        verdict = now.get(scene.name)
        rows.append(
            [
                f"`{scene.name}`",
                ", ".join(fault.row for fault in scene.faults if fault.row.strip("-")) or "-",
                "; ".join(fault.title for fault in scene.faults),
                ", ".join(fault.cause for fault in scene.faults),
                said(verdict),
                f"{said(first.get(scene.name))} ({first[scene.name].commit})" if scene.name in first else "-",
                f"{verdict.seconds:.1f}" if verdict else "-",
                verdict.fix.state if verdict else "-",
            ]
        )
    heads = ["Fault", "Row", "What is broken", "Cause", "Now", "First verdict", "s", "Printed fix"]
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)


def variant_table(known: Sequence[Scene], now: dict[str, Verdict]) -> str:
    """A line a healthy variant."""
    rows = []
    for scene in known:
        heard = ", ".join(now[scene.name].causes) or "silent" if scene.name in now else "not run"
        rows.append([f"`{scene.name}`", scene.faults[0].title, heard])
    return tabulate(rows, ["Variant", "What it is", "Said above info"], tablefmt="github")


def fixes(now: dict[str, Verdict]) -> str:
    """What became of the printed fixes."""
    states: dict[str, list[str]] = {}
    for verdict in now.values():
        if verdict.kind != "healthy":
            states.setdefault(verdict.fix.state, []).append(verdict.name)
    rows = [[state, len(names), ", ".join(f"`{name}`" for name in sorted(names))] for state, names in sorted(states.items())]
    return tabulate(rows, ["Printed fix", "Faults", ""], tablefmt="github")


def by_hand(rows_made: set[str]) -> str:
    """Score the hand-made cases of the catalogue's rows that no fault of the lab makes."""
    told: dict[str, tuple[set[str], int, int]] = {}
    for check in registry.load().checks:
        cases: Sequence[Case] = cases_of(check.id)
        for row in sorted({row for code in check.codes for row in code.rows} - rows_made):
            codes = {code.id for code in check.codes if row in code.rows}
            meant = [case for case in cases if codes & {code for code, _ in case.expect}]
            right = sum(_as_expected(check, case) for case in meant)
            seen, tried, hit = told.get(row, (set(), 0, 0))
            told[row] = (seen | codes, tried + len(meant), hit + right)
    rows = [[row, ", ".join(sorted(codes)), f"{hit} of {tried}"] for row, (codes, tried, hit) in sorted(told.items(), key=_row)]
    return tabulate(rows, ["Row", "Codes", "Cases right"], tablefmt="github")


def _row(item: tuple[str, object]) -> tuple[str, int]:
    return item[0][0], int(item[0][1:])


def _as_expected(check: Check, case: Case) -> bool:
    return case.expect <= pairs(outcome(check, case.cluster, case.measured).findings)


def acceptable(known: Sequence[Scene]) -> str:
    """What may stand beside a cause, and why."""
    rows = [[f"`{f.name}`", item.code, item.why] for s in known if s.kind == "fault" for f in s.faults for item in f.acceptable]
    return tabulate(rows, ["Fault", "May stand beside it", "Why it is as true"], tablefmt="github")


def revised(known: Sequence[Scene]) -> str:
    """Which faults' files were changed after the first verdict."""
    rows = [[f"`{f.name}`", f.revised] for s in known if s.kind == "fault" for f in s.faults if f.revised]
    return tabulate(rows, ["Fault", "What was changed in what is expected, and why"], tablefmt="github")


def page() -> str:
    """Return docs/accuracy.md."""
    every = list(scenes())
    broken = [scene for scene in every if scene.kind != "healthy"]
    variants = [scene for scene in every if scene.kind == "healthy"]
    now, first = read("netdoc"), read("first")
    made = {row.strip() for scene in broken for fault in scene.faults for row in fault.row.split(",")}
    known = {scene.name for scene in every}
    now = {name: verdict for name, verdict in now.items() if name in known}
    blind = {name: verdict for name, verdict in first.items() if name in known & store.blind()}
    text = (ROOT / "bench" / "accuracy.md.in").read_text()
    return text.format(
        campaign=figures.section(),
        score=tabulate(list(Score(now.values()).rows()), ["", "netdoc"], tablefmt="github"),
        forecast=tabulate(list(Score(blind.values()).rows()), ["", "first verdict on blind faults"], tablefmt="github"),
        elsewhere=elsewhere.table(now, first),
        faults=fault_table(broken, now, first),
        variants=variant_table(variants, now),
        fixes=fixes(now),
        acceptable=acceptable(broken),
        by_hand=by_hand(made),
        revised=revised(broken),
        again=sum(now[name].when != verdict.when for name, verdict in first.items() if name in now),
        stored=len(now),
        peers=table(),
        first_commit=BEGUN,
        commits=", ".join(sorted({verdict.commit for verdict in now.values()})),
        days=", ".join(sorted({verdict.when[:10] for verdict in now.values()})),
    )


def main() -> int:
    """Count, print and write."""
    print(tabulate(list(Score(read("netdoc").values()).rows()), tablefmt="plain", disable_numparse=True))
    PAGE.write_text(page())
    print(f"\nwritten to {Path(PAGE).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
