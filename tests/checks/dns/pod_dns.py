# SPDX-License-Identifier: Apache-2.0
"""Cases of pod_dns."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    POD,
    REPLICA_SET,
    Kind,
    Pod,
    Request,
    ResolvConf,
    ResolvConfReply,
    Unavailable,
)
from kubectl_netdoc.checks.dns.pod_dns import check
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import (
    DAEMON_SET,
    DEPLOYMENT,
    Built,
    Case,
    ago,
    make_cluster,
    make_corefile,
    make_namespace,
    make_node,
    make_pod,
    make_service,
    make_slice,
    make_workload,
    measured,
)

DNS = "10.96.0.10"
OUTSIDE = "172.18.0.9"
NODES = (make_node("n1", podCIDRs=["10.0.0.0/24"]), make_node("n2", podCIDRs=["10.0.1.0/24"]))
CLUSTER: tuple[Built, ...] = (
    *NODES,
    make_namespace("shop"),
    make_namespace("pay"),
    make_service("kubernetes", "default", ports=[(443, 6443)]),
    make_service(
        "kube-dns", "kube-system", cluster_ip=DNS, ports=[(53, 53)], protocols=["UDP", "TCP"], selector={"k8s-app": "dns"}
    ),
    make_slice("kube-dns", "kube-system", addresses={"10.0.1.5": "coredns-1"}, port=53, protocol="UDP", node="n2"),
    make_pod("coredns-1", "kube-system", labels={"k8s-app": "dns"}, ip="10.0.1.5", node="n2"),
    make_service("web", cluster_ip="10.96.0.20", selector={"app": "web"}),
    make_slice(addresses={"10.0.0.7": "web-1"}),
    make_pod("web-1", labels={"app": "web"}, ip="10.0.0.7"),
    make_service("db", cluster_ip="None", selector={"app": "db"}, ports=[(5432, 5432)]),
    make_slice("db", addresses={"10.0.0.8": "db-0"}),
    make_pod("db-0", labels={"app": "db"}, ip="10.0.0.8"),
    make_service("silent", cluster_ip="10.96.0.30", selector={"app": "silent"}, ports=[(53, 53)], protocols=["UDP"]),
    make_service("resolver", cluster_ip="10.96.0.31", selector={"app": "resolver"}, ports=[(53, 53)], protocols=["UDP"]),
    make_slice("resolver", addresses={"10.0.0.9": "resolver-1"}, port=53, protocol="UDP"),
)
RS = [{"kind": "ReplicaSet", "name": "client-b", "controller": True}]
SUBJECT = "Pod shop/client"


def _client(name: str = "client", namespace: str = "shop", *, spec: dict[str, Any], **more: Any) -> Built:
    """A pod with DNS settings, as in the API."""
    _, pod = make_pod(name, namespace, ip="10.0.0.40", **more)
    wanted = convert(POD, {"spec": spec}).spec
    fields = {field: getattr(wanted, field) for field in ("dns_policy", "dns_config", "host_aliases", "host_network")}
    fields |= {"containers": wanted.containers} if wanted.containers else {}
    assert isinstance(pod, Pod)
    return POD, msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, **fields))


def _of(name: str, spec: dict[str, Any], *codes: str, more: tuple[Built, ...] = (), **pod: Any) -> Case:
    """A cluster in which everything is well, and one more pod with these settings."""
    expect = frozenset((code, SUBJECT) for code in codes)
    return Case(name, make_cluster(*CLUSTER, _client(spec=spec, **pod), *more), expect)


def _none(*nameservers: str, searches: tuple[str, ...] = (), options: dict[str, str] | None = None) -> dict[str, Any]:
    given = [{"name": name, "value": value} for name, value in (options or {}).items()]
    return {"dnsPolicy": "None", "dnsConfig": {"nameservers": nameservers, "searches": searches, "options": given}}


def _host(policy: str = "ClusterFirst") -> dict[str, Any]:
    return {"dnsPolicy": policy, "hostNetwork": True}


def _first(**config: Any) -> dict[str, Any]:
    return {"dnsPolicy": "ClusterFirst", "dnsConfig": config}


def _alias(ip: str, *names: str) -> dict[str, Any]:
    return {"hostAliases": [{"ip": ip, "hostnames": names}]}


OURS = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
ROTATE = [{"name": "rotate"}]

SERVERS = [
    _of("the cluster's settings", {"dnsPolicy": "ClusterFirst"}),
    _of("ndots of its own", _first(options=[{"name": "ndots", "value": "2"}], searches=["example.test"])),
    _of("all of its own, as the cluster's", _none(DNS, searches=OURS)),
    _of("no Service has the address", _none("10.96.0.99"), "PDN001"),
    _of("no pod has the address", _none("10.0.1.77"), "PDN001"),
    _of("a range for examples", _none("192.0.2.53", "198.51.100.1"), "PDN001"),
    _of("a Service without port 53", _none("10.96.0.20"), "PDN001"),
    _of("a Service without endpoints", _none("10.96.0.30"), "PDN001"),
    _of("NodeLocal's address without NodeLocal DNSCache", _none("169.254.20.10"), "PDN001"),
    _of("the first does not exist", _none("10.96.0.99", DNS, searches=OURS), "PDN002"),
    _of("the second does not exist", _none(DNS, "10.96.0.99", searches=OURS)),
    _of("a server outside", _none(OUTSIDE), "PDN010"),
    _of("a server outside with the cluster's searches", _none(OUTSIDE, searches=OURS), "PDN003"),
    _of("a server outside first", _none(OUTSIDE, DNS, searches=OURS), "PDN004"),
    _of("a server outside second", _none(DNS, OUTSIDE, searches=OURS)),
    _of("a server outside in turn", _none(DNS, OUTSIDE, searches=OURS, options={"rotate": ""}), "PDN004"),
    _of("a server added, and asked in turn", _first(nameservers=[OUTSIDE], options=ROTATE), "PDN004"),
    _of("a server added, and asked last", _first(nameservers=[OUTSIDE])),
    _of("cluster DNS twice, in turn", _first(nameservers=[DNS], options=ROTATE)),
    _of("a resolver of the cluster's own", _none("10.96.0.31", searches=OURS)),
    _of("a resolver in the pod", _none("127.0.0.1", searches=OURS)),
    _of("a DNS server's pod", _none("10.0.1.5", searches=OURS)),
    _of("the address of a node's bridge", _none("10.0.0.1"), "PDN010"),
]


def _tells(value: str, name: str = "WEB_URL") -> dict[str, Any]:
    return {"containers": [{"name": "c", "env": [{"name": name, "value": value}]}]}


TOLD = [
    _of("on the host network, and it is told a Service", _host() | _tells("http://web.shop.svc"), "PDN003"),
    _of("on the host network, and it is told a Service of its namespace", _host() | _tells("http://web"), "PDN003"),
    _of("on the host network, and it is told of no Service there is", _host() | _tells("http://gone.shop.svc"), "PDN010"),
    _of("on the host network, and it is told a host outside", _host() | _tells("http://example.com"), "PDN010"),
    _of(
        "on the host network by its own policy, and it is told a Service", _host("ClusterFirstWithHostNet") | _tells("http://web")
    ),
    _of("a server outside, and it is told a Service", _none(OUTSIDE) | _tells("http://web.shop.svc"), "PDN003"),
    _of("the node's settings, and it is told a Service", {"dnsPolicy": "Default"} | _tells("web:80", "WEB_ADDR"), "PDN003"),
    _of("cluster DNS without searches, and it is told a short name", _none(DNS) | _tells("http://web"), "PDN005"),
    _of(
        "cluster DNS without searches, and it is told a full name",
        _none(DNS) | _tells("http://web.shop.svc.cluster.local"),
        "PDN011",
    ),
]
DEFAULTS = [
    _of("the node's settings", {"dnsPolicy": "Default"}, "PDN010"),
    _of("the node's settings, with the cluster's searches", {"dnsPolicy": "Default", "dnsConfig": {"searches": OURS}}, "PDN003"),
    _of("the node's settings, with cluster DNS", {"dnsPolicy": "Default", "dnsConfig": {"nameservers": [DNS]}}, "PDN004"),
    _of("on the host network", {"dnsPolicy": "ClusterFirst", "hostNetwork": True}, "PDN010"),
    _of("on the host network, by its own policy", {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}),
    _of(
        "on the host network, with the cluster's searches",
        {"dnsPolicy": "ClusterFirst", "hostNetwork": True, "dnsConfig": {"searches": OURS}},
        "PDN003",
    ),
    _of(
        "the node's settings, and it does not get ready",
        {"dnsPolicy": "Default"},
        "PDN003",
        ready=False,
        waiting="CrashLoopBackOff",
    ),
    _of("the node's settings, and it has just begun", {"dnsPolicy": "Default"}, "PDN010", ready=False, age=20),
    _of("the node's settings, and no image", {"dnsPolicy": "Default"}, "PDN010", ready=False, waiting="ImagePullBackOff"),
    _of(
        "on the host network, and it does not get ready", {"hostNetwork": True}, "PDN010", ready=False, waiting="CrashLoopBackOff"
    ),
    _of("it has ended", {"dnsPolicy": "Default"}, phase="Succeeded"),
    _of("it is ending", {"dnsPolicy": "Default"}, deletionTimestamp=ago(1)),
    Case("a component of the cluster", make_cluster(*CLUSTER, _client("x", "kube-system", spec={"dnsPolicy": "Default"}))),
    Case(
        "a DNS server",
        make_cluster(*CLUSTER, _client("resolver-2", spec={"dnsPolicy": "Default"}, labels={"app": "resolver"})),
    ),
    Case(
        "an agent on each node",
        make_cluster(
            *CLUSTER,
            _client(
                "agent-1",
                spec={"hostNetwork": True},
                ownerReferences=[{"kind": "DaemonSet", "name": "agent", "controller": True}],
            ),
        ),
    ),
    Case(
        "no DNS Service to be seen", make_cluster(*NODES, _client(spec={"dnsPolicy": "Default", "dnsConfig": {"searches": OURS}}))
    ),
]


def _crashes(name: str, *codes: str, code: int = 1, restarts: int = 3, ended: float = 20) -> Case:
    """A pod without a readiness probe that asks its node's nameservers, and ends by itself again and again."""
    _, pod = _client(spec={"dnsPolicy": "Default"}, age=50)
    assert isinstance(pod, Pod)
    last = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": ago(ended)}}
    state = {"name": "c", "ready": True, "restartCount": restarts, "lastState": last}
    status = msgspec.structs.replace(
        pod.status, container_statuses=convert(POD, {"status": {"containerStatuses": [state]}}).status.container_statuses
    )
    made = make_cluster(*CLUSTER, (POD, msgspec.structs.replace(pod, status=status)))
    return Case(name, made, frozenset((each, SUBJECT) for each in codes))


