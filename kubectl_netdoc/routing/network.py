# SPDX-License-Identifier: Apache-2.0
"""The routes that all measured nodes have to the pods of other nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.new_nodes import is_joining
from kubectl_netdoc.core.once import once
from kubectl_netdoc.formats.addresses import in_any
from kubectl_netdoc.measurements.connect import Echo, EchoReply
from kubectl_netdoc.measurements.node import REFUSING, Link, RtnetlinkReply
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.probes.node_pairs import Pair, as_paths, both_ways, pairs
from kubectl_netdoc.probes.service_targets import proof
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.remediation.commands import shell_word
from kubectl_netdoc.routing.tables import (
    BIRD,
    FlannelTunnel,
    Key,
    NextHop,
    RangeRoute,
    Tables,
    flannel,
    numbers,
    owners,
    range_route,
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read the tables of each node; the proofs between pods show what works whatever the tables say."""
    if not cluster.hosts:
        return
    yield from (request for node in cluster.hosts for request in node_readings.both_tables(node))
    for family in _families(cluster):
        yield from (_proof(pair, family) for pair in pairs(cluster))


def _families(cluster: Cluster) -> tuple[str, ...]:
    return ("", *ip_families.further(cluster))


def _proof(pair: Pair, family: str) -> Echo:
    return msgspec.structs.replace(proof(*pair), family=family)


FLANNEL_BACKENDS = frozenset({"vxlan", "host-gw", "ipip"})
"""The backends of flannel by which a node has a route for each other node's pods (flannel-io/flannel, pkg/backend)."""


@once
def cluster_routes(facts: Facts) -> ClusterRoutes:
    """Return the routes of the nodes whose tables were read."""
    replies, _ = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "routes and tunnels")
    return ClusterRoutes(facts, replies)


