# SPDX-License-Identifier: Apache-2.0
"""Adds to each cause what changed shortly before: rollouts, objects that somebody wrote, nodes that joined, Events.

Changes are shown, never judged: a change just before an outage is where people look first, but need not have caused it. Only
lists that the checks of the run needed are used, and times count from the recording's clock, so that a bundle always shows the
same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core import closest_match
from kubectl_netdoc.core.cluster import Cluster, matches
from kubectl_netdoc.core.finding import Finding, Recent, Severity, Subject
from kubectl_netdoc.formats.text import beginning
from kubectl_netdoc.records.base import Kind, Object, Traced
from kubectl_netdoc.records.events import Event
from kubectl_netdoc.records.kinds import (
    COREFILE,
    DAEMON_SET,
    DEPLOYMENT,
    KINDS,
    PAST_SERVICE,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
)
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.records.workloads import Workload

WINDOW = timedelta(hours=1)
"""How far back: Events are kept for an hour by default (kube-apiserver, --event-ttl)."""

MOST = 5
"""Most changes that are shown for a cause; the newest are kept."""

MACHINERY = frozenset({"kube-apiserver", "kube-controller-manager", "kube-scheduler", "cloud-controller-manager", "kubelet"})
"""Field managers that write objects all the time, as a consequence of something else. Only scaling by an autoscaler counts."""

FIRST_READY = timedelta(minutes=5)
"""A node that becomes Ready within this time after its creation is Ready for the first time."""

TOGETHER = timedelta(seconds=2)
"""The API's times are whole seconds: events this close together count as simultaneous."""

MOST_VALUES, LONGEST_VALUE = 3, 60
"""Fields that are shown with what they were, and the most characters of a value."""

NORMAL = frozenset({"ScalingReplicaSet", "Killing", "NodeNotReady"})
"""Reasons of Normal Events that are shown."""

LONGEST = 120
"""Most characters of an Event's message that are shown."""

OWNERS = 3
"""How many owners above a pod are followed: ReplicaSet, Deployment, and one more."""

WORKLOADS: tuple[Kind[Workload], ...] = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)

Key = tuple[str, str, str]


def beside(findings: Iterable[Finding], cluster: Cluster) -> tuple[Finding, ...]:
    """Return the findings; causes get the recent changes of the objects that they name."""
    history = _History(cluster)
    return tuple(
        finding
        if finding.explained_by or finding.severity is Severity.INFO
        else msgspec.structs.replace(finding, recent=history.of(finding))
        for finding in findings
    )


