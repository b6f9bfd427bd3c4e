# SPDX-License-Identifier: Apache-2.0
"""DNS over TCP where UDP works: each server from the nodes that observe it, and the nameserver of resolv.conf from each node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.api import (
    Address,
    Cluster,
    Code,
    DnsLookup,
    Explains,
    Facts,
    Finding,
    NodePath,
    ResolvConfNameserver,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    patches,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.cluster_dns import PORT
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.dns_lookups import DnsServer, Tally

CHANCE = 0.01
"""The Service is blamed only if all its lookups met servers that do not answer over TCP by chance less often than this."""

SAMPLES = 2
PATCH = "kubectl -n {namespace} patch service {name} --type json -p {patch}"

NO_TCP = Code(
    id="DSV002",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="DNS over TCP fails",
    message="From {nodes}, cluster DNS at {server} answers lookups over UDP, but not over TCP ({happened}): names with long "
    "answers do not resolve. {answering} of {servers} DNS pods answer over TCP directly",
    fix="Allow TCP port 53 wherever UDP port 53 is allowed (firewalls, policies, ports of the Service), and make the servers "
    "listen on it.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl get networkpolicies -A"),
    rows=("D8",),
    explains=(Explains(("DSV003", "DTR002"), "cluster"), Explains(("SVR003", "SVR004", "SVR006", "SVR012"), "subject")),
    tells="failure",
)
SERVER_NO_TCP = Code(
    id="DSV003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A DNS server does not answer over TCP",
    message="DNS pod {namespace}/{name} answers lookups from {nodes} over UDP, but not over TCP ({happened})",
    fix="Find what stops TCP port 53 to the pod: a firewall on its node ({on}), a policy, or a server that does not listen on "
    "TCP.",
    commands=("kubectl -n {namespace} get pod {name} -o wide", cluster_dns.POD_LOG),
    rows=("D8",),
    explains=(Explains(("SVR005",), "subject"), Explains(("DTR002",), "cluster")),
    tells="failure",
)


def lookup(cluster: Cluster, node: str, server: Address | None = None) -> DnsLookup:
    """Return the lookup over TCP, through resolv.conf's nameserver or of one server."""
    name = cluster_dns.api_server_name(cluster)
    nameserver = server or ResolvConfNameserver()
    return DnsLookup(node, nameserver, name, samples=SAMPLES, timeout=dns_lookups.TIMEOUT, protocol="TCP")


def analyse(facts: Facts, nodes: list[str], dns: Service, ailing: set[str]) -> Iterator[Finding | Unseen]:
    """Report servers, and the Service, that answer over UDP only; ``ailing``: names of servers that stall or lose lookups."""
    good, bad = _servers(facts, ailing)
    for server, seen in bad.items():
        yield from _server(facts, server, seen)
    through = {node: tally for node in nodes if (tally := _through(facts, node)).sent and not tally.times}
    sent = sum(tally.sent for tally in through.values())
    by_chance = (len(bad) / len(good | set(bad))) ** sent if bad and good else 0.0
    if not through or policies.why_servers_unknown(facts.cluster) or by_chance >= CHANCE or ailing:
        return
    servers = good | set(bad)
    if not _doubts(facts, set(through), [server.address for server in servers]):
        yield _no_tcp(dns, through, len(good), len(servers))


def _servers(facts: Facts, ailing: set[str]) -> tuple[set[DnsServer], dict[DnsServer, dict[str, Tally]]]:
    """Return the servers that answer over TCP, and for others that answer over UDP their lookups over TCP by node."""
    good: set[DnsServer] = set()
    bad: dict[DnsServer, dict[str, Tally]] = {}
    for server in dns_lookups.servers(facts.cluster):
        for node in dns_lookups.observers(facts.cluster, server):
            over_udp = (
                dns_lookups.lookup(facts.cluster, node, server=server.address),
                dns_lookups.trickle(facts.cluster, node, server),
            )
            udp, tcp = Tally(map(facts.reply, over_udp)), Tally([facts.reply(lookup(facts.cluster, node, server.address))])
            if tcp.times:
                good.add(server)
            elif tcp.sent and udp.times and server.subject.name not in ailing:
                bad.setdefault(server, {})[node] = tcp
    return good, bad


def _no_tcp(dns: Service, through: dict[str, Tally], answering: int, servers: int) -> Finding:
    both = Tally(reply for tally in through.values() for reply in tally.replies)
    patch = _tcp_port(dns)
    numbers = {
        "server": both.server,
        "outcomes": _outcomes(through.values()),
        "happened": both.happened(),
        "answering": answering,
        "servers": servers,
        "nodes": sorted(through),
        "patch": patch,
    }
    return NO_TCP.on(Subject.of("Service", dns), numbers, commands=(*NO_TCP.commands, PATCH) if patch else None)


def _outcomes(tallies: Iterable[Tally]) -> list[str]:
    return sorted({word for tally in tallies for word in tally.counted()})


def _tcp_port(dns: Service) -> str:
    """Return the patch that adds TCP 53 to a Service that has only UDP 53; "" if it has both."""
    ports = {port.protocol: port.target_port for port in dns.spec.ports if port.port == PORT}
    target = ports.get("UDP")
    if "TCP" in ports or not isinstance(target, int):  # a name would be that of a UDP port
        return ""
    return patches.append("/spec/ports", {"name": "dns-tcp", "port": PORT, "protocol": "TCP", "targetPort": target or PORT})


def _through(facts: Facts, node: str) -> Tally:
    """Return the lookups over TCP through the nameserver, if UDP works through it and to every server; else an empty tally.

    Otherwise they may have met a server that the node can't reach at all, which is no matter of TCP.
    """
    cluster = facts.cluster
    udp = Tally([facts.reply(dns_lookups.lookup(cluster, node))])
    servers = dns_lookups.servers(cluster)
    direct = [Tally([facts.reply(dns_lookups.lookup(cluster, node, server=each.address))]) for each in servers]
    works = udp.times and all(tally.times for tally in direct if tally.sent)
    return Tally([facts.reply(lookup(cluster, node))] if works else [])


def _server(facts: Facts, server: DnsServer, seen: dict[str, Tally]) -> Iterator[Finding | Unseen]:
    """Report one server that does not answer over TCP, except from nodes from which policies may forbid it."""
    doubts = _doubts(facts, set(seen), [server.address])
    for reason in sorted(set(doubts.values())):
        nodes = sorted(node for node in seen if doubts.get(node) == reason)
        yield Unseen(f"TCP to DNS pod {server.subject.name} from {', '.join(nodes)}", reason)
    nodes = sorted(set(seen) - set(doubts))
    if nodes:
        tallies = [seen[node] for node in nodes]
        happened = Tally(reply for tally in tallies for reply in tally.replies).happened()
        numbers = {"outcomes": _outcomes(tallies), "happened": happened, "nodes": nodes}
        paths = [NodePath(node, server.node) for node in nodes]
        yield SERVER_NO_TCP.on(server.subject, numbers, paths=paths, on=server.node or "unknown")


def _doubts(facts: Facts, nodes: set[str], servers: list[Address]) -> dict[str, str]:
    """Return why TCP to a server may be forbidden, by node."""
    both = [(node, policies.policy_block(facts, node, server.ip, server.port)) for node in sorted(nodes) for server in servers]
    return {node: doubt.reason for node, doubt in both if doubt}


CODES = (NO_TCP, SERVER_NO_TCP)
