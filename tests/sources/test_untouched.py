# SPDX-License-Identifier: Apache-2.0
"""What a run reads of the nodes before its own pods get a network there, seen from the API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_server import Heard, Server, api_server
from tests.support.commandline import Netdoc, in_process
from tests.support.kubeconfigs import kubeconfig


@pytest.fixture
def server() -> Iterator[Server]:
    with api_server() as server:
        yield server


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def steps(netdoc: Netdoc, server: Server, folder: Path, *flags: str) -> list[str]:
    """What a run did to pods, in its order: which it made, and into which it exec'ed."""
    done = netdoc("check", "--kubeconfig", kubeconfig(folder, server.url), "--timeout", "10s", *flags)
    assert done.code in (0, 1), done.err
    return list(dict.fromkeys(filter(None, map(_step, server.heard))))


def _step(heard: Heard) -> str:
    if heard.verb == "exec":
        return f"exec {'host' if '-host-' in heard.path else 'pod'}"
    if heard.method == "POST" and heard.path.endswith("/pods"):
        return f"make {'host' if heard.body['spec'].get('hostNetwork') else 'pod'}"
    return "make service" if heard.method == "POST" and heard.path.endswith("/services") else ""


def test_nodes_are_read_before_the_first_pod_on_the_pod_network(netdoc: Netdoc, server: Server, tmp_path: Path) -> None:
    """The exec into the pod on the host network comes before anything that the nodes' CNI plugins or kube-proxy act on."""
    found = steps(netdoc, server, tmp_path, "--node-checks")
    assert found[:2] == ["make host", "exec host"]
    assert set(found[2:]) == {"make pod", "make service", "exec pod"}


def test_a_host_pod_that_never_runs_does_not_keep_the_others(netdoc: Netdoc, server: Server, tmp_path: Path) -> None:
    """They are made all the same; that nothing was read before is no trouble of its own."""

    def refuse(heard: Heard) -> tuple[int, str] | None:
        host = heard.method == "POST" and heard.path.endswith("/pods") and heard.body["spec"].get("hostNetwork")
        return (403, "violates PodSecurity") if host else None

    server.refuse = refuse
    assert "exec pod" in steps(netdoc, server, tmp_path, "--node-checks")


@pytest.mark.parametrize("flags", [(), ("--node-checks", "dns_latency")], ids=["pods tier", "no check reads nodes"])
def test_without_such_readings_all_pods_are_made_together(
    netdoc: Netdoc, server: Server, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    found = steps(netdoc, server, tmp_path, *flags)
    assert [step.startswith("make") for step in found] == sorted((step.startswith("make") for step in found), reverse=True)
    assert found.count("exec host") == ("--node-checks" in flags)
