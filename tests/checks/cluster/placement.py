# SPDX-License-Identifier: Apache-2.0
"""Cases of placement: advice alone, and none of it for a cluster of one node."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from kubectl_netdoc.api import (
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NODE,
    POD,
    POD_METRICS,
    STATEFUL_SET,
    Kind,
    Unavailable,
    Workload,
)
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster, make_node, make_pod, make_service

CORE = "Deployment kube-system/coredns"
REQUESTS = "{requests: {cpu: 100m}, limits: {memory: 170Mi}}"
"""Of kubernetes/kubernetes, cmd/kubeadm/app/phases/addons/dns/manifests.go (1.34)."""

FLANNEL_IMAGE = "ghcr.io/flannel-io/flannel:v0.27.4"
NGINX = "registry.k8s.io/ingress-nginx/controller:v1.11.2"
DNS = make_service("kube-dns", "kube-system", selector={"k8s-app": "kube-dns"}, ports=((53, 53),), protocols=("UDP",))


def _node(name: str, zone: str = "") -> Built:
    kind, item = make_node(name)
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return kind, msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, labels=labels))


TWO = (_node("n1"), _node("n2"))
ZONES = (_node("n1", "a"), _node("n2", "b"), _node("n3", "b"))
TAINTED = make_node("n2", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])


def _workload(
    kind: Kind[Workload] = DEPLOYMENT,
    name: str = "coredns",
    namespace: str = "kube-system",
    *,
    label: str = "k8s-app: kube-dns",
    replicas: int = 2,
    resources: str = REQUESTS,
    image: str = "registry.k8s.io/coredns/coredns:v1.12.1",
) -> Built:
    container = f"{{name: c, image: '{image}', resources: {resources}}}"
    spec = f"replicas: {replicas}, template: {{metadata: {{labels: {{{label}}}}}, spec: {{containers: [{container}]}}}}"
    status = {"desiredNumberScheduled": 2}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": ago(OLD)}
    return kind, convert(kind, {"metadata": metadata, "spec": yaml.safe_load(f"{{{spec}}}"), "status": status})


def _dns(*nodes: str) -> list[Built]:
    labels = {"k8s-app": "kube-dns", "pod-template-hash": "x"}
    return [make_pod(f"coredns-{i}", "kube-system", labels=labels, node=node) for i, node in enumerate(nodes)]


def _busy(used: str, limit: str) -> list[Built]:
    """DNS pods on two nodes, the first of which uses so much of its limit, as metrics-server writes it."""
    container = {"name": "c", "resources": {"limits": {"cpu": limit}}}
    pods: list[Built] = []
    for number, node in enumerate(("n1", "n2")):
        metadata = {"name": f"coredns-{number}", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
        pods.append((POD, convert(POD, {"metadata": metadata, "spec": {"nodeName": node, "containers": [container]}})))
    usage = {"metadata": {"name": "coredns-0", "namespace": "kube-system"}, "containers": [{"name": "c", "usage": {"cpu": used}}]}
    return [*pods, (POD_METRICS, convert(POD_METRICS, usage))]


def _web(*nodes: str) -> list[Built]:
    return [make_pod(f"web-{i}", labels={"app": "web"}, node=node) for i, node in enumerate(nodes)]


WEB = make_service(selector={"app": "web"})
DEPLOYED = _workload(name="web", namespace="shop", label="app: web", resources="{}")
ALONE = _workload(name="web", namespace="shop", label="app: web", replicas=1)
NEAR = make_service(selector={"app": "web"}, trafficDistribution="PreferClose")


def _slice(hints: str = "{}", *, ready: bool = True) -> Built:
    metadata = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    endpoint = {"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "hints": yaml.safe_load(hints)}
    return ENDPOINT_SLICE, convert(ENDPOINT_SLICE, {"metadata": metadata, "endpoints": [endpoint]})


def _case(name: str, *objects: Built, expect: tuple[tuple[str, str], ...] = (), **more: Any) -> Case:
    state = more.pop("state", "")
    return Case(name, make_cluster(*objects, **more), frozenset(expect), state=state)


def _agent(resources: str, image: str = FLANNEL_IMAGE) -> Built:
    return _workload(DAEMON_SET, "kube-flannel-ds", "kube-flannel", label="app: flannel", resources=resources, image=image)


AGENT, IN_ONE, WEB_IN_ONE = "DaemonSet kube-flannel/kube-flannel-ds", ("PLC002", CORE), ("PLC002", "Deployment shop/web")
MANY = [_workload(name=f"w{i}", namespace="shop", label=f"app: w{i}") for i in range(12)]
MANY_PODS = [make_pod(f"w{i}-{j}", labels={"app": f"w{i}"}) for i in range(12) for j in range(2)]
MANY_SERVICES = [make_service(f"w{i}", selector={"app": f"w{i}"}) for i in range(12)]
FIRST_TEN = tuple(("PLC002", f"Deployment shop/w{i}") for i in range(10))

CASES = [
    _case("healthy", *TWO, DNS, _workload(), *_dns("n1", "n2"), WEB, DEPLOYED, *_web("n1", "n2")),
    _case("DNS on one node", *TWO, DNS, _workload(), *_dns("n1", "n1"), expect=(IN_ONE,)),
    _case("one node is all there is", make_node("n1"), DNS, _workload(), *_dns("n1", "n1")),
    _case("the other takes no pods", make_node("n1"), TAINTED, DNS, _workload(), *_dns("n1", "n1")),
    _case("the other is cordoned", make_node("n1"), make_node("n2", unschedulable=True), DNS, _workload(), *_dns("n1", "n1")),
    _case("one node, and nothing of note", make_node("n1"), state="skipped"),
    _case("one DNS server", *TWO, DNS, _workload(replicas=1), *_dns("n1"), expect=(("PLC001", CORE),)),
    _case("one DNS server on one node", make_node("n1"), DNS, _workload(replicas=1), *_dns("n1")),
    _case("one of a backend is its owner's choice", *TWO, WEB, ALONE, *_web("n1")),
    _case("a Service that leads elsewhere", *TWO, make_service(selector={"app": "shop"}), DEPLOYED, *_web("n1", "n1")),
    _case("nodes without a zone", *ZONES, _node("n4"), _node("n5"), WEB, DEPLOYED, *_web("n4", "n5")),
    _case("a backend on one node", *TWO, WEB, DEPLOYED, *_web("n1", "n1"), expect=(WEB_IN_ONE,)),
    _case("what no Service leads to", *TWO, DEPLOYED, *_web("n1", "n1")),
    _case(
        "a StatefulSet on one node",
        *TWO,
        WEB,
        _workload(STATEFUL_SET, "web", "shop", label="app: web"),
        *_web("n1", "n1"),
        expect=(("PLC002", "StatefulSet shop/web"),),
    ),
    _case("in one zone", *ZONES, WEB, DEPLOYED, *_web("n2", "n3"), expect=(WEB_IN_ONE,)),
    _case("in two zones", *ZONES, WEB, DEPLOYED, *_web("n1", "n3")),
    _case("there is one zone", _node("n1", "a"), _node("n2", "a"), WEB, DEPLOYED, *_web("n1", "n2")),
    _case("too many to list", *TWO, *MANY, *MANY_PODS, *MANY_SERVICES, expect=FIRST_TEN),
    _case("no hints", *ZONES, NEAR, _slice(), expect=(("PLC003", "Service shop/web"),)),
    _case("hints", *ZONES, NEAR, _slice("{forZones: [{name: a}]}")),
    _case("hints for nodes", *ZONES, NEAR, _slice("{forNodes: [{name: n1}]}")),
    _case("nothing ready to hint at", *ZONES, NEAR, _slice(ready=False)),
    _case("hints are not asked for", *ZONES, WEB, _slice()),
    _case("hints without zones", *TWO, NEAR, _slice()),
    _case("a CPU limit on DNS", *TWO, DNS, _workload(resources="{limits: {cpu: 100m}}"), expect=(("PLC004", CORE),)),
    _case("DNS at its limit", *TWO, DNS, _workload(), *_busy("95123456n", "100m"), expect=(("PLC006", CORE),)),
    _case("DNS at its limit of whole cores", *TWO, DNS, _workload(), *_busy("1900m", "2"), expect=(("PLC006", CORE),)),
    _case("DNS far from its limit", *TWO, DNS, _workload(), *_busy("40m", "100m")),
    _case("DNS without a limit", *TWO, DNS, _workload(), *_busy("900m", "")),
    _case("metrics that can't be read", *TWO, DNS, _workload(), unavailable={POD_METRICS: Unavailable("forbidden")}),
    _case("an agent that asks for nothing", *TWO, _agent("{}"), expect=(("PLC005", AGENT),)),
    _case("an agent that asks", *TWO, _agent(REQUESTS)),
    _case("of that name, another image", *TWO, _agent("{}", image="shop/web:1")),
    _case(
        "an ingress controller, alone and limited",
        *TWO,
        _workload(name="nginx", namespace="ingress-nginx", label="a: b", replicas=1, resources="{limits: {cpu: 1}}", image=NGINX),
        expect=(("PLC001", "Deployment ingress-nginx/nginx"), ("PLC004", "Deployment ingress-nginx/nginx")),
    ),
    _case("what is behind Services may do as it likes", *TWO, WEB, DEPLOYED),
    _case(
        "manifests: limits alone",
        *TWO,
        DNS,
        _workload(resources="{limits: {cpu: 100m}}", replicas=1),
        origin="manifests",
        expect=(("PLC004", CORE),),
    ),
    _case("nodes can't be read", unavailable={NODE: Unavailable("forbidden")}, state="skipped"),
]
