# SPDX-License-Identifier: Apache-2.0
"""Cases of load_balancer_addresses: MetalLB as its published manifests have it, and kube-proxy beside it."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_AGENT
from kubectl_netdoc.records.kinds import NODE, SERVICE
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.records.metallb import METALLB_BGP, METALLB_L2, METALLB_PEER, METALLB_POOL
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster, make_pod, make_service, make_slice
from tests.checks.services.kube_proxy_presence import cilium, proxy
from tests.support.cni_objects import agent_pod, daemon_set

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


def _object(kind: Any, name: str, spec: dict[str, Any] | None = None, space: str = "metallb-system", **labels: str) -> Built:
    """One of MetalLB's own resources."""
    return kind, convert(kind, {"metadata": {"name": name, "namespace": space, "labels": labels}, "spec": spec or {}})


def _noted(name: str, note: str, value: str = "true", mode: str = "", **spec: Any) -> Built:
    """A Service of a cloud's load balancer with an annotation."""
    ingress = [{"ip": "203.0.113.10", **({"ipMode": mode} if mode else {})}]
    fields = {"metadata": {"name": name, "namespace": "shop", "annotations": {note: value}}}
    spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.9", **spec}
    return SERVICE, convert(SERVICE, fields | {"spec": spec, "status": {"loadBalancer": {"ingress": ingress}}})


