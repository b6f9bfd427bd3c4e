# SPDX-License-Identifier: Apache-2.0
"""The programs that run in the debug pods: the agent, sent as one text over exec, and the echo server, in the pod's own command.

The agent's files are modules for those who read and check them. They are joined into one text without their imports of each
other. Standard library only, Python 3.8 syntax, glibc and musl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

PARTS = ("base", "lookups", "connections", "path", "over_time", "main")
"""The files of the agent in the order in which they are joined."""

PARTS_ON_HOST = (*PARTS[:-1], "host", "cni_files", "traffic", "rules", "sets", "inventory", "service_rules", "main")
"""The same with the operations on a node's own network."""

PARTS_OF_TAP = (*PARTS_ON_HOST[:-1], "tap", "main")
"""The same with the tap of a trace."""

PARTS_OF_SENDER = (*PARTS_ON_HOST[:-1], "marked", "main")
"""The same with what sends a trace's packets."""

PARTS_OF_BENCH = (*PARTS[:-1], "loads", "bench", "main")
"""The agent with what a benchmark sends and takes."""

_IMPORT = re.compile(rb"^from kubectl_netdoc\.agent\.\w+ import [\w, ]+\n", re.MULTILINE)


def source(host: bool = False) -> bytes:
    """Return the agent's program text; ``host``: with the operations on a node's own network."""
    return joined(PARTS_ON_HOST if host else PARTS)


def joined(parts: Iterable[str]) -> bytes:
    """Return the program text of some files of the agent."""
    texts = (files(__name__).joinpath(f"{part}.py").read_bytes() for part in parts)
    return _IMPORT.sub(b"", b"\n".join(texts))


def echo_source() -> str:
    """Return the echo server's program text."""
    return files(__name__).joinpath("echo.py").read_text()
