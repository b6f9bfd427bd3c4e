# SPDX-License-Identifier: Apache-2.0
"""CoreDNS's log, read for the lines that name a cause; counts and what they concern are kept, never the names asked for."""

from __future__ import annotations

import re

from msgspec import Struct

_UPSTREAM = r"plugin/errors: .*: (?:read|write|dial) \w+ (?:\S*->)?(?P<detail>[\d.:\[\]a-f]+): "
_LISTS = r"(?:plugin/kubernetes: |reflector\.go|\bUnhandled Error\b).*"

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Corefile refused", re.compile(r"Corefile:\d+ - (?:Error during parsing|Syntax error): (?P<detail>.+)")),
    (
        "Corefile refused",
        re.compile(r"^(?P<detail>plugin/(?:forward|kubernetes|loop|cache|reload|ready|health|bind|errors|log): .+)"),
    ),
    ("Corefile refused", re.compile(r"^(?P<detail>plugin/\w+): ")),
    ("Corefile refused", re.compile(r"^(?P<detail>cannot serve .+|error inspecting server blocks: .+)")),
    ("can't listen", re.compile(r"\blisten (?P<detail>(?:tcp|udp) \S+: bind: [a-z ]+)")),
    ("loop", re.compile(r"plugin/loop: Loop \((?P<detail>[^)]*)\) detected")),
    ("upstream timeout", re.compile(_UPSTREAM + "i/o timeout")),
    ("upstream refused", re.compile(_UPSTREAM + ".*connection refused")),
    ("no route to upstream", re.compile(_UPSTREAM + ".*(?:no route to host|host is unreachable|network is unreachable)")),
    ("not permitted to send to upstream", re.compile(_UPSTREAM + ".*operation not permitted")),
    ("not permitted to list", re.compile(_LISTS + r"(?<![\w.-])(?P<detail>[a-z][a-z0-9.-]*) is forbidden: ")),
    ("API unreachable", re.compile(_LISTS + r"(?:[Ff]ailed to (?:list|watch)[^:]*|API connection failure): (?P<detail>.+)")),
    ("API not read yet", re.compile(r"starting server with (?P<detail>unsynced Kubernetes API)")),
    ("API not read yet", re.compile(r"plugin/ready: (?:Still waiting on|Plugins not ready): (?P<detail>\"kubernetes\")")),
    ("panic", re.compile(r"(?P<detail>panic:|Recovered from panic)")),
)
"""What CoreDNS writes and what it is called here; the first that fits counts. Plugins loop, errors, kubernetes, ready;
client-go's reflector, by klog or by the plugin; caddy's parse.go; plugin.Error, which begins a line only where a start fails;
core/dnsserver/server.go for panics. Of a plugin that may hold secrets (``corefile.KEPT``) no more than the name is kept."""

UPSTREAM = ("upstream timeout", "upstream refused", "no route to upstream", "not permitted to send to upstream")
"""What is told of upstreams."""

APART = frozenset({"not permitted to list"})
"""Causes of which each detail is one of its own: a ClusterRole may lack several resources."""

LONGEST = 120
"""Characters of a detail that are kept, whole words."""


class Cause(Struct, frozen=True, omit_defaults=True):
    """One thing that a log complains of, how often, and whom or what the last line of it concerns."""

    name: str
    count: int
    detail: str = ""

    def __str__(self) -> str:
        """One clause: name, what it concerns, how often."""
        return f"{self.name}{f' ({self.detail})' if self.detail else ''} x{self.count}"


def digest(text: str) -> tuple[Cause, ...]:
    """Return what a log complains of, most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    details: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        for name, pattern in PATTERNS:
            if found := pattern.search(line):
                detail = _short(found["detail"])
                key = name, detail if name in APART else ""
                counts[key] = counts.get(key, 0) + 1
                details[key] = detail
                break
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Cause(key[0], count, details[key]) for key, count in ordered)


def _short(detail: str) -> str:
    detail = detail.strip()
    return detail if len(detail) <= LONGEST else detail[:LONGEST].rpartition(" ")[0] + " …"
