# SPDX-License-Identifier: Apache-2.0
"""What runs in the debug pods: ``agent.py``, sent as text over exec, and ``echo.py``, in the pod's own command.

To pods on the host network ``host.py`` is sent with it.
"""

from __future__ import annotations

from importlib.resources import files


def source(host: bool = False) -> bytes:
    """Return the agent's program text; ``host``: with the operations on a node's own network."""
    names = ("host.py", "agent.py") if host else ("agent.py",)
    return b"\n".join(files(__name__).joinpath(name).read_bytes() for name in names)


def echo_source() -> str:
    """Return the echo server's program text."""
    return files(__name__).joinpath("echo.py").read_text()
