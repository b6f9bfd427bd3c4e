# SPDX-License-Identifier: Apache-2.0
"""Whom the proxies of a service mesh let in: Istio's mutual TLS and AuthorizationPolicies, and Linkerd's policies.

What decides about connections is judged: identities, namespaces, addresses, ports. What decides about single requests (methods,
paths, tokens, conditions), waypoints and external authorizers make an answer uncertain.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.components import service_mesh
from kubectl_netdoc.components.mesh_access.answers import Access, Client, look, said
from kubectl_netdoc.components.mesh_access.istio import IstioAccess
from kubectl_netdoc.components.mesh_access.linkerd import LinkerdAccess
from kubectl_netdoc.components.service_mesh import LINKERD, Meshes
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NAMESPACE, POD
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.service_mesh import MESH_KINDS

KINDS: tuple[Kind[Any], ...] = (POD, NAMESPACE, *MESH_KINDS)
"""The kinds that are read if they can be."""

NOBODY = Client()
"""A client outside all meshes whose address is not known."""

__all__ = ["KINDS", "NOBODY", "Access", "Client", "MeshAccess", "look", "said"]


class MeshAccess:
    """Whom the proxies of a cluster's pods let in."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.meshes = Meshes(cluster)

    def client(self, pod: Pod) -> Client:
        """Return a pod as a client."""
        mesh = self.meshes.proxy(pod) or ("" if pod.spec.host_network else service_mesh.gateway(pod))
        return Client(pod.namespace, pod.spec.service_account_name or "default", mesh, pod.ips)

    def identity(self, pod: Pod) -> Client:
        """Return a pod as a client whose address may be any."""
        return replace(self.client(pod), addresses=())

    def ask(self, client: Client, server: Pod, port: int) -> Access | None:
        """Return whether the proxy of ``server`` lets a client in on a port of the pod's; None where it has no proxy there."""
        mesh = self.meshes.proxy(server)
        if not mesh:
            return None
        return (self._linkerd if mesh == LINKERD else self._istio).ask(client, server, port)

    def refusal(self, clients: Iterable[Client], server: Pod, port: int) -> Access | None:
        """Return an answer if the proxy of ``server`` is known to refuse all clients on a port of the pod's; else None."""
        answer = None
        for client in clients:
            answer = self.ask(client, server, port)
            if answer is None or answer.allowed is not False:
                return None
        return answer

    @cached_property
    def _istio(self) -> IstioAccess:
        return IstioAccess(self.cluster, self.meshes)

    @cached_property
    def _linkerd(self) -> LinkerdAccess:
        return LinkerdAccess(self.cluster, self.meshes)
