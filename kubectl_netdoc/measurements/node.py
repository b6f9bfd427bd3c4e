# SPDX-License-Identifier: Apache-2.0
"""Readings of a node's kernel, rules and CNI files: requests and replies."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Outcome


class Rtnetlink(Struct, frozen=True, tag="rtnetlink"):
    """Nodes tier: read a node's links, addresses, routes, neighbours and forwarding database (rtnetlink(7), no capability).

    ``untouched``: before any pod of netdoc's gets a network on the nodes, since the CNI plugins that give it one change the node.
    """

    node: str
    timeout: float = 3.0
    untouched: bool = False


class Kernel(Struct, frozen=True, tag="kernel"):
    """Nodes tier: read a node's network settings, and its counters twice, ``seconds`` apart.

    ``untouched``: before any pod of netdoc's gets a network on the nodes.
    """

    node: str
    seconds: float = 2.0
    timeout: float = 3.0
    untouched: bool = False


class Conntrack(Struct, frozen=True, tag="conntrack"):
    """Nodes tier where the kernel has /proc/net/nf_conntrack, else privileged tier: the tracked UDP flows to some addresses.

    ``untouched``: before netdoc makes its Services, which has kube-proxy delete stale ones.
    """

    node: str
    to: tuple[str, ...]
    timeout: float = 3.0
    untouched: bool = False


class ServiceRules(Struct, frozen=True, tag="service rules"):
    """Privileged tier: the endpoints that the packet filter of a node sends the traffic of Services to."""

    node: str
    timeout: float = 3.0


class CniConfig(Struct, frozen=True, tag="CNI configuration"):
    """Privileged tier: the files in a node's /etc/cni/net.d; the one that sorts first is in use."""

    node: str
    timeout: float = 3.0


class NodeRules(Struct, frozen=True, tag="rules"):
    """Privileged tier: read a node's rules of packet filters that belong to nothing known, and its policy routes (ip rule)."""

    node: str
    timeout: float = 3.0


OF_A_NODE = (Rtnetlink, Kernel, Conntrack, ServiceRules, CniConfig, NodeRules)
"""The requests that read a node itself and send nothing over the network."""


class BridgePort(Struct, frozen=True, omit_defaults=True):
    """How a bridge treats one of its ports, as ``bridge -d link`` shows it.

    ``state``: ``forwarding``, ``blocking``, ``disabled``, ``listening`` or ``learning``. ``isolated``: nothing passes between it
    and another isolated port. ``flood``, ``broadcast``, ``multicast``: frames to unknown, all and several stations leave by it.
    """

    state: str = "forwarding"
    isolated: bool = False
    hairpin: bool = False
    learning: bool = True
    flood: bool = True
    broadcast: bool = True
    multicast: bool = True
    guard: bool = False
    root_block: bool = False
    locked: bool = False
    neigh_suppress: bool = False
    priority: int = 32
    cost: int = 2


class Link(Struct, frozen=True, omit_defaults=True):
    """A network interface. ``kind``: what made it (``vxlan``, ``veth``, ``bridge`` …; nothing for hardware).

    ``addresses``: with prefix lengths. ``master``: the bridge or bond it belongs to. ``vni``, ``port``, ``local``: of a VXLAN.
    ``no_carrier``: it is up and its other end is not. ``no_arp``: it asks for no hardware addresses. ``qdisc``: the kind of its
    root queueing discipline. ``vlan_filtering``: of a bridge. ``bridge_port``: of a bridge's port. ``elsewhere``: its other end
    is in another network namespace. ``offloads``: what it computes itself, by the names of ``ethtool -K``; None: it tells none,
    or was not asked.
    """

    name: str
    kind: str = ""
    mtu: int = 0
    up: bool = False
    mac: str = ""
    master: str = ""
    addresses: tuple[str, ...] = ()
    vni: int = 0
    port: int = 0
    local: str = ""
    no_carrier: bool = False
    no_arp: bool = False
    qdisc: str = ""
    vlan_filtering: bool = False
    bridge_port: BridgePort | None = None
    elsewhere: bool = False
    offloads: tuple[str, ...] | None = None

    @property
    def ips(self) -> tuple[str, ...]:
        """Its addresses without the prefix lengths."""
        return tuple(address.partition("/")[0] for address in self.addresses)


REFUSING = frozenset({"blackhole", "unreachable", "prohibit"})
"""Types of routes that drop what they match (ip-route(8))."""


class KernelRoute(Struct, frozen=True, omit_defaults=True):
    """A route that is not the kernel's own for local addresses. ``to``: a prefix, such as ``10.244.2.0/24`` or ``0.0.0.0/0``.

    ``type``: ``unicast``, ``blackhole``, ``unreachable``, ``prohibit`` or ``throw``. ``table``: 254 is main. ``mtu``: 0 is the
    link's. ``on_link``: the gateway need not be in the link's own prefix. ``others``: the gateways of its further next hops,
    of one without a gateway its link. ``expires``: the kernel removes it when its time is up.
    """

    to: str
    via: str = ""
    dev: str = ""
    type: str = "unicast"
    table: int = 254
    metric: int = 0
    mtu: int = 0
    protocol: int = 0
    on_link: bool = False
    others: tuple[str, ...] = ()
    expires: bool = False


