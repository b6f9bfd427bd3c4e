# SPDX-License-Identifier: Apache-2.0
"""May the network's own components read and write what they need?

## What it looks at
The ClusterRoles that are bound to the accounts of CoreDNS, kube-proxy, flannel and the EndpointSlice controller, against the
rights without which each does not work.

## Why it matters
A component that lost a right works on with what it knows until its next start or its next watch, minutes later. Then it answers
nothing, or from an old picture, and its log alone says why: "forbidden".

## What it can't see
Rights from other authorizers than RBAC: an account that no ClusterRoleBinding names is left alone. Rights that are needed only
for a feature that is set. Other networks' agents: what they need depends on their version and settings.

## Sources
The components' published manifests: kubeadm's (cmd/kubeadm/app/phases/addons), flannel's kube-flannel.yml, and Kubernetes'
bootstrap policy (plugin/pkg/auth/authorizer/rbac/bootstrappolicy); of these what their informers and writers ask for.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    DAEMON_SET,
    DEPLOYMENT,
    NETWORK_KINDS,
    NODE,
    POD,
    RBAC_KINDS,
    SERVICE,
    Check,
    Cluster,
    ClusterRole,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    ObjectRef,
    PolicyRule,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
    Workload,
    some,
)
from kubectl_netdoc.components import cluster_dns, kube_proxy

SHOWN = 4
"""Rights that a sentence names at most."""

READS = ("list", "watch")

Rights = tuple[tuple[str, str, tuple[str, ...]], ...]
"""API group, resource and verbs."""

CONTROLLER = ("kube-system", "endpointslice-controller")
"""The account of the EndpointSlice controller in kube-controller-manager."""


def _code(number: int, title: str, consequence: str, explains: tuple[Explains, ...]) -> Code:
    return Code(
        id=f"RGT00{number}",
        severity=Severity.FAIL,
        risk=Risk.SAFE,
        title=title,
        message="ServiceAccount {account} of {component} may not {missing}: {role}. " + consequence,
        fix="Give the role that right, as the last command does. Where Helm, an operator or a repository keeps {name}, mend it "
        "there, or it is lost again.",
        commands=(
            "kubectl auth can-i {verb} {resource} --as {user}",
            "kubectl get clusterrole {name} -o yaml",
            "kubectl patch clusterrole {name} --type json -p {patch}",
        ),
        explains=explains,
    )


DNS = _code(
    1,
    "Cluster DNS may not read what it answers from",
    "From its next start or watch on it answers nothing of that kind, or does not become ready",
    (
        Explains(("DNC002", "DNC008", "DNC010", "DNL001", "DNL002", "DNL003", "DNL006", "DNR001", "DNR005", "DSE002"), "cluster"),
        Explains(("DNR002", "DNR003", "DNR004", "DSV001", "EXN001"), "cluster"),
    ),
)
PROXY = _code(
    2,
    "kube-proxy may not read what it writes its rules from",
    "From its next start or watch on it does not learn of Services or their endpoints",
    (
        Explains(("KPP001", "KPP003", "KPP006", "KPX001", "KPX002", "KPX003"), "cluster"),
        Explains(("SVR001", "SVR002", "SVR006", "SVR009", "SRL001", "SRL002", "SRL003", "SRL006", "NPT001"), "cluster"),
    ),
)
ENDPOINTS = _code(
    3,
    "The EndpointSlice controller lacks a right",
    "Services get no new endpoints, and keep those of pods that are gone",
    (Explains(("SVR009", "SVR008", "SVC007", "EPS010", "SVR002"), "cluster"),),
)
AGENT = _code(
    4,
    "The pod network's agent lacks a right",
    "At its next start it fails, and nodes that join get no network",
    (Explains(("CNI002", "CNI003", "CNI004", "CNI001", "NOD002", "NOD005", "NLK004"), "cluster"),),
)

DNS_RIGHTS: Rights = (("", "services", READS), ("", "namespaces", READS), ("discovery.k8s.io", "endpointslices", READS))
PROXY_RIGHTS: Rights = (("", "services", READS), ("", "nodes", READS), ("discovery.k8s.io", "endpointslices", READS))
ENDPOINT_RIGHTS: Rights = (
    *(("", resource, READS) for resource in ("services", "pods", "nodes")),
    ("discovery.k8s.io", "endpointslices", (*READS, "create", "update", "delete")),
)
FLANNEL_RIGHTS: Rights = (("", "pods", ("get",)), ("", "nodes", ("get", *READS)), ("", "nodes/status", ("patch",)))


class _Component(Struct, frozen=True):
    """Who needs which rights, with which account."""

    name: str
    account: tuple[str, str]
    rights: Rights
    code: Code
    objects: tuple[ObjectRef, ...] = ()


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report each component whose account lacks a right."""
    cluster = facts.cluster
    if not all(map(cluster.readable, RBAC_KINDS)):
        known = all(kind.name in cluster.index.listings for kind in RBAC_KINDS)  # bundles from before this check have none
        if known and any(map(cluster.unreadable, RBAC_KINDS)):
            yield Unseen("the rights of the network's components", "ClusterRoles and their bindings can't be read", expected=True)
            return
        raise Skip("there are no ClusterRoles to look at", not_applicable=True)
    roles = {role.name: role for role in cluster.all(CLUSTER_ROLE)}
    for component in _components(cluster):
        bound = _bound(cluster, component.account)
        own = [name for name, directly in bound.items() if directly]
        allowed = [rule for name in bound if name in roles for rule in roles[name].rules]
        lacking = [
            (group, resource, missing)
            for group, resource, verbs in component.rights
            if (missing := tuple(v for v in verbs if not any(rule.allows(v, group, resource) for rule in allowed)))
        ]
        if own and lacking and roles:
            yield _finding(component, _main(own, roles, component), lacking, roles)


