# SPDX-License-Identifier: Apache-2.0
"""Do each node's rules for Services match the EndpointSlices?

## What it looks at
With `--privileged`: where the rules that kube-proxy keeps in each node's packet filter lead what comes for each Service's
addresses and node ports, in iptables mode (by way of nf_tables, or in the old tables) and in nftables mode, compared with the
EndpointSlices of each Service. What rules seem to lack is tried by a connection.

## Why it matters
A rule for a pod that no longer exists loses its share of the connections; an endpoint without a rule gets no connections, or
its Service does not work at all. From outside both look like an application that fails now and then, from some nodes.

## What it can't see
The table of ipvs mode, and what eBPF data planes do instead. Rules are a few seconds behind by design, and lists are read before
them: endpoints that changed in the minute before are left out, and so is what differs on most nodes in the same way, unless a
connection fails. Where a Service keeps its traffic in a zone, one endpoint is enough; where it keeps it on a node, only those of
that node are compared. Rules for external and load balancer addresses are not compared. Rules of a form that netdoc does not know
are unseen.

## Sources
Kubernetes: Virtual IPs and Service Proxies; docs/versions.md (how often kube-proxy writes all rules again);
kubernetes#71305, #109811, #112477 (two sets of iptables); failure catalogue K8 and K9.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    Check,
    Cluster,
    Facts,
    Finding,
    Needs,
    Request,
    ServiceRules,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.api import (
    HttpReply as HttpReply,
)
from kubectl_netdoc.api import (
    Lost as Lost,
)
from kubectl_netdoc.api import (
    Outcome as Outcome,
)
from kubectl_netdoc.api import (
    Reply as Reply,
)
from kubectl_netdoc.api import (
    ServiceRulesReply as ServiceRulesReply,
)
from kubectl_netdoc.checks.services.service_rules import endpoints, leftovers
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import service_rules


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask for each node's rules, and for the mode of its kube-proxy."""
    if cluster.tier.covers(Tier.PRIVILEGED):
        for node in cluster.hosts:
            yield ServiceRules(node)
            yield kube_proxy.mode_of(cluster, node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare each node's rules with the EndpointSlices, and the nodes with each other."""
    cluster = facts.cluster
    if network := kube_proxy.replaced_by(cluster):
        raise Skip(f"{network} replaces kube-proxy", not_applicable=True)
    if why := facts.why_tier_unmeasured(Tier.PRIVILEGED):
        raise Skip(f"{why}; it would compare each node's rules for Services with EndpointSlices", not_applicable=True)
    held, proxies = service_rules.read(facts), kube_proxy.pods(cluster)
    for node in cluster.hosts:
        if why := service_rules.unread(facts.reply(ServiceRules(node))):
            yield Unseen(f"rules of node {node}", why, expected=True)
        elif service_rules.mode(facts, node) == "ipvs":
            yield Unseen(f"rules of node {node}", "in ipvs mode they are in a table that netdoc does not read")
    yield from endpoints.analyse(facts, held, proxies)
    yield from leftovers.analyse(held, proxies)


def follow_up(facts: Facts) -> Iterator[Request]:
    """Connect to what some node's rules seem to lack."""
    if facts.cluster.tier.covers(Tier.PRIVILEGED) and not kube_proxy.replaced_by(facts.cluster):
        yield from endpoints.follow_up(service_rules.read(facts))


check = Check(
    id="service_rules",
    title="Each node's rules for Services match the EndpointSlices",
    prefix="SRL",
    needs=Needs(kinds=(NODE, POD, SERVICE, ENDPOINT_SLICE), hints=kube_proxy.HINTS, tier=Tier.PRIVILEGED),
    codes=(*endpoints.CODES, *leftovers.CODES),
    plan=plan,
    follow_up=follow_up,
    analyse=analyse,
)
