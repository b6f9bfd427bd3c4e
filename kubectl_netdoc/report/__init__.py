# SPDX-License-Identifier: Apache-2.0
"""Renders a Report as text: one file per format, each a pure function ``Report -> str``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubectl_netdoc.core.finding import Severity
    from kubectl_netdoc.core.fleet import Fleet
    from kubectl_netdoc.core.report import Report

    Renderer = Callable[[Report], str]

    FleetRenderer = Callable[[Fleet], str]

FORMATS = ("text", "json", "yaml", "markdown", "junit", "sarif", "html")


def renderer(name: str, show: Severity, colour: bool, width: int = 100, whole: bool = False) -> Renderer:
    """Return the renderer of a format, imported only when used; raises ``KeyError``.

    ``width``: of the terminal, in cells. ``whole``: text that leaves nothing out; all other formats are whole.
    """
    if name == "text":
        from kubectl_netdoc.report import text

        return lambda report: text.render(report, show, colour, width, whole)
    if name == "json":
        from kubectl_netdoc.report import json

        return json.render
    if name == "yaml":
        from kubectl_netdoc.report import yaml

        return yaml.render
    if name == "markdown":
        from kubectl_netdoc.report import markdown

        return markdown.render
    if name == "junit":
        from kubectl_netdoc.report import junit

        return junit.render
    if name == "sarif":
        from kubectl_netdoc.report import sarif

        return sarif.render
    if name == "html":
        from kubectl_netdoc.report import html

        return html.render
    raise KeyError(name)


def renderer_of_clusters(name: str, show: Severity, colour: bool, width: int = 100, whole: bool = False) -> FleetRenderer:
    """Return the renderer of several clusters in a format, as ``renderer`` does for one; raises ``KeyError`` (html has none)."""
    from kubectl_netdoc.report import clusters

    if name == "text":
        return lambda fleet: clusters.as_text(fleet, show, colour, width, whole)
    return {
        "json": clusters.as_json,
        "yaml": clusters.as_yaml,
        "markdown": clusters.as_markdown,
        "junit": clusters.as_junit,
        "sarif": clusters.as_sarif,
    }[name]
