# SPDX-License-Identifier: Apache-2.0
"""Servers that lack what others have, or have it in other versions: what is not served, and what is served but can't be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources.live.client import ACCEPTED
from tests.support.api_server import Heard, Server, api_server
from tests.support.commandline import Netdoc, in_process
from tests.support.discovery import BUILT_IN, EXTENSIONS, group_list, plurals, resource_list
from tests.support.kubeconfigs import kubeconfig

NOT_FOUND = 404, "the server could not find the requested resource"
UNKNOWN = "v9alpha7"


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def judged(netdoc: Netdoc, server: Server, folder: Path) -> dict[str, Any]:
    server.heard.clear()
    done = netdoc("check", "--no-pods", "-o", "json", "--kubeconfig", kubeconfig(folder, server.url))
    assert (done.code, done.err) == (0, "")
    return dict(json.loads(done.out))


def states(report: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["state"] for row in report["results"]}


def unseen(report: dict[str, Any]) -> list[str]:
    """What was not looked at, with its reason."""
    rows = [*report.get("unseen", ()), *(each for row in report["results"] for each in row.get("unseen", ()))]
    return [f"{each['what']}: {each['reason']}" for each in rows]


def readers(kind: Kind[Any]) -> set[str]:
    """The checks that are sure only with a kind."""
    checks = registry.load().checks
    return {check.id for check in checks if kind.name in {own.name for own in check.needs.kinds + check.needs.optional}}


def asked(server: Server) -> set[str]:
    return {heard.path for heard in server.heard}


def test_what_a_server_lacks_is_no_trouble(netdoc: Netdoc, tmp_path: Path) -> None:
    """Nothing of it is asked for, nothing was wanted and not had, no check is less sure for it."""
    with api_server() as server:
        everything = judged(netdoc, server, tmp_path)
        assert {f"{kind.path}/{kind.plural}" for kind in EXTENSIONS} <= asked(server)
        server.served = dict(plurals(BUILT_IN))
        less = judged(netdoc, server, tmp_path)
        assert not any(path.startswith(tuple(f"{kind.path}/" for kind in EXTENSIONS)) for path in asked(server))
    assert less["findings"] == everything["findings"]
    assert states(less) == states(everything)
    assert "server has" not in json.dumps(less)


@pytest.mark.parametrize("kind", EXTENSIONS, ids=lambda kind: kind.name)
def test_kind_that_is_served_only_in_versions_that_are_not_known_is_unseen_and_none_passes(
    netdoc: Netdoc, tmp_path: Path, kind: Kind[Any]
) -> None:
    with api_server() as server:
        server.served = plurals(BUILT_IN) | {f"{kind.groups[-1]}/{UNKNOWN}": [kind.plural]}
        report = judged(netdoc, server, tmp_path)
    told = [line for line in unseen(report) if f"{kind.plural} only in {kind.groups[-1]}/{UNKNOWN}" in line]
    assert told, unseen(report)
    assert [name for name in readers(kind) if states(report)[name] == "pass"] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.also], ids=lambda kind: kind.name)
def test_the_best_version_that_is_served_is_read(netdoc: Netdoc, tmp_path: Path, kind: Kind[Any]) -> None:
    for api in kind.apis:
        with api_server() as server:
            later = kind.apis[kind.apis.index(api) :]
            server.served = plurals(BUILT_IN) | {each: [kind.plural] for each in (*later, f"{kind.group}/{UNKNOWN}")}
            report = judged(netdoc, server, tmp_path)
        assert {path for path in asked(server) if path.endswith(f"/{kind.plural}") and kind.group in path} <= {
            f"/apis/{api}/{kind.plural}",
            f"/apis/networking.k8s.io/v1/{kind.plural}",
        }
        assert f"/apis/{api}/{kind.plural}" in asked(server)
        assert not [line for line in unseen(report) if line.split()[0] == kind.plural or f"{kind.plural} only in" in line]


@pytest.mark.parametrize("refused", [(403, "apis is forbidden"), (500, "etcd is away"), (404, "not found")], ids=str)
def test_discovery_that_cant_be_read_makes_nothing_not_installed(
    netdoc: Netdoc, tmp_path: Path, refused: tuple[int, str]
) -> None:
    """What the server has is read; what answers 404 may be there in another version."""
    there = next(kind for kind in EXTENSIONS if kind.name == "HTTPRoute")

    def failing(heard: Heard) -> tuple[int, str] | None:
        if heard.path == "/apis":
            return refused
        paths = tuple(f"{kind.path}/{kind.plural}" for kind in EXTENSIONS if kind is not there)
        return NOT_FOUND if heard.path in paths else None

    with api_server() as server:
        server.refuse = failing
        report = judged(netdoc, server, tmp_path)
        assert f"{there.path}/{there.plural}" in asked(server)
    for kind in EXTENSIONS:
        assert [name for name in readers(kind) if kind is not there and states(report)[name] == "pass"] == []
    assert any("tcproutes" in line and refused[1] in line for line in unseen(report))


def test_api_server_behind_that_does_not_tell_makes_nothing_not_installed(netdoc: Netdoc, tmp_path: Path) -> None:
    metrics = KINDS["PodMetrics"]
    with api_server() as server:
        server.served = plurals(BUILT_IN) | {"metrics.k8s.io/v1beta1": None}
        report = judged(netdoc, server, tmp_path)
        assert f"{metrics.path}/{metrics.plural}" not in asked(server)
    assert any("metrics.k8s.io/v1beta1" in line for line in unseen(report))


def test_server_before_aggregated_discovery_is_asked_version_by_version(netdoc: Netdoc, tmp_path: Path) -> None:
    route = KINDS["TCPRoute"]
    served = plurals(BUILT_IN) | {route.apis[-1]: [route.plural], "example.org/v1": ["things"]}
    with api_server() as server:
        server.served = served
        server.aggregates = False
        report = judged(netdoc, server, tmp_path)
        assert f"/apis/{route.apis[-1]}/{route.plural}" in asked(server)
        assert "/apis/example.org/v1" not in asked(server)
        assert f"/apis/{KINDS['HTTPRoute'].apis[-1]}/httproutes" not in asked(server)
    assert not [line for line in unseen(report) if "server has" in line]
    assert group_list(served)["groups"]
    assert resource_list(route.apis[-1], [route.plural])["resources"]


def test_both_forms_of_aggregated_discovery_are_wanted_before_the_older_one(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        judged(netdoc, server, tmp_path)
        sent = [heard.header("Accept") for heard in server.heard if heard.path == "/apis"]
    assert sent == [[ACCEPTED["/apis"]]]
    wanted = [each.strip() for each in ACCEPTED["/apis"].split(",")]
    assert [each.split(";")[2:3] for each in wanted] == [["v=v2"], ["v=v2beta1"], []]
