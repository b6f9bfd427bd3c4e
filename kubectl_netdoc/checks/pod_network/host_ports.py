# SPDX-License-Identifier: Apache-2.0
"""Do host ports of pods lead to their pods?

## What it looks at
Pods that declare a hostPort. From a debug pod on another node: a TCP connection to the port on the pod's node, and one directly
to the pod. Also, from the API alone: pods that wait for a node on which their host port is free, host ports that are a Service's
node port too, and a hostIP that is another node's.

## Why it matters
A host port is opened by a CNI plugin (portmap), by the network itself, or by CRI-O. Where none of them does it, Kubernetes still
shows the pod as running with that port.

## What it can't see
UDP and SCTP host ports, those of pods on the host network (the process listens by itself), and those with a hostIP that no node
has by the API, such as a virtual address. A connection that gets no answer may be a firewall's doing and is not reported, nor is
a port where nothing listens of a pod that answers on another host port: it may be switched off. At most 10 host ports are
measured.

## Sources
Kubernetes: Network Plugins (support for hostPort), Configuration Best Practices (hostPort limits where pods can run); CNI plugin
portmap; flannel#887, #931.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    NODE,
    POD,
    SERVICE,
    SETTLING,
    Address,
    Check,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    Node,
    ObjectRef,
    Outcome,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    evenly,
    ip_address,
    ip_families,
    is_address,
    on_node,
    some,
)
from kubectl_netdoc.components import load_balancers
from kubectl_netdoc.probes import own_policies as policies

MOST = 10
"""Host ports that are measured at most."""

SHOWN = 3
"""Pods that a message names at most."""

NO_FREE_PORTS = "free ports for the requested pod ports"
"""What the scheduler says of nodes on which a host port is taken (kube-scheduler, plugin NodePorts)."""

WHERE = "kubectl get pods -A -o wide --field-selector spec.nodeName={node}"

TAKEN = Code(
    id="HPT001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A pod finds no node on which its host port is free",
    message="Pod {namespace}/{name} has waited for a node for {seconds} s, as its host port {ports} is taken by {others}",
    fix="Give one of them another hostPort, or run no more of these pods than there are nodes for them. In a rollout of a "
    "Deployment, set maxSurge 0 and maxUnavailable 1, so that an old pod frees its port before a new one needs it. Better still, "
    "remove the hostPort and use a Service.",
    commands=("kubectl -n {namespace} describe pod {name}",),
)
NODE_PORT_TOO = Code(
    id="HPT002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A host port is the node port of a Service too",
    message="Port {port}/{protocol} of node {node} is the host port of pod {namespace}/{name}, and also the node port of Service "
    "{service}: only one of them gets the connections",
    fix="Give the pod another hostPort, outside the range of node ports (30000-32767 by default).",
    commands=("kubectl -n {space} get service {target} -o wide", WHERE),
)
OF_ANOTHER_NODE = Code(
    id="HPT003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A host port is bound to an address of another node",
    message="Pod {namespace}/{name} on node {node} has hostIP {ip} for its host port {port}, an address of node {other}: "
    "connections to it do not come to this pod",
    fix="Remove hostIP, so that the port is opened on all addresses of the pod's node, or let the pod run on {other} with a "
    "nodeSelector.",
    commands=("kubectl -n {namespace} get pod {name} -o wide", "kubectl get nodes -o wide"),
)
NOT_FORWARDED = Code(
    id="HPT004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A host port does not lead to its pod",
    message="Node {node} ({ip}) refuses connections from {seen_from} to {port}, the host port of pod {namespace}/{name}, while "
    "the pod itself accepts them on {direct}: on {node}, the host port does not lead to the pod",
    fix="Read the rules of {node}, which the first command shows. If one that comes before CNI-HOSTPORT-DNAT takes port {port}, "
    "remove it. If there is none for port {port} in CNI-HOSTPORT-DNAT, see that the CNI configuration in use on {node} has the "
    "plugin portmap in its list (with capabilities portMappings: true), and then recreate the pod, as portmap writes the rules "
    "when a pod is made. Some networks open host ports by themselves, without those rules. Otherwise expose the pod with a "
    "Service of type NodePort or LoadBalancer.",
    commands=(
        on_node("{node}", "iptables -t nat -S"),
        "kubectl -n {namespace} get pod {name} -o wide",
        "kubectl netdoc check cni_health cni_files --privileged",
    ),
    tells="failure",
)
NOT_LISTENING = Code(
    id="HPT005",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A host port leads to a port of its pod where nothing listens",
    message="Pod {namespace}/{name} on node {node} has host port {port} for its port {target}, and nothing listens there: the "
    "pod refuses connections from {seen_from} to {direct}, and so does the node ({ip}:{port})",
    fix="Find out on which port the application of {namespace}/{name} listens, and on which address (its log, its "
    "configuration), and write that port as containerPort beside hostPort {port}, or make the application listen on {target} at "
    "0.0.0.0. That recreates the pod.",
    commands=(
        "kubectl -n {namespace} logs {name} --all-containers --tail=20",
        "kubectl -n {namespace} get pod {name} -o jsonpath='{{.spec.containers[*].ports}}'",
    ),
)


class HostPort(Struct, frozen=True):
    """A host port of a running pod.

    ``ip``: its hostIP, if it has one; ``node_ip``: the address of its node at which it should be open, if that is known.
    """

    pod: Pod
    number: int
    target: int
    protocol: str
    ip: str
    node_ip: str

    def asked(self, cluster: Cluster) -> tuple[Connect, Connect] | None:
        """The connections to the host port and to the pod, from one debug pod on another node; None where there is none."""
        node = next((name for name in cluster.vantages if name and name != self.pod.spec.node_name), "")
        own = next((ip for ip in self.pod.ips if ip_families.of(ip) == ip_families.of(self.node_ip)), "")
        if not (node and own and self.node_ip and self.protocol == "TCP"):
            return None
        return Connect(node, Address(self.node_ip, self.number)), Connect(node, Address(own, self.target))


def host_ports(cluster: Cluster) -> Iterator[HostPort]:
    """Yield the host ports of running pods on the pod network."""
    nodes = {node.name: node for node in cluster.all(NODE)} if cluster.readable(NODE) else {}
    for pod in cluster.all(POD):
        node = nodes.get(pod.spec.node_name)
        if pod.spec.host_network or pod.terminating or pod.status.phase != "Running" or node is None or node.unsupported:
            continue
        for port in pod.spec.ports():
            if port.host_port:
                ip = port.host_ip if is_address(port.host_ip) and not ip_address(port.host_ip).is_unspecified else ""
                own = ip if ip in _addresses(node) else ""
                at = own if ip else _internal(node, pod)
                yield HostPort(pod, port.host_port, port.container_port, port.protocol, ip, at)


def _addresses(node: Node) -> tuple[str, ...]:
    return tuple(each.address for each in node.status.addresses if is_address(each.address))


def _internal(node: Node, pod: Pod) -> str:
    """A node's InternalIP of the pod's first IP family; "" where it has none."""
    family = ip_families.of(pod.ips[0]) if pod.ips else ""
    found = (each.address for each in node.status.addresses if each.type == "InternalIP")
    return next((ip for ip in found if ip_families.of(ip) == family), "")


def plan(cluster: Cluster) -> Iterator[Connect]:
    """Connect to some host ports and their pods."""
    if cluster.readable(POD):
        for port in _measured(cluster):
            yield from port.asked(cluster) or ()


def _measured(cluster: Cluster) -> list[HostPort]:
    ready = [port for port in host_ports(cluster) if port.pod.ready and port.asked(cluster)]
    return evenly(ready, MOST)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the pods that wait for a host port, those that have one, and what was measured."""
    cluster = facts.cluster
    ports = list(host_ports(cluster))
    yield from _waiting(cluster, ports)
    hosts = {ip: node.name for node in cluster.all(NODE) for ip in _addresses(node)} if cluster.readable(NODE) else {}
    taken = _node_ports(cluster)
    for port in ports:
        subject = Subject.of("Pod", port.pod)
        names = {"port": port.number, "node": port.pod.spec.node_name, "protocol": port.protocol, "ip": port.ip}
        if service := taken.get((port.number, port.protocol)):
            where = {"service": f"{service.namespace}/{service.name}", "space": service.namespace, "target": service.name}
            yield NODE_PORT_TOO.on(subject, names | where, objects=[ObjectRef.to("Service", service)])
        if (other := hosts.get(port.ip, port.pod.spec.node_name)) != port.pod.spec.node_name:
            yield OF_ANOTHER_NODE.on(subject, names, other=other)
    measured = _measured(cluster)
    answering = {(port.pod.namespace, port.pod.name) for port in measured if Outcome.OK in _outcomes(facts, port)}
    for port in measured:
        yield from _forwarded(facts, port, answering)


