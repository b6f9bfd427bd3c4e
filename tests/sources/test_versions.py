# SPDX-License-Identifier: Apache-2.0
"""Servers that lack what others have: older versions of Kubernetes, and APIs that nobody has installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubectl_netdoc.records.kinds import KINDS
from tests.support.api_server import Heard, api_server
from tests.support.commandline import Netdoc, in_process
from tests.support.kubeconfigs import kubeconfig

BUILT_IN = frozenset(
    {
        "admissionregistration.k8s.io/v1",
        "apiextensions.k8s.io/v1",
        "apiregistration.k8s.io/v1",
        "apps/v1",
        "batch/v1",
        "discovery.k8s.io/v1",
        "networking.k8s.io/v1",
    }
)
"""What netdoc reads where nothing is installed: served since Kubernetes 1.21, all of it (deprecated API migration guide)."""

EXTENSIONS = tuple(f"{kind.path}/" for kind in KINDS.values() if f"{kind.group}/{kind.version}" not in BUILT_IN and kind.group)


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def test_what_is_not_built_in_is_an_extension() -> None:
    """Only of those is asked whether they are served."""
    own = {f"{kind.group}/{kind.version}" for kind in KINDS.values() if kind.group and not kind.extension}
    assert own == BUILT_IN


@pytest.mark.parametrize("listed", [False, True], ids=["not in discovery", "in discovery, without these kinds"])
def test_what_a_server_lacks_is_no_trouble(netdoc: Netdoc, tmp_path: Path, listed: bool) -> None:
    """Not a line on stderr, no list that was wanted and not had, no check that is less sure for it."""

    def lacking(heard: Heard) -> tuple[int, str] | None:
        return (404, "the server could not find the requested resource") if heard.path.startswith(EXTENSIONS) else None

    with api_server() as server:
        path = kubeconfig(tmp_path, server.url)
        everything = netdoc("check", "--no-pods", "-o", "json", "--kubeconfig", path)
        server.refuse = lacking
        server.versions = server.versions if listed else BUILT_IN
        server.heard.clear()
        less = netdoc("check", "--no-pods", "-o", "json", "--kubeconfig", path)
        assert (less.code, less.err) == (everything.code, "")
        assert any(heard.path.startswith(EXTENSIONS) for heard in server.heard) == listed
    before, now = (json.loads(done.out) for done in (everything, less))
    assert now["findings"] == before["findings"]
    assert {row["check"]: row["state"] for row in now["results"]} == {row["check"]: row["state"] for row in before["results"]}
    assert "could not find" not in less.out
