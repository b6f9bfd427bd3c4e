# SPDX-License-Identifier: Apache-2.0
"""Which network do pods have, and do its agents do their part on every node?

## What it looks at
The DaemonSets whose images are agents of a pod network (Flannel, Calico, Canal, Cilium, Weave Net, kindnet, kube-router,
Antrea, OVN-Kubernetes, the networks of EKS, AKS and GKE, k3s' own, and Multus): their pods on each node, the log lines of
those that are not ready, their controllers; and what the network is set to, by its ConfigMap, custom resources, variables and
flags, of which only settings named in netdoc are read: among them flannel's Network, against the nodes' pod ranges, and the
plugins of the CNI configuration, against pods that ask for ports of their node (hostPort).

## Why it matters
What agents have set up goes on without them, so an agent that is gone is often first missed when a node restarts or a pod moves.
A DaemonSet says 2 of 2 while a third node has none: what counts is the nodes. Flannel takes what lies outside its Network for the
world outside and translates it, and a port of the node that no plugin opens is simply not there.

## What it can't see
An agent that says it is ready and does nothing. A network that is a program on the nodes (GKE without Dataplane V2, EKS Auto
Mode, Azure CNI without CNS) or comes from an image that netdoc does not know: none recognised is no fault while pods have
addresses. CNI configurations that stand in no ConfigMap (most networks write their own). What a network is set to is not always
what it does: the MTU in use stands beside the MTU set where pods measured.

## Sources
The published manifests that each recognition was made from are named in kubectl_netdoc/networks/. Flannel: Configuration, and
since v0.21 (kube subnet manager) it ends where a range lies outside; CNI: portmap; CRI-O opens such ports itself
(internal/hostport); Tigera operator: calicoNetwork.hostPorts. Kubernetes: Network Plugins,
DaemonSet; Calico: Troubleshooting (BGP); weaveworks/weave, archived June 2024; failure catalogue M7, M8, M10 and M11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    CALICO_INSTALLATION,
    DAEMON_SET,
    DEPLOYMENT,
    EVENT,
    NETWORK_KINDS,
    NODE,
    POD,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    Node,
    PathMtu,
    PathMtuReply,
    Peer,
    Pod,
    Risk,
    Severity,
    Subject,
    Unseen,
    is_range,
    joins,
    some,
)
from kubectl_netdoc.cni import Found, flannel
from kubectl_netdoc.cni.agents import SETTLED, Agents, Trouble, gone, inside, outsiders, silent, without_plugin
from kubectl_netdoc.probes import node_pairs

ROLLING = timedelta(minutes=15)
"""A rollout in which no pod became younger for that long has stopped: a DaemonSet takes one node after the other by default."""

NAMED = 5
"""Nodes and peers that a sentence names at most; the evidence has all."""

NETWORK = Subject("Cluster", "pod network")
BGP = re.compile(r"BGP not established with ([\da-f][\da-f.:,]*)")
"""What calico-node's readiness says (node/pkg/health): the peers without a session."""

NODES_WITHOUT = (
    *("NOD002", "NOD003", "NOD005", "POD003", "POD004"),
    *("PNW002", "PNW003", "PNW008", "PNW012", "PNW015"),
    *("NRT001", "NRT003", "NRT004", "NRT005"),
)
"""What a node without a working agent shows sooner or later: no network for new pods, no routes and no paths for old ones."""

LOOK = (
    "kubectl -n {namespace} get pods -o wide --field-selector spec.nodeName={first}",
    "kubectl -n {namespace} logs {pod} -c {container} --tail=50",
    "kubectl -n {namespace} describe pod {pod}",
)

