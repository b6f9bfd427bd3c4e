# SPDX-License-Identifier: Apache-2.0
"""Ignored findings: by the settings, or by the annotation netdoc/ignore on an object.

An ignored finding leaves the report together with its effects. It is counted, and listed with what ignored it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster, Listing
from kubectl_netdoc.core.finding import Finding, Ignored, Unseen, at_least

ANNOTATION = "netdoc/ignore"


class Suppression(Struct, frozen=True):
    """A code to ignore on subjects that match a pattern. ``by``: the setting or annotation; ``why``: the given reason.

    The pattern, with ``*``, ``?`` and ``[…]`` as in a shell, is compared with "Kind namespace/name", "namespace/name" and "name".
    """

    code: str
    by: str
    subject: str = "*"
    why: str = ""

    def applies_to(self, finding: Finding) -> bool:
        """Tell whether this applies to a finding."""
        subject = finding.subject
        place = f"{subject.namespace}/{subject.name}" if subject.namespace else subject.name
        names = (f"{subject.kind} {place}", place, subject.name)
        return finding.code == self.code and any(fnmatchcase(name, self.subject) for name in names)


def apply(
    findings: tuple[Finding, ...], suppressions: Iterable[Suppression], cluster: Cluster
) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
    """Return the linked findings without the ignored ones, and the ignored ones.

    The effects of an ignored cause are ignored too, except those that are worse: they become causes.
    """
    wanted, carried = tuple(suppressions), _annotated(cluster)
    gone: dict[str, Ignored] = {}
    for finding in findings:
        subject = finding.subject
        own = carried.get((subject.kind, subject.namespace, subject.name), ())
        if suppression := next((suppression for suppression in (*wanted, *own) if suppression.applies_to(finding)), None):
            gone[finding.id] = Ignored(finding.code, finding.severity, subject, suppression.by, suppression.why)
    for finding in findings:
        cause = gone.get(finding.explained_by)
        if cause and finding.id not in gone and at_least(cause.severity, finding.severity):
            by = f"an effect of {finding.explained_by}"
            gone[finding.id] = Ignored(finding.code, finding.severity, finding.subject, by)
    return tuple(_without(finding, gone) for finding in findings if finding.id not in gone), tuple(gone.values())


def _without(finding: Finding, gone: Collection[str]) -> Finding:
    return msgspec.structs.replace(
        finding,
        explained_by="" if finding.explained_by in gone else finding.explained_by,
        explains=tuple(effect for effect in finding.explains if effect not in gone),
    )


def unknown(cluster: Cluster, codes: Collection[str]) -> tuple[Unseen, ...]:
    """Return the unknown codes in annotations. They are no error: their author may use another version of netdoc."""
    return tuple(
        Unseen(
            f"{ANNOTATION} on {' '.join((kind, '/'.join(filter(None, (namespace, name)))))}",
            f"there is no code {suppression.code}",
        )
        for (kind, namespace, name), suppressions in _annotated(cluster).items()
        for suppression in suppressions
        if suppression.code not in codes
    )


def _annotated(cluster: Cluster) -> dict[tuple[str, str, str], list[Suppression]]:
    """Yield the codes to ignore in annotations of objects."""
    found: dict[tuple[str, str, str], list[Suppression]] = {}
    for kind, listing in cluster.index.listings.items():
        for item in listing.items if isinstance(listing, Listing) else ():
            if codes := item.metadata.annotations.ignore:
                by = f"annotation {ANNOTATION} on {kind} {item.name}"
                suppressions = [Suppression(code, by) for code in codes.replace(" ", "").upper().split(",") if code]
                found[kind, item.namespace, item.name] = suppressions
    return found
