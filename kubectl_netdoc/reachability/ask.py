# SPDX-License-Identifier: Apache-2.0
"""Which checks tell of a way, and what a run for one question reads and measures: no more than that way needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine.registry import Registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.reachability import probe
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.story import Question, Story
from kubectl_netdoc.reachability.topics import Use, topic
from kubectl_netdoc.reachability.translation import translate
from kubectl_netdoc.reachability.way import Way
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import SERVICE
from kubectl_netdoc.sources import Source

CANARY = "policy_enforcement"
"""Makes a NetworkPolicy of its own; a question about one connection changes nothing."""

NEIGHBOURS = 3
"""Nodes of endpoints that carry a debug pod beside the source's."""


def telling(checks: Iterable[Check], live: bool, measured: bool) -> tuple[Check, ...]:
    """Return the checks that can find something on a way: of a live cluster those that need no debug pod, unless measured.

    Left out there is what looks at ways in (Ingresses, Gateways, certificates) or at the control plane, with all that it reads.
    """
    if not live:
        return tuple(checks)
    mine = [check for check in checks if (declared := topic(check.prefix)) is None or declared.use is not Use.NEVER]
    return tuple(c for c in mine if c.needs.tier is Tier.API or (measured and c.needs.tier is Tier.PODS and c.id != CANARY))


class Asked:
    """A source as one question sees it: its cluster, and measurements from the nodes on the way of that Service alone."""

    def __init__(
        self,
        place: Source,
        kinds: tuple[Kind[Any], ...],
        compiled: Callable[[Cluster], Engine],
        ask: Callable[[Engine], Question],
        *,
        probed: bool = False,
    ) -> None:
        """``kinds``: what is read besides what the checks need. ``ask``: finds the ends in the cluster."""
        self.place, self.kinds, self.compiled, self.ask, self.probed = place, kinds, compiled, ask, probed
        self.attempts: probe.Attempts = []

    @property
    def label(self) -> str:
        """What this is."""
        return self.place.label

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Read it, and put the question to it."""
        every = {kind.name: kind for kind in (*self.kinds, *kinds)}
        cluster = self.place.cluster(tuple(every.values()))
        self.engine = self.compiled(cluster)
        self.question = self.ask(self.engine)
        if self.probed:
            self._narrow(cluster)
        return cluster

    def _narrow(self, cluster: Cluster) -> None:
        """Measure from the source's node and some of the endpoints', what that Service and that name need."""
        way = Way(self.engine, self.question, translate(self.engine, self.question)[0])
        node = next((end.node for end in self.question.source.ends if end.node), "")
        self.attempts = probe.requests(way, node) if node else []
        known = set(cluster.vantages)
        others = dict.fromkeys(b.node for _, b in way.legs if b.node in known and b.node != node)
        cluster.vantages = (node, *list(others)[:NEIGHBOURS]) if node else ()
        leading = sorted(f"{namespace}/{name}" for namespace, name in way.services or _leading(cluster, way))
        outside = self.question.destination.outside
        cluster.wishes = msgspec.structs.replace(
            cluster.wishes, services=tuple(leading), external=(outside,) if outside else cluster.wishes.external
        )

    def measure(self, cluster: Cluster, requests: tuple[Request, ...]) -> Measured:
        """Measure what the checks ask for, and try the connection itself."""
        return self.place.measure(cluster, tuple(dict.fromkeys((*requests, *(request for request, _ in self.attempts)))))


def _leading(cluster: Cluster, way: Way) -> set[tuple[str, str]]:
    """The Services that lead to the destination's pods; else the one that every cluster has, so that not all are measured."""
    labels, space = dict(way.destination.labels), way.destination.namespace
    if not cluster.readable(SERVICE):
        return set()
    found = {(item.namespace, item.name) for item in cluster.leading_to(space, labels)} if labels else set()
    return found or {("default", "kubernetes")} & {(item.namespace, item.name) for item in cluster.all(SERVICE)}


def answer(asked: Asked, registry: Registry, checks: tuple[Check, ...], progress: Progress | None = None) -> tuple[Story, Facts]:
    """Run the checks over the source, and tell the story of the question by the facts and findings of that one run."""
    whole = run(asked, registry, checks, progress)
    unmeasured = whole.cluster.origin == "live" and not asked.probed
    facts = Facts(whole.cluster, Measured(why_not="--probe does that") if unmeasured else whole.measured)
    return why(asked.engine, facts, asked.question, whole.report.findings), facts