MISSING = Code(
    id="CNI001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The network's agent is missing on nodes",
    message="{network} has no agent on {count} of {all} nodes ({shown}): its DaemonSet {name} has {ready} of {desired} ready",
    fix="Its DaemonSet does not want these nodes, or could not place its pod: look for a nodeSelector or affinity that they "
    "don't meet, a taint it does not tolerate, or a node without room.",
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
    title="The network's agent crashes",
    message="{network}'s agent crashes again and again on {shown} (container {container}): {why}",
    fix="Its log says why; where all agents crash since its configuration changed, put that back.",
    commands=("kubectl -n {namespace} logs {pod} -c {container} --previous --tail=50", *LOOK[2:]),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "CNI005", "DNC002"), "node"),),
)
CANT_START = Code(
    id="CNI003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The network's agent can't start",
    message="{network}'s agent can't start on {shown} (container {container}): {why}",
    fix="Make its image and configuration available to {shown}: the registry, the pull secret, the tag, the ConfigMap it mounts.",
    commands=(LOOK[2], "kubectl -n {namespace} get daemonset {name} -o wide"),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "CNI005", "DNC002"), "node"),),
)
NOT_READY = Code(
    id="CNI004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The network's agent is not ready",
    message="{network}'s agent runs on {shown} and is not ready (container {container}): {why}",
    fix="What it says it waits for is what to mend.",
    commands=LOOK,
    rows=("M11",),
    explains=(Explains(NODES_WITHOUT, "node"),),
)
NO_BGP = Code(
    id="CNI005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="BGP sessions are not established",
    message="{network} has no BGP session between {shown} and {peers}: routes to the pods there are not exchanged",
    fix="See in which state BIRD has the sessions, and let TCP 179 pass between the nodes; where a peer is "
    "no address of a node, Calico has taken the wrong interface: set IP_AUTODETECTION_METHOD (operator: "
    "nodeAddressAutodetectionV4), such as to kubernetes-internal-ip.",
    commands=(
        "kubectl -n {namespace} exec {pod} -c {container} -- birdcl -s /var/run/calico/bird.ctl show protocols",
        "kubectl -n {namespace} logs {pod} -c {container} --tail=50",
        "kubectl get nodes -o wide",
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,ADDRESS:.metadata.annotations.projectcalico\\.org/IPv4Address'",
    ),
    rows=("M10",),
    explains=(Explains(("PNW001",), "cluster"), Explains(NODES_WITHOUT, "node")),
)
TWO = Code(
    id="CNI006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Two networks on the same nodes",
    message="{networks} both have agents on {count} nodes ({shown}): pods get the one whose file is first in /etc/cni/net.d",
    fix="Finish the migration, or remove the one that was not meant: its DaemonSet, its file in /etc/cni/net.d, its links; then "
    "recreate the pods that have an address of it.",
    commands=("kubectl get daemonsets -A -o wide", "kubectl get pods -A -o wide --field-selector spec.nodeName={first}"),
    rows=("M8",),
)
NONE_INSTALLED = Code(
    id="CNI007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod network is installed",
    message="No network's agent is in the cluster, and {count} nodes wait for one ({shown})",
    fix="Install a pod network; kubeadm does not bring one.",
    commands=("kubectl get daemonsets -A -o wide", "kubectl describe node {first}"),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "NOD001", "DNC002"), "node"),),
)
SKEW = Code(
    id="CNI008",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Versions of the network's agent differ",
    message="{network}'s agents have different versions for over {minutes} minutes: {versions}",
    fix="Finish the rollout: see what holds it up; with updateStrategy OnDelete, delete the old pods, one node after the other.",
    commands=("kubectl -n {namespace} rollout status daemonset {name}", "kubectl -n {namespace} get pods -o wide"),
)
CONTROLLER = Code(
    id="CNI009",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A controller of the network is down",
    message="{namespace}/{name} of {network} has none of {replicas} replicas ready: {undone} meanwhile",
    fix="Look at its pods.",
    commands=("kubectl -n {namespace} describe deployment {name}", "kubectl -n {namespace} logs deployment/{name} --tail=50"),
)
IDENTITY = Code(
    id="CNI010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="The pod network",
    message="{network} {version}: {carries}; agents ready: {ready} of {agents}",
    fix="Nothing to mend: this is what the cluster has.",
)
UNKNOWN = Code(
    id="CNI011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="No pod network recognised",
    message="None of {daemonsets} DaemonSets is the agent of a network that netdoc knows{traces}",
    fix="Nothing to mend where a cloud's own network, or a program on the nodes, gives the pods their addresses.",
)
END_OF_LIFE = Code(
    id="CNI012",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="The network is no longer maintained",
    message="{network} {version} is no longer maintained",
    fix="{advice}",
    commands=("kubectl get daemonsets -A -o wide", "kubectl get networkpolicies -A"),
)
REMOVED = Code(
    id="CNI013",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="The network's agent has been removed",
    message="{network} has set up {count} nodes ({shown}) and its configuration is there, but no DaemonSet runs its agent",
    fix="Install {network} again, or finish the move to another: what it set up lasts until a node restarts; new nodes get none.",
    commands=("kubectl get daemonsets -A -o wide", "kubectl get configmaps -A --field-selector metadata.name={config}"),
    rows=("M11",),
    explains=(Explains(NODES_WITHOUT, "node"),),
)
PERHAPS = Code(
    id="CNI014",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nodes that the network's agent has never been on",
    message="{network} has no agent on {count} of {all} nodes ({shown}), and nothing shows that they miss one",
    fix="Nothing to mend where these nodes have a network of their own.",
)

