# SPDX-License-Identifier: Apache-2.0
"""Cilium's own policies in the engine's form: what a rule denies comes before all that others, and NetworkPolicies, allow.

As cilium-agent applies them (cilium/cilium v1.15.19, and single files of later versions): pkg/policy/utils/parserules.go and
pkg/policy/rule.go (whom a rule is for), pkg/policy/repository.go (when a pod is isolated), pkg/policy/api (entities, ports,
ranges). They are of one stage with the NetworkPolicies. Ranges match what is neither pod nor node, unless
policy-cidr-match-mode says otherwise. A pod's own node is let in unless a rule denies it (pkg/policy/mapstate.go:
determineAllowLocalhostIngress), and is not let out to.

What depends on requests (HTTP, Kafka, names asked of DNS), on domain names, Services, groups or authentication may match or not:
it is a doubt of the rules that have it (``Rule.perhaps``), and a policy with a field that is not known is not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.addresses import ip_address, ip_network, odd
from kubectl_netdoc.policy import cilium_identity as identity
from kubectl_netdoc.policy import cilium_ports, ports
from kubectl_netdoc.policy.cilium_identity import Endpoints
from kubectl_netdoc.policy.cilium_settings import Settings
from kubectl_netdoc.policy.port_rules import PortRule
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import (
    NETWORK_POLICY_ORDER,
    NOBODY,
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
    listed,
)
from kubectl_netdoc.policy.selection import Mentioned, PodSet, chosen
from kubectl_netdoc.records.cilium_policies import (
    CiliumCidr,
    CiliumPolicy,
    CiliumRule,
    CiliumRules,
    DefaultDeny,
)
from kubectl_netdoc.records.cni import NETWORK_CONFIG
from kubectl_netdoc.records.kinds import CILIUM_POLICIES, CILIUM_POLICY, ENDPOINT_SLICE
from kubectl_netdoc.records.policies import LabelSelector

DENIALS, ALLOWANCES = NETWORK_POLICY_ORDER - 1, NETWORK_POLICY_ORDER + 1
"""Before and behind the NetworkPolicies, of which one that allows is as good as a rule here."""

EVERYWHERE = (Block(ip_network("0.0.0.0/0")), Block(ip_network("::/0")))
NAMED = "a port by name, which Cilium opens at all others too, or nowhere if pods give several ports that name"
"""Egress knows one number for a name, of whatever pod (pkg/types/portmap.go)."""

NO_ENDS = frozenset({"health", "ingress", "init", "none"})
"""Entities that are no pod, node or address: Cilium's own, and pods before they have an identity."""


class CiliumPolicies:
    """The policies of a cluster, and what they are read with. ``api_servers``: their addresses, None if they are not known."""

    def __init__(
        self, policies: list[tuple[PolicyRef, CiliumPolicy]], settings: Settings, api_servers: tuple[Block, ...] | None
    ) -> None:
        self.policies, self.settings, self.api_servers = policies, settings, api_servers
        self.numbers: dict[tuple[tuple[str, str], ...], Ports] = {}
        self.understood: frozenset[PolicyRef] = frozenset()
        self.of_hosts: tuple[PolicyRef, ...] = ()

    def note(self, mentioned: Mentioned) -> None:
        """Add the labels and port names that the policies mention."""
        for _, policy in self.policies:
            for rules in policy.spec.sets.values():
                for selector in _selectors(rules):
                    try:
                        mentioned.keys.update(identity.mentioned(selector))
                    except ValueError:
                        continue
                for rule in (*rules.ingress, *rules.ingress_deny, *rules.egress, *rules.egress_deny):
                    named = (port.port for entry in rule.to_ports or () for port in entry.ports)
                    mentioned.ports.update(name.lower() for name in named if not name.isdigit())

    def compiled(self, compiler: Compiler) -> list[Policy]:
        """Return the policies that can be evaluated."""
        endpoints = Endpoints(compiler.selection, self.settings.cluster_name)
        found, understood, hosts = [], set(), []
        for ref, policy in self.policies:
            sets = policy.spec.sets
            if any(rules.node_selector for rules in sets.values()) and not self.settings.off("enable-host-firewall"):
                hosts.append(ref)
            try:
                if policy.spec.unknown or self.settings.own_labels:
                    raise ValueError("it has fields that are not known, or labels that count are chosen")
                made = [
                    each for place, rules in sets.items() for each in _Compilation(self, compiler, ref, place, rules).policies()
                ]
            except ValueError:
                continue
            found += made
            understood.add(ref)
        if self.settings.always:
            ref = PolicyRef("ConfigMap", "kube-system", "cilium-config")
            found.append(_policy(ref, ALLOWANCES, endpoints.all, frozenset(Direction), ()))
        if not self.settings.own_node_let_in:
            found = [replace(policy, spares_own_node=frozenset()) for policy in found]
        self.understood, self.of_hosts = frozenset(understood), tuple(hosts)
        return found


