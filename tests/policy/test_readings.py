# SPDX-License-Identifier: Apache-2.0
"""What is left to the CNI, or is not known, is no firm verdict; and netdoc's own pods are judged by their own addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts, Measured, Vantage
from kubectl_netdoc.policy import dns_access, enforcers, ports
from kubectl_netdoc.policy.connections import connections
from kubectl_netdoc.policy.coverage import PolicyCoverage, ReachableFrom
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.redundant_rules import implies
from kubectl_netdoc.probes import own_policies
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CLUSTER_NETWORK_POLICY,
    DAEMON_SET,
    NETWORK_POLICY,
    NODE,
    POD,
)
from kubectl_netdoc.testing import Built, make_cluster, make_namespace, make_pod, make_policy, make_service, outcome
from tests.checks import registered

DNS = {"k8s-app": "kube-dns"}


def node(name: str, address: str) -> Built:
    """A node with an address."""
    status = {"addresses": [{"type": "InternalIP", "address": address}], "conditions": [{"type": "Ready", "status": "True"}]}
    return NODE, convert(NODE, {"metadata": {"name": name}, "status": status})


def judged(cluster: Cluster, address: str, port: int = 443) -> tuple[bool, bool]:
    """Whether the pod may reach an address, and whether that is firm."""
    engine = Engine(cluster)
    source = engine.pod(next(pod for pod in cluster.all(POD) if pod.name == "web-1"))
    verdict = engine.verdict(source, engine.address(address), ports.of("TCP", port), 6 if ":" in address else 4)
    return verdict.allowed, not verdict.depends and not verdict.incomplete


DENY_OUT = make_policy("{podSelector: {}, policyTypes: [Egress]}", "deny-out")
DENY_IN = make_policy("{podSelector: {}, policyTypes: [Ingress]}", "deny-in")
WEB = make_pod("web-1", node="n1", ip="10.0.0.1")
NODES = (node("n1", "192.0.2.1"), node("n2", "192.0.2.2"))


def test_egress_to_the_own_node_is_left_to_the_cni() -> None:
    cluster = make_cluster(WEB, *NODES, DENY_OUT)
    assert judged(cluster, "192.0.2.1") == (True, False)
    assert judged(cluster, "192.0.2.2") == (False, True)


def test_the_own_node_reaches_its_pods_whatever_is_said() -> None:
    engine = Engine(make_cluster(WEB, *NODES, DENY_IN))
    verdict = engine.verdict(engine.address("192.0.2.1"), engine.address("10.0.0.1"), ports.of("TCP", 80), 4)
    assert (verdict.allowed, verdict.depends) == (True, ())


def out(cidr: str) -> Built:
    """An egress policy for one range."""
    return make_policy(
        f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]}}", "out"
    )


@pytest.mark.parametrize(
    ("cidr", "firm"),
    [
        ("10.0.0.0/8", True),
        ("010.0.0.0/8", False),
        ("10.01.0.0/16", False),
        ("::ffff:10.2.0.0/112", False),
        ("100.0.0.0/8", True),
    ],
)
def test_a_range_that_not_all_read_alike_gives_no_firm_verdict(cidr: str, firm: bool) -> None:
    assert judged(make_cluster(WEB, out(cidr)), "10.5.5.5")[1] is firm


@pytest.mark.parametrize("address", ["10.5.5.5", "8.5.5.5", "192.0.2.77"])
def test_where_networks_read_a_range_differently_the_rule_is_told(address: str) -> None:
    """One takes the octal 8.0.0.0/8, one leaves the peer out, one keeps it without a range."""
    engine = Engine(make_cluster(WEB, out("010.0.0.0/8")))
    source = engine.pod(engine.cluster.all(POD)[0])
    verdict = engine.verdict(source, engine.address(address), ports.of("TCP", 443), 4)
    assert verdict.allowed is (address == "10.5.5.5")
    assert [why.partition(": ")[0] for why in verdict.depends] == ["spec.egress[0] of NetworkPolicy shop/out"]


def test_a_range_that_networks_read_differently_matters_only_where_nothing_else_decides() -> None:
    both = make_policy(
        "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 010.0.0.0/8}}]}, {to: [{ipBlock: {cidr: 10.5.0.0/16}}]}]}",
        "out",
    )
    assert judged(make_cluster(WEB, both), "10.5.5.5") == (True, True)
    assert judged(make_cluster(WEB, out("010.0.0.0/8")), "10.0.0.1")[1] is True  # itself


def test_connections_have_such_a_range_as_kubernetes_reads_it_and_say_so() -> None:
    found = connections(Engine(make_cluster(WEB, out("::ffff:10.2.0.0/112"))))
    assert "10.2.0.0/16" in {str(each.destination) for each in found.allowed}
    assert any("::ffff:10.2.0.0/112" in text for text in found.incomplete)


def test_a_range_that_is_none_is_left_out() -> None:
    assert judged(make_cluster(WEB, out("10.0.0.300/8")), "10.5.5.5") == (False, True)


def test_a_pod_without_an_address_may_be_in_any_range() -> None:
    incoming = make_policy("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}", "in", "db")
    engine = Engine(make_cluster(make_pod("web-1", ip=""), make_pod("db-1", "db", ip="10.0.0.2"), incoming))
    source, there = (engine.pod(pod) for pod in engine.cluster.all(POD))
    assert engine.verdict(source, there, ports.of("TCP", 80), 4).depends


@pytest.mark.parametrize(("vantage", "certain"), [("10.0.9.9", False), ("", False), ("198.51.100.7", True)])
def test_netdocs_own_pod_is_judged_by_its_address(vantage: str, certain: bool) -> None:
    """An ipBlock on the pods' range lets it in with most networks: no excuse for a time-out."""
    incoming = make_policy("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}", "in")
    cluster = make_cluster(WEB, *NODES, incoming, vantages=("n2",))
    doubt = own_policies.policy_block(Facts(cluster, Measured(vantages=(Vantage("n2", True, ip=vantage),))), "n2", "10.0.0.1", 80)
    assert doubt is not None
    assert doubt.certain is certain


def test_policies_are_compiled_once_for_all_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    built = Engine.__init__

    def counted(self: Engine, *args: object, **more: object) -> None:
        made.append(self)
        built(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "__init__", counted)
    cluster = make_cluster(WEB, *NODES, DENY_IN, vantages=("n2",))
    for _ in range(3):
        own_policies.policy_block(Facts(cluster.view(own_policies.KINDS), Measured()), "n2", "10.0.0.1", 80)
    assert len(made) == 1


@pytest.mark.parametrize("way", ["fd00:96::a", "10.96.0.10"])
def test_dns_is_asked_in_the_family_of_its_service(way: str) -> None:
    """An egress rule for the DNS servers' own addresses, as IPv6-only clusters have it, is one."""
    server = "fd00::9" if ":" in way else "10.0.0.9"
    objects = (
        make_namespace("shop"),
        make_service("kube-dns", "kube-system", selector=DNS, cluster_ip=way, ports=((53, 53),), protocols=("UDP", "TCP")),
        make_pod("coredns-1", "kube-system", labels=DNS, ip=server),
        make_pod("web-1", ip="fd00::1" if ":" in way else "10.0.0.1"),
    )
    for allowed, cidr in ((True, f"{server}/{128 if ':' in way else 32}"), (False, "2001:db8::/32")):
        engine = Engine(make_cluster(*objects, out(cidr)), unlisted_pods=((dns_access.UNKNOWN_NAMESPACE, {}),))
        dns = dns_access.servers(engine)
        assert dns is not None
        assert bool(list(dns_access.blocked(engine, PolicyCoverage(engine).peers, dns))) is not allowed


def test_a_column_does_not_say_the_world_where_pods_are_denied() -> None:
    deny = make_policy(
        "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        "admin",
        kind=CLUSTER_NETWORK_POLICY,
    )
    everywhere = make_policy("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", "open")
    for objects, expected in (((deny,), ReachableFrom.OUTSIDE), ((), ReachableFrom.WORLD), ((everywhere,), ReachableFrom.WORLD)):
        engine = Engine(make_cluster(WEB, make_namespace("shop"), *objects), unlisted_pods=((dns_access.UNKNOWN_NAMESPACE, {}),))
        assert [workload.exposure for space in PolicyCoverage(engine).namespaces for workload in space.workloads] == [expected]


