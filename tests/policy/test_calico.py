# SPDX-License-Identifier: Apache-2.0
"""Calico's own policies: rows worked by hand, and generated ones against an evaluator that shares no code with the engine.

The rows are worked from projectcalico/calico (see policy/calico.py). A row: the policies, and what becomes of TCP 80 from each of
three sources to the server: a pod of its namespace, a pod of another one, and an address outside. ``?``: not certain.
"""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import yaml

from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import (
    CALICO_GLOBAL_POLICY,
    CALICO_GLOBAL_SET,
    CALICO_POLICY,
    CALICO_SET,
    CALICO_TIER,
    CLUSTER_NETWORK_POLICY,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
)
from kubectl_netdoc.testing import Built, make_cluster
from tests.policy.asking import OUTSIDE, SPACES, letters, verdict

PODS = {
    "server": ("a", {"app": "server"}, "10.0.0.1"),
    "near": ("a", {"app": "client", "where": "near"}, "10.0.0.2"),
    "guest": ("b", {"app": "client"}, "10.0.1.1"),
}
SOURCES = ("near", "guest", OUTSIDE)
KINDS: dict[str, Kind[Any]] = {
    "gnp": CALICO_GLOBAL_POLICY,
    "np": CALICO_POLICY,
    "k8s": NETWORK_POLICY,
    "tier": CALICO_TIER,
    "set": CALICO_SET,
    "gset": CALICO_GLOBAL_SET,
    "cnp": CLUSTER_NETWORK_POLICY,
}


def made(text: str) -> Built:
    """An object: kind, name, spec, and labels after a ``|``; those with a namespace are in a."""
    kind, name, rest = text.split(" ", 2)
    spec, _, labels = rest.partition("|")
    what = KINDS[kind]
    metadata = {"name": name, "labels": yaml.safe_load(labels) or {}} | ({"namespace": "a"} if what.namespaced else {})
    return what, convert(what, {"metadata": metadata, "spec": yaml.safe_load(spec)})


