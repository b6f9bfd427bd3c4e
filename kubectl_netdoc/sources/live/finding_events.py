# SPDX-License-Identifier: Apache-2.0
"""Findings as Events of the cluster (events.k8s.io/v1): one when a cause comes, one when it has gone.

The Events are the memory: which findings have been told is read from the cluster each time, so that a restart, another pod or a
CronJob goes on where the last run ended. While a finding lasts its Event is written again as a series, often enough to outlive
the server's --event-ttl (an hour), and no more often.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.formats.text import beginning, safe
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.decoding import OURS, OWNER

API = "events.k8s.io/v1"
CAME, GONE = "FindingCame", "FindingGone"
"""What an Event tells, as its action."""

FINDING, CHECK = "netdoc/finding", "netdoc/check"
"""Labels: which finding an Event is about, and the check that looks for it."""

AGAIN = timedelta(minutes=30)
"""Time after which the Event of a finding that lasts is written again."""

MOST = 20
"""Most Events that a run writes; what is left is written by the next ones, the worst first."""

OF_ITS_OWN = (404, 409, 422)
"""Statuses that are of one Event alone: it has run out meanwhile, its namespace goes, or the server wants it otherwise."""

LISTED, PAGES = 500, 10
"""Events a page, and most pages that are read of those that netdoc wrote; there are at most ``MOST`` new ones a run."""

NOTE = 1000
"""Most bytes of an Event's note: the API takes 1024."""

OUTSIDE = "default"
"""Where the API has Events about what is in no namespace."""


class _Metadata(Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _Series(Struct, frozen=True, rename="camel"):
    count: int = 0
    last_observed_time: datetime | None = None


class Told(Struct, frozen=True, rename="camel"):
    """An Event that a run wrote."""

    metadata: _Metadata = field(default_factory=_Metadata)
    action: str = ""
    reason: str = ""
    event_time: datetime | None = None
    series: _Series | None = None
    regarding: dict[str, Any] = {}

    def seen(self, now: datetime) -> datetime:
        """Return when what it tells was seen last."""
        return (self.series.last_observed_time if self.series else None) or self.event_time or now


class _Page(Struct, frozen=True):
    items: list[Told] = []
    metadata: dict[str, Any] = {}


class Writing(Struct, frozen=True):
    """What became of the Events of a run: how many were written or refused, and how many are left for the next."""

    written: int = 0
    refused: int = 0
    left: int = 0


class Write(Struct, frozen=True):
    """An Event to be written: the request's method, path and body."""

    method: str
    path: str
    body: dict[str, Any]


def write(client: Client, report: Report, namespaces: Iterable[str] = ()) -> Writing:
    """Write what has come and gone since the Events that are there; raises ``ApiError`` and what is in ``UNREADABLE``.

    ``namespaces``: those that the run looked at; none means all.
    """
    places = [f"namespaces/{space}/" for space in dict.fromkeys((*namespaces, OUTSIDE))] if namespaces else [""]
    told = [event for place in places for event in _listed(client, f"/apis/{API}/{place}events")]
    due = list(planned(report, told, client.now()))
    refused = 0
    for each in due[:MOST]:
        try:
            client.request(each.method, each.path, body=each.body)
        except ApiError as error:
            if error.status not in OF_ITS_OWN:
                raise
            refused += 1
    return Writing(min(len(due), MOST) - refused, refused, max(0, len(due) - MOST))


def _listed(client: Client, path: str) -> Iterator[Told]:
    """Yield the Events that netdoc has written."""
    query: dict[str, Any] = {"labelSelector": f"{OWNER}={OURS}", "limit": LISTED}
    for _ in range(PAGES):
        page = strict_json.decode(client.get(path, query), _Page)
        yield from page.items
        query["continue"] = page.metadata.get("continue", "")
        if not query["continue"]:
            return


def planned(report: Report, told: Iterable[Told], now: datetime) -> Iterator[Write]:
    """Yield the Events to write, what has come before what has gone, each the worst first.

    Told are causes that are no advice. A finding that became another's effect has not gone; nor has one whose check did not look.
    """
    last: dict[str, Told] = {}
    for event in told:
        key = event.metadata.labels.get(FINDING, "")
        if key not in last or (last[key].event_time or now) < (event.event_time or now):
            last[key] = event
    here = {_key(finding.code, finding.subject): finding for finding in report.findings if finding.severity is not Severity.INFO}
    for cause in report.causes():
        key = _key(cause.code, cause.subject)
        if key not in here:
            continue
        before = last.get(key)
        if before is None or before.action != CAME:
            yield _created(_regarding(cause.subject), key, CAME, cause.code, cause.check, _came(cause), now)
        elif before.seen(now) <= now - AGAIN:
            yield _again(before, now)
    looked = report.looked()
    for key, event in last.items():
        check = event.metadata.labels.get(CHECK, "")
        if event.action == CAME and key not in here and check in looked:
            yield _gone(event, key, check, now)


def _key(code: str, subject: Subject) -> str:
    """Return what tells a finding from others in a label; it is what makes it the same in another report."""
    whole = "\n".join((code, subject.kind, subject.namespace, subject.name, subject.node))
    return f"{code}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def _came(finding: Finding) -> str:
    return f"{finding.message}. Fix ({finding.risk}): {finding.fix} More: kubectl netdoc explain {finding.code}"


def _gone(event: Told, key: str, check: str, now: datetime) -> Write:
    about = event.regarding
    name = "/".join(filter(None, (str(about.get("namespace", "")), str(about.get("name", "")))))
    note = f"{event.reason} {about.get('kind', '')} {name}: it has gone"
    return _created(dict(about), key, GONE, event.reason, check, note, now)


def _created(regarding: dict[str, Any], key: str, action: str, reason: str, check: str, note: str, now: datetime) -> Write:
    space = regarding.get("namespace") or OUTSIDE
    moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    name = f"netdoc.{key.lower()}.{int(now.timestamp() * 1e6):x}"
    body = {
        "apiVersion": API,
        "kind": "Event",
        "metadata": {"name": name, "namespace": space, "labels": {OWNER: OURS, FINDING: key, CHECK: check}},
        "eventTime": moment,
        "type": "Warning" if action == CAME else "Normal",
        "reason": reason,
        "action": action,
        "note": _cut(note),
        "regarding": regarding,
        "reportingController": "netdoc/kubectl-netdoc",
        "reportingInstance": socket.gethostname()[:128],
    }
    return Write("POST", f"/apis/{API}/namespaces/{space}/events", body)


def _again(event: Told, now: datetime) -> Write:
    """Return the same Event, seen once more."""
    count = (event.series.count if event.series else 1) + 1
    moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    path = f"/apis/{API}/namespaces/{event.metadata.namespace}/events/{event.metadata.name}"
    return Write("PATCH", path, {"series": {"count": count, "lastObservedTime": moment}})


def _regarding(subject: Subject) -> dict[str, Any]:
    """Return a finding's subject as a reference. What is no object of the API has a kind and a name all the same."""
    kind = KINDS.get(subject.kind)
    whole = {"kind": subject.kind, "namespace": subject.namespace, "name": safe(subject.name)}
    if kind is not None and kind.namespaced == bool(subject.namespace):
        whole |= {"apiVersion": kind.api, "kind": kind.written or kind.name}
    return {key: value for key, value in whole.items() if value}


def _cut(note: str) -> str:
    """Return a note in as many bytes as the API takes."""
    return beginning(safe(note), NOTE).encode()[:NOTE].decode(errors="ignore")
