# SPDX-License-Identifier: Apache-2.0
"""Does each node use the CNI configuration of its own network?

## What it looks at
The names, networks and plugins in /etc/cni/net.d of every sampled node (privileged tier). If there are several files, the one
that sorts first is in use. A list may have plugins in a folder beside it, which newer runtimes read (docs/versions.md). Each
node is compared with the others, and nothing else of the files is kept. Also, whether the
plugin portmap, which opens host ports, is in the list of a node that runs pods with host ports.

## Why it matters
A file left by another network that sorts before the right one gives every new pod an address that no other node has a route to.
Pods created earlier keep working, so the fault looks like a fault of single workloads.

## What it can't see
Nodes whose runtime reads another folder (k3s: /var/lib/rancher/k3s/agent/etc/cni/net.d). Which of two networks was meant if fewer
than two nodes agree against one. A node that runs an agent the others do not have (a migration, hybrid nodes) and a node that
joined just now are not compared. The addresses of pods created earlier: see pod_addresses.

## Sources
CNI specification, section "Configuration format"; the order of libcni (containernetworking/cni, libcni/api.go); containerd's
`max_conf_num` 1; CRI-O's ocicni, which skips files that it can't use; Istio's CNI node agent, which adds its plugin to the
network's own file on one node after the other. Failure catalogue M8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    POD,
    Check,
    Cluster,
    CniConfig,
    CniConfigReply,
    CniFile,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    NodePath,
    Pod,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    joining,
    on_node,
    some,
)
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.cni.agents import Agents
from kubectl_netdoc.probes import cni_lists, node_readings

AGREE = 2
"""At least this many nodes must use the same configuration before another node is compared with it."""

OPENS = frozenset(
    {"cilium-cni", "multus", "multus-cni", "multus-shim", "ovn-k8s-cni-overlay", "weave-net", "azure-vnet", "win-bridge"}
)
"""Plugins that open host ports themselves, or hand pods on to other configurations: netdoc does not judge them."""

NAMED = 3
"""Pods that a message names at most."""

EFFECTS = (
    *("PNW002", "PNW003", "PNW007", "PNW008", "PNW011", "PAD002", "SVH001", "MTU001", "MTU002", "MTU010", "NOD003"),
    *("POD003", "PNW015"),
)

ON_IT = "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"
READ = on_node("{name}", "cat /etc/cni/net.d/{file}")
AWAY = on_node("{name}", "mv /etc/cni/net.d/{file} /root/")
"""Safe only if the next file is the network's own: without any file, new pods get no network."""

FOREIGN = Code(
    id="CNF001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node uses another network's CNI configuration",
    message="On {name}, /etc/cni/net.d/{file} sorts first and is in use: network {network} ({plugins}). {others} use "
    "{usual_file}: network {usual} ({usual_plugins})",
    fix="{way}. Then recreate the pods that were created on {name} since the file appeared.",
    commands=(AWAY, ON_IT),
    rows=("M8",),
    explains=(
        Explains(EFFECTS, "node"),
        Explains(("PNW002", "PNW003", "SVR005", "SVR013", "DNL003", "MTU001"), "path"),
    ),
)
UNUSABLE = Code(
    id="CNF002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The CNI configuration of a node is invalid",
    message="On {name}, /etc/cni/net.d/{file} sorts first but cannot be used: {problem}",
    fix="New pods on {name} get no network. {way}.",
    commands=(READ, AWAY, ON_IT),
    rows=("M8",),
    explains=(Explains(("NOD001", "NOD003", "NOD005", "POD003"), "node"),),
)
MISSING = Code(
    id="CNF003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A node has no CNI configuration",
    message="On {name}, /etc/cni/net.d is empty. {others} use {usual_file}: network {usual}",
    fix="New pods on {name} get no network. The network agent writes the file when it starts. {again} If it runs and does not "
    "write it, read the logs of its init containers.",
    commands=(ON_IT,),
    rows=("M8",),
    explains=(Explains(("NOD001", "NOD003", "NOD005", "POD003"), "node"),),
)
NO_PORTMAP = Code(
    id="CNF004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The CNI configuration of a node opens no host ports",
    message="On {name}, /etc/cni/net.d/{file} has the plugins {plugins} and not portmap, so nothing opens the host ports of "
    "{count} pods there ({shown})",
    fix="Add the plugin portmap (with capabilities portMappings: true) to the list in /etc/cni/net.d/{file} on {name}; where the "
    "network agent writes that file, to its ConfigMap. Then recreate these pods, as a host port is opened when a pod is made.",
    commands=(READ, ON_IT),
    explains=(Explains(("HPT004",), "node"),),
)
LEFTOVER = Code(
    id="CNF010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="An unused CNI configuration is left on nodes",
    message="On {nodes}, {unused} sorts after {file}, which is in use. It takes over if {file} disappears",
    fix="If another network was removed, remove the files it left behind.",
    commands=(on_node("{first}", "ls -l /etc/cni/net.d"),),
)