CRASHES = [
    _crashes("the node's settings, and it ends again and again", "PDN003"),
    _crashes("the node's settings, and it ended once", "PDN010", restarts=1),
    _crashes("the node's settings, and it ended long ago", "PDN010", ended=3000),
    _crashes("the node's settings, and it is killed", "PDN010", code=137),
    _crashes("the node's settings, and it ends well", "PDN010", code=0),
]
SEARCHES = [
    _of("no search domains", _none(DNS), "PDN011"),
    _of("no search domains, and it does not get ready", _none(DNS), "PDN005", ready=False, waiting="CrashLoopBackOff"),
    _of("search domains of another cluster", _none(DNS, searches=("shop.svc.other.local", "svc.other.local")), "PDN005"),
    _of("search domains with a typo", _none(DNS, searches=("shop.svc.cluster.locall", "cluster.local")), "PDN005"),
    _of("search domains of a namespace that is not there", _none(DNS, searches=("shopp.svc.cluster.local",)), "PDN005"),
    _of("search domains of another namespace", _none(DNS, searches=("pay.svc.cluster.local", "svc.cluster.local")), "PDN011"),
    _of(
        "search domains of a cluster that cluster DNS forwards to",
        _none(DNS, searches=("shop.svc.other.local",)),
        "PDN011",
        more=(make_corefile("cluster.local {\n kubernetes cluster.local\n}\nother.local {\n forward . 172.18.0.3\n}"),),
    ),
    _of("another cluster domain", _none(DNS, searches=("shop.svc.corp.",)), more=(make_corefile("corp {\n kubernetes corp\n}"),)),
    _of("ndots 0", _first(options=[{"name": "ndots", "value": "0"}]), "PDN011"),
    _of("ndots 1", _first(options=[{"name": "ndots", "value": "1"}])),
]
TWICE = [{"ip": "10.96.0.20", "hostnames": ["web"]}, {"ip": "10.96.0.99", "hostnames": ["Web"]}]
ALIASES = [
    _of("the Service's address", _alias("10.96.0.20", "web.shop.svc.cluster.local", "web")),
    _of("an endpoint's address", _alias("10.0.0.7", "web")),
    _of("nobody's ClusterIP", _alias("10.96.0.99", "web.shop.svc.cluster.local"), "PDN006"),
    _of("no pod's address, by the short name", _alias("10.0.1.99", "web"), "PDN006"),
    _of("an example's address, by name and namespace", _alias("203.0.113.9", "web.shop"), "PDN006"),
    _of("no pod's address, for a headless Service", _alias("10.0.0.99", "db.shop.svc"), "PDN006"),
    _of("no pod's address, for a pod's own name", _alias("10.0.0.99", "db-0.db.shop.svc.cluster.local"), "PDN006"),
    _of("a pod's own name and address", _alias("10.0.0.8", "db-0.db.shop.svc.cluster.local")),
    _of("another Service's address", _alias("10.96.0.31", "web"), "PDN007"),
    _of("another pod's address", _alias("10.0.0.8", "web.shop.svc"), "PDN007"),
    _of("an address outside, by the full name", _alias(OUTSIDE, "web.shop.svc.cluster.local"), "PDN007"),
    _of("an address outside, by a name that may be another", _alias(OUTSIDE, "web"), "PDN012"),
    _of("a proxy in the pod", _alias("127.0.0.1", "web.shop.svc.cluster.local"), "PDN012"),
    _of("a Service of another namespace", _alias("10.96.0.99", "kubernetes.default.svc"), "PDN006"),
    _of("a host outside", _alias(OUTSIDE, "db.example.com")),
    _of("a host outside that is nobody's", _alias("10.96.0.99", "legacy.example.com"), "PDN008"),
    _of("a name of no Service", _alias(OUTSIDE, "other.shop.svc.cluster.local", "a.b.c.web.shop.svc")),
    _of("a name that another line has first", {"hostAliases": TWICE}),
    _of(
        "an alias of a Service outside",
        _alias("10.96.0.99", "out"),
        more=(make_service("out", type="ExternalName", externalName="example.com", cluster_ip=""),),
    ),
    _of("no name at all", {"hostAliases": [{"ip": "10.96.0.20"}]}),
    _of("what is no address", _alias("nowhere", "web")),
    *(
        Case(f"leading zeros in {what}", make_cluster(*CLUSTER, _client(spec=spec)), frozenset(), state="unknown")
        for what, spec in (("hostAliases", _alias("010.96.0.99", "web")), ("nameservers", _first(nameservers=["010.96.0.99"])))
    ),
]


