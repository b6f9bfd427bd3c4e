# SPDX-License-Identifier: Apache-2.0
"""Decodes what both ends of a benchmark told of one sample."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.bench import BenchLoad, BenchSample, Kind, NodeWork
from kubectl_netdoc.sources import UNREADABLE as BROKEN
from kubectl_netdoc.sources import bench_tools

UNREADABLE = (*BROKEN, *bench_tools.UNREADABLE)


class Ready(Struct, frozen=True):
    """What an end tells of itself: its port, its node's CPUs, a digest of its kernel's boot id, and the tools of its image."""

    port: int
    cpus: int
    machine: str
    tools: tuple[str, ...] = ()


class _Part(Struct, frozen=True):
    """What one process of an end found (agent/loads.py)."""

    outcome: Outcome
    seconds: float = 0.0
    bytes: int = 0
    first: float = 0.0
    last: float = 0.0
    sent: int = 0
    received: int = 0
    transactions: int = 0
    late: int = 0
    jitter: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    retransmits: int = 0
    segments: int = 0


class _Told(Struct, frozen=True):
    """What an end found, and what its node did meanwhile. ``output``: of a tool, which ended with ``code``."""

    outcome: Outcome
    node: NodeWork
    parts: tuple[_Part, ...] = ()
    output: str = ""
    code: int = 0


def ready(told: Any) -> Ready:
    """Return what an end told of itself; raises what is in ``UNREADABLE``."""
    return msgspec.convert(told, Ready)


def sample(load: BenchLoad, source: Any, target: Any, tool: str = "") -> BenchSample:
    """Return the sample of a load that both ends told of; raises what is in ``UNREADABLE``."""
    sent, taken = msgspec.convert(source, _Told), msgspec.convert(target, _Told)
    outcome = next((one.outcome for one in (sent, taken) if one.outcome is not Outcome.OK), Outcome.OK)
    found = BenchSample(outcome)
    if outcome is Outcome.OK:
        found = bench_tools.TOOLS[tool].sample(load, sent.output, sent.code) if tool else _found(load, sent.parts, taken.parts)
    return msgspec.structs.replace(found, source=sent.node, target=taken.node)


def _found(load: BenchLoad, sent: tuple[_Part, ...], taken: tuple[_Part, ...]) -> BenchSample:
    first, last = min(one.first for one in taken), max(one.last for one in taken)
    if load.kind is Kind.STREAM:
        retransmits, segments = sum(one.retransmits for one in sent), sum(one.segments for one in sent)
        came = sum(one.bytes for one in taken)
        return BenchSample(Outcome.OK, seconds=last - first, bytes=came, retransmits=retransmits, segments=segments)
    one, other = sent[0], taken[0]
    if load.kind is Kind.UDP:
        return BenchSample(
            Outcome.OK,
            seconds=last - first or one.seconds,
            bytes=other.bytes,
            sent=one.sent,
            came=other.received,
            late=other.late,
            jitter=other.jitter,
        )
    return BenchSample(
        Outcome.OK, seconds=one.seconds, sent=one.sent, came=one.transactions, p50=one.p50, p90=one.p90, p99=one.p99
    )
