# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a host that a workload is told to connect to, and how certain that is."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.api import (
    DEPLOYMENT,
    NAMESPACE,
    SERVICE,
    STATEFUL_SET,
    Cluster,
    Service,
    Target,
    matches,
    some,
    typo,
)
from kubectl_netdoc.components import cluster_dns, service_names
from kubectl_netdoc.components.service_names import ServiceName
from kubectl_netdoc.policy.current_workloads import FIRST, CurrentWorkload

SHOWN = 5
"""Ports and namespaces that a clause names at most."""


class Wrong(Struct, frozen=True):
    """Why a host leads nowhere, as a clause. ``meant``: what is probably meant, "" where nothing says; ``service``: the Service
    that lacks the port; ``certain``: whether the name can only be a Service's;
    ``mended``: the host and port that are meant, ("", 0) where nothing says.
    """

    why: str
    name: ServiceName
    meant: str = ""
    service: Service | None = None
    certain: bool = True
    mended: tuple[str, int] = ("", 0)


def judge(cluster: Cluster, workload: CurrentWorkload, target: Target) -> Wrong | None:
    """Return what is wrong with a host; None where it leads to a Service, or may lead outside or to what was not read."""
    namespace = workload.subject.namespace
    name = service_names.parse(target.host, namespace, cluster_dns.domain(cluster))
    if name is None or not _read(cluster, name.namespace):
        return None
    service = cluster.get(SERVICE, name.namespace, name.name)
    if service:
        return None if name.pod else _wrong_port(service, name, workload, target)
    if name.full:
        return _missing(cluster, name, target)
    return None if _otherwise(cluster, workload, name, target.host) else _perhaps_missing(cluster, workload, name, target)


def _read(cluster: Cluster, namespace: str) -> bool:
    return not cluster.scope.namespaces or namespace in cluster.scope.namespaces


def _wrong_port(service: Service, name: ServiceName, workload: CurrentWorkload, target: Target) -> Wrong | None:
    """A ClusterIP answers on the Service's ports only; a workload's own Service is told to others, not connected to."""
    ports = service.spec.ports
    own = service.namespace == workload.subject.namespace and matches(service.spec.selector, workload.labels)
    if not target.port or own or service.headless or service.spec.type == "ExternalName" or not ports:
        return None
    if any(port.port == target.port for port in ports):
        return None
    behind = next((port.port for port in ports if port.target_port == target.port), 0)
    behind = behind or next((port.port for port in ports if port.node_port == target.port), 0)
    only = ports[0].port if len({port.port for port in ports}) == 1 else 0
    has = some((port.port for port in ports), SHOWN)
    of_pods = f" ({target.port} is behind its port {behind})" if behind else ""
    why = f"Service {service.namespace}/{service.name} has no port {target.port}, it has {has}{of_pods}"
    meant = f"port {behind or only}" if behind or only else ""
    mended = (target.host, behind or only) if meant else ("", 0)
    return Wrong(why, name, meant, service, certain=not target.implied, mended=mended)


def _missing(cluster: Cluster, name: ServiceName, target: Target) -> Wrong | None:
    """A name with ``svc`` is a Service's; in manifests others may make it, unless it is a typing error."""
    near = typo(name.name, _names(cluster, name.namespace))
    if cluster.origin == "manifests" and not near:
        return None
    space = _near_namespace(cluster, name)
    if cluster.readable(NAMESPACE) and cluster.get(NAMESPACE, "", name.namespace) is None:
        why = f"there is no namespace {name.namespace}"
    else:
        why = f"there is no Service {name.name} in namespace {name.namespace}"
    meant = f"Service {name.namespace}/{near}" if near else f"Service {space}/{name.name}" if space else ""
    return Wrong(why, name, meant, mended=_mended(target, name, near, "" if near else space))


def _mended(target: Target, name: ServiceName, service: str = "", namespace: str = "") -> tuple[str, int]:
    """Return a host and port with another Service's name or namespace in it; ("", 0) where none is given."""
    labels = target.host.split(".")
    at = 1 if name.pod else 0
    if service and labels[at] == name.name:
        labels[at] = service
    if namespace and len(labels) > at + 1 and labels[at + 1] == name.namespace:
        labels[at + 1] = namespace
    return (".".join(labels), 0) if ".".join(labels) != target.host else ("", 0)


def _otherwise(cluster: Cluster, workload: CurrentWorkload, name: ServiceName, host: str) -> bool:
    """Whether a name without ``svc`` may be known otherwise: by search domains, /etc/hosts, or as a pod's own."""
    spec = workload.spec
    own = {workload.subject.name, spec.hostname, *(pod.name for pod in workload.pods)}
    lines = {alias.lower() for line in spec.host_aliases for alias in line.hostnames}
    of_a_pod = name.labels > 1 and cluster.get(SERVICE, workload.subject.namespace, name.namespace)  # POD.SERVICE
    return bool(workload.policy != FIRST or spec.dns_config.searches or host in own | lines or of_a_pod)


def _perhaps_missing(cluster: Cluster, workload: CurrentWorkload, name: ServiceName, target: Target) -> Wrong | None:
    """A name without ``svc`` is a Service's if something in the cluster shows what is meant."""
    why = f"there is no Service {name.name} in namespace {name.namespace}"
    if near := typo(name.name, _names(cluster, name.namespace)):
        return Wrong(why, name, f"Service {name.namespace}/{near}", mended=_mended(target, name, near))
    if space := _near_namespace(cluster, name):
        mended = _mended(target, name, namespace=space)
        return Wrong(f"there is no namespace {name.namespace}", name, f"Service {space}/{name.name}", mended=mended)
    if cluster.origin == "manifests":
        return None
    made = cluster.workloads_in(name.namespace, (DEPLOYMENT, STATEFUL_SET))
    if same := next((kind for kind, item in made if item.name == name.name and item.wanted), None):
        return Wrong(f"{why}, though there is {same.name} {name.namespace}/{name.name}", name)
    elsewhere = sorted(item.namespace for item in cluster.all(SERVICE) if item.name == name.name)
    if name.labels == 1 and elsewhere and _read_all(cluster):
        there = f"{why}, but in {some(elsewhere, SHOWN)}, where a name of one word does not reach"
        meant = f"Service {elsewhere[0]}/{name.name}" if len(elsewhere) == 1 else ""
        return Wrong(there, name, meant, certain=False)
    return None


def _read_all(cluster: Cluster) -> bool:
    return not cluster.scope.namespaces


def _names(cluster: Cluster, namespace: str) -> list[str]:
    return [item.name for item in cluster.in_namespace(SERVICE, namespace)]


def _near_namespace(cluster: Cluster, name: ServiceName) -> str:
    """Return the one namespace of a Service of that name of which this is a typing error; "" where the namespace exists."""
    if not cluster.readable(NAMESPACE) or cluster.get(NAMESPACE, "", name.namespace):
        return ""
    return typo(name.namespace, [item.namespace for item in cluster.all(SERVICE) if item.name == name.name])
