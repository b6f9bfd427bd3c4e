# SPDX-License-Identifier: Apache-2.0
"""Policies of Cilium's own kinds to try on a real Cilium: by hand, and generated. All are limited to the two namespaces of ``observe``."""

from __future__ import annotations

import random
from typing import Any

import yaml

from tests.networks.observe import CLOSED, OPEN, OTHER

S = "endpointSelector: {matchLabels: {app: server}}"
CLUSTERWIDE = "endpointSelector: {matchLabels: {app: server, 'k8s:io.kubernetes.pod.namespace': pol-a}}"
NEAR = "{matchLabels: {where: near}}"
CLIENT = "{matchLabels: {app: client}}"
IN_B = "{matchLabels: {'k8s:io.kubernetes.pod.namespace': pol-b}}"


def _port(port: int | str, protocol: str = "TCP", more: str = "") -> str:
    return f"toPorts: [{{ports: [{{port: '{port}', protocol: {protocol}{more}}}]}}]"


ALL = "{fromEntities: [all]}"
ROWS: dict[str, tuple[str, ...]] = {
    "isolated by an empty rule": (f"cnp p {{{S}, ingress: [{{}}]}}",),
    "no rule does nothing": (f"cnp p {{{S}, ingress: []}}",),
    "isolated by an empty list of peers": (f"cnp p {{{S}, ingress: [{{fromEndpoints: []}}]}}",),
    "all of the namespace": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}]}}]}}",),
    "all pods, cluster-wide": (f"ccnp p {{{CLUSTERWIDE}, ingress: [{{fromEndpoints: [{{}}]}}]}}",),
    "cluster-wide isolation": (f"ccnp p {{{CLUSTERWIDE}, ingress: [{{}}]}}",),
    "the whole namespace": ("cnp p {endpointSelector: {}, ingress: [{}]}",),
    "the whole namespace by its label": (
        "ccnp p {endpointSelector: {matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': a}}, ingress: [{}]}",
    ),
    "a namespace that is not its own": (
        "cnp p {endpointSelector: {matchLabels: {app: server, 'k8s:io.kubernetes.pod.namespace': pol-b}}, ingress: [{}]}",
    ),
    "by label": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{CLIENT}]}}]}}",),
    "by one label": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}]}}]}}",),
    "by label with its source": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'k8s:where': near}}}}]}}]}}",),
    "by label of any source": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'any:where': near}}}}]}}]}}",),
    "by label, cluster-wide": (f"ccnp p {{{CLUSTERWIDE}, ingress: [{{fromEndpoints: [{CLIENT}]}}]}}",),
    "by namespace": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{IN_B}]}}]}}",),
    "by namespace and label": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.kubernetes.pod.namespace: pol-b, app: client}}}}]}}]}}",
    ),
    "by namespace or label": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{IN_B}, {NEAR}]}}]}}",),
    "all namespaces": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: 'k8s:io.kubernetes.pod.namespace', "
        "operator: Exists}]}]}]}",
    ),
    "namespace labels, cluster-wide": (
        f"ccnp p {{{CLUSTERWIDE}, ingress: [{{fromEndpoints: [{{matchLabels: "
        "{'k8s:io.cilium.k8s.namespace.labels.team': b}}]}]}",
    ),
    "namespace labels in expressions, cluster-wide": (
        f"ccnp p {{{CLUSTERWIDE}, ingress: [{{fromEndpoints: [{{matchExpressions: "
        "[{key: 'k8s:io.cilium.k8s.namespace.labels.team', operator: NotIn, values: [b]}]}]}]}",
    ),
    "by service account": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.serviceaccount: default}}}}]}}]}}",
    ),
    "by a service account of nobody": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.serviceaccount: x}}}}]}}]}}",
    ),
    "by the cluster": (
        f"ccnp p {{{CLUSTERWIDE}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.cluster: default}}}}]}}]}}",
    ),
    "In": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: where, operator: In, values: [near, x]}}]}}]}}]}}",
    ),
    "NotIn": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: where, operator: NotIn, values: [near]}}]}}]}}]}}",
    ),
    "Exists": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: where, operator: Exists}}]}}]}}]}}",),
    "DoesNotExist, cluster-wide": (
        f"ccnp p {{{CLUSTERWIDE}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: where, operator: DoesNotExist}}]}}]}}]}}",
    ),
    "reserved labels": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'reserved:remote-node': ''}}}}]}}]}}",),
    "entity all": (f"cnp p {{{S}, ingress: [{ALL}]}}",),
    "entity cluster": (f"cnp p {{{S}, ingress: [{{fromEntities: [cluster]}}]}}",),
    "entity host": (f"cnp p {{{S}, ingress: [{{fromEntities: [host]}}]}}",),
    "entity remote-node": (f"cnp p {{{S}, ingress: [{{fromEntities: [remote-node]}}]}}",),
    "entity world": (f"cnp p {{{S}, ingress: [{{fromEntities: [world]}}]}}",),
    "entity none": (f"cnp p {{{S}, ingress: [{{fromEntities: [none]}}]}}",),
    "entities health and init": (f"cnp p {{{S}, ingress: [{{fromEntities: [health, init]}}]}}",),
    "a range of all addresses": (f"cnp p {{{S}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}",),
    "the range of pods": (f"cnp p {{{S}, ingress: [{{fromCIDR: [10.0.0.0/8]}}]}}",),
    "a range that has the outside": (f"cnp p {{{S}, ingress: [{{fromCIDR: [172.16.0.0/12]}}]}}",),
    "a range without the outside": (
        f"cnp p {{{S}, ingress: [{{fromCIDRSet: [{{cidr: 0.0.0.0/0, except: [172.16.0.0/12]}}]}}]}}",
    ),
    "a range that is elsewhere": (f"cnp p {{{S}, ingress: [{{fromCIDR: [192.0.2.0/24]}}]}}",),
    "a port": (f"cnp p {{{S}, ingress: [{{{_port(OPEN)}}}]}}",),
    "a closed port": (f"cnp p {{{S}, ingress: [{{{_port(CLOSED)}}}]}}",),
    "a port of any protocol": (f"cnp p {{{S}, ingress: [{{{_port(OTHER, 'ANY')}}}]}}",),
    "a port of UDP": (f"cnp p {{{S}, ingress: [{{{_port(OPEN, 'UDP')}}}]}}",),
    "all ports of TCP": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{CLIENT}], {_port(0)}}}]}}",),
    "a range of ports": (f"cnp p {{{S}, ingress: [{{{_port(OPEN, 'TCP', f', endPort: {OTHER}')}}}]}}",),
    "a port by name": (f"cnp p {{{S}, ingress: [{{{_port('web')}}}]}}",),
    "a port by a name of nobody": (f"cnp p {{{S}, ingress: [{{{_port('nothing')}}}]}}",),
    "peers and a port": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}], {_port(OPEN)}}}]}}",),
    "two rules": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}]}}, {{{_port(OTHER)}}}]}}",),
    "two lists of ports": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}], toPorts: [{{ports: [{{port: '{OPEN}'}}]}}, "
        f"{{ports: [{{port: '{CLOSED}'}}]}}]}}]}}",
    ),
    "no list of ports": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}], toPorts: []}}]}}",),
    "ICMP alone": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], icmps: [{{fields: [{{type: 8, family: IPv4}}]}}]}}]}}",),
    "specs": (
        f"cnp p {{specs: [{{{S}, ingress: [{{fromEndpoints: [{NEAR}]}}]}}, {{{S}, ingress: [{{fromEndpoints: [{IN_B}]}}]}}]}}",
    ),
    "denied by label": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromEndpoints: [{NEAR}]}}]}}",),
    "denied, and isolated": (f"cnp p {{{S}, ingressDeny: [{{fromEndpoints: [{NEAR}]}}]}}",),
    "denied by another policy": (
        f"cnp p {{{S}, ingress: [{ALL}]}}",
        f"ccnp q {{{CLUSTERWIDE}, ingressDeny: [{{fromEndpoints: [{CLIENT}]}}]}}",
    ),
    "a port denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{{_port(OPEN)}}}]}}",),
    "a port denied to some": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromEndpoints: [{CLIENT}], {_port(OPEN)}}}]}}",),
    "a port denied, the peer allowed": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}]}}], ingressDeny: [{{{_port(OTHER)}}}]}}",
    ),
    "the peer denied, a port allowed": (
        f"cnp p {{{S}, ingress: [{{{_port(OPEN)}}}], ingressDeny: [{{fromEndpoints: [{NEAR}]}}]}}",
    ),
    "all denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{ALL}]}}",),
    "the world denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromEntities: [world]}}]}}",),
    "the node denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromEntities: [host]}}]}}",),
    "other nodes denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromEntities: [remote-node]}}]}}",),
    "the cluster denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromEntities: [cluster]}}]}}",),
    "a range denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromCIDR: [172.16.0.0/12]}}]}}",),
    "a range denied, with an exception": (
        f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{fromCIDRSet: [{{cidr: 0.0.0.0/0, except: [172.16.0.0/12]}}]}}]}}",
    ),
    "nobody denied": (f"cnp p {{{S}, ingress: [{ALL}], ingressDeny: [{{}}]}}",),
    "not isolated": (f"cnp p {{{S}, enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEndpoints: [{NEAR}]}}]}}",),
    "denied and not isolated": (
        f"cnp p {{{S}, enableDefaultDeny: {{ingress: false}}, ingressDeny: [{{fromEndpoints: [{NEAR}]}}]}}",
    ),
    "a NetworkPolicy isolates, a policy allows": (
        "k8s d {podSelector: {}}",
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{NEAR}]}}]}}",
    ),
    "a policy isolates, a NetworkPolicy allows": (
        "k8s d {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}",
        f"cnp p {{{S}, ingress: [{{}}]}}",
    ),
    "a NetworkPolicy allows, a policy denies": (
        "k8s d {podSelector: {}, ingress: [{}]}",
        f"cnp p {{{S}, ingressDeny: [{{fromEndpoints: [{CLIENT}], {_port(OPEN)}}}]}}",
    ),
    "egress isolated": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{}}]}}",),
    "egress to the server": (
        f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEndpoints: [{{matchLabels: {{app: server}}}}]}}]}}",
    ),
    "egress to the server's port": (
        f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEndpoints: [{{matchLabels: {{app: server}}}}], {_port(OTHER)}}}]}}",
    ),
    "egress by a port's name": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{{_port('web')}}}]}}",),
    "egress by a range": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toCIDR: [0.0.0.0/0]}}]}}",),
    "egress denied": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [all]}}], egressDeny: [{{{_port(OPEN)}}}]}}",),
    "egress, cluster-wide": (
        "ccnp p {endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': pol-b}}, egress: [{toEntities: [world]}]}",
    ),
    "both ends": (
        f"cnp p {{{S}, ingress: [{{{_port(OPEN)}}}, {{{_port(OTHER)}}}]}}",
        f"cnp q {{endpointSelector: {NEAR}, egress: [{{{_port(OTHER)}}}]}}",
    ),
}
"""Kind, name and spec of each object."""

