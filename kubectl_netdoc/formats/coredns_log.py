# SPDX-License-Identifier: Apache-2.0
"""CoreDNS's log, read for the lines that name a cause; counts and what they concern are kept, never the names asked for."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.formats import corefile_refusal
from kubectl_netdoc.formats.corefile_refusal import Refusal

_UPSTREAM = r"plugin/errors: .*: (?:read|write|dial) \w+ (?:\S*->)?(?P<detail>[\d.:\[\]a-f]+): "
_LISTS = r"(?:plugin/kubernetes: |reflector\.go|\bUnhandled Error\b).*"

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("can't listen", re.compile(r"^(?!\[).*\blisten (?P<detail>(?:tcp|udp) \S+: bind: [a-z ]+)")),
    ("loop", re.compile(r"plugin/loop: Loop \((?P<detail>[^)]*)\) detected")),
    ("upstream timeout", re.compile(_UPSTREAM + "i/o timeout")),
    ("upstream refused", re.compile(_UPSTREAM + ".*connection refused")),
    ("no route to upstream", re.compile(_UPSTREAM + ".*(?:no route to host|host is unreachable|network is unreachable)")),
    ("not permitted to send to upstream", re.compile(_UPSTREAM + ".*operation not permitted")),
    ("too many forwards at once", re.compile(r"plugin/errors: .*: concurrent queries exceeded maximum (?P<detail>\d+)")),
    ("not permitted to list", re.compile(_LISTS + r"(?<![\w.-])(?P<detail>[a-z][a-z0-9.-]*) is forbidden: ")),
    ("API unreachable", re.compile(_LISTS + r"(?:[Ff]ailed to (?:list|watch)[^:]*|API connection failure): (?P<detail>.+)")),
    ("API not read yet", re.compile(r"starting server with (?P<detail>unsynced Kubernetes API)")),
    ("API not read yet", re.compile(r"plugin/kubernetes: (?P<detail>Unhandled Error|Failed to watch)$")),
    ("API not read yet", re.compile(r"plugin/ready: (?:Still waiting on|Plugins not ready): (?P<detail>\"kubernetes\")")),
    ("panic", re.compile(r"(?P<detail>panic:|Recovered from panic)")),
)
"""What CoreDNS writes and what it is called here; the first that fits counts. Plugins loop, errors, kubernetes, ready;
client-go's reflector, by klog or by the plugin, which in 1.12 and 1.13 gives no reason, and from 1.14 on none before its start;
core/dnsserver/server.go for panics. What is refused of a Corefile: ``corefile_refusal``."""

REFUSED, RELOAD_REFUSED = "Corefile refused", "changed Corefile refused"
"""What keeps a server from starting, and what a running server does not change to."""

RELOADED = "[INFO] Reloading complete"
"""After this line what a server refused before is history."""

UPSTREAM = ("upstream timeout", "upstream refused", "no route to upstream", "not permitted to send to upstream")
"""What is told of upstreams."""

APART = frozenset({"not permitted to list"})
"""Causes of which each detail is one of its own: a ClusterRole may lack several resources."""

LONGEST = 120
"""Characters of a detail that are kept, whole words."""


class Cause(Struct, frozen=True, omit_defaults=True):
    """One thing that a log complains of, how often, and whom or what the last line of it concerns; ``refusal``: of a Corefile."""

    name: str
    count: int
    detail: str = ""
    refusal: Refusal | None = None

    def __str__(self) -> str:
        """One clause: name, what it concerns, how often."""
        return f"{self.name}{f' ({self.detail})' if self.detail else ''} x{self.count}"


def digest(text: str) -> tuple[Cause, ...]:
    """Return what a log complains of, most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    for line in text.splitlines():
        if line.startswith(RELOADED):
            found.pop((RELOAD_REFUSED, ""), None)
        elif cause := _cause(line):
            key = cause.name, cause.detail if cause.name in APART else ""
            before = found[key].count if key in found else 0
            found[key] = replace(cause, count=before + 1)
    return tuple(found[key] for key in sorted(found, key=lambda key: (-found[key].count, key)))


def _cause(line: str) -> Cause | None:
    """Return what one line complains of; None if nothing."""
    refused = corefile_refusal.of_start(line)
    changed = None if refused else corefile_refusal.of_reload(line)
    if refusal := refused or changed:
        return Cause(REFUSED if refused else RELOAD_REFUSED, 1, _short(str(refusal)), refusal)
    matches = ((name, pattern.search(line)) for name, pattern in PATTERNS)
    return next((Cause(name, 1, _short(match["detail"])) for name, match in matches if match), None)


def _short(detail: str) -> str:
    detail = detail.strip()
    detail = detail.partition(' logger="')[0]
    return detail if len(detail) <= LONGEST else detail[:LONGEST].rpartition(" ")[0] + " …"
