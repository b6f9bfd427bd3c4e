# SPDX-License-Identifier: Apache-2.0
"""Do the links of existing pods on their nodes carry traffic, as those beside them do?

## What it looks at
On every measured node (`--node-checks`), over rtnetlink: each pod's veth, and the port of a bridge that it is: whether both ends
are up, whether the bridge forwards, its MTU, whether it is isolated, and its other flags. Each is compared with those of the
other pods on the node, and with that of netdoc's own pod, which is new. What is reported as down was so twice, before netdoc's
pods got their network and afterwards.

## Why it matters
New pods get fresh links, so whatever is tried with a new pod works. A link that is down, blocked, too small or isolated cuts off
one pod, which stays Running, and often Ready, because its probes may never leave it.

## What it can't see
The end inside the pod, except that it is down. Whose a link is, where nothing tells: a pod on a bridge to which its node has sent
nothing for minutes, and pods of Cilium; then the finding names the node and the pods that it may be. VLANs of single ports. Links
of secondary networks (Multus), and bridges that are none of the pods' (libvirt, Docker).

## Sources
bridge(8), ip-link(8), linux/if_link.h (IFLA_BRPORT_*). Calico, `VethNameForWorkload`; amazon-vpc-cni-k8s,
`GeneratePodHostVethName`. CNI plugin bridge (`hairpinMode`, `portIsolation`, `mtu`). RFC 8200, section 5: no link of IPv6 has an
MTU below 1280.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import NODE, POD, Check, Cluster, Facts, Finding, Needs, Request, RtnetlinkReply, Skip, Tier, Unseen
from kubectl_netdoc.checks.pod_network.pod_links import flags, sizes, state
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing import pod_links


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's links before and after netdoc's pods get their network."""
    for node in cluster.hosts:
        yield from node_readings.both_tables(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report links of pods that carry nothing, then those unlike the others."""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(f"{why}; with it, the link of each pod on its node is checked", not_applicable=True)
    replies, unseen = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "links")
    yield from unseen
    nodes = [pod_links.of_node(facts, node, reply) for node, reply in replies.items()]
    for links in nodes:
        yield from state.carry_nothing(links)
        yield from sizes.too_small(links)
        yield from flags.isolated(links)
        yield from flags.unlike(links)


check = Check(
    id="pod_links",
    title="The links of existing pods carry traffic",
    prefix="PLK",
    needs=Needs(kinds=(POD,), hints=(NODE,), tier=Tier.NODES),
    codes=(*state.CODES, *sizes.CODES, *flags.CODES),
    plan=plan,
    analyse=analyse,
)
