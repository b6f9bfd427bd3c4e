# SPDX-License-Identifier: Apache-2.0
"""Readings of the nodes' networks: requests and replies that the checks of the nodes tier share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.formats.text import some
from kubectl_netdoc.measurements.base import Lost, Outcome
from kubectl_netdoc.measurements.node import CniConfigReply, Kernel, KernelReply, Rtnetlink, RtnetlinkReply
from kubectl_netdoc.measurements.requests import Request

R = TypeVar("R", KernelReply, RtnetlinkReply, CniConfigReply)


def tables(node: str) -> Rtnetlink:
    """Return the request for a node's links, routes, neighbours and forwarding database."""
    return Rtnetlink(node)


def kernel(node: str) -> Kernel:
    """Return the request for a node's network settings and counters."""
    return Kernel(node)


def untouched_tables(node: str) -> Rtnetlink:
    """Return the request for the same before any pod of netdoc's gets a network on the nodes."""
    return Rtnetlink(node, untouched=True)


def untouched_kernel(node: str) -> Kernel:
    """Return the request for a node's network settings before any pod of netdoc's gets a network on the nodes."""
    return Kernel(node, seconds=0.0, untouched=True)


def both_tables(node: str) -> tuple[Rtnetlink, Rtnetlink]:
    """Return the requests for a node's tables, before and after netdoc's pods get their network."""
    return untouched_tables(node), tables(node)


def both_kernels(node: str) -> tuple[Kernel, Kernel]:
    """Return the requests for a node's settings, before and after netdoc's pods get their network, and for its counters."""
    return untouched_kernel(node), kernel(node)


def read(facts: Facts, ask: Callable[[str], Request], kind: type[R], what: str) -> tuple[dict[str, R], list[Unseen]]:
    """Return the replies by node, and what was not seen; the check ``debug_pods`` reports nodes whose pod did not run.

    Settings and tables are those from before netdoc's pods got their network, where they were read then; counters are of the run.
    """
    found: dict[str, R] = {}
    unseen = []
    for node in facts.cluster.hosts:
        reply = facts.reply(ask(node))
        if isinstance(reply, kind) and reply.outcome is Outcome.OK:
            found[node] = _as_found(facts, node, kind, reply)
        else:
            why = reply.reason if isinstance(reply, Lost) else str(getattr(reply, "outcome", "no usable answer"))
            unseen.append(Unseen(f"{what} of node {node}", why, expected=True))
    return found, unseen


def _as_found(facts: Facts, node: str, kind: type[R], reply: R) -> R:
    """Return a reply with what the node had before netdoc's pods got their network, as far as that is known."""
    ask = _UNTOUCHED.get(kind)
    first = facts.reply(ask(node)) if ask else None
    if not isinstance(first, kind) or first.outcome is not Outcome.OK:
        return reply
    return msgspec.structs.replace(reply, settings=first.settings) if isinstance(first, KernelReply) else first


_UNTOUCHED: dict[type, Callable[[str], Request]] = {KernelReply: untouched_kernel, RtnetlinkReply: untouched_tables}


def risen(reply: KernelReply, counter: str) -> int:
    """Return by how much a counter rose during the run."""
    return max(0, reply.after.get(counter, 0) - reply.before.get(counter, 0))


def rate(reply: KernelReply, counter: str) -> float:
    """Return the rise of a counter per second."""
    return round(risen(reply, counter) / (reply.seconds or 1.0), 1)


def number(reply: KernelReply, setting: str) -> int | None:
    """Return a setting that is a number; None if it is missing."""
    text = reply.settings.get(setting, "")
    return int(text) if text.lstrip("-").isdigit() else None


def differing(values: Mapping[str, object]) -> str:
    """Return which nodes have which value as text; "" if all have the same."""
    nodes: dict[object, list[str]] = {}
    for node, value in sorted(values.items()):
        nodes.setdefault(value, []).append(node)
    if len(nodes) < 2:
        return ""
    rare = sorted(nodes.items(), key=lambda item: (len(item[1]), str(item[0])))
    return "; ".join(f"{value} on {some(names, MOST_NAMED)}" for value, names in rare)


MOST_NAMED = 4
"""Most nodes that a list names."""

BURST = 3
"""Rise of a counter in the run's two seconds from which it shows a fault: one or two events occur on healthy nodes."""
