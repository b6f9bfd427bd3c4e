# SPDX-License-Identifier: Apache-2.0
"""What took packets on a node: its kinds, and what is said of it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.measurements.trace import Rule


class Taker(StrEnum):
    """The kinds of what takes packets."""

    RULE = "rule"
    SUSPECT = "rule without a counter"
    REVERSE_PATH = "reverse-path filter"
    ROUTE = "route"
    NEIGHBOUR = "neighbour"
    QUEUE = "queue"
    CONNTRACK = "connection tracking"
    TTL = "hop limit"
    TUNNEL_PEER = "tunnel's other end"
    MAC = "hardware address"
    COUNTER = "counter"
    PORT = "bridge port"
    LINK = "link"
    OWN_ADDRESS = "own address"
    CHECKSUM = "checksum"


class Taken(Struct, frozen=True):
    """What took packets. ``words``: what the node shows of it; ``rule``, ``moved``: if it is a rule, and by how much it rose.

    ``counter``: what rose by as many, if it is not the rule's own counter.

    ``dev``, ``via``: the interface and the address that are concerned. ``mend``: the line that mends it on the node, where it is
    one entry or setting; ``shows``: the line that shows it.
    """

    kind: Taker
    words: str
    rule: Rule | None = None
    moved: int = 0
    counter: str = "the rule's counter"
    dev: str = ""
    via: str = ""
    shows: str = ""
    mend: str = ""
