# SPDX-License-Identifier: Apache-2.0
"""Cases of controllers: leases that are renewed, are not, and are nobody's any more."""

from __future__ import annotations

from kubectl_netdoc.api import LEASE, POD, Unavailable
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, ago, make_cluster

MANAGER, SCHEDULER = "Lease kube-system/kube-controller-manager", "Lease kube-system/kube-scheduler"
DAY = 24 * 3600


def _lease(program: str, seconds: float, ahead: float = 0.0, *, written: bool = True) -> Built:
    """A lease that was renewed so long ago; ``ahead``: seconds that its holder's clock is ahead."""
    fields = {"managedFields": [{"manager": program, "time": ago(seconds)}]} if written else {}
    meta = {"name": program, "namespace": "kube-system", **fields}
    return LEASE, convert(LEASE, {"metadata": meta, "spec": {"renewTime": ago(seconds - ahead), "leaseDurationSeconds": 15}})


def _pod(age: float, scheduled: float, owner: str = "ReplicaSet") -> Built:
    """A pod that was made and given a node so long ago."""
    owners = [{"kind": owner, "name": "web-1", "controller": True}]
    meta = {"name": "web-1-x", "namespace": "shop", "creationTimestamp": ago(age), "ownerReferences": owners}
    given = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(scheduled)}]
    return POD, convert(POD, {"metadata": meta, "spec": {"nodeName": "n1"}, "status": {"conditions": given}})


def _leases(manager: float, scheduler: float, *more: Built) -> Cluster:
    return make_cluster(_lease("kube-controller-manager", manager), _lease("kube-scheduler", scheduler), *more)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), state=state)


CASES = [
    _case("both renewed", _leases(1, 2)),
    _case("the manager stopped", _leases(45, 1), ("CTL001", MANAGER)),
    _case("the scheduler stopped", _leases(1, 45), ("CTL002", SCHEDULER)),
    _case("both stopped", _leases(390, 391), ("CTL001", MANAGER), ("CTL002", SCHEDULER)),
    _case("both as old as the reading of lists that hang", _leases(120, 121)),
    _case("another one takes over", _leases(17, 1)),
    _case("the manager stopped, and a pod that it made before", _leases(300, 1, _pod(320, 320)), ("CTL001", MANAGER)),
    _case("a manager without election made a pod since", _leases(7200, 1, _pod(60, 60))),
    _case("a scheduler without election gave a pod a node since", _leases(1, 7200, _pod(9000, 60))),
    _case("a pod that somebody made by hand since", _leases(7200, 1, _pod(60, 60, "Node")), ("CTL001", MANAGER)),
    _case("a lease of long ago", _leases(3 * DAY, 1)),
    _case("the holder's clock is behind", make_cluster(_lease("kube-scheduler", 1), _lease("kube-controller-manager", 1, -120))),
    _case("only the holder's clock is known", make_cluster(_lease("kube-scheduler", 390, written=False)), ("CTL002", SCHEDULER)),
    _case("there are none", make_cluster(), state="skipped"),
    _case(
        "they can't be read",
        make_cluster().with_listings({LEASE.name: Unavailable("forbidden")}),
        state="unknown",
    ),
]
