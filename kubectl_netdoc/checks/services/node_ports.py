# SPDX-License-Identifier: Apache-2.0
"""Do node ports answer on every node?

## What it looks at
TCP connects from each debug pod to the node ports of Services with ready endpoints, on the InternalIP of every ready node (at
most 6 ports; each node up to 8, else each vantage's neighbours on a ring). A node is held against the others, and only from
debug pods on other nodes: a pod's traffic to its own node never leaves it. One connect meets one endpoint, so a node is held to
nothing by a Service one of whose endpoints does not answer directly. For load balancers with externalTrafficPolicy Local,
the health check port of every node is read and held against the EndpointSlices.

## Why it matters
Load balancers and clients outside go to any node's port. One node that does not answer is a share of all connections lost; a
health check that says yes without a backend is a black hole, and one that says no takes good nodes out.

## What it can't see
Traffic from outside: firewalls there, the load balancer's own view. UDP. That no node answers is often meant (firewalls
between nodes, --nodeport-addresses), and so is a control plane that keeps its node ports shut: advice, both. Services whose
pods a policy guards: which source it sees behind a node port depends on the CNI.

## Sources
Kubernetes: Service (type NodePort), Virtual IPs and Service Proxies (traffic policies), healthCheckNodePort; failure catalogue
K5, K8; kubernetes#93456.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    EchoReply,
    EndpointSlice,
    Facts,
    Finding,
    HttpGet,
    HttpReply,
    Lost,
    Needs,
    Node,
    NodePath,
    Outcome,
    Request,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    evenly,
    ip_families,
    on_node,
    shell_word,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Target, all_targets, proof

LOG = "kubectl -n kube-system logs --tail=20 -l k8s-app=kube-proxy --prefix"
RESTART = "kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName="
SHOWN = 3
"""Nodes that a finding gives a command for at most; it is the same on the others."""

MOST_PORTS = 6
"""Node ports that are measured at most: kube-proxy writes all of them alike."""

ALL_NODES, NEIGHBOURS = 8, 3
"""Up to so many nodes each debug pod tries them all, else its own and so many that follow it on a ring."""

SETTLED = timedelta(seconds=60)
"""Endpoints that changed since are not held against a health check: kube-proxy syncs once in 30 s at least."""

DEAF = Code(
    id="NPT001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A node does not answer on node ports",
    message="On {name} ({ip}) node port {ports} does not answer from {nodes_from} ({outcomes}), which reach its pods; on "
    "{answering} it does; from a pod on {name} itself: {from_itself}",
    fix="Look for a host firewall on {name} that other nodes don't have, then at kube-proxy (or what replaces it) there: its "
    "log, --nodeport-addresses. Restart its pod only if its log says that it is stuck.",
    commands=(
        on_node("{name}", "iptables -S"),
        on_node("{name}", "iptables -t raw -S"),
        "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={name}",
        "kubectl -n kube-system logs --tail=20 -l k8s-app=kube-proxy --prefix",
    ),
    rows=("K8",),
)
CLOSED = Code(
    id="NPT010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Node ports answer on no node",
    message="Node port {ports} answers on no other node ({outcomes}), while the ClusterIPs do",
    fix="Often meant: firewalls between nodes, or kube-proxy's --nodeport-addresses. Else allow that range (30000-32767).",
    commands=("kubectl -n kube-system get configmap kube-proxy -o yaml",),
)
CONTROL_PLANE = Code(
    id="NPT011",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="A control plane keeps its node ports shut",
    message="On the control-plane node {name} node port {ports} does not answer from other nodes ({outcomes})",
    fix="Often meant: control planes have a firewall of their own. Load balancers must then leave this node out.",
    commands=("kubectl label node {name} node.kubernetes.io/exclude-from-external-load-balancers=",),
)
BLACK_HOLE = Code(
    id="NPT002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Health check says yes without a backend",
    message="Health check port {port} of Service {namespace}/{name} says 200 on {nodes}, where no ready endpoint is: with "
    "externalTrafficPolicy Local load balancers lose what they send there",
    fix="kube-proxy on {nodes} is behind: look at its log and its way to the API server.",
    rows=("K5",),
)
LEFT_OUT = Code(
    id="NPT003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Health check says no beside a backend",
    message="Health check port {port} of Service {namespace}/{name} says {said} on {nodes}, where a ready endpoint is: load "
    "balancers leave these nodes out",
    fix="Where it says 503, kube-proxy on {nodes} is behind; where nothing answers, look for a host firewall that other nodes "
    "don't have.",
    rows=("K5",),
)


class _Port(Struct, frozen=True):
    """A node port, its Service and the InternalIP of every node that is to answer."""

    target: Target
    number: int
    ips: dict[str, str]

    def connect(self, node: str, to: str) -> Connect:
        """The connect from a debug pod to a node."""
        return Connect(node, Address(self.ips[to], self.number))


def _nodes(cluster: Cluster) -> list[Node]:
    """Ready nodes that can run kube-proxy and had time to start it; ones that an autoscaler drains say no by design."""
    return [
        node
        for node in cluster.all(NODE)
        if (ready := node.condition("Ready")) is not None
        and ready.status == "True"
        and not node.unfit
        and cluster.age(node.metadata.creation_timestamp) > kube_proxy.JOINING
        and not any(taint.key == "ToBeDeletedByClusterAutoscaler" for taint in node.spec.taints)
    ]


def _ip(node: Node, family: str) -> str:
    found = [a.address for a in node.status.addresses if a.type == "InternalIP" and ip_families.of(a.address) == family]
    return found[0] if found else ""


def _all_ports(cluster: Cluster) -> list[_Port]:
    """TCP node ports of Services with ready endpoints. With a Local policy, the nodes without one are not to answer."""
    nodes = _nodes(cluster)
    found = []
    for target in all_targets(cluster):
        spec = target.service.spec
        if not target.port.node_port or not target.cluster_ips:
            continue
        near = _with_endpoint(cluster, target.service) if spec.external_traffic_policy == "Local" else None
        family = ip_families.of(target.cluster_ips[0].ip)
        ips = {node.name: _ip(node, family) for node in nodes if near is None or node.name in near}
        found.append(_Port(target, target.port.node_port, {name: ip for name, ip in ips.items() if ip}))
    return found


def _with_endpoint(cluster: Cluster, service: Service) -> set[str]:
    """The nodes of a Service's ready endpoints."""
    ends = [end for item in cluster.slices_of(service) for end in item.endpoints]
    return {end.node_name for end in ends if end.conditions.ready and end.node_name}


