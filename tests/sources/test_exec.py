# SPDX-License-Identifier: Apache-2.0
"""The exec transport against scripted faults: what comes back is what was sent, or is Lost, and always in time."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import dns.message
import pytest
from aiohttp import WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.measurements.base import Address, Lost, Outcome
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.sources import agent_protocol
from kubectl_netdoc.sources.live import exec as transport
from kubectl_netdoc.sources.live.client import Client
from tests.support.kubeconfigs import LONGEST, TOKEN, Exec, accept, client, exec_server, in_thread
from tests.support.udp_servers import healthy, udp_server

STDOUT, STDERR, ERROR = b"\x01", b"\x02", b"\x03"
END = b'{"end": true, "replies": 3, "throttled": 0.25}\n'


def lookups(count: int, port: int = 53, samples: int = 2) -> tuple[DnsLookup, ...]:
    """Return requests that differ in their names."""
    return tuple(DnsLookup("n1", Address("127.0.0.1", port), f"name-{n}.", samples=samples) for n in range(count))


REQUESTS = lookups(3)


def answer_to(name: str, rtype: str = "A") -> str:
    """Return a DNS server's answer as the agent hands it on."""
    return base64.b64encode(dns.message.make_response(dns.message.make_query(name, rtype, id=7)).to_wire()).decode()


def line(number: int, *samples: list[Any], **more: Any) -> bytes:
    """Return a line of the agent."""
    return json.dumps({"to": "127.0.0.1", "samples": list(samples), "id": number, **more}).encode() + b"\n"


def ok(name: str = "x.", ms: Any = 1.5) -> list[Any]:
    """Return a good sample."""
    return ["ok", ms, answer_to(name)]


def parse(output: bytes, complaint: str = "") -> dict[DnsLookup, Reply]:
    """Return the replies to ``REQUESTS`` in an output; there is one for each, whatever the output."""
    answer = transport.parse(REQUESTS, output, complaint)
    assert answer.replies.keys() == set(REQUESTS)
    return {request: answer.replies[request] for request in REQUESTS}


def kinds(replies: dict[DnsLookup, Reply]) -> list[type[Reply]]:
    """Return whether each reply came or was lost."""
    return [type(reply) for reply in replies.values()]


GOOD = (
    line(0, ok(), ["timeout", 1000.0])
    + line(1, ok(), ok())
    + json.dumps({"error": 'a "string" {"end": true}\n{"id": 2}', "id": 2}).encode()
    + b"\n"
    + END
)


# What the output may be


def test_good_output_answers_everything() -> None:
    answer = transport.parse(REQUESTS, GOOD, "")
    first, second, third = (answer.replies[request] for request in REQUESTS)
    assert isinstance(first, DnsReply)
    assert [sample.outcome for sample in first.samples] == [Outcome.OK, Outcome.TIMEOUT]
    assert isinstance(second, DnsReply)
    assert isinstance(third, Lost)
    assert (answer.throttled, answer.lost) == (0.25, "")


@given(st.integers(0, len(GOOD)))
def test_output_cut_anywhere_never_lies(cut: int) -> None:
    whole, part = parse(GOOD), parse(GOOD[:cut], "cut" if cut < len(GOOD) else "")
    assert all(reply == whole[request] or isinstance(reply, Lost) for request, reply in part.items())
    complete = GOOD[:cut].count(b"\n")
    assert all(part[request] == whole[request] for request in REQUESTS[:complete])


