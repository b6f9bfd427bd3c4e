# SPDX-License-Identifier: Apache-2.0
"""Cases of address_ranges: ranges and addresses as the API has them, nothing is measured."""

from typing import Any

from kubectl_netdoc.cluster import Unavailable
from kubectl_netdoc.records import NODE, POD, SERVICE, convert
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster, make_pod, make_service


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


def _case(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset(), state: str = "") -> Case:
    return Case(name, make_cluster(*objects), expect, state=state)


PAIR = frozenset({("ADR001", "NodePair n1--n2")})
CASES = [
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
