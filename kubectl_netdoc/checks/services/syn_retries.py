# SPDX-License-Identifier: Apache-2.0
"""Do connections open at the first try?

## What it looks at
How long every connection of `pod_network` and `service_reachability` took to open. Those that succeed just after 1 s are the
ones whose first SYN was lost (when the next ones leave depends on the kernel: docs/versions.md). They are counted by path
between nodes, by the pod that they go to, and by the node whose Service addresses they use. Paths that lose datagrams as well
are `path_quality`'s.

## Why it matters
Applications are one second slower now and then, or always, and nothing in their logs says why. A checksum offload that breaks
tunnels, a firewall that drops the first packet of a flow and a full accept queue all look like this.

## What it can't see
Connections that lost two SYNs: netdoc gives up before a third could arrive, on every kernel, and counts them as failed. On a
machine so busy that connections take up to a second, a lost SYN can't be recognised. Connections from the host network (where
kubernetes#88986 shows) are measured from the nodes tier on only.

## Sources
RFC 6298, 2.1 and 5.5 (initial timeout 1 s, doubled); kernel: tcp_syn_retries, tcp_syn_linear_timeouts;
kubernetes#88986, flannel#1279; failure catalogue M2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kubectl_netdoc.api import (
    CAME_THROUGH,
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    Check,
    Cluster,
    Code,
    ConnectReply,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Needs,
    Outcome,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import node_pairs, syn_times
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import proof, targets

RETRY_S = 1
"""Seconds after which the second SYN is sent (RFC 6298, 2.1)."""

RETRIED_MS = (1000 * RETRY_S - 50, 1000 * RETRY_S + 350)
"""How long a connection takes whose second SYN arrives: the kernel's timer is not exact, and the path takes its time."""

FAST_MS = 300.0
"""Up to this a connection took one round trip, even on a busy machine: the longest between regions of a cloud."""

SMEARED = 0.05
"""Share of connections that are neither fast nor retried from which on nothing is judged: the machine is busy."""

AT_LEAST = 2
"""Retries from which a path, a pod or a node is reported: a single one is a lost packet."""

SHARE = 0.25
"""Share of retries among the connections of a path, a pod or a node from which it is reported."""

BY_CHANCE = 1
"""Datagrams of a path that may get lost. Where more are, so may be any packet, and not the first of a connection alone."""

RETRY_EFFECTS = ("DSV002", "PNW014", "SVR002", "SVR005", "SVR013", "SVR006", "SVH001", "NPT001", "SYN003", "DSV003")

