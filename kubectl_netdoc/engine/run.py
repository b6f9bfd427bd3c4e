# SPDX-License-Identifier: Apache-2.0
"""The whole way, from a source to a report: read, plan, measure, analyse, join causes."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC
from itertools import chain
from time import perf_counter
from typing import TypeVar

import msgspec
from msgspec import Struct

from kubectl_netdoc import __version__
from kubectl_netdoc.components import command_selectors
from kubectl_netdoc.core.check import Check, Skip, kinds_of
from kubectl_netdoc.core.cluster import Cluster, KindUnavailable, Listing, Selection, Unavailable
from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.core.finding import Finding, Severity, Unseen
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.report import REPORT_VERSION, CheckResult, Coverage, Report, State
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import odd_ones, recent_changes, root_causes, scope, suppressions
from kubectl_netdoc.engine.registry import Registry, plugins_run
from kubectl_netdoc.engine.settings import Settings
from kubectl_netdoc.measurements import load
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources import Source

PLAIN = Settings()

T = TypeVar("T")

MOST_REQUESTS, MOST_SAID = 100_000, 1_000_000
"""Most requests and most findings of one check. On 30 sampled nodes and 15,000 pods the largest plan has about 10,000."""


class CheckRun(Struct, frozen=True):
    """The outcome of one check: findings and unseen things, or the error with which it crashed."""

    check: Check
    findings: tuple[Finding, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    error: str = ""
    ran: bool = True


class Run(Struct, frozen=True):
    """Everything about a run, enough to record it in a bundle."""

    cluster: Cluster
    measured: Measured
    report: Report


@plugins_run()
def run(
    source: Source,
    registry: Registry,
    checks: tuple[Check, ...],
    progress: Progress | None = None,
    selection: Selection | None = None,
    settings: Settings = PLAIN,
) -> Run:
    """Run the checks over a source; ``selection``: what the user selected; None: the source's own selection (a bundle has one).

    Raises ``SourceError`` as ``source`` does, and if something that the user named does not exist. A check that crashes is a row.
    """
    started = perf_counter()
    progress = progress or Progress()
    progress.stage("reading the cluster")
    cluster = source.cluster(kinds_of(checks))
    missing = scope.settle(cluster, selection)
    plans = plan(checks, cluster)
    requests = plans.requests
    progress.stage(f"measuring: {len(requests)} requests")
    if _measures(checks):
        measured = source.measure(
            cluster, requests, lambda so_far: follow_up(checks, Facts(cluster, so_far, settings.thresholds))
        )
    else:
        measured = Measured(why_unmeasured="no check measures")
    progress.stage("analysing")
    facts = Facts(cluster, measured, settings.thresholds)
    outcomes = []
    for check in checks:
        outcomes.append(plans.failed.get(check.id) or _silence_told(analyse(check, facts), facts, plans.by_check[check.id]))
        progress.settled(check.id, state(outcomes[-1]))
    unseen = (*missing, *_untold(cluster, outcomes), *scope.left_out(cluster, measured.replies))
    report = sum_up(source.label, registry, cluster, measured, outcomes, unseen, settings)
    report = msgspec.structs.replace(report, seconds=round(perf_counter() - started, 3))
    return Run(cluster, measured, report)


def _measures(checks: Iterable[Check]) -> bool:
    return any(check.needs.tier is not Tier.API for check in checks)


class Plans(Struct, frozen=True):
    """The plans of the checks: the requests of each, and the outcome of those whose plan failed."""

    by_check: dict[str, tuple[Request, ...]]
    failed: dict[str, CheckRun]

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests of all checks, equal ones once."""
        return tuple(dict.fromkeys(chain.from_iterable(self.by_check.values())))


def plan(checks: Iterable[Check], cluster: Cluster) -> Plans:
    """Collect the requests of each check."""
    failed: dict[str, CheckRun] = {}
    by_check: dict[str, tuple[Request, ...]] = {}
    for check in checks:
        try:
            planned = check.plan(cluster.view(check.needs.all_kinds))
            by_check[check.id] = tuple(dict.fromkeys(_asked(_bounded(planned, MOST_REQUESTS, "plan"))))
        except KindUnavailable as missing:
            failed[check.id] = _not_run(check, missing.kind, missing.unavailable)
        except (Exception, SystemExit) as error:  # a plugin's check may do anything
            failed[check.id] = _crash(check, error)
    return Plans(by_check, failed)


