# SPDX-License-Identifier: Apache-2.0
"""Judges the traffic of one end of a connection by the policies that select it, tier by tier."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Direction, Peers, Policy, PolicyRef, PolicyTier, Rule
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.policy.verdict import End, OddBlocks, Reading, Side


class Selecting(Struct):
    """The policies that select one class, in one direction, by tier."""

    admin: list[Policy]
    namespace: list[Policy]
    baseline: list[Policy]

    def of(self, tier: PolicyTier) -> list[Policy]:
        """Return those of a tier."""
        return self.namespace if tier is PolicyTier.NAMESPACE else self.admin if tier is PolicyTier.ADMIN else self.baseline


class Judging:
    """The judgement of one side; ports that are undecided go on to the next tier."""

    def __init__(
        self,
        direction: Direction,
        selecting: Selecting,
        other: End,
        destination: PodClass | None,
        reading: Reading,
    ) -> None:
        self.direction, self.selecting = direction, selecting
        self.other, self.destination, self.reading = other, destination, reading
        self.allowed = ports.NONE
        self.allowing: list[PolicyRef] = []
        self.denying: list[PolicyRef] = []

    def judge(self, asked: Ports, own_node: bool) -> Side:
        """Return the ports among ``asked`` that are allowed; ``own_node``: whether the other end is the subject's own node."""
        left = self._ordered(self.selecting.admin, asked)
        isolated = bool(self.selecting.namespace)
        if isolated and not own_node:
            self._additive(left)
        elif not isolated:
            left = self._ordered(self.selecting.baseline, left)
        if own_node or not isolated:
            self.allowed |= left
        by = self.allowing if self.allowed else self.denying
        return Side(self.allowed, tuple(dict.fromkeys(by)), isolated)

    def _hit(self, rule: Rule, left: Ports) -> Ports:
        hit = left & rule.ports.on(self.destination)
        return hit if hit and matches(rule.peers, self.other, self.reading) else ports.NONE

    def _ordered(self, policies: list[Policy], left: Ports) -> Ports:
        """Apply rules in order, the first that matches decides; return the ports that go on to the next tier."""
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
        return left | passed

    def _additive(self, left: Ports) -> None:
        """Apply NetworkPolicies: what any rule allows is allowed, the rest is denied."""
        granted = ports.NONE
        for policy in self.selecting.namespace:
            hits = [hit for rule in policy.of(self.direction) if (hit := self._hit(rule, left))]
            if hits:
                self.allowing.append(policy.ref)
                for hit in hits:
                    granted |= hit
        self.allowed |= granted
        if left - granted:
            self.denying += (policy.ref for policy in self.selecting.namespace)


def matches(peers: Peers, other: End, reading: Reading) -> bool:
    """Tell whether ``other`` is among the peers."""
    if peers.everyone:
        return True
    known = other.pod_class
    ordinary = known is not None and (reading.host_network_as_pods or not known.host_network)
    if ordinary and known is not None and peers.pods >> known.id & 1:
        return True
    if peers.nodes and other.host and other.node in peers.nodes:
        return True
    blocks = peers.networks if ordinary and not reading.blocks_match_pods else peers.networks + peers.blocks
    if reading.odd is not OddBlocks.AS_KUBERNETES and any(block.odd for block in blocks):
        if reading.odd is OddBlocks.EVERYTHING:
            return True
        blocks = tuple(block for block in blocks if not block.odd)
    if reading.unknown_matches and known is not None and not other.addresses:
        return any(block.network.version == reading.family for block in blocks)
    return any(a.version == reading.family and any(block.has(a) for block in blocks) for a in other.addresses)


def same_pod(one: End, other: End) -> bool:
    """Tell whether both ends are the same pod; policies don't apply to traffic within a pod."""
    return one.pod == other.pod != ("", "")


def on_own_node(subject: End, other: End) -> bool:
    """Tell whether ``other`` is the node of ``subject``: it always reaches its pods, and with most CNIs they reach it."""
    return other.host and other.node != "" and other.node == subject.node
