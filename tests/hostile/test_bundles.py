# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles: real ones, mutated. Whatever a file holds, there is a clear error or a report, and no check of ours crashes.

`NETDOC_FUZZ=100000 pytest tests/test_hostile.py` goes on for as many.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc import report
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.report import Report, State
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.remediation import commands
from kubectl_netdoc.sources import SourceError, bundle
from tests.report.test_report import EVIL

ROOT = Path(__file__).parents[2]
NAMES = ("healthy", "kube-proxy-hung", "coredns-zero", "policy-forgets-dns", "cni-plugin-missing", "slice-doubled")
ROUNDS = int(os.environ.get("NETDOC_FUZZ", "120"))
MOST = 100_000
"""Places of a document beyond which it is not made larger: a healthy bundle has some 9,000."""

TOO_LONG = 20
"""Seconds after which a run counts as hung; one takes a twentieth of one."""

WORDS: tuple[Any, ...] = (
    *("", " ", "x" * 4000, EVIL, "../../etc/passwd", "--namespace=x", "$(reboot)", "'; reboot #", "None", "0", "-1", "1e999"),
    *("999.999.999.999", "::", "fe80::1%eth0", "10.0.0.0/0", "10.0.0.1/99", "1.2.3", "%s%n", "{name}", "{0.__class__}", "\0"),
    *("\ud83d", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-24T25:61:61Z"),
    *(None, True, False, 0, -1, 2**63, 2**64, 1e308, -0.0, [], {}, [[]], {"": ""}, [None]),
)


@contextmanager
def deadline() -> Iterator[None]:
    """Fail what hangs."""

    def hung(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(TOO_LONG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document: what holds it, and its key or index there."""
    stack = [value]
    while stack:
        item = stack.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            yield item, key
            stack.append(item[key])


def drop(chance: random.Random, holder: Any, key: Any, _: list[tuple[Any, Any]]) -> None:
    del holder[key]


def other(chance: random.Random, holder: Any, key: Any, _: list[tuple[Any, Any]]) -> None:
    holder[key] = chance.choice(WORDS)


def swap(chance: random.Random, holder: Any, key: Any, every: list[tuple[Any, Any]]) -> None:
    there, its = chance.choice(every)
    holder[key] = json.loads(json.dumps(there[its]))


def double(chance: random.Random, holder: Any, key: Any, _: list[tuple[Any, Any]]) -> None:
    if isinstance(holder, list):
        holder.extend([holder[key]] * chance.choice((1, 2, 50)))
    elif isinstance(holder[key], str):
        holder[key] *= chance.choice((2, 1000))


def cut(chance: random.Random, holder: Any, key: Any, _: list[tuple[Any, Any]]) -> None:
    if isinstance(holder[key], str):
        holder[key] = holder[key][: chance.randint(0, len(holder[key]))]


def nested(chance: random.Random, holder: Any, key: Any, _: list[tuple[Any, Any]]) -> None:
    deep: Any = holder[key]
    for _depth in range(chance.choice((1, 60))):
        deep = [deep]
    holder[key] = deep


Way = Callable[[random.Random, Any, Any, list[tuple[Any, Any]]], None]
WAYS: tuple[Way, ...] = (
    drop,
    other,
    other,
    swap,
    double,
    cut,
    nested,
)


def mutated(seed: int) -> bytes:
    """A bundle with some of its places changed, the same for a seed."""
    chance = random.Random(seed)
    document = json.loads((ROOT / "tests" / "bundles" / f"{NAMES[seed % len(NAMES)]}.json").read_text())
    way = chance.choice(WAYS)
    for _ in range(chance.choice((1, 3, 30))):
        every = list(islice(places(document), MOST))
        if len(every) == MOST:
            break
        holder, key = chance.choice(every)
        try:
            (way if chance.random() < 0.5 else chance.choice(WAYS))(chance, holder, key, every)
        except (KeyError, IndexError, RecursionError):
            continue
    return json.dumps(document).encode("utf-8", "surrogatepass")


def looked_at(content: bytes) -> Report | str:
    """The report of a bundle, or the error where it can't be used."""
    known = registry.load()
    try:
        return run.run(bundle.load(content, "x"), known, known.checks).report
    except SourceError as error:
        return str(error)


@pytest.mark.parametrize("part", range(6))
def test_a_mutated_bundle_is_an_error_or_a_report(part: int) -> None:
    for seed in range(part, ROUNDS, 6):
        content = mutated(seed)
        with deadline():
            told = looked_at(content)
            if isinstance(told, str):
                assert len(told.splitlines()) == 1, seed
                continue
            crashed = [(row.check, row.error) for row in told.results if row.state is State.CRASHED]
            assert not crashed, (seed, crashed)
            for name in report.FORMATS:
                report.renderer(name, Severity.INFO, False)(told)


PROGRAMS = frozenset({"kubectl", "grep", "head", "tail", "sort", "awk", "sed", "for", "do", "done"})
EVIL_NAMES = ("x; reboot #", "$(reboot)", "a'b\"c", "{name} {0}", "--all", "`reboot`|x&y")
RENAMED = ("netdoc-worker2", "netdoc-worker", "shop", "web", "coredns", "kube-proxy")


@pytest.mark.parametrize("evil", EVIL_NAMES)
@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "bundles").glob("*.json")), ids=lambda path: path.stem)
def test_no_name_becomes_a_command_of_its_own(path: Path, evil: str) -> None:
    """Names are words of the printed commands: nothing beside them is run, and each shell would take it so."""
    text = path.read_text()
    for name in RENAMED:
        text = text.replace(f'"{name}"', json.dumps(evil))
    told = looked_at(text.encode())
    assert not isinstance(told, str), told
    crashed = [(row.check, row.error) for row in told.results if row.state is State.CRASHED]
    assert not crashed
    programs = {words[0] for finding in told.findings for line in finding.commands for words in commands._parts(line) if words}
    assert programs <= PROGRAMS