def world() -> list[Built]:
    objects: list[Built] = [
        (NAMESPACE, convert(NAMESPACE, {"metadata": {"name": name, "labels": labels}})) for name, labels in SPACES.items()
    ]
    for name, (space, labels, ip) in PODS.items():
        spec = {"containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 80}]}]}
        status = {"podIPs": [{"ip": ip}], "phase": "Running"}
        item = {"metadata": {"name": name, "namespace": space, "labels": labels}, "spec": spec, "status": status}
        objects.append((POD, convert(POD, item)))
    return objects


def shown(of: Engine) -> str:
    """One letter for each source."""
    return letters(of, SOURCES)


SERVER = "selector: app == 'server'"
DENY_ALL = "gnp deny {order: 2000, types: [Ingress]}"
K8S_DENY = "k8s deny {podSelector: {}}"
ROWS: dict[str, tuple[str, str]] = {
    "nothing": ("", "yyy"),
    "a policy without rules denies": (f"np p {{{SERVER}}}", "nnn"),
    "it is for its namespace": ("np p {selector: app == 'client'}", "nyy"),
    "a global one is for all": ("gnp p {}", "nnn"),
    "a global one with an empty selector and egress alone": ("gnp p {types: [Egress]}", "nny"),
    "without types it is both directions": ("gnp p {egress: [{action: Allow}]}", "nnn"),
    "egress alone": ("gnp p {types: [Egress], egress: [{action: Deny}]}", "nny"),
    "ingress and egress rules": ("gnp p {ingress: [{action: Allow}], egress: [{action: Deny}]}", "nny"),
    "allow by selector in the namespace": (
        f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: app == 'client'}}}}]}}",
        "ynn",
    ),
    "allow by selector in a global policy": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: app == 'client'}}}}]}}",
        "yyn",
    ),
    "namespaceSelector": (
        f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{namespaceSelector: team == 'blue'}}}}]}}",
        "nyn",
    ),
    "namespaceSelector all()": (f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{namespaceSelector: all()}}}}]}}", "yyn"),
    "namespaceSelector global()": (
        f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{namespaceSelector: global()}}}}]}}",
        "nnn",
    ),
    "namespaceSelector by name": (
        f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{namespaceSelector: projectcalico.org/name == 'b'}}}}]}}",
        "nyn",
    ),
    "namespaceSelector and selector": (
        f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{namespaceSelector: all(), selector: has(where)}}}}]}}",
        "ynn",
    ),
    "namespaceSelector of a policy": ("gnp p {namespaceSelector: team == 'blue'}", "yny"),
    "namespaceSelector of a policy, this one": ("gnp p {namespaceSelector: team == 'red'}", "nnn"),
    "labels of the namespace on pods": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: pcns.team == 'blue'}}}}]}}",
        "nyn",
    ),
    "the namespace as a label": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: projectcalico.org/namespace == 'a'}}}}]}}",
        "ynn",
    ),
    "nets": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{nets: [192.0.2.0/24]}}}}]}}", "nny"),
    "nets match pods": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{nets: [10.0.1.0/24]}}}}]}}", "nyn"),
    "notNets": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{notNets: [10.0.0.0/8]}}}}]}}", "nny"),
    "nets and notNets": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{nets: [10.0.0.0/8], notNets: [10.0.1.0/24]}}}}]}}",
        "ynn",
    ),
    "selector and nets must both hold": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: app == 'client', nets: [10.0.1.0/24]}}}}]}}",
        "nyn",
    ),
    "notSelector in a global policy": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{notSelector: has(where)}}}}]}}",
        "nyy",
    ),
    "notSelector in a namespace stays there": (
        f"np p {{{SERVER}, ingress: [{{action: Allow, source: {{notSelector: has(where)}}}}]}}",
        "nnn",
    ),
    "the own end of an ingress rule": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, destination: {{nets: [10.0.0.1/32]}}}}]}}",
        "yyy",
    ),
    "the own end of an ingress rule, another": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, destination: {{nets: [10.0.0.2/32]}}}}]}}",
        "nnn",
    ),
    "the own end of an egress rule": (
        "gnp p {types: [Egress], egress: [{action: Allow, source: {selector: has(where)}}]}",
        "yny",
    ),
    "port": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: [80]}}}}]}}", "yyy"),
    "another port": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: [81]}}}}]}}", "nnn"),
    "range": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: ['79:81']}}}}]}}", "yyy"),
    "named port": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: [web]}}}}]}}", "yyy"),
    "undefined named port": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{ports: [other]}}}}]}}",
        "nnn",
    ),
    "notPorts": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{notPorts: ['79:81']}}}}]}}", "nnn"),
    "notPorts of others": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, destination: {{notPorts: [81]}}}}]}}",
        "yyy",
    ),
    "protocol": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: UDP}}]}}", "nnn"),
    "protocol by number": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: 6}}]}}", "yyy"),
    "notProtocol": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, notProtocol: TCP}}]}}", "nnn"),
    "ICMP alone": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: ICMP}}]}}", "nnn"),
    "IPv6 alone": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, ipVersion: 6}}]}}", "nnn"),
    "IPv4 alone": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, ipVersion: 4}}]}}", "yyy"),
    "the first rule decides": (
        f"gnp p {{{SERVER}, ingress: [{{action: Deny, source: {{selector: has(where)}}}}, {{action: Allow}}]}}",
        "nyy",
    ),
    "Log decides nothing": (f"gnp p {{{SERVER}, ingress: [{{action: Log}}, {{action: Allow}}]}}", "yyy"),
    "lower orders first": (
        f"gnp z {{order: 1, {SERVER}, ingress: [{{action: Deny, source: {{selector: has(where)}}}}]}}; gnp a {{order: 2, {SERVER}, ingress: [{{action: Allow}}]}}",
        "nyy",
    ),
    "without an order last": (
        f"gnp a {{{SERVER}, ingress: [{{action: Deny}}]}}; gnp z {{order: 2, {SERVER}, ingress: [{{action: Allow, source: {{selector: has(where)}}}}]}}",
        "ynn",
    ),
    "what no policy of the tier matches is denied once": (
        f"{DENY_ALL}; gnp p {{order: 1, {SERVER}, ingress: [{{action: Allow, source: {{nets: [192.0.2.9/32]}}}}]}}",
        "nny",
    ),
    "before NetworkPolicies an Allow is final": (
        f"{K8S_DENY}; gnp p {{order: 1, {SERVER}, ingress: [{{action: Allow, source: {{selector: has(where)}}}}]}}",
        "ynn",
    ),
    "before NetworkPolicies a Deny is final": (
        f"k8s open {{podSelector: {{}}, ingress: [{{}}]}}; gnp p {{order: 1, {SERVER}, ingress: [{{action: Deny, source: {{selector: has(where)}}}}]}}",
        "nyy",
    ),
    "behind NetworkPolicies a Deny comes too late": (
        f"k8s open {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}; gnp p {{order: 2000, {SERVER}, ingress: [{{action: Deny}}]}}",
        "ynn",
    ),
    "behind NetworkPolicies an Allow adds": (
        f"{K8S_DENY}; gnp p {{order: 2000, {SERVER}, ingress: [{{action: Allow, source: {{selector: has(where)}}}}]}}",
        "ynn",
    ),
    "the order of the NetworkPolicies": (f"{K8S_DENY}; gnp p {{order: 1000, {SERVER}, ingress: [{{action: Allow}}]}}", "???"),
    "Pass in the default tier": (f"gnp p {{{SERVER}, ingress: [{{action: Pass}}]}}", "yyy"),
    "a tier before": (
        f"tier first {{order: 10}}; gnp p {{tier: first, {SERVER}, ingress: [{{action: Deny, source: {{selector: has(where)}}}}, {{action: Pass}}]}}; {DENY_ALL}",
        "nnn",
    ),
    "a tier before, passing": (f"tier first {{order: 10}}; gnp p {{tier: first, {SERVER}, ingress: [{{action: Pass}}]}}", "yyy"),
    "a tier denies what it does not match": (
        f"tier first {{order: 10}}; gnp p {{tier: first, {SERVER}, ingress: [{{action: Pass, source: {{selector: has(where)}}}}]}}",
        "ynn",
    ),
    "a tier that passes by default": (
        f"tier first {{order: 10, defaultAction: Pass}}; gnp p {{tier: first, {SERVER}, ingress: [{{action: Deny, source: {{selector: has(where)}}}}]}}",
        "nyy",
    ),
    "a tier that does not select the pod is skipped": ("tier first {order: 10}; gnp p {tier: first, selector: has(gone)}", "yyy"),
    "Pass, then NetworkPolicies": (
        f"tier first {{order: 10}}; gnp p {{tier: first, {SERVER}, ingress: [{{action: Pass}}]}}; {K8S_DENY}",
        "nnn",
    ),
    "a tier behind the default one": (
        f"tier last {{order: 2000000}}; gnp p {{tier: last, {SERVER}, ingress: [{{action: Deny}}]}}; k8s open {{podSelector: {{}}, ingress: [{{}}]}}",
        "yyy",
    ),
    "a tier behind the default one, alone": (f"tier last {{order: 2000000}}; gnp p {{tier: last, {SERVER}}}", "nnn"),
    "a tier without an order is where the default one is": (
        f"tier a {{}}; gnp p {{tier: a, {SERVER}, ingress: [{{action: Allow}}]}}; {K8S_DENY}",
        "yyy",
    ),
    "a tier before the cluster-wide policies": (
        f"tier first {{order: 10}}; gnp p {{tier: first, {SERVER}, ingress: [{{action: Allow}}]}}; "
        "cnp c {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "yyy",
    ),
    "a tier behind the cluster-wide policies": (
        f"tier second {{order: 2000}}; gnp p {{tier: second, {SERVER}, ingress: [{{action: Allow}}]}}; "
        "cnp c {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "nny",
    ),
    "a tier that is not there": (f"gnp p {{tier: gone, {SERVER}}}", "???"),
    "a global set": (
        f"gset s {{nets: [192.0.2.0/24]}}|{{kind: out}}; gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: kind == 'out'}}}}]}}",
        "nny",
    ),
    "a global set is not a namespace's": (
        f"gset s {{nets: [192.0.2.0/24]}}|{{kind: out}}; np p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: kind == 'out'}}}}]}}",
        "nnn",
    ),
    "a global set by global()": (
        f"gset s {{nets: [192.0.2.0/24]}}|{{kind: out}}; np p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: kind == 'out', namespaceSelector: global()}}}}]}}",
        "nny",
    ),
    "a set of the namespace": (
        f"set s {{nets: [192.0.2.0/24]}}|{{kind: out}}; np p {{{SERVER}, ingress: [{{action: Allow, source: {{selector: kind == 'out'}}}}]}}",
        "nny",
    ),
    "a set by notSelector": (
        f"gset s {{nets: [192.0.2.0/24]}}|{{kind: out}}; gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{notSelector: kind == 'out'}}}}]}}",
        "yyn",
    ),
    "service accounts of the policy": (f"gnp p {{{SERVER}, serviceAccountSelector: has(a)}}", "???"),
    "service accounts of a rule": (
        f"gnp p {{{SERVER}, ingress: [{{action: Allow, source: {{serviceAccounts: {{names: [x]}}}}}}]}}",
        "???",
    ),
    "Services of a rule": (
        "gnp p {selector: app == 'client', egress: [{action: Allow, destination: {services: {name: x}}}]}",
        "??y",
    ),
    "HTTP": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, http: {{methods: [GET]}}}}]}}", "???"),
    "source ports": (f"gnp p {{{SERVER}, ingress: [{{action: Allow, protocol: TCP, source: {{ports: [53]}}}}]}}", "???"),
    "a selector that is none": ("gnp p {selector: app is x}", "???"),
    "for nodes alone": ("gnp p {selector: all(), preDNAT: true, applyOnForward: true, ingress: [{action: Deny}]}", "yyy"),
}


