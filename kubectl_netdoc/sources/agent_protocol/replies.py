# SPDX-License-Identifier: Apache-2.0
"""Decodes the agent's lines into typed replies; a line that does not fit its request is ``Lost``."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from msgspec import Struct

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.measurements.base import Address, Lost, Outcome, Peer
from kubectl_netdoc.measurements.connect import (
    CertificateReply,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    HttpGet,
    HttpReply,
)
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, DnsSample, ResolvConf, ResolvConfReply
from kubectl_netdoc.measurements.node import (
    OF_A_NODE,
    CniConfigReply,
    CniFile,
    Conntrack,
    ConntrackReply,
    Flow,
    Kernel,
    KernelReply,
    NodeRules,
    Rtnetlink,
    ServiceRules,
)
from kubectl_netdoc.measurements.over_time import OverTime
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply, Round
from kubectl_netdoc.measurements.requests import Probe, Reply
from kubectl_netdoc.sources import kernel_replies, rtnetlink, rule_replies
from kubectl_netdoc.sources.agent_protocol.over_time_replies import over_time_reply
from kubectl_netdoc.sources.agent_protocol.targets import NO_TARGETS, Targets

MOST_RECORDS = 500
"""Most records of a DNS answer that are kept. The API puts at most 1,000 addresses into a headless Service's answer."""


class AgentReply(Struct):
    """A line of the agent, as far as it can be trusted: types are checked, contents are not."""

    id: int = -1
    to: str = ""
    samples: list[list[Any]] = []
    error: str = ""
    end: bool = False
    replies: int = 0
    throttled: float = 0.0
    now: float = 0.0


def decode(line: bytes) -> AgentReply:
    """Return one line of the agent, decoded; raises ``msgspec.MsgspecError`` if it is invalid."""
    return strict_json.decode(line, AgentReply)


def reply(request: Probe, line: AgentReply, targets: Targets = NO_TARGETS) -> Reply:
    """Return the typed reply in an agent's line; what does not fit its request is ``Lost``."""
    if line.error:
        return Lost(f"the agent in the debug pod reported an error: {line.error[:200]}")
    most = request.samples if isinstance(request, (DnsLookup, Echo)) else 2 if isinstance(request, Burst) else 1
    if not 0 < len(line.samples) <= most:
        return Lost(f"the agent sent back {len(line.samples)} samples instead of {most}")
    try:
        return _reply(request, line, targets)
    except (ValueError, LookupError, TypeError, OverflowError, struct.error, zlib.error) as error:
        return Lost(f"the agent's reply can't be decoded: {error}")


def _reply(request: Probe, line: AgentReply, targets: Targets) -> Reply:
    if isinstance(request, DnsLookup):
        return _dns_reply(line)
    if isinstance(request, Echo):
        nodes, own = targets.nodes(), targets.servers.get((request.node, False))
        return EchoReply(line.to, tuple(_echo_sample(request, raw, nodes, own.nonce if own else "") for raw in line.samples))
    if isinstance(request, Burst):
        return BurstReply(tuple(_round(raw) for raw in line.samples))
    raw = line.samples[0]
    outcome, ms = _measured(raw)
    if isinstance(request, ResolvConf):
        return _resolv_conf(base64.b64decode(raw[2]).decode(errors="replace"))
    if isinstance(request, Connect):
        return ConnectReply(outcome, ms)
    if isinstance(request, PathMtu):
        return _path_mtu(request, outcome, raw, targets)
    if isinstance(request, OverTime):
        return over_time_reply(request, raw)
    if isinstance(request, OF_A_NODE):
        return _node_reply(request, ms, raw)
    if isinstance(request, HttpGet):
        return HttpReply(outcome, ms, int(raw[2]), tuple(map(str, raw[3]))) if outcome is Outcome.OK else HttpReply(outcome, ms)
    problem = str(raw[2]) if outcome is Outcome.OK else ""
    return CertificateReply(outcome, ms, outcome is Outcome.OK and not problem, problem[:200])


def _node_reply(request: Probe, ms: float, raw: list[Any]) -> Reply:
    """Return a node's readings; the only failure of these is an error."""
    if isinstance(request, Rtnetlink):
        offloads = {str(name): tuple(map(str, on)) for name, on in raw[4].items()}
        return rtnetlink.parse([base64.b64decode(text) for text in raw[2]], ms, bool(raw[3]), offloads)
    if isinstance(request, Kernel):
        before, after = kernel_replies.counters(raw[4]), kernel_replies.counters(raw[5])
        return KernelReply(
            Outcome.OK, ms, round(float(raw[2]), 3), kernel_replies.settings(raw[3]), before, after, str(raw[6])[:80]
        )
    if isinstance(request, Conntrack):
        return ConntrackReply(Outcome.OK, ms, tuple(_flow(line) for line in raw[2]), bool(raw[3]))
    if isinstance(request, NodeRules):
        return rule_replies.node_rules(raw, ms)
    if isinstance(request, ServiceRules):
        return rule_replies.service_rules(raw, ms)
    return CniConfigReply(Outcome.OK, ms, tuple(_cni_file(*row) for row in raw[2]))


