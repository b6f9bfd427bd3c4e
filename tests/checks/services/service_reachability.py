# SPDX-License-Identifier: Apache-2.0
"""Cases of service_reachability: who is at fault is told by who answers whom."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from kubectl_netdoc.api import (
    ADMIN_NETWORK_POLICY,
    NATIVE_POLICIES,
    NETWORK_POLICY,
    NODE,
    CanaryReply,
    CanaryTrial,
    Certificate,
    CertificateReply,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    Grant,
    Lost,
    Outcome,
    OwnService,
    Peer,
    Reply,
    Request,
    Tier,
    Unavailable,
)
from kubectl_netdoc.core.cluster import Cluster, Listing
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.probes.own_policies import canaries
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, POD, ROOT_CERTIFICATE
from kubectl_netdoc.records.nodes import NodeAddress
from kubectl_netdoc.records.pods import Pod, PodIP, PodSpec
from kubectl_netdoc.testing import Built, Case, make_cluster, make_node, make_pod, make_policy, make_service, make_slice, measured
from tests.checks.services.kube_proxy_presence import cilium
from tests.support.cni_objects import daemon_set

NODES = ("n1", "n2")
WEB = "Service shop/web"
ENDS = {"10.0.1.1": "web-1", "10.0.2.1": "web-2"}
CA: Built = (
    ROOT_CERTIFICATE,
    convert(ROOT_CERTIFICATE, {"metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "PEM"}}),
)
CLOSED = make_policy("{podSelector: {}}")
ALLOWS = make_policy("{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}")
ELSEWHERE = make_policy("{podSelector: {}}", namespace="other")
NATIVE = make_policy("{}", kind=NATIVE_POLICIES[0])
EVERYWHERE = make_policy("{}", kind=NATIVE_POLICIES[1])
NOBODY = "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
WALL = make_policy(NOBODY, kind=ADMIN_NETWORK_POLICY)
DEAF = ("SVR005", "Pod shop/web-1")


def _slice(number: int) -> Built:
    """The endpoints of web on their nodes, all with one port."""
    kind, item = make_slice("web", addresses=ENDS, port=number)
    ports = tuple(msgspec.structs.replace(port, name="p80") for port in item.ports)  # type: ignore[attr-defined]
    placed = tuple(
        msgspec.structs.replace(endpoint, node_name=node)
        for endpoint, node in zip(item.endpoints, NODES, strict=True)  # type: ignore[attr-defined]
    )
    return kind, msgspec.structs.replace(item, ports=ports, endpoints=placed)


def _cluster(
    *more: Built,
    port: int = 8080,
    host: bool = False,
    udp: bool = False,
    unavailable: bool = False,
    ports: Mapping[str, int] = MappingProxyType({"http": 8080}),
    **service: object,
) -> Cluster:
    """``ports``: what the pods declare."""
    pods = [make_pod(name, labels={"app": "web"}, ip=ip, ports=ports) for ip, name in ENDS.items()]
    if udp:
        pods = [(POD, _over_udp(pod)) for _, pod in pods]  # type: ignore[arg-type]
    if host:
        pods = [(POD, msgspec.structs.replace(pod, spec=PodSpec(host_network=True))) for _, pod in pods]
    web = make_service("web", selector={"app": "web"}, ports=[(80, port)], cluster_ip="10.96.0.1", **service)  # type: ignore[arg-type]
    api = make_service("kubernetes", "default", cluster_ip="10.96.0.99", ports=[(443, 6443)])
    refused = {NETWORK_POLICY: Unavailable("forbidden", Grant("list", "networkpolicies"))} if unavailable else None
    return make_cluster(web, api, CA, *pods, _slice(port), *more, vantages=NODES, unavailable=refused)


def _podless(*addresses: str) -> Cluster:
    """The cluster without Pods and policies, its nodes with these addresses."""
    cluster = _cluster(*(make_node(name) for name in NODES))
    own = tuple(NodeAddress(type="InternalIP", address=address) for address in addresses)
    nodes = [msgspec.structs.replace(n, status=msgspec.structs.replace(n.status, addresses=own)) for n in cluster.all(NODE)]
    return cluster.with_listings({**cluster.index.listings, "Node": Listing(tuple(nodes)), "Pod": Unavailable("forbidden")})


Bad = Callable[[str, str], Outcome | None]

EXTDB, MANY = "Service shop/extdb", tuple(f"192.0.2.{n}" for n in range(7, 13))


def _outside(*ips: str, policy: Built | None = None, service: str = "extdb", namespace: str = "shop") -> Cluster:
    """The cluster with a Service without a selector, whose slice somebody wrote; its nodes have the address 10.9.9.9."""
    ends = [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips or ("192.0.2.7",)]
    labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "me"}
    meta = {"name": service, "namespace": namespace, "labels": labels}
    by_hand = {
        "metadata": meta,
        "addressType": "IPv4",
        "endpoints": ends,
        "ports": [{"name": "p5432", "port": 5432, "protocol": "TCP"}],
    }
    own = make_service(service, namespace, selector={}, ports=[(5432, 5432)], cluster_ip="10.96.0.50")
    more = ((ENDPOINT_SLICE, convert(ENDPOINT_SLICE, by_hand)), own, *([policy] if policy else []))
    cluster = _cluster(*(make_node(name) for name in NODES), *more)
    address = (NodeAddress(type="InternalIP", address="10.9.9.9"),)
    nodes = [msgspec.structs.replace(n, status=msgspec.structs.replace(n.status, addresses=address)) for n in cluster.all(NODE)]
    return cluster.with_listings({**cluster.index.listings, "Node": Listing(tuple(nodes))})


def _from_n1(node: str, ip: str) -> Outcome | None:
    return Outcome.TIMEOUT if (node, ip) == ("n1", "192.0.2.7") else None


def _refuses(*ips: str) -> Bad:
    return _everywhere(*ips, outcome=Outcome.REFUSED)


def _over_udp(pod: Pod) -> Pod:
    """The pod, its ports declared for UDP."""
    containers = [
        msgspec.structs.replace(c, ports=tuple(msgspec.structs.replace(p, protocol="UDP") for p in c.ports))
        for c in pod.spec.containers
    ]
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, containers=tuple(containers)))


def _measure(
    cluster: Cluster,
    bad: Bad = lambda node, ip: None,
    *,
    own: dict[str, EchoReply | Lost] | None = None,
    accepting: bool = False,
    certificate: str = "",
    no_api: tuple[str, ...] = (),
    host: Bad | None = None,
) -> Measured:
    """``bad``: what becomes of a connect from a node's pod to an address where it is not ok; ``host``: from the node itself."""

    def answer(request: Request) -> Reply:
        if isinstance(request, Connect):
            told = (host or bad) if request.host else bad
            return ConnectReply(told(request.node, request.to.ip) or Outcome.OK, 0.5)
        if isinstance(request, Certificate) and request.node in no_api:
            return CertificateReply(Outcome.TIMEOUT, 2000.0)
        if isinstance(request, Certificate):
            return CertificateReply(Outcome.OK, 1.0, not certificate, certificate)
        assert isinstance(request, Echo)
        if request.to == OwnService():
            return (own or {}).get(request.node, _seen(*NODES))
        if isinstance(request.to, OwnService) or request.to.closed:
            return EchoReply("x", (EchoSample(Outcome.OK, 1, impostor=True) if accepting else EchoSample(Outcome.REFUSED, 1),))
        return _seen(request.to.node)

    return measured(registry.load().choose(["service_reachability"])[0], cluster, answer)


