# SPDX-License-Identifier: Apache-2.0
"""Workloads: pods by their top owner, as far as the known objects show.

If the ReplicaSet of a pod is not known as an object, it is the workload. A workload without pods is judged by its template.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.addresses import IPAddress
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.records.base import Kind, Object, ObjectMeta
from kubectl_netdoc.records.kinds import OWNERS, POD
from kubectl_netdoc.records.pods import Pod, PodTemplate
from kubectl_netdoc.records.workloads import CronJob, Workload

KINDS: tuple[Kind[Any], ...] = OWNERS
MADE_ONCE = ("Job",)
"""A workload of this kind creates no new pods once its pods have all finished."""


class WorkloadRef(Struct, frozen=True, order=True):
    """A workload by kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class WorkloadPeer(Struct, frozen=True):
    """A workload as one peer: an end for each class among its pods, their label sets, and the pods themselves.

    A workload without pods is represented by its template. The ends of pods on the pod network have no addresses, because those
    change. Those of hostNetwork pods have their nodes' addresses.
    """

    ref: WorkloadRef
    ends: tuple[End, ...]
    labels: tuple[Mapping[str, str], ...]
    pods: tuple[Pod, ...] = ()
    templates: tuple[PodTemplate, ...] = ()


class Owners:
    """The owners of objects, by the owner references of the known objects."""

    def __init__(self, cluster: Cluster, namespace: str = "") -> None:
        self.cluster = cluster
        self.objects: dict[WorkloadRef, Workload | CronJob] = {
            WorkloadRef(kind.name, item.namespace, item.name): item
            for kind in KINDS
            if cluster.readable(kind)
            for item in cluster.all(kind)
            if namespace in ("", item.namespace)
        }
        self._tops: dict[WorkloadRef, WorkloadRef] = {}

    def top(self, ref: WorkloadRef, item: Object) -> WorkloadRef:
        """Return the top owner of an object, or the object itself if nothing owns it."""
        if ref not in self._tops:
            self._tops[ref] = self._climb(ref, item)
        return self._tops[ref]

    def _climb(self, ref: WorkloadRef, item: Object | None) -> WorkloadRef:
        seen = {ref}
        while item is not None and (above := _controller(item.metadata)) is not None:
            ref = WorkloadRef(above[0], item.namespace, above[1])
            if ref in seen:
                break
            seen.add(ref)
            item = self.objects.get(ref)
        return ref

    def of(self, pod: Pod) -> WorkloadRef:
        """Return the workload of a pod."""
        above = _controller(pod.metadata)
        if above is None:
            return WorkloadRef("Pod", pod.namespace, pod.name)
        ref = WorkloadRef(above[0], pod.namespace, above[1])
        item = self.objects.get(ref)
        return self.top(ref, item) if item is not None else ref


def _controller(metadata: ObjectMeta) -> tuple[str, str] | None:
    """Return (kind, name) of the controller among the owners, else of the only owner; None if there is none."""
    owners = metadata.owner_references
    found = next((owner for owner in owners if owner.controller), owners[0] if len(owners) == 1 else None)
    # A static pod is owned by its node, which is not a workload.
    return None if found is None or found.kind == "Node" else (found.kind, found.name)


def peers(engine: Engine, namespace: str = "") -> list[WorkloadPeer]:
    """Return every workload of the cluster, or of one namespace, in the order of namespace, kind and name."""
    cluster = engine.cluster
    owners = Owners(cluster, namespace)
    pods: defaultdict[WorkloadRef, list[Pod]] = defaultdict(list)
    finished: set[WorkloadRef] = set()
    for pod in cluster.all(POD):
        if namespace not in ("", pod.namespace):
            continue
        ref = owners.of(pod)
        if pod.finished:
            finished.add(ref)
        else:
            pods[ref].append(pod)
    found = {ref: _of_pods(engine, ref, mine) for ref, mine in pods.items()}
    templates: defaultdict[WorkloadRef, list[tuple[WorkloadRef, Workload | CronJob]]] = defaultdict(list)
    for ref, item in owners.objects.items():
        top = owners.top(ref, item)
        if top not in found and not (top in finished and top.kind in MADE_ONCE):
            templates[top].append((ref, item))
    found |= {top: _of_templates(engine, top, made_by) for top, made_by in templates.items()}
    return sorted(found.values(), key=lambda peer: (peer.ref.namespace, peer.ref.kind, peer.ref.name))


def _of_pods(engine: Engine, ref: WorkloadRef, pods: Iterable[Pod]) -> WorkloadPeer:
    hosts: defaultdict[PodClass, dict[IPAddress, None]] = defaultdict(dict)
    labels: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    for pod in pods:
        known = engine.class_of(pod)
        hosts[known] |= dict.fromkeys(engine.pod(pod).addresses if known.host_network else ())
        labels[tuple(sorted(pod.metadata.labels.items()))] = pod.metadata.labels
    ends = (End(str(ref), known, addresses=tuple(own)) for known, own in hosts.items())
    return WorkloadPeer(ref, tuple(ends), tuple(labels.values()), tuple(pods))


def _of_templates(engine: Engine, top: WorkloadRef, made_by: list[tuple[WorkloadRef, Workload | CronJob]]) -> WorkloadPeer:
    """Return the templates of a workload: its own, or if that is not known, those of the objects that it owns."""
    own = [item for ref, item in made_by if ref == top] or [item for _, item in made_by]
    ends = {end.pod_class: end for item in own for end in (engine.template(str(top), item.namespace, item.template),)}
    return WorkloadPeer(
        top,
        tuple(ends.values()),
        tuple(item.template.metadata.labels for item in own),
        templates=tuple(item.template for item in own),
    )
