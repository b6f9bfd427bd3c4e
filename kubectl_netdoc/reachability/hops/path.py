# SPDX-License-Identifier: Apache-2.0
"""The hops "path", "back" and "port": the network between the nodes, and the application's port."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.connect import ConnectReply
from kubectl_netdoc.reachability.explanation import Answer, Fix, Hop
from kubectl_netdoc.reachability.hops.context import SHOWN, HopContext
from kubectl_netdoc.reachability.path_measurements import ConnectAttempts

CHECK_NETWORK = "kubectl netdoc check pod_network"


class PathHops(HopContext):
    """The node-to-node paths and the application's port."""

    def _paths(self) -> Iterator[Hop]:
        """Explain the paths between the nodes, there and back, by packet size and loss."""
        nodes = sorted({(a.node, b.node) for a, b, _ in self.pairs if a.node and b.node})
        apart = [(one, other) for one, other in nodes if one != other]
        if not nodes:
            yield Hop("path", Answer.NOTE, "the nodes are not known")
            return
        if not apart:
            yield Hop("path", Answer.NOTE, f"both ends are on one node, {', '.join(sorted({one for one, _ in nodes}))}")
            return
        yield self._path("path", apart, whole=len(apart) == len(nodes))
        yield self._path("back", [(other, one) for one, other in apart])

    def _path(self, name: str, pairs: list[tuple[str, str]], *, whole: bool = False) -> Hop:
        """Explain the paths of one direction. ``whole``: whether every leg crosses nodes."""
        told = {pair: text for pair in pairs if (text := self.measured.path_in_words(*pair))}
        shown = ", ".join(f"{a} -> {b}" for a, b in pairs[:3]) + (" …" if len(pairs) > 3 else "")
        if not told:
            return Hop(name, Answer.NOTE, f"{shown}: {self._not_measured()}")
        broken, words = [pair for pair in told if not self._proven(pair)], tuple(told.values())[:SHOWN]
        if whole and broken and len(broken) == len(pairs):
            fix = Fix("The network between these nodes is broken; this has nothing to do with policies.", command=CHECK_NETWORK)
            cut = f"nothing gets through, as measured: {', '.join(f'{a} -> {b}' for a, b in broken)}"
            return replace(self._stop(name, cut, fix), measured=words)
        works = [pair for pair in told if self._came(pair)]
        text = f"{len(works)} of {len(told)} node-to-node paths were measured and work"
        if len(works) + len(broken) < len(told) and name == "path":
            text += "; that netdoc's new pods fail there says nothing about the older pods in question"
        weak = Answer.WEAKENS if broken and name == "path" else Answer.NOTE
        return Hop(name, Answer.OK if len(works) == len(told) else weak, text, measured=words)

    def _came(self, pair: tuple[str, str]) -> bool:
        """Tell whether an echo came back along a path, or none was tried."""
        echo = self.measured.proved(*pair)
        return echo is None or any(sample.who for sample in echo.samples)

    def _proven(self, pair: tuple[str, str]) -> bool:
        """Tell whether a path was seen to work, or was not tried by a pod that is comparable to the source."""
        legs = [leg for leg in self.path.legs if (leg[0].node, leg[1].node) == pair]
        back = [leg for leg in self.path.legs if (leg[1].node, leg[0].node) == pair]
        return any(self.measured.works("path", leg) is not False for leg in legs or back)

    def _port(self) -> Hop:
        """Explain whether the application accepts connections on its port."""
        seen: dict[str, ConnectAttempts] = {}
        for a, b in self.path.legs:
            seen.setdefault(b.label, []).extend(self.measured.direct(a.node, b))
        tried = {label: tries for label, tries in seen.items() if tries}
        if not tried:
            return Hop("port", Answer.NOTE, f"{self.asked}: {self._not_measured()}")
        accepts = [label for label, tries in tried.items() if any(_accepts(reply) for _, reply in tries)]
        text = f"{self.asked}: {len(accepts)} of {len(tried)} endpoints accept connections"
        refused = [label for label, tries in tried.items() if all(r.outcome is Outcome.REFUSED for _, r in tries)]
        silent = [label for label in tried if label not in accepts and label not in refused]
        if refused:
            text += f"; {', '.join(refused[:SHOWN])} refuse{'s' if len(refused) == 1 else ''} them: nothing listens there"
        if accepts and not (refused or silent):
            return Hop("port", Answer.OK, text)
        sure = any(self.measured.works("port", leg) is False for leg in self.path.legs)
        if len(refused) == len(tried) and sure:
            fix = Fix(
                "Nothing listens on that port. Compare the Service's targetPort with the port that the application listens on."
            )
            return self._stop("port", text, fix)
        return Hop("port", (Answer.WEAKENS if accepts else Answer.UNKNOWN) if sure else Answer.NOTE, text)


def _accepts(reply: ConnectReply) -> bool:
    return reply.outcome is Outcome.OK
