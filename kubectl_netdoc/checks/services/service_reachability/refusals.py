# SPDX-License-Identifier: Apache-2.0
"""Service ports on which every endpoint refuses connections, and what their pods declare instead."""

from __future__ import annotations

import re

from kubectl_netdoc.api import (
    POD,
    Address,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    Outcome,
    Risk,
    Severity,
    patches,
)
from kubectl_netdoc.checks.services.service_reachability.measured import MeasuredPort
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Target, TargetEndpoint

MOST_DECLARED = 4
"""Declared ports of a pod that are tried in place of one that it does not declare."""

OPERATIONAL = re.compile(r"metric|prom|health|probe|live|ready|status|admin|debug|pprof|profil|monitor|telemetry")
"""Names of ports that are for those who run a pod, and not for a Service's clients."""

OTHER_PROTOCOL = Explains(("SVC015",), "subject")
"""What the pods declare, where the port was measured too."""

WRONG_PORT = Code(
    id="SVR003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Port or protocol on which nothing listens",
    message="Every endpoint of Service {namespace}/{name} refuses connections to TCP port {port}; its pods declare {declared}",
    fix="Change the Service's targetPort, and its protocol where that differs, to what the application listens on.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
    explains=(OTHER_PROTOCOL,),
)
NOT_LISTENING = Code(
    id="SVR004",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Nothing listens behind a Service",
    message="Every endpoint of Service {namespace}/{name} refuses connections to port {port}; its pods declare {declared}",
    fix="Make the application listen on that port, and on all addresses (0.0.0.0 or ::), not on 127.0.0.1 only. The commands "
    "show its log and what it listens on.",
    commands=("kubectl -n {namespace} logs {first} --tail=20", "kubectl -n {namespace} exec {first} -- cat /proc/net/tcp"),
    rows=("K4",),
    explains=(OTHER_PROTOCOL,),
)
ONE_PORT = Code(
    id="SVR012",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Nothing listens on one port of a Service that otherwise works",
    message="Every endpoint of Service {namespace}/{name} refuses connections to port {port} and accepts them on another port; "
    "its pods declare {declared}",
    fix="Remove the port from the Service if the application is not to serve it. Otherwise find out why the application does not "
    "listen there.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} logs {first} --tail=20"),
    rows=("K3", "K4"),
)


def plan(cluster: Cluster, target: Target) -> list[Connect]:
    """Connect to what the first pod behind a port declares over TCP, where it does not declare that port.

    One of those may be meant. Ports for metrics and probes are left out.
    """
    end = target.endpoints[0]
    pod = cluster.get(POD, target.service.namespace, end.pod) if end.pod and cluster.readable(POD) else None
    declared = [port for port in pod.spec.ports() if port.protocol == "TCP"] if pod and not end.may_refuse else []
    if any(port.container_port == end.address.port for port in declared):
        return []
    numbers = sorted({port.container_port for port in declared if not OPERATIONAL.search(port.name)})
    return [Connect(cluster.vantages[0], Address(end.address.ip, number)) for number in numbers[:MOST_DECLARED]]


def refused_by_all(facts: Facts, row: MeasuredPort, nodes: list[str], rejecting: bool) -> frozenset[Address]:
    """Return the endpoints of a port if all of them refuse, and no policy explains it; nothing otherwise.

    ``rejecting``: whether the cluster's policy engine may refuse connections that it stops.
    """
    strict = [endpoint for endpoint in row.refusing() if not endpoint.may_refuse]
    if not strict or len(strict) < len(row.direct) or (rejecting and _rejected(facts, strict, nodes)):
        return frozenset()
    return frozenset(endpoint.address for endpoint in strict)


def _rejected(facts: Facts, refusing: list[TargetEndpoint], nodes: list[str]) -> bool:
    """Whether policies forbid all of these connections, or can't be judged at all."""
    doubts = [policies.policy_block(facts, node, end.address.ip, end.address.port) for end in refusing for node in nodes]
    return all(doubt and (doubt.certain or doubt.unreadable) for doubt in doubts)


def analyse(facts: Facts, rows: list[MeasuredPort], answering: set[tuple[str, str]]) -> Finding:
    """Return one finding for all ports whose endpoints are the same and refuse.

    ``answering``: Services (namespace, name) that accept on another port, so that perhaps nobody uses this one.
    """
    row = next((row for row in rows if row.key not in answering), rows[0])
    first, declared = next(iter(row.direct)), _declared(facts, row)
    shown = [str(number) if protocol == "TCP" else f"{number}/{protocol}" for number, protocol in declared]
    names = {
        "port": first.address.port,
        "services": [each.target.ref for each in rows],
        "first": first.pod,
        "declared": shown or ["no port"],
        "nodes": sorted({node for seen in row.direct.values() for node in seen}),
    }
    if all(each.key in answering for each in rows):
        return ONE_PORT.on(row.subject, names)
    if not declared or (first.address.port, "TCP") in declared:
        return NOT_LISTENING.on(row.subject, names)
    number, port = _accepting(facts, row), row.target.port
    pointer = f"/spec/ports/{row.target.service.spec.ports.index(port)}/targetPort"
    patch = patches.replace({pointer: (port.target_port or port.port, number)}) if number else ""
    look = ("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} exec {first} -- cat /proc/net/tcp")
    return WRONG_PORT.on(row.subject, names, patch=patch, commands=None if number else look)


def _accepting(facts: Facts, row: MeasuredPort) -> int:
    """The one declared port that accepted in place of the one that refuses; 0 where there is none, or more than one."""
    replies = [(request, facts.reply(request)) for request in plan(facts.cluster, row.target)]
    found = [request.to.port for request, r in replies if isinstance(r, ConnectReply) and r.outcome is Outcome.OK]
    return found[0] if len(found) == 1 else 0


def _declared(facts: Facts, row: MeasuredPort) -> list[tuple[int, str]]:
    """The ports that a Service's pods declare, each with its protocol."""
    names = {endpoint.pod for endpoint in row.direct} if facts.cluster.readable(POD) else set()
    pods = [facts.cluster.get(POD, row.subject.namespace, name) for name in names]
    return sorted({(p.container_port, p.protocol) for pod in pods if pod for c in pod.spec.containers for p in c.ports})


CODES = (WRONG_PORT, NOT_LISTENING, ONE_PORT)
