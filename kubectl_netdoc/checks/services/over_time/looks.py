# SPDX-License-Identifier: Apache-2.0
"""Connections that fail again and again, and work in between."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import groupby
from statistics import mean

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    Address,
    Cluster,
    Code,
    Explains,
    Finding,
    Look,
    NodePath,
    Outcome,
    OverTime,
    Peer,
    Place,
    Risk,
    Severity,
    Subject,
)
from kubectl_netdoc.checks.services.over_time.seen import Seen, addresses, pairs
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes.service_targets import TargetEndpoint, targets

HELD_UP = 0.3
"""Seconds by which a look began late from which it says nothing: the debug pod itself was held up."""

LEAST = 12
"""Looks of which half a minute's verdict is made at least."""

GAPS, LENGTH = 2, 2
"""Gaps, and failed looks in a row in each, that make an outage which comes again; one gap may be a restart."""

MOST_GAPS = 4
"""Gaps at most: what fails more often is no outage that comes again, but a share of all connections."""

FAILED = 3
"""Failed looks, each by itself, of a place that drops a share of its connections."""

LOOK = ("kubectl get nodes -o wide", "kubectl netdoc check --thorough --privileged")

PATHS = (
    "SYN001",
    "SVR005",
    "SVR013",
    "PTQ001",
    "PTQ003",
    "PTQ004",
    "PNW001",
    "PNW002",
    "PNW003",
    "PNW004",
    "PNW006",
    "PNW014",
    "PNW016",
)
THROUGH = ("SVR006", "DNL001", "DNL002", "DNL005", "DNL007", "DSV002", "SYN003")
MOMENT = (
    Explains((*PATHS, "DTR001", "DTR002", "DSV001", "DSV003"), "path"),
    Explains(("SVR005", "SVR013"), "subject"),
    Explains(THROUGH, "services"),
)
"""What a check that looks once shows of a path that works in between, if it looks while it doesn't: at the path itself, and at
Services of which one of several endpoints is behind it."""

OUT = Code(
    id="OVT001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="It fails for seconds, again and again",
    message="{what} fails again and again from {nodes}: it was out {gaps} times in {seconds} s, for about {out} s each, and "
    "worked in between ({failed} of {tried} connections failed)",
    fix="Look for what comes and goes at that rhythm: an application or an agent that hangs, a link that flaps, a job that "
    "rewrites firewall rules, or two hosts with the same address. Compare its log with the times of the gaps: {when}.",
    commands=LOOK,
    rows=("M3",),
    explains=MOMENT,
    tells="failure",
)
SHARE = Code(
    id="OVT002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A share of the connections fails",
    message="{what}: {failed} of {tried} connections from {nodes} failed in {seconds} s, about one in {every}, and the others "
    "worked. Their first packets are lost or refused, one by one",
    fix="Look for what takes single connections on the way or on the node of that end: a firewall rule with the statistic or "
    "limit match, a full listen queue, or a full connection tracking table. `kubectl netdoc check --privileged` reads the node.",
    commands=LOOK,
    rows=("M3",),
    explains=MOMENT,
    tells="failure",
)


class Pattern(Struct, frozen=True):
    """How looks at a place failed. ``gaps``: the beginnings of the gaps; ``out``: the mean length of one, in looks."""

    code: Code
    failed: int
    tried: int
    gaps: tuple[float, ...] = ()
    out: float = 0.0


def pattern(seen: Seen, limiting: Container[str] = ()) -> Pattern | None:
    """Return how looks at a place failed; None where all worked, none did, or it may be one restart or chance.

    ``limiting``: nodes whose debug pods met a limit of connections, which they reached themselves while they held many.
    """
    looks = sorted(filter(_counts, seen.alone if seen.node in limiting else seen.what.looks), key=lambda look: look.at)
    failed = [look for look in looks if look.outcome is not Outcome.OK]
    if len(looks) < LEAST or len(failed) < FAILED or 10 * len(failed) > 9 * len(looks):
        return None
    runs = [list(run) for bad, run in groupby(looks, key=lambda look: look.outcome is not Outcome.OK) if bad]
    ended = [run for run in runs if run[-1] is not looks[-1]]
    long = [run for run in ended if len(run) >= LENGTH]
    if len(long) >= GAPS and len(runs) <= MOST_GAPS and sum(map(len, long)) * 5 >= sum(map(len, ended)) * 4:
        starts = tuple(run[0].at for run in long)
        return Pattern(OUT, len(failed), len(looks), starts, mean(map(len, long)))
    if len(ended) < FAILED:
        return None  # it fails for a while, or from some moment on
    return Pattern(SHARE, len(failed), len(looks))


def losing(seen: list[Seen]) -> set[str]:
    """The nodes at the ends of paths that lose a share of their connections also while few are open: no limit does that."""
    shares = [each.pair for each in seen if each.pair and (found := pattern(each, (each.node,))) and found.code is SHARE]
    return {node for pair in shares for node in pair}


