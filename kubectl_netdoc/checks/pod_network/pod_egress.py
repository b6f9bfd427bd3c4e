# SPDX-License-Identifier: Apache-2.0
"""Do pods reach what is outside the cluster, from every node on which the node itself or other pods do?

## What it looks at
Only with `--external NAME|IP`: a TCP connection to port 443 of each such address (of a name, the first that it resolves to), from
the debug pod on each node and with `--node-checks` from each node's own network. A refusal counts too: packets came and went.

## Why it matters
Packets of pods leave a node with the node's address (masquerade). Where that rule is lost, or one before it takes them, answers
find no way back: pods on that node can't pull, call or resolve anything outside, while the node itself and pods elsewhere can.

## What it can't see
Which port outside is meant to be reached: a firewall that lets pods out to other ports only looks like one that lets out nothing.
What no node reaches may be down or closed, and is a remark. Rules that limit the ports of masqueraded connections.

## Sources
Kubernetes: Cluster Networking; kubernetes#56797, flannel#799, cilium#12141; ip-masq-agent's README (nonMasqueradeCIDRs).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    POD,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    DnsLookup,
    DnsReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    Outcome,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
    is_address,
    on_node,
    some,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups, node_pairs
from kubectl_netdoc.probes import own_policies as policies

PORT = 443
"""Where connections go: what is outside mostly listens or refuses there."""

MOST = 3
"""Names and addresses that are connected to at most."""

SHOWN = 3
"""Nodes that a message names at most."""

CAME_BACK = frozenset({Outcome.OK, Outcome.REFUSED})

UPSTREAM = Explains(("DNU001", "DNU003", "DNM010"), "services")
"""What shows of a DNS server that runs on a node whose pods do not get out."""

SHUT_IN = Code(
    id="PEG001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Pods on a node reach nothing outside the cluster",
    message="Pods on {where} do not reach {targets}: connections {outcomes}, while {but}",
    fix="On {first}, look for the rule that gives packets of pods the node's address (masquerade), and for one before it in "
    "POSTROUTING, or in FORWARD, that takes them: remove what nobody needs. If the masquerade itself is gone, restart the "
    "network agent there. Also see the settings that exempt ranges (ip-masq-agent's nonMasqueradeCIDRs, Calico's natOutgoing, "
    "flannel's --ip-masq), and whether the router outside lets the pods' own addresses through, where they are meant to leave "
    "with them.",
    commands=(
        on_node("{first}", "iptables -t nat -S POSTROUTING"),
        on_node("{first}", "iptables -S FORWARD"),
        on_node("{first}", "nft list ruleset"),
    ),
    explains=(UPSTREAM, Explains(("SVR015",), "node")),
    tells="failure",
)
NODE_SHUT_IN = Code(
    id="PEG002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node reaches nothing outside the cluster",
    message="Neither {where} nor its pods reach {targets}: connections {outcomes}, while {but}",
    fix="On {first}, check the default route and the firewall, and outside it what the router does with that node.",
    commands=(on_node("{first}", "ip route show default"), on_node("{first}", "iptables -S OUTPUT")),
    explains=(UPSTREAM, Explains(("SVR015",), "node")),
    tells="failure",
)
MEASURED = Code(
    id="PEG010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Connections to the outside, as measured",
    message="{targets}: {reached} of {measured} nodes have pods that get an answer from port {port}",
    fix="Nothing to fix: these are measurements. Where no node gets an answer, the address may be down or closed.",
)


class Way(Struct, frozen=True):
    """What became of the connections from a node, from its debug pod and from its own network; none where not measured."""

    node: str
    pod: tuple[Outcome, ...]
    host: tuple[Outcome, ...]

    @property
    def pod_gets_out(self) -> bool:
        """Whether a pod got an answer from any target."""
        return not CAME_BACK.isdisjoint(self.pod)

    @property
    def node_gets_out(self) -> bool:
        """Whether the node itself did."""
        return not CAME_BACK.isdisjoint(self.host)


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Resolve the names; the lookups are those of `dns_upstream`."""
    for name in _wanted(cluster):
        if not is_address(name):
            yield from (dns_lookups.outside(node, name) for node in _resolvers(cluster))


def _wanted(cluster: Cluster) -> list[str]:
    return [name.strip("[]") for name in cluster.selection.external][:MOST]


def _resolvers(cluster: Cluster) -> tuple[str, ...]:
    return cluster.vantages[: dns_lookups.OBSERVERS]


def _targets(facts: Facts) -> dict[str, Address]:
    """Return the address of each name or address that is wanted, as far as it resolves, of a family that pods have."""
    families = ip_families.of_pods(facts.cluster) or (ip_families.IPV4,)
    found = {}
    for name in _wanted(facts.cluster):
        replies = [facts.reply(dns_lookups.outside(node, name)) for node in _resolvers(facts.cluster)]
        records = [text for reply in replies if isinstance(reply, DnsReply) for text in reply.records if is_address(text)]
        known = [ip for ip in ([name] if is_address(name) else sorted(records)) if ip_families.of(ip) in families]
        if known:
            found[name] = Address(known[0], PORT)
    return found


