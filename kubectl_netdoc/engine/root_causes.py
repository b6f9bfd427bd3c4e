# SPDX-License-Identifier: Apache-2.0
"""Joins each effect to the cause whose code declares it, so that one outage is one finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import get_args

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.finding import Code, Explains, Finding, Scope, Severity, Tells

CLOSENESS: tuple[Scope, ...] = ("subject", "objects", "services", "path", "node", "cluster")
"""The scopes of ``Explains``, the closest first."""


NAMED: frozenset[Scope] = frozenset({"subject", "objects", "services"})
"""The scopes in which a cause names the very object that has the effect."""


_Rank = tuple[bool, int, int, str]


class _Join(Struct, frozen=True):
    """A cause that may explain an effect, and how close the two are."""

    cause: Finding
    effect: Finding
    scope: Scope


def link(findings: Iterable[Finding], codes: Mapping[str, Code]) -> tuple[Finding, ...]:
    """Return the findings with ids, each effect with its root cause and each cause with its effects.

    Of several causes of an effect the closest wins (subject, path, node, cluster), then the worst, then the earlier one in the
    chain. Two causes never explain each other: if the declared explanations form a circle, the last join by that order is left
    out.
    """
    named = _with_ids(findings)
    joins = list(_joins(named, codes))
    levels = _levels(joins)
    parent: dict[str, str] = {}
    for join in sorted(joins, key=lambda join: _preference(join, levels)):
        if join.effect.id not in parent and _root(join.cause.id, parent) != join.effect.id:
            parent[join.effect.id] = join.cause.id
    effects: dict[str, list[str]] = {}
    for finding in named:
        if finding.id in parent:
            effects.setdefault(_root(finding.id, parent), []).append(finding.id)
    return tuple(
        msgspec.structs.replace(
            finding,
            explained_by=_root(finding.id, parent) if finding.id in parent else "",
            explains=tuple(effects.get(finding.id, ())),
        )
        for finding in named
    )


def ranked(linked: Iterable[Finding], codes: Mapping[str, Code]) -> tuple[Finding, ...]:
    """Return linked findings, each cause as severe as the worst of its group: causes first, worst first, then the most effects.

    What only tells of a failure, or of the place where it ends, comes after what tells a cause there and is as severe. Effects
    are in the same order.
    """
    by_id = {finding.id: finding for finding in linked}

    def raised(finding: Finding) -> Finding:
        effects = sorted((by_id[effect] for effect in finding.explains), key=_rank)
        worst = min((finding, *effects), key=lambda each: _order(each.severity)).severity
        return msgspec.structs.replace(finding, severity=worst, explains=tuple(effect.id for effect in effects))

    return _led([raised(finding) for finding in by_id.values()], codes)


def _led(findings: list[Finding], codes: Mapping[str, Code]) -> tuple[Finding, ...]:
    """Return findings by rank, but what tells more of a trouble right before what tells less of it."""

    def tells(finding: Finding) -> int:
        return get_args(Tells).index(codes[finding.code].tells if finding.code in codes else "cause")

    first: dict[tuple[int, Severity, object], _Rank] = {}
    """The rank of the first that tells so little, by severity and by its object or a node where it is seen."""
    for finding in findings:
        nodes = finding.nodes.union(*(path.nodes for path in finding.paths))
        for place in (_key(finding), *nodes) if tells(finding) and not finding.explained_by else ():
            key = tells(finding), finding.severity, place
            first[key] = min(first.get(key, _rank(finding)), _rank(finding))

    def order(finding: Finding) -> tuple[_Rank, int, _Rank]:
        own, places = tells(finding), () if finding.explained_by else (_key(finding), *finding.nodes)
        keys = ((less, finding.severity, place) for less in range(own + 1, len(get_args(Tells))) for place in places)
        return min([_rank(finding), *(first[key] for key in keys if key in first)]), own, _rank(finding)

    return tuple(sorted(findings, key=order))


def _with_ids(findings: Iterable[Finding]) -> list[Finding]:
    named: dict[str, Finding] = {}
    for finding in findings:
        subject = finding.subject
        base = ":".join(filter(None, (finding.code, subject.kind, subject.namespace, subject.name, subject.node)))
        name, number = base, 2
        while name in named:
            name, number = f"{base}#{number}", number + 1
        named[name] = msgspec.structs.replace(finding, id=name)
    return list(named.values())


def _joins(findings: list[Finding], codes: Mapping[str, Code]) -> Iterator[_Join]:
    placed: dict[tuple[str, Scope, object], list[Finding]] = {}
    for finding in findings:
        for scope in CLOSENESS:
            for place in _places(finding, scope)[:1]:  # a cause has to reach all of them, so this one as well
                placed.setdefault((finding.code, scope, place), []).append(finding)
    for cause in findings:
        code = codes.get(cause.code)
        for explains in code.explains if code else ():
            reached = _reached(cause, explains.scope)
            near = (placed.get((name, explains.scope, place), ()) for name in explains.codes for place in reached)
            for effect in chain.from_iterable(near):
                if (
                    cause.id != effect.id
                    and reached.issuperset(_places(effect, explains.scope))
                    and _can(cause, effect, explains)
                ):
                    yield _Join(cause, effect, explains.scope)


def _can(cause: Finding, effect: Finding, explains: Explains) -> bool:
    if cause.severity is Severity.INFO and (explains.scope not in NAMED or effect.severity is Severity.INFO):
        return False  # advice explains nothing but what has gone wrong with an object that it names
    if explains.scope == "cluster" and cause.severity is Severity.WARN and effect.severity is Severity.FAIL:
        return False  # a WARN does not explain a FAIL everywhere
    outcomes = effect.evidence.get("outcomes", [])
    seen = set(outcomes) if isinstance(outcomes, list) else {str(outcomes)}
    return seen.isdisjoint(explains.unless)


def _levels(joins: list[_Join]) -> dict[str, int]:
    """Return for each finding the length of the longest chain of causes before it; findings in a circle come last."""
    before: dict[str, set[str]] = {}
    for join in joins:
        before.setdefault(join.cause.id, set())
        before.setdefault(join.effect.id, set()).add(join.cause.id)
    levels: dict[str, int] = {}
    while ready := [name for name, causes in before.items() if name not in levels and causes <= levels.keys()]:
        levels |= {name: 1 + max((levels[cause] for cause in before[name]), default=-1) for name in ready}
    return {name: levels.get(name, len(before)) for name in before}


def _preference(join: _Join, levels: Mapping[str, int]) -> tuple[int, int, int, str, str]:
    cause = join.cause
    return CLOSENESS.index(join.scope), _order(cause.severity), levels[cause.id], cause.id, join.effect.id


def _places(effect: Finding, scope: Scope) -> tuple[object, ...]:
    """Return all places that a cause of that scope has to reach to explain a finding."""
    if scope == "cluster":
        return (scope,)
    if scope == "node":
        return tuple(sorted(effect.nodes))
    return effect.paths if scope == "path" else (_key(effect),)


def _reached(cause: Finding, scope: Scope) -> frozenset[object]:
    """Return the places that a cause of that scope reaches."""
    if scope in ("objects", "services"):
        return frozenset(ref.key for ref in cause.objects(scope) if scope == "objects" or ref.kind == "Service")
    return frozenset(_places(cause, scope))


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.subject.kind, finding.subject.namespace, finding.subject.name


def _root(finding_id: str, parent: Mapping[str, str]) -> str:
    while finding_id in parent:
        finding_id = parent[finding_id]
    return finding_id


def _order(severity: Severity) -> int:
    return list(Severity).index(severity)


def _rank(finding: Finding) -> _Rank:
    return bool(finding.explained_by), _order(finding.severity), -len(finding.explains), finding.id
