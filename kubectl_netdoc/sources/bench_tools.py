# SPDX-License-Identifier: Apache-2.0
"""iperf3 and netperf in place of netdoc's own agent: their command lines, and what their answers say.

A tool runs for whole seconds, and its bytes are not bounded. Sources: iperf3(1); netperf's manual, "Omni Output Selectors".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.bench import BenchLoad, BenchSample, Kind, Route

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)


class Tool(Struct, frozen=True):
    """A program. ``server``: its command line for a port. ``client``: for a load, an address, a port and seconds.

    ``carries``: whether it measures a load on a route. ``sample``: what its output and its exit code say.
    """

    server: Callable[[int], list[str]]
    client: Callable[[BenchLoad, str, int, float], list[str]]
    carries: Callable[[BenchLoad, Route], bool]
    sample: Callable[[BenchLoad, str, int], BenchSample]


class ToolFailed(ValueError):
    """Raised if a tool says that it did not succeed; the text is its own."""


def whole(seconds: float) -> int:
    """Return the seconds for which a tool runs: whole ones."""
    return max(1, round(seconds))


def _iperf3(load: BenchLoad, ip: str, port: int, seconds: float) -> list[str]:
    command = ["iperf3", "-J", "-c", ip, "-p", str(port), "-t", str(whole(seconds)), "-P", str(load.streams)]
    if load.kind is not Kind.UDP:
        return command
    size = ["-l", str(load.size)] if load.size else []
    return [*command, "-u", "-b", str(load.rate * load.size * 8), *size]


def _of_iperf3(load: BenchLoad, output: str, code: int) -> BenchSample:
    told: dict[str, Any] = msgspec.json.decode(output[output.index("{") :])
    if code or "error" in told:
        raise ToolFailed(f"iperf3: {str(told.get('error', code))[:200]}")
    end = told["end"]
    if load.kind is Kind.STREAM:
        came = end["sum_received"]
        retransmits = int(end["sum_sent"].get("retransmits", 0))
        return BenchSample(Outcome.OK, seconds=float(came["seconds"]), bytes=int(came["bytes"]), retransmits=retransmits)
    both = end["sum"]
    sent, came = int(both["packets"]), int(both["packets"]) - int(both["lost_packets"])
    return BenchSample(
        Outcome.OK,
        seconds=float(both["seconds"]),
        bytes=int(both["bytes"]) // max(sent, 1) * came,
        sent=sent,
        came=came,
        late=sum(int(one["udp"].get("out_of_order", 0)) for one in end["streams"]),
        jitter=1000 * float(both["jitter_ms"]),
    )


TESTS = {Kind.STREAM: "TCP_STREAM", Kind.RR: "TCP_RR", Kind.CRR: "TCP_CRR", Kind.UDP: "UDP_STREAM", Kind.UDP_RR: "UDP_RR"}
KEYS = "ELAPSED_TIME,THROUGHPUT,P50_LATENCY,P90_LATENCY,P99_LATENCY,LOCAL_BYTES_SENT,REMOTE_BYTES_RECVD,LOCAL_TRANSPORT_RETRANS"


def _netperf(load: BenchLoad, ip: str, port: int, seconds: float) -> list[str]:
    command = ["netperf", "-j", "-H", ip, "-p", str(port), "-l", str(whole(seconds)), "-t", TESTS[load.kind], "--", "-k", KEYS]
    if load.kind is Kind.STREAM:
        return [*command, "-m", "131072"]
    return [*command, *(["-R", "1", "-m", str(load.size)] if load.kind is Kind.UDP else ["-r", f"{load.size},{load.size}"])]


def _of_netperf(load: BenchLoad, output: str, code: int) -> BenchSample:
    told = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if code or "THROUGHPUT" not in told:
        raise ToolFailed(f"netperf: {' '.join(output.split())[-200:] or code}")
    seconds = float(told["ELAPSED_TIME"])
    if load.kind in (Kind.STREAM, Kind.UDP):
        sent, came = int(told["LOCAL_BYTES_SENT"]), int(told["REMOTE_BYTES_RECVD"])
        if load.kind is Kind.UDP:
            return BenchSample(Outcome.OK, seconds=seconds, bytes=came, sent=sent // load.size, came=came // load.size)
        return BenchSample(
            Outcome.OK, seconds=seconds, bytes=came, retransmits=max(0, int(told.get("LOCAL_TRANSPORT_RETRANS", 0)))
        )
    p50, p90, p99 = (float(told[f"P{percent}_LATENCY"]) for percent in (50, 90, 99))
    count = round(float(told["THROUGHPUT"]) * seconds)
    return BenchSample(Outcome.OK, seconds=seconds, sent=count, came=count, p50=p50, p90=p90, p99=p99)


TOOLS = {
    "iperf3": Tool(
        lambda port: ["iperf3", "-s", "-p", str(port)],
        _iperf3,
        lambda load, route: load.kind in (Kind.STREAM, Kind.UDP) and (route is not Route.NODE_PORT or load.kind is Kind.STREAM),
        _of_iperf3,
    ),
    "netperf": Tool(
        lambda port: ["netserver", "-D", "-p", str(port)],
        _netperf,
        # Its data takes a port of the server's choice, which no Service has.
        lambda load, route: (
            load.streams == 1 and not load.rate and bool(load.size or load.kind is not Kind.UDP) and not route.by_service
        ),
        _of_netperf,
    ),
}
"""The tools by name. Through a node port iperf3 carries TCP only: that of UDP differs from that of its control connection."""
