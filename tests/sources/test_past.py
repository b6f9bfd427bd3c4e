# SPDX-License-Identifier: Apache-2.0
"""Lists as they were a while ago: how far back they go, and that a server which remembers nothing is no trouble."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from kubectl_netdoc.core.cluster import Listing, Unavailable
from kubectl_netdoc.records.kinds import PAST_SERVICE, SERVICE
from kubectl_netdoc.sources.live import lists, past
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.discovery import Served

PATH = "/api/v1/services"


class Store:
    """Stands for an API server whose store remembers some revisions; each has a Service for ten thousand of its number.

    As a real one it refuses a page that names a revision besides its token, and answers 410 to what is compacted away.
    """

    def __init__(self, now: int | str, since: int, status: int = 410) -> None:
        self.now, self.since, self.status = now, since, status
        self.asked: list[dict[str, Any]] = []

    def get(self, path: str, query: Any = None) -> bytes:
        query = dict(query or {})
        self.asked.append(query)
        token = query.get("continue", "")
        if token and "resourceVersion" in query:
            raise ApiError(400, "resourceVersionMatch is forbidden for continue")
        revision = int(token.partition("@")[2]) if token else int(query.get("resourceVersion", 0)) or self.now
        if isinstance(revision, int) and revision < self.since:
            raise ApiError(self.status, "The resourceVersion for the provided list is too old.")
        names = [f"s{number}" for number in range(int(revision) // 10_000 if isinstance(revision, int) else 0)]
        first = int(token.partition("@")[0]) if token else 0
        page = [{"metadata": {"name": name, "namespace": "shop"}} for name in names[first : first + 2]]
        more = f"{first + 2}@{revision}" if first + 2 < len(names) else ""
        return json.dumps({"metadata": {"resourceVersion": str(revision), "continue": more}, "items": page}).encode()


def _oldest(store: Store) -> int:
    return past.oldest(cast("Client", store), PATH)


@pytest.mark.parametrize(
    ("now", "since"), [(31_275, 27_100), (31_275, 31_000), (9_000_000, 8_999_000), (5_000_000, 100), (700, 1)]
)
def test_about_the_oldest_revision_is_found_in_few_questions(now: int, since: int) -> None:
    store = Store(now, since)
    found = _oldest(store)
    assert since <= found < now
    assert found - since <= max(past.STEP, (now - since) // 4)
    assert len(store.asked) < 20


@pytest.mark.parametrize(
    "store", [Store(5_000, 5_000), Store("abc", 0), Store(5_000, 4_999, status=403)], ids=["none", "no number", "no right"]
)
def test_a_server_that_remembers_nothing_is_no_trouble(store: Store) -> None:
    found = lists._past(cast("Client", store), [PAST_SERVICE], (), Served())
    assert _oldest(store) == 0
    listing = found[PAST_SERVICE.name]
    assert isinstance(listing, Unavailable)
    assert listing.by_design


def test_all_pages_are_of_the_same_state() -> None:
    store = Store(50_000, 49_000)
    found = lists._past(cast("Client", store), [PAST_SERVICE], (), Served())[PAST_SERVICE.name]
    assert isinstance(found, Listing)
    assert [item.name for item in found.items] == ["s0", "s1", "s2", "s3"]


def test_only_what_is_of_the_past_is_asked_so() -> None:
    store = Store(50_000, 49_000)
    lists._list(cast("Client", store), [SERVICE], (), set(), Served())
    assert not any("resourceVersion" in query for query in store.asked)
