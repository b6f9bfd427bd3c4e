# SPDX-License-Identifier: Apache-2.0
"""Pods that were there before netdoc's own: where they answer and a new pod on their node gets nowhere, only new pods suffer."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.connect import Connect, ConnectReply
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Endpoint, targets
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, SERVICE

MOST = 2
"""Pods of a node that are asked; service_reachability asks the same, so that nothing is asked twice."""


def _of(cluster: Cluster) -> dict[str, list[Endpoint]]:
    """Some ready endpoints of Services for each vantage's node."""
    found: dict[str, list[Endpoint]] = {node: [] for node in cluster.vantages if node}
    if not (cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)):
        return {}
    for target in targets(cluster):
        for endpoint in target.endpoints:
            known = found.get(endpoint.node)
            pods = {each.pod for each in known or ()}
            if known is not None and endpoint.pod not in pods and len(known) < MOST and not (endpoint.lenient or endpoint.gone):
                known.append(endpoint)
    return found


def plan(cluster: Cluster) -> Iterator[Connect]:
    """Ask the pods of each node from it, from the next vantage's, and from its host network where netdoc is there."""
    nodes = [node for node in cluster.vantages if node]
    for node, endpoints in _of(cluster).items():
        following = nodes[(nodes.index(node) + 1) % len(nodes)]
        for endpoint in endpoints:
            yield from (Connect(asker, endpoint.address) for asker in dict.fromkeys((node, following)))
            if node in cluster.hosts:
                yield Connect(node, endpoint.address, host=True)


def reached(facts: Facts, node: str) -> list[str]:
    """The pods of a node that another node's new pod or the node itself reaches while the node's own new pod reaches none.

    What a node is always let do, a policy may forbid to a pod: where there is any, the node's own word does not count.
    """
    found, own = [], []
    for endpoint in _of(facts.cluster).get(node, []):
        asked = [Connect(asker, endpoint.address) for asker in facts.cluster.vantages if asker != node]
        asked += [Connect(node, endpoint.address, host=True)] if not policies.any_policy(facts.cluster) else []
        if any(_answered(facts, each) for each in asked):
            found.append(endpoint.pod)
        if isinstance(facts.reply(Connect(node, endpoint.address)), ConnectReply):
            own.append(_answered(facts, Connect(node, endpoint.address)))
    return list(dict.fromkeys(found)) if own and not any(own) else []


def _answered(facts: Facts, request: Connect) -> bool:
    reply = facts.reply(request)
    return isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK
