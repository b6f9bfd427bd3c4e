# SPDX-License-Identifier: Apache-2.0
"""CoreDNS's log, read for the lines that name a cause; counts and what they concern are kept, never the names asked for."""

from __future__ import annotations

import re

from msgspec import Struct

_UPSTREAM = r"plugin/errors: .*: (?:read|dial) \w+ (?:\S*->)?(?P<detail>[\d.:\[\]a-f]+): "
_WATCH = r"plugin/kubernetes: .*(?:[Ff]ailed to (?:list|watch)|API connection failure)[^:]*: (?P<detail>.{0,120})"

_REFUSED = r"Corefile:\d+ - Error during parsing: (?P<detail>.{1,100})"

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Corefile refused", re.compile(_REFUSED)),
    ("loop", re.compile(r"plugin/loop: Loop \((?P<detail>[^)]*)\) detected")),
    ("upstream timeout", re.compile(_UPSTREAM + "i/o timeout")),
    ("upstream refused", re.compile(_UPSTREAM + ".*connection refused")),
    ("API unreachable", re.compile(_WATCH)),
    ("panic", re.compile(r"(?P<detail>panic:|Recovered from panic)")),
)
"""What CoreDNS writes (plugins loop, errors, kubernetes; core/dnsserver/server.go for panics; caddy's parse.go), and what it is
called here."""


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
    counts: dict[str, int] = {}
    details: dict[str, str] = {}
    for line in text.splitlines():
        for name, pattern in PATTERNS:
            if found := pattern.search(line):
                counts[name] = counts.get(name, 0) + 1
                details[name] = found["detail"].strip()
                break
    return tuple(
        Cause(name, count, details[name]) for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    )
