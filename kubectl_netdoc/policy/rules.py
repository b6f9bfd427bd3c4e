# SPDX-License-Identifier: Apache-2.0
"""Policies of every kind in one form: tier, subject, and rules of peers and ports.

Tiers apply in this order: cluster-wide Admin rules (AdminNetworkPolicy, ClusterNetworkPolicy of tier Admin), then
NetworkPolicy, then cluster-wide Baseline rules. Sources: the Go types of networking.k8s.io/v1 and of
policy.networking.k8s.io/v1alpha1, v1alpha2 and v1beta1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.addresses import IPAddress, IPRange, ip_network, odd
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.policy.port_rules import PortRule, of_admin_rule, of_rule
from kubectl_netdoc.policy.selection import Mentioned, PodSelection, PodSet
from kubectl_netdoc.records.base import Kind, R
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.policies import (
    AdminPeer,
    AdminPolicy,
    AdminRule,
    IPBlock,
    LabelSelector,
    NetworkPolicy,
    NetworkPolicyPeer,
)


class Direction(StrEnum):
    """The direction of a rule."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class PolicyTier(StrEnum):
    """The tiers of Kubernetes, in order of precedence, and what is of a CNI's own tiers."""

    ADMIN = "Admin"
    NAMESPACE = "NetworkPolicy"
    BASELINE = "Baseline"
    OWN = "the CNI's own"


class Stage(Struct, frozen=True, order=True):
    """Where policies are applied: one stage after the other, by order and name.

    The orders are those of Calico's tiers for the policies of Kubernetes (api/pkg/apis/projectcalico/v3/tier.go).
    """

    order: float
    name: str


STAGES = {
    PolicyTier.ADMIN: Stage(1_000, "kube-admin"),
    PolicyTier.NAMESPACE: Stage(1_000_000, "default"),
    PolicyTier.BASELINE: Stage(10_000_000, "kube-baseline"),
}


class Action(StrEnum):
    """What a rule does with what it matches; ``PASS`` leaves it to the next tier."""

    ALLOW = "Allow"
    DENY = "Deny"
    PASS = "Pass"


ACTIONS = {"Allow": Action.ALLOW, "Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
"""The names of the fields in v1alpha1, and in v1alpha2 and v1beta1."""


class PolicyRef(Struct, frozen=True, order=True):
    """A policy by name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Block(Struct, frozen=True):
    """A CIDR without its exceptions, as Kubernetes reads them; ``odd``: a clause, where networks read them differently."""

    network: IPRange
    without: tuple[IPRange, ...] = ()
    odd: str = ""

    def has(self, address: IPAddress) -> bool:
        """Tell whether the block contains an address; never one of the other family."""
        return address in self.network and not any(address in part for part in self.without)

    @property
    def whole(self) -> bool:
        """Tell whether it contains every address of its family."""
        return self.network.prefixlen == 0 and not self.without


class Peers(Struct, frozen=True):
    """The other end of a rule.

    ``blocks`` (ipBlock) are meant for addresses outside; whether they match pods' addresses depends on the CNI.
    ``networks`` (cluster-wide policies) match pods' addresses by the API's own words. ``nodes``: names of nodes;
    ``unresolved``: what can't be known here (nodes if Nodes can't be read, domain names).
    ``within``: blocks in one of which the address must be as well; ``but_pods``, ``but_networks``: who is meant not to match.
    ``outside``: blocks of addresses that are neither a pod's nor a node's; ``at_nodes``: blocks of nodes' addresses alone.
    ``own_node``: the node of the policy's own pod; ``other_nodes``: all others.
    """

    everyone: bool = False
    pods: PodSet = 0
    blocks: tuple[Block, ...] = ()
    networks: tuple[Block, ...] = ()
    nodes: frozenset[str] = frozenset()
    unresolved: tuple[str, ...] = ()
    within: tuple[Block, ...] = ()
    but_pods: PodSet = 0
    but_networks: tuple[Block, ...] = ()
    outside: tuple[Block, ...] = ()
    at_nodes: tuple[Block, ...] = ()
    own_node: bool = False
    other_nodes: bool = False

    @property
    def ranges(self) -> tuple[Block, ...]:
        """All blocks that tell addresses apart."""
        return self.blocks + self.networks + self.within + self.but_networks + self.outside + self.at_nodes

    @property
    def odd(self) -> tuple[str, ...]:
        """What networks read differently in it, as clauses."""
        return tuple(block.odd for block in self.blocks + self.networks if block.odd)


NOBODY = Peers()


class Rule(Struct, frozen=True):
    """One rule of a policy, by its position there.

    ``own``: what the policy's own end must be; ``family``: the only IP version that it is for, 0 for both.
    ``perhaps``: whom it may be for as well, and ``why`` that is not known, as clauses. ``where``: its list in the object, where
    that is not the direction's.
    """

    policy: PolicyRef
    direction: Direction
    index: int
    action: Action
    peers: Peers
    ports: PortRule
    own: Peers | None = None
    family: int = 0
    perhaps: Peers = NOBODY
    why: tuple[str, ...] = ()
    where: str = ""

    @property
    def place(self) -> str:
        """The rule's jsonpath, as in kubectl."""
        return f"{self.where or f'spec.{self.direction.lower()}'}[{self.index}]"


