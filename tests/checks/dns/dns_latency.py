# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_latency."""

from collections.abc import Mapping

from kubectl_netdoc.api import Address, Check, Cluster, DnsLookup, Lost, Reply, Request
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, make_cluster, make_dns_reply, make_pod, make_policy, make_service, make_slice, measured

DNS = {"k8s-app": "kube-dns"}
SERVICE = "Service kube-system/kube-dns"
NODES = ("n1", "n2")
THINGS = (
    make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], labels=DNS, cluster_ip="10.96.0.10"),
    make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a", "10.0.0.2": "dns-b"}, port=53, protocol="UDP"),
)
CLUSTER = make_cluster(*THINGS, vantages=NODES)
LOSSY = make_dns_reply(ok=12, lost=3)
GOOD, SILENT = make_dns_reply(ok=10), make_dns_reply(ok=0, lost=2)


def _check() -> Check:
    return registry.load().choose(["dns_latency"])[0]


def _measure(
    service: Mapping[str, Reply] | None = None,
    pods: Mapping[tuple[str, str], Reply] | None = None,
    down: Mapping[str, str] | None = None,
    throttled: float = 0,
    together: Reply | None = None,
    watched: Reply | None = None,
    cluster: Cluster = CLUSTER,
    behind: Reply | None = None,
) -> Measured:
    """Replies by node, and by (node, DNS pod's address); all others are good. ``together``: to paired lookups; ``watched``: to
    trickles; ``behind``: to the DNS Service's own address, where that is not what pods ask.
    """

    def answer(request: Request) -> Reply:
        assert isinstance(request, DnsLookup)
        if request.parallel and together is not None:
            return together
        if request.interval and watched is not None:
            return watched
        if isinstance(request.server, Address) and request.server.ip in ("10.96.0.10", "fd00::a"):
            return behind or (service or {}).get(request.node, GOOD)
        if isinstance(request.server, Address):
            return (pods or {}).get((request.node, request.server.ip), GOOD)
        return (service or {}).get(request.node, GOOD)

    return measured(_check(), cluster, answer, down=down, throttled=throttled)


def _case(
    name: str,
    facts: Measured,
    *expect: tuple[str, str],
    numbers: tuple[str, ...] = NODES,
    state: str = "",
    cluster: Cluster = CLUSTER,
) -> Case:
    """A case; ``numbers``: the nodes whose latency is reported as advice beside what is expected."""
    return Case(name, cluster, frozenset({*expect, *(("DNL010", f"Node {n} from node {n}") for n in numbers)}), facts, state)


BOTH_PODS = {("n1", "10.0.0.1"): SILENT, ("n1", "10.0.0.2"): SILENT}
ALL_SILENT = BOTH_PODS | {("n2", "10.0.0.1"): SILENT, ("n2", "10.0.0.2"): SILENT}

DENY = make_policy("{podSelector: {}}", namespace="kube-system")
SERVERS = [make_pod(name, "kube-system", ip=ip, labels=DNS) for ip, name in (("10.0.0.1", "dns-a"), ("10.0.0.2", "dns-b"))]
WALLED = make_cluster(*THINGS, *SERVERS, DENY, vantages=NODES)

CACHE = "169.254.20.10"
CACHED = make_dns_reply(ok=10, server=CACHE)
NO_CACHE = dict.fromkeys(NODES, make_dns_reply(ok=0, lost=2, server=CACHE))
DUAL = make_cluster(
    make_service(
        "kube-dns",
        "kube-system",
        selector=DNS,
        ports=[(53, 53)],
        labels=DNS,
        cluster_ip="10.96.0.10",
        clusterIPs=["10.96.0.10", "fd00::a"],
    ),
    *THINGS[1:],
    vantages=NODES,
)


def _dual(reply: Reply, *ips: str) -> Measured:
    """Debug pods with these addresses; the Service's address of the second family replies so."""
    facts = _measure(cluster=DUAL)
    replies = {
        request: reply if isinstance(request, DnsLookup) and request.server == Address("fd00::a") else answer
        for request, answer in facts.replies.items()
    }
    return Measured(replies, tuple(Vantage(v.node, v.running, ip=ips[0], more_ips=ips[1:]) for v in facts.vantages))


