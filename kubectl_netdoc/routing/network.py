# SPDX-License-Identifier: Apache-2.0
"""How the nodes' tables lead to other nodes' pods, over all nodes that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.new_nodes import is_joining
from kubectl_netdoc.measurements.connect import Echo, EchoReply
from kubectl_netdoc.measurements.node import Link, RtnetlinkReply
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.probes.node_pairs import Pair, as_paths, both_ways, pairs
from kubectl_netdoc.probes.service_targets import proof
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.remediation.commands import shell_word
from kubectl_netdoc.routing.tables import BIRD, REFUSING, Hop, Key, Tables, Way, contains, flannel, numbers, owners, way


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read the tables of each node; the proofs between pods tell what works whatever the tables say."""
    if not cluster.hosts:
        return
    yield from map(node_readings.tables, cluster.hosts)
    for family in _families(cluster):
        yield from (_proof(pair, family) for pair in pairs(cluster))


def _families(cluster: Cluster) -> tuple[str, ...]:
    return ("", *ip_families.further(cluster))


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
        fit = [node for node in cluster.all(NODE) if not node.unsupported]
        self.nodes = {node.name: node for node in fit if not is_joining(cluster, node)}
        self.young = sorted(node.name for node in fit if node.name not in self.nodes)
        self.owner = owners(cluster.all(NODE), self.tables)
        self.proven = _proven(facts)
        self._nodes_within: dict[tuple[int, int], Counter[int]] = {}
        self.by_node = self._ranges_in_use(facts)
        self.ranges = {name: node.spec.pod_cidrs for name, node in self.nodes.items()} if self.by_node else self._blocks(facts)
        self.ways = dict(self._ways())
        bird = any(route.protocol == BIRD for table in self.tables.values() for route in table.routes.values())
        self.sessions = _sessions(facts) if bird else {}
        hops = Counter(each.hop for each in self.ways.values() if not self._for_several_nodes(each))
        self.usual = next((hop for hop, count in hops.items() if 2 * count > len(self.ways)), None)

    def _ways(self) -> Iterator[tuple[tuple[str, str, str], Way]]:
        """Yield the way from each node to each range of every other node."""
        for one, table in self.tables.items():
            for other, ranges in self.ranges.items() if one in self.nodes else ():
                for to in ranges if other != one else ():
                    yield (one, other, to), way(table, to, self.owner)

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
            led = lodgers.get(numbers(to)) or votes.get(to, Counter())
            named = [name for name in led if led[name] == max(led.values())] or sorted(names)
            if len(named) == 1 and named[0] in self.nodes and not to.endswith("/0"):
                found[named[0]] = (*found.get(named[0], ()), to)
        return found

    def _for_several_nodes(self, way: Way) -> bool:
        """Tell whether a route is for the pods of several nodes together: then the network does not route by node."""
        if way.hop in (Hop.FAR, Hop.NONE):
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
        return [ip for ip in found if ip and ip_families.of(ip) == family]

    def sets(self, dev: str) -> bool:
        """Whether an agent sets the neighbours on a link of that name, on whatever node; else they are learnt."""
        return any(table.sets(dev) for table in self.tables.values())

    def bridges(self, node: str) -> list[Link]:
        """Return the bridges that pods of a node hang on: those with an address of its pod range."""
        ranges = self.nodes[node].spec.pod_cidrs if node in self.nodes and self.by_node else ()
        links = self.tables[node].links.values() if node in self.tables else ()
        own = [(link, [address.partition("/")[0] for address in link.addresses]) for link in links if link.kind == "bridge"]
        return [link for link, addresses in own if any(contains(to, ip) for to in ranges for ip in addresses)]

    def around(self, node: str) -> list[NodePath]:
        """All paths from and to a node, as evidence names them."""
        return as_paths(both_ways((node, other) for other in self.nodes if other != node))


def _lodgers(facts: Facts, ranges: Iterable[str]) -> dict[Key, Counter[str]]:
    """How many pods of each node have an address in each range, netdoc's own among them."""
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
    """For each node with Calico's agent, the command that shows its BGP sessions."""
    pods = facts.cluster.all(POD) if facts.cluster.readable(POD) else ()
    return {
        pod.spec.node_name: f"kubectl -n {shell_word(pod.namespace)} exec {shell_word(pod.name)} -c calico-node -- "
        "birdcl -s /var/run/calico/bird.ctl show protocols"
        for pod in pods
        if any(container.name == "calico-node" for container in pod.spec.containers)
    }


def _proven(facts: Facts) -> dict[tuple[str, str, str], bool]:
    """Which paths between debug pods were measured, in which family, and whether one proof came through."""
    found = {}
    primary = next(iter(ip_families.of_pods(facts.cluster)), ip_families.IPV4)
    for family in _families(facts.cluster):
        for pair in pairs(facts.cluster):
            reply = facts.reply(_proof(pair, family))
            if isinstance(reply, EchoReply):
                found[(*pair, family or primary)] = any(sample.who for sample in reply.samples)
    return found


BROKEN = (
    *("PNW001", "PNW002", "PNW003", "PNW004", "PNW006", "PNW012", "PNW014", "PTQ001", "PTQ003", "PTQ004", "SYN001"),
    *("MTU001", "MTU003", "DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "SVR002", "SVR005", "SVR006"),
)
"""Codes of what does not get through along a path whose route or tunnel is wrong."""

AGENTS = "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"
"""The command that shows a node's network agent."""
