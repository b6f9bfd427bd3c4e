# SPDX-License-Identifier: Apache-2.0
"""Cilium's own policies: rows worked by hand from cilium/cilium (see policy/cilium.py); a real Cilium has its own in tests/networks.

A row: the policies, and what becomes of TCP 80 from each of the sources to the server: a pod of its namespace, a pod of another
one, the server's own node, another node (with the API server), and an address outside. ``?``: not certain.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.cni import NETWORK_CONFIG
from kubectl_netdoc.records.kinds import (
    CILIUM_CLUSTER_POLICY,
    CILIUM_POLICY,
    CLUSTER_NETWORK_POLICY,
    ENDPOINT_SLICE,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
)
from kubectl_netdoc.testing import Built, make_cluster
from tests.policy.asking import OUTSIDE, SPACES, letter, letters, verdict

PODS = {
    "server": ("a", {"app": "server", "kubernetes.io/odd": "x", "pod-template-hash": "h"}, "10.0.0.1", 80),
    "near": ("a", {"app": "client", "where": "near"}, "10.0.0.2", 80),
    "guest": ("b", {"app": "client"}, "10.0.1.1", 8080),
}
NODES = {"n1": "172.18.0.2", "n2": "172.18.0.3"}
SOURCES = ("near", "guest", NODES["n1"], NODES["n2"], OUTSIDE)
KINDS: dict[str, Kind[Any]] = {
    "cnp": CILIUM_POLICY,
    "ccnp": CILIUM_CLUSTER_POLICY,
    "k8s": NETWORK_POLICY,
    "sig": CLUSTER_NETWORK_POLICY,
}
CONFIG = {"cluster-name": "default", "enable-policy": "default", "enable-host-firewall": "false"}


def made(text: str) -> Built:
    """An object: kind, name and spec (or all of an object's rest, where it has ``specs``); those with a namespace are in a."""
    kind, name, rest = text.split(" ", 2)
    what = KINDS[kind]
    metadata = {"name": name} | ({"namespace": "a"} if what.namespaced else {})
    body = yaml.safe_load(rest)
    return what, convert(what, {"metadata": metadata} | (body if "specs" in body else {"spec": body}))


def world(config: dict[str, str] | None = CONFIG, *, api: bool = True) -> list[Built]:
    objects: list[Built] = [
        (NAMESPACE, convert(NAMESPACE, {"metadata": {"name": name, "labels": labels}})) for name, labels in SPACES.items()
    ]
    for name, address in NODES.items():
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        objects.append((NODE, convert(NODE, {"metadata": {"name": name}, "status": status})))
    for name, (space, labels, ip, port) in PODS.items():
        spec = {
            "nodeName": "n1",
            "serviceAccountName": f"of-{name}",
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": port}]}],
        }
        running = {"podIPs": [{"ip": ip}], "phase": "Running"}
        item = {"metadata": {"name": name, "namespace": space, "labels": labels}, "spec": spec, "status": running}
        objects.append((POD, convert(POD, item)))
    if config is not None:
        settings: dict[str, Any] = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": config}
        objects.append((NETWORK_CONFIG, convert(NETWORK_CONFIG, settings)))
    if api:
        slices: dict[str, Any] = {
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "endpoints": [{"addresses": [NODES["n2"]]}],
        }
        objects.append((ENDPOINT_SLICE, convert(ENDPOINT_SLICE, slices)))
    return objects


def shown(of: Engine) -> str:
    """One letter for each source."""
    return letters(of, SOURCES)


S = "endpointSelector: {matchLabels: {app: server}}"
NEAR = "matchLabels: {where: near}"
ROWS: dict[str, tuple[str, str]] = {
    "nothing": ("", "yyyyy"),
    "a rule without anything isolates": (f"cnp p {{{S}, ingress: [{{}}]}}", "nnynn"),
    "no rule isolates nothing": (f"cnp p {{{S}, ingress: []}}", "yyyyy"),
    "no list isolates nothing": (f"cnp p {{{S}}}", "yyyyy"),
    "an empty list of peers is nobody": (f"cnp p {{{S}, ingress: [{{fromEndpoints: []}}]}}", "nnynn"),
    "an empty list of peers, with a port": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [], toPorts: [{{ports: [{{port: '80'}}]}}]}}]}}",
        "??y??",
    ),
    "an empty selector is the namespace": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}]}}]}}", "ynynn"),
    "an empty selector, cluster-wide": (f"ccnp p {{{S}, ingress: [{{fromEndpoints: [{{}}]}}]}}", "yyynn"),
    "it is for its namespace": ("cnp p {endpointSelector: {matchLabels: {app: client}}, ingress: [{}]}", "yyyyy"),
    "it is for its namespace whatever it says": (
        "cnp p {endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': b}}, ingress: [{}]}",
        "nnynn",
    ),
    "cluster-wide in a namespace": (
        "ccnp p {endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': b}}, egress: [{}]}",
        "ynyyy",
    ),
    "by label": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{app: client}}}}]}}]}}", "ynynn"),
    "by label with a source": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'k8s:app': client}}}}]}}]}}", "ynynn"),
    "by label of any source": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'any:app': client}}}}]}}]}}", "ynynn"),
    "by label of another source": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'x:app': client}}}}]}}]}}",
        "?????",
    ),
    "by label, cluster-wide": (f"ccnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{app: client}}}}]}}]}}", "yyynn"),
    "by namespace": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'k8s:io.kubernetes.pod.namespace': b}}}}]}}]}}",
        "nyynn",
    ),
    "by labels of the namespace, cluster-wide": (
        f"ccnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'k8s:io.cilium.k8s.namespace.labels.team': blue}}}}]}}]}}",
        "nyynn",
    ),
    "by labels of the namespace, in a namespace": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.namespace.labels.team: blue}}}}]}}]}}",
        "n?ynn",
    ),
    "by all namespaces": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: 'k8s:io.kubernetes.pod.namespace', "
        "operator: Exists}]}]}]}",
        "yyynn",
    ),
    "by namespaces that are left out": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: 'k8s:io.kubernetes.pod.namespace', "
        "operator: NotIn, values: [a]}]}]}]}",
        "nyy??",
    ),
    "by service account": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.serviceaccount: of-near}}}}]}}]}}",
        "ynynn",
    ),
    "by another service account": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.serviceaccount: default}}}}]}}]}}",
        "nnynn",
    ),
    "by the cluster's name": (
        f"ccnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.cluster: default}}}}]}}]}}",
        "yyynn",
    ),
    "by another cluster's name": (
        f"ccnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.policy.cluster: far}}}}]}}]}}",
        "nnynn",
    ),
    "by a label that Cilium leaves out": (
        "cnp p {endpointSelector: {matchLabels: {pod-template-hash: h}}, ingress: [{}]}",
        "yyyyy",
    ),
    "by another one that Cilium leaves out": (
        "cnp p {endpointSelector: {matchLabels: {kubernetes.io/odd: x}}, ingress: [{}]}",
        "yyyyy",
    ),
    "without a label": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: where, operator: DoesNotExist}}]}}]}}]}}",
        "nnynn",
    ),
    "reserved labels are entities": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{matchLabels: {{'reserved:world': ''}}}}]}}]}}",
        "nnyny",
    ),
    "entity all": (f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}]}}", "yyyyy"),
    "entity world": (f"cnp p {{{S}, ingress: [{{fromEntities: [world]}}]}}", "nnyny"),
    "entity cluster": (f"cnp p {{{S}, ingress: [{{fromEntities: [cluster]}}]}}", "yyyyn"),
    "entity host": (f"cnp p {{{S}, ingress: [{{fromEntities: [host]}}]}}", "nnynn"),
    "entity remote-node": (f"cnp p {{{S}, ingress: [{{fromEntities: [remote-node]}}]}}", "nnyyn"),
    "entity kube-apiserver on ingress": (f"cnp p {{{S}, ingress: [{{fromEntities: [kube-apiserver]}}]}}", "nny?n"),
    "entities that are no ends": (f"cnp p {{{S}, ingress: [{{fromEntities: [health, init, ingress, none]}}]}}", "nnynn"),
    "entity unmanaged": (f"cnp p {{{S}, ingress: [{{fromEntities: [unmanaged]}}]}}", "??ynn"),
    "an entity that is not known": (f"cnp p {{{S}, ingress: [{{fromEntities: [moon]}}]}}", "?????"),
    "ranges match neither pods nor nodes": (f"cnp p {{{S}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}", "nnyny"),
    "a range": (f"cnp p {{{S}, ingress: [{{fromCIDR: [198.51.100.0/24]}}]}}", "nnynn"),
    "an address": (f"cnp p {{{S}, ingress: [{{fromCIDR: [{OUTSIDE}]}}]}}", "nnyny"),
    "a range with an exception": (
        f"cnp p {{{S}, ingress: [{{fromCIDRSet: [{{cidr: 192.0.0.0/8, except: [192.0.2.0/24]}}]}}]}}",
        "nnynn",
    ),
    "another range has what the first leaves out": (
        f"cnp p {{{S}, ingress: [{{fromCIDRSet: [{{cidr: 192.0.0.0/8, except: [192.0.2.0/24]}}, {{cidr: 192.0.2.9/32}}]}}]}}",
        "nnyny",
    ),
    "a group of ranges": (f"cnp p {{{S}, ingress: [{{fromCIDRSet: [{{cidrGroupRef: g}}]}}]}}", "nnyn?"),
    "a range with leading zeros": (f"cnp p {{{S}, ingress: [{{fromCIDR: [192.0.002.0/24]}}]}}", "?????"),
    "nodes by labels": (f"cnp p {{{S}, ingress: [{{fromNodes: [{{matchLabels: {{x: y}}}}]}}]}}", "nnynn"),
    "several kinds of peers": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], fromEntities: [host]}}]}}", "?????"),
    "a port": (f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}]}}]}}]}}", "yyyyy"),
    "another port": (f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: '81', protocol: TCP}}]}}]}}]}}", "nnynn"),
    "a port of any protocol": (f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: ANY}}]}}]}}]}}", "yyyyy"),
    "a port of another protocol": (
        f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: UDP}}]}}]}}]}}",
        "nnynn",
    ),
    "a range of ports": (
        f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: '79', endPort: 81, protocol: TCP}}]}}]}}]}}",
        "yyyyy",
    ),
    "port 0 is all": (f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: '0', protocol: TCP}}]}}]}}]}}", "yyyyy"),
    "a port by name": (f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: web}}]}}]}}]}}", "yyyyy"),
    "a port by a name that nobody has": (f"cnp p {{{S}, ingress: [{{toPorts: [{{ports: [{{port: none}}]}}]}}]}}", "nnynn"),
    "a list of ports without one": (f"cnp p {{{S}, ingress: [{{toPorts: [{{}}]}}]}}", "??y??"),
    "an empty list of lists of ports": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], toPorts: []}}]}}", "ynynn"),
    "peers and a port": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{{NEAR}}}], toPorts: [{{ports: [{{port: '81'}}]}}]}}]}}",
        "nnynn",
    ),
    "ICMP alone": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], icmps: [{{fields: [{{type: 8}}]}}]}}]}}", "nnynn"),
    "HTTP": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], toPorts: [{{ports: [{{port: '80', protocol: TCP}}], "
        "rules: {http: [{method: GET}]}}]}]}",
        "?nynn",
    ),
    "HTTP beside a rule without": (
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}]}}, {{fromEndpoints: [{{}}], toPorts: [{{ports: [{{port: '80', "
        "protocol: TCP}], rules: {http: [{}]}}]}]}",
        "ynynn",
    ),
    "authentication": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], authentication: {{mode: required}}}}]}}", "?nynn"),
    "no authentication": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], authentication: {{mode: disabled}}}}]}}", "ynynn"),
    "required labels": (f"cnp p {{{S}, ingress: [{{fromRequires: [{{}}]}}]}}", "?????"),
    "a field that is not known": (f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], fromMoon: [{{}}]}}]}}", "?????"),
    "a denial": (f"cnp p {{{S}, ingressDeny: [{{fromEndpoints: [{{{NEAR}}}]}}]}}", "nnynn"),
    "a denial alone, without default deny": (
        f"cnp p {{{S}, enableDefaultDeny: {{ingress: false}}, ingressDeny: [{{fromEndpoints: [{{{NEAR}}}]}}]}}",
        "nyyyy",
    ),
    "a denial before what is allowed": (
        f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{fromEndpoints: [{{{NEAR}}}]}}]}}",
        "nyyyy",
    ),
    "a denial in another policy": (
        f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}]}}|ccnp q {{{S}, ingressDeny: [{{fromEntities: [world]}}]}}",
        "yyyyn",
    ),
    "a denial of a port": (
        f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{toPorts: [{{ports: [{{port: '80'}}]}}]}}]}}",
        "nnnnn",
    ),
    "a denial of another port": (
        f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{toPorts: [{{ports: [{{port: '81'}}]}}]}}]}}",
        "yyyyy",
    ),
    "a denial of nobody": (f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{}}]}}", "yyyyy"),
    "a rule that does not isolate": (
        f"cnp p {{{S}, enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEndpoints: [{{{NEAR}}}]}}]}}",
        "yyyyy",
    ),
    "another that does": (
        f"cnp p {{{S}, enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEndpoints: [{{{NEAR}}}]}}]}}|cnp q {{{S}, ingress: [{{}}]}}",
        "ynynn",
    ),
    "isolated without a rule": (f"cnp p {{{S}, enableDefaultDeny: {{ingress: true}}}}", "?????"),
    "several sets": (
        f"cnp p {{specs: [{{{S}, ingress: [{{fromEndpoints: [{{{NEAR}}}]}}]}}, {{{S}, ingress: [{{fromEntities: [world]}}]}}]}}",
        "ynyny",
    ),
    "a NetworkPolicy allows, a denial denies": (
        f"k8s d {{podSelector: {{}}, ingress: [{{}}]}}|cnp p {{{S}, ingressDeny: [{{fromEntities: [world]}}]}}",
        "yyyyn",
    ),
    "a NetworkPolicy isolates, a policy allows": (
        f"k8s d {{podSelector: {{}}}}|cnp p {{{S}, ingress: [{{fromEndpoints: [{{{NEAR}}}]}}]}}",
        "ynynn",
    ),
    "a policy isolates, a NetworkPolicy allows": (
        f"k8s d {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}|cnp p {{{S}, ingress: [{{}}]}}",
        "ynynn",
    ),
    "an Admin rule comes first": (
        "sig first {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {}}]}]}"
        f"|cnp p {{{S}, ingressDeny: [{{fromEntities: [all]}}]}}",
        "yynnn",
    ),
    "policies for nodes": ("ccnp p {nodeSelector: {}, ingress: [{fromEntities: [host]}]}", "yyyyy"),
    "pods and nodes at once": ("ccnp p {nodeSelector: {}, endpointSelector: {}, ingress: [{}]}", "?????"),
}


