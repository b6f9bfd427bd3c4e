# SPDX-License-Identifier: Apache-2.0
"""Further looks at places over half a minute: request and reply (``check --thorough``)."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Outcome, OwnService, Peer

Place = Peer | OwnService | Address
"""What is looked at: netdoc's own pods and Service, which prove themselves, and the addresses of Services and endpoints."""


class OverTime(Struct, frozen=True, tag="over time"):
    """Look at places from the debug pod on ``node`` for ``seconds``: a connection to each every ``every`` seconds.

    netdoc's own besides: connections that are ``idle`` for so long and are then used, ``together`` connections held at once, and
    answers of ``size`` bytes. Each of these twice.
    """

    node: str
    places: tuple[Place, ...]
    seconds: float = 24.0
    every: float = 1.0
    timeout: float = 0.9
    idle: float = 16.0
    together: int = 24
    size: int = 1048576


class Look(Struct, frozen=True, omit_defaults=True):
    """A connection ``at`` so many seconds after the start, begun ``late`` by so many: then the debug pod itself was held up."""

    at: float
    outcome: Outcome
    ms: float
    late: float = 0.0


class IdleUse(Struct, frozen=True, omit_defaults=True):
    """What came of using a connection that had been idle, and of a new one at once after it."""

    outcome: Outcome
    fresh: Outcome


class Bulk(Struct, frozen=True, omit_defaults=True):
    """How many bytes of a large answer came, in how many milliseconds."""

    got: int
    ms: float


class PlaceOverTime(Struct, frozen=True, omit_defaults=True):
    """What was seen of one place. ``together``: connections held at once, and those that were answered."""

    looks: tuple[Look, ...] = ()
    idle: tuple[IdleUse, ...] = ()
    together: tuple[tuple[int, int], ...] = ()
    bulk: tuple[Bulk, ...] = ()


class OverTimeReply(Struct, frozen=True, tag="over time", omit_defaults=True):
    """What was seen of each place, in the order of the request."""

    places: tuple[PlaceOverTime, ...]
