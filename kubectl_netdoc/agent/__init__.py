"""What runs in the debug pod: ``agent.py`` alone, sent as text over exec."""

from __future__ import annotations

from importlib.resources import files


def source() -> bytes:
    """Return the agent's program text."""
    return files(__name__).joinpath("agent.py").read_bytes()