TO_PORT = _port(OPEN)
EGRESS: dict[str, tuple[str, ...]] = {
    "isolated": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{}}]}}",),
    "to all": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [all]}}]}}",),
    "to pods": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEndpoints: [{{}}]}}]}}",),
    "to the own node": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [host]}}]}}",),
    "to other nodes": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [remote-node]}}]}}",),
    "to the cluster": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [cluster]}}]}}",),
    "to the API server": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [kube-apiserver]}}]}}",),
    "to the world": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [world]}}]}}",),
    "to every address": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toCIDR: [0.0.0.0/0]}}]}}",),
    "to the nodes' range": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toCIDR: [172.16.0.0/12]}}]}}",),
    "to every address but the nodes' range": (
        f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toCIDRSet: [{{cidr: 0.0.0.0/0, except: [172.16.0.0/12]}}]}}]}}",
    ),
    "to a port": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{{TO_PORT}}}]}}",),
    "to a port of the world": (f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [world], {TO_PORT}}}]}}",),
    "to all, the world denied": (
        f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [all]}}], egressDeny: [{{toEntities: [world]}}]}}",
    ),
    "to all, the own node denied": (
        f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [all]}}], egressDeny: [{{toEntities: [host]}}]}}",
    ),
    "to all, a range denied": (
        f"cnp p {{endpointSelector: {CLIENT}, egress: [{{toEntities: [all]}}], egressDeny: [{{toCIDR: [172.16.0.0/12]}}]}}",
    ),
}
"""Policies for clients, tried on a pod, on nodes and on an address outside."""

