# SPDX-License-Identifier: Apache-2.0
"""Each refusal names the right that is missing, in the namespace where it is needed, or none where rights are not the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.records.kinds import DNS_LOG
from kubectl_netdoc.sources.live import missing_right
from kubectl_netdoc.sources.live.client import ApiError, Client, Options
from kubectl_netdoc.sources.live.discovery import Served
from kubectl_netdoc.sources.live.lists import unavailable
from tests.support.api_server import Heard, Server, api_server
from tests.support.commandline import Netdoc, in_process
from tests.support.kubeconfigs import kubeconfig

GET, CREATE = Grant("get", "pods/exec", "", "netdoc"), Grant("create", "pods/exec", "", "netdoc")
NAMES_NONE = 'pods "netdoc-48b68e-0" is forbidden: '
"""What API servers from 1.35 on say of an exec without the right to create (pkg/registry/core/pod/rest/authorize.go)."""

NAMES_GET = 'pods "p" is forbidden: User "jane" cannot get resource "pods/exec" in API group "" in the namespace "netdoc"'


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def client_of(folder: Path, server: Server) -> Client:
    return Client(Options(kubeconfig=str(kubeconfig(folder, server.url))))


@pytest.mark.parametrize(
    ("version", "message", "has", "grant"),
    [
        ("v1.34.4", NAMES_GET, {"create"}, GET),
        ("v1.37.2", NAMES_GET, set(), GET),
        ("v1.37.2", NAMES_NONE, {"get"}, CREATE),
        ("v1.37.2", NAMES_NONE, {"create"}, GET),
        ("v1.37.2", NAMES_NONE, {"get", "create"}, None),
        ("v1.34.4", NAMES_NONE, {"get"}, None),
        ("v1.37.2", 'admission webhook "no.exec" denied the request: not jane', set(), None),
    ],
)
def test_a_refused_exec_names_the_verb_that_lacks(
    tmp_path: Path, version: str, message: str, has: set[str], grant: Grant | None
) -> None:
    with api_server() as server:
        server.version, server.allowed = version, lambda asked: asked["verb"] in has
        assert missing_right.of_exec(client_of(tmp_path, server), ApiError(403, message), "netdoc") == grant


def test_where_each_run_makes_a_namespace_the_right_is_needed_cluster_wide(tmp_path: Path) -> None:
    words = NAMES_GET.replace('"netdoc"', '"netdoc-48b68e"')
    with api_server() as server:
        found = missing_right.of_exec(client_of(tmp_path, server), ApiError(403, words), "")
    assert found == Grant("get", "pods/exec")


def test_a_log_that_is_refused_names_which_of_its_two_rights_lacks() -> None:
    refused = 'User "jane" cannot list resource "pods" in API group "" in the namespace "kube-system"'
    assert unavailable(DNS_LOG, ApiError(403, refused), (), Served()).grant == Grant("list", "pods", "", "kube-system")
    refused = 'User "jane" cannot get resource "pods/log" in API group "" in the namespace "kube-system"'
    assert unavailable(DNS_LOG, ApiError(403, refused), (), Served()).grant == Grant("get", "pods/log", "", "kube-system")


def test_credentials_that_are_refused_are_not_a_missing_right() -> None:
    assert unavailable(DNS_LOG, ApiError(401, "Unauthorized"), (), Served()).grant is None


@pytest.mark.parametrize(
    ("refused", "grant"),
    [
        (("exec", "/exec", NAMES_NONE), CREATE),
        (("post", "/pods", "no"), Grant("create", "pods", "", "netdoc")),
        (("watch", "/pods", "no"), Grant("watch", "pods", "", "netdoc")),
    ],
)
def test_a_run_names_the_right_in_the_pods_namespace(
    netdoc: Netdoc, tmp_path: Path, refused: tuple[str, str, str], grant: Grant
) -> None:
    verb, end, words = refused

    def refuse(heard: Heard) -> tuple[int, str] | None:
        return (403, words) if heard.verb == verb and heard.path.endswith(end) else None

    with api_server() as server:
        server.version, server.refuse, server.allowed = "v1.37.2", refuse, lambda asked: asked["verb"] != grant.verb
        config = str(kubeconfig(tmp_path, server.url))
        done = netdoc(
            "check", "service_reachability", "--kubeconfig", config, "--pod-namespace", "netdoc", "-o", "json", "--timeout", "15s"
        )
    said = [item for row in json.loads(done.out)["results"] for item in row.get("unseen", ())]
    assert said
    assert all(f"missing right: {grant}" in item["reason"] for item in said if item.get("asked"))
