# SPDX-License-Identifier: Apache-2.0
"""Cases of kube_proxy_presence: one kube-proxy a node, or something that is known to do its work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from kubectl_netdoc.api import Cluster, Echo, EchoReply, EchoSample, Lost, OwnService, Pod, Reply, Request
from kubectl_netdoc.core.cluster import Scope, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.cni import NETWORK_CONFIG
from kubectl_netdoc.records.kinds import DAEMON_SET, NETWORK_POLICY, NODE, POD
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_policy, measured
from tests.support.cni_objects import daemon_set

NAMES = ("n1", "n2", "n3")
REGISTRY = "registry.k8s.io/kube-proxy"


def node(
    name: str,
    *,
    version: str = "v1.34.4",
    kernel: str = "6.1.0",
    age: float = 7200,
    ready: str = "True",
    labels: dict[str, str] | None = None,
) -> Built:
    """Return a Linux Node."""
    return NODE, convert(
        NODE,
        {
            "metadata": {
                "name": name,
                "creationTimestamp": ago(age),
                "labels": labels or {},
            },
            "status": {
                "conditions": [{"type": "Ready", "status": ready}],
                "nodeInfo": {"kubeletVersion": version, "kernelVersion": kernel, "operatingSystem": "linux"},
            },
        },
    )


def proxy(
    on: str,
    *,
    owner: str = "kube-proxy",
    image: str = f"{REGISTRY}:v1.34.4",
    container: str = "kube-proxy",
    waiting: str = "",
    crashed: float | None = None,
    restarts: int = 0,
    age: float = 7200,
    **meta: Any,
) -> Built:
    """Return a kube-proxy pod on a node.

    ``waiting``: why its container does. ``crashed``: seconds since it ended; after ``restarts`` it is up again, if any.
    """
    owners = [{"kind": "DaemonSet", "name": owner, "controller": True}]
    state: dict[str, Any] = {"waiting": {"reason": waiting}} if waiting else {}
    last: dict[str, Any] = {}
    if crashed is not None:
        ended = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": ago(crashed)}}
        state, last = ({}, ended) if restarts else (ended, {})
    status = {"name": container, "ready": not state, "state": state, "lastState": last, "restartCount": restarts}
    return POD, convert(
        POD,
        {
            "metadata": {
                "name": f"{owner}-{on}",
                "namespace": "kube-system",
                "creationTimestamp": ago(age),
                "ownerReferences": owners,
                "labels": {"k8s-app": "kube-proxy"},
                **meta,
            },
            "spec": {"nodeName": on, "hostNetwork": True, "containers": [{"name": container, "image": image}]},
            "status": {"phase": "Running", "containerStatuses": [status]},
        },
    )


def cilium(replacement: str) -> tuple[Built, Built]:
    """Return Cilium's DaemonSet and ConfigMap (chart v1.18 as rendered)."""
    container = {"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.18.1"}
    agent = {
        "metadata": {"name": "cilium", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": {"desiredNumberScheduled": 3},
    }
    data = {"kube-proxy-replacement": replacement}
    config = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": data}
    return (DAEMON_SET, convert(DAEMON_SET, agent)), (NETWORK_CONFIG, convert(NETWORK_CONFIG, config))


def _cluster(
    proxies: Iterable[Built],
    *more: Built,
    nodes: Iterable[Built] | None = None,
    vantages: tuple[str, ...] = NAMES,
    server: str = "v1.34.4",
    scope: str = "",
) -> Cluster:
    found = make_cluster(
        *(nodes if nodes is not None else map(node, NAMES)),
        *proxies,
        *more,
        vantages=vantages,
        tier=Tier.PODS if vantages else Tier.API,
    )
    found.server = server
    found.scope = Scope((scope,)) if scope else found.scope
    return found


def _measure(cluster: Cluster, *broken: str, lost: tuple[str, ...] = (), apart: bool = False) -> Measured:
    """``broken``: nodes from which netdoc's own Service does not answer; ``apart``: nor do its pods anywhere."""

    def answer(request: Request) -> Reply:
        if request.node in lost:
            return Lost("cut")
        assert isinstance(request, Echo)
        bad = request.node in broken if isinstance(request.to, OwnService) else apart
        return EchoReply("x", (EchoSample(Outcome.TIMEOUT, 1000.0) if bad else EchoSample(Outcome.OK, 0.5, "n1"),))

    return measured(registry.load().choose(["kube_proxy_presence"])[0], cluster, answer)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], facts: Measured | None = None, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts if facts is not None else _measure(cluster), state)


