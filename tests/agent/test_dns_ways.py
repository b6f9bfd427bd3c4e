# SPDX-License-Identifier: Apache-2.0
"""Lookups over TCP and one by one in time, pages, and resolv.conf: over the whole way, with the agent as a process."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import dns.message
import dns.rrset

from kubectl_netdoc.measurements.base import Address, Lost, Outcome, OwnName, OwnService
from kubectl_netdoc.measurements.connect import HttpGet, HttpReply
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, ResolvConf, ResolvConfReply
from kubectl_netdoc.sources.agent_protocol import ServiceAddresses, Targets
from tests.agent.test_echo import asked, free_port
from tests.support.udp_servers import healthy, silent, udp_server


@contextmanager
def tcp_server(behave: Callable[[socket.socket, bytes], None]) -> Iterator[Address]:
    """Give the address of a server that takes one framed query a connection and does with it what ``behave`` says."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            stream = self.request.makefile("rb")
            behave(self.request, stream.read(struct.unpack("!H", stream.read(2))[0]))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Address("127.0.0.1", int(server.server_address[1]))
        server.shutdown()


def answer(query: bytes) -> bytes:
    """An answer with an address, and its length before it."""
    message = dns.message.make_response(dns.message.from_wire(query))
    message.answer.append(dns.rrset.from_text(message.question[0].name, 5, "IN", "A", "192.0.2.7"))
    return struct.pack("!H", len(message.to_wire())) + message.to_wire()


def looked_up(request: DnsLookup, targets: Targets | None = None) -> DnsReply:
    reply = asked(request, targets or Targets())
    assert isinstance(reply, DnsReply), reply
    return reply


def test_a_lookup_over_tcp_in_pieces() -> None:
    def behave(sock: socket.socket, query: bytes) -> None:
        for byte in answer(query):
            sock.sendall(bytes([byte]))

    with tcp_server(behave) as place:
        reply = looked_up(DnsLookup("n1", place, "a.example.", samples=3, protocol="TCP"))
    assert [sample.outcome for sample in reply.samples] == [Outcome.OK] * 3
    assert reply.records == ("A 192.0.2.7",)


def test_a_server_that_closes_over_tcp_has_not_answered() -> None:
    with tcp_server(lambda sock, query: sock.sendall(answer(query)[:-3])) as place:
        reply = looked_up(DnsLookup("n1", place, "a.example.", samples=1, protocol="TCP"))
    assert [sample.outcome for sample in reply.samples] == [Outcome.UNREACHABLE]


def test_nobody_listens_over_tcp() -> None:
    reply = looked_up(DnsLookup("n1", Address("127.0.0.1", free_port()), "a.example.", samples=1, protocol="TCP"))
    assert [sample.outcome for sample in reply.samples] == [Outcome.REFUSED]


def test_a_trickle_tells_what_was_lost_from_what_was_not() -> None:
    """Every third query is not answered; the others are, whatever their neighbours' fate."""
    with udp_server(lambda query, number: [] if number % 3 == 2 else healthy(query, number)) as (host, port):
        reply = looked_up(DnsLookup("n1", Address(host, port), "a.example.", samples=6, interval=0.02, timeout=0.3))
    assert [sample.outcome is Outcome.OK for sample in reply.samples] == [True, True, False] * 2


def test_a_trickle_to_a_silent_server_goes_on_to_its_end() -> None:
    with udp_server(silent) as (host, port):
        reply = looked_up(DnsLookup("n1", Address(host, port), "a.example.", samples=5, interval=0.02, timeout=0.1))
    assert [sample.outcome for sample in reply.samples] == [Outcome.TIMEOUT] * 5


def test_a_trickle_to_a_closed_port_is_no_error_of_the_agent() -> None:
    reply = looked_up(DnsLookup("n1", Address("127.0.0.1", free_port()), "a.example.", samples=3, interval=0.02, timeout=0.1))
    assert {sample.outcome for sample in reply.samples} == {Outcome.TIMEOUT}


def test_a_query_offers_the_size_that_is_asked_for() -> None:
    seen: list[dns.message.Message] = []

    def behave(query: bytes, number: int) -> list[bytes]:
        seen.append(dns.message.from_wire(query))
        return healthy(query, number)

    with udp_server(behave) as (host, port):
        for edns in (0, 1232):
            looked_up(DnsLookup("n1", Address(host, port), "a.example.", samples=1, edns=edns))
    assert [(message.edns, message.payload if message.edns >= 0 else 0) for message in seen] == [(-1, 0), (0, 1232)]


def test_the_name_of_a_service_of_ours_is_asked_for() -> None:
    seen: list[str] = []

    def behave(query: bytes, number: int) -> list[bytes]:
        seen.append(str(dns.message.from_wire(query).question[0].name))
        return healthy(query, number)

    own = OwnService(empty=True)
    targets = Targets(services={own: ServiceAddresses(("10.96.0.1",), "netdoc-1-empty.netdoc-1.svc")})
    with udp_server(behave) as (host, port):
        looked_up(DnsLookup("n1", Address(host, port), OwnName(own, "cluster.local"), "SRV", samples=1), targets)
    assert seen == ["netdoc-1-empty.netdoc-1.svc.cluster.local."]
    assert isinstance(asked(DnsLookup("n1", Address("127.0.0.1"), OwnName(own, "cluster.local")), Targets()), Lost)


@contextmanager
def pages(status: int, text: str) -> Iterator[Address]:
    """Give the address of a server with one page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Address("127.0.0.1", int(server.server_address[1]))
        server.shutdown()


def test_only_the_lines_that_are_asked_for_come_back() -> None:
    with pages(200, 'go_info 1\ncoredns_panics_total 3\ncoredns_build_info{x="y"} 1\n# coredns_panics_total\n') as place:
        reply = asked(HttpGet("n1", place, "/metrics", ("coredns_panics", "coredns_build")), Targets())
    assert isinstance(reply, HttpReply)
    assert (reply.outcome, reply.status) == (Outcome.OK, 200)
    assert reply.lines == ("coredns_panics_total 3", 'coredns_build_info{x="y"} 1')


def test_a_page_with_another_status() -> None:
    with pages(503, "no local endpoint") as place:
        reply = asked(HttpGet("n1", place), Targets())
    assert isinstance(reply, HttpReply)
    assert (reply.outcome, reply.status, reply.lines) == (Outcome.OK, 503, ())


def test_what_is_no_http_server_is_no_answer() -> None:
    with tcp_server(lambda sock, query: sock.sendall(b"SSH-2.0\r\n")) as place:
        reply = asked(HttpGet("n1", place), Targets())
    assert isinstance(reply, HttpReply)
    assert reply.outcome is not Outcome.OK


def test_the_resolv_conf_of_this_machine() -> None:
    assert isinstance(asked(ResolvConf("n1"), Targets()), ResolvConfReply)
