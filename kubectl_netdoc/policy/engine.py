# SPDX-License-Identifier: Apache-2.0
"""The policy engine: which connections the policies allow, as written.

A connection needs both ends: the source's egress and the destination's ingress. It is judged after Service translation: the
other end is a pod and its targetPort, never a ClusterIP. Whether anything enforces the policies is not known here; the canary
measures that (check policy_enforcement).

Where the API leaves something to the CNI, or networks read an address differently, the engine takes the most common reading and
the verdict says so (``Verdict.depends``): ipBlock matches pods' addresses (as in Calico, kube-router and the e2e tests of
Kubernetes; Cilium never matches pods by address), and traffic of hostNetwork pods is their node's, which no selector selects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.addresses import IPAddress, ip_address
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.policy import antrea, calico, cilium, enforcers
from kubectl_netdoc.policy.judging import Judging, Selecting, matches, on_own_node, same_pod
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import (
    Compiler,
    Direction,
    OwnPolicies,
    Peers,
    Policy,
    PolicyRef,
    PolicyTier,
    Rule,
    mentioned,
)
from kubectl_netdoc.policy.selection import PodClass, PodSelection, members
from kubectl_netdoc.policy.verdict import Doubt, End, OddBlocks, Reading, Side, Verdict, addresses, node_addresses
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import (
    ADMIN_POLICIES,
    ANTREA_POLICIES,
    CALICO_POLICIES,
    CILIUM_POLICIES,
    NAMESPACE,
    NATIVE_POLICIES,
    NETWORK_POLICY,
    NODE,
    OWNERS,
    POD,
)
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod, PodTemplate
from kubectl_netdoc.records.policies import AdminPolicy
from kubectl_netdoc.records.workloads import CronJob, Workload

KINDS: tuple[Kind[Any], ...] = (NETWORK_POLICY, *ADMIN_POLICIES, *NATIVE_POLICIES)
"""The policies that the engine reads; it also reads pods, namespaces and nodes."""

BLOCK_ON_POD = "an ipBlock contains the pod's address: whether it matches depends on the CNI"
NO_ADDRESS = "an ipBlock may match the pod, whose address is not known"
HOST_NETWORK_AS_POD = "it is a hostNetwork pod: whether policies treat it as a pod depends on the CNI"
OWN_KINDS: tuple[tuple[tuple[Kind[Any], ...], Callable[[Cluster], OwnPolicies]], ...] = (
    (CALICO_POLICIES, calico.read),
    (CILIUM_POLICIES, cilium.read),
    (ANTREA_POLICIES, antrea.read),
)
"""The kinds of the CNIs' own that are evaluated, and what reads them."""

UNKNOWN_NODE = "whether it is the pod's own node is not known"
OWN_NODE = "egress to the pod's own node: whether policies block it depends on the CNI"


