# SPDX-License-Identifier: Apache-2.0
"""Nodes that do not answer on node ports, while others do or while none does."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    NODE,
    Cluster,
    Code,
    EchoReply,
    Facts,
    Finding,
    NodePath,
    Outcome,
    Risk,
    Severity,
    Subject,
    on_node,
)
from kubectl_netdoc.checks.services.node_ports.measured import MeasuredNodePort
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes.service_targets import proof

NO_ANSWER = Code(
    id="NPT001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A node does not answer on node ports",
    message="Node {name} ({ip}) does not answer on node port {ports}: connections from {nodes_from} {outcomes}, though they "
    "reach {name} otherwise. The port does answer on {answering}{itself}",
    fix="Look on {name} for a host firewall that other nodes don't have. Then look at kube-proxy there (or what replaces it): "
    "its log, and --nodeport-addresses. Restart its pod only if its log shows that it is stuck.",
    commands=(
        on_node("{name}", "iptables -S"),
        on_node("{name}", "iptables -t raw -S"),
        "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={name}",
        kube_proxy.LOGS,
    ),
    rows=("K8",),
    tells="failure",
)
CLOSED = Code(
    id="NPT010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Node ports answer on no node",
    message="No node answers other nodes on node port {ports}: connections {outcomes}, while connections to the ClusterIPs "
    "succeed",
    fix="There is nothing to do if this is meant, by firewalls between nodes or kube-proxy's --nodeport-addresses. Otherwise "
    "allow the range of node ports (by default 30000-32767) between nodes.",
    commands=(kube_proxy.CONFIG,),
)
CONTROL_PLANE = Code(
    id="NPT011",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="A control-plane node does not answer on node ports",
    message="Control-plane node {name} does not answer on node port {ports}: connections from other nodes {outcomes}",
    fix="There is nothing to do if this is meant, as control planes often have a firewall of their own. Load balancers must then "
    "leave this node out: the command sets the label that makes them.",
    commands=("kubectl label node {name} node.kubernetes.io/exclude-from-external-load-balancers=",),
)


def analyse(facts: Facts, rows: list[MeasuredNodePort]) -> Iterator[Finding]:
    """Report ports that no node answers on, and nodes that do not answer on ports that others answer on."""
    closed = [row for row in rows if row.across and not row.answering]
    if closed:
        outcomes = sorted({outcome for row in closed for outcome in row.across.values()})
        yield CLOSED.on(Subject("Cluster", "node ports"), ports=[row.port.number for row in closed], outcomes=outcomes)
    found: dict[str, list[MeasuredNodePort]] = {}
    for row in rows:
        for node in row.port.ips if row.answering else ():
            into = {source: outcome for source, outcome in row.into(node).items() if not _deaf(source, rows)}
            if into and Outcome.OK not in into.values() and _reached(facts, node, into, rows):
                found.setdefault(node, []).append(row)
    for node, ports in sorted(found.items()):
        yield _finding(facts.cluster, node, ports)


def _deaf(source: str, rows: list[MeasuredNodePort]) -> bool:
    """Whether a debug pod got no answer on any node port of several nodes: then its own node is at fault, and not those."""
    seen = {to: outcome for row in rows for (one, to), outcome in row.across.items() if one == source}
    return len(seen) > 1 and all(
        outcome is not Outcome.OK for row in rows for (one, _), outcome in row.across.items() if one == source
    )


def _reached(facts: Facts, node: str, into: dict[str, Outcome], rows: list[MeasuredNodePort]) -> bool:
    """Whether all that get no answer reach the node otherwise: its debug pod, or another node port of it."""
    for source in into:
        reply = facts.reply(proof(source, node))
        proved = isinstance(reply, EchoReply) and any(sample.who for sample in reply.samples)
        if not proved and not any(row.across.get((source, node)) is Outcome.OK for row in rows):
            return False
    return True


def _finding(cluster: Cluster, name: str, rows: list[MeasuredNodePort]) -> Finding:
    node = cluster.get(NODE, "", name)
    labels = node.metadata.labels if node else {}
    control_plane = any(f"node-role.kubernetes.io/{role}" in labels for role in ("control-plane", "master"))
    sources = sorted({source for row in rows for source in row.into(name)})
    answering = sorted({other for row in rows for other in row.answering})
    itself = sorted({row.itself[name] for row in rows if name in row.itself})
    return (CONTROL_PLANE if control_plane else NO_ANSWER).on(
        Subject("Node", name),
        ip=rows[0].port.ips[name],
        ports=[row.port.number for row in rows],
        services=[row.port.target.ref for row in rows],
        outcomes=sorted({outcome for row in rows for outcome in row.into(name).values()}),
        answering=answering,
        from_itself=list(map(str, itself)) or ["not tried"],
        itself=f"; connections from a pod on {name} itself {Outcome.verbs(itself)}" if itself else "",
        nodes=[name],
        nodes_from=sources,
        paths=[NodePath(source, name) for source in sources],
    )


CODES = (NO_ANSWER, CLOSED, CONTROL_PLANE)