def read(cluster: Cluster) -> CiliumPolicies:
    """Return Cilium's policies of a cluster, as far as the lists could be read."""
    policies = listed(cluster, CILIUM_POLICIES)
    configs = cluster.all(NETWORK_CONFIG) if cluster.readable(NETWORK_CONFIG) else ()
    values = next((item.settings for item in configs if item.name == "cilium-config"), None)
    return CiliumPolicies(policies, Settings(values), _api_servers(cluster) if policies else None)


def _api_servers(cluster: Cluster) -> tuple[Block, ...] | None:
    """Return the addresses of the Service default/kubernetes; None if they are not known."""
    if not cluster.readable(ENDPOINT_SLICE):
        return None
    slices = [item for item in cluster.all(ENDPOINT_SLICE) if (item.namespace, item.service) == ("default", "kubernetes")]
    texts = [text for item in slices for endpoint in item.endpoints for text in endpoint.addresses]
    return tuple(_single(text) for text in texts) or None


def _single(text: str) -> Block:
    address = ip_address(text)
    return Block(ip_network(f"{address}/{address.max_prefixlen}"))


def _selectors(rules: CiliumRules) -> Iterator[LabelSelector]:
    if rules.endpoint_selector is not None:
        yield rules.endpoint_selector
    for rule in (*rules.ingress, *rules.ingress_deny, *rules.egress, *rules.egress_deny):
        yield from rule.from_endpoints or ()
        yield from rule.to_endpoints or ()


def _policy(ref: PolicyRef, priority: float, subject: PodSet, isolates: frozenset[Direction], rules: Iterable[Rule]) -> Policy:
    return Policy(
        ref=ref,
        tier=PolicyTier.OWN,
        priority=priority,
        subject=subject,
        isolates=isolates,
        rules=tuple(rules),
        own_stage=STAGES[PolicyTier.NAMESPACE],
        spares_own_node=frozenset() if priority == DENIALS else frozenset({Direction.INGRESS}),
    )


class _Whom:
    """Whom a rule is for, and whom it may be for as well, with the reasons."""

    def __init__(self) -> None:
        self.sure, self.perhaps = NOBODY, NOBODY
        self.why: dict[str, None] = {}

    def add(self, peers: Peers) -> None:
        """Add some for whom it is."""
        self.sure = _union(self.sure, peers)

    def doubt(self, why: str, peers: Peers) -> None:
        """Add some for whom it may be."""
        self.perhaps = _union(self.perhaps, peers)
        self.why[why] = None

    def doubt_all(self, why: Iterable[str]) -> _Whom:
        """Return it as one of which nothing is sure."""
        found = _Whom()
        found.perhaps, found.why = _union(self.sure, self.perhaps), dict.fromkeys((*self.why, *why))
        return found


def _union(one: Peers, other: Peers) -> Peers:
    return Peers(
        everyone=one.everyone or other.everyone,
        pods=one.pods | other.pods,
        nodes=one.nodes | other.nodes,
        outside=one.outside + other.outside,
        at_nodes=one.at_nodes + other.at_nodes,
        own_node=one.own_node or other.own_node,
        other_nodes=one.other_nodes or other.other_nodes,
    )


