# SPDX-License-Identifier: Apache-2.0
"""The encapsulation of the pod network by the nodes' annotations, and its overhead in bytes."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.cni.base import Encryption, Tunnel
from kubectl_netdoc.cni.cilium import CILIUM
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import DAEMON_SET, NODE
from kubectl_netdoc.records.nodes import Node


class Overhead(Struct, frozen=True):
    """The overhead of an encapsulation: its name, and the bytes that it adds if the outer packet is IPv4 or IPv6."""

    name: str
    over_ipv4: int
    over_ipv6: int

    def overhead(self, family: str) -> int:
        """Return the bytes that are added between nodes that talk in ``family``."""
        return self.over_ipv6 if family == ip_families.IPV6 else self.over_ipv4


VXLAN = Overhead("VXLAN", 50, 70)
IPIP = Overhead("IPIP", 20, 40)
WIREGUARD = Overhead("WireGuard", 60, 80)
GENEVE = Overhead("Geneve", 50, 70)
UDP = Overhead("flannel's UDP backend", 28, 48)
NONE = Overhead("no encapsulation", 0, 0)

KNOWN = (VXLAN, IPIP, WIREGUARD, GENEVE)
"""Outer IP 20 or 40; VXLAN and Geneve: UDP 8, their header 8, inner Ethernet 14 (RFC 7348, RFC 8926; Geneve's options come on
top); WireGuard: UDP 8, header and tag 32 (wireguard.com/protocol); the sums are those of Calico's page on MTU."""

BY_TUNNEL = {Tunnel.VXLAN: VXLAN, Tunnel.IPIP: IPIP, Tunnel.GENEVE: GENEVE, Tunnel.NONE: NONE}
"""The overhead of networks that use one of these everywhere."""

BY_LINK = {"vxlan": VXLAN, "ipip": IPIP, "wireguard": WIREGUARD, "geneve": GENEVE}
"""The overhead by the kind of a node's link, as rtnetlink names it."""

BACKENDS = {"vxlan": VXLAN, "wireguard": WIREGUARD, "ipip": IPIP, "udp": UDP, "host-gw": NONE}
"""Values of flannel's backend-type that determine the encapsulation."""


def _of(node: Node) -> Overhead | None:
    """Return the encapsulation by a node's annotations; WireGuard takes precedence over the tunnel that it replaces."""
    notes = node.metadata.annotations
    if notes.flannel_backend:
        return BACKENDS.get(notes.flannel_backend)
    if notes.calico_wireguard or notes.calico_wireguard6:
        return WIREGUARD
    if notes.calico_vxlan or notes.calico_vxlan6 or notes.calico_ipip:
        return IPIP if not (notes.calico_vxlan or notes.calico_vxlan6) else VXLAN
    if notes.ovn_subnets:
        return GENEVE
    return NONE if notes.calico_address or notes.calico_address6 else None


def of(cluster: Cluster) -> Overhead | None:
    """Return the encapsulation that all nodes agree on, or that of the network's settings if no node shows one; else None.

    Reads NODE and, if the check may, the kinds by which networks are recognised.
    """
    if not cluster.readable(NODE):
        return None
    found = {_of(node) for node in cluster.all(NODE) if not node.unsupported}
    if found == {None}:
        return _configured(cluster)
    return found.pop() if len(found) == 1 else None


def _configured(cluster: Cluster) -> Overhead | None:
    """Return the encapsulation set for the primary network, unless it encrypts too or encapsulates only some packets."""
    traits = [each.traits for each in cni.recognise(cluster) if each.primary] if cluster.readable(DAEMON_SET) else []
    if len(traits) != 1 or traits[0].encryption not in (Encryption.NONE, Encryption.UNKNOWN):
        return None
    ways = traits[0].encapsulation
    return BY_TUNNEL.get(ways[0].tunnel) if len(ways) == 1 and not ways[0].where else None


def underlay_family(cluster: Cluster, family: str) -> str:
    """Return the family in which nodes talk to each other to carry pods' packets of ``family``.

    Tunnels of flannel and Calico carry a family in the same family; nodes without an address of that family use the one they
    have. Cilium carries both in one: that which is set (underlay-protocol), else IPv4 where nodes have it (pkg/datapath/tunnel).
    """
    if not cluster.readable(NODE):
        return family
    cilium = cluster.readable(DAEMON_SET) and any(each.network is CILIUM for each in cni.recognise(cluster))
    have = {
        ip_families.of(address.address)
        for node in cluster.all(NODE)
        for address in node.status.addresses
        if address.type == "InternalIP"
    }
    if cilium and len(have) > 1:
        asked = cni.NetworkObjects(cluster).config("cilium-config").get("underlay-protocol", "")
        return ip_families.IPV6 if asked == "ipv6" else ip_families.IPV4
    return have.pop() if len(have) == 1 else family


def arithmetic(cluster: Cluster, carried: int, own: int, family: str) -> str:
    """Return a clause with the underlay's MTU, given that pods' packets of ``carried`` bytes pass, and the MTU for ``own``."""
    used, outer = of(cluster), underlay_family(cluster, family)
    if used is None:
        sums = ", ".join(f"{each.name} {each.overhead(outer)}" for each in KNOWN)
        return f"the nodes do not tell their encapsulation; add what it takes ({sums}, none 0) for the underlay's MTU"
    extra = used.overhead(outer)
    return f"with {used.name} ({extra} bytes) the underlay seems to carry {carried + extra}, and {own} would take {own + extra}"


FLANNEL = ("kubectl get configmap -A -l app=flannel -o yaml",)
CALICO = (
    "kubectl patch installation.operator.tigera.io default --type merge -p {patch}",
    "kubectl -n kube-system get configmap calico-config -o yaml",
)
CILIUM_CONFIG = ("kubectl -n kube-system get configmap cilium-config -o yaml",)
OTHERS = ("kubectl get daemonsets -A",)


def commands(cluster: Cluster) -> tuple[str, ...]:
    """Return command templates for the place where the CNI's MTU is set; ``{patch}`` is ``mtu_patch``."""
    notes = [node.metadata.annotations for node in cluster.all(NODE)] if cluster.readable(NODE) else []
    if any(note.flannel_backend for note in notes):
        return FLANNEL
    if any(note.calico_address or note.calico_address6 for note in notes):
        return CALICO
    found = cni.recognise(cluster) if cluster.readable(DAEMON_SET) else ()
    return CILIUM_CONFIG if any(each.name == "Cilium" for each in found) else OTHERS


def mtu_patch(mtu: int) -> str:
    """Return the patch that sets an MTU in the Tigera operator's Installation."""
    return f'{{"spec":{{"calicoNetwork":{{"mtu":{mtu}}}}}}}'
