# SPDX-License-Identifier: Apache-2.0
"""Services as the nodes' own networks reach them: a node's own packets meet other rules and routes than those of its pods."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    Address,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    ObjectRef,
    Outcome,
    Risk,
    Severity,
    Subject,
    evenly,
    ip_families,
    on_node,
    some,
)
from kubectl_netdoc.checks.services.service_reachability.measured import MeasuredPort
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Behind, Target, targets

MOST = 12
"""Service ports that each node connects to from its own network at most."""

SHOWN = 3
"""Services and addresses that a sentence names at most."""

LOOK = (
    "kubectl netdoc check --privileged",
    on_node("{name}", "ip route get {first}"),
    on_node("{name}", "ip rule show"),
    on_node("{name}", "iptables -S OUTPUT"),
)
FIX = (
    "Leave kube-proxy and the Services alone, as pods on {name} reach them. Look there for what meets only the node's own "
    "packets: a rule in a chain of OUTPUT, a route, or a policy route. The first command reads the nodes."
)
NONE_FROM_HOST = Code(
    id="SVR016",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A node itself reaches no Service, its pods do",
    message="From the own network of node {name}, connections to {services} ({addresses}) {outcomes}, while those of pods there "
    "succeed. So no Service works for the pods there with hostNetwork, network agents among them, and for the node's processes",
    fix=FIX,
    commands=LOOK,
    rows=("K8",),
    explains=(Explains(("CNI002", "CNI004"), "node"),),
    tells="failure",
)
SOME_FROM_HOST = Code(
    id="SVR017",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A node itself does not reach some Services, its pods do",
    message="From the own network of node {name}, connections to {services} ({addresses}) {outcomes}, while those of pods there, "
    "and those to other Services, succeed. So they fail for the pods there with hostNetwork and for the node's processes",
    fix=FIX,
    commands=LOOK,
    rows=("K8",),
    tells="failure",
)


class _Host(Struct):
    """What a node got: the Services that failed though its pods reach them, with the outcomes, and whether any answered."""

    failed: dict[Address, tuple[Target, Outcome]]
    answered: bool = False


def plan(cluster: Cluster, node: str) -> Iterator[Connect]:
    """Connect from a node's own network to what its pod connects to, where netdoc runs in that network."""
    for target in _asked(cluster) if node in cluster.hosts else ():
        yield from _of(target, node)


def _asked(cluster: Cluster) -> list[Target]:
    """The Service ports to try: where there are policies only those that lead to hosts, which policies of pods don't select."""
    if not cluster.readable(ENDPOINT_SLICE):
        return []
    found = targets(cluster)
    if policies.any_policy(cluster):
        found = [each for each in found if all(endpoint.behind is Behind.HOST for endpoint in each.endpoints)]
    return evenly(found, MOST)


def _of(target: Target, node: str) -> list[Connect]:
    return [msgspec.structs.replace(connect, host=True) for connect in target.through(node)]


def analyse(facts: Facts, rows: list[MeasuredPort], nodes: list[str]) -> Iterator[Finding]:
    """Report nodes that do not reach Services which their own pods reach."""
    asked = {target.name for target in _asked(facts.cluster)}
    mine = [row for row in rows if row.target.name in asked]
    found = {node: _host(facts, mine, node) for node in nodes if node in facts.cluster.hosts}
    if not any(host.answered for host in found.values()) and _may_serve_pods_alone(facts.cluster):
        return
    for node, host in sorted(found.items()):
        if host.failed:
            yield _finding(node, host)


def _may_serve_pods_alone(cluster: Cluster) -> bool:
    """Whether something else than kube-proxy serves Services, or may."""
    ways = (kube_proxy.replaced_by, kube_proxy.replaced_for_pods_by, kube_proxy.replacement_unknown)
    return any(way(cluster) for way in ways)


def _host(facts: Facts, rows: list[MeasuredPort], node: str) -> _Host:
    host = _Host({})
    for row in rows:
        for connect in _of(row.target, node):
            own = facts.reply(connect)
            if not isinstance(own, ConnectReply):
                continue
            host.answered |= own.outcome is Outcome.OK
            if own.outcome is not Outcome.OK and _works_for_pods(row, connect):
                host.failed[connect.to] = (row.target, own.outcome)
    return host


def _works_for_pods(row: MeasuredPort, connect: Connect) -> bool:
    """Whether a pod of the node reaches an address of a Service and each endpoint: one that fails is met by chance alone."""
    through = row.through.get((connect.to, connect.node))
    return through is Outcome.OK and row.reaches_all(connect.node, ip_families.of(connect.to.ip))


def _finding(node: str, host: _Host) -> Finding:
    refs: dict[str, ObjectRef] = {target.name: target.ref for target, _ in host.failed.values()}
    numbers = {
        "services": some(sorted(refs), SHOWN),
        "addresses": some([str(address) for address in host.failed], SHOWN),
        "first": next(iter(host.failed)).ip,
        "outcomes": sorted({outcome for _, outcome in host.failed.values()}),
        "nodes": [node],
    }
    code = SOME_FROM_HOST if host.answered else NONE_FROM_HOST
    return code.on(Subject("Node", node), numbers, objects=refs.values())


CODES = (NONE_FROM_HOST, SOME_FROM_HOST)
