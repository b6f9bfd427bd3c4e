"""Between requests and the agent's asks: symbolic places become addresses, DNS messages are built and parsed here."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import msgspec
from msgspec import Struct

from kubectl_netdoc.requests import (
    Address,
    Certificate,
    CertificateReply,
    Connect,
    ConnectReply,
    DnsLookup,
    DnsReply,
    DnsSample,
    Echo,
    EchoReply,
    EchoSample,
    Lost,
    Outcome,
    OwnService,
    Peer,
    Probe,
    Reply,
)


class AgentReply(Struct):
    """A line of the agent, as far as it can be trusted: types are checked, contents are not."""

    id: int = -1
    to: str = ""
    samples: list[list[Any]] = []
    error: str = ""
    end: bool = False
    replies: int = 0
    throttled: float = 0.0


class Server(Struct, frozen=True):
    """An echo server of this run: where it is, and the nonce that only it knows."""

    ip: str
    nonce: str


class Places(Struct, frozen=True):
    """What symbolic places mean in this run. ``why_no_service``: why the Services could not be made, where so."""

    servers: Mapping[tuple[str, bool], Server] = {}
    service: str = ""
    empty: str = ""
    port: int = 0
    why_no_service: str = ""

    def nodes(self) -> dict[str, str]:
        """Node of each nonce."""
        return {server.nonce: node for (node, _), server in self.servers.items()}


NOWHERE = Places()


class Unresolved(Exception):
    """A request's symbolic place does not exist in this run; the text says why."""


def address(place: Peer | OwnService | Address, places: Places) -> tuple[str, int]:
    """Return what a place means in this run; raises ``Unresolved``."""
    if isinstance(place, Address):
        return place.ip, place.port
    if isinstance(place, OwnService):
        ip = places.empty if place.empty else places.service
        if not ip:
            raise Unresolved(places.why_no_service or "this run has no Service of its own")
        return ip, places.port
    server = places.servers.get((place.node, place.twin))
    if server is None:
        raise Unresolved(f"no echo server ran on node {place.node}")
    return server.ip, places.port + place.closed


def ordered(requests: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """Return the requests in the order of measuring: latency alone, then connects at once, then what loads the path."""
    return tuple(sorted(requests, key=_stage))


def _stage(request: Probe) -> int:
    if isinstance(request, DnsLookup):
        return 1 if request.parallel else 0
    return 3 if isinstance(request, Echo) and request.size else 2


def ask(number: int, request: Probe, places: Places = NOWHERE) -> dict[str, Any]:
    """Return the agent's ask for a request; raises ``Unresolved``."""
    common = {"id": number, "timeout": request.timeout, "together": _stage(request) == 2}
    if isinstance(request, DnsLookup):
        to = list(address(request.server, places)) if isinstance(request.server, Address) else "resolv.conf"
        group = 2 if request.parallel else 1
        return {**common, "op": "udp", "to": to, "payloads": _queries(request), "group": group, "give_up": request.give_up}
    to = list(address(request.to, places))
    if isinstance(request, Connect):
        return {**common, "op": "tcp", "to": to}
    if isinstance(request, Certificate):
        return {**common, "op": "tls", "to": to, "name": request.name, "authority": request.authority}
    tries = {"protocol": request.protocol, "size": request.size, "samples": request.samples, "wait": request.wait}
    tries["distinct"] = len(places.servers) if isinstance(request.to, OwnService) and not request.to.empty else 0
    return {**common, "op": "echo", "to": to, **tries}


def _queries(request: DnsLookup) -> list[str]:
    types = ("A", "AAAA") if request.parallel else (request.rtype,)
    try:
        queries = [dns.message.make_query(request.name, rtype) for _ in range(request.samples) for rtype in types]
    except dns.exception.DNSException:
        return []  # a Corefile may hold what is no domain name: nothing is sent, and the reply without samples is Lost
    return [base64.b64encode(query.to_wire()).decode() for query in queries]


def reply(request: Probe, line: AgentReply, places: Places = NOWHERE) -> Reply:
    """Return the typed reply in an agent's line; what does not fit its request is ``Lost``."""
    if line.error:
        return Lost(f"the agent reports: {line.error[:200]}")
    most = request.samples if isinstance(request, (DnsLookup, Echo)) else 1
    if not 0 < len(line.samples) <= most:
        return Lost(f"{len(line.samples)} samples came back of {most}")
    try:
        return _reply(request, line, places)
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        return Lost(f"the agent's reply can't be read: {error}")


def _reply(request: Probe, line: AgentReply, places: Places) -> Reply:
    if isinstance(request, DnsLookup):
        return DnsReply(server=line.to, samples=tuple(_dns_sample(raw) for raw in line.samples))
    if isinstance(request, Echo):
        nodes = places.nodes()
        return EchoReply(line.to, tuple(_echo_sample(request, raw, nodes) for raw in line.samples))
    outcome, ms = _measured(line.samples[0])
    if isinstance(request, Connect):
        return ConnectReply(outcome, ms)
    problem = str(line.samples[0][2]) if outcome is Outcome.OK else ""
    return CertificateReply(outcome, ms, outcome is Outcome.OK and not problem, problem[:200])


def _measured(raw: list[Any]) -> tuple[Outcome, float]:
    outcome, ms = Outcome(raw[0]), round(float(raw[1]), 3)
    if not (math.isfinite(ms) and ms >= 0):
        raise ValueError(f"{ms} ms")
    return outcome, ms


def _dns_sample(raw: list[Any]) -> DnsSample:
    outcome, ms = _measured(raw)
    if outcome is not Outcome.OK:
        return DnsSample(outcome, ms)
    try:
        message = dns.message.from_wire(base64.b64decode(raw[2]), ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return DnsSample(Outcome.MALFORMED, ms)
    if not message.flags & dns.flags.QR:
        return DnsSample(Outcome.MALFORMED, ms)  # something that sends back what it gets is no DNS server
    answers = sum(len(rrset) for rrset in message.answer)
    return DnsSample(Outcome.OK, ms, dns.rcode.to_text(message.rcode()), answers)


def _echo_sample(request: Echo, raw: list[Any], nodes: Mapping[str, str]) -> EchoSample:
    """Judge who answered: the greeting "netdoc NONCE NAME SOURCE" with a nonce of this run, of the peer asked for."""
    outcome, ms = _measured(raw)
    if outcome is not Outcome.OK:
        return EchoSample(outcome, ms)
    words = base64.b64decode(raw[2]).decode("ascii", "replace").split()
    who = nodes.get(words[1], "") if len(words) == 4 and words[0] == "netdoc" else ""
    if not who or (isinstance(request.to, Peer) and who != request.to.node):
        return EchoSample(outcome, ms, impostor=True)
    return EchoSample(outcome, ms, who, words[3], int(raw[3]))


def decode(line: bytes) -> AgentReply:
    """Return one line of the agent; raises ``msgspec.MsgspecError`` where it is none."""
    return msgspec.json.decode(line, type=AgentReply)
