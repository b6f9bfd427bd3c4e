# SPDX-License-Identifier: Apache-2.0
"""A node and two pods as network namespaces of this machine, joined by veths: real packets for the taps of a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import Struct

from kubectl_netdoc import agent
from kubectl_netdoc.agent import PARTS_OF_SENDER, PARTS_OF_TAP
from kubectl_netdoc.measurements import rule_owners
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.trace import Sighting, TapReading
from kubectl_netdoc.sources import kernel_replies, trace_replies
from kubectl_netdoc.sources.agent_protocol import tap_filter

A, B = "10.9.1.2", "10.9.2.2"
PORT = 19376
NONCE = b"nd\xa1\xb2\xc3\xd4\xe5\xf6"
LONGEST = 30
SETUP = """
ip link set lo up
ip link add va type veth peer name eth0 netns {a}
ip link add vb type veth peer name eth0 netns {b}
ip addr add 10.9.1.1/24 dev va; ip addr add 10.9.2.1/24 dev vb; ip link set va up; ip link set vb up
sysctl -qw net.ipv4.ip_forward=1
nsenter -t {a} -n sh -c 'ip link set lo up; ip addr add 10.9.1.2/24 dev eth0; ip link set eth0 up'
nsenter -t {b} -n sh -c 'ip link set lo up; ip addr add 10.9.2.2/24 dev eth0; ip link set eth0 up'
nsenter -t {a} -n ip route add default via 10.9.1.1
nsenter -t {b} -n ip route add default via 10.9.2.1
"""


class CannotBeMade(Exception):
    """Raised if this machine makes no network namespaces."""


class Namespaces(Struct):
    """The processes that hold the namespaces of the node and of the pods."""

    node: int
    a: int
    b: int

    def run(self, pid: int, line: str) -> str:
        """Run a line of shell in a namespace and return what it printed."""
        done = subprocess.run(within(pid, "sh", "-c", line), capture_output=True, text=True, timeout=LONGEST, check=True)
        return done.stdout


def within(pid: int, *command: str) -> list[str]:
    """Return a command that runs in the network namespace of a process."""
    return ["nsenter", "-t", str(pid), "-n", *command]


@contextmanager
def namespaces() -> Iterator[Namespaces]:
    """Make them; what still runs there ends with them. Raises ``CannotBeMade``."""
    held: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(3):
            process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 120"], stdout=subprocess.PIPE)
            held.append(process)
            if process.stdout is None or not process.stdout.readline():
                raise CannotBeMade("unshare -n")
        made = Namespaces(*(process.pid for process in held))
        made.run(made.node, "set -e\n" + SETUP.format(a=made.a, b=made.b))
        yield made
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBeMade(str(error)) from error
    finally:
        for process in held:
            process.kill()
            process.communicate()


class Talk:
    """The agent's program in a namespace, which is talked with by lines."""

    def __init__(self, pid: int, parts: Iterable[str], ask: dict[str, Any]) -> None:
        program = agent.joined(parts).decode()
        command = within(pid, sys.executable, "-c", program)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        batch = json.dumps({"budget": LONGEST, "asks": [{"id": 0, **ask}]}).encode()
        self.write(b"%d\n%s" % (len(batch), batch))
        assert self.hear() == {"ready": True}

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def say(self, words: dict[str, Any]) -> None:
        """Send a line."""
        self.write(json.dumps(words).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """Return the next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1].decode()[-500:])
        found: dict[str, Any] = json.loads(line)
        return found

    def ended(self) -> Any:
        """Return what it told, and wait for its end."""
        told = self.hear()
        self.process.communicate(timeout=LONGEST)
        return told["samples"][0][2]


def tap_ask(**more: object) -> dict[str, Any]:
    """Return the ask of a tap that looks for ``NONCE``."""
    marks = tap_filter.marks(NONCE)
    ask = {"op": "tap", "filter": tap_filter.program(marks, {8472: "VXLAN"}), "nonce": NONCE.hex(), "control": 0.1, "seconds": 20}
    return (
        ask
        | {
            "most": 5000,
            "owned": rule_owners.PATTERNS,
            "counters": list(kernel_replies.COUNTERS),
            "tunnels": {"8472": "VXLAN"},
            "asked": B,
        }
        | more
    )


def marked_ask(protocol: str, count: int = 6, to: str = B) -> dict[str, Any]:
    """Return the ask of a sender."""
    ask = {"op": "marked", "to": [to, PORT], "protocol": protocol, "nonce": NONCE.hex(), "zone": "example"}
    return ask | {"count": count, "interval": 0.01, "timeout": 0.5}


@contextmanager
def echo(made: Namespaces) -> Iterator[None]:
    """Run an echo server in pod B."""
    command = within(made.b, sys.executable, "-c", agent.echo_source(), "0123", "pod", str(PORT))
    process = subprocess.Popen(command)
    try:
        ready = (
            f"for i in $(seq 100); do ss -ltn | grep -q :{PORT} && ss -lun | grep -q :{PORT} && exit 0; sleep 0.05; done; exit 1"
        )
        made.run(made.b, ready)
        yield
    finally:
        process.kill()
        process.communicate()


def traced(made: Namespaces, protocol: str, count: int = 6) -> tuple[list[Outcome], list[Sighting], TapReading]:
    """Send marked packets from pod A to pod B with a tap on the node between them."""
    tap = Talk(made.node, PARTS_OF_TAP, tap_ask())
    sender = Talk(made.a, PARTS_OF_SENDER, marked_ask(protocol, count))
    sender.say({"go": True})
    packets = trace_replies.sent(sender.ended())
    tap.say({"from": [[packet.source.ip, packet.source.port] for packet in packets]})
    told: dict[str, Any] = tap.ended()
    keys = trace_replies.handshakes(told, packets)
    seen = list(trace_replies.sightings("node", told, keys, count))
    return [packet.outcome for packet in packets], seen, trace_replies.reading("node", told)


def ways(seen: list[Sighting]) -> dict[tuple[str, bool, bool], set[int]]:
    """Which packets were seen by interface, direction, and whether they are answers."""
    found: dict[tuple[str, bool, bool], set[int]] = {}
    for one in seen:
        found.setdefault((one.dev, one.out, one.answer), set()).add(one.packet)
    return found


@contextmanager
def with_echo() -> Iterator[Namespaces]:
    """Make them with an echo server in pod B; the test is skipped where this machine makes none."""
    try:
        with namespaces() as found, echo(found):
            yield found
    except CannotBeMade as error:
        pytest.skip(f"no network namespaces can be made here: {error}")
