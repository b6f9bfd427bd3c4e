# SPDX-License-Identifier: Apache-2.0
"""Do tracked UDP flows still lead to endpoints that are there?

## What it looks at
With `--node-checks`, where the kernel shows /proc/net/nf_conntrack to it, else with `--privileged`: the flows that each node
tracks to the ClusterIPs of UDP Services, and where their answers are to come from, held against the EndpointSlices.

## Why it matters
The way of a flow is chosen once. A client that goes on sending from one port (DNS forwarders, syslog, SIP, QUIC) keeps the
entry alive and its datagrams go to a pod that is gone, for hours, while every new flow works.

## What it can't see
Whether somebody still sends: an entry that outlives the time-out of an idle one is taken for that, and counts only where
the Service's endpoints have not changed for longer, and none is leaving. Flows to node ports and load
balancers. What eBPF data planes track. kube-proxy from Kubernetes 1.32 on looks for stale flows itself when a UDP Service
changes, and netdoc's own Services are such: a whole run may mend what `kubectl netdoc check stale_flows --node-checks` shows.

## Sources
kubernetes#139628, #139629, #141371, #125467, #59368; nf_conntrack-sysctl.rst (UDP: 30 s, 120 s for streams); conntrack(8);
failure catalogue K1.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

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
    on_node,
    shell_word,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import node_readings

MOST = 60
"""ClusterIPs of UDP Services that are asked for at most."""

IDLE = 180
"""Seconds after which an idle entry of a UDP stream is gone, unless the node's settings say later: 120 (180 before Linux 5.1)."""

TIMEOUTS = ("net/netfilter/nf_conntrack_udp_timeout", "net/netfilter/nf_conntrack_udp_timeout_stream")

DELETE = "conntrack -D -p udp --orig-dst {ip} --orig-port-dst {port}"
MOST_LINES = 6
"""Commands of a finding at most; the rest is of the same form."""

STALE = Code(
    id="STF001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="UDP flows to an endpoint that is gone",
    message="On {nodes} {count} UDP flows of {clients} to Service {namespace}/{name} ({address}) are still sent to {gone}, "
    "which is none of its endpoints; those that begin now work",
    fix="Delete the entries: the next datagram finds an endpoint. kube-proxy should have: Kubernetes 1.32 and later miss some "
    "(kubernetes#139628), so see whether a newer patch version is out.",
    rows=("K1",),
)
UNTRANSLATED = Code(
    id="STF002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="UDP flows that no Service takes up",
    message="On {nodes} {count} UDP flows of {clients} to Service {namespace}/{name} ({address}) began when it had no endpoint "
    "or no rule there, and are sent to its own address for as long as the client goes on",
    fix="Delete the entries: the next datagram finds an endpoint.",
    rows=("K1",),
)


def _udp(cluster: Cluster) -> dict[Address, Service]:
    """UDP Services by each address and port that they have."""
    found: dict[Address, Service] = {}
    for service in cluster.all(SERVICE):
        spec = service.spec
        if service.headless or not spec.cluster_ip or spec.type == "ExternalName":
            continue
        ports = [port.port for port in spec.ports if port.protocol == "UDP"]
        found |= {Address(ip, port): service for ip in spec.cluster_ips or (spec.cluster_ip,) for port in ports}
    return dict(sorted(found.items(), key=lambda pair: (pair[0].ip, pair[0].port)))


def _asked(cluster: Cluster, node: str) -> list[Conntrack]:
    addresses = tuple(sorted({address.ip for address in _udp(cluster)}))
    return [Conntrack(node, addresses[:MOST])] if addresses else []


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask each node for its flows to UDP Services, and for its time-outs."""
    if cluster.readable(ENDPOINT_SLICE):
        for node in cluster.hosts:
            for request in _asked(cluster, node):
                yield request
                yield node_readings.kernel(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Hold the flows against the slices."""
    cluster = facts.cluster
    services, young = _udp(cluster), _young(cluster)
    ours = {ip for vantage in facts.vantages for ip in (vantage.ip, *vantage.more_ips)}
    if not services:
        raise Skip("no Service with an address speaks UDP", moot=True)
    if network := kube_proxy.replaced_by(cluster):
        raise Skip(f"{network} does kube-proxy's work, and may track flows of its own", moot=True)
    if why := facts.beyond(Tier.NODES):
        raise Skip(f"{why}; it would hold tracked UDP flows against EndpointSlices", moot=True)
    bad: dict[tuple[str, Address, bool], dict[str, list[Flow]]] = {}
    for node in cluster.hosts:
        reply = next((facts.reply(request) for request in _asked(cluster, node)), None)
        if not isinstance(reply, ConntrackReply) or reply.outcome is not Outcome.OK:
            yield _unread(facts, node, reply)
            continue
        if reply.cut:
            yield Unseen(f"tracked flows of node {node}", f"{len(reply.flows)} were looked at, there are more")
        for flow in reply.flows:
            service = services.get(flow.to) if flow.source.ip not in ours and node not in young else None
            if service and (kind := _stale(facts, node, service, flow)):
                key = (f"{service.namespace}/{service.name}", flow.to, kind == "untranslated")
                bad.setdefault(key, {}).setdefault(node, []).append(flow)
    if bad and cluster.unread(POD):
        why = "whether kube-proxy has just started, and is still to forget them, can't be seen: Pods can't be read"
        yield Unseen(f"tracked flows to {len(bad)} addresses that lead nowhere", why, asked=True)
        bad = {}
    for (_, to, untranslated), by_node in sorted(bad.items(), key=str):
        yield _finding(services[to], to, untranslated, by_node)
    if len({address.ip for address in services}) > MOST:
        yield Unseen("tracked flows", f"to {MOST} Services' addresses only")


