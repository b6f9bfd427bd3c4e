# SPDX-License-Identifier: Apache-2.0
"""Where the tables of a node send a packet for another node's pods: routes, neighbours and tunnels, indexed and looked up.

Shared by the checks ``node_routes`` and ``node_links``.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_address, ip_network

import msgspec
from msgspec import Struct

from kubectl_netdoc import commands, families, hosts, typed
from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.commands import word
from kubectl_netdoc.facts import Facts
from kubectl_netdoc.joining import joins
from kubectl_netdoc.mesh import Pair, arrows, both_ways, pairs
from kubectl_netdoc.records import NODE, POD, Node
from kubectl_netdoc.requests import Echo, EchoReply, Forwarding, KernelRoute, Link, Neighbour, Request, RtnetlinkReply
from kubectl_netdoc.targets import proof

MAIN = 254
"""The main routing table (rt_tables(5)); rules may lead to others first, and which rules there are is not read."""

BIRD = 12
"""The protocol of routes that BIRD makes, as Calico with BGP has them (rt_protos)."""

REFUSING = frozenset({"blackhole", "unreachable", "prohibit"})
"""Types of routes that drop what they match (ip-route(8))."""

TUNNELS = frozenset({"vxlan", "ipip", "sit", "ip6tnl", "wireguard", "geneve", "gre"})
"""Kinds of links that wrap packets."""

GROUND = frozenset({"failed", "incomplete", "none", ""})
"""States of a neighbour of which no link address is known."""


EBPF = {"cilium_vxlan": "cilium_host", "cilium_geneve": "cilium_host"}
"""Tunnels that eBPF puts packets into, whatever routes say, and the link that routes to other nodes' pods go by meanwhile."""


class Hop(StrEnum):
    """Where a route leads: to a node, out of a link (by no gateway, or by itself), to an unknown one, by the default, nowhere."""

    PEER = "peer"
    DEVICE = "device"
    STRAY = "stray"
    FAR = "far"
    REFUSED = "refused"
    NONE = "none"


class Way(Struct, frozen=True):
    """The way that a node's main table has for a range; ``node``: whose address the gateway is."""

    hop: Hop
    route: KernelRoute = KernelRoute("")
    node: str = ""

    @property
    def words(self) -> str:
        """The way as a person would say it."""
        route = self.route
        if self.hop is Hop.NONE:
            return "nowhere: no route matches"
        if self.hop is Hop.REFUSED:
            return f"into the route {route.type} {route.to}"
        which = "the default route" if route.to.endswith("/0") else f"the route {route.to}"
        gateway = f" to {' and '.join((route.via or route.dev, *route.others))}" if route.via or route.others else ""
        link = f" out of {route.dev}" if route.dev else ""
        return f"by {which}{gateway}{link}" + (f" ({self.node})" if self.node else "")


Key = tuple[int, int, int]
"""A range as numbers: IP version, prefix length and the bits of the prefix."""


def _numbers(text: str) -> Key:
    try:
        network = ip_network(text, strict=False)
    except ValueError:  # a node may tell anything
        return 0, 0, 0
    length = network.prefixlen
    return network.version, length, int(network.network_address) >> (network.max_prefixlen - length)


class Tables:
    """The tables of one node."""

    def __init__(self, reply: RtnetlinkReply) -> None:
        self.links = {link.name: link for link in reply.links}
        self.cut = reply.cut
        self.routes: dict[Key, KernelRoute] = {}
        for route in reply.routes:
            if route.table == MAIN and route.type != "throw":
                key = _numbers(route.to)
                if key not in self.routes or route.metric < self.routes[key].metric:
                    self.routes[key] = route
        self._neighbours = {(entry.dev, entry.ip): entry for entry in reply.neighbours}
        self._forwarding: dict[tuple[str, str], list[Forwarding]] = {}
        for each in reply.forwarding:
            self._forwarding.setdefault((each.dev, each.mac), []).append(each)
        self._set = {entry.dev for entry in reply.neighbours if entry.state == "permanent"}

    @cached_property
    def _lengths(self) -> dict[int, list[int]]:
        found: dict[int, set[int]] = {4: set(), 6: set()}
        for version, length, _ in self.routes:
            found[version].add(length)
        return {version: sorted(lengths, reverse=True) for version, lengths in found.items()}

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The node's own addresses, and the link of each."""
        return {address.partition("/")[0]: link.name for link in self.links.values() for address in link.addresses}

    @property
    def tunnels(self) -> list[Link]:
        """The links that wrap packets."""
        return [link for link in self.links.values() if link.kind in TUNNELS]

    def sets(self, dev: str) -> bool:
        """Whether there are neighbours on a link that an agent has set."""
        return dev in self._set

    def lookup(self, to: str) -> KernelRoute | None:
        """Return the route that a range as a whole takes: the longest prefix that contains it."""
        version, length, bits = _numbers(to)
        for shorter in self._lengths[version]:
            if shorter <= length and (found := self.routes.get((version, shorter, bits >> (length - shorter)))):
                return found
        return None

    def refused_within(self, to: str) -> KernelRoute | None:
        """Return a route that drops a part of a range."""
        version, length, bits = _numbers(to)
        for (other, longer, more), route in self.routes.items():
            if other == version and longer > length and more >> (longer - length) == bits and route.type in REFUSING:
                return route
        return None

    def neighbour(self, dev: str, ip: str) -> Neighbour | None:
        """Return what is known of a neighbour's link address; nothing where the kernel has asked in vain."""
        found = self._neighbours.get((dev, ip))
        return found if found and found.mac and found.state not in GROUND else None

    def forwarding(self, dev: str, mac: str) -> list[Forwarding]:
        """Return where frames for ``mac`` go out of a tunnel."""
        return self._forwarding.get((dev, mac), [])


