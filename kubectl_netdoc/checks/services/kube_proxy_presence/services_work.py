# SPDX-License-Identifier: Apache-2.0
"""Whether netdoc's own Service answers on a node, which shows that something does kube-proxy's work there."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Cluster, Echo, EchoReply, Facts
from kubectl_netdoc.probes.service_targets import own, proofs, twin


def plan(cluster: Cluster) -> Iterator[Echo]:
    """Connect to netdoc's own Service from each vantage, as service_reachability does, and to its pods directly."""
    for node in cluster.vantages:
        yield own(cluster, node)
        yield from _direct(cluster, node)


def _direct(cluster: Cluster, node: str) -> list[Echo]:
    """The connections to netdoc's own pods that need no kube-proxy."""
    return [*proofs(cluster, node), twin(node)]


def works(facts: Facts, node: str) -> bool | None:
    """Return whether netdoc's own Service answers on a node; None where that was not measured, or its pods don't answer."""
    reply = facts.reply(own(facts.cluster, node))
    if not isinstance(reply, EchoReply):
        return None
    if any(sample.who for sample in reply.samples):
        return True
    replies = [reply for request in _direct(facts.cluster, node) if isinstance(reply := facts.reply(request), EchoReply)]
    return False if any(sample.who for reply in replies for sample in reply.samples) else None