def _node_ports(cluster: Cluster) -> dict[tuple[int, str], Service]:
    services = cluster.all(SERVICE) if cluster.readable(SERVICE) else ()
    return {(port.node_port, port.protocol): service for service in services for port in service.spec.ports if port.node_port}


def _waiting(cluster: Cluster, ports: list[HostPort]) -> Iterator[Finding]:
    """Pods that the scheduler finds no node for, as their host port is taken; a rollout or a drain may need a moment."""
    for pod in cluster.all(POD):
        placed = pod.condition("PodScheduled")
        wanted = {(port.host_port, port.protocol) for port in pod.spec.ports() if port.host_port}
        age = cluster.age(pod.metadata.creation_timestamp)
        if not wanted or pod.spec.node_name or placed is None or NO_FREE_PORTS not in placed.message or age < SETTLING:
            continue
        if any(map(load_balancers.SERVICE_LB.fullmatch, pod.metadata.labels)):
            continue  # a load balancer's own: its Service says so (SVC006)
        holders = [port for port in ports if (port.number, port.protocol) in wanted]
        others = [f"{port.pod.namespace}/{port.pod.name} on {port.pod.spec.node_name}" for port in holders]
        names = {
            "ports": ", ".join(f"{number}/{protocol}" for number, protocol in sorted(wanted)),
            "others": some(others, SHOWN) or "pods on the host network",
            "seconds": int(age.total_seconds()),
        }
        yield TAKEN.on(Subject.of("Pod", pod), names, objects=[Subject.of("Pod", port.pod) for port in holders[:SHOWN]])


