# SPDX-License-Identifier: Apache-2.0
"""The user's settings: findings to ignore and thresholds, by flags or by the file .netdoc.yaml.

An unknown code, check or threshold is an error: a misspelt setting would silently have no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.threshold import ThresholdSet
from kubectl_netdoc.engine.registry import Registry, UnknownName
from kubectl_netdoc.engine.suppressions import Suppression

FILE = ".netdoc.yaml"


class Settings(Struct, frozen=True):
    """The findings to ignore, and the thresholds that were changed."""

    ignore: tuple[Suppression, ...] = ()
    thresholds: tuple[ThresholdSet, ...] = ()

    def over(self, other: Settings) -> Settings:
        """Return both settings; this one takes precedence for a threshold that both set."""
        own = {(item.check, item.name) for item in self.thresholds}
        rest = tuple(item for item in other.thresholds if (item.check, item.name) not in own)
        return Settings(self.ignore + other.ignore, self.thresholds + rest)


class BadSetting(ValueError):
    """Raised for an invalid setting: one line that says where and why."""


class _Entry(Struct, forbid_unknown_fields=True):
    code: str
    subject: str = "*"
    why: str = ""
    until: date | None = None


class _File(Struct, forbid_unknown_fields=True):
    ignore: list[_Entry] = []
    thresholds: dict[str, dict[str, float]] = {}


def from_flags(ignore: Iterable[str], thresholds: Iterable[str], known: Registry) -> Settings:
    """Return the settings of ``--ignore CODE[=SUBJECT]`` and ``--threshold CHECK.NAME=VALUE``; raises ``BadSetting``."""
    return Settings(tuple(_ignored(text, known) for text in ignore), tuple(_threshold(text, known) for text in thresholds))


def _ignored(text: str, known: Registry) -> Suppression:
    code, equals, pattern = text.partition("=")
    if equals and not pattern:
        raise BadSetting(f"--ignore {text}: write a subject after =, such as shop/web or 'Service shop/*'")
    return Suppression(_known(code, known, "--ignore"), f"--ignore {text}", pattern or "*")


def _threshold(text: str, known: Registry) -> ThresholdSet:
    where, _, value = text.partition("=")
    check, _, name = where.partition(".")
    try:
        number = float(value)
    except ValueError:
        raise BadSetting(f"--threshold {text}: write CHECK.NAME=NUMBER, such as {_example(known)}") from None
    return next(_changed(check, {name: number}, known, "--threshold"))


def _example(known: Registry) -> str:
    check, own = next((check, check.thresholds[0]) for check in known.checks if check.thresholds)
    return f"{check.id}.{own.name}={own.default:g}"


def from_file(content: str, name: str, known: Registry, today: date) -> Settings:
    """Return the settings of a .netdoc.yaml, without those that have expired; raises ``BadSetting``."""
    import yaml

    try:
        file = msgspec.convert(yaml.safe_load(content) or {}, type=_File)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadSetting(f"{name} is not valid YAML" + (f", line {mark.line + 1}" if mark else "")) from error
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadSetting(f"{name}: {error}") from error
    every = [(entry, Suppression(_known(entry.code, known, name), name, entry.subject, entry.why)) for entry in file.ignore]
    suppressions = tuple(suppression for entry, suppression in every if entry.until is None or today <= entry.until)
    return Settings(
        suppressions, tuple(item for check, own in file.thresholds.items() for item in _changed(check, own, known, name))
    )


def _known(code: str, known: Registry, where: str) -> str:
    if code.upper() not in known.codes:
        raise BadSetting(f"{where}: {UnknownName('code', code, known.codes)}")
    return code.upper()


def _changed(check: str, values: Mapping[str, float], known: Registry, by: str) -> Iterator[ThresholdSet]:
    own = {item.name: item for item in _check(check, known, by).thresholds}
    for name, value in values.items():
        if name not in own:
            none = f"check {check} has no thresholds"
            raise BadSetting(f"{by}: {UnknownName(f'threshold of {check}', name, own) if own else none}")
        limit = own[name]
        if not limit.least <= value <= limit.most or value == float("inf"):  # NaN is neither
            raise BadSetting(
                f"{by}: {check}.{name} can't be {value:g}; it must be between {limit.least:g} and {limit.most:g} {limit.unit}"
            )
        yield ThresholdSet(check, name, value, limit.default, limit.unit, by)


def _check(name: str, known: Registry, by: str) -> Check:
    try:
        return known.choose([name])[0]
    except UnknownName as error:
        raise BadSetting(f"{by}: {error}") from error