def _unwell(seen: Seen) -> bool:
    """Whether looks at a place failed so often that a Service that leads there fails in part by that."""
    return sum(look.outcome is not Outcome.OK for look in seen.what.looks) >= LENGTH


def _counts(look: Look) -> bool:
    """Whether a look says something: the debug pod was not held up before it or during it."""
    return look.late <= HELD_UP and look.ms <= 1000 * (OverTime("", ()).timeout + HELD_UP)


def analyse(cluster: Cluster, seen: list[Seen], limiting: Container[str] = ()) -> Iterator[Finding]:
    """Report paths first, then pods that other nodes see fail too or whose path is well, then Services whose pods are well."""
    failing = [(each, found) for each in seen if (found := pattern(each, limiting))]
    bad, struck = pairs(each for each, _ in failing), set[str]()
    whose, behind = addresses(cluster), _behind(cluster)
    nodes = {end.address: end.node for ends in behind.values() for end in ends}
    for code in (OUT, SHARE):
        of_code = {each.pair: (each, found) for each, found in failing if each.pair and found.code is code}
        for place in node_pairs.locate({pair for pair in of_code if pair}, pairs(seen)):
            rows = [of_code[pair] for pair in place.paths]
            struck |= {place.subject.name} if place.subject.kind == "Node" else set()
            others = {other for _, other in place.paths}
            services = [service for service, ends in behind.items() if any(end.node in others for end in ends)]
            yield _finding(place.subject, f"The path between {place.between}", rows, place.evidence() | {"services": services})
    by_subject: dict[Subject, list[tuple[Seen, Pattern]]] = {}
    for each, found in failing:
        node = nodes.get(each.place, "") if isinstance(each.place, Address) else ""
        if isinstance(each.place, Address) and node not in struck and (each.node, node) not in bad:
            by_subject.setdefault(whose[each.place], []).append((each, found))
    pods = {subject for subject in by_subject if subject.kind == "Pod"}
    unwell = {(each.node, each.place) for each in seen if _unwell(each)}
    for subject, every in by_subject.items():
        ends = behind.get(subject, ())  # of a pod none
        rows = [row for row in every if not _fails(ends, row[0].node, unwell)]
        if rows and not any(Subject("Pod", end.pod, subject.namespace) in pods for end in ends):
            ways = [(each.node, nodes.get(each.place, "")) for each, _ in rows if isinstance(each.place, Address)]
            paths = sorted({NodePath(one, other) for one, other in ways if other})
            what = f"{subject.kind} {subject.namespace}/{subject.name} on {rows[0][0].place}"
            yield _finding(subject, what, rows, {"paths": paths, "services": _leading(subject, behind)})


def _leading(subject: Subject, behind: Mapping[Subject, Iterable[TargetEndpoint]]) -> list[Subject]:
    """Return the Services that lead to a pod, or the Service itself: single connections to them fail as well."""
    if subject.kind == "Service":
        return [subject]
    mine = ((service, end) for service, ends in behind.items() for end in ends)
    return list({service: None for service, end in mine if (end.pod, service.namespace) == (subject.name, subject.namespace)})


def _finding(subject: Subject, what: str, rows: list[tuple[Seen, Pattern]], more: dict[str, object]) -> Finding:
    worst = max((found for _, found in rows), key=lambda found: (found.code is OUT, found.failed))
    failed, tried = sum(found.failed for _, found in rows), sum(found.tried for _, found in rows)
    numbers = {
        "what": what,
        "failed": failed,
        "tried": tried,
        "seconds": round(max(look.at for each, _ in rows for look in each.what.looks)) + 1,
        "gaps": len(worst.gaps),
        "out": round(worst.out),
        "every": max(1, round(tried / failed)),
        "when": ", ".join(f"{at:.0f} s" for at in worst.gaps),
        "outcomes": sorted({k.outcome for each, _ in rows for k in each.what.looks if k.outcome is not Outcome.OK}),
    }
    return worst.code.on(subject, more | numbers | {"nodes": sorted({each.node for each, _ in rows})})


def _behind(cluster: Cluster) -> dict[Subject, list[TargetEndpoint]]:
    """The endpoints of each Service; none where they can't be read."""
    found: dict[Subject, list[TargetEndpoint]] = {}
    for target in targets(cluster) if cluster.readable(ENDPOINT_SLICE) else ():
        found.setdefault(Subject.of("Service", target.service), []).extend(target.endpoints)
    return found


def _fails(ends: Iterable[TargetEndpoint], node: str, unwell: Container[tuple[str, Place]]) -> bool:
    """Whether one of these endpoints, or the path to its node, fails from a node."""
    return any((node, place) in unwell for end in ends for place in (end.address, Peer(end.node)))


CODES = (OUT, SHARE)
