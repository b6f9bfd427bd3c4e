# SPDX-License-Identifier: Apache-2.0
"""Ingress controllers whose Service does not answer."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    INGRESS,
    POD,
    SERVICE,
    Cluster,
    Code,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Outcome,
    Request,
    Risk,
    Severity,
    Subject,
    Unseen,
    once,
)
from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.components.ingress_controllers import Controller
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Target, all_targets, may_reject

MOST = 4
"""Ports of controllers' Services that are connected to at most."""

NO_ANSWER = Code(
    id="INC003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="An ingress controller does not answer",
    message="Service {namespace}/{name} of {controller} does not answer: connections to {address} from {nodes} {outcomes}",
    fix="See whether the controller listens, and read its log. Until it answers, everything that comes in through it fails.",
    commands=("kubectl -n {namespace} describe service {name}", "kubectl -n {namespace} logs {first} --tail=20"),
    explains=(Explains(("SVR003", "SVR004", "SVR006", "SVR012"), "subject"),),
    tells="failure",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Connect to the controllers' Services, as other checks do."""
    for node in cluster.vantages:
        for _, target in _entrances(cluster):
            yield from target.through(node)


@once
def _entrances(cluster: Cluster) -> list[tuple[Controller, Target]]:
    """The controllers that Ingresses use, with the ports of their Services that are for requests."""
    if not all(cluster.readable(kind) for kind in (INGRESS, SERVICE, POD, ENDPOINT_SLICE)):
        return []
    used = {route.controller.name: route.controller for route in ingress_controllers.ingresses(cluster) if route.controller}
    owned: dict[tuple[str, str], Controller] = {}
    for controller in used.values():
        found = ingress_controllers.services_of(cluster, controller.pods(cluster)) if controller.inside else []
        owned |= {(service.namespace, service.name): controller for service in found}
    entrances = [
        (owned[target.service.namespace, target.service.name], target)
        for target in (all_targets(cluster) if owned else ())
        if (target.service.namespace, target.service.name) in owned
        and ingress_controllers.serves(target.port.name, target.port.port)
    ]
    return entrances[:MOST]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report Services that no node gets an answer from; where some node does, other checks report why others don't."""
    entrances = _entrances(facts.cluster)
    nodes = facts.heard
    what = "whether ingress controllers answer"
    if entrances and not nodes:
        yield Unseen(what, facts.why_unmeasured or "no debug pod ran")
        return
    if entrances and (why := policies.why_isolated(facts)):
        yield Unseen(what, why, expected=True)
        return
    for controller, target in entrances:
        requests = [request for node in nodes for request in target.through(node)]
        replies = [(request, reply) for request in requests if isinstance(reply := facts.reply(request), ConnectReply)]
        lost = sorted({reply.reason for request in requests if isinstance(reply := facts.reply(request), Lost)})
        if requests and not replies:
            yield Unseen(f"Service {target.name}", "; ".join(lost), expected=True)
        elif replies and not any(reply.outcome is Outcome.OK for _, reply in replies):
            yield from _no_answer(facts, controller, target, [(request.node, reply.outcome) for request, reply in replies])


def _no_answer(
    facts: Facts, controller: Controller, target: Target, failed: list[tuple[str, Outcome]]
) -> Iterator[Finding | Unseen]:
    """Report a Service that does not answer, unless a policy keeps netdoc's pods from it."""
    for node, outcome in failed:
        for endpoint in target.endpoints if outcome is not Outcome.REFUSED or may_reject(facts.cluster) else ():
            if doubt := policies.policy_block(facts, node, endpoint.address.ip, endpoint.address.port):
                yield Unseen(f"Service {target.name}", doubt.reason, expected=not doubt.certain)
                return
    yield NO_ANSWER.on(
        Subject.of("Service", target.service),
        controller=controller.name,
        address=target.cluster_ips[0] if target.cluster_ips else target.name,
        outcomes=sorted({outcome for _, outcome in failed}),
        nodes=sorted({node for node, _ in failed}),
        first=target.endpoints[0].pod,
    )


CODES = (NO_ANSWER,)
