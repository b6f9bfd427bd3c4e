# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_servers."""

from collections.abc import Mapping

from kubectl_netdoc.api import Address, DnsLookup, Lost, Reply, Request
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, make_cluster, make_dns_reply, make_pod, make_policy, make_service, make_slice, measured

DNS = {"k8s-app": "kube-dns"}
SERVICE, A, B = "Service kube-system/kube-dns", "Pod kube-system/dns-a", "Pod kube-system/dns-b"
NODES = ("n1", "n2", "n3")
SERVICE_OBJECT = make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], cluster_ip="10.96.0.10", labels=DNS)
SLICE = make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a", "10.0.0.2": "dns-b"}, port=53, protocol="UDP")
CLUSTER = make_cluster(SERVICE_OBJECT, SLICE, vantages=NODES)
ONE_SLICE = make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a"}, port=53, protocol="UDP")
EMPTY = make_cluster(SERVICE_OBJECT, vantages=NODES)
UDP_ALONE = make_service(
    "kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], protocols=["UDP"], cluster_ip="10.96.0.10", labels=DNS
)
WITHOUT_TCP = make_cluster(UDP_ALONE, SLICE, vantages=NODES)
SINGLE = make_cluster(SERVICE_OBJECT, ONE_SLICE, vantages=NODES)
WALLED = make_cluster(
    SERVICE_OBJECT,
    SLICE,
    make_pod("dns-a", "kube-system", ip="10.0.0.1", labels=DNS),
    make_pod("dns-b", "kube-system", ip="10.0.0.2", labels=DNS),
    make_policy("{podSelector: {}, ingress: [{ports: [{protocol: UDP, port: 53}]}]}", namespace="kube-system"),
    vantages=NODES,
)
GOOD, SILENT, LOSSY = make_dns_reply(ok=15), make_dns_reply(ok=0, lost=2), make_dns_reply(ok=10, lost=5)
STALLS = make_dns_reply(ok=9, ms=700, lost=3)
NOTHING = make_dns_reply(ok=0, lost=15)


def _measure(
    watched: Mapping[tuple[str, str], Reply] | None = None,
    tcp: Mapping[tuple[str, str], Reply] | None = None,
    cluster: Cluster = CLUSTER,
    throttled: float = 0,
    down: Mapping[str, str] | None = None,
    udp: Reply = GOOD,
) -> Measured:
    """Replies to trickles and over TCP by (node, server); server "" is the nameserver; ``udp``: one by one, to all."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, DnsLookup)
        key = (request.node, request.server.ip if isinstance(request.server, Address) else "")
        if request.protocol == "TCP":
            return (tcp or {}).get(key, GOOD)
        return (watched or {}).get(key, GOOD) if request.interval else udp

    check = registry.load().choose(["dns_servers"])[0]
    return measured(check, cluster, answer, throttled=throttled, down=down)


def _all(ip: str, reply: Reply, nodes: tuple[str, ...] = NODES) -> dict[tuple[str, str], Reply]:
    return {(node, ip): reply for node in nodes}


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster = CLUSTER, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


BOTH = _all("10.0.0.1", LOSSY) | _all("10.0.0.2", LOSSY)
MET: dict[tuple[str, str], Reply] = {("n1", ""): SILENT}
NO_TCP = _all("10.0.0.1", SILENT) | _all("10.0.0.2", SILENT) | _all("", SILENT)
CASES = [
    _case("healthy", _measure()),
    _case("one server stalls", _measure(_all("10.0.0.1", STALLS)), ("DSV001", A)),
    _case("one server stalls and loses none", _measure(_all("10.0.0.1", make_dns_reply(ok=15, ms=700))), ("DSV001", A)),
    _case("one server loses", _measure(_all("10.0.0.2", LOSSY)), ("DSV001", B)),
    _case("the only server loses", _measure(_all("10.0.0.1", LOSSY), cluster=SINGLE), ("DSV001", A), cluster=SINGLE),
    _case("seen from one node alone", _measure(_all("10.0.0.1", LOSSY, ("n2",))), ("DSV001", f"{A} from node n2")),
    _case("two lost of 45 are chance", _measure({("n1", "10.0.0.1"): make_dns_reply(ok=13, lost=2)})),
    _case("everything is slow for a moment", _measure(_all("10.0.0.1", STALLS) | _all("10.0.0.2", STALLS))),
    _case("everything is lossy", _measure(BOTH)),
    _case("one node loses to all servers", _measure({("n2", "10.0.0.1"): LOSSY, ("n2", "10.0.0.2"): LOSSY})),
    _case("half a second of the debug pods' own", _measure(_all("10.0.0.1", make_dns_reply(ok=15, ms=240)))),
    _case("a silent path is not the server's doing", _measure({("n2", "10.0.0.1"): NOTHING})),
    _case("throttled debug pods judge nobody", _measure(_all("10.0.0.1", STALLS), throttled=0.3), state="unknown"),
    _case("no TCP", _measure(tcp=NO_TCP), ("DSV002", SERVICE), ("DSV003", A), ("DSV003", B)),
    _case("no TCP through the Service", _measure(tcp=_all("", make_dns_reply(ok=0, refused=2))), ("DSV002", SERVICE)),
    _case(
        "the Service has no port of TCP",
        _measure(tcp=_all("", make_dns_reply(ok=0, refused=2)), cluster=WITHOUT_TCP),
        ("DSV002", SERVICE),
        cluster=WITHOUT_TCP,
    ),
    _case("one server without TCP", _measure(tcp=_all("10.0.0.1", SILENT)), ("DSV003", A)),
    _case("one server without TCP, which a node met twice", _measure(tcp=_all("10.0.0.1", SILENT) | MET), ("DSV003", A)),
    _case("TCP of one that stalls", _measure(_all("10.0.0.1", STALLS), _all("10.0.0.1", SILENT)), ("DSV001", A)),
    _case("neither UDP nor TCP", _measure(_all("10.0.0.1", NOTHING) | _all("10.0.0.2", NOTHING), NO_TCP, udp=SILENT)),
    _case("a policy forbids TCP", _measure(tcp=NO_TCP, cluster=WALLED), cluster=WALLED),
    _case("answers were cut", _measure(_all("10.0.0.1", Lost("cut")), _all("", Lost("cut"))), state="unknown"),
    _case("one answer was cut", _measure(tcp={("n1", "10.0.0.2"): Lost("cut")}), state="unknown"),
    _case("no server is ready", _measure(cluster=EMPTY), cluster=EMPTY, state="unknown"),
    _case("no debug pod ran", _measure(down=dict.fromkeys(NODES, "ErrImagePull")), state="unknown"),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
    _case("DNS is not in the cluster", _measure(), cluster=make_cluster(make_service(), vantages=NODES), state="skipped"),
]
