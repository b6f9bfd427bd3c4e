# SPDX-License-Identifier: Apache-2.0
"""Antrea's own policies in the engine's form: tiers and priorities in their order, the first rule that matches decides.

From antrea-io/antrea at commit fc70f2bb: docs/antrea-network-policy.md, pkg/apis/crd/v1beta1/types.go, and
pkg/controller/networkpolicy (tiers, and AdminNetworkPolicies among them). ``Pass`` leaves a connection to the NetworkPolicies,
behind which comes the tier baseline. Nothing is denied but by a rule, and a pod's own node is let in
(docs/design/ovs-pipeline.md: IngressSecurityClassifier). All cases are hand-made: Antrea was not run.

What depends on domain names, Services, layer 7 or source ports may match or not (``Rule.perhaps``); a policy that names what is
not read, or has a field that is not known, is not evaluated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.port_rules import PortRule
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import (
    NOBODY,
    STAGES,
    Action,
    Compiler,
    Direction,
    Peers,
    Policy,
    PolicyRef,
    PolicyTier,
    Rule,
    Stage,
    listed,
)
from kubectl_netdoc.policy.selection import ACCOUNT_LABEL, Mentioned, PodSet
from kubectl_netdoc.records.antrea_policies import AntreaGroup, AntreaPeer, AntreaPolicy, AntreaPort, AntreaRule, NamespacedName
from kubectl_netdoc.records.kinds import (
    ANTREA_CLUSTER_GROUP,
    ANTREA_GROUP,
    ANTREA_POLICIES,
    ANTREA_TIER,
    CLUSTER_NETWORK_POLICY,
)
from kubectl_netdoc.records.policies import LabelSelector

TIERS = {"emergency": 50, "securityops": 100, "networkops": 150, "platform": 200, "application": 250, "baseline": 253}
"""The tiers that are always there; a policy that names none is in ``application``."""

BASELINE = Stage(5_000_000, "antrea-baseline")
ADMIN_TIER, CLUSTER_TIER = 251, 220
"""Where AdminNetworkPolicies and ClusterNetworkPolicies stand among the tiers (pkg/controller/networkpolicy)."""

STEP = 100_000.0
"""More than the highest priority of a policy in its tier, which is 10,000."""

ACTIONS = {"Allow": Action.ALLOW, "Drop": Action.DENY, "Reject": Action.DENY, "Pass": Action.PASS}
EVERYONE = Peers(everyone=True)


class AntreaPolicies:
    """The policies of a cluster, and what they refer to. ``beside``: whether there are ClusterNetworkPolicies too."""

    def __init__(
        self,
        policies: list[tuple[PolicyRef, AntreaPolicy]],
        tiers: dict[str, int],
        groups: dict[tuple[str, str], AntreaGroup],
        *,
        beside: bool = False,
    ) -> None:
        self.policies, self.tiers, self.groups, self.beside = policies, tiers, groups, beside
        self.understood: frozenset[PolicyRef] = frozenset()
        self.of_hosts: tuple[PolicyRef, ...] = ()

    def note(self, mentioned: Mentioned) -> None:
        """Add the labels and port names that the policies mention."""
        for _, policy in self.policies:
            spec = policy.spec
            rules = (*spec.ingress, *spec.egress)
            for peer in (*spec.applied_to, *(each for rule in rules for each in (*rule.applied_to, *rule.from_, *rule.to))):
                mentioned.note(peer.pod_selector)
                if peer.service_account is not None:
                    mentioned.keys.add(ACCOUNT_LABEL)
            mentioned.ports.update(port.port for rule in rules for port in rule.ports if isinstance(port.port, str))
        for group in self.groups.values():
            mentioned.note(group.spec.pod_selector)

    def compiled(self, compiler: Compiler) -> list[Policy]:
        """Return the policies that can be evaluated."""
        found: dict[PolicyRef, list[Policy]] = {}
        hosts = []
        for ref, policy in self.policies:
            every = (*policy.spec.applied_to, *(p for r in (*policy.spec.ingress, *policy.spec.egress) for p in r.applied_to))
            if any(peer.node_selector for peer in every):
                hosts.append(ref)
            try:
                found[ref] = list(_Compilation(self, compiler, ref, policy).policies())
            except ValueError:
                continue
        for ref in _undecided(found):
            del found[ref]
        self.understood, self.of_hosts = frozenset(found), tuple(hosts)
        return [policy for made in found.values() for policy in made]


def read(cluster: Cluster) -> AntreaPolicies:
    """Return Antrea's policies of a cluster, as far as the lists could be read."""
    policies = listed(cluster, ANTREA_POLICIES)
    own = cluster.all(ANTREA_TIER) if cluster.readable(ANTREA_TIER) else ()
    groups = {
        (item.namespace, item.name): item
        for kind in (ANTREA_GROUP, ANTREA_CLUSTER_GROUP)
        if cluster.readable(kind)
        for item in cluster.all(kind)
    }
    beside = cluster.readable(CLUSTER_NETWORK_POLICY) and bool(cluster.all(CLUSTER_NETWORK_POLICY))
    return AntreaPolicies(policies, TIERS | {tier.name: tier.spec.priority for tier in own}, groups, beside=beside)


