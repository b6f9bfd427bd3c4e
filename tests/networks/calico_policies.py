# SPDX-License-Identifier: Apache-2.0
"""Policies of Calico's own kinds to try on Felix: by hand, and generated. All are limited to the two namespaces of ``observe``."""

from __future__ import annotations

import random
from typing import Any

import yaml

from tests.networks.observe import CLOSED, OPEN, OTHER

GROUP = "crd.projectcalico.org/v1"
HERE = "namespaceSelector: has(team)"
S = "selector: app == 'server'"
N = "source: {selector: has(where) && where == 'near'}"
ROWS: dict[str, tuple[str, ...]] = {
    "deny by default in a namespace": (f"np p {{{S}}}",),
    "deny by default, global": (f"gnp p {{{HERE}}}",),
    "allow by selector": (f"np p {{{S}, ingress: [{{action: Allow, {N}}}]}}",),
    "allow by selector in the namespace alone": (
        f"np p {{{S}, ingress: [{{action: Allow, source: {{selector: app == 'client'}}}}]}}",
    ),
    "allow by selector everywhere": (
        f"gnp p {{{HERE}, {S}, ingress: [{{action: Allow, source: {{selector: app == 'client'}}}}]}}",
    ),
    "namespaceSelector": (f"np p {{{S}, ingress: [{{action: Allow, source: {{namespaceSelector: team == 'b'}}}}]}}",),
    "namespaceSelector all()": (f"np p {{{S}, ingress: [{{action: Allow, source: {{namespaceSelector: all()}}}}]}}",),
    "namespaceSelector global()": (f"np p {{{S}, ingress: [{{action: Allow, source: {{namespaceSelector: global()}}}}]}}",),
    "namespace by name": (
        f"np p {{{S}, ingress: [{{action: Allow, source: {{namespaceSelector: projectcalico.org/name == 'pol-b'}}}}]}}",
    ),
    "the namespace's labels on pods": (
        f"gnp p {{{HERE}, {S}, ingress: [{{action: Allow, source: {{selector: pcns.team == 'b'}}}}]}}",
    ),
    "the namespace as a label": (
        f"gnp p {{{HERE}, {S}, ingress: [{{action: Allow, source: {{selector: projectcalico.org/namespace == 'pol-a'}}}}]}}",
    ),
    "notSelector": (f"gnp p {{{HERE}, {S}, ingress: [{{action: Allow, source: {{notSelector: has(where)}}}}]}}",),
    "notSelector in a namespace": (f"np p {{{S}, ingress: [{{action: Allow, source: {{notSelector: where == 'near'}}}}]}}",),
    "in, not in": (
        f"np p {{{S}, ingress: [{{action: Allow, source: {{selector: \"where in {{'near', 'x'}} && app not in {{'server'}}\"}}}}]}}",
    ),
    "starts with": (f"np p {{{S}, ingress: [{{action: Allow, source: {{selector: where starts with 'fa'}}}}]}}",),
    "contains": (f"np p {{{S}, ingress: [{{action: Allow, source: {{selector: where contains 'ea'}}}}]}}",),
    "!= without the label": (
        f"gnp p {{{HERE}, {S}, ingress: [{{action: Allow, source: {{selector: where != 'near', namespaceSelector: has(team)}}}}]}}",
    ),
    "or": (f"np p {{{S}, ingress: [{{action: Allow, source: {{selector: where == 'near' || where == 'far'}}}}]}}",),
    "port": (f"np p {{{S}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: [{OPEN}]}}}}]}}",),
    "range": (f"np p {{{S}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: ['{OPEN}:{OTHER}']}}}}]}}",),
    "notPorts": (f"np p {{{S}, ingress: [{{action: Allow, protocol: TCP, destination: {{notPorts: [{OPEN}]}}}}]}}",),
    "named port": (f"np p {{{S}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: [web]}}}}]}}",),
    "UDP alone": (f"np p {{{S}, ingress: [{{action: Allow, protocol: UDP}}]}}",),
    "not TCP": (f"np p {{{S}, ingress: [{{action: Allow, notProtocol: TCP}}]}}",),
    "protocol by number": (f"np p {{{S}, ingress: [{{action: Allow, protocol: 6}}]}}",),
    "the first rule decides": (f"np p {{{S}, ingress: [{{action: Deny, {N}}}, {{action: Allow}}]}}",),
    "Log goes on": (f"np p {{{S}, ingress: [{{action: Log}}, {{action: Allow, {N}}}]}}",),
    "orders": (
        f"np z {{order: 1, {S}, ingress: [{{action: Deny, {N}}}]}}",
        f"np a {{order: 2, {S}, ingress: [{{action: Allow}}]}}",
    ),
    "without an order last": (
        f"np a {{{S}, ingress: [{{action: Deny}}]}}",
        f"np z {{order: 2, {S}, ingress: [{{action: Allow, {N}}}]}}",
    ),
    "an Allow before NetworkPolicies": (
        "k8s d {podSelector: {}}",
        f"gnp p {{order: 1, {HERE}, {S}, ingress: [{{action: Allow, {N}}}]}}",
    ),
    "a Deny before NetworkPolicies": (
        "k8s d {podSelector: {}, ingress: [{}]}",
        f"gnp p {{order: 1, {HERE}, {S}, ingress: [{{action: Deny, {N}}}]}}",
    ),
    "an Allow behind NetworkPolicies": (
        "k8s d {podSelector: {}}",
        f"gnp p {{order: 2000, {HERE}, {S}, ingress: [{{action: Allow, {N}}}]}}",
    ),
    "a Deny behind NetworkPolicies": (
        "k8s d {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}",
        f"gnp p {{order: 2000, {HERE}, {S}, ingress: [{{action: Deny}}]}}",
    ),
    "Pass in the default tier": (f"np p {{{S}, ingress: [{{action: Pass, {N}}}]}}",),
    "a tier before, passing on": (
        "tier first {order: 10}",
        f"gnp p {{tier: first, {HERE}, {S}, ingress: [{{action: Pass, {N}}}]}}",
        "k8s d {podSelector: {}, ingress: [{}]}",
    ),
    "a tier that passes by default": (
        "tier first {order: 10, defaultAction: Pass}",
        f"gnp p {{tier: first, {HERE}, {S}, ingress: [{{action: Deny, {N}}}]}}",
    ),
    "a tier before that allows": (
        "tier first {order: 10}",
        f"gnp p {{tier: first, {HERE}, {S}, ingress: [{{action: Allow}}]}}",
        "k8s d {podSelector: {}}",
    ),
    "a tier behind": (
        "tier last {order: 2000000}",
        f"gnp p {{tier: last, {HERE}, {S}}}",
        "k8s d {podSelector: {}, ingress: [{}]}",
    ),
    "a tier behind, alone": (
        "tier last {order: 2000000}",
        f"gnp p {{tier: last, {HERE}, {S}, ingress: [{{action: Allow, {N}}}]}}",
    ),
    "the own end": (f"gnp p {{{HERE}, ingress: [{{action: Allow, destination: {{selector: app == 'client'}}}}]}}",),
    "a set": (
        "gset s {nets: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}|{kind: all}",
        f"gnp p {{{HERE}, {S}, ingress: [{{action: Allow, source: {{selector: kind == 'all'}}}}]}}",
    ),
    "egress denied": ("gnp p {namespaceSelector: has(team), selector: app == 'client', types: [Egress]}",),
    "egress by selector and port": (
        "gnp p {namespaceSelector: has(team), selector: app == 'client', egress: [{action: Allow, protocol: TCP, destination: "
        f"{{selector: app == 'server', ports: [{OTHER}]}}}}]}}",
    ),
    "egress by the own end": ("gnp p {namespaceSelector: has(team), egress: [{action: Allow, source: {selector: has(where)}}]}",),
}
"""Kind, name and spec of each object (and labels after a ``|``)."""

