# SPDX-License-Identifier: Apache-2.0
"""Do the policies of a service mesh let in whoever has to come in, and anybody at all where a Service leads?

## What it looks at
For each port of a Service whose pods have a mesh's proxy: Istio's AuthorizationPolicies and PeerAuthentications, or Linkerd's
Servers, AuthorizationPolicies and ServerAuthorizations, for every identity that pods of this cluster have, and for clients
outside the mesh. For each Ingress and route whether the pods of its controller or Gateway get in, and for each webhook and
aggregated API whether API servers do, which are outside the mesh.

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
    CALICO_AIDS,
    DAEMON_SET,
    GATEWAY,
    GATEWAY_CLASS,
    INGRESS,
    INGRESS_CLASS,
    LISTENER_SETS,
    NETWORK_KINDS,
    NETWORK_POLICY,
    NODE,
    POD,
    POLICIES,
    ROUTES,
    SERVICE,
    Check,
    Cluster,
    Code,
    Explains,
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
from kubectl_netdoc.components import api_extensions, mesh_access
from kubectl_netdoc.components.mesh_access import NOBODY, Access, Client, MeshAccess, look, said
from kubectl_netdoc.components.service_backends import target_numbers
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.entries import Gate, entries

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

KEPT_OUT = Code(
    id="MAZ002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The mesh keeps out who has to come in",
    message="{entry} leads to Service {namespace}/{name}, and the {mesh} proxies of its pods refuse {client} on port {target}: {why}",
    fix="{remedy}",
    explains=(Explains(("CPL003",), "objects"),),
)
LET_IN = "Let {client} in by a policy that names its namespace or service account and port {target}."
LET_CALL = (
    "API servers have no certificate of the mesh. Let clients without one in on port {target}: a PeerAuthentication for these pods "
    "with PERMISSIVE for that port (Istio), a policy for all addresses (Linkerd), or leave the port out of the mesh."
)


def analyse(facts: Facts) -> Iterator[Finding]:
    """Yield each entry whose client is refused, and each port of a Service behind which every proxy refuses every client."""
    cluster = facts.cluster
    access = MeshAccess(cluster)
    if not any(map(access.meshes.proxy, access.meshes.pods)):
        raise Skip("no pod is in a service mesh that netdoc knows (Istio, Linkerd)", not_applicable=True)
    yield from _kept_out(cluster, access)
    clients = sorted({access.identity(pod) for pod in access.meshes.pods}, key=str)
    for service in cluster.services():
        pods = [pod for pod in cluster.pods_of(service) if access.meshes.proxy(pod) and not pod.terminating]
        if pods and service.spec.selector:
            yield from _shut(access, service, pods, [NOBODY, *clients])


def _kept_out(cluster: Cluster, access: MeshAccess) -> Iterator[Finding]:
    """Report entries of which every pod of the client is refused by every pod of the Service. Unknown clients are not judged."""
    if not (cluster.readable(NETWORK_POLICY) and cluster.readable(NODE)):  # by which ends are known
        return
    told: set[tuple[object, ...]] = set()
    for entry in entries(Engine(cluster, templates=False)):
        pods = [pod for pod in cluster.pods_of(entry.service) if access.meshes.proxy(pod) and not pod.terminating]
        clients = [access.client(pod) for end in entry.client.ends if (pod := cluster.get(POD, *end.pod)) is not None]
        ports = [port for port in entry.service.spec.ports if entry.numbers & {port.port, port.name} and port.protocol == "TCP"]
        places = [(pod, number) for pod in pods for port in ports for number in target_numbers(port, [pod.spec])]
        called = entry.gate in (Gate.CALL, Gate.IGNORED)
        clients = clients or ([NOBODY] if called else [])
        answers = [_refusal(access, clients, pod, number) for pod, number in places] if clients else []
        first = answers[0] if answers and all(answers) and len(pods) == len(cluster.pods_of(entry.service)) else None
        key = (entry.by, entry.service.namespace, entry.service.name)
        if first is not None and key not in told:
            told.add(key)
            words = {"client": entry.client.name, "target": places[0][1], "mesh": access.meshes.proxy(pods[0]), "why": said(first)}
            words |= {"entry": f"{entry.by.kind} {entry.by}", "remedy": (LET_CALL if called else LET_IN).format(**words)}
            subject = Subject("Service", entry.service.name, entry.service.namespace)
            yield KEPT_OUT.on(subject, words, objects=[entry.by, *first.by], commands=(look(first.by[0]),))


def _shut(access: MeshAccess, service: Service, pods: list[Pod], clients: list[Client]) -> Iterator[Finding]:
    """Yield the ports of one Service that are shut on all its pods."""
    for port in service.spec.ports:
        places = [(pod, number) for pod in pods for number in target_numbers(port, [pod.spec])] if port.protocol == "TCP" else []
        answers = [_refusal(access, clients, pod, number) for pod, number in places]
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


def _refusal(access: MeshAccess, clients: list[Client], pod: Pod, number: int) -> Access | None:
    """Return an answer to one of the clients if all of them are refused on a port of a pod; else None."""
    answer = None
    for client in clients:
        answer = access.ask(client, pod, number)
        if answer is None or answer.allowed is not False:
            return None
    return answer


check = Check(
    id="mesh_authorization",
    title="The mesh's policies let somebody in where a Service leads",
    prefix="MAZ",
    needs=Needs(
        kinds=(POD, SERVICE),
        optional=tuple(kind for kind in mesh_access.KINDS if kind is not POD),
        hints=(
            *(NODE, *POLICIES, *CALICO_AIDS, DAEMON_SET, *NETWORK_KINDS, INGRESS, INGRESS_CLASS),
            *(GATEWAY, GATEWAY_CLASS, *LISTENER_SETS, *ROUTES, *api_extensions.KINDS),
        ),
    ),
    codes=(SHUT, KEPT_OUT),
    analyse=analyse,
)
