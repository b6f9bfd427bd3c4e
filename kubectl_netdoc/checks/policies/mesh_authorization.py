# SPDX-License-Identifier: Apache-2.0
"""Do the policies of a service mesh let anybody in where a Service leads?

## What it looks at
For each port of a Service whose pods have a mesh's proxy: Istio's AuthorizationPolicies and PeerAuthentications, or Linkerd's
Servers, AuthorizationPolicies and ServerAuthorizations, for every identity that pods of this cluster have, and for clients
outside the mesh. Whether ingress controllers, Gateways and API servers get in: policy_entry.

## Why it matters
A policy without rules, or one that names a namespace or a service account that nobody has, refuses every client: with 403 ("RBAC:
access denied"), or by closing the connection. The application is well, its Service has endpoints, and connections are accepted.

## What it can't see
What decides about single requests (methods, paths, hosts, tokens, conditions), external authorizers, policies of waypoints: where
those count, nothing is told. Clients in other clusters of the mesh. Which clients are meant to get in: `kubectl netdoc why` tells
of one. The default policy of a Linkerd installation counts as the chart's, which lets everybody in.

## Sources
istio/api: security/v1beta1/authorization_policy.proto, peer_authentication.proto. linkerd/linkerd2:
charts/linkerd-crds/templates/policy; linkerd.io: Authorization Policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    POD,
    SERVICE,
    Check,
    Code,
    Facts,
    Finding,
    Needs,
    Pod,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    counted,
)
from kubectl_netdoc.components import mesh_access
from kubectl_netdoc.components.mesh_access import NOBODY, Client, MeshAccess, look, said
from kubectl_netdoc.components.service_backends import target_numbers

SHUT = Code(
    id="MAZ001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The mesh lets nobody in",
    message="Port {port} of Service {namespace}/{name} leads to port {target} of {pods}, whose {mesh} proxies refuse every "
    "client that this cluster has ({asked} identities): {why}",
    fix="Write who is to get in: a policy that allows the clients' namespace or service account on port {target}. An existing "
    "one may name a namespace or an account that does not exist.",
)


def analyse(facts: Facts) -> Iterator[Finding]:
    """Yield each port of a Service behind which every proxy refuses every client."""
    cluster = facts.cluster
    access = MeshAccess(cluster)
    if not any(map(access.meshes.proxy, access.meshes.pods)):
        raise Skip("no pod is in a service mesh that netdoc knows (Istio, Linkerd)", not_applicable=True)
    clients = sorted({access.identity(pod) for pod in access.meshes.pods}, key=str)
    for service in cluster.services():
        pods = [pod for pod in cluster.pods_of(service) if access.meshes.proxy(pod) and not pod.terminating]
        if pods and service.spec.selector:
            yield from _shut(access, service, pods, [NOBODY, *clients])


def _shut(access: MeshAccess, service: Service, pods: list[Pod], clients: list[Client]) -> Iterator[Finding]:
    """Yield the ports of one Service that are shut on all its pods."""
    for port in service.spec.ports:
        places = [(pod, number) for pod in pods for number in target_numbers(port, [pod.spec])] if port.protocol == "TCP" else []
        answers = [access.refusal(clients, pod, number) for pod, number in places]
        first = answers[0] if answers and all(answers) else None
        if first is not None:
            numbers = {"port": port.port, "target": places[0][1], "pods": counted(len(pods), "pod"), "asked": len(clients)}
            words = {"mesh": access.meshes.proxy(pods[0]), "why": said(first)}
            yield SHUT.on(
                Subject("Service", service.name, service.namespace),
                numbers | words,
                objects=list(first.by),
                commands=(look(first.by[0]),),
            )


check = Check(
    id="mesh_authorization",
    title="The mesh's policies let somebody in where a Service leads",
    prefix="MAZ",
    needs=Needs(kinds=(POD, SERVICE), optional=tuple(kind for kind in mesh_access.KINDS if kind is not POD)),
    codes=(SHUT,),
    analyse=analyse,
)
