# SPDX-License-Identifier: Apache-2.0
"""Do kube-controller-manager and kube-scheduler work?

## What it looks at
The leases of the two in namespace kube-system, which the working one renews every two seconds: how long ago that was, measured
against the other's lease, as both are read at once. And what each has done since: a pod that a controller made, a pod that was
given a node.

## Why it matters
Without kube-controller-manager no EndpointSlice changes: Services go on leading to pods that are gone, and never to new ones. The
pods of a Deployment are not replaced, and a node that is dead stays Ready. Without kube-scheduler new pods wait for a node. All
of that looks like a fault of single Services, and nothing crashes.

## What it can't see
Programs that elect no leader (`--leader-elect=false`) and have no lease. A lease that is older than a day is taken for one of
those. Controllers of clouds (cloud-controller-manager). Whether a program that renews its lease does its work.

## Sources
Kubernetes: Leases; client-go, tools/leaderelection (LeaseDuration 15 s, RenewDeadline 10 s, RetryPeriod 2 s).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from kubectl_netdoc.api import (
    LEASE,
    POD,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    Pod,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
)
from kubectl_netdoc.components import controller_manager

LATE = timedelta(seconds=30)
"""Twice the time for which a lease is good: then another candidate has it, where there is one, or one that was restarted."""

SLOW = timedelta(minutes=5)
"""The same where the other lease is as old or not there: reading all lists takes half a minute in a large cluster, and more where
logs are asked of a node that hangs.
"""

ELECTED_NO_MORE = timedelta(days=1)
"""Nobody leaves a cluster without controllers for so long: the program elects no leader now."""

MAKERS = frozenset({"DaemonSet", "Job", "ReplicaSet", "StatefulSet"})
"""What a controller of kube-controller-manager makes pods for."""

MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"

FIX = (
    "Look whether its pod runs, and read its log. If it is a static pod that hangs or is not there, look at its manifest "
    "(/etc/kubernetes/manifests) and its container on the control plane node; in a managed cluster ask the provider."
)

LOOK = (
    "kubectl -n kube-system get lease {name} -o yaml",
    "kubectl -n kube-system get pods -o wide -l component={name}",
    "kubectl -n kube-system logs --tail=20 -l component={name}",
)

NO_MANAGER = Code(
    id="CTL001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="kube-controller-manager does not work",
    message="{name} has not renewed its lease for {seconds} s, which it does every 2 s{holder}: it does not run, hangs, or "
    "does not reach the API server. No EndpointSlice changes until it works, so Services go on leading to pods that are gone",
    fix=FIX,
    commands=(LOOK[0], controller_manager.PODS, controller_manager.LOGS),
    rows=("K14",),
    explains=(Explains(("POD007", "SVC004", "SVC005", "SVC007", "SVR008", "SVR009", "EPS002", "EPS003", "EPS004"), "cluster"),),
)
NO_SCHEDULER = Code(
    id="CTL002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="kube-scheduler does not work",
    message="{name} has not renewed its lease for {seconds} s, which it does every 2 s{holder}: it does not run, hangs, or "
    "does not reach the API server. No new pod gets a node until it works",
    fix=FIX,
    commands=LOOK,
    rows=("K2",),
    explains=(Explains(("SVC004", "SVC005"), "cluster"),),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the age of each lease."""
    cluster = facts.cluster
    leases = {each.name: each for each in cluster.all(LEASE)} if cluster.readable(LEASE) else {}
    renewed = {name: lease.renewed for name, lease in leases.items() if lease.renewed}
    if LEASE.name not in cluster.index.listings or not (renewed or cluster.unreadable(LEASE)):  # bundles of before have none
        raise Skip("the programs of the control plane have no leases here", not_applicable=True)
    for code, name in ((NO_MANAGER, MANAGER), (NO_SCHEDULER, SCHEDULER)):
        last = renewed.get(name)
        if last and (seconds := _late(cluster, last, renewed.values())) and not _worked(cluster, name, last):
            if cluster.unreadable(POD):
                why = f"its lease was not renewed for {seconds} s; whether it works without one is not known: Pods can't be read"
                yield Unseen(name, why, expected=True)
                continue
            holder = leases[name].spec.holder_identity
            where = (
                {"nodes": [holder], "holder": f" ({holder} held it last)"} if holder in cluster.node_names() else {"holder": ""}
            )
            yield code.on(Subject.of("Lease", leases[name]), where, seconds=seconds)


def _late(cluster: Cluster, last: datetime, every: Iterable[datetime]) -> int:
    """Return the seconds since a lease was renewed; 0 where that is in time, or so long ago that nobody renews it."""
    behind, age = max(every) - last, cluster.age(last)
    return int(age.total_seconds()) if (behind > LATE or age > SLOW) and age < ELECTED_NO_MORE else 0


def _worked(cluster: Cluster, name: str, since: datetime) -> bool:
    """Tell whether a program has done something since: a controller made a pod, or a pod was given a node."""
    pods = cluster.all(POD) if cluster.readable(POD) else ()
    return any(moment is not None and moment > since + LATE for moment in (_done(pod, name) for pod in pods))


def _done(pod: Pod, name: str) -> datetime | None:
    """Return when a program did its part for a pod; None where it had none in it."""
    if not any(owner.controller and owner.kind in MAKERS for owner in pod.metadata.owner_references):
        return None
    scheduled = pod.condition("PodScheduled")
    if name == MANAGER:
        return pod.metadata.creation_timestamp
    return scheduled.last_transition_time if scheduled and scheduled.status == "True" else None


check = Check(
    id="controllers",
    title="kube-controller-manager and kube-scheduler work",
    prefix="CTL",
    needs=Needs(optional=(LEASE,), hints=(POD,)),
    codes=(NO_MANAGER, NO_SCHEDULER),
    analyse=analyse,
)