class Tunnel(Struct, frozen=True):
    """The end of a flannel tunnel that a Node object tells: its VNI, its link address, and the address it is reached at."""

    vni: int = 0
    mac: str = ""
    to: str = ""


class _Data(Struct, frozen=True):
    vni: int = msgspec.field(name="VNI", default=0)
    mac: str = msgspec.field(name="VtepMAC", default="")


def flannel(node: Node, family: str) -> Tunnel:
    """Return what flannel has written of its end on a node."""
    notes = node.metadata.annotations
    text, to = (notes.flannel_data6, notes.flannel_ip6) if family == families.IPV6 else (notes.flannel_data, notes.flannel_ip)
    try:
        data = typed.decode(text, _Data) if text and text != "null" else _Data()
    except msgspec.MsgspecError:
        data = _Data()
    return Tunnel(data.vni, data.mac.lower(), to)


def first(range_: str) -> str:
    """Return the first address of a range (nothing where it is none), which flannel gives to the tunnel's end there."""
    try:
        return str(ip_network(range_, strict=False).network_address)
    except ValueError:
        return ""


def owners(nodes: Iterable[Node], tables: Mapping[str, Tables]) -> dict[str, str]:
    """Return whose address each is, as Node objects and the nodes' own links tell; what two nodes have is nobody's."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        notes = node.metadata.annotations
        own = {each.address for each in node.status.addresses if each.type in ("InternalIP", "ExternalIP")}
        own |= {
            notes.flannel_ip,
            notes.flannel_ip6,
            notes.calico_vxlan,
            notes.calico_vxlan6,
            notes.calico_ipip,
            notes.calico_address.partition("/")[0],
            notes.calico_address6.partition("/")[0],
        }
        own |= {first(text) for text in node.spec.pod_cidrs if notes.flannel_backend}
        own |= tables[node.name].addresses.keys() if node.name in tables else set()
        for address in own - {""}:
            found.setdefault(address, set()).add(node.name)
    return {address: next(iter(names)) for address, names in found.items() if len(names) == 1}


def way(tables: Tables, to: str, owner: Mapping[str, str]) -> Way:
    """Return the way that a node has for a range; of several next hops it is one node's only where all are."""
    route = tables.lookup(to)
    if route is None:
        return Way(Hop.NONE)
    default = route.to.endswith("/0")
    if route.type in REFUSING:
        return Way(Hop.NONE if default else Hop.REFUSED, route)
    if default:
        return Way(Hop.FAR, route)
    if not route.others and (not route.via or route.via in tables.addresses):
        return Way(Hop.DEVICE, route)
    nodes = {owner.get(via, "") for via in (route.via, *route.others)}
    node = nodes.pop() if len(nodes) == 1 else ""
    return Way(Hop.PEER if node else Hop.STRAY, route, node)


