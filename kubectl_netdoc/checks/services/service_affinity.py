# SPDX-License-Identifier: Apache-2.0
"""Does a Service with session affinity keep its clients?

## What it looks at
Only where some Service has sessionAffinity ClientIP: connects from each debug pod to a Service of netdoc's own that asks
for it too. Every echo behind it proves itself by its nonce, so it shows whether one client meets one backend.

## Why it matters
Sessions that live in a backend's memory (log-ins, carts, uploads) are lost when the next connection goes to another one.

## What it can't see
The Services' own backends: nothing is sent to them. Affinity of a load balancer or an Ingress in front, and whether
a client's address survives on its way through those.

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
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import sync

CONNECTS = 8
"""Connects of each client: without affinity they meet only two backends with at most one switch between once in 16 times."""

SWITCHES = 2
"""Changes of the backend that tell: one comes while the new Service settles, when a backend is added or taken away."""

NOT_KEPT = Code(
    id="SVA001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Session affinity is not kept",
    message="From {nodes}, {connects} connects of one client to a Service with sessionAffinity ClientIP met {backends} backends; "
    "{services} rely on it",
    fix="What implements Services on {nodes} ignores sessionAffinity: look at its documentation, its log and kube-proxy's mode.",
    commands=(
        "kubectl -n kube-system logs --tail=20 -l k8s-app=kube-proxy --prefix",
        "kubectl -n kube-system get configmap kube-proxy -o yaml",
    ),
    rows=("K7",),
)


def sticky(cluster: Cluster, node: str) -> Echo:
    """Several connects to netdoc's own Service with affinity."""
    return Echo(node, OwnService(sticky=True), samples=CONNECTS, wait=sync(cluster))


def _wanting(cluster: Cluster) -> list[ObjectRef]:
    """Services that ask for affinity."""
    return [ObjectRef.to("Service", s) for s in cluster.services() if s.spec.session_affinity == "ClientIP"]


def plan(cluster: Cluster) -> Iterator[Echo]:
    """Ask from each vantage, where anybody relies on affinity and there are two backends to tell apart."""
    if _wanting(cluster):
        yield from (sticky(cluster, node) for node in cluster.vantages)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Count the backends that each client met."""
    services = _wanting(facts.cluster)
    if not services:
        raise Skip("no Service has sessionAffinity ClientIP", moot=True)
    if not facts.vantages:
        raise Skip(facts.why_not)
    nodes = [vantage.node for vantage in facts.vantages if vantage.running]
    if nodes and (why := policies.walled(facts)):
        yield Unseen("session affinity", f"netdoc's own pods reach nobody: {why}", asked=True)
        return
    met: dict[str, list[tuple[str, bool]]] = {}
    for node in nodes:
        reply = facts.reply(sticky(facts.cluster, node))
        if isinstance(reply, Lost):
            yield Unseen(f"session affinity from node {node}", reply.reason, asked=reply.asked)
        elif isinstance(reply, EchoReply):
            met[node] = [(sample.who, sample.itself) for sample in reply.samples if sample.who]
            if not met[node]:
                yield Unseen(f"session affinity from node {node}", "no backend of the Service answered", asked=True)
    loose = sorted(node for node, found in met.items() if sum(map(ne, found, found[1:])) >= SWITCHES)
    if loose:
        subject = Subject("Cluster", "session affinity") if len(loose) > 1 else Subject("Node", loose[0])
        most = max(len(set(met[node])) for node in loose)
        yield NOT_KEPT.on(subject, nodes=loose, connects=CONNECTS, backends=most, services=services[:5])


check = Check(
    id="service_affinity",
    title="Services with session affinity keep their clients",
    prefix="SVA",
    needs=Needs(kinds=(SERVICE,), hints=policies.KINDS, tier=Tier.PODS, makes=(Made.SERVICES,)),
    codes=(NOT_KEPT,),
    plan=plan,
    analyse=analyse,
)