def _with_sets(name: str, now: dict[str, Any], sets: tuple[tuple[int, str, dict[str, Any]], ...], *codes: str) -> Case:
    """A Deployment whose pods have settings, and its ReplicaSets: of each the age in seconds, the revision, the settings."""
    owner = [{"kind": "Deployment", "name": "client", "controller": True}]
    made = [
        (
            REPLICA_SET,
            convert(
                REPLICA_SET,
                {
                    "metadata": {
                        "name": f"client-{key}",
                        "namespace": "shop",
                        "ownerReferences": owner,
                        "creationTimestamp": ago(age),
                        "annotations": {"deployment.kubernetes.io/revision": revision} if revision else {},
                    },
                    "spec": {"replicas": 0, "template": {"spec": spec}},
                },
            ),
        )
        for key, (age, revision, spec) in zip("abc", sets, strict=False)
    ]
    deployment = make_workload(DEPLOYMENT, "client", labels={"app": "client"})
    cluster = make_cluster(*CLUSTER, *made, deployment, _client(spec=now, ownerReferences=RS))
    return Case(name, cluster, frozenset((code, "Deployment shop/client") for code in codes))


def _rolled_out(name: str, before: dict[str, Any], now: dict[str, Any], *codes: str, minutes: int = 5) -> Case:
    """A Deployment whose settings were changed by a rollout."""
    return _with_sets(name, now, ((90000, "", before), (minutes * 60, "", now)), *codes)


