# SPDX-License-Identifier: Apache-2.0
"""Between requests and the agent's asks: symbolic places become addresses, DNS messages are built and parsed here."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from msgspec import Struct

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.measurements import load
from kubectl_netdoc.measurements.base import Address, Lost, Outcome, OwnName, OwnService, Peer
from kubectl_netdoc.measurements.connect import (
    Certificate,
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
    CniConfig,
    CniConfigReply,
    CniFile,
    Conntrack,
    ConntrackReply,
    Flow,
    Kernel,
    KernelReply,
    Rtnetlink,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply, Round
from kubectl_netdoc.measurements.requests import Probe, Reply
from kubectl_netdoc.sources import kernel_replies, rtnetlink

MOST_RECORDS = 500
"""Records of a DNS answer that are kept: the API puts at most 1,000 addresses into a headless Service's answer."""


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


class Server(Struct, frozen=True):
    """An echo server of this run: its addresses, primary first, and the nonce that only it knows."""

    ips: tuple[str, ...]
    nonce: str


class OwnServices(Struct, frozen=True):
    """A Service of this run: its ClusterIPs, primary first, and its DNS name without the cluster domain."""

    ips: tuple[str, ...] = ()
    name: str = ""


class Places(Struct, frozen=True):
    """What symbolic places mean in this run. ``why_no_service``: why the Services could not be made, where so."""

    servers: Mapping[tuple[str, bool], Server] = {}
    services: Mapping[OwnService, OwnServices] = {}
    port: int = 0
    why_no_service: str = ""

    def nodes(self) -> dict[str, str]:
        """Node of each nonce."""
        return {server.nonce: node for (node, _), server in self.servers.items()}

    def service(self, place: OwnService) -> OwnServices:
        """Return a Service of this run; raises ``Unresolved``."""
        found = self.services.get(place)
        if found is None or not found.ips:
            raise Unresolved(self.why_no_service or "this run has no Service of its own")
        return found

    def server(self, place: Peer) -> Server:
        """Return an echo server of this run; raises ``Unresolved``."""
        found = self.servers.get((place.node, place.twin))
        if found is None:
            raise Unresolved(f"no echo server ran on node {place.node}")
        return found


NOWHERE = Places()


class Unresolved(Exception):
    """A request's symbolic place does not exist in this run; the text says why."""


def address(place: Peer | OwnService | Address, places: Places, family: str = "") -> tuple[str, int]:
    """Return what a place means in this run; raises ``Unresolved``."""
    if isinstance(place, Address):
        return place.ip, place.port
    if isinstance(place, OwnService):
        return _of_family(places.service(place).ips, family, "netdoc's own Service"), places.port
    return _of_family(places.server(place).ips, family, f"netdoc's pod on node {place.node}"), places.port + place.closed


def _of_family(ips: tuple[str, ...], family: str, what: str) -> str:
    found = [ip for ip in ips if not family or (":" in ip) == (family == "IPv6")]
    if not found:
        raise Unresolved(f"{what} has no {family} address")
    return found[0]


