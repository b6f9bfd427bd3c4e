# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_upstream."""

from collections.abc import Mapping

from kubectl_netdoc.api import DNS_LOG, Address, DnsLookup, DnsReply, DnsSample, Lost, Outcome, Reply, Request, Unavailable
from kubectl_netdoc.core.cluster import Cluster, Selection
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import (
    Built,
    Case,
    make_cluster,
    make_dns_log,
    make_dns_reply,
    make_node,
    make_service,
    make_slice,
    measured,
)

DNS = {"k8s-app": "kube-dns"}
SERVICE, NAME = "Service kube-system/kube-dns", "Name example.test"
NODES = ("n1", "n2")
THINGS = (
    make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], cluster_ip="10.96.0.10", labels=DNS),
    make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a", "10.0.0.2": "dns-b"}, port=53, protocol="UDP"),
)
NODE = make_node("n1", podCIDRs=["10.244.0.0/24"])
DUAL = make_node("n1", podCIDRs=["10.244.0.0/24", "fd00::/64"])
LOG = make_dns_log("dns-a", "[ERROR] plugin/errors: 2 example.test. A: read udp 10.0.0.1:4444->192.0.2.53:53: i/o timeout\n")


def _cluster(*external: str, more: tuple[Built, ...] = (NODE, LOG)) -> Cluster:
    return make_cluster(*THINGS, *more, vantages=NODES, selection=Selection(external=external))


ONE = _cluster("example.test")
GOOD, NONE = make_dns_reply(ok=5), DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 0.4, "NOERROR"),) * 2)
SERVFAIL, NXDOMAIN = (
    make_dns_reply(ok=5, ms=5100, rcode="SERVFAIL"),
    DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 9, "NXDOMAIN"),)),
)
SLOW = DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 2400, "NOERROR", 1), *[DnsSample(Outcome.OK, 0.4, "NOERROR", 1)] * 4))
SILENT = make_dns_reply(ok=0, lost=5)


def _measure(
    through: Reply = GOOD,
    direct: Mapping[str, Reply] | None = None,
    aaaa: Reply = NONE,
    own: Reply = GOOD,
    cluster: Cluster = ONE,
    names: Mapping[str, Reply] | None = None,
) -> Measured:
    """Replies through the nameserver, by server, to AAAA, to the cluster's own name, and by name."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, DnsLookup)
        if "cluster.local" in str(request.name):
            return own
        if request.rtype == "AAAA":
            return aaaa
        if isinstance(request.server, Address):
            return (direct or {}).get(request.server.ip, through)
        return (names or {}).get(str(request.name), through)

    return measured(registry.load().choose(["dns_upstream"])[0], cluster, answer)


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster = ONE, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


FINE = ("DNU010", NAME)
UNREAD = make_cluster(*THINGS, NODE, unavailable={DNS_LOG: Unavailable("forbidden")}, vantages=NODES, selection=ONE.selection)
V6, SEVEN = _cluster("example.test", more=(DUAL,)), _cluster("example.test", *"abcdef")
CASES = [
    _case("healthy", _measure(), FINE),
    _case("no name given", _measure(cluster=_cluster()), cluster=_cluster(), state="skipped"),
    _case("only an address given", _measure(), cluster=_cluster("192.0.2.1", "[2001:db8::1]"), state="skipped"),
    _case("the upstream is dead", _measure(SERVFAIL, aaaa=SERVFAIL), ("DNU001", SERVICE)),
    _case("no answer at all", _measure(SILENT), ("DNU001", SERVICE)),
    _case("logs can't be read", _measure(SERVFAIL, cluster=UNREAD), ("DNU001", SERVICE), cluster=UNREAD),
    _case("one server's upstream is dead", _measure(direct={"10.0.0.1": SERVFAIL}), ("DNU001", SERVICE)),
    _case("one lookup of five lost", _measure(make_dns_reply(ok=4, lost=1)), FINE),
    _case("no such name", _measure(NXDOMAIN, aaaa=NXDOMAIN), ("DNU002", NAME)),
    _case("IPv6 only", _measure(NONE, aaaa=GOOD, cluster=V6), FINE, cluster=V6),
    _case("the upstream is slow", _measure(SLOW), ("DNU003", SERVICE)),
    _case("slow once is a lost datagram", _measure(direct={"10.0.0.1": SLOW}), FINE),
    _case("AAAA and no IPv6", _measure(aaaa=GOOD), FINE, ("DNU004", NAME)),
    _case("AAAA in a dual-stack cluster", _measure(aaaa=GOOD, cluster=V6), FINE, cluster=V6),
    _case("cluster DNS itself is down", _measure(SILENT, own=SILENT), state="unknown"),
    _case("an answer was cut", _measure(Lost("cut")), state="unknown"),
    _case(
        "too many names",
        _measure(cluster=SEVEN),
        *(("DNU010", f"Name {name}") for name in ("example.test", *"abcd")),
        cluster=SEVEN,
    ),
    Case("not asked for", ONE, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