def _cni_file(name: Any, network: Any, plugins: Any, problem: Any, listed: Any, folder: Any, wrong: Any) -> CniFile:
    """Return a row of the agent's about a CNI configuration."""
    types, more = tuple(map(str, plugins)), tuple(map(str, folder))
    return CniFile(str(name), str(network), types, str(problem), bool(listed), more, str(wrong))


def _flow(line: str) -> Flow:
    """Return the flow in a line of /proc/net/nf_conntrack: the original tuple, then the reply tuple."""
    words = line.split()
    ends = [word.partition("=")[2] for word in words if word.startswith(("src=", "dst=", "sport=", "dport="))]
    source, to, port, to_port, answers, _, answers_port, _ = ends[:8]
    way = (Address(source, int(port)), Address(to, int(to_port)), Address(answers, int(answers_port)))
    return Flow(*way, replied="[UNREPLIED]" not in words, left=int(words[4]) if words[4].isdigit() else 0)


def _round(raw: list[Any]) -> Round:
    times = tuple(round(float(ms), 3) for ms in raw[3])
    if not all(math.isfinite(ms) and ms >= 0 for ms in times) or len(times) > int(raw[2]):
        raise ValueError("times of a burst")
    return Round(int(raw[2]), times)


def _path_mtu(request: PathMtu, outcome: Outcome, raw: list[Any], targets: Targets) -> PathMtuReply:
    if len(raw) < 6:
        return PathMtuReply(outcome, 0)
    impostor = outcome is Outcome.OK and _who(raw[5], targets.nodes())[0] != request.to.node
    large, under = (_rounds_of_sizes(rounds) for rounds in (raw[6:8] if len(raw) > 7 else ([], [])))
    return PathMtuReply(outcome, int(raw[2]), int(raw[3]), int(raw[4]), impostor, large, under)


def _rounds_of_sizes(raw: list[Any]) -> tuple[tuple[int, int], ...]:
    rounds = tuple((int(sent), int(came)) for sent, came in raw[:2])
    if not all(0 <= came <= sent for sent, came in rounds):
        raise ValueError("rounds of sizes")
    return rounds


def _resolv_conf(text: str) -> ResolvConfReply:
    """Parse resolv.conf as resolv.conf(5) says: all nameservers, the last search (or domain) line, all options."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) > 1 and words[0] == "nameserver":
            nameservers.append(words[1].split("%")[0])
        elif words and words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words and words[0] == "options":
            options += words[1:]
    return ResolvConfReply(tuple(nameservers), search, tuple(options))


def _measured(raw: list[Any]) -> tuple[Outcome, float]:
    outcome, ms = Outcome(raw[0]), round(float(raw[1]), 3)
    if not (math.isfinite(ms) and ms >= 0):
        raise ValueError(f"{ms} ms")
    return outcome, ms


def _dns_reply(line: AgentReply) -> DnsReply:
    both = [_dns_sample(raw) for raw in line.samples]
    first = next((message for _, message in both if message is not None), None)
    samples = tuple(sample for sample, _ in both)
    if first is None:
        return DnsReply(line.to, samples)
    size = next(len(base64.b64decode(raw[2])) for raw, (_, message) in zip(line.samples, both, strict=True) if message is first)
    records = sorted(f"{dns.rdatatype.to_text(rrset.rdtype)} {data}" for rrset in first.answer for data in rrset)
    return DnsReply(line.to, samples, tuple(records[:MOST_RECORDS]), size, bool(first.flags & dns.flags.TC))


def _dns_sample(raw: list[Any]) -> tuple[DnsSample, dns.message.Message | None]:
    outcome, ms = _measured(raw)
    if outcome is not Outcome.OK:
        return DnsSample(outcome, ms), None
    try:
        message = dns.message.from_wire(base64.b64decode(raw[2]), ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return DnsSample(Outcome.MALFORMED, ms), None
    if not message.flags & dns.flags.QR:
        return DnsSample(Outcome.MALFORMED, ms), None  # something that echoes its input is not a DNS server
    answers = sum(len(rrset) for rrset in message.answer)
    return DnsSample(Outcome.OK, ms, dns.rcode.to_text(message.rcode()), answers), message


def _who(encoded: str, nodes: Mapping[str, str]) -> tuple[str, str, str]:
    """Return node, nonce and seen source address in the greeting "netdoc NONCE NAME SOURCE" of an echo server."""
    words = base64.b64decode(encoded).decode("ascii", "replace").split()
    known = len(words) >= 4 and words[0] == "netdoc" and words[1] in nodes
    return (nodes[words[1]], words[1], words[3]) if known else ("", "", "")


def _echo_sample(request: Echo, raw: list[Any], nodes: Mapping[str, str], own: str) -> EchoSample:
    """Return the sample, judged by who answered: it must know a nonce of this run, that of the requested peer."""
    outcome, ms = _measured(raw)
    if outcome is not Outcome.OK:
        return EchoSample(outcome, ms)
    who, nonce, source = _who(raw[2], nodes)
    if not who or (isinstance(request.to, Peer) and who != request.to.node):
        return EchoSample(outcome, ms, impostor=True)
    return EchoSample(outcome, ms, who, source, int(raw[3]), itself=nonce == own)
