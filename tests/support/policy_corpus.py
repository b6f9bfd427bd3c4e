# SPDX-License-Identifier: Apache-2.0
"""Policies that API servers take and policies that they refuse, one trait each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct

CLUSTER = "policy.networking.k8s.io/v1beta1 ClusterNetworkPolicy"
CLUSTER_BEFORE = "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy"
ADMIN = "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy"
BASELINE = "policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy"
NAMESPACED = "networking.k8s.io/v1 NetworkPolicy"


class Sample(Struct, frozen=True):
    """A policy: its kind, its spec in YAML, and whether servers take it."""

    kind: str
    spec: str
    taken: bool

    def __str__(self) -> str:
        return f"{self.kind.split()[1]} {'takes' if self.taken else 'refuses'} {self.spec}"

    @property
    def document(self) -> dict[str, Any]:
        """The object."""
        api, kind = self.kind.split()
        meta = {"name": "default"} | ({"namespace": "default"} if self.kind == NAMESPACED else {})
        return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": yaml.safe_load(self.spec)}


def samples() -> Iterator[Sample]:
    """Yield the corpus."""
    for kind in (CLUSTER, CLUSTER_BEFORE):
        yield from _cluster(kind)
    yield from _old(ADMIN, "priority: 1, ")
    yield from _old(BASELINE, "")
    yield from _namespaced()


def _cluster(kind: str) -> Iterator[Sample]:
    head = "tier: Admin, priority: 1, subject: {namespaces: {}}"

    def ingress(rule: str, taken: bool, number: int = 1) -> Sample:
        return Sample(kind, f"{{{head}, ingress: [{', '.join([rule] * number)}]}}", taken)

    def egress(rule: str, taken: bool) -> Sample:
        return Sample(kind, f"{{{head}, egress: [{rule}]}}", taken)

    yield Sample(kind, f"{{{head}}}", True)
    yield Sample(kind, "{tier: Other, priority: 1, subject: {namespaces: {}}}", False)
    yield Sample(kind, "{priority: 1, subject: {namespaces: {}}}", False)
    yield Sample(kind, "{tier: Admin, priority: 1001, subject: {namespaces: {}}}", False)
    yield Sample(kind, "{tier: Admin, priority: 1}", False)
    yield Sample(kind, "{tier: Admin, priority: 1, subject: {}}", False)
    yield Sample(kind, "{tier: Admin, priority: 1, subject: {pods: {namespaceSelector: {}}}}", False)
    yield Sample(kind, "{tier: Admin, priority: 1, subject: {pods: {podSelector: {}}}}", True)
    yield Sample(kind, "{tier: Admin, priority: 1, subject: {namespaces: {}, pods: {podSelector: {}}}}", False)
    all_of_them = "from: [{namespaces: {}}]"
    yield ingress(f"{{action: Deny, {all_of_them}}}", True, 25)
    yield ingress(f"{{action: Deny, {all_of_them}}}", False, 26)
    yield ingress(f"{{action: Allow, {all_of_them}}}", False)
    yield ingress(f"{{{all_of_them}}}", False)
    yield ingress("{action: Deny}", False)
    yield ingress("{action: Deny, from: []}", False)
    yield ingress("{action: Deny, from: [{}]}", False)
    yield ingress("{action: Deny, from: [{networks: [10.0.0.0/8]}]}", False)
    yield ingress(f"{{name: {'n' * 101}, action: Deny, {all_of_them}}}", False)
    for protocols, taken in (
        ("[]", False),
        ("[{}]", False),
        ("[{tcp: {}}]", False),
        ("[{tcp: {destinationPort: {}}}]", False),
        ("[{tcp: {destinationPort: {number: 80}}}]", True),
        ("[{tcp: {destinationPort: {number: 0}}}]", False),
        ("[{tcp: {destinationPort: {number: 65536}}}]", False),
        ("[{tcp: {destinationPort: {number: 80, range: {start: 1, end: 2}}}}]", False),
        ("[{tcp: {destinationPort: {range: {start: 1, end: 2}}}}]", True),
        ("[{tcp: {destinationPort: {range: {start: 2, end: 2}}}}]", False),
        ("[{tcp: {destinationPort: {range: {start: 2}}}}]", False),
        ("[{tcp: {destinationPort: {number: 80}}, udp: {destinationPort: {number: 80}}}]", False),
        ("[{sctp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {number: 80}}}]", True),
        ("{tcp: {destinationPort: {number: 80}}}", False),
        ("[{destinationNamedPort: web}]", True),
    ):
        yield ingress(f"{{action: Accept, {all_of_them}, protocols: {protocols}}}", taken)
    for peers, taken in (
        ("[{networks: [10.0.0.0/8, '2001:db8::/32']}]", True),
        ("[{networks: [10.0.0.1/8]}]", False),
        ("[{networks: [10.0.0.0]}]", False),
        ("[{networks: [010.0.0.0/8]}]", False),
        ("[{networks: []}]", False),
        ("[{networks: [10.0.0.0/8, 10.0.0.0/8]}]", False),
        ("[{nodes: {}}]", True),
        ("[{domainNames: [a.example.org]}]", True),
        ("[{domainNames: ['*.example.org']}]", True),
        ("[{domainNames: [localhost]}]", False),
        ("[{networks: [10.0.0.0/8], namespaces: {}}]", False),
    ):
        yield egress(f"{{action: Deny, to: {peers}}}", taken)
    yield egress("{action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: x}]}", True)
    yield egress("{action: Deny, to: [{nodes: {}}], protocols: [{destinationNamedPort: x}]}", False)


def _old(kind: str, head: str) -> Iterator[Sample]:
    def rule(written: str, taken: bool) -> Sample:
        return Sample(kind, f"{{{head}subject: {{namespaces: {{}}}}, egress: [{written}]}}", taken)

    yield rule("{action: Allow, to: [{namespaces: {}}]}", True)
    yield rule("{action: Accept, to: [{namespaces: {}}]}", False)
    yield rule("{action: Pass, to: [{namespaces: {}}]}", kind == ADMIN)
    yield rule("{action: Deny, to: []}", False)
    yield rule("{action: Deny, to: [{}]}", False)
    yield rule("{action: Deny, to: [{pods: {podSelector: {}}}]}", False)
    yield rule("{action: Deny, to: [{networks: [10.0.0.1/8]}]}", True)
    yield rule("{action: Deny, to: [{networks: [10.0.0.1]}]}", False)
    for ports, taken in (
        ("[]", False),
        ("[{}]", False),
        ("[{portNumber: {port: 80, protocol: TCP}}]", True),
        ("[{portNumber: {port: 80}}]", True),
        ("[{portNumber: {port: 0}}]", False),
        ("[{portRange: {start: 80, end: 90}}]", True),
        ("[{portRange: {start: 80}}]", False),
        ("[{namedPort: a, portNumber: {port: 80}}]", False),
    ):
        yield rule(f"{{action: Deny, to: [{{namespaces: {{}}}}], ports: {ports}}}", taken)
    yield rule("{action: Deny, to: [{nodes: {}}], ports: [{namedPort: x}]}", False)


def _namespaced() -> Iterator[Sample]:
    def ingress(rule: str, taken: bool) -> Sample:
        return Sample(NAMESPACED, f"{{podSelector: {{}}, ingress: [{rule}]}}", taken)

    yield Sample(NAMESPACED, "{podSelector: {}}", True)
    yield Sample(NAMESPACED, "{podSelector: {}, policyTypes: [Ingress, Egress]}", True)
    yield Sample(NAMESPACED, "{podSelector: {}, policyTypes: [ingress]}", False)
    yield Sample(NAMESPACED, "{podSelector: {}, policyTypes: [Ingress, Egress, Ingress]}", False)
    for requirement, taken in (
        ("{key: a, operator: In, values: [b]}", True),
        ("{key: a, operator: In}", False),
        ("{key: a, operator: NotIn, values: []}", False),
        ("{key: a, operator: Exists}", True),
        ("{key: a, operator: Exists, values: [b]}", False),
        ("{key: a, operator: Is}", False),
    ):
        yield Sample(NAMESPACED, f"{{podSelector: {{matchExpressions: [{requirement}]}}}}", taken)
    yield ingress("{}", True)
    yield ingress("{from: []}", True)
    for peer, taken in (
        ("{}", False),
        ("{podSelector: {}}", True),
        ("{podSelector: {}, namespaceSelector: {}}", True),
        ("{ipBlock: {cidr: 10.0.0.0/8}}", True),
        ("{ipBlock: {}}", False),
        ("{ipBlock: {cidr: 10.0.0.0}}", False),
        ("{ipBlock: {cidr: x}}", False),
        ("{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}", False),
        ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}", True),
        ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}", False),
        ("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}", False),
        ("{ipBlock: {cidr: 10.0.0.0/8, except: ['2001:db8::/32']}}", False),
    ):
        yield ingress(f"{{from: [{peer}]}}", taken)
    for port, taken in (
        ("{}", True),
        ("{port: 80}", True),
        ("{port: 0}", False),
        ("{port: 65536}", False),
        ("{port: web}", True),
        ("{port: WEB}", False),
        ("{port: a-name-that-is-too-long}", False),
        ("{port: '80'}", False),
        ("{protocol: ICMP}", False),
        ("{protocol: SCTP, port: 80}", True),
        ("{port: 80, endPort: 90}", True),
        ("{port: 80, endPort: 80}", True),
        ("{port: 80, endPort: 79}", False),
        ("{port: web, endPort: 79}", False),
        ("{endPort: 79}", False),
    ):
        yield ingress(f"{{ports: [{port}]}}", taken)
