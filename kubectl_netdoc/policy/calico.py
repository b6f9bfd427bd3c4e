# SPDX-License-Identifier: Apache-2.0
"""Calico's own policies in the engine's form: tiers in their order, rules of which the first that matches decides.

As Felix applies them to pods (projectcalico/calico at commit 87c15906): api/pkg/apis/projectcalico/v3 (policies, tiers),
felix/calc/policy_sorter.go (the order of tiers and policies), libcalico-go/lib/backend/syncersv1/updateprocessors/rules.go (which
namespaces a selector is for). A tier denies what none of its rules matches if one of its policies selects the pod in that
direction, unless its default action is Pass; NetworkPolicies are policies of order 1000 in the tier ``default``. Behind the last
tier all is allowed (the profile of each namespace).

What depends on a service account, a Service, the source's port or HTTP is left to the verdict as not evaluated, and so is a
policy that can't be read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.addresses import ip_network
from kubectl_netdoc.formats.calico_selector import Labels, Selector, parse
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.port_rules import PortRule
from kubectl_netdoc.policy.ports import PROTOCOLS, Ports
from kubectl_netdoc.policy.rules import (
    NETWORK_POLICY_ORDER,
    STAGES,
    Action,
    Block,
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
from kubectl_netdoc.policy.selection import NAME_LABEL, Mentioned, PodSelection, PodSet
from kubectl_netdoc.records.calico_policies import CalicoPolicy, CalicoRule, CalicoTier, EntityRule, NetworkSet
from kubectl_netdoc.records.kinds import (
    CALICO_GLOBAL_SET,
    CALICO_POLICIES,
    CALICO_SET,
    CALICO_TIER,
)

DEFAULT = STAGES[PolicyTier.NAMESPACE]
DEFAULT_ORDER = DEFAULT.order
"""The order of a tier that has none (release-notes/v3.29.0: 9189)."""

NUMBERS = {6: "TCP", 17: "UDP", 132: "SCTP"}
"""Protocols by their numbers (IANA)."""

SPACE, ORCHESTRATOR, SPACE_NAME, OF_SPACE = (
    "projectcalico.org/namespace",
    "projectcalico.org/orchestrator",
    "projectcalico.org/name",
    "pcns.",
)
"""Labels that Calico gives to pods, and to namespaces (api/pkg/apis/projectcalico/v3/constants.go and the profiles' labels)."""

UNKNOWN_LABELS = ("projectcalico.org/serviceaccount", "pcsa.")
"""Beginnings of labels that come from service accounts, which are not read."""

ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}


class _Pods:
    """All classes of pods by the labels that Calico gives them."""

    def __init__(self, selection: PodSelection) -> None:
        self.selection = selection

    @property
    def all(self) -> PodSet:
        """All classes."""
        return self.selection.by_label.all

    def equal(self, key: str, value: str) -> PodSet:
        """Return the classes with this value of a label."""
        if key == SPACE:
            return self.selection.in_namespace(value)
        if key == ORCHESTRATOR:
            return self.all if value == "k8s" else 0
        if key.startswith(OF_SPACE):
            spaces = self.selection.namespaces_by_label
            return self.selection.of_namespaces(spaces.equal(key.removeprefix(OF_SPACE), value))
        return self.selection.by_label.equal(key, value)

    def present(self, key: str) -> PodSet:
        """Return the classes that have a label."""
        if key in (SPACE, ORCHESTRATOR):
            return self.all
        if key.startswith(OF_SPACE):
            return self.selection.of_namespaces(self.selection.namespaces_by_label.present(key.removeprefix(OF_SPACE)))
        return self.selection.by_label.present(key)

    def values(self, key: str) -> Iterable[str]:
        """Return the values that a label has."""
        if key == SPACE:
            return self.selection.namespace_names
        if key == ORCHESTRATOR:
            return ("k8s",)
        if key.startswith(OF_SPACE):
            return self.selection.namespaces_by_label.values(key.removeprefix(OF_SPACE))
        return self.selection.by_label.values(key)


class CalicoPolicies:
    """The policies of a cluster, and what they refer to. ``understood``: those that are compiled or select no pod.

    ``of_hosts``: those that may be for nodes, of which nothing is known. ``gaps``: lists that could not be read.
    ``as_written``: they are manifests, in which Calico's API server fills in what is left out.
    """

    def __init__(
        self,
        policies: list[tuple[PolicyRef, CalicoPolicy]],
        tiers: dict[str, CalicoTier],
        sets: list[NetworkSet],
        gaps: tuple[str, ...],
        *,
        as_written: bool = False,
    ) -> None:
        self.policies, self.tiers, self.sets, self.gaps, self.as_written = policies, tiers, sets, gaps, as_written
        self.understood: frozenset[PolicyRef] = frozenset()
        self.of_hosts: tuple[PolicyRef, ...] = ()

    def note(self, mentioned: Mentioned) -> None:
        """Add the labels and port names that the policies mention."""
        for _, policy in self.policies:
            for text in _pod_selectors(policy):
                try:
                    mentioned.keys.update(parse(text).labels())
                except ValueError:
                    continue
            for rule in policy.spec.ingress + policy.spec.egress:
                mentioned.ports.update(port for port in rule.destination.ports if isinstance(port, str) and _named(port))

    def compiled(self, compiler: Compiler) -> list[Policy]:
        """Return the policies that can be evaluated."""
        found, understood, hosts = [], set(), []
        for ref, policy in self.policies:
            spec = policy.spec
            if not ref.namespace and not spec.namespace_selector:
                hosts.append(ref)
            if spec.do_not_track or spec.pre_dnat:  # for nodes alone
                understood.add(ref)
                continue
            try:
                found.append(_Compilation(self, compiler, ref, policy).policy())
            except ValueError:
                continue
            understood.add(ref)
        self.understood, self.of_hosts = frozenset(understood), tuple(hosts)
        return found


