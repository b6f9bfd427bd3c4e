# SPDX-License-Identifier: Apache-2.0
"""The rule by which a campaign judges: it reads a mutation and a report."""

from __future__ import annotations

from typing import Any

import pytest

from bench.campaign.judge import judge
from bench.campaign.mutation import Mutation, Place

LAYERS = {"path_mtu": "pod_network", "pod_dns": "dns"}
MTU = Mutation(
    family="link",
    what="worker: eth0 has MTU 1400",
    places=(Place("Node", "worker"),),
    marks=(("mtu",), ("eth0", "1400")),
)
EVERYWHERE = Mutation(
    family="link",
    what="all nodes: eth0 has MTU 1400",
    places=(Place("Node", "worker"), Place("Node", "worker2")),
    marks=(("mtu",), ("eth0", "1400")),
    layers=("pod_network",),
)
PORT = Mutation(
    family="object: Service",
    what="Service shop/web: port",
    places=(Place("Service", "web", "shop"),),
    near=(Place("Deployment", "web-app", "shop"),),
    marks=(("targetPort", "8081"),),
)


SERVICE = {"kind": "Service", "namespace": "shop", "name": "web"}


def finding(subject: str, message: str, **more: Any) -> dict[str, Any]:
    """A finding as the report has it; ``subject``: kind/namespace/name or kind/name."""
    kind, *names = subject.split("/")
    named = {"kind": kind, "name": names[-1]} | ({"namespace": names[0]} if len(names) > 1 else {})
    return {
        "code": "ABC001", "severity": "fail", "subject": named, "message": message, "evidence": {}, "fix": "", "commands": [],
        "check": "path_mtu", "explained_by": "",
    } | more  # fmt: skip


def report(*findings: dict[str, Any], state: str = "pass", unseen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A report with these findings."""
    return {"findings": list(findings), "results": [{"state": state}], "unseen": list(unseen)}


@pytest.mark.parametrize(
    ("mutation", "found", "verdict"),
    [
        (MTU, [finding("Node/worker", "eth0 has MTU 1400", commands=["ssh worker ip link"])], "exact"),
        (MTU, [finding("Node/worker", "eth0 has MTU 1400")], "localised"),  # its fix leads nowhere
        (MTU, [finding("Node/worker", "loses packets", fix="look at worker")], "localised"),
        (MTU, [finding("Node/worker2", "eth0 has MTU 1400", fix="on worker2")], "wrong"),  # the wrong node; worker2 is not worker
        (MTU, [finding("Cluster/net", "packets are lost", evidence={"nodes": ["worker"]})], "localised"),
        (MTU, [finding("Node/worker2", "is odd"), finding("Node/worker", "eth0 has MTU 1400", fix="worker")], "wrong"),
        (MTU, [finding("Node/worker", "eth0 has MTU 1400", fix="worker", severity="info")], "silent"),
        (MTU, [finding("Node/worker", "eth0 has MTU 1400", fix="worker", explained_by="x")], "silent"),
        (EVERYWHERE, [finding("Cluster/net", "is slow")], "localised"),
        (EVERYWHERE, [finding("Cluster/net", "is slow", check="pod_dns")], "wrong"),
        (PORT, [finding("Service/shop/web", "targetPort 8081 is shut", fix="kubectl -n shop edit service web")], "exact"),
        (PORT, [finding("Deployment/shop/web-app", "has no port")], "localised"),
        (PORT, [finding("Pod/shop/web-application", "does not listen")], "wrong"),
        (PORT, [finding("Service/market/web", "targetPort 8081", fix="x")], "wrong"),
        (PORT, [finding("Pod/shop/web-app-5d4f6b7c8-x2v9q", "does not listen")], "localised"),
    ],
)  # fmt: skip
def test_symptomatic(mutation: Mutation, found: list[dict[str, Any]], verdict: str) -> None:
    assert judge(mutation, report(*found), True, LAYERS).verdict == verdict


@pytest.mark.parametrize(
    ("below", "verdict"),
    [
        ({"recent": [{"subject": SERVICE, "what": "changed by kubectl-edit (spec.ports[].targetPort)", "seconds": 9}]}, "exact"),
        ({"odd": [{"subject": SERVICE, "what": "alone has targetPort 8081", "code": "X"}]}, "exact"),
        ({"recent": [{"subject": SERVICE, "what": "changed by kubectl-edit", "seconds": 9}]}, "localised"),
        ({"recent": [{"subject": SERVICE | {"name": "x"}, "what": "changed (spec.ports[].targetPort)"}]}, "localised"),
    ],
)
def test_what_is_printed_below_a_cause_of_the_place_counts(below: dict[str, Any], verdict: str) -> None:
    cause = finding("Service/shop/web", "fails", fix="kubectl -n shop edit service web", **below)
    assert judge(PORT, report(cause), True, LAYERS).verdict == verdict
    elsewhere = finding("Service/market/cart", "fails", **below)
    assert judge(PORT, report(elsewhere), True, LAYERS).verdict == "wrong"


def test_nothing_said() -> None:
    assert judge(MTU, report(), True, LAYERS).verdict == "silent"
    assert judge(MTU, report(state="unknown"), True, LAYERS).verdict == "could not tell"
    assert judge(MTU, report(unseen=("nodes",)), True, LAYERS).verdict == "could not tell"
    assert judge(MTU, None, True, LAYERS).verdict == "could not tell"


def test_benign() -> None:
    there = finding("Node/worker", "eth0 has MTU 1400", fix="worker")
    other = finding("Node/worker2", "is odd", severity="warn")
    assert judge(MTU, report(), False, LAYERS).verdict == "silent"
    assert judge(MTU, report(there), False, LAYERS).verdict == "latent"
    alarm = judge(MTU, report(there, other), False, LAYERS)
    assert (alarm.verdict, alarm.beside, alarm.worst) == ("alarm", 1, "fail")
    assert judge(MTU, report(finding("Node/worker", "is odd")), False, LAYERS).verdict == "alarm"


def test_of_a_pair_the_worse_counts() -> None:
    pair = Mutation(family="pair", what="both", places=(*MTU.places, *PORT.places), parts=(MTU, PORT))
    mtu = finding("Node/worker", "eth0 has MTU 1400", fix="worker")
    port = finding("Service/shop/web", "targetPort 8081", fix="kubectl -n shop edit service web")
    assert judge(pair, report(port, mtu), True, LAYERS).verdict == "exact"
    assert judge(pair, report(port), True, LAYERS).verdict == "wrong"
    assert judge(pair, report(finding("Service/shop/web", "fails"), mtu), True, LAYERS).verdict == "localised"
    assert judge(pair, report(port, mtu, finding("Node/x", "y")), True, LAYERS).beside == 1
