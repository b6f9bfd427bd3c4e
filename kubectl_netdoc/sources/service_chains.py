# SPDX-License-Identifier: Apache-2.0
"""Where kube-proxy's rules send what comes for a Service: netlink messages of nf_tables and the agent's of the old tables.

The forms that are read, by kube-proxy's sources (pkg/proxy/iptables and pkg/proxy/nftables of Kubernetes 1.31 to 1.37):
iptables mode, by nf_tables or in the old tables: KUBE-SERVICES, KUBE-NODEPORTS → KUBE-EXT, KUBE-SVC, KUBE-SVL → KUBE-SEP → DNAT,
and REJECT or DROP in the table filter. nftables mode: the maps ``service-ips`` and ``service-nodeports`` → chains ``external-``,
``service-``, ``local-`` → up to 1.35, and with session affinity, chains ``endpoint-`` with a dnat each; since 1.36 a dnat to an
anonymous map by ``numgen``, and since 1.37 a dnat where there is one endpoint; and the maps ``no-endpoint-services`` and
``no-endpoint-nodeports``. Chains are followed by what their rules do, not by their names. What is not understood makes the
addresses that lead there ``unclear``: it is never taken for a missing rule.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from kubectl_netdoc.formats import netlink
from kubectl_netdoc.formats.addresses import packed
from kubectl_netdoc.formats.netlink import Attributes
from kubectl_netdoc.measurements.node import ServiceTable
from kubectl_netdoc.sources import translating_rules
from kubectl_netdoc.sources.translating_rules import Step

NEW_CHAIN, NEW_RULE, NEW_SET, NEW_ELEMENTS, OLD_RULE = 0xA03, 0xA06, 0xA09, 0xA0C, 0xFFFF
"""Types of the messages: those of nf_tables (linux/netfilter/nf_tables.h), and the agent's of a rule of the old tables."""

OFFSET = 99
"""The agent's attribute with the offset of a rule of the old tables, by which jumps name it."""

OWN = "kube-proxy"
DISPATCH = {"iptables": "KUBE-SERVICES", "legacy": "KUBE-SERVICES", "nftables": "services"}
"""The chain that all packets for Services pass, by table."""

FILTERS = ("KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS")
REFUSING_MAPS = ("no-endpoint-services", "no-endpoint-nodeports")
"""What refuses connections to Services without endpoints: chains in iptables' table filter, maps in nftables mode."""

PREROUTING, OUTPUT = "prerouting", "output"
HOOKS = {0: PREROUTING, 3: OUTPUT}
BUILT_IN = {"PREROUTING": PREROUTING, "OUTPUT": OUTPUT}
"""Where translation begins: for what comes into the node, its pods' packets among them, and for what the node sends."""

PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
NODE_PORT = "*"
"""What stands for a node's own addresses where a node port is named: "tcp *:30080"."""

MOST_DEPTH = 32


def parse(messages: bytes) -> dict[str, ServiceTable]:
    """Return the rules for Services by table; one without the chain that all packets for Services pass is left out.

    ``messages``: whole netlink messages, padded to four bytes. Raises ``struct.error`` and ``ValueError`` for what is none.
    """
    filters = {table: _Filter(table) for table in DISPATCH}
    for kind, family, parts in _messages(messages):
        table = "legacy" if kind == OLD_RULE else "nftables" if netlink.word(parts.get(1, b"")) == OWN else "iptables"
        filters[table].take(kind, family, parts)
    found = ((table, each.told()) for table, each in filters.items())
    return {table: told for table, told in found if told is not None}


def _messages(data: bytes) -> Iterator[tuple[int, int, Attributes]]:
    at = 0
    while at + 20 <= len(data):
        length, kind = struct.unpack_from("<IH", data, at)
        if length < 20:
            raise ValueError("a netlink message shorter than its head")
        yield kind, data[at + 16], netlink.by_type(data[at + 20 : at + length])
        at += (length + 3) & ~3


class _Place(NamedTuple):
    """A chain."""

    family: int
    table: str
    chain: str


