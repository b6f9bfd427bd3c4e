# SPDX-License-Identifier: Apache-2.0
"""What does not answer a node at all: the node-local cache, the DNS Service, a second IP family of it, a DNS pod, everything."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, NodePath, Risk, Severity, Subject, Vantage, ip_families
from kubectl_netdoc.checks.dns.dns_latency.measured import Judged, NodeLookups
from kubectl_netdoc.components import cluster_dns, kube_proxy

NO_PATH = Code(
    id="DNL001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The DNS Service does not answer, though its servers do",
    message="From {nodes}, lookups through the DNS Service at {server} fail ({happened}), while {answering} of {servers} DNS "
    "pods answer directly",
    fix="Look at kube-proxy, or at what replaces it, on {nodes}: the path to the Service is broken, the servers are not.",
    commands=(kube_proxy.PODS,),
    rows=("D9", "K8"),
    tells="failure",
)
NO_ANSWER = Code(
    id="DNL002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Cluster DNS does not answer",
    message="From {nodes}, cluster DNS answers no lookup: those through {server} fail ({happened}), and {answering} of "
    "{servers} DNS pods answer directly",
    fix="Look at the DNS pods first. If they are well, look at the path from {nodes} to their nodes.",
    commands=(cluster_dns.PODS, "kubectl netdoc check nodes_ready dns_config"),
    rows=("D4", "D9"),
    explains=(Explains(("DNL003",), "cluster"), Explains(("SVR005", "SVR013"), "path")),
    tells="failure",
)
DEAD_SERVER = Code(
    id="DNL003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A DNS server does not answer",
    message="DNS pod {namespace}/{name} answers no lookup from {nodes} ({happened}), while other servers do",
    fix="Read the log of that pod, and look at the path from {nodes} to its node. If the pod hangs, delete it: its workload "
    "creates a new one.",
    commands=(cluster_dns.POD_LOG, cluster_dns.DELETE_POD),
    rows=("D9",),
    explains=(Explains(("DNL005",), "cluster"),),
    tells="failure",
)
NO_CACHE = Code(
    id="DNL008",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The node-local DNS cache does not answer",
    message="On {nodes}, pods have the nameserver {server}, a node-local cache that does not answer ({happened}). The DNS "
    "Service at {service_ip} {service}, and {answering} of {servers} DNS pods answer directly",
    fix="Restart the node-local cache on {nodes}. Until it runs, pods there cannot resolve names.",
    commands=(cluster_dns.NODE_CACHE_PODS,),
    rows=("D9",),
)
WRONG_SERVER = Code(
    id="DNL012",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="New pods have a nameserver that does not answer",
    message="On {nodes}, new pods have the nameserver {server}, which does not answer ({happened}) and is not the DNS Service. "
    "The DNS Service at {service_ip} {service}",
    fix="Set clusterDNS in the kubelet's configuration on {nodes} to {service_ip} and restart the kubelet. Then recreate the "
    "pods that have the wrong nameserver.",
    commands=(
        "kubectl get --raw /api/v1/nodes/{first}/proxy/configz",
        "kubectl get pods -A -o wide --field-selector spec.nodeName={first}",
    ),
    rows=("D9",),
    explains=(Explains(("DSE003", "DTR001", "DTR002"), "node"),),
)
ONLY_CACHE = Code(
    id="DNL009",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Only the node-local DNS cache answers",
    message="From {nodes}, the node-local cache at {server} answers, but the DNS Service behind it at {service_ip} does not, "
    "while {answering} of {servers} DNS pods answer directly",
    fix="Look at kube-proxy, or at what replaces it, on {nodes}: the path to the Service is broken. Once the entries of the "
    "cache have expired, pods there cannot resolve names.",
    commands=(kube_proxy.PODS,),
    rows=("D9", "K8"),
    tells="failure",
)
NO_FAMILY = Code(
    id="DNL011",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The DNS Service does not answer over its second IP family",
    message="From {nodes}, the DNS Service answers over {family}, but lookups through its other address {other} fail "
    "({happened})",
    fix="See whether the DNS Service has endpoints of that IP family, then look at kube-proxy's rules for it.",
    commands=("kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o wide",),
    rows=("D9",),
    tells="failure",
)


def analyse(seen: NodeLookups, service: Subject, forbidden: str) -> Iterator[Judged]:
    """Report what does not answer; ``forbidden``: why policies may keep the node's debug pod from the DNS servers."""
    evidence, nameserver = seen.evidence(), Subject("Nameserver", seen.through.server)
    if not seen.through.times:
        if seen.cached and (seen.service.times or seen.answering):
            code = NO_CACHE if _may_be_cache(seen.through.server) else WRONG_SERVER
            yield code, nameserver, {**evidence, "paths": [], "first": seen.node}
        elif seen.answering:
            yield NO_PATH, service, evidence
        else:
            yield NO_ANSWER, service, evidence
    elif seen.cached and seen.service.sent and not seen.service.times and seen.answering and not forbidden:
        yield ONLY_CACHE, service, evidence
    for server, tally in seen.direct.items():
        if not tally.times and (seen.answering or seen.through.times):
            yield DEAD_SERVER, server.subject, {**tally.evidence(), "paths": [NodePath(seen.node, server.node)]}


def _may_be_cache(address: str) -> bool:
    """Whether an address may be a node-local cache's: link-local (NodeLocal DNSCache, AKS), or any of IPv6, which has no rule."""
    return ip_families.of(address) == ip_families.IPV6 or ip_families.link_local(address)


def second_family(seen: NodeLookups, service: Subject, vantage: Vantage) -> Iterator[Judged]:
    """Report further addresses of the DNS Service that do not answer, of IP families that the debug pod has."""
    own = {ip_families.of(ip) for ip in (vantage.ip, *vantage.more_ips) if ip}
    for ip in seen.ips[1:]:
        tally = seen.services[ip]
        if ip_families.of(ip) in own and tally.sent and not tally.times and seen.service.times:
            yield NO_FAMILY, service, {**tally.evidence(), "family": ip_families.of(seen.ips[0]), "other": ip}


CODES = (NO_PATH, NO_ANSWER, DEAD_SERVER, NO_CACHE, WRONG_SERVER, ONLY_CACHE, NO_FAMILY)
