# SPDX-License-Identifier: Apache-2.0
"""Puts beside each cause in what the node that it points at is unlike its peers: a hint, not a proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Code, Finding, Odd, Severity
from kubectl_netdoc.records.kinds import POD

MOST = 4
"""Most differences that are shown for a cause."""


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
    beside = [_besides(odd, finding) for node in sorted(_at(finding, cluster)) for odd in told.get(node, ())]
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
