# SPDX-License-Identifier: Apache-2.0
"""Sets of ports against Python's own sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.ports import ALL, NONE, PROTOCOLS, Ports

RANGES = st.lists(st.tuples(st.sampled_from(PROTOCOLS), st.integers(1, 30), st.integers(0, 10)), max_size=5)
EDGES = st.lists(st.tuples(st.sampled_from(PROTOCOLS), st.sampled_from((65530, 65535)), st.integers(0, 10)), max_size=2)


def made(ranges: list[tuple[str, int, int]]) -> Ports:
    found = NONE
    for protocol, first, more in ranges:
        found |= ports.of(protocol, first, first + more)
    return found


def plain(of: Ports) -> set[tuple[str, int]]:
    return {(protocol, port) for protocol, first, last in of.ranges() for port in range(first, last + 1)}


@given(RANGES, RANGES, EDGES)
def test_set_algebra(
    one: list[tuple[str, int, int]], other: list[tuple[str, int, int]], edges: list[tuple[str, int, int]]
) -> None:
    a, b = made(one + edges), made(other)
    assert plain(a | b) == plain(a) | plain(b)
    assert plain(a & b) == plain(a) & plain(b)
    assert plain(a - b) == plain(a) - plain(b)
    assert (a | b) - b == a - b
    assert (a & ALL, a | NONE, a - ALL, ALL - NONE) == (a, a, NONE, ALL)
    assert bool(a) == bool(plain(a))
    spans = list((a | b).spans)
    assert all(x[1] + 1 < y[0] for x, y in zip(spans, spans[1:], strict=False)), "disjoint, joined and in order"


@given(RANGES)
def test_has(one: list[tuple[str, int, int]]) -> None:
    a = made(one)
    assert {(protocol, port) for protocol in PROTOCOLS for port in range(1, 45) if a.has(protocol, port)} == plain(a)


def test_words() -> None:
    assert [str(ALL), str(NONE)] == ["all ports", "no port"]
    assert str(ports.of("TCP", 80) | ports.of("UDP", 5, 9) | ports.every("SCTP")) == "TCP 80, UDP 5-9, SCTP all"
    assert ports.of("ICMP", 1) == NONE
