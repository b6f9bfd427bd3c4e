# SPDX-License-Identifier: Apache-2.0
"""The verb bench against an API server of the tests' own, whose pods are network namespaces: real agents and packets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.benched_cluster import CLUSTER_IP, N2, NO_SERVICE, SERVICE, Server, benched_cluster, node
from tests.support.commandline import Done, Netdoc, complaint, in_process
from tests.support.kubeconfigs import kubeconfig
from tests.support.packet_namespaces import CannotBeMade, namespaces

pytestmark = pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")

LONGEST = 20
SHORT = ("--samples", "2", "--seconds", "0.1", "--megabytes", "8")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Server]:
    try:
        with namespaces() as made, benched_cluster(made) as server:
            yield server
    except CannotBeMade as error:
        pytest.skip(f"no network namespaces can be made here: {error}")


@pytest.fixture
def server(cluster: Server) -> Server:
    cluster.heard.clear()
    return cluster


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, server: Server) -> Netdoc:
    run = in_process(monkeypatch, capsys)
    config = kubeconfig(tmp_path, server.url)

    def bench(*arguments: object) -> Done:
        return run("bench", *arguments, "--kubeconfig", config)

    return bench


def told(done: Done) -> dict[str, dict[str, Any]]:
    """Return the paths of a benchmark by their routes."""
    return {path["request"]["route"]: path for path in json.loads(done.out)["paths"]}


def until(done: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + LONGEST
    while not done() and time.monotonic() < end:
        time.sleep(0.05)


def ended(server: Server) -> set[int | None]:
    """Return with what the agents ended; None is one that still runs though nobody talks with it."""
    until(lambda: all(process.returncode is not None for process in server.processes))
    return {process.returncode for process in server.processes}


def test_every_route_and_load_has_figures(netdoc: Netdoc, server: Server) -> None:
    done = netdoc("n1", "n2", "--host", "-o", "json", *SHORT)
    assert done.code == 0, done
    paths = told(done)
    assert set(paths) == {"same node", "pod to pod", "ClusterIP", "node port", "host to host"}
    for name, path in paths.items():
        assert [row.get("problem") for row in path["rows"]] == [None] * 9, name
        assert [row["samples"] for row in path["rows"]] == [2] * 9, name
        for row in path["rows"]:
            assert all(estimate["half"] >= 0 for estimate in row["figures"].values())
            assert row["figures"].keys() & {"gbit_s", "per_second"}
    assert paths["ClusterIP"]["reply"]["address"] == CLUSTER_IP
    assert paths["node port"]["reply"]["address"] == paths["host to host"]["reply"]["address"] == N2
    assert paths["pod to pod"]["reply"]["one_machine"] is True
    (cost,) = json.loads(done.out)["overheads"]
    assert {"ratio", "throughput", "later", "saturation"} <= cost.keys()  # and CPU time, unless the machine is busy already


def test_it_says_before_it_starts_what_it_takes(netdoc: Netdoc, server: Server) -> None:
    done = netdoc("--load", "rr", "--route", "pod", *SHORT)
    assert "measuring 1 path on n1 and n2: some 0.1 min" in done.err
    assert "at most" in done.err
    assert "TCP request/response, 1 B" in done.out
    assert "TCP, " not in done.out


def test_it_makes_one_service_and_removes_everything(netdoc: Netdoc, server: Server) -> None:
    assert netdoc("--load", "crr", "--route", "clusterip", *SHORT).code == 0
    (service,) = server.made("services")
    assert service["spec"]["type"] == "NodePort"
    ((key, value),) = service["spec"]["selector"].items()
    behind = [pod["spec"]["nodeName"] for pod in server.made("pods") if pod["metadata"]["labels"].get(key) == value]
    assert behind == ["n2"]
    (space,) = server.made("namespaces")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    deleted = [heard.path for heard in server.heard if heard.method == "DELETE"]
    assert f"/api/v1/namespaces/{space['metadata']['name']}" in deleted


def test_without_a_route_by_a_service_none_is_made(netdoc: Netdoc, server: Server) -> None:
    assert netdoc("--load", "rr", "--route", "pod", *SHORT).code == 0
    assert server.made("services") == []


def test_no_agent_is_left(netdoc: Netdoc, server: Server) -> None:
    netdoc("--load", "rr", "--route", "pod", *SHORT)
    assert ended(server) == {0}


def test_nothing_runs_once_the_users_side_is_killed(server: Server, tmp_path: Path) -> None:
    config, before = kubeconfig(tmp_path, server.url), len(server.processes)
    command = [sys.executable, "-m", "kubectl_netdoc", "bench", "--load", "tcp", "--route", "pod", "--kubeconfig", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        until(lambda: len(server.processes) >= before + 4)  # a batch of nothing and an agent for each end
        run.kill()
    assert None not in ended(server)


@pytest.mark.parametrize(("ratio", "code"), [("0.0", 0), ("9.9", 1)])
def test_fail_below_is_an_exit_code(netdoc: Netdoc, server: Server, ratio: str, code: int) -> None:
    done = netdoc("--load", "tcp", "--route", "pod", "--fail-below", ratio, *SHORT)
    assert done.code == code, done
    assert "What the pod network costs, n1 -> n2, IPv4" in done.out


def test_fail_below_without_a_ratio_is_no_pass(netdoc: Netdoc, server: Server) -> None:
    done = netdoc("--load", "rr", "--route", "pod", "--fail-below", "0.1", *SHORT)
    assert done.code == 4
    assert "--fail-below" in done.err


def test_a_path_that_takes_nothing_is_told_and_the_others_are_measured(netdoc: Netdoc, server: Server) -> None:
    server.pods.run(server.pods.node, NO_SERVICE)
    try:
        done = netdoc("--load", "tcp", "--load", "crr", "--route", "pod", "--route", "clusterip", "-o", "json", *SHORT)
    finally:
        server.pods.run(server.pods.node, SERVICE)
    paths = told(done)
    assert done.code == 0
    assert [row["samples"] for row in paths["pod to pod"]["rows"]] == [2, 2, 2]
    assert all(row["problem"] and not row["figures"] for row in paths["ClusterIP"]["rows"])
    problems = [row["problem"] for row in paths["ClusterIP"]["rows"]]
    assert (problems[0], problems[2]) == ("the connection found no route", "not tried: the loads before it failed")


def test_a_tool_that_the_image_lacks_is_told(netdoc: Netdoc, server: Server) -> None:
    done = netdoc("--tool", "netperf", "--route", "pod", *SHORT)
    assert done.code == 4
    assert "has no netperf" in done.out


@pytest.mark.parametrize("arguments", [("n1", "n9"), ("nobody",)])
def test_a_node_that_is_not_there_is_one_line(netdoc: Netdoc, server: Server, arguments: tuple[str, ...]) -> None:
    assert "there is no node" in complaint(netdoc(*arguments), 2)
    assert server.made("pods") == []


class Tags(HTMLParser):
    """Counts tags."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1


def test_html_draws_a_bar_a_path_and_loads_nothing(netdoc: Netdoc, server: Server) -> None:
    done = netdoc("--load", "rr", "--route", "pod", "--route", "host", "-o", "html", *SHORT)
    tags = Tags()
    tags.feed(done.out)
    assert (tags.seen["svg"], tags.seen["rect"]) == (1, 2)
    assert not {"script", "link", "img", "iframe"} & tags.seen.keys()


def test_a_second_zone_is_measured_too(netdoc: Netdoc, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("n1", "10.9.1.1", "a"), node("n2", N2, "b")]
    monkeypatch.setitem(server.lists, "/api/v1/nodes", nodes)
    done = netdoc("--load", "rr", "--route", "pod", "-o", "json", *SHORT)
    assert told(done)["pod to pod"]["request"]["to"] == "n2"
