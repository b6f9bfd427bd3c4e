# SPDX-License-Identifier: Apache-2.0
"""A real terminal of 80 columns and 24 lines: tmux, with a shell in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.support.commandline import LONGEST

WIDTH, HEIGHT = 80, 24
PROMPT = "$"


def program() -> str:
    """The path of tmux; empty where there is none (Debian: apt install tmux)."""
    return shutil.which("tmux") or ""


class Tmux:
    """A terminal, with a server of its own behind the socket in ``folder``."""

    def __init__(self, folder: Path, programs: str) -> None:
        """``programs``: the folder of what is run, which stands first on the PATH."""
        self._tmux = [program(), "-u", "-f", os.devnull, "-S", str(folder / "tmux")]
        kept = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        size = ("-x", str(WIDTH), "-y", str(HEIGHT))
        self._do("new-session", "-d", *size, "sh", ";", "set", "-g", "status", "off", env=kept)
        self._do("send-keys", f"PS1='{PROMPT} '", "Enter")

    def _do(self, *words: str, env: dict[str, str] | None = None) -> str:
        return subprocess.run([*self._tmux, *words], env=env, capture_output=True, text=True, timeout=LONGEST, check=True).stdout

    def run(self, command: str) -> str:
        """Run a command in the shell, and return what is on the screen once it has ended, with long lines whole."""
        self._do("send-keys", f"{command}; {' '.join(self._tmux)} wait-for -S ended", "Enter")
        self._do("wait-for", "ended")
        deadline = time.monotonic() + LONGEST
        while not (shown := self._do("capture-pane", "-p", "-J")).rstrip().endswith(f"\n{PROMPT}"):
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        return shown

    def rows(self) -> list[str]:
        """Return the rows of the screen as they stand there."""
        return self._do("capture-pane", "-p").splitlines()

    def close(self) -> None:
        """End the server and all that runs in it."""
        self._do("kill-server")
