# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the nodes tier judges what it says: healthy tables are healthy, and a broken one is found among them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bench.nodes_tier import Nodes, judged
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.measurements.node import RtnetlinkReply

NODES, BROKEN = 40, "node-00007"
LOST = "10.0.9.0"
"""The tunnel's end of another node."""


def _found(source: Nodes) -> set[tuple[str, str]]:
    """What the checks of nodes find above info; objects that are broken in the generated cluster left out."""
    done, _, _ = judged(source)
    of_nodes = (finding for finding in done.report.findings if finding.check.startswith("node_"))
    return {(finding.code, str(finding.subject)) for finding in of_nodes if finding.severity is not Severity.INFO}


def test_healthy_tables_are_healthy() -> None:
    assert _found(Nodes(NODES)) == set()


@pytest.mark.parametrize(
    ("part", "code"),
    [("routes", "NRT001"), ("neighbours", "NRT004"), ("forwarding", "NRT005")],
    ids=["route", "neighbour", "entry"],
)
def test_one_entry_that_lacks_among_many_is_found(part: str, code: str) -> None:
    def without(node: str, reply: RtnetlinkReply) -> RtnetlinkReply:
        mac = next(each.mac for each in reply.neighbours if each.ip == LOST) if node == BROKEN else ""
        left = tuple(
            each
            for each in getattr(reply, part)
            if LOST not in (getattr(each, "via", ""), getattr(each, "ip", "")) and getattr(each, "mac", None) != mac
        )
        return replace(reply, **{part: left}) if node == BROKEN else reply

    assert _found(Nodes(NODES, without)) == {(code, f"Node {BROKEN}")}