def contains(range_: str, address: str) -> bool:
    """Whether an address is in a range, each as text."""
    try:
        one, other = ip_network(range_, strict=False), ip_address(address)
    except ValueError:
        return False
    return one.version == other.version and other in one


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read the tables of each node; the proofs between pods tell what works whatever the tables say."""
    if not cluster.hosts:
        return
    yield from map(hosts.tables, cluster.hosts)
    for family in _families(cluster):
        yield from (_proof(pair, family) for pair in pairs(cluster))


def _families(cluster: Cluster) -> tuple[str, ...]:
    return ("", *families.further(cluster))


def _proof(pair: Pair, family: str) -> Echo:
    return msgspec.structs.replace(proof(*pair), family=family)


class Network:
    """The nodes' tables, and for each range of each node the way that every measured node has to it.

    ``nodes``: those that are to be led to; ``young``: those that have just joined. ``by_node``: pods have addresses of their
    node's podCIDRs. ``sessions``: the command that shows a node's BGP sessions, where BIRD makes routes. ``usual``: how most ways
    lead there, where they are for one node each; None where tables do not tell (routes of a cloud, eBPF).
    """

    def __init__(self, facts: Facts, replies: Mapping[str, RtnetlinkReply]) -> None:
        cluster = facts.cluster
        self.tables = {node: Tables(reply) for node, reply in replies.items()}
        fit = [node for node in cluster.all(NODE) if not node.unfit]
        self.nodes = {node.name: node for node in fit if not joins(cluster, node)}
        self.young = sorted(node.name for node in fit if node.name not in self.nodes)
        self.owner = owners(cluster.all(NODE), self.tables)
        self.proven = _proven(facts)
        self.by_node = self._ranges_in_use(facts)
        self.ranges = {name: node.spec.pod_cidrs for name, node in self.nodes.items()} if self.by_node else self._blocks(facts)
        self.ways = {
            (one, other, to): way(table, to, self.owner)
            for one, table in self.tables.items()
            if one in self.nodes
            for other, ranges in self.ranges.items()
            if other != one
            for to in ranges
        }
        bird = any(route.protocol == BIRD for table in self.tables.values() for route in table.routes.values())
        self.sessions = _sessions(facts) if bird else {}
        hops = Counter(each.hop for each in self.ways.values() if not self._whole(each))
        self.usual = next((hop for hop, count in hops.items() if 2 * count > len(self.ways)), None)

    def _ranges_in_use(self, facts: Facts) -> bool:
        """Flannel says so, else the debug pods' own addresses do."""
        if any(node.metadata.annotations.flannel_backend for node in self.nodes.values()):
            return True
        mine = [(v.node, v.ip) for v in facts.vantages if v.ip and v.node in self.nodes]
        return all(any(contains(to, ip) for to in self.nodes[node].spec.pod_cidrs) for node, ip in mine)

    def _blocks(self, facts: Facts) -> dict[str, tuple[str, ...]]:
        """The blocks of each node where IPAM cuts its own: Calico's node drops what is left of its block, the others route it.

        Whose a block is, the pods in it tell first: a blackhole made by hand is told to the other nodes too, by BIRD.
        """
        claims: dict[str, set[str]] = {}
        votes: dict[str, Counter[str]] = {}
        for name, table in self.tables.items():
            for route in table.routes.values():
                if route.type in REFUSING:
                    claims.setdefault(route.to, set()).add(name)
                elif owner := self.owner.get(route.via, ""):
                    votes.setdefault(route.to, Counter())[owner] += 1
        found: dict[str, tuple[str, ...]] = {}
        lodgers = _lodgers(facts, claims)
        for to, names in sorted(claims.items()):
            led = lodgers.get(_numbers(to)) or votes.get(to, Counter())
            named = [name for name in led if led[name] == max(led.values())] or sorted(names)
            if len(named) == 1 and named[0] in self.nodes and not to.endswith("/0"):
                found[named[0]] = (*found.get(named[0], ()), to)
        return found

    def _whole(self, way: Way) -> bool:
        """Whether a route is for the pods of several nodes together, as networks have it that look no further at tables."""
        if way.hop in (Hop.FAR, Hop.NONE):
            return True
        return sum(any(_covers(way.route.to, to) for to in ranges) for ranges in self.ranges.values()) > 1

    def works(self, one: str, other: str, family: str) -> bool | None:
        """Whether pods on two nodes reach each other in a family, whoever asks; None where that was not measured."""
        found = [self.proven[key] for key in ((one, other, family), (other, one, family)) if key in self.proven]
        return all(found) if found else None

    def any_works(self, node: str, family: str = "") -> bool | None:
        """Whether pods on a node reach those on any other, in a family or in any; None where that was not measured."""
        found = [good for (one, other, of), good in self.proven.items() if node in (one, other) and family in ("", of)]
        return any(found) if found else None

    def told(self, one: str, other: str, family: str) -> bool:
        """Whether the way between two nodes is known from what flannel has written of both."""
        ends = [self.nodes[name] for name in (one, other)]
        backends = {node.metadata.annotations.flannel_backend for node in ends}
        return (
            len(backends) == 1
            and not backends.isdisjoint(("vxlan", "host-gw", "ipip"))
            and all(flannel(n, family).to for n in ends)
        )

    def macs(self, node: str, link: Link, family: str) -> list[str]:
        """Return the link addresses of a tunnel's end on a node: as its Node object tells it, then as its own table does."""
        table = self.tables.get(node)
        own = [each.mac for each in table.tunnels if (each.name, each.vni) == (link.name, link.vni)] if table else []
        return list(dict.fromkeys(filter(None, [flannel(self.nodes[node], family).mac, *own])))

    def outer(self, node: str, family: str) -> list[str]:
        """Return the addresses at which a node takes a tunnel's packets, the one that flannel tells first."""
        known = [each.address for each in self.nodes[node].status.addresses if each.type == "InternalIP"]
        own = [ip for ip, owner in self.owner.items() if owner == node]
        found = dict.fromkeys([flannel(self.nodes[node], family).to, *known, *own])
        return [ip for ip in found if ip and families.of(ip) == family]

    def sets(self, dev: str) -> bool:
        """Whether an agent sets the neighbours on a link of that name, on whatever node; else they are learnt."""
        return any(table.sets(dev) for table in self.tables.values())

    def bridges(self, node: str) -> list[Link]:
        """Return the bridges that pods of a node hang on: those with an address of its pod range."""
        ranges = self.nodes[node].spec.pod_cidrs if node in self.nodes and self.by_node else ()
        links = self.tables[node].links.values() if node in self.tables else ()
        own = [(link, [address.partition("/")[0] for address in link.addresses]) for link in links if link.kind == "bridge"]
        return [link for link, addresses in own if any(contains(to, ip) for to in ranges for ip in addresses)]

    def around(self, node: str) -> list[str]:
        """All paths from and to a node, as evidence names them."""
        return arrows(both_ways((node, other) for other in self.nodes if other != node))


