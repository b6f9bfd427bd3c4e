"""Between requests and the agent's asks: DNS messages are built and parsed here, and travel as bytes."""

from __future__ import annotations

import base64
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import msgspec
from msgspec import Struct

from kubectl_netdoc.requests import Address, DnsLookup, DnsReply, DnsSample, Lost, Outcome, Reply, Request


class AgentReply(Struct):
    """A line of the agent, as far as it can be trusted: types are checked, contents are not."""

    id: int = -1
    to: str = ""
    samples: list[list[Any]] = []
    error: str = ""
    end: bool = False
    replies: int = 0
    throttled: float = 0.0


def ask(number: int, request: Request) -> dict[str, Any]:
    """Return the agent's ask for a request."""
    to = [request.server.ip, request.server.port] if isinstance(request.server, Address) else "resolv.conf"
    limits = {"timeout": request.timeout, "give_up": request.give_up}
    return {"id": number, "op": "udp", "to": to, "payloads": _queries(request), **limits}


def _queries(request: DnsLookup) -> list[str]:
    queries = (dns.message.make_query(request.name, request.rtype) for _ in range(request.samples))
    return [base64.b64encode(query.to_wire()).decode() for query in queries]


def reply(request: Request, line: AgentReply) -> Reply:
    """Return the typed reply in an agent's line; what does not fit its request is ``Lost``."""
    if line.error:
        return Lost(f"the agent reports: {line.error[:200]}")
    if not 0 < len(line.samples) <= request.samples:
        return Lost(f"{len(line.samples)} samples came back of {request.samples}")
    try:
        return DnsReply(server=line.to, samples=tuple(_sample(request, raw) for raw in line.samples))
    except (ValueError, IndexError, TypeError) as error:
        return Lost(f"the agent's reply can't be read: {error}")


def _sample(request: DnsLookup, raw: list[Any]) -> DnsSample:
    outcome, ms = Outcome(raw[0]), round(float(raw[1]), 3)
    if outcome is not Outcome.OK:
        return DnsSample(outcome, ms)
    try:
        message = dns.message.from_wire(base64.b64decode(raw[2]), ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return DnsSample(Outcome.MALFORMED, ms)
    answers = sum(len(rrset) for rrset in message.answer)
    return DnsSample(Outcome.OK, ms, dns.rcode.to_text(message.rcode()), answers)


def decode(line: bytes) -> AgentReply:
    """Return one line of the agent; raises ``msgspec.MsgspecError`` where it is none."""
    return msgspec.json.decode(line, type=AgentReply)
