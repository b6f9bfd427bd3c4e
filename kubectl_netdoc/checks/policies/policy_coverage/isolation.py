# SPDX-License-Identifier: Apache-2.0
"""Who is isolated: default deny, workloads that anybody reaches, no policy at all."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Finding, Risk, Severity, Subject, counted
from kubectl_netdoc.checks.policies.policy_coverage.common import first_few
from kubectl_netdoc.policy.coverage import SYSTEM, WIDE, PolicyCoverage
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.rules import Direction

POLICIES = Subject("Cluster", "policies")

NO_DEFAULT_DENY = Code(
    id="POL010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Namespace without a default deny policy",
    message="Namespace {name} has no default deny for {missing}: {open} of its {pods} accept traffic from the whole cluster",
    fix="Add a default deny policy and allow what is needed. `netdoc policy diff --with FILE` shows which connections that "
    "would close.",
    commands=("kubectl netdoc policy coverage -n {name}",),
)
LETS_IN_ALL = Code(
    id="POL012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policies allow the whole cluster, or everybody",
    message="Policies of namespace {name} isolate {count} workloads, yet allow traffic from anybody to them: {workloads}",
    fix="Nothing to fix if that is intended (an ingress controller). Otherwise name the allowed peers in these policies.",
    commands=("kubectl netdoc policy coverage -n {name}",),
)
NO_POLICY = Code(
    id="POL011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="No network policy at all",
    message="There is no network policy: all {pods} in {namespaces} accept traffic from the whole cluster",
    fix="Nothing to fix if that is intended. Otherwise begin with a default deny policy in the namespaces that hold data.",
    commands=("kubectl netdoc policy coverage",),
)
NATIVE = Code(
    id="POL030",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policies that netdoc does not evaluate",
    message="{count} policies, or lists of them, are not evaluated: {policies}. Every verdict that they could change says so",
    fix="Use the CNI's own tool for them: netdoc evaluates Calico's, Cilium's and Antrea's own policies as far as they are about "
    "pods, nodes, addresses and ports, and have no field that it does not know.",
    rows=("P7",),
)


def without_policies(engine: Engine, coverage: PolicyCoverage) -> Iterator[Finding]:
    """Report that there is no network policy."""
    pods, unmade = (sum(getattr(space, what) for space in coverage.namespaces) for what in ("pods", "unmade"))
    if pods + unmade and not engine.native:
        all_of_them = counted(pods, "pod") if pods else f"{counted(unmade, 'workload')} (without pods yet)"
        yield NO_POLICY.on(POLICIES, pods=all_of_them, namespaces=counted(len(coverage.namespaces), "namespace"))


def open_namespaces(coverage: PolicyCoverage) -> Iterator[Finding]:
    """Report namespaces without a default deny, and isolated workloads that anybody can reach."""
    for space in coverage.namespaces:
        if space.name.startswith(SYSTEM):
            continue
        subject = Subject("Namespace", space.name)
        if space.open:
            missing = " and no ".join(d.lower() for d in Direction if d not in space.default_deny)
            yield NO_DEFAULT_DENY.on(subject, missing=missing or "direction", open=space.open, pods=space.counted)
        wide = [w for w in space.workloads if w.ingress == "isolated" and w.exposure in WIDE]
        if wide:
            shown = first_few(f"{w.ref} ({w.exposure}, {w.ports})" for w in wide)
            yield LETS_IN_ALL.on(subject, workloads=shown, count=len(wide), objects=[w.ref for w in wide])


CODES = (
    NO_DEFAULT_DENY,
    LETS_IN_ALL,
    NO_POLICY,
    NATIVE,
)
