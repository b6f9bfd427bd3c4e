# SPDX-License-Identifier: Apache-2.0
"""Cases of address_ranges: ranges and addresses as the API has them, nothing is measured."""

from typing import Any

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import CALICO_POOL, CALICO_RESERVATION
from kubectl_netdoc.records.kinds import DAEMON_SET, NODE, POD, SERVICE
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster, make_pod, make_service
from tests.support.cni_objects import PUBLISHED, resource


def _node(name: str, ranges: str, *addresses: str, virtual: bool = False) -> Built:
    """A node with its pod ranges and InternalIPs."""
    labels = {"type": "virtual-kubelet"} if virtual else {}
    status = {"addresses": [{"type": "InternalIP", "address": ip} for ip in addresses]}
    fields: dict[str, Any] = {"metadata": {"name": name, "labels": labels, "creationTimestamp": ago(OLD)}, "status": status}
    return NODE, convert(NODE, fields | {"spec": {"podCIDRs": ranges.split()}})


def _pod(node: str, *ips: str, host: bool = False) -> Built:
    spec = {"nodeName": node, "hostNetwork": host}
    status = {"phase": "Running", "podIPs": [{"ip": ip} for ip in ips]}
    return POD, convert(POD, {"metadata": {"name": f"p-{node}", "namespace": "shop"}, "spec": spec, "status": status})


N1, N2 = _node("n1", "10.0.1.0/24", "192.168.0.1"), _node("n2", "10.0.2.0/24", "192.168.0.2")
AWAY = (_node("v1", "10.0.2.0/24", virtual=True), _pod("v1", "172.31.0.9"))
PODS = (_pod("n1", "10.0.1.7"), _pod("n2", "10.0.2.7"))
DUAL = (
    _node("n1", "10.0.1.0/24 fd00:1::/64", "192.168.0.1", "fd01::1"),
    _pod("n1", "10.0.1.7", "fd00:1::7"),
)
SERVICES = (make_service("web", cluster_ip="10.96.0.1"), make_service("headless", cluster_ip="None"))


def _case(
    name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset(), state: str = "", unavailable: Any = None
) -> Case:
    return Case(name, make_cluster(*objects, unavailable=unavailable), expect, state=state)


def _at_work(name: str, *addresses: str, ready: str = "True", type_: str = "", **notes: str) -> Built:
    """A node with its InternalIPs and annotations; names of annotations without what stands before the slash."""
    of = {"public_ip": "flannel.alpha.coreos.com/public-ip", "IPv4Address": "projectcalico.org/IPv4Address"}
    metadata = {"name": name, "annotations": {of[key]: value for key, value in notes.items()}, "labels": {"type": type_}}
    told = [{"type": "InternalIP", "address": ip} for ip in addresses]
    status = {"conditions": [{"type": "Ready", "status": ready}], "addresses": told}
    return NODE, convert(NODE, {"metadata": metadata, "status": status})


def _tunnel(name: str, mac: str, *, machine: str = "", ready: str = "True", vni: int = 1) -> Built:
    """A node of flannel's with what it announces of its tunnel."""
    data = f'{{"VNI":{vni},"VtepMAC":"{mac}"}}' if mac else "null"
    notes = {"flannel.alpha.coreos.com/backend-type": "vxlan", "flannel.alpha.coreos.com/backend-data": data}
    status = {"conditions": [{"type": "Ready", "status": ready}], "nodeInfo": {"machineID": machine}}
    meta = {"name": name, "annotations": notes, "creationTimestamp": ago(OLD)}
    return NODE, convert(NODE, {"metadata": meta, "status": status})


def _pool(cidr: str, **spec: Any) -> Built:
    return resource(CALICO_POOL, "lan", {"cidr": cidr, **spec})


def _calico(name: str, *objects: Built, found: bool = False) -> Case:
    """Calico on three nodes 192.168.0.1 to 3."""
    nodes = [_at_work(f"n{number}", f"192.168.0.{number}") for number in (1, 2, 3)]
    own = (item for item in PUBLISHED["calico ipip"].healthy() if item[0] not in (NODE, CALICO_POOL))
    expect = frozenset({("ADR005", "IPPool lan")} if found else ())
    return _case(f"Calico: {name}", *nodes, *own, *objects, expect=expect, state="" if found else "skipped")


