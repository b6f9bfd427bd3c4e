"""What nodes tell of their own network: the requests that the checks of the nodes tier share, and their replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kubectl_netdoc.facts import Facts
from kubectl_netdoc.model import Unseen
from kubectl_netdoc.requests import Kernel, KernelReply, Lost, Outcome, Request, Rtnetlink, RtnetlinkReply

R = TypeVar("R", KernelReply, RtnetlinkReply)


def tables(node: str) -> Rtnetlink:
    """Read a node's links, routes, neighbours and forwarding database."""
    return Rtnetlink(node)


def kernel(node: str) -> Kernel:
    """Read a node's network settings and counters."""
    return Kernel(node)


def read(facts: Facts, ask: Callable[[str], Request], kind: type[R], what: str) -> tuple[dict[str, R], list[Unseen]]:
    """Return the replies by node, and what was not seen; a node whose pod did not run is said once, by ``debug_pods``."""
    found: dict[str, R] = {}
    unseen = []
    for node in facts.cluster.hosts:
        reply = facts.reply(ask(node))
        if isinstance(reply, kind) and reply.outcome is Outcome.OK:
            found[node] = reply
        else:
            why = reply.reason if isinstance(reply, Lost) else str(getattr(reply, "outcome", "no such answer"))
            unseen.append(Unseen(f"{what} of node {node}", why, asked=True))
    return found, unseen
