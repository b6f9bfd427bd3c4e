# SPDX-License-Identifier: Apache-2.0
"""netdoc as it is asked about a lab: which commit, with which environment, what it said, and where whole reports are kept."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import store
from lab.faults.runner import Lab

ROOT = Path(__file__).parent.parent
HOME = Path(os.environ.get("LAB_HOME", "~/.cache/kubectl-netdoc/lab")).expanduser()
IMAGE = os.environ.get("NETDOC_IMAGE", "docker.io/lab/base:1")


class Said(Struct, frozen=True):
    """What one run of `kubectl netdoc check` said: the report (None: there is none), its exit code, and what went to stderr."""

    report: dict[str, Any] | None
    seconds: float
    code: int
    errors: str


def open_lab(name: str, kubeconfig: Path | None) -> Lab:
    """Return the lab of that name. ``kubeconfig``: the path that lab/lab printed, if it is not the usual one."""
    return Lab(kubeconfig or HOME / f"{name}.kubeconfig", name)


def environment(lab: Lab) -> dict[str, str]:
    """What netdoc, and the commands that it prints, are run with."""
    known = lab.environment
    return known | {"NETDOC_IMAGE": IMAGE, "PATH": f"{ROOT / '.venv' / 'bin'}:{known['PATH']}"}


def check(lab: Lab, *args: str) -> Said:
    """Run `kubectl netdoc check`; raises ``subprocess.TimeoutExpired``."""
    command = ["kubectl", "netdoc", "check", "-o", "json", *args]
    started = time.monotonic()
    done = subprocess.run(command, env=environment(lab), capture_output=True, text=True, timeout=store.DEADLINE)
    seconds = time.monotonic() - started
    return Said(json.loads(done.stdout) if done.stdout else None, seconds, done.returncode, done.stderr)


def keep(name: str, report: dict[str, Any] | None) -> None:
    """Keep a whole report, to be read where the verdict is wrong."""
    path = HOME / "reports" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1))


def commit() -> str:
    """Name what is checked out; ``+`` where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "kubectl_netdoc"], capture_output=True, text=True).stdout
    return name + ("+" if changed else "")
