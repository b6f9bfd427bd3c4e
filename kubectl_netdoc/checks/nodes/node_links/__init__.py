# SPDX-License-Identifier: Apache-2.0
"""Are the links of the pod network up on each node, with the right addresses and a large enough MTU?

## What it looks at
On every measured node (`--node-checks`), over rtnetlink: tunnels that most nodes have (or that the Node object names) and the
bridge of its pods; whether the node has the addresses that its Node object and its tunnel name; the MAC address of the tunnel
against the one that flannel announced to other nodes; the MTU of the link that tunnel packets leave by, against what pods send;
whether a link has an address that belongs to another node or to a pod elsewhere; and whether two nodes have one MAC address on
the network that both are on, by their own links or by what a third knows of its neighbours.

## Why it matters
When a tunnel goes down, its routes disappear with it. If an address or MAC address changes behind the network agent's back, other
nodes send to nobody. A link that is too small for pod packets plus encapsulation is how MTU black holes begin.

## What it can't see
MTUs of the network between the nodes (mtu_mismatch measures the path). If netdoc's own pods prove that a node is reached, its
links and addresses count as right, whatever they are (addresses behind NAT).

## Sources
rtnetlink(7), ip-link(8); systemd.link(5), MACAddressPolicy; flannel issue 1155; kubelet --node-ip; the overheads are in
kubectl_netdoc/components/encapsulation.py. Failure catalogue M1, M3, M11.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    POD,
    Check,
    Facts,
    Finding,
    Needs,
    RtnetlinkReply,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.nodes.node_links import doubled, sizes, state
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing.network import cluster_routes, plan


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report links that are down, too small, or without the address that other nodes use."""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(
            f"{why}; with it, the state, addresses and MTU of each node's tunnels and pod bridge are checked", not_applicable=True
        )
    replies, unseen = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "links")
    yield from unseen
    network = cluster_routes(facts)
    used = state.tunnels_in_use(network)
    for node, table in network.tables.items():
        if node not in network.joining and not network.any_pods_connected(node) and not table.cut:
            yield from state.links_down(network, node, used)
            yield from state.wrong_addresses(network, node, used)
    yield from sizes.too_small(network, used)
    yield from doubled.doubled_addresses(facts, replies)
    yield from doubled.doubled_macs(facts, replies)


check = Check(
    id="node_links",
    title="Tunnels between nodes are up, fit their links and have the right addresses",
    prefix="NLK",
    needs=Needs(kinds=(NODE,), hints=(POD, DAEMON_SET, *NETWORK_KINDS), tier=Tier.NODES),
    codes=(
        *state.CODES,
        *sizes.CODES,
        *doubled.CODES,
    ),
    plan=plan,
    analyse=analyse,
)
