"""What can be asked of a place in the cluster, and what comes back.

A request is a frozen value that names symbolic places; equal requests of several checks are measured once.
Replies are typed: what the network did (ok, refused, timeout, unreachable …) is never mixed up with what happened
to the question on its way (``lost``).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """What became of one sample."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    PERMISSION = "permission"
    MALFORMED = "malformed"


class ResolvConfNameserver(Struct, frozen=True, tag="resolv.conf"):
    """The first nameserver of the debug pod's own resolv.conf, whatever that is."""


class Address(Struct, frozen=True, tag="address"):
    """A given IP address and port."""

    ip: str
    port: int = 53


Place = ResolvConfNameserver | Address


class DnsLookup(Struct, frozen=True, tag="dns"):
    """Ask ``server`` for ``name`` up to ``samples`` times over UDP, one after the other, from the debug pod on ``node``.

    ``timeout`` is per sample, in seconds; there is no retry, so that a lost packet is seen as one. A server that
    leaves the first ``give_up`` samples unanswered is not asked further: the rest would only cost time.
    """

    node: str
    server: Place
    name: str
    rtype: str = "A"
    samples: int = 10
    timeout: float = 1.0
    give_up: int = 2


Request = DnsLookup


class DnsSample(Struct, frozen=True, omit_defaults=True):
    """One answer: milliseconds from send to receipt (also of a failure), DNS response code and number of answers."""

    outcome: Outcome
    ms: float
    rcode: str = ""
    answers: int = 0


class DnsReply(Struct, frozen=True, tag="dns", omit_defaults=True):
    """All samples of one lookup, and the server's address where the request named it symbolically."""

    server: str
    samples: tuple[DnsSample, ...]


class Lost(Struct, frozen=True, tag="lost", omit_defaults=True):
    """No reply: the debug pod did not run, the exec failed, or the answer was cut. Says nothing about the network asked about.

    ``asked``: whether the question was sent at all.
    """

    reason: str
    asked: bool = True


Reply = DnsReply | Lost
