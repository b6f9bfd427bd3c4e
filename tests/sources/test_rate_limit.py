# SPDX-License-Identifier: Apache-2.0
"""How fast the API server is asked, by a clock of the test's own, and what becomes of a server that says 429."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubectl_netdoc.sources.live import rate_limit
from kubectl_netdoc.sources.live.client import TRIES, ApiError
from kubectl_netdoc.sources.live.rate_limit import AT_FIRST, PER_SECOND, SLOWEST_RETRY, RateLimit
from tests.support.clock import Clock
from tests.support.kubeconfigs import FakeApi, client, thing

NODES = "/api/v1/nodes"
FOUND = {"items": [thing("n1")]}
ODD = ("", "-1", "soon", "nan", "1e9", "9" * 400)
"""Values of Retry-After that are no number of seconds."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock


def taken(clock: Clock, it: RateLimit, requests: int) -> float:
    """Seconds that so many requests in a row wait."""
    start = clock.now
    for _ in range(requests):
        it.wait()
    return clock.now - start


def test_a_small_run_never_waits(clock: Clock) -> None:
    assert taken(clock, RateLimit(), AT_FIRST) == 0


def test_a_large_one_keeps_to_the_rate(clock: Clock) -> None:
    assert taken(clock, RateLimit(), AT_FIRST + 500) == pytest.approx(500 / PER_SECOND)


def test_what_was_not_used_is_there_again_but_no_more(clock: Clock) -> None:
    it = RateLimit()
    taken(clock, it, AT_FIRST + 50)
    clock.now += 3600
    assert taken(clock, it, AT_FIRST) == pytest.approx(0, abs=1e-6)
    assert taken(clock, it, 50) == pytest.approx(50 / PER_SECOND)


@pytest.mark.parametrize(
    ("says", "seconds"),
    [("0", 0), ("3", 3), ("86400", 5), *((odd, 1) for odd in ODD)],
)
def test_all_wait_for_what_the_server_says(clock: Clock, says: str, seconds: float) -> None:
    it = RateLimit()
    it.hold(says)
    assert taken(clock, it, 10) == seconds


def test_a_shorter_wait_does_not_undo_a_longer_one(clock: Clock) -> None:
    it = RateLimit()
    it.hold("4")
    it.hold("1")
    assert taken(clock, it, 1) == 4


@pytest.mark.parametrize("wait", ["0", "1", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_too_many_requests_is_asked_again(api: FakeApi, tmp_path: Path, clock: Clock, wait: str) -> None:
    api.answer(NODES, *[[429, {"Retry-After": wait}]] * (TRIES - 1), FOUND)
    assert b"n1" in client(tmp_path, api.url).get(NODES)
    assert clock.now <= 100 + TRIES - 1


def test_a_watch_is_asked_again_too(api: FakeApi, tmp_path: Path, clock: Clock) -> None:
    api.answer(NODES, [429, {"Retry-After": "1"}], FOUND)
    watch = client(tmp_path, api.url).watch(NODES, {}, 5)
    watch.stop()
    assert clock.now == 101


def test_too_many_requests_for_ever_is_an_error_in_bounded_time(api: FakeApi, tmp_path: Path, clock: Clock) -> None:
    api.answer(NODES, [429, {"Retry-After": "86400"}])
    with pytest.raises(ApiError) as raised:
        client(tmp_path, api.url).get(NODES)
    assert raised.value.status == 429
    assert len(api.seen(NODES)) == TRIES
    assert clock.now == 100 + (TRIES - 1) * SLOWEST_RETRY


def test_every_request_is_paced(api: FakeApi, tmp_path: Path, clock: Clock) -> None:
    api.lists(NODES, thing("n1"))
    its = client(tmp_path, api.url)
    for _ in range(AT_FIRST + 10):
        its.get(NODES)
    assert clock.now == pytest.approx(100 + 10 / PER_SECOND)
