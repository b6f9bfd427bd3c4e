# SPDX-License-Identifier: Apache-2.0
"""Finds the ends of a connection by what the user typed: ``pod/x deploy/y svc/z node/n IP name.example``, as in kubectl."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.resolv_conf import NDOTS
from kubectl_netdoc.core.cluster import Cluster, matches
from kubectl_netdoc.formats.addresses import IPAddress, ip_address
from kubectl_netdoc.policy import workloads
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.verdict import End, addresses
from kubectl_netdoc.policy.workloads import WorkloadPeer, WorkloadRef
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NODE, POD, SERVICE, STATEFUL_SET
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod, PodSpec
from kubectl_netdoc.records.services import Service

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
"""Kinds, and kubectl's names for them."""


class NoSuchEnd(Exception):
    """Raised for a text that names no end of a connection; the message names what exists instead."""


class NamedEnd(Struct, frozen=True):
    """An end of a connection as the user named it: its pods, nodes or addresses, and the Service in front of them.

    ``labels``: those by which a policy can select it. ``specs``: those of its pods or templates. ``outside``: a name that only
    DNS can resolve. ``by_name``: the name that the user gave; ``by_address``: whether it was an address. ``owners``: the owners
    of its pods. ``aliases``: the ExternalName Services that lead to it, by namespace and name. ``missing``: the name of a
    Service that does not exist and to which they lead.
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
    owners: tuple[WorkloadRef, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    missing: str = ""


def split_port(text: str) -> tuple[str, str]:
    """Split DEST:PORT; no port is "". An IPv6 address with a port is written in brackets. Raises ``NoSuchEnd`` for a URL."""
    if "://" in text:
        raise NoSuchEnd(f"{text} is a URL; write a name and a port, such as example.com:443")
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        return address, rest.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    name, _, port = text.partition(":")
    return name, port


def find(engine: Engine, text: str, namespace: str, searched: str = "") -> NamedEnd:
    """Return the end that a text names: ``[NAMESPACE/]KIND/NAME``, an address, or a name. Raises ``NoSuchEnd``.

    ``searched``: the namespace in which a name is searched first, if not ``namespace``: the source's.
    """
    parts = text.split("/")
    if len(parts) in (2, 3):
        return _object(engine, parts[-2].lower(), parts[-1], parts[0] if len(parts) == 3 else namespace)
    if len(parts) > 3 or not text:
        raise NoSuchEnd(f"{text!r} is neither [NAMESPACE/]KIND/NAME nor an IP address nor a DNS name")
    try:
        address = ip_address(text)
    except ValueError:
        return _name(engine, text, searched or namespace)
    service = _service_at(engine.cluster, address)
    if service is not None:
        named_end = of_service(engine, service)
        return replace(named_end, text=f"{text} ({named_end.text})", by_address=True)
    end = engine.address(text)
    pod = _pod(engine, end)
    labels, specs = (tuple(sorted(pod.metadata.labels.items())), (pod.spec,)) if pod else ((), ())
    return NamedEnd(text if end.label == text else f"{text} ({end})", _namespace(end), (end,), labels, specs=specs)


def _service_at(cluster: Cluster, address: IPAddress) -> Service | None:
    """Return the Service with this ClusterIP or load balancer address; the cluster translates both for its pods."""
    for service in cluster.all(SERVICE) if cluster.readable(SERVICE) else ():
        mine = (service.spec.cluster_ip, *service.spec.cluster_ips, *(i.ip for i in service.status.load_balancer.ingress))
        if address in addresses(mine):
            return service
    return None


def _namespace(end: End) -> str:
    return end.pod_class.namespace if end.pod_class else ""


def _pod(engine: Engine, end: End) -> Pod | None:
    return engine.cluster.get(POD, *end.pod) if end.pod != ("", "") else None


def _object(engine: Engine, word: str, name: str, namespace: str) -> NamedEnd:
    kind = next((kind for kind, words in KINDS.items() if word in words), "")
    if not kind:
        raise NoSuchEnd(
            f"{word!r} can't be the end of a connection; use one of: {', '.join(words[-1] for words in KINDS.values())}"
        )
    if kind == "Node":
        return _node(engine, name)
    if kind == "Service":
        return of_service(engine, _service(engine.cluster, name, namespace))
    if kind == "Pod":
        pod = engine.cluster.get(POD, namespace, name)
        if pod is None:
            there = (pod.name for pod in engine.cluster.pods_in(namespace))
            raise NoSuchEnd(f"there is no Pod {namespace}/{name}{_elsewhere(engine.cluster, kind, name) or _others(there)}")
        if pod.finished:
            raise NoSuchEnd(f"Pod {namespace}/{name} has ended ({pod.status.phase}), so it has no network any more")
        return _of_pod(engine, pod)
    ref = WorkloadRef(kind, namespace, name)
    peers = workloads.peers(engine, namespace)
    peer = next((peer for peer in peers if peer.ref == ref), None) or _below(peers, ref)
    if peer is None:
        hint = _elsewhere(engine.cluster, kind, name) or _others(p.ref.name for p in peers if p.ref.kind == kind)
        raise NoSuchEnd(f"there is no {ref} with pods or a pod template{hint}")
    return _of_peer(engine, peer)


def _of_pod(engine: Engine, pod: Pod, by_name: str = "") -> NamedEnd:
    owners = tuple(WorkloadRef(owner.kind, pod.namespace, owner.name) for owner in pod.metadata.owner_references)
    labels = tuple(sorted(pod.metadata.labels.items()))
    text = f"Pod {pod.namespace}/{pod.name}"
    return NamedEnd(text, pod.namespace, (engine.pod(pod),), labels, specs=(pod.spec,), by_name=by_name, owners=owners)


def _below(peers: list[WorkloadPeer], ref: WorkloadRef) -> WorkloadPeer | None:
    """Return the pods of a ReplicaSet or Job that another workload owns."""
    for peer in peers:
        pods = tuple(p for p in peer.pods if any((o.kind, o.name) == (ref.kind, ref.name) for o in p.metadata.owner_references))
        if pods and peer.ref.namespace == ref.namespace:
            return WorkloadPeer(ref, peer.ends, peer.labels, pods)
    return None


def _of_peer(engine: Engine, peer: WorkloadPeer) -> NamedEnd:
    labels = set(peer.labels[0].items()).intersection(*(found.items() for found in peer.labels)) if peer.labels else set()
    ends = tuple(map(engine.pod, peer.pods)) if peer.pods else peer.ends
    specs = (*(pod.spec for pod in peer.pods), *(template.spec for template in peer.templates))
    return NamedEnd(str(peer.ref), peer.ref.namespace, ends, tuple(sorted(labels)), specs=specs, owners=(peer.ref,))


def _node(engine: Engine, name: str) -> NamedEnd:
    node: Node | None = engine.cluster.get(NODE, "", name) if engine.cluster.readable(NODE) else None
    found = [item.address for item in node.status.addresses if item.type == "InternalIP"] if node else []
    if not found:
        raise NoSuchEnd(f"there is no Node {name} with an address{_others(engine.cluster.node_names())}")
    return NamedEnd(f"Node {name}", "", (engine.address(found[0]),))


def _service(cluster: Cluster, name: str, namespace: str) -> Service:
    found = cluster.get(SERVICE, namespace, name) if cluster.readable(SERVICE) else None
    if found is None:
        raise _no_service(cluster, name, namespace)
    return found


def _elsewhere(cluster: Cluster, kind: str, name: str) -> str:
    """Return a hint with the namespaces that have the object: usually the -n was forgotten."""
    found = sorted({namespace for namespace, known in cluster.index.by_name.get(kind, {}) if known == name})[:6]
    return f"; it is in namespace {', '.join(found)} (-n {found[0]})" if found else ""


def _others(names: object) -> str:
    found = sorted(set(names))[:6]  # type: ignore[call-overload]
    return f"; there is {', '.join(found)}" if found else ""


def of_service(engine: Engine, service: Service, by_name: str = "") -> NamedEnd:
    """Return a Service with the ends behind it: ready endpoints, or else the pods or templates that it selects."""
    cluster, text = engine.cluster, f"Service {service.namespace}/{service.name}"
    if service.spec.external_name:
        return _alias(engine, service, by_name)
    pods = cluster.pods_of(service)
    ends, specs = _ready(engine, service) or tuple(map(engine.pod, pods)), tuple(pod.spec for pod in pods)
    there = workloads.peers(engine, service.namespace)
    selected = [peer for peer in there if any(matches(service.spec.selector, labels) for labels in peer.labels)]
    if not ends:
        ends = tuple(end for peer in selected for end in peer.ends)
        specs = tuple(template.spec for peer in selected for template in peer.templates)
    labels, owners = tuple(sorted(service.spec.selector.items())), tuple(peer.ref for peer in selected)
    return NamedEnd(text, service.namespace, ends, labels, service, specs, by_name=by_name, owners=owners)


def _alias(engine: Engine, service: Service, by_name: str) -> NamedEnd:
    """Return what an ExternalName leads to, through any number of aliases: a Service of the cluster, or a name outside."""
    text, seen, name = f"Service {service.namespace}/{service.name}", [service], service.spec.external_name
    while (target := _named(engine, name)) is not None and target.spec.external_name and target not in seen:
        seen.append(target)
        name = target.spec.external_name
    if target is None or target in seen:
        missing = name if target is None and _key(engine, name) else ""
        outside = service.spec.external_name
        return NamedEnd(text, service.namespace, service=service, outside=outside, by_name=by_name, missing=missing)
    named_end = of_service(engine, target, by_name or name)
    aliases = tuple((each.namespace, each.name) for each in seen)
    return replace(named_end, text=f"{text} (an alias of {named_end.text})", aliases=aliases)


def _named(engine: Engine, name: str) -> Service | None:
    """Return the Service of a full name, or None."""
    key = _key(engine, name)
    found: Service | None = engine.cluster.index.by_name.get(SERVICE.name, {}).get(key) if key else None
    return found


def _key(engine: Engine, name: str) -> tuple[str, str] | None:
    """Return namespace and name of the Service of a full name; None for a name outside the cluster."""
    words = name.rstrip(".").removesuffix(f".{cluster_dns.domain(engine.cluster)}").split(".")
    return (words[1], words[0]) if len(words) == 3 and words[2] == "svc" else None


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
        ip_address(text)
    except ValueError:
        return False
    return True


def _name(engine: Engine, text: str, namespace: str) -> NamedEnd:
    """Return the end of a DNS name, searched as a pod's resolver does: a Service, a pod of a Service, or a name outside."""
    if not text.strip("0123456789.") or ":" in text:
        raise NoSuchEnd(f"{text} is not an IP address")
    domain = cluster_dns.domain(engine.cluster)
    missed: NoSuchEnd | None = None
    for name in _searched(text, namespace, domain):
        try:
            named_end = _in_cluster(engine, name, domain, text)
        except NoSuchEnd as error:  # the resolver continues with its search list
            missed = missed or error
            continue
        if named_end is not None:
            return named_end
    if missed is not None:
        raise missed
    words = text.rstrip(".").removesuffix(f".{domain}").split(".")
    if len(words) == 1:
        raise _no_service(engine.cluster, text, namespace)
    if "svc" in words[2:]:
        end = words.index("svc", 2)
        raise _no_service(engine.cluster, words[end - 2], words[end - 1])
    return NamedEnd(text, outside=text, by_name=text)


