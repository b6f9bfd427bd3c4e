# SPDX-License-Identifier: Apache-2.0
"""The traces of lab/packets.yaml as they came on the lab: `python -m bench.packets --record tests/tracing/packets.json.gz`,
and `--healthy --record tests/tracing/healthy.json.gz`.
"""

from __future__ import annotations

import errno
from typing import Any

import msgspec
import pytest
import yaml

from bench.packets import FAULTS, Recorded, right_ones
from kubectl_netdoc.measurements.base import Address, Outcome, Peer
from kubectl_netdoc.measurements.node import RtnetlinkReply
from kubectl_netdoc.measurements.trace import Opaque, RouteAnswer, SentPacket, Sighting, TapReading, Trace, TraceReply
from kubectl_netdoc.tracing import takers
from kubectl_netdoc.tracing.hops import Hop, ways
from kubectl_netdoc.tracing.taken import Taker
from kubectl_netdoc.tracing.verdict import Ending, Verdict, judge
from tests.support.traces import HEALTHY, RECORDED

ROWS: dict[str, dict[str, Any]] = {row["name"]: row for row in yaml.safe_load(FAULTS.read_text())["faults"]}
REPLACE = msgspec.structs.replace


def test_every_fault_is_recorded() -> None:
    assert ROWS.keys() == RECORDED.keys()


@pytest.mark.parametrize("name", ROWS)
def test_the_place_and_the_taker(name: str) -> None:
    recorded, row = RECORDED[name], ROWS[name]
    verdict = judge(recorded.request, recorded.reply, recorded.ends)
    assert str(verdict.ending) in right_ones(row, "ending", "arrived")
    assert verdict.node == recorded.at
    assert (str(verdict.taken.kind) if verdict.taken else "") in right_ones(row, "taker")
    assert bool(verdict.duplicated) == row.get("copies", False)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_path_has_no_taker(name: str) -> None:
    recorded = HEALTHY[name]
    verdict = judge(recorded.request, recorded.reply, recorded.ends)
    assert (verdict.ending, verdict.taken, verdict.packets, verdict.duplicated) == (
        Ending.ARRIVED,
        None,
        frozenset(),
        frozenset(),
    )


def without_movement(reading: TapReading) -> TapReading:
    """A reading in which nothing rose."""
    return REPLACE(reading, moved=(), risen={}, foreign=())


@pytest.mark.parametrize(
    "name", [name for name, row in ROWS.items() if row["taker"] == "rule" and row["ending"] == "taken on a node"]
)
def test_without_its_counter_a_rule_is_not_named_and_the_place_stays(name: str) -> None:
    recorded = RECORDED[name]
    still = REPLACE(recorded.reply, readings=tuple(map(without_movement, recorded.reply.readings)))
    verdict = judge(recorded.request, still, recorded.ends)
    assert verdict.node == recorded.at
    assert verdict.rule is None


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row["taker"] == "rule"])
def test_a_rule_that_rises_as_fast_by_itself_is_not_named(name: str) -> None:
    recorded = RECORDED[name]
    busy = tuple(
        REPLACE(reading, moved=tuple(REPLACE(one, control=one.packets) for one in reading.moved), control=reading.risen)
        for reading in recorded.reply.readings
    )
    verdict = judge(recorded.request, REPLACE(recorded.reply, readings=busy), recorded.ends)
    assert verdict.taken is None or verdict.taken.kind is not Taker.RULE


@pytest.mark.parametrize("name", ["raw-drop-target", "vxlan-input-drop", "nft-inet-table"])
def test_a_tap_that_lost_frames_proves_nothing(name: str) -> None:
    recorded = RECORDED[name]
    deaf = tuple(REPLACE(reading, dropped=5) if reading.node == recorded.at else reading for reading in recorded.reply.readings)
    seen = tuple(one for one in recorded.reply.sightings if one.node != recorded.at)
    verdict = judge(recorded.request, REPLACE(recorded.reply, readings=deaf, sightings=seen), recorded.ends)
    assert verdict.ending is Ending.UNSEEN


def test_hops_are_in_the_order_of_the_path() -> None:
    recorded = HEALTHY["between nodes"]
    there, back = ways(recorded.reply, recorded.request.node)
    source, target = recorded.request.node, recorded.at
    kinds = [(hop.node, "veth" if hop.dev.startswith("veth") else hop.dev, hop.out) for hop in there.hops]
    assert kinds == [
        *((source, "veth", False), (source, "cni0", False), (source, "flannel.1", True), (source, "eth0", True)),
        *((target, "eth0", False), (target, "flannel.1", False), (target, "cni0", True), (target, "veth", True)),
    ]
    assert [hop.node for hop in back.hops] == [target] * 4 + [source] * 4


def test_what_a_target_refuses_is_no_lost_packet() -> None:
    recorded = RECORDED["redirect-to-node"]
    assert all(packet.outcome is Outcome.REFUSED for packet in recorded.reply.sent)
    assert judge(recorded.request, recorded.reply, recorded.ends).ending is Ending.REWRITTEN


def test_recordings_are_typed() -> None:
    assert all(isinstance(each, Recorded) for each in RECORDED.values())