class _Compilation:
    """One set of rules in the engine's form. Raises ``ValueError`` where Cilium refuses it or it can't be read."""

    def __init__(self, of: CiliumPolicies, compiler: Compiler, ref: PolicyRef, place: str, rules: CiliumRules) -> None:
        self.settings, self.api_servers, self.numbers = of.settings, of.api_servers, of.numbers
        self.compiler, self.ref, self.place, self.rules = compiler, ref, place, rules
        self.clusterwide = ref.kind != CILIUM_POLICY.name
        self.endpoints = Endpoints(compiler.selection, of.settings.cluster_name)

    def policies(self) -> Iterator[Policy]:
        """Yield what it denies, and what it allows."""
        rules, subject = self.rules, self._subject()
        isolates = frozenset(self._isolated(rules.enable_default_deny))
        denied = [
            *self._rules(Direction.INGRESS, Action.DENY, rules.ingress_deny),
            *self._rules(Direction.EGRESS, Action.DENY, rules.egress_deny),
        ]
        allowed = [
            *self._rules(Direction.INGRESS, Action.ALLOW, rules.ingress),
            *self._rules(Direction.EGRESS, Action.ALLOW, rules.egress),
        ]
        if denied:
            yield _policy(self.ref, DENIALS, subject, frozenset(), denied)
        yield _policy(self.ref, ALLOWANCES, subject, isolates, allowed)

    def _subject(self) -> PodSet:
        selector = self.rules.endpoint_selector
        if (selector is None) == (self.rules.node_selector is None):
            raise ValueError("it selects neither pods nor nodes, or both")
        if selector is None:
            if not self.clusterwide:
                raise ValueError("a policy of a namespace selects nodes")
            return 0
        if self.clusterwide:
            return chosen(self.endpoints, selector)
        own = identity.in_any_namespace(selector)
        return chosen(self.endpoints, own) & self.compiler.selection.in_namespace(self.ref.namespace)

    def _isolated(self, flags: DefaultDeny) -> Iterator[Direction]:
        rules = self.rules
        for direction, flag, there in (
            (Direction.INGRESS, flags.ingress, rules.ingress or rules.ingress_deny),
            (Direction.EGRESS, flags.egress, rules.egress or rules.egress_deny),
        ):
            if flag and not there:
                raise ValueError("it denies by default in a direction without rules, which versions read differently")
            if there and (flag is not False or self.settings.always_isolates):
                yield direction

    def _rules(self, direction: Direction, action: Action, written: tuple[CiliumRule, ...]) -> Iterator[Rule]:
        where = f"{self.place}.{direction.lower()}{'Deny' if action is Action.DENY else ''}"
        for index, rule in enumerate(written):
            whom, whys = self._whom(direction, rule), list(cilium_ports.conditions(rule))
            if whys:
                whom = whom.doubt_all(whys)
            for one, entry in self._on_ports(direction, rule, whom):
                yield Rule(
                    self.ref, direction, index, action, one.sure, entry, perhaps=one.perhaps, why=tuple(one.why), where=where
                )

    # The other end

    def _whom(self, direction: Direction, rule: CiliumRule) -> _Whom:
        ingress = direction is Direction.INGRESS
        endpoints, entities = (rule.from_endpoints, rule.from_entities) if ingress else (rule.to_endpoints, rule.to_entities)
        nodes, groups = (rule.from_nodes, rule.from_groups) if ingress else (rule.to_nodes, rule.to_groups)
        cidrs, sets = (rule.from_cidr, rule.from_cidr_set) if ingress else (rule.to_cidr, rule.to_cidr_set)
        services, names = (None, None) if ingress else (rule.to_services, rule.to_fqdns)
        if rule.from_requires is not None or rule.to_requires is not None:
            raise ValueError("it requires labels")
        there = [each for each in (endpoints, entities, nodes, groups, cidrs, sets, services, names) if each is not None]
        if len(there) > 1:
            raise ValueError("a rule has several kinds of peers, which Cilium refuses")
        whom = _Whom()
        if there == [()] and (rule.to_ports or rule.icmps):
            whom.doubt("an empty list of peers beside ports, which old versions read as everybody", Peers(everyone=True))
        if not there and (rule.to_ports or rule.icmps):
            whom.add(Peers(everyone=True))
        for selector in endpoints or ():
            self._endpoints(whom, direction, selector)
        for name in entities or ():
            self._entity(whom, direction, name)
        if nodes and not self.settings.off("enable-node-selector-labels"):
            whom.doubt("nodes by their labels", Peers(own_node=True, other_nodes=True))
        if groups or names:
            whom.doubt("groups of addresses" if groups else "domain names", Peers(outside=EVERYWHERE))
        if services:
            whom.doubt("Services", Peers(everyone=True))
        for text in cidrs or ():
            self._ranges(whom, direction, CiliumCidr(cidr=text if "/" in text else str(_single(text).network)))
        for each in sets or ():
            self._ranges(whom, direction, each)
        return whom

    def _endpoints(self, whom: _Whom, direction: Direction, selector: LabelSelector) -> None:
        """Add the pods that a selector finds: of the policy's namespace, unless it names another one."""
        name, having = identity.reserved(selector), set(identity.keys(selector))
        pods = chosen(self.endpoints, selector)
        if name is not None:
            self._entity(whom, direction, name)
        elif identity.SPACE in having:
            whom.add(Peers(pods=pods))
            if identity.selects_unlabelled(selector):
                others = Peers(own_node=True, other_nodes=True, outside=EVERYWHERE)
                whom.doubt("a selector that excludes namespaces alone", others)
        elif self.clusterwide:
            whom.add(Peers(pods=pods))
        else:
            near = pods & self.compiler.selection.in_namespace(self.ref.namespace)
            whom.add(Peers(pods=near))
            if any(key.startswith(identity.OF_SPACE) for key in having):
                others = Peers(own_node=True, other_nodes=True, outside=EVERYWHERE)
                far = _union(Peers(pods=pods), others if identity.selects_unlabelled(selector) else NOBODY)
                whom.doubt("namespaces by their labels, which old versions look for in the policy's own", far)

    def _entity(self, whom: _Whom, direction: Direction, name: str) -> None:
        match name:
            case "all":
                whom.add(Peers(everyone=True))
            case "world":
                whom.add(Peers(outside=EVERYWHERE))
            case "cluster":
                whom.add(Peers(pods=self.endpoints.all, own_node=True, other_nodes=True))
                self._api_server(whom, Direction.EGRESS)
            case "host":
                whom.add(Peers(own_node=True))
            case "remote-node":
                whom.add(Peers(other_nodes=True))
            case "kube-apiserver":
                self._api_server(whom, direction)
            case "unmanaged":
                whom.doubt("pods that Cilium does not manage", Peers(pods=self.endpoints.all))
            case _ if name not in NO_ENDS:
                raise ValueError(f"entity {name}")

    def _api_server(self, whom: _Whom, direction: Direction) -> None:
        """Add the API servers. A node's connections come from an address of its own in tunnels, which is not the API server's."""
        if self.api_servers is None:
            whom.doubt("the API server, whose addresses are not known", Peers(outside=EVERYWHERE, at_nodes=EVERYWHERE))
            return
        whom.add(Peers(outside=self.api_servers))
        self._nodes(whom, direction, self.api_servers)

    def _nodes(self, whom: _Whom, direction: Direction, blocks: tuple[Block, ...]) -> None:
        if direction is Direction.EGRESS:
            whom.add(Peers(at_nodes=blocks))
        else:
            whom.doubt("nodes by their addresses, which they don't come from in tunnels", Peers(at_nodes=blocks))

    def _ranges(self, whom: _Whom, direction: Direction, written: CiliumCidr) -> None:
        if written.cidr_group_ref or written.cidr_group_selector:
            whom.doubt("groups of addresses", Peers(outside=EVERYWHERE))
            return
        if any(odd(text) for text in (written.cidr, *written.except_)):
            raise ValueError("a range that Cilium does not read")
        blocks = (Block(ip_network(written.cidr), tuple(map(ip_network, written.except_))),)
        whom.add(Peers(outside=blocks))
        if self.settings.ranges_match_nodes:
            self._nodes(whom, direction, blocks)
        elif self.settings.ranges_match_nodes is None:
            whom.doubt("whether ranges match nodes is not known (policy-cidr-match-mode)", Peers(at_nodes=blocks))

    # Ports

    def _on_ports(self, direction: Direction, rule: CiliumRule, whom: _Whom) -> Iterator[tuple[_Whom, PortRule]]:
        """Yield the peers of a rule with each of its lists of ports."""
        if rule.to_ports and rule.icmps:
            raise ValueError("a rule has ports and kinds of ICMP, which Cilium refuses")
        if not rule.to_ports:
            yield whom, PortRule(ports.NONE if rule.icmps else ports.ALL)
        for entry in rule.to_ports or ():
            whys = list(cilium_ports.requests(entry))
            if not entry.ports:
                yield whom.doubt_all([*whys, "a list of ports without a port"]), PortRule()
                continue
            fixed, names = cilium_ports.numbers(entry.ports), cilium_ports.names(entry.ports)
            sure = whom.doubt_all(whys) if whys else whom
            if not names or direction is Direction.INGRESS:
                yield sure, PortRule(fixed, names)
                continue
            opened = {name: self._everywhere((name,)) for name in names}
            alone = tuple(name for name, found in opened.items() if cilium_ports.is_single(found))
            yield sure, PortRule(fixed, alone)
            yield whom.doubt_all([*whys, NAMED]), PortRule(cilium_ports.all_of(opened.values()))

    def _everywhere(self, names: tuple[tuple[str, str], ...]) -> Ports:
        """Return the ports that any pod has under these names."""
        if names not in self.numbers:
            found = ports.NONE
            for known in self.compiler.selection.classes:
                found |= PortRule(ports.NONE, names).on(known)
            self.numbers[names] = found
        return self.numbers[names]
