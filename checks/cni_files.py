"""Is the CNI configuration that each node uses the one of its network?

## What it looks at
The names, networks and plugins in /etc/cni/net.d of every sampled node (privileged tier). Of several files the one that sorts
first is in use; a node is held against the others, and nothing else of the files is kept.

## Why it matters
A file left from another network that sorts before the right one gives every new pod an address that no other node has a route to:
pods made before go on, so the fault looks like one of single workloads.

## What it can't see
Nodes whose runtime looks elsewhere (k3s: /var/lib/rancher/k3s/agent/etc/cni/net.d). Which of two networks was meant, where fewer
than two nodes agree against one. What pods made earlier were given: see pod_addresses.

## Sources
CNI specification, section "Configuration format"; libcni's order (containernetworking/cni, libcni/api.go); containerd's
`max_conf_num` 1; failure catalogue M8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kubectl_netdoc import hosts
from kubectl_netdoc.api import (
    NODE,
    Check,
    Cluster,
    CniConfig,
    CniConfigReply,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    on_node,
)

AGREE = 2
"""Nodes that have to use one and the same configuration before another node is held to it."""

EFFECTS = (
    *("PNW002", "PNW003", "PNW007", "PNW008", "PNW011", "PAD002", "SVH001", "MTU001", "MTU002", "MTU010", "NOD003"),
    *("POD003", "PNW015"),
)

FOREIGN = Code(
    id="CNF001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node uses another network's CNI configuration",
    message="On {name} /etc/cni/net.d/{file} sorts first and is in use: network {network} ({plugins}); on {others} it is "
    "{usual_file}: network {usual} ({usual_plugins})",
    fix="Move {file} out of /etc/cni/net.d on {name}, then make the pods anew that were made there since.",
    commands=(
        on_node("{name}", "mv /etc/cni/net.d/{file} /root/"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ),
    rows=("M8",),
    explains=(Explains(EFFECTS, "node"), Explains(("PNW002", "PNW003", "SVR005", "DNL003", "MTU001"), "path")),
)
UNUSABLE = Code(
    id="CNF002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The CNI configuration of a node can't be used",
    message="On {name} /etc/cni/net.d/{file} sorts first and can't be used: {problem}",
    fix="Move it away, or have the network's agent write it anew: new pods on {name} get no network.",
    commands=(
        on_node("{name}", "cat /etc/cni/net.d/{file}"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ),
    rows=("M8",),
    explains=(Explains(("NOD001", "NOD003", "NOD005", "POD003"), "node"),),
)
MISSING = Code(
    id="CNF003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node has no CNI configuration",
    message="On {name} /etc/cni/net.d is empty; on {others} it is {usual_file}: network {usual}",
    fix="The network's agent on {name} writes it: look at that pod, and delete it to have it done again.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
    rows=("M8",),
    explains=(Explains(("NOD001", "NOD003", "NOD005", "POD003"), "node"),),
)
LEFTOVER = Code(
    id="CNF010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="CNI configuration that is not in use",
    message="On {nodes} {unused} lies behind {file}, which is in use: it takes over should that go",
    fix="Where another network was removed, remove what it left.",
    commands=(on_node("{first}", "ls -l /etc/cni/net.d"),),
)


def plan(cluster: Cluster) -> Iterator[CniConfig]:
    """Ask every node of the privileged tier."""
    if cluster.tier.covers(Tier.PRIVILEGED):
        yield from map(CniConfig, cluster.hosts)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Hold each node's first file against what the others have."""
    if why := facts.beyond(Tier.PRIVILEGED):
        raise Skip(f"{why}: it would hold the CNI configuration of each node against the others'", moot=True)
    found, unseen = hosts.read(facts, CniConfig, CniConfigReply, "/etc/cni/net.d")
    yield from unseen
    filled = {node: reply.files for node, reply in found.items() if reply.files}
    if found and not filled:
        yield Unseen("/etc/cni/net.d", "empty on every node: the runtime looks elsewhere")
        return
    windows = {node.name for node in facts.cluster.all(NODE) if node.metadata.labels.get("kubernetes.io/os") == "windows"}
    usual = Counter((files[0].network, files[0].plugins) for files in filled.values() if not files[0].problem)
    for node in sorted(found.keys() - windows):
        yield from _judge(node, found, usual)
    yield from _leftovers(found)


def _judge(node: str, found: dict[str, CniConfigReply], usual: Counter[tuple[str, tuple[str, ...]]]) -> Iterator[Finding]:
    files, subject = found[node].files, Subject("Node", node)
    (most, count), *rest = usual.most_common() or [(("", ()), 0)]
    agreed = count >= AGREE and (not rest or rest[0][1] < count)
    others = sorted(
        name for name, reply in found.items() if reply.files and (reply.files[0].network, reply.files[0].plugins) == most
    )
    common = {"others": others, "usual": most[0], "usual_plugins": most[1], "nodes": [node]}
    common["usual_file"] = found[others[0]].files[0].name if others else ""
    paths = [path for other in found if other != node for path in (f"{node} -> {other}", f"{other} -> {node}")]
    if not files:
        if agreed:
            yield MISSING.on(subject, common)
    elif files[0].problem:
        yield UNUSABLE.on(subject, file=files[0].name, problem=files[0].problem, nodes=[node])
    elif agreed and (files[0].network, files[0].plugins) != most:
        yield FOREIGN.on(subject, common, file=files[0].name, network=files[0].network, plugins=files[0].plugins, paths=paths)


def _leftovers(found: dict[str, CniConfigReply]) -> Iterator[Finding]:
    """Files behind the first one, alike ones of several nodes together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for node, reply in found.items():
        if len(reply.files) > 1:
            groups.setdefault(tuple(file.name for file in reply.files), []).append(node)
    for (first, *unused), nodes in sorted(groups.items()):
        subject = Subject("Cluster", "CNI configuration") if len(nodes) > 1 else Subject("Node", nodes[0])
        yield LEFTOVER.on(subject, nodes=sorted(nodes), file=first, unused=unused, first=sorted(nodes)[0])


check = Check(
    id="cni_files",
    title="Nodes use their network's own CNI configuration",
    prefix="CNF",
    needs=Needs(kinds=(NODE,), tier=Tier.PRIVILEGED),
    codes=(FOREIGN, UNUSABLE, MISSING, LEFTOVER),
    plan=plan,
    analyse=analyse,
)
