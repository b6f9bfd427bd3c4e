# SPDX-License-Identifier: Apache-2.0
"""The paths between the debug pods: how they are tested, and which of them work."""

from __future__ import annotations

import msgspec

from kubectl_netdoc.api import Echo, EchoReply, Facts, Lost, NodePath, Outcome, Peer, Vantage, ip_families, joining, percentile
from kubectl_netdoc.probes.node_pairs import Pair, as_paths, pairs
from kubectl_netdoc.probes.service_targets import PROOFS, proof

BULK = 65536
"""Bytes of the large payload: about forty full-size segments, which is no load for a network."""

SEGMENT = 1024
"""If more bytes than this arrive, full-size segments do pass: a black hole lets none through, at any MTU in use."""


def small(pair: Pair, family: str = "") -> Echo:
    """Return the request for the small payload over TCP."""
    return msgspec.structs.replace(proof(*pair), family=family)


def udp(pair: Pair, family: str = "") -> Echo:
    """Return the request for the small payload over UDP."""
    return Echo(pair[0], Peer(pair[1]), "UDP", samples=PROOFS, family=family)


def bulk(pair: Pair, family: str = "") -> Echo:
    """Return the request for the large payload over TCP."""
    return Echo(pair[0], Peer(pair[1]), size=BULK, family=family)


class Mesh:
    """The replies by path, in one IP family. A path works if the echo server on its other end proved itself at least once.

    ``bad``: paths that TCP does not pass; ``only_udp``: those of them that UDP passes. ``no_udp``: paths that UDP does not pass.
    """

    def __init__(self, facts: Facts, family: str = "") -> None:
        young = joining(facts.cluster)
        ran = [vantage for vantage in facts.vantages if vantage.running and vantage.node]
        self.usable = {vantage.node: vantage for vantage in ran if not family or _has(vantage, family)}
        self.unknown: dict[Pair, str] = {}
        self.replies: dict[Pair, EchoReply] = {}
        self.large: dict[Pair, EchoReply] = {}
        self.no_udp: dict[Pair, EchoReply] = {}
        answered: set[Pair] = set()
        for pair in pairs(facts.cluster):
            if not self.usable.keys() >= set(pair):
                continue
            reply, large, datagrams = (facts.reply(ask(pair, family)) for ask in (small, bulk, udp))
            if isinstance(reply, EchoReply) and not any(s.who for s in reply.samples) and (new := young & set(pair)):
                self.unknown[pair] = f"{', '.join(sorted(new))} joined the cluster just now and may not have its routes yet"
                continue
            if isinstance(reply, EchoReply):
                self.replies[pair] = reply
            elif isinstance(reply, Lost):
                self.unknown[pair] = reply.reason
            if isinstance(large, EchoReply):
                self.large[pair] = large
            if isinstance(datagrams, EchoReply) and not any(s.who for s in datagrams.samples):
                self.no_udp[pair] = datagrams
            elif isinstance(datagrams, EchoReply):
                answered.add(pair)
        self.bad = {pair for pair, reply in self.replies.items() if not any(s.who for s in reply.samples)}
        silent = {pair for pair in self.bad if all(s.outcome is Outcome.TIMEOUT for s in self.replies[pair].samples)}
        self.only_udp = silent & answered

    def numbers(self) -> dict[str, object]:
        """Return the measurements of the whole mesh, and of each path."""
        times = [sample.ms for reply in self.replies.values() for sample in reply.samples if sample.who]
        return {
            "asked": len(self.replies),
            "good": len(self.replies) - len(self.bad),
            "nodes": sorted(self.usable),
            "p50_ms": round(percentile(times, 50), 1),
            "max_ms": round(percentile(times, 100), 1),
            "matrix": [_cell(pair, reply) for pair, reply in sorted(self.replies.items())],
        }

    def evidence(self, paths: set[Pair]) -> dict[str, object]:
        """Return the evidence of a finding about these paths."""
        replies = [self.replies[pair] if pair in self.bad else self.no_udp.get(pair, self.replies[pair]) for pair in paths]
        outcomes = {"impostor" if s.impostor else str(s.outcome) for reply in replies for s in reply.samples}
        return {"failed": len(paths), "outcomes": sorted(outcomes), "paths": as_paths(paths)}


def _has(vantage: Vantage, family: str) -> bool:
    return any(ip and ip_families.of(ip) == family for ip in (vantage.ip, *vantage.more_ips))


def _cell(pair: Pair, reply: EchoReply) -> NodePath:
    times = [sample.ms for sample in reply.samples if sample.who]
    if not times:
        return NodePath(*pair, str(reply.samples[-1].outcome))
    return NodePath(*pair, f"{percentile(times, 50):.1f} ms", percentile(times, 50))
