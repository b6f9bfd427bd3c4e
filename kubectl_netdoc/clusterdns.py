"""Finds the cluster's DNS among the objects, for the checks that look at it."""

from __future__ import annotations

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.records import COREFILE, DAEMON_SET, DEPLOYMENT, SERVICE, CorefileMap, Kind, Pod, Service, Workload
from kubectl_netdoc.requests import Address, DnsLookup, ResolvConfNameserver

KNOWN = frozenset({("kube-system", "kube-dns"), ("kube-system", "coredns"), ("openshift-dns", "dns-default")})
LABELS = frozenset({"kube-dns", "coredns"})
DEFAULT_DOMAIN = "cluster.local"
SAMPLES = 10
"""Lookups a server and record type, fewer where two are lost: enough for a p95 that one slow answer does not make."""


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


def config(cluster: Cluster, dns: Service) -> CorefileMap | None:
    """Return the Corefile of the DNS servers, or None where it has none that is known."""
    return next((item for item in cluster.all(COREFILE) if item.namespace == dns.namespace), None)


def domain(cluster: Cluster) -> str:
    """Return the cluster domain: the first zone of the Corefile's ``kubernetes`` plugin, else cluster.local."""
    if not cluster.readable(COREFILE):
        return DEFAULT_DOMAIN
    zones = [
        zone.rstrip(".")
        for item in cluster.all(COREFILE)
        for plugin in item.corefile.plugins("kubernetes")
        for zone in plugin.arguments
        if not zone.endswith(".arpa") and zone != "." and "/" not in zone
    ]
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
