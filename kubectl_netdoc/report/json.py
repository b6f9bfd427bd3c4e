"""The report as JSON; `kubectl netdoc schema` prints its JSON Schema."""

from __future__ import annotations

import msgspec

from kubectl_netdoc.model import Report


def render(report: Report) -> str:
    """Return the whole report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def schema() -> str:
    """Return the JSON Schema of the report."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Report)), indent=2).decode() + "\n"