class _Filter:
    """The chains and sets of one table, of both families."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.chains: dict[_Place, list[Step]] = {}
        self.begins: dict[_Place, str] = {}
        self.at: dict[tuple[int, str, int], _Place] = {}
        self.sets: dict[tuple[int, str], list[tuple[bytes, Attributes]]] = {}

    def take(self, kind: int, family: int, parts: Attributes) -> None:
        """Note a message."""
        table, name = netlink.word(parts.get(1, b"")), netlink.word(parts.get(3 if kind == NEW_CHAIN else 2, b""))
        place = _Place(family, table, name)
        if kind == NEW_CHAIN:
            self.chains.setdefault(place, [])
            hook = netlink.by_type(parts.get(4, b""))
            if 1 in hook and netlink.word(parts.get(7, b"")) == "nat" and (begin := HOOKS.get(netlink.number(hook[1]))):
                self.begins[place] = begin
        elif kind == NEW_RULE:
            self.chains.setdefault(place, []).append(translating_rules.nft(parts.get(4, b""), family))
        elif kind == NEW_SET:
            self.sets.setdefault((family, name), [])
        elif kind == NEW_ELEMENTS:
            self.sets.setdefault((family, name), []).extend(_elements(parts.get(3, b"")))
        elif kind == OLD_RULE:
            first = place not in self.chains
            self.chains.setdefault(place, []).append(translating_rules.old(parts.get(4, b""), family))
            if first:
                self.at[family, table, netlink.number(parts.get(OFFSET, b""))] = place
                if table == "nat" and (begin := BUILT_IN.get(name)):
                    self.begins[place] = begin

    def told(self) -> ServiceTable | None:
        """Return what the rules do; None where there are none of kube-proxy's."""
        own = [place for place in self.chains if place.table == OWN or place.chain.startswith("KUBE-")]
        starts = [place for place in own if place.chain == DISPATCH[self.table] and place.table in (OWN, "nat")]
        strange = not starts and any("/" in place.chain or place.chain.startswith("KUBE-SVC-") for place in own)
        if not (starts or strange):  # what is left is the kubelet's (KUBE-FIREWALL)
            return None
        walk = _Walk(self)
        for place in starts:
            walk.dispatch(place)
        used = walk.families or {place.family for place in starts}
        hooks = sorted({begin for begin in self.begins.values() if all(self._begun(walk, begin, each, starts) for each in used)})
        to = {address: tuple(sorted(ends)) for address, ends in sorted(walk.to.items())}
        unknown = walk.unknown or strange
        return ServiceTable(to, tuple(sorted(self.refused())), tuple(sorted(walk.unclear)), tuple(hooks), unknown)

    def _begun(self, walk: _Walk, begin: str, family: int, starts: list[_Place]) -> bool:
        """Whether packets of an IP family get from a hook into the rules: kube-proxy has some for families without Services."""
        return any(
            place.family == family and hook == begin and walk.reaches(place, starts) for place, hook in self.begins.items()
        )

    def next(self, step: Step, place: _Place) -> Iterator[tuple[_Place | None, bytes]]:
        """Yield the chains that a rule leads to, with the key for which it does; None for one that is not known."""
        if step.chain:
            yield _Place(place.family, place.table, step.chain), b""
        if step.offset >= 0:
            yield self.at.get((place.family, place.table, step.offset)), b""
        if step.verdicts:
            elements = self.sets.get((place.family, step.verdicts))
            if elements is None:
                yield None, b""
            for key, parts in elements or ():
                verdict = netlink.by_type(netlink.by_type(parts.get(2, b"")).get(2, b""))
                if name := netlink.word(verdict.get(2, b"")):
                    yield _Place(place.family, place.table, name), key

    def refused(self) -> set[str]:
        """Return the addresses that are refused as those without endpoints."""
        found = {_keyed(key, family) for (family, name), all_ in self.sets.items() if name in REFUSING_MAPS for key, _ in all_}
        for place, steps in self.chains.items():
            if place.table == "filter" and place.chain in FILTERS:
                found |= {_address(step, place.family) for step in steps if step.refuses}
        return found - {""}


class _Ends(NamedTuple):
    """The endpoints that a chain leads to, and whether a part of its rules is not understood."""

    ends: frozenset[str]
    unclear: bool


