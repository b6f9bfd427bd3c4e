# SPDX-License-Identifier: Apache-2.0
"""Endpoints that do not answer though they are ready, and ClusterIPs that do not though their endpoints do."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

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
    joined,
    on_node,
    some,
)
from kubectl_netdoc.checks.services.service_reachability.measured import MeasuredPort
from kubectl_netdoc.components import controller_manager, kube_proxy
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes import rules_seen
from kubectl_netdoc.probes.service_targets import CONTROLLER, TargetEndpoint, own, proof

SHOWN = 4
"""Pods and addresses that a sentence names at most."""

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
    tells="failure",
)
FROM_ONE_NODE = Code(
    id="SVR013",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Pods answer other nodes, and not this one",
    message="From node {name}, connections to {addresses} {outcomes} (pod {pods}, behind {services}). It answers {answered}, "
    "so something between {name} and the pod takes the packets",
    fix="Leave the pod alone. Look on {name}{ends}, for what treats these packets differently: a firewall rule, a route, or a "
    "wrong neighbour entry for the address. The first command reads the nodes.",
    commands=(
        "kubectl netdoc check --privileged",
        on_node("{name}", "ip route get {first}"),
        on_node("{name}", "iptables -t raw -S"),
        on_node("{name}", "iptables -S"),
    ),
    rows=("M3",),
    tells="failure",
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
    "endpoints succeed{cause}",
    fix="Read the rules on {nodes} first, as the first command does. If one for this Service is missing there, restart "
    "kube-proxy. If none is, something else on {nodes} drops or changes these packets: look for a firewall rule that other nodes "
    "don't have.",
    commands=(rules_seen.LOOK, kube_proxy.LOGS, kube_proxy.RESTART),
    rows=("K8",),
    tells="failure",
)


class Ends(Struct, frozen=True):
    """An endpoint to which connections from some nodes fail, and the Service ports that it is behind.

    ``bad``: what became of the connections that failed and that no policy may have stopped. ``good``: nodes that it answers.
    """

    endpoint: TargetEndpoint
    rows: tuple[MeasuredPort, ...]
    bad: dict[str, Outcome]
    good: frozenset[str]

    @property
    def pod(self) -> Subject:
        """The pod behind it."""
        return Subject("Pod", self.endpoint.pod, self.rows[0].subject.namespace)

    def answers_elsewhere(self, facts: Facts) -> bool:
        """Whether the pod answers other nodes, so that it is well, and the way from the nodes that get no answer is not.

        A pod that answers on its own node alone may have lost its routes: so it is if that node is reached otherwise.
        """
        own = self.endpoint.node
        if self.good - {own}:
            return True
        return bool(self.good) and len(self.bad) == 1 and not any(_reached(facts, node, own) for node in self.bad)


def _reached(facts: Facts, node: str, other: str) -> bool:
    """Whether netdoc's pod on another node answered, so that only the pod's own part of the way is left."""
    reply = facts.reply(proof(node, other))
    return isinstance(reply, EchoReply) and any(sample.who for sample in reply.samples)


def failing(facts: Facts, endpoint: TargetEndpoint, rows: list[MeasuredPort], rejecting: bool) -> Iterator[Ends | Unseen]:
    """Yield an endpoint to which connections from some nodes fail, and what policies may have done.

    ``rows``: the Service ports that it is behind. ``rejecting``: whether the cluster's policy engine may refuse connections;
    otherwise a refusal comes from the pod.
    """
    seen, namespace = rows[0].direct[endpoint], rows[0].subject.namespace
    bad: dict[str, Outcome] = {node: outcome for node, outcome in seen.items() if outcome is not Outcome.OK}
    if not bad:
        return
    stopped = [node for node, outcome in bad.items() if rejecting or outcome is not Outcome.REFUSED]
    address = endpoint.address
    doubts = {node: doubt for node in stopped if (doubt := policies.policy_block(facts, node, address.ip, address.port))}
    for reason in sorted({doubt.reason for doubt in doubts.values()}):
        nodes = sorted(node for node, doubt in doubts.items() if doubt.reason == reason)
        what = f"{namespace}/{endpoint.pod} on {address} from {', '.join(nodes)}"
        yield Unseen(what, reason, expected=not doubts[nodes[0]].certain)
    left = {node: outcome for node, outcome in bad.items() if node not in doubts}
    if left:
        yield Ends(endpoint, tuple(rows), left, frozenset(seen) - frozenset(bad))


def judge(facts: Facts, ends: list[Ends]) -> Iterator[Finding]:
    """Report the pods that fail, then the nodes from which pods fail that answer others."""
    from_node: dict[str, list[Ends]] = {}
    for each in ends:
        if each.answers_elsewhere(facts):
            for node in each.bad:
                from_node.setdefault(node, []).append(each)
        else:
            yield _failure(facts, each)
    for node, found in sorted(from_node.items()):
        yield _from_one_node(node, found)


def _from_one_node(node: str, found: list[Ends]) -> Finding:
    pods = [each.pod for each in found]
    on = sorted({each.endpoint.node for each in found if each.endpoint.node})
    names = {
        "addresses": some([str(each.endpoint.address) for each in found], SHOWN),
        "first": found[0].endpoint.address.ip,
        "outcomes": sorted({each.bad[node] for each in found}),
        "pods": some(sorted({f"{pod.namespace}/{pod.name}" for pod in pods}), SHOWN),
        "services": sorted({str(row.target.ref): row.target.ref for each in found for row in each.rows}.values()),
        "answered": sorted(frozenset.union(*(each.good for each in found))),
        "ends": "" if on == [node] else f", then on {joined(each for each in on if each != node) or 'the nodes of these pods'}",
        "paths": [NodePath(node, other) for other in on],
    }
    return FROM_ONE_NODE.on(Subject("Node", node), names, nodes=[node], objects=pods[:SHOWN])


def _failure(facts: Facts, ends: Ends) -> Finding:
    endpoint, bad, namespace = ends.endpoint, ends.bad, ends.pod.namespace
    names = {
        "services": [row.target.ref for row in ends.rows],
        "address": endpoint.address,
        "nodes": sorted(bad),
        "outcomes": sorted(set(bad.values())),
        "paths": sorted(NodePath(node, endpoint.node) for node in bad) if endpoint.node else [],
    }
    if not endpoint.pod_missing or bad.keys() != ends.rows[0].direct[endpoint].keys():
        return BAD_ENDPOINT.on(ends.pod, names)
    lines = (*GONE.commands, *((DELETE_SLICE,) if _made_anew(facts, namespace, endpoint.slice) else ()))
    objects = (ObjectRef("EndpointSlice", endpoint.slice, namespace),)
    return GONE.on(ends.rows[0].subject, names, commands=lines, pod=endpoint.pod, slice=endpoint.slice, objects=objects)


def _made_anew(facts: Facts, namespace: str, name: str) -> bool:
    """Whether a deleted slice would be made again: by the controller, which works, as netdoc's new Service has endpoints."""
    found = facts.cluster.get(ENDPOINT_SLICE, namespace, name)
    replies = [facts.reply(own(facts.cluster, vantage.node)) for vantage in facts.vantages]
    works = any(sample.who for reply in replies if isinstance(reply, EchoReply) for sample in reply.samples)
    return works and found is not None and found.managed_by == CONTROLLER


def only_direct(row: MeasuredPort, rules: rules_seen.RulesSeen) -> Iterator[Finding]:
    """Report a ClusterIP that fails on nodes from which every endpoint of its family answers."""
    bad: dict[tuple[Address, str], Outcome] = {
        (ip, node): outcome
        for (ip, node), outcome in row.through.items()
        if outcome is not Outcome.OK and row.reaches_all(node, ip_families.of(ip.ip))
    }
    if bad:
        nodes = sorted({node for _, node in bad})
        addresses = sorted({ip for ip, _ in bad}, key=str)
        standing = rules.of(nodes, (f"tcp {endpoint.address}" for endpoint in row.direct), f"tcp {addresses[0]}")
        names = {"outcomes": sorted(set(bad.values())), "address": addresses}
        yield rules_seen.found(ONLY_DIRECT, row.subject, standing, nodes, names)


CODES = (BAD_ENDPOINT, FROM_ONE_NODE, GONE, ONLY_DIRECT)