def follow_up(checks: Iterable[Check], facts: Facts) -> tuple[Request, ...]:
    """Collect what the checks want to measure besides; one that fails there fails again while it analyses, which is told."""
    found: dict[Request, None] = {}
    for check in checks:
        with suppress(Exception, SystemExit):  # a plugin's check may do anything
            more = check.follow_up(facts.of(check.id, check.needs.all_kinds))
            found |= dict.fromkeys(_asked(_bounded(more, MOST_REQUESTS, "follow_up")))
    return tuple(found)


def analyse(check: Check, facts: Facts) -> CheckRun:
    """Run one check over the facts; a missing required kind skips it, an exception makes it ``crashed``.

    What it yielded before that is kept.
    """
    own = facts.of(check.id, check.needs.all_kinds)
    for kind in check.needs.kinds:
        listing = own.cluster.listing(kind)
        if isinstance(listing, Unavailable):
            return _not_run(check, kind.plural, listing)
    said: list[Finding | Unseen] = []
    ran, rest = True, tuple[Unseen, ...]()
    try:
        said.extend(_typed(_bounded(check.analyse(own), MOST_SAID, "analyse")))  # what was yielded before the exception is kept
        rest = tuple(_unread(check, own.cluster))
    except KindUnavailable as missing:
        ran, rest = False, (_without(missing.kind, missing.unavailable),)
    except Skip as skip:
        ran, rest = False, (Unseen(what=check.id, reason=str(skip), not_applicable=skip.not_applicable),)
    except (Exception, SystemExit) as error:
        return _crash(check, error)
    findings = tuple(item for item in said if isinstance(item, Finding))
    unseen = tuple(item for item in said if isinstance(item, Unseen))
    return CheckRun(check, findings, unseen + rest, ran=ran)


def _silence_told(outcome: CheckRun, facts: Facts, planned: tuple[Request, ...]) -> CheckRun:
    """Return the outcome; if a check passed although none of its requests was answered, add that as unseen.

    Not if the user wanted no debug pods, or if a recording has no such replies. To a check of the API tier, what it measures
    besides is a detail.
    """
    if state(outcome) is not State.PASS or outcome.check.needs.tier is Tier.API:
        return outcome
    silent = {vantage.node: vantage for vantage in (*facts.vantages, *facts.hosts) if not vantage.running}
    why = ""
    for request in planned:
        reply = facts.reply(request)
        if not isinstance(reply, Lost) or not (reply.sent or request.node in silent):
            return outcome
        why = why or reply.reason
    if not why:
        return outcome
    unseen = Unseen(what="all measurements", reason=f"no measurement succeeded: {why}", expected=True)
    return msgspec.structs.replace(outcome, unseen=(*outcome.unseen, unseen))


def _bounded(items: Iterable[T], most: int, what: str) -> Iterator[T]:
    """Yield items up to a limit; a plugin that never ends is an error instead of exhausting the memory."""
    for number, item in enumerate(items):
        if number >= most:
            raise OverflowError(f"{what} yielded more than {most}")
        yield item


def _asked(planned: Iterable[Request]) -> Iterator[Request]:
    for item in planned:
        if not isinstance(item, Request):
            raise TypeError(f"plan yielded a {type(item).__name__} instead of a request")
        yield item


def _typed(said: Iterable[Finding | Unseen]) -> Iterator[Finding | Unseen]:
    for item in said:
        if not isinstance(item, (Finding, Unseen)):
            raise TypeError(f"analyse yielded a {type(item).__name__} instead of a Finding or Unseen")
        yield item


def _unread(check: Check, cluster: Cluster) -> Iterator[Unseen]:
    """Yield what the check could not read: optional lists, and single objects that can't be decoded."""
    for kind in dict.fromkeys(check.needs.kinds + check.needs.optional):
        listing = cluster.listing(kind)
        if isinstance(listing, Listing):
            yield from listing.undecodable
        elif not listing.by_design:
            yield Unseen(what=kind.plural, reason=listing.reason, grant=listing.grant, expected=True)


