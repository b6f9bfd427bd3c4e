# SPDX-License-Identifier: Apache-2.0
"""The agent's benchmark: what one end sends, the other end counts, whatever else comes; and it ends by itself."""

from __future__ import annotations

import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_netdoc import agent
from tests.support.bench_agents import End, both, order, program, sample
from tests.support.packet_namespaces import B, CannotBeMade, Namespaces, namespaces

HERE = "127.0.0.1"
loads = program()


@pytest.fixture(scope="module")
def ends() -> Iterator[tuple[End, End]]:
    with both() as found:
        yield found


def told(ends: tuple[End, End], kind: str, host: str = HERE, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the first process of each end told."""
    source, target = sample(*ends, order(kind, (host, ends[1].ready["port"]), **more))
    assert (source["outcome"], target["outcome"]) == ("ok", "ok"), (source, target)
    return source["parts"][0], target["parts"][0]


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_all_bytes_of_a_stream_arrive_and_no_more_than_are_allowed(ends: tuple[End, End], host: str) -> None:
    source, target = told(ends, "stream", host, seconds=20)
    assert source["bytes"] == target["bytes"] >= 1 << 24
    assert source["bytes"] < (1 << 24) + loads.BLOCK
    assert target["last"] > target["first"]
    assert source["segments"] > 0
    assert source["retransmits"] >= 0


def test_streams_share_the_bytes_and_each_has_a_process(ends: tuple[End, End]) -> None:
    source, target = sample(*ends, order("stream", (HERE, ends[1].ready["port"]), streams=3, seconds=20))
    sent, taken = ([part["bytes"] for part in one["parts"]] for one in (source, target))
    assert len(sent) == 3
    assert sum(sent) == sum(taken)
    assert 1 << 24 <= sum(sent) < (1 << 24) + 3 * loads.BLOCK + 3


@pytest.mark.parametrize("host", [HERE, "::1"])
@pytest.mark.parametrize(("kind", "size"), [("rr", 1), ("rr", 16384), ("crr", 1), ("udp_rr", 1), ("udp_rr", 1400)])
def test_every_transaction_is_answered(ends: tuple[End, End], kind: str, size: int, host: str) -> None:
    source, target = told(ends, kind, host, size=size)
    assert source["transactions"] == source["sent"] == target["transactions"] > 0
    assert 0 < source["p50"] <= source["p90"] <= source["p99"]


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_steady_datagrams_arrive_in_order_and_at_their_rate(ends: tuple[End, End], host: str) -> None:
    source, target = told(ends, "udp", host, size=200, rate=500)
    assert source["sent"] == target["received"] <= 0.2 * 500 + 2
    assert (target["late"], target["bytes"]) == (0, 200 * target["received"])


def test_datagrams_are_bounded_in_bytes(ends: tuple[End, End]) -> None:
    source, _ = told(ends, "udp", size=1000, bytes=50_000, seconds=20)
    assert source["sent"] == 50


def test_what_strangers_send_is_not_counted(ends: tuple[End, End]) -> None:
    place = HERE, ends[1].ready["port"]
    for kind, counts in (("rr", "transactions"), ("crr", "transactions"), ("udp", "received"), ("udp_rr", "transactions")):
        wanted = order(kind, place, rate=200)
        ends[1].say({"do": "take", **wanted})
        ends[1].hear("listening")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.create_connection(place) as stream:
            datagrams.sendto(b"x" * 100, place)
            stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
            ends[0].say({"do": "send", **wanted})
            source, target = ends[0].hear("told"), ends[1].hear("told")
        assert target["parts"][0][counts] == source["parts"][0]["sent"], kind


def test_both_ends_tell_what_their_node_did(ends: tuple[End, End]) -> None:
    for one in sample(*ends, order("rr", (HERE, ends[1].ready["port"]))):
        node = one["node"]
        assert {"busy", "softirq", "processed", "dropped", "squeezed", "own", "throttled"} <= node.keys()
        assert node["seconds"] >= 0.2
        assert node["busy"] >= node["softirq"] >= 0
        assert node["own"] > 0


def test_a_closed_port_is_refused_and_the_agent_goes_on(ends: tuple[End, End]) -> None:
    with socket.socket() as closed:
        closed.bind((HERE, 0))
        for kind in ("stream", "rr", "crr"):
            ends[0].say({"do": "send", **order(kind, closed.getsockname())})
            assert ends[0].hear("told")["outcome"] == "refused"
    told(ends, "rr")


def test_the_end_of_stdin_ends_it() -> None:
    one = End()
    assert b'"end": true' in one.end()
    assert one.process.returncode == 0


def test_it_ends_at_its_deadline_though_stdin_is_open() -> None:
    one = End(budget=1.0)
    assert one.process.wait(timeout=10) != 0


def test_a_process_of_a_load_has_an_alarm_of_its_own_and_ends_by_it() -> None:
    assert loads.in_processes(2, 50, lambda: {"left": signal.alarm(0)}) == [{"outcome": "ok", "left": 50}] * 2
    assert loads.in_processes(2, 1, time.sleep, 30) == [{"outcome": "timeout"}] * 2


def test_an_end_that_never_comes_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "PATIENCE", 1)
    monkeypatch.setattr(loads, "PATIENT", struct.pack("ll", 1, 0))
    listener, datagrams, _ = loads.bound(0)
    for sock in (listener, datagrams):
        loads.patient(sock, loads.PATIENT)
    with listener, datagrams:
        with pytest.raises(BlockingIOError):
            loads.stream_taken(order("stream", ("", 0)), listener)
        assert loads.udp_taken(order("udp", ("", 0)), datagrams)["received"] == 0


def test_loss_disorder_and_jitter_are_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        taker.bind((HERE, 0))
        loads.patient(taker)
        wanted = order("udp", taker.getsockname())
        begin = loads.token(wanted)
        for number, moment in ((0, 1.0), (2, 3.0), (1, 2.0), (4, 5.0), (loads.LAST, 0.0)):
            sender.sendto(loads.HEAD.pack(begin, number, moment), taker.getsockname())
        found = loads.udp_taken(wanted, taker)
    assert (found["received"], found["late"], found["bytes"]) == (4, 1, 4 * loads.HEAD.size)
    assert found["jitter"] == pytest.approx(1e6 * (((2 / 16) * 15 / 16 + 1 / 16) * 15 / 16 + 3 / 16), rel=0.01)


def test_percentiles_are_those_of_nearest_rank() -> None:
    found = loads.timed([float(number) for number in range(1, 201)])
    assert (found["p50"], found["p90"], found["p99"], found["transactions"]) == (100.0, 180.0, 198.0, 200)
    assert loads.timed([]) == {"transactions": 0}


def test_a_tool_runs_and_its_server_ends_with_the_next_line(ends: tuple[End, End]) -> None:
    with socket.socket() as free:
        free.bind((HERE, 0))
        port = free.getsockname()[1]
    server = f"import http.server as h; h.HTTPServer(('{HERE}', {port}), h.BaseHTTPRequestHandler).serve_forever()"
    ends[1].say({"do": "offer", "command": ["python3", "-c", server], "port": port})
    assert ends[1].hear("listening") is True
    client = f"import os, socket; socket.create_connection(('{HERE}', {port})); print(os.environ['TMPDIR'])"
    ends[0].say({"do": "run", "command": ["python3", "-c", client], "seconds": 5})
    found = ends[0].hear("told")
    assert (found["outcome"], found["output"], found["code"]) == ("ok", "/dev/shm\n", 0), "the rest of a debug pod is read-only"
    ends[1].say({})
    assert ends[1].hear("told")["outcome"] == "ok"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, port))


def test_a_check_does_not_send_it() -> None:
    for sent in (agent.source(), agent.source(host=True)):
        assert b"def stream_sent(" not in sent


def test_parts_of_the_program_share_no_name() -> None:
    """They are joined into one text, in which a later definition replaces an earlier one."""
    names: list[str] = []
    for part in agent.PARTS_OF_BENCH:
        compiled = compile(agent.joined([part]), part, "exec")
        names += [name for name in compiled.co_names if f"\ndef {name}(".encode() in agent.joined([part])]
    assert len(names) == len(set(names))


@pytest.fixture
def made() -> Iterator[Namespaces]:
    try:
        with namespaces() as found:
            yield found
    except CannotBeMade as error:
        pytest.skip(f"no network namespaces can be made here: {error}")


def test_between_two_pods_through_a_node(made: Namespaces) -> None:
    with both(made.a, made.b) as found:
        source, target = told(found, "stream", B)
        assert source["bytes"] == target["bytes"] > 0
        datagrams, _ = told(found, "udp", B, size=0, rate=200)
        assert datagrams["size"] == 1472, "as large as the route's MTU allows"


IPV6 = """
sysctl -qw net.ipv6.conf.all.forwarding=1
ip addr add fd00:1::1/64 dev va nodad; ip addr add fd00:2::1/64 dev vb nodad
nsenter -t {a} -n sh -c 'ip addr add fd00:1::2/64 dev eth0 nodad; ip route add default via fd00:1::1'
nsenter -t {b} -n sh -c 'ip addr add fd00:2::2/64 dev eth0 nodad; ip route add default via fd00:2::1'
"""


def test_between_two_pods_by_ipv6(made: Namespaces) -> None:
    try:
        made.run(made.node, "set -e\n" + IPV6.format(a=made.a, b=made.b))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel has no IPv6: {error}")
    with both(made.a, made.b) as found:
        source, target = told(found, "stream", "fd00:2::2")
        assert source["bytes"] == target["bytes"] > 0
        assert told(found, "udp", "fd00:2::2", size=0, rate=200)[0]["size"] == 1452
        for kind in ("rr", "crr", "udp_rr"):
            source, target = told(found, kind, "fd00:2::2")
            assert source["transactions"] == target["transactions"] > 0


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")
def test_loss_on_the_way_shows_as_retransmits_and_missing_datagrams(made: Namespaces) -> None:
    chain = "nft add table ip t; nft add chain ip t f '{ type filter hook forward priority 0; }'; "
    try:
        made.run(made.node, f"{chain} nft add rule ip t f ip daddr {B} meta length gt 100 numgen inc mod 10 0 drop")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel can't: {error}")
    with both(made.a, made.b) as found:
        source, target = told(found, "stream", B, bytes=1 << 20, seconds=5)
        assert 0 < source["retransmits"] < source["segments"]
        assert source["bytes"] == target["bytes"]
        source, target = told(found, "udp", B, size=500, rate=500)
        assert source["sent"] * 0.85 < target["received"] < source["sent"] * 0.95
        assert target["late"] == 0


def test_a_path_that_takes_nothing_is_a_time_out(made: Namespaces) -> None:
    made.run(made.node, "ip link set vb down")
    with both(made.a, made.b) as found:
        wanted = order("stream", (B, found[1].ready["port"]))
        found[0].say({"do": "send", **wanted})
        assert found[0].hear("told")["outcome"] in ("timeout", "unreachable")
