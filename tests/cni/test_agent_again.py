# SPDX-License-Identifier: Apache-2.0
"""No fix deletes or restarts an agent's pod that is not there; where it is, the pod is named."""

from __future__ import annotations

import pytest

from kubectl_netdoc.api import DAEMON_SET, Cluster, Facts, Finding, PodProblem, Reply, Request, Unavailable, Vantage
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.node import CniConfig, CniConfigReply, CniFile
from kubectl_netdoc.testing import Built, make_cluster, make_event, make_pod, outcome
from tests.support.cni_objects import NODES, daemon_set, node

AGENT = "kube-flannel/kube-flannel-ds"
IMAGE = "ghcr.io/flannel-io/flannel:v0.27.0"
MESSAGES = (
    'plugin type="flannel" failed (add): failed to find plugin "flannel" in path [/opt/cni/bin]',
    'plugin type="flannel" failed (add): dial unix /run/flannel.sock: connect: connection refused',
    'plugin type="flannel" failed (add): Unauthorized',
)


def _agent(on: str, **more: object) -> Built:
    owner = [{"kind": "DaemonSet", "name": "kube-flannel-ds", "controller": True}]
    return make_pod(f"kube-flannel-ds-{on}", "kube-flannel", node=on, ip=f"192.168.0.{on[1]}", ownerReferences=owner, **more)  # type: ignore[arg-type]


def _cluster(with_agent: bool, *more: Built, tier: Tier = Tier.PRIVILEGED, hidden: bool = False) -> Cluster:
    """n3 has an agent or has none; the other nodes have one."""
    agents = [_agent(name) for name in NODES if with_agent or name != "n3"]
    flannel = daemon_set("kube-flannel", "kube-flannel-ds", {"kube-flannel": IMAGE})
    lists = {DAEMON_SET: Unavailable("forbidden")} if hidden else {}
    return make_cluster(*flannel, *agents, *map(node, NODES), *more, vantages=NODES, tier=tier, unavailable=lists)


def test_what_is_said() -> None:
    there, gone = agent_again.on(_cluster(True), "n3"), agent_again.on(_cluster(False), "n3")
    assert there.there is True
    assert there.commands == ("kubectl -n kube-flannel delete pod kube-flannel-ds-n3",)
    assert gone.there is False
    assert not any(" delete " in command for command in gone.commands)
    assert AGENT in gone.words
    assert agent_again.on(_cluster(False, hidden=True), "n3").there is None
    assert agent_again.on(make_cluster(*map(node, NODES)), "n3").there is None


def _waiting(message: str) -> tuple[Built, ...]:
    events = [make_event("Pod", "web-1", "shop", "FailedCreatePodSandBox", message, age=age) for age in (5, 100)]
    return make_pod("web-1", node="n3", ip="", ready=False), *events


def _sandbox(with_agent: bool, message: str) -> Finding:
    """NOD003 on n3."""
    check = registry.load().choose(["nodes_ready"])[0]
    return _only(outcome(check, _cluster(with_agent, *_waiting(message))).findings, "NOD003")


def _only(findings: tuple[Finding, ...], code: str) -> Finding:
    (finding,) = (each for each in findings if each.code == code)
    return finding


def _no_files(with_agent: bool) -> Finding:
    """CNF003 on n3."""
    check = registry.load().choose(["cni_files"])[0]
    cluster = _cluster(with_agent)
    files = (CniFile("10-flannel.conflist", "cbr0", ("flannel",)),)
    replies: dict[Request, Reply] = {
        CniConfig(name): CniConfigReply(Outcome.OK, 1.0, files if name != "n3" else ()) for name in NODES
    }
    hosts = tuple(Vantage(name, running=True) for name in NODES)
    return _only(outcome(check, cluster, Measured(replies, hosts, hosts)).findings, "CNF003")


def _no_sandbox(with_agent: bool) -> Finding:
    """POD003 on n3."""
    check = registry.load().choose(["debug_pods"])[0]
    vantages = tuple(Vantage(n, n != "n3", PodProblem.SANDBOX if n == "n3" else "", "no network") for n in NODES)
    return _only(outcome(check, _cluster(with_agent), Measured({}, vantages)).findings, "POD003")


MADE = [*(lambda there, text=text: _sandbox(there, text) for text in MESSAGES), _no_files, _no_sandbox]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("with_agent", [True, False])
def test_only_a_pod_that_is_there_is_deleted(made: object, with_agent: bool) -> None:
    finding = made(with_agent)  # type: ignore[operator]
    deleted = [command for command in finding.commands if " delete pod " in command]
    assert deleted == (["kubectl -n kube-flannel delete pod kube-flannel-ds-n3"] if with_agent else [])
    assert ("kubectl describe node n3" in finding.commands or "DaemonSet" in finding.fix) or with_agent


def test_the_missing_agent_is_the_cause() -> None:
    known = registry.load()
    cluster = _cluster(False, *_waiting(MESSAGES[0]))
    checks = known.choose(["cni_health", "nodes_ready"])
    outcomes = [run.analyse(check, Facts(cluster, Measured())) for check in checks]
    found = run.sum_up("here", known, cluster, Measured(), outcomes, ()).findings
    cause, effect = _only(found, "CNI001"), _only(found, "NOD003")
    assert effect.explained_by == cause.id
