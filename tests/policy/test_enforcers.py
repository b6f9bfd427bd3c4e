# SPDX-License-Identifier: Apache-2.0
"""Policies of kinds that nothing enforces take no part in any answer, and each answer says so."""

from __future__ import annotations

import pytest

from kubectl_netdoc.policy import enforcers, ports
from kubectl_netdoc.policy.advice import advice
from kubectl_netdoc.policy.coverage import PolicyCoverage
from kubectl_netdoc.policy.dns_access import UNKNOWN_NAMESPACE
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_CONFIG
from kubectl_netdoc.records.kinds import ADMIN_NETWORK_POLICY, DAEMON_SET, NATIVE_POLICIES, POD
from kubectl_netdoc.testing import Built, make_cluster, make_namespace, make_pod, make_policy

DENY = make_policy(
    "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
    "deny",
    kind=ADMIN_NETWORK_POLICY,
)
OWN = make_policy("{serviceAccountSelector: has(a)}", "own", kind=NATIVE_POLICIES[3])
PODS = (make_namespace("shop"), make_pod("a", ip="10.0.0.1"), make_pod("b", ip="10.0.0.2"))


def agent(image: str) -> Built:
    item = {
        "metadata": {"name": "agent", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
        "status": {"desiredNumberScheduled": 1},
    }
    return DAEMON_SET, convert(DAEMON_SET, item)


def engine(*objects: Built, origin: str = "live") -> Engine:
    return Engine(make_cluster(*PODS, *objects, origin=origin), ((UNKNOWN_NAMESPACE, {}),))


def allowed(of: Engine) -> bool:
    a, b = (of.cluster.get(POD, "shop", name) for name in "ab")
    assert a
    assert b
    return of.verdict(of.pod(a), of.pod(b), ports.every("TCP"), 4).allowed


@pytest.mark.parametrize(
    ("objects", "origin", "passes"),
    [
        ((DENY, agent("calico/node:v3.32.0")), "live", True),
        ((DENY, agent("calico/node:v3.31.0")), "live", False),
        ((DENY, agent("calico/node:v3.32.0")), "manifests", False),
        ((DENY, agent("cilium/cilium:v1.18.0")), "live", True),
        ((DENY,), "live", False),
    ],
)
def test_what_is_not_enforced_takes_no_part(objects: tuple[Built, ...], origin: str, passes: bool) -> None:
    of = engine(*objects, origin=origin)
    assert allowed(of) is passes
    assert bool(of.left_out) is passes
    assert bool(of.policies) is not passes


def test_policies_of_another_cni_make_nothing_uncertain() -> None:
    assert engine(OWN, agent("calico/node:v3.32.0")).native
    gone = engine(OWN, agent("cilium/cilium:v1.18.0"))
    assert not gone.native
    assert not gone.native_refs
    assert not gone.incomplete_at_all


def test_it_is_said() -> None:
    of = engine(DENY, agent("calico/node:v3.32.0"))
    said = [item.text for item in advice(of, PolicyCoverage(of))]
    assert any("nothing enforces AdminNetworkPolicy: Calico v3.32.0" in text for text in said)


@pytest.mark.parametrize(
    ("config", "idle"),
    [
        ({"enable-policy": "default"}, False),
        ({"enable-policy": "always", "policy-audit-mode": "false"}, False),
        ({"enable-policy": "never"}, True),
        ({"policy-audit-mode": "true"}, True),
    ],
)
def test_cilium_may_deny_nothing(config: dict[str, str], idle: bool) -> None:
    settings = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": config}
    cluster = make_cluster(*PODS, agent("cilium/cilium:v1.18.0"), (NETWORK_CONFIG, convert(NETWORK_CONFIG, settings)))
    assert enforcers.idle(cluster) is idle