def of(text: str, config: dict[str, str] | None = CONFIG, *, api: bool = True) -> Engine:
    return Engine(make_cluster(*world(config, api=api), *map(made, filter(None, text.split("|")))))


@pytest.mark.parametrize("name", list(ROWS))
def test_row(name: str) -> None:
    policies, wanted = ROWS[name]
    assert shown(of(policies)) == wanted


CLIENT = "endpointSelector: {matchLabels: {where: near}}"
EGRESS: dict[str, tuple[str, str]] = {
    "own node and others are not let out to": (f"cnp p {{{CLIENT}, egress: [{{}}]}}", "nnnnn"),
    "toEndpoints": (f"cnp p {{{CLIENT}, egress: [{{toEndpoints: [{{}}]}}]}}", "ynnnn"),
    "toEntities host": (f"cnp p {{{CLIENT}, egress: [{{toEntities: [host]}}]}}", "nnynn"),
    "toEntities kube-apiserver": (f"cnp p {{{CLIENT}, egress: [{{toEntities: [kube-apiserver]}}]}}", "nnnyn"),
    "toCIDR": (f"cnp p {{{CLIENT}, egress: [{{toCIDR: [0.0.0.0/0]}}]}}", "nnnny"),
    "toCIDRSet": (f"cnp p {{{CLIENT}, egress: [{{toCIDRSet: [{{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}}]}}]}}", "nnnnn"),
    "toFQDNs": (f"cnp p {{{CLIENT}, egress: [{{toFQDNs: [{{matchName: a.example}}]}}]}}", "nnnn?"),
    "toServices": (f"cnp p {{{CLIENT}, egress: [{{toServices: [{{k8sService: {{serviceName: a}}}}]}}]}}", "?????"),
    "toGroups": (f"cnp p {{{CLIENT}, egress: [{{toGroups: [{{aws: {{}}}}]}}]}}", "nnnn?"),
    "toPorts": (f"cnp p {{{CLIENT}, egress: [{{toPorts: [{{ports: [{{port: '80'}}]}}]}}]}}", "yyyyy"),
    "toPorts by a name with two numbers": (f"cnp p {{{CLIENT}, egress: [{{toPorts: [{{ports: [{{port: web}}]}}]}}]}}", "?????"),
    "DNS, every name": (
        f"cnp p {{{CLIENT}, egress: [{{toPorts: [{{ports: [{{port: '80'}}], rules: {{dns: [{{matchPattern: '*'}}]}}}}]}}]}}",
        "yyyyy",
    ),
    "DNS, one name": (
        f"cnp p {{{CLIENT}, egress: [{{toPorts: [{{ports: [{{port: '80'}}], rules: {{dns: [{{matchName: a.example}}]}}}}]}}]}}",
        "?????",
    ),
    "egressDeny": (f"cnp p {{{CLIENT}, egress: [{{toEntities: [all]}}], egressDeny: [{{toEntities: [world, host]}}]}}", "yynyn"),
    "egressDeny of requests": (
        f"cnp p {{{CLIENT}, egress: [{{toEntities: [all]}}], egressDeny: [{{toGroups: [{{aws: {{}}}}]}}]}}",
        "yyyy?",
    ),
}