def _searched(text: str, namespace: str, domain: str) -> list[str]:
    """Return the names that a pod's resolver queries, in order."""
    if text.endswith("."):
        return [text.rstrip(".")]
    found = [f"{text}.{namespace}.svc.{domain}", f"{text}.svc.{domain}", f"{text}.{domain}"]
    return [text, *found] if text.count(".") >= NDOTS else [*found, text]


def _in_cluster(engine: Engine, name: str, domain: str, text: str) -> NamedEnd | None:
    """Return the end of a full name by the schema of cluster DNS: [POD.]SERVICE.NAMESPACE.svc or ADDRESS.NAMESPACE.pod."""
    if not name.endswith(f".{domain}"):
        return None
    words = name.removesuffix(f".{domain}").split(".")
    if len(words) == 3 and words[2] == "pod" and _is_address(_dotted(words[0])):
        return replace(find(engine, _dotted(words[0]), words[1]), by_name=text)
    if len(words) not in (3, 4) or words[-1] != "svc":
        return None
    service = engine.cluster.index.by_name.get(SERVICE.name, {}).get((words[-2], words[-3]))
    if service is None:
        return None
    return of_service(engine, service, text) if len(words) == 3 else _behind(engine, service, words[0], text)


def _dotted(label: str) -> str:
    """Return the address in a DNS label (with dashes)."""
    return label.replace("-", "." if label.count("-") == 3 else ":")