class ClusterRoutes:
    """The nodes' routing tables, and for each pod range of each node the route that every measured node has to it.

    ``nodes``: the nodes that routes should lead to; ``joining``: names of nodes that have just joined and are not judged.
    ``by_node``: pods have addresses of their node's podCIDRs. ``ways``: of each node the routes by (other node, range).
    ``bgp_commands``: by node, the command that shows its BGP sessions, if BIRD makes routes. ``usual_hop``: the kind of next
    hop that most routes for a single node have; None if the tables can't tell (routes of a cloud, eBPF).
    """

    def __init__(self, facts: Facts, replies: Mapping[str, RtnetlinkReply]) -> None:
        self.cluster = cluster = facts.cluster
        self.tables = {node: Tables(reply) for node, reply in replies.items()}
        fit = [node for node in cluster.all(NODE) if not node.unsupported]
        self.nodes = {node.name: node for node in fit if not is_joining(cluster, node)}
        self.joining = sorted(node.name for node in fit if node.name not in self.nodes)
        self.owner = owners(cluster.all(NODE), self.tables)
        self.proven = _proven(facts)
        self._addresses: dict[str, list[str]] = {}
        for ip, name in self.owner.items():
            self._addresses.setdefault(name, []).append(ip)
        self._flannel: dict[tuple[str, str], FlannelTunnel] = {}
        self._macs: dict[tuple[str, str, int, str], list[str]] = {}
        self._ends: dict[tuple[str, str], list[str]] = {}
        self._nodes_within: dict[tuple[int, int], Counter[int]] = {}
        self.by_node = self._ranges_in_use(facts)
        self.ranges = {name: node.spec.pod_cidrs for name, node in self.nodes.items()} if self.by_node else self._blocks(facts)
        self.ways = {one: dict(self._ways(one, table)) for one, table in self.tables.items() if one in self.nodes}
        self.asked = sum(map(len, self.ways.values()))
        bird = any(route.protocol == BIRD for table in self.tables.values() for route in table.routes.values())
        self.bgp_commands = _sessions(facts) if bird else {}
        hops = Counter(way.hop for ways in self.ways.values() for way in ways.values() if not self._for_several_nodes(way))
        self.usual_hop = next((hop for hop, count in hops.items() if 2 * count > self.asked), None)

    def _ways(self, one: str, table: Tables) -> Iterator[tuple[tuple[str, str], RangeRoute]]:
        """Yield the route of a node to each pod range of every other node."""
        for other, ranges in self.ranges.items():
            for to in ranges if other != one else ():
                yield (other, to), range_route(table, to, self.owner)

    def _ranges_in_use(self, facts: Facts) -> bool:
        """Tell whether pods have addresses of their node's podCIDRs, by flannel's annotations or the debug pods' addresses."""
        if any(node.metadata.annotations.flannel_backend for node in self.nodes.values()):
            return True
        mine = [(v.node, v.ip) for v in facts.vantages if v.ip and v.node in self.nodes]
        return all(in_any(ip, self.nodes[node].spec.pod_cidrs) for node, ip in mine)

    def _blocks(self, facts: Facts) -> dict[str, tuple[str, ...]]:
        """Return the address blocks of each node if IPAM cuts its own: Calico's node has a blackhole route for its block.

        The pods in a block decide whose it is: BIRD announces a blackhole that was made by hand too.
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
        pods_by_range = _pods_by_range(facts, claims)
        for to, names in sorted(claims.items()):
            led = pods_by_range.get(numbers(to)) or votes.get(to, Counter())
            named = [name for name in led if led[name] == max(led.values())] or sorted(names)
            if len(named) == 1 and named[0] in self.nodes and not to.endswith("/0"):
                found[named[0]] = (*found.get(named[0], ()), to)
        return found

    def _for_several_nodes(self, way: RangeRoute) -> bool:
        """Tell whether a route is for the pods of several nodes together; the network does not route by node then."""
        if way.hop in (NextHop.FAR, NextHop.NONE):
            return True
        version, length, bits = numbers(way.route.to)
        if (version, length) not in self._nodes_within:
            self._nodes_within[version, length] = self._count_within(version, length)
        return self._nodes_within[version, length][bits] > 1

    def _count_within(self, version: int, length: int) -> Counter[int]:
        """Return for each prefix of a length how many nodes have a range within it."""
        found: Counter[int] = Counter()
        for ranges in self.ranges.values():
            own = map(numbers, ranges)
            found.update({bits >> (longer - length) for other, longer, bits in own if other == version and longer >= length})
        return found

    def pods_connected(self, one: str, other: str, family: str) -> bool | None:
        """Tell whether pods on two nodes reach each other in a family, in both directions; None if that was not measured."""
        found = [self.proven[key] for key in ((one, other, family), (other, one, family)) if key in self.proven]
        return all(found) if found else None

    def any_pods_connected(self, node: str, family: str = "") -> bool | None:
        """Tell whether pods on a node reach those on any other node, in a family or in any; None if that was not measured."""
        found = [good for (one, other, of), good in self.proven.items() if node in (one, other) and family in ("", of)]
        return any(found) if found else None

    def known_from_flannel(self, one: str, other: str, family: str) -> bool:
        """Tell whether flannel's annotations say how packets go between two nodes."""
        backend = self.nodes[one].metadata.annotations.flannel_backend
        return (
            backend in FLANNEL_BACKENDS
            and self.nodes[other].metadata.annotations.flannel_backend == backend
            and bool(self.flannel(one, family).to and self.flannel(other, family).to)
        )

    def flannel(self, node: str, family: str) -> FlannelTunnel:
        """Return flannel's tunnel end in the annotations of a node."""
        found = self._flannel.get((node, family))
        if found is None:
            found = self._flannel[node, family] = flannel(self.nodes[node], family)
        return found

    def macs(self, node: str, link: Link, family: str) -> list[str]:
        """Return the link addresses of a tunnel's end on a node: first that of its Node object, then that of its own tables."""
        key = node, link.name, link.vni, family
        if key not in self._macs:
            table = self.tables.get(node)
            own = [each.mac for each in table.tunnels if (each.name, each.vni) == (link.name, link.vni)] if table else []
            self._macs[key] = list(dict.fromkeys(filter(None, [self.flannel(node, family).mac, *own])))
        return self._macs[key]

    def tunnel_addresses(self, node: str, family: str) -> list[str]:
        """Return the addresses at which a node receives a tunnel's packets; flannel's comes first."""
        if (node, family) not in self._ends:
            known = [each.address for each in self.nodes[node].status.addresses if each.type == "InternalIP"]
            found = dict.fromkeys([self.flannel(node, family).to, *known, *self._addresses.get(node, ())])
            self._ends[node, family] = [ip for ip in found if ip and ip_families.of(ip) == family]
        return self._ends[node, family]

    def agent_sets_neighbours(self, dev: str) -> bool:
        """Tell whether an agent sets the neighbours on links of that name, on any node; otherwise they are learnt."""
        return any(table.agent_sets_neighbours(dev) for table in self.tables.values())

    def bridges(self, node: str) -> list[Link]:
        """Return the bridges that pods of a node are connected to: those with an address of its pod range."""
        ranges = self.nodes[node].spec.pod_cidrs if node in self.nodes and self.by_node else ()
        links = self.tables[node].links.values() if node in self.tables else ()
        own = [(link, list(link.ips)) for link in links if link.kind == "bridge"]
        return [link for link, addresses in own if any(in_any(ip, ranges) for ip in addresses)]

    def paths_of(self, node: str) -> list[NodePath]:
        """Return all paths from and to a node, as evidence has them."""
        return as_paths(both_ways((node, other) for other in self.nodes if other != node))


