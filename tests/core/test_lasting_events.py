# SPDX-License-Identifier: Apache-2.0
"""Every reason of an Event in every state of its object: whether what it tells still holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.api import POD, Cluster, Node, Pod, Service
from kubectl_netdoc.checks.dns.dns_config import resolv_conf
from kubectl_netdoc.components import load_balancers
from kubectl_netdoc.core.lasting_events import lasting
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import Object
from kubectl_netdoc.records.kinds import NODE, REPLICA_SET, SERVICE
from kubectl_netdoc.testing import (
    Built,
    ago,
    judge,
    make_cluster,
    make_event,
    make_node,
    make_node_condition,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)

SEEN = 30.0
STATES: dict[str, Callable[[], Built]] = {
    "pending": lambda: make_pod(node="", ip="", ready=False, waiting="ContainerCreating", phase="Pending"),
    "no sandbox": lambda: make_pod(ip="", ready=False, waiting="ContainerCreating", phase="Pending"),
    "no sandbox, on the host network": lambda: _host(make_pod(ip="192.0.2.1", ready=False, waiting="ContainerCreating")),
    "pulls": lambda: make_pod(ready=False, waiting="ImagePullBackOff", phase="Pending"),
    "runs": lambda: make_pod(ready=False),
    "ready": make_pod,
    "a new pod of the name": lambda: make_pod(ip="", node="", ready=False, waiting="ContainerCreating", age=SEEN - 10),
    "finished": lambda: make_pod(phase="Failed", ready=False, ip="", waiting="x"),
    "terminating": lambda: make_pod(ip="", ready=False, waiting="ContainerCreating", deletionTimestamp=ago(5)),
}
ALWAYS_OVER = {"a new pod of the name", "finished", "terminating"}
OVER = {
    "FailedScheduling": {"no sandbox", "no sandbox, on the host network", "pulls", "runs", "ready"},
    "FailedCreatePodSandBox": {"pulls", "runs", "ready"},
    "NetworkNotReady": {"pulls", "runs", "ready"},
    "FailedMount": {"runs", "ready"},
    "FailedAttachVolume": {"runs", "ready"},
    "Unhealthy": {"ready"},
    "Failed": {"runs", "ready"},
    "BackOff": {"runs", "ready"},
    "DNSConfigForming": set(),
    "SomethingElse": set(),
}
"""Worked out by hand from what the kubelet and the scheduler write when."""


def _host(built: Built) -> Built:
    kind, pod = built
    assert isinstance(pod, Pod)
    return kind, msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, host_network=True))


def _holds(cluster: Cluster, kind: str, item: Object, reason: str) -> bool:
    return bool(lasting(cluster, kind, item, reason))


@pytest.mark.parametrize(("reason", "state"), list(product(OVER, STATES)))
def test_an_event_and_the_state_of_its_pod(reason: str, state: str) -> None:
    built = STATES[state]()
    cluster = make_cluster(built, make_event("Pod", "web-1", "shop", reason, "x", age=SEEN))
    (pod,) = cluster.all(POD)
    assert _holds(cluster, "Pod", pod, reason) == (state not in ALWAYS_OVER | OVER[reason])


LATER = [
    ("FailedScheduling", "Scheduled"),
    ("FailedCreatePodSandBox", "Started"),
    ("FailedMount", "Started"),
    ("FailedAttachVolume", "SuccessfulAttachVolume"),
    ("BackOff", "Started"),
]


@pytest.mark.parametrize(("reason", "end"), LATER)
@pytest.mark.parametrize("before", [True, False])
def test_what_succeeded_later_is_over(reason: str, end: str, before: bool) -> None:
    built = STATES["pending" if reason == "FailedScheduling" else "no sandbox"]()
    later = make_event("Pod", "web-1", "shop", end, "x", type_="Normal", age=SEEN + (10 if before else -10))
    cluster = make_cluster(built, make_event("Pod", "web-1", "shop", reason, "x", age=SEEN), later)
    assert _holds(cluster, "Pod", cluster.all(POD)[0], reason) == before


@pytest.mark.parametrize("range_", ["", "10.0.1.0/24"])
def test_a_node_that_has_its_range(range_: str) -> None:
    spec: dict[str, Any] = {"podCIDRs": [range_]} if range_ else {}
    condition = make_node_condition("n1", "NetworkUnavailable", "True", **spec)
    cluster = make_cluster(condition, make_event("Node", "n1", "default", "CIDRNotAvailable", "x"))
    node = cluster.all(NODE)[0]
    assert isinstance(node, Node)
    assert _holds(cluster, "Node", node, "CIDRNotAvailable") == (not range_)


@pytest.mark.parametrize(("written", "holds"), [(0.0, True), (60.0, True), (10.0, False)])
def test_a_service_whose_slices_were_written_since(written: float, holds: bool) -> None:
    kind, item = make_slice("web", addresses={"10.0.0.1": "web-1"})
    notes = msgspec.structs.replace(item.metadata.annotations, trigger_time=ago(written)) if written else None
    meta = msgspec.structs.replace(item.metadata, annotations=notes) if notes else item.metadata
    written_slice = kind, msgspec.structs.replace(item, metadata=meta)
    event = make_event("Service", "web", "shop", "FailedToUpdateEndpointSlices", "x", age=SEEN)
    cluster = make_cluster(make_service(), written_slice, event)
    service = cluster.all(SERVICE)[0]
    assert isinstance(service, Service)
    assert _holds(cluster, "Service", service, "FailedToUpdateEndpointSlices") == holds


@pytest.mark.parametrize(("before", "holds"), [(True, True), (False, False)])
def test_a_replica_set_that_made_its_pods_since(before: bool, holds: bool) -> None:
    failed = make_event("ReplicaSet", "web", "shop", "FailedCreate", "exceeded quota", age=SEEN)
    made = make_event("ReplicaSet", "web", "shop", "SuccessfulCreate", "x", type_="Normal", age=SEEN + (10 if before else -10))
    cluster = make_cluster(make_workload(REPLICA_SET), failed, made)
    assert bool(lasting(cluster, "ReplicaSet", cluster.all(REPLICA_SET)[0])) == holds


SHORTENED = "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: a b"
NO_NET = 'plugin type="flannel" failed (add): failed to find plugin "flannel" in path [/opt/cni/bin]'


@pytest.mark.parametrize("over", [True, False])
def test_the_checks_ask(over: bool) -> None:
    """The contradiction and its absence, in the checks that read Events."""
    age = SEEN - 10 if over else 7200.0
    cut = make_cluster(make_pod(age=age), make_event("Pod", "web-1", "shop", "DNSConfigForming", SHORTENED, age=SEEN))
    assert {(f.code, str(f.subject)) for f in resolv_conf.analyse(cut)} == (set() if over else {("DNC014", "Pod shop/web-1")})
    waits = make_pod(ip="", ready=False, waiting="ContainerCreating", age=age)
    event = make_event("Pod", "web-1", "shop", "FailedCreatePodSandBox", NO_NET, age=SEEN)
    check = registry.load().choose(["nodes_ready"])[0]
    found = judge(check, make_cluster(make_node("n1"), waits, event))
    assert found == (set() if over else {("NOD003", "Node n1")})


@pytest.mark.parametrize(("reason", "told"), [("FailedToUpdateEndpointSlices", False), ("SyncLoadBalancerFailed", True)])
def test_a_warning_about_endpoints_is_no_reason_for_a_load_balancer(reason: str, told: bool) -> None:
    cluster = make_cluster(make_service(type="LoadBalancer"), make_event("Service", "web", "shop", reason, "no quota"))
    why = load_balancers.pending(cluster, cluster.all(SERVICE)[0], timedelta(minutes=5))
    assert why is not None
    assert ("no quota" in why.why) == told