def _undecided(found: dict[PolicyRef, list[Policy]]) -> set[PolicyRef]:
    """Return the policies of equal priority that decide otherwise about the same pods: which is first, nobody says."""
    ranks: defaultdict[tuple[Stage, float, Direction], dict[PolicyRef, dict[Action, PodSet]]] = defaultdict(dict)
    for ref, made in found.items():
        for policy in made:
            for rule in policy.rules:
                deciding = ranks[policy.stage, policy.priority, rule.direction].setdefault(ref, {})
                deciding[rule.action] = deciding.get(rule.action, 0) | policy.subject
    unclear: set[PolicyRef] = set()
    for rank in ranks.values():
        for order in (list(rank.items()), list(reversed(rank.items()))):
            unclear.update(_differing(order))
    return unclear


def _differing(policies: Iterable[tuple[PolicyRef, dict[Action, PodSet]]]) -> Iterator[PolicyRef]:
    """Yield the policies that decide otherwise than one before them about some pod."""
    before: dict[Action, PodSet] = {}
    for ref, deciding in policies:
        if any(one is not other and pods & others for one, pods in deciding.items() for other, others in before.items()):
            yield ref
        for action, pods in deciding.items():
            before[action] = before.get(action, 0) | pods


class _Compilation:
    """One policy in the engine's form. Raises ``ValueError`` where it can't be read, or depends on what is not read."""

    def __init__(self, of: AntreaPolicies, compiler: Compiler, ref: PolicyRef, policy: AntreaPolicy) -> None:
        self.of, self.compiler, self.ref, self.spec = of, compiler, ref, policy.spec
        self.selection = compiler.selection

    def policies(self) -> Iterator[Policy]:
        """Yield the policy, in parts where its rules are for different pods; the order of its rules is kept."""
        spec = self.spec
        if spec.unknown:
            raise ValueError("it has fields that are not known")
        if bool(spec.applied_to) == any(rule.applied_to for rule in (*spec.ingress, *spec.egress)):
            raise ValueError("it says twice, or not at all, which pods it is for")
        whole = self._subject(spec.applied_to) if spec.applied_to else 0
        for direction, written in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress)):
            for index, rule in enumerate(written):
                subject = self._subject(rule.applied_to) if rule.applied_to else whole
                for part, space in self._parts(subject, rule):
                    yield self._policy(part, tuple(self._rules(direction, index, rule, space)))
        if not (spec.ingress or spec.egress):
            yield self._policy(whole, ())

    def _policy(self, subject: PodSet, rules: tuple[Rule, ...]) -> Policy:
        stage, priority = self._place()
        return Policy(
            ref=self.ref,
            tier=PolicyTier.OWN,
            priority=priority,
            subject=subject,
            isolates=frozenset(),
            rules=rules,
            own_stage=stage,
            spares_own_node=frozenset({Direction.INGRESS}),
        )

    def _place(self) -> tuple[Stage, float]:
        """Return the stage and the priority in it: all tiers but the last are one stage, since ``Pass`` leaves them all."""
        name = self.spec.tier.lower() or "application"
        tier = self.of.tiers.get(name)
        if tier is None:
            raise ValueError(f"its tier {name} is not known")
        if name == "baseline":
            return BASELINE, self.spec.priority
        if self.of.beside and tier > CLUSTER_TIER:
            raise ValueError("its tier comes after ClusterNetworkPolicies, and they are evaluated after it here")
        before = (tier - ADMIN_TIER) * STEP if tier < ADMIN_TIER else tier * STEP
        return STAGES[PolicyTier.ADMIN], before + self.spec.priority

    def _parts(self, subject: PodSet, rule: AntreaRule) -> Iterator[tuple[PodSet, str]]:
        """Yield the pods that a rule is for, by namespace where its peers depend on that."""
        if not any(peer.namespaces for peer in (*rule.from_, *rule.to)):
            yield subject, ""
            return
        for space in self.selection.namespace_names:
            if part := subject & self.selection.in_namespace(space):
                yield part, space

    def _subject(self, written: Iterable[AntreaPeer]) -> PodSet:
        found: PodSet = 0
        for peer in written:
            if peer.service is not None or peer.external_entity_selector is not None:
                raise ValueError("it is for Services or for machines outside")
            if peer.group:
                peers = self._group(peer.group)
                if peers != Peers(pods=peers.pods):
                    raise ValueError("it is for a group of addresses")
                found |= peers.pods
            elif peer.service_account is not None:
                found |= self._account(peer.service_account)
            elif peer.node_selector is None:
                found |= self._pods(peer.pod_selector, peer.namespace_selector)
        return found & ~self.selection.host_network

    def _pods(self, pods: LabelSelector | None, spaces: LabelSelector | None) -> PodSet:
        """Return the pods of a selector: of the policy's namespace, or of all for a cluster-wide one, if it names none."""
        if pods is None and spaces is None:
            raise ValueError("a peer of a form that is not known")
        where = self.selection.by_label.all
        if spaces is not None:
            where = self.selection.in_namespaces(spaces)
        elif self.ref.namespace:
            where = self.selection.in_namespace(self.ref.namespace)
        return where & self.selection.pods(pods) if pods is not None else where

    def _account(self, account: NamespacedName) -> PodSet:
        return self.selection.in_namespace(account.namespace) & self.selection.by_label.equal(ACCOUNT_LABEL, account.name)

    def _group(self, name: str, *above: str) -> Peers:
        group = self.of.groups.get((self.ref.namespace, name))
        if group is None or name in above:
            raise ValueError(f"group {name} is not known")
        spec = group.spec
        if spec.service_reference or spec.external_entity_selector or spec.node_selector:
            raise ValueError(f"group {name} is of Services, nodes or machines outside")
        found = NOBODY
        if spec.pod_selector is not None or spec.namespace_selector is not None:
            found = Peers(pods=self._pods(spec.pod_selector, spec.namespace_selector))
        blocks = tuple(block for each in spec.ip_blocks if (block := self.compiler.block(self.ref, each)))
        found = replace(found, networks=blocks)
        for child in spec.child_groups:
            found = _union(found, self._group(child, name, *above))
        return found

    def _rules(self, direction: Direction, index: int, rule: AntreaRule, space: str) -> Iterator[Rule]:
        if rule.action not in ACTIONS:
            raise ValueError(f"action {rule.action}")
        action, peers, perhaps = ACTIONS[rule.action], NOBODY, NOBODY
        why: dict[str, None] = {}
        ends = rule.from_ if direction is Direction.INGRESS else rule.to
        if rule.to_services:
            perhaps, why["Services"] = EVERYONE, None
        elif not ends:
            peers = EVERYONE
        for peer in ends:
            if peer.fqdn:
                perhaps, why["domain names"] = EVERYONE, None
            elif peer.external_entity_selector is not None:
                perhaps, why["machines outside"] = EVERYONE, None
            else:
                peers = _union(peers, self._peers(peer, space))
        for text in _conditions(rule):
            peers, perhaps, why[text] = NOBODY, _union(peers, perhaps), None
        if why and action is Action.PASS:
            raise ValueError("what it passes on is not certain")
        yield Rule(self.ref, direction, index, action, peers, _ports(rule), perhaps=perhaps, why=tuple(why))

    def _peers(self, peer: AntreaPeer, space: str) -> Peers:
        if peer.group:
            return self._group(peer.group)
        if peer.service_account is not None:
            return Peers(pods=self._account(peer.service_account))
        if peer.ip_block is not None:
            block = self.compiler.block(self.ref, peer.ip_block)
            return Peers(networks=(block,)) if block else NOBODY
        if peer.node_selector is not None:
            return self._nodes(peer.node_selector)
        if peer.namespaces is not None:
            return Peers(pods=self._related(peer, space))
        return Peers(pods=self._pods(peer.pod_selector, peer.namespace_selector))

    def _nodes(self, selector: LabelSelector) -> Peers:
        if self.compiler.nodes is None:
            raise ValueError("nodes can't be read")
        return Peers(nodes=self.compiler.nodes_with(selector))

    def _related(self, peer: AntreaPeer, space: str) -> PodSet:
        """Return the pods of namespaces that are the policy's own pods', or have the same values of labels."""
        wanted = peer.namespaces
        if wanted is None or (wanted.match != "Self") == (not wanted.same_labels):
            raise ValueError("namespaces of a form that is not known")
        spaces = [space]
        if wanted.same_labels:
            own = self._values(space, wanted.same_labels)
            spaces = (
                [] if own is None else [n for n in self.selection.namespace_names if self._values(n, wanted.same_labels) == own]
            )
        where: PodSet = 0
        for name in spaces:
            where |= self.selection.in_namespace(name)
        return where & self.selection.pods(peer.pod_selector) if peer.pod_selector is not None else where

    def _values(self, space: str, labels: Iterable[str]) -> tuple[str, ...] | None:
        having = self.selection.namespace_labels(space)
        return tuple(having[label] for label in labels) if all(label in having for label in labels) else None


def _union(one: Peers, other: Peers) -> Peers:
    return Peers(
        everyone=one.everyone or other.everyone,
        pods=one.pods | other.pods,
        networks=one.networks + other.networks,
        nodes=one.nodes | other.nodes,
    )


def _conditions(rule: AntreaRule) -> Iterator[str]:
    if rule.l7_protocols:
        yield "layer 7"
    if any(port.source_port is not None for port in rule.ports):
        yield "source ports"


def _ports(rule: AntreaRule) -> PortRule:
    if not rule.ports:
        return PortRule(ports.NONE if rule.protocols else ports.ALL)
    fixed = ports.NONE
    for port in rule.ports:
        fixed |= _numbers(port)
    names = tuple((port.port, port.protocol) for port in rule.ports if isinstance(port.port, str))
    return PortRule(fixed, names)


def _numbers(port: AntreaPort) -> Ports:
    if isinstance(port.port, str):
        return ports.NONE
    return ports.every(port.protocol) if port.port is None else ports.of(port.protocol, port.port, port.end_port)
