# SPDX-License-Identifier: Apache-2.0
"""Are network policies enforced, on every node and in both directions?

## What it looks at
A canary: one pod of netdoc's own on each node, which debug pods on the same and on another node connect to, and which connects to
them. Then a test NetworkPolicy that selects only the canaries denies them all traffic: nothing may pass any more. Then the policy
is deleted, and everything must pass again. This runs if the cluster has a network policy of any kind, or if asked for by name:
`kubectl netdoc check policy_enforcement`. Refused and dropped both count as blocked: some engines reject, some drop.

## Why it matters
The API server accepts policies whether or not anything enforces them. Plain flannel does not, nor does a cloud's CNI whose policy
agent is not enabled; and an engine is a program on each node that may be down on one of them. The name of the CNI proves nothing:
flannel runs beside engines (k3s, Canal), and only the canary shows the truth.

## What it can't see
Whether the policies say what was intended (see policy_coverage), and policies of the CNI's own kinds. Connections that were open
before a policy was created: some engines cut them, some don't. An engine that takes longer than 10 s counts as none.

## Sources
Kubernetes: Network Policies, prerequisites. Failure catalogue P1, P2, P5. Timeouts: cyclonus waits 5 s after creating a policy,
Cilium's connectivity test 15 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubectl_netdoc.api import (
    DAEMON_SET,
    NAMESPACE,
    NETWORK_KINDS,
    NETWORK_POLICY,
    NODE,
    POD,
    POLICIES,
    POLICY_AIDS,
    Canary,
    CanaryReply,
    CanaryTrial,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Kind,
    Lost,
    Made,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    Tier,
    Unseen,
    joining,
    some,
)
from kubectl_netdoc.probes import own_policies

ID = "policy_enforcement"
NAMED = 5
"""A sentence names at most this many policies."""

SLOW = Threshold(
    name="late_s",
    default=5.0,
    unit="s from the policy to the first packet that it stops",
    source="cyclonus gives an engine 5 s to settle before it looks",
)

NOTHING_ENFORCES = Code(
    id="ENF001",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="Network policies are not enforced",
    message="Nothing enforces this cluster's network policies ({count}: {policies}). netdoc's own pods, to which a test policy "
    "denied all traffic, could still be reached for {seconds:g} s on all {nodes} tested nodes",
    fix="Install a policy engine beside the CNI (kube-network-policies, Calico's Felix as in Canal, kube-router), or enable the "
    "one that the CNI has. Until then none of these policies blocks anything.",
    commands=(
        "kubectl get networkpolicies -A",
        "kubectl get pods -n kube-system -o wide",
        "kubectl netdoc check policy_enforcement",
    ),
    rows=("P1", "P2"),
)
NODE_DOES_NOT = Code(
    id="ENF002",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="A node enforces no network policy",
    message="Node {name} does not enforce network policies: {ways} of {tried} paths stayed open for {seconds:g} s, while "
    "{others} other nodes enforce them",
    fix="Find the pod of the policy engine (or of the CNI with a built-in one) on {name}: it is missing, down, or hangs and "
    "gets no policies. Read its log, then delete it so that it restarts. From then on traffic that policies forbid is blocked "
    "there.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}", "kubectl netdoc check cni_health"),
    rows=("P1",),
    tells="failure",
)
ONE_WAY = Code(
    id="ENF003",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="Policies are enforced in one direction only",
    message="{direction} policies have no effect on {names}: traffic that netdoc's own test policy denied passed for "
    "{seconds:g} s. The other direction is enforced",
    fix="Use an engine that enforces both directions, or do not rely on {direction} policies.",
    commands=("kubectl get networkpolicies -A",),
    rows=("P1",),
)
NOT_LIFTED = Code(
    id="ENF004",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="A deleted policy is still enforced",
    message="Node {name} still enforces netdoc's own test policy {seconds:g} s after its deletion: {ways} of {tried} paths are "
    "blocked",
    fix="The policy engine on {name} does not follow changes, so it misses new policies and new pods too. Read the log of its "
    "pod, then delete it so that it restarts.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
    rows=("P1",),
)
WOULD_NOT = Code(
    id="ENF010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A network policy would have no effect here",
    message="Nothing enforces network policies on the {nodes} tested nodes: a policy would have no effect",
    fix="Nothing to fix, as there is no policy. Install a policy engine before you rely on one.",
    commands=("kubectl get networkpolicies -A",),
    rows=("P1",),
)
LATE = Code(
    id="ENF011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policies are enforced late",
    message="On node {name}, a new policy took effect only after {seconds:g} s",
    fix="Pods are unprotected for that long after a policy is created. Check the load of the policy engine's agent.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
)


def plan(cluster: Cluster) -> Iterator[Canary]:
    """Plan one canary for each node if there is a policy to enforce, or if the user asked for this check by name."""
    if ID not in cluster.selection.checks and not _policies(cluster):
        return
    yield from own_policies.canaries(cluster)


def _policies(cluster: Cluster) -> list[Subject]:
    """Return all policies of the cluster, of every kind."""
    kinds: tuple[Kind[Any], ...] = POLICIES
    return [
        Subject(kind.name, item.name, item.namespace) for kind in kinds if cluster.readable(kind) for item in cluster.all(kind)
    ]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report what the canaries found."""
    policies = _policies(facts.cluster)
    requests = {request.node: request for request in plan(facts.cluster)}
    if not requests and not policies:
        yield Unseen("enforcement", f"there is no network policy; to test it anyway run: kubectl netdoc check {ID}")
        return
    if not facts.vantages:
        raise Skip(facts.why_unmeasured or "no debug pod ran")
    flown: dict[str, CanaryReply] = {}
    for node, request in requests.items():
        reply = facts.reply(request)
        if isinstance(reply, CanaryReply):
            flown[node] = reply
        elif isinstance(reply, Lost):
            yield Unseen(f"enforcement on node {node or 'any'}", reply.reason, expected=True)
    live = {node: [trial for trial in reply.trials if trial.before] for node, reply in flown.items()}
    yield from _grounded(facts.cluster, live)
    if any(trial.stopped >= 0 for trials in live.values() for trial in trials):
        for node in sorted(node for node in live if _behind(facts.cluster, node, live[node])):
            yield Unseen(
                f"enforcement on node {node}", "it joined just now, and its policy engine may still be starting", expected=True
            )
            del live[node]
    waited = max((reply.waited for reply in flown.values()), default=0.0)
    running = {node: trials for node, trials in live.items() if trials}
    yield from _verdict(running, policies, waited)
    for node, trials in running.items():
        slowest = max((trial.stopped for trial in trials), default=0.0)
        if slowest > facts.threshold(SLOW):
            yield LATE.on(Subject("Node", node), seconds=slowest)


