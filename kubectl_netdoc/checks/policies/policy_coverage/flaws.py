# SPDX-License-Identifier: Apache-2.0
"""Policies that do not do what they seem to do."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import versions
from kubectl_netdoc.api import DAEMON_SET, NETWORK_POLICY, Code, Explains, Finding, Risk, Severity
from kubectl_netdoc.checks.policies.policy_coverage.common import policy_subject
from kubectl_netdoc.policy import enforcers, fixes
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.flaws import Fault, flaws

SELECTS_NOTHING = Code(
    id="POL020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policy selects no pod",
    message="{policy} selects no pod ({detail})",
    fix="Compare its podSelector with the labels of the pods. Delete the policy if its workload is gone.",
    commands=("kubectl -n {where} get pods --show-labels",),
    rows=("P3",),
)
PEER_MATCHES_NOTHING = Code(
    id="POL021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Rule with peers that do not exist",
    message="{policy}, {place}: no pod matches {detail}",
    fix="Compare the selector with the labels of the namespaces and pods that you mean.",
    commands=("kubectl get pods -A --show-labels", "kubectl get namespaces --show-labels"),
    rows=("P3",),
)
UNDEFINED_PORT = Code(
    id="POL022",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Rule with a named port that no pod declares",
    message="{policy}, {place}: no pod that the rule applies to declares the port {detail}, so it allows nothing",
    fix="Declare the port name in the containers of the destination pods, or use its number in the policy.",
    commands=("kubectl -n {where} get pods -o custom-columns='NAME:.metadata.name,PORTS:.spec.containers[*].ports[*].name'",),
    rows=("P3",),
)
SHADOWED = Code(
    id="POL023",
    severity=Severity.INFO,
    risk=Risk.POLICY,
    title="Redundant rule",
    message="{policy}, {place}: everything that it allows is also allowed by {detail}",
    fix="Remove it; that changes nothing.",
    commands=("kubectl -n {where} patch networkpolicy {name} --type json -p {patch}",),
    rows=("P3",),
)
ONE_SIDED = Code(
    id="POL024",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Egress is allowed, but the other side's ingress is not",
    message="{policy}, {place} lets its pods reach {detail}, but policies there do not allow ingress from any of them ({by})",
    fix="Allow the ingress on the other side, or remove the egress rule.",
    commands=("kubectl netdoc policy coverage",),
    rows=("P4",),
)
KEEPS_OUT = Code(
    id="POL007",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Rule with the port of a Service keeps its clients out",
    message="{policy}, {place}: {detail}. Policies apply to the ports of pods, after a Service has been translated, so this rule "
    "allows nothing, and no other rule allows what it is meant for",
    fix="Use the port of the pods in that rule.",
    commands=("kubectl -n {where} patch networkpolicy {name} --type json -p {patch}",),
    rows=("P3",),
    explains=(Explains(("POL001", "POL004"), "subject"),),
)
SERVICE_PORT = Code(
    id="POL026",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Rule with the port of a Service instead of its pods' port",
    message="{policy}, {place}: {detail}. Policies apply to the ports of pods, so this rule allows nothing",
    fix="Use the port of the pods in that rule.",
    commands=("kubectl -n {where} get networkpolicy {name} -o yaml",),
    rows=("P3",),
)
STOPS_AT_SERVICE = Code(
    id="POL008",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Egress rule with the address of a Service reaches none of its endpoints",
    message="{policy}, {place}: {detail}. Policies apply to the addresses and ports of endpoints, after a Service has been "
    "translated, so this rule allows nothing, and no other rule allows what it is meant for",
    fix="Allow the endpoints of the Service: its pods by their labels, on the ports that they listen on. The addresses of API "
    "servers change when they are replaced.",
    commands=("kubectl -n {where} patch networkpolicy {name} --type json -p {patch}",),
    rows=("P3",),
    explains=(Explains(("POL001", "POL004"), "subject"),),
)
SERVICE_ADDRESS = Code(
    id="POL027",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Egress rule that does not lead to a Service's endpoints",
    message="{policy}, {place}: {detail}. Policies apply to the addresses and ports of endpoints, after a Service has been "
    "translated, so its pods can't reach that Service",
    fix="Nothing to fix if they need not. Otherwise allow the endpoints of the Service.",
    commands=("kubectl -n {where} get networkpolicy {name} -o yaml",),
    rows=("P3",),
)
INVALID = Code(
    id="POL025",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policy with an invalid or ambiguous address",
    message="{policy}: {detail}",
    fix=f"Correct the CIDR; API servers reject it from Kubernetes {versions.change('strict-addresses')['refused']} on.",
    rows=("P3",),
)
LOOK = "kubectl -n {where} get networkpolicy {name} -o yaml"
FLAWS = {
    Fault.SELECTS_NOTHING: SELECTS_NOTHING,
    Fault.PEER_MATCHES_NOTHING: PEER_MATCHES_NOTHING,
    Fault.UNDEFINED_PORT: UNDEFINED_PORT,
    Fault.SHADOWED: SHADOWED,
    Fault.ONE_SIDED: ONE_SIDED,
    Fault.SERVICE_PORT: SERVICE_PORT,
    Fault.SERVICE_ADDRESS: SERVICE_ADDRESS,
    Fault.INVALID: INVALID,
}

FIRM = {Fault.SERVICE_PORT: KEEPS_OUT, Fault.SERVICE_ADDRESS: STOPS_AT_SERVICE}
"""Flaws that are faults where they are certain and policies are enforced."""


def flawed_policies(engine: Engine) -> Iterator[Finding]:
    """Report each flaw of each policy."""
    cluster = engine.cluster
    known = cluster.origin != "manifests" and not cluster.unreadable(DAEMON_SET)
    enforced = known and not enforcers.idle(cluster) and not engine.incomplete_at_all
    for flaw in flaws(engine):
        keeps_out = flaw.fault in FIRM and flaw.certain and enforced
        code = FIRM[flaw.fault] if keeps_out else FLAWS[flaw.fault]
        written = engine.cluster.get(NETWORK_POLICY, flaw.policy.namespace, flaw.policy.name) if flaw.superfluous else None
        yield code.on(
            policy_subject(flaw.policy),
            policy=str(flaw.policy),
            place=flaw.place,
            detail=flaw.detail,
            where=flaw.policy.namespace or "default",
            by=flaw.other or "no policy that netdoc evaluates",
            objects=flaw.objects,
            patch=flaw.patch or (fixes.removal(written, flaw.superfluous) if written else ""),
            commands=(LOOK,) if keeps_out and not flaw.patch else None,
        )


CODES = (
    SELECTS_NOTHING,
    PEER_MATCHES_NOTHING,
    UNDEFINED_PORT,
    SHADOWED,
    ONE_SIDED,
    KEEPS_OUT,
    SERVICE_PORT,
    STOPS_AT_SERVICE,
    SERVICE_ADDRESS,
    INVALID,
)
