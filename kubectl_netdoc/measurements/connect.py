# SPDX-License-Identifier: Apache-2.0
"""Connections to Services, pods and servers: requests and replies."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Outcome, OwnService, Peer

ECHO_PORTS = range(19376, 19376 + 13)
"""Ports of netdoc's echo servers and of the unused ports of its Services: in EndpointSlices and rules they are a run's own."""


class Connect(Struct, frozen=True, tag="connect"):
    """Open a TCP connection and close it again: nothing is sent, and an accept proves only that something accepts.

    ``host``: from the node's host network (nodes tier); the same in the requests below.
    """

    node: str
    to: Address
    timeout: float = 2.0
    host: bool = False


class Echo(Struct, frozen=True, tag="echo"):
    """Reach an echo server of this run and have it prove itself by its nonce, ``samples`` times.

    TCP: ``size`` bytes come back after the proof. UDP: datagrams of ``size`` bytes go there and come back.
    ``wait``: seconds to go on for a first success, and on ``OwnService`` until every echo behind it has answered: such a
    Service is only just being set up. ``family``: ``IPv4`` or ``IPv6``; where it is not given, the place's first address.
    """

    node: str
    to: Peer | OwnService
    protocol: str = "TCP"
    size: int = 0
    samples: int = 1
    timeout: float = 1.0
    wait: float = 0.0
    family: str = ""
    host: bool = False


class HttpGet(Struct, frozen=True, tag="http"):
    """GET a page, and bring back those of its lines that begin with one of ``prefixes``.

    Only for components of the cluster (CoreDNS's metrics, kube-proxy's health checks), never for a workload.
    """

    node: str
    to: Address
    path: str = "/"
    prefixes: tuple[str, ...] = ()
    timeout: float = 2.0
    host: bool = False


class Certificate(Struct, frozen=True, tag="certificate"):
    """Make a TLS handshake and verify the server's certificate for ``name`` against the cluster's CA ``authority`` (PEM)."""

    node: str
    to: Address
    name: str
    authority: str
    timeout: float = 2.0


class ConnectReply(Struct, frozen=True, tag="connect", omit_defaults=True):
    """The outcome of a connection, and the milliseconds until it was known."""

    outcome: Outcome
    ms: float


class EchoSample(Struct, frozen=True, omit_defaults=True):
    """One try: ``who`` is the node whose echo proved itself, ``source`` the address it saw us come from.

    ``impostor``: something answered, but not with the nonce. ``got``: bytes that came after the proof.
    ``itself``: the pod that sent the request.
    """

    outcome: Outcome
    ms: float
    who: str = ""
    source: str = ""
    got: int = 0
    impostor: bool = False
    itself: bool = False


class EchoReply(Struct, frozen=True, tag="echo", omit_defaults=True):
    """All samples of an echo, and the address that was tried."""

    address: str
    samples: tuple[EchoSample, ...]


class CertificateReply(Struct, frozen=True, tag="certificate", omit_defaults=True):
    """Whether the handshake was made and the certificate verified; ``problem`` says why not."""

    outcome: Outcome
    ms: float
    verified: bool = False
    problem: str = ""


class HttpReply(Struct, frozen=True, tag="http", omit_defaults=True):
    """The outcome of a GET: the HTTP status, and the requested lines."""

    outcome: Outcome
    ms: float
    status: int = 0
    lines: tuple[str, ...] = ()
