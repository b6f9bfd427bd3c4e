# SPDX-License-Identifier: Apache-2.0
"""The agent's inventory of what on a node belongs to nobody known.

rules  {"owned": [[backend, table prefix, chain's or label's prefix]...], "most": N}
       -> {"samples": [["ok", ms, [rule...], base chains, [base64 of each family's policy routes], cut, [queue...], [set...]]]}
A queue is a queueing discipline that a link has not by itself: [interface, kind, handle, parent, dropped packets].
"""

import socket
import struct
import time

from kubectl_netdoc.agent.base import OPERATIONS
from kubectl_netdoc.agent.host import ROUTE, Full, dumped, padded
from kubectl_netdoc.agent.rules import all_rules, base_chains, encoded, foreign, shown
from kubectl_netdoc.agent.sets import sets
from kubectl_netdoc.agent.traffic import dropped, qdiscs

MOST_QUEUES = 1000
BY_ITSELF = ("noqueue", "noop", "mq", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel", "clsact", "ingress")


def rules(ask, deadline):
    """Operation ``rules``: those that belong to no known owner, and what they use."""
    start, cut, found = time.perf_counter(), False, []  # type: ignore[var-annotated]
    try:
        for place, one in all_rules().items():
            if foreign(place, one[1], ask["owned"]):
                if len(found) >= ask["most"]:
                    raise Full
                found.append((place, one))
    except Full:
        cut = True
    routes = [policy_routes(family) for family in (socket.AF_INET, socket.AF_INET6)]
    told = [[shown(place, one) for place, one in found], base_chains(), routes, cut, made_queues()[:MOST_QUEUES], sets(found)]
    return {"samples": [["ok", (time.perf_counter() - start) * 1000] + told]}


def policy_routes(family):
    """The messages of a family's policy routes (RTM_GETRULE)."""
    return encoded(b"".join(padded(one) for one in dumped(ROUTE, 34, bytes([family]) + bytes(11))))


def made_queues():
    """The queueing disciplines of other kinds than links have by themselves."""
    names = dict(socket.if_nameindex())
    return [
        [names.get(index, str(index)), kind, "%x:" % (handle >> 16), place(parent), dropped(parts.get(7, b""))]
        for index, handle, parent, kind, parts in qdiscs()
        if kind not in BY_ITSELF
    ]


def place(parent):
    """Where a queueing discipline is, as tc writes it."""
    return "root" if parent == 0xFFFFFFFF else "parent %x:%x" % struct.unpack("=HH", struct.pack("=I", parent))[::-1]


OPERATIONS["rules"] = rules
