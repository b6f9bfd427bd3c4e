"""The report as YAML: the same data as JSON."""

from __future__ import annotations

import msgspec
import yaml

from kubectl_netdoc.model import Report


def render(report: Report) -> str:
    """Return the whole report as YAML; control characters come out escaped."""
    return yaml.safe_dump(msgspec.to_builtins(report, str_keys=True), sort_keys=False, width=120)
