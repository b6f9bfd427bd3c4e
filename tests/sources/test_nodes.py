# SPDX-License-Identifier: Apache-2.0
"""What the tiers on the host network bring, from the bytes and texts of real nodes to typed replies."""

from __future__ import annotations

import base64
import json
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.measurements.base import Address, Lost, Outcome
from kubectl_netdoc.measurements.node import (
    CniConfig,
    CniConfigReply,
    CniFile,
    Conntrack,
    ConntrackReply,
    Flow,
    Forwarding,
    Kernel,
    KernelReply,
    KernelRoute,
    Neighbour,
    Rtnetlink,
    RtnetlinkReply,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.measurements.requests import Probe
from kubectl_netdoc.sources import agent_protocol, kernel_replies, rtnetlink
from kubectl_netdoc.sources.live import exec as transport

DUMPS = [
    base64.b64decode(text)
    for text in json.loads(Path(__file__).with_name("rtnetlink").joinpath("worker.json").read_text())["dumps"]
]


def reply(request: Probe, *sample: Any) -> object:
    """Return what becomes of one sample of the agent."""
    return agent_protocol.reply(request, agent_protocol.AgentReply(0, "", [["ok", 1.0, *sample]]))


def real() -> RtnetlinkReply:
    found = rtnetlink.parse(DUMPS, 1.0, False)
    return found


def test_links_of_a_real_node() -> None:
    links = {link.name: link for link in real().links}
    tunnel = links["flannel.1"]
    assert (tunnel.kind, tunnel.mtu, tunnel.up, tunnel.vni, tunnel.port, tunnel.local) == (
        "vxlan",
        1450,
        True,
        1,
        8472,
        "172.18.0.4",
    )
    assert links["eth0"].addresses[0] == "172.18.0.4/16"
    assert {link.master for link in links.values() if link.kind == "veth" and link.name != "eth0"} == {"cni0"}


def test_routes_of_a_real_node() -> None:
    routes = real().routes
    assert KernelRoute("10.244.0.0/24", "10.244.0.0", "flannel.1", protocol=3, on_link=True) in routes
    assert KernelRoute("10.244.2.0/24", "", "cni0", protocol=2) in routes
    assert KernelRoute("0.0.0.0/0", "172.18.0.1", "eth0", protocol=3) in routes
    assert not [route for route in routes if route.to.startswith("127.")]  # the kernel's own


def test_entries_of_a_real_tunnel() -> None:
    found = real()
    assert Neighbour("10.244.1.0", "b6:55:48:53:33:e4", "flannel.1", "permanent") in found.neighbours
    assert Forwarding("b6:55:48:53:33:e4", "flannel.1", "172.18.0.2", "permanent") in found.forwarding
    assert not [entry for entry in found.forwarding if entry.mac.startswith("33:33")]


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("<HH", size, kind) + data + bytes(-size % 4)


def _hop(index: int, *attributes: bytes, flags: int = 0) -> bytes:
    """A struct rtnexthop."""
    rest = b"".join(attributes)
    return struct.pack("<HBBi", 8 + len(rest), flags, 0, index) + rest


def _dumped(*attributes: bytes, family: int = socket.AF_INET, bits: int = 24) -> RtnetlinkReply:
    """A real node's dumps with one route in place of its own: 10.9.0.0/24 of the main table, made by BIRD."""
    body = struct.pack("<BBBBBBBBI", family, bits, 0, 0, 254, 12, 0, 1, 0)
    body += _attribute(1, socket.inet_aton("10.9.0.0")) + b"".join(attributes)
    message = struct.pack("<IHHII", 16 + len(body), 24, 0, 1, 0) + body
    return rtnetlink.parse([*DUMPS[:2], message, *DUMPS[3:]], 1.0, False)


def _index(name: str) -> int:
    """The number that a real node has given a link."""
    return next(number for number, link in rtnetlink._links(DUMPS[0]) if link.name == name)


ETH0, CNI0 = _index("eth0"), _index("cni0")
GATEWAYS = [_attribute(5, socket.inet_aton(f"172.18.0.{number}")) for number in (2, 3)]
VIA = _attribute(18, struct.pack("<H", socket.AF_INET6) + socket.inet_pton(socket.AF_INET6, "fe80::1"))
ROUTES: list[tuple[str, list[bytes], KernelRoute]] = [
    ("one next hop", [GATEWAYS[0], _attribute(4, struct.pack("<I", ETH0))], KernelRoute("", "172.18.0.2", "eth0")),
    (
        "two next hops",
        [_attribute(9, _hop(ETH0, GATEWAYS[0]) + _hop(ETH0, GATEWAYS[1]))],
        KernelRoute("", "172.18.0.2", "eth0", others=("172.18.0.3",)),
    ),
    (
        "two next hops of a next hop object, the second without a gateway",
        [_attribute(30, struct.pack("<I", 7)), _attribute(9, _hop(ETH0, GATEWAYS[0], flags=4) + _hop(CNI0))],
        KernelRoute("", "172.18.0.2", "eth0", on_link=True, others=("cni0",)),
    ),
    ("IPv4 by way of IPv6", [VIA, _attribute(4, struct.pack("<I", ETH0))], KernelRoute("", "fe80::1", "eth0")),
    (
        "two next hops, IPv4 by way of IPv6",
        [_attribute(9, _hop(ETH0, VIA) + _hop(ETH0, GATEWAYS[1]))],
        KernelRoute("", "fe80::1", "eth0", others=("172.18.0.3",)),
    ),
]


@pytest.mark.parametrize(("attributes", "want"), [row[1:] for row in ROUTES], ids=[row[0] for row in ROUTES])
def test_next_hops(attributes: list[bytes], want: KernelRoute) -> None:
    found = _dumped(*attributes)
    assert found.routes == (msgspec.structs.replace(want, to="10.9.0.0/24", protocol=12),)
    assert not found.cut


def test_a_route_that_only_names_its_next_hops_is_not_taken_for_one_out_of_a_link() -> None:
    found = _dumped(_attribute(30, struct.pack("<I", 7)))
    assert (found.routes, found.cut) == ((), True)


@pytest.mark.parametrize("cut", [1, 17, 40])
def test_a_dump_that_is_cut_is_lost(cut: int) -> None:
    texts = [base64.b64encode(dump[:-cut]).decode() for dump in DUMPS]
    assert isinstance(reply(Rtnetlink("n1"), texts, False), Lost)


def test_more_than_is_kept_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtnetlink, "MOST", 2)
    found = rtnetlink.parse(DUMPS, 1.0, False)
    assert found.cut
    assert len(found.routes) == 2


