# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS among the objects: its Service, workload, servers, Corefile and logs, and a cache on the nodes."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from kubectl_netdoc.cni.base import Image, repository
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Explains
from kubectl_netdoc.core.once import once
from kubectl_netdoc.formats.addresses import is_address
from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.cni import NETWORK_AGENT
from kubectl_netdoc.records.config_maps import CorefileMap
from kubectl_netdoc.records.kinds import COREFILE, DAEMON_SET, DEPLOYMENT, DNS_LOG, DNS_SELECTOR, SERVICE
from kubectl_netdoc.records.logs import DnsLog
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.records.workloads import Workload

PORT = 53
"""The port of DNS (RFC 1035)."""

SERVICES = frozenset({("kube-system", "kube-dns"), ("kube-system", "coredns"), ("openshift-dns", "dns-default")})
"""Namespaces and names of DNS Services."""

APP_LABELS = frozenset({"kube-dns", "coredns"})
"""Values of the label ``k8s-app`` on DNS Services and DNS pods."""

SELECTOR = DNS_SELECTOR
NODE_CACHE_SELECTOR = "k8s-app=node-local-dns"
"""Selectors of the DNS pods and of NodeLocal DNSCache on a cluster of kubeadm; ``command_selectors`` replaces them by what the
pods have on this cluster."""

PODS = "kubectl -n {dns_space} get pods -o wide -l {dns_pods}"
LOGS = "kubectl -n {dns_space} logs --tail=20 --prefix -l {dns_pods}"
TOP = "kubectl -n {dns_space} top pods -l {dns_pods}"
CONFIG = "kubectl -n {dns_space} get configmap {dns_config} -o yaml"
SERVICE_YAML = "kubectl -n {dns_space} get service {dns_service} -o yaml"
"""Command templates with the names of ``names``."""

POD_LOG = "kubectl -n {namespace} logs --tail=20 {name}"
DELETE_POD = "kubectl -n {namespace} delete pod {name}"
"""Command templates about the DNS pod that is a finding's subject."""

NODE_CACHE_PODS = f"kubectl -n kube-system get pods -o wide -l {NODE_CACHE_SELECTOR}"
RESTART_NODE_CACHE = f"kubectl -n kube-system delete pods -l {NODE_CACHE_SELECTOR} --field-selector spec.nodeName="
"""Commands about NodeLocal DNSCache; the second is followed by the node."""

DEFAULT_FORWARD = "forward . /etc/resolv.conf"
"""The line of kubeadm's Corefile by which names outside the cluster are resolved."""

LOOKUPS_FAIL = Explains(
    ("DNL001", "DNL002", "DNL003", "DNL004", "DNL005", "DNL006", "DNL007", "DNL008", "DNL009", "DNL011", "DSV001"), "cluster"
)
"""What is measured where cluster DNS has no server, or pods may not reach one."""

WRONG_NAMES = ("DNR001", "DNR002", "DNR003", "DNR004", "DNR005")
"""What is measured of servers that answer otherwise than the API has it, whatever makes them."""

NODE_CACHE = repository("k8s-dns-node-cache", "dns-node-cache", "node-cache")
"""Images of NodeLocal DNSCache: Kubernetes' add-on (dns/k8s-dns-node-cache) and RKE2's (hardened-dns-node-cache)."""

NODE_CACHES = {"node-local-dns": ("169.254.20.10",), "nodelocaldns": ("169.254.25.10",)}
"""DaemonSets of Kubernetes' add-on and of kubespray, and where each listens unless its flag says otherwise."""

API_SERVER_NAME = "kubernetes.default.svc"
"""The name of the API server's Service, in every pod's search list."""

DEFAULT_DOMAIN = "cluster.local"


@once
def service(cluster: Cluster) -> Service | None:
    """Return the Service of cluster DNS; None if there is none to be seen (GKE Cloud DNS, EKS Auto Mode).

    It is recognised by its name (kubeadm and most others, OpenShift) or by the label ``k8s-app``, which distributions keep for
    kubectl cluster-info (RKE2, k3s). It must have a ClusterIP and port 53.
    """
    found = [item for item in cluster.all(SERVICE) if _looks_like_dns(item)]
    return min(found, key=lambda item: ((item.namespace, item.name) not in SERVICES, item.name)) if found else None


def _looks_like_dns(item: Service) -> bool:
    named = (item.namespace, item.name) in SERVICES
    labelled = item.namespace == "kube-system" and item.metadata.labels.get("k8s-app") in APP_LABELS
    return (named or labelled) and not item.headless and any(port.port == PORT for port in item.spec.ports)


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


class NodeCache(Struct, frozen=True):
    """NodeLocal DNSCache on each node: the addresses on which it takes queries; none if they are not known."""

    addresses: tuple[str, ...] = ()


