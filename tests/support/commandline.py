# SPDX-License-Identifier: Apache-2.0
"""Runs the command line: in this process, which is fast, or as a process of its own, which is the real thing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from kubectl_netdoc.cli.main import entry

LONGEST = 60
"""Seconds after which a hung command fails its test."""


class Done(Struct, frozen=True):
    """What a command came to."""

    code: int
    out: str
    err: str


Netdoc = Callable[..., Done]


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    """Return a function that runs a command here."""

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["kubectl-netdoc", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr("signal.signal", lambda *_: None)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            entry()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def process(*arguments: object, stdin: bytes = b"", home: Path | None = None) -> Done:
    """Run a command as a process."""
    environment = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "NETDOC_DEBUG")}
    done = subprocess.run(
        [sys.executable, "-m", "kubectl_netdoc", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=LONGEST,
        env=environment | ({"HOME": str(home)} if home else {}),
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def complaint(done: Done, code: int) -> str:
    """Return the one line that a command says to bad input, with nothing on stdout."""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("kubectl-netdoc: ")
    assert "Traceback" not in done.err
    assert "bug in netdoc" not in done.err
    assert done.out == ""
    assert done.code == code, done.err
    return done.err