@pytest.mark.parametrize("name", ROWS)
def test_worked_by_hand(name: str) -> None:
    texts, wanted = ROWS[name]
    objects = [made(text.strip()) for text in texts.split("; ") if text.strip()]
    assert shown(Engine(make_cluster(*world(), *objects))) == wanted


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("{egress: [{action: Allow}]}", "yyy"),
        ("{ingress: [{action: Allow}]}", "yyy"),
        ("{}", "nnn"),
        ("{ingress: [{action: Allow}], egress: [{action: Deny}]}", "nny"),
    ],
)
def test_in_manifests_types_come_of_the_rules(spec: str, wanted: str) -> None:
    assert shown(Engine(make_cluster(*world(), made(f"gnp p {spec}"), origin="manifests"))) == wanted


# Generated ones, against an evaluator of their own


def naive_selects(text: str, labels: dict[str, str]) -> bool:
    """Whether a generated selector (``a == 'b'``, ``a != 'b'``, ``has(a)``, ``all()``, or two of them with a sign) holds."""
    if " && " in text:
        return all(naive_selects(part, labels) for part in text.split(" && "))
    if " || " in text:
        return any(naive_selects(part, labels) for part in text.split(" || "))
    if text in ("", "all()"):
        return True
    if text.startswith("!"):
        return not naive_selects(text[1:], labels)
    if has := re.fullmatch(r"has\((\w+)\)", text):
        return has[1] in labels
    key, sign, value = text.split(" ")
    return (labels.get(key) == value.strip("'")) is (sign == "==")


