# SPDX-License-Identifier: Apache-2.0
"""The Lease of a run: held by one at a time, renewed, given back, and taken over once it has run out by the server's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.live import lease
from kubectl_netdoc.sources.live.lease import BUSY, LASTS, Lease
from tests.support.kubeconfigs import client
from tests.support.stored_objects import Store, storing

LEASES = "/apis/coordination.k8s.io/v1/namespaces/netdoc/leases"


@pytest.fixture
def store() -> Iterator[Store]:
    with storing() as running:
        yield running


def mine(store: Store, folder: Path) -> Lease:
    return Lease(client(folder, store.url), "netdoc", "netdoc")


def spec(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = store.objects[f"{LEASES}/netdoc"]["spec"]
    return found


def test_it_is_held_while_the_block_runs_and_then_free(store: Store, tmp_path: Path) -> None:
    first, second = mine(store, tmp_path), mine(store, tmp_path)
    with first.held():
        assert (spec(store)["holderIdentity"], spec(store)["leaseDurationSeconds"]) == (first.holder, LASTS)
        with pytest.raises(SourceError) as refused, second.held():
            pass
        assert (refused.value.exit_code, first.holder in str(refused.value)) == (BUSY, True)
    assert spec(store)["holderIdentity"] == ""
    with second.held():
        assert (spec(store)["holderIdentity"], spec(store)["leaseTransitions"]) == (second.holder, 1)


def test_an_error_in_the_block_gives_it_back(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), mine(store, tmp_path).held():
        raise ValueError("x")
    assert spec(store)["holderIdentity"] == ""


@pytest.mark.parametrize(("age", "busy"), [(LASTS - 20, True), (LASTS + 20, False)])
def test_a_run_that_was_killed_holds_it_for_a_while(store: Store, tmp_path: Path, age: int, busy: bool) -> None:
    then = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    store.put(f"{LEASES}/netdoc", {"spec": {"holderIdentity": "killed", "leaseDurationSeconds": LASTS, "renewTime": then}})
    own = mine(store, tmp_path)
    with pytest.raises(SourceError) if busy else nullcontext(), own.held():
        assert spec(store)["holderIdentity"] == own.holder
    assert (spec(store)["holderIdentity"] == "killed") is busy


def test_its_age_is_judged_by_the_servers_clock(store: Store, tmp_path: Path) -> None:
    """The server is two hours ahead of this machine, so what was renewed an hour from now has run out."""
    store.ahead = timedelta(hours=2)
    then = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    store.put(f"{LEASES}/netdoc", {"spec": {"holderIdentity": "killed", "leaseDurationSeconds": LASTS, "renewTime": then}})
    with mine(store, tmp_path).held():
        pass


def test_it_is_renewed_for_as_long_as_the_block_runs(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED", 0.05)
    with mine(store, tmp_path).held():
        began = spec(store)
        until = time.monotonic() + 30
        while (again := spec(store)) is began and time.monotonic() < until:
            time.sleep(0.02)
        assert again is not began
        assert {key: again[key] for key in ("acquireTime", "holderIdentity")} == {
            key: began[key] for key in ("acquireTime", "holderIdentity")
        }


def test_what_somebody_else_has_taken_over_stays_theirs(store: Store, tmp_path: Path) -> None:
    with mine(store, tmp_path).held():
        store.put(f"{LEASES}/netdoc", {"spec": {**spec(store), "holderIdentity": "other"}})
    assert spec(store)["holderIdentity"] == "other"


def test_of_two_that_begin_at_once_one_has_it(store: Store, tmp_path: Path) -> None:
    """Between this run's look and its writing another one writes."""
    own = mine(store, tmp_path)
    raced: list[int] = []

    def race(request: web.Request) -> None:
        if request.method in ("POST", "PUT") and not raced:
            raced.append(1)
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            store.put(f"{LEASES}/netdoc", {"spec": {"holderIdentity": "other", "leaseDurationSeconds": 60, "renewTime": now}})

    store.before = race
    with pytest.raises(SourceError), own.held():
        pass
    assert spec(store)["holderIdentity"] == "other"


def test_without_the_right_it_is_one_line_with_the_next_command(store: Store, tmp_path: Path) -> None:
    store.refuse = 403
    with pytest.raises(SourceError) as error, mine(store, tmp_path).held():
        pass
    assert (error.value.exit_code, "rbac --watch" in str(error.value), "\n" in str(error.value)) == (3, True, False)
