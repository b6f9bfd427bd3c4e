# SPDX-License-Identifier: Apache-2.0
"""What people call the ends of a connection: ``pod/x deploy/y svc/z node/n IP name.example``, as kubectl names things."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from kubectl_netdoc import clusterdns
from kubectl_netdoc.cluster import Cluster, matches
from kubectl_netdoc.policy import workloads
from kubectl_netdoc.policy.engine import End, Engine, addresses
from kubectl_netdoc.policy.rules import Address
from kubectl_netdoc.policy.workloads import Peer, WorkloadRef
from kubectl_netdoc.records import ENDPOINT_SLICE, NODE, POD, SERVICE, Node, PodSpec, Service

KINDS = {
    "Pod": ("pod", "pods", "po"),
    "Deployment": ("deployment", "deployments", "deploy"),
    "StatefulSet": ("statefulset", "statefulsets", "sts"),
    "DaemonSet": ("daemonset", "daemonsets", "ds"),
    "ReplicaSet": ("replicaset", "replicasets", "rs"),
    "ReplicationController": ("replicationcontroller", "replicationcontrollers", "rc"),
    "Job": ("job", "jobs"),
    "CronJob": ("cronjob", "cronjobs", "cj"),
    "Service": ("service", "services", "svc"),
    "Node": ("node", "nodes", "no"),
}
"""Kinds and what kubectl calls them."""


class NoSuchPlace(Exception):
    """A text that names nothing; says what is there instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """An end as it was named: the ends that are meant, and the Service or the name outside that leads to them.

    ``labels``: by which a policy can select it. ``specs``: of the pods or templates behind a Service. ``outside``: a name that
    only DNS can resolve. ``by_name``: the name that was asked for; ``by_address``: whether it was an address.
    """

    text: str
    namespace: str = ""
    ends: tuple[End, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    service: Service | None = None
    specs: tuple[PodSpec, ...] = ()
    outside: str = ""
    by_name: str = ""
    by_address: bool = False


def split_port(text: str) -> tuple[str, str]:
    """Split DEST:PORT; no port is "". An IPv6 address with a port stands in brackets. Raises ``NoSuchPlace`` for a URL."""
    if "://" in text:
        raise NoSuchPlace(f"{text} is a URL: a name and a port are wanted, as in example.com:443")
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        return address, rest.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    name, _, port = text.partition(":")
    return name, port


def find(engine: Engine, text: str, namespace: str) -> Place:
    """Return what a text names; ``[NAMESPACE/]KIND/NAME``, an address, or a name. Raises ``NoSuchPlace``."""
    parts = text.split("/")
    if len(parts) in (2, 3):
        return _object(engine, parts[-2].lower(), parts[-1], parts[0] if len(parts) == 3 else namespace)
    if len(parts) > 3 or not text:
        raise NoSuchPlace(f"{text!r} is no [NAMESPACE/]KIND/NAME, no address and no name")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _name(engine, text, namespace)
    service = _service_at(engine.cluster, address)
    if service is not None:
        place = of_service(engine, service)
        return replace(place, text=f"{text} ({place.text})", by_address=True)
    end = engine.address(text)
    return Place(text if end.label == text else f"{text} ({end})", _namespace(end), (end,), _labels(engine, end))


def _service_at(cluster: Cluster, address: Address) -> Service | None:
    """The Service that has this ClusterIP, or this address of a load balancer: the cluster translates both for its pods."""
    for service in cluster.all(SERVICE) if cluster.readable(SERVICE) else ():
        mine = (service.spec.cluster_ip, *service.spec.cluster_ips, *(i.ip for i in service.status.load_balancer.ingress))
        if address in addresses(mine):
            return service
    return None


def _namespace(end: End) -> str:
    return end.pod_class.namespace if end.pod_class else ""


def _labels(engine: Engine, end: End) -> tuple[tuple[str, str], ...]:
    pod = engine.cluster.get(POD, *end.pod) if end.pod != ("", "") else None
    return tuple(sorted(pod.metadata.labels.items())) if pod else ()


def _object(engine: Engine, word: str, name: str, namespace: str) -> Place:
    kind = next((kind for kind, words in KINDS.items() if word in words), "")
    if not kind:
        raise NoSuchPlace(f"{word!r} is no kind that can be an end: {', '.join(words[-1] for words in KINDS.values())}")
    if kind == "Node":
        return _node(engine, name)
    if kind == "Service":
        return of_service(engine, _service(engine.cluster, name, namespace))
    if kind == "Pod":
        pod = engine.cluster.get(POD, namespace, name)
        if pod is None:
            there = (pod.name for pod in engine.cluster.pods_in(namespace))
            raise NoSuchPlace(f"there is no Pod {namespace}/{name}{_elsewhere(engine.cluster, kind, name) or _others(there)}")
        if pod.finished:
            raise NoSuchPlace(f"Pod {namespace}/{name} has ended ({pod.status.phase}): it has no network any more")
        return Place(f"Pod {namespace}/{name}", namespace, (engine.pod(pod),), tuple(sorted(pod.metadata.labels.items())))
    ref = WorkloadRef(kind, namespace, name)
    peers = workloads.peers(engine, namespace)
    peer = next((peer for peer in peers if peer.ref == ref), None) or _below(peers, ref)
    if peer is None:
        hint = _elsewhere(engine.cluster, kind, name) or _others(p.ref.name for p in peers if p.ref.kind == kind)
        raise NoSuchPlace(f"there is no {ref} with pods or a template{hint}")
    return _of_peer(engine, peer)


def _below(peers: list[Peer], ref: WorkloadRef) -> Peer | None:
    """A ReplicaSet or Job whose owner is the peer."""
    for peer in peers:
        pods = tuple(p for p in peer.pods if any((o.kind, o.name) == (ref.kind, ref.name) for o in p.metadata.owner_references))
        if pods and peer.ref.namespace == ref.namespace:
            return Peer(ref, peer.ends, peer.labels, pods)
    return None


def _of_peer(engine: Engine, peer: Peer) -> Place:
    labels = set(peer.labels[0].items()).intersection(*(found.items() for found in peer.labels)) if peer.labels else set()
    ends = tuple(map(engine.pod, peer.pods)) if peer.pods else peer.ends
    return Place(str(peer.ref), peer.ref.namespace, ends, tuple(sorted(labels)))


def _node(engine: Engine, name: str) -> Place:
    node: Node | None = engine.cluster.get(NODE, "", name) if engine.cluster.readable(NODE) else None
    found = [item.address for item in node.status.addresses if item.type == "InternalIP"] if node else []
    if not found:
        raise NoSuchPlace(f"there is no Node {name} with an address{_others(engine.cluster.node_names())}")
    return Place(f"Node {name}", "", (engine.address(found[0]),))


def _service(cluster: Cluster, name: str, namespace: str) -> Service:
    found = cluster.get(SERVICE, namespace, name) if cluster.readable(SERVICE) else None
    if found is None:
        there = (item.name for item in cluster.index.items(SERVICE) if item.namespace == namespace)
        raise NoSuchPlace(f"there is no Service {namespace}/{name}{_elsewhere(cluster, 'Service', name) or _others(there)}")
    return found


def _elsewhere(cluster: Cluster, kind: str, name: str) -> str:
    """Tell the namespaces that have it: the usual reason why it is not there is a forgotten -n."""
    found = sorted({namespace for namespace, known in cluster.index.by_name.get(kind, {}) if known == name})[:6]
    return f"; it is in namespace {', '.join(found)} (-n {found[0]})" if found else ""


def _others(names: object) -> str:
    found = sorted(set(names))[:6]  # type: ignore[call-overload]
    return f"; there is {', '.join(found)}" if found else ""


def of_service(engine: Engine, service: Service, by_name: str = "") -> Place:
    """Return a Service with the ends behind it: ready endpoints, else the pods or templates that it selects."""
    cluster, text = engine.cluster, f"Service {service.namespace}/{service.name}"
    if service.spec.external_name:
        return Place(text, service.namespace, service=service, outside=service.spec.external_name, by_name=by_name)
    pods = cluster.pods_of(service)
    ends, specs = _ready(engine, service) or tuple(map(engine.pod, pods)), tuple(pod.spec for pod in pods)
    if not ends:
        there = workloads.peers(engine, service.namespace)
        selected = [peer for peer in there if any(matches(service.spec.selector, labels) for labels in peer.labels)]
        ends = tuple(end for peer in selected for end in peer.ends)
        specs = tuple(template.spec for peer in selected for template in peer.templates)
    labels = tuple(sorted(service.spec.selector.items()))
    return Place(text, service.namespace, ends, labels, service, specs, by_name=by_name)


def _ready(engine: Engine, service: Service) -> tuple[End, ...]:
    if not engine.cluster.readable(ENDPOINT_SLICE):
        return ()
    found = {
        address: None
        for item in engine.cluster.slices_of(service)
        for endpoint in item.endpoints
        if endpoint.conditions.ready
        for address in endpoint.addresses
    }
    return tuple(engine.address(address) for address in found if _is_address(address))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _name(engine: Engine, text: str, namespace: str) -> Place:
    """A name of the cluster's is its Service (or the pod of a headless one); any other is outside."""
    if not text.strip("0123456789.") or ":" in text:
        raise NoSuchPlace(f"{text} is no address")
    domain = clusterdns.domain(engine.cluster)
    words = text.rstrip(".").removesuffix(f".{domain}").split(".")
    services = engine.cluster.index.by_name.get(SERVICE.name, {})
    if "svc" in words:
        end = words.index("svc")
        if end >= 2:
            return of_service(engine, _service(engine.cluster, words[end - 2], words[end - 1]), text)
    if len(words) == 2 and (words[1], words[0]) in services:
        return of_service(engine, services[words[1], words[0]], text)
    if len(words) == 1:
        return of_service(engine, _service(engine.cluster, text, namespace), text)
    return Place(text, outside=text, by_name=text)
