# SPDX-License-Identifier: Apache-2.0
"""Where the packets of a trace ended, and what took them there, as far as the nodes show it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.trace import Rule, Sighting, TapReading, Trace, TraceReply
from kubectl_netdoc.tracing import delays, links, misdirection, rules, takers
from kubectl_netdoc.tracing.crossings import Crossing
from kubectl_netdoc.tracing.delays import Delay
from kubectl_netdoc.tracing.hops import Hop, Way, lost, ways
from kubectl_netdoc.tracing.taken import Taken, Taker


class Ending(StrEnum):
    """How the packets of a trace ended."""

    ARRIVED = "arrived"
    REFUSED = "refused"
    DELAYED = "delayed"
    FAR = "delayed between nodes"
    CORRUPT = "checksum made wrong"
    ANSWER_CORRUPT = "answer's checksum made wrong"
    NEVER_LEFT = "never left the source"
    UNANSWERED = "arrived, and nothing answered"
    TAKEN = "taken on a node"
    BETWEEN = "lost between nodes"
    UNTRANSLATED = "sent on without translation"
    ASTRAY = "sent to somebody else"
    REWRITTEN = "rewritten"
    LOOP = "loop"
    ANSWER_TAKEN = "answer taken on a node"
    ANSWER_BETWEEN = "answer lost between nodes"
    ANSWER_FOREIGN = "answer from another address"
    UNSEEN = "not seen"


class Verdict(Struct, frozen=True):
    """How a trace ended. ``packets``: the lost ones of those ``sent``; ``last``: the last hop where they were seen.

    ``node``: where they ended ("": between nodes, or not known). ``next``: the hop that comes next where some got through.
    ``taken``: what took them; ``delay``, ``crossing``: where they waited, on a node or between two. ``errors``: ICMP errors about
    them. ``to_node``: whom they were for.
    """

    ending: Ending
    sent: int
    packets: frozenset[int] = frozenset()
    last: Hop | None = None
    node: str = ""
    next: Hop | None = None
    taken: Taken | None = None
    errors: tuple[Sighting, ...] = ()
    to_node: str = ""
    delay: Delay | None = None
    crossing: Crossing | None = None
    duplicated: frozenset[int] = frozenset()
    unseen: tuple[str, ...] = ()

    @property
    def answer(self) -> bool:
        """Tell whether it is the answer that was lost."""
        return self.ending in (Ending.ANSWER_TAKEN, Ending.ANSWER_BETWEEN, Ending.ANSWER_FOREIGN, Ending.ANSWER_CORRUPT)

    @property
    def rule(self) -> Rule | None:
        """The rule that took them."""
        return self.taken.rule if self.taken else None


class Ends(Struct, frozen=True):
    """What the cluster says of the ends: the node of each pod's and node's address, and where a Service may lead."""

    nodes: dict[str, str] = {}
    behind: frozenset[str] = frozenset()


class _Trace(Struct, frozen=True):
    """A trace with what was made of it so far. ``base``: the verdict without its ending."""

    request: Trace
    reply: TraceReply
    ends: Ends
    readings: dict[str, TapReading]
    base: Verdict

    def ended(self, ending: Ending, place: _Place | None = None, **more: Any) -> Verdict:
        """Return the verdict with its ending; ``place``: the last hop, and which packets were seen there last."""
        if place is not None:
            more = {"packets": place.packets, "last": place.last, "next": place.next, **more}
        return replace(self.base, ending=ending, **more)


class _Place(Struct, frozen=True):
    """Where most of the lost packets were seen last. ``next``: the hop after it, where others got further."""

    last: Hop
    packets: frozenset[int]
    next: Hop | None
    reading: TapReading | None

    @property
    def taken(self) -> Taken | None:
        """What took them on the node of the last hop."""
        return takers.of(self.reading, self.last, len(self.packets))


def judge(request: Trace, reply: TraceReply, ends: Ends = Ends()) -> Verdict:  # noqa: B008 - a frozen value
    """Return how a trace ended."""
    refused = frozenset(number for number, packet in enumerate(reply.sent) if packet.outcome is Outcome.REFUSED)
    gone = lost(reply) | refused
    out, back = ways(reply, request.node)
    base = Verdict(
        Ending.ARRIVED,
        len(reply.sent),
        gone,
        errors=tuple(one for one in reply.sightings if one.what == "ICMP" and (one.packet in gone or not gone)),
        duplicated=_duplicated(reply),
        unseen=tuple(reading.node for reading in reply.readings if not reading.whole),
    )
    trace = _Trace(request, reply, ends, {reading.node: reading for reading in reply.readings}, base)
    if not gone:
        return _late(trace, out)
    answered = frozenset(number for number in gone - refused if back.last(number))
    if len(answered) * 2 > len(gone):
        return _answer_lost(trace, back, answered)
    found = _request_lost(trace, out, gone - answered)
    if found.ending is Ending.UNANSWERED and found.packets <= refused:
        return replace(found, ending=Ending.REFUSED)
    return found


def _late(trace: _Trace, out: Way) -> Verdict:
    """Judge packets that were all answered: whether they waited somewhere."""
    delay, crossing = delays.longest(trace.reply), delays.far(trace.reply, out)
    if delay is not None and (crossing is None or delay.ms * 1000 >= crossing.both):
        return trace.ended(Ending.DELAYED, node=delay.node, delay=delay)
    if crossing is not None:
        last = next((hop for hop in reversed(out.hops) if hop.node == crossing.one), None)
        return trace.ended(Ending.FAR, crossing=crossing, last=last, to_node=crossing.other)
    return trace.base


def _place(trace: _Trace, way: Way, gone: frozenset[int]) -> _Place | None:
    lasts = {number: hop for number in gone if (hop := way.last(number)) is not None}
    hops = list(lasts.values())
    last = max(hops, key=hops.count, default=None)
    if last is None:
        return None
    packets = frozenset(number for number, hop in lasts.items() if hop == last)
    passed = last.packets - gone
    after = way.hops[way.hops.index(last) + 1 :]
    following = next((hop for hop in after if hop.packets & passed), None)
    return _Place(last, packets, following, trace.readings.get(last.node))


def _request_lost(trace: _Trace, way: Way, gone: frozenset[int]) -> Verdict:
    place = _place(trace, way, gone)
    if place is None:
        return _nothing_seen(trace, gone)
    for look in (_corrupt, _looping, _diverted, _rewritten, _on_a_third_node, _rewritten_inside):
        found = look(trace, way, place)
        if found is not None:
            return found
    return _left(trace, place) if place.last.out else _ended_inside(trace, place)


def _nothing_seen(trace: _Trace, gone: frozenset[int]) -> Verdict:
    source = trace.readings.get(trace.request.node)
    if source is None or not source.whole:
        return trace.ended(Ending.UNSEEN, packets=gone)
    taken = takers.of(source, None, len(gone)) or takers.unresolved(source, trace.reply.to.ip)
    return trace.ended(Ending.NEVER_LEFT, packets=gone, node=trace.request.node, taken=taken)


def _corrupt(trace: _Trace, way: Way, place: _Place) -> Verdict | None:
    """Judge packets whose checksum is wrong where they were seen last, and right for those that got further."""
    if not place.packets <= place.last.corrupt or place.last.corrupt - place.packets:
        return None
    hops = way.of(place.packets)
    since = next(number for number, hop in enumerate(hops) if place.packets <= hop.corrupt)
    wrong, before = hops[since], hops[since - 1] if since else None
    # What comes in wrong from another node was left to that node's interface to compute, or went wrong on the way.
    node = before.node if before is not None and not wrong.out else wrong.node
    words = f"their checksum is wrong from {wrong.place} on" + (f", and was not at {before.place}" if before else "")
    by = next(
        (hop for hop in reversed(hops[: since + 1]) if hop.node == node and links.is_tunnel(hop, place.reading)), before or wrong
    )
    return trace.ended(Ending.CORRUPT, place, last=before or wrong, node=node, taken=Taken(Taker.CHECKSUM, words, dev=by.dev))


def _looping(trace: _Trace, way: Way, place: _Place) -> Verdict | None:
    nodes = _loop(trace.reply, place.packets)
    if not nodes:
        return None
    words = f"it went round between {' and '.join(nodes)} until its hop limit was used up"
    return trace.ended(Ending.LOOP, place, node=nodes[-1], taken=Taken(Taker.TTL, words))


def _diverted(trace: _Trace, way: Way, place: _Place, ending: Ending = Ending.TAKEN) -> Verdict | None:
    """Judge packets that a filter of traffic control sent to another interface than that of their route."""
    found = rules.diverting(place.reading, way.of(place.packets), len(place.packets))
    if found is None:
        return None
    taken, hop = found
    return trace.ended(ending, place, last=hop, node=hop.node, taken=taken)


def _rewritten(trace: _Trace, way: Way, place: _Place) -> Verdict | None:
    """Judge packets that were seen on their way to an address that nobody meant."""
    right = trace.ends.behind | {trace.reply.to.ip}
    wrong = next((hop for hop in way.of(place.packets) if hop.to.ip not in right), None)
    if wrong is None:
        return None
    reading = trace.readings.get(wrong.node)
    taken = rules.letting_by(reading, len(place.packets), rules.REWRITING) or rules.translating(reading, wrong.to.ip)
    if taken is None and not trace.ends.behind:
        return None  # a Service that the cluster's lists do not tell of may be at work
    return trace.ended(Ending.REWRITTEN, place, last=wrong, node=wrong.node, taken=taken)


def _on_a_third_node(trace: _Trace, way: Way, place: _Place) -> Verdict | None:
    """Judge packets that ended on a node that neither sent them nor was meant."""
    last, to_node = place.last, trace.ends.nodes.get(place.last.to.ip, "")
    if not to_node or last.node in (trace.request.node, to_node):
        return None
    left = next((hop for hop in reversed(way.of(place.packets)) if hop.out and hop.node != last.node), last)
    astray = misdirection.misdirected(left, to_node, trace.readings)
    return trace.ended(Ending.ASTRAY, place, last=left, node=left.node, to_node=to_node, taken=astray) if astray else None


def _rewritten_inside(trace: _Trace, way: Way, place: _Place) -> Verdict | None:
    """Judge packets that a rule of the node rewrote, so that they were not seen again."""
    taken = place.taken
    if taken is None or taken.rule is None or taken.rule.verdict not in rules.REWRITING:
        return None
    return trace.ended(Ending.REWRITTEN, place, node=place.last.node, taken=taken)


def _left(trace: _Trace, place: _Place) -> Verdict:
    """Judge packets that were seen last as they left an interface."""
    last, to = place.last, place.last.to.ip
    to_node, behind = trace.ends.nodes.get(to, ""), trace.ends.behind
    if links.to_a_pod(last, place.reading):
        wrong = takers.by_hand(place.reading, last) or takers.flooded(place.reading, last)
        return trace.ended(Ending.TAKEN if wrong else Ending.UNANSWERED, place, node=last.node, taken=wrong)
    if not last.tunnels and behind and to == trace.reply.to.ip and to not in behind:
        by = rules.letting_by(place.reading, len(place.packets), PASSING)
        return trace.ended(Ending.UNTRANSLATED, place, node=last.node, taken=by)
    if to_node in ("", last.node):
        return trace.ended(Ending.TAKEN, place, node=last.node, taken=place.taken)
    astray = misdirection.misdirected(last, to_node, trace.readings)
    if astray is not None:
        return trace.ended(Ending.ASTRAY, place, node=last.node, to_node=to_node, taken=astray)
    if links.is_tunnel(last, place.reading):
        return _in_tunnel(trace, place, to_node)
    there = trace.readings.get(to_node)
    return trace.ended(Ending.BETWEEN if there and there.whole else Ending.UNSEEN, place, to_node=to_node)


def _in_tunnel(trace: _Trace, place: _Place, to_node: str) -> Verdict:
    """Judge packets that a tunnel took; where it encrypts, by the frames of their size, if there are not many more of them."""
    last, there = place.last, trace.readings.get(to_node)
    if not links.encrypts(last, place.reading) or place.reading is None or there is None or trace.request.protocol != "UDP":
        return trace.ended(Ending.TAKEN, place, node=last.node, taken=place.taken)
    ends, count = links.addresses(there), len(place.packets)
    left = sum(one.frames for one in place.reading.opaque if one.out and one.to in ends)
    came = sum(one.frames for one in there.opaque if not one.out and one.to in ends)
    if left < count:
        return trace.ended(Ending.TAKEN, place, node=last.node, taken=place.taken)
    if there.whole and came * 2 < count:
        return trace.ended(Ending.BETWEEN, place, to_node=to_node)
    if there.whole and left <= 2 * count and came >= count:
        return trace.ended(Ending.TAKEN, place, node=to_node, taken=takers.of(there, None, count))
    return trace.ended(Ending.UNSEEN, place, to_node=to_node)


def _ended_inside(trace: _Trace, place: _Place) -> Verdict:
    """Judge packets that came in by an interface and were not seen to leave."""
    last, to, taken = place.last, place.last.to.ip, place.taken
    if _for_the_node(last, place.reading):
        owner = trace.ends.nodes.get(to, last.node)
        if owner != last.node:
            taken = takers.own_address(place.reading, to, owner)
        if taken is None:
            return trace.ended(Ending.UNANSWERED, place, node=last.node)
    return trace.ended(Ending.TAKEN, place, node=last.node, taken=taken)


def _answer_lost(trace: _Trace, way: Way, gone: frozenset[int]) -> Verdict:
    place, source = _place(trace, way, gone), trace.request.node
    assert place is not None, "some answers were seen"
    last, corrupt = place.last, _corrupt(trace, way, place)
    if corrupt is not None:
        return replace(corrupt, ending=Ending.ANSWER_CORRUPT)
    diverted = _diverted(trace, way, place, Ending.ANSWER_TAKEN)
    if diverted is not None:
        return diverted
    to_pod = last.out and links.to_a_pod(last, place.reading)
    if last.node == source and to_pod and last.source != trace.reply.to:
        by = rules.letting_by(place.reading, len(place.packets), PASSING)
        return trace.ended(Ending.ANSWER_FOREIGN, place, node=last.node, taken=by)
    if last.out and not to_pod:
        astray = misdirection.misdirected(last, source, trace.readings)
        if astray is not None:
            return trace.ended(Ending.ASTRAY, place, node=last.node, to_node=source, taken=astray)
        if not links.is_tunnel(last, place.reading):
            return trace.ended(Ending.ANSWER_BETWEEN, place, to_node=source)
    return trace.ended(Ending.ANSWER_TAKEN, place, node=last.node, taken=place.taken)


PASSING = frozenset({"accept", "return", "notrack", "ct"})
"""Verdicts after which the rules behind, of kube-proxy for example, don't see a packet, or not as part of its connection."""


