# SPDX-License-Identifier: Apache-2.0
"""What changes with which version: ``table.toml``, read once. Who decides or says something by a version asks here.

A version is a tuple of numbers, as many as are known: ``(1, 37)``, ``(1, 36, 1)``.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

Version = tuple[int, ...]

_NUMBERS = re.compile(r"(?:^|[^0-9.])v?(\d+(?:\.\d+)+)")


@cache
def parse(text: str) -> Version:
    """Return the first version in a text (``v1.36.1-gke.7``, ``containerd://2.1.4``, ``6.18.0-2-amd64``); () where is none."""
    found = _NUMBERS.search(text)
    return tuple(map(int, found[1].split("."))) if found else ()


def shown(version: Version) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))


class Stage(Struct, frozen=True):
    """What holds from a version on. ``since``: the first that has it, and those of older lines that got it by a patch release.

    ``date``: in place of versions, the end of a project.
    """

    since: str | list[str] = ""
    then: str = ""
    date: date | None = None

    @property
    def versions(self) -> list[Version]:
        """The first versions, the oldest first."""
        return sorted(map(parse, [self.since] if isinstance(self.since, str) else self.since)) if self.since else []

    @property
    def first(self) -> Version:
        """The newest of them, from which on every version has it."""
        return self.versions[-1]

    def __str__(self) -> str:
        return shown(self.first)

    def reached(self, version: Version) -> bool:
        """Tell whether a version has it; of a line that got it by a patch release, only from that release on."""
        lines = [first for first in self.versions if first[:2] == version[:2]]
        return version >= (lines[0] if lines else self.first)[: max(len(version), 2)]


class Change(Struct, frozen=True):
    """One change: what it is about, of which software the versions are, its stages by name and in order, and its sources."""

    what: str
    of: str
    sources: list[str]
    read: date
    stages: dict[str, Stage]

    def __getitem__(self, stage: str) -> Stage:
        return self.stages[stage]

    def reached(self, stage: str, text: str) -> bool:
        """Tell whether the version in a text has this stage; not of a text without a version."""
        version = parse(text)
        return bool(version) and self.stages[stage].reached(version)

    def told(self, *names: str) -> str:
        """Return stages, all or the named ones, as clauses: "from 1.35 on it is deprecated, from 1.43 on (planned) gone"."""
        wanted = [stage for name, stage in self.stages.items() if name in names or not names]
        return ", ".join(f"from {stage} on{' (planned)' * table().planned(self, stage)} {stage.then}" for stage in wanted)


class Table(Struct, frozen=True):
    """The table: the newest version of each software of which the sources were read, and the changes by name."""

    newest: dict[str, str]
    changes: dict[str, Change]

    def planned(self, change: Change, stage: Stage) -> bool:
        """Tell whether a stage is a plan: of a version that was not there when the sources were read."""
        return bool(stage.versions) and change.of in self.newest and stage.first[:2] > parse(self.newest[change.of])


@cache
def table() -> Table:
    """Return the table."""
    data = tomllib.loads(files(__package__).joinpath("table.toml").read_text())
    return msgspec.convert(data, Table)


def change(name: str) -> Change:
    """Return a change by its name in the table."""
    return table().changes[name]
