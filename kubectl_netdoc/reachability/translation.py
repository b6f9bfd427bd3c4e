# SPDX-License-Identifier: Apache-2.0
"""Translates ports of Services into ports of pods."""

from __future__ import annotations

from kubectl_netdoc.components.service_backends import target_numbers
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.reachability.explanation import Question
from kubectl_netdoc.reachability.named_end import NamedEnd, NoSuchEnd
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE
from kubectl_netdoc.records.services import ServicePort


def translate(engine: Engine, question: Question) -> tuple[Ports, str]:
    """Return the ports on the pods, and the mapping as text; raises ``NoSuchEnd``."""
    service, port, protocol = question.destination.service, question.port, question.protocol
    if service is None or question.destination.outside:
        if port and not port.isdigit():
            raise NoSuchEnd(f"{question.destination.text} has no port named {port}; only a Service has port names")
        return (ports.of(protocol, int(port)) if port else ports.every(protocol)), ""
    if service.headless and port.isdigit():
        return ports.of(protocol, int(port)), f"{protocol} {port}, which is not translated"
    entries = [p for p in service.spec.ports if p.protocol == protocol and (not port or port in (str(p.port), p.name))]
    if not entries:
        there = ", ".join(f"{p.protocol} {p.port}" for p in service.spec.ports) or "no port"
        raise NoSuchEnd(f"{question.destination.text} has no port {protocol} {port or ''}; it has {there}".replace("  ", " "))
    meant, words = ports.NONE, []
    for entry in entries:
        leads = numbers(engine, question.destination, entry)
        shown = ", ".join(map(str, sorted(leads))) or f"port {entry.target_port!r}"
        words.append(f"{entry.protocol} {entry.name or entry.port} -> {shown}")
        for number in leads:
            meant |= ports.of(protocol, number)
    return meant, "; ".join(words)


def numbers(engine: Engine, named_end: NamedEnd, entry: ServicePort) -> set[int]:
    """Return the pods' ports of a Service port; for a headless Service those in its SRV records."""
    known = target_numbers(entry, named_end.specs)
    if known or named_end.service is None or not engine.cluster.readable(ENDPOINT_SLICE):
        return known
    slices = engine.cluster.slices_of(named_end.service)
    return {p.port for item in slices for p in item.numbered if p.name == entry.name and p.protocol == entry.protocol}
