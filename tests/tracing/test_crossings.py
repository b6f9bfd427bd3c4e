# SPDX-License-Identifier: Apache-2.0
"""Times between nodes whose clocks differ: what the packets prove of each way, and nothing beyond it."""

from __future__ import annotations

import msgspec
import pytest

from kubectl_netdoc.measurements.trace import TraceReply
from kubectl_netdoc.tracing.crossings import Crossing, crossings
from kubectl_netdoc.tracing.hops import ways
from tests.support.traces import HEALTHY

BETWEEN = HEALTHY["between nodes"]
S = BETWEEN.request.node
REPLACE = msgspec.structs.replace


def shifted(there: dict[int, int], back: dict[int, int], clock: int = 0) -> TraceReply:
    """The healthy trace with microseconds more for some packets there and back, and another clock on the other node."""
    seen = [
        REPLACE(
            one,
            us=one.us
            + (clock + there.get(one.packet, 0) if one.node != S else back.get(one.packet, 0) + there.get(one.packet, 0))
            * (one.node != S or one.answer),
        )
        for one in BETWEEN.reply.sightings
    ]
    return REPLACE(BETWEEN.reply, sightings=tuple(seen))


def crossed(reply: TraceReply, first: str) -> list[Crossing]:
    """The crossings of a trace from a node."""
    return list(crossings(reply, ways(reply, first)[0]))


ALL = dict.fromkeys(range(6), 80_000)
MOST = dict.fromkeys(range(1, 6), 80000)


@pytest.mark.parametrize("clock", [-7_000_000, 0, 3_600_000_000])
def test_what_is_late_now_and_then_shows_on_which_way(clock: int) -> None:
    """One packet that was fast on both ways relates the clocks."""
    (crossing,) = crossed(shifted(MOST, {}, clock), S)
    assert 79_000 < crossing.there[0] <= crossing.there[1] < 81_000
    assert crossing.back[1] < 1_000
    (crossing,) = crossed(shifted({}, MOST, clock), S)
    assert 79_000 < crossing.back[0] <= crossing.back[1] < 81_000
    assert crossing.there[1] < 1_000


def test_what_is_always_late_shows_in_both_ways_together_only() -> None:
    """Slow there and fast back, or the other way round, look the same: the clocks can't tell."""
    (there,), (back,) = crossed(shifted(ALL, {}), S), crossed(shifted({}, ALL), S)
    for crossing in (there, back):
        assert 79_000 < crossing.both < 81_000
        assert crossing.there[0] < 1_000 < 79_000 < crossing.there[1]
        assert crossing.back[0] < 1_000 < 79_000 < crossing.back[1]


def test_a_clock_that_is_set_meanwhile_proves_nothing() -> None:
    stepped = shifted({0: -5_000_000}, {0: 5_000_000})
    assert crossed(stepped, S) == []


def test_within_a_node_there_is_none() -> None:
    recorded = HEALTHY["within a node"]
    assert crossed(recorded.reply, recorded.request.node) == []
