# SPDX-License-Identifier: Apache-2.0
"""The network's agents: missing on a node, not running, not ready, without BGP sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter

from kubectl_netdoc.api import EVENT, NODE, POD, Cluster, Code, Explains, Finding, Risk, Severity, Subject, is_joining, some
from kubectl_netdoc.checks.pod_network.cni_health.common import NAMED, NODES_WITHOUT, named_nodes, workload_subject
from kubectl_netdoc.cni import Found, NetworkObjects
from kubectl_netdoc.cni.agents import AgentProblem, Agents, down_addresses
from kubectl_netdoc.components import daemon_sets

BGP = re.compile(r"BGP not established with ([\da-f][\da-f.:,]*)")
"""How calico-node's readiness probe names peers without a session (node/pkg/health)."""

SEVERAL = 2
"""Nodes without a CNI configuration that show a fault of all: one alone may have lost its file."""

LOOK = (
    "kubectl -n {namespace} get pods -o wide --field-selector spec.nodeName={first}",
    "kubectl -n {namespace} logs {pod} -c {container} --tail=50",
    "kubectl -n {namespace} describe pod {pod}",
)

MISSING = Code(
    id="CNI001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The network agent is missing on nodes",
    message="{network} runs no agent on {count} of {all} nodes ({shown}){why}. Its DaemonSet {name} has {ready} of {desired} "
    "pods ready",
    fix="Find out why the DaemonSet has no pod on these nodes: a nodeSelector or affinity that they do not match, a taint that "
    "it does not tolerate, or a node without enough free CPU or memory.",
    commands=(
        "kubectl -n {namespace} describe daemonset {name}",
        "kubectl -n {namespace} get daemonset {name} -o jsonpath={{.spec.template.spec}}",
        "kubectl describe node {first}",
    ),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "DNC002"), "node"),),
)
CRASHES = Code(
    id="CNI002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The network agent crashes",
    message="The agent of {network} keeps crashing on {shown} (container {container}): {why}",
    fix="Read why in the log of the previous container. If all agents crash since their configuration changed, undo that change.",
    commands=("kubectl -n {namespace} logs {pod} -c {container} --previous --tail=50", *LOOK[2:]),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "CNI005", "DNC002"), "node"),),
)
REFUSED_BY_KERNEL = Code(
    id="CNI018",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The node's kernel refuses what the network agent needs",
    message="The agent of {network} keeps crashing on {shown} (container {container}): kernel {kernel} there "
    "{lacks}. It says: {why}",
    fix="{mend}",
    commands=(*CRASHES.commands, "kubectl get nodes -o wide"),
    rows=("M11",),
    explains=CRASHES.explains,
)
KERNELS = (
    (
        re.compile(
            r"BPF program load failed|BPF_PROG_LOAD|load program: |verifier|libbpf: (?:prog|failed to (?:load|find))", re.I
        ),
        "does not take its eBPF programs",
        "Boot these nodes with the kernel that they had before, or move to a version of {network} that is tried with this one; "
        "agents on nodes with another kernel go on working.",
    ),
    (
        re.compile(r"unknown option \W*--(?:x?or|set-x?)-?mark", re.I),
        "lacks the MARK target of iptables, or that of IPv6",
        "Load the kernel module xt_MARK on these nodes (modprobe xt_MARK), or boot them with a kernel that has it.",
    ),
)
"""What agents say where a kernel refuses something, what that is, and what mends it (projectcalico/calico#11302, awslabs/
amazon-eks-ami#2511, rancher/rke2#8042)."""

