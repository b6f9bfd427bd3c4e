# SPDX-License-Identifier: Apache-2.0
"""Judges the traffic of one end of a connection by the policies that select it, tier by tier."""

from __future__ import annotations

from functools import cached_property
from itertools import groupby

from msgspec import Struct

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Block, Direction, Peers, Policy, PolicyRef, PolicyTier, Rule
from kubectl_netdoc.policy.selection import PodClass, PodSet
from kubectl_netdoc.policy.verdict import Doubt, End, OddBlocks, Reading, Side

DOUBTED = {Action.ALLOW: Doubt.ALLOWING, Action.DENY: Doubt.DENYING}
"""With which doubt a rule applies to those whom it may match. No rule that may match passes on."""


class Applied(Struct, frozen=True):
    """One stage for a class and a direction: its policies by kind of tier, and those that deny what none of its rules matches."""

    groups: tuple[tuple[PolicyTier, tuple[Policy, ...]], ...]
    isolating: tuple[PolicyRef, ...]

    def on_own_node(self, direction: Direction) -> Applied:
        """Return it without the policies that have no effect between a pod and its own node."""
        groups = tuple((tier, tuple(p for p in those if direction not in p.spares_own_node)) for tier, those in self.groups)
        return Applied.of(groups, direction)

    @classmethod
    def of(cls, groups: tuple[tuple[PolicyTier, tuple[Policy, ...]], ...], direction: Direction) -> Applied:
        """Return the stage of these policies."""
        return cls(groups, tuple(policy.ref for _, those in groups for policy in those if direction in policy.isolates))


class Selecting:
    """The policies that select one class, in one direction; they are added in order of precedence."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.policies: list[Policy] = []

    @cached_property
    def stages(self) -> list[Applied]:
        """The stages, the first one first."""
        found = []
        for _, group in groupby(self.policies, key=lambda policy: policy.stage):
            stage = tuple(group)
            groups = tuple((tier, tuple(those)) for tier, those in groupby(stage, key=lambda policy: policy.tier))
            found.append(Applied.of(groups, self.direction))
        return found

    @cached_property
    def namespace(self) -> bool:
        """Whether a NetworkPolicy is among them."""
        return any(policy.tier is PolicyTier.NAMESPACE for policy in self.policies)


class Judging:
    """The judgement of one side; ports that are undecided go on to the next tier."""

    def __init__(
        self,
        direction: Direction,
        selecting: Selecting,
        subject: End,
        other: End,
        destination: PodClass | None,
        reading: Reading,
    ) -> None:
        self.direction, self.selecting = direction, selecting
        self.subject, self.other, self.destination, self.reading = subject, other, destination, reading
        self.allowed = ports.NONE
        self.allowing: list[PolicyRef] = []
        self.denying: list[PolicyRef] = []

    def judge(self, asked: Ports, own_node: bool) -> Side:
        """Return the ports among ``asked`` that are allowed; ``own_node``: whether the other end is the subject's own node."""
        left = asked
        for stage in self.selecting.stages:
            left = self._stage(stage, left, own_node)
        self.allowed |= left
        by = self.allowing if self.allowed else self.denying
        return Side(self.allowed, tuple(dict.fromkeys(by)), self.selecting.namespace)

    def _stage(self, stage: Applied, left: Ports, own_node: bool) -> Ports:
        """Apply the policies of a stage; return the ports that go on to the next one."""
        passed = ports.NONE
        bound = stage.on_own_node(self.direction) if own_node else stage
        for tier, policies in bound.groups:
            if tier is PolicyTier.NAMESPACE:
                left = self._additive(policies, left)
            else:
                left, more = self._ordered(policies, left)
                passed |= more
        if not stage.isolating:
            return left | passed
        if not bound.isolating:
            self.allowed |= left
        elif left:
            self.denying += bound.isolating
        return passed

    def _hit(self, rule: Rule, left: Ports) -> Ports:
        hit = left & rule.ports.on(self.destination)
        if not hit or rule.family not in (0, self.reading.family) or not self._among(rule):
            return ports.NONE
        return hit if rule.own is None or matches(rule.own, self.subject, self.reading) else ports.NONE

    def _among(self, rule: Rule) -> bool:
        if matches(rule.peers, self.other, self.reading, self.subject):
            return True
        doubted = bool(rule.why) and self.reading.doubt is DOUBTED.get(rule.action)
        return doubted and matches(rule.perhaps, self.other, self.reading, self.subject)

    def _ordered(self, policies: tuple[Policy, ...], left: Ports) -> tuple[Ports, Ports]:
        """Apply rules in order, the first that matches decides; return the ports that none matched, and those passed on."""
        passed = ports.NONE
        for policy in policies:
            for rule in policy.of(self.direction):
                hit = self._hit(rule, left)
                if not hit:
                    continue
                left -= hit
                if rule.action is Action.PASS:
                    passed |= hit
                elif rule.action is Action.ALLOW:
                    self.allowed |= hit
                    self.allowing.append(policy.ref)
                else:
                    self.denying.append(policy.ref)
        return left, passed

    def _additive(self, policies: tuple[Policy, ...], left: Ports) -> Ports:
        """Apply NetworkPolicies: what any rule allows is allowed; return the rest."""
        granted = ports.NONE
        for policy in policies:
            hits = [hit for rule in policy.of(self.direction) if (hit := self._hit(rule, left))]
            if hits:
                self.allowing.append(policy.ref)
                for hit in hits:
                    granted |= hit
        self.allowed |= granted
        return left - granted


