# SPDX-License-Identifier: Apache-2.0
"""CoreDNS's configuration, read as CoreDNS reads it: server blocks, plugins, arguments.

Grammar: the Caddyfile of coredns/caddy (tokens, quotes, ``#`` comments, ``{ }`` blocks, snippets in parentheses).
"""

from __future__ import annotations

import re

from msgspec import Struct

KEPT = frozenset({"forward", "kubernetes", "loop", "cache", "reload", "ready", "health", "import", "bind", "errors", "log"})
"""Plugins whose arguments are kept. Others (``route53``, ``etcd``, ``tls`` …) may hold secrets: only their names are."""


MOST = 10_000
"""Plugins of a block, imported ones included: snippets that import snippets can multiply without bound."""


class Plugin(Struct, frozen=True, omit_defaults=True):
    """A plugin of a server block, with its arguments where they are kept."""

    name: str
    arguments: tuple[str, ...] = ()


class Server(Struct, frozen=True, omit_defaults=True):
    """A server block: zones with their ports, and its plugins in order."""

    zones: tuple[str, ...]
    plugins: tuple[Plugin, ...] = ()

    def find(self, name: str) -> list[Plugin]:
        """All uses of a plugin in this block."""
        return [plugin for plugin in self.plugins if plugin.name == name]


class Corefile(Struct, frozen=True, omit_defaults=True):
    """All server blocks, or why the text can't be read."""

    servers: tuple[Server, ...] = ()
    problem: str = ""

    def plugins(self, name: str) -> list[Plugin]:
        """All uses of a plugin in any block."""
        return [plugin for server in self.servers for plugin in server.find(name)]


def zone_and_port(zone: str) -> tuple[str, int]:
    """Split ``dns://example.org:5353`` into its zone and its port (53 where none is given)."""
    zone = zone.removeprefix("dns://")
    name, _, port = zone.rpartition(":")
    if not name and not zone.startswith(":"):
        return zone, 53
    return (name or ".", int(port)) if re.fullmatch("[0-9]{1,5}", port) else (zone, 53)


_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|\n|[^\s]+')


def _lines(text: str) -> list[list[str]]:
    """Split into lines of tokens, comments and continuation backslashes gone."""
    lines: list[list[str]] = []
    for raw in text.replace("\\\n", " ").splitlines():
        tokens: list[str] = []
        for token in _TOKEN.findall(raw):
            if token.startswith("#"):
                break
            tokens.append(token[1:-1] if token[0] in '"`' and token[-1] == token[0] and len(token) > 1 else token)
        if tokens:
            lines.append(tokens)
    return lines


def parse(text: str) -> Corefile:
    """Return the parsed Corefile; one that can't be read has a ``problem`` and no servers."""
    servers: list[Server] = []
    snippets: dict[str, tuple[Plugin, ...]] = {}
    zones: list[str] = []
    plugins: list[Plugin] = []
    depth = 0
    for line in _lines(text):
        opens, closes = line[-1] == "{", line[0] == "}"
        if closes:
            depth -= 1
            if depth < 0:
                return Corefile(problem="a closing brace too many")
            if depth == 0:
                if len(zones) == 1 and zones[0].startswith("("):
                    snippets[zones[0].strip("()")] = tuple(plugins)
                else:
                    servers.append(Server(tuple(zones), tuple(plugins)))
                zones, plugins = [], []
            continue
        if depth == 0 and line[0] == "import" and not opens:
            continue  # files of server blocks (AKS, k3s): not to be seen from here
        if depth == 0:
            zones += [zone.strip(",") for zone in (line[:-1] if opens else line) if zone.strip(",")]
        elif depth == 1 and (words := line[:-1] if opens else line):
            plugins += _plugin(words, snippets)
            if len(plugins) > MOST:
                return Corefile(problem=f"more than {MOST} plugins in one block")
        depth += opens
    if depth:
        return Corefile(problem=f"{depth} brace{'s' if depth > 1 else ''} not closed")
    if zones:
        return Corefile(problem=f"server block {zones[0]!r} has no braces")
    return Corefile(tuple(servers))


def _plugin(line: list[str], snippets: dict[str, tuple[Plugin, ...]]) -> tuple[Plugin, ...]:
    name, arguments = line[0], tuple(line[1:])
    if name == "import" and arguments and arguments[0] in snippets:
        return snippets[arguments[0]]
    return (Plugin(name, arguments if name in KEPT else ()),)
