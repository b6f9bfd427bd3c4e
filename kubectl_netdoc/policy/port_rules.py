# SPDX-License-Identifier: Apache-2.0
"""The ports of a rule, by number and by the names that the destination's pods give them."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.records.policies import AdminProtocol, AdminRule, NetworkPolicyPort, NetworkPolicyRule


class PortRule(Struct, frozen=True):
    """Ports by number, and by (name, protocol) as the destination pod declares them; no protocol is any."""

    fixed: Ports = ports.ALL
    names: tuple[tuple[str, str], ...] = ()

    def on(self, destination: PodClass | None) -> Ports:
        """Return the ports on a destination; names match nothing on an end that is not a pod."""
        found = self.fixed
        if self.names and destination is not None:
            for name, protocol in self.names:
                for kind, number in destination.numbers(name, protocol):
                    found |= ports.of(kind, number)
        return found


def of_rule(rule: NetworkPolicyRule) -> PortRule:
    """Return the ports of a rule of a NetworkPolicy."""
    if not rule.ports:
        return PortRule()
    fixed = ports.NONE
    names = []
    for port in rule.ports:
        if isinstance(port.port, str):
            names.append((port.port, port.protocol))
        else:
            fixed |= _numbers(port)
    return PortRule(fixed, tuple(names))


def _numbers(port: NetworkPolicyPort) -> Ports:
    if port.port is None:
        return ports.every(port.protocol)
    return ports.of(port.protocol, int(port.port), port.end_port)


def of_admin_rule(rule: AdminRule) -> PortRule:
    """Return the ports of a rule of a cluster-wide policy."""
    if not rule.ports and not rule.protocols:
        return PortRule()
    fixed = ports.NONE
    names = []
    for port in rule.ports:
        if port.port_number:
            fixed |= ports.of(port.port_number.protocol, port.port_number.port)
        if port.port_range:
            fixed |= ports.of(port.port_range.protocol, port.port_range.start, port.port_range.end)
        if port.named_port:
            names.append((port.named_port, ""))
    for protocol in rule.protocols:
        fixed |= _of_protocol(protocol)
        if protocol.destination_named_port:
            names.append((protocol.destination_named_port, ""))
    return PortRule(fixed, tuple(names))


def _of_protocol(written: AdminProtocol) -> Ports:
    found = ports.NONE
    for name, one in (("TCP", written.tcp), ("UDP", written.udp), ("SCTP", written.sctp)):
        if one is None:
            continue
        port = one.destination_port
        if port is None:
            found |= ports.every(name)
        elif port.range is not None:
            found |= ports.of(name, port.range.start, port.range.end)
        else:
            found |= ports.of(name, port.number)
    return found
