# SPDX-License-Identifier: Apache-2.0
"""Decodes what the taps of a trace and its sender told into one reply; which packet a sighting is of is found out here."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kubectl_netdoc.measurements import rule_owners
from kubectl_netdoc.measurements.base import Address, Outcome
from kubectl_netdoc.measurements.trace import (
    Arp,
    BaseChain,
    MovedRule,
    Opaque,
    RouteAnswer,
    RuleSet,
    SentPacket,
    Sighting,
    TapReading,
    Tunnel,
)
from kubectl_netdoc.sources import kernel_replies, rtnetlink
from kubectl_netdoc.sources.rule_replies import rule_of, set_of, with_sets

ERROR = re.compile(r"ICMP (\d+/\d+) from (\S+) to (\S+) mtu (\d+)")
UDP_ANSWER, DNS_ANSWER = 1000, 500
"""What the tap gives as key for an answer of an echo server, and adds to the number of a DNS answer (agent/tap.py)."""

PADDED = 128 + 8
"""Length of UDP of the marked datagram with number 0; each further one is longer by a byte (agent/marked.py)."""

UNREADABLE = (ValueError, IndexError, TypeError, KeyError, OverflowError, struct.error, AttributeError)


def sent(rows: Iterable[Any]) -> tuple[SentPacket, ...]:
    """Return the outcomes that the sender told; raises what is in ``UNREADABLE``."""
    return tuple(SentPacket(Outcome(word), round(float(ms), 3), Address(str(ip), int(port))) for word, ms, ip, port in rows)


def handshakes(node: Mapping[str, Any], packets: tuple[SentPacket, ...]) -> dict[int, int]:
    """Return the number of the packet by the sequence number of its handshake, from the tap of the node that sent."""
    numbers = {(packet.source.ip, packet.source.port): number for number, packet in enumerate(packets)}
    found = {}
    for row in node.get("sightings", ()):
        if row[11] == "SYN" and (row[5], row[6]) in numbers:
            found[int(row[12])] = numbers[row[5], row[6]]
    return found


def reading(node: str, told: Mapping[str, Any]) -> TapReading:
    """Return what a tap told of its node; raises what is in ``UNREADABLE``."""
    texts, queues, sets = told["counters"], told["queues"], tuple(map(set_of, told["sets"]))
    values = [kernel_replies.counters(text) | _queues(queue) for text, queue in zip(texts, queues, strict=True)]
    return TapReading(
        node,
        frames=int(told["frames"]),
        dropped=int(told["dropped"]),
        full=bool(told["full"]),
        moved=tuple(_moved(row, sets) for row in told["moved"]),
        foreign=tuple(with_sets(rule, sets) for row in told["foreign"] if rule_owners.foreign(rule := rule_of(row))),
        chains=tuple(BaseChain(str(f), str(t), str(c), int(hook), int(at)) for f, t, c, hook, at, *_ in told["chains"]),
        risen=_risen(values[1], values[2]),
        control=_risen(values[0], values[1]),
        routes=tuple(_route(row) for row in told["routes"]),
        policies=tuple(route for text in told["policies"] for route in rtnetlink.policy_routes(base64.b64decode(text))),
        opaque=tuple(
            Opaque(str(dev), way == "out", str(one), str(to), int(count)) for dev, way, one, to, count in told["opaque"]
        ),
        arps=tuple(Arp(str(dev), way == "out", kind == 2, str(who), str(whom)) for dev, way, kind, who, whom in told["arps"]),
        tables=rtnetlink.parse([base64.b64decode(text) for text in told["netlink"]], 0.0, False),
    )


def sightings(node: str, told: Mapping[str, Any], keys: Mapping[int, int], count: int) -> Iterator[Sighting]:
    """Yield the sightings of one node as they came; raises what is in ``UNREADABLE``. ``keys``: what ``handshakes`` returned."""
    rows = told["sightings"]
    first = min((int(row[0]) for row in rows), default=0)
    for row in rows:
        us, dev, way, mac, layers, source, port, to, to_port, ttl, length, what, key, checksum = row
        number, answer = _numbered(str(what), int(key), int(length), ":" in str(to), keys)
        if not 0 <= number < count:
            continue
        error = ERROR.fullmatch(str(what))
        yield Sighting(
            packet=number,
            node=node,
            dev=str(dev),
            out=way == "out",
            us=int(us) - first,
            source=Address(str(source), int(port)),
            to=Address(str(to), int(to_port)),
            ttl=int(ttl),
            length=int(length),
            what="ICMP" if error else str(what),
            tunnels=tuple(Tunnel(str(kind), str(one), str(other)) for kind, one, other in layers),
            mac=str(mac),
            answer=answer and not error,
            error=error[1] if error else "",
            teller=error[2] if error else "",
            bad_checksum=checksum == "bad",
        )


def _numbered(what: str, key: int, length: int, ipv6: bool, keys: Mapping[int, int]) -> tuple[int, bool]:
    """Return the number of the packet that a sighting is of, and whether it is its answer; -1 where it is of none."""
    if what in ("SYN", "SYN-ACK", "RST"):
        return keys.get(key, -1), what != "SYN"
    if what == "UDP" and key == UDP_ANSWER:
        return length - (40 if ipv6 else 20) - PADDED, True
    if what == "UDP" and key >= DNS_ANSWER:
        return key - DNS_ANSWER, True
    return (keys.get(key, key), False) if what.startswith("ICMP") else (key, False)


def _moved(row: list[Any], sets: tuple[RuleSet, ...]) -> MovedRule:
    before, control = int(row[7]), int(row[8])
    return MovedRule(with_sets(rule_of(row), sets), int(row[5]) - control, control - before)


def _risen(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each counter rose; one that was not there before rose by what it is."""
    found = {name: value - before.get(name, 0) for name, value in after.items()}
    return {name: rise for name, rise in sorted(found.items()) if rise > 0}


def _queues(rows: Iterable[Any]) -> dict[str, int]:
    """Return what the queues of each kind on each interface have dropped together."""
    found: dict[str, int] = {}
    for dev, kind, dropped in rows:
        name = f"qdisc.{dev}.{kind}.dropped"
        found[name] = found.get(name, 0) + int(dropped)
    return found


def _route(row: list[Any]) -> RouteAnswer:
    source, to, dev, kind, via, out = (str(item) for item in row)
    if kind.startswith("error "):
        return RouteAnswer(source, to, dev, error=int(kind.split()[1]))
    return RouteAnswer(source, to, dev, kind=int(kind), via=via, out=out)
