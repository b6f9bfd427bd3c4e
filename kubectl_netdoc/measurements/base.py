# SPDX-License-Identifier: Apache-2.0
"""The targets and outcomes of measurements."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct, field


class Outcome(StrEnum):
    """The outcome of one sample."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    PERMISSION = "permission"
    MALFORMED = "malformed"
    TOO_BIG = "too big"

    @property
    def verb(self) -> str:
        """The outcome as the verb of a sentence about one connection or lookup: "timed out", "was refused"."""
        return _VERBS[self]

    @classmethod
    def verbs(cls, outcomes: Iterable[Outcome]) -> str:
        """Return outcomes as the verb of a sentence about several connections or lookups: "timed out or were refused"."""
        return " or ".join(dict.fromkeys(_VERBS[outcome].replace("was ", "were ") for outcome in outcomes))


_VERBS = {
    Outcome.OK: "succeeded",
    Outcome.REFUSED: "was refused",
    Outcome.TIMEOUT: "timed out",
    Outcome.UNREACHABLE: "found no route",
    Outcome.PERMISSION: "was not permitted",
    Outcome.MALFORMED: "got a malformed answer",
    Outcome.TOO_BIG: "was too big",
}


class ResolvConfNameserver(Struct, frozen=True, tag="resolv.conf"):
    """The first nameserver of the debug pod's own resolv.conf, whatever that is."""


class Address(Struct, frozen=True, tag="address"):
    """A given IP address and port."""

    ip: str
    port: int = 53

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Peer(Struct, frozen=True, tag="peer"):
    """The echo server of this run's debug pod on ``node``; ``twin``: of the second one there, for the same-node path.

    ``closed``: a port of that pod on which nothing listens, as a control.
    """

    node: str
    twin: bool = False
    closed: bool = False


class OwnService(Struct, frozen=True, tag="own service"):
    """A Service of this run in front of all its echo servers; ``empty``: one without endpoints, as a control.

    ``sticky``: another one in front of them, with sessionAffinity ClientIP. ``bench``: one in front of the pod that a benchmark
    sends to, with a node port.
    """

    empty: bool = False
    sticky: bool = False
    bench: bool = False


class OwnName(Struct, frozen=True, tag="own name"):
    """The DNS name of a Service of this run, in the cluster domain ``domain``."""

    service: OwnService
    domain: str


class Lost(Struct, frozen=True, tag="lost", omit_defaults=True):
    """No reply: the debug pod did not run, the exec failed, or the output was cut off. It says nothing about the network.

    ``sent``: whether the request was sent at all.
    """

    reason: str
    sent: bool = field(name="asked", default=True)
