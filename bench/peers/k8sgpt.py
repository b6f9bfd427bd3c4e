# SPDX-License-Identifier: Apache-2.0
"""k8sgpt without a model: what its analyzers find, all of them, those that are off at first too."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.peers.peer import Complaint, Go, Peer

FILTERS = (
    "Pod,Deployment,ReplicaSet,PersistentVolumeClaim,Service,Ingress,StatefulSet,CronJob,Node,ValidatingWebhookConfiguration,"
    "MutatingWebhookConfiguration,HorizontalPodAutoScaler,PodDisruptionBudget,NetworkPolicy,Log,GatewayClass,Gateway,HTTPRoute"
)


def parse(printed: str) -> Iterator[Complaint]:
    """It knows no severities: whatever it prints is an error, in the order in which it prints it."""
    answer = json.loads(printed)
    for result in answer["results"] or ():
        for failure in result["error"] or ():
            yield Complaint(result["kind"], f"{result['kind']}/{result['name']}", "error", failure["Text"])


K8SGPT = Peer(
    "k8sgpt",
    "v0.3.48",
    Go("github.com/k8sgpt-ai/k8sgpt"),
    (("analyze", "--no-cache", "-o", "json", "--filter", FILTERS),),
    parse,
)
