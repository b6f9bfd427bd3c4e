# SPDX-License-Identifier: Apache-2.0
"""Reports on disk (``check -o json``): one file, or a folder that keeps the newest of each cluster."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.report import REPORT_VERSION, Report
from kubectl_netdoc.sources import UNREADABLE, SourceError, Warn

MARK = b'"netdoc_report"'
HEAD = 64
"""Bytes at the beginning in which a report says that it is one."""

_NAME = re.compile(r"\d{8}T\d{6}Z-[a-z0-9.-]+\.json")


class _Scope(Struct):
    scope: str = ""


class _Head(Struct):
    """What says which cluster a report is of, and of when; decoding the rest of a thousand reports takes much longer."""

    recorded: Annotated[datetime, msgspec.Meta(tz=True)]
    source: str
    coverage: _Scope = msgspec.field(default_factory=_Scope)


def is_report(raw: bytes) -> bool:
    """Tell whether a file's content is a report."""
    return MARK in raw[:HEAD]


def decode(raw: bytes, name: str) -> Report:
    """Return a report; raises ``SourceError`` if it is damaged or of a later version."""
    try:
        report = msgspec.json.decode(raw, type=Report)
    except UNREADABLE as error:
        raise SourceError(f"{name}: the report is damaged or truncated: {error}", 2) from error
    if report.netdoc_report > REPORT_VERSION:
        raise SourceError(f"{name}: report version {report.netdoc_report} is newer than this netdoc can read; upgrade netdoc", 2)
    return report


def kept(folder: Path, warn: Warn, since: float = 0.0) -> Iterator[Report]:
    """Yield the reports in a folder, oldest first, reading each as it is wanted; raises ``SourceError`` if there is none.

    ``since``: only those of the last so many seconds before the newest; 0 is all. What is damaged is told and left out.
    """
    found: list[tuple[datetime, Path]] = []
    for path in _files(folder):
        raw = _content(path)
        if not is_report(raw):
            continue
        try:
            found.append((msgspec.json.decode(raw, type=_Head).recorded, path))
        except UNREADABLE:
            warn(f"{path}: the report is damaged or truncated; it is left out")
    if not found:
        raise SourceError(f"there is no report in {folder}; this writes one: kubectl netdoc check --keep {folder}", 2)
    newest = max(when for when, _ in found)
    for when, path in sorted(found):
        if since and newest - when > timedelta(seconds=since):
            continue
        try:
            yield decode(_content(path), str(path))
        except SourceError as error:
            warn(f"{error}; it is left out")


def keep(folder: Path, report: Report, text: str, most: int) -> None:
    """Write a report, given as JSON, into a folder, and delete all but the ``most`` newest of this cluster and scope.

    Only files of names that this function gives are deleted. Whoever reads at the same time sees whole reports. Raises
    ``SourceError``.
    """
    moment = datetime.fromisoformat(report.recorded)
    own = _slug(report)
    place = folder / f"{moment:%Y%m%dT%H%M%SZ}-{own}.json"
    draft = folder / f".{place.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # it has names and addresses
            file.write(text)
        draft.replace(place)
        alike = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.name[17:-5] == own)
        for path in alike[:-most]:
            path.unlink(missing_ok=True)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise SourceError(f"can't keep the report in {folder}: {error.strerror}", 2) from error


def _slug(report: Report) -> str:
    """Return what tells the reports of one cluster and scope from those of others, as a part of a file's name."""
    whole = f"{report.source}\n{report.coverage.scope}"
    words = re.sub(r"[^a-z0-9.]+", "-", report.source.lower()).strip("-.")[:60]
    return f"{words or 'cluster'}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json" and path.is_file())
    except OSError as error:
        raise SourceError(f"can't read {folder}: {error.strerror}", 2) from error


def _content(path: Path) -> bytes:
    """Return the content of a file; empty if it has gone, as the oldest do."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