def plan(cluster: Cluster) -> Iterator[CniConfig]:
    """Read the configuration of every node of the privileged tier."""
    if cluster.tier.covers(Tier.PRIVILEGED):
        yield from map(CniConfig, cluster.hosts)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare each node's first file with that of the other nodes."""
    if why := facts.why_tier_unmeasured(Tier.PRIVILEGED):
        raise Skip(f"{why}: with it, the CNI configuration of each node is compared with that of the others", not_applicable=True)
    found, unseen = node_readings.read(facts, CniConfig, CniConfigReply, "/etc/cni/net.d")
    yield from unseen
    read = {node: _in_use(facts.cluster, node, reply) for node, reply in found.items()}
    yield from (reply for reply in read.values() if isinstance(reply, Unseen))
    found = {node: reply for node, reply in read.items() if isinstance(reply, CniConfigReply)}
    filled = {node: reply.files for node, reply in found.items() if reply.files}
    if found and not filled:
        yield Unseen("/etc/cni/net.d", "empty on every node, so the runtime reads another folder")
        return
    windows = {node.name for node in facts.cluster.all(NODE) if node.metadata.labels.get("kubernetes.io/os") == "windows"}
    agents = _agents(facts.cluster)
    wrong = {node: list(_judge(facts.cluster, node, found, agents)) for node in sorted(found.keys() - windows)}
    for findings in wrong.values():
        yield from findings
    for node in (node for node, findings in wrong.items() if not findings):
        yield from _host_ports(facts.cluster, node, found[node])
    yield from _leftovers({node: reply for node, reply in found.items() if not wrong.get(node)})


def _in_use(cluster: Cluster, node: str, reply: CniConfigReply) -> CniConfigReply | Unseen:
    """Return what the node's runtime uses: CRI-O skips files that it can't use."""
    runtime = _runtime(cluster, node)
    read = [cni_lists.as_read(file, runtime) for file in reply.files]
    if read and read[0] is None:
        why = f"its plugins, or some, are in a folder beside it: whether {runtime or 'the runtime'} reads that is not known"
        return Unseen(f"/etc/cni/net.d/{reply.files[0].name} on node {node}", why, expected=True)
    reply = msgspec.structs.replace(reply, files=tuple(filter(None, read)))
    files = tuple(file for file in reply.files if not file.problem)
    return msgspec.structs.replace(reply, files=files) if runtime.startswith("cri-o") and files else reply


def _runtime(cluster: Cluster, node: str) -> str:
    found = cluster.get(NODE, "", node)
    return found.status.node_info.container_runtime_version if found else ""


def _agents(cluster: Cluster) -> dict[str, dict[str, Pod]]:
    """Return the agent pods on each node, by network, of networks that assign addresses."""
    found: dict[str, dict[str, Pod]] = {}
    for each in cni.recognise(cluster):
        for node, pods in Agents(cluster, each).by_node.items() if each.primary else ():
            found.setdefault(node, {})[each.name] = pods[0][1]
    return found


