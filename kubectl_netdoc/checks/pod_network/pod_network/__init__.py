# SPDX-License-Identifier: Apache-2.0
"""Can pods on every node reach each other, as the Kubernetes network model promises?

## What it looks at
The paths between netdoc's own debug pods: every pair of measured nodes in both directions (each node and its next neighbours if
there are many), and one pair on the same node, in each IP family that pods have. Each path carries a small payload over TCP and
over UDP, then 64 KiB. The echo server on the other end proves itself with a nonce and reports the source address it saw. The
readiness probe of each debug pod shows whether its node can reach it. On each node, up to two existing pods behind Services are
contacted too: if they answer and the debug pod does not, only new pods are cut off.

## Why it matters
Pods must reach pods on every node without NAT, and a node must reach its own pods. What breaks this (a firewall between nodes,
a lost route, an MTU that is too large) shows up in applications as timeouts that depend on where their pods run.

## What it can't see
A network policy that isolates netdoc's own namespace from itself looks like a broken network. Nodes without a debug pod. Whether
the fault is on the node, in the tunnel or in the network between the nodes: the nodes tier tells. The check path_quality measures
occasional loss, and mtu_mismatch the largest size that passes.

## Sources
Kubernetes: The Kubernetes network model. Failure catalogue M1, M3 and the table "From a probe matrix to a cause".
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    NETWORK_KINDS,
    NODE,
    SERVICE,
    Check,
    Cluster,
    Code,
    Echo,
    Facts,
    Finding,
    Needs,
    Peer,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
)
from kubectl_netdoc.checks.pod_network.pod_network import addresses, ip_family, large_packets, paths
from kubectl_netdoc.checks.pod_network.pod_network.mesh import Mesh, bulk, small, udp
from kubectl_netdoc.probes import existing_pods, node_pairs
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.node_pairs import pairs

MEASURED = Code(
    id="PNW010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Paths between pods, as measured",
    message="{good} of {asked} paths between {nodes} work; connecting and proving the peer takes {p50_ms} ms (median), at most "
    "{max_ms} ms",
    fix="Nothing to fix: these are measurements.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Test each path in each IP family, paths within nodes that have two debug pods, and pods that existed before."""
    for family in ("", *ip_families.further(cluster)):
        for pair in pairs(cluster):
            yield small(pair, family)
            yield udp(pair, family)
            yield bulk(pair, family)
    for node in filter(None, cluster.vantages):
        yield Echo(node, Peer(node, twin=True))
    yield from existing_pods.plan(cluster)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report what is broken, by the pattern of the paths that fail."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    mesh = Mesh(facts)
    reasons = sorted(set(mesh.unknown.values()))
    if reasons:
        yield Unseen(f"{len(mesh.unknown)} paths between pods", "; ".join(reasons), expected=True)
    if not reasons and (few := node_pairs.too_few(facts)):
        yield few
    same = paths.within_nodes(facts, mesh)
    if (mesh.bad or any(same.values())) and (why := policies.why_isolated(facts)):
        yield Unseen("paths between pods", why, expected=True)
        return
    yield from (paths.SAME_NODE.on(Subject("Node", node), outcomes=words) for node, words in same.items() if words)
    yield from paths.failed_paths(facts, mesh, same)
    yield from paths.without_udp(mesh)
    yield from paths.without_tcp(facts, mesh)
    yield from large_packets.lost_large_packets(mesh)
    yield from ip_family.other_families(facts, mesh)
    yield from addresses.broken_promises(mesh)
    yield from addresses.foreign_ranges(facts, mesh)
    if mesh.replies:
        yield MEASURED.on(Subject("Cluster", "pod network"), mesh.numbers())


check = Check(
    id="pod_network",
    title="Pods reach pods on every node",
    prefix="PNW",
    needs=Needs(optional=(NODE,), hints=(SERVICE, ENDPOINT_SLICE, *policies.KINDS, DAEMON_SET, *NETWORK_KINDS), tier=Tier.PODS),
    codes=(
        MEASURED,
        *paths.CODES,
        *large_packets.CODES,
        *ip_family.CODES,
        *addresses.CODES,
    ),
    plan=plan,
    analyse=analyse,
)