def test_an_answer_over_ipv6_ends_by_the_route_of_its_own_address() -> None:
    """The asking side of a hop has no port, and an IPv6 address is full of colons."""
    pod, client = Address("fd00::2", 80), Address("fd00:1::5", 40000)
    seen = [Sighting(0, "t", "eth0", out, us, *ends, 64, 60, what, answer=answer) for out, us, ends, what, answer in (
        (True, 0, (client, pod), "SYN", False), (False, 9, (pod, client), "SYN-ACK", True),
    )]  # fmt: skip
    route = RouteAnswer(pod.ip, client.ip, "eth0", error=errno.ENETUNREACH)
    reading = TapReading("t", routes=(route,), tables=RtnetlinkReply(Outcome.OK, 1.0))
    reply = TraceReply(pod, (SentPacket(Outcome.TIMEOUT, 700.0, client),), tuple(seen), (reading, TapReading("s")))
    verdict = judge(Trace("s", pod, ("s", "t")), reply)
    assert (verdict.ending, verdict.node) == (Ending.ANSWER_TAKEN, "t")
    assert verdict.taken is not None
    assert verdict.taken.kind is Taker.ROUTE
    assert verdict.last is not None
    assert verdict.last.way == "[fd00::2]:80 -> fd00:1::5"


MENDS = {
    "policy-route-blackhole": "ip route del blackhole 0.0.0.0/0 table 200",
    "rule-prohibit": "ip rule del priority 91",
    "forwarding-off": "sysctl -w net/ipv4/conf/flannel.1/forwarding=1",
    "address-on-lo": "ip address del {t_pod}/32 dev lo",
    "neighbour-wrong": "ip neigh replace 10.244.1.0 lladdr {t_mac} dev flannel.1 nud permanent",
    "pod-neighbour-wrong": "ip neigh del {t_pod} dev cni0",
    "forwarding-entry-wrong": "bridge fdb replace {t_mac} dev flannel.1 dst {t_ip} self permanent",
    "forwarding-entry-other-node": "bridge fdb replace {t_mac} dev flannel.1 dst {t_ip} self permanent",
    "pod-link-down": "ip link set dev {t_port} up",
    "bridge-port-disabled": "bridge link set dev {t_port} state 3",
}
"""The line that mends a fault, where one does."""


@pytest.mark.parametrize("name", MENDS)
def test_the_line_that_mends_is_told(name: str) -> None:
    recorded = RECORDED[name]
    taken = judge(recorded.request, recorded.reply, recorded.ends).taken
    assert taken is not None
    target = recorded.request.to.node if isinstance(recorded.request.to, Peer) else ""
    tables = next(reading.tables for reading in recorded.reply.readings if reading.node == target)
    assert tables is not None
    mac = next(link.mac for link in tables.links if link.name == "flannel.1")
    names = {"t_pod": recorded.reply.to.ip, "t_mac": mac, "t_ip": ip_of(recorded, target), "t_port": taken.dev}
    assert taken.mend == MENDS[name].format(**names)
    assert taken.shows


def test_only_a_queue_on_the_way_dropped_the_packets() -> None:
    """Also of an interface with a dot in its name. Cilium's programs on cilium_host dropped six of somebody else's once."""
    reading = TapReading("n", risen={"qdisc.eth0.100.tbf.dropped": 6})
    last = Hop("n", "eth0.100", True, (), Address("10.0.0.1", 0), Address("10.0.0.2", 80), frozenset(range(6)), 0.0, 63)
    found = takers.of(reading, last, 6)
    assert found is not None
    assert (found.kind, found.dev) == (Taker.QUEUE, "eth0.100")
    assert takers.of(reading, REPLACE(last, dev="eth0"), 6) is None


def encrypted(left: int, came: int) -> Verdict:
    """The verdict on packets that an encrypting tunnel took: so many frames of their size left a node and came to the other."""
    recorded = HEALTHY["between nodes"]
    source, reply = recorded.request.node, recorded.reply
    seen = [one for one in reply.sightings if one.node == source and not one.answer and not one.tunnels]
    readings = []
    for reading in reply.readings:
        tables = reading.tables
        assert tables is not None
        made = tuple(REPLACE(link, kind="wireguard") if link.name == "flannel.1" else link for link in tables.links)
        out = reading.node == source
        frames = (Opaque("eth0", out, "172.18.0.2", ip_of(recorded, "trace-worker2"), left if out else came),)
        readings.append(REPLACE(reading, tables=REPLACE(tables, links=made), opaque=frames))
    sent = tuple(REPLACE(packet, outcome=Outcome.TIMEOUT) for packet in reply.sent)
    return judge(recorded.request, REPLACE(reply, sightings=tuple(seen), readings=tuple(readings), sent=sent), recorded.ends)


def ip_of(recorded: Recorded, node: str) -> str:
    """A node's own address."""
    return next(ip for ip, of in recorded.ends.nodes.items() if of == node and ip.startswith("172."))


@pytest.mark.parametrize(
    ("left", "came", "ending", "node"),
    [
        (0, 0, Ending.TAKEN, "trace-worker"),
        (6, 0, Ending.BETWEEN, ""),
        (6, 6, Ending.TAKEN, "trace-worker2"),
        (60, 60, Ending.UNSEEN, ""),
    ],
)
def test_encrypted_frames_tell_where_packets_ended_as_far_as_their_number_does(
    left: int, came: int, ending: Ending, node: str
) -> None:
    verdict = encrypted(left, came)
    assert (verdict.ending, verdict.node) == (ending, node)