class _Walk:
    """A walk from the chain that all packets for Services pass to the endpoints. Each chain is read once.

    ``to``: where each address leads; ``families``: the IP families of which there are any.
    """

    def __init__(self, found: _Filter) -> None:
        self.found = found
        self.to: dict[str, frozenset[str]] = {}
        self.families: set[int] = set()
        self.unclear: set[str] = set()
        self.unknown = False
        self._passed: set[_Place] = set()
        self._ends: dict[_Place, _Ends] = {}

    def dispatch(self, place: _Place) -> None:
        """Follow a chain in which packets for all Services are; a rule or a map's key says whose are led away."""
        if place in self._passed:
            return
        self._passed.add(place)
        for step in self.found.chains.get(place, ()):
            named = _address(step, place.family)
            if named and (step.address or step.map):
                self._lead(named, self._translated(step, place), place.family)
            for other, key in self.found.next(step, place):
                if address := named or _keyed(key, place.family):
                    to = self.ends(other, ()) if other else _Ends(frozenset(), unclear=True)
                    self._lead(address, to, place.family)
                elif other:
                    self.dispatch(other)
                else:
                    self.unknown = True
            self.unknown = self.unknown or step.unknown

    def _lead(self, address: str, to: _Ends, family: int) -> None:
        self.families.add(family)
        self.to[address] = self.to.get(address, frozenset()) | to.ends
        if to.unclear:
            self.unclear.add(address)

    def ends(self, place: _Place, passed: tuple[_Place, ...]) -> _Ends:
        """Return where a chain leads."""
        if place in self._ends or place in passed or len(passed) >= MOST_DEPTH:
            return self._ends.get(place, _Ends(frozenset(), unclear=len(passed) >= MOST_DEPTH))
        ends, unclear = set[str](), False
        for step in self.found.chains.get(place, ()):
            found = [self._translated(step, place)]
            for other, _ in self.found.next(step, place):
                found.append(self.ends(other, (*passed, place)) if other else _Ends(frozenset(), unclear=True))
            ends.update(*(each.ends for each in found))
            unclear = unclear or any(each.unclear for each in found)
        self._ends[place] = _Ends(frozenset(ends), unclear)
        return self._ends[place]

    def _translated(self, step: Step, place: _Place) -> _Ends:
        """Return where a rule itself translates to."""
        if step.address:
            return _Ends(frozenset({_end(step.address, step.port)}), step.unknown)
        if not step.map:
            return _Ends(frozenset(), step.unknown)
        elements = self.found.sets.get((place.family, step.map))
        ends = [_map_value(parts, place.family) for _, parts in elements or ()]
        return _Ends(frozenset(_end(*end) for end in ends if end), unclear=elements is None or None in ends)

    def reaches(self, start: _Place, wanted: list[_Place]) -> bool:
        """Whether packets get from one chain to one of others."""
        seen, left = set[_Place](), [start]
        while left:
            place = left.pop()
            if place not in seen:
                seen.add(place)
                left += [other for step in self.found.chains.get(place, ()) for other, _ in self.found.next(step, place) if other]
        return not seen.isdisjoint(wanted)


def _elements(data: bytes) -> Iterator[tuple[bytes, Attributes]]:
    """Yield the elements of a set: the key, and all attributes."""
    for _, one in netlink.each(data):
        parts = netlink.by_type(one)
        yield netlink.by_type(parts.get(1, b"")).get(1, b""), parts


def _map_value(parts: Attributes, family: int) -> tuple[bytes, int] | None:
    """Return the address and port that an element of a map holds, each in registers of four bytes."""
    value, size = netlink.by_type(parts.get(2, b"")).get(1, b""), 16 if family == socket.AF_INET6 else 4
    if len(value) not in (size + 2, size + 4):
        return None
    return value[:size], netlink.number(value[size : size + 2])


def _keyed(key: bytes, family: int) -> str:
    """Return the address that a key of kube-proxy's maps names: address, protocol and port, or protocol and port."""
    size = 16 if family == socket.AF_INET6 else 4
    if len(key) in (size + 6, size + 8):
        return _text(key[size], key[:size], netlink.number(key[size + 4 : size + 6]))
    return _text(key[0], b"", netlink.number(key[4:6])) if len(key) in (6, 8) else ""


def _address(step: Step, family: int) -> str:
    """Return the address that a rule of iptables is for: a Service's or a node's port; nothing where it names none."""
    if not step.dport or step.protocol not in PROTOCOLS:
        return ""
    loopback = step.daddr and packed(step.daddr).is_loopback
    return _text(step.protocol, b"" if loopback else step.daddr, step.dport)


def _text(protocol: int, address: bytes, port: int) -> str:
    name = PROTOCOLS.get(protocol, "")
    return f"{name} {_end(address, port)}" if name and port else ""


def _end(address: bytes, port: int) -> str:
    if not address:
        return f"{NODE_PORT}:{port}"
    host = str(packed(address))
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