def naive_entity(entity: dict[str, Any], who: str, space: str) -> bool:
    """Whether an end of a generated rule matches."""
    pod = PODS.get(who)
    address = pod[2] if pod else who
    if entity.get("nets") and not any(address.startswith(net) for net in map(prefix, entity["nets"])):
        return False
    if any(address.startswith(net) for net in map(prefix, entity.get("notNets", ()))):
        return False
    positive = entity.get("selector") or entity.get("namespaceSelector") or (space and entity.get("notSelector"))
    if positive:
        if pod is None:
            return False
        if entity.get("namespaceSelector"):
            if not naive_selects(entity["namespaceSelector"], SPACES[pod[0]]):
                return False
        elif space and pod[0] != space:
            return False
        if not naive_selects(entity.get("selector", ""), pod[1]):
            return False
    return not (entity.get("notSelector") and pod and naive_selects(entity["notSelector"], pod[1]))


def prefix(net: str) -> str:
    """The beginning of the addresses of a network of whole bytes."""
    address, _, length = net.partition("/")
    return ".".join(address.split(".")[: int(length) // 8]) + ("." if length != "32" else "")


def naive_rule(rule: dict[str, Any], flow: tuple[Any, ...], space: str) -> bool:
    """Whether a generated rule matches a flow: source, destination, protocol, port."""
    source, destination, protocol, port = flow
    if rule.get("protocol") not in (None, protocol):
        return False
    wanted = rule.get("destination", {})
    spans = [tuple(map(int, str(p).split(":"))) for p in wanted.get("ports", ())]
    if spans and not any(span[0] <= port <= span[-1] for span in spans):
        return False
    if any(int(p) == port for p in wanted.get("notPorts", ())):
        return False
    return naive_entity(rule.get("source", {}), source, space) and naive_entity(wanted, destination, space)


def naive_side(policies: list[dict[str, Any]], tiers: dict[str, dict[str, Any]], me: str, direction: str, *flow: Any) -> bool:
    """Felix's way through the tiers for one end; ``flow``: source, destination, protocol, port."""
    if me not in PODS:
        return True
    space, labels, _ = PODS[me]
    mine = []
    for policy in policies:
        spec = policy["spec"]
        if policy["space"] and policy["space"] != space:
            continue
        if spec.get("namespaceSelector") and not naive_selects(spec["namespaceSelector"], SPACES[space]):
            continue
        if direction in spec["types"] and naive_selects(spec.get("selector", ""), labels):
            mine.append(policy)
    for name in sorted({p["spec"].get("tier", "default") for p in mine}, key=lambda tier: (tiers[tier]["order"], tier)):
        here = [p for p in mine if p["spec"].get("tier", "default") == name]
        here.sort(key=lambda p: (p["spec"].get("order", float("inf")), p["kind"], p["name"]))
        decided = next(
            (
                rule["action"]
                for policy in here
                for rule in policy["spec"].get(direction.lower(), ())
                if rule["action"] != "Log" and naive_rule(rule, flow, policy["space"])
            ),
            tiers[name]["defaultAction"],
        )
        if decided != "Pass":
            return bool(decided == "Allow")
    return True


TERMS = ("all()", "app == 'server'", "app == 'client'", "app != 'client'", "has(where)", "!has(where)", "where == 'near'")
SPACE_TERMS = ("team == 'red'", "team != 'red'", "all()", "has(team)")
NETS = ("10.0.0.0/16", "10.0.1.0/24", "10.0.0.1/32", "192.0.2.0/24", "10.0.0.0/8")


def generated(seed: int) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Up to five policies in up to three tiers."""
    dice = random.Random(seed)

    def selector() -> str:
        one = dice.choice(TERMS)
        return one if dice.random() < 0.6 else f"{one} {dice.choice(('&&', '||'))} {dice.choice(TERMS)}"

    def entity(ports_too: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if dice.random() < 0.45:
            found["selector"] = selector()
        if dice.random() < 0.2:
            found["notSelector"] = selector()
        if dice.random() < 0.25:
            found["namespaceSelector"] = dice.choice(SPACE_TERMS)
        if dice.random() < 0.25:
            found["nets"] = dice.sample(NETS, dice.randint(1, 2))
        if dice.random() < 0.15:
            found["notNets"] = [dice.choice(NETS)]
        if ports_too and dice.random() < 0.6:
            found["ports"] = dice.sample([80, 81, "79:82", 443], dice.randint(1, 2))
        elif ports_too and dice.random() < 0.3:
            found["notPorts"] = [dice.choice([80, 81])]
        return found

    def rule() -> dict[str, Any]:
        found: dict[str, Any] = {"action": dice.choice(("Allow", "Allow", "Deny", "Pass", "Log"))}
        protocol = dice.choice((None, "TCP", "UDP"))
        if protocol:
            found["protocol"] = protocol
        return found | {"source": entity(False), "destination": entity(protocol is not None)}

    tiers: dict[str, dict[str, Any]] = {
        "default": {"order": 1_000_000, "defaultAction": "Deny"},
        "first": {"order": dice.choice((10, 2_000_000)), "defaultAction": dice.choice(("Deny", "Pass"))},
        "second": {"order": 20, "defaultAction": dice.choice(("Deny", "Pass"))},
    }
    policies: list[dict[str, Any]] = []
    for number in range(dice.randint(1, 5)):
        kind = dice.choice(("CalicoNetworkPolicy", "GlobalNetworkPolicy"))
        spec: dict[str, Any] = {"types": dice.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"])), "selector": selector()}
        if dice.random() < 0.7:
            spec["order"] = dice.choice((1, 2, 5, 1500))
        if dice.random() < 0.5:
            spec["tier"] = dice.choice(("first", "second"))
        if kind == "GlobalNetworkPolicy" and dice.random() < 0.3:
            spec["namespaceSelector"] = dice.choice(SPACE_TERMS)
        spec |= {way: [rule() for _ in range(dice.randint(0, 3))] for way in ("ingress", "egress")}
        space = dice.choice("ab") if kind == "CalicoNetworkPolicy" else ""
        policies.append({"kind": kind, "name": f"p{number}", "space": space, "spec": spec})
    return policies, tiers


def compared(seed: int) -> list[str]:
    """What the engine says otherwise than the naive evaluator."""
    policies, tiers = generated(seed)
    objects: list[Built] = [
        (CALICO_TIER, convert(CALICO_TIER, {"metadata": {"name": name}, "spec": spec})) for name, spec in tiers.items()
    ]
    for policy in policies:
        kind = CALICO_POLICY if policy["space"] else CALICO_GLOBAL_POLICY
        metadata = {"name": policy["name"], "namespace": policy["space"]}
        objects.append((kind, convert(kind, {"metadata": metadata, "spec": policy["spec"]})))
    of = Engine(make_cluster(*world(), *objects))
    wrong = []
    for source in (*PODS, OUTSIDE):
        for destination in (*PODS, OUTSIDE):
            for protocol, port in (("TCP", 80), ("TCP", 443), ("UDP", 81)):
                if source == destination:
                    continue
                flow = (source, destination, protocol, port)
                wanted = naive_side(policies, tiers, source, "Egress", *flow) and naive_side(
                    policies, tiers, destination, "Ingress", *flow
                )
                found = verdict(of, *flow[:2], port, protocol)
                if found.allowed is not wanted or found.depends or found.incomplete:
                    wrong.append(f"{seed}: {flow}: wanted {wanted}, found {found}")
    return wrong


@pytest.mark.parametrize("part", range(4))
def test_generated_policies_are_read_as_the_naive_evaluator_reads_them(part: int) -> None:
    assert [each for seed in range(part * 100, part * 100 + 100) for each in compared(seed)] == []


def test_the_generated_policies_tell_pods_apart() -> None:
    answers = [
        naive_side(*generated(seed), "server", "Ingress", source, "server", "TCP", 80)
        for seed in range(400)
        for source in SOURCES
    ]
    assert 200 < sum(answers) < 1000


def test_a_pods_own_node_is_let_in_whatever_the_policies_say() -> None:
    nodes: list[Built] = []
    for name, address in (("n1", "172.18.0.2"), ("n2", "172.18.0.3")):
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        nodes.append((NODE, convert(NODE, {"metadata": {"name": name}, "status": status})))
    for name, (space, labels, ip) in PODS.items():
        item = {"metadata": {"name": name, "namespace": space, "labels": labels}, "spec": {"nodeName": "n1"}}
        nodes.append((POD, convert(POD, item | {"status": {"podIPs": [{"ip": ip}], "phase": "Running"}})))
    denied = made(f"np p {{{SERVER}, ingress: [{{action: Deny}}]}}")
    of = Engine(make_cluster(*nodes, denied))
    assert [verdict(of, address).allowed for address in ("172.18.0.2", "172.18.0.3", "192.0.2.9")] == [True, False, False]


def test_traffic_of_nodes_is_uncertain_where_a_policy_may_be_for_them() -> None:
    status = {"addresses": [{"type": "InternalIP", "address": "172.18.0.3"}]}
    node = (NODE, convert(NODE, {"metadata": {"name": "n2"}, "status": status}))
    for spec, certain in (("{}", False), ("{namespaceSelector: has(team)}", True)):
        of = Engine(make_cluster(node, *world(), made(f"gnp p {spec}")))
        assert bool(verdict(of, "172.18.0.3").incomplete) is not certain
        assert not verdict(of, "near").incomplete
