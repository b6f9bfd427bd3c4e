# SPDX-License-Identifier: Apache-2.0
"""Cases of load_balancer_addresses: MetalLB as its published manifests have it, and kube-proxy beside it."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import METALLB_L2, NETWORK_AGENT
from kubectl_netdoc.records.kinds import NODE, SERVICE
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster, make_service
from tests.checks.services.kube_proxy_presence import cilium, proxy
from tests.support.cni_objects import agent_pod, daemon_set, resource

NAMES = ("n1", "n2", "n3")
LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
IMAGE = "quay.io/metallb/speaker:v0.14.8"


def _node(name: str, *, out: bool = False) -> Built:
    """A node with or without the label."""
    labels, address = ({LABEL: ""} if out else {}), {"type": "InternalIP", "address": f"192.168.0.{name[1:]}"}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [address]}
    return NODE, convert(NODE, {"metadata": {"name": name, "labels": labels, "creationTimestamp": ago(OLD)}, "status": status})


def _speaker(*args: str, image: str = IMAGE, on: tuple[str, ...] = NAMES, name: str = "speaker") -> tuple[Built, ...]:
    images = {"speaker": image}
    pods = (agent_pod("metallb-system", name, node, images) for node in on)
    return (*daemon_set("metallb-system", name, images, args=list(args)), *pods)


def _balanced(name: str = "web", address: str = "192.168.0.240", **more: Any) -> Built:
    return make_service(name, addresses=[address] if address else [], type="LoadBalancer", **more)


def _marked(name: str, pool: str = "metallb.io/ip-allocated-from-pool") -> Built:
    kind = SERVICE
    fields = {"metadata": {"name": name, "namespace": "shop", "annotations": {pool: "lan"}}, "spec": {"type": "LoadBalancer"}}
    return kind, convert(kind, fields | {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.0.241"}]}}})


def _proxy(text: str) -> tuple[Built, ...]:
    """kube-proxy on each node, set to what ``text`` says in its ConfigMap."""
    data = {"config.conf": f"kind: KubeProxyConfiguration\n{text}"}
    config = convert(PROXY_CONFIG, {"metadata": {"name": "kube-proxy", "namespace": "kube-system"}, "data": data})
    return (PROXY_CONFIG, config), *map(proxy, NAMES)


IN, OUT = [_node(name) for name in NAMES], [_node(name, out=True) for name in NAMES]
L2, IPVS = resource(METALLB_L2, "l2"), "mode: ipvs\nipvs:\n  strictARP: false\n"
FLAG, NOBODY = "--ignore-exclude-lb", ("LBA001", "Service shop/web")
ALL_ANSWER = ("LBA002", "Cluster kube-proxy")
PLAIN = (*OUT, *_speaker(), _balanced())


def _case(name: str, *objects: Built, expect: tuple[tuple[str, str], ...] = (), state: str = "", **more: Any) -> Case:
    return Case(name, make_cluster(*objects, **more), frozenset(expect), state=state)


def _flagged(flag: str) -> tuple[Built, ...]:
    """kube-proxy set to ipvs mode by flags of its DaemonSet."""
    args = ["--proxy-mode=ipvs", flag]
    return (*daemon_set("kube-system", "kube-proxy", {"kube-proxy": "registry.k8s.io/kube-proxy:v1.34.4"}, args=args),)


CASES = [
    _case("no MetalLB", *OUT, _balanced(), state="skipped"),
    _case("no node is left out", *IN, *_speaker(), _balanced()),
    _case("every node is left out", *PLAIN, expect=(NOBODY,)),
    _case("some nodes are left out", OUT[0], *IN[1:], *_speaker(), _balanced()),
    _case("every node with a speaker is left out", *OUT[:2], IN[2], *_speaker(on=NAMES[:2]), _balanced(), expect=(NOBODY,)),
    _case("the speaker does not mind", *OUT, *_speaker(FLAG), _balanced()),
    _case("the speaker does not mind, by Go's short form", *OUT, *_speaker("-ignore-exclude-lb=true"), _balanced()),
    _case("the speaker is told to mind", *OUT, *_speaker(f"{FLAG}=false"), _balanced(), expect=(NOBODY,)),
    _case("before v0.14 the label did not count", *OUT, *_speaker(image="quay.io/metallb/speaker:v0.13.12"), _balanced()),
    _case(
        "a mirror, a chart's name",
        *OUT,
        *_speaker(image="r.example/m/metallb-speaker:v0.15.2", name="lb"),
        _balanced(),
        expect=(NOBODY,),
    ),
    _case(
        "OpenShift's image",
        *OUT,
        *_speaker(image="registry.example/openshift4/metallb-rhel9@sha256:1"),
        _balanced(),
        expect=(NOBODY,),
    ),
    _case("no Service has an address", *OUT, *_speaker(), _balanced(address=""), make_service("plain")),
    _case("a Service of another class", *OUT, *_speaker(), _balanced(loadBalancerClass="example/other")),
    _case(
        "a Service of the class that MetalLB serves",
        *(*OUT, *_speaker("--lb-class=example/lan")),
        *(_balanced(loadBalancerClass="example/lan"), _balanced("other")),
        expect=(NOBODY,),
    ),
    _case("an address of a node, as k3s's own load balancer gives", *OUT, *_speaker(), _balanced(address="192.168.0.2")),
    _case("MetalLB marks its own", *PLAIN, _marked("mine"), expect=(("LBA001", "Service shop/mine"),)),
    _case(
        "MetalLB marks its own, the old way",
        *(*PLAIN, _marked("mine", "metallb.universe.tf/ip-allocated-from-pool")),
        expect=(("LBA001", "Service shop/mine"),),
    ),
    _case("flags that can't be read", *PLAIN, unavailable={NETWORK_AGENT: Unavailable("forbidden")}, state="unknown"),
    _case("ipvs mode, every node answers", *IN, *_speaker(), L2, *_proxy(IPVS), expect=(ALL_ANSWER,)),
    _case("ipvs mode, nothing said of ARP", *IN, *_speaker(), L2, *_proxy("mode: ipvs\n"), expect=(ALL_ANSWER,)),
    _case("ipvs mode with strictARP", *IN, *_speaker(), L2, *_proxy("mode: ipvs\nipvs:\n  strictARP: true\n")),
    _case("iptables mode", *IN, *_speaker(), L2, *_proxy("mode: iptables\nipvs:\n  strictARP: false\n")),
    _case("the default mode", *IN, *_speaker(), L2, *_proxy('mode: ""\n')),
    _case("ipvs mode, announced by BGP alone", *IN, *_speaker(), *_proxy(IPVS)),
    _case(
        "ipvs mode, nobody knows how it announces",
        *(*IN, *_speaker(), *_proxy(IPVS)),
        unavailable={METALLB_L2: Unavailable("forbidden")},
    ),
    _case("ipvs mode by flags", *IN, *_speaker(), L2, *_flagged("--v=2"), *map(proxy, NAMES), expect=(ALL_ANSWER,)),
    _case("ipvs mode and strict ARP by flags", *IN, *_speaker(), L2, *_flagged("--ipvs-strict-arp"), *map(proxy, NAMES)),
    _case("left behind where Cilium took its place", *IN, *_speaker(), L2, *_proxy(IPVS), *cilium("true")),
    _case("its configuration, and no kube-proxy", *IN, *_speaker(), L2, _proxy(IPVS)[0]),
    _case("ipvs mode without MetalLB", *IN, L2, *_proxy(IPVS), state="skipped"),
]