SNMP = "Tcp: RetransSegs OutSegs\nTcp: 7 100\nUdp: RcvbufErrors\nUdp: 3\n"
SOFTNET = "0000000a 00000001 00000002 0 0\n00000010 00000000 00000001 0 0\n"
CONNTRACK = "entries clashres drop\n00000011 0 00000002\n00000011 0 00000003\n"
DEV = "Inter-|  Receive\n face |bytes\n eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\nveth12: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
SOCKSTAT = "sockets: used 10\nTCP: inuse 2 orphan 0 tw 40 alloc 5 mem 1\n"
TEXTS = {
    "/proc/net/snmp": SNMP,
    "/proc/net/snmp6": "Udp6RcvbufErrors                 	4\n",
    "/proc/net/softnet_stat": SOFTNET,
    "/proc/net/stat/nf_conntrack": CONNTRACK,
    "/proc/net/dev": DEV,
    "/proc/net/sockstat": SOCKSTAT,
}


def test_counters_by_their_names() -> None:
    found = kernel_replies.counters(TEXTS)
    assert found["Tcp.RetransSegs"] == 7
    assert found["Udp.RcvbufErrors"] == 3
    assert found["Udp6RcvbufErrors"] == 4
    assert (found["softnet.processed"], found["softnet.dropped"], found["softnet.time_squeeze"]) == (26, 1, 3)
    assert (found["conntrack.entries"], found["conntrack.drop"]) == (17, 5)  # one table, and a column for each CPU
    assert (found["eth0.rx_errors"], found["eth0.rx_dropped"], found["eth0.tx_dropped"]) == (3, 4, 8)
    assert (found["sockets.sockets.used"], found["sockets.TCP.tw"]) == (10, 40)
    assert not [name for name in found if name.startswith("veth")]


