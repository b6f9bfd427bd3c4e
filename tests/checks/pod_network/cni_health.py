# SPDX-License-Identifier: Apache-2.0
"""Cases of cni_health: each network from its published manifest, healthy, broken, imitated; then what can befall any."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from kubectl_netdoc.api import DAEMON_SET, POD, Grant, Outcome, PathMtu, PathMtuReply, Peer, Unavailable
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import CALICO_INSTALLATION
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.testing import Built, Case, make_cluster, make_event, make_pod
from tests.support.cni_objects import (
    CALICO_CNI,
    MULTUS,
    NODES,
    OPENSHIFT,
    PUBLISHED,
    Published,
    agent_log,
    config,
    controller,
    daemon_set,
    node,
    resource,
)

FLANNEL, CALICO, CILIUM = PUBLISHED["flannel vxlan"], PUBLISHED["calico ipip"], PUBLISHED["cilium tunnel"]
SET = "DaemonSet kube-flannel/kube-flannel-ds"
FORBIDDEN = Unavailable("forbidden", Grant("list", "daemonsets", "apps"))
CRASHED = {
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": "2026-01-01T11:59:00Z"}},
}
REBOOTED = {"terminated": {"reason": "Unknown", "exitCode": 255, "finishedAt": "2026-01-01T11:59:00Z"}}
ONCE = {"restartCount": 1, "state": {}, "lastState": CRASHED["lastState"]}
PULL = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}


def _said(network: Published, *more: tuple[str, str]) -> frozenset[tuple[str, str]]:
    """Its identity, and what else is expected."""
    own = {("CNI010", f"Cluster {network.network}"), *more}
    return frozenset(own | ({("CNI012", f"Cluster {network.network}")} if network.network == "Weave Net" else set()))


def _each(published: Published, name: str) -> list[Case]:
    """One network healthy, with no agent on a node that waits for one, crashing, and imitated by another image."""
    subject = f"DaemonSet {published.namespace}/{published.daemon_set}"
    crashing = [*published.nodes(), *published.agents(), published.pod("n1", ready=False, status=CRASHED)]
    imitated = frozenset({("CNI011", "Cluster pod network")})
    return [
        Case(f"{name}: healthy", make_cluster(*published.healthy()), _said(published)),
        Case(f"{name}: missing on n2", make_cluster(*published.without("n2")), _said(published, ("CNI001", subject))),
        Case(
            f"{name}: crashes",
            make_cluster(*crashing, published.pod("n2"), published.pod("n3")),
            _said(published, ("CNI002", subject)),
        ),
        Case(f"{name}: another image", make_cluster(*published.imitated()), imitated),
    ]


def _flannel(name: str, *changes: Built, pods: Any = (), nodes: Any = None, **more: Any) -> Case:
    """Flannel on three nodes with these pods of its agents."""
    expect = _said(FLANNEL, *more.pop("expect", ()))
    objects = (*(nodes or FLANNEL.nodes()), *FLANNEL.agents(), *(pods or map(FLANNEL.pod, NODES)), *changes)
    return Case(name, make_cluster(*objects, **more), expect)


def _pods(**first: Any) -> list[Built]:
    """Flannel's agents, that on n1 as told."""
    return [FLANNEL.pod("n1", **first), FLANNEL.pod("n2"), FLANNEL.pod("n3")]


def _unselected(wanted: int, age: float = 7200) -> tuple[Built, ...]:
    """Flannel's DaemonSet, which selects a label that no node has."""
    pods = {"nodeSelector": {"kubernetes.io/os": "litux"}}
    return daemon_set("kube-flannel", "kube-flannel-ds", FLANNEL.images, wanted, age, pods=pods)


def _event(reason: str, message: str, pod: str = "kube-flannel-ds-n1", namespace: str = "kube-flannel") -> Built:
    return make_event("Pod", pod, namespace, reason, message)


def _bgp(peers: str, **third: Any) -> Cluster:
    """Calico on three nodes, of which n1 has no session to ``peers``."""
    why = f"Readiness probe failed: calico/node is not ready: BIRD is not ready: BGP not established with {peers}"
    nodes = (*CALICO.nodes()[:2], node("n3", CALICO.annotations, **third))
    pods = (CALICO.pod("n1", ready=False, since=600), CALICO.pod("n2"), CALICO.pod("n3"))
    return make_cluster(*nodes, *CALICO.agents(), *pods, _event("Unhealthy", why, "calico-node-n1", "kube-system"))