def _components(cluster: Cluster) -> Iterator[_Component]:
    dns = cluster_dns.service(cluster) if cluster.readable(SERVICE) else None
    found = cluster_dns.workload(cluster, dns) if dns else None
    if dns and found and any("coredns" in container.image for container in found[1].template.spec.containers):
        kind, item = found
        yield _Component("CoreDNS", _account(item), DNS_RIGHTS, DNS, (ObjectRef.to(kind.name, item),))
    for item in cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ():
        if any(map(kube_proxy.has_image, item.template.spec.containers)):
            yield _Component("kube-proxy", _account(item), PROXY_RIGHTS, PROXY, (ObjectRef.to(DAEMON_SET.name, item),))
    yield _Component("the EndpointSlice controller", CONTROLLER, ENDPOINT_RIGHTS, ENDPOINTS)
    for network in cni.recognise(cluster) if cluster.readable(DAEMON_SET) else ():
        for item in network.agents if network.network.name == "Flannel" else ():
            yield _Component(network.name, _account(item), FLANNEL_RIGHTS, AGENT, (ObjectRef.to(DAEMON_SET.name, item),))


def _account(item: Workload) -> tuple[str, str]:
    return item.namespace, item.template.spec.service_account_name or "default"


def _bound(cluster: Cluster, account: tuple[str, str]) -> dict[str, bool]:
    """Return the ClusterRoles of an account, and whether a binding names itself rather than a group that it is in."""
    namespace, name = account
    groups = {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    found: dict[str, bool] = {}
    for binding in cluster.all(CLUSTER_ROLE_BINDING):
        for who in binding.subjects if binding.role_ref.kind == CLUSTER_ROLE.name else ():
            direct = (who.kind, who.namespace, who.name) == ("ServiceAccount", namespace, name)
            direct |= (who.kind, who.name) == ("User", f"system:serviceaccount:{namespace}:{name}")
            if direct or (who.kind == "Group" and who.name in groups):
                found[binding.role_ref.name] = found.get(binding.role_ref.name, False) or direct
    return found


def _main(own: list[str], roles: dict[str, ClusterRole], component: _Component) -> str:
    """Return the role that gives an account most of its rights."""

    def given(name: str) -> int:
        rules = roles[name].rules if name in roles else ()
        return sum(rule.allows(verb, group, each) for group, each, verbs in component.rights for verb in verbs for rule in rules)

    return max(sorted(own), key=given)


def _finding(
    component: _Component, role: str, lacking: list[tuple[str, str, tuple[str, ...]]], roles: dict[str, ClusterRole]
) -> Finding:
    named = [f"{resource}.{group}" if group else resource for group, resource, _ in lacking]
    told = [f"{' and '.join(verbs)} {name}" for name, (*_, verbs) in zip(named, lacking, strict=True)]
    rules = [PolicyRule(verbs=verbs, api_groups=(group,), resources=(resource,)) for group, resource, verbs in lacking]
    known = roles.get(role)
    one = {"op": "add", "path": "/rules", "value": rules}
    changes = [{"op": "add", "path": "/rules/-", "value": rule} for rule in rules] if known and known.rules else [one]
    numbers = {
        "account": "/".join(component.account),
        "component": component.name,
        "missing": some(told, SHOWN),
        "role": f"ClusterRole {role}, {'from which it has its rights, lacks that' if known else 'which it has, does not exist'}",
        "verb": lacking[0][2][0],
        "resource": named[0],
        "user": f"system:serviceaccount:{':'.join(component.account)}",
        "patch": msgspec.json.encode(changes).decode(),
    }
    commands = component.code.commands if known else ("kubectl get clusterrolebindings -o wide", *component.code.commands[:1])
    return component.code.on(Subject(CLUSTER_ROLE.name, role), numbers, commands=commands, objects=component.objects)


check = Check(
    id="component_rights",
    title="The network's own components have the rights that they need",
    prefix="RGT",
    needs=Needs(kinds=(SERVICE,), optional=RBAC_KINDS, hints=(NODE, POD, DEPLOYMENT, DAEMON_SET, *NETWORK_KINDS)),
    codes=(DNS, PROXY, ENDPOINTS, AGENT),
    analyse=analyse,
)