def _loop(reply: TraceReply, packets: frozenset[int]) -> tuple[str, ...]:
    """Return the nodes between which packets went round; none if they did not."""
    seen: dict[tuple[int, str, str, bool], set[int]] = {}
    for one in reply.sightings:
        if one.packet in packets and not one.answer and one.what != "ICMP" and not one.tunnels:
            seen.setdefault((one.packet, one.node, one.dev, one.out), set()).add(one.ttl)
    return tuple(sorted({node for (_, node, _, _), ttls in seen.items() if len(ttls) >= ROUNDS}))


ROUNDS = 3
"""Different hop limits of one packet at one place that make a loop."""


def _for_the_node(hop: Hop, reading: TapReading | None) -> bool:
    """Tell whether the node itself is the destination of what came in there."""
    routes = reading.routes if reading else ()
    return not hop.tunnels and any(route.to == hop.to.ip and route.kind == takers.LOCAL for route in routes)


def _duplicated(reply: TraceReply) -> frozenset[int]:
    """Return the packets that were seen more than once at one place, sooner than TCP sends one again."""
    seen: dict[tuple[object, ...], int] = {}
    twice = set()
    for one in sorted(reply.sightings, key=lambda one: one.us):
        if one.what in ("ICMP", "RST"):
            continue
        key = (one.packet, one.node, one.dev, one.out, one.answer, one.tunnels, one.source, one.to, one.ttl)
        if key in seen and one.us - seen[key] < SENT_AGAIN_US:
            twice.add(one.packet)
        seen[key] = one.us
    return frozenset(twice)


SENT_AGAIN_US = 150_000
"""Microseconds: below Linux' shortest time until TCP sends again (include/net/tcp.h, TCP_RTO_MIN: 200 ms)."""
