# SPDX-License-Identifier: Apache-2.0
"""What a peer is: how it is built, how it is asked, and what it answers, in one form for all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from bench import store

CACHE = Path(os.environ.get("LAB_HOME", "~/.cache/kubectl-netdoc/lab")).expanduser().parent / "peers"
BUILD_DEADLINE = 3600.0
RANKS = ("critical", "error", "warning", "info")
"""The severities that all peers' own ones are turned into, the worst first."""

ABOVE_INFO = RANKS[:3]


class PeerError(Exception):
    """A peer could not be built."""


class Complaint(Struct, frozen=True):
    """One thing that a tool has to object to, whatever it calls it."""

    check: str
    subject: str
    """``kind/namespace/name`` as far as the tool says it."""
    severity: str
    message: str


class Answer(Struct, frozen=True):
    """All that a tool said when asked once."""

    seconds: float
    exit: int
    complaints: tuple[Complaint, ...]


@dataclass(frozen=True)
class Go:
    """A Go module at a version, built in a copy of its source: its own go.mod, go.sum and replacements hold."""

    module: str
    package: str = "."

    def build(self, version: str, target: Path) -> None:
        """Make ``target``."""
        env = os.environ | {"GOFLAGS": "-p=1 -buildvcs=false", "CGO_ENABLED": "0"}
        found = _run(["go", "mod", "download", "-json", f"{self.module}@{version}"], env, Path("/"))
        source = target.parent / "src" / target.name
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(json.loads(found)["Dir"], source)
        subprocess.run(["chmod", "-R", "u+w", str(source)], check=True)
        _run(["nice", "-n", "5", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(target), self.package], env, source)
        shutil.rmtree(source)

    def __str__(self) -> str:
        return f"Go module {self.module}"


@dataclass(frozen=True)
class Crate:
    """A crate at a version, with the dependencies that it was released with."""

    name: str

    def build(self, version: str, target: Path) -> None:
        """Make ``target``."""
        root = target.parent / "src" / target.name
        env = os.environ | {"CARGO_TARGET_DIR": str(target.parent / "src" / "target")}
        _run(["nice", "-n", "5", "cargo", "install", "--locked", "--root", str(root), f"{self.name}@{version}"], env, Path("/"))
        shutil.move(root / "bin" / self.name, target)
        shutil.rmtree(target.parent / "src")

    def __str__(self) -> str:
        return f"crate {self.name}"


def _run(command: list[str], env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=BUILD_DEADLINE)
    if done.returncode:
        raise PeerError(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


@dataclass(frozen=True)
class Peer:
    """One tool. ``commands``: what it is asked, in turn; ``prepare``: what it wants to be run on a cluster once, before that.

    ``writes``: whether its author says that it writes to the cluster. ``parse`` turns what a command printed into complaints.
    """

    name: str
    version: str
    source: Go | Crate
    commands: tuple[tuple[str, ...], ...]
    parse: Callable[[str], Iterable[Complaint]]
    prepare: tuple[str, ...] = ()
    binary: str = ""

    @property
    def path(self) -> Path:
        """Where it is once it is built."""
        return CACHE / f"{self.binary or self.name}-{self.version}"

    @property
    def shown(self) -> str:
        """Its commands, as somebody would type them."""
        told = ["; ".join(" ".join((self.binary or self.name, *command)) for command in self.commands)]
        if self.prepare:
            told.append(f"(once before: {' '.join(self.prepare)})")
        return " ".join(told)

    def build(self) -> None:
        """Build it unless that is done."""
        if self.path.is_file():
            return
        CACHE.mkdir(parents=True, exist_ok=True)
        self.source.build(self.version, self.path)

    def ask(self, kubeconfig: Path) -> Answer:
        """Ask it about a cluster. What it can't answer counts as something it says: it had to be read all the same."""
        home = CACHE / "home" / self.name / hashlib.sha256(kubeconfig.read_bytes()).hexdigest()[:10]
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(kubeconfig), "NO_COLOR": "1", "TERM": "dumb"}
        if not home.exists():
            home.mkdir(parents=True)
            if self.prepare:
                self._call(self.prepare, env, home)
        complaints: list[Complaint] = []
        started, code = time.monotonic(), 0
        for command in self.commands:
            done = self._call(command, env, home)
            code = code or done.returncode
            try:
                complaints += self.parse(done.stdout)
            except (ValueError, LookupError, TypeError):
                said = " ".join((done.stderr.strip() or done.stdout.strip())[-300:].split())
                complaints.append(Complaint("no answer", "", "error", f"exit {done.returncode}: {said}"))
        return Answer(round(time.monotonic() - started, 2), code, tuple(complaints))

    def _call(self, command: tuple[str, ...], env: dict[str, str], home: Path) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [str(self.path), *command],
                env=env,
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=store.DEADLINE,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"no answer in {store.DEADLINE:g} s")
