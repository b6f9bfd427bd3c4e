# SPDX-License-Identifier: Apache-2.0
"""The tables of a node, indexed for lookups: routes, neighbours and tunnels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property, lru_cache

import msgspec
from msgspec import Struct

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.formats.addresses import ip_network, ip_range
from kubectl_netdoc.measurements.node import REFUSING, Forwarding, KernelRoute, Link, Neighbour, RtnetlinkReply
from kubectl_netdoc.records.nodes import Node

MAIN = 254
"""The main routing table (rt_tables(5)); rules may lead to others first, and which rules there are is not read."""

BIRD = 12
"""The protocol of BIRD's routes, as in Calico with BGP (rt_protos)."""

TUNNELS = frozenset({"vxlan", "ipip", "sit", "ip6tnl", "wireguard", "geneve", "gre"})
"""Kinds of links that encapsulate packets."""

NO_LINK_ADDRESS = frozenset({"failed", "incomplete", "none", ""})
"""States of a neighbour of which no link address is known."""


EBPF = {"cilium_vxlan": "cilium_host", "cilium_geneve": "cilium_host"}
"""Tunnels that eBPF uses whatever the routes say, and the link that the routes to other nodes' pods name."""


class NextHop(StrEnum):
    """Where a route leads: to a node, out of a link without a gateway, to an unknown gateway, by the default route, nowhere."""

    PEER = "peer"
    DEVICE = "device"
    STRAY = "stray"
    FAR = "far"
    REFUSED = "refused"
    NONE = "none"


class RangeRoute(Struct, frozen=True):
    """The route for a range in a node's main table; ``node``: the node that has the gateway's address."""

    hop: NextHop
    route: KernelRoute = KernelRoute("")
    node: str = ""

    @property
    def words(self) -> str:
        """The route as a clause."""
        route = self.route
        if self.hop is NextHop.NONE:
            return "nowhere: no route matches"
        if self.hop is NextHop.REFUSED:
            return f"into the route {route.type} {route.to}"
        which = "the default route" if route.to.endswith("/0") else f"the route {route.to}"
        gateway = f" to {' and '.join((route.via or route.dev, *route.others))}" if route.via or route.others else ""
        link = f" out of {route.dev}" if route.dev else ""
        return f"by {which}{gateway}{link}" + (f" ({self.node})" if self.node else "")


Key = tuple[int, int, int]
"""A range as numbers: IP version, prefix length and the bits of the prefix."""


@lru_cache(maxsize=1 << 16)
def numbers(text: str) -> Key:
    """Return a range as numbers; zeros for an invalid range."""
    try:
        network = ip_range(text)
    except ValueError:  # a node's data can be invalid
        return 0, 0, 0
    length = network.prefixlen
    return network.version, length, int(network.network_address) >> (network.max_prefixlen - length)