def _outcomes(facts: Facts, port: HostPort) -> list[Outcome]:
    """What became of the connections to a host port and to its pod; none where one of them was not made."""
    asked = port.asked(facts.cluster)
    replies = [facts.reply(each) for each in asked or ()]
    outcomes = [reply.outcome for reply in replies if isinstance(reply, ConnectReply)]
    return outcomes if asked and len(outcomes) == len(asked) else []


def _forwarded(facts: Facts, port: HostPort, answering: Container[tuple[str, str]]) -> Iterator[Finding | Unseen]:
    """Compare the connection to a host port with that to its pod. ``answering``: pods that accept one on a port of theirs."""
    asked = port.asked(facts.cluster)
    replies = [facts.reply(each) for each in asked or ()]
    lost = [reply.reason for reply in replies if isinstance(reply, Lost) and reply.sent]
    if lost:
        yield Unseen(f"host port {port.number} of pod {port.pod.namespace}/{port.pod.name}", lost[0], expected=True)
    outcomes = _outcomes(facts, port)
    if not (asked and outcomes) or outcomes[0] is not Outcome.REFUSED or outcomes[1] not in (Outcome.OK, Outcome.REFUSED):
        return
    listens = outcomes[1] is Outcome.OK
    if not listens and (port.pod.namespace, port.pod.name) in answering:
        return  # a pod that answers on another host port may have this one for something that is switched off
    if policies.policy_block(facts, asked[0].node, asked[1].to.ip, port.target):
        return  # an engine that refuses what a policy forbids may treat the two connections differently
    node = port.pod.spec.node_name
    names = {"node": node, "nodes": [node], "ip": port.node_ip, "seen_from": asked[0].node, "port": port.number}
    code = NOT_FORWARDED if listens else NOT_LISTENING
    yield code.on(Subject.of("Pod", port.pod), names, direct=asked[1].to, target=port.target)


check = Check(
    id="host_ports",
    title="Host ports lead to their pods",
    prefix="HPT",
    needs=Needs(kinds=(POD,), optional=(NODE, SERVICE), hints=policies.KINDS, makes=(Made.PODS,)),
    codes=(TAKEN, NODE_PORT_TOO, OF_ANOTHER_NODE, NOT_FORWARDED, NOT_LISTENING),
    plan=plan,
    analyse=analyse,
)