def node_cache(cluster: Cluster) -> NodeCache | None:
    """Return NodeLocal DNSCache if the cluster has it, whatever it is called; else None.

    It is recognised by its image or its flag ``-localip``. Without the flag, its addresses are those of its Corefile, or the
    usual ones of its name. If it is not on the host network (the CNI redirects queries to it), it has no address of its own.
    """
    settings = cluster.all(NETWORK_AGENT) if cluster.readable(NETWORK_AGENT) else ()
    flags = {(item.namespace, item.name): item.settings.get("localip", "") for item in settings}
    corefiles = cluster.all(COREFILE) if cluster.readable(COREFILE) else ()
    bound = tuple(address for item in corefiles if item.corefile.of_a_cache for address in item.corefile.bound)
    for item in cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ():
        flag, spec = flags.get((item.namespace, item.name), ""), item.template.spec
        if flag and not spec.host_network:
            return NodeCache()
        images = (Image.parse(container.image).repository for container in spec.containers)
        if flag or item.name in NODE_CACHES or any(map(NODE_CACHE.search, images)):
            written = tuple(text for text in flag.split(",") if is_address(text))
            return NodeCache(written or bound or NODE_CACHES.get(item.name, ()))
    return NodeCache(tuple(dict.fromkeys(bound))) if bound else None


def config(cluster: Cluster, dns: Service) -> CorefileMap | None:
    """Return the Corefile of the DNS servers; None if none is known."""
    return next((item for item in cluster.all(COREFILE) if item.namespace == dns.namespace and not of_node_cache(item)), None)


def of_node_cache(config: CorefileMap) -> bool:
    """Whether a Corefile is that of NodeLocal DNSCache, by its name or its content."""
    return config.name in NODE_CACHES or config.corefile.of_a_cache


def config_name(cluster: Cluster, dns: Service) -> str:
    """Return the name of the ConfigMap with the Corefile; kubeadm's if it can't be seen."""
    found = config(cluster, dns) if cluster.readable(COREFILE) else None
    return found.name if found else "coredns"


def names(cluster: Cluster) -> dict[str, object]:
    """Return the names of cluster DNS for commands; kubeadm's if its Service can't be seen.

    They are its namespace (``dns_space``), Service (``dns_service``), ConfigMap (``dns_config``), and the selector of its pods
    (``dns_pods``).
    """
    dns = service(cluster) if cluster.readable(SERVICE) else None
    if dns is None:
        return {"dns_space": "kube-system", "dns_service": "kube-dns", "dns_pods": SELECTOR, "dns_config": "coredns"}
    found: dict[str, object] = {"dns_space": dns.namespace, "dns_service": dns.name, "dns_config": config_name(cluster, dns)}
    return found | {"dns_pods": selector(dns) or SELECTOR}


def selector(dns: Service) -> str:
    """Return the selector of the DNS Service as kubectl writes it."""
    return ",".join(f"{key}={value}" for key, value in dns.spec.selector.items())


def not_found(cluster: Cluster) -> str:
    """Return why cluster DNS can't be judged if no Service of it is there."""
    return f"there is no DNS Service in {cluster.scope}: cluster DNS may run outside the cluster"


@once
def domain(cluster: Cluster) -> str:
    """Return the cluster domain: the first zone that the plugin ``kubernetes`` of a Corefile serves, else cluster.local."""
    if not cluster.readable(COREFILE):
        return DEFAULT_DOMAIN
    zones = [zone for item in cluster.all(COREFILE) for zone in item.corefile.cluster_zones]
    return zones[0] if zones else DEFAULT_DOMAIN


def endpoints(cluster: Cluster, dns: Service) -> list[tuple[str, Address, str]]:
    """Return the ready endpoints of the DNS Service: each pod's name (or address), its address for UDP queries, and its node."""
    return [
        (
            endpoint.target_ref.name if endpoint.target_ref else endpoint.addresses[0],
            Address(endpoint.addresses[0], port.port),
            endpoint.node_name,
        )
        for item in cluster.slices_of(dns)
        for endpoint in item.endpoints
        if endpoint.addresses and endpoint.conditions.ready
        for port in item.numbered
        if port.protocol == "UDP"
    ]


def pods(cluster: Cluster, dns: Service) -> list[Pod]:
    """Return the unfinished, undeleted pods behind the DNS Service."""
    return [pod for pod in cluster.pods_of(dns) if not pod.terminating]


def api_server_name(cluster: Cluster) -> str:
    """Return the full name of the Service ``kubernetes``, which every cluster has."""
    return f"{API_SERVER_NAME}.{domain(cluster)}."


def logs(cluster: Cluster) -> dict[str, DnsLog]:
    """Return the problems that the logs of the DNS pods name, by pod; none if the logs can't be read."""
    return {item.name: item for item in cluster.all(DNS_LOG)} if cluster.readable(DNS_LOG) else {}


def logged_problems(cluster: Cluster, causes: Iterable[str] = ()) -> list[str]:
    """Return the problems that the logs of the DNS pods name, each as "pod: problem".

    ``causes``: names of the causes that are wanted (``Cause.name``); without them all are.
    """
    wanted = frozenset(causes)
    return [
        f"{pod}: {cause}"
        for pod, log in sorted(logs(cluster).items())
        for cause in log.causes
        if not wanted or cause.name in wanted
    ]
