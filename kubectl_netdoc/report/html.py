# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML file that opens anywhere: nothing in it is loaded from elsewhere, and no text of a cluster is markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from msgspec import Struct

from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.report import common
from kubectl_netdoc.report.text import summary

SHADES = 5
"""Steps of a heatmap, from the least value to the greatest."""


class Cell(Struct, frozen=True):
    """A path of the mesh: what was measured, in words, and its class.

    The class is ``heat0`` (the least value) to ``heat4``, or ``broken`` if nothing came through; ``lossy`` is added if some was
    lost.
    """

    text: str
    look: str


class PathMatrix(Struct, frozen=True):
    """What one finding measured between nodes: a row per source, a column per target; None if nothing was measured."""

    title: str
    message: str
    nodes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


class Bar(Struct, frozen=True):
    """DNS latency from one node: p50, p95 and the most in milliseconds, and each as a share of the greatest of all (0 to 100)."""

    node: str
    lost: str
    values: tuple[float, ...]
    widths: tuple[float, ...]


def render(report: Report) -> str:
    """Return the report as HTML."""
    folder = files("kubectl_netdoc.report")
    script = (folder / "report.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["safe_text"] = safe
    template = environment.from_string((folder / "report.html").read_text())
    by_id = {finding.id: finding for finding in report.findings}
    return template.render(
        report=report,
        summary=summary(report),
        causes=[finding for finding in report.causes() if finding.severity is not Severity.INFO],
        advice=[finding for finding in report.causes() if finding.severity is Severity.INFO],
        policies=[finding for finding in report.findings if finding.check == "policy_coverage"],
        by_id=by_id,
        evidence=common.evidence,
        meshes=[mesh for finding in report.findings if (mesh := _mesh(finding))],
        bars=bars(report.findings),
        unseen=common.unseen(report),
        worst=report.worst() or "info",
        style=(folder / "report.css").read_text(),
        script=script,
        digest=digest,
    )


def _mesh(finding: Finding) -> PathMatrix | None:
    cells = common.measured_paths(finding)
    if not cells:
        return None
    nodes = tuple(sorted({node for pair in cells for node in pair}))
    values = sorted({cell.value for cell in cells.values() if cell.value is not None})
    rows = tuple((one, tuple(_cell(cells.get((one, other)), values) for other in nodes)) for one in nodes)
    return PathMatrix(f"{finding.check} ({finding.code})", finding.message, nodes, rows)


def _cell(path: NodePath | None, values: list[float]) -> Cell | None:
    if path is None:
        return None
    if path.value is None:
        return Cell(path.words, "broken")
    place = values.index(path.value) / (len(values) - 1) if len(values) > 1 else 0.0
    return Cell(path.words, f"heat{round(place * (SHADES - 1))}" + (" lossy" if path.lossy else ""))


def bars(findings: Iterable[Finding]) -> list[Bar]:
    """Return the DNS latency of each node with numbers in the report, slowest first."""
    told: dict[str, tuple[str, list[float]]] = {}
    for finding in findings:
        numbers = [n for key in ("p50_ms", "p95_ms", "max_ms") if isinstance(n := finding.evidence.get(key), (int, float))]
        if finding.check == "dns_latency" and finding.subject.node and len(numbers) == 3:
            told[finding.subject.node] = (f"{finding.evidence.get('lost', 0)} of {finding.evidence.get('sent', 0)}", numbers)
    most = max((max(numbers) for _, numbers in told.values()), default=0.0) or 1.0
    ordered = sorted(told.items(), key=lambda item: -item[1][1][1])
    return [Bar(node, lost, tuple(numbers), tuple(100 * n / most for n in numbers)) for node, (lost, numbers) in ordered]
