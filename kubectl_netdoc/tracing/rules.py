# SPDX-License-Identifier: Apache-2.0
"""Which rule took packets: of a packet filter, a filter of traffic control, or an XFRM policy.

Sources: net/sched/act_mirred.c and sch_ingress.c (a stolen packet is not counted as dropped), net/xfrm/xfrm_policy.c and the
kernel's Documentation/networking/xfrm_proc.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.formats.addresses import in_any
from kubectl_netdoc.measurements.trace import MovedRule, Rule, TapReading
from kubectl_netdoc.tracing import links
from kubectl_netdoc.tracing.hops import Hop
from kubectl_netdoc.tracing.taken import Taken, Taker

TAKING = frozenset({"drop", "reject", "queue", "tarpit", "steal"})
"""Verdicts after which a packet does not go on."""

REWRITING = frozenset({"dnat", "snat", "masquerade", "redirect", "tproxy", "netmap"})
"""Verdicts that send it elsewhere or change it."""

UNTOLD = frozenset({"bpf"})
"""Verdicts of rules that may take a packet, or let it by: only their program knows."""

POLICIES = {
    "XfrmOutPolBlock": (("out",), "block"),
    "XfrmInPolBlock": (("in", "fwd"), "block"),
    "XfrmInTmplMismatch": (("in", "fwd"), "transform"),
    "XfrmOutNoStates": (("out",), "transform"),
}
"""Counters of /proc/net/xfrm_stat, with the direction and the verdict of a policy that they count packets of."""


def taking(reading: TapReading, last: Hop | None, count: int) -> Taken | None:
    """Return the rule that lets no packet on and rose by as many, beyond what it rises by itself; the closest of several."""
    foreign = {rule.place for rule in reading.foreign}
    found = [
        one
        for one in reading.moved
        if one.rule.verdict in TAKING and _fits(one, count) and _on_the_way(one.rule, reading, last, foreign)
    ]
    best = min(found, key=lambda one: (abs(one.packets - one.control - count), one.control), default=None)
    return _taken(best) if best else None


def _on_the_way(rule: Rule, reading: TapReading, last: Hop | None, foreign: set[tuple[str, ...]]) -> bool:
    """Tell whether packets came by a rule after their last hop, and may have stayed there.

    Of a filter of traffic control its interface tells where it is; those of known owners send packets on.
    """
    if rule.backend != "tc":
        return True
    if rule.place not in foreign:
        return False
    return last is None or rule.table in _passed(rule, reading, last)


def _comes_back(rule: Rule, reading: TapReading) -> bool:
    """Tell whether a filter sends packets to an intermediate functional block (ifb), which puts them back where they were."""
    link = links.named(reading, rule.to)
    return link is not None and link.kind == "ifb"


def _passed(rule: Rule, reading: TapReading, last: Hop) -> set[str]:
    """Return the interfaces on which a filter of this hook would see packets after their last hop.

    A tap sees what comes in before the filters there do, and what goes out after them.
    """
    if rule.chain != "ingress":
        return links.following(reading, last)
    return set() if last.out else {last.dev}


def _fits(moved: MovedRule, count: int) -> bool:
    """Tell whether so many packets may be among those that a rule counted, and are not lost among those of others."""
    return moved.packets >= count > moved.control and moved.packets - moved.control > count / 2


def _taken(moved: MovedRule) -> Taken:
    words = f"{named(moved.rule)} rose by {moved.packets}, and by {moved.control} in the time before"
    return Taken(Taker.RULE, words, moved.rule, moved.packets)


def named(rule: Rule) -> str:
    """Return a rule by its place and what it says."""
    if rule.backend == "tc":
        return f'tc filter "{rule.text}" on {rule.table} ({rule.chain}, protocol {rule.family}, {rule.handle})'
    if rule.backend == "xfrm":
        return f'XFRM policy "{rule.text}" ({rule.handle})'
    if rule.handle == "policy":
        return f"the policy {rule.verdict} of chain {rule.chain} ({_table(rule)})"
    number = f"handle {rule.handle}" if rule.backend == "nft" else f"number {rule.handle}"
    return f'rule "{rule.text}" in chain {rule.chain} ({_table(rule)}, {number})'


def _table(rule: Rule) -> str:
    old = "old table" if rule.backend == "legacy" else "table"
    return f"{old} {rule.family} {rule.table}"


def letting_by(reading: TapReading | None, count: int, verdicts: frozenset[str]) -> Taken | None:
    """Return the rule outside the chains of known owners that let so many packets by with one of these verdicts."""
    if reading is None:
        return None
    foreign = {rule.place for rule in reading.foreign}
    found = [
        one
        for one in reading.moved
        if one.rule.verdict in verdicts and _fits(one, count) and one.rule.place in foreign and one.rule.backend != "tc"
    ]
    best = min(found, key=lambda one: (one.control, one.packets), default=None)
    return Taken(Taker.RULE, f"{named(best.rule)} rose by {best.packets}", best.rule, best.packets) if best else None


def diverting(reading: TapReading | None, hops: tuple[Hop, ...], count: int) -> tuple[Taken, Hop] | None:
    """Return the filter of nobody known that sent so many packets to another interface than their route's, and their hop there.

    ``hops``: of the packets. What a filter sends round by another interface comes to that of the route in the end.
    """
    if reading is None:
        return None
    foreign, here = {rule.place for rule in reading.foreign}, [hop for hop in hops if hop.node == reading.node and hop.out]
    for one in reading.moved:
        rule = one.rule
        if rule.verdict != "steal" or not _fits(one, count) or rule.place not in foreign or _comes_back(rule, reading):
            continue
        for number, hop in enumerate(here):
            routed = {answer.out for answer in reading.routes if answer.to == hop.to.ip}
            if hop.dev == rule.to and not any(other.dev in routed for other in here[number:]):
                return _taken(one), hop
    return None


def rose(reading: TapReading, name: str, count: int) -> bool:
    """Tell whether a counter rose by so many packets, and not by itself."""
    risen, before = reading.risen.get(name, 0), reading.control.get(name, 0)
    return count <= risen <= 2 * count and before * 2 < count


def dropping(reading: TapReading, last: Hop | None, count: int) -> Taken | None:
    """Return the only filter of nobody known on an interface whose filters dropped as many; an eBPF program counts nothing."""
    foreign = {rule.place for rule in reading.foreign}
    for kind in ("clsact", "ingress"):
        mute = [rule for rule in reading.foreign if rule.backend == "tc" and rule.packets < 0 and rule.verdict in UNTOLD]
        for dev in sorted({rule.table for rule in mute}):
            name = f"qdisc.{dev}.{kind}.dropped"
            here = [rule for rule in mute if rule.table == dev and _on_the_way(rule, reading, last, foreign)]
            if len(here) == 1 and rose(reading, name, count):
                risen = reading.risen[name]
                counter = f"what the filters ({kind}) of {dev} dropped"
                words = f"{named(here[0])} is the only one there of nobody known, and {counter} rose by {risen}"
                return Taken(Taker.RULE, words, here[0], risen, counter)
    return None


def policy(reading: TapReading, last: Hop | None, count: int) -> Taken | None:
    """Return the XFRM policy that blocked as many packets, or for which there was no state."""
    for name, (ways, verdict) in POLICIES.items():
        if not rose(reading, name, count):
            continue
        found = [
            rule
            for rule in reading.foreign
            if rule.backend == "xfrm" and rule.chain in ways and rule.verdict == verdict and _matches(rule, reading, last)
        ]
        risen = reading.risen[name]
        words = f"{name} rose by {risen}, and by {reading.control.get(name, 0)} in the time before"
        if len(found) == 1:
            return Taken(Taker.RULE, f"{named(found[0])}: {words}", found[0], risen, name)
        several = "; ".join(map(named, found[:3])) or "no policy that matches was found"
        return Taken(Taker.COUNTER, f"an XFRM policy took {risen}: {words} ({several})")
    return None


def _matches(rule: Rule, reading: TapReading, last: Hop | None) -> bool:
    """Tell whether a policy's ranges have the addresses of packets, or of the tunnel that they are put into."""
    if last is None:
        return True
    if any(_within(source, rule.source) and _within(to, rule.to) for source, to in _ends(last)):
        return True
    return links.is_tunnel(last, reading) and any(_within(ip, rule.source) for ip in links.addresses(reading))


