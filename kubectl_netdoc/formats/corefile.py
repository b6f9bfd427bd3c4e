# SPDX-License-Identifier: Apache-2.0
"""What a CoreDNS configuration says: server blocks, plugins, arguments."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.formats.addresses import ip_address, is_plain
from kubectl_netdoc.formats.corefile_zones import zone_and_port

REPLACING = frozenset({"rewrite", "template", "hosts"})
"""Plugins that answer before ``kubernetes`` does, whatever their order in the text (plugin.cfg)."""

KEPT = REPLACING | {"forward", "kubernetes", "loop", "cache", "reload", "ready", "health", "import", "bind", "errors", "log"}
"""Plugins whose arguments are kept. Others (``route53``, ``etcd``, ``tls`` …) may hold secrets: only their names are."""

INSIDE = frozenset({"match", "fallthrough", "name", "rcode"})
"""First words of the lines in a plugin's own block that are kept of ``REPLACING``; of ``hosts`` names are, too."""


class Plugin(Struct, frozen=True, omit_defaults=True):
    """A plugin of a server block, with its arguments where they are kept; ``inside``: the lines kept of its own block."""

    name: str
    arguments: tuple[str, ...] = ()
    inside: tuple[tuple[str, ...], ...] = ()

    @staticmethod
    def kept(name: str, arguments: tuple[str, ...], inside: tuple[tuple[str, ...], ...]) -> Plugin:
        """Return what is kept of a plugin: of ``hosts`` names of Services, of ``rewrite`` what it does with names."""
        if name not in KEPT or (name == "rewrite" and not any("name" in line for line in (arguments, *inside))):
            return Plugin(name)
        if name not in REPLACING:
            return Plugin(name, arguments)
        lines = [line for line in inside if line and line[0] in INSIDE]
        if name == "hosts":
            lines += [("name", host) for line in inside for host in line[1:] if ".svc." in host and is_plain(line[0])]
        return Plugin(name, arguments, tuple(lines))


class ServerBlock(Struct, frozen=True, omit_defaults=True):
    """A server block: zones with their ports, and its plugins in order."""

    zones: tuple[str, ...]
    plugins: tuple[Plugin, ...] = ()

    def find(self, name: str) -> list[Plugin]:
        """All uses of a plugin in this block."""
        return [plugin for plugin in self.plugins if plugin.name == name]


class Corefile(Struct, frozen=True, omit_defaults=True):
    """All server blocks, or why CoreDNS refuses the text. ``imports``: files of further server blocks, not to be seen here."""

    servers: tuple[ServerBlock, ...] = ()
    problem: str = ""
    imports: tuple[str, ...] = ()

    def plugins(self, name: str) -> list[Plugin]:
        """All uses of a plugin in any block."""
        return [plugin for server in self.servers for plugin in server.find(name)]

    @property
    def cluster_zones(self) -> list[str]:
        """The zones that the ``kubernetes`` plugin serves, those of its block where it names none; reverse zones left out."""
        found = [
            zone_and_port(zone)[0].rstrip(".")
            for server in self.servers
            for plugin in server.find("kubernetes")
            for zone in plugin.arguments or server.zones
        ]
        return [zone for zone in found if zone and "/" not in zone and not zone.endswith(".arpa") and not left_open(zone)]

    @property
    def bound(self) -> list[str]:
        """The addresses that its blocks listen on, where they name some; interfaces are left out."""
        named = (address for plugin in self.plugins("bind") for address in plugin.arguments)
        return list(dict.fromkeys(address for address in named if is_plain(address)))

    @property
    def of_a_cache(self) -> bool:
        """Tell whether it is that of NodeLocal DNSCache: it listens on a link-local address, and serves no names of its own."""
        return any(ip_address(text).is_link_local for text in self.bound) and not self.plugins("kubernetes")


def left_open(token: str) -> bool:
    """Tell whether the pod's environment, or node-cache, decides what a token is."""
    return "{$" in token or "{%" in token or "__PILLAR__" in token
