# SPDX-License-Identifier: Apache-2.0
"""One outage is one finding: joins each effect to the cause that its code declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from kubectl_netdoc.model import Code, Explains, Finding, Severity


def link(findings: Iterable[Finding], codes: Mapping[str, Code]) -> tuple[Finding, ...]:
    """Return the findings with ids, each effect with its root cause and each cause with its effects.

    Order: causes first, worst first, then by number of effects. Two causes never explain each other: where the
    declared explanations would run in a circle, the one met first stays a cause.
    """
    named = _with_ids(findings)
    by_code: dict[str, list[Finding]] = {}
    for finding in named:
        by_code.setdefault(finding.code, []).append(finding)
    parent: dict[str, str] = {}
    for cause in named:
        code = codes.get(cause.code)
        if code is None or cause.severity is Severity.INFO:  # advice brings nothing about
            continue
        for explains in code.explains:
            for effect in (effect for name in explains.codes for effect in by_code.get(name, ())):
                if cause.id != effect.id and _same(cause, effect, explains) and _root(cause.id, parent) != effect.id:
                    parent.setdefault(effect.id, cause.id)
    effects: dict[str, list[str]] = {}
    for finding in named:
        if finding.id in parent:
            effects.setdefault(_root(finding.id, parent), []).append(finding.id)
    linked = [
        msgspec.structs.replace(
            finding,
            explained_by=_root(finding.id, parent) if finding.id in parent else "",
            explains=tuple(effects.get(finding.id, ())),
        )
        for finding in named
    ]
    return tuple(sorted(linked, key=_rank))


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


def _same(cause: Finding, effect: Finding, explains: Explains) -> bool:
    if explains.scope == "cluster":
        return True
    if explains.scope == "node":
        return bool(_nodes(effect)) and _nodes(effect) <= _nodes(cause)
    if explains.scope == "path":
        return bool(_paths(effect)) and _paths(effect) <= _paths(cause)
    if explains.scope == "services":
        named = cause.evidence.get("services", [])
        name = f"{effect.subject.namespace}/{effect.subject.name}"
        return effect.subject.kind == "Service" and isinstance(named, list) and name in named
    a, b = cause.subject, effect.subject
    return (a.kind, a.namespace, a.name) == (b.kind, b.namespace, b.name)


def _node(finding: Finding) -> str:
    return finding.subject.node or (finding.subject.name if finding.subject.kind == "Node" else "")


def _nodes(finding: Finding) -> set[str]:
    """The nodes that a finding is about: its subject's, else those its evidence names."""
    named = finding.evidence.get("nodes", [])
    own = _node(finding)
    return {own} if own else set(named) if isinstance(named, list) else set()


def _paths(finding: Finding) -> set[str]:
    """The paths "from -> to" between nodes that a finding is about, as its evidence names them."""
    named = finding.evidence.get("paths", [])
    return set(named) if isinstance(named, list) else set()


def _root(finding_id: str, parent: Mapping[str, str]) -> str:
    while finding_id in parent:
        finding_id = parent[finding_id]
    return finding_id


def _rank(finding: Finding) -> tuple[bool, int, int, str]:
    severity = list(Severity).index(finding.severity)
    return bool(finding.explained_by), severity, -len(finding.explains), finding.id
