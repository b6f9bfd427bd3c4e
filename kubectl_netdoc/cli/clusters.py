# SPDX-License-Identifier: Apache-2.0
"""``check --contexts`` and ``--all-contexts``: one run a cluster, each in a process of its own, so that none waits for another.

A process is forked from this one, which has read the kubeconfig and imported everything; it can be ended, cleans up after itself
when it is, and gives its memory back. Threads would share what a run changes for all (stdout while plugins run).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kubectl_netdoc.cli.selection import named
from kubectl_netdoc.core.fleet import FLEET_VERSION, ClusterReport, Fleet
from kubectl_netdoc.core.report import State

if TYPE_CHECKING:
    from kubectl_netdoc.cli.look import Look
    from kubectl_netdoc.core.progress import Progress
    from kubectl_netdoc.sources.live.kubeconfig import Kubeconfig

AT_ONCE = 16
"""Most clusters that are looked at at the same time. Most of a run is waiting; its own work is about a second."""

ANSWERS = 20.0
"""Seconds that a request gets where --request-timeout sets none: one of many that does not answer is told, not waited for."""

LONGEST = 300.0
"""Seconds that reading and judging one cluster may take, besides --timeout for its measurements. 5,000 nodes take a minute."""

LEAVING = 60.0
"""Seconds that a run which took too long, or is interrupted, has to remove its debug pods."""

IN_COMMON = ("kubectl_netdoc.engine.run", "kubectl_netdoc.sources.live.source", "kubectl_netdoc.sources.live.measuring")
"""What each run imports, and so is imported before the processes part."""

NO_REPORT = {State.UNKNOWN: 3, State.CRASHED: 4}
"""The exit code for a cluster without a report: it could not be reached or took too long, or its run crashed."""

STOP = (signal.SIGINT, signal.SIGTERM)
"""What interrupts a run, so that it cleans up."""

One = Callable[[str], ClusterReport]
"""Looks at the cluster of a context."""


def look_at(look: Look, progress: Callable[[], AbstractContextManager[Progress]]) -> Fleet:
    """Look at each cluster of the flags; raises ``SourceError`` where the kubeconfig has no such context."""
    from kubectl_netdoc import __version__
    from kubectl_netdoc.sources import SourceError
    from kubectl_netdoc.sources.live import kubeconfig

    for name in IN_COMMON:
        importlib.import_module(name)
    known = kubeconfig.read(look.flags["kubeconfig"])
    contexts = _contexts(known, look.flags)

    def one(context: str) -> ClusterReport:
        limit = look.flags["request_timeout"] or ANSWERS
        try:
            _, done = look.live(kubeconfig=known, context=context, request_timeout=limit)
        except SourceError as error:
            return ClusterReport(context, State.UNKNOWN, error=str(error))
        return ClusterReport.of(context, done.report)

    began, recorded = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    longest = LONGEST + (0.0 if look.flags["no_pods"] else look.flags["timeout"])
    rows = gathered(contexts, one, longest, progress)
    return Fleet(FLEET_VERSION, __version__, recorded, rows, round(time.monotonic() - began, 3))


def _contexts(known: Kubeconfig, flags: Mapping[str, Any]) -> tuple[str, ...]:
    from kubectl_netdoc.engine.registry import UnknownName
    from kubectl_netdoc.sources import SourceError

    if not known.contexts:
        raise SourceError(f"there is no context in the kubeconfig {known.paths}; set KUBECONFIG or --kubeconfig", 2)
    asked = tuple(dict.fromkeys(named(flags["contexts"]))) if flags["contexts"] else known.contexts
    for name in asked:
        if name not in known.contexts:
            raise SourceError(f"kubeconfig {known.paths}: {UnknownName('context', name, known.contexts)}", 2)
    return asked


class _Run(msgspec.Struct):
    """The process that looks at one cluster, and where its row comes from. ``ends``: when it is interrupted."""

    context: str
    process: Any
    row: Connection
    ends: float = 0.0


def gathered(
    contexts: Sequence[str], one: One, longest: float, progress: Callable[[], AbstractContextManager[Progress]]
) -> tuple[ClusterReport, ...]:
    """Return the row of each context, in their order; a run that fails, or takes more than ``longest`` seconds, is one, too."""
    with _running(contexts, one) as runs, progress() as shown:
        shown.stage(f"looking at {len(contexts)} clusters")
        rows = {row.context: row for row in _rows(runs, longest, shown)}
    return tuple(rows[context] for context in contexts)


@contextmanager
def _running(contexts: Sequence[str], one: One) -> Iterator[list[_Run]]:
    """Start a process for each cluster, ``AT_ONCE`` of which work at a time; however this ends, they end."""
    if "fork" not in multiprocessing.get_all_start_methods():
        raise click.UsageError("several clusters at once need a system that can fork a process; use --context one by one")
    forked = multiprocessing.get_context("fork")
    places = forked.BoundedSemaphore(AT_ONCE)
    runs: list[_Run] = []
    try:
        for context in contexts:
            ours, theirs = forked.Pipe(duplex=False)
            process = forked.Process(target=_work, args=(one, context, places, theirs))
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # until the process can do what they ask for
            process.start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
            theirs.close()
            runs.append(_Run(context, process, ours))
        yield runs
    finally:
        for run in runs:
            run.process.terminate()  # nothing to one that has ended
        until = time.monotonic() + LEAVING
        for run in runs:
            run.process.join(max(0.0, until - time.monotonic()))
            run.process.kill()


def _work(one: One, context: str, places: Any, to: Connection) -> None:
    """Look at one cluster in this process, send the row, and end."""
    from kubectl_netdoc.cli.main import Interrupted

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a credential plugin must not ask: others would at the same time
        with suppress(Interrupted, BrokenPipeError), places:
            to.send_bytes(b"")
            to.send_bytes(msgspec.json.encode(_row(one, context)))
    finally:
        os._exit(0)


def _row(one: One, context: str) -> ClusterReport:
    try:
        return one(context)
    except Exception as error:
        return ClusterReport(context, State.CRASHED, error=f"this is a bug in netdoc: {type(error).__name__}: {error}")


def _rows(runs: Sequence[_Run], longest: float, progress: Progress) -> Iterator[ClusterReport]:
    """Yield the row of each run as it comes, or that there is none."""
    left = {run.row: run for run in runs}
    while left:
        ends = min((run.ends for run in left.values() if run.ends), default=0.0)
        ready = wait(list(left), max(0.0, ends - time.monotonic()) if ends else None)
        for place in ready:
            assert isinstance(place, Connection)
            run = left[place]
            try:
                said = place.recv_bytes()
            except EOFError:
                row = ClusterReport(run.context, State.CRASHED, error="its run ended without a report")
            else:
                if not said:
                    run.ends = time.monotonic() + longest
                    continue
                row = msgspec.json.decode(said, type=ClusterReport)
            del left[place]
            progress.settled(run.context, row.state)
            yield row
        for run in [run for run in left.values() if run.ends and run.ends <= time.monotonic()]:
            del left[run.row]
            run.process.terminate()  # it is waited for at the end
            progress.settled(run.context, State.UNKNOWN)
            yield ClusterReport(run.context, State.UNKNOWN, error=f"its run took longer than {longest:g} s, and was stopped")