@pytest.mark.parametrize("name", list(EGRESS))
def test_egress(name: str) -> None:
    policies, wanted = EGRESS[name]
    engine = of(policies)
    assert "".join(letter(verdict(engine, "near", to)) for to in ("server", *SOURCES[1:])) == wanted


def test_what_settings_decide() -> None:
    row = f"cnp p {{{S}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}"
    assert shown(of(row, None)) == "nny?y"
    assert shown(of(row, CONFIG | {"policy-cidr-match-mode": "nodes"})) == "nny?y"
    out = f"cnp p {{{CLIENT}, egress: [{{toCIDR: [0.0.0.0/0]}}]}}"
    nodes = of(out, CONFIG | {"policy-cidr-match-mode": "nodes"})
    assert letter(verdict(nodes, "near", NODES["n2"])) == "y"
    labelled = f"cnp p {{{S}, ingress: [{{fromNodes: [{{matchLabels: {{x: y}}}}]}}]}}"
    assert shown(of(labelled, CONFIG | {"enable-node-selector-labels": "true"})) == "nny?n"
    assert shown(of(row, CONFIG | {"labels": "k8s:app"})) == "?????"
    assert shown(of(row, CONFIG | {"allow-localhost": "policy"})) == "nnnny"
    flag = f"cnp p {{{S}, enableDefaultDeny: {{ingress: false}}, ingress: [{{}}]}}"
    assert shown(of(flag, CONFIG | {"enable-non-default-deny-policies": "false"})) == "nnynn"
    assert shown(of(f"cnp p {{{S}, ingress: [{{fromEntities: [cluster]}}]}}", api=False)) == "yyyy?"


