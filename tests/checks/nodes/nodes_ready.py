# SPDX-License-Identifier: Apache-2.0
"""Cases of nodes_ready."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.api import EVENT, NODE, Cluster, Grant, Node, Unavailable
from kubectl_netdoc.records.kinds import DAEMON_SET
from kubectl_netdoc.records.pods import Container, PodSpec, PodTemplate
from kubectl_netdoc.records.workloads import Workload
from kubectl_netdoc.testing import (
    NOW,
    Built,
    Case,
    make_cluster,
    make_event,
    make_node,
    make_node_condition,
    make_pod,
    make_workload,
)
from tests.support.cni_objects import PUBLISHED

WAITING = {"ip": "", "ready": False, "phase": "Pending"}
IPAM = 'plugin type="host-local" failed (add): no IP addresses available in range set: 10.244.1.1-10.244.1.254'


EKS = 'plugin type="aws-cni" name="aws-cni" failed (add): add cmd: failed to assign an IP address to container'


def _sandbox(message: str, *ages: float, node: Built | None = None) -> Cluster:
    """A pod that waits on n1; ``ages``: seconds since each of its sandboxes failed."""
    pod = make_pod("late", **WAITING)  # type: ignore[arg-type]
    events = [make_event("Pod", "late", "shop", "FailedCreatePodSandBox", message, age=age) for age in ages]
    return make_cluster(node or make_node(), pod, *events)


SANDBOXES = [
    ('failed to get sandbox image "registry.k8s.io/pause:3.9": failed to pull image: dial tcp: i/o timeout', "NOD006"),
    (
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed pulling image k8s.gcr.io/pause:3.1: refused",
        "NOD006",
    ),
    (
        'failed to setup network for sandbox "1": plugin type="cilium-cni" failed (add): [502] postIpamFailure range is full',
        "NOD004",
    ),
    ('plugin type="azure-vnet" failed (add): Failed to allocate address: No available addresses', "NOD004"),
    ('plugin type="calico" failed (add): Assigned 0 out of 1 requested IPv4 addresses; No more free affine blocks', "NOD004"),
    ('plugin type="whereabouts" failed (add): Could not allocate IP in range', "NOD004"),
    ('plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized', "NOD003"),
    ("networkPlugin cni failed to set up pod network: dial unix /var/run/agent.sock: connect: no such file", "NOD003"),
    ('plugin type="multus" failed (add): image pull of a hook', "NOD003"),
    ("rpc error: code = DeadlineExceeded desc = context deadline exceeded", "NOD007"),
    (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: no space left on device",
        "NOD007",
    ),
    ('no runtime for "gvisor" is configured', "NOD007"),
]
"""What sandboxes fail with, and whose doing that is."""


def _unranged(network: str = "True", about: str = "n1", ranges: list[str] | None = None) -> Cluster:
    """A node without a pod range whose controller manager has none left."""
    node = make_node_condition("n1", "NetworkUnavailable", network, "NoRouteCreated", podCIDRs=ranges or [])
    return make_cluster(node, make_event("Node", about, "default", "CIDRNotAvailable", "x", age=30))


def _without_range(network: str = "flannel vxlan", *, ready: str = "False", of_others: bool = True) -> Cluster:
    """Node n3 has no pod range on a network; what the network is made of is published, the nodes are made by hand."""
    objects = [item for item in PUBLISHED[network].healthy() if item[0] is not NODE]
    made = [make_node(f"n{i}", podCIDRs=[f"10.244.{i}.0/24"] if of_others else []) for i in (1, 2)]
    return make_cluster(*made, make_node("n3", ready=ready, message="cni plugin not initialized"), *objects)


def _stale_token() -> Cluster:
    """A plugin that the API turns away, and the agent that would write its token anew."""
    owner = {"kind": "DaemonSet", "name": "calico-node", "controller": True}
    agent = make_pod("calico-node-a", "kube-system", labels={"k8s-app": "calico-node"}, ownerReferences=[owner])
    events = make_event("Pod", "late", "shop", "FailedCreatePodSandBox", SANDBOXES[6][0], age=80)
    kind, made = make_workload(DAEMON_SET, "calico-node", "kube-system")
    assert isinstance(made, Workload)
    template = PodTemplate(spec=PodSpec(containers=(Container(name="calico-node", image="docker.io/calico/node:v3.30.0"),)))
    made = replace(made, spec=replace(made.spec, template=template))
    return make_cluster(make_node(), make_pod("late", **WAITING), agent, (kind, made), events)  # type: ignore[arg-type]


def _leaving(**spec: Any) -> Cluster:
    kind, node = make_node("n1", ready="Unknown", **spec)
    assert isinstance(node, Node)
    meta = node.metadata if spec else replace(node.metadata, deletion_timestamp=NOW - timedelta(seconds=20))
    return make_cluster((kind, replace(node, metadata=meta)))


FORBIDDEN = Unavailable("forbidden", Grant("list", "nodes"))

CASES = [
    Case("healthy", make_cluster(make_node("n1"), make_node("n2"), make_pod())),
    Case("not ready", make_cluster(make_node("n1", ready=False)), frozenset({("NOD001", "Node n1")})),
    Case("kubelet gone", make_cluster(make_node("n1", ready="Unknown")), frozenset({("NOD001", "Node n1")})),
    Case("joining", make_cluster(make_node("n1", ready=False, age=timedelta(seconds=90)))),
    Case(
        "no CNI configuration",
        make_cluster(make_node("n1", ready=False, message="container runtime network not ready: cni plugin not initialized")),
        frozenset({("NOD005", "Node n1")}),
    ),
    Case(
        "network unavailable",
        make_cluster(make_node_condition("n1", "NetworkUnavailable", "True", "NoRouteCreated")),
        frozenset({("NOD002", "Node n1")}),
    ),
    Case("network available", make_cluster(make_node_condition("n1", "NetworkUnavailable", "False", "FlannelIsUp"))),
    Case("cordoned is advice", make_cluster(make_node("n1", unschedulable=True)), frozenset({("NOD010", "Node n1")})),
    Case("being deleted", _leaving()),
    Case("an autoscaler removes it", _leaving(taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}])),
    Case("Karpenter removes it", _leaving(taints=[{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}])),
    Case(
        "another taint excuses nothing",
        _leaving(taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]),
        frozenset({("NOD001", "Node n1")}),
    ),
    Case("sandbox fails", _sandbox("failed to set up pod network", 30, 15), frozenset({("NOD003", "Node n1")})),
    Case("sandbox failed over a minute ago, and still waits", _sandbox("CNI failed", 80), frozenset({("NOD003", "Node n1")})),
    *(Case(f"sandbox: {text[:50]}", _sandbox(text, 80), frozenset({(code, "Node n1")})) for text, code in SANDBOXES),
    Case("no pod range is left", _unranged(), frozenset({("NOD008", "Node n1")})),
    Case("a network with ranges of its own", _unranged(network="False")),
    Case("no range is left for others", _unranged(about="n2"), frozenset({("NOD002", "Node n1")})),
    Case("it has a range by now", _unranged(ranges=["10.244.0.0/24"]), frozenset({("NOD002", "Node n1")})),
    Case("one node has no range", _without_range(), frozenset({("NOD009", "Node n3"), ("NOD005", "Node n3")})),
    Case("a node without a range that works", _without_range(ready="True")),
    Case("no node has a range", _without_range(of_others=False), frozenset({("NOD005", "Node n3")})),
    Case("a network that needs none", _without_range("calico ipip"), frozenset({("NOD005", "Node n3")})),
    Case("its agent's token is out of date", _stale_token(), frozenset({("NOD003", "Node n1")})),
    Case("sandbox failed once, just now", _sandbox("failed to set up pod network", 5)),
    Case("the plugin is gone: once is enough", _sandbox("failed to find plugin", 5), frozenset({("NOD003", "Node n1")})),
    Case("no addresses left", _sandbox(IPAM, 5), frozenset({("NOD004", "Node n1")})),
    Case("EKS attaches addresses", _sandbox(EKS, 30, 15, 5)),
    Case("EKS has none to attach", _sandbox(EKS, 80, 30, 5), frozenset({("NOD004", "Node n1")})),
    Case("sandboxes fail while the node joins", _sandbox("failed to find plugin", 30, 15, node=make_node("n1", age=90))),
    Case("sandbox failed long ago", _sandbox("failed", 900)),
    Case(
        "sandbox failed, then came",
        make_cluster(make_node(), make_pod("late"), make_event("Pod", "late", "shop", "FailedCreatePodSandBox", "x")),
    ),
    Case("nodes forbidden", make_cluster(unavailable={NODE: FORBIDDEN}), state="skipped"),
    Case("events forbidden", make_cluster(make_node(), unavailable={EVENT: FORBIDDEN}), state="unknown"),
]
