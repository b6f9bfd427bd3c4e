# SPDX-License-Identifier: Apache-2.0
"""Cases of external_names."""

from collections.abc import Mapping

from kubectl_netdoc.api import (
    COREFILE,
    Check,
    Cluster,
    DnsLookup,
    DnsReply,
    DnsSample,
    Lost,
    Outcome,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Built, Case, make_cluster, make_dns_reply, make_service, measured

NODES = ("n1", "n2", "n3")


def _alias(target: str, name: str = "pay", *, ports: list[tuple[int, int | str]] | None = None) -> Built:
    return make_service(name, type="ExternalName", externalName=target, cluster_ip="", ports=ports or [])


def _check() -> Check:
    return registry.load().choose(["external_names"])[0]


def _reply(rcode: str = "NOERROR", *records: str) -> DnsReply:
    return DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, rcode, len(records)),) * 2, records)


GOOD, MISSING, CNAME = _reply("NOERROR", "A 192.0.2.1"), _reply("NXDOMAIN"), _reply("NOERROR", "CNAME pay.example.org.")
FOUND = _reply("NOERROR", "A 192.0.2.1", "CNAME pay.example.org.")
SILENT = make_dns_reply(ok=0, lost=2)


def _measure(
    cluster: Cluster, target: Mapping[str, Reply] | None = None, alias: Reply = FOUND, down: Mapping[str, str] | None = None
) -> Measured:
    """Replies to the target by node, and to the alias; those not given are good."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, DnsLookup)
        assert isinstance(request.name, str)
        return alias if request.name.startswith("pay") and ".svc." in request.name else (target or {}).get(request.node, GOOD)

    return measured(_check(), cluster, answer, down=down)


OUT = make_cluster(_alias("pay.example.org"), make_service(), vantages=NODES)
UNREAD = make_cluster(_alias("pay.example.org"), vantages=NODES, unavailable={COREFILE: Unavailable("forbidden")})
MANY = make_cluster(*[_alias(f"{n}.example.org", f"pay{n}") for n in range(9)], vantages=NODES)
NAMED = make_cluster(_alias("pay.example.org.", ports=[(443, 443)]), vantages=NODES)
INSIDE = make_cluster(_alias("web.shop.svc.cluster.local"), _alias("192.0.2.1", "address"), vantages=NODES)
FOUND_NONE = ("EXN001", "Service shop/pay")


def _all(reply: Reply) -> dict[str, Reply]:
    return dict.fromkeys(NODES, reply)


def _case(name: str, cluster: Cluster, facts: Measured, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


CASES = [
    _case("healthy", OUT, _measure(OUT)),
    _case("no such name", OUT, _measure(OUT, _all(MISSING), CNAME), FOUND_NONE),
    _case("no such name, and one node was cut off", OUT, _measure(OUT, {"n1": MISSING, "n2": Lost("cut")}, CNAME), FOUND_NONE),
    _case("nodes disagree", OUT, _measure(OUT, {"n1": MISSING})),
    _case("only IPv6", OUT, _measure(OUT, _all(_reply()), CNAME)),
    _case("the alias alone does not resolve", OUT, _measure(OUT, alias=_reply()), FOUND_NONE),
    _case("the alias alone, and the cluster domain is not known", UNREAD, _measure(UNREAD, alias=MISSING), state="unknown"),
    _case("no such name, whatever the cluster domain", UNREAD, _measure(UNREAD, _all(MISSING), CNAME), FOUND_NONE),
    _case("no way out", OUT, _measure(OUT, _all(SILENT), CNAME)),
    _case("SERVFAIL", OUT, _measure(OUT, _all(make_dns_reply(ok=2, rcode="SERVFAIL")), CNAME)),
    _case("an answer was cut off", OUT, _measure(OUT, _all(Lost("cut")))),
    _case("no debug pod", OUT, _measure(OUT, down=dict.fromkeys(NODES, "ErrImagePull"))),
    _case("the cluster's own names and addresses are another's", INSIDE, _measure(INSIDE, _all(MISSING))),
    _case("many are sampled", MANY, _measure(MANY)),
    _case("ports", NAMED, _measure(NAMED), ("EXN020", "Service shop/pay")),
    _case("not measured", make_cluster(_alias("pay.example.org")), Measured(why_unmeasured="--no-pods")),
]
