# SPDX-License-Identifier: Apache-2.0
"""What the cluster's policies do to netdoc's own pods: a debug pod is not the application, and may be isolated itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.once import once
from kubectl_netdoc.formats.addresses import ip_address
from kubectl_netdoc.measurements.canary import Canary, CanaryReply
from kubectl_netdoc.measurements.connect import EchoReply
from kubectl_netdoc.policy import enforcers, ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.verdict import End, addresses
from kubectl_netdoc.probes.service_targets import proofs, twin
from kubectl_netdoc.records.base import Kind, Object
from kubectl_netdoc.records.cni import NETWORK_KINDS
from kubectl_netdoc.records.kinds import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    NAMESPACE,
    NATIVE_POLICIES,
    NETWORK_POLICY,
    NODE,
    POD,
    POLICIES,
    POLICY_AIDS,
)

KINDS: tuple[Kind[Any], ...] = (POD, NAMESPACE, NODE, *POLICIES, *POLICY_AIDS, DAEMON_SET, *NETWORK_KINDS)
"""The kinds that are read to tell a policy's effect from a fault."""

LABELS = {"app.kubernetes.io/managed-by": "kubectl-netdoc", "netdoc/role": "echo"}

BETWEEN = "connections between netdoc's own pods"


class PolicyBlock(Struct, frozen=True):
    """A policy that may be the reason why a debug pod times out. ``certain``: a policy forbids it, as written.

    ``unreadable``: no policy could be judged, because a list that is needed can't be read.
    """

    reason: str
    certain: bool
    unreadable: bool = False


@once
def engine(cluster: Cluster) -> Engine:
    """Return the policies, compiled for questions about netdoc's pods; raises ``KindUnavailable``."""
    for kind in KINDS:
        cluster.listing(kind)
    return Engine(cluster.view(KINDS), unlisted_pods=((cluster.own_namespace, LABELS),), templates=False)


def end(policies: Engine, node: str = "", ips: Iterable[str] = ()) -> End:
    """Return a debug pod as an end; ``ips``: its addresses, if they are known."""
    label = f"netdoc's debug pod on {node}" if node else "netdoc's debug pod"
    known = policies.unknown_pod(label, policies.cluster.own_namespace, LABELS, node)
    return replace(known, addresses=addresses(ips))


def _ips(facts: Facts, node: str) -> tuple[str, ...]:
    """Return the addresses of the debug pod on a node; none if they are not known."""
    return next(((vantage.ip, *vantage.more_ips) for vantage in facts.vantages if vantage.node == node), ())


def any_policy(cluster: Cluster) -> bool:
    """Tell whether there is a policy of any kind, or a list of policies that can't be read."""
    kinds: tuple[Kind[Any], ...] = POLICIES
    return any(cluster.unreadable(kind) or (cluster.readable(kind) and bool(cluster.all(kind))) for kind in kinds)


def why_servers_unknown(cluster: Cluster) -> str:
    """Return why it is not known whether policies block debug pods from the DNS servers, or "". Reads ENDPOINT_SLICE."""
    if cluster.readable(ENDPOINT_SLICE) or not any_policy(cluster):
        return ""
    return "EndpointSlices can't be read, so a policy may be blocking debug pods from the endpoints of the Service"


def policy_block(facts: Facts, node: str, address: str, port: int, protocol: str = "TCP") -> PolicyBlock | None:
    """Return the policy that may keep a debug pod on ``node`` from reaching a port; None if no policy does.

    Policies that the canary saw not enforced, on the debug pod's node or the other end's, don't count.
    """
    cluster = facts.cluster
    if not any_policy(cluster):
        return None
    for kind in (NETWORK_POLICY, POD):
        if not cluster.readable(kind):
            return PolicyBlock(f"{kind.plural} can't be read", certain=False, unreadable=True)
    policies = engine(cluster)
    other = policies.address(address)
    family = ip_address(address).version
    verdict = policies.verdict(end(policies, node, _ips(facts, node)), other, ports.of(protocol, port), family)
    if not verdict.allowed and not verdict.depends:
        idle = enforced(facts, node, "Egress") is False if not verdict.egress.allowed else False
        idle = idle or (not verdict.ingress.allowed and enforced(facts, other.node, "Ingress") is False)
        return None if idle else PolicyBlock(f"blocked by {', '.join(map(str, verdict.by))}, as written", certain=True)
    maybe = (*verdict.depends, *verdict.incomplete)
    return PolicyBlock(f"may be forbidden: {', '.join(maybe[:3])}", certain=False) if maybe else None