def _rolled_back(name: str, *codes: str, minutes: int = 5) -> Case:
    """The ReplicaSet of the node's settings is a day old, and in use again since one with the cluster's was made."""
    now = {"dnsPolicy": "Default"}
    return _with_sets(name, now, ((190000, "8", {}), (90000, "11", now), (minutes * 60, "10", {})), *codes)


ROLLOUTS = [
    _rolled_back("the node's settings since a rollout to an earlier template", "PDN003"),
    _rolled_back("the node's settings since a rollout to an earlier template, perhaps long ago", "PDN010", minutes=1400),
    _rolled_out("the node's settings since a rollout", {"dnsPolicy": "ClusterFirst"}, {"dnsPolicy": "Default"}, "PDN003"),
    _rolled_out("on the host network since a rollout", {}, {"hostNetwork": True}, "PDN003"),
    _rolled_out("a server outside since a rollout", {}, _none(OUTSIDE), "PDN003"),
    _rolled_out("no search domains since a rollout", {}, _none(DNS), "PDN005"),
    _rolled_out("all but its namespace's search domain since a rollout", {}, _none(DNS, searches=OURS[1:]), "PDN005"),
    _rolled_out("all but its namespace's since yesterday", {}, _none(DNS, searches=OURS[1:]), "PDN011", minutes=1400),
    _rolled_out("the node's settings since yesterday", {}, {"dnsPolicy": "Default"}, "PDN010", minutes=1400),
    _rolled_out("the node's settings before and after a rollout", {"dnsPolicy": "Default"}, {"dnsPolicy": "Default"}, "PDN010"),
]


