# SPDX-License-Identifier: Apache-2.0
"""why: what a service mesh decides. Pods, policies and verdicts are made by hand."""

from __future__ import annotations

import pytest

from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Answer, Question
from kubectl_netdoc.reachability.named_end import find
from kubectl_netdoc.records.service_mesh import PEER_AUTHENTICATION
from kubectl_netdoc.testing import Built, make_cluster
from tests.checks.policies.mesh_authorization import CLIENT, PLAIN, SERVICE, WEB, allow, made, policy

STRICT = made(PEER_AUTHENTICATION, "default", "{mtls: {mode: STRICT}}")
OWN_PORT = made(
    PEER_AUTHENTICATION,
    "web",
    "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {'8080': {mode: PERMISSIVE}}}",
)


def answer(source: str, *objects: Built) -> tuple[Answer | None, tuple[str, ...]]:
    """The mesh's hop on the way to the Service, and by whom; None where there is no such hop."""
    engine = Engine(make_cluster(WEB, CLIENT, PLAIN, SERVICE, *objects))
    question = Question(find(engine, source, "lab"), find(engine, "shop/svc/web", "lab"), port="80")
    hops = why(engine, Facts(engine.cluster, Measured()), question).hops
    hop = next((hop for hop in hops if hop.name == "mesh"), None)
    return (hop.answer, hop.policies) if hop else (None, ())


@pytest.mark.parametrize(
    ("source", "objects", "expected", "by"),
    [
        ("pod/client-1", (), Answer.OK, ()),
        ("pod/plain-1", (), Answer.OK, ()),
        ("pod/client-1", (STRICT,), Answer.OK, ()),
        ("pod/plain-1", (STRICT,), Answer.STOPS, ("PeerAuthentication shop/default",)),
        ("192.0.2.7", (STRICT,), Answer.STOPS, ("PeerAuthentication shop/default",)),
        ("pod/plain-1", (OWN_PORT,), Answer.OK, ()),
        ("pod/client-1", (policy("{}"),), Answer.STOPS, ("AuthorizationPolicy shop/policy",)),
        ("pod/client-1", (allow("{namespaces: [lab]}"),), Answer.OK, ("AuthorizationPolicy shop/policy",)),
        ("pod/plain-1", (allow("{namespaces: [lab]}"),), Answer.STOPS, ("AuthorizationPolicy shop/policy",)),
        ("192.0.2.7", (allow("{ipBlocks: [192.0.2.0/24]}"),), Answer.OK, ("AuthorizationPolicy shop/policy",)),
        ("192.0.2.7", (allow("{notIpBlocks: [192.0.2.0/24]}"),), Answer.STOPS, ("AuthorizationPolicy shop/policy",)),
        ("pod/client-1", (allow("{requestPrincipals: ['*']}"),), Answer.UNKNOWN, ("AuthorizationPolicy shop/policy",)),
        ("pod/client-1", (policy("{action: CUSTOM, rules: [{}]}"),), Answer.UNKNOWN, ("AuthorizationPolicy shop/policy",)),
    ],
)
def test_the_mesh_decides(source: str, objects: tuple[Built, ...], expected: Answer, by: tuple[str, ...]) -> None:
    assert answer(source, *objects) == (expected, by)


def test_pods_without_a_proxy_have_no_such_hop() -> None:
    engine = Engine(make_cluster(CLIENT, PLAIN, policy("{}", namespace="lab")))
    question = Question(find(engine, "pod/client-1", "lab"), find(engine, "pod/plain-1", "lab"), port="80")
    assert "mesh" not in {hop.name for hop in why(engine, Facts(engine.cluster, Measured()), question).hops}
