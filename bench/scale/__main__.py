# SPDX-License-Identifier: Apache-2.0
"""A check of the API tier on clusters of any size, beside the least that reading them can cost.

    python -m bench.scale [--size 0.01 0.1] [--base REV] [--seed N]
    python -m bench.scale serve --size 0.01

Size 1 has 5,000 nodes, 150,000 pods, 10,000 Services and 10,000 policies. Each size is put into an etcd of its own, under a real
kube-apiserver (both of the lab's build; ``lab/lab build`` makes them), and both end with this program. The floor reads the same
lists with a bare HTTP client and decodes nothing. ``--base``: another revision of netdoc, measured on the same server.

CPU (user and system of the reading process alone) and the most memory hardly depend on what else the machine does; seconds do,
and count only where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from tabulate import tabulate

from bench import startup
from bench.scale.store import Store
from bench.scale.stored import WHOLE, Stored
from tests.support.real_api_server import RealServer, real_api_server

ROOT = Path(__file__).parent.parent.parent
SIZES = (0.01, 0.1)
SERVICE_RANGE = "172.16.0.0/12"

MEMORY, REST = 11.0, 1.0
"""GiB that the servers hold of a cluster of size 1, and with next to nothing in it."""

COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With it each start would compile all modules."""

CHECK = ("check", "--no-pods", "-o", "json", "--kubeconfig")


class Cost(Struct):
    """What a program cost: seconds from start to end, of the processor, and MiB at most."""

    seconds: float
    cpu: float
    memory: float
    said: bytes


class Row(Struct):
    """A program's cost at one size."""

    size: float
    name: str
    cost: Cost


def costs(command: Sequence[str]) -> Cost:
    """Run a program and return what it cost; a check that finds something wrong ends with 1."""
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, env=COMPILED)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        out.seek(0)
        return Cost(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read())


@contextmanager
def served(size: float, seed: int) -> Iterator[tuple[RealServer, Stored]]:
    """Run an API server with a cluster of a size while the block runs; raises ``MemoryError`` if there is no room for it."""
    needed = MEMORY * size + REST
    if needed > _available():
        raise MemoryError(f"size {size:g} needs {needed:.1f} GiB for the servers, and {_available():.1f} are available")
    made: list[Stored] = []

    def fill(etcd: str) -> None:
        started = time.perf_counter()
        with Store(etcd) as store:
            made.append(Stored(size, store.put, seed))
            made[0].build()
        print(
            f"size {size:g}: {store.written:,} objects, {store.size >> 20:,} MiB, {time.perf_counter() - started:.0f} s to load"
        )

    with (
        tempfile.TemporaryDirectory(prefix="netdoc-scale-") as folder,
        real_api_server(Path(folder), fill, SERVICE_RANGE) as server,
    ):
        yield server, made[0]


def _available() -> float:
    """Return the GiB of memory that programs may still have."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / (1 << 20)


def judged(report: dict[str, Any], planted: Sequence[tuple[str, str, str]]) -> str:
    """Return how many planted faults a report names, and what else it has above info, effects of others left out."""
    wrong = [each for each in report["findings"] if each["severity"] != "info" and not each.get("explained_by")]
    named = {(each["subject"]["kind"], each["subject"].get("namespace", ""), each["subject"]["name"]) for each in wrong}
    other = sorted({each["code"] for each in wrong if _subject(each) not in planted})
    found = len(named.intersection(planted))
    return f"{found} of {len(planted)} planted faults found; besides: {', '.join(other) or 'nothing'}"


def _subject(finding: dict[str, Any]) -> tuple[str, str, str]:
    subject = finding["subject"]
    return subject["kind"], subject.get("namespace", ""), subject["name"]


def measured(size: float, seed: int, programs: dict[str, str]) -> Iterator[Row]:
    """Yield the costs of the floor and of each program at a size."""
    with served(size, seed) as (server, made):
        python, kubeconfig = sys.executable, str(server.kubeconfig)
        costs([python, "-m", "bench.scale.floor", kubeconfig])  # the first fills the server's caches
        yield Row(size, "floor", costs([python, "-m", "bench.scale.floor", kubeconfig]))
        for name, program in programs.items():
            row = Row(size, name, costs([program, *CHECK, kubeconfig]))
            print(f"  {name}: {judged(json.loads(row.cost.said), made.planted)}")
            yield row


def table(rows: Sequence[Row]) -> str:
    """Return the costs, each beside the floor of its size, and beside the same program at the size before."""
    floors = {row.size: row.cost for row in rows if row.name == "floor"}
    lines = []
    for row in rows:
        before = [each for each in rows if each.name == row.name and each.size < row.size]
        grew = row.cost.cpu / before[-1].cost.cpu if before else 0
        times = f"{grew:.1f} for {row.size / before[-1].size:.1f}" if before else ""
        floor, nodes = floors[row.size], round(WHOLE["nodes"] * row.size)
        memory = row.cost.memory if row.name != "floor" else None  # it is that of this program, which starts it
        figures = (row.cost.seconds, row.cost.cpu, memory, row.cost.seconds / floor.seconds, row.cost.cpu / floor.cpu)
        lines.append([f"{row.size:g}", nodes, row.name, *figures, times])
    headers = ["size", "nodes", "program", "s", "CPU s", "MiB", "x floor", "x its CPU", "CPU grew"]
    return tabulate(lines, headers, floatfmt=("", "", "", ".1f", ".1f", ".0f", ".2f", ".2f"), disable_numparse=[0, 8])


def main() -> int:
    """Measure and print, or serve until the end of the input."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="a check on clusters of any size")
    parser.add_argument("verb", nargs="?", choices=("measure", "serve"), default="measure")
    parser.add_argument("--size", type=float, nargs="+", default=SIZES, help="shares of 5,000 nodes and 150,000 pods")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--base", help="a revision of netdoc to measure beside this tree")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # the servers end with this program
    if given.verb == "serve":
        with served(given.size[0], given.seed) as (server, made):
            print(json.dumps({"kubeconfig": str(server.kubeconfig), "planted": made.planted}), flush=True)
            sys.stdin.read()
        return 0
    programs = {"this tree": str(ROOT / ".venv" / "bin" / "kubectl-netdoc")}
    if given.base:
        tree = startup.installed(ROOT / "build" / "bench-base", lambda folder: startup.of_revision(folder, given.base))
        programs[given.base] = str(tree.parent / "venv" / "bin" / "kubectl-netdoc")
    rows = [row for size in sorted(given.size) for row in measured(size, given.seed, programs)]
    print(f"\n{table(rows)}\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