def _behind(engine: Engine, service: Service, host: str, text: str) -> NamedEnd:
    """Return the pod of a Service by its own DNS name: that of a StatefulSet's pod, or its address."""
    pods = engine.cluster.pods_of(service)
    for pod in pods:
        if pod.name == host or _dotted(host) in pod.ips:
            return _of_pod(engine, pod, text)
    if _is_address(_dotted(host)):
        return replace(find(engine, _dotted(host), service.namespace), by_name=text)
    for peer in workloads.peers(engine, service.namespace) if not pods else ():
        made = peer.ref.kind == STATEFUL_SET.name and re.fullmatch(rf"{re.escape(peer.ref.name)}-\d+", host)
        if made and any(matches(service.spec.selector, labels) for labels in peer.labels):
            named_end = _of_peer(engine, peer)
            return replace(named_end, text=f"Pod {service.namespace}/{host} of {named_end.text}", by_name=text)
    there = _others(pod.name for pod in pods)
    raise NoSuchEnd(f"no pod behind Service {service.namespace}/{service.name} has the name {host}{there}")


def _no_service(cluster: Cluster, name: str, namespace: str) -> NoSuchEnd:
    there = (item.name for item in cluster.index.in_namespace(SERVICE, namespace))
    hint = _elsewhere(cluster, "Service", name) or _others(there)
    return NoSuchEnd(f"there is no Service {namespace}/{name}{hint}")
