# SPDX-License-Identifier: Apache-2.0
"""Reads lines of the Prometheus text format (Exposition formats, version 0.0.4; no quoted names, which came with 1.0.0)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from msgspec import Struct

_BLANKS = r"[ \t]*"
_KEY, _VALUE = r"[a-zA-Z_]\w*", r'(?:[^"\\]|\\.)*'
_PAIR = rf'{_BLANKS}{_KEY}{_BLANKS}={_BLANKS}"{_VALUE}"{_BLANKS}'
_LABELS = rf"{_BLANKS}\{{((?:{_PAIR},)*(?:{_PAIR})?{_BLANKS})\}}{_BLANKS}"
_LINE = re.compile(rf"{_BLANKS}([a-zA-Z_:][\w:]*)(?:{_LABELS}|[ \t]+)([^\s{{]\S*)", re.ASCII)
_LABEL = re.compile(rf'({_KEY}){_BLANKS}={_BLANKS}"({_VALUE})"', re.ASCII)
_ESCAPED = re.compile(r'\\(["\\n])')


class Series(Struct, frozen=True):
    """One line: a metric's name, its labels and its value."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics:
    """The series of a page; lines that are none, and values that are no number, are left out."""

    def __init__(self, lines: Iterable[str]) -> None:
        matches = [match for line in lines if (match := _LINE.match(line))]
        parsed = [Series(match[1], _labels(match[2] or ""), _number(match[3])) for match in matches]
        self.series = [item for item in parsed if math.isfinite(item.value)]

    def of(self, *names: str) -> list[Series]:
        """All series of these names."""
        return [item for item in self.series if item.name in names]

    def total(self, *names: str, where: Callable[[dict[str, str]], bool] = lambda _: True) -> float:
        """The sum over all series of these names whose labels are as wanted."""
        return sum(item.value for item in self.of(*names) if where(item.labels))

    def value(self, *names: str) -> float | None:
        """The sum over all series of these names; None where there are none, which is not zero."""
        return self.total(*names) if self.of(*names) else None

    def by(self, label: str, *names: str) -> dict[str, float]:
        """The sums by the value of one label."""
        sums: dict[str, float] = {}
        for item in self.of(*names):
            key = item.labels.get(label, "")
            sums[key] = sums.get(key, 0.0) + item.value
        return sums


def _labels(text: str) -> dict[str, str]:
    return {key: _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], value) for key, value in _LABEL.findall(text)}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
