# SPDX-License-Identifier: Apache-2.0
"""Two agents that carry out a benchmark's orders, as two debug pods would: as processes here, or each in a network namespace."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kubectl_netdoc import agent
from tests.support.packet_namespaces import within

PROGRAM = agent.joined(agent.PARTS_OF_BENCH).decode()
BUDGET = 60
LONGEST = 20


def program() -> ModuleType:
    """Return the agent's program as a module of its own."""
    module = ModuleType("netdoc_agent")
    exec(compile(PROGRAM, "netdoc_agent", "exec"), module.__dict__)
    return module


class End:
    """One agent; ``pid``: the process in whose network namespace it runs, 0: here."""

    def __init__(self, pid: int = 0, port: int = 0, budget: float = BUDGET) -> None:
        command = [sys.executable, "-c", PROGRAM]
        self.process = subprocess.Popen(
            within(pid, *command) if pid else command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        batch = json.dumps({"budget": budget, "asks": [{"id": 0, "op": "bench", "port": port}]}).encode()
        self.write(b"%d\n%s" % (len(batch), batch))
        self.ready: dict[str, Any] = self.hear("ready")

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def say(self, words: dict[str, Any]) -> None:
        """Send a line."""
        self.write(json.dumps(words).encode() + b"\n")

    def hear(self, key: str) -> Any:
        """Return what the next line says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1].decode()[-500:])
        return json.loads(line)[key]

    def end(self) -> bytes:
        """Close its stdin, and return what it says last."""
        return self.process.communicate(timeout=LONGEST)[0]


def order(kind: str, to: tuple[str, int], **more: Any) -> dict[str, Any]:
    """Return an order of a kind with a token of its own."""
    plain = {"seconds": 0.2, "bytes": 1 << 24, "streams": 1, "size": 64, "rate": 0}
    return {"kind": kind, "to": list(to), "token": secrets.token_hex(8), **plain, **more}


def sample(source: End, target: End, wanted: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Carry out an order and return what both ends told."""
    target.say({"do": "take", **wanted})
    assert target.hear("listening") is True
    source.say({"do": "send", **wanted})
    return source.hear("told"), target.hear("told")


@contextmanager
def both(source: int = 0, target: int = 0) -> Iterator[tuple[End, End]]:
    """Run two agents."""
    ends = End(source), End(target)
    try:
        yield ends
    finally:
        for end in ends:
            end.process.kill()
            end.process.communicate()
