"""The evaluators that are compared; the only place in this folder that knows the engine."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from kubectl_netdoc.cluster import Cluster, Listing
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.connections import Range, connections
from kubectl_netdoc.policy.engine import End as EngineEnd
from kubectl_netdoc.policy.engine import Engine, Reading
from kubectl_netdoc.records import KINDS, POD, Object, convert
from tests.policy import naive
from tests.policy.naive import End, Raw, Side, Verdict

Evaluator = Callable[..., Verdict]
_engines: OrderedDict[int, tuple[list[Raw], Engine]] = OrderedDict()


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


def engine_of(objects: list[Raw]) -> Engine:
    """Return the engine of a world; the last few are kept."""
    known = _engines.get(id(objects))
    if known is None or known[0] is not objects:
        known = _engines[id(objects)] = (objects, Engine(cluster(objects)))
        if len(_engines) > 8:
            _engines.popitem(last=False)
    return known[1]


def _end(engine: Engine, end: End) -> EngineEnd:
    if end.ip:
        return engine.address(end.ip)
    pod = engine.cluster.get(POD, end.namespace, end.pod)
    assert pod is not None
    return engine.pod(pod)


def of_engine(
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
    engine = engine_of(objects)
    reading = Reading(family, ip_blocks_match_pods, host_network_as_pods)
    sides = engine.sides(_end(engine, source), _end(engine, destination), ports.of(protocol, port), reading)
    egress, ingress = (Side(bool(s.allowed), frozenset((ref.kind, ref.namespace, ref.name) for ref in s.by)) for s in sides)
    return Verdict(egress, ingress)


EVALUATORS: dict[str, Evaluator] = {"naive": naive.verdict, "engine": of_engine}


def connections_of_engine(objects: list[Raw]) -> dict[tuple[Any, Any], tuple[tuple[str, int, int], ...]]:
    """All connections as the engine has them: (from, to) -> (protocol, first, last); ranges as (first, last) of integers."""
    found = connections(Engine(cluster(objects))).allowed
    return {(_place(c.source), _place(c.destination)): tuple(c.ports.ranges()) for c in found}


def _place(of: Any) -> Any:
    if isinstance(of, Range):
        return of.first.version, int(ipaddress.ip_address(of.first)), int(of.last)
    return of.kind, of.namespace, of.name
