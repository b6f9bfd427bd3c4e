# SPDX-License-Identifier: Apache-2.0
"""Sums of lookups, and which nodes observe which DNS server."""

from __future__ import annotations

import pytest

from kubectl_netdoc.core.finding import Subject
from kubectl_netdoc.measurements.base import Address, Lost, Outcome
from kubectl_netdoc.measurements.dns import DnsReply, DnsSample
from kubectl_netdoc.probes.dns_lookups import SLOW_MS, DnsServer, Tally, observers
from kubectl_netdoc.testing import make_cluster, make_node


def reply(*outcomes: Outcome, ms: float = 1.0) -> DnsReply:
    """Return a reply with one sample for each outcome."""
    return DnsReply("192.0.2.1", tuple(DnsSample(outcome, ms) for outcome in outcomes))


@pytest.mark.parametrize(
    ("outcomes", "happened"),
    [
        ([Outcome.OK] * 2, "2 succeeded"),
        ([Outcome.REFUSED], "1 was refused"),
        ([Outcome.TIMEOUT] * 9 + [Outcome.REFUSED] * 2, "2 were refused and 9 timed out"),
    ],
)
def test_outcomes_are_the_verbs_of_a_sentence(outcomes: list[Outcome], happened: str) -> None:
    assert Tally([reply(*outcomes)]).happened() == happened


def test_a_tally_sums_up_replies_and_leaves_out_what_was_not_measured() -> None:
    tally = Tally([reply(Outcome.OK, Outcome.OK, Outcome.TIMEOUT), Lost("cut"), reply(Outcome.OK, ms=SLOW_MS + 1)])
    assert (tally.sent, tally.lost, tally.slow, tally.server) == (4, 1, 1, "192.0.2.1")


@pytest.mark.parametrize(("node", "seen_by"), [("n3", ("n3", "n4", "n1")), ("elsewhere", ("n1", "n2", "n3"))])
def test_a_server_is_observed_from_its_own_node_first(node: str, seen_by: tuple[str, ...]) -> None:
    names = ("n1", "n2", "n3", "n4")
    cluster = make_cluster(*map(make_node, names), vantages=names)
    assert observers(cluster, DnsServer(Subject("Pod", "dns", "kube-system"), Address("192.0.2.1"), node)) == seen_by
