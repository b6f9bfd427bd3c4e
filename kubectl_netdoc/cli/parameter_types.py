# SPDX-License-Identifier: Apache-2.0
"""Types of option values: durations, choices, KEY=VALUE pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from kubectl_netdoc.cli import complete


class Seconds(click.ParamType[float]):
    """A duration as kubectl takes it: 30, 30s, 2m, 1m30s, 500ms; 0 is none."""

    name = "duration"
    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", value):
            self.fail(f"{value!r} is not a duration; write it like 30s, 2m or 500ms", param, ctx)
        return sum(float(n) * self._UNITS[unit] for n, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|s|m|h)", value))


class OneOf(click.ParamType[str]):
    """One of several names; the error for a wrong one names the closest."""

    def __init__(self, what: str, names: Iterable[str]) -> None:
        self.name = what
        self.names = tuple(names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show the names."""
        return "|".join(self.names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if value not in self.names:
            from kubectl_netdoc.engine.registry import UnknownName

            self.fail(str(UnknownName(self.name, value, self.names)), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> complete.Items:
        """Complete to the names."""
        return complete.matching(((str(name), "") for name in self.names), incomplete)


class Pairs(click.ParamType[dict[str, str]]):
    """KEY=VALUE, several with commas between."""

    def __init__(self, what: str, pattern: str) -> None:
        self.name = what
        self.pattern = pattern

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Return the pairs."""
        if isinstance(value, dict):
            return value
        parts = value.split(",")
        for part in parts:
            if not re.fullmatch(self.pattern, part, re.ASCII):
                self.fail(f"{part!r} is not a valid {self.name}; write it as KEY=VALUE", param, ctx)
        return dict(part.split("=", 1) for part in parts)