class _History:
    """Recent changes by object; each lookup table is built on first use."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.index = cluster.index
        self._known: dict[Key, tuple[Recent, ...]] = {}

    def of(self, finding: Finding) -> tuple[Recent, ...]:
        """Return the changes to show with a cause, newest first."""
        nodes = _nodes(finding)
        named = dict(self._named(finding, nodes))
        news = [item for key, found in named.items() for item in self._news(key, found)]
        news += self._on_nodes(nodes, named)
        news += self._events(named)
        return tuple(sorted(dict.fromkeys(news), key=lambda item: (item.seconds, item.subject))[:MOST])

    # Which objects

    def _get(self, kind: str, namespace: str, name: str) -> Any:
        return self.index.by_name.get(kind, {}).get((namespace, name))

    def _named(self, finding: Finding, nodes: Iterable[str]) -> Iterator[tuple[Key, Object]]:
        """Yield the objects that a cause names: its subject and what is behind it, its nodes, and the objects in its evidence."""
        subject = finding.subject
        yield from self._with_what_is_behind(subject.kind, subject.namespace, subject.name)
        for node in nodes:
            yield from self._with_what_is_behind("Node", "", node)
        for ref in finding.objects():
            yield from self._with_what_is_behind(*ref.key)
        if finding.check.startswith("dns") or self._is_dns(subject):
            for key in self._dns:
                yield from self._with_what_is_behind(*key)

    def _with_what_is_behind(self, kind: str, namespace: str, name: str) -> Iterator[tuple[Key, Object]]:
        found = self._get(kind, namespace, name)
        if found is None:
            return
        yield (kind, namespace, name), found
        if isinstance(found, Service):
            for behind, item in self._behind(found):
                yield from self._workload(behind, item)
            pods = self.index.pods_by_namespace.get(namespace, ())
            yield from ((("Pod", namespace, pod.name), pod) for pod in pods if matches(found.spec.selector, pod.metadata.labels))
        elif isinstance(found, Workload):
            yield from self._workload(KINDS[kind], found)
        elif isinstance(found, Pod):
            yield from self._owners(found)

    def _behind(self, service: Service) -> list[tuple[Kind[Workload], Workload]]:
        """Yield the workloads whose pods a Service selects, or else the workload that it nearly selects."""
        there = self.cluster.workloads_in(service.namespace, WORKLOADS)
        selector = service.spec.selector
        behind = [pair for pair in there if matches(selector, pair[1].template.metadata.labels)]
        if behind or not selector:
            return behind
        near = closest_match.nearest_labels(selector, (item.template.metadata.labels for _, item in there))
        return [pair for pair in there if pair[1].template.metadata.labels is near]

    def _workload(self, kind: Kind[Workload], item: Workload) -> Iterator[tuple[Key, Object]]:
        """Yield a workload, its newest ReplicaSet and its pods."""
        yield (kind.name, item.namespace, item.name), item
        made = self._newest_replica_set(item) if kind.name == DEPLOYMENT.name else None
        if made is not None:
            yield (REPLICA_SET.name, made.namespace, made.name), made
        yield from ((("Pod", pod.namespace, pod.name), pod) for pod in self._pods(kind.name, item))

    def _owners(self, pod: Pod) -> Iterator[tuple[Key, Object]]:
        """Yield the owners of a pod, and their owners."""
        item: Object = pod
        for _ in range(OWNERS):
            owner = next((o for o in item.metadata.owner_references if o.controller), None)
            found = self._get(owner.kind, pod.namespace, owner.name) if owner else None
            if owner is None or found is None:
                return
            yield (owner.kind, pod.namespace, owner.name), found
            item = found

    @cached_property
    def _dns(self) -> tuple[Key, ...]:
        """Yield cluster DNS: its Service and its Corefile."""
        service = cluster_dns.service(self.cluster) if self.cluster.readable(SERVICE) else None
        if service is None:
            return ()
        config = cluster_dns.config(self.cluster, service) if self.cluster.readable(COREFILE) else None
        keys = [(SERVICE.name, service.namespace, service.name)]
        return (*keys, *([(COREFILE.name, config.namespace, config.name)] if config else []))

    def _is_dns(self, subject: Subject) -> bool:
        if (subject.kind, subject.namespace, subject.name) in self._dns:
            return True
        pod = self._get(POD.name, subject.namespace, subject.name) if subject.kind == POD.name else None
        services = [self._get(*key) for key in self._dns if key[0] == SERVICE.name]
        return pod is not None and any(
            service.namespace == pod.namespace and matches(service.spec.selector, pod.metadata.labels) for service in services
        )

    @cached_property
    def _pods_by_owner(self) -> dict[Key, list[Pod]]:
        return _by_owner(pod for pods in self.index.pods_by_namespace.values() for pod in pods)

    @cached_property
    def _replica_sets(self) -> dict[Key, list[Workload]]:
        return _by_owner(self.index.items(REPLICA_SET))

    def _newest_replica_set(self, deployment: Workload) -> Workload | None:
        made = self._replica_sets.get((DEPLOYMENT.name, deployment.namespace, deployment.name), [])
        dated = [item for item in made if item.metadata.creation_timestamp]
        return max(dated, key=lambda item: item.metadata.creation_timestamp or self.cluster.time, default=None)

    def _pods(self, kind: str, item: Workload) -> list[Pod]:
        if kind != DEPLOYMENT.name:
            return self._pods_by_owner.get((kind, item.namespace, item.name), [])
        made = self._replica_sets.get((kind, item.namespace, item.name), [])
        return [pod for each in made for pod in self._pods_by_owner.get((REPLICA_SET.name, each.namespace, each.name), [])]

    # What changed about them

    def _since(self, moment: datetime | None) -> int | None:
        """Return the seconds from a moment to the recording; None if it is outside the window."""
        if moment is None or self.cluster.time - moment > WINDOW:
            return None
        return max(0, int((self.cluster.time - moment).total_seconds()))

    def _news(self, key: Key, item: Object) -> tuple[Recent, ...]:
        if key not in self._known:
            self._known[key] = tuple(self._found(key, item))
        return self._known[key]

    def _found(self, key: Key, item: Object) -> Iterator[Recent]:
        subject = Subject(key[0], key[2], key[1])
        if isinstance(item, Traced) or hasattr(item.metadata, "managed_fields"):
            yield from self._with_values(key, item, self._written(subject, item))
        if isinstance(item, Node):
            yield from self._node(subject, item)
        elif isinstance(item, Workload) and key[0] != REPLICA_SET.name:
            yield from self._rollout(subject, item)
        elif isinstance(item, Pod) and not item.metadata.owner_references:
            yield from self._told(subject, item.metadata.creation_timestamp, "made")

    def _told(self, subject: Subject, moment: datetime | None, what: str) -> Iterator[Recent]:
        seconds = self._since(moment)
        if seconds is not None:
            yield Recent(seconds, subject, what)

    def _written(self, subject: Subject, item: Any) -> Iterator[Recent]:
        """Yield who wrote an object, without its status and without what the control plane writes."""
        made = item.metadata.creation_timestamp
        for entry in item.metadata.managed_fields:
            scaled = entry.subresource == "scale"
            if entry.time is None or (entry.subresource and not scaled) or (entry.manager in MACHINERY and not scaled):
                continue
            new = made is not None and abs(entry.time - made) <= TOGETHER
            verb = "scaled" if scaled else "made" if new else "changed"
            what = f" ({', '.join(entry.fields)})" if entry.fields and verb == "changed" else ""
            yield from self._told(subject, entry.time, f"{verb} by {entry.manager or 'somebody'}{what}")

    def _with_values(self, key: Key, item: Object, written: Iterable[Recent]) -> Iterator[Recent]:
        """Yield who wrote a Service, with what was otherwise some minutes ago beside the last change, as far as that is known."""
        news = sorted(written, key=lambda each: each.seconds)
        before = self._get(PAST_SERVICE.name, *key[1:]) if isinstance(item, Service) else None
        values = "; ".join(islice(_values(before.spec, item.spec), MOST_VALUES)) if before and isinstance(item, Service) else ""
        changed = next((each for each in news if each.what.startswith("changed")), None)
        for each in news:
            yield msgspec.structs.replace(each, what=f"{each.what}: {values}") if values and each is changed else each

    def _node(self, subject: Subject, node: Node) -> Iterator[Recent]:
        made, ready = node.metadata.creation_timestamp, node.condition("Ready")
        yield from self._told(subject, made, "joined")
        if ready is None or ready.last_transition_time is None:
            return
        if ready.status != "True":
            yield from self._told(subject, ready.last_transition_time, f"stopped being Ready ({ready.reason or ready.status})")
        elif made is None or ready.last_transition_time - made > FIRST_READY:
            yield from self._told(subject, ready.last_transition_time, "became Ready again")

    def _rollout(self, subject: Subject, item: Workload) -> Iterator[Recent]:
        """Yield a new ReplicaSet of a Deployment, or else new pods. Pods that were created with their workload are left out."""
        made = item.metadata.creation_timestamp
        newest = self._newest_replica_set(item) if subject.kind == DEPLOYMENT.name else None
        when = newest.metadata.creation_timestamp if newest else None
        if newest and self._since(when) is not None:
            if made is None or when is None or when - made > TOGETHER:
                yield from self._told(subject, when, f"rolled out (ReplicaSet {newest.name})")
            return
        if self._since(made) is None:
            yield from self._new_pods(subject, self._pods(subject.kind, item))

    def _new_pods(self, subject: Subject, pods: list[Pod]) -> Iterator[Recent]:
        new = [(age, pod.name) for pod in pods if (age := self._since(pod.metadata.creation_timestamp)) is not None]
        if new:
            seconds, name = min(new)
            yield Recent(seconds, subject, f"has {len(new)} new of {len(pods)} pods, the last {name}")

    def _on_nodes(self, nodes: frozenset[str], named: dict[Key, Object]) -> Iterator[Recent]:
        """Yield changes of DaemonSets on the host network (CNI, kube-proxy) on these nodes."""
        for item in self.index.items(DAEMON_SET) if nodes else ():
            key = (DAEMON_SET.name, item.namespace, item.name)
            if key in named or not item.template.spec.host_network:
                continue
            subject = Subject(DAEMON_SET.name, item.name, item.namespace)
            yield from self._written(subject, item)
            here = [pod for pod in self._pods(DAEMON_SET.name, item) if pod.spec.node_name in nodes]
            if self._since(item.metadata.creation_timestamp) is None:
                yield from self._new_pods(subject, here)

    def _events(self, named: Iterable[Key]) -> Iterator[Recent]:
        """Yield Warning Events about the objects, the last of each reason and kind, and other Events that are shown."""
        groups: defaultdict[tuple[str, str, str, str], list[tuple[int, Event]]] = defaultdict(list)
        for key in named:
            for event in self.index.events_by_object.get(key, ()):
                seconds = self._since(event.last_seen)
                if seconds is not None and (event.type == "Warning" or event.reason in NORMAL):
                    name = "" if event.type == "Warning" else key[2]
                    groups[key[0], key[1], name, event.reason].append((seconds, event))
        for (kind, namespace, _, _), found in groups.items():
            seconds, event = min(found, key=lambda pair: (pair[0], pair[1].involved_object.name))
            times = sum(max(1, each.count, each.series.count) for _, each in found)
            yield Recent(seconds, Subject(kind, event.involved_object.name, namespace), _in_words(event, times))


def _values(before: Struct, now: Struct) -> Iterator[str]:
    """Yield the fields of a spec that differ, by their paths, with what they were and are."""
    yield from _differing("", msgspec.to_builtins(before), msgspec.to_builtins(now))


def _differing(path: str, before: Any, now: Any) -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differing(f"{path}.{key}".removeprefix("."), before.get(key), now.get(key))
    elif isinstance(before, list | tuple) and isinstance(now, list | tuple) and len(before) == len(now):
        for number, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differing(f"{path}[{number}]", one, other)
    else:
        yield f"{path} was {_short(before)}, is {_short(now)}"


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "not set" if value in (None, "") else beginning(str(value), LONGEST_VALUE)


def _in_words(event: Event, times: int) -> str:
    """Return an Event as a clause: the message of a Normal Event ("scaled down replica set x from 2 to 0"), or the Warning."""
    message = event.message.removeprefix("(combined from similar events): ")
    message = message if len(message) <= LONGEST else f"{message[:LONGEST]}..."
    if event.type != "Warning" and message:
        return message[0].lower() + message[1:]
    return f"had {event.type} {event.reason}" + (f" ({times} times)" if times > 1 else "") + (f": {message}" if message else "")


def _by_owner(items: Iterable[Any]) -> dict[Key, list[Any]]:
    groups: defaultdict[Key, list[Any]] = defaultdict(list)
    for item in items:
        for owner in item.metadata.owner_references:
            if owner.controller:
                groups[owner.kind, item.namespace, owner.name].append(item)
    return dict(groups)


def _nodes(finding: Finding) -> frozenset[str]:
    """Return the nodes that a finding names: in its subject, as ``nodes``, or at the ends of ``paths``."""
    listed, subject = finding.evidence.get("nodes", []), finding.subject
    named = {subject.node, subject.name if subject.kind == "Node" else "", *(listed if isinstance(listed, list) else ())}
    return frozenset(named | {end for path in finding.paths for end in path.nodes}) - {""}
