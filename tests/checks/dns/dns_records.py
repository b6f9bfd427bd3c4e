# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_records."""

from collections.abc import Mapping

from kubectl_netdoc.api import (
    DNS_LOG,
    ENDPOINT_SLICE,
    Address,
    Check,
    Cluster,
    DnsLookup,
    DnsReply,
    DnsSample,
    Lost,
    Outcome,
    OwnName,
    Reply,
    Request,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import (
    STATEFUL_SET,
    Built,
    Case,
    ago,
    make_cluster,
    make_corefile,
    make_dns_reply,
    make_pod,
    make_service,
    make_slice,
    make_workload,
    measured,
)

DNS, NODES = {"k8s-app": "kube-dns"}, ("n1", "n2")
COREFILE = make_corefile(".:53 {\n  kubernetes cluster.local in-addr.arpa\n}")
A, B, NAMESERVER = "10.0.0.1", "10.0.0.2", "resolv.conf"
SERVERS = (
    make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], labels=DNS, cluster_ip="10.96.0.10"),
    make_slice("kube-dns", "kube-system", addresses={A: "dns-a", B: "dns-b"}, port=53, protocol="UDP"),
)
OWNED = [{"kind": "StatefulSet", "name": "db", "controller": True}]


def _db(name: str, ip: str, **more: object) -> Built:
    return make_pod(name, ip=ip, ownerReferences=OWNED, **more)  # type: ignore[arg-type]


DB = make_service("db", selector={"app": "db"}, cluster_ip="None")
SET = make_workload(STATEFUL_SET, "db", service_name="db")
SLICE = make_slice("db", addresses={"10.0.1.1": "db-0", "10.0.1.2": "db-1"})
PODS = (_db("db-0", "10.0.1.1"), _db("db-1", "10.0.1.2"))
WEB = make_service("web", selector={"app": "web"}, cluster_ip="10.96.0.20")
CLUSTER = make_cluster(COREFILE, *SERVERS, WEB, DB, SET, SLICE, *PODS, vantages=NODES)

TRUE = {
    "kube-dns.kube-system": ("10.96.0.10",),
    "web.shop": ("10.96.0.20",),
    "db.shop": ("10.0.1.1", "10.0.1.2"),
    "db-0.db.shop": ("10.0.1.1",),
    "db-1.db.shop": ("10.0.1.2",),
}
NONE: tuple[str, ...] = ()
ALL = (A, B, NAMESERVER)
Said = Mapping[tuple[str, str], tuple[str, ...] | Reply]


def _check() -> Check:
    return registry.load().choose(["dns_records"])[0]


def _reply(*addresses: str, truncated: bool = False) -> DnsReply:
    rcode = "NOERROR" if addresses else "NXDOMAIN"
    records = tuple(f"{'AAAA' if ':' in address else 'A'} {address}" for address in addresses)
    return DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, rcode, len(addresses)),) * 2, records, truncated=truncated)


