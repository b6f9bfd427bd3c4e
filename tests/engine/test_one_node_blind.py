# SPDX-License-Identifier: Apache-2.0
"""One node whose kubelet does not answer blinds no other: what the others prove is found, and the node is named.

Recorded runs of the lab, from which the replies of one node are taken away.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts, Measured, PodProblem, Vantage
from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.sources import bundle

BUNDLES = Path(__file__).parent.parent / "bundles"
KNOWN = registry.load()
NODES = ("netdoc-control-plane", "netdoc-worker", "netdoc-worker2")
FAULTS = (
    *("healthy", "app-on-localhost", "coredns-zero", "dns-record-large-dropped", "dns-server-lossy", "dns-server-no-tcp"),
    *("endpoint-stale", "kube-proxy-hung", "mtu-black-hole", "node-port-blocked", "overlay-port-dropped", "service-same-node"),
)


@cache
def _recorded(name: str) -> tuple[Cluster, Measured]:
    file = BUNDLES / f"{name}.json"
    source = bundle.load(file.read_bytes(), str(file))
    cluster = source.cluster(tuple(kind for check in KNOWN.checks for kind in check.needs.all_kinds))
    return cluster, source.measure(cluster, ())


def _judged(cluster: Cluster, measured: Measured) -> Report:
    outcomes = [run.analyse(check, Facts(cluster, measured)) for check in KNOWN.checks]
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return run.sum_up("here", KNOWN, cluster, measured, outcomes, ())


def _without(measured: Measured, node: str) -> Measured:
    """Exec into the pods of a node fails; the pods run."""
    lost = Lost("exec into the debug pod failed: connection timed out")

    def blind(vantage: Vantage) -> Vantage:
        return vantage if vantage.node != node else msgspec.structs.replace(vantage, reason=PodProblem.EXEC, message=lost.reason)

    replies = {request: lost if request.node == node else reply for request, reply in measured.replies.items()}
    return Measured(replies, tuple(map(blind, measured.vantages)), tuple(map(blind, measured.hosts)), wanted=True)


def _causes(report: Report) -> list[Finding]:
    return [each for each in report.findings if each.severity is not Severity.INFO and not each.explained_by]


@pytest.mark.parametrize(("name", "node"), list(product(FAULTS, NODES)))
def test_the_others_are_judged_in_full(name: str, node: str) -> None:
    cluster, measured = _recorded(name)
    whole, report = _judged(cluster, measured), _judged(cluster, _without(measured, node))
    codes = {each.code for each in report.findings}
    assert {each.code for each in _causes(whole) if node not in {*each.nodes, each.subject.name}} <= codes
    assert ("POD006", f"Node {node}") in _on_nodes(report)
    assert {each for each in _on_nodes(report) if each[1] != f"Node {node}"} <= _on_nodes(whole)


def _on_nodes(report: Report) -> set[tuple[str, str]]:
    """The causes that blame a node."""
    return {(each.code, str(each.subject)) for each in _causes(report) if each.subject.kind == "Node"}