CASES = [
    Case(
        "policies keep debug pods from every server",
        WALLED,
        frozenset(),
        _measure(dict.fromkeys(NODES, SILENT), ALL_SILENT),
        "unknown",
    ),
    _case("healthy", _measure()),
    _case("the Service from one node", _measure({"n1": SILENT}), ("DNL001", f"{SERVICE} from node n1"), numbers=("n2",)),
    _case("the Service from everywhere", _measure(dict.fromkeys(NODES, SILENT)), ("DNL001", SERVICE), numbers=()),
    _case("nothing answers anybody", _measure(dict.fromkeys(NODES, SILENT), ALL_SILENT), ("DNL002", SERVICE), numbers=()),
    _case(
        "nothing answers one node",
        _measure({"n1": make_dns_reply(ok=0, refused=2)}, BOTH_PODS),
        ("DNL002", f"{SERVICE} from node n1"),
        numbers=("n2",),
    ),
    _case(
        "one deaf server",
        _measure(pods={("n1", "10.0.0.1"): SILENT, ("n2", "10.0.0.1"): SILENT}),
        ("DNL003", "Pod kube-system/dns-a"),
    ),
    _case("slow", _measure({"n1": make_dns_reply(ok=10, ms=400)}), ("DNL004", f"{SERVICE} from node n1"), numbers=("n2",)),
    _case("loss", _measure(dict.fromkeys(NODES, make_dns_reply(ok=7, lost=3))), ("DNL005", SERVICE)),
    _case("one lost datagram is none", _measure({"n1": make_dns_reply(ok=19, lost=1)})),
    _case("pairs race in conntrack", _measure(together=make_dns_reply(ok=7, lost=3)), ("DNL007", SERVICE)),
    _case("what is lost on the way to one server is no race", _measure(together=make_dns_reply(ok=7, lost=3), watched=LOSSY)),
    _case("a node-local cache", _measure(dict.fromkeys(NODES, CACHED))),
    _case(
        "a node-local cache is dead",
        _measure(NO_CACHE, behind=GOOD),
        ("DNL008", f"Nameserver {CACHE}"),
        numbers=(),
    ),
    _case(
        "pods are told an address that is nobody's",
        _measure({"n1": make_dns_reply(ok=0, lost=2, server="10.96.99.10")}, behind=GOOD),
        ("DNL012", "Nameserver 10.96.99.10 from node n1"),
        numbers=("n2",),
    ),
    _case(
        "a node-local cache is dead, and so is the Service",
        _measure({"n1": NO_CACHE["n1"]}, behind=SILENT),
        ("DNL008", f"Nameserver {CACHE} from node n1"),
        numbers=("n2",),
    ),
    _case(
        "a node-local cache hides the Service",
        _measure(dict.fromkeys(NODES, CACHED), behind=SILENT),
        ("DNL009", SERVICE),
    ),
    _case("nothing answers, the cache neither", _measure(NO_CACHE, ALL_SILENT, behind=SILENT), ("DNL002", SERVICE), numbers=()),
    _case("both families", _dual(GOOD, "10.0.0.9", "fd01::9"), cluster=DUAL),
    _case("one family is deaf", _dual(SILENT, "10.0.0.9", "fd01::9"), ("DNL011", SERVICE), cluster=DUAL),
    _case("pods have one family only", _dual(SILENT, "10.0.0.9"), cluster=DUAL),
    _case("a server that stalls is not deaf", _measure(pods={("n1", "10.0.0.1"): SILENT}, watched=LOSSY)),
    _case("SERVFAIL", _measure(dict.fromkeys(NODES, make_dns_reply(rcode="SERVFAIL"))), ("DNL006", SERVICE)),
    _case("a debug pod did not run", _measure(down={"n1": "ErrImagePull"}), numbers=("n2",), state="unknown"),
    _case("an answer was cut", _measure({"n1": Lost("cut")}), numbers=("n2",), state="unknown"),
    _case("throttled", _measure(throttled=0.3), numbers=(), state="unknown"),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), numbers=(), state="skipped"),
]
