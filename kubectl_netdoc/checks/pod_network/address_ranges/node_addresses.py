# SPDX-License-Identifier: Apache-2.0
"""Addresses of nodes: shared by two nodes, or inside one of Calico's pools."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    CALICO_POOL,
    CALICO_RESERVATION,
    NODE,
    Cluster,
    Code,
    Explains,
    Finding,
    Node,
    NodePath,
    ObjectRef,
    Risk,
    Severity,
    Subject,
    Unseen,
    in_any,
    ip_families,
    on_node,
    some,
)
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.cni.base import yes
from kubectl_netdoc.routing.tables import flannel

NAMED = 20
"""The evidence lists at most this many addresses."""

SHOWN = 5
"""A sentence names at most this many addresses."""

ADDRESSES = (
    'kubectl get nodes -o custom-columns=\'NAME:.metadata.name,INTERNAL:.status.addresses[?(@.type=="InternalIP")].address,'
    "FLANNEL:.metadata.annotations.flannel\\.alpha\\.coreos\\.com/public-ip,"
    "CALICO:.metadata.annotations.projectcalico\\.org/IPv4Address'"
)
WITHOUT_PATHS = ("PNW001", "PNW002", "PNW003", "PNW007", "PNW012", "NRT001", "NRT003", "NRT004", "NRT005", "DNL001", "SVR001")
"""What follows if packets between nodes end on the node that sent them."""
SHARED = Code(
    id="ADR004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Several nodes have the same address",
    message="{count} nodes have the same {what} {ip} ({shown}), so packets that one of them sends to another end on the sender",
    fix="Make each node use an address at which the other nodes reach it: the kubelet flag --node-ip for the Node, flanneld "
    "--iface or Calico's IP_AUTODETECTION_METHOD for tunnels. Then restart the kubelet and the network agent on that node. "
    "Vagrant and VirtualBox give all machines the same address on their first (NAT) interface.",
    commands=("kubectl get nodes -o wide", ADDRESSES),
    rows=("M9",),
    explains=(Explains(WITHOUT_PATHS, "node"), Explains(WITHOUT_PATHS, "path")),
)
SHARED_MAC = Code(
    id="ADR006",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The tunnels of several nodes have the same MAC address",
    message="{count} nodes announce the MAC address {mac} for their end of flannel's tunnel ({shown}), so frames for the pods of "
    "one go to another",
    fix="Give all but one of these nodes another one, as the commands do for {younger}: delete the announced address and the "
    "link, and restart flannel there, which makes both anew. Clones of one machine image get the same address from systemd "
    "(MACAddressPolicy=persistent) as long as they have the same /etc/machine-id: empty that file on each clone and reboot.",
    commands=(
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,TUNNEL:.metadata.annotations"
        ".flannel\\.alpha\\.coreos\\.com/backend-data'",
        "kubectl annotate node {younger} flannel.alpha.coreos.com/backend-data-",
        on_node("{younger}", "ip link delete flannel.{vni}"),
    ),
    rows=("M9",),
    explains=(Explains((*WITHOUT_PATHS, "NLK004"), "node"), Explains(WITHOUT_PATHS, "path")),
)
CLONES = Code(
    id="ADR007",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="Several nodes have the same machine id",
    message="{count} nodes have the same machine id ({shown}): they are clones of one image. What is made from it is the same on "
    "all of them, such as MAC addresses of tunnels and bridges (systemd) and the ids by which they ask for addresses (DHCP)",
    fix="Empty /etc/machine-id in the image, or on each node, and reboot: systemd then makes a new one.",
    commands=("kubectl get nodes -o custom-columns=NAME:.metadata.name,MACHINE:.status.nodeInfo.machineID",),
)
POOL_OVER_NODES = Code(
    id="ADR005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Nodes have addresses inside a Calico IP pool",
    message="{count} addresses of nodes are inside Calico's pool {name} {range} ({shown}): pods may get the address of a node, "
    "and traffic from pods to these nodes is not source-NATed as it is to other addresses outside",
    fix="Move the pods to a pool outside the nodes' network: create an IPPool with another range, disable {name}, then recreate "
    "the pods one after the other. Until then, reserve these addresses with an IPReservation.",
    commands=(
        "kubectl get ippools.crd.projectcalico.org {name} -o yaml",
        "kubectl get nodes -o wide",
        "kubectl get ipreservations.crd.projectcalico.org",
    ),
    rows=("M9",),
)


def shared_addresses(cluster: Cluster) -> Iterator[Finding]:
    """Report addresses that several ready nodes claim. A node that is down may have lost its address to another."""
    owners: dict[tuple[str, str], list[str]] = {}
    for node in filter(_at_work, cluster.all(NODE)):
        for what, ip in _told(node):
            owners.setdefault((ip, what), []).append(node.name)
    said: dict[str, tuple[list[str], list[str]]] = {}
    for (ip, what), names in owners.items():
        if len(names) > 1:
            whats, nodes = said.setdefault(ip, ([], []))
            whats.append(what)
            nodes += (name for name in names if name not in nodes)
    for ip, (whats, nodes) in sorted(said.items()):
        numbers = {"ip": ip, "what": " and ".join(whats), "count": len(nodes), "shown": some(sorted(nodes), SHOWN)}
        yield SHARED.on(Subject("Address", ip), numbers, nodes=sorted(nodes), paths=_between(nodes))


def shared_macs(cluster: Cluster) -> Iterator[Finding]:
    """Report MAC addresses that the tunnels of several ready nodes have, by what flannel announces."""
    owners: dict[tuple[str, int], list[Node]] = {}
    for node in filter(_at_work, cluster.all(NODE)):
        ends = {flannel(node, family) for family in (ip_families.IPV4, ip_families.IPV6)}
        for mac, vni in {(end.mac, end.vni) for end in ends if end.mac}:
            owners.setdefault((mac, vni), []).append(node)
    for (mac, vni), nodes in sorted(owners.items()):
        if len(nodes) > 1:
            names = sorted(node.name for node in nodes)
            younger = min(nodes, key=lambda node: (cluster.age(node.metadata.creation_timestamp), node.name)).name
            numbers = {"mac": mac, "vni": vni, "count": len(names), "shown": some(names, SHOWN), "younger": younger}
            again = agent_again.on(cluster, younger).commands
            commands = (*SHARED_MAC.commands, *again)
            yield SHARED_MAC.on(Subject("Address", mac), numbers, commands=commands, nodes=names, paths=_between(names))


def clones(cluster: Cluster) -> Iterator[Finding]:
    """Report nodes with the same machine id; those without one, as in some containers, are left out."""
    owners: dict[str, list[str]] = {}
    for node in filter(_at_work, cluster.all(NODE)):
        owners.setdefault(node.status.node_info.machine_id, []).append(node.name)
    for machine, names in sorted(owners.items()):
        if machine and len(names) > 1:
            numbers = {"count": len(names), "shown": some(sorted(names), SHOWN)}
            yield CLONES.on(Subject("Cluster", f"nodes like {min(names)}"), numbers, nodes=sorted(names))


def _between(nodes: list[str]) -> list[NodePath]:
    """Return all paths between nodes; none of more nodes than are listed."""
    return [NodePath(one, other) for one in nodes for other in nodes if one != other] if len(nodes) <= NAMED else []


def _at_work(node: Node) -> bool:
    ready = node.condition("Ready")
    return runs_its_pods(node) and ready is not None and ready.status == "True"


def _told(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the addresses at which other nodes reach this one: its first InternalIP of each IP family (cloud controllers may add
    addresses of bridges and floating ones), and what the network agent has written into its annotations.
    """
    own = [each.address for each in node.status.addresses if each.type == "InternalIP"]
    first = {ip_families.of(ip): ip for ip in reversed(own)}
    yield from (("InternalIP", ip) for ip in first.values())
    notes = node.metadata.annotations
    flannel, calico = (notes.flannel_ip, notes.flannel_ip6), (notes.calico_address, notes.calico_address6)
    yield from (("flannel public-ip", ip) for ip in flannel if ip)
    yield from (("Calico node address", text.partition("/")[0]) for text in calico if text)


