# SPDX-License-Identifier: Apache-2.0
"""Does each Service answer from every node?

## What it looks at
From each debug pod: a TCP connection to each Service port by its ClusterIP, and to its ready endpoints directly, opened and
closed again. Whether kube-proxy (or what replaces it) works is shown by a Service of netdoc's own, behind which every pod
proves who it is, and by the certificate of `kubernetes.default`. Two controls must not accept: a Service without endpoints,
and a port on which nothing listens. With `--node-checks`, some of the Services also from each node's own network, which other
rules and routes meet than its pods. With `--privileged`, the rules that kube-proxy has written on each node: where they are all
there, a Service that fails is not kube-proxy's doing.

## Why it matters
The endpoint refuses, or the ClusterIP does not work, or only one node can't use it: these are three faults for three people,
and the application's error is the same.

## What it can't see
An accepted connection proves that something accepts, and not what: meshes and proxies accept everything. UDP Services other
than DNS. Where a policy selects the pods behind a Service, a time-out may be the policy's doing, so the state is unknown; a
refusal only where the network's policy engine may refuse. At most 60 ports with 4 endpoints each. Where pods declare other
ports than the Service sends to, those are tried too. Whether something outside the cluster is down on purpose, or lets in others
than netdoc: a Service of which all refuses is a warning, silence a remark.

## Sources
Kubernetes: Virtual IPs and Service Proxies; failure catalogue K2 to K4, K8 and the table "From a probe matrix to a cause".
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    NETWORK_KINDS,
    POD,
    ROOT_CERTIFICATE,
    SERVICE,
    Address,
    Check,
    Cluster,
    Facts,
    Finding,
    Made,
    Needs,
    Outcome,
    Request,
    Skip,
    Tier,
    Unseen,
    counted,
    some,
)
from kubectl_netdoc.checks.services.service_reachability import beyond, from_hosts, own_service, refusals, unanswered, witnesses
from kubectl_netdoc.checks.services.service_reachability.measured import MeasuredPort
from kubectl_netdoc.components import cluster_dns, service_mesh
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes import rules_seen
from kubectl_netdoc.probes.service_targets import TargetEndpoint, all_targets, may_reject, own, proofs, targets

SHOWN = 3
"""Names that a remark gives at most."""


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask from each vantage: netdoc's own pods and the witnesses, then each Service port and its endpoints."""
    yield from rules_seen.plan(cluster)
    for node in cluster.vantages:
        yield own(cluster, node)
        yield from witnesses.plan(cluster, node)
        yield from proofs(cluster, node)
        yield from from_hosts.plan(cluster, node)
        if cluster.readable(ENDPOINT_SLICE):
            for target in targets(cluster):
                yield from target.through(node)
                yield from (connect for _, connect in target.direct(node))
                yield from refusals.plan(cluster, target) if node == cluster.vantages[0] else ()


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge kube-proxy on each node, then each Service."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    nodes = facts.heard
    for vantage in facts.vantages:
        if not vantage.heard:
            yield Unseen(f"Services from node {vantage.node}", vantage.why_silent, expected=True)
    if nodes and (why := policies.why_isolated(facts)):
        yield Unseen("Services", why, expected=True)
        return
    rules = rules_seen.RulesSeen(facts)
    yield from own_service.analyse(facts, nodes, rules)
    yield from witnesses.analyse(facts, nodes)
    if facts.cluster.readable(ENDPOINT_SLICE):
        rows = [MeasuredPort(facts, target, nodes) for target in targets(facts.cluster)]
        yield from _not_measured(facts, rows)
        yield from _services(facts, rows, nodes, rules)
        yield from from_hosts.analyse(facts, rows, nodes)


def _not_measured(facts: Facts, rows: list[MeasuredPort]) -> Iterator[Unseen]:
    """Say which ports were not measured, and which measurements say little or failed."""
    if (every := len(all_targets(facts.cluster))) > len(rows):
        reason = f"{len(rows)} of {every} Service ports were measured, as a sample (--service and -n choose)"
        yield Unseen("Services", reason)
    if other := _not_tcp(facts.cluster):
        what = counted(len(other), "UDP or SCTP port of a Service", "UDP and SCTP ports of Services")
        yield Unseen(what, f"netdoc sends nothing to such ports: {some(other, SHOWN)}")
    yield from _behind_proxies(facts, rows)
    if lost := sorted({reason for row in rows for reason in row.lost}):
        yield Unseen("Services", "; ".join(lost), expected=True)


def _not_tcp(cluster: Cluster) -> list[str]:
    """Ports of Services that a connection can't try; those of DNS have checks of their own."""
    return [
        f"{service.namespace}/{service.name}:{port.port}/{port.protocol}"
        for service in cluster.services()
        if service.spec.type != "ExternalName"
        for port in service.spec.ports
        if port.protocol != "TCP" and port.port != cluster_dns.PORT
    ]


def _behind_proxies(facts: Facts, rows: list[MeasuredPort]) -> Iterator[Unseen]:
    """Endpoints that accepted, where a mesh's proxy accepts connections whether the application does or not."""
    if not facts.cluster.readable(POD):
        return
    mesh, found = service_mesh.Meshes(facts.cluster), dict[str, dict[str, None]]()
    for row in rows:
        for endpoint, seen in row.direct.items():
            pod = facts.cluster.get(POD, row.subject.namespace, endpoint.pod) if Outcome.OK in seen.values() else None
            if pod is not None and (proxy := mesh.proxy(pod)):
                found.setdefault(proxy, {})[f"{pod.namespace}/{pod.name}"] = None
    for proxy, pods in found.items():
        why = f"a proxy ({proxy}) accepts connections for them, whether they listen or not: {some(pods, SHOWN)}"
        yield Unseen(f"the applications in {counted(len(pods), 'pod')}", why)


def _services(
    facts: Facts, rows: list[MeasuredPort], nodes: list[str], rules: rules_seen.RulesSeen
) -> Iterator[Finding | Unseen]:
    """Judge each Service port: all its endpoints refuse, or some endpoint fails, or only its ClusterIP does."""
    rejecting = may_reject(facts.cluster)
    answering = {row.key for row in rows if row.answers()}
    refused: dict[frozenset[Address], list[MeasuredPort]] = {}
    others: dict[tuple[str, str, Address], list[tuple[MeasuredPort, TargetEndpoint]]] = {}
    for row in rows:
        if addresses := refusals.refused_by_all(facts, row, nodes, rejecting):
            refused.setdefault(addresses, []).append(row)
            continue
        for endpoint in (end for end in row.direct if not end.may_refuse):
            others.setdefault((row.subject.namespace, endpoint.pod, endpoint.address), []).append((row, endpoint))
        yield from beyond.judge(facts, row, answering)
        yield from unanswered.only_direct(row, rules)
    for same in refused.values():
        yield refusals.analyse(facts, same, answering)
    failing: list[unanswered.Ends] = []
    for ends in others.values():
        for said in unanswered.failing(facts, ends[0][1], [row for row, _ in ends], rejecting):
            if isinstance(said, Unseen):
                yield said
            else:
                failing.append(said)
    yield from unanswered.judge(facts, failing)


check = Check(
    id="service_reachability",
    title="Services answer from every node",
    prefix="SVR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE, ROOT_CERTIFICATE),
        hints=tuple(dict.fromkeys((*policies.KINDS, *service_mesh.KINDS, DAEMON_SET, *NETWORK_KINDS))),
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(*own_service.CODES, *refusals.CODES, *beyond.CODES, *unanswered.CODES, *from_hosts.CODES, *witnesses.CODES),
    plan=plan,
    analyse=analyse,
)
