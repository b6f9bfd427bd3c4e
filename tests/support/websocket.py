# SPDX-License-Identifier: Apache-2.0
"""Objects as an API server really sends them, with a mark in every place that must never get into a bundle."""

from __future__ import annotations

import base64
from typing import Any

from kubectl_netdoc.records import kinds

SECRET = "LEAKED"
"""Stands in everything private: no file that netdoc writes may hold it."""

COREFILE = f"""
.:53 {{
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
    }}
    route53 example.org.:Z1{SECRET} {{
        aws_access_key AKIA{SECRET} {SECRET}
    }}
    etcd {{
        credentials user {SECRET}
    }}
    tls /etc/{SECRET}.pem
    forward . 10.0.0.53 {{
        tls_servername {SECRET}
    }}
}}
"""


def meta(name: str, namespace: str = "shop") -> dict[str, Any]:
    """Return metadata with everything that kubectl and controllers leave in it."""
    return {
        "name": name,
        "namespace": namespace,
        "uid": f"{SECRET}-uid",
        "labels": {"app": "web"},
        "creationTimestamp": "2026-01-01T10:00:00Z",
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": f'{{"env": "{SECRET}"}}',
            "vault.hashicorp.com/token": SECRET,
            "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T10:00:00Z",
        },
        "managedFields": [
            {
                "manager": "kubectl",
                "operation": "Update",
                "apiVersion": SECRET,
                "time": "2026-01-01T10:00:00Z",
                "subresource": "scale",
                "fieldsType": SECRET,
                "fieldsV1": {f"f:{SECRET}": {}},
            }
        ],
        "finalizers": [f"{SECRET}/finalizer"],
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "controller": True, "uid": SECRET}],
    }


