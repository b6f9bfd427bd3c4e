"""A live cluster as a source: the lists, then the debug pods and what they measure."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.facts import Measured, Vantage
from kubectl_netdoc.records import Kind
from kubectl_netdoc.requests import Reply, Request
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live import lists, pods
from kubectl_netdoc.sources.live.client import Client


class LiveSource:
    """Reads the API as ``client`` may, and measures from debug pods unless ``settings`` is None."""

    def __init__(self, client: Client, namespaces: tuple[str, ...], settings: pods.Settings | None) -> None:
        self.client = client
        self.namespaces = namespaces
        self.settings = settings
        self._deadline = time.monotonic() + settings.timeout if settings else 0.0

    @property
    def label(self) -> str:
        """The context."""
        return f"context {self.client.context}"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Read the lists, all at once; raises ``SourceError``."""
        cluster = lists.read(self.client, kinds, self.namespaces)
        cluster.vantages = pods.choose_nodes(cluster) if self.settings else ()
        return cluster

    def measure(self, cluster: Cluster, requests: tuple[Request, ...]) -> Measured:
        """Run the debug pods, send each its batch in parallel, and remove them."""
        if self.settings is None:
            return Measured(why_not="not asked for: --no-pods")
        if not requests:
            return Measured(why_not="nothing to measure")
        try:
            with pods.debug_pods(self.client, self.settings, cluster) as (namespace, made):
                return self._measure(namespace, made, requests)
        except pods.NoPods as error:
            return Measured(why_not=str(error))

    def _measure(self, namespace: str, made: list[pods.DebugPod], requests: tuple[Request, ...]) -> Measured:
        replies: dict[Request, Reply] = {}
        vantages: list[Vantage] = [pod.vantage() for pod in made if not pod.running]
        running = [pod for pod in made if pod.running]
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            for pod, answer in zip(running, pool.map(lambda p: self._ask(namespace, p, requests), running), strict=True):
                replies |= answer.replies
                vantages.append(pod.vantage(answer.throttled))
        why_not = "; ".join(f"{v.node or 'any node'}: {v.reason}" for v in vantages if not v.running)
        return Measured(
            replies, tuple(sorted(vantages, key=lambda v: v.node)), f"no debug pod ran ({why_not})" if why_not else ""
        )

    def _ask(self, namespace: str, pod: pods.DebugPod, requests: tuple[Request, ...]) -> agent_exec.Answer:
        own = tuple(request for request in requests if request.node in (pod.node, ""))
        left = max(self._deadline - time.monotonic(), 2.0)
        return agent_exec.run(self.client, namespace, pod.name, own, left)
