# SPDX-License-Identifier: Apache-2.0
"""Sets of ports of the three protocols of policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

PROTOCOLS = ("TCP", "UDP", "SCTP")
"""In the order in which they are printed (NetworkPolicyPort.protocol in networking.k8s.io/v1)."""

FIRST, LAST = 1, 65535
_STRIDE = 1 << 16
Span = tuple[int, int]


class Ports(Struct, frozen=True):
    """A set of (protocol, port): disjoint spans of numbers in ascending order, the protocols one after the other."""

    spans: tuple[Span, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __or__(self, other: Ports) -> Ports:
        if self is other or not other.spans or self is ALL:
            return self
        return other if not self.spans or other is ALL else Ports(tuple(_joined(sorted(self.spans + other.spans))))

    def __and__(self, other: Ports) -> Ports:
        if self is ALL or self is other:
            return other
        if other is ALL:
            return self
        both = ((max(a, c), min(b, d)) for a, b in self.spans for c, d in other.spans)
        return Ports(tuple(span for span in both if span[0] <= span[1]))

    def __sub__(self, other: Ports) -> Ports:
        left = list(self.spans)
        for low, high in other.spans:
            left = [part for span in left for part in _cut(span, low, high)]
        return Ports(tuple(left))

    def has(self, protocol: str, port: int) -> bool:
        """Tell whether the set holds a port."""
        return bool(self & of(protocol, port))

    def ranges(self) -> Iterator[tuple[str, int, int]]:
        """Yield (protocol, first, last)."""
        for low, high in self.spans:
            yield PROTOCOLS[low // _STRIDE], low % _STRIDE, high % _STRIDE

    def __str__(self) -> str:
        if self == ALL:
            return "all ports"
        return ", ".join(map(_words, self.ranges())) or "no port"


def _words(of_one: tuple[str, int, int]) -> str:
    protocol, low, high = of_one
    return f"{protocol} {'all' if (low, high) == (FIRST, LAST) else low if low == high else f'{low}-{high}'}"


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    low, high = 0, -2
    for start, end in spans:
        if start <= high + 1:
            high = max(high, end)
            continue
        if high > 0:
            yield low, high
        low, high = start, end
    if high > 0:
        yield low, high


def _cut(span: Span, low: int, high: int) -> Iterator[Span]:
    start, end = span
    if high < start or end < low:
        yield span
        return
    if start < low:
        yield start, low - 1
    if high < end:
        yield high + 1, end


def of(protocol: str, first: int = FIRST, last: int = 0) -> Ports:
    """Return the ports ``first`` to ``last`` of a protocol: one port without ``last``; none if the protocol is unknown."""
    if protocol not in PROTOCOLS:
        return NONE
    base = PROTOCOLS.index(protocol) * _STRIDE
    low, high = max(first, FIRST), min(last or first, LAST)
    return Ports(((base + low, base + high),)) if low <= high else NONE


def every(protocol: str) -> Ports:
    """Return all ports of a protocol."""
    return of(protocol, FIRST, LAST)


NONE = Ports()
ALL = Ports(tuple((index * _STRIDE + FIRST, index * _STRIDE + LAST) for index in range(len(PROTOCOLS))))
