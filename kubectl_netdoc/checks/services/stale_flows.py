# SPDX-License-Identifier: Apache-2.0
"""Do tracked UDP flows still go to endpoints that exist?

## What it looks at
With `--node-checks`, where the kernel lets it read /proc/net/nf_conntrack, otherwise with `--privileged`: the flows that each
node tracks to the ClusterIPs of UDP Services, and the addresses that their answers should come from, compared with the
EndpointSlices.

## Why it matters
The endpoint of a flow is chosen once. A client that keeps sending from one port (DNS forwarders, syslog, SIP, QUIC) keeps the
entry alive, and its packets go to a pod that no longer exists, for hours, while every new flow works.

## What it can't see
Whether somebody still sends: an entry that is older than the time-out of an idle one is taken as a sign, and only where the
Service's endpoints have not changed for longer and none is terminating. Flows to node ports and load balancers. What eBPF data
planes track. Newer kube-proxies look for stale flows themselves when a UDP Service changes (docs/versions.md), and netdoc's own
Services are such changes: the flows are read before, and what is reported may have been deleted since.

## Sources
kubernetes#139628, #139629, #141371, #125467, #59368; nf_conntrack-sysctl.rst (UDP: 30 s, 120 s for streams); conntrack(8);
failure catalogue K1.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    Conntrack,
    ConntrackReply,
    Facts,
    Finding,
    Flow,
    KernelReply,
    Lost,
    Needs,
    Outcome,
    Request,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    counted,
    on_node,
    once,
    shell_word,
    some,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import node_readings

SHOWN = 3
"""Clients that a message names at most."""

MOST = 60
"""ClusterIPs of UDP Services whose flows are read at most."""

IDLE = 180
"""Seconds after which an idle entry of a UDP stream is deleted by now, unless the node is set to more: the longest default that
a kernel has had (``udp-stream-timeout`` in the table of versions)."""

RECONCILED = versions.change("kube-proxy-stale-flows")["reconciled"]
"""The version from which on kube-proxy looks for stale flows itself."""

TIMEOUTS = ("net/netfilter/nf_conntrack_udp_timeout", "net/netfilter/nf_conntrack_udp_timeout_stream")

DELETE = "conntrack -D -p udp --orig-dst {ip} --orig-port-dst {port}"
MOST_LINES = 6
"""Commands of a finding at most; the others have the same form."""

STALE = Code(
    id="STF001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="UDP flows to an endpoint that no longer exists",
    message="On {nodes}, UDP flows from {clients} to Service {namespace}/{name} ({address}) still go to {gone}, where it has "
    "no endpoint any more (entries of connection tracking: {count}). New flows work",
    fix="Delete the entries, as the commands do: the next packet then goes to an endpoint. kube-proxy should have deleted "
    f"them. Kubernetes {RECONCILED} and later misses some (kubernetes#139628), so see whether a newer patch version is out. It "
    "looks again when a UDP Service changes, and netdoc's own may have been such a change.",
    rows=("K1",),
)
UNTRANSLATED = Code(
    id="STF002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="UDP flows that are not sent to any endpoint",
    message="On {nodes}, UDP flows from {clients} to Service {namespace}/{name} ({address}) began when the Service had no "
    "endpoint or no rule there. They go to the Service's own address, where nothing answers, for as long as the clients keep "
    "sending (entries of connection tracking: {count})",
    fix="Delete the entries, as the commands do: the next packet then goes to an endpoint.",
    rows=("K1",),
)


@once
def _udp(cluster: Cluster) -> dict[Address, Service]:
    """UDP Services by their addresses and ports."""
    found: dict[Address, Service] = {}
    for service in cluster.all(SERVICE):
        spec = service.spec
        if service.headless or not spec.cluster_ip or spec.type == "ExternalName":
            continue
        ports = [port.port for port in spec.ports if port.protocol == "UDP"]
        found |= {Address(ip, port): service for ip in spec.cluster_ips or (spec.cluster_ip,) for port in ports}
    return dict(sorted(found.items(), key=lambda pair: (pair[0].ip, pair[0].port)))


def _asked(cluster: Cluster, node: str) -> list[Conntrack]:
    """Return the requests for a node's flows: before netdoc makes its Services, and afterwards, where the first got no answer."""
    addresses = tuple(sorted({address.ip for address in _udp(cluster)}))[:MOST]
    return [Conntrack(node, addresses, untouched=early) for early in (True, False)] if addresses else []


