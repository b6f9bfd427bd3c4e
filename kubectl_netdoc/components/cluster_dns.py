# SPDX-License-Identifier: Apache-2.0
"""Finds the cluster's DNS among the objects, says how it is asked, and sums up its answers, for the checks that look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from kubectl_netdoc.cni.base import Image, repository
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Subject
from kubectl_netdoc.formats.addresses import is_address
from kubectl_netdoc.measurements.base import Address, Outcome, ResolvConfNameserver
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.measurements.statistics import percentile
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.cni import NETWORK_AGENT
from kubectl_netdoc.records.config_maps import CorefileMap
from kubectl_netdoc.records.kinds import COREFILE, DAEMON_SET, DEPLOYMENT, DNS_LOG, ENDPOINT_SLICE, SERVICE
from kubectl_netdoc.records.logs import DnsLog
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.records.workloads import Workload

KNOWN = frozenset({("kube-system", "kube-dns"), ("kube-system", "coredns"), ("openshift-dns", "dns-default")})
LABELS = frozenset({"kube-dns", "coredns"})
NODE_CACHE = repository("k8s-dns-node-cache", "dns-node-cache", "node-cache")
"""Images of NodeLocal DNSCache: Kubernetes' add-on (dns/k8s-dns-node-cache) and RKE2's (hardened-dns-node-cache)."""

NODE_CACHES = {"node-local-dns": ("169.254.20.10",), "nodelocaldns": ("169.254.25.10",)}
"""DaemonSets of Kubernetes' add-on and of kubespray, and where each listens unless its flag says otherwise."""

DEFAULT_DOMAIN = "cluster.local"
PATIENCE = 7.0
"""Seconds for an answer from outside: the plugin forward tries for 5 s, and its last try may take 2 s more."""

SAMPLES = 10
"""Lookups a server and record type, fewer where two are lost: enough for a p95 that one slow answer does not make."""

MOST_SERVERS = 8
"""DNS pods asked directly from each node at most."""

SLOW_MS = 250.0
"""Answers above this are slow: half-way in the field's alert rules for CoreDNS (0.05 to 1 s; coredns-mixin's 4 s is critical)."""

THROTTLED = 0.05
"""Seconds that the CPU limit may hold a debug pod back before its times say nothing about the network."""

WITNESSES = 3
"""Nodes that watch each server for a while: its own where it carries a debug pod, and two more to tell the path from it."""

TRICKLE, TRICKLE_EVERY = 15, 0.1
"""Lookups in a trickle and seconds between two: a server that stands still for half a second is met, with 10 queries a second."""


class Server(Struct, frozen=True):
    """A DNS pod: which, where it takes UDP queries, and its node."""

    subject: Subject
    address: Address
    node: str


