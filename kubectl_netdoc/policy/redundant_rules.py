# SPDX-License-Identifier: Apache-2.0
"""Finds rules that are redundant whatever pods exist: by what is written, not by the pods that are selected today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.port_rules import PortRule
from kubectl_netdoc.policy.rules import Block, Direction, Policy, PolicyTier, Rule
from kubectl_netdoc.policy.selection import NAME_LABEL
from kubectl_netdoc.records.kinds import NETWORK_POLICY
from kubectl_netdoc.records.policies import LabelSelector, NetworkPolicy, NetworkPolicyPeer

Requirement = tuple[str, str, frozenset[str]]
"""Key, operator and values of a requirement of a label selector; matchLabels count as operator In."""


def superfluous(engine: Engine) -> Iterator[tuple[Rule, Rule]]:
    """Yield each rule of a NetworkPolicy that another rule makes redundant, and that rule."""
    written = {(item.namespace, item.name): item for item in engine.cluster.all(NETWORK_POLICY)}
    by_place: defaultdict[tuple[str, Direction], list[_Placed]] = defaultdict(list)
    for policy in engine.policies:
        for rule in policy.rules if policy.tier is PolicyTier.NAMESPACE and policy.subject else ():
            source = written[policy.ref.namespace, policy.ref.name]
            by_place[policy.ref.namespace, rule.direction].append(_Placed(policy, rule, source))
    for entries in by_place.values():
        for number, narrow in enumerate(entries):
            for other, wide in enumerate(entries):
                if other == number or not wide.covers(narrow):
                    continue
                if other > number and narrow.covers(wide):
                    continue  # of equal rules the first stays
                yield narrow.rule, wide.rule
                break


class _Placed:
    """A rule in its policy, as it was written."""

    def __init__(self, policy: Policy, rule: Rule, source: NetworkPolicy) -> None:
        self.policy, self.rule, self.namespace = policy, rule, source.namespace
        self.subject = source.spec.pod_selector
        written = source.spec.ingress if rule.direction is Direction.INGRESS else source.spec.egress
        self.peers = written[rule.index].from_ + written[rule.index].to
        blocks = sum(peer.ip_block is not None for peer in self.peers)
        self.certain = blocks == len(rule.peers.blocks) and not (rule.peers.unresolved or rule.peers.odd)

    def covers(self, narrow: _Placed) -> bool:
        """Tell whether it allows at least what ``narrow`` allows, for at least its pods."""
        if narrow.policy.subject & ~self.policy.subject or not _ports_cover(self.rule.ports, narrow.rule.ports):
            return False
        if not implies(narrow.subject, self.subject) or not (self.certain and narrow.certain):
            return False
        if self.rule.peers.everyone or narrow.rule.peers.everyone:
            return self.rule.peers.everyone
        blocks = all(any(_block_covers(b, a) for b in self.rule.peers.blocks) for a in narrow.rule.peers.blocks)
        return blocks and all(self._has(peer) for peer in narrow.peers if peer.ip_block is None)

    def _has(self, peer: NetworkPolicyPeer) -> bool:
        return any(_peer_covers(wide, peer, self.namespace) for wide in self.peers if wide.ip_block is None)


def _peer_covers(wide: NetworkPolicyPeer, narrow: NetworkPolicyPeer, namespace: str) -> bool:
    own = LabelSelector({NAME_LABEL: namespace})
    spaces = implies(narrow.namespace_selector or own, wide.namespace_selector or own)
    return spaces and implies(narrow.pod_selector or LabelSelector(), wide.pod_selector or LabelSelector())


def _ports_cover(wide: PortRule, narrow: PortRule) -> bool:
    return not narrow.fixed - wide.fixed and (wide.fixed == ports.ALL or set(narrow.names) <= set(wide.names))


def _block_covers(wide: Block, narrow: Block) -> bool:
    if wide.network.version != narrow.network.version or not narrow.network.subnet_of(wide.network):  # type: ignore[arg-type]
        return False
    return all(any(part.subnet_of(cut) for cut in narrow.without) or not part.overlaps(narrow.network) for part in wide.without)  # type: ignore[arg-type]


def implies(narrow: LabelSelector, wide: LabelSelector) -> bool:
    """Tell whether ``wide`` selects everything that ``narrow`` selects, for any labels."""
    having = _requirements(narrow)
    return all(any(_implied(one, wanted) for one in having) for wanted in _requirements(wide))


def _requirements(of: LabelSelector) -> list[Requirement]:
    return [
        *((key, "In", frozenset({value})) for key, value in of.match_labels.items()),
        *((each.key, each.operator, frozenset(each.values)) for each in of.match_expressions),
    ]


def _implied(having: Requirement, wanted: Requirement) -> bool:
    key, operator, values = having
    if key != wanted[0]:
        return False
    match wanted[1]:
        case "In":
            return operator == "In" and values <= wanted[2]
        case "Exists":
            return operator in ("In", "Exists")
        case "NotIn":
            apart = operator == "In" and not values & wanted[2]
            return apart or operator == "DoesNotExist" or (operator == "NotIn" and values >= wanted[2])
        case "DoesNotExist":
            return operator == "DoesNotExist"
    return False
