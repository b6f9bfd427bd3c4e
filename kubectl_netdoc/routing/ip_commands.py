# SPDX-License-Identifier: Apache-2.0
"""Commands that show and fix a node's routes, neighbours and tunnels."""

from __future__ import annotations

import shlex

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.remediation import commands
from kubectl_netdoc.remediation.commands import shell_word


def on(node: str, line: str) -> str:
    """Return a shell line for a node as a command template; all names in it, of interfaces too, are quoted."""
    words = shlex.join(line.split()).replace("{", "{{").replace("}", "}}")
    return commands.on_node(shell_word(node), words)


def words(node: str, *line: str) -> str:
    """Return a shell line for a node as a command template, from its words, which may have spaces in them."""
    return commands.on_node(shell_word(node), shlex.join(line).replace("{", "{{").replace("}", "}}"))


def ip(to: str) -> str:
    """Return the command for a family."""
    return "ip -6" if ip_families.of(to) == ip_families.IPV6 else "ip"


def tunnel_lines(node: str, dev: str, via: str, macs: list[str], ends: list[str]) -> tuple[str, ...]:
    """Return the lines that add another node's end to a node's tunnel, as far as it is known."""
    if not macs:
        return ()
    neighbour = on(node, f"{ip(via)} neigh replace {via} lladdr {macs[0]} dev {dev} nud permanent")
    forwarding = [on(node, f"bridge fdb replace {macs[0]} dev {dev} dst {end} self permanent") for end in ends[:1]]
    return (neighbour, *forwarding)