def _judge(cluster: Cluster, node: str, found: dict[str, CniConfigReply], agents: dict[str, dict[str, Pod]]) -> Iterator[Finding]:
    files, subject = found[node].files, Subject("Node", node)
    usable = {name: _kind(reply.files[0]) for name, reply in found.items() if reply.files and not reply.files[0].problem}
    (most, count), *rest = Counter(usable.values()).most_common() or [(("", ""), 0)]
    known = cluster.readable(DAEMON_SET) and cluster.readable(POD)  # else another network's agent may be there on purpose
    agreed = known and count >= AGREE and (not rest or rest[0][1] < count)
    others = sorted(name for name, kind in usable.items() if kind == most)
    first = found[others[0]].files[0] if others else CniFile("")
    common = {"others": others, "usual": first.network, "usual_plugins": first.plugins, "usual_file": first.name, "nodes": [node]}
    own = agents.get(node, {})
    if node in joining(cluster) or (agreed and own.keys() - {name for other in others for name in agents.get(other, {})}):
        return
    if not files:
        if agreed:
            again = agent_again.on(cluster, node)
            yield MISSING.on(subject, common, commands=(ON_IT, *again.commands), again=again.words)
        return
    name, right = files[0].name, len(files) > 1 and not files[1].problem and _kind(files[1]) == most and agreed
    way = (
        f"Move {name} out of /etc/cni/net.d on {node}"
        if right
        else f"Make the network agent write its own file, and move {name} away"
    )
    lines = (READ, *((AWAY,) if right else ()), ON_IT)
    if files[0].problem:
        yield UNUSABLE.on(subject, commands=lines, file=name, problem=files[0].problem, nodes=[node], way=way)
    elif agreed and _kind(files[0]) != most:
        paths = [path for other in found if other != node for path in (NodePath(node, other), NodePath(other, node))]
        numbers = {"file": name, "network": files[0].network, "plugins": files[0].plugins, "paths": paths, "way": way}
        yield FOREIGN.on(subject, common | numbers, commands=lines)


def _host_ports(cluster: Cluster, node: str, reply: CniConfigReply) -> Iterator[Finding]:
    """Report pods with host ports on a node whose plugins open none."""
    file = reply.files[0] if reply.files else CniFile("")
    if file.problem or not file.plugins or "portmap" in file.plugins or not OPENS.isdisjoint(file.plugins):
        return
    runtime = _runtime(cluster, node)
    pods = cluster.pods_on(node) if cluster.readable(POD) else []
    running = [pod for pod in pods if pod.status.phase == "Running" and not (pod.spec.host_network or pod.terminating)]
    mine = sorted(f"{pod.namespace}/{pod.name}" for pod in running if any(port.host_port for port in pod.spec.ports()))
    if mine and not runtime.startswith("cri-o"):
        numbers = {"file": file.name, "plugins": file.plugins, "count": len(mine), "shown": some(mine, NAMED), "nodes": [node]}
        yield NO_PORTMAP.on(Subject("Node", node), numbers)


def _kind(file: CniFile) -> tuple[str, str]:
    """Return a file's network and the plugin that makes the interface. Later plugins may be rolled out one node at a time."""
    return file.network, next(iter(file.plugins), "")


def _leftovers(found: dict[str, CniConfigReply]) -> Iterator[Finding]:
    """Report files after the first one; the same files on several nodes are one finding."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for node, reply in found.items():
        if len(reply.files) > 1:
            groups.setdefault(tuple(file.name for file in reply.files), []).append(node)
    for (first, *unused), nodes in sorted(groups.items()):
        subject = Subject("Cluster", "CNI configuration") if len(nodes) > 1 else Subject("Node", nodes[0])
        yield LEFTOVER.on(subject, nodes=sorted(nodes), file=first, unused=unused, first=sorted(nodes)[0])


check = Check(
    id="cni_files",
    title="Nodes use the CNI configuration of their own network",
    prefix="CNF",
    needs=Needs(kinds=(NODE,), hints=(DAEMON_SET, POD, *NETWORK_KINDS), tier=Tier.PRIVILEGED),
    codes=(FOREIGN, UNUSABLE, MISSING, NO_PORTMAP, LEFTOVER),
    plan=plan,
    analyse=analyse,
)