def _set(wanted: int, **pods: Any) -> tuple[Built, ...]:
    """kube-proxy's DaemonSet; ``pods``: what its template says of pods."""
    return daemon_set(
        "kube-system", "kube-proxy", {"kube-proxy": f"{REGISTRY}:v1.34.4"}, wanted, pods={"hostNetwork": True} | pods
    )


def _apart(on: str) -> Built:
    """A kube-proxy with a network of its own."""
    kind, pod = proxy(on)
    assert isinstance(pod, Pod)
    return kind, msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, host_network=False))


def _rke2(on: str) -> Built:
    """RKE2 v1.31: a static pod, its image holds all of Kubernetes."""
    image = "index.docker.io/rancher/hardened-kubernetes:v1.34.1-rke2r1-build20250910"
    kind, pod = proxy(on, image=image)
    assert isinstance(pod, Pod)
    return kind, msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, owner_references=()))


def unread(cluster: Cluster, kind: Kind[Any]) -> Cluster:
    """Return the cluster with one list that could not be read."""
    return cluster.with_listings({**cluster.index.listings, kind.name: Unavailable("forbidden")})


ALL = tuple(map(proxy, NAMES))
SOME = ALL[:2]
CLUSTER = "Cluster kube-proxy"
ABSENT = ("KPP001", "Node n3")
MISSING, BARE = _cluster(SOME), _cluster(())
DOWN_ALL = tuple(proxy(name, waiting="CrashLoopBackOff") for name in NAMES)
DOWN, DOWN_TOO = _cluster(DOWN_ALL, vantages=()), _cluster(DOWN_ALL)
FLAPS = _cluster((*DOWN_ALL[:2], proxy("n3", crashed=5, restarts=2)), vantages=())
CRASHING = _cluster((*SOME, proxy("n3", waiting="CrashLoopBackOff")))
WALLED = _cluster(SOME, make_policy("{podSelector: {}, policyTypes: [Ingress]}", namespace="netdoc", kind=NETWORK_POLICY))


def _skewed(proxy_version: str, server: str, kubelet: str) -> Cluster:
    pods = [proxy(name, image=f"{REGISTRY}:{proxy_version}") for name in NAMES]
    return _cluster(pods, nodes=[node(name, version=kubelet) for name in NAMES], server=server)