CANT_START = Code(
    id="CNI003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The network agent cannot start",
    message="The agent of {network} cannot start on {shown} (container {container}): {why}",
    fix="Make its image and configuration available on {shown}: check the registry, the pull secret, the image tag and the "
    "ConfigMap that it mounts.",
    commands=(LOOK[2], "kubectl -n {namespace} get daemonset {name} -o wide"),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "CNI005", "DNC002"), "node"),),
)
NOT_READY = Code(
    id="CNI004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The network agent is not ready",
    message="The agent of {network} runs on {shown} but is not ready (container {container}): {why}",
    fix="Fix what the agent says it is waiting for; its log has the details.",
    commands=LOOK,
    rows=("M11",),
    explains=(Explains(NODES_WITHOUT, "node"),),
)
NO_BGP = Code(
    id="CNI005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="BGP sessions are not established",
    message="{network} has no BGP session between {shown} and {peers}, so they do not exchange routes to their pods",
    fix="Look at the state of the sessions in BIRD, and allow TCP port 179 between the nodes. If a peer is not the address of a "
    "node, Calico picked the wrong interface: set IP_AUTODETECTION_METHOD (with the operator: nodeAddressAutodetectionV4), for "
    "example to kubernetes-internal-ip.",
    commands=(
        "kubectl -n {namespace} exec {pod} -c {container} -- birdcl -s /var/run/calico/bird.ctl show protocols",
        "kubectl -n {namespace} logs {pod} -c {container} --tail=50",
        "kubectl get nodes -o wide",
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,ADDRESS:.metadata.annotations.projectcalico\\.org/IPv4Address'",
    ),
    rows=("M10",),
    explains=(Explains(("PNW001",), "cluster"), Explains(NODES_WITHOUT, "node")),
)
PERHAPS = Code(
    id="CNI014",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nodes on which the network agent never ran",
    message="{network} runs no agent on {count} of {all} nodes ({shown}), and nothing shows that they need one",
    fix="Nothing to fix if these nodes have a network of their own.",
)
NOT_TAKEN = Code(
    id="CNI019",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The network agent installs no CNI configuration that works",
    message="The agent of {network} runs on {count} nodes ({shown}), and the container runtime has no CNI configuration "
    "there{where}",
    fix="An init container of DaemonSet {name} copies its CNI configuration to /etc/cni/net.d: see what it copies from where, "
    "and compare it and the {config} with the published manifest. The agents install it when they start, so restart "
    "them afterwards; the rollout restarts one node after the other.",
    commands=(
        "kubectl -n {namespace} get daemonset {name} -o yaml",
        "kubectl -n {namespace} get {config} -o yaml",
        "kubectl -n {namespace} logs daemonset/{name} --all-containers --tail=20",
        "kubectl -n {namespace} rollout restart daemonset {name}",
    ),
    rows=("M8", "M11"),
    explains=(Explains(NODES_WITHOUT, "node"),),
)


def missing(cluster: Cluster, found: Found, agents: Agents, elsewhere: frozenset[str]) -> Iterator[Finding]:
    """Report nodes without an agent pod. ``elsewhere``: nodes that another network's agent serves."""
    if not found.agents or not cluster.readable(POD):
        return
    for code, nodes in zip((MISSING, PERHAPS), agents.missing(elsewhere), strict=True):
        if not nodes:
            continue
        agent, bare = found.agents[0], sorted(nodes, key=attrgetter("name"))
        whys = [daemon_sets.why_not_on(agent, node) for node in bare]
        numbers = {
            "why": whys[0] if all(whys) and len(found.agents) == 1 else "",
            "network": found.name,
            "all": sum(not node.unsupported for node in cluster.all(NODE)),
            "ready": sum(pod.ready for _, pod in agents.pods),
            "desired": sum(item.status.desired_number_scheduled for item in found.agents),
        }
        yield code.on(workload_subject(agent), named_nodes([node.name for node in bare]) | numbers)