def _seen(*who: str) -> EchoReply:
    return EchoReply("10.96.0.50", tuple(EchoSample(Outcome.OK, 1.0, node) for node in who))


NOTHING = EchoReply("10.96.0.50", (EchoSample(Outcome.TIMEOUT, 1000.0),))
IMPOSTOR = EchoReply("10.96.0.50", (EchoSample(Outcome.OK, 1.0, impostor=True),))


def _from(node: str, *ips: str, outcome: Outcome = Outcome.TIMEOUT) -> Bad:
    return lambda n, ip: outcome if n == node and ip in ips else None


def _everywhere(*ips: str, outcome: Outcome = Outcome.TIMEOUT) -> Bad:
    return lambda n, ip: outcome if ip in ips else None


def _case(name: str, cluster: Cluster, facts: Measured, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


def _flown(cluster: Cluster, stopped: float) -> Measured:
    """One endpoint is silent, and this is what the canary found on every node."""
    facts = _measure(cluster, _everywhere("10.0.1.1"))
    trials = tuple(CanaryTrial(way, "n1", True, stopped) for way in ("Ingress", "Egress"))
    return Measured({**facts.replies, **{canary: CanaryReply(trials, 10.0) for canary in canaries(cluster)}}, facts.vantages)


def _apart(cluster: Cluster) -> Measured:
    """No debug pod reaches another, nor an echo through the Service."""
    facts = _measure(cluster, own=dict.fromkeys(NODES, NOTHING))
    silent: dict[Request, Reply] = {
        r: NOTHING for r in facts.replies if isinstance(r, Echo) and isinstance(r.to, Peer) and not r.to.closed
    }
    return Measured({**facts.replies, **silent}, facts.vantages)


def _cut_off(cluster: Cluster) -> Measured:
    """No debug pod is reached from n1, other Services are."""
    facts = _measure(cluster, own={"n1": NOTHING})
    silent: dict[Request, Reply] = {
        r: NOTHING for r in facts.replies if isinstance(r, Echo) and isinstance(r.to, Peer) and r.node == "n1" and not r.to.closed
    }
    return Measured({**facts.replies, **silent}, facts.vantages)


def _nowhere(cluster: Cluster, near: bool = False) -> Measured:
    """Nothing is reached from n1, with a Service or without, and its pods from nowhere; ``near``: pods of n1 reach each other."""

    def dead(node: str, ip: str) -> Outcome | None:
        if near and node == "n1" and ip == "10.0.1.1":
            return None
        return Outcome.TIMEOUT if node == "n1" or ip == "10.0.1.1" else None

    facts = _measure(cluster, dead, own={"n1": NOTHING}, no_api=("n1",))
    silent: dict[Request, Reply] = {
        r: NOTHING for r in facts.replies if isinstance(r, Echo) and isinstance(r.to, Peer) and r.node == "n1" and not r.to.closed
    }
    return Measured({**facts.replies, **silent}, facts.vantages)


def _without(pod: str) -> Cluster:
    """One pod is not there any more, and its endpoint still is."""
    kept = [make_pod(name, labels={"app": "web"}, ip=ip) for ip, name in ENDS.items() if name != pod]
    return make_cluster(make_service("web", selector={"app": "web"}, ports=[(80, 8080)]), *kept, _slice(8080), vantages=NODES)


SIX = {"fd00::11": "web-1", "fd00::21": "web-2"}


def _also(pod: Built, six: str) -> Built:
    """A pod with one more address."""
    kind, item = pod
    status = msgspec.structs.replace(item.status, pod_ips=(*item.status.pod_ips, PodIP(ip=six)))  # type: ignore[attr-defined]
    return kind, msgspec.structs.replace(item, status=status)


def _dual() -> Cluster:
    """Pods and Service have both families, and a slice for each."""
    pods = [make_pod(name, labels={"app": "web"}, ip=ip, ports={"http": 8080}) for ip, name in ENDS.items()]
    both = [_also(pod, six) for pod, six in zip(pods, SIX, strict=True)]
    kind, item = make_slice("web", addresses=SIX, name="web-six")
    ports = tuple(msgspec.structs.replace(port, name="p80") for port in item.ports)  # type: ignore[attr-defined]
    six = kind, msgspec.structs.replace(item, ports=ports, address_type="IPv6")
    web = make_service("web", selector={"app": "web"}, clusterIPs=["10.96.0.1", "fd00:96::1"])
    return make_cluster(web, *both, _slice(8080), six, vantages=NODES)


def _with_ips(facts: Measured, **ips: tuple[str, ...]) -> Measured:
    """The debug pods' addresses, by node."""
    vantages = tuple(msgspec.structs.replace(v, ip=ips[v.node][0], more_ips=ips[v.node][1:]) for v in facts.vantages)
    return Measured(facts.replies, vantages)


DUAL = _dual()
GONE = _without("web-1")
C = _cluster()
UDP = _cluster(udp=True)
UNTOLD, TWO_PORTS = _cluster(ports={}), _cluster(port=8081, ports={"http": 8080, "admin": 9090})
DENIED = _cluster(CLOSED)
OTHERS = _cluster(NATIVE)
ALL = ("10.96.0.1", *ENDS)
REFUSED = _everywhere(*ALL, outcome=Outcome.REFUSED)

ONE_REFUSES = _everywhere("10.0.1.1", outcome=Outcome.REFUSED)


def _enforced_by(image: str) -> Cluster:
    """The same, with the agent of a pod network."""
    return _cluster(CLOSED, *daemon_set("kube-system", "agent", {"agent": image}))


DROPPING = _enforced_by("docker.io/calico/node:v3.30.0")
REJECTING = _enforced_by("docker.io/cloudnativelabs/kube-router:v2.5.0")


def _refusing(cluster: Cluster, *numbers: int) -> Measured:
    """Pods refuse these ports, and answer on others."""
    facts = _measure(cluster)
    refused = ConnectReply(Outcome.REFUSED, 0.5)
    replies = {r: refused if isinstance(r, Connect) and r.to.port in numbers else reply for r, reply in facts.replies.items()}
    return Measured(replies, facts.vantages)


def _further(port: int) -> Built:
    """A second slice of web: its port of that name."""
    kind, item = _slice(port)
    ports = tuple(msgspec.structs.replace(p, name=f"p{port}") for p in item.ports)  # type: ignore[attr-defined]
    metadata = msgspec.structs.replace(item.metadata, name=f"web-{port}")
    return kind, msgspec.structs.replace(item, ports=ports, metadata=metadata)


def _twice() -> Cluster:
    """A Service of two ports."""
    pods = [make_pod(name, labels={"app": "web"}, ip=ip, ports={"http": 8080}) for ip, name in ENDS.items()]
    web = make_service("web", selector={"app": "web"}, ports=[(80, 8080), (8443, 8443)])
    return make_cluster(web, *pods, _slice(8080), _further(8443), vantages=NODES)


TWICE = _twice()


def _beside() -> Cluster:
    """A Service with a wrong targetPort, and another one to the same pods that works."""
    kind, item = make_slice("right", addresses=ENDS, port=8080)
    ports = tuple(msgspec.structs.replace(p, name="p80") for p in item.ports)  # type: ignore[attr-defined]
    right = make_service("right", selector={"app": "web"}, cluster_ip="10.96.0.2")
    return _cluster(right, (kind, msgspec.structs.replace(item, ports=ports)), port=8081)


BESIDE = _beside()


NEAR_N1 = (("SVR005", "Pod shop/web-1"), ("SVR013", "Node n1"))


def _three() -> Cluster:
    """The cluster with a debug pod on a third node, which has no endpoint."""
    cluster = _cluster()
    cluster.vantages = (*NODES, "n3")
    return cluster


THREE = _three()


def _of_three(bad: Bad) -> Measured:
    return _measure(THREE, bad, own={node: _seen(*THREE.vantages) for node in THREE.vantages})


def _in_hosts(*more: Built) -> Cluster:
    """The cluster with a second Service of the same pods, and netdoc in the nodes' own networks."""
    kind, item = make_slice("right", addresses=ENDS, port=8080)
    ports = tuple(msgspec.structs.replace(p, name="p80") for p in item.ports)  # type: ignore[attr-defined]
    right = make_service("right", selector={"app": "web"}, cluster_ip="10.96.0.2")
    cluster = _cluster(right, (kind, msgspec.structs.replace(item, ports=ports)), *more)
    cluster.tier = Tier.NODES
    return cluster


HOSTS, HOSTS_CLOSED = _in_hosts(), _in_hosts(CLOSED)
HOSTS_REPLACED = _in_hosts(*cilium("true"))
BOTH = ("10.96.0.1", "10.96.0.2")
DEAF_FAR = ("SVR005", "Pod shop/web-2")

CASES = [
    _case("nodes themselves, healthy", HOSTS, _measure(HOSTS)),
    _case("a node itself reaches no Service", HOSTS, _measure(HOSTS, host=_from("n1", *BOTH)), ("SVR016", "Node n1")),
    _case(
        "a node itself is refused by one Service",
        HOSTS,
        _measure(HOSTS, host=_from("n1", "10.96.0.1", outcome=Outcome.REFUSED)),
        ("SVR017", "Node n1"),
    ),
    _case(
        "no node itself reaches a Service",
        HOSTS,
        _measure(HOSTS, host=_everywhere(*BOTH)),
        ("SVR016", "Node n1"),
        ("SVR016", "Node n2"),
    ),
    _case(
        "an endpoint fails from the node, which a pod's connection to the Service did not meet",
        HOSTS,
        _measure(HOSTS, _from("n1", "10.0.2.1"), host=_from("n1", "10.96.0.1", "10.0.2.1")),
        DEAF_FAR,
    ),
    _case("pods don't reach it either", HOSTS, _measure(HOSTS, _from("n1", "10.96.0.1")), ("SVR006", WEB)),
    _case("policies may keep nodes out", HOSTS_CLOSED, _measure(HOSTS_CLOSED, host=_everywhere(*BOTH))),
    _case("eBPF that serves pods alone", HOSTS_REPLACED, _measure(HOSTS_REPLACED, host=_everywhere(*BOTH))),
    _case("healthy", C, _measure(C)),
    _case("no rules on one node", C, _measure(C, own={"n1": NOTHING}, no_api=("n1",)), ("SVR001", "Node n1")),
    _case("a new pod that reaches nothing says nothing of kube-proxy", C, _nowhere(C), *NEAR_N1, state="fail"),
    _case(
        "nor does one that reaches its own node alone",
        C,
        _nowhere(C, near=True),
        ("SVR005", "Pod shop/web-1"),
        ("SVR013", "Node n1"),
        state="fail",
    ),
    _case("three nodes, healthy", THREE, _of_three(lambda node, ip: None)),
    _case("one of three nodes does not reach one pod", THREE, _of_three(_from("n3", "10.0.1.1")), ("SVR013", "Node n3")),
    _case("one of three nodes reaches no pod", THREE, _of_three(_from("n3", *ENDS)), ("SVR013", "Node n3")),
    _case("one of three nodes is refused", THREE, _of_three(_from("n3", *ENDS, outcome=Outcome.REFUSED)), ("SVR013", "Node n3")),
    _case(
        "a pod that answers its own node alone has lost its routes",
        THREE,
        _of_three(lambda node, ip: Outcome.TIMEOUT if ip == "10.0.1.1" and node != "n1" else None),
        DEAF,
    ),
    _case("the same on two nodes, whose pods reach each other", C, _measure(C, _from("n2", "10.0.1.1")), DEAF),
    _case(
        "two of three nodes do not reach a pod, its own among them",
        THREE,
        _of_three(lambda node, ip: Outcome.TIMEOUT if ip == "10.0.1.1" and node != "n2" else None),
        ("SVR013", "Node n1"),
        ("SVR013", "Node n3"),
    ),
    _case("somebody else answers on one node", C, _measure(C, own={"n1": IMPOSTOR}, no_api=("n1",)), ("SVR001", "Node n1")),
    _case(
        "no rules anywhere",
        C,
        _measure(C, own=dict.fromkeys(NODES, NOTHING), no_api=NODES),
        ("SVR001", "Cluster service addresses"),
    ),
    _case("nothing new gets through to kube-proxy", C, _measure(C, own={"n1": NOTHING}), ("SVR002", "Node n1")),
    _case(
        "nothing new gets through anywhere", C, _measure(C, own=dict.fromkeys(NODES, NOTHING)), ("SVR009", "Cluster new Services")
    ),
    _case(
        "rules of yesterday everywhere",
        C,
        _measure(C, own={node: _seen(*[node] * 20) for node in NODES}),
        ("SVR002", "Node n1"),
        ("SVR002", "Node n2"),
    ),
    _case("a node without a way to others, and Services work", C, _cut_off(C), state="unknown"),
    _case("rules of yesterday", C, _measure(C, own={"n1": _seen(*["n1"] * 20)}), ("SVR002", "Node n1")),
    _case("one connect met one endpoint", C, _measure(C, own={"n1": _seen("n1")}), state="unknown"),
    _case("application on 127.0.0.1", C, _measure(C, REFUSED), ("SVR004", WEB)),
    _case("pods that declare no port refuse", UNTOLD, _measure(UNTOLD, REFUSED), ("SVR004", WEB)),
    _case("wrong targetPort, and the pods declare two", TWO_PORTS, _measure(TWO_PORTS, REFUSED), ("SVR003", WEB)),
    _case("one port of several, which may be optional", TWICE, _refusing(TWICE, 8443), ("SVR012", WEB)),
    _case("all ports of several", TWICE, _refusing(TWICE, 8443, 8080), ("SVR004", WEB), ("SVR003", WEB)),
    _case("another Service of the same pods works", BESIDE, _refusing(BESIDE, 8081), ("SVR003", WEB)),
    _case("wrong protocol", UDP, _measure(UDP, REFUSED), ("SVR003", WEB)),
    _case("wrong targetPort", _cluster(port=8081), _measure(_cluster(port=8081), REFUSED), ("SVR003", WEB)),
    _case("one deaf endpoint", C, _measure(C, _everywhere("10.0.1.1")), ("SVR005", "Pod shop/web-1")),
    _case("one endpoint refuses", C, _measure(C, _everywhere("10.0.1.1", outcome=Outcome.REFUSED)), ("SVR005", "Pod shop/web-1")),
    _case(
        "an endpoint of a pod that is not there", GONE, _measure(GONE, _everywhere("10.0.1.1")), ("SVR008", "Service shop/web")
    ),
    _case(
        "an endpoint of a pod that is not there, and the controller is down",
        GONE,
        _measure(GONE, _everywhere("10.0.1.1"), own=dict.fromkeys(NODES, NOTHING)),
        ("SVR008", "Service shop/web"),
        ("SVR009", "Cluster new Services"),
    ),
    _case("a pod that is not in the list, and answers", GONE, _measure(GONE)),
    _case("dual-stack, healthy", DUAL, _measure(DUAL)),
    _case("dual-stack, IPv6 ClusterIP dead", DUAL, _measure(DUAL, _everywhere("fd00:96::1")), ("SVR006", WEB)),
    _case(
        "dual-stack, IPv6 ClusterIP dead and an IPv4 endpoint deaf",
        DUAL,
        _measure(DUAL, _everywhere("fd00:96::1", "10.0.1.1")),
        DEAF,
        ("SVR006", WEB),
    ),
    _case("dual-stack, one endpoint deaf by IPv6", DUAL, _measure(DUAL, _everywhere("fd00::11")), DEAF),
    _case(
        "dual-stack, a debug pod without IPv6",
        DUAL,
        _with_ips(
            _measure(DUAL, _from("n1", *SIX, "fd00:96::1", outcome=Outcome.UNREACHABLE)),
            n1=("10.0.1.9",),
            n2=("10.0.2.9", "fd00::29"),
        ),
    ),
    _case("the ClusterIP from one node", C, _measure(C, _from("n2", "10.96.0.1")), ("SVR006", WEB)),
    _case("a proxy plays the API", C, _measure(C, certificate="self-signed"), ("SVR007", "Service default/kubernetes")),
    _case(
        "a host's process refuses",
        _cluster(host=True),
        _measure(_cluster(host=True), _everywhere(*ENDS, outcome=Outcome.REFUSED)),
        ("SVR010", WEB),
    ),
    *(
        _case(
            f"Pods can't be read, and {name} refuses",
            blind,
            _measure(blind, _everywhere(*ENDS, outcome=Outcome.REFUSED)),
            *found,
            state=state,
        )
        for name, blind, found, state in (
            ("a pod's address", _podless("192.0.2.9"), [("SVR004", WEB)], "fail"),
            ("a node's own address", _podless(*ENDS), [("SVR010", WEB)], ""),
        )
    ),
    *(
        _case(f"outside the cluster: {name}", cluster, _measure(cluster, bad), *found, state=state)
        for name, cluster, bad, found, state in (
            ("all is well", _outside(), _everywhere(), [], ""),
            ("silent from every node", _outside(), _everywhere("192.0.2.7"), [("SVR015", EXTDB)], ""),
            ("refuses every node", _outside(), _refuses("192.0.2.7"), [("SVR014", EXTDB)], ""),
            (
                "silent from one node",
                _outside(),
                _from_n1,
                [("SVR015", EXTDB)],
                "",
            ),
            ("one of two is silent", _outside("192.0.2.7", "192.0.2.8"), _everywhere("192.0.2.7"), [("SVR015", EXTDB)], ""),
            ("both are", _outside("192.0.2.7", "192.0.2.8"), _everywhere("192.0.2.7", "192.0.2.8"), [("SVR015", EXTDB)], ""),
            ("both refuse", _outside("192.0.2.7", "192.0.2.8"), _refuses("192.0.2.7", "192.0.2.8"), [("SVR014", EXTDB)], ""),
            ("a node's own address", _outside("10.9.9.9"), _everywhere("10.9.9.9"), [("SVR015", EXTDB)], ""),
            (
                "a node's process refuses",
                _outside("10.9.9.9"),
                _refuses("10.9.9.9"),
                [("SVR010", EXTDB)],
                "",
            ),
            ("a pod that the slice does not name", _outside("10.0.1.1"), _everywhere("10.0.1.1"), [DEAF, ("SVR015", EXTDB)], ""),
            (
                "a policy may stop netdoc",
                _outside(policy=EVERYWHERE),
                _everywhere("192.0.2.7"),
                [],
                "unknown",
            ),
            ("more than are measured", _outside(*MANY), _everywhere(*MANY), [("SVR015", EXTDB)], ""),
        )
    ),
    _case("a mesh accepts everything", C, _measure(C, accepting=True), ("SVR011", "Cluster connections")),
    _case("a policy forbids it, as written", DENIED, _measure(DENIED, _everywhere("10.0.1.1")), state="pass"),
    _case("a policy forbids all of it, and rejects", DENIED, _measure(DENIED, REFUSED), state="pass"),
    _case("a policy forbids all of it, and drops", DROPPING, _measure(DROPPING, REFUSED), ("SVR004", WEB)),
    _case("a policy forbids it, and drops, and a pod refuses", DROPPING, _measure(DROPPING, ONE_REFUSES), DEAF),
    _case("a policy forbids it, and drops", DROPPING, _measure(DROPPING, _everywhere("10.0.1.1")), state="pass"),
    _case("a policy forbids all of it, and kube-router rejects", REJECTING, _measure(REJECTING, REFUSED), state="pass"),
    _case("a policy is of another namespace", _cluster(ELSEWHERE), _measure(_cluster(ELSEWHERE), _everywhere("10.0.1.1")), DEAF),
    _case("a policy allows it", _cluster(ALLOWS), _measure(_cluster(ALLOWS), _everywhere("10.0.1.1")), DEAF),
    _case("a policy forbids it, and is not enforced", DENIED, _flown(DENIED, -1.0), DEAF),
    _case("a policy forbids it, and is enforced", DENIED, _flown(DENIED, 1.0), state="pass"),
    _case(
        "a CNI's own policy may forbid it", _cluster(NATIVE), _measure(_cluster(NATIVE), _everywhere("10.0.1.1")), state="unknown"
    ),
    _case(
        "a cluster-wide policy keeps netdoc's own pods apart",
        _cluster(WALL),
        _apart(_cluster(WALL)),
        state="unknown",
    ),
    _case(
        "policies can't be read",
        _cluster(unavailable=True),
        _measure(_cluster(unavailable=True), _everywhere("10.0.1.1")),
        state="unknown",
    ),
    _case("an answer was cut", C, _measure(C, own={"n1": Lost("cut")}), state="unknown"),
    _case(
        "a Local policy leaves a node out",
        _cluster(internalTrafficPolicy="Local"),
        _measure(_cluster(internalTrafficPolicy="Local")),
    ),
    _case("not asked for", C, Measured(why_unmeasured="--no-pods"), state="skipped"),
]