def matches(peers: Peers, other: End, reading: Reading, subject: End | None = None) -> bool:
    """Tell whether ``other`` is among the peers of a policy that selects ``subject``."""
    if not _among(peers, other, reading, subject) or (peers.within and not _addressed(peers.within, other, reading)):
        return False
    return not (_selected(peers.but_pods, other, reading) or _addressed(peers.but_networks, other, reading))


def _selected(pods: PodSet, other: End, reading: Reading) -> bool:
    """Tell whether a pod is of a set of classes; those on the host network only as pods."""
    known = other.pod_class
    return known is not None and (reading.host_network_as_pods or not known.host_network) and bool(pods >> known.id & 1)


def _addressed(blocks: tuple[Block, ...], other: End, reading: Reading) -> bool:
    """Tell whether a block has an address of an end; where that is not known, as the reading has it."""
    if reading.unknown_matches and other.pod_class is not None and not other.addresses:
        return any(block.network.version == reading.family for block in blocks)
    return any(a.version == reading.family and any(block.has(a) for block in blocks) for a in other.addresses)


def _among(peers: Peers, other: End, reading: Reading, subject: End | None) -> bool:
    if peers.everyone:
        return True
    if other.host and (peers.own_node or peers.other_nodes):
        near = subject is not None and _on_own_node(subject, other, reading)
        if peers.own_node if near else peers.other_nodes:
            return True
    blocks = peers.at_nodes if other.host else peers.outside if other.pod_class is None else ()
    if blocks and _addressed(blocks, other, reading):
        return True
    known = other.pod_class
    ordinary = known is not None and (reading.host_network_as_pods or not known.host_network)
    if _selected(peers.pods, other, reading):
        return True
    if peers.nodes and other.host and other.node in peers.nodes:
        return True
    blocks = peers.networks if ordinary and not reading.blocks_match_pods else peers.networks + peers.blocks
    if reading.odd is not OddBlocks.AS_KUBERNETES and any(block.odd for block in blocks):
        if reading.odd is OddBlocks.EVERYTHING:
            return True
        blocks = tuple(block for block in blocks if not block.odd)
    return _addressed(blocks, other, reading)


def same_pod(one: End, other: End) -> bool:
    """Tell whether both ends are the same pod; policies don't apply to traffic within a pod."""
    return one.pod == other.pod != ("", "")


def _on_own_node(subject: End, other: End, reading: Reading) -> bool:
    known = subject.node and other.node
    return on_own_node(subject, other) if known else reading.unknown_is_own_node


def on_own_node(subject: End, other: End) -> bool:
    """Tell whether ``other`` is the node of ``subject``: it always reaches its pods, and with most CNIs they reach it."""
    return other.host and other.node != "" and other.node == subject.node