def pools_with_node_addresses(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """Report pools for pods that contain addresses of nodes, reserved addresses left out."""
    if cluster.unreadable(CALICO_RESERVATION):
        yield Unseen("Calico's pools against the nodes' addresses", "its IPReservations can't be read")
        return
    reservations = cluster.all(CALICO_RESERVATION) if cluster.readable(CALICO_RESERVATION) else ()
    kept = [cidr for each in reservations for cidr in each.settings.get("reservedCIDRs", "").split(",")]
    nodes = [(node.name, each.address) for node in filter(runs_its_pods, cluster.all(NODE)) for each in node.status.addresses]
    for pool in cluster.all(CALICO_POOL) if cluster.readable(CALICO_POOL) else ():
        uses, cidr = pool.settings.get("allowedUses", ""), pool.settings.get("cidr", "")
        if yes(pool.settings.get("disabled", "")) or (uses and "Workload" not in uses.split(",")):
            continue
        within = [
            ObjectRef("Node", name, address=ip)
            for name, ip in nodes
            if in_any(ip, (cidr,)) and not any(in_any(ip, (each,)) for each in kept)
        ]
        if within:
            numbers = {"range": cidr, "count": len(within), "shown": some(sorted(within), SHOWN)}
            yield POOL_OVER_NODES.on(Subject("IPPool", pool.name), numbers, inside=sorted(within)[:NAMED])


def runs_its_pods(node: Node) -> bool:
    """Tell whether the node runs its pods itself: pods of virtual nodes have addresses from elsewhere."""
    return "virtual" not in node.unsupported


CODES = (
    SHARED,
    SHARED_MAC,
    CLONES,
    POOL_OVER_NODES,
)
