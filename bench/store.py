# SPDX-License-Identifier: Apache-2.0
"""Where verdicts are written down: ``bench/verdicts/<folder>/<scene>.json``, and what each of them tells of its run."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

VERDICTS = Path(__file__).parent / "verdicts"
DEADLINE = 170.0
"""Seconds for one run of a tool, whosever it is."""


def now() -> str:
    """The minute, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def load() -> float:
    """The machine's load average, in tasks a CPU."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def busy(seconds: float = 1.0) -> float:
    """Measure what share of the CPUs' time tasks of normal priority take (/proc/stat, proc(5)): others give way to a lab."""
    before = _times()
    time.sleep(seconds)
    user, nice, system, idle, waiting, interrupts, soft, *_ = (now - was for now, was in zip(_times(), before, strict=True))
    taken = user + system + interrupts + soft
    return taken / max(1, taken + nice + idle + waiting)


def _times() -> list[int]:
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


def write(folder: str, name: str, verdict: Struct) -> None:
    """Write a verdict in the place of the one before."""
    path = VERDICTS / folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(verdict), indent=1) + b"\n")


def has(folder: str, name: str) -> bool:
    """Whether there is one."""
    return (VERDICTS / folder / f"{name}.json").exists()


def blind() -> frozenset[str]:
    """Names of the faults and pairs written by somebody who had not read the checks."""
    return frozenset((VERDICTS / "blind").read_text().split())