@given(st.binary(max_size=300), st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
def test_output_with_a_hole_or_noise_in_it_never_raises(noise: bytes, start: int, stop: int) -> None:
    parse(GOOD[:start] + noise + GOOD[stop:])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
SAMPLES = st.lists(
    st.lists(st.sampled_from(["ok", "timeout", "malformed", answer_to("x."), "AAAA", 1.0, -1, 10**400, "nan", "inf"]) | JSON),
    max_size=3,
)


LINES = st.lists(
    st.fixed_dictionaries({}, optional={"id": st.integers(-2, 4), "samples": SAMPLES | JSON, "end": JSON}), max_size=5
)


@given(LINES)
def test_lines_of_any_shape_never_raise_and_replies_can_be_stored(lines: list[dict[str, Any]]) -> None:
    for reply in parse(b"".join(json.dumps(entry).encode() + b"\n" for entry in lines)).values():
        if isinstance(reply, DnsReply):
            assert all(0 <= sample.ms < float("inf") for sample in reply.samples)


@given(st.binary(max_size=200))
def test_datagrams_of_any_bytes_never_raise(datagram: bytes) -> None:
    header = b"\x00\x01\x80\x00" + datagram
    for sent in (datagram, header):
        parse(line(0, ["ok", 1.0, base64.b64encode(sent).decode()]) + END)


@pytest.mark.parametrize(
    "query", [dns.message.make_query("x.", "A", id=7).to_wire(), b"", b"\x00\x01", b"garbage that is no DNS"]
)
def test_what_is_no_answer_of_a_dns_server_is_malformed(query: bytes) -> None:
    reply = parse(line(0, ["ok", 1.0, base64.b64encode(query).decode()]) + END)[REQUESTS[0]]
    assert isinstance(reply, DnsReply)
    assert [sample.outcome for sample in reply.samples] == [Outcome.MALFORMED]


def test_garbage_behind_the_end_line_is_nobodys() -> None:
    assert parse(GOOD + line(2, ok()) + b"\xff\x00 garbage") == parse(GOOD)


def test_first_of_two_replies_to_one_request_counts() -> None:
    assert (
        parse(line(0, ok("first.")) + line(0, ["refused", 1.0]) + END)[REQUESTS[0]] == parse(line(0, ok("first.")))[REQUESTS[0]]
    )


@pytest.mark.parametrize("number", [-1, 3, 10**30, "0", 0.5, None, True, [0]], ids=repr)
def test_reply_to_no_request_is_nobodys(number: Any) -> None:
    assert kinds(parse(line(number, ok()) + END)) == [Lost] * 3


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [ok(), ok(), ok()],
        [[]],
        [["ok"]],
        [["ok", 1.0]],
        [["ok", "fast", answer_to("x.")]],
        [["ok", "nan", answer_to("x.")]],
        [["ok", -5, answer_to("x.")]],
        [["ok", 10**400, answer_to("x.")]],
        [["ok", 1.0, 7]],
        [["splendid", 1.0]],
        [[["ok"], 1.0]],
        [[None, None]],
    ],
    ids=lambda samples: str(samples)[:40],
)
def test_reply_of_another_shape_is_lost(samples: list[Any]) -> None:
    assert kinds(parse(line(0, *samples) + line(1, ok()) + END)) == [Lost, DnsReply, Lost]


@pytest.mark.parametrize(
    "bad", [b"", b"\xff\xfe", b"[]", b"5", b"null", b"{", b'{"id": 0, "samples": [' + b"[" * 50_000, b"Traceback:"]
)
def test_line_that_is_none_does_not_harm_the_next(bad: bytes) -> None:
    assert kinds(parse(bad + b"\n" + line(1, ok()) + END)) == [Lost, DnsReply, Lost]


@pytest.mark.parametrize(
    ("output", "ended"),
    [
        (END, True),
        (GOOD, True),
        (GOOD + b"garbage", True),
        (GOOD + b"garbage\n", True),
        (END[:-1], False),
        (GOOD[: -len(END)], False),
        (b"", False),
        (json.dumps({"error": '"end": true'}).encode() + b"\n", False),
        (json.dumps({"error": '\n{"end": true}\n'}).encode() + b"\n", False),
    ],
)
def test_end_line(output: bytes, ended: bool) -> None:
    assert transport.ended(output) is ended


def test_payload_is_framed_by_lengths() -> None:
    framed = transport.payload(REQUESTS, 7.0)
    length, _, rest = framed.partition(b"\n")
    compile(rest[: int(length)], "agent", "exec")
    size, _, batch = rest[int(length) :].partition(b"\n")
    assert len(batch) == int(size)
    document = json.loads(batch)
    assert document["budget"] == 7.0
    assert [ask["id"] for ask in document["asks"]] == [0, 1, 2]
    assert [len(ask["payloads"]) for ask in document["asks"]] == [2, 2, 2]


@pytest.mark.parametrize("name", ["a..b.", f"{'x' * 64}.", f"{'abc.' * 80}", "\\300.", ""])
def test_name_that_can_not_be_asked_for_is_lost_and_the_others_are_not(name: str) -> None:
    request = DnsLookup("n1", Address("127.0.0.1"), name, samples=1)
    ask = agent_protocol.ask(0, request)
    if not ask["payloads"]:
        reply = agent_protocol.reply(request, agent_protocol.decode(line(0)))
        assert isinstance(reply, Lost)


# What the stream may do


@pytest.fixture
def dns_port() -> Iterator[int]:
    """A DNS server for the agent to ask."""
    with udp_server(healthy) as (_, port):
        yield port


def run(folder: Path, play: Exec, requests: tuple[DnsLookup, ...] = REQUESTS, seconds: float = 20) -> transport.ExecResult:
    """Return what an exec played by ``play`` brings; fails where the deadline does not end it."""
    with exec_server(play) as url:
        return in_time(client(folder, url), requests, seconds)


