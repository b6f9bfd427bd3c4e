# SPDX-License-Identifier: Apache-2.0
"""Builders of objects and clusters for tests; everything built is two hours old and well unless told otherwise."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from kubectl_netdoc.core.cluster import Cluster, Listing, Selection, Unavailable
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine.registry import described as described
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.dns import DnsReply, DnsSample
from kubectl_netdoc.records.base import Kind, Object, convert
from kubectl_netdoc.records.ingress import INGRESS_CLASS, TLS_SECRET
from kubectl_netdoc.records.kinds import (
    COREFILE,
    DAEMON_SET,
    DNS_LOG,
    ENDPOINT_SLICE,
    EVENT,
    INGRESS,
    KINDS,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
    SERVICE,
)
from kubectl_netdoc.records.workloads import Workload

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OLD = timedelta(hours=2)
Built = tuple[Kind[Any], Object]


def ago(age: timedelta | float) -> str:
    """Return the time that was ``age`` (seconds, or a timedelta) before the test's now, as the API writes it."""
    moment = NOW - (age if isinstance(age, timedelta) else timedelta(seconds=age))
    return moment.isoformat().replace("+00:00", "Z")


def _meta(name: str, namespace: str, labels: Mapping[str, str] | None, age: timedelta | float, **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": dict(labels or {}), "creationTimestamp": ago(age)}
    return meta | more


def _built(kind: Kind[Any], **fields: Any) -> Built:
    return kind, convert(kind, fields)


def make_node(
    name: str = "n1", *, ready: bool | str = True, message: str = "", age: timedelta | float = OLD, **spec: Any
) -> Built:
    """Return a Node; ``ready`` may be the condition's status as text."""
    status = ready if isinstance(ready, str) else str(ready)
    condition = {"type": "Ready", "status": status, "reason": "KubeletNotReady", "message": message}
    return _built(NODE, metadata=_meta(name, "", {}, age), spec=spec, status={"conditions": [condition]})


def make_node_condition(name: str, type_: str, status: str, reason: str = "", message: str = "", **spec: Any) -> Built:
    """Return a ready Node with one more condition, and a spec."""
    ready = {"type": "Ready", "status": "True"}
    other = {"type": type_, "status": status, "reason": reason, "message": message}
    return _built(NODE, metadata=_meta(name, "", {}, OLD), spec=spec, status={"conditions": [ready, other]})


def make_namespace(name: str, **meta: Any) -> Built:
    """Return a Namespace."""
    return _built(NAMESPACE, metadata=_meta(name, "", {}, OLD, **meta))


def make_pod(
    name: str = "web-1",
    namespace: str = "shop",
    *,
    labels: Mapping[str, str] | None = None,
    node: str = "n1",
    ip: str = "10.0.0.1",
    ready: bool = True,
    ports: Mapping[str, int | str] | None = None,
    waiting: str = "",
    ended: str = "",
    ran: float | None = None,
    phase: str = "Running",
    age: timedelta | float = OLD,
    sidecar_ports: Mapping[str, int] | None = None,
    **meta: Any,
) -> Built:
    """Return a Pod. ``ports``: declared names and numbers (or ``number/protocol``); ``waiting``, ``ended``: reasons of its
    container's state; ``ran``: seconds that its container ran before it ended, for the second time.
    """
    status: dict[str, Any] = {"name": "c", "ready": ready}
    if waiting:
        status |= {"state": {"waiting": {"reason": waiting}}, "restartCount": 3}
    if ended:
        finished = {"reason": ended, "exitCode": 137, "finishedAt": ago(60)}
        started = {} if ran is None else {"startedAt": ago(60 + ran)}
        status |= {"lastState": {"terminated": finished | started}, "restartCount": 1 if ran is None else 2}
    return _built(
        POD,
        metadata=_meta(name, namespace, labels, age, **meta),
        spec={"nodeName": node, **_containers(ports, sidecar_ports)},
        status={
            "phase": phase,
            "podIPs": [{"ip": ip}] if ip else [],
            "conditions": [
                {"type": "PodScheduled", "status": str(bool(node)), "lastTransitionTime": ago(age)},
                {"type": "Ready", "status": str(ready), "lastTransitionTime": ago(age)},
            ],
            "containerStatuses": [status],
        },
    )


def _containers(ports: Mapping[str, int | str] | None, sidecar: Mapping[str, int] | None = None) -> dict[str, Any]:
    def declared(names: Mapping[str, int | str] | Mapping[str, int] | None) -> list[dict[str, Any]]:
        written = [(key, *str(value).split("/")) for key, value in (names or {}).items()]
        return [{"name": key, "containerPort": int(n), "protocol": (*rest, "TCP")[0]} for key, n, *rest in written]

    init = [{"name": "s", "restartPolicy": "Always", "ports": declared(sidecar)}] if sidecar else []
    return {"containers": [{"name": "c", "ports": declared(ports)}], "initContainers": init}


def make_service(
    name: str = "web",
    namespace: str = "shop",
    *,
    selector: Mapping[str, str] | None = None,
    ports: Iterable[tuple[int, int | str]] = ((80, 8080),),
    cluster_ip: str = "10.96.0.1",
    labels: Mapping[str, str] | None = None,
    addresses: Iterable[str] = (),
    protocols: Iterable[str] = ("TCP",),
    age: timedelta | float = OLD,
    **spec: Any,
) -> Built:
    """Return a Service. ``ports``: port and targetPort, each for all ``protocols``; ``addresses``: what its load balancer has;
    ``spec``: as in the API.
    """
    both = [(protocol, *pair) for pair in ports for protocol in protocols]
    return _built(
        SERVICE,
        metadata=_meta(name, namespace, labels, age),
        spec={
            "clusterIP": cluster_ip,
            "selector": dict(selector or {}),
            "ports": [
                {
                    "name": f"p{port}" if protocol == "TCP" else f"p{port}-udp",
                    "protocol": protocol,
                    "port": port,
                    "targetPort": to,
                }
                for protocol, port, to in both
            ],
            **spec,
        },
        status={"loadBalancer": {"ingress": [{"ip": ip} for ip in addresses]}},
    )


def make_slice(
    service: str = "web",
    namespace: str = "shop",
    *,
    addresses: Mapping[str, str] | None = None,
    not_ready: Iterable[str] = (),
    port: int = 8080,
    protocol: str = "TCP",
    node: str = "n1",
    managed_by: str = "endpointslice-controller.k8s.io",
    name: str = "",
) -> Built:
    """Return an EndpointSlice. ``addresses``: address to pod name."""
    unready = frozenset(not_ready)
    return _built(
        ENDPOINT_SLICE,
        metadata=_meta(
            name or f"{service}-abcde",
            namespace,
            {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": managed_by},
            OLD,
        ),
        addressType="IPv4",
        endpoints=[
            {
                "addresses": [ip],
                "conditions": {"ready": ip not in unready},
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod},
                "nodeName": node,
            }
            for ip, pod in (addresses or {}).items()
        ],
        ports=[{"name": "p", "port": port, "protocol": protocol}],
    )


def make_workload(
    kind: Kind[Workload],
    name: str = "web",
    namespace: str = "shop",
    *,
    labels: Mapping[str, str] | None = None,
    replicas: int = 1,
    ports: Mapping[str, int | str] | None = None,
    owner: str = "",
    age: timedelta | float = OLD,
    service_name: str = "",
) -> Built:
    """Return a workload of ``kind`` whose pods have ``labels`` and declare ``ports``; ``owner``: its controller's kind.

    ``replicas``: of a DaemonSet the nodes that fit it.
    """
    owners = [{"kind": owner, "name": "owner", "controller": True}] if owner else []
    status = {"desiredNumberScheduled": replicas} if kind is DAEMON_SET else {}
    template = {"metadata": {"labels": dict(labels or {})}, "spec": _containers(ports)}
    return _built(
        kind,
        metadata=_meta(name, namespace, {}, age, ownerReferences=owners),
        spec={"replicas": replicas, "serviceName": service_name, "template": template},
        status=status,
    )


def make_event(
    kind: str, name: str, namespace: str, reason: str, message: str, *, type_: str = "Warning", age: float = 5
) -> Built:
    """Return an Event about an object, last seen ``age`` seconds ago."""
    return _built(
        EVENT,
        metadata=_meta(f"{name}.{reason}.{age}", namespace, {}, age),
        involvedObject={"kind": kind, "namespace": namespace, "name": name},
        reason=reason,
        message=message,
        type=type_,
        lastTimestamp=ago(age),
    )


def make_corefile(text: str, name: str = "coredns", namespace: str = "kube-system") -> Built:
    """Return the ConfigMap of a DNS server."""
    return _built(COREFILE, metadata=_meta(name, namespace, {}, OLD), data={"Corefile": text})


def make_dns_log(pod: str, text: str, namespace: str = "kube-system") -> Built:
    """Return the log of a DNS server's pod."""
    return _built(DNS_LOG, metadata=_meta(pod, namespace, {}, OLD), text=text)


def make_policy(spec: str, name: str = "policy", namespace: str = "shop", *, kind: Kind[Any] = NETWORK_POLICY) -> Built:
    """Return a policy of any kind; ``spec`` is YAML, ``namespace`` is left out where the kind has none."""
    metadata = _meta(name, namespace if kind.namespaced else "", {}, OLD)
    return _built(kind, metadata=metadata, spec=yaml.safe_load(spec))


def make_ingress_class(name: str = "nginx", controller: str = "k8s.io/ingress-nginx", *, default: bool = False) -> Built:
    """Return an IngressClass."""
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"} if default else {}
    return _built(INGRESS_CLASS, metadata=_meta(name, "", {}, OLD, annotations=annotations), spec={"controller": controller})


def make_ingress(
    name: str = "web",
    namespace: str = "shop",
    *,
    cls: str = "nginx",
    routes: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    address: str = "192.0.2.10",
    age: timedelta | float = OLD,
    path_type: str = "Prefix",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Built:
    """Return an Ingress. ``routes``: ``host/path`` to ``service:port``; ``secrets``: TLS Secret to the host it is for."""
    rules = []
    for route, to in ({"shop.example/": "web:80"} if routes is None else routes).items():
        host, _, path = route.partition("/")
        service, _, port = to.partition(":")
        backend = {"service": {"name": service, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}
        rules.append({"host": host, "http": {"paths": [{"path": f"/{path}", "pathType": path_type, "backend": backend}]}})
    tls = [{"secretName": secret, "hosts": [host] if host else []} for secret, host in (secrets or {}).items()]
    return _built(
        INGRESS,
        metadata=_meta(name, namespace, labels, age, annotations=dict(annotations or {})),
        spec={"ingressClassName": cls, "rules": rules, "tls": tls, **spec},
        status={"loadBalancer": {"ingress": [{"ip": address}] if address else []}},
    )


def make_tls_secret(name: str, pem: str = "", namespace: str = "shop") -> Built:
    """Return a TLS Secret, of which only the dates and names of the certificate ``pem`` are kept."""
    data = {"tls.crt": base64.b64encode(pem.encode()).decode()}
    return _built(TLS_SECRET, metadata=_meta(name, namespace, {}, OLD), type="kubernetes.io/tls", data=data)


def make_gateway_object(kind: Kind[Any], name: str, text: str, namespace: str = "shop", *, age: timedelta | float = OLD) -> Built:
    """Return an object of the Gateway API, with ``spec`` and ``status`` as YAML."""
    metadata = _meta(name, namespace if kind.namespaced else "", {}, age)
    return _built(kind, metadata=metadata, **yaml.safe_load(text))


def make_cluster(
    *objects: Built,
    unavailable: Mapping[Kind[Any], Unavailable] | None = None,
    vantages: tuple[str, ...] = (),
    tier: Tier = Tier.PODS,
    origin: str = "live",
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Cluster:
    """Return a cluster of these objects; kinds without any are empty lists, those in ``unavailable`` could not be read."""
    listings: dict[str, Listing | Unavailable] = {
        name: Listing(tuple(item for kind, item in objects if kind.name == name)) for name in KINDS
    }
    listings |= {kind.name: why for kind, why in (unavailable or {}).items()}
    return Cluster(listings, time=NOW, origin=origin, vantages=vantages, tier=tier, selection=selection)


def make_dns_reply(
    *, ok: int = 20, ms: float = 0.5, lost: int = 0, refused: int = 0, rcode: str = "NOERROR", server: str = "10.96.0.10"
) -> DnsReply:
    """Return the reply to a lookup: so many samples answered, lost and refused."""
    samples = [DnsSample(Outcome.OK, ms, rcode, 1)] * ok
    samples += [DnsSample(Outcome.TIMEOUT, 1000.0)] * lost + [DnsSample(Outcome.REFUSED, 0.2)] * refused
    return DnsReply(server, tuple(samples))
