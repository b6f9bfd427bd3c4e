# SPDX-License-Identifier: Apache-2.0
"""The evaluators that are compared; the only place in this folder that knows the engine."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from kubectl_netdoc.core.cluster import Cluster, Listing
from kubectl_netdoc.policy import engine as engine_module
from kubectl_netdoc.policy import ports as ports_module
from kubectl_netdoc.policy.connections import Range, connections
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.records.base import Object, convert
from kubectl_netdoc.records.kinds import KINDS, POD
from tests.policy import naive
from tests.policy.naive import End, Raw, Side, Verdict

Evaluator = Callable[..., Verdict]


def cluster(objects: list[Raw]) -> Cluster:
    """Return raw objects as a cluster, as a folder of manifests would be."""
    listings: dict[str, list[Object]] = {name: [] for name in KINDS}
    for item in objects:
        kind = KINDS[item["kind"]]
        record = convert(kind, item)
        if kind.namespaced and not record.namespace:
            record = msgspec.structs.replace(record, metadata=msgspec.structs.replace(record.metadata, namespace="default"))
        listings[kind.name].append(record)
    return Cluster({name: Listing(tuple(items)) for name, items in listings.items()})


class OfEngine:
    """An evaluator made of the engine's modules: its own, or a mutant's. The engines of the last few worlds are kept."""

    def __init__(self, engine: Any, ports: Any) -> None:
        self.engine, self.ports = engine, ports
        self._known: OrderedDict[int, tuple[list[Raw], Any]] = OrderedDict()

    def _of(self, objects: list[Raw]) -> Any:
        known = self._known.get(id(objects))
        if known is None or known[0] is not objects:
            known = self._known[id(objects)] = (objects, self.engine.Engine(cluster(objects)))
            if len(self._known) > 8:
                self._known.popitem(last=False)
        return known[1]

    def __call__(
        self,
        objects: list[Raw],
        source: End,
        destination: End,
        protocol: str,
        port: int,
        *,
        family: int = 4,
        ip_blocks_match_pods: bool = True,
        host_network_as_pods: bool = False,
    ) -> Verdict:
        """The engine's verdict in the words of the naive one."""
        engine = self._of(objects)
        reading = self.engine.Reading(family, ip_blocks_match_pods, host_network_as_pods)
        sides = engine.sides(_end(engine, source), _end(engine, destination), self.ports.of(protocol, port), reading)
        egress, ingress = (Side(bool(s.allowed), frozenset((r.kind, r.namespace, r.name) for r in s.by)) for s in sides)
        return Verdict(egress, ingress)


def _end(engine: Any, end: End) -> Any:
    if end.ip:
        return engine.address(end.ip)
    pod = engine.cluster.get(POD, end.namespace, end.pod)
    assert pod is not None
    return engine.pod(pod)


of_engine = OfEngine(engine_module, ports_module)
EVALUATORS: dict[str, Evaluator] = {"naive": naive.verdict, "engine": of_engine}


def connections_of_engine(objects: list[Raw]) -> dict[tuple[Any, Any], tuple[tuple[str, int, int], ...]]:
    """All connections as the engine has them: (from, to) -> (protocol, first, last); ranges as (first, last) of integers."""
    found = connections(Engine(cluster(objects))).allowed
    return {(_place(c.source), _place(c.destination)): tuple(c.ports.ranges()) for c in found}


def _place(of: Any) -> Any:
    if isinstance(of, Range):
        return of.first.version, int(ipaddress.ip_address(of.first)), int(of.last)
    return of.kind, of.namespace, of.name