def in_time(asking: Client, requests: tuple[DnsLookup, ...], seconds: float) -> transport.ExecResult:
    """Run one batch and return what it brings, in a bounded time."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(transport.run, asking, "netdoc", "pod-1", requests, seconds).result(LONGEST)
    assert answer.replies.keys() == set(requests)
    return answer


async def framed_input(channel: web.WebSocketResponse) -> bytes:
    """Return what comes in on stdin, up to the end of its second frame."""
    data = b""
    while not complete(data):
        message = await channel.receive()
        assert message.type == WSMsgType.BINARY
        assert message.data[:1] == b"\x00"
        data += message.data[1:]
    return data


def complete(data: bytes) -> bool:
    """Whether program and batch are there."""
    with suppress(ValueError):
        length, _, rest = data.partition(b"\n")
        size, _, batch = rest[int(length) :].partition(b"\n")
        return len(batch) == int(size)
    return False


async def agent_output(channel: web.WebSocketResponse, request: web.Request) -> bytes:
    """Run the agent for real as the exec asks for it, with its stdin left open as the protocol leaves it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *request.query.getall("command")[1:], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(await framed_input(channel))
    output = await asyncio.wait_for(process.stdout.read(), LONGEST)
    process.stdin.close()
    await process.wait()
    return output


def sending(*frames: bytes) -> Exec:
    """Play a server that takes the input, sends these frames and closes."""

    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        await framed_input(channel)
        for frame in frames:
            await channel.send_bytes(frame)
        await channel.close()
        return channel

    return play


async def hang(channel: web.WebSocketResponse) -> web.WebSocketResponse:
    """Say nothing until the other side goes."""
    while not channel.closed:
        await channel.receive()
    return channel


