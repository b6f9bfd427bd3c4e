# SPDX-License-Identifier: Apache-2.0
"""One trace with its verdict, and the evidence that its findings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from kubectl_netdoc.api import Explains, OwnService, Peer, Subject, Trace, TraceReply
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes.failing_paths import FailingPaths
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.network import BROKEN
from kubectl_netdoc.tracing import icmp_errors
from kubectl_netdoc.tracing.hops import Hop, Way, ways
from kubectl_netdoc.tracing.verdict import Ends, Verdict, judge

SYMPTOMS = (
    Explains((*BROKEN, "PNW005", "PNW008", "PNW015", "DSV001", "DSV002", "DSV003", "SVH001", "SVH002", "NPT001"), "path"),
    Explains(("PTQ002", "PTQ005", "OVT001", "OVT002", "OVT005"), "path"),
    Explains(("PNW005", "PNW007", "PNW008", "SVR001", "SVR002", "SVR005", "SVR006", "SVH001", "SVH002"), "node"),
    Explains(("DNL001", "DNL002", "PTQ002", "INC003", "CPL007", "NPT003", "POD006", "NDL005"), "node"),
    Explains(("SVR007", "SVR016", "SVR017"), "node"),
)
"""What a path that ends somewhere is seen as by other checks."""

OF_SERVICES = (
    Explains(("SVR005", "SVR006", "SVR013", "SVH001", "NPT001", "DNL001", "DNL002", "DNL003"), "path"),
    Explains(("SVR005", "SVR006", "SVH001", "DNL001", "DNL002", "INC003"), "node"),
)
"""What a Service's address that is not translated is seen as. Not SVR001 and SVR002: they name whose work that is."""


class Traced(Struct, frozen=True):
    """A trace, its verdict, and what the cluster knows of its ends. ``beside``: traces that end by the same cause."""

    paths: FailingPaths
    request: Trace
    reply: TraceReply
    verdict: Verdict
    beside: tuple[Traced, ...] = ()

    @classmethod
    def of(cls, paths: FailingPaths, request: Trace, reply: TraceReply) -> Traced:
        """Judge a trace by what the cluster says of its ends."""
        return cls(paths, request, reply, judge(request, reply, _ends(paths, request, reply)))

    @property
    def target(self) -> str:
        """The target in words."""
        to = self.request.to
        if isinstance(to, Peer):
            return f"netdoc's pod on {to.node}"
        return "netdoc's own Service" if isinstance(to, OwnService) else f"{to.ip} port {to.port}"

    @property
    def source(self) -> str:
        """The source in words."""
        return f"node {self.request.node} itself" if self.request.own_network else f"netdoc's pod on {self.request.node}"

    @property
    def node(self) -> str:
        """The node where the packets ended, or else the one where they were seen last."""
        verdict = self.verdict
        return verdict.node or (verdict.last.node if verdict.last else self.request.node)

    @property
    def place(self) -> str:
        """The last place where the packets were seen."""
        return self.verdict.last.place if self.verdict.last else ""

    @property
    def cause(self) -> tuple[str, object]:
        """What two traces share that end by the same cause: the node, and the rule or what else took the packets."""
        taken = self.verdict.taken
        if taken is None:
            return self.node, (self.verdict.ending, self.place)
        rule = taken.rule
        return self.node, rule.place if rule else (taken.kind, taken.dev)

    @property
    def on_node(self) -> Subject:
        """The node where the packets ended."""
        return Subject("Node", self.node)

    @property
    def to_node(self) -> str:
        """The node that they were meant for; "" if it is not known."""
        to = self.request.to
        return to.node if isinstance(to, Peer) else self.verdict.to_node or self.paths.nodes.get(self.reply.to.ip, "")

    def why_unseen(self, node: str) -> str:
        """Return why a node's tap may have missed packets."""
        reading = next(reading for reading in self.reply.readings if reading.node == node)
        if reading.problem:
            return reading.problem
        return f"the tap lost {reading.dropped} of {reading.frames} frames" if reading.dropped else "the tap was full"

    def lines(self) -> tuple[str, ...]:
        """Return the commands that show what took the packets, and mend it where one line does."""
        taken = self.verdict.taken
        return tuple(ip_commands.on(self.node, line) for line in (taken.shows, taken.mend) if line) if taken else ()

    @property
    def mending(self) -> str:
        """The end of a fix: which command mends it, if one does."""
        taken = self.verdict.taken
        return " The last command mends it, until whatever made it so does so again." if taken and taken.mend else ""

    def evidence(self) -> dict[str, Any]:
        """Return what every finding of a trace has as evidence."""
        verdict = self.verdict
        return {
            "source": self.source,
            "target": self.target,
            "protocol": self.request.protocol,
            "lost": len(verdict.packets),
            "sent": verdict.sent,
            "what": "answers" if verdict.answer else "packets",
            "after": self.place,
            "also": [f"{each.source} to {each.target}" for each in self.beside],
            "mend": self.mending,
            "hops": self.hops(),
            "icmp": (icmp := icmp_errors.told(verdict.errors)),
            "told": f". {'; '.join(icmp)}" if icmp else "",
            "nodes": [self.node],
            "paths": node_pairs.as_paths({pair for each in (self, *self.beside) for pair in each.ways()}),
        }

    def ways(self) -> set[tuple[str, str]]:
        """Return the traced path, and those of the run that fail and end or begin at the same node as it does."""
        one, other = self.request.node, self.to_node or self.request.node
        failed = {pair for pair in self.paths.pairs if self.node in pair}
        return node_pairs.both_ways({(one, other)} | failed)

    def hops(self) -> list[str]:
        """Return the hops of the packets and of their answers as lines."""
        there, back = ways(self.reply, self.request.node)
        return [*_lines("->", there), *_lines("<-", back)]


def _lines(arrow: str, way: Way) -> Iterator[str]:
    for hop in way.hops:
        yield f"{arrow} {line(hop)}"


def line(hop: Hop) -> str:
    """Return a hop as a line: node, interface, direction, addresses, tunnel, how many packets."""
    return f"{hop.node} {hop.dev} {'out' if hop.out else 'in'}: {hop.way} ({len(hop.packets)})"


def _ends(paths: FailingPaths, request: Trace, reply: TraceReply) -> Ends:
    nodes = paths.nodes | ({reply.to.ip: request.to.node} if isinstance(request.to, Peer) else {})
    behind = frozenset(reply.behind) if isinstance(request.to, OwnService) else paths.leads_to(reply.to)
    return Ends(nodes, behind)
