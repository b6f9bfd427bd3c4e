# SPDX-License-Identifier: Apache-2.0
"""Do node ports answer on every node?

## What it looks at
TCP connections from each debug pod to the node ports of Services with ready endpoints, on the InternalIP of every ready node (at
most 6 ports; on up to 8 nodes, otherwise on the nodes that follow on a ring). A node is compared with the others, and only from
debug pods on other nodes: a pod's traffic to its own node never leaves it. One connection reaches one endpoint, so no node is
judged by a Service that has an endpoint which does not answer directly. For load balancers with externalTrafficPolicy Local,
the health check port of every node is read and compared with the EndpointSlices.

## Why it matters
Load balancers and clients outside connect to any node. One node that does not answer loses its share of all connections; a health
check that passes without a backend loses connections too, and one that fails takes good nodes out.

## What it can't see
Traffic from outside: firewalls there, the load balancer's own view. UDP. That no node answers is often meant (firewalls between
nodes, --nodeport-addresses), and so is a control plane that does not answer: both are advice. Services whose pods a policy
selects, as it depends on the CNI which source address the policy sees behind a node port.

## Sources
Kubernetes: Service (type NodePort), Virtual IPs and Service Proxies (traffic policies), healthCheckNodePort; failure catalogue
K5, K8; kubernetes#93456.
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
    Outcome,
    Request,
    Skip,
    Tier,
    Unseen,
    joined,
)
from kubectl_netdoc.api import (
    Made as Made,
)
from kubectl_netdoc.checks.services.node_ports import health_checks, unanswered
from kubectl_netdoc.checks.services.node_ports.measured import MeasuredNodePort, NodePort, all_ports, ports
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import proofs

SHOWN = 3
"""Policies that a remark names at most."""


def plan(cluster: Cluster) -> Iterator[Request]:
    """Connect to each node port from each vantage, and beside it to the ClusterIP and directly to pods of the nodes."""
    if not cluster.readable(ENDPOINT_SLICE):
        return
    measured = ports(cluster)
    for node in cluster.vantages:
        for port in measured:
            yield from port.target.through(node)
            yield from (port.connect(node, to) for to in port.tried(node))
            yield from (connect for _, connect in port.target.direct(node))
        yield from proofs(cluster, node) if measured else ()
    for _, _, requests in health_checks.requests(cluster):
        yield from requests


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare the nodes with each other, then the health checks with the slices."""
    cluster = facts.cluster
    if not cluster.readable(ENDPOINT_SLICE):
        return
    measured, asked = ports(cluster), list(health_checks.requests(cluster))
    if not measured and not asked:
        raise Skip("no Service with ready endpoints has a node port", not_applicable=True)
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    nodes = facts.heard
    if nodes and (why := policies.why_isolated(facts)):
        yield Unseen("node ports", why, expected=True)
        return
    if (every := len(all_ports(cluster))) > len(measured):
        yield Unseen("node ports", f"{len(measured)} of {every} were measured, as a sample (--service and -n choose)")
    yield from _ports(facts, measured, nodes)
    yield from health_checks.analyse(facts, asked)


def _ports(facts: Facts, measured: list[NodePort], nodes: list[str]) -> Iterator[Finding | Unseen]:
    """Judge the node ports that no policy may close and whose endpoints all answer."""
    rows: list[MeasuredNodePort] = []
    for port in measured:
        if reason := _forbidden(facts, port):
            yield Unseen(f"node port {port.number} of {port.target.name}", reason)
        else:
            rows.append(MeasuredNodePort(facts, port, nodes))
    if reasons := sorted({reason for row in rows for reason in row.lost}):
        yield Unseen("node ports", "; ".join(reasons), expected=True)
    for row in rows:
        if row.failing and any(outcome is not Outcome.OK for outcome in row.across.values()):
            reason = f"its endpoint {row.failing} does not answer directly either"
            yield Unseen(f"node port {row.port.number} of {row.port.target.name}", reason)
    yield from unanswered.analyse(facts, [row for row in rows if row.works and not row.failing])


def _forbidden(facts: Facts, port: NodePort) -> str:
    """Return which policies may forbid connections by way of a node to the pods of a Service."""
    if not policies.any_policy(facts.cluster):
        return ""
    if not facts.cluster.readable(POD):
        return "policies may forbid it; which pods they select is not known, as Pods can't be read"
    engine = policies.engine(facts.cluster)
    if engine.native:
        return f"{joined(engine.native[:SHOWN])} may forbid it"
    ends = [engine.address(end.address.ip) for end in port.target.endpoints]
    found = {str(policy.ref) for end in ends for policy in engine.selecting(end, Direction.INGRESS)}
    found |= {str(policy.ref) for policy in engine.selecting(policies.end(engine), Direction.EGRESS)}
    shown = joined(sorted(found)[:SHOWN])
    return f"{shown} may forbid it, as it depends on the CNI which source address a policy sees" if found else ""


check = Check(
    id="node_ports",
    title="Node ports answer on every node",
    prefix="NPT",
    needs=Needs(
        kinds=(SERVICE, NODE),
        optional=(ENDPOINT_SLICE,),
        hints=policies.KINDS,
        tier=Tier.PODS,
    ),
    codes=(*unanswered.CODES, *health_checks.CODES),
    plan=plan,
    analyse=analyse,
)
