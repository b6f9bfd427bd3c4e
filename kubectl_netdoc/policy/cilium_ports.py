# SPDX-License-Identifier: Apache-2.0
"""The ports of a rule of Cilium's, and what else it asks of traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.ports import PROTOCOLS, Ports
from kubectl_netdoc.records.cilium_policies import CiliumPort, CiliumPorts, CiliumRule


def is_single(found: Ports) -> bool:
    """Tell whether it is one port of one protocol."""
    return [first for _, first, last in found.ranges()] == [last for _, _, last in found.ranges()] and len(found.spans) == 1


def all_of(found: Iterable[Ports]) -> Ports:
    """Return all of them together."""
    result = ports.NONE
    for one in found:
        result |= one
    return result


def conditions(rule: CiliumRule) -> Iterator[str]:
    """Yield what a rule asks for beside its peers and ports."""
    if rule.authentication and rule.authentication.mode != "disabled":
        yield "authentication of the other end"


def requests(entry: CiliumPorts) -> Iterator[str]:
    """Yield what the traffic of ports has to be like; names for DNS that are ``*`` are every name."""
    rules = entry.rules
    if rules and (rules.http or rules.kafka or rules.l7 or rules.l7proto):
        yield "requests (HTTP, Kafka or another protocol)"
    if rules and rules.dns and not any(name.match_pattern == "*" for name in rules.dns):
        yield "names asked of DNS"
    if entry.server_names:
        yield "names in TLS"
    if entry.listener:
        yield "a listener of Envoy"


def protocols(port: CiliumPort) -> tuple[str, ...]:
    """Return the protocols that are meant, of those that are computed with."""
    name = port.protocol.upper()
    return PROTOCOLS if name in ("", "ANY") else (name,) if name in PROTOCOLS else ()


def numbers(written: Iterable[CiliumPort]) -> Ports:
    """Return the ports by number; raises ``ValueError`` where Cilium would not take them."""
    found = ports.NONE
    for port in written:
        if not port.port.isdigit():
            continue
        first, last = int(port.port), port.end_port
        if (port.port != "0" and port.port.startswith("0")) or (last and last < first):
            raise ValueError("a port that Cilium does not read")
        for protocol in protocols(port):
            found |= ports.of(protocol, first, last) if first else ports.every(protocol)
    return found


def names(written: Iterable[CiliumPort]) -> tuple[tuple[str, str], ...]:
    """Return the ports by name, each with its protocols."""
    return tuple((port.port.lower(), name) for port in written if not port.port.isdigit() for name in protocols(port))