class Policy(Struct, frozen=True):
    """One policy: the pods that it selects, the directions that it isolates, and its rules.

    What no rule of a stage matches is denied if one of its policies isolates the direction. ``priority``: among those of its
    stage. ``selects_all``: its podSelector is empty, so it selects all pods of the namespace, future ones too.
    ``spares_own_node``: the directions in which it has no effect between a pod and the pod's own node.
    """

    ref: PolicyRef
    tier: PolicyTier
    priority: float
    subject: PodSet
    isolates: frozenset[Direction]
    rules: tuple[Rule, ...]
    selects_all: bool = False
    own_stage: Stage | None = None
    spares_own_node: frozenset[Direction] = frozenset(Direction)

    def of(self, direction: Direction) -> Iterator[Rule]:
        """Yield the rules of a direction, in order."""
        return (rule for rule in self.rules if rule.direction == direction)

    @property
    def stage(self) -> Stage:
        """The stage in which it applies."""
        return self.own_stage or STAGES[self.tier]

    @property
    def precedence(self) -> tuple[Stage, float, str, str]:
        """Lower values apply first. The API does not define the order of equal priorities; here the name decides."""
        return self.stage, self.priority, self.ref.kind, self.ref.name


NETWORK_POLICY_ORDER = 1000
"""The order of NetworkPolicies among Calico's policies (libcalico-go/lib/backend/k8s/conversion/conversion.go)."""


class OwnPolicies(Protocol):
    """The policies of a CNI's own kinds in a cluster. ``understood``: those that are compiled, or are for no pod.

    ``of_hosts``: those that may be for nodes, of which nothing is known.
    """

    understood: frozenset[PolicyRef]
    of_hosts: tuple[PolicyRef, ...]

    def note(self, mentioned: Mentioned) -> None:
        """Add the labels and port names that the policies mention."""

    def compiled(self, compiler: Compiler) -> list[Policy]:
        """Return the policies that can be evaluated, and keep which those are."""


def listed(cluster: Cluster, kinds: Iterable[Kind[R]]) -> list[tuple[PolicyRef, R]]:
    """Return the policies of these kinds, as far as the lists could be read."""
    return [
        (PolicyRef(kind.name, item.namespace, item.name), item)
        for kind in kinds
        if cluster.readable(kind)
        for item in cluster.all(kind)
    ]


def unlike(block: IPBlock) -> str:
    """Return a clause about the texts of a block that networks read differently, or ""."""
    found = [f"{text} (to Kubernetes {meant})" for text in (block.cidr, *block.except_) if (meant := odd(text))]
    return f"networks read {joined(found)} differently" if found else ""


def mentioned(policies: Iterable[NetworkPolicy], admin: Iterable[AdminPolicy]) -> Mentioned:
    """Return all label keys and port names that these policies mention."""
    found = Mentioned()
    for policy in policies:
        found.note(policy.spec.pod_selector)
        for rule in policy.spec.ingress + policy.spec.egress:
            for peer in rule.from_ + rule.to:
                found.note(peer.pod_selector)
            found.ports.update(port.port for port in rule.ports if isinstance(port.port, str))
    for cluster_wide in admin:
        spec = cluster_wide.spec
        every_rule = spec.ingress + spec.egress
        for subject in (spec.subject, *(peer for one in every_rule for peer in one.from_ + one.to)):
            found.note(subject.pods.pod_selector if subject.pods else None)
        for one in every_rule:
            found.ports.update(port.named_port for port in one.ports if port.named_port)
            found.ports.update(p.destination_named_port for p in one.protocols if p.destination_named_port)
    return found


def directions(policy: NetworkPolicy) -> frozenset[Direction]:
    """Return the directions that a NetworkPolicy isolates: without policyTypes ingress, and egress if it has egress rules."""
    if policy.spec.policy_types:
        return frozenset(direction for direction in Direction if direction in policy.spec.policy_types)
    return frozenset(Direction if policy.spec.egress else (Direction.INGRESS,))


