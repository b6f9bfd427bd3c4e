# SPDX-License-Identifier: Apache-2.0
"""What the user selected for a run: checks, Services, addresses outside, what to ignore and thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kubectl_netdoc.core.check import Check
    from kubectl_netdoc.core.cluster import Selection
    from kubectl_netdoc.engine.registry import Registry
    from kubectl_netdoc.engine.settings import Settings
    from kubectl_netdoc.records.label_selector import Requirements

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def choose_checks(names: Iterable[str], only: Iterable[str], skip: Iterable[str]) -> tuple[Registry, tuple[Check, ...]]:
    """Return the registry and the selected checks; an unknown name is a usage error that names the closest one."""
    from kubectl_netdoc.engine import registry

    known = registry.load()
    wanted = named(names, only)
    unwanted = named(skip)
    try:
        return known, known.choose(wanted, unwanted)
    except registry.UnknownName as error:
        raise click.UsageError(str(error)) from error


def named(*several: Iterable[str]) -> tuple[str, ...]:
    """Return the names in arguments or options, each of which may hold several."""
    return tuple(part for names in several for name in names for part in name.split(","))


def selected(checks: Iterable[str], flags: Mapping[str, Any]) -> Selection | None:
    """Return what the user selected beyond the default; None for nothing, so that a bundle's own selection counts."""
    from kubectl_netdoc.core.cluster import Selection

    external, services = named(flags["external"]), named(flags["services"])
    for name in external:
        if not _outside(name):
            raise click.UsageError(f"--external takes a DNS name or an IP address, without port or path; {name!r} is neither")
    for name in services:
        if not re.fullmatch(rf"({_LABEL}/)?{_LABEL}", name):
            raise click.UsageError(f"--service takes [NAMESPACE/]NAME; {name!r} is not a valid name of a Service")
    labels = requirements("-l", flags["selector"])
    wanted = Selection(named(checks, flags["only"]), external, services, labels, flags["thorough"])
    return None if wanted == Selection() else wanted


def _outside(name: str) -> bool:
    """Tell whether a text is an IP address or a DNS name: labels of at most 63 characters, 253 in all (RFC 1035, 2.3.4)."""
    from kubectl_netdoc.formats.addresses import ip_address

    try:
        ip_address(name)
        return "%" not in name
    except ValueError:
        pass
    name = name.removesuffix(".")
    labels = name.split(".")
    label = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
    return len(name) <= 253 and all(re.fullmatch(label, part, re.ASCII) for part in labels) and not labels[-1].isdigit()


def requirements(flag: str, selector: str) -> Requirements:
    """Return the requirements of a label selector; an invalid one is a usage error."""
    from kubectl_netdoc.records.label_selector import BadSelector, parse

    try:
        return parse(selector)
    except BadSelector as error:
        raise click.UsageError(f"{flag}: {error}") from error


def read_settings(flags: Mapping[str, Any], registry: Registry) -> Settings:
    """Return what to ignore and the thresholds, by flags and file; flags take precedence, an invalid setting is a usage error."""
    from datetime import UTC, datetime
    from pathlib import Path

    from kubectl_netdoc.engine.settings import FILE, BadSetting, from_file, from_flags

    path = Path(flags["config"] or FILE)
    try:
        wanted = from_flags(flags["ignore"], flags["threshold"], registry)
        if flags["config"] or path.is_file():
            wanted = wanted.over(from_file(path.read_text(), str(path), registry, datetime.now(UTC).date()))
    except BadSetting as error:
        raise click.UsageError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from error
    return wanted