@once
def policies_isolating_debug_pods(cluster: Cluster) -> str:
    """Return that policies forbid connections between netdoc's own pods, or may, and which; "" if none does.

    Policies that can't be read may.
    """
    if not any_policy(cluster):
        return ""
    native = [f"{kind.name} {item.name}" for kind in NATIVE_POLICIES for item in _cluster_wide(cluster, kind)]
    if cluster.readable(POD) and cluster.readable(NETWORK_POLICY):
        policies = engine(cluster)
        first, doubts = {"IPv4": 4, "IPv6": 6}, dict[str, None]()
        for family in [first[name] for name in ip_families.of_pods(cluster)[:1]] or [4, 6]:
            verdict = policies.verdict(end(policies), end(policies), ports.every("TCP"), family)
            doubted = [text for text in verdict.incomplete if text not in policies.native]
            if not verdict.allowed and not doubted:
                maybe = ", as written" if not verdict.depends else ", as some networks read it"
                return f"{', '.join(map(str, verdict.by))} forbids {BETWEEN}{maybe}"
            doubts |= dict.fromkeys(doubted)
        native = [*(str(ref) for ref in policies.native_refs if not ref.namespace), *doubts]
    if native:
        return f"{', '.join(native)} may forbid {BETWEEN}"
    hidden = [kind.plural for kind in (POD, *POLICIES) if cluster.unreadable(kind)]
    return f"policies may forbid {BETWEEN}: {', '.join(hidden)} can't be read" if hidden else ""


def _cluster_wide(cluster: Cluster, kind: Kind[Any]) -> Iterable[Object]:
    return cluster.all(kind) if not kind.namespaced and cluster.readable(kind) else ()


def why_isolated(facts: Facts) -> str:
    """Return ``policies_isolating_debug_pods`` if no two of netdoc's pods reached each other, even on one node; else ""."""
    requests = [each for node in facts.targets for each in (*proofs(facts.cluster, node), twin(node))]
    replies = [reply for request in requests if isinstance(reply := facts.reply(request), EchoReply)]
    came = any(sample.who for reply in replies for sample in reply.samples)
    return "" if came else policies_isolating_debug_pods(facts.cluster)


def canaries(cluster: Cluster) -> Iterator[Canary]:
    """Yield one canary for each node with a debug pod, each with another node as its counterpart."""
    nodes = cluster.vantages
    for number, node in enumerate(nodes):
        following = nodes[(number + 1) % len(nodes)]
        yield Canary(node, following if following != node else "")


def enforced(facts: Facts, node: str, direction: str) -> bool | None:
    """Tell whether the canary saw policies of a direction enforced on a node; None if no canary ran there."""
    for request in canaries(facts.cluster):
        reply = facts.reply(request)
        if request.node == node and isinstance(reply, CanaryReply):
            stopped = [trial.stopped >= 0 for trial in reply.trials if trial.before and trial.direction == direction]
            return any(stopped) if stopped else None
    return None


def idle(facts: Facts, nodes: Iterable[str], direction: str) -> str:
    """Return what shows that policies of a direction are not enforced on these nodes; "" if nothing shows that."""
    if enforcers.idle(facts.cluster):
        return "the pod network enforces no policy"
    seen = [enforced(facts, node, direction) for node in sorted(set(nodes) & set(facts.cluster.vantages))]
    return "netdoc's own policy was not enforced either" if False in seen and True not in seen else ""
