# SPDX-License-Identifier: Apache-2.0
"""Coverage and changes of policies as tables and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.policy.connections import Connection, joined
from kubectl_netdoc.policy.coverage import NamespaceCoverage, WorkloadCoverage
from kubectl_netdoc.policy.diff import PolicyDiff
from kubectl_netdoc.policy.flaws import PolicyFlaw
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.report.connections import entries
from kubectl_netdoc.report.layout import table

FORMATS = ("text", "json")


class Advice(msgspec.Struct, frozen=True):
    """One piece of advice: as text, the least YAML for it, and a command if YAML can't do it."""

    text: str
    yaml: str = ""
    command: str = ""


def coverage(namespaces: Iterable[NamespaceCoverage], advice: list[Advice], incomplete: list[str], form: str) -> str:
    """Return the coverage in a format."""
    spaces = list(namespaces)
    if form == "json":
        whole = {
            "namespaces": [_space(space) for space in spaces],
            "advice": [msgspec.structs.asdict(item) for item in advice],
            "incomplete": incomplete,
        }
        return _json(whole)
    rows = [
        (space.name, str(space.pods), *(f"{space.covered[d]} of {space.units}" for d in Direction), _deny(space))
        for space in spaces
    ]
    parts = [table(("NAMESPACE", "PODS", "INGRESS ISOLATED", "EGRESS ISOLATED", "DENIED BY DEFAULT"), rows) + "\n"]
    workloads = [_row(workload) for space in spaces for workload in space.workloads]
    parts.append(table(("WORKLOAD", "PODS", "INGRESS", "EGRESS", "REACHABLE FROM", "ON", "POLICIES"), workloads) + "\n")
    parts += (_advised(item) for item in advice)
    if incomplete:
        parts.append("Not certain; these might change the result: " + safe(", ".join(incomplete)) + "\n")
    return "\n".join(parts)


def _deny(space: NamespaceCoverage) -> str:
    return ", ".join(direction.lower() for direction in space.default_deny) or "nothing"


def _row(workload: WorkloadCoverage) -> tuple[str, ...]:
    names = ", ".join(ref.name for ref in workload.policies) or "none"
    ports = str(workload.ports) if workload.ports else ""
    return str(workload.ref), str(workload.pods), workload.ingress, workload.egress, str(workload.exposure), ports, names


def _advised(item: Advice) -> str:
    lines = [safe(item.text)]
    if item.yaml:
        lines += heredoc(item.yaml)
    if item.command:
        lines.append(f"  {safe(item.command)}")
    return "\n".join(lines) + "\n"


def heredoc(manifest: str) -> list[str]:
    """Return the lines of a command that applies a manifest; not indented, so that it can be copied."""
    return ["kubectl apply -f - <<'END'", *(safe(line) for line in manifest.rstrip().split("\n")), "END"]


def _space(space: NamespaceCoverage) -> dict[str, Any]:
    return {
        "namespace": space.name,
        "pods": space.pods,
        "isolated": {direction.lower(): space.isolated[direction] for direction in Direction},
        "open": space.open,
        "default_deny": [direction.lower() for direction in space.default_deny],
        "workloads": [
            {
                "kind": workload.ref.kind,
                "name": workload.ref.name,
                "pods": workload.pods,
                "ingress": workload.ingress,
                "egress": workload.egress,
                "lets_in": workload.exposure.name.lower(),
                "ports": str(workload.ports) if workload.ports else "",
                "policies": [str(ref) for ref in workload.policies],
            }
            for workload in space.workloads
        ],
    }


def in_words(flaw: PolicyFlaw) -> str:
    """Return a flaw as a sentence."""
    return f"{flaw.policy}, {flaw.place}: {flaw.fault}: {flaw.detail}"


def change(found: PolicyDiff, form: str) -> str:
    """Return what a change does in a format."""
    if form == "json":
        both = {"opened": list(entries(found.opened)), "closed": list(entries(found.closed))}
        return _json({"policies": list(found.policies), **both, "incomplete": list(found.incomplete)})
    parts = ["".join(f"{safe(text)}\n" for text in found.policies)]
    for word, connections in (("Opens", found.opened), ("Closes", found.closed)):
        parts.append(f"{word}\n{_connections(connections)}" if connections else f"{word} nothing.\n")
    if found.incomplete:
        parts.append("Not certain; these might change the result: " + safe(", ".join(found.incomplete)) + "\n")
    return "\n".join(part for part in parts if part)


def _connections(found: Iterable[Connection]) -> str:
    return table(("FROM", "TO", "PORTS"), ((str(c.source), str(c.destination), str(c.ports)) for c in joined(found))) + "\n"


def _json(whole: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
