# SPDX-License-Identifier: Apache-2.0
"""Loss, delay and the path MTU between netdoc's own pods: requests and replies."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.base import Outcome, Peer


class PathMtu(Struct, frozen=True, tag="path MTU"):
    """Find the largest packet that gets from the debug pod on ``node`` to a peer whole, up to the pod's own MTU.

    UDP with IP_PMTUDISC_PROBE (ip(7)): packets leave unfragmented whatever the kernel believes of the path. One way: the
    peer's answers are small.
    """

    node: str
    to: Peer
    timeout: float = 0.5
    family: str = ""


class Burst(Struct, frozen=True, tag="burst"):
    """Send ``count`` small datagrams to a peer, one every ``interval`` seconds, and see how many come back and how fast.

    A round with a loss is repeated once, to tell chance from repeated loss.
    """

    node: str
    to: Peer
    count: int = 40
    interval: float = 0.005
    timeout: float = 0.5
    family: str = ""


class PathMtuReply(Struct, frozen=True, tag="path MTU", omit_defaults=True):
    """The pod's ``own`` MTU and the largest packet that was ``carried``, in bytes with IP header; 0: none of any size.

    ``told``: the MTU that an ICMP "fragmentation needed" (or "packet too big") gave, 0 where none came of packets as large as
    ``own``. ``impostor``: something answered, but not the peer.
    ``large``: rounds (sent, arrived) of sizes above ``carried``; where that is all, of the largest. ``under``: where it is not
    all, rounds of sizes up to it. A second one was sent where the first shows no limit. None of older recordings.
    """

    outcome: Outcome
    own: int
    carried: int = 0
    told: int = 0
    impostor: bool = False
    large: tuple[tuple[int, int], ...] = ()
    under: tuple[tuple[int, int], ...] = ()

    @property
    def sharp(self) -> bool:
        """Whether ``carried`` is a limit: in each round all above it were lost, and in one (but for one in ten) none up to it."""
        kept = [10 * came >= 9 * sent for sent, came in self.under]
        return not any(came for _, came in self.large) and (any(kept) or not kept)


class Round(Struct, frozen=True, omit_defaults=True):
    """Datagrams sent, and milliseconds of each that came back, in ascending order."""

    sent: int
    times: tuple[float, ...] = ()

    @property
    def lost(self) -> int:
        """The number of datagrams that did not come back."""
        return self.sent - len(self.times)


class BurstReply(Struct, frozen=True, tag="burst", omit_defaults=True):
    """The rounds of a burst: one, or two if the first had a loss."""

    rounds: tuple[Round, ...]
