# SPDX-License-Identifier: Apache-2.0
"""Allowed connections as a table, JSON, Graphviz and Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import msgspec

from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.policy.connections import Connection, Connections, Place, joined
from kubectl_netdoc.policy.workloads import WorkloadRef
from kubectl_netdoc.report.layout import table

FORMATS = ("text", "json", "dot", "mermaid")


def render(found: Connections, form: str) -> str:
    """Return the connections in a format."""
    return {"text": _text, "json": _json, "dot": _dot, "mermaid": _mermaid}[form](found)


def places(of: Place) -> Iterator[dict[str, str]]:
    """Yield a peer as JSON has it: a workload, or the CIDRs of a range."""
    if isinstance(of, WorkloadRef):
        yield {"kind": of.kind, "namespace": of.namespace, "name": of.name}
    else:
        yield from ({"cidr": str(network)} for network in of.networks())


def entries(found: Iterable[Connection]) -> Iterator[dict[str, Any]]:
    """Yield connections as JSON has them."""
    for connection in found:
        allow = [{"protocol": name, "from_port": low, "to_port": high} for name, low, high in connection.ports.ranges()]
        for source, destination in product(places(connection.source), places(connection.destination)):
            yield {"from": source, "to": destination, "allow": allow}


def _json(found: Connections) -> str:
    whole = {
        "connections": list(entries(found.allowed)),
        "exposed": [
            {
                "workload": next(places(item.workload)),
                "by": {"kind": item.kind, "namespace": item.namespace, "name": item.name},
                "how": item.by,
                "ports": list(item.ports),
            }
            for item in found.exposed
        ],
        "depends_on_cni": list(entries(found.depends)),
        "incomplete": list(found.incomplete),
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _text(found: Connections) -> str:
    parts = ["No connection is allowed between any two workloads, or to or from the outside.\n"]
    if not found.peers:
        parts = ["There are no workloads.\n"]
    if found.allowed:
        parts = [_allowed(found.allowed)]
    if found.exposed:
        rows = ((str(e.workload), f"{e.kind} {e.namespace}/{e.name}", e.by, ", ".join(e.ports)) for e in found.exposed)
        parts.append("Exposed by\n" + table(("WORKLOAD", "BY", "HOW", "PORTS"), rows) + "\n")
    if found.depends:
        parts.append("Also allowed if the CNI lets an ipBlock match addresses of pods\n" + _allowed(found.depends))
    if found.incomplete:
        parts.append("Not certain; these might change the result: " + safe(", ".join(found.incomplete)) + "\n")
    return "\n".join(parts)


def _allowed(found: Iterable[Connection]) -> str:
    return table(("FROM", "TO", "ALLOWED"), ((str(c.source), str(c.destination), str(c.ports)) for c in joined(found))) + "\n"


def _nodes(found: Connections, arrows: list[Connection]) -> dict[Place, str]:
    known: dict[Place, None] = dict.fromkeys(peer.ref for peer in found.peers)
    known |= dict.fromkeys(place for c in arrows for place in (c.source, c.destination))
    return {place: f"n{number}" for number, place in enumerate(known)}


def _quoted(text: str) -> str:
    """Return a text for Graphviz and Mermaid. Neither can escape everything, so what could end a string is replaced."""
    return safe(text).translate({ord('"'): "'", ord("\\"): "/"})


def _dot(found: Connections) -> str:
    arrows = list(joined(found.allowed))
    names = _nodes(found, arrows)
    lines = ["digraph connections {", "  rankdir=LR;", "  node [shape=box];"]
    for place, name in names.items():
        shape = "" if isinstance(place, WorkloadRef) else ", shape=ellipse"
        lines.append(f'  {name} [label="{_quoted(str(place))}"{shape}];')
    lines += (f'  {names[c.source]} -> {names[c.destination]} [label="{_quoted(str(c.ports))}"];' for c in arrows)
    return "\n".join([*lines, "}"]) + "\n"


def _mermaid(found: Connections) -> str:
    arrows = list(joined(found.allowed))
    names = _nodes(found, arrows)
    lines = ["flowchart LR"]
    for place, name in names.items():
        label = _quoted(str(place))
        lines.append(f'  {name}["{label}"]' if isinstance(place, WorkloadRef) else f'  {name}(["{label}"])')
    lines += (f'  {names[c.source]} -->|"{_quoted(str(c.ports))}"| {names[c.destination]}' for c in arrows)
    return "\n".join(lines) + "\n"
