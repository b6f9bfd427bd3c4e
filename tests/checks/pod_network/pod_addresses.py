# SPDX-License-Identifier: Apache-2.0
"""Cases of pod_addresses."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import NODE, Grant, Unavailable
from kubectl_netdoc.records.nodes import Allocatable, Node
from kubectl_netdoc.records.pods import Pod, PodIP
from kubectl_netdoc.testing import Built, Case, make_cluster, make_pod
from tests.support.cni_objects import NODES, PUBLISHED, node

FLANNEL, CALICO, EKS = PUBLISHED["flannel vxlan"], PUBLISHED["calico ipip"], PUBLISHED["aws vpc cni"]
WEB = [make_pod(f"web-{number}", node=f"n{number}", ip=f"10.244.{number}.7") for number in (1, 2, 3)]


def _small(name: str, prefix: int, pods: str) -> Built:
    """Return a node that has a range of that prefix's size and may run so many pods."""
    kind, built = node(name, FLANNEL.annotations)
    assert isinstance(built, Node)
    spec = msgspec.structs.replace(built.spec, pod_cidrs=(f"10.244.1.0/{prefix}",))
    status = msgspec.structs.replace(built.status, allocatable=Allocatable(pods=pods))
    return kind, msgspec.structs.replace(built, spec=spec, status=status)


def _crowded(count: int, prefix: int = 28, pods: str = "110") -> Case:
    """Flannel on three nodes, the first with a small range and many pods."""
    many = [make_pod(f"p{i}", node="n1", ip=f"10.244.1.{i + 2}") for i in range(count)]
    objects = (_small("n1", prefix, pods), *FLANNEL.nodes()[1:], *FLANNEL.agents(), *map(FLANNEL.pod, NODES), *many)
    return Case(f"{count} of /{prefix}", make_cluster(*objects))


def _case(name: str, *more: Built, expect: Any = (), network: Any = FLANNEL) -> Case:
    return Case(name, make_cluster(*network.healthy(), *more), frozenset(expect))


def _without_sandbox(ip: str) -> Built:
    """Return a pod that is still told to be running, with the address that it had."""
    kind, built = make_pod("old", node="n1", ip=ip)
    assert isinstance(built, Pod)
    gone = msgspec.structs.replace(built.status.conditions[0], type="PodReadyToStartContainers", status="False")
    return kind, msgspec.structs.replace(
        built, status=msgspec.structs.replace(built.status, conditions=(*built.status.conditions, gone))
    )


def _second(ip: str) -> list[Built]:
    """Return two pods with that address besides their own."""
    pods: list[Built] = []
    for number in (1, 2):
        kind, built = make_pod(f"six-{number}", node=f"n{number}", ip=f"10.244.{number}.9")
        assert isinstance(built, Pod)
        both = (*built.status.pod_ips, PodIP(ip=ip))
        pods.append((kind, msgspec.structs.replace(built, status=msgspec.structs.replace(built.status, pod_ips=both))))
    return pods


def _ageless(name: str) -> Built:
    """Return a pod with a doubled address that does not tell when it was made."""
    kind, built = make_pod(name, node="n1", ip="10.244.1.7")
    return kind, msgspec.structs.replace(built, metadata=msgspec.structs.replace(built.metadata, creation_timestamp=None))


DOUBLE = make_pod("late", node="n2", ip="10.244.1.7")
LEFT_OVER = make_pod("late", node="n1", ip="10.99.0.2")
DEAD = make_pod("late", node="n9", ip="10.244.1.7")
VIRTUAL = node("n9", labels={"type": "virtual-kubelet"})
FULL = frozenset({("PAD003", "Node n1")})

CASES = [
    _case("healthy", *WEB),
    _case(
        "one address twice, on the same node",
        *WEB,
        make_pod("late", node="n1", ip="10.244.1.7"),
        expect=[("PAD001", "Address 10.244.1.7")],
    ),
    _case(
        "one address twice, and the other node's",
        *WEB,
        DOUBLE,
        expect=[("PAD001", "Address 10.244.1.7"), ("PAD002", "Node n2")],
    ),
    _case("one second address twice", *WEB, *_second("fd00::7"), expect=[("PAD001", "Address fd00::7")]),
    _case(
        "one address twice, and nobody knows since when",
        *WEB,
        _ageless("late"),
        _ageless("later"),
        expect=[("PAD001", "Address 10.244.1.7")],
    ),
    _case("a pod that has ended keeps its address", *WEB, make_pod("job", node="n1", ip="10.244.1.7", phase="Succeeded")),
    _case("a pod that is being deleted", *WEB, make_pod("old", ip="10.244.1.7", deletionTimestamp="2026-01-01T11:59:00Z")),
    _case("a pod on a node that is gone", *WEB, DEAD),
    _case("a pod that has no sandbox since its node restarted", *WEB, _without_sandbox("10.244.1.7")),
    _case("its address is outside too", *WEB, _without_sandbox("10.99.0.2")),
    _case("a virtual node, whose pods run elsewhere", *WEB, VIRTUAL, make_pod("away", node="n9", ip="10.244.1.7")),
    _case(
        "pods of controllers and a static one",
        *WEB,
        make_pod("late", node="n1", ip="10.244.1.7", age=60, ownerReferences=[{"kind": "ReplicaSet", "name": "late"}]),
        make_pod("late-n1", node="n1", ip="10.244.1.7", age=60, ownerReferences=[{"kind": "Node", "name": "n1"}]),
        expect=[("PAD001", "Address 10.244.1.7")],
    ),
    _case("a pod on a node that is not ready", *WEB, node("n9", ready="Unknown"), DEAD),
    _case("outside its node's range", *WEB, LEFT_OVER, expect=[("PAD002", "Node n1")]),
    _case("most are outside", LEFT_OVER, make_pod("later", node="n2", ip="10.99.0.3")),
    _case("a network with pools of its own", *WEB, LEFT_OVER, network=CALICO),
    _case("EKS: one address twice", *WEB, DOUBLE, network=EKS, expect=[("PAD001", "Address 10.244.1.7")]),
    _case("an address of a family without a range", *WEB, make_pod("six", node="n1", ip="fd00::7")),
    Case("nearly used", _crowded(12).cluster, FULL),
    _crowded(11),
    Case("a /25 and 110 pods, which never fill it", _crowded(110, 25).cluster),
    Case("no more pods than addresses", _crowded(12, 28, "13").cluster),
    Case("no more than addresses and pods on the host network", _crowded(12, 28, "14").cluster),
    Case("a network that netdoc does not know", make_cluster(*map(node, NODES), *WEB, DOUBLE), state="skipped"),
    Case("nodes forbidden", make_cluster(unavailable={NODE: Unavailable("forbidden", Grant("list", "nodes"))}), state="skipped"),
]
