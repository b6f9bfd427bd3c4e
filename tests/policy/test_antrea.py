# SPDX-License-Identifier: Apache-2.0
"""Antrea's own policies: hand-made cases, worked from its documentation (see policy/antrea.py); Antrea was not run.

A row: the policies, and what becomes of TCP 80 from each of the sources to the server: a pod of its namespace, a pod of another
one, the server's own node, another node, and an address outside. ``?``: not certain.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    ANTREA_CLUSTER_GROUP,
    ANTREA_CLUSTER_POLICY,
    ANTREA_GROUP,
    ANTREA_POLICY,
    ANTREA_TIER,
    CLUSTER_NETWORK_POLICY,
    NETWORK_POLICY,
)
from kubectl_netdoc.testing import Built, make_cluster
from tests.policy.asking import OUTSIDE, letter, verdict
from tests.policy.test_cilium import SOURCES, shown, world

KINDS: dict[str, Kind[Any]] = {
    "acnp": ANTREA_CLUSTER_POLICY,
    "anp": ANTREA_POLICY,
    "tier": ANTREA_TIER,
    "group": ANTREA_GROUP,
    "cgroup": ANTREA_CLUSTER_GROUP,
    "k8s": NETWORK_POLICY,
    "sig": ADMIN_NETWORK_POLICY,
    "cnp": CLUSTER_NETWORK_POLICY,
}


def made(text: str) -> Built:
    """An object: kind, name and spec; those with a namespace are in a."""
    kind, name, rest = text.split(" ", 2)
    what = KINDS[kind]
    metadata = {"name": name} | ({"namespace": "a"} if what.namespaced else {})
    return what, convert(what, {"metadata": metadata, "spec": yaml.safe_load(rest)})


def of(text: str) -> Engine:
    return Engine(make_cluster(*world(), *map(made, filter(None, text.split("|")))))


S = "priority: 5, appliedTo: [{podSelector: {matchLabels: {app: server}}}]"
NEAR = "from: [{podSelector: {matchLabels: {where: near}}}]"
CLIENTS = "from: [{podSelector: {matchLabels: {app: client}}}]"
ROWS: dict[str, tuple[str, str]] = {
    "without rules nothing is denied": (f"anp p {{{S}}}", "yyyyy"),
    "Drop": (f"anp p {{{S}, ingress: [{{action: Drop}}]}}", "nnynn"),
    "Reject": (f"anp p {{{S}, ingress: [{{action: Reject}}]}}", "nnynn"),
    "Drop by label, in the namespace": (f"anp p {{{S}, ingress: [{{action: Drop, {CLIENTS}}}]}}", "nyyyy"),
    "Drop by label, cluster-wide": (f"acnp p {{{S}, ingress: [{{action: Drop, {CLIENTS}}}]}}", "nnyyy"),
    "what is allowed denies nothing else": (f"anp p {{{S}, ingress: [{{action: Allow, {NEAR}}}]}}", "yyyyy"),
    "the first rule decides": (f"acnp p {{{S}, ingress: [{{action: Allow, {NEAR}}}, {{action: Drop}}]}}", "ynynn"),
    "it is for its namespace": (
        "anp p {priority: 5, appliedTo: [{podSelector: {matchLabels: {app: client}}}], ingress: [{action: Drop}]}",
        "yyyyy",
    ),
    "priorities": (
        f"acnp z {{{S.replace('5', '1')}, ingress: [{{action: Allow, {NEAR}}}]}}|acnp a {{{S}, ingress: [{{action: Drop}}]}}",
        "ynynn",
    ),
    "equal priorities": (
        f"acnp z {{{S}, ingress: [{{action: Allow, {NEAR}}}]}}|acnp a {{{S}, ingress: [{{action: Drop}}]}}",
        "?????",
    ),
    "equal priorities for other pods": (
        f"acnp z {{{S}, ingress: [{{action: Drop}}]}}"
        "|acnp a {priority: 5, appliedTo: [{podSelector: {matchLabels: {where: near}}}], ingress: [{action: Allow}]}",
        "nnynn",
    ),
    "tiers before priorities": (
        f"acnp a {{tier: emergency, {S}, ingress: [{{action: Allow, {NEAR}}}]}}"
        f"|acnp z {{tier: platform, {S.replace('5', '1')}, ingress: [{{action: Drop}}]}}",
        "ynynn",
    ),
    "the tier of those without one": (
        f"acnp a {{{S.replace('5', '1')}, ingress: [{{action: Drop}}]}}|acnp z {{tier: platform, {S}, ingress: [{{action: Allow, {NEAR}}}]}}",
        "ynynn",
    ),
    "a tier of one's own": (
        f"tier own {{priority: 20}}|acnp a {{tier: own, {S}, ingress: [{{action: Allow, {NEAR}}}]}}"
        f"|acnp z {{tier: emergency, {S}, ingress: [{{action: Drop}}]}}",
        "ynynn",
    ),
    "a tier that is not known": (f"acnp a {{tier: own, {S}, ingress: [{{action: Drop}}]}}", "?????"),
    "Allow comes before NetworkPolicies": (
        f"k8s d {{podSelector: {{}}}}|anp p {{{S}, ingress: [{{action: Allow, {NEAR}}}]}}",
        "ynynn",
    ),
    "Drop comes before NetworkPolicies": (
        f"k8s d {{podSelector: {{}}, ingress: [{{}}]}}|anp p {{{S}, ingress: [{{action: Drop, {NEAR}}}]}}",
        "nyyyy",
    ),
    "Pass leaves all other tiers": (
        f"acnp a {{tier: emergency, {S}, ingress: [{{action: Pass, {NEAR}}}]}}|acnp z {{{S}, ingress: [{{action: Drop}}]}}",
        "ynynn",
    ),
    "Pass goes to NetworkPolicies": (
        f"k8s d {{podSelector: {{}}}}|acnp a {{{S}, ingress: [{{action: Pass, {NEAR}}}, {{action: Allow, {CLIENTS}}}]}}",
        "nyynn",
    ),
    "Pass goes past AdminNetworkPolicies": (
        f"acnp a {{{S}, ingress: [{{action: Pass, {NEAR}}}]}}"
        "|sig b {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "ynyyy",
    ),
    "AdminNetworkPolicies come after the tiers": (
        f"acnp a {{{S}, ingress: [{{action: Allow, {NEAR}}}]}}"
        "|sig b {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "ynyyy",
    ),
    "ClusterNetworkPolicies come before some tiers": (
        f"acnp a {{{S}, ingress: [{{action: Allow, {NEAR}}}]}}"
        "|cnp b {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "?????",
    ),
    "ClusterNetworkPolicies come after others": (
        f"acnp a {{tier: platform, {S}, ingress: [{{action: Allow, {NEAR}}}]}}"
        "|cnp b {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "ynyyy",
    ),
    "the tier baseline": (f"acnp p {{tier: baseline, {S}, ingress: [{{action: Drop}}]}}", "nnynn"),
    "the tier baseline comes after NetworkPolicies": (
        f"k8s d {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}|acnp p {{tier: baseline, {S}, ingress: [{{action: Drop}}]}}",
        "ynynn",
    ),
    "appliedTo of rules": (
        "acnp p {priority: 5, ingress: [{action: Drop, appliedTo: [{podSelector: {matchLabels: {app: server}}}], "
        + NEAR
        + "}, {action: Drop, appliedTo: [{podSelector: {matchLabels: {app: client}}}]}]}",
        "nyyyy",
    ),
    "appliedTo twice": (f"acnp p {{{S}, ingress: [{{action: Drop, appliedTo: [{{podSelector: {{}}}}]}}]}}", "?????"),
    "appliedTo a namespace": (
        "acnp p {priority: 5, appliedTo: [{namespaceSelector: {matchLabels: {team: red}}}], ingress: [{action: Drop}]}",
        "nnynn",
    ),
    "appliedTo a service account": (
        "acnp p {priority: 5, appliedTo: [{serviceAccount: {name: of-server, namespace: a}}], ingress: [{action: Drop}]}",
        "nnynn",
    ),
    "appliedTo a group": (
        "cgroup g {podSelector: {matchLabels: {app: server}}}|acnp p {priority: 5, appliedTo: [{group: g}], ingress: [{action: Drop}]}",
        "nnynn",
    ),
    "appliedTo a group of the namespace": (
        "group g {podSelector: {matchLabels: {app: server}}}|anp p {priority: 5, appliedTo: [{group: g}], ingress: [{action: Drop}]}",
        "nnynn",
    ),
    "a group that is not there": ("acnp p {priority: 5, appliedTo: [{group: g}], ingress: [{action: Drop}]}", "?????"),
    "appliedTo nodes": ("acnp p {priority: 5, appliedTo: [{nodeSelector: {}}], ingress: [{action: Drop}]}", "yy??y"),
    "appliedTo Services": (
        "acnp p {priority: 5, appliedTo: [{service: {name: a, namespace: a}}], ingress: [{action: Drop}]}",
        "?????",
    ),
    "from a namespace": (
        f"acnp p {{{S}, ingress: [{{action: Drop, from: [{{namespaceSelector: {{matchLabels: {{team: blue}}}}}}]}}]}}",
        "ynyyy",
    ),
    "from the same namespace": (
        f"acnp p {{{S}, ingress: [{{action: Allow, from: [{{namespaces: {{match: Self}}}}]}}, {{action: Drop}}]}}",
        "ynynn",
    ),
    "from namespaces with the same labels": (
        f"acnp p {{{S}, ingress: [{{action: Allow, from: [{{namespaces: {{sameLabels: [team]}}}}]}}, {{action: Drop}}]}}",
        "ynynn",
    ),
    "from namespaces with a label that is not there": (
        f"acnp p {{{S}, ingress: [{{action: Drop, from: [{{namespaces: {{sameLabels: [none]}}}}]}}]}}",
        "yyyyy",
    ),
    "from a range: pods by their addresses": (
        f"acnp p {{{S}, ingress: [{{action: Drop, from: [{{ipBlock: {{cidr: 10.0.0.0/16}}}}]}}]}}",
        "nnyyy",
    ),
    "from a range with an exception": (
        f"acnp p {{{S}, ingress: [{{action: Drop, from: [{{ipBlock: {{cidr: 10.0.0.0/8, except: [10.0.1.0/24]}}}}]}}]}}",
        "nyyyy",
    ),
    "from a service account": (
        f"acnp p {{{S}, ingress: [{{action: Drop, from: [{{serviceAccount: {{name: of-guest, namespace: b}}}}]}}]}}",
        "ynyyy",
    ),
    "from nodes": (f"acnp p {{{S}, ingress: [{{action: Drop, from: [{{nodeSelector: {{}}}}]}}]}}", "yyyny"),
    "from a group of ranges": (
        f"cgroup g {{ipBlocks: [{{cidr: 192.0.2.0/24}}]}}|acnp p {{{S}, ingress: [{{action: Drop, from: [{{group: g}}]}}]}}",
        "yyyyn",
    ),
    "from a group of groups": (
        "cgroup g {ipBlocks: [{cidr: 192.0.2.0/24}]}|cgroup h {podSelector: {matchLabels: {where: near}}}"
        f"|cgroup i {{childGroups: [g, h]}}|acnp p {{{S}, ingress: [{{action: Drop, from: [{{group: i}}]}}]}}",
        "nyyyn",
    ),
    "from a group of Services": (
        f"cgroup g {{serviceReference: {{name: a}}}}|acnp p {{{S}, ingress: [{{action: Drop, from: [{{group: g}}]}}]}}",
        "?????",
    ),
    "a group in itself": (
        f"cgroup g {{childGroups: [g]}}|acnp p {{{S}, ingress: [{{action: Drop, from: [{{group: g}}]}}]}}",
        "?????",
    ),
    "a port": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{port: 80}}]}}]}}", "nnynn"),
    "another port": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{port: 81}}]}}]}}", "yyyyy"),
    "a range of ports": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{port: 79, endPort: 80}}]}}]}}", "nnynn"),
    "a port by name": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{port: web}}]}}]}}", "nnynn"),
    "a port of another protocol": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{port: 80, protocol: UDP}}]}}]}}", "yyyyy"),
    "all ports of a protocol": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{protocol: TCP}}]}}]}}", "nnynn"),
    "ports of the source": (f"acnp p {{{S}, ingress: [{{action: Drop, ports: [{{protocol: TCP, sourcePort: 5}}]}}]}}", "??y??"),
    "ICMP": (f"acnp p {{{S}, ingress: [{{action: Drop, protocols: [{{icmp: {{}}}}]}}]}}", "yyyyy"),
    "layer 7": (
        f"anp p {{{S}, ingress: [{{action: Allow, {NEAR}, l7Protocols: [{{http: {{}}}}]}}, {{action: Drop}}]}}",
        "?nynn",
    ),
    "Pass in doubt": (
        f"anp p {{{S}, ingress: [{{action: Pass, ports: [{{sourcePort: 5}}]}}, {{action: Drop}}]}}",
        "?????",
    ),
    "an action that is not known": (f"anp p {{{S}, ingress: [{{action: Log}}]}}", "?????"),
    "a field that is not known": (f"anp p {{{S}, ingress: [{{action: Drop, moon: 1}}]}}", "?????"),
    "names and logs say nothing": (
        f"anp p {{{S}, ingress: [{{action: Drop, name: x, enableLogging: true, logLabel: y}}]}}",
        "nnynn",
    ),
}


@pytest.mark.parametrize("name", list(ROWS))
def test_row(name: str) -> None:
    policies, wanted = ROWS[name]
    assert shown(of(policies)) == wanted


CLIENT = "priority: 5, appliedTo: [{podSelector: {matchLabels: {where: near}}}]"
EGRESS: dict[str, tuple[str, str]] = {
    "Drop to pods": (f"acnp p {{{CLIENT}, egress: [{{action: Drop, to: [{{podSelector: {{}}}}]}}]}}", "nnyyy"),
    "Drop to a range": (f"acnp p {{{CLIENT}, egress: [{{action: Drop, to: [{{ipBlock: {{cidr: 192.0.2.0/24}}}}]}}]}}", "yyyyn"),
    "Drop to a domain name": (f"acnp p {{{CLIENT}, egress: [{{action: Drop, to: [{{fqdn: a.example}}]}}]}}", "?????"),
    "Drop to Services": (f"acnp p {{{CLIENT}, egress: [{{action: Drop, toServices: [{{name: a, namespace: a}}]}}]}}", "?????"),
}


@pytest.mark.parametrize("name", list(EGRESS))
def test_egress(name: str) -> None:
    policies, wanted = EGRESS[name]
    engine = of(policies)
    found = "".join(letter(verdict(engine, "near", to)) for to in ("server", *SOURCES[1:]))
    assert found == wanted


def test_a_denial_is_named() -> None:
    engine = of(f"acnp p {{{S}, ingress: [{{action: Allow, {NEAR}}}, {{action: Drop}}]}}")
    assert verdict(engine, OUTSIDE).by == (PolicyRef("AntreaClusterNetworkPolicy", "", "p"),)
    assert [rule.place for policy in engine.policies for rule in policy.rules] == ["spec.ingress[0]", "spec.ingress[1]"]
    assert verdict(engine, "near").ingress.by == (PolicyRef("AntreaClusterNetworkPolicy", "", "p"),)
