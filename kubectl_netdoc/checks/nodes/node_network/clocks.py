# SPDX-License-Identifier: Apache-2.0
"""The nodes' clocks against the API server's."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Finding, KernelReply, Risk, Severity, Subject, on_node
from kubectl_netdoc.checks.nodes.node_network.thresholds import SKEWED

CLOCK = Code(
    id="NDN004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node's clock is wrong",
    message=f"The clock of {{nodes}} is {{seconds}} s {{direction}} the API server's: from {SKEWED:g} s on, tokens and "
    "certificates are rejected",
    fix="Check the time synchronisation (chrony, systemd-timesyncd) on the node.",
    commands=(on_node("{first}", "timedatectl"), on_node("{first}", "chronyc tracking")),
)
CLOCK_OFF = Code(
    id="NDN011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A node's clock differs from the API server's",
    message="The clock of {nodes} is {seconds} s {direction} the API server's",
    fix="Check the time synchronisation: the logs of several nodes cannot be compared.",
)


def wrong_clocks(replies: dict[str, KernelReply], noticed: float) -> Iterator[Finding]:
    """Report clocks that differ. If most nodes differ the same way, the API server's clock is wrong: that is one finding."""
    for code, least, most in ((CLOCK, SKEWED, float("inf")), (CLOCK_OFF, noticed, SKEWED)):
        for direction, sign in (("ahead of", 1), ("behind", -1)):
            off = {node: sign * reply.clock for node, reply in replies.items() if least <= sign * reply.clock < most}
            everywhere = len(off) > 1 and 2 * len(off) > len(replies)
            for group in [sorted(off)] if everywhere else [[node] for node in sorted(off)]:
                subject = Subject("Cluster", "clocks") if everywhere else Subject("Node", group[0])
                seconds = round(max(off[node] for node in group), 1)
                yield code.on(subject, nodes=group, first=group[0], seconds=seconds, direction=direction)


CODES = (
    CLOCK,
    CLOCK_OFF,
)
