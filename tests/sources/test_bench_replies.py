# SPDX-License-Identifier: Apache-2.0
"""What the ends of a benchmark tell, netdoc's own agents and other tools, becomes a sample or an error that is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.bench import BenchLoad, BenchSample, Kind, NodeWork, Route
from kubectl_netdoc.sources import bench_replies
from kubectl_netdoc.sources.bench_tools import TOOLS

NODE = {"seconds": 1.0, "busy": 0.5, "softirq": 0.1, "processed": 9, "dropped": 0, "squeezed": 2, "own": 0.3, "throttled": 0.0}
WORK = NodeWork(1.0, 0.5, 0.1, 0.3, 9, 0, 2)
STREAMS = BenchLoad(Kind.STREAM, streams=2)


def told(*parts: dict[str, Any], outcome: str = "ok", **more: Any) -> dict[str, Any]:
    """Return what an end tells."""
    return {"outcome": outcome, "node": NODE, "parts": [{"outcome": outcome, **part} for part in parts], **more}


def test_streams_are_summed_from_the_first_byte_to_the_last() -> None:
    sent = told({"retransmits": 2, "segments": 10}, {"retransmits": 1, "segments": 20})
    taken = told({"bytes": 100, "first": 5.0, "last": 6.5}, {"bytes": 50, "first": 4.5, "last": 6.0})
    assert bench_replies.sample(STREAMS, sent, taken) == BenchSample(
        Outcome.OK, WORK, WORK, seconds=2.0, bytes=150, retransmits=3, segments=30
    )


def test_datagrams() -> None:
    taken = told({"received": 8, "bytes": 800, "first": 1.0, "last": 3.0, "late": 1, "jitter": 4.5})
    found = bench_replies.sample(BenchLoad(Kind.UDP), told({"sent": 10, "seconds": 2.1}), taken)
    assert (found.sent, found.came, found.late, found.jitter, found.seconds) == (10, 8, 1, 4.5, 2.0)
    none = told({"received": 0, "bytes": 0, "first": 0.0, "last": 0.0})
    assert bench_replies.sample(BenchLoad(Kind.UDP), told({"sent": 10, "seconds": 2.1}), none).seconds == 2.1


def test_transactions() -> None:
    sent = told({"sent": 5, "transactions": 4, "seconds": 1.0, "p50": 10.0, "p90": 11.0, "p99": 12.0})
    found = bench_replies.sample(BenchLoad(Kind.UDP_RR, size=24), sent, told({"transactions": 4}))
    assert (found.sent, found.came, found.p50, found.p90, found.p99) == (5, 4, 10.0, 11.0, 12.0)


def test_the_first_failure_is_the_outcome() -> None:
    for sent, taken in ((told({}, outcome="refused"), told({})), (told({}), told({}, outcome="refused"))):
        assert bench_replies.sample(STREAMS, sent, taken) == BenchSample(Outcome.REFUSED, WORK, WORK)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PARTS = st.lists(st.dictionaries(st.sampled_from(["outcome", "bytes", "first", "last", "p50"]), JSON, max_size=5), max_size=2)


@given(
    st.sampled_from(["", "iperf3", "netperf"]),
    st.sampled_from(list(Kind)),
    JSON | st.fixed_dictionaries({"outcome": st.just("ok"), "node": st.just(NODE), "parts": PARTS, "output": st.text()}),
)
def test_anything_else_is_an_error_that_is_expected(tool: str, kind: Kind, said: Any) -> None:
    try:
        found = bench_replies.sample(BenchLoad(kind, size=24), said, told())
    except bench_replies.UNREADABLE:
        return
    assert isinstance(found, BenchSample)


# Other tools

IPERF3_TCP = {
    "start": {"version": "iperf 3.18"},
    "end": {
        "sum_sent": {"seconds": 1.0, "bytes": 1100, "bits_per_second": 8800, "retransmits": 7},
        "sum_received": {"seconds": 1.01, "bytes": 1000, "bits_per_second": 8000},
    },
}
IPERF3_UDP = {
    "end": {
        "streams": [{"udp": {"out_of_order": 2, "lost_packets": 1, "packets": 10}}],
        "sum": {"seconds": 1.0, "bytes": 2000, "jitter_ms": 0.012, "lost_packets": 1, "packets": 10, "lost_percent": 10},
    }
}
NETPERF_RR = """MIGRATED TCP REQUEST/RESPONSE TEST from 0.0.0.0 (0.0.0.0) port 0 AF_INET to 10.0.0.2 () port 0 AF_INET
ELAPSED_TIME=1.00
THROUGHPUT=31000.5
P50_LATENCY=30
P90_LATENCY=35
P99_LATENCY=80
LOCAL_BYTES_SENT=31000
REMOTE_BYTES_RECVD=31000
LOCAL_TRANSPORT_RETRANS=-1
"""


def by(tool: str, load: BenchLoad, output: str, code: int = 0) -> BenchSample:
    """Return what a tool's output says."""
    return bench_replies.sample(load, told(output=output, code=code), told(), tool)


