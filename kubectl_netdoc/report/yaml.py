# SPDX-License-Identifier: Apache-2.0
"""The report as YAML: the same data as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from kubectl_netdoc.core.report import Report

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The dumper of libyaml if PyYAML has it: it is ten times as fast."""


def render(report: Report) -> str:
    """Return the whole report as YAML."""
    return document(report)


def document(value: Any) -> str:
    """Return any data as YAML; control characters come out escaped."""
    return yaml.dump(msgspec.to_builtins(value, str_keys=True), Dumper=_Dumper, sort_keys=False, width=120)
