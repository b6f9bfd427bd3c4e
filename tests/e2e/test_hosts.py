# SPDX-License-Identifier: Apache-2.0
"""What the nodes and privileged tiers read on real nodes, held against what the nodes' own tools say there."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any, TypeVar

import pytest

from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.base import Address, Lost
from kubectl_netdoc.measurements.connect import HttpGet, HttpReply
from kubectl_netdoc.measurements.node import (
    CniConfig,
    CniConfigReply,
    Conntrack,
    ConntrackReply,
    Kernel,
    KernelReply,
    Rtnetlink,
    RtnetlinkReply,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.probes.node_readings import both_kernels, both_tables, untouched_kernel
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.sources.live.client import Client, Options
from kubectl_netdoc.sources.live.pod_settings import PodSettings
from kubectl_netdoc.sources.live.source import LiveSource
from lab.faults.runner import Lab
from tests.e2e.conftest import DEADLINE, IMAGE, Netdoc

R = TypeVar("R")
DNS = "10.96.0.10"
NAME = "kubernetes.io/service-name"


def on(node: str, *command: str) -> str:
    """Return what a command prints on a node."""
    return subprocess.run(["docker", "exec", node, *command], check=True, capture_output=True, text=True, timeout=60).stdout


def measure(lab: Lab, tier: Tier) -> tuple[Measured, tuple[str, ...]]:
    """Ask every node everything that the tiers of the host network know."""
    source = LiveSource(Client(Options(kubeconfig=str(lab.kubeconfig))), (), PodSettings(image=IMAGE, tier=tier))
    cluster = source.cluster((NODE,))
    requests: list[Request] = []
    for node in cluster.hosts:
        requests += [Rtnetlink(node), Kernel(node), Conntrack(node, (DNS,)), ServiceRules(node), CniConfig(node)]
        requests.append(HttpGet(node, Address("127.0.0.1", 10249), "/proxyMode", ("",), host=True))
    return source.measure(cluster, tuple(requests)), cluster.hosts


def got(measured: Measured, kind: type[R], node: str) -> R:
    """Return the reply of a type from a node."""
    found = [reply for request, reply in measured.replies.items() if request.node == node and isinstance(reply, kind)]
    assert len(found) == 1, [reply for reply in measured.replies.values() if isinstance(reply, Lost)]
    return found[0]


@pytest.fixture(scope="module")
def privileged(lab: Lab) -> tuple[Measured, tuple[str, ...]]:
    # Something is tracked on each node: one of its own pods asks cluster DNS.
    lab.kubectl("-n", "shop", "exec", "client", "--", "python3", "-c", f"import socket; {ASK}")
    return measure(lab, Tier.PRIVILEGED)


ASK = f"s = socket.socket(2, 2); s.connect(('{DNS}', 53)); s.send(b'netdoc')"


def test_links_are_those_of_the_node(privileged: tuple[Measured, tuple[str, ...]]) -> None:
    measured, nodes = privileged
    assert len(nodes) == 3
    for node in nodes:
        rows: list[dict[str, Any]] = json.loads(on(node, "ip", "-json", "-details", "link"))
        links = {link.name: link for link in got(measured, RtnetlinkReply, node).links if link.kind != "veth"}
        wanted = {row["ifname"]: row for row in rows if row.get("linkinfo", {}).get("info_kind") != "veth"}
        assert {n: (x.mtu, x.mac) for n, x in links.items()} == {n: (r["mtu"], r["address"]) for n, r in wanted.items()}
        vxlan = wanted["flannel.1"]["linkinfo"]["info_data"]
        own = links["flannel.1"]
        assert (own.vni, own.port, own.local) == (vxlan["id"], vxlan["port"], vxlan["local"])


def test_routes_are_those_of_the_node(privileged: tuple[Measured, tuple[str, ...]]) -> None:
    measured, nodes = privileged
    for node in nodes:
        rows = json.loads(on(node, "ip", "-4", "-json", "route"))
        found = {(r.to, r.via, r.dev) for r in got(measured, RtnetlinkReply, node).routes if r.table == 254 and ":" not in r.to}
        wanted = {("0.0.0.0/0" if r["dst"] == "default" else r["dst"], r.get("gateway", ""), r["dev"]) for r in rows}
        assert found == {(to if "/" in to else f"{to}/32", via, dev) for to, via, dev in wanted}


def test_the_tunnels_entries_are_those_of_the_node(privileged: tuple[Measured, tuple[str, ...]]) -> None:
    measured, nodes = privileged
    for node in nodes:
        reply = got(measured, RtnetlinkReply, node)
        rows = [line.split() for line in on(node, "bridge", "fdb", "show", "dev", "flannel.1").splitlines()]
        assert {(f.mac, f.to) for f in reply.forwarding if f.dev == "flannel.1"} == {(r[0], r[r.index("dst") + 1]) for r in rows}
        lines = [line.split() for line in on(node, "ip", "neigh", "show", "dev", "flannel.1").splitlines()]
        found = {(n.ip, n.mac) for n in reply.neighbours if n.dev == "flannel.1"}
        assert found == {(r[0], r[r.index("lladdr") + 1]) for r in lines if "lladdr" in r}
        assert len(found) == len(nodes) - 1


def test_settings_and_counters_are_those_of_the_node(privileged: tuple[Measured, tuple[str, ...]]) -> None:
    measured, nodes = privileged
    for node in nodes:
        reply = got(measured, KernelReply, node)
        for name in ("net/ipv4/ip_forward", "net/ipv4/conf/eth0/rp_filter", "net/netfilter/nf_conntrack_max"):
            assert reply.settings[name] == on(node, "cat", f"/proc/sys/{name}").strip()
        assert reply.release == on(node, "uname", "-r").strip()
        assert reply.after["eth0.rx_bytes"] >= reply.before["eth0.rx_bytes"] > 0
        assert reply.after["Tcp.OutSegs"] > reply.before["Tcp.OutSegs"] > 0
        assert {"conntrack.drop", "softnet.dropped", "TcpExt.ListenOverflows", "sockets.TCP.tw"} <= reply.after.keys()
        assert abs(reply.clock - (float(on(node, "date", "+%s.%N")) - time.time())) < 5


def test_all_network_settings_and_the_ports_of_bridges_are_read_before_pods_have_a_network(lab: Lab) -> None:
    source = LiveSource(Client(Options(kubeconfig=str(lab.kubeconfig))), (), PodSettings(image=IMAGE, tier=Tier.NODES))
    cluster = source.cluster((NODE,))
    asked = [request for node in cluster.hosts for request in (*both_kernels(node), *both_tables(node))]
    measured, stayed = source.measure(cluster, tuple(asked)), set[str]()
    for node in cluster.hosts:
        first = measured.replies[untouched_kernel(node)]
        assert isinstance(first, KernelReply)
        files = on(node, "sh", "-c", "cd /proc/sys; find net -type f -perm -4 | grep -vE '/(veth|cali|lxc)|_key$'").split()
        assert len(files) > 500
        assert set(files) <= first.settings.keys() | {"net/nf_conntrack_max"}
        ports = [measured.replies[request] for request in both_tables(node)]
        told = [{link.name for link in reply.links if link.bridge_port} for reply in ports if isinstance(reply, RtnetlinkReply)]
        listed = {row["ifname"]: row for row in json.loads(on(node, "bridge", "-j", "-d", "link"))}
        # Ports of an earlier test's pods may go meanwhile: a node takes them down after the pods are gone from the API.
        assert told[1] - told[0], "netdoc's own pods have ports by now"
        stayed |= told[0] & listed.keys()
        links = {link.name: link.bridge_port for link in ports[0].links} if isinstance(ports[0], RtnetlinkReply) else {}
        for name in told[0] & listed.keys():
            port, row = links[name], listed[name]
            assert port is not None
            assert (port.state, port.hairpin, port.isolated) == (row["state"], row["hairpin"], row["isolated"])
            assert (port.learning, port.flood, port.broadcast) == (row["learning"], row["flood"], row["bcast_flood"])
    assert stayed, "no pod ran anywhere before"


def test_rules_lead_from_each_service_to_its_endpoints(privileged: tuple[Measured, tuple[str, ...]], lab: Lab) -> None:
    """Of netdoc's own Services, of this run and of others, nothing is asked: they come and go meanwhile."""
    measured, nodes = privileged
    wanted: dict[str, set[str]] = {}
    slices = json.loads(lab.kubectl("get", "endpointslices", "-A", "-o", "json"))["items"]
    for service in json.loads(lab.kubectl("get", "services", "-A", "-o", "json"))["items"]:
        for port in service["spec"]["ports"]:
            own = [each for each in slices if each["metadata"]["labels"].get(NAME) == service["metadata"]["name"]]
            ends = {
                f"{address}:{number['port']}"
                for each in own
                if each["metadata"]["namespace"] == service["metadata"]["namespace"]
                for number in each["ports"] or ()
                if number.get("name", "") == port.get("name", "")
                for end in each["endpoints"] or ()
                for address in end["addresses"]
            }
            if service["spec"]["clusterIP"] != "None" and "netdoc" not in service["metadata"]["namespace"]:
                wanted[f"{port['protocol'].lower()} {service['spec']['clusterIP']}:{port['port']}"] = ends
                if "nodePort" in port:
                    wanted[f"{port['protocol'].lower()} *:{port['nodePort']}"] = ends
    assert len(wanted) >= 4
    for node in nodes:
        reply = got(measured, ServiceRulesReply, node)
        (table,) = (reply.tables or {}).values()
        assert {address: set(table.to.get(address, ())) for address in wanted} == wanted
        assert (table.hooks, table.unclear, table.unknown) == (("output", "prerouting"), (), False)