def _ends(last: Hop) -> Iterator[tuple[str, str]]:
    yield last.source.ip, last.to.ip
    for tunnel in last.tunnels:
        yield tunnel.source, tunnel.to


def _within(ip: str, range_: str) -> bool:
    return in_any(ip, (range_,) if range_ else ())


def translating(reading: TapReading | None, to: str) -> Taken | None:
    """Return the only rule of nobody known that translates to an address and counts nothing."""
    found = [rule for rule in reading.foreign if rule.packets < 0 and rule.verdict == "dnat" and rule.to == to] if reading else []
    if len(found) != 1:
        return None
    return Taken(Taker.RULE, f"{named(found[0])} belongs to nothing that is known here, and translates to {to}", found[0])


def suspect(reading: TapReading, last: Hop | None) -> Taken | None:
    """Return the only rule of nobody on the way that can take packets and counts nothing."""
    foreign = {rule.place for rule in reading.foreign}
    mute = [
        rule
        for rule in reading.foreign
        if rule.packets < 0 and rule.verdict in TAKING | UNTOLD and _on_the_way(rule, reading, last, foreign)
    ]
    if len(mute) != 1:
        return None
    return Taken(Taker.SUSPECT, f"{named(mute[0])} belongs to nothing that is known here, and counts nothing", mute[0])
