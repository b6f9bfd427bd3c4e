# SPDX-License-Identifier: Apache-2.0
"""Endpoints that are no pods' own: processes on hosts, which may refuse by design, and addresses outside the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    POD,
    Cluster,
    Code,
    Facts,
    Finding,
    Outcome,
    Risk,
    Severity,
    Unseen,
    counted,
    joined,
)
from kubectl_netdoc.checks.services.service_reachability.measured import MeasuredPort
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Behind, TargetEndpoint

API = ("default", "kubernetes")
"""The Service of the API servers, which has a witness of its own."""

SLICES = "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o yaml"

LENIENT = Code(
    id="SVR010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A host's process refuses connections",
    message="Endpoint {address} of Service {namespace}/{name} refuses connections. It belongs to a process on a host, which may "
    "listen on 127.0.0.1 only, by design",
    fix="There is nothing to do unless something should answer at that address.",
)
DEAD = Code(
    id="SVR014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="What a Service leads to outside the cluster refuses all connections",
    message="Service {namespace}/{name} leads out of the cluster, to {addresses}: connections from {nodes} {outcomes}, and it "
    "has no other endpoint, so nothing there can use it",
    fix="See whether what is meant there is up, still has that address, and lets in connections from {nodes} (a firewall). If it "
    "has moved, correct the EndpointSlice or Endpoints object; if nobody needs it, delete the Service.",
    commands=(SLICES,),
    rows=("K4",),
)
SILENT = Code(
    id="SVR015",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="An endpoint that is no pod of the cluster does not answer",
    message="Endpoint {address} of Service {namespace}/{name} is {what}: connections from {nodes} {outcomes}{answered}",
    fix="If something should answer there, see whether it is up and lets in connections from {nodes}. A gateway for the way out "
    "(EgressIP, an egress gateway) may let in the application and not netdoc's pods.",
    commands=(SLICES,),
)


def judge(facts: Facts, row: MeasuredPort, answering: set[tuple[str, str]]) -> Iterator[Finding | Unseen]:
    """Report each endpoint of a port that is no pod's own and does not answer, and the port if it has no other.

    ``answering``: Services (namespace, name) that accept on some port, so that perhaps nobody uses this one.
    """
    failed = {end: bad for end, seen in row.direct.items() if end.may_refuse and (bad := _bad(seen))}
    blocked = {end: doubt for end, bad in failed.items() if (doubt := _blocked(facts, end, bad))}
    for end, doubt in blocked.items():
        yield Unseen(f"{row.target.name} on {end.address}", doubt.reason, expected=not doubt.certain)
    left = {end: bad for end, bad in failed.items() if end not in blocked}
    if (
        left
        and left.keys() == row.direct.keys()
        and row.target.whole
        and row.key not in {*answering, API}
        and _all_outside(left, row)
    ):
        nodes = sorted({node for bad in left.values() for node in bad})
        outcomes = sorted({outcome for bad in left.values() for outcome in bad.values()})
        yield DEAD.on(row.subject, addresses=[end.address for end in left], nodes=nodes, outcomes=outcomes)
        return
    for end, bad in left.items():
        yield _one(facts.cluster, row, end, bad)


def _bad(seen: dict[str, Outcome]) -> dict[str, Outcome]:
    return {node: outcome for node, outcome in seen.items() if outcome is not Outcome.OK}


def _blocked(facts: Facts, end: TargetEndpoint, bad: dict[str, Outcome]) -> policies.PolicyBlock | None:
    """Return the policy that may have stopped netdoc's own connections to an endpoint."""
    doubts = (policies.policy_block(facts, node, end.address.ip, end.address.port) for node in bad)
    return next(filter(None, doubts), None)


def _all_outside(left: dict[TargetEndpoint, dict[str, Outcome]], row: MeasuredPort) -> bool:
    """Tell whether somebody wrote all of these addresses for what is outside the cluster, and all refuse every node.

    Silence is no proof: a firewall out there, or a gateway for the way out, may let in the application and not netdoc's pods.
    """
    return all(
        end.behind is Behind.OUTSIDE and set(bad.values()) == {Outcome.REFUSED} and bad.keys() == row.direct[end].keys()
        for end, bad in left.items()
    )


def _one(cluster: Cluster, row: MeasuredPort, end: TargetEndpoint, bad: dict[str, Outcome]) -> Finding | Unseen:
    outcomes = sorted(set(bad.values()))
    if end.behind is Behind.UNKNOWN:
        unread = "Pods" if cluster.unreadable(POD) else "Nodes"
        why = f"connections {joined(map(str, outcomes))}; whether a pod, a host or something else should answer is not known: "
        return Unseen(f"{row.target.name} on {end.address}", f"{why}{unread} can't be read", expected=True)
    if end.behind is Behind.HOST and outcomes == [Outcome.REFUSED] and bad.keys() == row.direct[end].keys():
        return LENIENT.on(row.subject, address=end.address)
    good = len(row.direct[end]) - len(bad)
    answered = f", those from {counted(good, 'other node')} succeed" if good else ""
    numbers = {"address": end.address, "what": end.behind, "nodes": sorted(bad), "outcomes": outcomes, "answered": answered}
    return SILENT.on(row.subject, numbers)


CODES = (LENIENT, DEAD, SILENT)
