# SPDX-License-Identifier: Apache-2.0
"""The figures of a campaign: verdicts counted by family, with bounds.

    python -m bench.campaign.figures [SEED…]

Bounds are one-sided at 95 % (Clopper and Pearson), as everywhere in docs/accuracy.md.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tabulate import tabulate

from bench import store
from bench.bounds import most, share
from bench.campaign.judge import ALARM, EXACT, LATENT, LOCALISED, ORDER, SILENT
from bench.campaign.run import FLAGS, Asked, Verdict, read

FOLDER = store.VERDICTS / "campaign"
NAMES = {"privileged": "with `--privileged`", "default": "default flags"}


def judged(seeds: Sequence[str] = ()) -> list[Verdict]:
    """Return the verdicts of some seeds, or of all: those of mutations that netdoc was asked about."""
    folders = [folder for folder in sorted(FOLDER.glob("*")) if not seeds or folder.name in seeds]
    return [verdict for folder in folders for verdict in read(folder) if verdict.asked]


def symptomatic(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that the workload felt."""
    return [verdict for verdict in verdicts if verdict.symptoms]


def benign(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that it did not."""
    return [verdict for verdict in verdicts if not verdict.symptoms]


def _count(verdicts: Sequence[Verdict], flags: str, *said: str) -> int:
    return sum(verdict.asked[flags].judgement.verdict in said for verdict in verdicts)


def _loud(asked: Asked) -> bool:
    return asked.judgement.verdict == ALARM and asked.judgement.worst == "fail"


def overview(verdicts: Sequence[Verdict]) -> str:
    """The figures that count, a row each, a column a set of flags."""
    felt, not_felt = symptomatic(verdicts), benign(verdicts)

    def asked(flags: str, value: Callable[[Asked], float], of: Sequence[Verdict]) -> str:
        values = sorted(
            value(verdict.asked[flags]) for verdict in of if verdict.asked[flags].judgement.verdict in (EXACT, LOCALISED)
        )
        return f"{statistics.median(values):.0f} (half), {values[int(0.95 * (len(values) - 1))]:.0f} (95 %)" if values else "-"

    rows: list[tuple[str, Callable[[str], str]]] = [
        ("symptomatic: exact", lambda f: share(_count(felt, f, EXACT), len(felt))),
        ("symptomatic: exact or localised", lambda f: share(_count(felt, f, EXACT, LOCALISED), len(felt))),
        ("symptomatic: said that it could not tell", lambda f: most(_count(felt, f, "could not tell"), len(felt))),
        ("symptomatic: silent", lambda f: most(_count(felt, f, SILENT), len(felt))),
        ("symptomatic: wrong", lambda f: most(_count(felt, f, "wrong"), len(felt))),
        ("benign: with an alarm", lambda f: most(_count(not_felt, f, ALARM), len(not_felt))),
        ("benign: an alarm above `warn`", lambda f: str(sum(_loud(v.asked[f]) for v in not_felt))),
        ("benign: the trap that is there is named", lambda f: str(_count(not_felt, f, LATENT))),
        ("seconds to the first cause", lambda f: asked(f, lambda a: a.seconds, felt)),
        ("lines read before the first command", lambda f: asked(f, lambda a: a.lines, felt)),
    ]  # fmt: skip
    return tabulate(
        [[name, *(row(flags) for flags in FLAGS)] for name, row in rows], ["", *(NAMES[f] for f in FLAGS)], tablefmt="github"
    )


def families(verdicts: Sequence[Verdict], flags: str = "privileged") -> str:
    """A row a family."""
    rows = []
    for family in sorted({verdict.mutation.family for verdict in verdicts}):
        of = [verdict for verdict in verdicts if verdict.mutation.family == family]
        felt, not_felt = symptomatic(of), benign(of)
        said = [_count(felt, flags, each) for each in ORDER]
        rows.append([family, len(felt), *said, len(not_felt), _count(not_felt, flags, LATENT), _count(not_felt, flags, ALARM)])
    return tabulate(rows, ["family", "symptomatic", *ORDER, "benign", "latent", "alarm"], tablefmt="github")


def missed(verdicts: Sequence[Verdict], flags: str = "privileged") -> str:
    """What was not exact, a line each: for whoever mends it."""
    lines = []
    for verdict in verdicts:
        said = verdict.asked[flags].judgement
        if said.verdict in (EXACT, LATENT) or (said.verdict == SILENT and not verdict.symptoms):
            continue
        lines.append(f"{verdict.seed}/{verdict.number:03} {said.verdict}: {verdict.mutation.what[:300]}")
        lines += [f"      saw  {line[:200]}" for line in verdict.symptoms[:3]] + [
            f"      said {line}" for line in said.causes[:4]
        ]
    return "\n".join(lines)


def section() -> str:
    """What docs/accuracy.md opens with: each seed's figures, the last one's by family."""
    by_seed: dict[int, list[Verdict]] = {}
    for verdict in judged():
        by_seed.setdefault(verdict.seed, []).append(verdict)
    parts = []
    for seed, verdicts in sorted(by_seed.items(), key=lambda item: max(verdict.when for verdict in item[1]), reverse=True):
        commits = ", ".join(sorted({verdict.commit for verdict in verdicts}))
        networks = ", ".join(sorted({verdict.network for verdict in verdicts}))
        days = ", ".join(sorted({verdict.when[:10] for verdict in verdicts}))
        head = f"Seed {seed}: {len(verdicts)} mutations on {networks}, {days}, netdoc at {commits}."
        parts += [head, overview(verdicts), families(verdicts)]
    return "\n\n".join(parts) if parts else "No campaign has been run yet."


def main(args: list[str]) -> int:
    """Print the figures."""
    verdicts = judged([Path(arg).name for arg in args])
    if not verdicts:
        print("there are no verdicts: make campaign SEED=… N=…", file=sys.stderr)
        return 1
    print(overview(verdicts), families(verdicts), missed(verdicts), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