def read(cluster: Cluster) -> CalicoPolicies:
    """Return Calico's policies of a cluster, as far as the lists could be read."""
    policies = listed(cluster, CALICO_POLICIES)
    tiers = {item.name: item for item in cluster.all(CALICO_TIER)} if cluster.readable(CALICO_TIER) else {}
    sets = [item for kind in (CALICO_SET, CALICO_GLOBAL_SET) if cluster.readable(kind) for item in cluster.all(kind)]
    gaps = tuple(kind.plural for kind in (CALICO_SET, CALICO_GLOBAL_SET) if cluster.unreadable(kind))
    return CalicoPolicies(policies, tiers, sets, gaps, as_written=cluster.origin == "manifests")


def _pod_selectors(policy: CalicoPolicy) -> Iterator[str]:
    yield policy.spec.selector
    for rule in policy.spec.ingress + policy.spec.egress:
        for entity in (rule.source, rule.destination):
            yield entity.selector
            yield entity.not_selector


def _named(port: str) -> bool:
    return not port.replace(":", "").isdigit()


class _Compilation:
    """One policy in the engine's form. Raises ``ValueError`` where it can't be read, or depends on what is not read."""

    def __init__(self, of: CalicoPolicies, compiler: Compiler, ref: PolicyRef, policy: CalicoPolicy) -> None:
        self.of, self.compiler, self.ref, self.spec = of, compiler, ref, policy.spec
        self.selection = compiler.selection
        self.pods = _Pods(self.selection)

    def policy(self) -> Policy:
        """Return the policy."""
        spec = self.spec
        if spec.service_account_selector:
            raise ValueError("it selects by service accounts")
        stage, passes = self._stage()
        if stage == DEFAULT and spec.order == NETWORK_POLICY_ORDER:
            raise ValueError("it has the order of the NetworkPolicies, and names decide which is first")
        subject = self._where(spec.namespace_selector) & self._select(spec.selector)
        written = ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress))
        rules = [
            made
            for direction, items in written
            if direction in self._types()
            for index, item in enumerate(items)
            if (made := self._rule(direction, index, item))
        ]
        return Policy(
            ref=self.ref,
            tier=PolicyTier.OWN,
            priority=float("inf") if spec.order is None else spec.order,
            subject=subject,
            isolates=frozenset() if passes else self._types(),
            rules=tuple(rules),
            own_stage=stage,
        )

    def _types(self) -> frozenset[Direction]:
        """Return the directions. What is stored without types is for both, to Felix; manifests get types by their rules."""
        spec = self.spec
        if spec.types:
            return frozenset(direction for direction in Direction if direction in spec.types)
        if not self.of.as_written:
            return frozenset(Direction)
        found = {Direction.EGRESS} if spec.egress else set()
        return frozenset(found | ({Direction.INGRESS} if spec.ingress or not spec.egress else set()))

    def _stage(self) -> tuple[Stage, bool]:
        """Return its tier, and whether what no rule there matches goes on to the next one."""
        name = self.spec.tier or DEFAULT.name
        tier = self.of.tiers.get(name)
        if tier is None and name != DEFAULT.name:
            raise ValueError(f"its tier {name} is not known")
        order = DEFAULT_ORDER if tier is None or tier.spec.order is None else tier.spec.order
        return Stage(order, name), tier is not None and tier.spec.default_action == "Pass"

    def _select(self, text: str) -> PodSet:
        node = parse(text)
        if any(key.startswith(UNKNOWN_LABELS) for key in node.labels()):
            raise ValueError("it selects by service accounts")
        return node.select(self.pods)

    def _where(self, text: str) -> PodSet:
        """Return the pods of the namespaces that a policy is for, or that a namespaceSelector selects."""
        if text:
            return self.selection.of_namespaces(self._spaces(parse(text)))
        return self.selection.in_namespace(self.ref.namespace) if self.ref.namespace else self.pods.all

    def _spaces(self, node: Selector) -> int:
        return 0 if node.operator == "global" else _renamed(node).select(self.selection.namespaces_by_label)

    def _rule(self, direction: Direction, index: int, rule: CalicoRule) -> Rule | None:
        """Return a rule; None for one that decides nothing."""
        if rule.action not in ACTIONS:
            if rule.action == "Log":
                return None
            raise ValueError(f"action {rule.action}")
        ingress = direction is Direction.INGRESS
        mine, theirs = (rule.destination, rule.source) if ingress else (rule.source, rule.destination)
        other, own = self._peers(theirs), self._peers(mine)
        unclear = [*other.unresolved, *own.unresolved]
        if rule.http:
            unclear.append("HTTP")
        if rule.source.ports or rule.source.not_ports:
            unclear.append("source ports")
        if any(isinstance(port, str) and _named(port) for port in rule.destination.not_ports):
            unclear.append("names of ports that are left out")
        peers = Peers(
            everyone=other.everyone,
            pods=other.pods,
            networks=other.networks,
            unresolved=tuple(dict.fromkeys(unclear)),
            within=other.within,
            but_pods=other.but_pods,
            but_networks=other.but_networks,
        )
        return Rule(
            policy=self.ref,
            direction=direction,
            index=index,
            action=ACTIONS[rule.action],
            peers=peers,
            ports=_ports(rule),
            own=None if own == Peers(everyone=True) else own,
            family=rule.ip_version,
        )

    def _peers(self, entity: EntityRule) -> Peers:
        """Return one end of a rule: all that it names must hold."""
        unclear = [*(["service accounts"] if entity.service_accounts else []), *(["Services"] if entity.services else [])]
        selects = bool(entity.selector or entity.namespace_selector or (self.ref.namespace and entity.not_selector))
        nets, but = self._blocks(entity.nets), self._blocks(entity.not_nets)
        but_pods: PodSet = 0
        if entity.not_selector:
            but_pods = self._select(entity.not_selector)
            but += self._sets(parse(entity.not_selector), lambda item: True)
        if (selects or entity.not_selector) and self.of.gaps:
            unclear += (f"{name} can't be read" for name in self.of.gaps)
        if not selects:
            return Peers(everyone=not nets, networks=nets, unresolved=tuple(unclear), but_pods=but_pods, but_networks=but)
        where = parse(entity.namespace_selector) if entity.namespace_selector else None
        pods = self._where(entity.namespace_selector) & self._select(entity.selector)
        sets = self._sets(parse(entity.selector), lambda item: self._in_scope(item, where))
        return Peers(pods=pods, networks=sets, unresolved=tuple(unclear), within=nets, but_pods=but_pods, but_networks=but)

    def _in_scope(self, item: NetworkSet, where: Selector | None) -> bool:
        """Tell whether a set of addresses is among those that a selector of a rule may find."""
        if where is not None and where.operator == "global":
            return not item.namespace
        if where is not None:
            labels = self.selection.namespace_labels(item.namespace)
            return bool(item.namespace) and bool(_renamed(where).select(Labels(labels)))
        return not self.ref.namespace or item.namespace == self.ref.namespace

    def _sets(self, node: Selector, wanted: Callable[[NetworkSet], bool]) -> tuple[Block, ...]:
        found: tuple[Block, ...] = ()
        for item in self.of.sets:
            labels = item.metadata.labels | ({SPACE: item.namespace} if item.namespace else {})
            if wanted(item) and node.select(Labels(labels)):
                found += self._blocks(item.spec.nets)
        return found

    def _blocks(self, nets: Iterable[str]) -> tuple[Block, ...]:
        return tuple(Block(ip_network(text)) for text in nets)


