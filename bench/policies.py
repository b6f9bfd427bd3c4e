# SPDX-License-Identifier: Apache-2.0
"""How policies scale: a seeded synthetic cluster, at a tenth, a third and the whole of its size.

The whole: 10,000 policies, 150,000 pods, 500 namespaces. Each size runs in a process of its own, so that its memory is its own.
Printed: seconds to compile the policies, for the whole coverage (compiling included), for one ``why`` (compiling included, and
again once compiled), and the most memory, the objects themselves included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from random import Random
from time import perf_counter
from typing import Any

from tabulate import tabulate

from kubectl_netdoc.core.cluster import Cluster, Listing
from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.policy import dns_access
from kubectl_netdoc.policy.coverage import PolicyCoverage
from kubectl_netdoc.policy.dns_access import UNKNOWN_NAMESPACE
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.flaws import flaws
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Question
from kubectl_netdoc.reachability.named_end import find
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import KINDS

POLICIES, PODS, NAMESPACES = 10_000, 150_000, 500
PODS_A_WORKLOAD = 5
SHARES = (0.1, 1 / 3, 1.0)
TIERS = ("front", "back", "data", "batch")
TEAMS = 20


def cluster(share: float) -> Cluster:
    """Return the cluster at a share of its size."""
    random = Random(0)
    namespaces = max(2, round(NAMESPACES * share))
    listings: dict[str, list[Any]] = {name: [] for name in KINDS}

    def add(kind: str, **fields: Any) -> None:
        listings[kind].append(convert(KINDS[kind], fields))

    for number in range(namespaces):
        add("Namespace", metadata={"name": f"ns-{number}", "labels": {"team": f"team-{number % TEAMS}"}})
    add("Namespace", metadata={"name": "kube-system"})
    add("Service", metadata={"name": "kube-dns", "namespace": "kube-system"}, spec=_dns_service())
    _pod(add, "coredns", "kube-system", {"k8s-app": "kube-dns"}, 0)
    workloads = round(PODS * share) // namespaces // PODS_A_WORKLOAD
    number = 1
    for space in range(namespaces):
        for workload in range(workloads):
            labels = {"app": f"app-{workload}", "tier": random.choice(TIERS), "version": f"v{random.randint(1, 3)}"}
            owner = {"kind": "ReplicaSet", "name": f"app-{workload}-5d", "controller": True}
            for replica in range(PODS_A_WORKLOAD):
                hashes = {"pod-template-hash": f"{number:x}", "instance": f"i-{replica}"}
                _pod(add, f"app-{workload}-{replica}", f"ns-{space}", labels | hashes, number, owner)
                number += 1
    for policy in range(round(POLICIES * share)):
        space = policy % namespaces
        add(
            "NetworkPolicy",
            metadata={"name": f"p-{policy}", "namespace": f"ns-{space}"},
            spec=_spec(random, policy // namespaces, workloads),
        )
    return Cluster({name: Listing(tuple(items)) for name, items in listings.items()})


def _dns_service() -> dict[str, Any]:
    ports = [{"name": p.lower(), "port": 53, "protocol": p, "targetPort": 53} for p in ("UDP", "TCP")]
    return {"clusterIP": "10.96.0.10", "selector": {"k8s-app": "kube-dns"}, "ports": ports}


def _pod(
    add: Callable[..., None], name: str, namespace: str, labels: dict[str, str], number: int, *owners: dict[str, Any]
) -> None:
    ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
    add(
        "Pod",
        metadata={"name": name, "namespace": namespace, "labels": labels, "ownerReferences": list(owners)},
        spec={"nodeName": f"node-{number % 1000}", "containers": [{"name": "c", "ports": ports}]},
        status={"phase": "Running", "podIPs": [{"ip": ip}]},
    )


def _spec(random: Random, number: int, workloads: int) -> dict[str, Any]:
    """The first of a namespace is a default deny; the others are of the kinds that people write."""
    app = {"podSelector": {"matchLabels": {"app": f"app-{random.randrange(workloads)}"}}}
    other = {"podSelector": {"matchLabels": {"app": f"app-{random.randrange(workloads)}"}}}
    team = {"namespaceSelector": {"matchLabels": {"team": f"team-{random.randrange(TEAMS)}"}}}
    tier = {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": random.sample(TIERS, 2)}]}}
    ports = [{"port": random.choice((8080, 9090, "http"))}]
    if number == 0:
        return {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return random.choice(
        (
            app | {"ingress": [{"from": [other, team], "ports": ports}]},
            app | {"policyTypes": ["Egress"], "egress": [{"to": [other], "ports": ports}]},
            tier | {"ingress": [{"from": [{**team, **tier}], "ports": ports}]},
            app | {"ingress": [{"from": [{"ipBlock": {"cidr": f"192.0.{random.randrange(255)}.0/24"}}]}]},
            tier
            | {
                "policyTypes": ["Egress"],
                "egress": [{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}],
            },
        )
    )


def measure(share: float) -> dict[str, float]:
    """Return the figures of one size."""
    world = cluster(share)
    unlisted_pods: tuple[tuple[str, dict[str, str]], ...] = ((UNKNOWN_NAMESPACE, {}),)
    start = perf_counter()
    engine = Engine(world, unlisted_pods)
    compiled = perf_counter() - start
    coverage = PolicyCoverage(engine)
    spaces = len(coverage.namespaces)
    found = sum(1 for _ in flaws(engine))
    dns = dns_access.servers(engine)
    deaf = sum(1 for _ in dns_access.blocked(engine, coverage.peers, dns)) if dns else 0
    whole = perf_counter() - start
    start = perf_counter()
    fresh = Engine(world, unlisted_pods)
    ends = find(fresh, "ns-1/pod/app-0-0", ""), find(fresh, "ns-0/replicaset/app-1-5d", "")
    why(fresh, Facts(world, Measured()), Question(*ends, "8080"))
    first = perf_counter() - start
    start = perf_counter()
    why(fresh, Facts(world, Measured()), Question(*ends, "8080"))
    again = perf_counter() - start
    return {
        "policies": len(engine.policies),
        "pods": len(world.all(KINDS["Pod"])),
        "namespaces": spaces,
        "classes": len(engine.selection.classes),
        "flaws": found,
        "without DNS": deaf,
        "compile s": round(compiled, 2),
        "coverage s": round(whole, 2),
        "why s": round(first, 2),
        "why again s": round(again, 4),
        "memory MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Print the figures of each size, and how they grow."""
    rows = []
    for share in SHARES:
        done = subprocess.run(
            [sys.executable, "-m", "bench.policies", str(share)], capture_output=True, text=True, check=True, timeout=900
        )
        rows.append(json.loads(done.stdout))
    print(tabulate([list(row.values()) for row in rows], headers=list(rows[0]), disable_numparse=True))
    growth = [
        f"{key} x{rows[-1][key] / max(rows[0][key], 1e-9):.1f}"
        for key in ("policies", "pods", "compile s", "coverage s", "why s", "memory MB")
    ]
    print(f"from {SHARES[0]:g} to 1: " + ", ".join(growth))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(float(sys.argv[1]))))
    else:
        main()
