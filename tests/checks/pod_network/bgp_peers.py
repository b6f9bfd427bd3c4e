# SPDX-License-Identifier: Apache-2.0
"""Cases of bgp_peers. All objects are made by hand, as Calico's documents have them."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.api import CALICO_BGP, CALICO_BGP_PEER, Cluster, Grant, Kind, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_CONFIG
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster
from tests.support.cni_objects import daemon_set

NAMES = ("n1", "n2", "n3")
REFLECTOR = {"route-reflector": "true"}
ALONE, CLUSTER = ("BGP001", "Node n1"), ("BGP001", "Cluster BGP")
AGENT = daemon_set("kube-system", "calico-node", {"calico-node": "quay.io/calico/node:v3.30.0"})
CONFIG = (
    NETWORK_CONFIG,
    convert(
        NETWORK_CONFIG, {"metadata": {"name": "calico-config", "namespace": "kube-system"}, "data": {"calico_backend": "bird"}}
    ),
)


def _node(name: str, labels: dict[str, str] | None = None, age: Any = OLD) -> Built:
    meta = {"name": name, "labels": labels or {}, "creationTimestamp": ago(age)}
    return NODE, convert(NODE, {"metadata": meta, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})


def _resource(kind: Kind[Any], name: str, **spec: Any) -> Built:
    return kind, convert(kind, {"metadata": {"name": name}, "spec": spec})


def _peer(name: str = "rr", **spec: str) -> Built:
    return _resource(CALICO_BGP_PEER, name, **spec)


MESH, NO_MESH = (_resource(CALICO_BGP, "default", nodeToNodeMeshEnabled=on) for on in (True, False))
NODES = (_node("n1", REFLECTOR), _node("n2"), _node("n3"))


def _cluster(*objects: Built, nodes: tuple[Built, ...] = NODES, **more: Any) -> Cluster:
    return make_cluster(*nodes, *AGENT[:1], CONFIG, *objects, **more)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), state=state)


TO_REFLECTORS = _peer(nodeSelector="!has(route-reflector)", peerSelector="has(route-reflector)")

CASES = [
    _case("no Calico", make_cluster(*NODES, NO_MESH), state="skipped"),
    _case("healthy: every node tells every other", _cluster()),
    _case("healthy: the mesh is on", _cluster(MESH)),
    _case("healthy: route reflectors", _cluster(NO_MESH, TO_REFLECTORS)),
    _case("healthy: a router outside for all nodes", _cluster(NO_MESH, _peer(peerIP="192.0.2.1"))),
    _case("healthy: each rack has a router", _cluster(NO_MESH, *(_peer(n, node=n, peerIP="192.0.2.1") for n in NAMES))),
    _case("healthy: one node alone", _cluster(NO_MESH, nodes=NODES[:1])),
    _case("no peer at all", _cluster(NO_MESH), CLUSTER),
    _case(
        "route reflectors by a label that is gone",
        _cluster(NO_MESH, _peer(nodeSelector="all()", peerSelector="has(node-role.kubernetes.io/master)")),
        *(CLUSTER, ("BGP002", "BGPPeer rr")),
    ),
    _case(
        "nodes by a label that is gone",
        _cluster(NO_MESH, _peer(nodeSelector="rack == 'a'", peerIP="192.0.2.1")),
        *(CLUSTER, ("BGP002", "BGPPeer rr")),
    ),
    _case(
        "one node of three",
        _cluster(NO_MESH, *(_peer(n, node=n, peerIP="192.0.2.1") for n in ("n2", "n3"))),
        ALONE,
    ),
    _case(
        "a node that is not there, beside a mesh", _cluster(MESH, _peer(node="n9", peerIP="192.0.2.1")), ("BGP002", "BGPPeer rr")
    ),
    _case("a node that has just come", _cluster(NO_MESH, TO_REFLECTORS, nodes=(*NODES, _node("n4", {"rack": "b"}, age=9)))),
    _case("a selector that can't be read", _cluster(NO_MESH, _peer(nodeSelector="rack = a"))),
    _case(
        "BGPConfigurations can't be listed",
        _cluster(_peer(node="n1", peerIP="192.0.2.1"), unavailable={CALICO_BGP: Unavailable("forbidden", Grant("list", "x"))}),
        state="unknown",
    ),
]
