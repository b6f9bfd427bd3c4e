# SPDX-License-Identifier: Apache-2.0
"""Cases of component_rights: the roles of a kubeadm cluster (Kubernetes 1.37.2, flannel 0.28), whole and with each right gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubectl_netdoc.api import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DAEMON_SET, DEPLOYMENT, Grant, Unavailable
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, make_cluster, make_service

READS = ["list", "watch"]
Rules = list[dict[str, Any]]
EVENTS = {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]}
SLICES = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READS}
ROLES: dict[str, Rules] = {
    "system:coredns": [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": READS},
        SLICES,
    ],
    "system:node-proxier": [
        {"apiGroups": [""], "resources": ["endpoints", "services"], "verbs": READS},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", *READS]},
        EVENTS,
        {"apiGroups": ["networking.k8s.io"], "resources": ["servicecidrs"], "verbs": READS},
        SLICES,
    ],
    "flannel": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", *READS]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ],
    "system:controller:endpointslice-controller": [
        {"apiGroups": [""], "resources": ["nodes", "pods", "services"], "verbs": ["get", *READS]},
        {"apiGroups": [""], "resources": ["services/finalizers"], "verbs": ["update"]},
        SLICES | {"verbs": ["create", "delete", "get", "list", "update", "watch"]},
        EVENTS,
    ],
}
ACCOUNTS = {
    "system:coredns": "kube-system/coredns",
    "system:node-proxier": "kube-system/kube-proxy",
    "flannel": "kube-flannel/flannel",
    "system:controller:endpointslice-controller": "kube-system/endpointslice-controller",
}
CODES = dict(zip(ACCOUNTS, ("RGT001", "RGT002", "RGT004", "RGT003"), strict=True))


def role(name: str, rules: Rules) -> Built:
    """A ClusterRole."""
    return CLUSTER_ROLE, convert(CLUSTER_ROLE, {"metadata": {"name": name}, "rules": rules})


def bound(name: str, *subjects: dict[str, str]) -> Built:
    """A ClusterRoleBinding of a role."""
    raw = {"metadata": {"name": f"{name}-{len(subjects)}"}, "roleRef": {"kind": "ClusterRole", "name": name}}
    return CLUSTER_ROLE_BINDING, convert(CLUSTER_ROLE_BINDING, raw | {"subjects": list(subjects)})


def account(text: str) -> dict[str, str]:
    """A ServiceAccount, as bindings name it."""
    namespace, name = text.split("/")
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def workload(kind: Any, name: str, namespace: str, image: str, uses: str) -> Built:
    """A workload with an account, as far as it is read."""
    spec = {"serviceAccountName": uses, "containers": [{"name": name, "image": image}], "hostNetwork": True}
    template = {"metadata": {"labels": {"k8s-app": name}}, "spec": spec}
    return kind, convert(
        kind,
        {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": template},
            "status": {"desiredNumberScheduled": 3},
        },
    )


COMPONENTS = (
    make_service("kube-dns", "kube-system", selector={"k8s-app": "coredns"}, ports=[(53, 53)], cluster_ip="10.96.0.10"),
    workload(DEPLOYMENT, "coredns", "kube-system", "registry.k8s.io/coredns/coredns:v1.15.0", "coredns"),
    workload(DAEMON_SET, "kube-proxy", "kube-system", "registry.k8s.io/kube-proxy:v1.37.2", "kube-proxy"),
    workload(DAEMON_SET, "kube-flannel-ds", "kube-flannel", "ghcr.io/flannel-io/flannel:v0.28.10", "flannel"),
)


def cluster(*more: Built, without: str = "", roles: dict[str, Rules] | None = None) -> Cluster:
    """The cluster, some of its roles with other rules, or without the binding of one."""
    rules = ROLES | (roles or {})
    bindings = [bound(name, account(who)) for name, who in ACCOUNTS.items() if name != without]
    return make_cluster(*COMPONENTS, *(role(name, each) for name, each in rules.items()), *bindings, *more)


def each_right_gone() -> Iterator[Case]:
    """Each verb of each resource that a component needs, gone from its role."""
    spared = {"events", "servicecidrs", "endpoints", "services/finalizers"}
    for name, rules in ROLES.items():
        for at, rule in enumerate(rules):
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    rest = [each for each in rule["verbs"] if each != verb]
                    others = [each for each in rule["resources"] if each != resource]
                    less = [rule | {"resources": [resource], "verbs": rest}, rule | {"resources": others}]
                    changed = [*rules[:at], *less, *rules[at + 1 :]]
                    needed = resource not in spared and not (name == "system:coredns" and resource == "pods")
                    needed &= not (verb == "get" and name != "flannel")
                    expect = frozenset({(CODES[name], f"ClusterRole {name}")} if needed else ())
                    found = cluster(roles={name: changed})
                    yield Case(f"{name} may not {verb} {resource}", found, expect)


SLIP = [ROLES["system:coredns"][0], SLICES | {"apiGroups": ["discovery.k8s.i"]}]
ADMIN = role("cluster-admin", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
EVERYBODY = bound("cluster-admin", {"kind": "Group", "name": "system:serviceaccounts:kube-system"})
ONE = [SLICES | {"resourceNames": ["one"]}, ROLES["system:coredns"][0]]
DENIED = {kind: Unavailable("forbidden", Grant("list", kind.plural, kind.group)) for kind in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)}

OF_DNS = frozenset({("RGT001", "ClusterRole system:coredns")})

CASES = [
    Case("as installed", cluster()),
    *each_right_gone(),
    Case(
        "a group of a role one letter off",
        cluster(roles={"system:coredns": SLIP}),
        frozenset({("RGT001", "ClusterRole system:coredns")}),
    ),
    Case("only of one object", cluster(roles={"system:coredns": ONE}), OF_DNS),
    Case("no rules at all", cluster(roles={"flannel": []}), frozenset({("RGT004", "ClusterRole flannel")})),
    Case(
        "a role that is gone",
        make_cluster(*COMPONENTS, role("other", []), bound("flannel", account("kube-flannel/flannel"))),
        frozenset({("RGT004", "ClusterRole flannel")}),
    ),
    Case("not bound by itself: another authorizer may allow it", cluster(without="system:coredns")),
    Case("a group has all", cluster(ADMIN, EVERYBODY, roles={"system:coredns": []})),
    Case("roles can't be read", make_cluster(*COMPONENTS, unavailable=DENIED), state="unknown"),
]