def follow_up(facts: Facts) -> Iterator[Connect]:
    """Connect to each target from every debug pod, and from every node's own network."""
    for target in _targets(facts).values():
        yield from (Connect(node, target) for node in facts.cluster.vantages)
        yield from (Connect(node, target, host=True) for node in facts.cluster.hosts)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare the ways out of pods with those of their nodes, and with those of pods elsewhere."""
    if not _wanted(facts.cluster):
        raise Skip("nothing outside the cluster was given (--external NAME|IP)", not_applicable=True)
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    targets = _targets(facts)
    for name in _wanted(facts.cluster):
        if name not in targets:
            yield Unseen(f"connections to {name}", "no address that pods could connect to is known of it")
    starved, ways = node_pairs.starved(facts), list[Way]()
    for node in (vantage.node for vantage in facts.vantages) if targets else ():
        replies = [facts.reply(Connect(node, target)) for target in targets.values()]
        lost = [reply.reason for reply in replies if isinstance(reply, Lost) and reply.sent]
        if lost or node in starved:
            why = lost[0] if lost else "its debug pod was throttled by its CPU limit"
            yield Unseen(f"the way out of pods on node {node}", why, expected=True)
        elif pod := tuple(reply.outcome for reply in replies if isinstance(reply, ConnectReply)):
            ways.append(Way(node, pod, _from_host(facts, node, targets)))
    yield from _judged(facts, targets, ways)


def _from_host(facts: Facts, node: str, targets: dict[str, Address]) -> tuple[Outcome, ...]:
    replies = [facts.reply(Connect(node, target, host=True)) for target in targets.values()]
    return tuple(reply.outcome for reply in replies if isinstance(reply, ConnectReply))


def _judged(facts: Facts, targets: dict[str, Address], ways: list[Way]) -> Iterator[Finding | Unseen]:
    out = [way.node for way in ways if way.pod_gets_out]
    shown = ", ".join(f"{name} ({target})" if name != target.ip else str(target) for name, target in targets.items())
    if not out and (why := _forbidden(facts, targets, ways)):
        yield Unseen("the way out of pods", why, expected=True)
        return
    pods_elsewhere = f"pods on {some(out, SHOWN)} do"
    shut_in = [way for way in ways if not way.pod_gets_out and (way.node_gets_out or (out and not way.host))]
    if len(shut_in) == len(ways) > 1:
        yield _finding(facts, SHUT_IN, Subject("Cluster", "pods' way out"), shown, shut_in, "the nodes themselves do")
    else:
        for way in shut_in:
            but = " and ".join(filter(None, ("the node itself does" if way.node_gets_out else "", pods_elsewhere if out else "")))
            yield _finding(facts, SHUT_IN, Subject("Node", way.node), shown, [way], but)
    for way in ways:
        if out and way.host and not (way.pod_gets_out or way.node_gets_out):
            yield _finding(facts, NODE_SHUT_IN, Subject("Node", way.node), shown, [way], pods_elsewhere)
    if ways:
        yield MEASURED.on(
            Subject("Cluster", "ways out"), targets=shown, reached=len(out), measured=len(ways), port=PORT, reaching=out
        )


def _forbidden(facts: Facts, targets: dict[str, Address], ways: list[Way]) -> str:
    """Return which policy may keep netdoc's own pods in; "" if none does."""
    blocks = (policies.policy_block(facts, way.node, target.ip, target.port) for way in ways for target in targets.values())
    return next((block.reason for block in blocks if block), "")


def _finding(facts: Facts, code: Code, subject: Subject, targets: str, ways: list[Way], but: str) -> Finding:
    nodes = sorted(way.node for way in ways)
    dns = cluster_dns.service(facts.cluster) if facts.cluster.readable(SERVICE) else None
    there = [server for server in dns_lookups.servers(facts.cluster) if server.node in nodes] if dns else []
    numbers = {
        "where": some(nodes, SHOWN),
        "first": nodes[0],
        "targets": targets,
        "outcomes": sorted({outcome for way in ways for outcome in way.pod}),
        "but": but,
        "nodes": nodes,
        "services": [f"{dns.namespace}/{dns.name}"] if dns and there else [],
    }
    return code.on(subject, numbers, objects=[server.subject for server in there])


check = Check(
    id="pod_egress",
    title="Pods reach what is outside the cluster",
    prefix="PEG",
    needs=Needs(kinds=(POD,), hints=(SERVICE, ENDPOINT_SLICE, *policies.KINDS), tier=Tier.PODS),
    codes=(SHUT_IN, NODE_SHUT_IN, MEASURED),
    plan=plan,
    follow_up=follow_up,
    analyse=analyse,
)
