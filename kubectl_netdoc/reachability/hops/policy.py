# SPDX-License-Identifier: Apache-2.0
"""The hops "egress" and "ingress": what policies say about both ends, and whether anything enforces them."""

from __future__ import annotations

from msgspec.structs import replace

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.formats.addresses import ip_address, ip_network
from kubectl_netdoc.policy import enforcers
from kubectl_netdoc.policy.connections import elementary
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.policy.verdict import End, Side, Verdict
from kubectl_netdoc.reachability.explanation import MOST_ENDS, Answer, Hop, family
from kubectl_netdoc.reachability.hops.context import HopContext, doubted, side, unsure
from kubectl_netdoc.reachability.named_end import NamedEnd
from kubectl_netdoc.reachability.policy_fix import ALL_ADDRESSES, named


class PolicyHops(HopContext):
    """The policies at both ends."""

    def _outside(self) -> Hop:
        """Explain egress to a name outside: its address is not known, so egress is judged for every address that it may have."""
        end_of = [End(str(first), addresses=(first,)) for first, _ in elementary(self.engine) if self._abroad(str(first))]
        sides = [self.engine.verdict(a, b, self.asked, family(b)).egress for a in self.source.ends[:MOST_ENDS] for b in end_of]
        by = tuple(dict.fromkeys(ref for side in sides for ref in side.by))
        refs = tuple(map(str, by))
        if all(side.allowed for side in sides):
            return Hop("egress", Answer.OK, f"policies allow {self.source.text} to reach every address", refs)
        if any(side.allowed for side in sides):
            text = (
                f"whether policies allow it depends on the address of {self.destination.outside}; run why again with that address"
            )
            return Hop("egress", Answer.UNKNOWN, text, refs)
        text = f"{named(by)} {'allow' if len(by) > 1 else 'allows'} {self.source.text} no address outside the cluster"
        open_ = self._open(Direction.EGRESS, self.nodes)
        if open_:
            return Hop("egress", Answer.OPEN, f"{text}, as written, but nothing enforces it", refs, findings=open_)
        return self._stop("egress", text, self.policy_fixes.allow_outside(by), refs)

    def _abroad(self, address: str) -> bool:
        """Tell whether a name outside can have this address: in an IP family of the pods, and not link-local."""
        mine = ip_families.of_pods(self.engine.cluster)
        if mine and ip_families.of(address) not in mine:
            return False
        near = [ip_network(text) for text in ALL_ADDRESSES[ip_families.of(address)].without]
        return not any(ip_address(address) in each for each in near)

    def _policies(self, direction: Direction) -> Hop:
        sides = [(a, b, side(verdict, direction), verdict) for a, b, verdict in self.pairs]
        whose = self.source if direction is Direction.EGRESS else self.destination
        good = [side for _, _, side, _ in sides if side.allowed]
        if len(good) == len(sides):
            return self._allowed(direction, whose, good, [verdict for *_, verdict in sides])
        bad = [(a, b, side) for a, b, side, _ in sides if not side.allowed]
        by = tuple(dict.fromkeys(ref for *_, side in bad for ref in side.by))
        refs, doubts = tuple(map(str, by)), unsure(verdict for *_, verdict in sides)
        text = f"{named(by)} {'isolate' if len(by) > 1 else 'isolates'} {whose.text}, and nothing allows {self.asked}"
        if any(ref.kind != "NetworkPolicy" for ref in by):
            text = f"{named(by)} denies {self.asked} {'to' if direction is Direction.INGRESS else 'from'} {whose.text}"
        if good:
            text += f" ({len(bad)} of {len(sides)} pairs of pods)"
        open_ = self._open(direction, (end.node for end in whose.ends))
        if open_:
            return Hop(direction.lower(), Answer.OPEN, f"{text}, as written, but nothing enforces it", refs, findings=open_)
        if doubts or self._no_enforcer():
            self.fix = self.fix or self.policy_fixes.allow(direction, by)
            text += doubted(doubts) if doubts else f"; {self._no_enforcer()}"
            return Hop(direction.lower(), Answer.UNKNOWN, text, refs)
        stop = self._stop(direction.lower(), text, self.policy_fixes.allow(direction, by), refs)
        return replace(stop, answer=Answer.WEAKENS) if good else stop

    def _no_enforcer(self) -> str:
        """Return a sentence if no known pod network enforces policies and enforcement was not measured; else ""."""
        if self.engine.cluster.origin == "manifests" or not enforcers.idle(self.engine.cluster):
            return ""
        return "the pod network enforces no policies, no other policy engine was found, and enforcement was not measured"

    def _allowed(self, direction: Direction, whose: NamedEnd, good: list[Side], verdicts: list[Verdict]) -> Hop:
        refs, doubts = tuple(dict.fromkeys(str(ref) for side in good for ref in side.by)), unsure(verdicts)
        isolated = any(side.isolated for side in good)
        text = f"{', '.join(refs)} allows it" if refs else f"no policy isolates {whose.text}"
        if isolated and not refs:
            text = "traffic with a pod's own node, or within a pod, is always allowed"
        text = "; ".join((text, *self.engine.left_out))
        if doubts:
            text += doubted(doubts)
        return Hop(direction.lower(), Answer.UNKNOWN if doubts else Answer.OK, text, refs)