@pytest.mark.parametrize(
    ("narrow", "wide", "implied"),
    [
        ("{}", "{}", True),
        ("{matchLabels: {a: b}}", "{}", True),
        ("{}", "{matchLabels: {a: b}}", False),
        ("{matchLabels: {a: b, c: d}}", "{matchLabels: {a: b}}", True),
        ("{matchLabels: {a: b}}", "{matchLabels: {a: c}}", False),
        ("{matchLabels: {a: b}}", "{matchExpressions: [{key: a, operator: Exists}]}", True),
        ("{matchLabels: {a: b}}", "{matchExpressions: [{key: a, operator: In, values: [b, c]}]}", True),
        ("{matchLabels: {a: b}}", "{matchExpressions: [{key: a, operator: NotIn, values: [c]}]}", True),
        (
            "{matchExpressions: [{key: a, operator: DoesNotExist}]}",
            "{matchExpressions: [{key: a, operator: NotIn, values: [c]}]}",
            True,
        ),
        (
            "{matchExpressions: [{key: a, operator: NotIn, values: [c]}]}",
            "{matchExpressions: [{key: a, operator: Exists}]}",
            False,
        ),
        ("{matchExpressions: [{key: a, operator: In, values: [b, c]}]}", "{matchLabels: {a: b}}", False),
    ],
)
def test_what_a_selector_implies(narrow: str, wide: str, implied: bool) -> None:
    a, b = (convert(NETWORK_POLICY, {"spec": {"podSelector": yaml.safe_load(text)}}) for text in (narrow, wide))
    assert implies(a.spec.pod_selector, b.spec.pod_selector) is implied


def daemons(image: str) -> Built:
    """A DaemonSet of one image."""
    spec = {"template": {"spec": {"hostNetwork": True, "containers": [{"name": "c", "image": image}]}}}
    status = {"desiredNumberScheduled": 1}
    return DAEMON_SET, convert(
        DAEMON_SET, {"metadata": {"name": image, "namespace": "kube-system"}, "spec": spec, "status": status}
    )


@pytest.mark.parametrize(
    ("images", "idle"),
    [
        (("flannel-io/flannel:v1",), True),
        (("flannel-io/flannel:v1", "kube-network-policies:v1"), False),
        (("flannel-io/flannel:v1", "cloudnativelabs/kube-router:v2"), False),
        (("calico/node:v3",), False),
        (("cilium/cilium:v1",), False),
        (("somebody/network:v1",), False),
        ((), False),
    ],
)
def test_whether_anything_enforces(images: tuple[str, ...], idle: bool) -> None:
    assert enforcers.idle(make_cluster(*map(daemons, images))) is idle


(CHECK,) = [each for each in registered() if each.id == "policy_coverage"]
ALL = "{podSelector: {}, policyTypes: [Ingress]}"
NOT_WEB = "{podSelector: {matchLabels: {k8s-app: kube-dns}}, ingress: [{from: [{podSelector: {}}]}]}"
WIDE_IN = "{%ssubject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
WIDE_OUT = "{%ssubject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}]}]}"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (NETWORK_POLICY, ALL),
        (NETWORK_POLICY, NOT_WEB),
        (CLUSTER_NETWORK_POLICY, WIDE_IN % "tier: Admin, priority: 1, "),
        (CLUSTER_NETWORK_POLICY, WIDE_OUT % "tier: Admin, priority: 1, "),
        (CLUSTER_NETWORK_POLICY, WIDE_IN % "tier: Baseline, priority: 1, "),
        (ADMIN_NETWORK_POLICY, WIDE_OUT % "priority: 1, "),
        (ADMIN_NETWORK_POLICY, WIDE_IN % "priority: 1, "),
        (BASELINE_ADMIN_NETWORK_POLICY, WIDE_IN % ""),
    ],
)
def test_the_printed_patch_lets_pods_ask_again(kind: Kind[Any], spec: str) -> None:
    """Each patch adds one rule: applied to the policy, nothing keeps anybody from cluster DNS."""
    objects = (
        make_namespace("shop"),
        make_service(
            "kube-dns", "kube-system", selector=DNS, cluster_ip="10.96.0.10", ports=((53, 5353),), protocols=("UDP", "TCP")
        ),
        make_pod("coredns-1", "kube-system", labels=DNS, ip="10.0.0.9"),
        WEB,
    )
    written = yaml.safe_load(spec)
    before = outcome(CHECK, make_cluster(*objects, make_policy(spec, "p", "kube-system", kind=kind))).findings
    (cut,) = [finding for finding in before if finding.code in ("POL004", "POL005")]
    (step,) = json.loads(cut.argv[0][cut.argv[0].index("-p") + 1])
    _, _, field, *index = step["path"].split("/")
    written[field] = (
        [step["value"], *written[field]]
        if index == ["0"]
        else [*written.get(field, []), step["value"]]
        if index
        else step["value"]
    )
    after = outcome(CHECK, make_cluster(*objects, make_policy(json.dumps(written), "p", "kube-system", kind=kind))).findings
    assert not {"POL003", "POL004", "POL005"} & {finding.code for finding in after}
