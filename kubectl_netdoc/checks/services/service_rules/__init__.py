# SPDX-License-Identifier: Apache-2.0
"""Do each node's rules for Services match the EndpointSlices?

## What it looks at
With `--privileged`: the endpoints in the rules that kube-proxy keeps in each node's packet filter, in iptables mode (by way of
nf_tables, or in the old tables) and in nftables mode, compared with the EndpointSlices of all Services that have an address.

## Why it matters
A rule for a pod that no longer exists loses its share of the connections; an endpoint without a rule gets no connections, or
its Service does not work at all. From outside both look like an application that fails now and then, from some nodes.

## What it can't see
The table of ipvs mode, and what eBPF data planes do instead. Rules are a few seconds behind by design, and lists are read before
them: endpoints that changed in the minute before are left out, and so is what differs on most nodes in the same way. Where a
Service keeps its traffic on a node or in a zone, only what must be there is compared. Which Service a rule belongs to is not
read, so an endpoint of two Services counts as present when one of them has it.

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
    Lost,
    Needs,
    Outcome,
    Reply,
    Request,
    ServiceRules,
    ServiceRulesReply,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.services.service_rules import endpoints, leftovers
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes.service_rules import ExpectedRules, NodeRules


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
    proxies, expected = kube_proxy.pods(cluster), ExpectedRules(cluster)
    embedded = {node.name for node in cluster.all(NODE) if kube_proxy.embedded(node)}
    held: list[NodeRules] = []
    for node in cluster.hosts:
        reply = facts.reply(ServiceRules(node))
        if not isinstance(reply, ServiceRulesReply) or reply.outcome is not Outcome.OK or reply.cut:
            yield Unseen(f"rules of node {node}", _unread(reply), expected=True)
        elif (rules := NodeRules(facts, expected, node, reply)).mode == "ipvs":
            yield Unseen(f"rules of node {node}", "in ipvs mode they are in a table that netdoc does not read")
        elif any(map(kube_proxy.is_running, proxies.get(node, ()))) or node in embedded or any(rules.sets.values()):
            held.append(rules)
    yield from endpoints.analyse(held, proxies)
    yield from leftovers.analyse(held, proxies)


def _unread(reply: Reply) -> str:
    """Why a node's rules were not read."""
    if isinstance(reply, Lost):
        return reply.reason
    return "there are more rules than netdoc reads" if getattr(reply, "cut", 0) else "the kernel refused"


check = Check(
    id="service_rules",
    title="Each node's rules for Services match the EndpointSlices",
    prefix="SRL",
    needs=Needs(kinds=(NODE, POD, SERVICE, ENDPOINT_SLICE), hints=kube_proxy.HINTS, tier=Tier.PRIVILEGED),
    codes=(*endpoints.CODES, *leftovers.CODES),
    plan=plan,
    analyse=analyse,
)
