# SPDX-License-Identifier: Apache-2.0
"""Do pods have settings of the kernel that leave their connections no room?

## What it looks at
The sysctls in the securityContext of each workload's pods, which hold in the pods' network alone: the range of local ports
(`net.ipv4.ip_local_port_range`), the largest buffers of a TCP connection (`tcp_rmem`, `tcp_wmem`) and the length of listen queues
(`net.core.somaxconn`).

## Why it matters
The settings of the node and of a debug pod are well, and this one workload's connections fail with "cannot assign requested
address", are refused or creep.

## What it can't see
What an init container, an image or a CNI plugin (tuning) sets; how many connections the application makes.

## Sources
Linux, Documentation/networking/ip-sysctl.rst (defaults: ports 32768 to 60999, tcp_rmem 4096 131072 6291456, somaxconn 4096) and
TCP_TIMEWAIT_LEN (60 s). Kubernetes: Using sysctls in a Kubernetes Cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import OWNERS, POD, SERVICE, Check, Code, Facts, Finding, Needs, Risk, Severity
from kubectl_netdoc.policy.current_workloads import BEHIND_IT, current_workloads, failing, services_of

TIME_WAIT = 60
"""Seconds that a closed connection keeps its port (TCP_TIMEWAIT_LEN)."""

FEWEST_PORTS = 256
"""Local ports below which a workload runs out of them: four connections a second to one address and port use 240."""

SMALLEST_BUFFER = 16 << 10
"""Largest TCP buffer, in bytes, below which connections creep: what is on its way is about half of it, a few packets."""

SHORTEST_QUEUE = 16
"""Longest listen queue below which a short burst of clients overflows it (128 before Linux 5.4, 4096 since)."""

LOOK = "kubectl -n {namespace} get {kind_} {name} -o yaml"
CHOKED = Code(
    id="PSY001",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A sysctl of a workload's pods leaves their connections no room",
    message="The pods of {kind} {namespace}/{name} have {sysctl} '{value}': {effect}",
    fix="Remove {sysctl} from the sysctls of the pods' securityContext, or give it a value near the kernel's own ({usual}). A "
    "change of the pods' template recreates the pods.",
    commands=(LOOK,),
    rows=("A3",),
    explains=(BEHIND_IT,),
)


def analyse(facts: Facts) -> Iterator[Finding]:
    """Judge the sysctls of each workload."""
    cluster = facts.cluster
    for workload in current_workloads(cluster):
        for sysctl in workload.spec.security_context.sysctls:
            if choked := _choked(sysctl.name, sysctl.value):
                effect, usual = choked
                names = {"sysctl": sysctl.name, "value": sysctl.value, "effect": effect, "usual": usual}
                behind = services_of(cluster, workload) if failing(cluster, workload) else []
                yield CHOKED.on(workload.subject, names, kind_=workload.subject.kind.lower(), services=behind)


def _choked(name: str, value: str) -> tuple[str, str] | None:
    """Return what a value that is too small does, as a clause, and the kernel's own; None where it leaves room."""
    numbers = [int(word) for word in value.split() if word.isdecimal()]
    if not numbers or len(numbers) != len(value.split()):
        return None
    if name == "net.ipv4.ip_local_port_range" and len(numbers) == 2:
        ports = numbers[1] - numbers[0] + 1
        effect = (
            f"{ports} ports for connections to one address and port, each of which stays taken for {TIME_WAIT} s after its end; "
            "the next connections fail (cannot assign requested address)"
        )
        return (effect, "32768 60999") if 0 < ports < FEWEST_PORTS else None
    if name in ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem") and len(numbers) == 3 and numbers[2] < SMALLEST_BUFFER:
        way = "received" if name.endswith("rmem") else "sent"
        usual = "4096 131072 6291456" if name.endswith("rmem") else "4096 16384 4194304"
        return f"at most {numbers[2]} bytes of a connection may wait to be {way}, so it moves a few packets a round trip", usual
    if name == "net.core.somaxconn" and len(numbers) == 1 and numbers[0] < SHORTEST_QUEUE:
        return f"more than {numbers[0]} clients at once are turned away", "4096"
    return None


check = Check(
    id="pod_sysctls",
    title="Sysctls of pods leave room for connections",
    prefix="PSY",
    needs=Needs(kinds=(POD,), hints=(SERVICE, *OWNERS)),
    codes=(CHOKED,),
    analyse=analyse,
)