def troubles(cluster: Cluster, found: Found, agents: Agents) -> Iterator[Finding]:
    """Report agents that do not work: one finding for each DaemonSet and kind of trouble, with all its nodes."""
    makers = {(pod.namespace, pod.name): agent for agent, pod in agents.pods}
    groups: dict[tuple[Code, str, str], list[AgentProblem]] = {}
    down = down_addresses(cluster)
    for trouble in agents.problems():
        peers = _peers(trouble.why)
        if peers and down.issuperset(peers):
            continue
        code = {"crashes": CRASHES, "start": CANT_START}.get(trouble.what, NO_BGP if peers else NOT_READY)
        if code is NOT_READY and (not cluster.readable(NODE) or (down and not cluster.readable(EVENT))):
            continue  # its node may be down, or it may be missing the node that is
        if code is CRASHES and _refused(trouble.why):
            code = REFUSED_BY_KERNEL
        agent = makers[trouble.pod.namespace, trouble.pod.name]
        groups.setdefault((code, agent.namespace, agent.name), []).append(trouble)
    for (code, namespace, name), troubles in groups.items():
        centre, peers = _sessions(cluster, troubles) if code is NO_BGP else ("", [])
        first = next((each for each in troubles if each.pod.spec.node_name == centre), troubles[0])
        numbers = {
            "network": found.name,
            "container": first.container,
            "why": first.why or "the API does not say why",
            "pod": first.pod.name,
            "peers": peers,
        }
        nodes = sorted({each.pod.spec.node_name for each in troubles})
        if refused := _refused(first.why) if code is REFUSED_BY_KERNEL else None:
            numbers |= {"kernel": _kernels(cluster, nodes), "lacks": refused[0], "mend": refused[1].format(network=found.name)}
        yield code.on(Subject("DaemonSet", name, namespace), named_nodes(nodes) | numbers | ({"shown": centre} if centre else {}))


def none_taken(cluster: Cluster, found: Found, agents: Agents) -> Iterator[Finding]:
    """Report that agents run on nodes and install nothing that the runtime takes: on all, or by a ConfigMap that shows it."""
    if not found.primary or not (cluster.readable(NODE) and cluster.readable(POD)):
        return
    running = {on for on, pairs in agents.by_node.items() if any(pod.ready for _, pod in pairs)}
    served = [node for node in cluster.all(NODE) if node.name in running and not is_joining(cluster, node)]
    bare = [node for node in served if node.without_plugin]
    if not bare:
        return
    settings = NetworkObjects(cluster, found.agents)
    place, problem = settings.place(*found.network.configs), settings.config(*found.network.configs).get("cni_problem", "")
    if not (problem or (bare == served and len(bare) >= SEVERAL)):
        return
    yield NOT_TAKEN.on(
        workload_subject(found.agents[0]),
        named_nodes(sorted(node.name for node in bare)),
        network=found.name,
        config=f"configmap {place.partition('/')[2]}" if place else "configmaps",
        where=f". The one in ConfigMap {place} can't be used: {problem}" if problem else "",
    )


def _refused(why: str) -> tuple[str, str] | None:
    """Return what a kernel refuses by what an agent says, and what mends it."""
    return next(((lacks, mend) for pattern, lacks, mend in KERNELS if pattern.search(why)), None)


def _kernels(cluster: Cluster, nodes: list[str]) -> str:
    every = cluster.all(NODE) if cluster.readable(NODE) else ()
    found = {node.status.node_info.kernel_version for node in every if node.name in nodes} - {""}
    return some(sorted(found), NAMED) or "(of an unknown version)"


def _sessions(cluster: Cluster, troubles: list[AgentProblem]) -> tuple[str, list[str]]:
    """Return the one node that all missing sessions share, "" without one, and the other ends. Both ends report a session."""
    owners = {each.address: node.name for node in cluster.all(NODE) for each in node.status.addresses}
    down = down_addresses(cluster)
    missing = [(each.pod.spec.node_name, peer) for each in troubles for peer in _peers(each.why) if peer not in down]
    ends = [{node, owners.get(peer, peer)} for node, peer in missing]
    common = set.intersection(*ends) & set(owners.values()) if len(set(map(frozenset, ends))) > 1 else set()
    centre = common.pop() if len(common) == 1 else ""
    if not centre:
        return "", sorted({peer for _, peer in missing})
    return centre, sorted({*(node for node, _ in missing), *(owners.get(peer, peer) for _, peer in missing)} - {centre})


def _peers(why: str) -> list[str]:
    found = BGP.search(why)
    return [peer for peer in found[1].split(",") if peer] if found else []


CODES = (
    MISSING,
    CRASHES,
    REFUSED_BY_KERNEL,
    CANT_START,
    NOT_READY,
    NO_BGP,
    PERHAPS,
    NOT_TAKEN,
)
