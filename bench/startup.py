# SPDX-License-Identifier: Apache-2.0
"""Start-up of this tree beside that of a base revision, in one run that takes them in turns.

    python -m bench.startup [REV]

Both are installed as users have them (no editable install, run-time dependencies alone, the same versions of them), in
build/bench-base and build/bench-tree. Printed: medians in milliseconds over the runs, and this tree's as a ratio to the base's.
Files of this tree that are not committed count.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median

from tabulate import tabulate

ROOT = Path(__file__).parent.parent
BASE = "b8f6776"
"""The last commit before the modules moved into rooms (issue 20)."""

RUNS = 21
COMMANDS = (
    ("--help",),
    ("version",),
    ("list",),
    ("check", "--from", "demo/kube-proxy-hung.json"),
    ("explain", "SVR001"),
)
ENDINGS = (0, 1)
"""Exit codes of a run that did its work: ``check`` finds something wrong in the demo."""


def of_revision(folder: Path, revision: str) -> None:
    """Write the files of a commit into a folder."""
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", revision], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as tar:
        tar.extractall(folder)


def of_this_tree(folder: Path) -> None:
    """Copy the files of the working tree, but for those that git ignores, into a folder."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def installed(folder: Path, fill: Callable[[Path], None], *constraints: str) -> Path:
    """Fill ``folder``/tree, install that into ``folder``/venv, and return the folder of the files."""
    tree, python = folder / "tree", folder / "venv" / "bin" / "python"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    fill(tree)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, *constraints, str(tree)], check=True)
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(tree)], check=True)  # the version is the same, the files are not
    return tree


def frozen(tree: Path) -> Path:
    """Write the versions of what a tree was installed with, as constraints for another."""
    python, out = tree.parent / "venv" / "bin" / "python", tree.parent / "constraints.txt"
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "freeze", "--exclude", "kubectl-netdoc"]
    out.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return out


def seconds(command: list[str], folder: Path) -> float:
    """Return the time from start to exit; ends the program where the run did not do its work."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    took = time.perf_counter() - started
    if done.returncode not in ENDINGS or "Traceback" in done.stderr:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    return took


def compared(base: list[str], own: list[str], folders: tuple[Path, Path], runs: int = RUNS) -> tuple[float, float]:
    """Return the medians of two commands, run in turns; one run of each before that warms the file cache."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for which in (0, 1) if run % 2 else (1, 0):
            took = seconds((base, own)[which], folders[which])
            if run:
                times[which].append(took)
    return median(times[0]), median(times[1])


def main(revision: str) -> None:
    """Install both, measure and print."""
    own = installed(ROOT / "build" / "bench-tree", of_this_tree)
    base = installed(ROOT / "build" / "bench-base", lambda folder: of_revision(folder, revision), "-c", str(frozen(own)))
    rows = []
    for args in COMMANDS:
        programs = [str(tree.parent / "venv" / "bin" / "kubectl-netdoc") for tree in (base, own)]
        before, now = compared([programs[0], *args], [programs[1], *args], (base, own))
        rows.append([" ".join(args), before * 1000, now * 1000, now / before])
    print(tabulate(rows, ["command", f"{revision} ms", "this tree ms", "ratio"], floatfmt=("", ".0f", ".0f", ".2f")))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else BASE)