def _pods_by_range(facts: Facts, ranges: Iterable[str]) -> dict[Key, Counter[str]]:
    """Return how many pods of each node have an address in each range, netdoc's own included."""
    pods = facts.cluster.all(POD) if facts.cluster.readable(POD) else ()
    living = (pod for pod in pods if not (pod.spec.host_network or pod.finished or pod.terminating))
    homes = {ip: pod.spec.node_name for pod in living for ip in pod.ips}
    homes |= {vantage.ip: vantage.node for vantage in facts.vantages if vantage.ip}
    lengths = {key[:2] for key in map(numbers, ranges) if key[1]}
    found: dict[Key, Counter[str]] = {}
    for text, node in homes.items():
        version, most, bits = numbers(text)
        for length in (length for other, length in lengths if other == version):
            found.setdefault((version, length, bits >> (most - length)), Counter())[node] += 1
    return found


def _sessions(facts: Facts) -> dict[str, str]:
    """Return for each node with Calico's agent the command that shows its BGP sessions."""
    pods = facts.cluster.all(POD) if facts.cluster.readable(POD) else ()
    return {
        pod.spec.node_name: f"kubectl -n {shell_word(pod.namespace)} exec {shell_word(pod.name)} -c calico-node -- "
        "birdcl -s /var/run/calico/bird.ctl show protocols"
        for pod in pods
        if any(container.name == "calico-node" for container in pod.spec.containers)
    }


def _proven(facts: Facts) -> dict[tuple[str, str, str], bool]:
    """Return by (node, other node, family) whether a proof came through between debug pods; only measured paths."""
    found = {}
    primary = next(iter(ip_families.of_pods(facts.cluster)), ip_families.IPV4)
    for family in _families(facts.cluster):
        for pair in pairs(facts.cluster):
            reply = facts.reply(_proof(pair, family))
            if isinstance(reply, EchoReply):
                found[(*pair, family or primary)] = any(sample.who for sample in reply.samples)
    return found


BROKEN = (
    *("PNW001", "PNW002", "PNW003", "PNW004", "PNW006", "PNW012", "PNW014", "PNW016", "PTQ001", "PTQ003", "PTQ004", "SYN001"),
    *("MTU001", "MTU003", "DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "SVR002", "SVR005", "SVR013", "SVR006"),
)
"""Codes of connections that fail along a path if its route or tunnel is wrong."""

KUBELET = ("NOD001", "POD004", "POD006", "POD008", "POD009")
"""What is seen where packets to or from a node itself are lost: its kubelet does not report, start a pod or answer."""

AGENTS = "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"
"""The command that shows a node's network agent."""
