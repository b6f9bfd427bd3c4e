# SPDX-License-Identifier: Apache-2.0
"""Does session affinity keep a client at one backend of a Service?

## What it looks at
Only where some Service has sessionAffinity ClientIP: connections from each debug pod to a Service of netdoc's own that has it
too. Every pod behind that Service proves who it is, so the replies show whether one client reaches one backend.

## Why it matters
Sessions that a backend keeps in memory (log-ins, carts, uploads) are lost when the next connection goes to another backend.

## What it can't see
The Services' own backends: nothing is sent to them. Session affinity of a load balancer or an Ingress in front, and whether the
client's address gets through those.

## Sources
Kubernetes: Virtual IPs and Service Proxies, "Session affinity"; failure catalogue K7.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import ne

from kubectl_netdoc.api import (
    SERVICE,
    Check,
    Cluster,
    Code,
    Echo,
    EchoReply,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    ObjectRef,
    OwnService,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import sync

CONNECTS = 8
"""Connections of each client: without affinity they change the backend less than twice only once in 16 times."""

SWITCHES = 2
"""Changes of the backend that count as a fault: one may come while backends are added to the new Service."""

NOT_KEPT = Code(
    id="SVA001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Session affinity does not work",
    message="On {nodes}, {connects} connections of one client to netdoc's own Service with sessionAffinity ClientIP reached "
    "{backends} backends in place of one. These Services rely on it: {services}",
    fix="Find out why Services on {nodes} ignore sessionAffinity: look at kube-proxy's log and mode, or at the "
    "documentation of what replaces it.",
    commands=(kube_proxy.LOGS, kube_proxy.CONFIG),
    rows=("K7",),
    tells="failure",
)


def sticky(cluster: Cluster, node: str) -> Echo:
    """Return the request for several connections to netdoc's own Service with affinity."""
    return Echo(node, OwnService(sticky=True), samples=CONNECTS, wait=sync(cluster))


def _with_affinity(cluster: Cluster) -> list[ObjectRef]:
    """Services that have session affinity."""
    return [ObjectRef.to("Service", s) for s in cluster.services() if s.spec.session_affinity == "ClientIP"]


def plan(cluster: Cluster) -> Iterator[Echo]:
    """Ask from each vantage, where some Service has session affinity."""
    if _with_affinity(cluster):
        yield from (sticky(cluster, node) for node in cluster.vantages)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Count the backends that each client reached."""
    services = _with_affinity(facts.cluster)
    if not services:
        raise Skip("no Service has sessionAffinity ClientIP", not_applicable=True)
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    nodes = facts.heard
    if nodes and (why := policies.why_isolated(facts)):
        yield Unseen("session affinity", why, expected=True)
        return
    reached: dict[str, list[tuple[str, bool]]] = {}
    for node in nodes:
        reply = facts.reply(sticky(facts.cluster, node))
        if isinstance(reply, Lost):
            yield Unseen(f"session affinity from node {node}", reply.reason, expected=reply.sent)
        elif isinstance(reply, EchoReply):
            reached[node] = [(sample.who, sample.itself) for sample in reply.samples if sample.who]
            if not reached[node]:
                yield Unseen(f"session affinity from node {node}", "no backend of netdoc's own Service answered", expected=True)
    failing = sorted(node for node, found in reached.items() if sum(map(ne, found, found[1:])) >= SWITCHES)
    if failing:
        subject = Subject("Cluster", "session affinity") if len(failing) > 1 else Subject("Node", failing[0])
        most = max(len(set(reached[node])) for node in failing)
        yield NOT_KEPT.on(subject, nodes=failing, connects=CONNECTS, backends=most, services=services[:5])


check = Check(
    id="service_affinity",
    title="Session affinity keeps a client at one backend",
    prefix="SVA",
    needs=Needs(kinds=(SERVICE,), hints=policies.KINDS, tier=Tier.PODS, makes=(Made.SERVICES,)),
    codes=(NOT_KEPT,),
    plan=plan,
    analyse=analyse,
)
