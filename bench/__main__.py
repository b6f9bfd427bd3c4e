# SPDX-License-Identifier: Apache-2.0
"""The figures, measured: medians and ratios in a table. NETDOC_LAB is the kubeconfig of an idle lab.

`python -m bench faults` also times a full check under each fault of the lab (one run each, some ten minutes in all).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

from lab.faults.runner import Lab, all_faults

ROOT = Path(__file__).parent.parent
PYTHON = str(ROOT / ".venv" / "bin" / "python")
NETDOC = str(ROOT / ".venv" / "bin" / "kubectl-netdoc")
RUNS = 7


def timed(command: list[str], runs: int = RUNS) -> list[float]:
    """Seconds from start to exit of each run; the first one, which warms the file cache, is left out."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        times.append(time.perf_counter() - started)
    return times[1:]


def peak(command: list[str]) -> float:
    """Largest resident set of a command in MiB."""
    pid = os.spawnvpe(os.P_NOWAIT, "/bin/sh", ["sh", "-c", f"exec {' '.join(command)} >/dev/null 2>&1"], os.environ)
    return os.wait4(pid, 0)[2].ru_maxrss / 1024


def gone(lab: Lab) -> float:
    """Seconds from the end of a full check until nothing of it is left in the cluster; at most 60."""
    subprocess.run([NETDOC, "check"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    started = time.monotonic()
    while time.monotonic() - started < 60:
        if not lab.kubectl("get", "namespaces,pods", "-A", "-l", "app.kubernetes.io/managed-by=kubectl-netdoc", "-o", "name"):
            break
        time.sleep(0.2)
    return time.monotonic() - started


def under_faults(lab: Lab) -> list[list[object]]:
    """Seconds of one full check under each fault that has a verdict."""
    rows: list[list[object]] = []
    for fault in all_faults():
        if fault.expect and not lab.lacks(fault):
            with lab.broken(fault):
                rows.append([fault.name, fault.row, timed([NETDOC, "check"], runs=1)[0]])
    return rows


def main() -> None:
    """Measure and print."""
    lab = Lab(Path(os.environ["NETDOC_LAB"]))
    os.environ["KUBECONFIG"] = os.environ["NETDOC_LAB"]
    full = [NETDOC, "check"]
    commands = {
        "python -c 'import click'": [PYTHON, "-c", "import click"],
        "--help": [NETDOC, "--help"],
        "check --from demo": [NETDOC, "check", "--from", "demo/kube-proxy-hung.json"],
        "check --no-pods": [NETDOC, "check", "--no-pods"],
        "check": full,
    }
    goals = {"--help": "<= 1.6 x click", "check --from demo": "<= 0.5 s", "check --no-pods": "<= 1.5 s", "check": "<= 5 s"}
    times = {name: timed(command) for name, command in commands.items()}
    base = statistics.median(times["python -c 'import click'"])
    rows = [
        [name, statistics.median(values), min(values), max(values), statistics.median(values) / base, goals.get(name, "")]
        for name, values in times.items()
    ]
    headers = ["command", "median s", "min", "max", "x click", "goal"]
    print(tabulate(rows, headers=headers, floatfmt=".3f"))
    print(f"\npeak memory of a full check: {peak(full):.0f} MiB (goal <= 130 MB)")
    cost = subprocess.run([*full, "-v"], capture_output=True, text=True, check=False).stderr.strip().splitlines()[-1]
    print(f"cost of a full check: {cost}")
    print(f"nothing of it is left after {gone(lab):.1f} s (goal <= 30 s)")
    if "faults" in sys.argv:
        print("\n" + tabulate(under_faults(lab), headers=["fault", "row", "check s (goal <= 15)"], floatfmt=".1f"))
    print(
        f"{RUNS} runs each; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, "
        f"children's CPU {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.1f} s"
    )


if __name__ == "__main__":
    main()