class Tally:
    """The samples of some replies to lookups, summed up; other replies count nothing."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.replies = [reply for reply in replies if isinstance(reply, DnsReply)]
        self.samples = [sample for reply in self.replies for sample in reply.samples]
        self.server = self.replies[0].server if self.replies else ""
        self.sent = len(self.samples)
        self.times = [sample.ms for sample in self.samples if sample.outcome is Outcome.OK]
        self.lost = self.sent - len(self.times)
        self.slow = sum(ms > SLOW_MS for ms in self.times)
        self.outcomes = Counter(str(sample.outcome) for sample in self.samples)
        self.rcodes = Counter(sample.rcode for sample in self.samples if sample.rcode)

    def counted(self) -> list[str]:
        """How often what came of it, in words."""
        return [f"{count} {word}" for word, count in sorted(self.outcomes.items())]

    def evidence(self) -> dict[str, object]:
        """The numbers of a finding."""
        times = {key: round(percentile(self.times, p), 1) for key, p in (("p50_ms", 50), ("p95_ms", 95), ("max_ms", 100))}
        return {"server": self.server, "sent": self.sent, "lost": self.lost, "outcomes": self.counted(), **times}

    def __str__(self) -> str:
        """Its latency in words."""
        if not self.times:
            return "no answer"
        return "p50 {:.1f}, p95 {:.1f}, max {:.1f} ms".format(*(percentile(self.times, p) for p in (50, 95, 100)))


def service(cluster: Cluster) -> Service | None:
    """Return the Service that carries cluster DNS, or None where none can be seen (GKE Cloud DNS, EKS Auto Mode).

    By name (kubeadm and most others; OpenShift) or by the label ``k8s-app`` that distributions keep for kubectl
    cluster-info (RKE2, k3s); it must have a ClusterIP and port 53.
    """
    found = [item for item in cluster.all(SERVICE) if _looks_like_dns(item)]
    return min(found, key=lambda item: ((item.namespace, item.name) not in KNOWN, item.name)) if found else None


def _looks_like_dns(item: Service) -> bool:
    named = (item.namespace, item.name) in KNOWN
    labelled = item.namespace == "kube-system" and item.metadata.labels.get("k8s-app") in LABELS
    return (named or labelled) and not item.headless and any(port.port == 53 for port in item.spec.ports)


def workload(cluster: Cluster, dns: Service) -> tuple[Kind[Workload], Workload] | None:
    """Return the Deployment or DaemonSet whose pods the DNS Service selects."""
    return next(
        (
            (kind, item)
            for kind, item in cluster.workloads_in(dns.namespace, (DEPLOYMENT, DAEMON_SET))
            if dns.spec.selector and dns.spec.selector.items() <= item.spec.template.metadata.labels.items()
        ),
        None,
    )


class Cache(Struct, frozen=True):
    """NodeLocal DNSCache on each node: the addresses that it takes queries on; none where they can't be told."""

    addresses: tuple[str, ...] = ()


def node_cache(cluster: Cluster) -> Cache | None:
    """Return NodeLocal DNSCache, whatever it is called: a DaemonSet of node-cache, by its image or its flag ``-localip``.

    Without the flag its Corefile tells where it listens, else its name. Where it is not on the host network (a redirect of the
    CNI leads to it) no address is its own.
    """
    settings = cluster.all(NETWORK_AGENT) if cluster.readable(NETWORK_AGENT) else ()
    flags = {(item.namespace, item.name): item.settings.get("localip", "") for item in settings}
    corefiles = cluster.all(COREFILE) if cluster.readable(COREFILE) else ()
    bound = tuple(address for item in corefiles if item.corefile.of_a_cache for address in item.corefile.bound)
    for item in cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ():
        flag, spec = flags.get((item.namespace, item.name), ""), item.template.spec
        if flag and not spec.host_network:
            return Cache()
        images = (Image.parse(container.image).repository for container in spec.containers)
        if flag or item.name in NODE_CACHES or any(map(NODE_CACHE.search, images)):
            written = tuple(text for text in flag.split(",") if is_address(text))
            return Cache(written or bound or NODE_CACHES.get(item.name, ()))
    return Cache(tuple(dict.fromkeys(bound))) if bound else None


def config(cluster: Cluster, dns: Service) -> CorefileMap | None:
    """Return the Corefile of the DNS servers, or None where it has none that is known."""
    return next((item for item in cluster.all(COREFILE) if item.namespace == dns.namespace and not of_a_cache(item)), None)


def of_a_cache(config: CorefileMap) -> bool:
    """Whether a Corefile is that of NodeLocal DNSCache, by its name or by what it says."""
    return config.name in NODE_CACHES or config.corefile.of_a_cache


def config_name(cluster: Cluster, dns: Service) -> str:
    """Return the name of the ConfigMap that has the Corefile, where it can be seen; else kubeadm's."""
    found = config(cluster, dns) if cluster.readable(COREFILE) else None
    return found.name if found else "coredns"


def where(cluster: Cluster) -> dict[str, object]:
    """Return where cluster DNS is, for commands: namespace, Service, selector, ConfigMap; where it is not seen, kubeadm's."""
    dns = service(cluster) if cluster.readable(SERVICE) else None
    if dns is None:
        return {"dns_space": "kube-system", "dns_service": "kube-dns", "dns_pods": "k8s-app=kube-dns", "dns_config": "coredns"}
    selector = ",".join(f"{key}={value}" for key, value in dns.spec.selector.items())
    names: dict[str, object] = {"dns_space": dns.namespace, "dns_service": dns.name, "dns_config": config_name(cluster, dns)}
    return names | {"dns_pods": selector or "k8s-app=kube-dns"}


