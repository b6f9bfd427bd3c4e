"""What runs in the debug pods: ``agent.py``, sent as text over exec, and ``echo.py``, in the pod's own command."""

from __future__ import annotations

from importlib.resources import files


def source() -> bytes:
    """Return the agent's program text."""
    return files(__name__).joinpath("agent.py").read_bytes()


def echo_source() -> str:
    """Return the echo server's program text."""
    return files(__name__).joinpath("echo.py").read_text()