def test_iperf3_tells_what_was_received() -> None:
    found = by("iperf3", STREAMS, json.dumps(IPERF3_TCP))
    assert (found.bytes, found.seconds, found.retransmits, found.source) == (1000, 1.01, 7, WORK)
    found = by("iperf3", BenchLoad(Kind.UDP), "warning: x\n" + json.dumps(IPERF3_UDP))
    assert (found.sent, found.came, found.late, found.bytes, found.jitter) == (10, 9, 2, 1800, 12.0)


def test_netperf_tells_percentiles() -> None:
    found = by("netperf", BenchLoad(Kind.RR, size=1), NETPERF_RR)
    assert (found.came, found.p50, found.p90, found.p99) == (31000, 30.0, 35.0, 80.0)
    assert by("netperf", BenchLoad(Kind.STREAM), NETPERF_RR).retransmits == 0
    assert by("netperf", BenchLoad(Kind.UDP, size=64), NETPERF_RR).came == 31000 // 64


@pytest.mark.parametrize(
    ("tool", "output", "code"),
    [
        ("iperf3", '{"error": "unable to connect to server"}', 1),
        ("iperf3", "", 127),
        ("netperf", "establish control: are you sure there is a netserver listening?", 1),
        ("netperf", "", 0),
    ],
)
def test_a_tool_that_fails_is_quoted(tool: str, output: str, code: int) -> None:
    with pytest.raises(bench_replies.UNREADABLE) as failed:
        by(tool, BenchLoad(Kind.STREAM), output, code)
    assert not output or "connect" in str(failed.value) or "netserver" in str(failed.value)


def test_command_lines() -> None:
    iperf3, netperf = TOOLS["iperf3"], TOOLS["netperf"]
    assert iperf3.server(9) == ["iperf3", "-s", "-p", "9"]
    assert iperf3.client(STREAMS, "10.0.0.2", 9, 0.5) == ["iperf3", "-J", "-c", "10.0.0.2", "-p", "9", "-t", "1", "-P", "2"]
    steady = iperf3.client(BenchLoad(Kind.UDP, size=200, rate=1000), "fd00::2", 9, 2.0)
    assert steady[-5:] == ["-u", "-b", "1600000", "-l", "200"]
    assert netperf.client(BenchLoad(Kind.RR, size=1), "10.0.0.2", 9, 3)[-2:] == ["-r", "1,1"]
    assert "TCP_STREAM" in netperf.client(BenchLoad(Kind.STREAM), "10.0.0.2", 9, 3)


def test_what_a_service_can_not_carry_is_not_tried() -> None:
    iperf3, netperf = TOOLS["iperf3"].carries, TOOLS["netperf"].carries
    assert iperf3(BenchLoad(Kind.UDP), Route.CLUSTER_IP)
    assert not iperf3(BenchLoad(Kind.UDP), Route.NODE_PORT)
    assert not iperf3(BenchLoad(Kind.RR, size=1), Route.POD)
    assert netperf(BenchLoad(Kind.RR, size=1), Route.POD)
    assert not netperf(BenchLoad(Kind.RR, size=1), Route.CLUSTER_IP)
    assert not netperf(STREAMS, Route.POD)
