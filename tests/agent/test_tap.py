# SPDX-License-Identifier: Apache-2.0
"""The tap and the sender of a trace on real packets, in network namespaces of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from kubectl_netdoc.agent import PARTS_OF_SENDER, PARTS_OF_TAP
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.sources import trace_replies
from kubectl_netdoc.sources.agent_protocol import tap_filter
from tests.support.packet_namespaces import (
    NONCE,
    PORT,
    A,
    B,
    Namespaces,
    Talk,
    marked_ask,
    tap_ask,
    traced,
    ways,
    with_echo,
)


@pytest.fixture(scope="module")
def made() -> Iterator[Namespaces]:
    with with_echo() as found:
        yield found


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_each_packet_and_answer_is_seen_at_each_interface(made: Namespaces, protocol: str) -> None:
    outcomes, seen, reading = traced(made, protocol)
    assert outcomes == [Outcome.OK] * 6
    every = set(range(6))
    places = (("va", False, False), ("vb", True, False), ("vb", False, True), ("va", True, True))
    assert ways(seen) == dict.fromkeys(places, every)
    assert {(one.source.ip, one.to.ip) for one in seen} == {(A, B), (B, A)}
    assert {one.ttl for one in seen if one.dev == "va" and not one.answer} == {64}
    assert {one.ttl for one in seen if one.dev == "vb" and not one.answer} == {63}
    assert reading.whole
    assert not any(one.bad_checksum for one in seen)


def test_queries_are_seen_by_the_name_that_they_ask_for(made: Namespaces) -> None:
    outcomes, seen, _ = traced(made, "DNS", 3)
    assert outcomes == [Outcome.TIMEOUT] * 3, "the echo answers nothing that is shorter than its own answer"
    assert ways(seen) == {("va", False, False): {0, 1, 2}, ("vb", True, False): {0, 1, 2}}


def test_strangers_are_not_reported(made: Namespaces) -> None:
    tap = Talk(made.node, PARTS_OF_TAP, tap_ask())
    line = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); "
    line += f"[s.sendto(b'stranger' * 20, ('{B}', {PORT})) for _ in range(50)]; socket.create_connection(('{B}', {PORT})).close()"
    made.run(made.a, f'python3 -c "{line}"')
    tap.say({"keys": []})
    assert tap.ended()["sightings"] == []


def test_another_nonce_is_a_strangers(made: Namespaces) -> None:
    tap = Talk(made.node, PARTS_OF_TAP, tap_ask())
    sender = Talk(made.a, PARTS_OF_SENDER, marked_ask("UDP") | {"nonce": (NONCE[:-2] + b"\0\0").hex()})
    sender.say({"go": True})
    sender.ended()
    tap.say({"keys": []})
    assert tap.ended()["sightings"] == []


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")
def test_the_rule_that_drops_them_rises_by_as_many(made: Namespaces) -> None:
    made.run(made.node, "nft add table ip t; nft add chain ip t f '{ type filter hook forward priority 0; }'")
    made.run(made.node, f"nft add rule ip t f ip daddr '{{ {B}, 10.9.2.9 }}' udp dport {PORT} counter drop")
    try:
        outcomes, seen, reading = traced(made, "UDP")
    finally:
        made.run(made.node, "nft delete table ip t")
    assert outcomes == [Outcome.TIMEOUT] * 6
    assert ways(seen) == {("va", False, False): set(range(6))}
    moved = [(one.rule.table, one.rule.chain, one.rule.verdict, one.packets, one.control) for one in reading.moved]
    assert moved == [("t", "f", "drop", 6, 0)]
    assert [rule.table for rule in reading.foreign if rule.verdict == "drop"] == ["t"]
    assert [rule.text for rule in reading.foreign if rule.verdict == "drop"] == [
        f"ip daddr {{ {B}, 10.9.2.9 }} udp dport {PORT} drop"
    ]
    assert [(chain.table, chain.hook, chain.priority) for chain in reading.chains] == [("t", 2, 0)]


def test_the_kernel_says_where_they_would_go(made: Namespaces) -> None:
    made.run(made.node, f"ip route add blackhole {B}/32")
    try:
        outcomes, _, reading = traced(made, "UDP")
    finally:
        made.run(made.node, f"ip route del blackhole {B}/32")
    assert outcomes == [Outcome.TIMEOUT] * 6
    assert {route.dev: bool(route.error) for route in reading.routes} == {"va": True, "": True}


def test_who_asks_for_an_address_in_vain_is_seen(made: Namespaces) -> None:
    made.run(made.a, "ip route add 10.9.1.77/32 dev eth0")
    tap = Talk(made.node, PARTS_OF_TAP, tap_ask(asked="10.9.1.77"))
    sender = Talk(made.a, PARTS_OF_SENDER, marked_ask("UDP", 2, "10.9.1.77"))
    sender.say({"go": True})
    sender.ended()
    tap.say({"keys": []})
    reading = trace_replies.reading("node", tap.ended())
    made.run(made.a, "ip route del 10.9.1.77/32")
    assert {(arp.dev, arp.out, arp.reply, arp.sender, arp.target) for arp in reading.arps} == {
        ("va", False, False, A, "10.9.1.77")
    }


def test_a_refused_connection_is_told(made: Namespaces) -> None:
    tap = Talk(made.node, PARTS_OF_TAP, tap_ask())
    sender = Talk(made.a, PARTS_OF_SENDER, marked_ask("TCP", 2) | {"to": [B, 1]})
    sender.say({"go": True})
    packets = trace_replies.sent(sender.ended())
    tap.say({"from": [[packet.source.ip, packet.source.port] for packet in packets]})
    told = tap.ended()
    seen = list(trace_replies.sightings("node", told, trace_replies.handshakes(told, packets), 2))
    assert [packet.outcome for packet in packets] == [Outcome.REFUSED] * 2
    assert {(one.what, one.answer) for one in seen} == {("SYN", False), ("RST", True)}


def test_encrypted_frames_of_a_datagrams_size_are_counted(made: Namespaces) -> None:
    """Datagrams on WireGuard's port, of its shape: this kernel has no WireGuard."""
    program = tap_filter.program(tap_filter.marks(NONCE), {51820: "WireGuard"})
    tap = Talk(made.node, PARTS_OF_TAP, tap_ask(filter=program, tunnels={"51820": "WireGuard"}))
    line = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); "
    line += f"[s.sendto(b'\\\\4' + bytes(size - 9), ('{B}', 51820)) for size in [208] * 6 + [90, 1200]]"
    made.run(made.a, f'python3 -c "{line}"')
    tap.say({"keys": []})
    assert tap.ended()["opaque"] == [["va", "in", A, B, 6], ["vb", "out", A, B, 6]]
