# SPDX-License-Identifier: Apache-2.0
"""Policies that don't do what they seem to: they select nothing, allow nobody, name things that don't exist, or repeat a rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.policy import fixes, ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.redundant_rules import superfluous
from kubectl_netdoc.policy.rules import Direction, Peers, Policy, PolicyRef, PolicyTier, Rule
from kubectl_netdoc.policy.selection import PodClass, PodSet, members
from kubectl_netdoc.policy.service_addresses import stopped
from kubectl_netdoc.policy.service_ports import ServicePorts
from kubectl_netdoc.policy.verdict import Doubt, End, Reading
from kubectl_netdoc.records.kinds import NETWORK_POLICY
from kubectl_netdoc.records.policies import LabelSelector, NetworkPolicy, NetworkPolicyPeer

PAIRS = 2_000
"""Most classes of destinations that the one-sided rules of a cluster are compared with, so that the time is bounded."""


class Fault(StrEnum):
    """What is wrong with a policy or a rule."""

    SELECTS_NOTHING = "selects nothing"
    PEER_MATCHES_NOTHING = "peer matches nothing"
    UNDEFINED_PORT = "undefined named port"
    SHADOWED = "shadowed"
    ONE_SIDED = "one-sided"
    SERVICE_PORT = "names a Service's port"
    SERVICE_ADDRESS = "names a Service's address"
    INVALID = "invalid"


class PolicyFlaw(Struct, frozen=True):
    """A flaw of a policy: the policy, the field (as jsonpath), and a description.

    ``receiver`` and ``ports``: of a one-sided rule, the pods that refuse its senders. ``superfluous``: the rules of the policy
    that others make redundant. ``objects``: what ``detail`` names. ``patch``: what mends it. ``certain``: of a rule with a
    Service's port, whether the pods show that they have no such port.
    """

    fault: Fault
    policy: PolicyRef
    place: str
    detail: str
    other: PolicyRef | None = None
    receiver: PodClass | None = None
    ports: Ports = ports.NONE
    superfluous: tuple[tuple[Direction, int], ...] = ()
    objects: tuple[ObjectRef, ...] = ()
    patch: str = ""
    certain: bool = False


def flaws(engine: Engine) -> Iterator[PolicyFlaw]:
    """Yield every flaw of every policy."""
    written = {(item.namespace, item.name): item for item in engine.cluster.all(NETWORK_POLICY)}
    for ref, error in engine.compiler.invalid:
        yield PolicyFlaw(Fault.INVALID, ref, "spec", error)
    for policy in engine.policies:
        if policy.tier is PolicyTier.OWN:
            continue
        if not policy.subject:
            # Nothing else matters for a policy that selects no pods.
            yield PolicyFlaw(Fault.SELECTS_NOTHING, policy.ref, "spec.podSelector", _selector(written, policy))
            continue
        source = written.get((policy.ref.namespace, policy.ref.name)) if policy.tier is PolicyTier.NAMESPACE else None
        for rule in policy.rules:
            yield from _nobody(engine, rule, source)
            yield from _undefined(engine, policy, rule)
    yield from _service_ports(engine)
    yield from _service_addresses(engine)
    yield from _shadowed(engine)
    yield from _one_sided(engine)


def _selector(written: dict[tuple[str, str], NetworkPolicy], policy: Policy) -> str:
    item = written.get((policy.ref.namespace, policy.ref.name)) if policy.tier is PolicyTier.NAMESPACE else None
    return (str(item.spec.pod_selector) or "all pods of its namespace") if item else "its subject"


def _nobody(engine: Engine, rule: Rule, source: NetworkPolicy | None) -> Iterator[PolicyFlaw]:
    """Yield rules whose peers match nothing: the peers of a NetworkPolicy one by one, those of a cluster-wide policy together."""
    if source is None:
        if not rule.peers.pods and rule.peers == Peers(pods=0):
            yield PolicyFlaw(Fault.PEER_MATCHES_NOTHING, rule.policy, rule.place, "its peers")
        return
    written = source.spec.ingress if rule.direction is Direction.INGRESS else source.spec.egress
    end = "from" if rule.direction is Direction.INGRESS else "to"
    for number, peer in enumerate(written[rule.index].from_ + written[rule.index].to):
        if peer.ip_block is None and not engine.compiler.selected(rule.policy.namespace, peer):
            yield PolicyFlaw(Fault.PEER_MATCHES_NOTHING, rule.policy, f"{rule.place}.{end}[{number}]", describe(peer))


def describe(peer: NetworkPolicyPeer) -> str:
    """Return a peer as text."""
    if peer.ip_block:
        return f"{peer.ip_block.cidr}" + (f" except {', '.join(peer.ip_block.except_)}" if peer.ip_block.except_ else "")
    pods = f"pods with {peer.pod_selector}" if peer.pod_selector and str(peer.pod_selector) else "all pods"
    if peer.namespace_selector is None:
        return f"{pods} of its namespace"
    return pods + (f" in namespaces with {peer.namespace_selector}" if str(peer.namespace_selector) else " of all namespaces")


def _undefined(engine: Engine, policy: Policy, rule: Rule) -> Iterator[PolicyFlaw]:
    """Yield undefined named ports. A name is looked up on the destination: the policy's pods on ingress, the peers on egress."""
    if not rule.ports.names:
        return
    everyone = (1 << len(engine.selection.classes)) - 1
    where = policy.subject if rule.direction is Direction.INGRESS else everyone if rule.peers.everyone else rule.peers.pods
    classes = [engine.selection.classes[number] for number in members(where & ~engine.selection.host_network)]
    for name, protocol in rule.ports.names:
        if classes and not any(any(known.numbers(name, protocol)) for known in classes):
            yield PolicyFlaw(Fault.UNDEFINED_PORT, rule.policy, f"{rule.place}.ports", f"{protocol or 'any protocol'} {name}")