def ordered(requests: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """Return the requests in the order of measuring: latency alone, then connects at once, then what loads the path."""
    return tuple(sorted(requests, key=_stage))


def _stage(request: Probe) -> int:
    """0 and 1: latency, alone. 2: at once, what is short or waits most of its time. 3: one by one, what loads the path."""
    if isinstance(request, DnsLookup) and not request.interval:
        return int(request.parallel or request.protocol == "TCP")
    if isinstance(request, (Burst, PathMtu)):
        return 3
    return 4 if isinstance(request, Echo) and request.size else 2


def ask(number: int, request: Probe, places: Places = NOWHERE) -> dict[str, Any]:
    """Return the agent's ask for a request; raises ``Unresolved``."""
    common = {"id": number, "timeout": request.timeout, "together": _stage(request) == 2}
    return common | _ASKS[type(request)](request, places)


def _ask_dns(request: DnsLookup, places: Places) -> dict[str, Any]:
    to = list(address(request.server, places)) if isinstance(request.server, Address) else "resolv.conf"
    group = 2 if request.parallel else 1
    asked = {"op": "udp", "to": to, "payloads": _queries(request, places), "group": group, "give_up": request.give_up}
    return asked | {"stream": request.protocol == "TCP", "interval": request.interval}


def _queries(request: DnsLookup, places: Places) -> list[str]:
    types = ("A", "AAAA") if request.parallel else (request.rtype,)
    name, edns = request.name, {"use_edns": 0, "payload": request.edns} if request.edns else {}
    if isinstance(name, OwnName):
        name = f"{places.service(name.service).name}.{name.domain}."
    try:
        queries = [dns.message.make_query(name, rtype, **edns) for _ in range(request.samples) for rtype in types]  # type: ignore[arg-type]
    except dns.exception.DNSException:
        return []  # a Corefile may hold what is no domain name: nothing is sent, and the reply without samples is Lost
    return [base64.b64encode(query.to_wire()).decode() for query in queries]


def _ask_resolv_conf(request: ResolvConf, places: Places) -> dict[str, Any]:
    return {"op": "resolv"}


def _ask_connect(request: Connect, places: Places) -> dict[str, Any]:
    return {"op": "tcp", "to": list(address(request.to, places))}


def _ask_certificate(request: Certificate, places: Places) -> dict[str, Any]:
    return {"op": "tls", "to": list(address(request.to, places)), "name": request.name, "authority": request.authority}


def _ask_http(request: HttpGet, places: Places) -> dict[str, Any]:
    return {"op": "http", "to": list(address(request.to, places)), "path": request.path, "prefixes": list(request.prefixes)}


def _ask_path_mtu(request: PathMtu, places: Places) -> dict[str, Any]:
    return {"op": "pmtu", "to": list(address(request.to, places, request.family))}


def _ask_burst(request: Burst, places: Places) -> dict[str, Any]:
    to = list(address(request.to, places, request.family))
    return {"op": "burst", "to": to, "count": request.count, "interval": max(request.interval, load.spacing(places.nodes()))}


def _ask_echo(request: Echo, places: Places) -> dict[str, Any]:
    every = len(places.servers) if isinstance(request.to, OwnService) and not request.to.empty else 0
    tries = {"protocol": request.protocol, "size": request.size, "samples": request.samples, "wait": request.wait}
    # One backend is all that a Service with affinity shows.
    distinct = min(every, 1) if isinstance(request.to, OwnService) and request.to.sticky else every
    return {"op": "echo", "to": list(address(request.to, places, request.family)), "distinct": distinct, **tries}


def _ask_rtnetlink(request: Rtnetlink, places: Places) -> dict[str, Any]:
    return {"op": "netlink"}


def _ask_kernel(request: Kernel, places: Places) -> dict[str, Any]:
    once = [kernel_replies.ROOT + pattern for pattern in kernel_replies.SETTINGS]
    return {"op": "files", "once": once, "twice": list(kernel_replies.COUNTERS), "seconds": request.seconds}


def _ask_conntrack(request: Conntrack, places: Places) -> dict[str, Any]:
    return {"op": "flows", "to": list(request.to)}


def _ask_service_rules(request: ServiceRules, places: Places) -> dict[str, Any]:
    return {"op": "nat"}


def _ask_cni_config(request: CniConfig, places: Places) -> dict[str, Any]:
    return {"op": "cni"}


_ASKS: dict[type[Probe], Callable[[Any, Places], dict[str, Any]]] = {
    DnsLookup: _ask_dns,
    ResolvConf: _ask_resolv_conf,
    Connect: _ask_connect,
    Echo: _ask_echo,
    Certificate: _ask_certificate,
    PathMtu: _ask_path_mtu,
    Burst: _ask_burst,
    HttpGet: _ask_http,
    Rtnetlink: _ask_rtnetlink,
    Kernel: _ask_kernel,
    Conntrack: _ask_conntrack,
    ServiceRules: _ask_service_rules,
    CniConfig: _ask_cni_config,
}

NET_ADMIN = 12


def capabilities(requests: tuple[Probe, ...]) -> list[int]:
    """Return the capabilities that asking these takes, by their numbers (capabilities(7)), where the pod has any."""
    return [NET_ADMIN] if any(isinstance(request, (Conntrack, ServiceRules)) for request in requests) else []


def reply(request: Probe, line: AgentReply, places: Places = NOWHERE) -> Reply:
    """Return the typed reply in an agent's line; what does not fit its request is ``Lost``."""
    if line.error:
        return Lost(f"the agent reports: {line.error[:200]}")
    most = request.samples if isinstance(request, (DnsLookup, Echo)) else 2 if isinstance(request, Burst) else 1
    if not 0 < len(line.samples) <= most:
        return Lost(f"{len(line.samples)} samples came back of {most}")
    try:
        return _reply(request, line, places)
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        return Lost(f"the agent's reply can't be read: {error}")


def _reply(request: Probe, line: AgentReply, places: Places) -> Reply:
    if isinstance(request, DnsLookup):
        return _dns_reply(line)
    if isinstance(request, Echo):
        nodes, own = places.nodes(), places.servers.get((request.node, False))
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
        return _path_mtu(request, outcome, raw, places)
    if isinstance(request, OF_A_NODE):
        return _node_reply(request, ms, raw)
    if isinstance(request, HttpGet):
        return HttpReply(outcome, ms, int(raw[2]), tuple(map(str, raw[3]))) if outcome is Outcome.OK else HttpReply(outcome, ms)
    problem = str(raw[2]) if outcome is Outcome.OK else ""
    return CertificateReply(outcome, ms, outcome is Outcome.OK and not problem, problem[:200])


def _node_reply(request: Probe, ms: float, raw: list[Any]) -> Reply:
    """Return what a node said of itself; the agent has no failure for it but an error."""
    if isinstance(request, Rtnetlink):
        return rtnetlink.parse([base64.b64decode(text) for text in raw[2]], ms, bool(raw[3]))
    if isinstance(request, Kernel):
        before, after = kernel_replies.counters(raw[4]), kernel_replies.counters(raw[5])
        return KernelReply(
            Outcome.OK, ms, round(float(raw[2]), 3), kernel_replies.settings(raw[3]), before, after, str(raw[6])[:80]
        )
    if isinstance(request, Conntrack):
        return ConntrackReply(Outcome.OK, ms, tuple(_flow(line) for line in raw[2]), bool(raw[3]))
    if isinstance(request, ServiceRules):
        found = {name: tuple(map(str, raw[2][name])) for name in ("iptables", "legacy", "nftables")}
        return ServiceRulesReply(Outcome.OK, ms, **found, cut=bool(raw[3]))
    files = (CniFile(str(name), str(network), tuple(map(str, plugins)), str(why)) for name, network, plugins, why in raw[2])
    return CniConfigReply(Outcome.OK, ms, tuple(files))


def _flow(line: str) -> Flow:
    """Read a line of /proc/net/nf_conntrack: the tuple as it came, then that of the answers."""
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


def _path_mtu(request: PathMtu, outcome: Outcome, raw: list[Any], places: Places) -> PathMtuReply:
    if len(raw) < 6:
        return PathMtuReply(outcome, 0)
    impostor = outcome is Outcome.OK and _who(raw[5], places.nodes())[0] != request.to.node
    return PathMtuReply(outcome, int(raw[2]), int(raw[3]), int(raw[4]), impostor)


def _resolv_conf(text: str) -> ResolvConfReply:
    """Read it as resolv.conf(5) has it: all nameservers, the last search (or domain) line, all options."""
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
        return DnsSample(Outcome.MALFORMED, ms), None  # something that sends back what it gets is no DNS server
    answers = sum(len(rrset) for rrset in message.answer)
    return DnsSample(Outcome.OK, ms, dns.rcode.to_text(message.rcode()), answers), message


def _who(encoded: str, nodes: Mapping[str, str]) -> tuple[str, str, str]:
    """Return who proved itself by the greeting "netdoc NONCE NAME SOURCE": node, nonce and the source that it saw."""
    words = base64.b64decode(encoded).decode("ascii", "replace").split()
    known = len(words) >= 4 and words[0] == "netdoc" and words[1] in nodes
    return (nodes[words[1]], words[1], words[3]) if known else ("", "", "")


def _echo_sample(request: Echo, raw: list[Any], nodes: Mapping[str, str], own: str) -> EchoSample:
    """Judge who answered: a nonce of this run, of the peer asked for."""
    outcome, ms = _measured(raw)
    if outcome is not Outcome.OK:
        return EchoSample(outcome, ms)
    who, nonce, source = _who(raw[2], nodes)
    if not who or (isinstance(request.to, Peer) and who != request.to.node):
        return EchoSample(outcome, ms, impostor=True)
    return EchoSample(outcome, ms, who, source, int(raw[3]), itself=nonce == own)


def decode(line: bytes) -> AgentReply:
    """Return one line of the agent; raises ``msgspec.MsgspecError`` where it is none."""
    return strict_json.decode(line, AgentReply)