def test_all_pods_are_isolated_where_the_mode_is_always() -> None:
    engine = of(f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}]}}]}}", CONFIG | {"enable-policy": "always"})
    assert shown(engine) == "nnynn"
    assert verdict(engine, "near").by == (PolicyRef("ConfigMap", "kube-system", "cilium-config"),)


def test_policies_for_nodes_make_their_traffic_uncertain_where_the_host_firewall_may_be_on() -> None:
    row = "ccnp p {nodeSelector: {}, ingress: [{fromEntities: [host]}]}"
    for config, wanted in ((None, "yy??y"), (CONFIG | {"enable-host-firewall": "true"}, "yy??y"), (CONFIG, "yyyyy")):
        assert shown(of(row, config)) == wanted


def test_a_denial_is_named() -> None:
    engine = of(f"cnp p {{{S}, ingress: [{{fromEntities: [all]}}]}}|ccnp q {{{S}, ingressDeny: [{{fromEntities: [world]}}]}}")
    assert verdict(engine, OUTSIDE).by == (PolicyRef("CiliumClusterwideNetworkPolicy", "", "q"),)
    places = {rule.place for policy in engine.policies for rule in policy.rules}
    assert places == {"spec.ingress[0]", "spec.ingressDeny[0]"}


def test_a_doubt_names_its_rule_and_only_where_it_matters() -> None:
    engine = of(
        f"cnp p {{{S}, ingress: [{{fromEndpoints: [{{}}], toPorts: [{{ports: [{{port: '80', protocol: TCP}}], "
        "rules: {http: [{}]}}]}]}"
    )
    [why] = verdict(engine, "near").incomplete
    assert why.startswith("spec.ingress[0] of CiliumNetworkPolicy a/p")
    assert not verdict(engine, "near", port=81).incomplete
    assert not verdict(engine, "guest").incomplete