def _reply(facts: Facts, node: str) -> ConntrackReply | Unseen:
    """Return the flows of a node as they were first read, or why they were not."""
    replies = [facts.reply(request) for request in _asked(facts.cluster, node)]
    read = (reply for reply in replies if isinstance(reply, ConntrackReply) and reply.outcome is Outcome.OK)
    return next(read, None) or _unread(facts, node, replies[-1])


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's flows to UDP Services, and its time-outs."""
    if cluster.readable(ENDPOINT_SLICE):
        for node in cluster.hosts:
            for request in _asked(cluster, node):
                yield request
                yield node_readings.kernel(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare the flows with the EndpointSlices."""
    cluster = facts.cluster
    services, starting = _udp(cluster), _starting(cluster)
    ours = {ip for vantage in facts.vantages for ip in (vantage.ip, *vantage.more_ips)}
    if not services:
        raise Skip("no Service with a ClusterIP has a UDP port", not_applicable=True)
    if network := kube_proxy.replaced_by(cluster):
        raise Skip(f"{network} replaces kube-proxy and may track flows of its own", not_applicable=True)
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(f"{why}; it would compare tracked UDP flows with EndpointSlices", not_applicable=True)
    bad: dict[tuple[Address, str], dict[str, list[Flow]]] = {}
    for node in cluster.hosts:
        reply = _reply(facts, node)
        if isinstance(reply, Unseen):
            yield reply
            continue
        if reply.cut:
            yield Unseen(f"tracked flows of node {node}", f"{len(reply.flows)} were read, and there are more")
        for flow in reply.flows:
            service = services.get(flow.to) if flow.source.ip not in ours and node not in starting else None
            if service and (code := _stale(facts, node, service, flow)):
                bad.setdefault((flow.to, code.id), {}).setdefault(node, []).append(flow)
    if bad and cluster.unreadable(POD):
        why = "kube-proxy may have just started and not have deleted them yet; that is not known, as Pods can't be read"
        yield Unseen(f"stale flows to {counted(len(bad), 'address', 'addresses')}", why, expected=True)
        bad = {}
    for (to, code_id), by_node in sorted(bad.items(), key=str):
        yield _finding(STALE if code_id == STALE.id else UNTRANSLATED, services[to], to, by_node)
    if len({address.ip for address in services}) > MOST:
        yield Unseen("tracked flows", f"only those to {MOST} addresses of Services were read")


def _starting(cluster: Cluster) -> set[str]:
    """Nodes whose kube-proxy has just started, or may have: it may not have deleted older flows yet."""
    if not cluster.readable(POD):
        return set(cluster.hosts)
    pods = kube_proxy.pods(cluster).items()
    return {node for node, found in pods if any(cluster.age(p.metadata.creation_timestamp) < kube_proxy.STARTING for p in found)}


def _unread(facts: Facts, node: str, reply: object) -> Unseen:
    """Why a node's flows were not read. Without --privileged a kernel may show nothing, by design."""
    reason = reply.reason if isinstance(reply, Lost) else "the kernel refused"
    hidden = isinstance(reply, Lost) and reply.sent and not facts.cluster.tier.covers(Tier.PRIVILEGED)
    return Unseen(f"tracked flows of node {node}", f"{reason}{'; see --privileged' if hidden else ''}", expected=not hidden)


def _stale(facts: Facts, node: str, service: Service, flow: Flow) -> Code | None:
    """Return what is wrong with a flow; None where it goes to an endpoint, or that can't be told."""
    cluster = facts.cluster
    slices = cluster.slices_of(service)
    names = {port.name for port in service.spec.ports if port.port == flow.to.port and port.protocol == "UDP"}
    ends = [
        (Address(address, port.port), end)
        for item in slices
        for port in item.numbered
        if port.name in names and port.protocol == "UDP"
        for end in item.endpoints
        for address in end.addresses
    ]
    if not any(end.conditions.ready for _, end in ends):  # service_config reports Services without a ready endpoint
        return None
    reply = facts.reply(node_readings.kernel(node))
    settings = reply.settings if isinstance(reply, KernelReply) else {}
    idle = max([IDLE, *(int(settings[name]) for name in TIMEOUTS if settings.get(name, "").isdigit())])
    # Nothing records when a pod began to terminate.
    terminating = any(end.conditions.terminating for _, end in ends)
    if terminating or any(cluster.age(item.changed) < timedelta(seconds=idle) for item in slices):
        return None
    if flow.answers == flow.to:  # with a reply: a cache on the node has the Service's address (NodeLocal DNSCache)
        return None if flow.replied else UNTRANSLATED
    return None if flow.answers in {address for address, _ in ends} else STALE


def _finding(code: Code, service: Service, to: Address, by_node: dict[str, list[Flow]]) -> Finding:
    nodes = sorted(by_node)
    # All stale addresses of a node, then those of the next node.
    pairs = [(node, ip) for node in nodes for ip in sorted({flow.answers.ip for flow in by_node[node]})]
    lines = tuple(on_node(shell_word(node), f"{DELETE} --reply-src {shell_word(ip)}") for node, ip in pairs[:MOST_LINES])
    flows = [flow for node in nodes for flow in by_node[node]]
    clients = sorted({flow.source.ip for flow in flows})
    numbers = {
        "nodes": nodes,
        "count": len(flows),
        "clients": some(clients, SHOWN),
        "address": to,
        "ip": to.ip,
        "port": to.port,
        "gone": sorted({str(flow.answers) for flow in flows})[:4],
    }
    return code.on(Subject.of("Service", service), numbers, commands=lines)


check = Check(
    id="stale_flows",
    title="Tracked UDP flows go to endpoints that exist",
    prefix="STF",
    needs=Needs(kinds=(SERVICE, ENDPOINT_SLICE), hints=(NODE, POD, *kube_proxy.HINTS), tier=Tier.NODES),
    codes=(STALE, UNTRANSLATED),
    plan=plan,
    analyse=analyse,
)
