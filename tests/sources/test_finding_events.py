# SPDX-License-Identifier: Apache-2.0
"""Findings as Events: one when a cause comes, one when it has gone, the same one again while it lasts, and a bounded number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.remediation.commands import Risk
from kubectl_netdoc.sources.live import finding_events, rights
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.finding_events import AGAIN, API, CAME, GONE, MOST, Writing, planned, write
from kubectl_netdoc.sources.live.lease import Lease
from tests.support.kubeconfigs import client
from tests.support.stored_objects import Store, storing

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WARN, INFO = Severity.WARN, Severity.INFO
WEB, NODE = Subject("Service", "web", "shop"), Subject("Node", "n1")


def finding(subject: Subject = WEB, severity: Severity = Severity.FAIL, message: str = "m", **more: Any) -> Finding:
    made = Finding("X001", severity, subject, message, {}, "f", (), Risk.SAFE, check="x", id=f"X001 {subject}")
    return msgspec.structs.replace(made, **more)


def report(*findings: Finding, state: State = State.PASS) -> Report:
    return Report(1, "0", "a", NOW.isoformat(), "v1", Coverage(), (CheckResult("x", "X", state),), findings)


@pytest.fixture
def store() -> Iterator[Store]:
    with storing() as running:
        yield running


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Client:
    return client(tmp_path, store.url)


def stored(store: Store) -> list[dict[str, Any]]:
    return [document for path, document in store.objects.items() if "/events/" in path]


def told(store: Store) -> list[tuple[str, str, str]]:
    return [(event["action"], event["type"], event["regarding"]["name"]) for event in stored(store)]


def test_one_when_it_comes_one_when_it_has_gone(store: Store, api: Client) -> None:
    def minute_after(found: Report) -> int:
        store.ahead += timedelta(minutes=1)
        return write(api, found).written

    looks = [report(), report(finding()), report(finding()), report(), report()]
    assert [minute_after(look) for look in looks] == [0, 1, 0, 1, 0]
    assert told(store) == [(CAME, "Warning", "web"), (GONE, "Normal", "web")]
    assert minute_after(report(finding())) == 1
    assert told(store)[2:] == [(CAME, "Warning", "web")]


@pytest.mark.parametrize("state", [State.SKIPPED, State.UNKNOWN, State.CRASHED])
def test_what_was_not_looked_at_has_not_gone(store: Store, api: Client, state: State) -> None:
    write(api, report(finding()))
    assert write(api, report(state=state)) == Writing(0)


def test_what_became_an_effect_has_not_gone_and_effects_and_advice_are_not_told(store: Store, api: Client) -> None:
    write(api, report(finding()))
    assert write(api, report(finding(explained_by="y"))) == Writing(0)
    assert write(api, report(finding(NODE, INFO), finding(Subject("Pod", "p", "shop"), explained_by="y"), finding())) == Writing(
        0
    )


def test_an_event_is_about_the_object_where_the_object_is(store: Store, api: Client) -> None:
    strange = Subject("Cluster", "cluster")
    write(api, report(finding(), finding(NODE), finding(strange), finding(Subject("Service", "no-namespace"))))
    places = {event["regarding"]["name"]: (path.split("/")[5], event["regarding"]) for path, event in store.objects.items()}
    assert places["web"] == ("shop", {"kind": "Service", "namespace": "shop", "name": "web", "apiVersion": "v1"})
    assert places["n1"] == ("default", {"kind": "Node", "name": "n1", "apiVersion": "v1"})
    assert places["cluster"] == ("default", {"kind": "Cluster", "name": "cluster"})
    assert places["no-namespace"] == ("default", {"kind": "Service", "name": "no-namespace"})


def test_the_same_event_again_while_it_lasts(store: Store) -> None:
    (first,) = planned(report(finding()), [], NOW)
    event = msgspec.convert(first.body, finding_events.Told)
    assert list(planned(report(finding()), [event], NOW + AGAIN - timedelta(seconds=1))) == []
    (again,) = planned(report(finding()), [event], NOW + AGAIN)
    assert (again.method, again.body["series"]["count"], again.path.endswith(first.body["metadata"]["name"])) == (
        "PATCH",
        2,
        True,
    )
    later = msgspec.convert({**first.body, **again.body}, finding_events.Told)
    assert list(planned(report(finding()), [later], NOW + AGAIN + timedelta(minutes=1))) == []
    (third,) = planned(report(finding()), [later], NOW + 2 * AGAIN)
    assert third.body["series"]["count"] == 3


def test_a_run_writes_a_bounded_number_the_worst_first_and_the_next_ones_the_rest(store: Store, api: Client) -> None:
    many = [finding(Subject("Service", f"s{number:03}", "shop"), WARN) for number in range(MOST + 5)]
    whole = report(finding(NODE), *many)
    assert write(api, whole) == Writing(MOST, 0, 6)
    assert ("Warning", "n1") in {(kind, name) for _, kind, name in told(store)}
    assert write(api, whole) == Writing(6)
    assert write(api, whole) == Writing(0)
    assert len(told(store)) == MOST + 6


def test_only_the_namespaces_of_the_run_are_read(store: Store, api: Client) -> None:
    write(api, report(finding()), ("shop",))
    assert {path for method, path in store.requests if method == "GET"} == {
        f"/apis/{API}/namespaces/{space}/events" for space in ("shop", "default")
    }


def test_one_that_is_refused_costs_the_others_nothing(store: Store, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Client.request

    def refusing(self: Client, method: str, path: str, *args: Any, **more: Any) -> bytes:
        if method == "POST" and "default" in path:
            raise ApiError(422, "Event is invalid")
        return request(self, method, path, *args, **more)

    monkeypatch.setattr(Client, "request", refusing)
    assert write(api, report(finding(NODE), finding())) == Writing(1, 1)


def test_a_server_that_refuses_all_is_an_error(store: Store, api: Client) -> None:
    store.refuse = 403
    with pytest.raises(ApiError):
        write(api, report(finding()))


def test_every_event_is_one_that_the_api_takes() -> None:
    """Lengths and forms of events.k8s.io/v1 (ValidateEventCreate)."""
    evil = "\x1b[2J\u202e" + "日本" * 900
    for subject in (WEB, Subject("Pod", "\x1b[31m" + "x" * 300, "shop", "n1")):
        (each,) = planned(report(finding(subject, message=evil)), [], NOW)
        body = each.body
        assert len(body["note"].encode()) <= 1024
        assert not {unicodedata.category(char) for char in body["note"] + body["regarding"]["name"]} & {
            "Cc",
            "Cf",
            "Cs",
            "Co",
            "Cn",
        }
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", body["metadata"]["name"])
        assert all(
            len(value) <= 63 and re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", value)
            for value in body["metadata"]["labels"].values()
        )
        assert 0 < len(body["reason"]) <= 128
        assert 0 < len(body["reportingInstance"]) <= 128
        assert body["metadata"]["namespace"] == body["regarding"].get("namespace", "default")


def test_what_is_asked_of_the_server_is_what_rbac_grants(store: Store, api: Client) -> None:
    """Every right of ``rights.watching`` is used, and no other."""
    for minutes, found in enumerate((report(finding()), report(finding()), report())):
        store.ahead = timedelta(minutes=40 * minutes)
        write(api, found)
    for _ in range(2):
        with Lease(api, "netdoc", rights.LEASE).held():
            pass
    verbs = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}
    asked = set()
    for method, path in store.requests:
        group = path.split("/")[2]
        resource = "leases" if "/leases" in path else "events"
        verb = "list" if method == "GET" and path.endswith(resource) else verbs[method]
        asked.add((verb, resource, group))
    granted = {(use.rule.verb, use.rule.resource, use.rule.group) for use in rights.watching("netdoc")}
    assert asked == granted
