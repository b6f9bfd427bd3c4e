# SPDX-License-Identifier: Apache-2.0
"""A live cluster as a source: the lists, then the debug pods and what they measure."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import NOT_SELECTED, Measured
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.sources import FollowUp, nothing_more
from kubectl_netdoc.sources.live import images, lists, pod_settings
from kubectl_netdoc.sources.live.client import Client


class LiveSource:
    """Reads the API with ``client``, and measures from debug pods unless ``settings`` is None."""

    def __init__(
        self,
        client: Client,
        namespaces: tuple[str, ...],
        settings: pod_settings.PodSettings | None,
        progress: Progress | None = None,
    ) -> None:
        self.client = client
        self.progress = progress or Progress()
        self.namespaces = namespaces
        self.settings = settings
        self._deadline = time.monotonic() + settings.timeout if settings else 0.0

    @property
    def label(self) -> str:
        """The context of the kubeconfig."""
        return f"context {self.client.context}"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Read the lists, all at once; raises ``SourceError``."""
        cluster = lists.read(self.client, kinds, self.namespaces)
        if self.settings:
            cluster.vantages = pod_settings.choose_nodes(cluster, self.settings.nodes)
            cluster.tier = self.settings.tier
            cluster.own_namespace = self.settings.namespace or cluster.own_namespace
            cluster.image, why = images.choose(cluster, self.settings.image)
            self.settings = msgspec.structs.replace(self.settings, image=cluster.image)
            if why and cluster.vantages:
                self.progress.note(why)
        return cluster

    def within(self, seconds: float) -> None:
        """Give the measurements so many seconds from now, as what they need is known by now."""
        if self.settings:
            self.settings = msgspec.structs.replace(self.settings, timeout=seconds)
            self._deadline = time.monotonic() + seconds

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Run debug pods on the chosen nodes and measure from them; without pods or nodes say why nothing is measured."""
        if self.settings is None:
            return Measured(why_unmeasured=NOT_SELECTED[Tier.PODS])
        if not cluster.vantages:
            why = f"no node that can run a debug pod matches --nodes {self.settings.nodes or 'all'}"
            return Measured(why_unmeasured=why, wanted=True)
        from kubectl_netdoc.sources.live.measuring import Measuring  # with all that talks to pods; a run without pods needs none

        return Measuring(self.client, self.settings, self.progress, self._deadline).measure(cluster, requests, follow_up)