CASES = [
    _case("one on each node", _cluster(ALL)),
    _case("the API alone, one on each node", _cluster(ALL, vantages=()), facts=Measured(why_unmeasured="--no-pods")),
    _case("none on one node, Services dead there", MISSING, ABSENT, facts=_measure(MISSING, "n3")),
    _case("none on one node, nothing measured", _cluster(SOME, vantages=()), ("KPP002", "Node n3"), facts=Measured()),
    _case("none on one node, no answer from there", MISSING, facts=_measure(MISSING, lost=("n3",)), state="unknown"),
    _case("none on one node, its pods reach nobody", MISSING, facts=_measure(MISSING, "n3", apart=True), state="unknown"),
    _case("none on one node, policies between us", WALLED, facts=_measure(WALLED, *NAMES, apart=True), state="unknown"),
    _case("none on one node, Services work: something else", MISSING),
    _case("crash loop on one node, Services dead", CRASHING, ABSENT, facts=_measure(CRASHING, "n3")),
    _case(
        "a pod that has only just begun to crash",
        (crashed := _cluster((*SOME, proxy("n3", waiting="CrashLoopBackOff", age=10)))),
        ABSENT,
        facts=_measure(crashed, "n3"),
    ),
    _case(
        "one that has just crashed",
        (down := _cluster((*SOME, proxy("n3", crashed=1, age=10)))),
        ABSENT,
        facts=_measure(down, "n3"),
    ),
    _case(
        "one that is up between two crashes",
        (flaps := _cluster((*SOME, proxy("n3", crashed=5, restarts=2, age=20)))),
        ABSENT,
        facts=_measure(flaps, "n3"),
    ),
    _case(
        "one that crashed and is up since",
        (up := _cluster((*SOME, proxy("n3", crashed=60, restarts=2)))),
        facts=_measure(up, "n3"),
    ),
    _case(
        "a pod is just starting",
        (begun := _cluster((*SOME, proxy("n3", waiting="ContainerCreating", age=10)))),
        facts=_measure(begun, "n3"),
    ),
    _case(
        "one that should have ended long ago counts for nothing",
        (gone := _cluster((*SOME, proxy("n3", deletionTimestamp=ago(90))))),
        ABSENT,
        facts=_measure(gone, "n3"),
    ),
    _case(
        "a rollout: the old one has its grace period, the next one is not made yet",
        (rolled := _cluster((*SOME, proxy("n3", deletionTimestamp=ago(-20))))),
        facts=_measure(rolled, "n3"),
    ),
    _case("a rollout, nothing measured", _cluster((*SOME, proxy("n3", deletionTimestamp=ago(5))), vantages=()), facts=Measured()),
    _case("a node that is new", (new := _cluster(SOME, nodes=[*map(node, NAMES[:2]), node("n3", age=60)])), facts=_measure(new)),
    _case(
        "a node that is not ready is nodes_ready's",
        (down := _cluster(SOME, nodes=[*map(node, NAMES[:2]), node("n3", ready="False")])),
        facts=_measure(down, "n3"),
    ),
    _case(
        "EKS Auto Mode beside managed nodes",
        _cluster(SOME, nodes=[*map(node, NAMES[:2]), node("n3", labels={"eks.amazonaws.com/compute-type": "auto"})], vantages=()),
        facts=Measured(),
    ),
    _case(
        "k3s: part of its agent",
        _cluster((), nodes=[node(name, version="v1.33.5+k3s1") for name in NAMES]),
        state="skipped",
    ),
    _case("RKE2: static pods of one large image", _cluster([_rke2(name) for name in NAMES])),
    _case("it crashes on each node, nothing measured", DOWN, ("KPP006", CLUSTER), facts=Measured()),
    _case("it crashes on each node, and Services are dead", DOWN_TOO, ("KPP006", CLUSTER), facts=_measure(DOWN_TOO, *NAMES)),
    _case("it crashes on each node, one that is up just now among them", FLAPS, ("KPP006", CLUSTER), facts=Measured()),
    _case("it crashes on each node, and Services work: something else does them", DOWN_TOO),
    _case("it crashes on each node, left behind where Cilium took its place", _cluster(DOWN_ALL, *cilium("true"), vantages=())),
    _case(
        "it crashes on each node, and Cilium leads its pods to Services",
        (aside := _cluster(DOWN_ALL, *cilium("false"))),
        ("KPP002", CLUSTER),
        facts=_measure(aside),
    ),
    _case(
        "it crashes on each node, and nobody knows what Cilium is set to",
        unread(_cluster(DOWN_ALL, *cilium("true"), vantages=()), NETWORK_CONFIG),
        facts=Measured(),
        state="unknown",
    ),
    _case(
        "it crashes on two of three nodes",
        _cluster((ALL[0], *DOWN_ALL[1:]), vantages=()),
        ("KPP002", CLUSTER),
        facts=Measured(),
    ),
    _case(
        "it crashes on one and lacks a pod on the other",
        _cluster((ALL[0], DOWN_ALL[1]), vantages=()),
        ("KPP002", "Node n2"),
        ("KPP002", "Node n3"),
        facts=Measured(),
    ),
    _case("it starts on each node", _cluster([proxy(name, waiting="ContainerCreating", age=10) for name in NAMES])),
    _case("none anywhere, Services work: done by something unknown", BARE),
    _case("none anywhere, Services dead", BARE, ("KPP003", CLUSTER), facts=_measure(BARE, *NAMES)),
    _case(
        "none anywhere, its DaemonSet fits no node",
        (unfit := _cluster((), *_set(0, nodeSelector={"pool": "none"}))),
        ("KPP007", "DaemonSet kube-system/kube-proxy"),
        facts=_measure(unfit, *NAMES),
    ),
    _case(
        "one anywhere, beside the node's network",
        (apart := _cluster(map(_apart, NAMES), *_set(3, hostNetwork=False))),
        ("KPP007", "DaemonSet kube-system/kube-proxy"),
        facts=_measure(apart, *NAMES),
    ),
    _case(
        "one beside the node's network on one node",
        (one := _cluster((*SOME, _apart("n3")), *_set(3, hostNetwork=False))),
        ABSENT,
        facts=_measure(one, "n3"),
    ),
    _case("none anywhere, nobody reaches anybody", BARE, facts=_measure(BARE, *NAMES, apart=True)),
    _case("none anywhere, nothing measured", _cluster((), vantages=()), facts=Measured()),
    _case(
        "none in the one namespace that was read",
        (narrow := _cluster((), scope="shop")),
        facts=_measure(narrow, *NAMES),
    ),
    _case("Cilium in its place", _cluster((), *cilium("true"))),
    _case("Cilium in its place, and kube-proxy too", _cluster(ALL, *cilium("true")), ("KPP010", CLUSTER)),
    _case("Cilium leaves it to kube-proxy", _cluster(ALL, *cilium("false"))),
    _case("none on one node, Cilium leads its pods to Services", _cluster(SOME, *cilium("false")), ("KPP002", "Node n3")),
    _case(
        "Cilium leaves it to a kube-proxy that is not there",
        (half := _cluster((), *cilium("false"))),
        ("KPP003", CLUSTER),
        facts=_measure(half, *NAMES),
    ),
    _case("two on one node", _cluster((*ALL, proxy("n2", owner="kube-proxy-old"))), ("KPP004", "Node n2")),
    _case(
        "two on each node",
        _cluster((*ALL, *(proxy(name, owner="kube-proxy-old") for name in NAMES))),
        ("KPP004", CLUSTER),
    ),
    _case("one takes the other's place", _cluster((*ALL, proxy("n2", owner="kube-proxy-new", age=20)))),
    _case("the second one does not run", _cluster((*ALL, proxy("n2", owner="kube-proxy-old", waiting="CrashLoopBackOff")))),
    _case("newer than the API server", _skewed("v1.35.0", "v1.34.4", "v1.34.4"), ("KPP005", CLUSTER)),
    _case("four versions older than the API server", _skewed("v1.30.9", "v1.34.4", "v1.31.0"), ("KPP005", CLUSTER)),
    _case("three versions older is supported", _skewed("v1.31.9", "v1.34.4", "v1.34.4")),
    _case("before 1.25 three are too many", _skewed("v1.24.9", "v1.27.4", "v1.26.4"), ("KPP005", CLUSTER)),
    _case("four versions from its kubelet", _skewed("v1.34.0", "v1.34.4", "v1.30.4"), ("KPP005", CLUSTER)),
    _case("EKS writes its versions its own way", _skewed("v1.33.3-minimal-eksbuild.4", "v1.34.1-eks-3cfe0ce", "v1.33.5-eks-1")),
    _case("an image without a version", _skewed("latest", "v1.34.4", "v1.34.4")),
    _case("no node at all", _cluster((), nodes=[]), state="skipped"),
]
