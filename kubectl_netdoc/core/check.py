# SPDX-License-Identifier: Apache-2.0
"""A check: one question about the network, what it reads, and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Code, Finding, Unseen
from kubectl_netdoc.core.threshold import Threshold
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.made import Made
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NODE


class Skip(Exception):
    """Raised by ``analyse`` if the check can't be judged in this cluster; its text is the reason.

    ``not_applicable``: the cluster has nothing that the question is about, or the user did not select it: nothing was missed.
    """

    def __init__(self, reason: str, not_applicable: bool = False) -> None:
        super().__init__(reason)
        self.not_applicable = not_applicable


class Needs(Struct, frozen=True, kw_only=True):
    """What a check reads and creates. The lists to fetch and the RBAC rules follow from it.

    Without one of ``kinds`` the check is skipped. If an ``optional`` kind can't be read, the check itself says what it could
    not judge. ``hints`` are read if they can be, to explain failures; without them the check is no less certain.
    ``makes``: what its plan creates in the cluster. A check above the API tier gets debug pods without declaring them.
    """

    kinds: tuple[Kind[Any], ...] = ()
    optional: tuple[Kind[Any], ...] = ()
    hints: tuple[Kind[Any], ...] = ()
    tier: Tier = Tier.API
    makes: tuple[Made, ...] = ()

    @property
    def all_kinds(self) -> tuple[Kind[Any], ...]:
        """The required kinds, the optional ones and the hints, each once."""
        return tuple(dict.fromkeys(self.kinds + self.optional + self.hints))

    @property
    def all_made(self) -> frozenset[Made]:
        """What is created in the cluster for the check."""
        return frozenset(self.makes) | (frozenset() if self.tier is Tier.API else {Made.PODS})


def no_plan(cluster: Cluster) -> Iterable[Request]:
    """The plan of a check that measures nothing."""
    return ()


def nothing_more(facts: Facts) -> Iterable[Request]:
    """The follow-up of a check that measures once."""
    return ()


class Check(Struct, frozen=True, kw_only=True):
    """One question about the network. ``title`` says what holds if all is well; ``doc`` is the page (the module's docstring).

    ``follow_up``: what to measure besides, in the same debug pods, once the replies to all plans are there.
    """

    id: str
    title: str
    prefix: str
    needs: Needs
    codes: tuple[Code, ...]
    analyse: Callable[[Facts], Iterator[Finding | Unseen]]
    plan: Callable[[Cluster], Iterable[Request]] = no_plan
    follow_up: Callable[[Facts], Iterable[Request]] = nothing_more
    thresholds: tuple[Threshold, ...] = ()
    doc: str = ""


def kinds_of(checks: Iterable[Check]) -> tuple[Kind[Any], ...]:
    """Return the kinds that the checks need, each once. Nodes are always read: they say where debug pods can run."""
    kinds = {kind.name: kind for check in checks for kind in check.needs.all_kinds}
    return tuple(({NODE.name: NODE} | kinds).values())
