# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_metrics. The lines are those of CoreDNS 1.12.1 in the lab."""

from kubectl_netdoc.api import COREFILE, Grant, HttpGet, HttpReply, Lost, Outcome, Reply, Request, Unavailable
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import NOW, Case, make_cluster, make_corefile, make_service, make_slice, measured

DNS = {"k8s-app": "kube-dns"}
SERVICE = "Service kube-system/kube-dns"
THINGS = (
    make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], cluster_ip="10.96.0.10", labels=DNS),
    make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a", "10.0.0.2": "dns-b"}, port=53, protocol="UDP"),
)
FORBIDDEN = {COREFILE: Unavailable("forbidden", Grant("get", "configmaps"))}


def _cluster(forward: str = "/etc/resolv.conf") -> Cluster:
    corefile = make_corefile(f".:53 {{\n kubernetes cluster.local\n forward . {forward}\n}}\n")
    return make_cluster(*THINGS, corefile, vantages=("n1", "n2"))


EMPTY = make_cluster(THINGS[0], vantages=("n1",))
UNREAD = make_cluster(*THINGS, unavailable=FORBIDDEN, vantages=("n1", "n2"))


def _page(*to: str, panics: int = 0, old: bool = False) -> Reply:
    name = "coredns_forward_requests_total" if old else "coredns_proxy_request_duration_seconds_count"
    forwards = [f'{name}{{proxy_name="forward",rcode="NOERROR",to="{one}"}} 7' for one in to]
    return HttpReply(
        Outcome.OK,
        3.0,
        200,
        (
            'coredns_build_info{goversion="go1.26.8",revision="",version="1.12.1"} 1',
            'coredns_dns_responses_total{plugin="loadbalance",rcode="NOERROR",server="dns://:53",view="",zone="."} 830',
            'coredns_dns_responses_total{plugin="",rcode="SERVFAIL",server="dns://:53",view="",zone="."} 20',
            'coredns_cache_hits_total{server="dns://:53",type="success",view="",zones="."} 2',
            'coredns_cache_misses_total{server="dns://:53",view="",zones="."} 843',
            f"coredns_panics_total {panics}",
            f"process_start_time_seconds {NOW.timestamp() - 7200:e}",
            "coredns_forward_healthcheck_broken_total NaN",
            *forwards,
        ),
    )


def _unanswered(*to: str) -> Reply:
    """A page of a server whose upstreams have answered nothing."""
    tries = (f'coredns_proxy_conn_cache_misses_total{{proto="udp",proxy_name="forward",to="{one}"}} 5' for one in to)
    return HttpReply(Outcome.OK, 3.0, 200, ("coredns_panics_total 0", "coredns_forward_healthcheck_broken_total 2", *tries))


def _measure(reply: Reply, cluster: Cluster) -> Measured:
    def answer(request: Request) -> Reply:
        assert isinstance(request, HttpGet)
        return reply if request.to.ip == "10.0.0.1" else _page()

    return measured(registry.load().choose(["dns_metrics"])[0], cluster, answer)


def _case(name: str, reply: Reply, *codes: str, cluster: Cluster | None = None, numbers: bool = True, state: str = "") -> Case:
    """A case in which one of two servers replies so; ``codes``: DNM001 is about the Service, others about that pod."""
    cluster = cluster or _cluster()
    found = {(code, SERVICE if code == "DNM001" else "Pod kube-system/dns-a") for code in codes}
    found |= {("DNM010", f"Pod kube-system/{pod}") for pod in ("dns-a", "dns-b") if numbers or pod == "dns-b"}
    return Case(name, cluster, frozenset(found), _measure(reply, cluster), state)


SELF, POD, OUT = "10.96.0.10:53", "10.0.0.2:53", "192.0.2.53:53"
CASES = [
    _case("healthy", _page(OUT)),
    _case("nothing was forwarded yet", _page()),
    _case("forwards to the ClusterIP, by an unreadable Corefile", _page(SELF), "DNM001", cluster=UNREAD),
    _case("the same, reloaded into", _page(OUT, SELF), "DNM001", cluster=UNREAD),
    _case("forwards to a DNS pod", _page(POD), "DNM001", cluster=UNREAD),
    _case("an older CoreDNS", _page(SELF, old=True), "DNM001", cluster=UNREAD),
    _case("the Corefile says so too", _page(OUT, SELF), "DNM001", cluster=_cluster("10.96.0.10")),
    _case("the node's resolv.conf names the ClusterIP", _page(SELF), "DNM001"),
    _case("forwards to the ClusterIP, and nothing answers", _unanswered(SELF), "DNM001", cluster=UNREAD),
    _case("nothing answers", _unanswered(OUT)),
    _case("mended and reloaded since", _page(SELF, OUT)),
    _case("mended by an address, not asked since", _page(SELF), cluster=_cluster("192.0.2.53")),
    _case("panics", _page(OUT, panics=2), "DNM002"),
    _case("no metrics there", HttpReply(Outcome.REFUSED, 0.2), numbers=False),
    _case("metrics over TLS", HttpReply(Outcome.OK, 0.2, 400, ("coredns_panics_total 3",)), numbers=False),
    _case("an answer was cut", Lost("cut"), numbers=False, state="unknown"),
    Case("no server is ready", EMPTY, measured=_measure(Lost(""), EMPTY), state="skipped"),
    Case("not asked for", _cluster(), measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
    Case(
        "DNS is not in the cluster",
        make_cluster(make_service(), vantages=("n1",)),
        measured=_measure(Lost(""), make_cluster(vantages=("n1",))),
        state="skipped",
    ),
]