def _grounded(cluster: Cluster, live: dict[str, list[CanaryTrial]]) -> Iterator[Unseen]:
    """Report canaries that reached nobody before the test policy existed: they say nothing about enforcement."""
    why = own_policies.policies_isolating_debug_pods(cluster)
    for node, trials in live.items():
        if not trials:
            reason = "netdoc's own pods could not reach each other even before the test policy" + (f": {why}" if why else "")
            yield Unseen(f"enforcement on node {node}", reason, expected=True)


def _behind(cluster: Cluster, node: str, trials: list[CanaryTrial]) -> bool:
    """Tell whether a node that joined just now does not follow policies yet."""
    return (node in joining(cluster) or not cluster.readable(NODE)) and any(
        trial.stopped < 0 or trial.again < 0 for trial in trials
    )


def _verdict(live: dict[str, list[CanaryTrial]], policies: list[Subject], waited: float) -> Iterator[Finding]:
    open_ways = {node: [trial for trial in trials if trial.stopped < 0] for node, trials in live.items()}
    nowhere = [node for node, ways in open_ways.items() if len(ways) == len(live[node])]
    if live and len(nowhere) == len(live):
        everything = {"nodes": len(live), "seconds": waited, "node_names": sorted(live)}
        if policies:
            shown = some(policies, NAMED)
            evidence = {**everything, "count": len(policies), "policies": shown, "names": policies}
            yield NOTHING_ENFORCES.on(Subject("Cluster", "network policies"), evidence)
        else:
            yield WOULD_NOT.on(Subject("Cluster", "network policies"), everything)
        return
    one_way = _one_way(live)
    if one_way:
        evidence = {"direction": one_way, "names": ", ".join(sorted(live)), "seconds": waited}
        yield ONE_WAY.on(Subject("Cluster", "network policies"), evidence)
    for node, ways in open_ways.items():
        if ways and not one_way:
            counts = {"ways": len(ways), "tried": len(live[node]), "others": sum(not w for w in open_ways.values())}
            yield NODE_DOES_NOT.on(Subject("Node", node), counts, seconds=waited)
    for node, trials in live.items():
        yield from _times(node, [trial for trial in trials if trial.stopped >= 0], waited)


def _one_way(live: dict[str, list[CanaryTrial]]) -> str:
    """Return the direction that no node enforces while all enforce the other; "" if there is none."""
    trials = [trial for those in live.values() for trial in those]
    by_way = [(way, {trial.stopped >= 0 for trial in trials if trial.direction == way}) for way in ("Ingress", "Egress")]
    never = [way for way, stopped in by_way if stopped == {False}]
    return never[0] if never and any(stopped == {True} for _, stopped in by_way) else ""


def _times(node: str, stopped: list[CanaryTrial], waited: float) -> Iterator[Finding]:
    stuck = [trial for trial in stopped if trial.again < 0]
    if stuck:
        yield NOT_LIFTED.on(Subject("Node", node), ways=len(stuck), tried=len(stopped), seconds=waited)


check = Check(
    id=ID,
    title="Network policies, if there are any, are enforced",
    prefix="ENF",
    needs=Needs(
        kinds=(NETWORK_POLICY,),
        optional=(NODE, NAMESPACE, POD, *POLICIES[1:]),
        hints=(DAEMON_SET, *POLICY_AIDS, *NETWORK_KINDS),
        tier=Tier.PODS,
        makes=(Made.POLICIES,),
    ),
    codes=(NOTHING_ENFORCES, NODE_DOES_NOT, ONE_WAY, NOT_LIFTED, WOULD_NOT, LATE),
    plan=plan,
    analyse=analyse,
    thresholds=(SLOW,),
)
