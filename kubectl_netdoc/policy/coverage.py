# SPDX-License-Identifier: Apache-2.0
"""Coverage by policies: isolation in each direction, default deny, and from where workloads can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from kubectl_netdoc.formats.text import counted
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.connections import elementary
from kubectl_netdoc.policy.dns_access import UNKNOWN_NAMESPACE
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Direction, Policy, PolicyRef, PolicyTier
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.policy.verdict import End, Reading
from kubectl_netdoc.policy.workloads import WorkloadPeer, WorkloadRef, peers

SYSTEM = "kube-"
"""Kubernetes' own namespaces begin like this. Their workloads are meant for the whole cluster."""


class ReachableFrom(StrEnum):
    """From where a workload can be reached, as the policies are written."""

    WORLD = "the world"
    CLUSTER = "the whole cluster"
    OUTSIDE = "the world, but no pods"
    CHOSEN = "selected peers"
    NOBODY = "nobody"


WIDE = (ReachableFrom.WORLD, ReachableFrom.CLUSTER, ReachableFrom.OUTSIDE)
"""The values that are wider than selected peers."""


class WorkloadCoverage(Struct, frozen=True):
    """A workload: what keeps its pods from other pods in each direction, and from where they can be reached.

    ``ingress``, ``egress``: isolated (by a NetworkPolicy), denied or limited (by cluster-wide ones), open, partly (its pods
    differ), or node's (the host network).
    """

    ref: WorkloadRef
    pods: int
    ingress: str
    egress: str
    exposure: ReachableFrom
    ports: Ports
    policies: tuple[PolicyRef, ...]


class NamespaceCoverage(Struct, frozen=True):
    """A namespace: its pods, how many are isolated in each direction, and the directions that it denies by default.

    ``unmade``: workloads without pods. ``covered``: how many pods and workloads without pods are isolated in each direction.
    ``open``: how many of them no NetworkPolicy isolates and the whole cluster can reach; hostNetwork pods are left out.
    """

    name: str
    pods: int
    isolated: Mapping[Direction, int]
    default_deny: tuple[Direction, ...]
    workloads: tuple[WorkloadCoverage, ...]
    covered: Mapping[Direction, int]
    unmade: int = 0
    open: int = 0

    @property
    def units(self) -> int:
        """Pods, and workloads without pods."""
        return self.pods + self.unmade

    @property
    def counted(self) -> str:
        """The number of pods and workloads as text."""
        unmade = f"{counted(self.unmade, 'workload')} without pods" if self.unmade else ""
        both = (counted(self.pods, "pod") if self.pods else "", unmade)
        return " and ".join(filter(None, both))