MAC = "02:00:00:00:00:01"
SAME_MAC, CLONED = frozenset({("ADR006", f"Address {MAC}")}), frozenset({("ADR007", "Cluster nodes like n1")})
SAME = frozenset({("ADR004", "Address 10.0.2.15")})
CALICO_STATIC = (
    *(_node(f"n{i}", "10.0.1.0/24", f"192.168.0.{i}") for i in (1, 2, 3)),
    *(item for item in PUBLISHED["calico ipip"].healthy() if item[0] not in (NODE, CALICO_POOL)),
    *(_pod("n1", "10.0.1.7"), _pod("n2", "10.0.1.8")),
)


def _same(ip: str) -> frozenset[tuple[str, str]]:
    return frozenset({("ADR004", f"Address {ip}")})


TRIPLE = [_node(f"n{number}", "10.0.1.0/24") for number in range(1, 40)]
PAIR = frozenset({("ADR001", "NodePair n1--n2")})
CASES = [
    _case(
        "one range for all nodes is one finding",
        *(*TRIPLE, _pod("n1", "10.0.1.7")),
        expect=frozenset({("ADR001", "Cluster pod range 10.0.1.0/24")}),
    ),
    _case(
        "one range around two others",
        *(_node("n1", "10.0.0.0/16"), _node("n2", "10.0.1.0/24"), _node("n3", "10.0.2.0/24"), _pod("n1", "10.0.3.7")),
        expect=frozenset({("ADR001", "Cluster pod range 10.0.0.0/16")}),
    ),
    _case(
        "two pairs",
        *(*(_node(f"n{i}", "10.0.1.0/24") for i in (1, 2)), *(_node(f"n{i}", "10.0.2.0/24") for i in (3, 4))),
        _pod("n1", "10.0.1.7"),
        expect=frozenset({("ADR001", "NodePair n1--n2"), ("ADR001", "NodePair n3--n4")}),
    ),
    _case("one range for all nodes, which Calico's own IPAM does not use", *CALICO_STATIC, state="skipped"),
    _case(
        "DaemonSets that can't be read: nobody knows whether the ranges are used",
        *CALICO_STATIC,
        unavailable={DAEMON_SET: Unavailable("forbidden")},
    ),
    _case("nodes share their InternalIP", *(_at_work(name, "10.0.2.15") for name in ("n1", "n2")), expect=SAME, state="fail"),
    _case(
        "nodes share it in one family", *(_at_work(f"n{i}", f"10.0.2.{i}", "fd00::1") for i in (1, 2)), expect=_same("fd00::1")
    ),
    _case(
        "nodes tell flannel's tunnels one address",
        *(_at_work(f"n{i}", f"192.168.0.{i}", public_ip="10.0.2.15") for i in (1, 2)),
        expect=SAME,
    ),
    _case(
        "nodes tell Calico one address",
        *(_at_work(f"n{i}", f"192.168.0.{i}", IPv4Address="10.0.2.15/24") for i in (1, 2)),
        expect=SAME,
    ),
    _case(
        "nodes with addresses of their own", *(_at_work(f"n{i}", f"10.0.2.{i}", f"fd00::{i}") for i in (1, 2)), state="skipped"
    ),
    _case(
        "a second address that all have, of a bridge",
        *(_at_work(f"n{i}", f"10.0.2.{i}", "172.17.0.1") for i in (1, 2)),
        state="skipped",
    ),
    _case(
        "a node that is gone, whose address another got",
        _at_work("n1", "10.0.2.15"),
        _at_work("n2", "10.0.2.15", ready="Unknown"),
        state="skipped",
    ),
    _case(
        "virtual nodes share their address",
        *(_at_work(name, "10.0.2.15", type_="virtual-kubelet") for name in ("n1", "n2")),
        state="skipped",
    ),
    _case(
        "KWOK's nodes share their address", *(_at_work(name, "10.0.2.15", type_="kwok") for name in ("n1", "n2")), state="skipped"
    ),
    _calico("a pool over the nodes", _pool("192.168.0.0/16"), found=True),
    _calico("a pool apart", _pool("10.244.0.0/16")),
    _calico("a pool that is disabled, to keep translation off", _pool("192.168.0.0/16", disabled=True)),
    _calico("a pool for load balancers alone", _pool("192.168.0.0/16", allowedUses=["LoadBalancer"])),
    _calico("a pool for pods and tunnels", _pool("192.168.0.0/16", allowedUses=["Workload", "Tunnel"]), found=True),
    _calico(
        "a pool that keeps the nodes' addresses",
        _pool("192.168.0.0/16"),
        resource(CALICO_RESERVATION, "nodes", {"reservedCIDRs": ["192.168.0.0/28"]}),
    ),
    _case("tunnels with one MAC address", *(_tunnel(name, MAC) for name in ("n1", "n2")), expect=SAME_MAC, state="fail"),
    _case("tunnels with MAC addresses of their own", _tunnel("n1", MAC), _tunnel("n2", "02:00:00:00:00:02"), state="skipped"),
    _case("tunnels of two networks", _tunnel("n1", MAC), _tunnel("n2", MAC, vni=2), state="skipped"),
    _case("tunnels without MAC addresses", *(_tunnel(name, "") for name in ("n1", "n2")), state="skipped"),
    _case("a node that is down had it", _tunnel("n1", MAC), _tunnel("n2", MAC, ready="Unknown"), state="skipped"),
    _case("clones", *(_tunnel(name, "", machine="0f" * 16) for name in ("n1", "n2")), expect=CLONED, state="skipped"),
    _case("machines of their own", *(_tunnel(f"n{i}", "", machine=f"{i}f" * 16) for i in (1, 2)), state="skipped"),
    _case("pools of a Calico that is not there", _pool("192.168.0.0/16"), _at_work("n1", "192.168.0.1"), state="skipped"),
    _case("healthy", N1, N2, *PODS, *SERVICES),
    _case("the same range", N1, _node("n2", "10.0.1.0/24"), _pod("n1", "10.0.1.7"), expect=PAIR),
    _case("a range in another", N1, _node("n2", "10.0.0.0/16"), _pod("n1", "10.0.1.7"), expect=PAIR),
    _case(
        "the same range, beside a virtual node's pods", N1, _node("n2", "10.0.1.0/24"), _pod("n1", "10.0.1.7"), *AWAY, expect=PAIR
    ),
    _case("a virtual node's range, which nobody uses", N1, N2, *PODS, *AWAY),
    _case("ranges side by side", N1, _node("n2", "10.0.0.0/24"), _node("n3", "10.0.2.0/23"), _pod("n1", "10.0.1.7")),
    _case("the same IPv6 range", *DUAL, _node("n2", "10.0.2.0/24 fd00:1::/65"), expect=PAIR),
    _case(
        "a node in the range of another",
        _node("n1", "10.0.1.0/24", "10.0.2.9"),
        N2,
        *PODS,
        expect=frozenset({("ADR002", "Node n2")}),
    ),
    _case("a node in another's IPv6 range", *DUAL, _node("n2", "", "fd00:1::9"), expect=frozenset({("ADR002", "Node n1")})),
    _case("a node in its own range", _node("n1", "10.0.1.0/24", "10.0.1.9"), N2, *PODS),
    _case(
        "Services in a pod range",
        N1,
        N2,
        *PODS,
        make_service("web", cluster_ip="10.0.2.3"),
        expect=frozenset({("ADR003", "Node n2")}),
    ),
    _case(
        "Services of the second family in a pod range",
        *DUAL,
        make_service("web", clusterIPs=["10.96.0.1", "fd00:1::a"]),
        expect=frozenset({("ADR003", "Node n1")}),
    ),
    _case(
        "pods of an IPAM that does not use the ranges",
        _node("n1", "10.0.0.0/16", "10.0.3.1"),
        N2,
        _pod("n1", "172.16.0.9"),
        state="skipped",
    ),
    _case(
        "one pod of another node's range",
        N1,
        _node("n2", "10.0.1.0/24"),
        _pod("n1", "10.0.1.7"),
        _pod("n2", "10.9.0.1"),
        state="skipped",
    ),
    _case(
        "pods on the host network show nothing",
        N1,
        _node("n2", "10.0.1.0/24"),
        _pod("n1", "10.0.1.7", host=True),
        state="skipped",
    ),
    _case("a pod whose node has gone", N1, N2, *PODS, _pod("gone", "10.8.0.1")),
    _case("what is no range", _node("n1", "nonsense 10.0.1.0/24"), N2, *PODS),
    _case("no ranges", _node("n1", ""), make_pod("web-1"), state="skipped"),
    Case(
        "Services can't be read",
        make_cluster(N1, N2, *PODS, unavailable={SERVICE: Unavailable("forbidden")}),
        state="unknown",
    ),
]
