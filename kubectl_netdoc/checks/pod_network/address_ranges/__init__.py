# SPDX-License-Identifier: Apache-2.0
"""Do the address ranges of pods, nodes and Services overlap?

## What it looks at
The pod ranges of the nodes (spec.podCIDRs) against each other, against every node's InternalIP and against every Service's
ClusterIPs, in both IP families. The first InternalIP of each ready node, and the address that flannel or Calico has written into
its annotations, against those of the other nodes, and so the MAC addresses that flannel announces for its tunnels and the
machines' ids. Calico's IPPools against the nodes' addresses.

## Why it matters
An address that belongs to two things is routed to only one of them. Two nodes with one range take each other's pod traffic. A
node or Service with an address in a pod range works until a pod gets that address. If nodes share an address (the NAT interface
that Vagrant and VirtualBox give each machine), tunnels to the other nodes end on the node itself.

## What it can't see
Overlaps with networks outside the cluster (a VPC, an office network, a peered cluster): the API does not know their ranges. Pod
ranges of an IPAM other than Calico's: spec.podCIDRs is judged only if all pods have addresses from it and the network, where
netdoc knows it, takes them from there.

## Sources
Kubernetes: The Kubernetes network model (addresses of pods, Services and nodes do not overlap). Calico: IP pools (allowedUses,
natOutgoing), IP reservations. flannel: Documentation/troubleshooting.md (Vagrant). systemd.link(5) (MACAddressPolicy),
machine-id(5); kubeadm#31. Failure catalogue M9.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    CALICO_RESERVATION,
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    POD,
    SERVICE,
    Check,
    Facts,
    Finding,
    Needs,
    Skip,
    Unseen,
)
from kubectl_netdoc.checks.pod_network.address_ranges import node_addresses, pod_ranges


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare the nodes' addresses with each other and with Calico's pools; pod ranges only if pods get addresses from them."""
    cluster = facts.cluster
    found = cni.recognise(cluster)
    yield from node_addresses.shared_addresses(cluster)
    yield from node_addresses.shared_macs(cluster)
    yield from node_addresses.clones(cluster)
    if any(each.name == "Calico" and each.primary and not each.traits.node_ranges for each in found):
        yield from node_addresses.pools_with_node_addresses(cluster)
    if not cluster.readable(DAEMON_SET):
        yield Unseen(
            "the nodes' pod ranges", "DaemonSets can't be read, so it is not known where the network gets pod addresses from"
        )
        return
    own = [each for each in found if each.primary]
    if own and not any(each.traits.node_ranges for each in own):
        raise Skip(
            f"{own[0].name} has an IPAM of its own: pods do not get addresses from the nodes' spec.podCIDRs", not_applicable=True
        )
    yield from pod_ranges.overlapping_ranges(cluster)


check = Check(
    id="address_ranges",
    title="Addresses of pods, nodes and Services are kept apart",
    prefix="ADR",
    needs=Needs(kinds=(NODE, POD), optional=(SERVICE,), hints=(DAEMON_SET, CALICO_RESERVATION, *NETWORK_KINDS)),
    codes=(
        *node_addresses.CODES,
        *pod_ranges.CODES,
    ),
    analyse=analyse,
)