def _renamed(node: Selector) -> Selector:
    """Return a selector of namespaces with Kubernetes' label for Calico's name of a namespace."""
    key = NAME_LABEL if node.key == SPACE_NAME else node.key
    return Selector(node.operator, key, node.values, tuple(map(_renamed, node.nodes)))


def _protocol(written: int | str) -> str:
    """Return a protocol by name or number; "" for one that has no ports."""
    name = NUMBERS.get(int(written), "") if str(written).isdigit() else str(written).upper()
    return name if name in PROTOCOLS else ""


def _ports(rule: CalicoRule) -> PortRule:
    protocols = [_protocol(rule.protocol)] if rule.protocol is not None else [*PROTOCOLS]
    if rule.not_protocol is not None:
        protocols = [name for name in protocols if name != _protocol(rule.not_protocol)]
    whole = _union(ports.every(name) for name in protocols if name)
    wanted = rule.destination.ports
    fixed = _union(_span(name, port) for port in wanted for name in protocols if name) if wanted else whole
    fixed -= _union(_span(name, port) for port in rule.destination.not_ports for name in protocols if name)
    names = tuple((port, name) for port in wanted if isinstance(port, str) and _named(port) for name in protocols if name)
    return PortRule(fixed, names)


def _span(protocol: str, port: int | str) -> Ports:
    """Return a port or a range of ports ("80:90"); none for a name."""
    if isinstance(port, str) and _named(port):
        return ports.NONE
    first, _, last = str(port).partition(":")
    return ports.of(protocol, int(first), int(last or 0))


def _union(found: Iterable[Ports]) -> Ports:
    result = ports.NONE
    for one in found:
        result |= one
    return result
