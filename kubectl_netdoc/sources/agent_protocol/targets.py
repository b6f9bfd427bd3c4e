# SPDX-License-Identifier: Apache-2.0
"""The addresses behind the symbolic targets of requests in one run: its echo servers and Services."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, OwnService, Peer


class EchoServer(Struct, frozen=True):
    """An echo server of this run: its addresses, primary first, and the nonce that only it knows."""

    ips: tuple[str, ...]
    nonce: str


class ServiceAddresses(Struct, frozen=True):
    """A Service of this run: its ClusterIPs, primary first, its DNS name without the cluster domain, node ports by protocol."""

    ips: tuple[str, ...] = ()
    name: str = ""
    node_ports: Mapping[str, int] = {}


class Targets(Struct, frozen=True):
    """The addresses of symbolic targets in this run. ``why_no_service``: why the Services could not be created, or ""."""

    servers: Mapping[tuple[str, bool], EchoServer] = {}
    services: Mapping[OwnService, ServiceAddresses] = {}
    port: int = 0
    why_no_service: str = ""

    def nodes(self) -> dict[str, str]:
        """The node of each nonce."""
        return {server.nonce: node for (node, _), server in self.servers.items()}

    def service(self, place: OwnService) -> ServiceAddresses:
        """Return a Service of this run; raises ``Unresolved``."""
        found = self.services.get(place)
        if found is None or not found.ips:
            raise Unresolved(self.why_no_service or "this run created no Service")
        return found

    def server(self, place: Peer) -> EchoServer:
        """Return an echo server of this run; raises ``Unresolved``."""
        found = self.servers.get((place.node, place.twin))
        if found is None:
            raise Unresolved(f"no echo server ran on node {place.node}")
        return found


NO_TARGETS = Targets()


class Unresolved(Exception):
    """Raised if a symbolic target does not exist in this run; the text says why."""


def address(place: Peer | OwnService | Address, targets: Targets, family: str = "") -> tuple[str, int]:
    """Return IP address and port of a target in this run; raises ``Unresolved``."""
    if isinstance(place, Address):
        return place.ip, place.port
    if isinstance(place, OwnService):
        return of_family(targets.service(place).ips, family, "netdoc's own Service"), targets.port
    return of_family(targets.server(place).ips, family, f"netdoc's pod on node {place.node}"), targets.port + place.closed


def of_family(ips: tuple[str, ...], family: str, what: str) -> str:
    """Return the first address of a family ("": of any); raises ``Unresolved`` where ``what`` has none."""
    found = [ip for ip in ips if not family or (":" in ip) == (family == "IPv6")]
    if not found:
        raise Unresolved(f"{what} has no {family} address")
    return found[0]