def _seen(name: str, server: str, *codes: str) -> Case:
    """What debug pods have for a nameserver is the cluster's own, whatever it is."""
    cluster = make_cluster(*CLUSTER, _client(spec=_none("172.20.0.10", searches=OURS)), vantages=("n1",))

    def answers(request: Request) -> ResolvConfReply:
        assert isinstance(request, ResolvConf)
        return ResolvConfReply((server,), OURS, ())

    return Case(name, cluster, frozenset((code, SUBJECT) for code in codes), measured(check, cluster, answers))


CACHE = make_workload(DAEMON_SET, "node-local-dns", "kube-system", labels={"k8s-app": "node-local-dns"})
SETTINGS = {"template": {"spec": _none("192.0.2.1", searches=OURS)}}
TEMPLATE = convert(DEPLOYMENT, {"metadata": {"name": "client", "namespace": "shop"}, "spec": SETTINGS})
UNREAD: dict[Kind[Any], Unavailable] = {NODE: Unavailable("forbidden"), ENDPOINT_SLICE: Unavailable("forbidden")}
SEEN = [
    _seen("a nameserver that debug pods have", "172.20.0.10"),
    _seen("a nameserver that debug pods do not have", DNS, "PDN003"),
    _of("NodeLocal DNSCache", _none("169.254.20.10", searches=OURS), more=(CACHE,)),
    Case(
        "manifests: a template",
        make_cluster(CLUSTER[5], (DEPLOYMENT, TEMPLATE), origin="manifests"),
        frozenset({("PDN003", "Deployment shop/client")}),
    ),
    Case(
        "Nodes and slices can't be read: what nobody has is not known",
        make_cluster(*CLUSTER, _client(spec=_alias("10.96.0.99", "web.shop.svc")), unavailable=UNREAD),
        frozenset({("PDN012", SUBJECT)}),
        state="unknown",
    ),
    Case("pods can't be read", make_cluster(unavailable={POD: Unavailable("forbidden")}), state="skipped"),
]
CASES = [*SERVERS, *TOLD, *DEFAULTS, *CRASHES, *SEARCHES, *ALIASES, *ROLLOUTS, *SEEN]