class Compiler:
    """Turns the records of policies into ``Policy``. ``nodes``: labels by name, None if they can't be read."""

    def __init__(self, selection: PodSelection, nodes: dict[str, dict[str, str]] | None) -> None:
        self.selection = selection
        self.nodes = nodes
        self.invalid: list[tuple[PolicyRef, str]] = []

    def namespaced(self, policy: NetworkPolicy) -> Policy:
        """Return a NetworkPolicy."""
        ref = PolicyRef("NetworkPolicy", policy.namespace, policy.name)
        spec, select = policy.spec, self.selection
        isolates = directions(policy)
        rules = (
            Rule(ref, direction, index, Action.ALLOW, self._peers(ref, rule.from_ + rule.to), of_rule(rule))
            for direction, written in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress))
            if direction in isolates
            for index, rule in enumerate(written)
        )
        subject = select.in_namespace(policy.namespace) & select.pods(spec.pod_selector)
        return Policy(
            ref,
            PolicyTier.NAMESPACE,
            NETWORK_POLICY_ORDER,
            subject,
            isolates,
            tuple(rules),
            selects_all=spec.pod_selector == LabelSelector(),
        )

    def _peers(self, ref: PolicyRef, written: tuple[NetworkPolicyPeer, ...]) -> Peers:
        if not written:
            return Peers(everyone=True)
        ranges = [peer.ip_block for peer in written if peer.ip_block]
        blocks = tuple(block for each in ranges if (block := self.block(ref, each)))
        pods: PodSet = 0
        for peer in written:
            pods |= self.selected(ref.namespace, peer)
        return Peers(pods=pods, blocks=blocks)

    def selected(self, namespace: str, peer: NetworkPolicyPeer) -> PodSet:
        """Return the pods that a peer of a policy in ``namespace`` selects; none for an ipBlock."""
        if peer.pod_selector is None and peer.namespace_selector is None:
            return 0
        select = self.selection
        where = select.in_namespace(namespace)
        if peer.namespace_selector is not None:
            where = select.in_namespaces(peer.namespace_selector)
        return where & select.pods(peer.pod_selector) if peer.pod_selector is not None else where

    def block(self, ref: PolicyRef, block: IPBlock) -> Block | None:
        """Return the block; None if it is invalid. That, and that networks read it differently, is noted."""
        try:
            found = Block(ip_network(block.cidr), tuple(map(ip_network, block.except_)), unlike(block))
        except ValueError as error:
            self.invalid.append((ref, str(error)))
            return None
        if found.odd:
            self.invalid.append((ref, found.odd))
        return found

    def cluster_wide(self, kind: str, policy: AdminPolicy) -> Policy:
        """Return a policy of one of the cluster-wide kinds."""
        ref = PolicyRef(kind, "", policy.name)
        baseline = kind == "BaselineAdminNetworkPolicy" or policy.spec.tier == PolicyTier.BASELINE
        rules = (
            self._admin_rule(ref, direction, index, rule)
            for direction, written in ((Direction.INGRESS, policy.spec.ingress), (Direction.EGRESS, policy.spec.egress))
            for index, rule in enumerate(written)
        )
        return Policy(
            ref=ref,
            tier=PolicyTier.BASELINE if baseline else PolicyTier.ADMIN,
            priority=policy.spec.priority,
            subject=self._members(policy.spec.subject),
            isolates=frozenset(),
            rules=tuple(rules),
            spares_own_node=frozenset(),
        )

    def _admin_rule(self, ref: PolicyRef, direction: Direction, index: int, rule: AdminRule) -> Rule:
        action = ACTIONS.get(rule.action, Action.DENY)
        peers = rule.from_ + rule.to
        if any(peer == AdminPeer() for peer in peers):
            # A field of a later version: fail closed, as the API types require.
            if action is not Action.ALLOW:
                return Rule(ref, direction, index, Action.DENY, Peers(everyone=True), PortRule())
            peers = tuple(peer for peer in peers if peer != AdminPeer())
        return Rule(ref, direction, index, action, self._admin_peers(ref, peers), of_admin_rule(rule))

    def _members(self, peer: AdminPeer) -> PodSet:
        select = self.selection
        if peer.namespaces is not None:
            return select.in_namespaces(peer.namespaces)
        if peer.pods is not None:
            return select.in_namespaces(peer.pods.namespace_selector) & select.pods(peer.pods.pod_selector)
        return 0

    def nodes_with(self, selector: LabelSelector) -> frozenset[str]:
        """Return the names of the nodes that a selector selects; none if Nodes can't be read."""
        return frozenset(name for name, labels in (self.nodes or {}).items() if selects(selector, labels))

    def _admin_peers(self, ref: PolicyRef, written: Iterable[AdminPeer]) -> Peers:
        pods: PodSet = 0
        networks: list[Block] = []
        nodes: set[str] = set()
        unresolved: list[str] = []
        for peer in written:
            pods |= self._members(peer)
            ranges = [IPBlock(cidr=cidr) for cidr in peer.networks]
            networks += filter(None, (self.block(ref, each) for each in ranges))
            unresolved += (f"domain name {name}" for name in peer.domain_names)
            if peer.nodes is not None and self.nodes is None:
                unresolved.append(f"nodes with {peer.nodes or 'any label'}")
            elif peer.nodes is not None:
                nodes |= self.nodes_with(peer.nodes)
        return Peers(pods=pods, networks=tuple(networks), nodes=frozenset(nodes), unresolved=tuple(unresolved))
