# SPDX-License-Identifier: Apache-2.0
"""Traces on the lab: under each fault of lab/packets.yaml, on healthy paths, and what they leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from bench.packets import FAULTS, Place, session_at, shell, tried
from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc

RIGHT_PLACE, RIGHT_TAKER = 0.95, 0.85
"""Shares of the faults whose place and taker have to be right (issue 21)."""

LONGEST = 3.0
"""Seconds that a trace may take beside the pods' start; printed, not asserted: a timing is a benchmark."""

STATE = "; ".join(
    (
        "nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+//'",
        "iptables-legacy-save 2>/dev/null | sed 's/^#.*//; s/\\[.*\\]//'",
        "ip -o link | sed 's/^[0-9]*: //' | grep -v veth",
        "ip route show table all | grep -v veth; ip rule",
        "lsmod 2>/dev/null | cut -d' ' -f1 | sort; cat /proc/net/ip_tables_names",
    )
)
"""What a trace must not change on a node: rules, links, routes, policy routes, modules."""


@pytest.fixture(scope="module")
def place(lab: Lab) -> Iterator[Place]:
    with session_at(str(lab.kubeconfig)) as found:
        yield found


def test_places_and_takers_of_all_faults(place: Place) -> None:
    scores = [tried(place, fault)[0] for fault in yaml.safe_load(FAULTS.read_text())["faults"]]
    print("\n".join(score.line for score in scores))
    assert sum(score.placed for score in scores) >= RIGHT_PLACE * len(scores)
    assert sum(score.right for score in scores) >= RIGHT_TAKER * len(scores)


def test_healthy_paths_have_no_taker(place: Place) -> None:
    rows = yaml.safe_load(FAULTS.read_text())["healthy"]
    scores = [tried(place, row) for row in rows]
    slow = [recorded.reply.seconds for _, recorded in scores if recorded and recorded.reply.seconds > LONGEST]
    print(f"{len(slow)} of {len(scores)} took more than {LONGEST} s: {slow}")
    assert [score.line for score, _ in scores if not score.right] == []


def test_a_trace_changes_nothing_on_a_node(place: Place) -> None:
    nodes = [place.variables[name] for name in ("C", "S", "T")]
    before = {node: shell(node, STATE, {}) for node in nodes}
    tried(place, {"name": "between nodes"})
    assert {node: shell(node, STATE, {}) for node in nodes} == before


def test_the_verb_names_the_rule_and_its_command_removes_it(place: Place, netdoc: Netdoc) -> None:
    one, other = place.variables["S"], place.variables["T"]
    shell(other, "iptables -t raw -I PREROUTING -p udp --dport 19376 -j DROP", {})
    try:
        broken = netdoc("trace", f"node/{one}", f"node/{other}")
        found = re.search(r"chroot /host (nft delete rule \S+ \S+ \S+ handle \d+)", broken.stdout)
        assert found, broken.stdout + broken.stderr
        assert broken.returncode == 1
        shell(other, found[1], {})
        assert netdoc("trace", f"node/{one}", f"node/{other}").returncode == 0
    finally:
        shell(other, "iptables -t raw -D PREROUTING -p udp --dport 19376 -j DROP 2>/dev/null || true", {})
