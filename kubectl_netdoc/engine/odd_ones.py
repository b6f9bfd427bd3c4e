# SPDX-License-Identifier: Apache-2.0
"""In what a node is unlike its peers: the likely cause of a failure there that nothing explains, else a hint beside causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Code, Finding, Odd, Severity
from kubectl_netdoc.records.kinds import POD

MOST = 4
"""Most differences that are shown for a cause."""


SUSPECTS = "suspects"
"""The evidence that lists what of a difference may take, delay or misdirect packets."""

FEW = 3
"""Most suspects of what is taken for a cause: a machine of another kind has many, and none of them is likely."""

LIKELY = ". Nothing else explains what fails there, so this is the likely cause"


def blamed(linked: Iterable[Finding], codes: Mapping[str, Code], cluster: Cluster) -> tuple[Finding, ...]:
    """Return linked findings; failures without a cause that one node alone can have brought about get that node's difference.

    That is the first finding there of a code that is ``odd`` and names few ``suspects``.
    """
    by_id = {finding.id: finding for finding in linked}
    suspects: dict[str, Finding] = {}
    for finding in by_id.values():
        code = codes.get(finding.code)
        listed = finding.evidence.get(SUSPECTS, [])
        if code and code.odd and isinstance(listed, list) and 0 < len(listed) <= FEW:
            for node in finding.nodes:
                suspects.setdefault(node, finding)
    for failure in tuple(by_id.values()) if suspects else ():
        code = codes.get(failure.code)
        if failure.explained_by or failure.severity is Severity.INFO or code is None or code.tells == "cause":
            continue
        nodes = _at(failure, cluster)
        there = [suspects[node].id for node in nodes & suspects.keys()]
        if len(there) == 1 and (len(nodes) == 1 or failure.paths):  # either end of a path can break it
            by_id |= _explained(by_id, by_id[there[0]], failure)
    return tuple(by_id.values())


def _explained(by_id: Mapping[str, Finding], cause: Finding, failure: Finding) -> dict[str, Finding]:
    """Return a difference as the cause of a failure, and that with all its effects as effects of it."""
    effects = (failure.id, *failure.explains)
    message = cause.message if cause.explains else cause.message + LIKELY
    return {
        cause.id: msgspec.structs.replace(cause, message=message, explains=(*cause.explains, *effects)),
        **{effect: msgspec.structs.replace(by_id[effect], explained_by=cause.id, explains=()) for effect in effects},
    }


def beside(findings: Iterable[Finding], codes: Mapping[str, Code], cluster: Cluster) -> tuple[Finding, ...]:
    """Return the findings; causes get what findings of codes that are ``odd`` say of the nodes that they point at."""
    known = tuple(findings)
    told: dict[str, list[Odd]] = {}
    for finding in known:
        code = codes.get(finding.code)
        for node in finding.nodes if code and code.odd else ():
            told.setdefault(node, []).append(Odd(finding.code, finding.subject, finding.message, finding.commands))
    if not told:
        return known
    return tuple(_with(finding, told, cluster) for finding in known)


def _with(finding: Finding, told: Mapping[str, list[Odd]], cluster: Cluster) -> Finding:
    if finding.explained_by or finding.severity is Severity.INFO:
        return finding
    itself = (finding.code, finding.subject)
    at = sorted(_at(finding, cluster))
    beside = [_besides(odd, finding) for node in at for odd in told.get(node, ()) if (odd.code, odd.subject) != itself]
    return msgspec.structs.replace(finding, odd=tuple(beside[:MOST]))


def _besides(odd: Odd, finding: Finding) -> Odd:
    """Return a difference with the commands that the finding does not have itself."""
    return msgspec.structs.replace(odd, commands=tuple(each for each in odd.commands if each not in finding.commands))


def _at(finding: Finding, cluster: Cluster) -> frozenset[str]:
    """Return the nodes that a finding points at: its pod's, those at an end of each of its paths, or else all that it names.

    If it names every node, it points at none.
    """
    subject = finding.subject
    pod = cluster.index.by_name.get(POD.name, {}).get((subject.namespace, subject.name)) if subject.kind == "Pod" else None
    if pod is not None:
        return frozenset((pod.spec.node_name,))
    if subject.kind == "Node" or subject.node:
        return finding.nodes
    if finding.paths:
        return frozenset.intersection(*(frozenset(path.nodes) for path in finding.paths))
    return finding.nodes if len(finding.nodes) < len(cluster.hosts) else frozenset()