class Engine:
    """The policies of a cluster, compiled. Build it once; each question is then cheap.

    ``unlisted_pods``: pods that are not in the cluster's lists, as (namespace, labels), such as netdoc's own. ``templates``:
    whether workloads are read too, for the pods that they would create.
    Policies of kinds that nothing here enforces (``unenforced``) take no part.
    Raises ``KindUnavailable`` if pods, namespaces or NetworkPolicies can't be read.
    """

    def __init__(
        self, cluster: Cluster, unlisted_pods: Iterable[tuple[str, Mapping[str, str]]] = (), *, templates: bool = True
    ) -> None:
        self.cluster = cluster
        written = cluster.all(NETWORK_POLICY)
        admin: list[tuple[Kind[AdminPolicy], AdminPolicy]]
        self.unenforced = enforcers.unenforced(cluster)
        admin = [(kind, item) for kind in ADMIN_POLICIES if self._counts(kind) for item in cluster.all(kind)]
        labels = {item.name: item.metadata.labels for item in cluster.all(NAMESPACE)} if cluster.readable(NAMESPACE) else {}
        for policy in written:
            labels.setdefault(policy.namespace, {})
        known = mentioned(written, (item for _, item in admin))
        owns = [read(cluster) for kinds, read in OWN_KINDS if any(self._counts(kind) for kind in kinds)]
        for own in owns:
            own.note(known)
        self.selection = PodSelection(labels, known)
        self._class_of: dict[tuple[str, str], PodClass] = {}
        self._classify(cluster, unlisted_pods, OWNERS if templates else ())
        nodes = {node.name: node.metadata.labels for node in self._nodes} if cluster.readable(NODE) else None
        self.compiler = Compiler(self.selection, nodes)
        self.policies: list[Policy] = [self.compiler.namespaced(policy) for policy in written]
        self.policies += [self.compiler.cluster_wide(kind.name, item) for kind, item in admin]
        for own in owns:
            self.policies += own.compiled(self.compiler)
        self.compiled = frozenset(ref for own in owns for ref in own.understood)
        self.of_hosts = tuple(ref for own in owns for ref in own.of_hosts)
        self._selecting = {direction: self._index(direction) for direction in Direction}
        every = [rule for policy in self.policies for rule in policy.rules]
        self.has_blocks = any(rule.peers.blocks for rule in every)
        self.has_networks = any(len(rule.peers.ranges) > len(rule.peers.blocks) or rule.own for rule in every)
        self.has_doubts = any(rule.why for rule in every)
        self.tells_nodes_apart = any(rule.peers.own_node != rule.peers.other_nodes for rule in every)
        self.odd = [f"{rule.place} of {rule.policy}: {what}" for rule in every for what in rule.peers.odd]

    def _counts(self, kind: Kind[Any]) -> bool:
        """Tell whether the policies of a kind can be read, and something may enforce them."""
        return self.cluster.readable(kind) and kind.name not in self.unenforced

    @property
    def left_out(self) -> list[str]:
        """Return the kinds of policies that nothing enforces, with the reason; they take no part in verdicts."""
        return [f"nothing enforces {kind}: {why}" for kind, why in self.unenforced.items()]

    def _classify(
        self, cluster: Cluster, unlisted_pods: Iterable[tuple[str, Mapping[str, str]]], kinds: tuple[Kind[Any], ...]
    ) -> None:
        for pod in cluster.all(POD):
            self._class_of[pod.namespace, pod.name] = self.selection.classify(pod.namespace, pod.metadata.labels, pod.spec)
        for kind in kinds:
            if cluster.readable(kind):
                for item in cluster.all(kind):
                    self._of_template(item)
        for namespace, labels in unlisted_pods:
            self.selection.classify(namespace, labels, Pod().spec)

    def _of_template(self, item: Workload | CronJob) -> PodClass:
        template = item.template
        return self.selection.classify(item.namespace, template.metadata.labels, template.spec)

    def _index(self, direction: Direction) -> dict[int, Selecting]:
        """Return the policies that apply to a class in a direction, by the class's number."""
        found: dict[int, Selecting] = {}
        for policy in sorted(self.policies, key=lambda policy: policy.precedence):
            if direction in policy.isolates or (policy.tier is not PolicyTier.NAMESPACE and any(policy.of(direction))):
                for number in members(policy.subject):
                    found.setdefault(number, Selecting(direction)).policies.append(policy)
        return found

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        return self.cluster.all(NODE) if self.cluster.readable(NODE) else ()

    @cached_property
    def _node_of(self) -> dict[IPAddress, str]:
        return {address: node.name for node in self._nodes for address in node_addresses(node)}

    @cached_property
    def _pod_of(self) -> dict[str, Pod]:
        """The unfinished pods by their addresses on the pod network (normalized, as IPv6 can be written in several ways)."""
        pods = (pod for pod in self.cluster.all(POD) if not pod.finished and not pod.spec.host_network)
        return {text if ":" not in text else str(ip_address(text)): pod for pod in pods for text in pod.ips}

    @cached_property
    def dual_stack(self) -> bool:
        """Tell whether a pod or a node has an IPv6 address."""
        texts = (address for pod in self.cluster.all(POD) for address in pod.ips)
        return any(":" in text for text in texts) or any(a.version == 6 for node in self._nodes for a in node_addresses(node))

    # Ends

    def pod(self, pod: Pod) -> End:
        """Return a pod as an end."""
        own = addresses(pod.ips)
        if pod.spec.host_network and not own:
            own = tuple(address for address, name in self._node_of.items() if name == pod.spec.node_name)
        known = self._class_of.get((pod.namespace, pod.name))
        return End(
            label=f"Pod {pod.namespace}/{pod.name}",
            pod_class=known or self.selection.classify(pod.namespace, pod.metadata.labels, pod.spec),
            pod=(pod.namespace, pod.name),
            addresses=own,
            node=pod.spec.node_name,
        )

    def template(self, label: str, namespace: str, template: PodTemplate) -> End:
        """Return a pod of a template as an end, with unknown node and address."""
        return End(label, self.selection.classify(namespace, template.metadata.labels, template.spec))

    def unknown_pod(self, label: str, namespace: str, labels: Mapping[str, str], node: str = "") -> End:
        """Return a pod that is not in the lists as an end; it must be one of the constructor's ``unlisted_pods``."""
        return End(label, self.selection.classify(namespace, labels, Pod().spec), node=node)

    def address(self, text: str) -> End:
        """Return an address as an end: a pod's, a node's, or one outside. Raises ``ValueError`` for an invalid address."""
        address = ip_address(text)
        if str(address) in self._pod_of:
            return self.pod(self._pod_of[str(address)])
        node = self._node_of.get(address, "")
        return End(f"Node {node}" if node else str(address), addresses=(address,), node=node)

    # Verdicts

    def verdict(self, source: End, destination: End, asked: Ports, family: int) -> Verdict:
        """Return the verdict on connections from ``source`` to the ports ``asked`` on ``destination``, in an IP version."""
        common = Reading(family)
        egress, ingress = self.sides(source, destination, asked, common)
        allowed = egress.allowed & ingress.allowed
        depends = []
        for why, reading in self._readings(common, source, destination):
            other = self.sides(source, destination, asked, reading)
            if other[0].allowed & other[1].allowed != allowed:
                depends.append(why)
        incomplete = [*self.incomplete(source, destination)]
        if self.has_doubts:
            doubted = (self.sides(source, destination, asked, replace(common, doubt=doubt)) for doubt in Doubt)
            if any(other[0].allowed & other[1].allowed != allowed for other in doubted):
                incomplete += self._doubts(source, destination, asked, common)
        return Verdict(egress, ingress, tuple(dict.fromkeys(depends)), tuple(dict.fromkeys(incomplete)))

    def sides(self, source: End, destination: End, asked: Ports, reading: Reading) -> tuple[Side, Side]:
        """Return the egress of the source and the ingress of the destination."""
        return (
            self.side(Direction.EGRESS, source, destination, asked, reading),
            self.side(Direction.INGRESS, destination, source, asked, reading),
        )

    def _readings(self, common: Reading, source: End, destination: End) -> Iterator[tuple[str, Reading]]:
        both = (source, destination)
        if self.has_blocks and all(end.pod_class for end in both) and any(end.addresses for end in both):
            yield BLOCK_ON_POD, replace(common, blocks_match_pods=False)
        if (self.has_blocks or self.has_networks) and any(end.pod_class and not end.addresses for end in both):
            yield NO_ADDRESS, replace(common, unknown_matches=True)
        if any(end.pod_class and end.pod_class.host_network for end in both):
            yield HOST_NETWORK_AS_POD, replace(common, host_network_as_pods=True)
        if self.tells_nodes_apart and any(end.host for end in both) and not (source.node and destination.node):
            yield UNKNOWN_NODE, replace(common, unknown_is_own_node=True)
        if on_own_node(source, destination):
            yield OWN_NODE, replace(common, own_node_open=False)
        if self.odd and (odd := self._told(source, destination, lambda peers: peers.odd)):
            for other in (OddBlocks.NOTHING, OddBlocks.EVERYTHING):
                yield joined(odd), replace(common, odd=other)

    def side(self, direction: Direction, subject: End, other: End, asked: Ports, reading: Reading) -> Side:
        """Return the verdict of the policies of ``subject`` on traffic with ``other``."""
        own = subject.pod_class
        if own is None or (own.host_network and not reading.host_network_as_pods) or same_pod(subject, other):
            return Side(asked)
        selecting = self._selecting[direction].get(own.id)
        if selecting is None:
            return Side(asked)
        destination = other.pod_class if direction is Direction.EGRESS else own
        if destination is not None and destination.host_network and not reading.host_network_as_pods:
            destination = None  # the node's address, which has no named ports
        own_node = on_own_node(subject, other) and (direction is Direction.INGRESS or reading.own_node_open)
        return Judging(direction, selecting, subject, other, destination, reading).judge(asked, own_node)

    def incomplete(self, source: End, destination: End) -> tuple[str, ...]:
        """Return the policies that are not evaluated and might change a verdict about these two."""
        places = {end.pod_class.namespace for end in (source, destination) if end.pod_class} | {""}
        found = [text for namespace, text in self._unevaluated if namespace in places]
        if source.host or destination.host:
            found += [f"{ref}, which may be for the nodes themselves" for ref in self.of_hosts]
        return tuple(dict.fromkeys((*found, *self._told(source, destination, lambda peers: peers.unresolved))))

    def _doubts(self, source: End, destination: End, asked: Ports, reading: Reading) -> list[str]:
        """Return which rules may be for the other end as well, and why that is not known."""
        return [
            f"{rule.place} of {rule.policy}: {joined(rule.why)}"
            for end, other, direction in ((source, destination, Direction.EGRESS), (destination, source, Direction.INGRESS))
            for rule in self._rules(end, direction)
            if rule.why and rule.ports.on(destination.pod_class) & asked and matches(rule.perhaps, other, reading, end)
        ]

    def _rules(self, end: End, direction: Direction) -> Iterator[Rule]:
        return (rule for policy in self.selecting(end, direction) for rule in policy.of(direction))

    def _told(self, source: End, destination: End, what: Callable[[Peers], tuple[str, ...]]) -> list[str]:
        """Return what is said of the peers of the rules that are for two ends, each with its policy and rule."""
        return [
            f"{rule.place} of {rule.policy}: {text}"
            for end, direction in ((source, Direction.EGRESS), (destination, Direction.INGRESS))
            for rule in self._rules(end, direction)
            for text in what(rule.peers)
        ]

    @cached_property
    def _unevaluated(self) -> list[tuple[str, str]]:
        """Pairs of what is not evaluated (native policies, unreadable lists) and its namespace ("": all)."""
        found = []
        for kind in KINDS:
            listing = self.cluster.listing(kind)
            if self.cluster.readable(kind):
                # What is not applicable can't come to be in a cluster, and so changes no verdict.
                bad = (item for item in getattr(listing, "undecodable", ()) if not item.not_applicable)
                found += [("", f"{item.what}: {item.reason}") for item in bad]
                if kind in NATIVE_POLICIES and self._counts(kind):
                    found += [(ref.namespace, str(ref)) for ref in self._refs(kind) if ref not in self.compiled]
            elif self.cluster.unreadable(kind):
                found.append(("", f"{kind.plural} can't be read"))
        return found

    @property
    def native(self) -> list[str]:
        """Return all policies, and unreadable lists of policies, that are not evaluated."""
        return [text for _, text in self._unevaluated]

    @property
    def native_refs(self) -> list[PolicyRef]:
        """Return the policies of the CNI's own kinds that are not evaluated."""
        kinds = [kind for kind in NATIVE_POLICIES if self._counts(kind)]
        return [ref for kind in kinds for ref in self._refs(kind) if ref not in self.compiled]

    def _refs(self, kind: Kind[Any]) -> list[PolicyRef]:
        return [PolicyRef(kind.name, item.namespace, item.name) for item in self.cluster.all(kind)]

    @property
    def incomplete_at_all(self) -> list[str]:
        """Return everything that is not evaluated, and what is read as Kubernetes does though networks read it differently."""
        rules = [rule for policy in self.policies for rule in policy.rules]
        peers = (f"{rule.policy}: {what}" for rule in rules for what in (*rule.peers.unresolved, *rule.why))
        return [*self.native, *dict.fromkeys((*peers, *self.odd))]

    # Policies by pod

    def selecting(self, end: End, direction: Direction) -> list[Policy]:
        """Return the policies that apply to an end, in order of precedence."""
        found = self._selecting[direction].get(end.pod_class.id) if end.pod_class else None
        return list(found.policies) if found else []

    def baseline(self, ref: PolicyRef) -> bool:
        """Tell whether a policy is of the Baseline tier, the last one."""
        return any(policy.ref == ref and policy.tier is PolicyTier.BASELINE for policy in self.policies)

    def class_of(self, pod: Pod) -> PodClass:
        """Return the class of a pod of the cluster."""
        return self._class_of[pod.namespace, pod.name]

    def isolated(self, known: PodClass, direction: Direction) -> bool:
        """Tell whether a NetworkPolicy isolates a class."""
        found = self._selecting[direction].get(known.id)
        return found is not None and found.namespace and not known.host_network
