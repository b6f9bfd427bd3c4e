# SPDX-License-Identifier: Apache-2.0
"""Search domains and ndots of workloads that ask cluster DNS by settings of their own."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import COREFILE, NAMESPACE, Cluster, Code, Finding, Risk, Severity, joined, zone_and_port
from kubectl_netdoc.checks.dns.pod_dns import workloads
from kubectl_netdoc.checks.dns.pod_dns.servers import LOOK, Known, Nameservers, finding
from kubectl_netdoc.checks.dns.pod_dns.workloads import within
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.policy.current_workloads import FIRST, OWN, CurrentWorkload

NOT_SEARCHED = Code(
    id="PDN005",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload's search domains are not the cluster's",
    message="The pods of {kind} {namespace}/{name} ask cluster DNS with {searches} (dnsPolicy None), and not with "
    "{namespace}.svc.{domain}: short names such as {example} do not resolve. {why}",
    fix="Let the pods have dnsPolicy {wanted}, which gives them the cluster's search domains; or write {namespace}.svc.{domain}, "
    "svc.{domain} and {domain} into searches of the pods' dnsConfig.{how}",
    commands=(LOOK,),
)
SHORT_NAMES = Code(
    id="PDN011",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Short names of Services may not resolve in a workload",
    message="The pods of {kind} {namespace}/{name} have {setting}: {effect}",
    fix="There is nothing to do if the workload uses full names ({example}.{namespace}.svc.{domain}). Otherwise let the pods "
    "have dnsPolicy {wanted} with the cluster's search domains, and ndots 5.",
    commands=(LOOK,),
)


def analyse(cluster: Cluster, servers: Nameservers, resolver: CurrentWorkload) -> Iterator[Finding]:
    """Judge the search domains and ndots of a workload that asks cluster DNS first."""
    spec, domain = resolver.spec, cluster_dns.domain(cluster)
    own = resolver.policy == OWN and [servers.known(ip) for ip in spec.dns_config.nameservers[:1]] == [Known.OURS]
    if own and f"{resolver.subject.namespace}.svc.{domain}" not in [text.rstrip(".") for text in spec.dns_config.searches]:
        shown = f"the search domains {joined(spec.dns_config.searches)}" if spec.dns_config.searches else "no search domain"
        example = _example(cluster, resolver)
        if why := _meant(cluster, resolver, domain):
            yield finding(NOT_SEARCHED, servers, resolver, domain=domain, example=example, searches=shown, why=why)
        else:
            effect = f"names without a dot, such as {example}, do not resolve"
            yield finding(SHORT_NAMES, servers, resolver, domain=domain, example=example, setting=shown, effect=effect)
    dots = next((option.value for option in spec.dns_config.options if option.name == "ndots"), "")
    if (own or resolver.policy == FIRST) and dots.isdecimal() and int(dots) < 1:
        effect = "resolvers ask for each name as it is first, and musl's does not ask for it in the search domains at all"
        example = _example(cluster, resolver)
        yield finding(SHORT_NAMES, servers, resolver, domain=domain, example=example, setting=f"ndots {dots}", effect=effect)


def _meant(cluster: Cluster, resolver: CurrentWorkload, domain: str) -> str:
    """Return what shows that a workload means to use short names, as a sentence; "" if nothing does."""
    searches = [text.rstrip(".").lower() for text in resolver.spec.dns_config.searches]
    for text in searches:
        space, _, rest = f".{text}".rpartition(".svc.")
        if rest and not within(rest, domain) and not _forwarded(cluster, rest):
            return f"{text} is of the domain {rest}; this cluster's is {domain}."
        unknown = space and rest == domain and cluster.readable(NAMESPACE)
        if unknown and not any(item.name == space.lstrip(".") for item in cluster.all(NAMESPACE)):
            return f"There is no namespace {space.lstrip('.')}."
    found = workloads.named(cluster, resolver, short=True) or workloads.trouble(cluster, resolver)
    return f"It seems that the workload needs them: {found}." if found else ""


def _forwarded(cluster: Cluster, domain: str) -> bool:
    """Whether cluster DNS serves another cluster's domain, or asks other servers for it; it may, where that can't be read."""
    if not cluster.readable(COREFILE):
        return cluster.unreadable(COREFILE)
    blocks = [block for item in cluster.all(COREFILE) for block in item.corefile.servers]
    return any(zone_and_port(zone)[0].rstrip(".") == domain for block in blocks for zone in block.zones)


def _example(cluster: Cluster, resolver: CurrentWorkload) -> str:
    """The name of a Service of the workload's namespace."""
    return next((item.name for item in cluster.services() if item.namespace == resolver.subject.namespace), "a Service's")


CODES = (NOT_SEARCHED, SHORT_NAMES)