def _given(address: str = "192.168.0.241", **spec: Any) -> Built:
    """A Service with an address from MetalLB's pool lan."""
    fields = {"metadata": {"name": "mine", "namespace": "shop", "annotations": {"metallb.io/ip-allocated-from-pool": "lan"}}}
    fields |= {"spec": {"type": "LoadBalancer", **spec}, "status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    return SERVICE, convert(SERVICE, fields)


def _proxy(text: str) -> tuple[Built, ...]:
    """kube-proxy on each node, set to what ``text`` says in its ConfigMap."""
    data = {"config.conf": f"kind: KubeProxyConfiguration\n{text}"}
    config = convert(PROXY_CONFIG, {"metadata": {"name": "kube-proxy", "namespace": "kube-system"}, "data": data})
    return (PROXY_CONFIG, config), *map(proxy, NAMES)


def _ends(*nodes: str) -> tuple[Built, ...]:
    """Endpoints of Service mine, one on each of these nodes."""
    return tuple(make_slice("mine", addresses={f"10.244.1.{n[1:]}": "web"}, node=n, name=f"mine-{n}") for n in nodes)


def _selecting(**labels: str) -> list[dict[str, Any]]:
    return [{"matchLabels": labels}]


IN, OUT = [_node(name) for name in NAMES], [_node(name, out=True) for name in NAMES]
L2, IPVS = _object(METALLB_L2, "l2"), "mode: ipvs\nipvs:\n  strictARP: false\n"
FLAG, NOBODY = "--ignore-exclude-lb", ("LBA001", "Service shop/web")
ALL_ANSWER = ("LBA002", "Cluster kube-proxy")
PLAIN = (*OUT, *_speaker(), _balanced(), L2)
WELL = (*IN, *_speaker(), _given())
UNTOLD, NO_NODE = (("LBA003", "Service shop/mine"),), (("LBA004", "Service shop/mine"),)
BGP, PEER = _object(METALLB_BGP, "bgp"), _object(METALLB_PEER, "router")
CLOUD = (("LBA006", "Service shop/web"),)
LOCAL = _given(externalTrafficPolicy="Local")
PODS = (make_pod("web-1", ip="10.244.1.5"),)


def _case(name: str, *objects: Built, expect: tuple[tuple[str, str], ...] = (), state: str = "", **more: Any) -> Case:
    return Case(name, make_cluster(*objects, **more), frozenset(expect), state=state)


def _flagged(flag: str) -> tuple[Built, ...]:
    """kube-proxy set to ipvs mode by flags of its DaemonSet."""
    args = ["--proxy-mode=ipvs", flag]
    return (*daemon_set("kube-system", "kube-proxy", {"kube-proxy": "registry.k8s.io/kube-proxy:v1.34.4"}, args=args),)


CASES = [
    _case("no MetalLB", *OUT, make_service("plain"), state="skipped"),
    _case("no MetalLB, and another load balancer", *OUT, _balanced()),
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
    _case("advertised by ARP", *WELL, L2),
    _case("advertised by nobody", *WELL, expect=UNTOLD),
    _case("advertised by nobody, and left out besides", *OUT, *_speaker(), _given(), expect=UNTOLD),
    _case("advertisements that can't be read", *WELL, unavailable={METALLB_BGP: Unavailable("forbidden")}),
    _case("advertised in another namespace", *WELL, _object(METALLB_L2, "l2", space="shop"), expect=UNTOLD),
    _case("another pool is advertised", *WELL, _object(METALLB_L2, "l2", {"ipAddressPools": ["wan"]}), expect=UNTOLD),
    _case("the pool is advertised by name", *WELL, _object(METALLB_L2, "l2", {"ipAddressPools": ["wan", "lan"]})),
    _case(
        "the pool is advertised by a label",
        *(*WELL, _object(METALLB_POOL, "lan", zone="a")),
        _object(METALLB_L2, "l2", {"ipAddressPoolSelectors": _selecting(zone="a")}),
    ),
    _case(
        "another pool has the label",
        *(*WELL, _object(METALLB_POOL, "lan", zone="b")),
        _object(METALLB_L2, "l2", {"ipAddressPoolSelectors": _selecting(zone="a")}),
        expect=UNTOLD,
    ),
    _case(
        "labels of pools that can't be read",
        *(*WELL, _object(METALLB_L2, "l2", {"ipAddressPoolSelectors": _selecting(zone="a")})),
        unavailable={METALLB_POOL: Unavailable("forbidden")},
    ),
    _case("other Services", *WELL, _object(METALLB_L2, "l2", {"serviceSelectors": _selecting(app="db")}), expect=UNTOLD),
    _case("by BGP", *WELL, BGP, PEER),
    _case("by BGP, to no router", *WELL, BGP, expect=NO_NODE),
    _case("by BGP, to a router that is not there", *WELL, _object(METALLB_BGP, "bgp", {"peers": ["old"]}), PEER, expect=NO_NODE),
    _case(
        "by BGP, to a router of other nodes",
        *(*WELL, BGP, _object(METALLB_PEER, "router", {"nodeSelectors": _selecting(rack="1")})),
        expect=NO_NODE,
    ),
    _case("from no node", *WELL, _object(METALLB_L2, "l2", {"nodeSelectors": _selecting(edge="yes")}), expect=NO_NODE),
    _case("the speaker runs nowhere", *IN, *_speaker(on=()), _given(), L2, expect=NO_NODE),
    _case("Local, pods where the speaker is", *IN, *_speaker(on=("n1",)), LOCAL, L2, *_ends("n1", "n2")),
    _case("Local, pods elsewhere", *IN, *_speaker(on=("n1",)), LOCAL, L2, *_ends("n2"), expect=NO_NODE),
    _case(
        "Local, pods on a node that is left out",
        *(*IN[:2], OUT[2], *_speaker(), LOCAL, L2, *_ends("n3")),
        expect=NO_NODE,
    ),
    _case("Local, without pods", *IN, *_speaker(on=("n1",)), LOCAL, L2),
    _case("Cluster, pods elsewhere", *IN, *_speaker(on=("n1",)), _given(), L2, *_ends("n2")),
    _case("a node's address", *IN, *_speaker(), _given("192.168.0.2"), L2, expect=(("LBA005", "Service shop/mine"),)),
    _case("a node's address, which it alone announces", *IN, *_speaker(on=("n2",)), _given("192.168.0.2"), L2),
    _case("PROXY protocol", *IN, _noted("web", "load-balancer.hetzner.cloud/uses-proxyprotocol"), expect=CLOUD),
    _case("no PROXY protocol", *IN, _noted("web", "load-balancer.hetzner.cloud/uses-proxyprotocol", "false")),
    _case("PROXY protocol, by the load balancer", *IN, _noted("web", "loadbalancer.openstack.org/proxy-protocol", mode="Proxy")),
    _case(
        "source ranges without the cluster",
        *(*IN, *PODS, _noted("web", "none", loadBalancerSourceRanges=["198.51.100.0/24"])),
        expect=(("LBA007", "Service shop/web"),),
    ),
    _case("source ranges with its pods", *IN, *PODS, _noted("web", "none", loadBalancerSourceRanges=["10.0.0.0/8"])),
    _case("source ranges of all", *IN, *PODS, _noted("web", "none", loadBalancerSourceRanges=["0.0.0.0/0"])),
    _case("ipvs mode without MetalLB", *IN, L2, *_proxy(IPVS), state="skipped"),
]