class Tables:
    """The tables of one node."""

    def __init__(self, reply: RtnetlinkReply) -> None:
        self._reply = reply
        self.links = {link.name: link for link in reply.links}
        self.cut = reply.cut

    @cached_property
    def routes(self) -> dict[Key, KernelRoute]:
        """The routes of table main by range, of several the one with the best metric."""
        found: dict[Key, KernelRoute] = {}
        for route in self._reply.routes:
            if route.table == MAIN and route.type != "throw":
                key = numbers(route.to)
                if key not in found or route.metric < found[key].metric:
                    found[key] = route
        return found

    @cached_property
    def _neighbours(self) -> dict[tuple[str, str], Neighbour]:
        return {(entry.dev, entry.ip): entry for entry in self._reply.neighbours}

    @cached_property
    def _forwarding(self) -> dict[tuple[str, str], list[Forwarding]]:
        found: dict[tuple[str, str], list[Forwarding]] = {}
        for each in self._reply.forwarding:
            found.setdefault((each.dev, each.mac), []).append(each)
        return found

    @cached_property
    def _set(self) -> set[str]:
        return {entry.dev for entry in self._reply.neighbours if entry.state == "permanent"}

    @cached_property
    def _lengths(self) -> dict[int, list[int]]:
        found: dict[int, set[int]] = {4: set(), 6: set()}
        for version, length, _ in self.routes:
            found[version].add(length)
        return {version: sorted(lengths, reverse=True) for version, lengths in found.items()}

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The node's own addresses, and the link of each."""
        return {ip: link.name for link in self.links.values() for ip in link.ips}

    @property
    def tunnels(self) -> list[Link]:
        """The links that encapsulate packets."""
        return [link for link in self.links.values() if link.kind in TUNNELS]

    def agent_sets_neighbours(self, dev: str) -> bool:
        """Tell whether a link has neighbours that an agent has set."""
        return dev in self._set

    def lookup(self, to: str) -> KernelRoute | None:
        """Return the route that a range as a whole takes: the longest prefix that contains it."""
        version, length, bits = numbers(to)
        for shorter in self._lengths[version]:
            if shorter <= length and (found := self.routes.get((version, shorter, bits >> (length - shorter)))):
                return found
        return None

    @cached_property
    def refusing(self) -> dict[Key, KernelRoute]:
        """The routes that drop packets."""
        return {key: route for key, route in self.routes.items() if route.type in REFUSING}

    def refused_within(self, to: str) -> KernelRoute | None:
        """Return a route that drops a part of a range."""
        version, length, bits = numbers(to) if self.refusing else (0, 0, 0)
        for (other, longer, more), route in self.refusing.items():
            if other == version and longer > length and more >> (longer - length) == bits:
                return route
        return None

    def neighbour(self, dev: str, ip: str) -> Neighbour | None:
        """Return a neighbour's link address; "" if the kernel got no answer for it."""
        found = self._neighbours.get((dev, ip))
        return found if found and found.mac and found.state not in NO_LINK_ADDRESS else None

    def forwarding(self, dev: str, mac: str) -> list[Forwarding]:
        """Return where frames for ``mac`` go out of a tunnel."""
        return self._forwarding.get((dev, mac), [])


class FlannelTunnel(Struct, frozen=True):
    """A flannel tunnel's end in a Node object: its VNI, its link address, and the address at which it is reached."""

    vni: int = 0
    mac: str = ""
    to: str = ""


class _Data(Struct, frozen=True):
    vni: int = msgspec.field(name="VNI", default=0)
    mac: str = msgspec.field(name="VtepMAC", default="")


def flannel(node: Node, family: str) -> FlannelTunnel:
    """Return flannel's tunnel end in the annotations of a node."""
    notes = node.metadata.annotations
    text, to = (notes.flannel_data6, notes.flannel_ip6) if family == ip_families.IPV6 else (notes.flannel_data, notes.flannel_ip)
    try:
        data = strict_json.decode(text, _Data) if text and text != "null" else _Data()
    except msgspec.MsgspecError:
        data = _Data()
    return FlannelTunnel(data.vni, data.mac.lower(), to)


def first(range_: str) -> str:
    """Return the first address of a range, which flannel gives to the tunnel's end there; "" for an invalid range."""
    try:
        return str(ip_network(range_).network_address)
    except ValueError:
        return ""


def owners(nodes: Iterable[Node], tables: Mapping[str, Tables]) -> dict[str, str]:
    """Return the node of each address, by Node objects and the nodes' own links; addresses of two nodes are left out."""
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


def range_route(tables: Tables, to: str, owner: Mapping[str, str]) -> RangeRoute:
    """Return the route that a node has for a range. Several next hops lead to a node only if all are that node."""
    route = tables.lookup(to)
    if route is None:
        return RangeRoute(NextHop.NONE)
    default = route.to.endswith("/0")
    if route.type in REFUSING:
        return RangeRoute(NextHop.NONE if default else NextHop.REFUSED, route)
    if default:
        return RangeRoute(NextHop.FAR, route)
    if not route.others and (not route.via or route.via in tables.addresses):
        return RangeRoute(NextHop.DEVICE, route)
    nodes = {owner.get(via, "") for via in (route.via, *route.others)}
    node = nodes.pop() if len(nodes) == 1 else ""
    return RangeRoute(NextHop.PEER if node else NextHop.STRAY, route, node)