def _untold(cluster: Cluster, outcomes: Iterable[CheckRun]) -> Iterator[Unseen]:
    """Yield the lists that failed and that no check tells of: only a hint to each, or it skipped.

    Refusals are left out: hints are not worth a right to everybody.
    """
    told = {(unseen.what, unseen.reason) for outcome in outcomes for unseen in outcome.unseen}
    for name, listing in cluster.index.listings.items():
        kind = KINDS[name]
        if not isinstance(listing, Unavailable) or listing.by_design or listing.grant:
            continue
        if told.isdisjoint({(kind.plural, listing.reason), (kind.name, listing.reason)}):
            yield Unseen(f"{kind.plural}.{kind.group}" if kind.group else kind.plural, listing.reason, expected=True)


def _not_run(check: Check, what: str, why: Unavailable) -> CheckRun:
    return CheckRun(check, unseen=(_without(what, why),), ran=False)


def _without(what: str, why: Unavailable) -> Unseen:
    return Unseen(what=what, reason=why.reason, grant=why.grant)


def _crash(check: Check, error: Exception | SystemExit) -> CheckRun:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
    return CheckRun(check, error=f"{type(error).__name__}: {error} at {place}", ran=False)


def state(outcome: CheckRun) -> State:
    """Return the state of a check: a failed list or a silent pod is never a pass."""
    if outcome.error:
        return State.CRASHED
    severities = {finding.severity for finding in outcome.findings}
    if Severity.FAIL in severities:
        return State.FAIL
    if Severity.WARN in severities:
        return State.WARN
    if any(unseen.expected for unseen in outcome.unseen):
        return State.UNKNOWN
    return State.PASS if outcome.ran else State.SKIPPED


def sum_up(
    label: str,
    registry: Registry,
    cluster: Cluster,
    measured: Measured,
    outcomes: list[CheckRun],
    unseen: tuple[Unseen, ...],
    settings: Settings = PLAIN,
) -> Report:
    """Return the report of the outcomes: causes joined, ignored findings left out, and what the whole run did not look at."""
    codes = {code: entry[1] for code, entry in registry.codes.items()}
    fitted = (command_selectors.fitted(_of(outcome.check, f), cluster) for outcome in outcomes for f in outcome.findings)
    linked = odd_ones.blamed(root_causes.link(fitted, codes), codes, cluster)
    told, ignored = suppressions.apply(linked, settings.ignore, cluster)
    findings = odd_ones.beside(recent_changes.beside(root_causes.ranked(told, codes), cluster), codes, cluster)
    by_check: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_check[finding.check].append(finding)
    shown = [msgspec.structs.replace(outcome, findings=tuple(by_check[outcome.check.id])) for outcome in outcomes]
    results = [
        CheckResult(
            check=outcome.check.id,
            title=outcome.check.title,
            state=state(outcome),
            findings=tuple(finding.id for finding in outcome.findings),
            unseen=outcome.unseen,
            error=outcome.error,
        )
        for outcome in shown
    ]
    return Report(
        netdoc_report=REPORT_VERSION,
        tool=__version__,
        source=label,
        recorded=cluster.time.astimezone(UTC).isoformat(timespec="seconds"),
        server=cluster.server,
        coverage=coverage(cluster, measured),
        results=(*results, *registry.broken),
        findings=findings,
        unseen=(*unseen, *suppressions.unknown(cluster, registry.codes.keys())),
        ignored=ignored,
        thresholds=settings.thresholds,
    )


def _of(check: Check, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, check=check.id)


def coverage(cluster: Cluster, measured: Measured) -> Coverage:
    """Return what the run looked at."""
    return Coverage(
        nodes=len(cluster.node_names()),
        measured_nodes=tuple(v.node for v in measured.vantages if v.running),
        objects=cluster.count(),
        scope=scope.in_words(cluster),
        load=load.sent(measured.replies),
        image=cluster.image if measured.vantages else "",
        unmeasured=_unmeasured(measured),
    )


def _unmeasured(measured: Measured) -> str:
    """Return why nothing was measured although it was planned: there were no debug pods, or none of them ran."""
    if not measured.wanted or any(vantage.running for vantage in (*measured.vantages, *measured.hosts)):
        return ""
    return measured.why_unmeasured or next(
        (f"{v.reason}: {v.message}" for v in measured.vantages if v.reason), "no debug pod ran"
    )