KINDS = {
    "cnp": ("cilium.io/v2", "CiliumNetworkPolicy", True),
    "ccnp": ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", False),
    "k8s": ("networking.k8s.io/v1", "NetworkPolicy", True),
}
SINCE_1_16 = {
    "a range of ports": "endPort",
    "not isolated": "enableDefaultDeny",
    "denied and not isolated": "enableDefaultDeny",
}
"""Rows with a field that came with Cilium 1.16."""


def manifest(text: str) -> dict[str, Any]:
    """An object as kubectl takes it."""
    kind, name, rest = text.split(" ", 2)
    version, what, namespaced = KINDS[kind]
    body = yaml.safe_load(rest)
    metadata = {"name": name} | ({"namespace": "pol-a"} if namespaced else {})
    return {"apiVersion": version, "kind": what, "metadata": metadata} | (body if "specs" in body else {"spec": body})


SELECTORS: tuple[dict[str, Any], ...] = (
    {},
    {"matchLabels": {"app": "client"}},
    {"matchLabels": {"where": "near"}},
    {"matchExpressions": [{"key": "where", "operator": "DoesNotExist"}]},
    {"matchExpressions": [{"key": "where", "operator": "NotIn", "values": ["far"]}]},
    {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "pol-b"}},
    {"matchExpressions": [{"key": "k8s:io.kubernetes.pod.namespace", "operator": "In", "values": ["pol-a", "pol-b"]}]},
)
ENTITIES = ("all", "world", "cluster", "host", "remote-node", "none")
RANGES = ("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.0.2.0/24")


