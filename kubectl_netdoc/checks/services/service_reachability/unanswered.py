# SPDX-License-Identifier: Apache-2.0
"""Endpoints that do not answer though they are ready, and ClusterIPs that do not though their endpoints do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    Address,
    Code,
    EchoReply,
    Explains,
    Facts,
    Finding,
    NodePath,
    ObjectRef,
    Outcome,
    Risk,
    Severity,
    Subject,
    Unseen,
    ip_families,
)
from kubectl_netdoc.checks.services.service_reachability.measured import MeasuredPort
from kubectl_netdoc.components import controller_manager, kube_proxy
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import CONTROLLER, TargetEndpoint, own

BAD_ENDPOINT = Code(
    id="SVR005",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A ready endpoint does not answer",
    message="Pod {namespace}/{name} is a ready endpoint of {services}, but connections to {address} from {nodes} {outcomes}",
    fix="Look at the pod's events and log. If nothing explains it, delete the pod, so that its controller creates a new one. "
    "Until then its share of the connections fails.",
    commands=("kubectl -n {namespace} describe pod {name}", "kubectl -n {namespace} delete pod {name}"),
    rows=("K2", "M3"),
)
GONE = Code(
    id="SVR008",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Endpoint of a pod that does not exist",
    message="Service {namespace}/{name} sends traffic to {address}, the endpoint of pod {pod}, which does not exist: connections "
    "from {nodes} {outcomes}. EndpointSlice {slice} still lists it as ready",
    fix="See whether kube-controller-manager runs: its endpointslice controller is behind. Only while it runs does it make a "
    "deleted EndpointSlice again.",
    commands=(controller_manager.PODS, "kubectl -n {namespace} get endpointslice {slice} -o yaml"),
    rows=("K14",),
    explains=(Explains(("NPT001",), "cluster"),),
)
DELETE_SLICE = "kubectl -n {namespace} delete endpointslice {slice}"

ONLY_DIRECT = Code(
    id="SVR006",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Endpoints answer, the ClusterIP does not",
    message="From {nodes}, connections to {address} of Service {namespace}/{name} {outcomes}, while connections to all its "
    "endpoints succeed",
    fix="Restart kube-proxy on {nodes}: it has no rule for this Service there, or a wrong one.",
    commands=(kube_proxy.RESTART,),
    rows=("K8",),
)


def endpoint_failures(
    facts: Facts, endpoint: TargetEndpoint, rows: list[MeasuredPort], rejecting: bool
) -> Iterator[Finding | Unseen]:
    """Judge an endpoint to which connections from some nodes fail; ``rows``: the Service ports that it is behind.

    ``rejecting``: whether the cluster's policy engine may refuse connections; otherwise a refusal comes from the pod.
    """
    seen, namespace = rows[0].direct[endpoint], rows[0].subject.namespace
    bad: dict[str, Outcome] = {node: outcome for node, outcome in seen.items() if outcome is not Outcome.OK}
    if not bad or endpoint.may_refuse:
        return
    stopped = [node for node, outcome in bad.items() if rejecting or outcome is not Outcome.REFUSED]
    address = endpoint.address
    doubts = {node: doubt for node in stopped if (doubt := policies.policy_block(facts, node, address.ip, address.port))}
    for reason in sorted({doubt.reason for doubt in doubts.values()}):
        nodes = sorted(node for node, doubt in doubts.items() if doubt.reason == reason)
        what = f"{namespace}/{endpoint.pod} on {address} from {', '.join(nodes)}"
        yield Unseen(what, reason, expected=not doubts[nodes[0]].certain)
    bad = {node: outcome for node, outcome in bad.items() if node not in doubts}
    if bad:
        yield _failure(facts, endpoint, rows, bad, everywhere=bad.keys() == seen.keys())


def _failure(
    facts: Facts, endpoint: TargetEndpoint, rows: list[MeasuredPort], bad: Mapping[str, Outcome], everywhere: bool
) -> Finding:
    namespace = rows[0].subject.namespace
    names = {
        "services": [row.target.ref for row in rows],
        "address": endpoint.address,
        "nodes": sorted(bad),
        "outcomes": sorted(set(bad.values())),
        "paths": sorted(NodePath(node, endpoint.node) for node in bad) if endpoint.node else [],
    }
    if not (endpoint.pod_missing and everywhere):
        return BAD_ENDPOINT.on(Subject("Pod", endpoint.pod, namespace), names)
    lines = (*GONE.commands, *((DELETE_SLICE,) if _made_anew(facts, namespace, endpoint.slice) else ()))
    objects = (ObjectRef("EndpointSlice", endpoint.slice, namespace),)
    return GONE.on(rows[0].subject, names, commands=lines, pod=endpoint.pod, slice=endpoint.slice, objects=objects)


def _made_anew(facts: Facts, namespace: str, name: str) -> bool:
    """Whether a deleted slice would be made again: by the controller, which works, as netdoc's new Service has endpoints."""
    found = facts.cluster.get(ENDPOINT_SLICE, namespace, name)
    replies = [facts.reply(own(facts.cluster, vantage.node)) for vantage in facts.vantages]
    works = any(sample.who for reply in replies if isinstance(reply, EchoReply) for sample in reply.samples)
    return works and found is not None and found.managed_by == CONTROLLER


def only_direct(row: MeasuredPort) -> Iterator[Finding]:
    """Report a ClusterIP that fails on nodes from which every endpoint of its family answers."""
    bad: dict[tuple[Address, str], Outcome] = {}
    for (ip, node), outcome in row.through.items():
        ends = [seen.get(node) for end, seen in row.direct.items() if ip_families.of(end.address.ip) == ip_families.of(ip.ip)]
        if outcome is not Outcome.OK and ends and all(end is Outcome.OK for end in ends):
            bad[ip, node] = outcome
    if bad:
        nodes = sorted({node for _, node in bad})
        addresses = sorted({ip for ip, _ in bad}, key=str)
        names = {"nodes": nodes, "first": nodes[0], "outcomes": sorted(set(bad.values())), "address": addresses}
        yield ONLY_DIRECT.on(row.subject, names)


CODES = (BAD_ENDPOINT, GONE, ONLY_DIRECT)
