# SPDX-License-Identifier: Apache-2.0
"""A second IP family that does not work although the first one does."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, Facts, Finding, Risk, Severity, Subject, Unseen, ip_families
from kubectl_netdoc.checks.pod_network.pod_network.large_packets import lost_large_packets
from kubectl_netdoc.checks.pod_network.pod_network.mesh import Mesh
from kubectl_netdoc.checks.pod_network.pod_network.paths import CHAIN
from kubectl_netdoc.probes.node_pairs import locate

FAMILY = Code(
    id="PNW012",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="One IP family does not work between nodes",
    message="Between {between}, {family} does not get through ({failed} of {asked} paths fail: {outcomes}), while the other IP "
    "family does",
    fix="Check what only {family} needs: {family} forwarding on the nodes, the {family} addresses, routes or tunnel of the "
    "nodes, and ip6tables or firewall rules.",
    commands=(
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,ADDRESSES:.status.addresses[*].address,PODS:.spec.podCIDRs'",
    ),
    rows=("M3",),
    explains=(CHAIN, Explains(("MTU001", "MTU002", "MTU003"), "path"), Explains(("MTU001", "MTU002", "MTU003"), "node")),
    tells="failure",
)
NO_ADDRESS = Code(
    id="PNW013",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Pods on a node get no address of one IP family",
    message="New pods on {name} get no {family} address, while pods on {others} do",
    fix="Compare the CNI configuration on {name} with that of the other nodes. {family} clients cannot reach the pods on {name}.",
    commands=("kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}", "kubectl describe node {name}"),
    tells="failure",
)


def other_families(facts: Facts, primary: Mesh) -> Iterator[Finding | Unseen]:
    """Report what fails in a further IP family of the pods and works in their primary one."""
    for family in ip_families.further(facts.cluster):
        mesh = Mesh(facts, family)
        if not mesh.usable:
            yield Unseen(
                f"{family} between pods", f"no debug pod got an {family} address, although nodes have an {family} pod range"
            )
            continue
        for node in sorted(primary.usable.keys() - mesh.usable.keys()):
            yield NO_ADDRESS.on(Subject("Node", node), family=family, others=sorted(mesh.usable), nodes=[node])
        if mesh.unknown:
            yield Unseen(f"{len(mesh.unknown)} {family} paths", "; ".join(sorted(set(mesh.unknown.values()))), expected=True)
        fails = (mesh.bad | mesh.no_udp.keys()) - primary.bad - primary.no_udp.keys()
        for place in locate(fails & mesh.replies.keys(), mesh.replies):
            # A request takes one path and its answer the other, so the evidence has both.
            numbers = mesh.evidence(place.paths) | place.evidence() | {"asked": len(mesh.replies), "family": family}
            yield FAMILY.on(place.subject, numbers)
        yield from lost_large_packets(mesh, family)


CODES = (
    FAMILY,
    NO_ADDRESS,
)
