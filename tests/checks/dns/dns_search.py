# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_search."""

from collections.abc import Mapping

from kubectl_netdoc.api import (
    EVENT,
    Check,
    Cluster,
    DnsLookup,
    DnsReply,
    DnsSample,
    Lost,
    Outcome,
    Reply,
    Request,
    ResolvConf,
    ResolvConfReply,
    Unavailable,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, Selection, make_cluster, make_corefile, make_dns_reply, measured

NODES = ("n1", "n2", "n3")
COREFILE = make_corefile(".:53 {\n  kubernetes cluster.local in-addr.arpa\n  forward . /etc/resolv.conf\n}")
CLUSTER = make_cluster(COREFILE, vantages=NODES)
OPTIONS = ("ndots:5",)
SEARCH = ("netdoc.svc.cluster.local", "svc.cluster.local", "cluster.local")
USUAL = ResolvConfReply(("10.96.0.10",), SEARCH, OPTIONS)
NO = make_dns_reply(ok=3, rcode="NXDOMAIN")
WRONG = DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, "NOERROR", 1),), ("A 192.0.2.1",))
ALIAS = DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, "NOERROR", 1),), ("CNAME x.",))
NODATA = DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, "NOERROR"),))
SILENT = make_dns_reply(ok=0, lost=2)
RESOLV, LIST = "Cluster resolv.conf", "Cluster search list"


def _check() -> Check:
    return registry.load().choose(["dns_search"])[0]


def _measure(
    cluster: Cluster = CLUSTER,
    files: Mapping[str, Reply] | None = None,
    negative: Mapping[str, Reply] | None = None,
    positive: Mapping[str, Reply] | None = None,
    down: Mapping[str, str] | None = None,
    throttled: float = 0,
    only: str = "",
) -> Measured:
    """Replies by node: its resolv.conf, names that can't exist (in the domain ``only``), names that do; all others are well."""

    def answer(request: Request) -> Reply:
        if isinstance(request, ResolvConf):
            return (files or {}).get(request.node, USUAL)
        assert isinstance(request, DnsLookup)
        if "invalid" in str(request.name) and (only in str(request.name)):
            return (negative or {}).get(request.node, NO)
        if "invalid" in str(request.name):
            return NO
        return (positive or {}).get(request.node, make_dns_reply(ok=10))

    return measured(_check(), cluster, answer, down=down, throttled=throttled)


def _case(
    name: str, facts: Measured, *expect: tuple[str, str], cost: bool = True, cluster: Cluster = CLUSTER, state: str = ""
) -> Case:
    return Case(name, cluster, frozenset({*expect, *([("DSE020", LIST)] if cost else [])}), facts, state)


def _all(reply: Reply) -> dict[str, Reply]:
    return dict.fromkeys(NODES, reply)


def _file(
    nameservers: tuple[str, ...] = USUAL.nameservers, search: tuple[str, ...] = SEARCH, options: tuple[str, ...] = OPTIONS
) -> ResolvConfReply:
    return ResolvConfReply(nameservers, search, options)


AUTOPATH = make_cluster(make_corefile(".:53 {\n  kubernetes cluster.local\n  autopath @kubernetes\n}"), vantages=NODES)
OUTSIDE = make_cluster(COREFILE, vantages=NODES, selection=Selection(external=("www.example.org", "192.0.2.7", "a.", "b.", "c.")))
TWO = make_cluster(COREFILE, vantages=NODES[:2])
BLIND = make_cluster(COREFILE, vantages=NODES, unavailable={EVENT: Unavailable("forbidden")})
FEW = tuple(f"zone{n}.corp.example" for n in range(15))
MANY = tuple(f"d{n}" for n in range(33))

CASES = [
    _case("healthy", _measure()),
    _case("events can't be read", _measure(BLIND), cluster=BLIND),
    _case("an external name", _measure(OUTSIDE), cluster=OUTSIDE),
    _case("a wildcard", _measure(negative=_all(WRONG)), ("DSE001", LIST), cost=False),
    _case("a wildcard from one node", _measure(negative={"n2": WRONG}), ("DSE001", f"{LIST} from node n2")),
    _case("no data is no wildcard", _measure(negative=_all(NODATA))),
    _case("an alias without an address is none either", _measure(negative=_all(ALIAS))),
    _case("autopath answers for others", _measure(AUTOPATH, negative=_all(WRONG)), cluster=AUTOPATH, cost=False),
    _case("negative answers time out", _measure(negative=_all(SILENT)), ("DSE002", LIST), cost=False),
    _case(
        "SERVFAIL for a negative answer",
        _measure(negative={"n1": make_dns_reply(ok=3, rcode="SERVFAIL")}),
        ("DSE002", f"{LIST} from node n1"),
    ),
    _case("nothing is answered", _measure(negative=_all(SILENT), positive=_all(SILENT)), cost=False, state="unknown"),
    _case("one lost datagram", _measure(positive={"n1": make_dns_reply(ok=9, lost=1)})),
    _case("one lost pair", _measure(negative={"n1": make_dns_reply(ok=2, lost=1, rcode="NXDOMAIN")})),
    _case("an answer was cut", _measure(negative={"n1": Lost("cut")}), state="unknown"),
    _case(
        "another cluster domain",
        _measure(files={"n3": _file(search=("netdoc.svc.a.b", "svc.a.b"))}),
        ("DSE003", "Node n3"),
        ("DSE023", RESOLV),
    ),
    _case("one of two", _measure(TWO, files={"n2": _file(search=("svc.a.b",))}), ("DSE023", RESOLV), cluster=TWO),
    _case("silent in one domain alone", _measure(negative=_all(SILENT), only=".svc.cluster.local"), cost=False),
    _case(
        "the node's own resolver",
        _measure(files={"n3": _file(("192.0.2.53",), (), ())}),
        ("DSE003", "Node n3"),
        ("DSE023", RESOLV),
    ),
    _case("nobody searches a cluster domain", _measure(files=_all(_file(search=("corp.example",))))),
    _case("four nameservers", _measure(files=_all(_file(nameservers=("10.96.0.10", "::1", "::2", "::3")))), ("DSE021", RESOLV)),
    _case("33 search domains", _measure(files=_all(_file(search=MANY))), ("DSE021", RESOLV)),
    _case("too long for musl", _measure(files=_all(_file(search=(*SEARCH, *FEW)))), ("DSE021", RESOLV)),
    _case("32 short search domains", _measure(files=_all(_file(search=MANY[:32])))),
    _case("nodes differ", _measure(files={"n1": _file(search=(*SEARCH, "zone-a.internal"))}), ("DSE023", RESOLV)),
    _case("no ndots", _measure(files=_all(_file(options=()))), ("DSE024", RESOLV), cost=False),
    _case("large ndots", _measure(files=_all(_file(options=("ndots:9",)))), ("DSE024", RESOLV)),
    _case("ndots 2 is as advised", _measure(files=_all(_file(options=("ndots:2",))))),
    _case("a debug pod did not run", _measure(down={"n1": "ErrImagePull"}), state="unknown"),
    _case("throttled", _measure(throttled=0.3), cost=False),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), cost=False, cluster=make_cluster(), state="skipped"),
]
