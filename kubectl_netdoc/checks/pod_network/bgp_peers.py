# SPDX-License-Identifier: Apache-2.0
"""Does every node of a Calico network with BGP have somebody to tell its routes to?

## What it looks at
Where Calico carries packets by BGP: whether its nodes tell each other (nodeToNodeMeshEnabled of the BGPConfiguration "default"),
and the nodes that each BGPPeer is for and, where it names nodes, those that it leads to.

## Why it matters
With the mesh off, only BGPPeers make sessions. One that selects its nodes, or the route reflectors, by a label that an upgrade
has taken away (node-role.kubernetes.io/master) makes none any more: routes to pods of other nodes are gone some seconds later.

## What it can't see
Whether a session is up, and what routers outside do. Static routes, or a cloud's own, that need no BGP. Passwords, filters and AS
numbers of peers.

## Sources
Calico: Configure BGP peering; BGPConfiguration, BGPPeer. projectcalico/calico: confd/pkg/backends/calico/bgp_processor.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    CALICO_BGP,
    CALICO_BGP_PEER,
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    POD,
    SETTLING,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    Node,
    ObjectRef,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
    some,
)
from kubectl_netdoc.cni.calico import CALICO, selected

SHOWN = 5
"""Nodes that a message names at most."""

_PATHS = ("PNW001", "PNW002", "PNW003", "PNW012", "NRT001")
_LOOK = ("kubectl get bgppeers.crd.projectcalico.org -o yaml", "kubectl get nodes --show-labels")
NO_PEER = Code(
    id="BGP001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nodes without a BGP peer",
    message="Calico's nodes do not tell each other their routes (nodeToNodeMeshEnabled is false), and {count} of {all} nodes "
    "have no BGPPeer: {shown}. {why}",
    fix="Give the nodes that are meant, or the route reflectors, the labels that the BGPPeers select, or correct the selectors. "
    "In an emergency, nodeToNodeMeshEnabled: true in BGPConfiguration default makes every node a peer of every other.",
    commands=_LOOK,
    rows=("M3",),
    explains=(Explains(_PATHS, "node"), Explains(_PATHS, "cluster")),
)
IDLE_PEER = Code(
    id="BGP002",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="BGPPeer without an effect",
    message="BGPPeer {name} makes no session: {why}",
    fix="Correct what it selects, or delete it.",
    commands=_LOOK,
)


class Peering(Struct, frozen=True):
    """A BGPPeer: the nodes that it is for, and why it makes no session; "" where it makes one."""

    name: str
    nodes: frozenset[str]
    why: str = ""


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Yield the BGPPeers without an effect, and the nodes that nothing gives a peer."""
    cluster = facts.cluster
    routed = [found for found in cni.recognise(cluster) if found.network is CALICO and "BGP" in found.traits.backend]
    if not routed or not cluster.readable(CALICO_BGP_PEER):
        raise Skip("no Calico with BGP was found", not_applicable=True)
    every = [node for node in cluster.all(NODE) if not node.unsupported]
    nodes = [node for node in every if cluster.age(node.metadata.creation_timestamp) > SETTLING]
    peerings = {item.name: _peering(item.name, item.settings, nodes) for item in cluster.all(CALICO_BGP_PEER)}
    unread = sorted(name for name, peering in peerings.items() if peering is None)
    if unread:
        yield Unseen(f"whom BGPPeer {some(unread, SHOWN)} is for", "its selector can't be read")
    known = [peering for peering in peerings.values() if peering is not None]
    for peering in known:
        if peering.why:
            yield IDLE_PEER.on(Subject("BGPPeer", peering.name), why=peering.why)
    if not cluster.readable(CALICO_BGP):
        yield Unseen("whether nodes tell each other their routes", "BGPConfigurations can't be read")
    elif not unread and not _meshed(cluster):
        yield from _without(nodes, known)


def _meshed(cluster: Cluster) -> bool:
    default = next((item.settings for item in cluster.all(CALICO_BGP) if item.name == "default"), {})
    return default.get("nodeToNodeMeshEnabled", "true") != "false"


def _without(nodes: list[Node], peerings: list[Peering]) -> Iterator[Finding]:
    """Report the nodes of a cluster without a mesh that no BGPPeer gives a session."""
    having = {name for peering in peerings if not peering.why for name in peering.nodes}
    alone = sorted(node.name for node in nodes if node.name not in having)
    if alone and len(nodes) > 1:
        idle = [peering for peering in peerings if peering.why]
        why = "; ".join(f"BGPPeer {peering.name}: {peering.why}" for peering in idle) or "No BGPPeer is for them"
        subject = Subject("Node", alone[0]) if len(alone) == 1 else Subject("Cluster", "BGP")
        numbers = {"count": len(alone), "all": len(nodes), "shown": some(alone, SHOWN), "nodes": alone, "why": why}
        yield NO_PEER.on(subject, numbers, objects=[ObjectRef("BGPPeer", peering.name) for peering in idle])


def _peering(name: str, peer: dict[str, str], nodes: list[Node]) -> Peering | None:
    """Return what a BGPPeer makes; None where a selector can't be read. Without node and nodeSelector it is for all nodes."""
    one, chosen, leads = peer.get("node", ""), peer.get("nodeSelector", ""), peer.get("peerSelector", "")
    mine = [node.name for node in nodes if node.name == one] if one else selected(chosen, nodes)
    theirs = selected(leads, nodes) if leads else None
    if mine is None or (leads and theirs is None):
        return None
    if not mine:
        return Peering(name, frozenset(), f"node {one} is not there" if one else f"its nodeSelector, {chosen}, selects no node")
    if leads and not theirs:
        return Peering(name, frozenset(mine), f"its peerSelector, {leads}, selects no node")
    if theirs is not None and set(theirs) == set(mine) and len(mine) == 1:
        return Peering(name, frozenset(mine), f"it leads from {mine[0]} to itself")
    return Peering(name, frozenset((*mine, *(theirs or ()))))


check = Check(
    id="bgp_peers",
    title="Nodes have somebody to tell their routes to",
    prefix="BGP",
    needs=Needs(kinds=(NODE, DAEMON_SET), optional=(CALICO_BGP_PEER, CALICO_BGP), hints=(POD, *NETWORK_KINDS)),
    codes=(NO_PEER, IDLE_PEER),
    analyse=analyse,
)
