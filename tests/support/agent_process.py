# SPDX-License-Identifier: Apache-2.0
"""Runs the agent as a debug pod would: a process that reads its batch from stdin."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import dns.message

from kubectl_netdoc import agent as package
from tests.support.udp_servers import Place

PROGRAM = package.source().decode()
LONGEST = 30
"""Seconds after which a hung agent fails its test."""


def ask(number: int, to: Place | str, *, samples: int = 3, timeout: float = 5.0, give_up: int = 2) -> dict[str, Any]:
    """Return a ``udp`` ask with DNS queries as payloads."""
    target = to if isinstance(to, str) else list(to)
    payloads = [base64.b64encode(query()).decode() for _ in range(samples)]
    return {"id": number, "op": "udp", "to": target, "payloads": payloads, "timeout": timeout, "give_up": give_up}


def query() -> bytes:
    """Return a DNS query with an id of its own."""
    return dns.message.make_query("kubernetes.default.svc.cluster.local.", "A").to_wire()


def frame(asks: list[Any], budget: float) -> bytes:
    """Return the batch as the agent reads it."""
    document = json.dumps({"budget": budget, "asks": asks}).encode()
    return b"%d\n%s" % (len(document), document)


def agent_module(host: bool = False) -> ModuleType:
    """Return the agent's program as a module of its own, as it has no part in the package when it runs."""
    module = ModuleType("netdoc_agent")
    exec(compile(package.source(host), "netdoc_agent", "exec"), module.__dict__)
    return module


def run_agent(asks: list[Any], budget: float = 20, python: str | Path = sys.executable) -> list[dict[str, Any]]:
    """Return the agent's lines; the last one is the end."""
    done = subprocess.run(
        [str(python), "-B", "-c", PROGRAM], input=frame(asks, budget), capture_output=True, timeout=LONGEST, check=True
    )
    assert done.stderr == b""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["end"] is True
    assert lines[-1]["replies"] == len(asks)
    return lines


def outcomes(reply: dict[str, Any]) -> list[str]:
    """Return what became of each sample."""
    return [sample[0] for sample in reply["samples"]]


def answers(reply: dict[str, Any]) -> list[bytes]:
    """Return the datagrams that came back."""
    return [base64.b64decode(sample[2]) for sample in reply["samples"] if sample[0] == "ok"]
