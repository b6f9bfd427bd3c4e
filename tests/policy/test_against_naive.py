# SPDX-License-Identifier: Apache-2.0
"""The engine against the naive evaluator: both ends' verdicts, and the policies that decide."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tests.policy import naive
from tests.policy.evaluators import connections_of_engine, of_engine
from tests.policy.generate import Case, cases, manifests, shares
from tests.policy.naive import PROTOCOLS, End, Raw

CHUNKS, EACH = 20, 1_250
WORLDS = 150


def mismatch(case: Case) -> str:
    """Return how the two differ, with the world as YAML; nothing where they agree."""
    wanted = naive.verdict(case.objects, **case.question())
    found = of_engine(case.objects, **case.question())
    if found == wanted:
        return ""
    return f"{yaml.safe_dump_all(case.objects)}\n{case.question()}\nnaive: {wanted}\nengine: {found}"


@pytest.mark.parametrize("seed", range(CHUNKS))
def test_the_engine_agrees_with_the_naive_evaluator(seed: int) -> None:
    different = [text for case in cases(seed, EACH) if (text := mismatch(case))]
    assert not different, f"{len(different)} of {EACH}; the smallest:\n{min(different, key=len)}"


def test_there_are_enough_cases_and_they_are_balanced() -> None:
    assert CHUNKS * EACH >= 20_000
    count = 4000
    found = shares(count)
    assert 0.3 < found["denied"] / count < 0.7
    for kind in ("NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"):
        assert found[kind] / count > 0.03, (kind, found)


# policy connections, by brute force


def pods_of_workloads(objects: list[Raw]) -> dict[tuple[str, str, str], list[Raw]]:
    """Return, by top owner, the pods that stand for each workload, as Pod objects; own nodes are nobody's here."""
    by_name = {(o["kind"], naive.namespace_of(o), o["metadata"]["name"]): o for o in objects if "metadata" in o}
    workloads: dict[tuple[str, str, str], list[Raw]] = {}
    templates: dict[tuple[str, str, str], list[tuple[bool, Raw]]] = {}
    for name, item in by_name.items():
        if name[0] not in ("Pod", *TEMPLATED):
            continue
        top = name
        while top in by_name and by_name[top]["metadata"].get("ownerReferences"):
            owner = by_name[top]["metadata"]["ownerReferences"][0]
            top = (owner["kind"], top[1], owner["name"])
        if name[0] == "Pod":
            workloads.setdefault(top, []).append(item)
            continue
        spec = item["spec"]["jobTemplate"]["spec"] if name[0] == "CronJob" else item["spec"]
        meta = {"name": "-".join(name), "namespace": name[1], "labels": spec["template"]["metadata"]["labels"]}
        pod = {"kind": "Pod", "metadata": meta, "spec": spec["template"]["spec"], "status": {}}
        templates.setdefault(top, []).append((top == name, pod))
    for top, made in templates.items():
        if top not in workloads:
            workloads[top] = [pod for own, pod in made if own] or [pod for _, pod in made]
    return workloads


TEMPLATED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob")


def boundaries(objects: list[Raw]) -> list[int]:
    """Return the ports at which something may change, each with its neighbours."""
    numbers: set[int] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            numbers.update(v for k, v in value.items() if isinstance(v, int) and not isinstance(v, bool) and k != "priority")
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(objects)
    near = {n + d for n in numbers | {1, 65535} for d in (-1, 0, 1)}
    return sorted(n for n in near if 1 <= n <= 65535)


def cidr_starts(objects: list[Raw], version: int) -> list[int]:
    """Return where ranges of addresses begin that a policy may tell apart."""
    found = {0}

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str) and "/" in value and value[0] in "0123456789abcdef:":
            network = ipaddress.ip_network(value, strict=False)
            if network.version == version:
                found.update((int(network.network_address), int(network.broadcast_address) + 1))

    walk([item["spec"] for item in objects if "Policy" in item["kind"]])
    return sorted(start for start in found if start < 2 ** (32 if version == 4 else 128))


def brute_force(
    objects: list[Raw], sources: list[End], destinations: list[End], ports: list[int], family: int
) -> set[tuple[str, int]]:
    """Return the boundary ports that are allowed from any of these to any of those."""
    return {
        (protocol, port)
        for protocol in PROTOCOLS
        for port in ports
        if any(
            naive.verdict(objects, a, b, protocol, port, family=family, ip_blocks_match_pods=False).allowed
            for a in sources
            for b in destinations
        )
    }


@pytest.mark.parametrize("seed", range(WORLDS))
def test_connections_agree_with_brute_force(seed: int) -> None:
    objects = manifests(seed)
    found = connections_of_engine(objects)
    workloads = pods_of_workloads(objects)
    world = [item for item in objects if item["kind"] not in ("Pod", "Node", *TEMPLATED)]
    ends: dict[Any, list[End]] = {}
    for name, pods in workloads.items():
        for number, pod in enumerate(pods):
            copy = {**pod, "metadata": {**pod["metadata"], "name": f"{name[0]}-{name[2]}-{number}"}}
            copy["spec"] = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
            if pod["spec"].get("hostNetwork") and "nodeName" in pod["spec"]:
                copy["status"] = {"podIPs": [{"ip": ip} for ip in naive.pod_ips(objects, pod)]}
            world.append(copy)
            ends.setdefault(name, []).append(End(naive.namespace_of(copy), copy["metadata"]["name"]))
    ports = boundaries(world)
    for a, those in ends.items():
        for b, others in ends.items():
            if a != b:
                wanted = brute_force(world, those, others, ports, 4)
                assert within(found.get((a, b), ()), ports) == wanted, (a, b)
    # An address outside that a pod happens to have would be that pod.
    world = [{**o, "status": {}} if o["kind"] == "Pod" and not naive.is_host(o) else o for o in world]
    outside = {place for pair in found for place in pair if isinstance(place[0], int)}
    for start in cidr_starts(objects, 4):
        there = [End(ip=str(ipaddress.IPv4Address(start)))]
        place = next((p for p in outside if p[0] == 4 and p[1] <= start <= p[2]), None)
        for name, those in ends.items():
            for pair, sources, destinations in (((place, name), there, those), ((name, place), those, there)):
                assert within(found.get(pair, ()), ports) == brute_force(world, sources, destinations, ports, 4), (pair, start)


def within(ranges: tuple[tuple[str, int, int], ...], ports: list[int]) -> set[tuple[str, int]]:
    """Return the boundary ports within ranges."""
    return {(protocol, port) for protocol, first, last in ranges for port in ports if first <= port <= last}


def test_ranges_of_addresses_are_disjoint() -> None:
    for seed in range(WORLDS):
        found = connections_of_engine(manifests(seed))
        ranges = sorted({place for pair in found for place in pair if isinstance(place[0], int)})
        assert all(a[0] != b[0] or a[2] < b[1] for a, b in pairwise(ranges)), seed