PATH = Code(
    id="SYN001",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The first packet of connections gets lost between nodes",
    message="Between {between}, {retried} of {connects} connections took {ms} ms to open: their first SYN was lost, and the "
    f"second, sent {RETRY_S} s later, arrived{{later}}. "
    "{fast} connections elsewhere took {fast_ms} ms at most, and hardly a datagram is lost",
    fix="Look for what treats the first packet of a flow differently: a firewall's rate limit on new connections, "
    "connection tracking, or the tunnel's checksum offload (to try without it: ethtool -K flannel.1 tx-checksum-ip-generic "
    "off).",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality --show info"),
    rows=("M2",),
    explains=(Explains(RETRY_EFFECTS, "path", CAME_THROUGH), Explains(RETRY_EFFECTS, "node", CAME_THROUGH)),
    tells="failure",
)
POD_SLOW = Code(
    id="SYN002",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A pod accepted connections only at the second try",
    message="{retried} of {connects} connections to Pod {namespace}/{name} took {ms} ms to open, as their first SYN was lost. "
    "Other pods on the same paths answer at once",
    fix="Run the check again: all these connections were opened within a second, so the pod may have been busy for a moment. "
    "If it is still reported, raise the pod's CPU limit, its number of replicas or its listen backlog (net.core.somaxconn): "
    "its accept queue is full, or it gets too little CPU.",
    commands=("kubectl -n {namespace} top pod {name}", "kubectl -n {namespace} describe pod {name}"),
    rows=("M2",),
)
VIA_SERVICES = Code(
    id="SYN003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Connections to Service addresses open at the second try",
    message="On {name}, {retried} of {connects} connections to ClusterIPs took {ms} ms to open, as their first SYN was lost. "
    "The endpoints answer at once when connected to directly",
    fix="Look on {name} at what affects translated packets only: kube-proxy's source NAT (masquerading), and the tunnel's "
    "checksum offload.",
    commands=(kube_proxy.LOGS, "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
    rows=("M2",),
    tells="failure",
)


class _Seen(NamedTuple):
    """One connection that opened: from which node, to which node ("": through a Service) and pod (namespace, name)."""

    source: str
    node: str
    pod: tuple[str, str]
    ms: float

    @property
    def retried(self) -> bool:
        """Whether its first SYN was lost and the second arrived."""
        return RETRIED_MS[0] <= self.ms <= RETRIED_MS[1]


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask for what other checks measure; nothing is measured for this check alone."""
    for pair in node_pairs.pairs(cluster):
        yield proof(*pair)
        yield node_pairs.burst(*pair)
    for node in cluster.vantages if _services(cluster) else ():
        for target in targets(cluster):
            yield from target.through(node)
            yield from (connect for _, connect in target.direct(node))


def _services(cluster: Cluster) -> bool:
    return cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)


def _seen(facts: Facts) -> Iterator[_Seen]:
    ran = {vantage.node for vantage in facts.vantages if vantage.running} - node_pairs.starved(facts)
    for one, other in node_pairs.pairs(facts.cluster):
        reply = facts.reply(proof(one, other))
        if one in ran and isinstance(reply, EchoReply):
            yield from (_Seen(one, other, ("", ""), sample.ms) for sample in reply.samples if sample.who)
    for node in sorted(ran) if _services(facts.cluster) else ():
        found: dict[Request, _Seen] = {}
        for target in targets(facts.cluster):
            found |= {connect: _Seen(node, "", ("", ""), 0.0) for connect in target.through(node)}
            for end, connect in target.direct(node):
                if end.node:
                    found[connect] = _Seen(node, end.node, (target.service.namespace, end.pod), 0.0)
        for request, seen in found.items():
            reply = facts.reply(request)
            if isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK:
                yield seen._replace(ms=reply.ms)


def _failing(facts: Facts) -> set[str]:
    """Nodes from which an endpoint does not answer directly: a retry through its Service may then have gone to another one."""
    ends = {(node, c) for node in facts.cluster.vantages for t in targets(facts.cluster) for _, c in t.direct(node)}
    replies = ((node, facts.reply(connect)) for node, connect in ends)
    return {node for node, reply in replies if isinstance(reply, ConnectReply) and reply.outcome is not Outcome.OK}


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Find what most retries have in common: a path, otherwise a pod, otherwise the Service addresses of a node."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    seen = list(_seen(facts))
    retried = [each for each in seen if each.retried]
    fast = [each.ms for each in seen if each.ms <= FAST_MS]
    if len(retried) < AT_LEAST:
        return
    if len(seen) - len(retried) - len(fast) > SMEARED * len(seen):
        reason = (
            f"{len(retried)} of {len(seen)} connections took about {RETRY_S} s, many a bit less: a busy machine, or lost packets"
        )
        yield Unseen("first packets of connections", reason, expected=True)
        return
    bad = {pair for pair in _pairs(seen) if _frequent([each for each in seen if (each.source, each.node) == pair])}
    pods = _pods(seen)
    bad -= {pair for pair in bad if not _frequent([e for e in seen if (e.source, e.node) == pair and e.pod not in pods])}
    for pod in sorted(pods):
        yield POD_SLOW.on(Subject("Pod", pod[1], pod[0]), _numbers([each for each in seen if each.pod == pod]))
    lossless = {pair for pair in bad if sum(each.lost for each in node_pairs.rounds(facts, pair)) <= BY_CHANCE}
    numbers = {"fast": len(fast), "fast_ms": round(max(fast, default=0.0))}
    for place in node_pairs.locate(lossless, _pairs(seen)):
        own = [each for each in seen if (each.source, each.node) in place.paths]
        times = syn_times.later(facts.cluster, {each.source for each in own})
        times = f" (the next ones leave {times})" if times else ""
        yield PATH.on(place.subject, place.evidence() | _numbers(own) | numbers, later=times)
    faulty = {node for pair in bad for node in pair}
    faulty |= _failing(facts) if _services(facts.cluster) else set()
    for node in sorted({each.source for each in retried} - faulty):
        through = [each for each in seen if each.source == node and not each.node]
        if _frequent(through) and not pods:
            yield VIA_SERVICES.on(Subject("Node", node), _numbers(through), nodes=[node])


def _pairs(seen: list[_Seen]) -> set[node_pairs.Pair]:
    """The paths between nodes on which connections opened."""
    return {(each.source, each.node) for each in seen if each.node and each.node != each.source}


def _frequent(seen: list[_Seen]) -> bool:
    retried = sum(each.retried for each in seen)
    return retried >= max(AT_LEAST, SHARE * len(seen))


def _pods(seen: list[_Seen]) -> set[tuple[str, str]]:
    """Pods that retries go to from two nodes or more, while no connection to other pods on the same paths is retried."""
    found = set()
    for pod in {each.pod for each in seen if each.retried and each.pod[1]}:
        own = [each for each in seen if each.pod == pod]
        sources = {(each.source, each.node) for each in own if each.retried}
        others = [each for each in seen if (each.source, each.node) in sources and each.pod != pod]
        if len(sources) > 1 and _frequent(own) and others and not any(each.retried for each in others):
            found.add(pod)
    return found


def _numbers(seen: list[_Seen]) -> dict[str, object]:
    late = sorted(round(each.ms) for each in seen if each.retried)
    return {"retried": len(late), "connects": len(seen), "ms": f"{late[0]} to {late[-1]}" if late[0] < late[-1] else late[0]}


check = Check(
    id="syn_retries",
    title="Connections open at the first try",
    prefix="SYN",
    needs=Needs(hints=tuple(dict.fromkeys((SERVICE, ENDPOINT_SLICE, POD, NODE, *policies.KINDS))), tier=Tier.PODS),
    codes=(PATH, POD_SLOW, VIA_SERVICES),
    plan=plan,
    analyse=analyse,
)
