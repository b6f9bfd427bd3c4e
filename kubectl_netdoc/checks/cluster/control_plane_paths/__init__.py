# SPDX-License-Identifier: Apache-2.0
"""Can the API server reach its webhooks and aggregated APIs, and can every node reach the API servers?

## What it looks at
Every Service behind an admission webhook, a conversion webhook or an aggregated API: that it exists, has the port and a ready
endpoint. failurePolicy and selectors tell what fails without it. The dates of every caBundle. The condition Available of each
APIService. From each debug pod: a TLS handshake with every single endpoint of `kubernetes`, verified against the cluster's CA.
Whether the konnectivity agents are ready, where the API server reaches nodes through them.

## Why it matters
A webhook that nothing serves can block deployments, or every new pod in the cluster. If one of three API servers is dead, a third
of all watches fail, seemingly at random. Without konnectivity there is no exec, no logs and no webhook.

## What it can't see
What is called by URL. Whether the API server itself can reach a webhook: a network policy or firewall may block only that path.
The webhooks' own certificates; matchConditions; whether any object matches an objectSelector. Whether exec works: see debug_pods.

## Sources
Kubernetes: Dynamic Admission Control, Aggregation Layer, Konnectivity. Go crypto/x509 (an expired root verifies nothing). Labels
of the agents: kubernetes-sigs/apiserver-network-proxy, examples/kind/konnectivity-agent-ds.yaml (k8s-app; so does GKE's
Deployment); learn.microsoft.com: AKS, Troubleshoot tunnel connectivity (app).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NAMESPACE,
    POD,
    ROOT_CERTIFICATE,
    SERVICE,
    STATEFUL_SET,
    Check,
    Cluster,
    Facts,
    Finding,
    Needs,
    Request,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.cluster.control_plane_paths import api_servers, ca_bundles, called_services, konnectivity, thresholds
from kubectl_netdoc.components import api_extensions
from kubectl_netdoc.probes import own_policies as policies


def plan(cluster: Cluster) -> Iterator[Request]:
    """Test every API server from every node, and the ClusterIP of ``kubernetes`` to compare."""
    for node in cluster.vantages:
        for address in (*api_servers.api_servers(cluster), *api_servers.cluster_ip(cluster)):
            yield from api_servers.requests(cluster, node, address)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report faults of what the API server calls, then of the paths to the API servers."""
    found = list(api_extensions.callers(facts.cluster))
    yield from ca_bundles.bad_bundles(facts, found)
    if facts.cluster.origin != "manifests":
        yield from called_services.unserved_callers(facts.cluster, found)
        if facts.cluster.readable(POD):
            yield from konnectivity.unready_agents(facts.cluster)
    if facts.vantages:
        yield from api_servers.dead_servers(facts)
    else:
        yield Unseen("the API servers one by one", facts.why_unmeasured)


check = Check(
    id="control_plane_paths",
    title="The API server reaches its webhooks, and nodes reach every API server",
    prefix="CPL",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(*api_extensions.KINDS, ENDPOINT_SLICE, ROOT_CERTIFICATE),
        hints=(*policies.KINDS, NAMESPACE, POD, DEPLOYMENT, STATEFUL_SET),
        tier=Tier.PODS,
    ),
    codes=(
        *called_services.CODES,
        *ca_bundles.CODES,
        *api_servers.CODES,
        *konnectivity.CODES,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(thresholds.SOON,),
)