def _beside(extra: Published, **more: Any) -> Cluster:
    """Flannel and another network's agents on the same nodes."""
    return make_cluster(*FLANNEL.healthy(), *extra.agents(**more), *(extra.pod(on) for on in NODES))


def _old(version: str) -> dict[str, str]:
    return {"kube-flannel": f"docker.io/flannel/flannel:{version}"}


def _operator(age: float) -> Cluster:
    """Cilium's operator, whose one pod is not ready."""
    owner = [{"kind": "ReplicaSet", "name": "cilium-operator-7d9c", "controller": True}]
    pod = make_pod("cilium-operator-7d9c-x", "kube-system", node="n2", ready=False, age=age, ownerReferences=owner)
    down = controller("kube-system", "cilium-operator", "quay.io/cilium/operator-generic:v1.18.2", 0)
    return make_cluster(*CILIUM.healthy(), down, pod)


def _mtu(own: int) -> Case:
    """Calico by the operator, set to 1440, on two nodes whose debug pods have ``own``."""
    published = PUBLISHED["calico by the operator"]
    reply = PathMtuReply(Outcome.OK, own=own, carried=own)
    both = [("n1", "n2"), ("n2", "n1")]
    facts = Measured({PathMtu(one, Peer(other), family=""): reply for one, other in both})
    expect = _said(published, *([("CNI015", "Cluster Calico")] if own != 1440 else []))
    return Case(f"pods have {own}", make_cluster(*published.healthy(), vantages=("n1", "n2")), expect, facts)


K3S = [node(name, {"flannel.alpha.coreos.com/backend-type": "vxlan"}, kubelet="v1.30.4+k3s1") for name in NODES]
BARE: dict[str, Any] = {"ready": "False", "message": "container runtime network not ready: cni plugin not initialized"}


def _bare(count: int, **more: Any) -> list[Built]:
    """Flannel's nodes, the first so many without a CNI configuration."""
    return [node(on, FLANNEL.annotations, **(BARE | more if number < count else {})) for number, on in enumerate(NODES)]


def _written(text: str) -> Built:
    """Flannel's ConfigMap, with that as its CNI configuration."""
    return config("kube-flannel", "kube-flannel-cfg", cni_confDOTjson=text, net_confDOTjson='{"Network": "10.244.0.0/16"}')


POLICY_ONLY = Published(
    "Calico",
    "projectcalico/calico manifests/calico-policy-only.yaml (92352e3a)",
    "kube-system",
    "calico-node",
    {"calico-node": "quay.io/calico/node:v3.30.2"},
    {},
    (config("kube-system", "calico-config", cni__network__config=CALICO_CNI),),
    env={"CALICO_NETWORKING_BACKEND": "none"},
)
ADDRESS = make_pod("web-1", node="n2", ip="10.244.2.7")


def _range(network: str, *pods: Built, ranges: tuple[str, ...] = (), name: str = "kube-flannel-cfg", **more: Any) -> Cluster:
    """Flannel with that Network (JSON members), nodes n1 and n2 with their ranges or these."""
    conf = config("kube-flannel", name, net_confDOTjson=f'{{{network}, "Backend": {{"Type": "vxlan"}}}}')
    nodes = [ranged(number, *ranges) if ranges else node(f"n{number}") for number in (1, 2)]
    agents = daemon_set(FLANNEL.namespace, FLANNEL.daemon_set, FLANNEL.images, 2)
    return make_cluster(*nodes, *agents, conf, FLANNEL.pod("n1"), FLANNEL.pod("n2"), *pods, **more)


def ranged(number: int, *ranges: str) -> Built:
    """Return a node of these pod ranges, its number in place of #."""
    kind, built = node(f"n{number}")
    assert isinstance(built, Node)
    spec = msgspec.structs.replace(built.spec, pod_cidrs=tuple(each.replace("#", str(number)) for each in ranges))
    return kind, msgspec.structs.replace(built, spec=spec)