def test_settings_and_counters_in_one_reply() -> None:
    settings = {"/proc/sys/net/ipv4/ip_forward": "1\n", "/proc/sys/net/ipv4/conf/veth12/rp_filter": "2\n"}
    found = reply(Kernel("n1"), 2.0, settings, TEXTS, {"/proc/net/snmp": SNMP.replace("7 100", "9 200")}, "6.1.0")
    assert isinstance(found, KernelReply)
    assert found.settings == {"net/ipv4/ip_forward": "1"}
    assert (found.before["Tcp.RetransSegs"], found.after["Tcp.RetransSegs"], found.seconds) == (7, 9, 2.0)


def test_a_counter_that_is_no_number_is_lost() -> None:
    assert isinstance(reply(Kernel("n1"), 2.0, {}, {"/proc/net/snmp": "Tcp: A\nTcp: x\n"}, {}, "6"), Lost)


def test_all_settings_are_read_once_without_keys_and_pods_links() -> None:
    first, later = (agent_protocol.ask(0, request) for request in (Kernel("n1", seconds=0.0, untouched=True), Kernel("n1")))
    assert "/proc/sys/net/*/*/*/*" in first["once"]
    assert "/proc/sys/net/*/*/*/*" not in later["once"]
    assert {"/stable_secret", "/tcp_fastopen_key", "/veth", "/cali"} <= set(first["without"])
    texts = {"/proc/sys/net/ipv6/conf/eth0/stable_secret": "::1", "/proc/sys/net/ipv4/ping_group_range": "1\t0\n" + "x" * 900}
    found = reply(Kernel("n1"), 2.0, texts, TEXTS, TEXTS, "6.1.0")
    assert isinstance(found, KernelReply)
    assert [len(value) for value in found.settings.values()] == [500]


def test_the_clock_is_held_against_the_servers() -> None:
    request = Kernel("n1")
    line = {"id": 0, "samples": [["ok", 1.0, 2.0, {}, {}, {}, "6.1.0"]]}
    output = f"{json.dumps(line)}\n{json.dumps({'end': True, 'replies': 1, 'now': 1090.5})}\n".encode()
    found = transport.parse((request,), output, "", moment=1000.0).replies[request]
    assert isinstance(found, KernelReply)
    assert found.clock == 90.5


FLOW = "ipv4 2 udp 17 27 src=10.244.1.5 dst=10.96.0.10 sport=40964 dport=53 %ssrc=10.244.0.3 dst=10.244.1.5 sport=53 dport=40964"


@pytest.mark.parametrize(("mark", "replied"), [("", True), ("[UNREPLIED] ", False)])
def test_a_tracked_flow(mark: str, replied: bool) -> None:
    found = reply(Conntrack("n1", ("10.96.0.10",)), [FLOW % mark], False)
    assert isinstance(found, ConntrackReply)
    ends = (Address("10.244.1.5", 40964), Address("10.96.0.10", 53), Address("10.244.0.3", 53))
    assert found.flows == (Flow(*ends, replied=replied, left=27),)


def test_rules_and_cni_files() -> None:
    found = reply(ServiceRules("n1"), base64.b64encode(zlib.compress(b"")).decode(), False)
    assert found == ServiceRulesReply(Outcome.OK, 1.0, {})
    assert isinstance(reply(ServiceRules("n1"), base64.b64encode(zlib.compress(bytes(20))).decode(), False), Lost)
    assert isinstance(reply(ServiceRules("n1"), base64.b64encode(b"no zlib").decode(), False), Lost)
    files = reply(CniConfig("n1"), [["10-a.conflist", "cbr0", ["flannel"], "", True, ["portmap"], ""]])
    assert isinstance(files, CniConfigReply)
    assert files.files == (CniFile("10-a.conflist", "cbr0", ("flannel",), folder=("portmap",)),)


def test_only_what_needs_it_keeps_a_capability() -> None:
    assert agent_protocol.capabilities((Rtnetlink("n1"), Kernel("n1"), CniConfig("n1"))) == []
    assert agent_protocol.capabilities((Rtnetlink("n1"), ServiceRules("n1"))) == [12]
