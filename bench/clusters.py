# SPDX-License-Identifier: Apache-2.0
"""Seeded clusters of any size, as an API server would serve them: consistent with themselves, and broken in a known share.

What a real cluster has more of when it grows, these have more of: nodes, workloads of all kinds with their pods, Services and
slices, policies, Ingresses and routes, Events, CNI and load balancer objects. One in ``FAULTY`` Services selects nothing, and one
asks for a port that no pod has, so that the reports grow too; ``Builder.planted`` names them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import KINDS

Document = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OLD, RECENT = timedelta(days=3), timedelta(minutes=5)

WORKLOADS_A_NODE, REPLICAS, POLICY_EVERY = 2, 3, 2
"""Workloads for each node, and pods of each, beside the agents of each node; one in so many workloads has a policy."""

WORKLOADS_A_NAMESPACE = 10
FAULTY = 50
TIERS = ("web", "api", "db")
ZONES = ("z-a", "z-b", "z-c")
DNS = "172.16.0.10"
SAMPLED = 30
"""The nodes that carry a debug pod, as a run chooses by default."""

COREFILE = """.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
"""
PROXY = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: iptables\nclusterCIDR: 10.0.0.0/8\n"
FLANNEL = '{"Network": "10.0.0.0/8", "Backend": {"Type": "vxlan"}}'


def written(moment: datetime) -> str:
    """Return a moment as the API writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Builder:
    """Collects the objects of one cluster. ``planted``: kind, namespace and name of what is broken in it."""

    def __init__(self, nodes: int, seed: int, now: datetime, replicas: int = REPLICAS, policy_every: int = POLICY_EVERY) -> None:
        self.random = Random(seed)
        self.now = now
        self.replicas, self.policy_every = replicas, policy_every
        self.planted: list[tuple[str, str, str]] = []
        self.found: defaultdict[str, list[Document]] = defaultdict(list)
        self.nodes = [f"node-{number:05d}" for number in range(nodes)]
        self._used = dict.fromkeys(self.nodes, 1)
        self._services = count(256)

    def build(self) -> None:
        """Make everything."""
        for space in ("default", "kube-system", "kube-flannel", "ingress-nginx", "metallb-system"):
            self._namespace(space)
        for number, name in enumerate(self.nodes):
            self._node(name, number)
        self._agents("kube-system", "kube-proxy", {"k8s-app": "kube-proxy"}, "example/kube-proxy:v1.34.4")
        self._agents("kube-flannel", "kube-flannel-ds", {"app": "flannel", "k8s-app": "flannel"}, "example/flannel:v0.28.4")
        self._settings()
        self._dns()
        self._entrances()
        for number in range(WORKLOADS_A_NODE * len(self.nodes)):
            self._application(number)
        self._extensions()

    def add(self, kind: str, name: str, namespace: str = "", *, age: timedelta = OLD, **fields: Any) -> Document:
        """Add an object of a kind (as netdoc names it); ``labels``, ``annotations`` and ``owner`` become metadata."""
        meta: Document = {"name": name, "creationTimestamp": written(self.now - age), "labels": fields.pop("labels", {})}
        if namespace:
            meta["namespace"] = namespace
        meta["annotations"] = fields.pop("annotations", {})
        if owner := fields.pop("owner", None):
            meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
        made = {"metadata": meta, **fields}
        self.keep(kind, made)
        return made

    def keep(self, kind: str, made: Document) -> None:
        """Take an object that is made."""
        self.found[kind].append(made)

    def _namespace(self, name: str, **labels: str) -> None:
        self.add("Namespace", name, labels={"kubernetes.io/metadata.name": name} | labels, status={"phase": "Active"})

    def _number(self, node: str) -> int:
        return int(node.rpartition("-")[2])

    def _address(self, node: str) -> str:
        number = self._number(node)
        return f"192.168.{number >> 8}.{number & 255}" if number < 1 << 16 else "192.167.0.1"

    def _node(self, name: str, number: int) -> None:
        span = f"10.{number >> 8}.{number & 255}.0/24"
        address = self._address(name)
        flannel = {"backend-type": "vxlan", "public-ip": address, "backend-data": f'{{"VNI":1,"VtepMAC":"{_mac(number)}"}}'}
        self.add(
            "Node",
            name,
            labels={
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": ZONES[number % len(ZONES)],
            },
            annotations={f"flannel.alpha.coreos.com/{key}": value for key, value in flannel.items()},
            spec={"podCIDR": span, "podCIDRs": [span]},
            status={
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "capacity": {"cpu": "8", "pods": "110"},
                "allocatable": {"cpu": "8", "pods": "110"},
                "conditions": [self._condition("NetworkUnavailable", "False"), self._condition("Ready", "True")],
                "nodeInfo": {
                    "machineID": f"{number:032x}",
                    "kernelVersion": "6.8.0",
                    "osImage": "Debian GNU/Linux 12 (bookworm)",
                    "containerRuntimeVersion": "containerd://2.1.4",
                    "kubeletVersion": "v1.34.4",
                    "operatingSystem": "linux",
                    "architecture": "amd64",
                },
            },
        )

    def _condition(self, kind: str, status: str, age: timedelta = OLD) -> Document:
        return {"type": kind, "status": status, "lastTransitionTime": written(self.now - age)}

    def _pod(self, name: str, namespace: str, node: str, ip: str, container: Document, **more: Any) -> str:
        ready = more.pop("ready", True)
        self.add(
            "Pod",
            name,
            namespace,
            spec={"nodeName": node, "containers": [container], "dnsPolicy": "ClusterFirst", **more.pop("spec", {})},
            status={
                "phase": "Running",
                "podIPs": [{"ip": ip}],
                "conditions": [self._condition("PodScheduled", "True"), self._condition("Ready", str(ready))],
                "containerStatuses": [{"name": container["name"], "ready": ready, "restartCount": 0, "state": {"running": {}}}],
            },
            **more,
        )
        return ip

    def _placed(self) -> tuple[str, str]:
        """Return a node and a free address of its range."""
        node = self.random.choice(self.nodes)
        while self._used[node] > 250:
            node = self.random.choice(self.nodes)
        self._used[node] += 1
        number = self._number(node)
        return node, f"10.{number >> 8}.{number & 255}.{self._used[node]}"

    def _agents(self, namespace: str, name: str, labels: Mapping[str, str], image: str) -> None:
        container = {"name": name.removesuffix("-ds"), "image": image}
        template = {"metadata": {"labels": dict(labels)}, "spec": {"hostNetwork": True, "containers": [container]}}
        well = dict.fromkeys(
            ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable", "updatedNumberScheduled"),
            len(self.nodes),
        )
        spec = {"selector": {"matchLabels": dict(labels)}, "template": template}
        self.add("DaemonSet", name, namespace, labels=dict(labels), spec=spec, status=well)
        for node in self.nodes:
            own = {"labels": dict(labels), "owner": ("DaemonSet", name), "spec": {"hostNetwork": True}}
            self._pod(f"{name}-{node[5:]}", namespace, node, self._address(node), container, **own)

    def _settings(self) -> None:
        self.add("ProxyConfig", "kube-proxy", "kube-system", data={"config.conf": PROXY})
        self.add("NetworkConfig", "kube-flannel-cfg", "kube-flannel", data={"net-conf.json": FLANNEL})
        self.add("ConfigMap", "coredns", "kube-system", data={"Corefile": COREFILE})
        self.add("ServiceCIDR", "kubernetes", spec={"cidrs": ["172.16.0.0/12"]})

    def _dns(self) -> None:
        labels = {"k8s-app": "kube-dns"}
        replicas = max(2, min(len(self.nodes) // 100, 50))
        backends = self._deployment("kube-system", "coredns", labels, {"image": "example/coredns:v1.12.1"}, replicas)
        ports = [{"name": name, "port": 53, "protocol": name.upper(), "targetPort": 53} for name in ("udp", "tcp")]
        self._service("kube-system", "kube-dns", labels, ports, backends, clusterIP=DNS, clusterIPs=[DNS])

    def _entrances(self) -> None:
        """An ingress controller, a Gateway and the addresses of load balancers."""
        labels = {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"}
        container = {
            "image": "example/ingress-nginx/controller:v1.13.0",
            "ports": [{"name": "http", "containerPort": 80}],
        }
        backends = self._deployment("ingress-nginx", "ingress-nginx-controller", labels, container, 2)
        ports = [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}]
        self._service("ingress-nginx", "ingress-nginx-controller", labels, ports, backends, type="LoadBalancer", port=80)
        self.add("IngressClass", "nginx", spec={"controller": "k8s.io/ingress-nginx"})
        accepted = {"conditions": [self._condition("Accepted", "True")]}
        self.add("GatewayClass", "gate", spec={"controllerName": "example.org/gate"}, status=accepted)
        listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        conditions = [self._condition("Accepted", "True"), self._condition("Programmed", "True")]
        spec = {"gatewayClassName": "gate", "listeners": [listener]}
        self.add("Gateway", "gate", "ingress-nginx", spec=spec, status={"conditions": conditions})
        self.add("IPAddressPool", "pool", "metallb-system", spec={"addresses": ["198.51.0.0/16"]})
        self.add("L2Advertisement", "all", "metallb-system", spec={})

    def _deployment(
        self, namespace: str, name: str, labels: Mapping[str, str], container: Document, replicas: int, kind: str = "Deployment"
    ) -> list[tuple[str, str, str]]:
        """Add a workload and its pods; return their names, nodes and addresses."""
        stateful = kind == "StatefulSet"
        container = {"name": "app", **container}
        template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}}
        spec: Document = {"replicas": replicas, "selector": {"matchLabels": dict(labels)}, "template": template}
        status = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), replicas)
        named = {"serviceName": name} if stateful else {}
        self.add(kind, name, namespace, labels=dict(labels), spec=spec | named, status=status)
        owner, marks = (kind, name), dict[str, str]()
        if not stateful:
            revision = f"{self.random.getrandbits(36):09x}"
            owner, marks = ("ReplicaSet", f"{name}-{revision}"), {"pod-template-hash": revision}
            of_it: Document = {"labels": {**labels, **marks}, "owner": (kind, name)}
            self.add("ReplicaSet", owner[1], namespace, spec=spec, status=status, **of_it)
        made = []
        for number in range(replicas):
            node, ip = self._placed()
            pod = f"{name}-{number}" if stateful else f"{owner[1]}-{self.random.getrandbits(25):05x}{number}"
            own: Document = {"labels": {**labels, **marks}, "owner": owner}
            if stateful:
                own["spec"] = {"hostname": pod, "subdomain": name}
            made.append((pod, node, self._pod(pod, namespace, node, ip, container, **own)))
        return made

    def _service(
        self,
        namespace: str,
        name: str,
        selector: Mapping[str, str],
        ports: list[Document],
        backends: Iterable[tuple[str, str, str]],
        port: int = 0,
        **spec: Any,
    ) -> None:
        """Add a Service and its slice; ``port``: that of the endpoints, where it differs from the Service's."""
        number = next(self._services)
        ip = f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        spec = {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ipFamilies": ["IPv4"]} | spec
        outside = f"198.51.{number >> 8 & 255}.{number & 255}"
        status = {"loadBalancer": {"ingress": [{"ip": outside}]}} if spec["type"] == "LoadBalancer" else {}
        self.add(
            "Service", name, namespace, labels=dict(selector), spec={"selector": selector, "ports": ports, **spec}, status=status
        )
        endpoints = [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": node,
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod},
            }
            for pod, node, address in backends
        ]
        told = [{"name": each["name"], "port": port or each["port"], "protocol": each.get("protocol", "TCP")} for each in ports]
        self.add(
            "EndpointSlice",
            f"{name}-{number:05x}",
            namespace,
            labels={
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            owner=("Service", name),
            addressType="IPv4",
            endpoints=endpoints,
            ports=told if endpoints else [],
        )

    def _application(self, number: int) -> None:
        """A workload, its Service, and what leads to it or keeps it apart."""
        space, place = f"team-{number // WORKLOADS_A_NAMESPACE:04d}", number % WORKLOADS_A_NAMESPACE
        name, neighbour = f"app-{number:05d}", f"app-{number - place:05d}"
        if not place:
            self._namespace(space, team=space)
        labels = {"app": name, "tier": TIERS[number % len(TIERS)]}
        container = {
            "image": f"example/{name}:1",
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "BACKEND_URL", "value": f"http://{neighbour}.{space}.svc:80"}, {"name": "LEVEL", "value": "info"}],
            "resources": {"requests": {"cpu": "100m"}},
        }
        kind = "StatefulSet" if place == 7 else "Deployment"
        backends = self._deployment(space, name, labels, container, self.replicas, kind)
        selector, target = {"app": name}, "http"
        if number % FAULTY in (3, 6):
            self.planted.append(("Service", space, name))
        if number % FAULTY == 3:
            selector, backends = {"app": f"{name}x"}, []
        if number % FAULTY == 6:
            target, backends = "htpp", []
        special: dict[int, Document] = {
            4: {"type": "NodePort"},
            5: {"type": "LoadBalancer"},
            7: {"clusterIP": "None", "clusterIPs": ["None"]},
        }
        spec = special.get(place, {})
        number_of = 8080 if "clusterIP" in spec else 80
        port: Document = {"name": "http", "port": number_of, "targetPort": target}
        if spec.get("type"):
            port["nodePort"] = 30100 + number // WORKLOADS_A_NAMESPACE * 2 + place % 2
        self._service(space, name, selector, [port], backends, 8080, **spec)
        self._ways(number, space, name, number_of)
        if number % FAULTY == 9:
            self._event(space, name, backends[0][0])

    def _ways(self, number: int, space: str, name: str, port: int) -> None:
        host = f"{name}.example.org"
        if number % 3 == 0:
            backend = {"service": {"name": name, "port": {"number": port}}}
            rules = [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
            status = {"loadBalancer": {"ingress": [{"ip": "198.51.1.0"}]}}
            self.add("Ingress", name, space, spec={"ingressClassName": "nginx", "rules": rules}, status=status)
        if number % 3 == 1:
            parent = {"name": "gate", "namespace": "ingress-nginx"}
            spec = {"parentRefs": [parent], "hostnames": [host], "rules": [{"backendRefs": [{"name": name, "port": port}]}]}
            parents = [
                {
                    "parentRef": parent,
                    "conditions": [self._condition("Accepted", "True"), self._condition("ResolvedRefs", "True")],
                }
            ]
            self.add("HTTPRoute", name, space, spec=spec, status={"parents": parents})
        if number % self.policy_every == 0:
            team = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}
            gates = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
            tier = {"podSelector": {"matchLabels": {"tier": self.random.choice(TIERS)}}}
            peers = [team, gates, tier, {"ipBlock": {"cidr": "192.168.0.0/16"}}]
            ingress = [{"from": peers, "ports": [{"port": 8080}]}]
            spec = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"], "ingress": ingress}
            self.add("NetworkPolicy", name, space, spec=spec)

    def _event(self, space: str, name: str, pod: str) -> None:
        about = {"kind": "Pod", "namespace": space, "name": pod}
        moment, text = written(self.now - RECENT), "Readiness probe failed: HTTP probe failed with statuscode: 503"
        self.add(
            "Event",
            f"{name}.1",
            space,
            type="Warning",
            reason="Unhealthy",
            message=text,
            involvedObject=about,
            firstTimestamp=moment,
            lastTimestamp=moment,
        )

    def _extensions(self) -> None:
        service = {"namespace": "team-0000", "name": "app-00000", "port": 80}
        webhook = {"name": "hook.example.org", "failurePolicy": "Ignore", "clientConfig": {"service": service}}
        self.add("ValidatingWebhookConfiguration", "hook", webhooks=[webhook])


def _mac(number: int) -> str:
    return ":".join(f"{byte:02x}" for byte in (2, 0, 0, 0, number >> 8 & 255, number & 255))


def documents(nodes: int, seed: int = 0, now: datetime = NOW) -> dict[str, list[Document]]:
    """Return the objects of a cluster by their kind's name (``KINDS``), as they come over the wire."""
    builder = Builder(nodes, seed, now)
    builder.build()
    return dict(builder.found)


def cluster(nodes: int, seed: int = 0) -> Cluster:
    """Return the cluster as a run reads it, with debug pods on some of the nodes; API groups without objects are missing."""
    found = documents(nodes, seed)
    groups = {KINDS[name].group for name in found}
    listings: dict[str, Listing | Unavailable] = {}
    for name, kind in KINDS.items():
        if kind.group in groups or name in found:
            listings[name] = Listing(tuple(convert(kind, document) for document in found.get(name, ())))
        else:
            listings[name] = Unavailable("the server does not have it", by_design=True)
    chosen = tuple(f"node-{number:05d}" for number in range(0, nodes, max(1, nodes // SAMPLED)))[:SAMPLED]
    return Cluster(listings, time=NOW, server="v1.34.4", vantages=chosen, tier=Tier.PODS)
