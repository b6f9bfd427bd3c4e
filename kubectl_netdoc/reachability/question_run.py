# SPDX-License-Identifier: Apache-2.0
"""A run for one question: which checks concern it, and only what that connection needs is read and measured."""

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
from kubectl_netdoc.reachability.connection_path import ConnectionPath
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Explanation, Question
from kubectl_netdoc.reachability.topics import Feature, topic
from kubectl_netdoc.reachability.translation import translate
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import SERVICE
from kubectl_netdoc.sources import FollowUp, Source, nothing_more

CANARY = "policy_enforcement"
"""This check creates a NetworkPolicy. A question about one connection must not change anything in the cluster."""

NEIGHBOURS = 3
"""Most nodes of endpoints that run a debug pod, besides the source's node."""


TRACE = "packet_path"
"""The check that follows packets: the only one of the privileged tier that a question about one connection needs."""


def relevant_checks(checks: Iterable[Check], live: bool, measured: bool, traced: bool = False) -> tuple[Check, ...]:
    """Return the checks that can find something about a connection: on a live cluster those without debug pods, unless measured.

    On a live cluster, checks of Ingresses, Gateways, certificates and the control plane are left out, with everything they read.
    ``traced``: what fails is followed packet by packet too.
    """
    if not live:
        return tuple(checks)
    mine = [check for check in checks if (declared := topic(check.prefix)) is None or declared.feature is not Feature.NEVER]
    return tuple(
        check
        for check in mine
        if check.needs.tier is Tier.API
        or (measured and check.needs.tier is Tier.PODS and check.id != CANARY)
        or (measured and traced and check.id == TRACE)
    )


class QuestionSource:
    """A source for one question: the whole cluster, and measurements of that connection alone."""

    def __init__(
        self,
        source: Source,
        kinds: tuple[Kind[Any], ...],
        compiled: Callable[[Cluster], Engine],
        ask: Callable[[Engine], Question],
        *,
        probed: bool = False,
    ) -> None:
        """``kinds``: read in addition to what the checks need. ``ask``: finds both ends of the connection in the cluster."""
        self.source, self.kinds, self.compiled, self.ask, self.probed = source, kinds, compiled, ask, probed
        self.attempts: probe.Attempts = []

    @property
    def label(self) -> str:
        """The label of the source."""
        return self.source.label

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Read the cluster, and find the ends of the connection in it."""
        every = {kind.name: kind for kind in (*self.kinds, *kinds)}
        cluster = self.source.cluster(tuple(every.values()))
        self.engine = self.compiled(cluster)
        self.question = self.ask(self.engine)
        if self.probed:
            self._narrow(cluster)
        return cluster

    def _narrow(self, cluster: Cluster) -> None:
        """Choose the nodes to measure from, and the Services and names to measure: those of the connection."""
        path = ConnectionPath(self.engine, self.question, translate(self.engine, self.question)[0])
        node = next((end.node for end in self.question.source.ends if end.node), "")
        self.attempts = probe.requests(path, node) if node else []
        known = set(cluster.vantages)
        others = dict.fromkeys(b.node for _, b in path.legs if b.node in known and b.node != node)
        cluster.vantages = (node, *list(others)[:NEIGHBOURS]) if node else ()
        leading = sorted(f"{namespace}/{name}" for namespace, name in path.services or _leading(cluster, path))
        outside = self.question.destination.outside
        cluster.selection = msgspec.structs.replace(
            cluster.selection, services=tuple(leading), external=(outside,) if outside else cluster.selection.external
        )

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Measure what the checks plan, and try the connection itself."""
        return self.source.measure(cluster, tuple(dict.fromkeys((*requests, *(r for r, _ in self.attempts)))), follow_up)


def _leading(cluster: Cluster, path: ConnectionPath) -> set[tuple[str, str]]:
    """Return the Services of the destination's pods; if none, the one that every cluster has, so that not all are measured."""
    labels, space = dict(path.destination.labels), path.destination.namespace
    if not cluster.readable(SERVICE):
        return set()
    found = {(item.namespace, item.name) for item in cluster.services_selecting(space, labels)} if labels else set()
    return found or {("default", "kubernetes")} & {(item.namespace, item.name) for item in cluster.all(SERVICE)}


def answer(
    asked: QuestionSource, registry: Registry, checks: tuple[Check, ...], progress: Progress | None = None
) -> tuple[Explanation, Facts]:
    """Run the checks over the source, and explain the connection by the facts and findings of that run."""
    whole = run(asked, registry, checks, progress)
    unmeasured = whole.cluster.origin == "live" and not asked.probed
    facts = Facts(whole.cluster, Measured(why_unmeasured="use --probe to measure") if unmeasured else whole.measured)
    return why(asked.engine, facts, asked.question, whole.report.findings), facts