class Neighbour(Struct, frozen=True, omit_defaults=True):
    """An entry of the ARP or neighbour table. ``state``: ``permanent``, ``reachable``, ``stale``, ``failed`` …"""

    ip: str
    mac: str
    dev: str
    state: str


class Forwarding(Struct, frozen=True, omit_defaults=True):
    """An entry of a forwarding database: frames to ``mac`` leave ``dev``, through a tunnel to the node with address ``to``."""

    mac: str
    dev: str
    to: str = ""
    state: str = ""


class RtnetlinkReply(Struct, frozen=True, tag="rtnetlink", omit_defaults=True):
    """The links, routes and neighbours of a node's kernel. ``cut``: there were more entries than are kept."""

    outcome: Outcome
    ms: float
    links: tuple[Link, ...] = ()
    routes: tuple[KernelRoute, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: tuple[Forwarding, ...] = ()
    cut: bool = False


class KernelReply(Struct, frozen=True, tag="kernel", omit_defaults=True):
    """A node's network settings by their path under /proc/sys, and its counters as they were and ``seconds`` later.

    Counters: ``Tcp.RetransSegs`` (/proc/net/snmp, snmp6, netstat), ``conntrack.drop`` and ``arp_cache.entries``
    (/proc/net/stat, all CPUs together), ``softnet.dropped``, ``eth0.rx_dropped`` (/proc/net/dev), ``sockets.TCP.tw``
    (/proc/net/sockstat). ``release``: the kernel's. ``clock``: seconds that the node's clock is ahead of the API server's.
    """

    outcome: Outcome
    ms: float
    seconds: float = 0.0
    settings: dict[str, str] = {}
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    release: str = ""
    clock: float = 0.0


class Flow(Struct, frozen=True, omit_defaults=True):
    """A tracked flow: the source, the destination, and the expected source of replies, each as IP and port.

    ``replied``: an answer was seen. ``left``: seconds until it is forgotten.
    """

    source: Address
    to: Address
    answers: Address
    replied: bool = False
    left: int = 0


class ConntrackReply(Struct, frozen=True, tag="conntrack", omit_defaults=True):
    """The UDP flows to the requested addresses. ``cut``: there were more."""

    outcome: Outcome
    ms: float
    flows: tuple[Flow, ...] = ()
    cut: bool = False


class ServiceTable(Struct, frozen=True, omit_defaults=True):
    """A node's rules for Services in one place. Addresses are written "tcp 10.96.0.1:80", those of a node port "tcp *:30080".

    ``to``: of each address that is translated the endpoints ("10.244.1.5:8080"), none where its rules lead nowhere.
    ``refused``: the addresses that are rejected or dropped as those without endpoints. ``unclear``: those whose rules have a form
    that netdoc does not know; ``unknown``: so has the whole. ``hooks``: where packets get into the rules (``prerouting``,
    ``output``).
    """

    to: dict[str, tuple[str, ...]] = {}
    refused: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    unknown: bool = False

    @property
    def endpoints(self) -> frozenset[str]:
        """All endpoints, with their protocols ("tcp 10.244.1.5:8080")."""
        return frozenset(f"{address.partition(' ')[0]} {end}" for address, ends in self.to.items() for end in ends)


class ServiceRulesReply(Struct, frozen=True, tag="service rules", omit_defaults=True):
    """A node's rules for Services, by what keeps them.

    ``iptables``: those of kube-proxy's iptables mode in nf_tables, ``legacy``: in the old tables, ``nftables``: those of its
    nftables mode; what is not there is left out. None: a bundle of an older netdoc, which read less. ``cut``: there were more.
    """

    outcome: Outcome
    ms: float
    tables: dict[str, ServiceTable] | None = None
    cut: bool = False


class CniFile(Struct, frozen=True, omit_defaults=True):
    """A file of /etc/cni/net.d that a runtime would read: its name, the network's name in it and its plugins' types in order.

    ``problem``: why it can't be used. ``listed``: it has plugins of its own. ``folder``: the plugins' types in the folder beside
    it that is called like its network, which some runtimes add; ``folder_problem``: why they can't be read.
    """

    name: str
    network: str = ""
    plugins: tuple[str, ...] = ()
    problem: str = ""
    listed: bool = True
    folder: tuple[str, ...] = ()
    folder_problem: str = ""


class CniConfigReply(Struct, frozen=True, tag="CNI configuration", omit_defaults=True):
    """The files in their order; the first is in use. Nothing else of their contents is kept."""

    outcome: Outcome
    ms: float
    files: tuple[CniFile, ...] = ()
