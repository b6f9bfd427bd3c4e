# SPDX-License-Identifier: Apache-2.0
"""The programs that run in the debug pods: the agent, sent as one text over exec, and the echo server, in the pod's own command.

The agent's files are modules for those who read and check them. They are joined into one text without their imports of each
other. Standard library only, Python 3.8 syntax, glibc and musl.
"""

from __future__ import annotations

import re
from importlib.resources import files

PARTS = ("base", "lookups", "connections", "path", "over_time", "main")
"""The files of the agent in the order in which they are joined."""

PARTS_ON_HOST = ("base", "lookups", "connections", "path", "host", "main")
"""The same with the operations on a node's own network."""

_IMPORT = re.compile(rb"^from kubectl_netdoc\.agent\.\w+ import [\w, ]+\n", re.MULTILINE)


def source(host: bool = False) -> bytes:
    """Return the agent's program text; ``host``: with the operations on a node's own network."""
    texts = (files(__name__).joinpath(f"{part}.py").read_bytes() for part in (PARTS_ON_HOST if host else PARTS))
    return _IMPORT.sub(b"", b"\n".join(texts))


def echo_source() -> str:
    """Return the echo server's program text."""
    return files(__name__).joinpath("echo.py").read_text()