def _asks(pod: str = "edge-1", *, host_network: bool = False, phase: str = "Running", port: int = 80, on: str = "n1") -> Built:
    """A pod that asks for a port of its node."""
    containers = [{"name": "c", "ports": [{"containerPort": 80, "hostPort": port}]}]
    spec = {"nodeName": on, "hostNetwork": host_network, "containers": containers}
    status = {"phase": phase, "podIPs": [{"ip": "10.244.1.66"}]}
    return POD, convert(POD, {"metadata": {"name": pod, "namespace": "edge"}, "spec": spec, "status": status})


def _cni(*types: str) -> Built:
    """Flannel's ConfigMap with a CNI configuration of these plugins."""
    plugins = ", ".join(f'{{"type": "{each}"}}' for each in types)
    conf = f'{{"name": "cbr0", "plugins": [{plugins}]}}'
    return config("kube-flannel", "kube-flannel-cfg", cni_confDOTjson=conf, net_confDOTjson='{"Network": "10.244.0.0/16"}')


def _ports(name: str, *objects: Built, cni: tuple[str, ...] = ("flannel",), found: bool = False, more: Any = ()) -> Case:
    runtime = [_runtime(node(each), "containerd://2.1.0") for each in NODES]
    objects = (*runtime, *daemon_set(FLANNEL.namespace, FLANNEL.daemon_set, FLANNEL.images), *map(FLANNEL.pod, NODES), *objects)
    expect = _said(FLANNEL, *more, *([("CNI017", "Cluster pod network")] if found else []))
    return Case(f"host ports: {name}", make_cluster(*objects, *([_cni(*cni)] if cni else [])), expect)


def _runtime(built: Built, runtime: str) -> Built:
    kind, found = built
    assert isinstance(found, Node)
    info = msgspec.structs.replace(found.status.node_info, container_runtime_version=runtime)
    return kind, msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, node_info=info))


OURS, OTHER = '"Network": "10.244.0.0/16"', '"Network": "10.10.0.0/16"'
WEB, WEB6 = make_pod("web", node="n1", ip="10.244.1.7"), make_pod("web6", node="n1", ip="fd00:1::7")
V6 = ("10.244.#.0/24", "fd00:#::/64")
AWAY = _said(FLANNEL, ("CNI016", SET))
OPERATED = PUBLISHED["calico by the operator"]
RANGES = [
    Case("Network holds the nodes' ranges", _range(OURS, WEB), _said(FLANNEL)),
    Case("Network does not hold the nodes' ranges", _range(OTHER, WEB), AWAY),
    Case(
        "Network is too small for the second node",
        _range('"Network": "10.244.1.0/24"', make_pod(node="n2", ip="10.244.2.7")),
        AWAY,
    ),
    Case(
        "Network of another range, and no pod shows whence addresses are", _range(OTHER, make_pod(ip="10.10.1.7")), _said(FLANNEL)
    ),
    Case(
        "Network of another range, pods that can't be read",
        _range(OTHER, unavailable={POD: FORBIDDEN}),
        _said(FLANNEL),
        state="unknown",
    ),
    Case("both families", _range(f'{OURS}, "IPv6Network": "fd00::/16"', WEB, WEB6, ranges=V6), _said(FLANNEL)),
    Case("the second family lies outside", _range(f'{OURS}, "IPv6Network": "fd99::/48"', WEB, WEB6, ranges=V6), AWAY),
    Case("a second family that flannel does not carry", _range(OURS, WEB, ranges=V6), _said(FLANNEL)),
    Case("a Network that is none", _range('"Network": "x"', WEB), _said(FLANNEL)),
]
HOST_PORTS = [
    _ports("nothing opens them", _asks(), found=True),
    _ports("a plugin opens them", _asks(), cni=("flannel", "portmap")),
    _ports("nobody asks", WEB),
    _ports("a pod of the host network", _asks(host_network=True)),
    _ports("a pod that has ended", _asks(phase="Succeeded")),
    _ports("no port of the host", _asks(port=0)),
    _ports("a configuration that nobody sees", _asks(), cni=()),
    _ports("CRI-O opens them itself", *(_runtime(node(each), "cri-o://1.34.0") for each in NODES), _asks()),
    _ports(
        "Multus, which calls the same configuration",
        _asks(),
        *MULTUS.agents(),
        *map(MULTUS.pod, NODES),
        found=True,
        more=[("CNI010", "Cluster Multus")],
    ),
    Case(
        "host ports: the operator was told not to",
        make_cluster(
            *(item for item in OPERATED.healthy() if item[0] is not CALICO_INSTALLATION),
            _asks(),
            resource(CALICO_INSTALLATION, "default", {"calicoNetwork": {"hostPorts": "Disabled"}}),
        ),
        _said(OPERATED, ("CNI017", "Cluster pod network")),
    ),
    Case("host ports: the operator's default", make_cluster(*OPERATED.healthy(), _asks()), _said(OPERATED)),
    Case("host ports: Cilium's own business", make_cluster(*CILIUM.healthy(), _asks()), _said(CILIUM)),
]

