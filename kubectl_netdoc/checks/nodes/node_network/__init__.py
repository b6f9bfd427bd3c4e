# SPDX-License-Identifier: Apache-2.0
"""Do the kernel settings of each node let pod traffic through?

## What it looks at
On every measured node (`--node-checks`): forwarding, of the node and of each interface that pods' packets arrive on; reverse path
filtering as it is in effect (the stricter of `all` and the interface) and what it drops during the run; whether bridged packets
pass iptables if pods are attached to a bridge; IPv6 default routes that end; the node's clock against the API server's. All
network settings (/proc/sys/net), and MTU and queueing discipline of each link, are compared across nodes: what one node alone has
is told, and stands beside causes that point at that node. Settings and routes are read before netdoc's own pods get a network on
the nodes, and again afterwards: what differs is told, because it hides a fault that existing pods had until then.

## Why it matters
Each of these stops pod traffic without a trace in any pod. A hardening role or a reboot resets one, and a node stops receiving,
answers are lost on the way back, or a Service works from every node but the one that its backend runs on.

## What it can't see
Settings in the network namespaces of pods. Differences between links that have other names on each node. What the kernel sizes by
the machine counts only if it is much smaller than elsewhere, and of two nodes neither is the odd one. Other routing tables and
rules that make an asymmetric path valid. Forwarding and bridge settings that eBPF does not need: where netdoc's own pods get
through, these are not reported.

## Sources
Kernel: Documentation/networking/ip-sysctl.rst (rp_filter: "the max value from conf/{all,interface}/rp_filter is used"; accept_ra
and forwarding), bridge netfilter. Kubernetes: Network plugin requirements; azure-container-networking#4884. Failure catalogue M4,
M5, K13. Clocks: golang-jwt and go-jose accept a token 60 s early (jwt.DefaultLeeway), etcd warns from 1 s on.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    NODE,
    POD,
    Check,
    Cluster,
    EchoReply,
    Facts,
    Finding,
    KernelReply,
    Made,
    Needs,
    Request,
    RtnetlinkReply,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.nodes.node_network import (
    advertised_routes,
    changed_by_pods,
    clocks,
    differences,
    forwarding,
    peers,
    thresholds,
)
from kubectl_netdoc.probes import node_readings, service_targets
from kubectl_netdoc.routing.network import cluster_routes
from kubectl_netdoc.routing.network import plan as plan_links


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's settings, counters and links. Connections between debug pods show what works whatever is set."""
    yield from plan_links(cluster)
    for node in cluster.hosts:
        yield from node_readings.both_kernels(node)
        yield service_targets.own(cluster, node)
        yield service_targets.twin(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report settings that stop traffic, then differences between nodes."""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(
            f"{why}; with it, forwarding, reverse path filtering, bridge netfilter and clock of each node are checked",
            not_applicable=True,
        )
    replies, unseen = node_readings.read(facts, node_readings.kernel, KernelReply, "kernel settings")
    links, unread = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "links")
    yield from (*unseen, *unread)
    network = cluster_routes(facts)
    harmless = {forwarding.bridge_setting(replies[node]) for node in replies if network.bridges(node) and _next_door(facts, node)}
    for node, reply in replies.items():
        yield from changed_by_pods.changed(facts, node)
        yield from forwarding.not_forwarding(facts, network, node)
        yield from forwarding.strict_filter(network, node, reply)
        if not _next_door(facts, node) and forwarding.bridge_setting(reply) not in harmless - {1}:
            yield from forwarding.bridge_skips_iptables(network, node, reply)
    yield from advertised_routes.expiring(facts.cluster, replies, links)
    yield from clocks.wrong_clocks(replies, facts.threshold(thresholds.NOTICED))
    yield from differences.different_settings(replies, links)
    yield from peers.alone(replies, links)


def _next_door(facts: Facts, node: str) -> bool:
    """Tell whether a debug pod got an answer through a Service from the other debug pod on its node."""
    reply = facts.reply(service_targets.own(facts.cluster, node))
    return isinstance(reply, EchoReply) and any(sample.who == node and not sample.itself for sample in reply.samples)


check = Check(
    id="node_network",
    title="The nodes' kernels let pod traffic through",
    prefix="NDN",
    needs=Needs(kinds=(NODE,), hints=(POD,), tier=Tier.NODES, makes=(Made.SERVICES,)),
    codes=(
        *forwarding.CODES,
        *changed_by_pods.CODES,
        *advertised_routes.CODES,
        *clocks.CODES,
        *differences.CODES,
        *peers.CODES,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(thresholds.NOTICED,),
)