def _measure(
    said: Said | None = None,
    own: Mapping[str, Reply] | None = None,
    cluster: Cluster = CLUSTER,
    true: Mapping[str, tuple[str, ...]] = TRUE,
    every: Reply | None = None,
    down: Mapping[str, str] | None = None,
) -> Measured:
    """What servers say to names (by server and name), and to netdoc's own name; what is not given is true."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, DnsLookup)
        server = request.server.ip if isinstance(request.server, Address) else NAMESERVER
        if isinstance(request.name, OwnName):
            return (own or {}).get(server, make_dns_reply(ok=3))
        name = request.name.partition(".svc.")[0]
        value = (said or {}).get((server, name), true.get(name, NONE))
        if every is not None:
            return every
        ours = [a for a in value if (":" in a) == (request.rtype == "AAAA")] if isinstance(value, tuple) else []
        return _reply(*ours) if isinstance(value, tuple) else value

    return measured(_check(), cluster, answer, down=down)


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster = CLUSTER, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


def _everywhere(name: str, *addresses: str) -> Said:
    return {(server, name): addresses for server in ALL}


UNKNOWN = make_dns_reply(ok=3, rcode="NXDOMAIN")
SILENT = make_dns_reply(ok=0, lost=3)
STALE_DB: Said = {(A, "db.shop"): ("10.0.1.1", "10.0.9.9"), (A, "db-1.db.shop"): ("10.0.9.9",)}


def _changed(seconds: float, *, terminating: bool = False, text: str = "") -> Cluster:
    """A cluster whose endpoints changed so many seconds ago."""
    raw = {
        "metadata": {
            "name": "db-abcde",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "db"},
            "creationTimestamp": ago(7200),
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": text or ago(seconds)},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [ip], "conditions": {"ready": True, "terminating": terminating}} for ip in ("10.0.1.1", "10.0.1.2")
        ],
    }
    return make_cluster(COREFILE, *SERVERS, WEB, DB, (ENDPOINT_SLICE, convert(ENDPOINT_SLICE, raw)), vantages=NODES)


CUT_OFF = "[ERROR] plugin/kubernetes: Failed to watch *v1.Service: dial tcp 10.96.0.1:443: i/o timeout"
LOG = convert(DNS_LOG, {"metadata": {"name": "dns-a", "namespace": "kube-system"}, "text": CUT_OFF})
LOGGED = make_cluster(COREFILE, *SERVERS, WEB, (DNS_LOG, LOG), vantages=NODES)
DUAL = make_cluster(
    COREFILE,
    *SERVERS,
    make_service("web", selector={"app": "web"}, cluster_ip="10.96.0.20", clusterIPs=["10.96.0.20", "fd00::20"]),
    vantages=NODES,
)
DUAL_TRUE = TRUE | {"web.shop": ("10.96.0.20", "fd00::20")}
YOUNG_POD = make_cluster(COREFILE, *SERVERS, DB, SET, SLICE, PODS[0], _db("db-1", "10.0.1.2", age=50), vantages=NODES)
GOING = make_cluster(
    COREFILE, *SERVERS, DB, SET, SLICE, PODS[0], _db("db-1", "10.0.1.2", deletionTimestamp=ago(2)), vantages=NODES
)
METRICS = make_service("metrics", selector={"app": "db"}, cluster_ip="None")
TWO_SERVICES = make_cluster(
    *SERVERS,
    DB,
    METRICS,
    SET,
    SLICE,
    make_slice("metrics", addresses={"10.0.1.1": "db-0", "10.0.1.2": "db-1"}),
    *PODS,
    vantages=NODES,
)
NOTHING = Measured(why_unmeasured="only a cluster can be measured")
LONELY = make_workload(STATEFUL_SET, "queue", service_name="queue")
HEADLESS = make_service("queue-pods", selector={"app": "queue"}, cluster_ip="None")
OTHER_NAME = make_workload(STATEFUL_SET, "queue", service_name="queue", labels={"app": "queue"})
MISNAMED = make_cluster(COREFILE, *SERVERS, OTHER_NAME, HEADLESS, vantages=NODES)
NO_SERVICE = make_cluster(COREFILE, *SERVERS, LONELY, vantages=NODES)
NEW_SET = make_cluster(*SERVERS, make_workload(STATEFUL_SET, "queue", service_name="queue", age=2), vantages=NODES)
BEHIND_A = ("DNR005", "Pod kube-system/dns-a")
NOT_LEARNING = ("DNR001", "Pod kube-system/dns-a")
WEB_WRONG, DB_WRONG, POD_WRONG = ("DNR002", "Service shop/web"), ("DNR003", "Service shop/db"), ("DNR004", "Pod shop/db-1")
OTHER = "198.51.100.1"

CASES = [
    _case("healthy", _measure()),
    _case("healthy, both families", _measure(cluster=DUAL, true=DUAL_TRUE), cluster=DUAL),
    _case("a server has lost the API", _measure(STALE_DB, {A: UNKNOWN}), NOT_LEARNING),
    _case(
        "the same, and it may be the one behind the nameserver",
        _measure({**STALE_DB, (NAMESERVER, "db.shop"): (OTHER,)}, {A: UNKNOWN}),
        NOT_LEARNING,
    ),
    _case(
        "all servers have lost the API",
        _measure({**STALE_DB, (B, "db.shop"): NONE}, {A: UNKNOWN, B: UNKNOWN}),
        NOT_LEARNING,
        ("DNR001", "Pod kube-system/dns-b"),
    ),
    _case("a server has lost the API, by its log", _measure(own={A: UNKNOWN}, cluster=LOGGED), NOT_LEARNING, cluster=LOGGED),
    _case("its log alone is of the past", _measure(cluster=LOGGED), cluster=LOGGED),
    _case("a server is behind", _measure(own={A: UNKNOWN}), BEHIND_A),
    _case(
        "it knows late",
        _measure(own={A: DnsReply(A, (DnsSample(Outcome.OK, 1.0, "NXDOMAIN"), DnsSample(Outcome.OK, 1.0, "NOERROR", 1)))}),
    ),
    _case("it does not say", _measure(own={A: SILENT})),
    _case("no server knows a new Service", _measure(own={A: UNKNOWN, B: UNKNOWN}), state="unknown"),
    _case("another address for a ClusterIP", _measure(_everywhere("web.shop", OTHER)), WEB_WRONG),
    _case("the same from a node's cache alone", _measure({(NAMESERVER, "web.shop"): (OTHER,)}), WEB_WRONG),
    _case(
        "a wrong IPv6 address",
        _measure({(A, "web.shop"): ("10.96.0.20", "fd00::99")}, cluster=DUAL, true=DUAL_TRUE),
        WEB_WRONG,
        cluster=DUAL,
    ),
    _case("a Service without a name", _measure(_everywhere("web.shop")), WEB_WRONG),
    _case("a namespace without names", _measure({(s, n): NONE for s in ALL for n in TRUE if n.endswith("shop")})),
    _case("one server misses an endpoint", _measure({(A, "db.shop"): ("10.0.1.1",)}), DB_WRONG),
    _case("all miss one: it may have gone", _measure(_everywhere("db.shop", "10.0.1.1"))),
    _case("quite other endpoints", _measure(_everywhere("db.shop", OTHER)), DB_WRONG),
    _case("a cut answer is a part", _measure({(A, "db.shop"): _reply("10.0.1.1", truncated=True)})),
    _case("a cut answer with another address", _measure({(A, "db.shop"): _reply(OTHER, truncated=True)}), DB_WRONG),
    _case("a pod without a name", _measure(_everywhere("db-1.db.shop")), POD_WRONG),
    _case(
        "a pod moves while measuring",
        _measure({**_everywhere("db-1.db.shop", OTHER), **_everywhere("db.shop", "10.0.1.1", OTHER)}),
    ),
    _case("a pod became ready just now", _measure({(A, "db-1.db.shop"): NONE}, cluster=YOUNG_POD), cluster=YOUNG_POD),
    _case(
        "the same on a server that lost the API",
        _measure({(A, "db-1.db.shop"): NONE}, {A: UNKNOWN}, YOUNG_POD),
        NOT_LEARNING,
        cluster=YOUNG_POD,
    ),
    _case("a pod that goes", _measure({(A, "db-1.db.shop"): NONE}, cluster=GOING), cluster=GOING),
    _case(
        "a second headless Service gives the pods no names",
        _measure(cluster=TWO_SERVICES, true=TRUE | {"metrics.shop": ("10.0.1.1", "10.0.1.2")}),
        cluster=TWO_SERVICES,
    ),
    _case(
        "an alias on the way",
        _measure({(A, "web.shop"): DnsReply(A, _reply("10.96.0.20").samples, ("A 10.96.0.20", "CNAME x."))}),
    ),
    _case("endpoints changed just now", _measure({(A, "db.shop"): (OTHER,)}, cluster=_changed(50)), cluster=_changed(50)),
    _case(
        "endpoints changed a while ago",
        _measure({(A, "db.shop"): (OTHER,)}, cluster=_changed(70)),
        DB_WRONG,
        cluster=_changed(70),
    ),
    _case("a time that can't be read", _measure(cluster=_changed(0, text="long ago")), cluster=_changed(0, text="long ago")),
    _case(
        "endpoints that go",
        _measure({(A, "db.shop"): NONE}, cluster=_changed(70, terminating=True)),
        cluster=_changed(70, terminating=True),
    ),
    _case("SERVFAIL is another's", _measure(every=make_dns_reply(ok=2, rcode="SERVFAIL")), state="unknown"),
    _case("nothing answers", _measure(every=SILENT), state="unknown"),
    _case("an answer was cut off", _measure({(A, "web.shop"): Lost("cut")}), state="unknown"),
    _case("a debug pod did not run", _measure(down={"n1": "ErrImagePull"}), state="unknown"),
    _case("no Service for a StatefulSet", _measure(cluster=NO_SERVICE), ("DNR020", "StatefulSet shop/queue"), cluster=NO_SERVICE),
    _case("another Service", _measure(cluster=MISNAMED), ("DNR006", "StatefulSet shop/queue"), cluster=MISNAMED),
    _case("no Service in these files", NOTHING, cluster=make_cluster(LONELY, origin="manifests"), state="pass"),
    _case(
        "another Service in these files", NOTHING, cluster=make_cluster(OTHER_NAME, HEADLESS, origin="manifests"), state="pass"
    ),
    _case("not yet a Service", _measure(cluster=NEW_SET), cluster=NEW_SET),
    _case("as written", Measured(why_unmeasured="--no-pods"), ("DNR020", "StatefulSet shop/queue"), cluster=make_cluster(LONELY)),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), cluster=make_cluster(WEB), state="skipped"),
]
