# SPDX-License-Identifier: Apache-2.0
"""The one way through: what a run makes of checks that got no answer at all, and what a wheel takes along."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from setuptools import find_packages

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.measurements.base import Lost, Outcome
from kubectl_netdoc.measurements.connect import EchoReply, EchoSample
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.sources import FollowUp, bundle, nothing_more
from kubectl_netdoc.testing import make_cluster, make_node, make_pod, make_service, make_slice

ROOT = Path(__file__).parents[2]
NODES = ("n1", "n2")
WEB = (make_service("web", selector={"app": "web"}), make_slice("web"), make_pod("web", labels={"app": "web"}))


class Source:
    """A cluster and what becomes of each request there."""

    label = "made up"

    def __init__(self, reply: Reply | None, *, running: bool = True, why_not: str = "") -> None:
        self.reply, self.running, self.why_not = reply, running, why_not

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        return make_cluster(*map(make_node, NODES), *WEB, vantages=NODES)

    def measure(self, cluster: Cluster, requests: Iterable[Request], follow_up: FollowUp = nothing_more) -> Measured:
        if self.why_not:
            return Measured(why_unmeasured=self.why_not)
        replies = {request: self.reply for request in requests if self.reply is not None}
        return Measured(replies, tuple(Vantage(node, self.running, "" if self.running else "Forbidden") for node in NODES))


def states(source: Source) -> dict[str, str]:
    """Return the states of the checks that ask something here."""
    known = registry.load()
    cluster = source.cluster(())
    asking = [c for c in known.checks if c.needs.tier is Tier.PODS and any(c.plan(cluster.view(c.needs.all_kinds)))]
    report = run.run(source, known, tuple(asking)).report
    return {result.check: str(result.state) for result in report.results}


@pytest.mark.parametrize("source", [Source(Lost("exec refused")), Source(None, running=False)], ids=["lost", "no pod"])
def test_a_check_without_one_answer_does_not_pass(source: Source) -> None:
    found = states(source)
    assert len(found) > 5
    assert "pass" not in found.values(), found


def test_what_nobody_wanted_measured_is_no_silence() -> None:
    assert "unknown" not in states(Source(None, why_not="not asked for: --no-pods")).values()


def test_one_answer_is_enough_to_judge_by() -> None:
    source = Source(Lost("cut"))
    cluster = source.cluster(())
    check = registry.load().choose(["syn_retries"])[0]
    requests = list(check.plan(cluster.view(check.needs.all_kinds)))
    replies: dict[Request, Reply] = dict.fromkeys(requests, Lost("cut"))
    replies[requests[0]] = EchoReply("10.0.0.1", (EchoSample(Outcome.OK, 1.0, "n2"),))
    source.measure = lambda *_: Measured(replies, tuple(Vantage(node, True) for node in NODES))  # type: ignore[method-assign]
    assert [str(result.state) for result in run.run(source, registry.load(), (check,)).report.results] == ["pass"]


def test_a_wheel_takes_every_package_along() -> None:
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "kubectl_netdoc").rglob("*.py")}
    assert set(find_packages(str(ROOT), **find)) == there


def test_a_check_that_needs_the_api_alone_judges_after_measuring() -> None:
    """cni_health asks nothing itself and reads what mtu_mismatch measured; policy_coverage has a plan of its own."""
    known = registry.load()
    source = bundle.load((ROOT / "tests" / "bundles" / "healthy.json").read_bytes(), "healthy.json")
    report = run.run(source, known, known.checks).report
    coverage = next(check for check in known.checks if check.id == "policy_coverage")
    assert {coverage.needs.tier, known.choose(["cni_health"])[0].needs.tier} == {Tier.API}
    assert [finding.evidence["mtu_seen"] for finding in report.findings if finding.code == "CNI010"] == [["1450"]]
