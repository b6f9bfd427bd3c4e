# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_truncation."""

from collections.abc import Mapping

from kubectl_netdoc.api import Check, Cluster, DnsLookup, DnsReply, DnsSample, Lost, Outcome, Reply, Request
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, make_cluster, make_dns_reply, make_pod, make_policy, make_service, make_slice, measured

DNS = {"k8s-app": "kube-dns"}
NODES = ("n1", "n2")
THINGS = (
    make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], labels=DNS),
    make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a"}, port=53, protocol="UDP"),
    make_pod("dns-a", "kube-system", ip="10.0.0.1", labels=DNS),
)
ONLY_UDP = "{podSelector: {}, ingress: [{ports: [{port: 53, protocol: UDP}]}]}"
CLUSTER = make_cluster(*THINGS, vantages=NODES)
WALLED = make_cluster(*THINGS, make_policy(ONLY_UDP, namespace="kube-system"), vantages=NODES)
SUBJECT = "Cluster large DNS answers"


def _check() -> Check:
    return registry.load().choose(["dns_truncation"])[0]


def _reply(ok: int = 5, lost: int = 0, size: int = 1100, truncated: bool = False, rcode: str = "NOERROR") -> DnsReply:
    samples = [DnsSample(Outcome.OK, 1.0, rcode, 14)] * ok + [DnsSample(Outcome.TIMEOUT, 1000.0)] * lost
    return DnsReply("10.96.0.10", tuple(samples), (), size if ok else 0, truncated)


CUT, WHOLE, NONE = _reply(size=500, truncated=True), _reply(), _reply(ok=0, lost=2)
UNKNOWN = _reply(size=120, rcode="NXDOMAIN")


def _measure(
    edns: Mapping[str, Reply] | None = None,
    tcp: Mapping[str, Reply] | None = None,
    plain: Mapping[str, Reply] | None = None,
    small: Mapping[str, Reply] | None = None,
    cluster: Cluster = CLUSTER,
    down: Mapping[str, str] | None = None,
) -> Measured:
    """Replies by node to each way of asking; all others are good."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, DnsLookup)
        if request.rtype == "A":
            return (small or {}).get(request.node, make_dns_reply(ok=10))
        if request.protocol == "TCP":
            return (tcp or {}).get(request.node, WHOLE)
        return (edns or {}).get(request.node, WHOLE) if request.edns else (plain or {}).get(request.node, CUT)

    return measured(_check(), cluster, answer, down=down)


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster = CLUSTER, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


ALL_UNKNOWN: dict[str, Reply] = dict.fromkeys(NODES, UNKNOWN)

CASES = [
    _case("healthy", _measure()),
    _case("large answers get lost", _measure(dict.fromkeys(NODES, NONE)), ("DTR001", SUBJECT)),
    _case("large answers of one server get lost", _measure({"n2": _reply(ok=3, lost=2)}), ("DTR001", f"{SUBJECT} from node n2")),
    _case("one lost large answer", _measure({"n2": _reply(ok=4, lost=1)})),
    _case("small ones get lost too", _measure({"n2": NONE}, small={"n2": make_dns_reply(ok=7, lost=3)}), state="unknown"),
    _case("a small one got lost", _measure({"n2": NONE}, small={"n2": make_dns_reply(ok=9, lost=1)})),
    _case("plain ones get lost too", _measure({"n2": NONE}, plain={"n2": NONE})),
    _case("no TCP", _measure(tcp=dict.fromkeys(NODES, NONE)), ("DTR002", SUBJECT)),
    _case("no TCP from one node", _measure(tcp={"n1": NONE}), ("DTR002", f"{SUBJECT} from node n1")),
    _case("one of two over TCP", _measure(tcp={"n1": _reply(ok=1, lost=1)})),
    _case("no TCP, by policy", _measure(tcp=dict.fromkeys(NODES, NONE), cluster=WALLED), cluster=WALLED, state="unknown"),
    _case("nothing cut, so TCP is not needed", _measure(tcp={"n1": NONE}, plain={"n1": _reply(size=400)})),
    _case("a DNS without SRV records", _measure(ALL_UNKNOWN, ALL_UNKNOWN, ALL_UNKNOWN)),
    _case("an answer was cut off", _measure({"n1": Lost("cut")}), state="unknown"),
    _case("a debug pod did not run", _measure(down={"n1": "ErrImagePull"}), state="unknown"),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
]
