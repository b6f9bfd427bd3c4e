# SPDX-License-Identifier: Apache-2.0
"""Packets that a tunnel sends to the wrong end, or that get lost between the nodes."""

from __future__ import annotations

from kubectl_netdoc.api import Code, Finding, Risk, Severity, Subject, on_node
from kubectl_netdoc.checks.pod_network.packet_path.traced import SYMPTOMS, Traced
from kubectl_netdoc.routing.network import AGENTS
from kubectl_netdoc.tracing.crossings import Crossing, span
from kubectl_netdoc.tracing.taken import Taker
from kubectl_netdoc.tracing.verdict import Ending

WRONG_END = Code(
    id="TRC006",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel leads to the wrong node, or is down",
    message="On node {name}, the {what} from {source} to {target} do not go on by their tunnel ({lost} of {sent}, last seen at "
    "{after}): {words}",
    fix="The network agent makes a tunnel and its entries: restart its pod on {name}.{mend}",
    commands=(AGENTS, on_node("{name}", "bridge fdb show dev {dev}"), on_node("{name}", "ip -d link show {dev}")),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)
BETWEEN = Code(
    id="TRC010",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Packets get lost between two nodes",
    message="The {what} from {source} to {target} leave {one} and never come in at {other} ({lost} of {sent}, last seen at "
    "{after}): what lies between the nodes loses them{told}",
    fix="Look at what lies between {one} and {other}: security groups, firewalls, routers. {carried}",
    commands=("kubectl get nodes {one} {other} -o wide",),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)
FAR = Code(
    id="TRC021",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets take long between two nodes",
    message="Packets from {source} to {target} and their answers take {ms} ms between {one} and {other} (the median of {sent}; "
    "there {there}, back {back})",
    fix="Look at what lies between {one} and {other}: how far apart they are, and whether a link between them is full.",
    commands=("kubectl get nodes {one} {other} -o wide",),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)


def finding(traced: Traced) -> Finding | None:
    """Return the finding where a tunnel or the network between the nodes lost the packets."""
    verdict, taken = traced.verdict, traced.verdict.taken
    if taken is not None and taken.kind in (Taker.TUNNEL_PEER, Taker.LINK):
        dev = taken.dev or (verdict.last.dev if verdict.last else "")
        commands = (AGENTS, *traced.lines()) if taken.shows else WRONG_END.commands
        return WRONG_END.on(traced.on_node, traced.evidence() | {"words": taken.words, "dev": dev}, commands=commands)
    if verdict.crossing is not None:
        return _far(traced, verdict.crossing)
    if verdict.ending not in (Ending.BETWEEN, Ending.ANSWER_BETWEEN) or verdict.last is None:
        return None
    one, other = verdict.last.node, verdict.to_node
    tunnel = verdict.last.tunnels[-1] if verdict.last.tunnels else None
    carried = f"They travel in {tunnel.kind} from {tunnel.source} to {tunnel.to}." if tunnel else "They travel without a tunnel."
    names: dict[str, object] = {"one": one, "other": other, "carried": carried, "nodes": [one, other]}
    return BETWEEN.on(_pair(one, other), traced.evidence() | names)


def _far(traced: Traced, crossing: Crossing) -> Finding:
    names = {"one": crossing.one, "other": crossing.other, "nodes": [crossing.one, crossing.other]}
    times = {"ms": round(crossing.both / 1000), "there": span(crossing.there), "back": span(crossing.back)}
    return FAR.on(_pair(crossing.one, crossing.other), traced.evidence() | names | times)


def _pair(one: str, other: str) -> Subject:
    return Subject("NodePair", f"{min(one, other)}--{max(one, other)}")


CODES = (WRONG_END, BETWEEN, FAR)
