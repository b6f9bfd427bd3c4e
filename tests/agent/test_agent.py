# SPDX-License-Identifier: Apache-2.0
"""The agent as a process, against servers that answer well, late, sometimes, never, or with lies."""

from __future__ import annotations

import base64
import socket
import time
from threading import Event
from typing import Any

import dns.message
import pytest

from tests.support.agent_process import answers, ask, outcomes, query, run_agent
from tests.support.udp_servers import closed_port, healthy, other_id, silent, udp_server

SHORT = 0.2
"""Seconds that a server gets that will not answer."""


def test_healthy_server_answers_every_sample() -> None:
    with udp_server(healthy) as place:
        reply, end = run_agent([ask(7, place, samples=4)])
    assert reply["id"] == 7
    assert reply["to"] == "127.0.0.1"
    assert outcomes(reply) == ["ok"] * 4
    assert all(sample[1] > 0 for sample in reply["samples"])
    assert all(dns.message.from_wire(answer).question for answer in answers(reply))
    assert end["throttled"] >= 0


def test_slow_server_is_measured_from_send_to_receipt() -> None:
    def slow(datagram: bytes, number: int) -> list[bytes]:
        Event().wait(0.05)
        return healthy(datagram, number)

    with udp_server(slow) as place:
        reply, _ = run_agent([ask(0, place, samples=2)])
    assert outcomes(reply) == ["ok", "ok"]
    assert all(sample[1] >= 50 for sample in reply["samples"])


def test_lost_datagrams_are_seen_one_by_one_and_not_asked_again() -> None:
    def lossy(datagram: bytes, number: int) -> list[bytes]:
        return healthy(datagram, number) if number % 2 == 0 else []

    with udp_server(lossy) as place:
        reply, _ = run_agent([ask(0, place, samples=4, timeout=SHORT, give_up=9)])
    assert outcomes(reply) == ["ok", "timeout", "ok", "timeout"]
    assert all(len(sample) == 2 for sample in reply["samples"] if sample[0] == "timeout")


def test_silent_server_is_given_up_and_the_next_ask_knows() -> None:
    with udp_server(silent) as place, udp_server(healthy) as other:
        asks = [ask(0, place, samples=9, timeout=SHORT), ask(1, place, samples=9, timeout=SHORT), ask(2, other)]
        first, third, second, _ = run_agent(asks)
    assert [reply["id"] for reply in (first, second, third)] == [0, 1, 2]
    assert outcomes(first) == ["timeout", "timeout"]
    assert outcomes(second) == ["timeout"]
    assert outcomes(third) == ["ok"] * 3


def test_asks_to_a_silent_server_wait_together() -> None:
    """It answers once all that are left have come, which they would not if each waited for the one before."""
    left, all_there = 4, Event()

    def at_last(datagram: bytes, number: int) -> list[bytes]:
        if number < 2:
            return []
        if number == 1 + left:
            all_there.set()
        return healthy(datagram, number) if all_there.wait(10) else []

    with udp_server(at_last) as place:
        asks = [ask(0, place, timeout=SHORT), *(ask(number, place, samples=1, timeout=5.0) for number in range(1, left + 1))]
        first, *others, _ = run_agent(asks)
    assert outcomes(first) == ["timeout", "timeout"]
    assert [outcomes(reply) for reply in others] == [["ok"]] * left


def test_who_was_silent_when_connected_to_is_given_up_too() -> None:
    """Nobody takes connections from a full queue, and Linux answers none beyond it."""
    with socket.socket() as full, udp_server(silent) as place:
        full.bind(place)
        full.listen(0)
        with socket.create_connection(place):
            connect = {"id": 0, "op": "tcp", "to": list(place), "timeout": SHORT}
            second = dict(connect, id=1)
            replies = run_agent([connect, second, ask(2, place, samples=9, timeout=SHORT)])
    assert [outcomes(reply) for reply in replies[:-1]] == [["timeout"]] * 3


def test_server_is_given_up_after_two_lost_whatever_it_answers_between() -> None:
    def odd(datagram: bytes, number: int) -> list[bytes]:
        return healthy(datagram, number) if number % 2 else []

    with udp_server(odd) as place:
        reply, _ = run_agent([ask(0, place, samples=9, timeout=SHORT)])
    assert outcomes(reply) == ["timeout", "ok", "timeout"]


def test_one_lost_datagram_is_no_reason_to_stop() -> None:
    with udp_server(lambda datagram, number: healthy(datagram, number) if number else []) as place:
        reply, _ = run_agent([ask(0, place, samples=4, timeout=SHORT)])
    assert outcomes(reply) == ["timeout", "ok", "ok", "ok"]


