# SPDX-License-Identifier: Apache-2.0
"""DNS lookups and resolv.conf: requests and replies."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Outcome, OwnName, ResolvConfNameserver


class DnsLookup(Struct, frozen=True, tag="dns"):
    """Ask ``server`` for ``name`` up to ``samples`` times, one after the other, from the debug pod on ``node``.

    ``timeout`` is per sample, in seconds; there is no retry, so that a lost packet is seen as one. A server that
    leaves ``give_up`` samples unanswered gets no more queries, which would only cost time.
    ``parallel``: A and AAAA leave together from one socket, as a resolver sends them, and count as one sample.
    ``protocol``: UDP, or TCP with a connection for each sample. ``edns``: the size (bytes) that an OPT record offers, 0 for
    a query without one (RFC 6891). ``interval``: seconds from one sample to the next, which then does not wait for an answer
    and is asked beside other measurements: a server that stalls for a moment is met.
    """

    node: str
    server: ResolvConfNameserver | Address
    name: str | OwnName
    rtype: str = "A"
    samples: int = 10
    timeout: float = 1.0
    give_up: int = 2
    parallel: bool = False
    protocol: str = "UDP"
    edns: int = 0
    interval: float = 0.0


class ResolvConf(Struct, frozen=True, tag="read resolv.conf"):
    """Read the debug pod's own resolv.conf, which the kubelet makes for dnsPolicy ClusterFirst."""

    node: str
    timeout: float = 1.0


class DnsSample(Struct, frozen=True, omit_defaults=True):
    """One answer: milliseconds from send to receipt (also of a failure), DNS response code and number of answers."""

    outcome: Outcome
    ms: float
    rcode: str = ""
    answers: int = 0


class DnsReply(Struct, frozen=True, tag="dns", omit_defaults=True):
    """All samples of one lookup, and the server's address where the request named it symbolically.

    Of the first answer: its ``records`` (sorted texts of the answer section's data, owner names left out), its size in bytes,
    and whether it was ``truncated`` (the TC bit).
    """

    server: str
    samples: tuple[DnsSample, ...]
    records: tuple[str, ...] = ()
    size: int = 0
    truncated: bool = False


class ResolvConfReply(Struct, frozen=True, tag="read resolv.conf", omit_defaults=True):
    """What a resolv.conf says: nameservers, search domains and options, in their order."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def ndots(self) -> int:
        """Dots from which on a name is tried as it is first; 1 where no option says so (resolv.conf(5))."""
        found = [option.partition(":")[2] for option in self.options if option.startswith("ndots:")]
        return int(found[-1]) if found and found[-1].isdigit() else 1
