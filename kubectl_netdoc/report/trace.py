# SPDX-License-Identifier: Apache-2.0
"""A trace as text, JSON or HTML: each interface that saw the packets, in order, and the finding about where they ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from statistics import median
from typing import Any

import msgspec
from jinja2 import Environment, StrictUndefined
from msgspec import Struct

from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.measurements.base import Address, Outcome, Peer
from kubectl_netdoc.measurements.trace import Trace
from kubectl_netdoc.reachability.trace_question import Told
from kubectl_netdoc.report import text
from kubectl_netdoc.tracing import icmp_errors
from kubectl_netdoc.tracing.crossings import Crossing, crossings
from kubectl_netdoc.tracing.hops import Hop, lost, ways

WIDTH = 110


class Row(Struct, frozen=True):
    """A hop as it is drawn: ``node`` and ``addresses`` only where they differ from the hop before."""

    node: str
    dev: str
    way: str
    addresses: str
    packets: int
    us: float


class Drawn(Struct, frozen=True):
    """A trace as it is drawn: its headline, the rows of both ways, and whether all packets were answered."""

    title: str
    there: tuple[Row, ...]
    back: tuple[Row, ...]
    sent: int
    whole: bool
    between: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def render(traces: Iterable[Told], findings: Iterable[Finding], form: str) -> str:
    """Return traces and what was found about them in a format."""
    told, found = list(traces), list(findings)
    if form == "json":
        return _json(told, found)
    drawn = [draw(each) for each in told]
    return _html(drawn, found) if form == "html" else "\n".join(_text(drawn, found)) + "\n"


def draw(told: Told) -> Drawn:
    """Return what is drawn of a trace."""
    request, reply = told.request, told.reply
    if reply is None:
        return Drawn(f"{_ends(request)}: not traced: {told.why}", (), (), 0, False)
    there, back = ways(reply, request.node)
    answered = [packet.ms for packet in reply.sent if packet.outcome is Outcome.OK]
    refused = sum(packet.outcome is Outcome.REFUSED for packet in reply.sent)
    times = f", {median(answered):.1f} ms in the median" if answered else ""
    turned = f", {refused} refused" if refused else ""
    by = request.protocol if isinstance(request.to, Address) else f"{reply.to}, {request.protocol}"
    title = f"{_ends(request)} ({by}): {len(answered)} of {len(reply.sent)} answered{times}{turned}"
    notes = tuple(f"{r.node}: {r.problem or 'the tap missed some frames'}" for r in reply.readings if not r.whole)
    between = (*map(str, crossings(reply, there)), *icmp_errors.told(one for one in reply.sightings if one.what == "ICMP"))
    rows = tuple(_rows(there.hops)), tuple(_rows(back.hops))
    return Drawn(title, *rows, len(reply.sent), not lost(reply), between, notes)


def _ends(request: Trace) -> str:
    source = f"node {request.node}" if request.own_network else f"netdoc's pod on {request.node}"
    to = request.to
    target = f"netdoc's pod on {to.node}" if isinstance(to, Peer) else str(to) if isinstance(to, Address) else "netdoc's Service"
    return f"{source} -> {target}"


def _rows(hops: Iterable[Hop]) -> Iterator[Row]:
    node = addresses = ""
    for hop in hops:
        shown = "" if hop.way == addresses and hop.node == node else hop.way
        yield Row(hop.node if hop.node != node else "", hop.dev, "out" if hop.out else "in", shown, len(hop.packets), hop.us)
        node, addresses = hop.node, hop.way


def _text(drawn: list[Drawn], findings: list[Finding]) -> Iterator[str]:
    for each in drawn:
        yield safe(each.title)
        for name, rows in (("packets", each.there), ("answers", each.back)):
            if rows:
                yield f"\n  {name}"
                yield from _table(rows, each.sent)
        yield from ("", *(safe(f"  {line}") for line in each.between)) if each.between else ()
        yield from (safe(f"  not seen on {note}") for note in each.notes)
    for finding in findings:
        yield ""
        yield from text.block(finding, findings, WIDTH)


def _table(rows: tuple[Row, ...], sent: int) -> Iterator[str]:
    wide = max(len(row.node) for row in rows)
    devs = max(len(row.dev) for row in rows)
    for row in rows:
        line = f"  {row.node:<{wide}}  {row.dev:<{devs}} {row.way:<3} {row.packets:>3}/{sent} {row.us:>7.0f} µs  {row.addresses}"
        yield safe(line.rstrip())


def _json(told: list[Told], findings: list[Finding]) -> str:
    rows = [
        {"request": each.request, "reply": each.reply, "why": each.why, "arrived": each.whole, "between": _between(each)}
        for each in told
    ]
    whole: dict[str, Any] = {"traces": rows, "findings": findings}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _between(told: Told) -> list[Crossing]:
    return list(crossings(told.reply, ways(told.reply, told.request.node)[0])) if told.reply else []


def _html(drawn: list[Drawn], findings: list[Finding]) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["safe_text"] = safe
    page = environment.from_string((files("kubectl_netdoc.report") / "trace.html").read_text())
    return page.render(drawn=drawn, findings=findings)
