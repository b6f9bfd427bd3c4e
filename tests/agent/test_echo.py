# SPDX-License-Identifier: Apache-2.0
"""The echo server as a process, and the agent's operations against it and against liars on loopback."""

from __future__ import annotations

import ast
import base64
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubectl_netdoc import agent
from kubectl_netdoc.measurements.base import Address, Lost, Outcome, OwnService, Peer
from kubectl_netdoc.measurements.connect import Certificate, CertificateReply, Connect, ConnectReply, Echo, EchoReply, EchoSample
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply
from kubectl_netdoc.measurements.requests import Probe, Reply
from kubectl_netdoc.sources import agent_protocol
from kubectl_netdoc.sources.agent_protocol import EchoServer, ServiceAddresses, Targets
from kubectl_netdoc.sources.live.exec import parse, payload, resolvable
from tests.support.udp_servers import healthy, udp_server

NONCE = "0123456789abcdef"
DEADLINE = 10


def free_port() -> int:
    """A port of loopback that nobody uses, nor the next one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", agent.echo_source(), NONCE, "pod-1", str(port)])
    deadline = time.monotonic() + DEADLINE
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert time.monotonic() < deadline
    yield port
    process.kill()
    process.wait(timeout=DEADLINE)


def asked(request: Probe, targets: Targets) -> Reply:
    """The reply to one request, over the whole way: framed, run by the agent as a process, parsed."""
    requests, unresolved = resolvable((request,), targets)
    if unresolved:
        return unresolved[request]
    program = [sys.executable, "-c", "import sys; n = int(sys.stdin.buffer.readline()); exec(sys.stdin.buffer.read(n))"]
    done = subprocess.run(program, input=payload(requests, 10, targets), capture_output=True, timeout=DEADLINE + 10)
    assert done.stderr == b""
    return parse(requests, done.stdout, "", targets).replies[request]


def targets(port: int, ip: str = "127.0.0.1", nonce: str = NONCE) -> Targets:
    return Targets({("n2", False): EchoServer((ip,), nonce)}, {OwnService(): ServiceAddresses(("127.0.0.1",))}, port)


def sample(reply: Reply) -> EchoSample:
    assert isinstance(reply, EchoReply)
    return reply.samples[0]


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("size", [0, 1200, 65000])
def test_an_echo_proves_itself(echo: int, protocol: str, size: int) -> None:
    got = sample(asked(Echo("n1", Peer("n2"), protocol, size), targets(echo)))
    assert (got.outcome, got.who, got.source, got.impostor) == (Outcome.OK, "n2", "127.0.0.1", False)
    assert got.got >= size


def test_more_than_the_server_gives_is_not_given(echo: int) -> None:
    assert sample(asked(Echo("n1", Peer("n2"), size=10_000_000), targets(echo))).got == 1048576


def test_a_wrong_nonce_is_an_impostor(echo: int) -> None:
    got = sample(asked(Echo("n1", Peer("n2")), targets(echo, nonce="f" * 16)))
    assert (got.who, got.impostor) == ("", True)


def test_another_peer_than_asked_for_is_an_impostor(echo: int) -> None:
    both = Targets(
        {("n2", False): EchoServer(("127.0.0.1",), "f" * 16), ("n3", False): EchoServer(("127.0.0.9",), NONCE)}, port=echo
    )
    assert sample(asked(Echo("n1", Peer("n2")), both)).impostor


def test_a_service_may_be_answered_by_any_of_ours(echo: int) -> None:
    reply = asked(Echo("n1", OwnService(), samples=5), targets(echo))
    assert isinstance(reply, EchoReply)
    assert [s.who for s in reply.samples] == ["n2"] * 5


def test_a_closed_port_refuses() -> None:
    assert sample(asked(Echo("n1", Peer("n2")), targets(free_port()))).outcome is Outcome.REFUSED


def test_waiting_ends_with_the_first_success() -> None:
    """The server comes up while the agent tries."""
    port = free_port()
    command = [sys.executable, "-c", f"import time; time.sleep(0.5)\n{agent.echo_source()}", NONCE, "pod-1", str(port)]
    process = subprocess.Popen(command)
    try:
        assert sample(asked(Echo("n1", Peer("n2"), wait=8.0), targets(port))).who == "n2"
    finally:
        process.kill()
        process.wait(timeout=DEADLINE)


def test_who_is_not_there_is_not_asked() -> None:
    reply = asked(Echo("n1", Peer("gone")), targets(1))
    assert isinstance(reply, Lost)
    assert not reply.sent


def _serve(answer: bytes) -> int:
    """A TCP server that sends ``answer`` to one client and closes."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        client, _ = server.accept()
        client.sendall(answer)
        client.close()
        server.close()

    threading.Thread(target=run, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\n", b"\xff\xfe\n", b"netdoc\n", b"netdoc a b c d\n"])
def test_a_stranger_is_an_impostor(answer: bytes) -> None:
    assert sample(asked(Echo("n1", Peer("n2")), targets(_serve(answer)))).impostor


def test_a_connection_that_is_closed_at_once_proves_nothing() -> None:
    got = sample(asked(Echo("n1", Peer("n2")), targets(_serve(b""))))
    assert (got.outcome, got.who) != (Outcome.OK, "n2")


def test_connect(echo: int) -> None:
    open_, closed = (asked(Connect("n1", Address("127.0.0.1", port)), Targets()) for port in (echo, free_port()))
    assert isinstance(open_, ConnectReply)
    assert isinstance(closed, ConnectReply)
    assert (open_.outcome, closed.outcome) == (Outcome.OK, Outcome.REFUSED)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """A TLS server with a certificate of its own for kubernetes.default.svc: its port and the certificate."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key", folder / "pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test -addext "
        f"subjectAltName=DNS:kubernetes.default.svc -keyout {key} -out {pem}",
        shell=True,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                client, _ = server.accept()
                context.wrap_socket(client, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    yield int(server.getsockname()[1]), pem.read_text()
    server.close()


def test_a_certificate_is_verified(tls: tuple[int, str]) -> None:
    port, pem = tls
    reply = asked(Certificate("n1", Address("127.0.0.1", port), "kubernetes.default.svc", pem), Targets())
    assert isinstance(reply, CertificateReply)
    assert (reply.outcome, reply.verified) == (Outcome.OK, True)


def test_a_certificate_for_another_name_is_not(tls: tuple[int, str]) -> None:
    port, pem = tls
    reply = asked(Certificate("n1", Address("127.0.0.1", port), "other.example", pem), Targets())
    assert isinstance(reply, CertificateReply)
    assert (reply.outcome, reply.verified, bool(reply.problem)) == (Outcome.OK, False, True)


def test_datagrams_are_never_answered_with_more_than_came(echo: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        sock.connect(("127.0.0.1", echo))
        sock.send(b"x" * 60)
        with pytest.raises(TimeoutError):
            sock.recv(100)
        sock.settimeout(DEADLINE)
        sock.send(b"x" * 200)
        assert len(sock.recv(70000)) == 200


def test_the_echo_server_keeps_to_python_38() -> None:
    ast.parse(agent.echo_source(), feature_version=(3, 8))


def test_paired_lookups_count_as_one_sample() -> None:
    with udp_server(healthy) as (host, port):
        reply = asked(DnsLookup("n1", Address(host, port), "example.", samples=4, parallel=True), Targets())
    assert isinstance(reply, DnsReply)
    assert [s.outcome for s in reply.samples] == [Outcome.OK] * 4


def test_a_pair_is_lost_when_one_of_it_is() -> None:
    with udp_server(lambda datagram, number: healthy(datagram, number) if number % 2 else []) as (host, port):
        reply = asked(DnsLookup("n1", Address(host, port), "example.", samples=4, timeout=0.2, parallel=True), Targets())
    assert isinstance(reply, DnsReply)
    assert [s.outcome for s in reply.samples] == [Outcome.TIMEOUT] * 2


def test_the_greeting_is_base64_on_the_wire() -> None:
    line = agent_protocol.AgentReply(id=0, to="x", samples=[["ok", 1.0, base64.b64encode(b"\x1b[31m\xff").decode(), 0]])
    assert sample(agent_protocol.reply(Echo("n1", Peer("n2")), line, targets(1))).impostor