def test_agent_is_run_over_exec(tmp_path: Path, dns_port: int) -> None:
    seen: list[web.Request] = []

    async def play(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        channel = await accept(request)
        await channel.send_bytes(STDOUT + await agent_output(channel, request))
        await channel.send_bytes(ERROR + b'{"status": "Success"}')
        return channel

    answer = run(tmp_path, play, lookups(3, dns_port))
    assert [type(reply) for reply in answer.replies.values()] == [DnsReply] * 3
    assert answer.lost == ""
    assert all(
        s.outcome is Outcome.OK and s.rcode == "NOERROR" for r in answer.replies.values() for s in getattr(r, "samples", ())
    )
    query = seen[0].query
    assert query.getall("command")[0] == "python3"
    assert (query["stdin"], query["stdout"], query["stderr"]) == ("true", "true", "true")
    assert seen[0].path == "/api/v1/namespaces/netdoc/pods/pod-1/exec"
    assert seen[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "v4.channel.k8s.io" in seen[0].headers["Sec-WebSocket-Protocol"]


def test_output_in_frames_of_one_byte_with_others_between(tmp_path: Path, dns_port: int) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        output = await agent_output(channel, request)
        await channel.ping()
        for number in range(len(output)):
            await channel.send_bytes(STDOUT + output[number : number + 1])
            await channel.send_bytes((STDOUT, STDERR + b"noise\n", b"", b"\x04{}", b"\xff")[number % 5])
        return await hang(channel)

    answer = run(tmp_path, play, lookups(2, dns_port, samples=1))
    assert [type(reply) for reply in answer.replies.values()] == [DnsReply] * 2
    assert answer.lost == ""


def test_large_batch_goes_in_frames_that_proxies_let_through(tmp_path: Path, dns_port: int) -> None:
    sizes: list[int] = []

    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        data = b""
        while not complete(data):
            data += (message := (await channel.receive()).data)[1:]
            sizes.append(len(message))
        await channel.send_bytes(STDOUT + END)
        return channel

    run(tmp_path, play, lookups(300, samples=20))
    assert len(sizes) > 1
    assert max(sizes) < 64 * 1024


def test_connection_cut_in_the_middle_keeps_what_came_whole(tmp_path: Path) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        await framed_input(channel)
        await channel.send_bytes(STDOUT + GOOD[: len(GOOD) // 2])
        assert request.transport
        request.transport.abort()
        return channel

    replies = run(tmp_path, play).replies
    assert isinstance(replies[REQUESTS[0]], DnsReply)
    assert isinstance(replies[REQUESTS[2]], Lost)


def test_clean_close_in_the_middle_keeps_what_came_whole(tmp_path: Path) -> None:
    answer = run(tmp_path, sending(STDOUT + line(0, ok()), STDOUT + line(1, ok())[:-9]))
    assert [type(reply) for reply in answer.replies.values()] == [DnsReply, Lost, Lost]
    assert answer.lost


def test_close_at_once_is_lost(tmp_path: Path) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        await channel.close()
        return channel

    assert run(tmp_path, play).lost


def test_lost_status_does_not_matter_behind_the_end_line(tmp_path: Path) -> None:
    answer = run(tmp_path, sending(STDOUT + line(0, ok()) + line(1, ok()) + line(2, ok()), STDOUT + END))
    assert answer.lost == ""
    assert answer.throttled == 0.25


def test_garbage_in_the_frame_of_the_end_line_does_not_wait_for_the_deadline(tmp_path: Path) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        await framed_input(channel)
        await channel.send_bytes(STDOUT + GOOD + b"\xffgarbage without an end")
        return await hang(channel)

    answer = run(tmp_path, play, seconds=LONGEST * 2)
    assert answer.lost == ""


def test_answer_that_never_comes_ends_at_the_deadline(tmp_path: Path) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        return await hang(await accept(request))

    answer = run(tmp_path, play, seconds=0.5)
    assert answer.lost
    assert all(isinstance(reply, Lost) for reply in answer.replies.values())


def test_half_an_answer_that_stalls_ends_at_the_deadline(tmp_path: Path) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        await framed_input(channel)
        await channel.send_bytes(STDOUT + line(0, ok()) + line(1, ok())[:-5])
        return await hang(channel)

    answer = run(tmp_path, play, seconds=0.5)
    assert [type(reply) for reply in answer.replies.values()] == [DnsReply, Lost, Lost]


def test_handshake_that_is_never_answered_ends_at_the_deadline(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = in_time(client(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}"), REQUESTS, 0.3)
    assert answer.lost


@pytest.mark.parametrize("channel", [STDOUT, STDERR], ids=["stdout", "stderr"])
def test_output_without_end_is_bounded(tmp_path: Path, channel: bytes) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        stream = await accept(request)
        await framed_input(stream)
        with suppress(ConnectionError):
            while True:
                await stream.send_bytes(channel + b"spam\n" * 1000)
        return stream

    assert run(tmp_path, play, seconds=1).lost


def test_output_larger_than_any_answer_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 10_000)

    async def play(request: web.Request) -> web.StreamResponse:
        stream = await accept(request)
        await framed_input(stream)
        with suppress(ConnectionError):
            while True:
                await stream.send_bytes(STDOUT + b"spam\n" * 1000)
        return stream

    assert run(tmp_path, play, seconds=LONGEST * 2).lost


@pytest.mark.parametrize(
    ("status", "message", "trouble"),
    [
        (403, "pods/exec is forbidden: jane", PodProblem.FORBIDDEN),
        (403, 'admission webhook "no.exec" denied the request: not jane', PodProblem.ADMISSION),
        (500, "error dialing backend: no route for jane", PodProblem.EXEC),
    ],
)
def test_refused_exec_says_what_the_server_says(tmp_path: Path, status: int, message: str, trouble: PodProblem) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "message": message}, status=status)

    answer = run(tmp_path, play)
    assert "jane" in answer.lost
    assert answer.problem is trouble
    assert TOKEN not in answer.lost


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ({"status": "Failure", "message": "error dialing backend: dial tcp 10.0.0.9:10250: connect: refused"}, PodProblem.EXEC),
        ({"status": "Success"}, PodProblem.OUTPUT),
    ],
    ids=["not reached", "nothing came"],
)
def test_an_exec_that_opens_and_gives_no_output(tmp_path: Path, said: dict[str, str], trouble: PodProblem) -> None:
    """Newer API servers open the connection before they reach the kubelet."""
    answer = run(tmp_path, sending(ERROR + json.dumps(said).encode()))
    assert (answer.problem, said["status"] in answer.lost) == (trouble, True)


def test_a_container_that_does_not_begin_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "FIRST_SIGN", 0.3)

    async def play(request: web.Request) -> web.StreamResponse:
        return await hang(await accept(request))

    answer = run(tmp_path, play, seconds=LONGEST)
    assert answer.problem is PodProblem.OUTPUT


def test_a_handshake_that_never_ends_is_lost(tmp_path: Path) -> None:
    """A byte at a time: no timeout of the socket ever comes."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def serve() -> AsyncIterator[str]:
        server = await asyncio.start_server(trickle, "127.0.0.1", 0)
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()

    with in_thread(serve()) as url:
        answer = in_time(client(tmp_path, url), REQUESTS, 1.0)
    assert answer.problem is PodProblem.EXEC
    assert answer.lost


@pytest.mark.parametrize("status", [101, 200, 302, 404, 500])
def test_answer_that_is_no_handshake_is_lost(tmp_path: Path, status: int) -> None:
    async def play(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>")

    assert run(tmp_path, play, seconds=2).lost


def test_status_on_the_error_channel_is_the_reason(tmp_path: Path) -> None:
    status = {"status": "Failure", "message": "exec: python3: executable file not found", "metadata": {}}
    answer = run(tmp_path, sending(STDERR + b"oops\n", ERROR + json.dumps(status).encode()))
    assert "executable file not found" in answer.lost
    assert all(isinstance(reply, Lost) for reply in answer.replies.values())


def test_nothing_listens(tmp_path: Path) -> None:
    assert in_time(client(tmp_path, "http://127.0.0.1:1"), REQUESTS, 2).lost