def domain(cluster: Cluster) -> str:
    """Return the cluster domain: the first zone of the Corefile's ``kubernetes`` plugin (of its block, where it names none), else
    cluster.local.
    """
    if not cluster.readable(COREFILE):
        return DEFAULT_DOMAIN
    zones = [zone for item in cluster.all(COREFILE) for zone in item.corefile.cluster_zones]
    return zones[0] if zones else DEFAULT_DOMAIN


def endpoints(cluster: Cluster, dns: Service) -> list[tuple[str, Address, str]]:
    """Return the ready DNS servers behind the Service: pod name (or address), where it takes UDP queries, and its node."""
    return [
        (
            endpoint.target_ref.name if endpoint.target_ref else endpoint.addresses[0],
            Address(endpoint.addresses[0], port.port),
            endpoint.node_name,
        )
        for item in cluster.slices_of(dns)
        for endpoint in item.endpoints
        if endpoint.addresses and endpoint.conditions.ready
        for port in item.ports
        if port.protocol == "UDP"
    ]


def pods(cluster: Cluster, dns: Service) -> list[Pod]:
    """Return the unfinished, undeleted pods behind the DNS Service."""
    return [pod for pod in cluster.pods_of(dns) if not pod.terminating]


def api_server_name(cluster: Cluster) -> str:
    """Return the name that every cluster has, in full."""
    return f"kubernetes.default.svc.{domain(cluster)}."


def lookup(cluster: Cluster, node: str, rtype: str = "A", server: Address | None = None) -> DnsLookup:
    """Return the lookup of that name, of whom pods ask or of one server; checks share it, so that it is measured once."""
    return DnsLookup(node, server or ResolvConfNameserver(), api_server_name(cluster), rtype, SAMPLES)


def outside(node: str, name: str, rtype: str = "A", samples: int = 5, server: Address | None = None) -> DnsLookup:
    """Return the lookup of a name outside the cluster; checks share it, as whoever asks again is answered from the cache."""
    return DnsLookup(
        node, server or ResolvConfNameserver(), name.rstrip(".") + ".", rtype, samples, timeout=PATIENCE, interval=0.2
    )


def servers(cluster: Cluster) -> list[Server]:
    """Return the ready DNS pods, ``MOST_SERVERS`` at most."""
    dns = service(cluster)
    if dns is None or not cluster.readable(ENDPOINT_SLICE):
        return []
    found = endpoints(cluster, dns)[:MOST_SERVERS]
    return [Server(Subject("Pod", name, dns.namespace), address, node) for name, address, node in found]


def witnesses(cluster: Cluster, server: Server) -> tuple[str, ...]:
    """Return the nodes that watch a server, its own first where it carries a debug pod."""
    nodes = cluster.vantages
    start = nodes.index(server.node) if server.node in nodes else 0
    return tuple(nodes[(start + step) % len(nodes)] for step in range(min(WITNESSES, len(nodes))))


def trickle(cluster: Cluster, node: str, server: Server) -> DnsLookup:
    """Return the lookups that watch one server for 1.4 s, without waiting for answers; checks share them."""
    name = api_server_name(cluster)
    return DnsLookup(node, server.address, name, samples=TRICKLE, interval=TRICKLE_EVERY)


def logs(cluster: Cluster) -> dict[str, DnsLog]:
    """Return what the DNS pods' logs complain of, by pod; nothing where they can't be read."""
    return {item.name: item for item in cluster.all(DNS_LOG)} if cluster.readable(DNS_LOG) else {}


def logged(cluster: Cluster, names: Iterable[str] = ()) -> list[str]:
    """Return the complaints in all DNS pods' logs, in words, a pod each; of these ``names`` where some are given."""
    wanted = frozenset(names)
    return [
        f"{pod}: {cause}"
        for pod, log in sorted(logs(cluster).items())
        for cause in log.causes
        if not wanted or cause.name in wanted
    ]