def container(name: str) -> dict[str, Any]:
    """Return a container with secrets in all its usual places."""
    return {
        "name": name,
        "image": "registry.example/web:1",
        "command": ["sh", "-c", f"login {SECRET}"],
        "args": [
            f"--password={SECRET}",
            f"--db=postgres://{SECRET}:{SECRET}@db:5432/{SECRET}?x={SECRET}",
            "--token",
            f"{SECRET}:80",
        ],
        "env": [
            {"name": "PASSWORD", "value": SECRET},
            {"name": "DB_URL", "value": f"postgres://{SECRET}:{SECRET}@db.shop.svc:5432/{SECRET}?x={SECRET}"},
            {"name": "BACKEND_PASSWORD", "value": f"{SECRET}:80"},
            {"name": "BACKEND_URL", "value": f"amqp://{SECRET}:80/,{SECRET}@db/"},
            {"name": "HTTPS_PROXY", "value": f"http://{SECRET}:{SECRET}@proxy:3128/{SECRET}"},
            {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": f"{SECRET}-ref", "key": "k"}}},
        ],
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": f"/?token={SECRET}", "httpHeaders": [{"name": "A", "value": SECRET}]}},
        "lifecycle": {"postStart": {"exec": {"command": [SECRET]}}},
        "volumeMounts": [{"name": "s", "mountPath": f"/{SECRET}"}],
    }


def pod_spec() -> dict[str, Any]:
    """Return a pod's spec."""
    return {
        "nodeName": "n1",
        "containers": [container("web")],
        "initContainers": [container("init")],
        "volumes": [{"name": "s", "secret": {"secretName": SECRET}}],
        "imagePullSecrets": [{"name": SECRET}],
        "serviceAccountName": "web",
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db.example"]}],
    }


def workload(name: str) -> dict[str, Any]:
    """Return a workload of any kind."""
    return {
        "metadata": meta(name),
        "spec": {"replicas": 2, "template": {"metadata": meta("template"), "spec": pod_spec()}, "selector": {"matchLabels": {}}},
        "status": {"readyReplicas": 2, "conditions": [{"type": "Available", "message": SECRET}]},
    }


def terminated(word: str) -> dict[str, Any]:
    """Return a container status whose state tells more than its reason."""
    state = {word: {"reason": "Error", "message": SECRET, "exitCode": 1}}
    return {"name": "web", "ready": True, "restartCount": 1, "state": {"running": {}}, "lastState": state, "imageID": SECRET}


def policy(name: str) -> dict[str, Any]:
    """Return a network policy of any kind."""
    return {"metadata": meta(name), "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "description": SECRET}}


POLICIES = tuple(kind.name for kind in kinds.POLICIES)
OWNERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "ReplicationController")
PRIVATE_CLIENT = {
    "url": f"https://{SECRET}/",
    "caBundle": base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----".encode()).decode(),
}

OBJECTS: dict[str, list[dict[str, Any]]] = {
    "Namespace": [{"metadata": meta("shop", ""), "spec": {"finalizers": [SECRET]}}],
    "Node": [
        {
            "metadata": meta("n1", ""),
            "spec": {"podCIDRs": ["10.244.0.0/24"], "providerID": SECRET},
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
                "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
                "nodeInfo": {"kubeletVersion": "v1.34.0", "machineID": SECRET, "bootID": SECRET},
                "images": [{"names": [SECRET]}],
            },
        }
    ],
    "Pod": [
        {
            "metadata": meta("web-1"),
            "spec": pod_spec(),
            "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "containerStatuses": [terminated("terminated")]},
        }
    ],
    "Service": [
        {
            "metadata": meta("web"),
            "spec": {
                "clusterIP": "10.96.0.1",
                "selector": {"app": "web"},
                "ports": [{"port": 80}],
                "loadBalancerSourceRanges": [SECRET],
            },
        }
    ],
    "EndpointSlice": [
        {
            "metadata": meta("web-abc"),
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "hostname": SECRET, "deprecatedTopology": {SECRET: SECRET}}],
            "ports": [{"port": 8080, "appProtocol": SECRET}],
        }
    ],
    "Event": [
        {
            "metadata": meta("web-1.x"),
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1", "fieldPath": SECRET},
            "reason": "Failed",
            "message": "no route",
            "reportingComponent": SECRET,
            "source": {"component": SECRET},
        }
    ],
    **{kind: [workload("web")] for kind in OWNERS},
    "ConfigMap": [
        {
            "metadata": meta("coredns", "kube-system"),
            "data": {"Corefile": COREFILE, "password": SECRET},
            "binaryData": {"key": SECRET},
        }
    ],
    "DnsLog": [
        {
            "metadata": meta("coredns-1", "kube-system"),
            "text": f"[ERROR] plugin/errors: 2 {SECRET}.example. A: read udp 10.0.0.7:40931->10.0.0.53:53: i/o timeout\n{SECRET}",
        }
    ],
    "NetworkConfig": [
        {
            "metadata": meta("kube-flannel-cfg", "kube-flannel"),
            "data": {"net-conf.json": f'{{"Backend": {{"Type": "vxlan", "PSK": "{SECRET}"}}}}', "password": SECRET},
            "binaryData": {"key": SECRET},
        }
    ],
    "NetworkAgent": [
        {
            "metadata": meta("weave-net", "kube-system"),
            "spec": {
                "template": {
                    "spec": {
                        "containers": [
                            {
                                "name": "weave",
                                "image": "weaveworks/weave-kube:2.8.1",
                                "args": [f"--password={SECRET}"],
                                "env": [
                                    {"name": "WEAVE_PASSWORD", "value": SECRET},
                                    {"name": "IPALLOC_RANGE", "value": "10.32.0.0/12"},
                                ],
                            }
                        ]
                    }
                }
            },
        }
    ],
    "NetworkLog": [
        {
            "metadata": meta("flannel-1", "kube-flannel"),
            "text": f"E0101 1:2:3.4 1 x.go:1] failed: token={SECRET} in https://u:{SECRET}@x\n{SECRET}\n",
        }
    ],
    "CalicoPool": [{"metadata": meta("default", ""), "spec": {"cidr": "10.244.0.0/16", "nodeSelector": SECRET}}],
    "CalicoReservation": [{"metadata": meta("kept", ""), "spec": {"reservedCIDRs": ["192.168.0.0/28"], "note": SECRET}}],
    "L2Advertisement": [{"metadata": meta("lan", "metallb-system"), "spec": {"interfaces": [SECRET]}}],
    "BGPAdvertisement": [{"metadata": meta("wan", "metallb-system"), "spec": {"communities": [SECRET]}}],
    "BGPPeer": [{"metadata": meta("router", "metallb-system"), "spec": {"password": SECRET, "passwordSecret": {"name": SECRET}}}],
    "IPAddressPool": [{"metadata": meta("lan", "metallb-system"), "spec": {"addresses": [SECRET]}}],
    "ClusterRole": [
        {
            "metadata": meta("system:coredns", ""),
            "rules": [
                {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},
                {"apiGroups": [SECRET], "resources": [SECRET], "verbs": [SECRET]},
            ],
        }
    ],
    "PastService": [
        {"metadata": meta("gone"), "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}], "selector": {"app": "gone"}}},
    ],
    "Lease": [
        {
            "metadata": meta("kube-scheduler", "kube-system"),
            "spec": {"renewTime": "2026-01-01T12:00:00.000000Z", "holderIdentity": f"n1_{SECRET}"},
        }
    ],
    "ClusterRoleBinding": [
        {
            "metadata": meta("system:coredns", ""),
            "roleRef": {"kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "User", "name": SECRET}],
        }
    ],
    "ServiceCIDR": [
        {"metadata": meta("kubernetes", ""), "spec": {"cidrs": ["10.96.0.0/16"]}, "status": {"conditions": [SECRET]}}
    ],
    "CalicoFelix": [{"metadata": meta("default", ""), "spec": {"bpfEnabled": True, "prometheusMetricsHost": SECRET}}],
    "CalicoInstallation": [{"metadata": meta("default", ""), "spec": {"calicoNetwork": {"bgp": "Enabled"}, "registry": SECRET}}],
    "CiliumNode": [{"metadata": meta("n1", ""), "spec": {"ipam": {"podCIDRs": ["10.0.0.0/24"]}, "instance-id": SECRET}}],
    "RootCertificate": [
        {
            "metadata": meta("kube-root-ca.crt", "default"),
            "data": {"ca.crt": "-----BEGIN CERTIFICATE-----", "key": SECRET},
            "binaryData": {"key": SECRET},
        }
    ],
    **{kind: [policy("deny")] for kind in POLICIES},
    "CalicoTier": [{"metadata": meta("default", ""), "spec": {"order": 1000000, "defaultAction": "Deny"}}],
    **{
        kind: [{"metadata": meta("out", ""), "spec": {"nets": ["192.0.2.0/24"]}}]
        for kind in ("CalicoNetworkSet", "GlobalNetworkSet")
    },
    "AntreaTier": [{"metadata": meta("first", ""), "spec": {"priority": 10, "description": SECRET}}],
    **{
        kind: [{"metadata": meta("out", namespace), "spec": {"ipBlocks": [{"cidr": "192.0.2.0/24"}]}}]
        for kind, namespace in (("AntreaGroup", "shop"), ("AntreaClusterGroup", ""))
    },
    "CronJob": [{"metadata": meta("nightly"), "spec": {"jobTemplate": {"spec": workload("nightly")["spec"]}}}],
    "Ingress": [
        {"metadata": meta("web"), "spec": {"tls": [{"secretName": "tls", "key": SECRET}], "rules": [{"host": "x.example"}]}}
    ],
    "IngressClass": [{"metadata": meta("web", ""), "spec": {"controller": "x.example/y", "parameters": {"name": SECRET}}}],
    "Gateway": [{"metadata": meta("web"), "spec": {"listeners": [{"tls": {"options": {"a": SECRET}}}]}}],
    "GatewayClass": [{"metadata": meta("web", ""), "spec": {"controllerName": "x.example/y", "description": SECRET}}],
    "ReferenceGrant": [{"metadata": meta("web"), "spec": {"from": [{"kind": "HTTPRoute"}], "to": [{"kind": "Service"}]}}],
    **{
        kind: [
            {"metadata": meta("web"), "spec": {"parentRef": {"name": "web"}, "listeners": [{"tls": {"options": {"a": SECRET}}}]}}
        ]
        for kind in ("ListenerSet", "XListenerSet")
    },
    "BackendTLSPolicy": [
        {"metadata": meta("web"), "spec": {"validation": {"hostname": "x"}, "options": {"x": SECRET}}},
    ],
    "CaCertificates": [{"metadata": meta("ca"), "data": {"ca.crt": SECRET, "password": SECRET}}],
    "AppConfig": [
        {
            "metadata": meta("conf"),
            "data": {
                "password": SECRET,
                "db-url": f"postgres://{SECRET}:{SECRET}@db:5432/{SECRET}",
                "app.conf": f"password = {SECRET}\nurl = http://{SECRET}:{SECRET}@web.shop.svc:80/{SECRET}\ntoken: {SECRET}:80\n",
            },
        }
    ],
    "TlsSecret": [
        {
            "metadata": meta("tls"),
            "type": "kubernetes.io/tls",
            "data": {"tls.crt": base64.b64encode(SECRET.encode()).decode(), "tls.key": SECRET, "ca.crt": SECRET},
        }
    ],
    **{
        kind.name: [{"metadata": meta("web"), "spec": {"rules": [{"backendRefs": [{"name": "web"}], "filters": [SECRET]}]}}]
        for kind in kinds.ROUTES
    },
    **{
        kind: [
            {
                "metadata": meta("guard", ""),
                "webhooks": [{"name": "guard", "clientConfig": PRIVATE_CLIENT, "matchConditions": [SECRET]}],
            }
        ]
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    },
    "APIService": [{"metadata": meta("v1.x", ""), "spec": {"caBundle": PRIVATE_CLIENT["caBundle"], "group": SECRET}}],
    "CustomResourceDefinition": [
        {
            "metadata": meta("x.example", ""),
            "spec": {
                "versions": [{"schema": SECRET}],
                "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": PRIVATE_CLIENT}},
            },
        }
    ],
    "ProxyConfig": [
        {
            "metadata": meta("kube-proxy", "kube-system"),
            "data": {
                "config.conf": f"kind: KubeProxyConfiguration\nmode: ipvs\nclientConnection:\n  kubeconfig: {SECRET}\n",
                "kubeconfig.conf": SECRET,
            },
        }
    ],
    "PodMetrics": [
        {
            "metadata": meta("web-1"),
            "timestamp": "2026-01-01T10:00:00Z",
            "window": SECRET,
            "containers": [{"name": "web", "usage": {"cpu": "1234567n", "memory": SECRET}}],
        }
    ],
    "PeerAuthentication": [{"metadata": meta("default"), "spec": {"mtls": {"mode": "STRICT", "note": SECRET}}}],
    "AuthorizationPolicy": [
        {
            "metadata": meta("web"),
            "spec": {
                "rules": [
                    {
                        "from": [{"source": {"namespaces": ["shop"], "requestPrincipals": [SECRET], "remoteIpBlocks": [SECRET]}}],
                        "to": [{"operation": {"ports": ["80"], "paths": [SECRET], "hosts": [SECRET], "methods": [SECRET]}}],
                        "when": [{"key": "request.headers[x-api-key]", "values": [SECRET]}],
                    }
                ]
            },
        }
    ],
    "CalicoBgpConfiguration": [{"metadata": meta("default"), "spec": {"nodeToNodeMeshEnabled": False, "note": SECRET}}],
    "CalicoBgpPeer": [{"metadata": meta("rr"), "spec": {"nodeSelector": "all()", "password": {"secretKeyRef": SECRET}}}],
    "InferencePool": [{"metadata": meta("llm"), "spec": {"selector": {"matchLabels": {"app": "llm"}}, "note": SECRET}}],
    "ServiceMonitor": [
        {
            "metadata": meta("web"),
            "spec": {"endpoints": [{"port": "http", "basicAuth": {"password": {"key": SECRET}}, "bearerTokenFile": SECRET}]},
        }
    ],
    "PodMonitor": [
        {"metadata": meta("web"), "spec": {"podMetricsEndpoints": [{"port": "http", "basicAuth": {"password": {"key": SECRET}}}]}}
    ],
    "LinkerdServer": [{"metadata": meta("web"), "spec": {"podSelector": {}, "port": 80, "proxyProtocol": SECRET}}],
    "LinkerdAuthorizationPolicy": [
        {"metadata": meta("web"), "spec": {"targetRef": {"kind": "Server", "name": "web"}, "note": SECRET}}
    ],
    "MeshTLSAuthentication": [{"metadata": meta("lab"), "spec": {"identities": ["*"], "note": SECRET}}],
    "NetworkAuthentication": [{"metadata": meta("lab"), "spec": {"networks": [{"cidr": "10.0.0.0/8", "note": SECRET}]}}],
    "ServerAuthorization": [{"metadata": meta("web"), "spec": {"server": {"name": "web"}, "client": {"note": SECRET}}}],
}
"""Objects by kind, one for each kind that netdoc reads."""
