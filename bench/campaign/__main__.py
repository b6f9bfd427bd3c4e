# SPDX-License-Identifier: Apache-2.0
"""The command line of a campaign."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from bench.campaign import inventory
from bench.campaign.draw import draw
from bench.campaign.mutation import Refused
from bench.campaign.run import Campaign, summary
from bench.netdoc import open_lab
from lab.faults.runner import LabError


def _stop(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


FAILURES = 0.2
"""Share of mutations that may break the lab beyond what can be judged before a run counts as failed."""


def main(args: list[str]) -> int:
    """Run what is asked for; numbers that have a verdict are left out."""
    parser = argparse.ArgumentParser(prog="python -m bench.campaign", description="Break the lab at random and judge netdoc.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("-n", type=int, default=10, help="how many mutations")
    parser.add_argument("--first", type=int, default=1, help="the first number")
    parser.add_argument("--enough", type=int, help="ask netdoc about so many symptomatic and so many benign ones, and end then")
    parser.add_argument("--again", action="store_true", help="those that have a verdict too; it is not written again")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no further mutation after so many")
    parser.add_argument("--name", default="netdoc", help="the cluster's name")
    parser.add_argument("--kubeconfig", type=Path, help="the path that lab/lab printed")
    parser.add_argument("--list", action="store_true", help="only draw")
    options = parser.parse_args(args)
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, _stop)  # what is applied is undone
    lab = open_lab(options.name, options.kubeconfig)
    numbers = range(options.first, options.first + options.n)
    if options.list:
        there = inventory.read(lab)
        for number in numbers:
            print(f"{number:3} {draw(options.seed, number, there).what[:300]}")
        return 0
    end = time.monotonic() + 60 * options.minutes
    campaign, failed = Campaign(lab, options.seed, options.enough), 0
    try:
        for number in numbers:
            if time.monotonic() > end or campaign.has_enough(True, False):
                break
            if campaign.path(number).exists() and not options.again:
                continue
            try:
                print(summary(campaign.run(number)), flush=True)
            except (LabError, Refused, ValueError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"{number:3} could not be judged: {type(error).__name__}: {error}", flush=True)
                campaign.anew()
    finally:
        campaign.leave()
    return 1 if failed > options.n * FAILURES else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