def _lodgers(facts: Facts, ranges: Iterable[str]) -> dict[Key, Counter[str]]:
    """How many pods of each node have an address in each range, netdoc's own among them."""
    pods = facts.cluster.all(POD) if facts.cluster.readable(POD) else ()
    living = (pod for pod in pods if not (pod.spec.host_network or pod.finished or pod.terminating))
    homes = {ip: pod.spec.node_name for pod in living for ip in pod.ips}
    homes |= {vantage.ip: vantage.node for vantage in facts.vantages if vantage.ip}
    lengths = {key[:2] for key in map(_numbers, ranges) if key[1]}
    found: dict[Key, Counter[str]] = {}
    for text, node in homes.items():
        version, most, bits = _numbers(text)
        for length in (length for other, length in lengths if other == version):
            found.setdefault((version, length, bits >> (most - length)), Counter())[node] += 1
    return found


def _sessions(facts: Facts) -> dict[str, str]:
    """For each node with Calico's agent, the command that shows its BGP sessions."""
    pods = facts.cluster.all(POD) if facts.cluster.readable(POD) else ()
    return {
        pod.spec.node_name: f"kubectl -n {word(pod.namespace)} exec {word(pod.name)} -c calico-node -- "
        "birdcl -s /var/run/calico/bird.ctl show protocols"
        for pod in pods
        if any(container.name == "calico-node" for container in pod.spec.containers)
    }


def _covers(range_: str, other: str) -> bool:
    return contains(range_, first(other)) and int(range_.partition("/")[2]) <= int(other.partition("/")[2])


def _proven(facts: Facts) -> dict[tuple[str, str, str], bool]:
    """Which paths between debug pods were measured, in which family, and whether one proof came through."""
    found = {}
    primary = next(iter(families.of_pods(facts.cluster)), families.IPV4)
    for family in _families(facts.cluster):
        for pair in pairs(facts.cluster):
            reply = facts.reply(_proof(pair, family))
            if isinstance(reply, EchoReply):
                found[(*pair, family or primary)] = any(sample.who for sample in reply.samples)
    return found


def on(node: str, line: str) -> str:
    """Return a line for a node's shell as a command template; names in it, of interfaces too, are quoted as they must be."""
    words = shlex.join(line.split()).replace("{", "{{").replace("}", "}}")
    return commands.on_node(word(node), words)


def ip(to: str) -> str:
    """Return the command for a family."""
    return "ip -6" if families.of(to) == families.IPV6 else "ip"


def tunnel_lines(node: str, dev: str, via: str, macs: list[str], ends: list[str]) -> tuple[str, ...]:
    """Return the lines that tell a node's tunnel of another node's end, as far as it is known."""
    if not macs:
        return ()
    neighbour = on(node, f"{ip(via)} neigh replace {via} lladdr {macs[0]} dev {dev} nud permanent")
    forwarding = [on(node, f"bridge fdb replace {macs[0]} dev {dev} dst {end} self permanent") for end in ends[:1]]
    return (neighbour, *forwarding)


BROKEN = (
    *("PNW001", "PNW002", "PNW003", "PNW004", "PNW006", "PNW012", "PNW014", "PTQ001", "PTQ003", "PTQ004", "SYN001"),
    *("MTU001", "MTU003", "DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "SVR002", "SVR005", "SVR006"),
)
"""Codes of what does not get through along a path whose route or tunnel is wrong."""

AGENTS = "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"
"""The command that shows a node's network agent."""