def _ports(cluster: Cluster) -> list[_Port]:
    return evenly(_all_ports(cluster), MOST_PORTS)


def _tried(port: _Port, node: str) -> list[str]:
    """The nodes that a debug pod tries a port on."""
    names = sorted(port.ips)
    if len(names) <= ALL_NODES:
        return names
    start = next((i for i, name in enumerate(names) if name >= node), 0)
    return [names[(start + step) % len(names)] for step in range(NEIGHBOURS + 1)]


def _health_checks(cluster: Cluster) -> Iterator[tuple[Service, str, list[HttpGet]]]:
    """Each Service with a health check port, each node, and the requests to it from two other nodes."""
    wanted = [s for s in cluster.services() if s.spec.health_check_node_port and s.spec.external_traffic_policy == "Local"]
    for service in wanted[:MOST_PORTS]:
        for number, node in enumerate(_nodes(cluster)[: ALL_NODES * 2]):
            ip = _ip(node, ip_families.of(service.spec.cluster_ip))
            near = [name for name in cluster.vantages if name != node.name]
            chosen = [near[(number + step) % len(near)] for step in range(min(2, len(near)))]
            to = Address(ip, service.spec.health_check_node_port)
            yield service, node.name, [HttpGet(vantage, to, "/healthz") for vantage in chosen] if ip else []


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask each node port from each vantage, and beside it the ClusterIP and the ways to the nodes' pods."""
    if not cluster.readable(ENDPOINT_SLICE):
        return
    ports = _ports(cluster)
    for node in cluster.vantages:
        for port in ports:
            yield from port.target.through(node)
            yield from (port.connect(node, to) for to in _tried(port, node))
            yield from (connect for _, connect in port.target.direct(node))
        yield from (proof(node, other) for other in cluster.vantages if ports and other != node)
    for _, _, requests in _health_checks(cluster):
        yield from requests


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Hold the nodes against each other, then the health checks against the slices."""
    cluster = facts.cluster
    if not cluster.readable(ENDPOINT_SLICE):
        return
    ports, checked = _ports(cluster), list(_health_checks(cluster))
    if not ports and not checked:
        raise Skip("no Service with ready endpoints has a node port", moot=True)
    if not facts.vantages:
        raise Skip(facts.why_not)
    nodes = [vantage.node for vantage in facts.vantages if vantage.running]
    if nodes and (why := policies.walled(facts)):
        yield Unseen("node ports", f"netdoc's own pods reach nobody: {why}", asked=True)
        return
    if (every := len(_all_ports(cluster))) > len(ports):
        yield Unseen("node ports", f"{len(ports)} of {every} were measured: a sample (--service and -n choose)")
    free = []
    for port in ports:
        if reason := _guarded(facts, port):
            yield Unseen(f"node port {port.number} of {port.target.name}", reason)
        else:
            free.append(_Row(facts, port, nodes))
    reasons = sorted({reason for row in free for reason in row.lost})
    if reasons:
        yield Unseen("node ports", "; ".join(reasons), asked=True)
    for row in free:
        if row.silent and any(outcome is not Outcome.OK for outcome in row.across.values()):
            yield Unseen(f"node port {row.port.number} of {row.port.target.name}", f"its endpoint {row.silent} does not answer")
    yield from _judge(facts, [row for row in free if row.works and not row.silent])
    yield from _health(facts, checked)


def _guarded(facts: Facts, port: _Port) -> str:
    """Return which policies may forbid what comes to the pods of a Service by way of a node."""
    if not policies.any_policy(facts.cluster):
        return ""
    if not facts.cluster.readable(POD):
        return "policies may forbid it, and pods can't be read"
    engine = policies.engine(facts.cluster)
    if engine.native:
        return f"may be forbidden: {', '.join(engine.native[:3])}"
    ends = [engine.address(end.address.ip) for end in port.target.endpoints]
    found = {str(policy.ref) for end in ends for policy in engine.selecting(end, Direction.INGRESS)}
    found |= {str(policy.ref) for policy in engine.selecting(policies.end(engine), Direction.EGRESS)}
    return f"may be forbidden by {', '.join(sorted(found)[:3])}, which sees sources as the CNI shows them" if found else ""


class _Row:
    """What became of one node port: outcomes by (from, to), those of a node with itself apart; whether its ClusterIP works.

    ``silent``: an endpoint behind it that some debug pod gets no answer from, so that a connect that fails accuses no node.
    """

    def __init__(self, facts: Facts, port: _Port, nodes: list[str]) -> None:
        self.port = port
        self.across: dict[tuple[str, str], Outcome] = {}
        self.itself: dict[str, Outcome] = {}
        self.lost: set[str] = set()
        direct = [(end, facts.reply(connect)) for node in nodes for end, connect in port.target.direct(node)]
        bad = [str(end.address) for end, r in direct if isinstance(r, ConnectReply) and r.outcome is not Outcome.OK]
        self.silent = min(bad, default="")
        through = {node: [facts.reply(request) for request in port.target.through(node)] for node in nodes}
        self.works = any(isinstance(r, ConnectReply) and r.outcome is Outcome.OK for replies in through.values() for r in replies)
        for node in nodes:
            for to in _tried(port, node):
                reply = facts.reply(port.connect(node, to))
                if isinstance(reply, Lost):
                    self.lost.add(reply.reason)
                elif isinstance(reply, ConnectReply) and node == to:
                    self.itself[node] = reply.outcome
                elif isinstance(reply, ConnectReply):
                    self.across[node, to] = reply.outcome

    def into(self, node: str) -> dict[str, Outcome]:
        """What came of the connects to a node from others."""
        return {source: outcome for (source, to), outcome in self.across.items() if to == node}

    @property
    def answering(self) -> set[str]:
        """Nodes that answered another one."""
        return {to for (_, to), outcome in self.across.items() if outcome is Outcome.OK}


def _judge(facts: Facts, rows: list[_Row]) -> Iterator[Finding]:
    shut = [row for row in rows if row.across and not row.answering]
    if shut:
        outcomes = sorted({str(outcome) for row in shut for outcome in row.across.values()})
        yield CLOSED.on(Subject("Cluster", "node ports"), ports=[row.port.number for row in shut], outcomes=outcomes)
    deaf: dict[str, list[_Row]] = {}
    for row in rows:
        for node in row.port.ips if row.answering else ():
            into = row.into(node)
            if into and Outcome.OK not in into.values() and _reached(facts, node, into, rows):
                deaf.setdefault(node, []).append(row)
    for node, found in sorted(deaf.items()):
        yield _deaf(facts.cluster, node, found)


def _reached(facts: Facts, node: str, into: dict[str, Outcome], rows: list[_Row]) -> bool:
    """Whether those that get no answer reach the node otherwise: its debug pod, or another node port of it."""
    for source in into:
        reply = facts.reply(proof(source, node))
        proved = isinstance(reply, EchoReply) and any(sample.who for sample in reply.samples)
        if not proved and not any(row.across.get((source, node)) is Outcome.OK for row in rows):
            return False
    return True


def _deaf(cluster: Cluster, name: str, rows: list[_Row]) -> Finding:
    node = cluster.get(NODE, "", name)
    labels = node.metadata.labels if node else {}
    guarded = any(f"node-role.kubernetes.io/{role}" in labels for role in ("control-plane", "master"))
    sources = sorted({source for row in rows for source in row.into(name)})
    code = CONTROL_PLANE if guarded else DEAF
    return code.on(
        Subject("Node", name),
        ip=rows[0].port.ips[name],
        ports=[row.port.number for row in rows],
        services=[row.port.target.ref for row in rows],
        outcomes=sorted({str(outcome) for row in rows for outcome in row.into(name).values()}),
        answering=sorted({other for row in rows for other in row.answering}),
        from_itself=sorted({str(row.itself.get(name, "not tried")) for row in rows}),
        nodes=[name],
        nodes_from=sources,
        paths=[NodePath(source, name) for source in sources],
    )


def _health(facts: Facts, checked: list[tuple[Service, str, list[HttpGet]]]) -> Iterator[Finding | Unseen]:
    """Hold what each node's health check says against the slices; a node that says nothing counts beside others that do."""
    said: dict[tuple[str, str], dict[str, str]] = {}
    services = {(service.namespace, service.name): service for service, _, _ in checked}
    for service, node, requests in checked:
        replies = [reply for reply in map(facts.reply, requests) if isinstance(reply, HttpReply)]
        # What one debug pod hears holds, whatever keeps it from another.
        heard = {str(reply.status) for reply in replies if reply.outcome is Outcome.OK}
        words = heard or {str(reply.outcome) for reply in replies}
        if len(words) == 1:
            said.setdefault((service.namespace, service.name), {})[node] = words.pop()
    for key, answers in said.items():
        service = services[key]
        if not {"200", "503"} & set(answers.values()):
            reason = f"answers on no node: {', '.join(sorted(set(answers.values())))}"
            yield Unseen(f"health check port of Service {key[0]}/{key[1]}", reason)
            continue
        if any(_changing(facts.cluster, item) for item in facts.cluster.slices_of(service)):
            yield Unseen(f"health check port of Service {key[0]}/{key[1]}", "its endpoints changed a moment ago")
            continue
        near = _with_endpoint(facts.cluster, service)
        yield from _disagreeing(service, answers, near)