KINDS = {
    "np": (GROUP, "NetworkPolicy", True),
    "gnp": (GROUP, "GlobalNetworkPolicy", False),
    "tier": (GROUP, "Tier", False),
    "gset": (GROUP, "GlobalNetworkSet", False),
    "k8s": ("networking.k8s.io/v1", "NetworkPolicy", True),
}
PLURALS = (
    "networkpolicies.crd.projectcalico.org",
    "globalnetworkpolicies.crd.projectcalico.org",
    "globalnetworksets.crd.projectcalico.org",
)


def manifest(text: str) -> dict[str, Any]:
    """An object as kubectl takes it."""
    kind, name, rest = text.split(" ", 2)
    version, what, namespaced = KINDS[kind]
    spec, _, labels = rest.partition("|{kind")
    metadata = {"name": name, "labels": yaml.safe_load(labels and "{kind" + labels) or {}} | (
        {"namespace": "pol-a"} if namespaced else {}
    )
    return {"apiVersion": version, "kind": what, "metadata": metadata, "spec": yaml.safe_load(spec)}


TERMS = ("all()", "app == 'client'", "app != 'client'", "has(where)", "!has(where)", "where == 'near'", "where in {'far', 'x'}")
SPACES = ("team == 'a'", "team != 'a'", "has(team)")


def generated(seed: int) -> list[dict[str, Any]]:
    """One to three policies for the server, and one for clients now and then."""
    dice = random.Random(seed)

    def selector() -> str:
        one = dice.choice(TERMS)
        return one if dice.random() < 0.6 else f"{one} {dice.choice(('&&', '||'))} {dice.choice(TERMS)}"

    def rule() -> dict[str, Any]:
        source: dict[str, Any] = {}
        if dice.random() < 0.6:
            source["selector"] = selector()
        if dice.random() < 0.25:
            source["notSelector"] = selector()
        if dice.random() < 0.3:
            source["namespaceSelector"] = dice.choice(SPACES)
        found: dict[str, Any] = {"action": dice.choice(("Allow", "Allow", "Deny", "Pass")), "source": source}
        if dice.random() < 0.6:
            which = dice.choice(("ports", "notPorts"))
            found |= {
                "protocol": "TCP",
                "destination": {which: dice.sample([OPEN, f"{OTHER}:{CLOSED}", OTHER], dice.randint(1, 2))},
            }
        return found

    items = []
    for number in range(dice.randint(1, 3)):
        kind = dice.choice(("NetworkPolicy", "GlobalNetworkPolicy"))
        spec: dict[str, Any] = {"order": dice.choice((1, 5, 1500)) + number, "selector": "app == 'server'"}
        spec |= {"types": ["Ingress"], "ingress": [rule() for _ in range(dice.randint(0, 3))]}
        metadata = {"name": f"g{number}"}
        if kind == "NetworkPolicy":
            metadata["namespace"] = "pol-a"
        else:
            spec["namespaceSelector"] = "has(team)"
        items.append({"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec})
    if dice.random() < 0.4:
        items.append(
            manifest("k8s d " + dice.choice(("{podSelector: {}}", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")))
        )
    return items
