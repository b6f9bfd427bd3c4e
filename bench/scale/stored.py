# SPDX-License-Identifier: Apache-2.0
"""The objects of a generated cluster as an API server keeps them in etcd: with all that it and its clients add to them.

``bench.clusters`` makes what netdoc reads. Here each object gets the rest, which a reader has to pass over: defaults, uids,
managedFields, volumes, probes, tolerations, images of nodes. A pod has 6 KB or more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from bench.clusters import OLD, Builder, Document, written
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS

WHOLE = {"nodes": 5_000, "pods": 150_000, "services": 10_000, "policies": 10_000}
"""What a cluster of size 1 has, as many nodes and pods as Kubernetes supports (Considerations for large clusters)."""

AGENTS_A_NODE = 2
REPLICAS = (WHOLE["pods"] - AGENTS_A_NODE * WHOLE["nodes"]) // WHOLE["services"]

FOLDERS = {
    "Namespace": "namespaces",
    "Node": "minions",
    "Pod": "pods",
    "Service": "services/specs",
    "EndpointSlice": "endpointslices",
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingress",
    "IngressClass": "ingressclasses",
    "Event": "events",
    "ConfigMap": "configmaps",
}
"""Where in etcd an API server keeps the kinds that it has by itself. Kinds of extensions are left out."""

MAPS = ("ProxyConfig", "NetworkConfig")
"""What netdoc calls kinds, and are ConfigMaps."""

IMAGES = 20
VARIABLES = 8

LONGEST = 20 * 24 * 3600
"""Seconds within which pods began."""

Take = Callable[[str, bytes], None]


class Stored(Builder):
    """Makes a cluster of a size, and hands on each object, its key in etcd and its JSON, as soon as it is made."""

    def __init__(self, size: float, take: Take, seed: int = 0) -> None:
        now = datetime.now(UTC).replace(microsecond=0)  # the API server dates the rest, by this clock
        super().__init__(max(3, round(WHOLE["nodes"] * size)), seed, now, replicas=REPLICAS, policy_every=1)
        self._take = take
        self._encode = msgspec.json.Encoder().encode
        self._addresses: dict[str, str] = {}

    def keep(self, kind: str, made: Document) -> None:
        """Hand on an object that is made; one of a kind that the server has not by itself is left out."""
        kind = "ConfigMap" if kind in MAPS else kind
        if kind in FOLDERS:
            self._put(FOLDERS[kind], self._dressed(KINDS[kind], made))
            if kind == "Service":
                self._claim(made)

    def _put(self, folder: str, made: Document) -> None:
        meta = made["metadata"]
        place = "/".join(filter(None, (meta.get("namespace"), meta["name"])))
        self._take(f"/registry/{folder}/{place}", self._encode(made))

    def _uid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def _hex(self, bits: int = 256) -> str:
        return f"{self.random.getrandbits(bits):0{bits // 4}x}"

    def _dressed(self, kind: Kind[Any], made: Document) -> Document:
        meta = made["metadata"]
        meta["uid"] = self._uid()
        if not meta["annotations"]:
            del meta["annotations"]
        for owner in meta.get("ownerReferences", ()):
            owner |= {"apiVersion": KINDS[owner["kind"]].api, "uid": self._uid(), "blockOwnerDeletion": True}
        spec = made.get("spec", {})
        if kind.name == "Pod":
            self._pod_defaults(spec)
            self._pod_status(made)
        elif kind.name == "Node":
            self._node_defaults(made)
        elif kind.name in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"):
            self._workload_defaults(kind.name, made)
        elif kind.name == "Service":
            spec.setdefault("sessionAffinity", "None")
            spec |= {"ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}
            if spec["type"] in ("NodePort", "LoadBalancer"):
                spec["externalTrafficPolicy"] = "Cluster"
            for port in spec["ports"]:
                port.setdefault("protocol", "TCP")
        meta["managedFields"] = _managed(kind, made)
        return {"apiVersion": kind.api, "kind": kind.written or kind.name, **made}

    def _claim(self, service: Document) -> None:
        """Keep the IPAddress of a Service, without which the API server would complain of it in an Event."""
        meta, ip = service["metadata"], service["spec"]["clusterIP"]
        if ip == "None":
            return
        labels = {"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
        own = {"name": ip, "uid": self._uid(), "creationTimestamp": meta["creationTimestamp"], "labels": labels}
        parent = {"group": "", "resource": "services", "namespace": meta["namespace"], "name": meta["name"]}
        made = {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": own, "spec": {"parentRef": parent}}
        self._put("ipaddresses", made)

    def _pod_defaults(self, spec: Document) -> None:
        """What a pod or a template of pods has besides."""
        for container in spec["containers"]:
            _container_defaults(container)
        spec.setdefault("dnsPolicy", "ClusterFirst")
        spec |= {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "securityContext": {},
            "schedulerName": "default-scheduler",
        }

    def _begun(self, made: Document) -> str:
        """Give a pod, and each of its conditions, a time of its own; return the first."""
        status, moment = made["status"], self.now - OLD - timedelta(seconds=self.random.randrange(LONGEST))
        more = ("PodReadyToStartContainers", "Initialized", "ContainersReady")
        status["conditions"] += [{"type": each, "status": "True"} for each in more]
        for number, condition in enumerate(status["conditions"]):
            condition |= {"lastProbeTime": None, "lastTransitionTime": written(moment + timedelta(seconds=number))}
        made["metadata"]["creationTimestamp"] = written(moment)
        return written(moment)

    def _pod_status(self, made: Document) -> None:
        spec, status, since = made["spec"], made["status"], self._begun(made)
        node = spec["nodeName"]
        api = {
            "serviceAccountToken": {"expirationSeconds": 3607, "path": "token"},
            "configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            },
        }
        volume = f"kube-api-access-{self._hex(20)}"
        projected = {"defaultMode": 420, "sources": [{name: value} for name, value in api.items()]}
        mount = {"name": volume, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        for container in spec["containers"]:
            container["volumeMounts"] = [mount]
        spec |= {
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "volumes": [{"name": volume, "projected": projected}],
            "tolerations": [
                {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                for key in ("not-ready", "unreachable")
            ],
        }
        where = self._addresses.get(node, "")
        status |= {
            "hostIP": where,
            "hostIPs": [{"ip": where}],
            "podIP": status["podIPs"][0]["ip"],
            "startTime": since,
            "qosClass": "Burstable",
        }
        for container, running in zip(spec["containers"], status["containerStatuses"], strict=True):
            running |= {
                "image": container["image"],
                "imageID": f"{container['image'].partition(':')[0]}@sha256:{self._hex()}",
                "containerID": f"containerd://{self._hex()}",
                "started": True,
                "lastState": {},
                "state": {"running": {"startedAt": since}},
                "volumeMounts": [mount | {"recursiveReadOnly": "Disabled"}],
            }

    def _node_defaults(self, made: Document) -> None:
        meta, status = made["metadata"], made["status"]
        name, since = meta["name"], meta["creationTimestamp"]
        self._addresses[name] = status["addresses"][0]["address"]
        meta["labels"] |= {"node.kubernetes.io/instance-type": "m8.large", "topology.kubernetes.io/region": "r"}
        made["spec"]["providerID"] = f"example:///{name}"
        size = {"memory": "32Gi", "ephemeral-storage": "100Gi", "hugepages-2Mi": "0"}
        status["capacity"] |= size
        status["allocatable"] |= size
        status["nodeInfo"] |= {"systemUUID": self._uid(), "bootID": self._uid(), "kubeProxyVersion": ""}
        status["conditions"] += [
            {"type": each, "status": "False", "reason": "Kubelet", "message": "kubelet has enough", "lastTransitionTime": since}
            for each in ("MemoryPressure", "DiskPressure", "PIDPressure")
        ]
        status["images"] = [
            {
                "names": [f"example/image-{number}@sha256:{self._hex()}", f"example/image-{number}:1"],
                "sizeBytes": 1_000_000 + number,
            }
            for number in range(IMAGES)
        ]

    def _workload_defaults(self, kind: str, made: Document) -> None:
        spec = made["spec"]
        made["metadata"]["generation"] = made["status"]["observedGeneration"] = 1
        template = {**spec["template"], "spec": {**spec["template"]["spec"]}}  # a Deployment and its ReplicaSet share it
        template["spec"]["containers"] = [dict(each) for each in template["spec"]["containers"]]
        self._pod_defaults(template["spec"])
        template["metadata"] = {"creationTimestamp": None, **template["metadata"]}  # as API servers before 1.35 write it
        marks = made["metadata"]["labels"] if kind == "ReplicaSet" else spec["selector"]["matchLabels"]
        made["spec"] = spec = {**spec, "template": template, "selector": {"matchLabels": dict(marks)}}
        template["metadata"]["labels"] = dict(marks)
        if kind == "DaemonSet":
            spec |= {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
        if kind == "Deployment":
            spec |= {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}
            spec["progressDeadlineSeconds"] = 600
            condition = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "it has them"}
            since = made["metadata"]["creationTimestamp"]
            made["status"]["conditions"] = [condition | {"lastTransitionTime": since, "lastUpdateTime": since}]
        if kind != "ReplicaSet":
            spec["revisionHistoryLimit"] = 10
        else:
            made["status"] = {key: value for key, value in made["status"].items() if key != "updatedReplicas"}


def _container_defaults(container: Document) -> None:
    port = next((each["containerPort"] for each in container.get("ports", ())), 8080)
    env = container.setdefault("env", [])
    named = {each["name"] for each in env}
    container["env"] = env + [each for each in VARIED if each["name"] not in named]
    container.setdefault("resources", {"requests": {"cpu": "100m"}})
    container["resources"] |= {"limits": {"cpu": "1", "memory": "256Mi"}}
    container["ports"] = [{"protocol": "TCP", **each} for each in container.get("ports", ())]
    probe = {"httpGet": {"path": "/ready", "port": port, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10}
    probe |= {"successThreshold": 1, "failureThreshold": 3}
    container |= {
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "readinessProbe": probe,
        "livenessProbe": probe,
    }


VARIED = [{"name": f"SETTING_{number}", "value": f"value-{number:032x}"} for number in range(VARIABLES)]


def _fields(value: Any) -> Document:
    """Return the fields of an object, as managedFields name them (Server-Side Apply, FieldsV1)."""
    if isinstance(value, Mapping):
        return {f"f:{name}": _fields(each) for name, each in value.items()}
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        keys = ("containerPort", "protocol") if "containerPort" in value[0] else ("name",) if "name" in value[0] else ("type",)
        named = [{key: each.get(key, "") for key in keys} for each in value]
        return {
            f"k:{msgspec.json.encode(name).decode()}": {".": {}, **_fields(each)} for name, each in zip(named, value, strict=True)
        }
    return {}


def _managed(kind: Kind[Any], made: Document) -> list[Document]:
    """Return who wrote what: the spec at first, the status later."""
    meta = made["metadata"]
    head = {"apiVersion": kind.api, "fieldsType": "FieldsV1", "time": meta["creationTimestamp"], "operation": "Update"}
    labels = {"f:metadata": {"f:labels": {".": {}, **_fields(meta["labels"])}}}
    rest = {name: value for name, value in made.items() if name not in ("metadata", "status")}
    entries = [{"manager": "kube-controller-manager", **head, "fieldsV1": labels | _fields(rest)}]
    if made.get("status"):
        status = {"f:status": _fields(made["status"])}
        entries.append({"manager": "kubelet", **head, "subresource": "status", "fieldsV1": status})
    return entries
