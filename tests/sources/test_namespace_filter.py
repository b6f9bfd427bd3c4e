# SPDX-License-Identifier: Apache-2.0
"""A cluster cut to some namespaces is the same in all else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubectl_netdoc.core.cluster import Cluster, Scope, Selection
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.sources import FollowUp, nothing_more
from kubectl_netdoc.sources.namespace_filter import Within
from kubectl_netdoc.testing import make_cluster, make_pod


class Other:
    """A source in which nothing has its default."""

    label = "other"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        pods = make_cluster(*(make_pod("a", namespace) for namespace in ("shop", "bank", "kube-system")))
        return Cluster(
            pods.index.listings,
            time=datetime(2026, 1, 1, tzinfo=UTC),
            server="v1",
            origin="bundle",
            vantages=("n1",),
            tier=Tier.PRIVILEGED,
            selection=Selection(external=("example.org",)),
            own_namespace="mine",
            image="python",
        )

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        return Measured()


def test_everything_but_lists_and_scope_is_the_other_sources() -> None:
    whole, cut = Other().cluster(()), Within(Other(), ("shop",)).cluster(())
    changed = {"index", "scope"}
    assert {k: v for k, v in vars(cut).items() if k not in changed} == {k: v for k, v in vars(whole).items() if k not in changed}
    assert cut.scope == Scope(("shop",), "as asked")
    assert [pod.namespace for pod in cut.all(POD)] == ["shop", "kube-system"]