def _disagreeing(service: Service, answers: dict[str, str], near: set[str]) -> Iterator[Finding]:
    subject, port = Subject("Service", service.name, service.namespace), service.spec.health_check_node_port
    holes = sorted(node for node, status in answers.items() if status == "200" and node not in near)
    left_out = {node: status for node, status in answers.items() if status != "200" and node in near}
    if holes:
        yield BLACK_HOLE.on(subject, try_=_restarts(holes), port=port, nodes=holes)
    if left_out:
        nodes, behind = sorted(left_out), "503" in left_out.values()  # it says no: it has not heard of the endpoint
        rules = (on_node(shell_word(node), "iptables -t raw -S") for node in nodes[:SHOWN])
        lines = _restarts(nodes) if behind else (*rules, LOG)
        yield LEFT_OUT.on(subject, try_=lines, port=port, nodes=nodes, said=sorted(set(left_out.values())))


def _restarts(nodes: list[str]) -> tuple[str, ...]:
    return (LOG, *(RESTART + shell_word(node) for node in nodes[:SHOWN]))


def _changing(cluster: Cluster, item: EndpointSlice) -> bool:
    """Whether a slice changed a moment ago; nothing notes when the last change was a pod that goes, while it goes."""
    if any(end.conditions.terminating for end in item.endpoints):
        return True
    return cluster.age(item.changed) < SETTLED


check = Check(
    id="node_ports",
    title="Node ports answer on every node",
    prefix="NPT",
    needs=Needs(
        kinds=(SERVICE, NODE),
        optional=(ENDPOINT_SLICE,),
        hints=policies.KINDS,
        tier=Tier.PODS,
    ),
    codes=(DEAF, BLACK_HOLE, LEFT_OUT, CLOSED, CONTROL_PLANE),
    plan=plan,
    analyse=analyse,
)