def _young(cluster: Cluster) -> set[str]:
    """Nodes whose kube-proxy has only just started, or may have: flows from before it did are not forgotten yet."""
    if not cluster.readable(POD):
        return set(cluster.hosts)
    pods = kube_proxy.pods(cluster).items()
    return {node for node, found in pods if any(cluster.age(p.metadata.creation_timestamp) < kube_proxy.STARTING for p in found)}


def _unread(facts: Facts, node: str, reply: object) -> Unseen:
    """Below the privileged tier a kernel may show nothing, by design."""
    reason = reply.reason if isinstance(reply, Lost) else "refused"
    hidden = isinstance(reply, Lost) and reply.asked and not facts.cluster.tier.covers(Tier.PRIVILEGED)
    return Unseen(f"tracked flows of node {node}", f"{reason}{'; see --privileged' if hidden else ''}", asked=not hidden)


def _stale(facts: Facts, node: str, service: Service, flow: Flow) -> str:
    """Return how a flow leads nowhere: ``gone``, ``untranslated``, or not at all."""
    cluster = facts.cluster
    slices = cluster.slices_of(service)
    names = {port.name for port in service.spec.ports if port.port == flow.to.port and port.protocol == "UDP"}
    ends = [
        (Address(address, port.port), end)
        for item in slices
        for port in item.ports
        if port.name in names and port.protocol == "UDP"
        for end in item.endpoints
        for address in end.addresses
    ]
    if not any(end.conditions.ready for _, end in ends):  # nobody is there to send to: service_config says so
        return ""
    reply = facts.reply(node_readings.kernel(node))
    settings = reply.settings if isinstance(reply, KernelReply) else {}
    idle = max([IDLE, *(int(settings[name]) for name in TIMEOUTS if settings.get(name, "").isdigit())])
    # When the last change is a pod that goes, nothing notes its time.
    leaving = any(end.conditions.terminating for _, end in ends)
    if leaving or any(cluster.age(item.changed) < timedelta(seconds=idle) for item in slices):
        return ""
    if flow.answers == flow.to:
        return (
            "" if flow.replied else "untranslated"
        )  # answered: a cache on the node has the Service's address (NodeLocal DNSCache)
    return "" if flow.answers in {address for address, _ in ends} else "gone"


def _finding(service: Service, to: Address, untranslated: bool, by_node: dict[str, list[Flow]]) -> Finding:
    nodes = sorted(by_node)
    # One address that is gone after the other on a node, then the next node.
    pairs = [(node, ip) for node in nodes for ip in sorted({flow.answers.ip for flow in by_node[node]})]
    lines = tuple(on_node(shell_word(node), f"{DELETE} --reply-src {shell_word(ip)}") for node, ip in pairs[:MOST_LINES])
    flows = [flow for node in nodes for flow in by_node[node]]
    clients = sorted({flow.source.ip for flow in flows})
    numbers = {
        "nodes": nodes,
        "count": len(flows),
        "clients": f"{', '.join(clients[:3])}{f' and {len(clients) - 3} more' if len(clients) > 3 else ''}",
        "address": to,
        "ip": to.ip,
        "port": to.port,
        "gone": sorted({str(flow.answers) for flow in flows})[:4],
    }
    code, subject = UNTRANSLATED if untranslated else STALE, Subject("Service", service.name, service.namespace)
    return code.on(subject, numbers, try_=lines)


check = Check(
    id="stale_flows",
    title="Tracked UDP flows lead to living endpoints",
    prefix="STF",
    needs=Needs(kinds=(SERVICE, ENDPOINT_SLICE), hints=(NODE, POD, *kube_proxy.HINTS), tier=Tier.NODES),
    codes=(STALE, UNTRANSLATED),
    plan=plan,
    analyse=analyse,
)