def _shadowed(engine: Engine) -> Iterator[PolicyFlaw]:
    """Yield one flaw per policy: all its redundant rules, so that they can be removed together."""
    found: defaultdict[PolicyRef, list[tuple[Rule, Rule]]] = defaultdict(list)
    for rule, cover in superfluous(engine):
        found[rule.policy].append((rule, cover))
    for ref, those in found.items():
        place = ", ".join(rule.place for rule, _ in those)
        detail = ", ".join(dict.fromkeys(f"{cover.place} of {cover.policy}" for _, cover in those))
        out = tuple((rule.direction, rule.index) for rule, _ in those)
        yield PolicyFlaw(Fault.SHADOWED, ref, place, detail, those[0][1].policy, superfluous=out)


def _service_ports(engine: Engine) -> Iterator[PolicyFlaw]:
    for each in ServicePorts(engine).mistaken():
        service = (ObjectRef.to("Service", each.service),)
        yield PolicyFlaw(
            Fault.SERVICE_PORT,
            each.rule.policy,
            each.place,
            str(each),
            objects=service,
            patch=each.patch,
            certain=each.certain,
        )


def _service_addresses(engine: Engine) -> Iterator[PolicyFlaw]:
    written = {(item.namespace, item.name): item for item in engine.cluster.all(NETWORK_POLICY)}
    for each in stopped(engine):
        ref = each.rule.policy
        yield PolicyFlaw(
            Fault.SERVICE_ADDRESS,
            ref,
            each.rule.place,
            str(each),
            objects=(ObjectRef.to("Service", each.service),),
            patch=fixes.patch(written[ref.namespace, ref.name], Direction.EGRESS, each.cure),
            certain=True,
        )


def _one_sided(engine: Engine) -> Iterator[PolicyFlaw]:
    """Yield egress rules that name pods of which some refuse all of the rule's senders on all of its ports.

    Rules that name whole namespaces are left out: they don't say that each pod there should be reached.
    """
    open_ingress = ~_isolated(engine, Direction.INGRESS)
    looked_at = 0
    written = {(item.namespace, item.name): item for item in engine.cluster.all(NETWORK_POLICY)}
    for policy in engine.policies:
        if policy.tier is not PolicyTier.NAMESPACE or not policy.subject:
            continue
        source = written[policy.ref.namespace, policy.ref.name]
        senders = list(members(policy.subject & ~engine.selection.host_network))
        for rule in policy.of(Direction.EGRESS):
            named = _named_pods(engine, rule, source) & ~open_ingress
            for number in members(named):
                looked_at += 1
                if looked_at > PAIRS:
                    return
                refused = _refused(engine, rule, number, senders)
                if refused:
                    receiver = engine.selection.classes[number]
                    asked = rule.ports.on(receiver)
                    space = (ObjectRef("Namespace", receiver.namespace),)
                    yield PolicyFlaw(
                        Fault.ONE_SIDED, rule.policy, rule.place, refused[0], refused[1], receiver, asked, objects=space
                    )
                    break


def isolates_more(engine: Engine, known: PodClass) -> bool:
    """Tell whether a policy for the labels of a class would isolate the ingress of pods that none isolates now."""
    selected = engine.selection.pods(LabelSelector(dict(known.labels))) & engine.selection.in_namespace(known.namespace)
    return bool(selected & ~_isolated(engine, Direction.INGRESS) & ~engine.selection.host_network)


def _isolated(engine: Engine, direction: Direction) -> PodSet:
    found: PodSet = 0
    for policy in engine.policies:
        if policy.tier is PolicyTier.NAMESPACE and direction in policy.isolates:
            found |= policy.subject
    return found & ~engine.selection.host_network


def _named_pods(engine: Engine, rule: Rule, source: NetworkPolicy) -> PodSet:
    found: PodSet = 0
    for peer in source.spec.egress[rule.index].to:
        if peer.pod_selector is not None and str(peer.pod_selector):
            found |= engine.compiler.selected(rule.policy.namespace, peer)
    return found


def _refused(engine: Engine, rule: Rule, number: int, senders: list[int]) -> tuple[str, PolicyRef | None] | None:
    """Return the pods that refuse all senders, and by which policy; None if a sender gets through."""
    receiver = engine.selection.classes[number]
    end = End("", receiver)
    reading = Reading(4, blocks_match_pods=False, doubt=Doubt.ALLOWING)  # pods by their labels: addresses don't matter
    asked = rule.ports.on(receiver)
    by: PolicyRef | None = None
    for sender in senders:
        side = engine.side(Direction.INGRESS, end, End("", engine.selection.classes[sender]), asked, reading)
        if side.allowed or not asked:
            return None
        by = side.by[0] if side.by else by
    labels = ", ".join(f"{key}={value}" for key, value in receiver.labels) or "no labels that policies mention"
    return (f"pods of namespace {receiver.namespace} with {labels}", by) if senders else None
