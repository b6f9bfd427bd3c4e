# SPDX-License-Identifier: Apache-2.0
"""The hop "mesh": whom the proxies of a service mesh let in at the destination."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from kubectl_netdoc.components.mesh_access import Access, Client, MeshAccess, look, said
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.reachability.explanation import Answer, Fix, Hop
from kubectl_netdoc.reachability.hops.context import HopContext
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.service_mesh import PEER_AUTHENTICATION


class MeshHops(HopContext):
    """The proxies at the destination."""

    def _mesh(self) -> Iterator[Hop]:
        """Explain what the proxies at the destination decide; no hop where there is none."""
        answers = [(b, answer) for a, b, _ in self.pairs for answer in self._decided(a, b)]
        if not answers:
            return
        denied = [(end, answer) for end, answer in answers if answer.allowed is False]
        unsure = [answer for _, answer in answers if answer.allowed is None]
        by = tuple(dict.fromkeys(f"{ref.kind} {ref}" for _, answer in denied or answers for ref in answer.by))
        if len(denied) == len(answers):
            yield self._stop("mesh", f"{denied[0][0].label}: {said(denied[0][1])}", self._open_mesh(denied[0][1]), by)
        elif denied:
            text = f"{len(denied)} of {len(answers)} pairs of pods are refused; {denied[0][0].label}: {said(denied[0][1])}"
            yield Hop("mesh", Answer.WEAKENS, text, by)
        elif unsure:
            yield Hop("mesh", Answer.UNKNOWN, f"not certain: {said(unsure[0])}", by)
        else:
            yield Hop("mesh", Answer.OK, f"the mesh's proxy lets it in{' by ' + joined(by) if by else ''}", by)

    def _decided(self, source: End, end: End) -> Iterator[Access]:
        """Yield the answers of one pod's proxy, for each port that is asked for, or that the pod declares."""
        server = self._pod(end)
        if server is None:
            return
        numbers = [low for _, low, high in self.asked.ranges() if low == high] or [
            port.container_port for port in server.spec.ports()
        ]
        pod = self._pod(source)
        client = self._access.client(pod) if pod else Client(addresses=tuple(map(str, source.addresses)))
        for number in dict.fromkeys(numbers):
            if answer := self._access.ask(client, server, number):
                yield answer

    def _open_mesh(self, answer: Access) -> Fix:
        first = answer.by[0]
        text = f"Let {self.source.text} in by {first.kind} {first}, or by another policy beside it"
        if first.kind == PEER_AUTHENTICATION.name:
            text = f"Bring {self.source.text} into the mesh, or set the mode of this port to PERMISSIVE in {first.kind} {first}"
        return Fix(f"{text}.", command=look(first))

    def _pod(self, end: End) -> Pod | None:
        cluster = self.engine.cluster
        return cluster.get(POD, *end.pod) if end.pod != ("", "") else None

    @cached_property
    def _access(self) -> MeshAccess:
        return MeshAccess(self.engine.cluster)
