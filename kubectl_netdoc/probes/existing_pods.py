# SPDX-License-Identifier: Apache-2.0
"""Existing pods of each node, for comparison: if they answer and netdoc's new pod reaches nothing, only new pods are broken."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.connect import Connect, ConnectReply
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import TargetEndpoint, targets
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, SERVICE

MOST = 2
"""Pods of a node that are connected to; service_reachability measures the same, so that nothing is measured twice."""


def _of(cluster: Cluster) -> dict[str, list[TargetEndpoint]]:
    """Some ready endpoints of Services on the node of each vantage."""
    found: dict[str, list[TargetEndpoint]] = {node: [] for node in cluster.vantages if node}
    if not (cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)):
        return {}
    for target in targets(cluster):
        for endpoint in target.endpoints:
            known = found.get(endpoint.node)
            if known is None or len(known) >= MOST or endpoint.may_refuse or endpoint.pod_missing:
                continue
            if endpoint.pod not in {each.pod for each in known}:
                known.append(endpoint)
    return found


def plan(cluster: Cluster) -> Iterator[Connect]:
    """Connect to the pods of each node from it, from the next vantage, and from its host network where netdoc runs there."""
    nodes = [node for node in cluster.vantages if node]
    for node, endpoints in _of(cluster).items():
        following = nodes[(nodes.index(node) + 1) % len(nodes)]
        for endpoint in endpoints:
            yield from (Connect(asker, endpoint.address) for asker in dict.fromkeys((node, following)))
            if node in cluster.hosts:
                yield Connect(node, endpoint.address, host=True)


def reached(facts: Facts, node: str) -> list[str]:
    """Return the pods of a node that another node or the node itself reaches, while netdoc's new pod on it reaches none.

    A policy may forbid to a pod what it always allows to the pod's node. Where there is a policy, the node itself does not count.
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