def test_flows_and_cni_files_are_those_of_the_node(privileged: tuple[Measured, tuple[str, ...]], lab: Lab) -> None:
    measured, nodes = privileged
    client = lab.kubectl("-n", "shop", "get", "pod", "client", "-o", "jsonpath={.spec.nodeName} {.status.podIP}").split()
    flows = [flow for flow in got(measured, ConntrackReply, client[0]).flows if flow.source.ip == client[1]]
    assert flows
    assert {(flow.to, flow.answers.port) for flow in flows} == {(Address(DNS, 53), 53)}
    assert all(flow.answers.ip != DNS for flow in flows)
    for node in nodes:
        assert [file.plugins for file in got(measured, CniConfigReply, node).files] == [("flannel", "portmap")]
        assert got(measured, HttpReply, node).lines == (lab.mode(),)


def test_without_privileges_the_rules_are_not_read(lab: Lab) -> None:
    measured, nodes = measure(lab, Tier.NODES)
    for node in nodes:
        assert got(measured, RtnetlinkReply, node).links
        assert got(measured, HttpReply, node).lines == (lab.mode(),)
        refused = [r for r in measured.replies.items() if r[0].node == node and isinstance(r[1], Lost)]
        assert {type(request) for request, _ in refused} >= {ServiceRules, CniConfig}


def test_nothing_is_left(netdoc: Netdoc, privileged: tuple[Measured, tuple[str, ...]]) -> None:
    deadline = time.monotonic() + DEADLINE
    while netdoc.namespaces() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert netdoc.namespaces() == set()
