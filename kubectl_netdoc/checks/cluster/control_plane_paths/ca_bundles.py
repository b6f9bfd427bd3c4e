# SPDX-License-Identifier: Apache-2.0
"""The CA certificates with which the API server verifies what it calls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import Called, Cluster, Code, Explains, Facts, Finding, Risk, Severity, Subject
from kubectl_netdoc.checks.cluster.control_plane_paths.thresholds import SOON
from kubectl_netdoc.components import api_extensions
from kubectl_netdoc.components.api_extensions import Caller

SPENT = 0.9
"""Share of its lifetime after which a certificate should have been renewed: cert-manager renews at two thirds, Knative after six
of seven days."""
CA_INVALID = Code(
    id="CPL004",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="caBundle expired",
    message="The caBundle of {kind} {name} {detail}: the API server rejects every answer of {who} and refuses {asked}",
    fix="Have the tool that created it (cert-manager's cainjector, an operator, a Helm hook) create it again, together with the "
    "certificate of {who}. Restarting that tool often does it.",
    commands=("kubectl get {object} -o yaml",),
    explains=(Explains(("CPL003",), "subject"),),
    rows=("C2",),
)
CA_ENDING = Code(
    id="CPL005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="caBundle expires soon, or belongs to a webhook whose failure is ignored",
    message="The caBundle of {kind} {name} {detail}: {consequence}",
    fix="Check the tool that should have renewed it (cert-manager's cainjector, an operator, a Helm hook).",
    commands=("kubectl get {object} -o yaml",),
    rows=("C2",),
)


# The certificates by which it trusts them


def bad_bundles(facts: Facts, found: list[Caller]) -> Iterator[Finding]:
    """Report caBundles that have expired or expire soon."""
    groups: dict[tuple[Subject, Called, bool], list[Caller]] = {}
    for caller in found:
        groups.setdefault((caller.subject, caller.called, caller.strict and not caller.idle), []).append(caller)
    for (subject, called, strict), group in groups.items():
        detail, invalid = _dates(facts.cluster, called, timedelta(days=facts.threshold(SOON)))
        if detail:
            who = str(called.service or "what is called by URL")
            common = {"asked": api_extensions.asked(group), "who": who, "object": f"{subject.kind.lower()}/{subject.name}"}
            then = "" if invalid else "then "
            does = f"refuses {common['asked']}" if strict else f"lets {common['asked']} through unchecked"
            common["consequence"] = f"the API server {then}rejects every answer of {who} and {does}"
            yield (CA_INVALID if invalid and strict else CA_ENDING).on(subject, common, detail=detail)


def _dates(cluster: Cluster, called: Called, soon: timedelta) -> tuple[str, bool]:
    """Return what is wrong with the dates of a caBundle ("" if nothing is), and whether it is invalid now."""
    if not called.certificates:
        return "", False
    last = max(called.certificates, key=lambda dates: dates.ends)
    left, life = last.ends - cluster.time, last.ends - last.begins
    if left <= timedelta():
        return f"expired on {last.ends:%Y-%m-%d %H:%M} UTC, {_span(-left)} ago", True
    first = min(dates.begins for dates in called.certificates)
    if first > cluster.time:
        return f"is not valid before {first:%Y-%m-%d %H:%M} UTC", True
    spent = left < soon and left < life * (1 - SPENT)
    return (f"ends on {last.ends:%Y-%m-%d %H:%M} UTC, in {_span(left)}", False) if spent else ("", False)


def _span(span: timedelta) -> str:
    return f"{span.days} days" if span.days > 1 else f"{int(span.total_seconds() // 3600)} h"


CODES = (
    CA_INVALID,
    CA_ENDING,
)