def test_answers_to_another_question_are_not_taken() -> None:
    with udp_server(lambda datagram, _: [other_id(datagram)]) as place:
        reply, _ = run_agent([ask(0, place, timeout=SHORT)])
    assert outcomes(reply) == ["timeout", "timeout"]


def test_right_answer_behind_a_wrong_one_counts() -> None:
    with udp_server(lambda datagram, number: [other_id(datagram), *healthy(datagram, number)]) as place:
        reply, _ = run_agent([ask(0, place)])
    assert outcomes(reply) == ["ok"] * 3
    assert all(dns.message.from_wire(answer).question for answer in answers(reply))


def test_flood_of_wrong_answers_ends_with_the_time_of_the_sample() -> None:
    def flood(datagram: bytes, number: int) -> Any:
        until = time.monotonic() + 10
        while not stop.is_set() and time.monotonic() < until:
            yield other_id(datagram)

    stop = Event()
    with udp_server(flood) as place:
        try:
            reply, _ = run_agent([ask(0, place, samples=1, timeout=SHORT)])
        finally:
            stop.set()
    assert outcomes(reply) == ["timeout"]
    assert reply["samples"][0][1] < 9000, "the flood was waited out"


def test_garbage_with_the_right_id_is_handed_on_for_the_other_side_to_judge() -> None:
    with udp_server(lambda datagram, _: [datagram[:2] + b"\xff\x00garbage"]) as place:
        reply, _ = run_agent([ask(0, place, samples=1)])
    assert outcomes(reply) == ["ok"]
    assert answers(reply)[0][2:] == b"\xff\x00garbage"


def test_datagram_without_even_an_id_is_no_answer() -> None:
    with udp_server(lambda *_: [b"", b"x"]) as place:
        reply, _ = run_agent([ask(0, place, samples=1, timeout=SHORT)])
    assert outcomes(reply) == ["timeout"]


def test_huge_answer_comes_whole() -> None:
    with udp_server(lambda datagram, _: [datagram[:2] + b"x" * 60_000]) as place:
        reply, _ = run_agent([ask(0, place)])
    assert [len(answer) for answer in answers(reply)] == [60_002] * 3


def test_closed_port_is_refused() -> None:
    with closed_port() as place:
        reply, _ = run_agent([ask(0, place, samples=9)])
    assert outcomes(reply) == ["refused", "refused"]


def test_used_up_budget_is_an_error_of_each_ask_left_and_never_a_lost_sample() -> None:
    with udp_server(silent) as place:
        first, second, _ = run_agent([ask(0, place, samples=1), ask(1, place)], budget=SHORT)
    assert set(first) == set(second) == {"id", "error"}
    assert [first["id"], second["id"]] == [0, 1]


@pytest.mark.parametrize(
    "bad",
    [
        {"id": 0, "op": "format-disk"},
        {"id": 0, "op": ["udp"]},
        {"id": 0},
        {"op": "udp"},
        {"id": 0, "op": "udp"},
        {"id": 0, "op": "udp", "to": "nowhere", "payloads": [], "timeout": 1, "give_up": 1},
        {"id": 0, "op": "udp", "to": ["127.0.0.1", "x"], "payloads": ["AAAA"], "timeout": 1, "give_up": 1},
        {"id": 0, "op": "udp", "to": ["127.0.0.1", 9], "payloads": ["A"], "timeout": 1, "give_up": 1},
        {"id": 0, "op": "udp", "to": ["127.0.0.1", 9], "payloads": ["AAAA"], "timeout": "x", "give_up": 1},
        {"id": 0, "op": "udp", "to": ["127.0.0.1", 99999], "payloads": ["AAAA"], "timeout": 1, "give_up": 1},
        [],
        "udp",
        7,
        None,
    ],
    ids=repr,
)
def test_malformed_ask_is_an_error_and_the_next_one_is_answered(bad: Any) -> None:
    with udp_server(healthy) as place:
        first, second, _ = run_agent([bad, ask(1, place, samples=1)])
    assert first["error"]
    assert second["id"] == 1
    assert outcomes(second) == ["ok"]


def test_empty_batch_ends() -> None:
    assert [line["replies"] for line in run_agent([])] == [0]


def test_payloads_are_sent_as_they_are() -> None:
    seen: list[bytes] = []

    def record(datagram: bytes, number: int) -> list[bytes]:
        seen.append(datagram)
        return healthy(datagram, number)

    sent = [query(), query()]
    with udp_server(record) as place:
        run_agent([ask(0, place) | {"payloads": [base64.b64encode(payload).decode() for payload in sent]}])
    assert seen == sent