CASES = [
    *RANGES,
    *HOST_PORTS,
    *(case for name, published in PUBLISHED.items() for case in _each(published, name)),
    Case("OpenShift's", make_cluster(*OPENSHIFT.healthy()), _said(OPENSHIFT)),
    _flannel(
        "Multus beside it",
        *MULTUS.agents(),
        *map(MULTUS.pod, NODES),
        expect=[("CNI010", "Cluster Multus")],
    ),
    _flannel(
        "Multus missing on a node where pods wait",
        *MULTUS.agents(),
        MULTUS.pod("n1"),
        MULTUS.pod("n2"),
        make_pod("late", node="n3", ip="", ready=False, phase="Pending"),
        make_event("Pod", "late", "shop", "FailedCreatePodSandBox", "no /etc/cni/net.d/00-multus.conf"),
        expect=[("CNI010", "Cluster Multus"), ("CNI001", "DaemonSet kube-system/kube-multus-ds")],
    ),
    Case(
        "the right image under another name",
        make_cluster(*FLANNEL.nodes(), *daemon_set("net", "our-network", FLANNEL.images, wanted=3)),
        _said(FLANNEL, ("CNI001", "DaemonSet net/our-network")),
    ),
    Case("part of k3s", make_cluster(*K3S), frozenset({("CNI010", "Cluster Flannel (part of k3s)")})),
    # Missing
    _flannel("2 of 2 on three nodes", pods=[FLANNEL.pod("n1"), FLANNEL.pod("n3")], expect=[("CNI001", SET)]),
    _flannel(
        "missing where its nodeSelector fits no more",
        *_unselected(2),
        pods=[FLANNEL.pod("n1"), FLANNEL.pod("n3")],
        expect=[("CNI001", SET)],
    ),
    _flannel(
        "missing, told by the address of a pod",
        ADDRESS,
        nodes=[node(name) for name in NODES],
        pods=[FLANNEL.pod("n1"), FLANNEL.pod("n3")],
        expect=[("CNI001", SET)],
    ),
    _flannel("a rollout's old pod is leaving", pods=_pods(leaving=True)),
    _flannel(
        "missing on a node that has stopped",
        nodes=[*FLANNEL.nodes()[:2], node("n3", FLANNEL.annotations, ready="Unknown")],
        pods=[FLANNEL.pod("n1"), FLANNEL.pod("n2")],
    ),
    _flannel("evicted on a node", pods=_pods(ready=False, phase="Failed"), expect=[("CNI001", SET)]),
    _flannel(
        "a node that was moved to another network",
        *CILIUM.agents(wanted=1),
        CILIUM.pod("n3"),
        pods=[FLANNEL.pod("n1"), FLANNEL.pod("n2")],
        expect=[("CNI010", "Cluster Cilium")],
    ),
    _flannel(
        "no trace of it on the third node",
        nodes=[*FLANNEL.nodes()[:2], node("n3")],
        pods=[FLANNEL.pod("n1"), FLANNEL.pod("n2")],
        expect=[("CNI014", SET)],
    ),
    _flannel("a Windows node", node("n4", os="windows")),
    _flannel("a Fargate node", node("n4", labels={"eks.amazonaws.com/compute-type": "fargate"})),
    _flannel("a node that joins", node("n4", age=60, **BARE)),
    # No configuration on any node
    *(
        _flannel(f"no node has a configuration: {name}", *changes, nodes=_bare(3), expect=[("CNI019", SET)])
        for name, changes in {"the ConfigMap is sound": (), "not JSON": (_written("{"),), "no name": (_written("{}"),)}.items()
    ),
    _flannel("a configuration that none takes, and nodes have one still", _written("{")),
    _flannel("one node of three has no configuration", nodes=_bare(1)),
    _flannel("one node of three has taken the one that is not JSON", _written("{"), nodes=_bare(1), expect=[("CNI019", SET)]),
    _flannel(
        "no node has a configuration, and the agents crash",
        nodes=_bare(3),
        pods=[FLANNEL.pod(on, ready=False, status=CRASHED) for on in NODES],
        expect=[("CNI002", SET)],
    ),
    _flannel("nodes that join", nodes=_bare(3, age=60)),
    Case(
        "Cilium, whose nodes are in its own resources",
        make_cluster(*CILIUM.nodes(), *CILIUM.agents(), CILIUM.pod("n1"), CILIUM.pod("n2")),
        _said(CILIUM, ("CNI001", "DaemonSet kube-system/cilium")),
    ),
    # Crashing, not starting, not ready
    _flannel(
        "its log says why",
        agent_log("kube-flannel", "kube-flannel-ds-n1", "E0101 11:59:00.1 1 main.go:377] error parsing backend config"),
        pods=_pods(ready=False, status=CRASHED),
        expect=[("CNI002", SET)],
    ),
    *(
        _flannel(
            f"its kernel refuses something: {line[:30]}",
            agent_log("kube-flannel", "kube-flannel-ds-n1", line),
            pods=_pods(ready=False, status=CRASHED),
            expect=[("CNI018", SET)],
        )
        for line in (
            "libbpf: prog 'calico_sendmsg_v46': BPF program load failed: Invalid argument",
            'level=fatal msg="load program: permission denied: 2908: R1 invalid mem access"',
            'E0101 11:59:00.1 1 x.go:1] failed: exit status 2: ip6tables-restore v1.8.9: unknown option "--xor-mark"',
        )
    ),
    _flannel(
        "crashed for the first time",
        pods=_pods(ready=False, since=5, status={"restartCount": 1, "state": CRASHED["state"]}),
        expect=[("CNI002", SET)],
    ),
    _flannel(
        "one ended once, and is up again",
        pods=_pods(ready=False, since=5, status=ONCE),
    ),
    _flannel(
        "all ended once, and are up again for the moment",
        pods=[FLANNEL.pod(name, ready=False, since=5, status=ONCE) for name in ("n1", "n2", "n3")],
        expect=[("CNI002", SET)],
    ),
    _flannel(
        "up again for the moment",
        pods=_pods(ready=False, since=5, status=CRASHED | {"state": {}}),
        expect=[("CNI002", SET)],
    ),
    _flannel(
        "its node has just restarted, not for the first time",
        pods=_pods(ready=False, since=5, status=CRASHED | {"state": {}, "lastState": REBOOTED}),
    ),
    _flannel(
        "no image",
        _event("Failed", "Failed to pull image: not found"),
        pods=_pods(ready=False, since=30, status=PULL),
        expect=[("CNI003", SET)],
    ),
    _flannel("not ready", pods=_pods(ready=False, since=600), expect=[("CNI004", SET)]),
    _flannel("just started", pods=_pods(ready=False, since=60)),
    _flannel(
        "not ready on a node that has stopped",
        nodes=[node("n1", FLANNEL.annotations, ready="Unknown", message="Kubelet stopped"), *FLANNEL.nodes()[1:]],
        pods=_pods(ready=False, since=600),
    ),
    Case(
        "no BGP session",
        _bgp("172.17.0.2,172.17.0.3 felix is ready"),
        _said(CALICO, ("CNI005", "DaemonSet kube-system/calico-node")),
    ),
    Case("no BGP session to a node that is down", _bgp("192.168.0.3 felix is ready", ready="Unknown"), _said(CALICO)),
    # Two, none, removed
    Case(
        "two networks",
        _beside(PUBLISHED["kindnet"]),
        _said(FLANNEL, ("CNI010", "Cluster kindnet"), ("CNI006", "Cluster pod network")),
    ),
    Case(
        "one that is switched off",
        make_cluster(*FLANNEL.healthy(), *PUBLISHED["kindnet"].agents(wanted=0)),
        _said(FLANNEL),
    ),
    Case("policies of Calico's beside it", _beside(POLICY_ONLY), _said(FLANNEL, ("CNI010", "Cluster Calico"))),
    Case(
        "Cilium chained to EKS's",
        make_cluster(
            *PUBLISHED["aws vpc cni"].healthy(),
            *daemon_set("kube-system", "cilium", CILIUM.images),
            *map(CILIUM.pod, NODES),
            config("kube-system", "cilium-config", cni_chaining_mode="aws-cni", ipam="cluster-pool"),
        ),
        _said(PUBLISHED["aws vpc cni"], ("CNI010", "Cluster Cilium")),
    ),
    Case(
        "none recognised", make_cluster(*(node(name) for name in NODES), ADDRESS), frozenset({("CNI011", "Cluster pod network")})
    ),
    Case(
        "none installed",
        make_cluster(*(node(name, **BARE) for name in NODES)),
        frozenset({("CNI007", "Cluster pod network")}),
    ),
    Case(
        "its DaemonSet deleted",
        make_cluster(*FLANNEL.nodes(), *FLANNEL.configs),
        frozenset({("CNI013", "Cluster pod network")}),
    ),
    Case(
        "its DaemonSet deleted for a network that is not known",
        make_cluster(*FLANNEL.nodes(), *FLANNEL.configs, make_pod("web-1", node="n2", ip="10.99.0.7")),
        frozenset({("CNI011", "Cluster pod network")}),
    ),
    Case(
        "its DaemonSet selects a label that no node has",
        make_cluster(*FLANNEL.nodes(), *FLANNEL.configs, *_unselected(0)),
        frozenset({("CNI020", SET)}),
    ),
    Case(
        "its DaemonSet is not counted yet",
        make_cluster(*FLANNEL.nodes(), *FLANNEL.configs, *_unselected(0, age=20)),
        frozenset(),
        state="pass",
    ),
    Case("run by the host, not by a DaemonSet", make_cluster(*FLANNEL.nodes()), frozenset({("CNI011", "Cluster pod network")})),
    # Versions and controllers
    _flannel("versions differ", pods=_pods(images=_old("v0.21.0")), expect=[("CNI008", SET)]),
    _flannel(
        "versions differ on a node that is down, which the rollout passed over",
        nodes=[node("n1", FLANNEL.annotations, ready="Unknown", message="Kubelet stopped"), *FLANNEL.nodes()[1:]],
        pods=_pods(images=_old("v0.21.0")),
    ),
    _flannel("a rollout under way", pods=_pods(images=_old("v0.27.0"), age=timedelta(minutes=5))),
    Case(
        "the operator of Cilium is down",
        make_cluster(
            *CILIUM.healthy(), controller("kube-system", "cilium-operator", "quay.io/cilium/operator-generic:v1.18.2", 0)
        ),
        _said(CILIUM, ("CNI009", "Deployment kube-system/cilium-operator")),
    ),
    Case("its one pod is moved to another node", _operator(age=20), _said(CILIUM)),
    Case("its pod does not get ready", _operator(age=600), _said(CILIUM, ("CNI009", "Deployment kube-system/cilium-operator"))),
    Case(
        "a controller that is up",
        make_cluster(
            *CALICO.healthy(), controller("kube-system", "calico-kube-controllers", "quay.io/calico/kube-controllers:v3.30.2")
        ),
        _said(CALICO),
    ),
    _mtu(1440),
    _mtu(1450),
    # What can't be read
    Case("DaemonSets forbidden", make_cluster(*FLANNEL.nodes(), unavailable={DAEMON_SET: FORBIDDEN}), state="skipped"),
    Case(
        "pods forbidden",
        make_cluster(*FLANNEL.nodes(), *FLANNEL.agents(), unavailable={POD: FORBIDDEN}),
        _said(FLANNEL),
        state="unknown",
    ),
    Case("manifests", make_cluster(*FLANNEL.nodes(), *FLANNEL.agents(wanted=0), origin="manifests"), _said(FLANNEL)),
]
