# SPDX-License-Identifier: Apache-2.0
"""A terminal of a test's own, for what behaves otherwise where there is one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

from tests.support.commandline import LONGEST


class Terminal:
    """A program at a terminal: what is typed, and what appears."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.screen = ""
        self._end, inner = pty.openpty()
        self._program = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True, close_fds=True
        )
        os.close(inner)

    def type(self, text: str) -> None:
        """Type at the end of what is there."""
        os.write(self._end, text.encode())

    def shows(self, text: str) -> bool:
        """Whether a text appears before the deadline."""
        deadline = time.monotonic() + LONGEST / 2
        while text not in self.screen and time.monotonic() < deadline:
            if select.select([self._end], [], [], 0.5)[0]:
                try:
                    self.screen += os.read(self._end, 65536).decode(errors="replace")
                except OSError:  # the program has ended
                    break
        return text in self.screen

    def close(self) -> None:
        """End the program."""
        self._program.kill()
        self._program.wait()
        os.close(self._end)