OTHER_MTU = Code(
    id="CNI015",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Pods have another MTU than the network is set to",
    message="{network} is set to give pods an MTU of {mtu_set}; pods made just now have {mtu_seen}",
    fix="The agents have not taken up the setting: restart them, then make the pods anew; or set what is really wanted.",
    commands=("kubectl get daemonsets -A -o wide",),
    rows=("M1",),
)
OTHER_RANGE = Code(
    id="CNI016",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Nodes' pod ranges lie outside the network's",
    message="{network}'s Network {range} (ConfigMap {config}) does not hold the pod ranges of {count} nodes ({shown}), which "
    "pods have their addresses from: traffic between nodes is taken for traffic to the outside, and is translated or dropped",
    fix="Set Network in net-conf.json to the range that all nodes' podCIDRs are cut from (kube-controller-manager "
    "--cluster-cidr), then restart its agents, one node after the other.",
    commands=(
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDRs",
        "kubectl -n {space} get configmap {map} -o yaml",
        "kubectl -n {namespace} rollout restart daemonset {name}",
    ),
    rows=("M9",),
)
NO_HOST_PORTS = Code(
    id="CNI017",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nothing opens the host ports that pods ask for",
    message="{count} pods ask for ports of their node ({shown}), and {place} {lacks}: these ports are not opened",
    fix="{remedy}, or reach these pods by a Service of type NodePort or LoadBalancer.",
    commands=("kubectl -n {first_space} get pod {first_pod} -o wide",),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Name the networks, then what is wrong with their agents."""
    cluster = facts.cluster
    found = cni.recognise(cluster)
    agents = {each.name: Agents(cluster, each) for each in found}
    if not any(each.primary for each in found):
        yield from _none(cluster)
    for each in found:
        yield from _identity(facts, each, agents[each.name])
    if cluster.origin == "manifests":
        return
    yield from _two(cluster, found, agents)
    for each in found:
        rivals = [other.name for other in found if each.primary and other.primary and other.name != each.name]
        elsewhere = frozenset(node for name in rivals for node in agents[name].by_node)
        yield from _missing(cluster, each, agents[each.name], elsewhere)
        yield from _troubles(cluster, each, agents[each.name])
        yield from _skew(cluster, each, agents[each.name])
        yield from _controllers(cluster, each)
        yield from _other_range(cluster, each)
    yield from _host_ports(cluster, found)


def _none(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """No network that gives pods addresses is recognised: no fault in itself."""
    if cluster.scope.namespaces:
        yield Unseen("the pod network", f"only {cluster.scope} is looked at")
        return
    nodes = [node for node in cluster.all(NODE) if not node.unfit] if cluster.readable(NODE) else []
    waits = sorted(node.name for node in nodes if without_plugin(node) and not joins(cluster, node))
    for network in cni.ALL:
        traced = sorted(node.name for node in nodes if network.trace(node))
        seen = cni.Seen(cluster)
        config = next((name for name in network.configs if seen.has_config(name)), "")
        if traced and config and network.traits(seen).node_ranges and cluster.readable(POD) and not outsiders(cluster):
            yield REMOVED.on(NETWORK, _nodes(traced), network=network.name, config=config)
            return
    if waits:
        yield NONE_INSTALLED.on(NETWORK, _nodes(waits))
        return
    traces = sorted({network.name for network in cni.ALL for node in nodes if network.trace(node)})
    said = f"; nodes have annotations of {' or '.join(traces)}" if traces else ""
    yield UNKNOWN.on(NETWORK, daemonsets=len(cluster.all(DAEMON_SET)), traces=said)


def _identity(facts: Facts, found: Found, agents: Agents) -> Iterator[Finding]:
    versions = found.network.versions(c.image for agent in found.agents for c in agent.template.spec.containers)
    told = found.traits.told()
    seen = sorted(_mtu_seen(facts)) if found.primary else []
    told += [f"MTU seen {' and '.join(map(str, seen))}"] if seen else []
    numbers = {
        "network": found.name,
        "version": ", ".join(sorted(versions)) or "(version not told)",
        "carries": "; ".join(told) or "how it carries packets is not told",
        "ready": sum(pod.ready for _, pod in agents.pods),
        "agents": len(agents.pods),
        "daemonsets": [f"{agent.namespace}/{agent.name}" for agent in found.agents],
        "mtu_seen": list(map(str, seen)),
    } | found.traits.named()
    yield IDENTITY.on(Subject("Cluster", found.name), numbers)
    if found.traits.mtu_of_pods and found.traits.mtu.isdecimal() and set(seen) - {int(found.traits.mtu)}:
        yield OTHER_MTU.on(Subject("Cluster", found.name), numbers)
    if found.network.advice:
        yield END_OF_LIFE.on(Subject("Cluster", found.name), numbers, advice=found.network.advice)


def _mtu_seen(facts: Facts) -> set[int]:
    """The MTUs that pods were seen to have, where mtu_mismatch measured in this run."""
    asked = [
        facts.reply(PathMtu(one, Peer(other, twin=one == other), family="")) for one, other in node_pairs.pairs(facts.cluster)
    ]
    return {reply.own for reply in asked if isinstance(reply, PathMtuReply) and reply.own}


def _nodes(names: list[str]) -> dict[str, object]:
    return {"nodes": names, "count": len(names), "first": names[0], "shown": some(names, NAMED)}


def _two(cluster: Cluster, found: tuple[Found, ...], agents: dict[str, Agents]) -> Iterator[Finding]:
    """Networks that both give addresses, as far as their settings tell, on the same nodes."""
    if len(found) < 2 or cni.base.unread(cluster):
        return
    sure = [each for each in found if each.primary and each.traits.ipam and each.agents]
    for number, one in enumerate(sure):
        for other in sure[number + 1 :]:
            if both := sorted((agents[one.name].by_node.keys() & agents[other.name].by_node.keys()) - {""}):
                yield TWO.on(NETWORK, _nodes(both), networks=f"{one.name} and {other.name}")


def _missing(cluster: Cluster, found: Found, agents: Agents, elsewhere: frozenset[str]) -> Iterator[Finding]:
    if not found.agents or not cluster.readable(POD):
        return
    for code, nodes in zip((MISSING, PERHAPS), agents.missing(elsewhere), strict=True):
        if not nodes:
            continue
        agent = found.agents[0]
        numbers = {
            "network": found.name,
            "all": sum(not node.unfit for node in cluster.all(NODE)),
            "ready": sum(pod.ready for _, pod in agents.pods),
            "desired": sum(item.status.desired_number_scheduled for item in found.agents),
        }
        yield code.on(_subject(agent), _nodes(sorted(node.name for node in nodes)) | numbers)


def _subject(workload: cni.Workload, kind: str = "DaemonSet") -> Subject:
    return Subject(kind, workload.name, workload.namespace)


def _troubles(cluster: Cluster, found: Found, agents: Agents) -> Iterator[Finding]:
    """One finding for each DaemonSet and kind of trouble, with all the nodes that have it."""
    makers = {(pod.namespace, pod.name): agent for agent, pod in agents.pods}
    groups: dict[tuple[Code, str, str], list[Trouble]] = {}
    down = gone(cluster)
    for trouble in agents.troubles():
        peers = _peers(trouble.why)
        if peers and down.issuperset(peers):
            continue
        code = {"crashes": CRASHES, "start": CANT_START}.get(trouble.what, NO_BGP if peers else NOT_READY)
        if code is NOT_READY and (not cluster.readable(NODE) or (down and not cluster.readable(EVENT))):
            continue  # its node may be down, or it may miss the one that is
        agent = makers[trouble.pod.namespace, trouble.pod.name]
        groups.setdefault((code, agent.namespace, agent.name), []).append(trouble)
    for (code, namespace, name), troubles in groups.items():
        centre, peers = _sessions(cluster, troubles) if code is NO_BGP else ("", [])
        first = next((each for each in troubles if each.pod.spec.node_name == centre), troubles[0])
        numbers = {
            "network": found.name,
            "container": first.container,
            "why": first.why or "nothing says why",
            "pod": first.pod.name,
            "peers": peers,
        }
        nodes = sorted({each.pod.spec.node_name for each in troubles})
        yield code.on(Subject("DaemonSet", name, namespace), _nodes(nodes) | numbers | ({"shown": centre} if centre else {}))


def _sessions(cluster: Cluster, troubles: list[Trouble]) -> tuple[str, list[str]]:
    """The one node that all missing sessions have in common, if there is one, and the peers: both ends of each are not ready."""
    owners = {each.address: node.name for node in cluster.all(NODE) for each in node.status.addresses}
    down = gone(cluster)
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


def _skew(cluster: Cluster, found: Found, agents: Agents) -> Iterator[Finding]:
    """Agents of one DaemonSet that differ in version, and no rollout that is under way; on a node that is down none gets on."""
    if not cluster.readable(NODE):
        return
    down = {node.name for node in cluster.all(NODE) if silent(node)}
    for agent in found.agents:
        pods = [pod for maker, pod in agents.pods if maker is agent and pod.spec.node_name not in down]
        versions: dict[str, list[str]] = {}
        for pod in pods:
            for version in found.network.versions(container.image for container in pod.spec.containers):
                versions.setdefault(version, []).append(pod.spec.node_name)
        moving = any(cluster.age(pod.metadata.creation_timestamp) < ROLLING for pod in pods)
        if len(versions) > 1 and not moving:
            said = [
                f"{version} on {len(nodes)} ({', '.join(sorted(nodes)[:NAMED])})" for version, nodes in sorted(versions.items())
            ]
            minutes = int(ROLLING.total_seconds() // 60)
            yield SKEW.on(_subject(agent), network=found.name, versions="; ".join(said), minutes=minutes)


def _controllers(cluster: Cluster, found: Found) -> Iterator[Finding]:
    for part, item in found.controllers(cluster):
        settled = cluster.age(item.metadata.creation_timestamp) > SETTLED and not _moves(cluster, item)
        if item.spec.replicas and not item.status.ready_replicas and settled:
            numbers = {"network": found.name, "replicas": item.spec.replicas, "undone": part.undone}
            yield CONTROLLER.on(_subject(item, "Deployment"), numbers)


def _moves(cluster: Cluster, item: cni.Workload) -> bool:
    """Whether a pod of it was just made, or is on its way out: its node drains, or it is rolled out; or nobody can tell."""
    if not cluster.readable(POD):
        return True
    own = [
        pod
        for pod in cluster.all(POD)
        if pod.namespace == item.namespace
        and any(o.kind == "ReplicaSet" and o.name.rpartition("-")[0] == item.name for o in pod.metadata.owner_references)
    ]
    return any(pod.terminating or cluster.age(pod.metadata.creation_timestamp) <= SETTLED for pod in own)


FLANNELS = {"Flannel": flannel.CONFIGS, "Canal": ("canal-config", "rke2-canal-config", "kube-flannel-cfg")}
"""Where flannel's Network stands, by network."""

FAMILIES = {4: "Network", 6: "IPv6Network"}


def _other_range(cluster: Cluster, found: Found) -> Iterator[Finding]:
    """Nodes whose ranges flannel's Network of that family does not hold, where pods show that they have addresses from there."""
    if found.name not in FLANNELS or not found.agents or not (cluster.readable(NODE) and cluster.readable(POD)):
        return
    seen = cni.Seen(cluster, found.agents)
    config, place = seen.config(*FLANNELS[found.name]), seen.place(*FLANNELS[found.name])
    pods = [pod for pod in cluster.all(POD) if not (pod.spec.host_network or pod.finished)]
    for version, key in FAMILIES.items():
        ranges = {node.name: _outside(node, config.get(key, ""), version) for node in cluster.all(NODE) if not node.unfit}
        away = {name: texts for name, texts in ranges.items() if texts}
        if any(inside(ip, away.get(pod.spec.node_name, ())) for pod in pods for ip in pod.ips):
            shown = some([f"{name} {', '.join(texts)}" for name, texts in sorted(away.items())], NAMED)
            space, _, map_ = place.partition("/")
            numbers = {"network": found.name, "range": config[key], "config": place, "space": space, "map": map_}
            yield OTHER_RANGE.on(_subject(found.agents[0]), _nodes(sorted(away)) | numbers | {"shown": shown})


def _outside(node: Node, network: str, version: int) -> list[str]:
    """A node's pod ranges of an IP version that do not lie in a network; none where that is no network of this version."""
    if not is_range(network) or ip_network(network, strict=False).version != version:
        return []
    own = [text for text in node.spec.pod_cidrs if ip_network(text, strict=False).version == version]
    return [text for text in own if not inside(text.partition("/")[0], (network,))]


def _host_ports(cluster: Cluster, found: tuple[Found, ...]) -> Iterator[Finding]:
    """Pods with host ports, where the only network there is shows by its configuration that nothing opens them."""
    others = [each for each in found if not each.network.meta]
    if len(others) != 1 or not (cluster.readable(POD) and cluster.readable(NODE)):
        return
    lacks = _lacks_portmap(cni.Seen(cluster, others[0].agents), others[0])
    opens = {node.name for node in cluster.all(NODE) if node.status.node_info.container_runtime_version.startswith("cri-o")}
    pods = sorted(
        (pod.namespace, pod.name)
        for pod in cluster.all(POD)
        if any(port.host_port for port in pod.spec.ports()) and _needs_plugin(pod) and pod.spec.node_name not in opens
    )
    if lacks and pods:
        shown = some([f"{space}/{name}" for space, name in pods], NAMED)
        numbers = {"count": len(pods), "shown": shown, "first_space": pods[0][0], "first_pod": pods[0][1]}
        yield NO_HOST_PORTS.on(NETWORK, numbers | dict(zip(("place", "lacks", "remedy"), lacks, strict=True)))


def _needs_plugin(pod: Pod) -> bool:
    return pod.status.phase == "Running" and not (pod.spec.host_network or pod.terminating)


def _lacks_portmap(seen: cni.Seen, found: Found) -> tuple[str, str, str] | None:
    """Where it stands that host ports are not opened, how, and what would open them; None where that is not known."""
    for item in seen.resources(CALICO_INSTALLATION) if found.name == "Calico" else ():
        if item.settings.get("calicoNetwork.hostPorts") == "Disabled":
            return f"Installation {item.name}", "has calicoNetwork.hostPorts Disabled", "Set it to Enabled"
    place = seen.place(*found.network.configs)
    types = seen.config(*found.network.configs).get("cni_types", "").split(",")
    if not found.agents or types == [""] or "portmap" in types:
        return None
    return f"the CNI configuration in ConfigMap {place}", "has no plugin portmap", "Add it to the plugins there"


check = Check(
    id="cni_health",
    title="The pod network's agents run on every node",
    prefix="CNI",
    needs=Needs(kinds=(DAEMON_SET,), optional=(NODE, POD, DEPLOYMENT), hints=(EVENT, *NETWORK_KINDS)),
    codes=(
        MISSING,
        CRASHES,
        CANT_START,
        NOT_READY,
        NO_BGP,
        TWO,
        NONE_INSTALLED,
        SKEW,
        CONTROLLER,
        IDENTITY,
        UNKNOWN,
        END_OF_LIFE,
        REMOVED,
        PERHAPS,
        OTHER_MTU,
        OTHER_RANGE,
        NO_HOST_PORTS,
    ),
    analyse=analyse,
)