def generated(seed: int) -> list[dict[str, Any]]:
    """One to three policies for the server, and a NetworkPolicy now and then."""
    dice = random.Random(seed)

    def rule() -> dict[str, Any]:
        found: dict[str, Any] = {}
        match dice.choice(("endpoints", "endpoints", "endpoints", "entities", "cidr", "cidr set", "none")):
            case "endpoints":
                found["fromEndpoints"] = dice.sample(SELECTORS, dice.randint(1, 2))
            case "entities":
                found["fromEntities"] = dice.sample(ENTITIES, dice.randint(1, 2))
            case "cidr":
                found["fromCIDR"] = dice.sample(RANGES, dice.randint(1, 2))
            case "cidr set":
                found["fromCIDRSet"] = [{"cidr": "0.0.0.0/0", "except": dice.sample(RANGES[1:], dice.randint(0, 2))}]
        if dice.random() < 0.5:
            numbers = dice.sample((OPEN, OTHER, CLOSED), dice.randint(1, 2))
            found["toPorts"] = [
                {"ports": [{"port": str(n), "protocol": dice.choice(("TCP", "TCP", "ANY", "UDP"))} for n in numbers]}
            ]
        return found

    items = []
    for number in range(dice.randint(1, 3)):
        clusterwide = dice.random() < 0.4
        labels = {"app": "server"} | ({"k8s:io.kubernetes.pod.namespace": "pol-a"} if clusterwide else {})
        spec: dict[str, Any] = {"endpointSelector": {"matchLabels": labels}}
        if dice.random() < 0.8:
            spec["ingress"] = [rule() for _ in range(dice.randint(1, 3))]
        if dice.random() < 0.5 or "ingress" not in spec:
            spec["ingressDeny"] = [rule() for _ in range(dice.randint(1, 2))]
        metadata = {"name": f"g{number}"} | ({} if clusterwide else {"namespace": "pol-a"})
        kind = KINDS["ccnp" if clusterwide else "cnp"]
        items.append({"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec})
    if dice.random() < 0.3:
        items.append(
            manifest("k8s d " + dice.choice(("{podSelector: {}}", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")))
        )
    return items