class PolicyCoverage:
    """The coverage of a cluster; each class of pods is judged once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.peers = peers(engine)
        self._exposures: dict[PodClass, tuple[ReachableFrom, Ports]] = {}
        self._opens: dict[PodClass, bool] = {}

    @cached_property
    def namespaces(self) -> tuple[NamespaceCoverage, ...]:
        """Return the coverage of each namespace with workloads, by name."""
        by_namespace: dict[str, list[WorkloadPeer]] = {}
        for peer in self.peers:
            by_namespace.setdefault(peer.ref.namespace, []).append(peer)
        return tuple(self._namespace(name, found) for name, found in sorted(by_namespace.items()))

    def _namespace(self, name: str, found: list[WorkloadPeer]) -> NamespaceCoverage:
        made = [self.engine.class_of(pod) for peer in found for pod in peer.pods]
        unmade = [peer.ends[0].pod_class for peer in found if not peer.pods and peer.ends]
        units = [known for known in (*made, *unmade) if known]
        isolated = {d: sum(self.engine.isolated(known, d) for known in made) for d in Direction}
        return NamespaceCoverage(
            name=name,
            pods=sum(len(peer.pods) for peer in found),
            isolated=isolated,
            default_deny=tuple(d for d in Direction if any(denies_by_default(p, d) for p in self._selecting_all.get(name, ()))),
            workloads=tuple(map(self._workload, found)),
            covered={d: sum(self.engine.isolated(known, d) for known in units) for d in Direction},
            unmade=len(unmade),
            open=sum(map(self._open, units)),
        )

    def _open(self, known: PodClass) -> bool:
        """Tell whether no NetworkPolicy isolates it and any pod of the cluster can reach it."""
        if known not in self._opens:
            shielded = known.host_network or self.engine.isolated(known, Direction.INGRESS)
            self._opens[known] = not shielded and bool(self._lets_in(known, self._stranger))
        return self._opens[known]

    @cached_property
    def _selecting_all(self) -> dict[str, list[Policy]]:
        found: dict[str, list[Policy]] = {}
        for policy in self.engine.policies:
            if policy.tier is PolicyTier.NAMESPACE and policy.selects_all:
                found.setdefault(policy.ref.namespace, []).append(policy)
        return found

    def _workload(self, peer: WorkloadPeer) -> WorkloadCoverage:
        classes = [end.pod_class for end in peer.ends if end.pod_class]
        exposures = [self.exposure(known) for known in classes]
        worst = min(exposures, key=lambda pair: list(ReachableFrom).index(pair[0]), default=(ReachableFrom.NOBODY, ports.NONE))
        refs = (policy.ref for end in peer.ends for direction in Direction for policy in self.engine.selecting(end, direction))
        return WorkloadCoverage(
            ref=peer.ref,
            pods=len(peer.pods),
            ingress=self._share(classes, Direction.INGRESS),
            egress=self._share(classes, Direction.EGRESS),
            exposure=worst[0],
            ports=worst[1],
            policies=tuple(dict.fromkeys(refs)),
        )

    def _share(self, classes: list[PodClass], direction: Direction) -> str:
        if any(known.host_network for known in classes):
            return "node's"
        found = {self._closed(known, direction) for known in classes}
        return found.pop() if len(found) == 1 else "partly" if found else "open"

    def _closed(self, known: PodClass, direction: Direction) -> str:
        """Return what keeps a class from pods that no policy mentions: a NetworkPolicy (isolated), or cluster-wide ones."""
        if self.engine.isolated(known, direction):
            return "isolated"
        sides = (self.engine.side(direction, End("", known), self._stranger, ports.ALL, Reading(family)) for family in (4, 6))
        left = [side.allowed for side in sides]
        return "open" if all(each == ports.ALL for each in left) else "limited" if any(left) else "denied"

    def exposure(self, known: PodClass) -> tuple[ReachableFrom, Ports]:
        """Return the widest sources from which a class can be reached, and on which ports."""
        if known not in self._exposures:
            self._exposures[known] = next(self._judged(known))
        return self._exposures[known]

    def _judged(self, known: PodClass) -> Iterator[tuple[ReachableFrom, Ports]]:
        pods = self._lets_in(known, self._stranger)
        maybe_pods = pods or self._lets_in(known, self._stranger, unknown=True)
        for other in self._anywhere:
            if outside := self._lets_in(known, other):
                yield (ReachableFrom.WORLD if maybe_pods else ReachableFrom.OUTSIDE), outside
        if pods:
            yield ReachableFrom.CLUSTER, pods
        rules = (
            rule for policy in self.engine.selecting(End("", known), Direction.INGRESS) for rule in policy.of(Direction.INGRESS)
        )
        yield (ReachableFrom.CHOSEN if any(rules) else ReachableFrom.NOBODY), ports.NONE

    def _lets_in(self, known: PodClass, other: End, *, unknown: bool = False) -> Ports:
        """Return the ports on which another end can reach a class. ``unknown``: a block may contain a pod's address."""
        found = ports.NONE
        for version in {address.version for address in other.addresses} or (4, 6):
            reading = Reading(version, blocks_match_pods=unknown, unknown_matches=unknown)
            found |= self.engine.side(Direction.INGRESS, End("", known), other, ports.ALL, reading).allowed
        return found

    @cached_property
    def _stranger(self) -> End:
        return self.engine.unknown_pod("a pod that no policy mentions", UNKNOWN_NAMESPACE, {})

    @cached_property
    def _anywhere(self) -> tuple[End, ...]:
        """Return an address of each family that no block of a policy contains."""
        named = [b.network for p in self.engine.policies for rule in p.rules for b in rule.peers.ranges]
        special = {network for network in named if network.prefixlen > 0}
        firsts = [first for first, _ in elementary(self.engine) if not any(first in network for network in special)]
        by_family = {first.version: End(str(first), addresses=(first,)) for first in reversed(firsts)}
        return tuple(by_family[version] for version in sorted(by_family))


def denies_by_default(policy: Policy, direction: Direction) -> bool:
    """Tell whether a NetworkPolicy isolates a direction without any rule for it."""
    return direction in policy.isolates and not any(policy.of(direction))
