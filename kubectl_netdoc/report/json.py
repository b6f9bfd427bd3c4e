# SPDX-License-Identifier: Apache-2.0
"""The report as JSON; `kubectl netdoc schema` prints its JSON Schema."""

from __future__ import annotations

import json
import re
from inspect import cleandoc
from typing import Any

import msgspec

from kubectl_netdoc.core.fleet import FLEET_VERSION, Fleet
from kubectl_netdoc.core.report import REPORT_VERSION, Report
from kubectl_netdoc.engine.history import HISTORY_VERSION, History
from kubectl_netdoc.formats.text import safe


def render(report: Report) -> str:
    """Return the whole report as indented JSON."""
    return document(report)


def document(value: Any) -> str:
    """Return any data as indented JSON."""
    return printable(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n"


def printable(document: str) -> str:
    """Return a JSON document with every character escaped that a terminal might interpret."""
    return _NOT_PLAIN.sub(lambda match: _escaped(match[0]), document)


_NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")


def _escaped(char: str) -> str:
    if safe(char) == char:
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else json.dumps(char)[1:-1]


SCHEMAS: dict[str, tuple[type[msgspec.Struct], int]] = {
    "report": (Report, REPORT_VERSION),
    "clusters": (Fleet, FLEET_VERSION),
    "history": (History, HISTORY_VERSION),
}
"""What has a schema, and the version that its first field tells."""


def schema(of: str = "report") -> str:
    """Return the JSON Schema (2020-12) of the report, or of what else ``SCHEMAS`` names; its id ends in the version."""
    shape, version = SCHEMAS[of]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:kubectl-netdoc:{of}:{version}"}
    return msgspec.json.format(msgspec.json.encode(head | _cleaned(msgspec.json.schema(shape))), indent=2).decode() + "\n"


def _cleaned(part: Any) -> Any:
    """Return a part of a schema with its docstrings as Python 3.13 and later have them: without the indentation of the source."""
    if isinstance(part, list):
        return [_cleaned(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: cleandoc(each) if key == "description" and isinstance(each, str) else _cleaned(each) for key, each in part.items()
    }
