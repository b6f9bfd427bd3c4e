# SPDX-License-Identifier: Apache-2.0
"""Does each Service answer from every node?

## What it looks at
From each debug pod: a TCP connect to each Service port by ClusterIP and to its ready endpoints directly, opened and closed
again. kube-proxy's part (or its replacement's) is proven on a Service of netdoc's own, behind which each echo answers with
its nonce, and by the certificate of `kubernetes.default`. Controls: a Service without endpoints, and a closed port.

## Why it matters
The endpoint refuses, or the ClusterIP leads nowhere, or only one node can't use it: three faults, three people to call, and
the same error in the application.

## What it can't see
An accepted connect proves that something accepts, not who: meshes and proxies accept everything. UDP Services other than
DNS. A policy on the pods behind a Service makes a time-out ambiguous: then it is unknown; a refusal only where the network's
engine may reject. At most 60 ports, 4 endpoints each. Where pods declare other ports than they are sent, those are tried too.

## Sources
Kubernetes: Virtual IPs and Service Proxies; failure catalogue K2 to K4, K8 and the table "From a probe matrix to a cause".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    NETWORK_KINDS,
    POD,
    ROOT_CERTIFICATE,
    SERVICE,
    Address,
    Certificate,
    CertificateReply,
    Check,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    NodePath,
    Outcome,
    OwnService,
    Peer,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
    patches,
)
from kubectl_netdoc.components import service_mesh
from kubectl_netdoc.probes import existing_pods
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import CONTROLLER, Endpoint, Target, all_targets, may_reject, own, proof, sync, targets

CHANCE = 0.01
"""How likely so many endpoints may be missed by chance for their absence to tell anything."""

DNS, SHOWN = 53, 3
"""The port of DNS, which other checks measure; names that a remark shows."""

MOST_DECLARED = 4
"""Declared ports of a pod that are tried in place of one that it does not declare."""

ASIDE = re.compile(r"metric|prom|health|probe|live|ready|status|admin|debug|pprof|profil|monitor|telemetry")
"""Names of ports that are for those who run a pod, and not what a Service is to lead others to."""

UNASKED = "not asked"
"""What is told of the certificate where it can't be asked for."""

PROXY_SAYS = ("KPX001", "KPX002", "KPX003", "SRL001", "SRL002", "SRL003", "SRL006", "STF001", "STF002")
"""What is seen of the same from further tiers: kube-proxy hangs or lags, its rules, the flows that they left."""

NO_PROXYING = Code(
    id="SVR001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Service addresses do not work on a node",
    message="On {nodes} no Service address works: netdoc's own Service {outcomes}, though its endpoints answer directly; "
    "kubernetes.default: {certificate}",
    fix="kube-proxy (or what replaces it) does not do its work on {nodes}, whatever its pod says: restart it there.",
    commands=(
        "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy",
        "kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName={first}",
    ),
    rows=("K8", "K13"),
    explains=(
        Explains(("DNL001", "DNL005", "DNL007", "SVR002", "SVR006", "SVR007", "NPT001", "NPT002", "NPT003", "INC003"), "node"),
        Explains(("CNI002", "CNI004"), "node"),
        Explains(PROXY_SAYS, "node"),
    ),
)
MISSED = Code(
    id="SVR002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy's rules are behind",
    message="From {nodes}, {tries} connects to netdoc's new Service in {seconds} s never reached its endpoint on {missed}; "
    "older Services work, and that endpoint answers directly",
    fix="kube-proxy on {nodes} does not get, or does not apply, what is new: look at its log and its way to the API server.",
    commands=(
        "kubectl -n kube-system logs --tail=20 -l k8s-app=kube-proxy --prefix",
        "kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName={first}",
    ),
    rows=("K8",),
    explains=(Explains(("NPT002", "NPT003", *PROXY_SAYS), "node"),),
)
WRONG_PORT = Code(
    id="SVR003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Port or protocol on which nothing listens",
    message="Every endpoint of Service {namespace}/{name} refuses port {port} over TCP; its pods declare {declared}",
    fix="Have the Service send to what the application listens on: its port, and its protocol.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
)
NOT_LISTENING = Code(
    id="SVR004",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Nothing listens behind a Service",
    message="Every endpoint of Service {namespace}/{name} refuses port {port}; its pods declare {ports}",
    fix="The application is not listening there, or on 127.0.0.1 only: have it bind 0.0.0.0 or ::.",
    commands=("kubectl -n {namespace} logs {first} --tail=20", "kubectl -n {namespace} exec {first} -- cat /proc/net/tcp"),
    rows=("K4",),
)
BAD_ENDPOINT = Code(
    id="SVR005",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A ready endpoint does not answer",
    message="{kind} {namespace}/{name} is a ready endpoint of {services} and does not answer: {address} {outcomes} from {nodes}",
    fix="Its share of the connections fails: look at that pod; deleting it has it made anew.",
    commands=("kubectl -n {namespace} describe pod {name}", "kubectl -n {namespace} delete pod {name}"),
    rows=("K2", "M3"),
)
ONLY_DIRECT = Code(
    id="SVR006",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Endpoints answer, the ClusterIP does not",
    message="From {nodes}, {address} of Service {namespace}/{name} does not answer ({outcomes}) while all its endpoints do",
    fix="kube-proxy on {nodes} has no rule, or a wrong one, for this Service.",
    commands=("kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName={first}",),
    rows=("K8",),
)
NOT_THE_API = Code(
    id="SVR007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Something else answers as kubernetes.default",
    message="From {nodes}, {address} answers as kubernetes.default with a certificate that is not the cluster's: {problem}",
    fix="Find what answers there: a proxy that takes all connections, or an address range that is used twice.",
    commands=("kubectl -n default get service kubernetes -o wide",),
    explains=(Explains(("CPL008",), "cluster"),),
)
REMAKE = "kubectl -n {namespace} delete endpointslice {slice}"

GONE = Code(
    id="SVR008",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Endpoint of a pod that is not there",
    message="Service {namespace}/{name} sends traffic to {address}, for pod {pod}, which is not there and does not answer "
    "({outcomes} from {nodes}); EndpointSlice {slice} still has it as ready",
    fix="The endpointslice controller does not keep up: see whether kube-controller-manager runs. Only while it does is a "
    "deleted slice made anew.",
    commands=(
        "kubectl -n kube-system get pods -l component=kube-controller-manager",
        "kubectl -n {namespace} get endpointslice {slice} -o yaml",
    ),
    rows=("K14",),
    explains=(Explains(("NPT001",), "cluster"),),
)
NOTHING_NEW = Code(
    id="SVR009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="New Services do not come to life",
    message="From no node does netdoc's new Service lead anywhere within {seconds} s, though its endpoints answer directly and "
    "older Services work: what changes in Services gets to nobody",
    fix="Endpoints of new Services are made by kube-controller-manager: see whether it runs, with its endpointslice controller; "
    "else kube-proxy does not get what is new on any node.",
    commands=(
        "kubectl -n kube-system get pods -l component=kube-controller-manager",
        "kubectl -n kube-system logs --tail=20 -l component=kube-controller-manager",
        "kubectl -n kube-system logs --tail=20 -l k8s-app=kube-proxy --prefix",
    ),
    rows=("K8", "K14"),
    explains=(Explains(("SVR002", "SVR008", "SVC007", "NPT002", "NPT003", "EPS004"), "cluster"),),
)
ONE_PORT = Code(
    id="SVR012",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Nothing listens on one port of a Service that otherwise works",
    message="Every endpoint of Service {namespace}/{name} refuses port {port} and answers on another; its pods declare {ports}",
    fix="Take the port out of the Service if the application is not to serve it; else see why it does not listen there.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} logs {first} --tail=20"),
    rows=("K3", "K4"),
)
LENIENT = Code(
    id="SVR010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Endpoint on the host network refuses",
    message="Service {namespace}/{name} has an endpoint {address} that refuses: a host's process, often on 127.0.0.1 by design",
    fix="Nothing to mend unless something should answer there.",
)
ACCEPTS_ALL = Code(
    id="SVR011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Something accepts every connection",
    message="From {nodes} even the Service without endpoints and the closed port accept: a proxy or mesh answers for others",
    fix="An accepted connect proves nothing here; only netdoc's own echo and the certificate do.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask from each vantage: the proofs and the controls, then each Service port and its endpoints."""
    for node in cluster.vantages:
        yield own(cluster, node)
        yield Echo(node, OwnService(empty=True))
        yield Echo(node, Peer(node, closed=True))
        yield from _certificate(cluster, node)
        yield from (proof(node, other) for other in cluster.vantages if other != node)
        if cluster.readable(ENDPOINT_SLICE):
            for target in targets(cluster):
                yield from target.through(node)
                yield from (connect for _, connect in target.direct(node))
                yield from _declared_beside(cluster, target) if node == cluster.vantages[0] else ()


def _declared_beside(cluster: Cluster, target: Target) -> list[Connect]:
    """Connects to what the first pod behind a Service port declares over TCP, where it does not declare that port: one of those
    may be meant. What metrics and probes are served on is not, and nothing is asked of a pod that declares what it is sent.
    """
    end = target.endpoints[0]
    pod = cluster.get(POD, target.service.namespace, end.pod) if end.pod and cluster.readable(POD) else None
    declared = [p for p in pod.spec.ports() if p.protocol == "TCP"] if pod and not end.lenient else []
    if any(port.container_port == end.address.port for port in declared):
        return []
    numbers = sorted({port.container_port for port in declared if not ASIDE.search(port.name)})
    return [Connect(cluster.vantages[0], Address(end.address.ip, number)) for number in numbers[:MOST_DECLARED]]


def _certificate(cluster: Cluster, node: str) -> list[Certificate]:
    api = cluster.get(SERVICE, "default", "kubernetes")
    if api is None or not cluster.readable(ROOT_CERTIFICATE):
        return []
    found = [root.data.pem for root in cluster.all(ROOT_CERTIFICATE) if root.data.pem]
    return [Certificate(node, Address(api.spec.cluster_ip, 443), "kubernetes.default.svc", pem) for pem in found[:1]]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge kube-proxy's part on each node, then each Service."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    nodes = [vantage.node for vantage in facts.vantages if vantage.running]
    for vantage in facts.vantages:
        if not vantage.running:
            yield Unseen(f"Services from node {vantage.node}", f"no debug pod ran there: {vantage.reason}", asked=True)
    if nodes and (why := policies.walled(facts)):
        yield Unseen("Services", f"netdoc's own pods reach nobody, not even each other: {why}", asked=True)
        return
    yield from _proxying(facts, nodes)
    if facts.cluster.readable(ENDPOINT_SLICE):
        yield from _services(facts, nodes)


def _proxying(facts: Facts, nodes: list[str]) -> Iterator[Finding | Unseen]:
    broken: dict[str, list[str]] = {}
    behind: dict[str, Finding] = {}
    cold: set[str] = set()
    for node in nodes:
        reply = facts.reply(own(facts.cluster, node))
        if isinstance(reply, Lost):
            yield Unseen(f"kube-proxy's part on node {node}", reply.reason, asked=True)
        elif isinstance(reply, EchoReply):
            reached = {sample.who for sample in reply.samples if sample.who}
            direct = {other for other in nodes if other != node and _proved(facts, node, other)}
            works = _certified(facts, node) == "verified" or _others_work(facts, node)
            blind = not facts.cluster.readable(ENDPOINT_SLICE) or _certified(facts, node) == UNASKED
            if not (reached or works or direct) and (existing_pods.reached(facts, node) or _enclosed(facts, node)):
                why = "netdoc's new pod there reaches nothing beyond its node, with a Service or without"
                yield Unseen(f"kube-proxy's part on node {node}", why, asked=True)
            elif not reached and not direct and (works or (blind and len(nodes) > 1)):
                other = "another Service works" if works else "nothing else that was asked tells a dead path from it"
                why = f"its pods can't be reached from there, and {other}"
                yield Unseen(f"netdoc's own Service from node {node}", why, asked=True)
            elif not reached and not works:
                broken[node] = sorted({"impostor" if s.impostor else str(s.outcome) for s in reply.samples})
            elif reached and _by_chance(len(direct - reached), len(reply.samples), len(nodes) + 1):
                few = f"{len(reply.samples)} connects in {sync(facts.cluster):g} s met not every endpoint, which may be chance"
                cut = len(reply.samples) < own(facts.cluster, node).samples
                yield Unseen(f"netdoc's own Service from node {node}", few, asked=cut)
            elif missed := sorted(direct - reached):
                numbers = {"tries": len(reply.samples), "seconds": sync(facts.cluster), "missed": missed}
                behind[node] = MISSED.on(Subject("Node", node), numbers, nodes=[node], first=node)
                cold |= set() if reached else {node}
    if len(cold) == len(nodes) > 1:
        yield NOTHING_NEW.on(Subject("Cluster", "new Services"), seconds=sync(facts.cluster), nodes=sorted(cold))
    else:
        yield from behind.values()
    yield from _broken(facts, broken, nodes)
    accepting = [node for node in nodes if _accepts_all(facts, node)]
    if accepting:
        yield ACCEPTS_ALL.on(Subject("Cluster", "connections"), nodes=accepting)
    yield from _impostors(facts, nodes)


def _by_chance(missed: int, tries: int, endpoints: int) -> bool:
    """Whether connects to random ones of the endpoints may well have missed so many: their number is about Poisson's."""
    mean = endpoints * (1 - 1 / endpoints) ** tries
    fewer = sum(math.exp(-mean) * mean**number / math.factorial(number) for number in range(missed))
    return missed > 0 and 1 - fewer >= CHANCE


def _enclosed(facts: Facts, node: str) -> bool:
    """Whether all beyond the node that its new pod asked without a Service was silent: its own Service's silence says nothing."""
    readable = facts.cluster.readable(ENDPOINT_SLICE)
    ends = [end for target in targets(facts.cluster) for end in target.direct(node)] if readable else []
    beyond = [facts.reply(connect) for endpoint, connect in ends if endpoint.node != node]
    outcomes = {reply.outcome for reply in beyond if isinstance(reply, ConnectReply)}
    return bool(outcomes) and not outcomes & {Outcome.OK, Outcome.REFUSED}


def _proved(facts: Facts, node: str, other: str) -> bool:
    reply = facts.reply(proof(node, other))
    return isinstance(reply, EchoReply) and any(sample.who for sample in reply.samples)


def _broken(facts: Facts, broken: dict[str, list[str]], nodes: list[str]) -> Iterator[Finding]:
    if not broken:
        return
    everywhere = len(broken) == len(nodes) > 1
    groups = [sorted(broken)] if everywhere else [[node] for node in sorted(broken)]
    for group in groups:
        subject = Subject("Cluster", "service addresses") if everywhere else Subject("Node", group[0])
        words = sorted({word for node in group for word in broken[node]})
        shown = sorted({_certified(facts, node) for node in group})
        yield NO_PROXYING.on(subject, nodes=group, first=group[0], outcomes=words, certificate=shown)


def _certified(facts: Facts, node: str) -> str:
    for request in _certificate(facts.cluster, node):
        reply = facts.reply(request)
        if isinstance(reply, CertificateReply):
            return "verified" if reply.verified else reply.problem or str(reply.outcome)
    return UNASKED


def _others_work(facts: Facts, node: str) -> bool:
    """Whether another Service's address answers on a node where nothing accepts for others: a witness like the certificate,
    which stands in for it where it can't be asked for.
    """
    if _certified(facts, node) != UNASKED or not facts.cluster.readable(ENDPOINT_SLICE) or _accepts_all(facts, node):
        return False
    asked = [facts.reply(through) for target in targets(facts.cluster) for through in target.through(node)]
    return any(isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK for reply in asked)


def _impostors(facts: Facts, nodes: list[str]) -> Iterator[Finding]:
    found: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        for request in _certificate(facts.cluster, node):
            reply = facts.reply(request)
            if isinstance(reply, CertificateReply) and reply.outcome is Outcome.OK and not reply.verified:
                found.setdefault((request.to.ip, reply.problem), []).append(node)
    for (ip, problem), where in found.items():
        yield NOT_THE_API.on(Subject("Service", "kubernetes", "default"), nodes=where, address=ip, problem=problem)


def _accepts_all(facts: Facts, node: str) -> bool:
    controls = (facts.reply(Echo(node, OwnService(empty=True))), facts.reply(Echo(node, Peer(node, closed=True))))
    return any(isinstance(r, EchoReply) and any(s.outcome is Outcome.OK for s in r.samples) for r in controls)


class _Row:
    """What became of one Service port: outcomes of each ClusterIP by node, and of each endpoint by node.

    An address of a family that a debug pod does not have is not judged from there.
    """

    def __init__(self, facts: Facts, target: Target, nodes: list[str]) -> None:
        self.target = target
        self.through: dict[tuple[Address, str], Outcome] = {}
        self.direct: dict[Endpoint, dict[str, Outcome]] = {}
        self.lost: set[str] = set()
        speaks = {v.node: {ip_families.of(ip) for ip in (v.ip, *v.more_ips) if ip} for v in facts.vantages}
        for node in nodes:
            for through in target.through(node):
                reply = facts.reply(through)
                if isinstance(reply, ConnectReply):
                    self.through[through.to, node] = reply.outcome
            for endpoint, connect in target.direct(node):
                answer = facts.reply(connect)
                if isinstance(answer, ConnectReply) and _speaks(speaks[node], endpoint.address):
                    self.direct.setdefault(endpoint, {})[node] = answer.outcome
                elif isinstance(answer, Lost):
                    self.lost.add(answer.reason)

    @property
    def subject(self) -> Subject:
        """The Service."""
        return Subject("Service", self.target.service.name, self.target.service.namespace)

    def refusing(self) -> list[Endpoint]:
        """Endpoints that refuse every node."""
        return [e for e, seen in self.direct.items() if set(seen.values()) == {Outcome.REFUSED}]


def _speaks(own_families: set[str], address: Address) -> bool:
    """Whether a debug pod has the family of an address; one whose addresses were not seen is taken to."""
    return not own_families or ip_families.of(address.ip) in own_families


def _services(facts: Facts, nodes: list[str]) -> Iterator[Finding | Unseen]:
    rows = [_Row(facts, target, nodes) for target in targets(facts.cluster)]
    if (every := len(all_targets(facts.cluster))) > len(rows):
        yield Unseen("Services", f"{len(rows)} of {every} Service ports were measured: a sample (--service and -n choose)")
    if other := _not_tcp(facts.cluster):
        yield Unseen(f"{len(other)} UDP and SCTP ports of Services", f"not measured, nothing is sent to them: {_some(other)}")
    yield from _proxied(facts, rows)
    lost = sorted({reason for row in rows for reason in row.lost})
    if lost:
        yield Unseen("Services", "; ".join(lost), asked=True)
    rejecting, answering = may_reject(facts.cluster), _answering(rows)
    refused: dict[frozenset[Address], list[_Row]] = {}
    silent: dict[tuple[str, str, Address], list[tuple[_Row, Endpoint]]] = {}
    for row in rows:
        strict = [endpoint for endpoint in row.refusing() if not endpoint.lenient]
        if strict and len(strict) == len(row.direct) and not (rejecting and _rejected(facts, strict, nodes)):
            refused.setdefault(frozenset(e.address for e in strict), []).append(row)
            continue
        for endpoint in row.direct:
            silent.setdefault((row.target.service.namespace, endpoint.pod, endpoint.address), []).append((row, endpoint))
        yield from _lenient(facts.cluster, row)
        yield from _only_direct(row)
    for same in refused.values():
        yield _refused(facts, same, answering)
    for ends in silent.values():
        yield from _silent(facts, ends[0][1], [row for row, _ in ends], rejecting)


def _lenient(cluster: Cluster, row: _Row) -> Iterator[Finding | Unseen]:
    """Endpoints that refuse and may: what Pods that can't be read would tell is not known."""
    for endpoint in row.refusing():
        if endpoint.lenient and cluster.unread(POD):
            why = "it refuses, and may be a host's process: Pods can't be read"
            yield Unseen(f"{row.target.name} on {endpoint.address}", why, asked=True)
        elif endpoint.lenient:
            yield LENIENT.on(row.subject, address=endpoint.address)


def _answering(rows: list[_Row]) -> set[tuple[str, str]]:
    """Services (namespace, name) of which some port answers."""
    return {
        (row.subject.namespace, row.subject.name) for row in rows for seen in row.direct.values() if Outcome.OK in seen.values()
    }


def _proxied(facts: Facts, rows: list[_Row]) -> Iterator[Unseen]:
    """Endpoints that answered for themselves, where a mesh's proxy accepts whatever the application does."""
    if not facts.cluster.readable(POD):
        return
    mesh, found = service_mesh.Meshes(facts.cluster), dict[str, dict[str, None]]()
    for row in rows:
        for endpoint, seen in row.direct.items():
            pod = facts.cluster.get(POD, row.subject.namespace, endpoint.pod) if Outcome.OK in seen.values() else None
            if pod is not None and (proxy := mesh.proxy(pod)):
                found.setdefault(proxy, {})[f"{pod.namespace}/{pod.name}"] = None
    for proxy, pods in found.items():
        yield Unseen(f"the applications in {len(pods)} pods", f"proxy accepts ({proxy}), whatever is behind: {_some(list(pods))}")


def _not_tcp(cluster: Cluster) -> list[str]:
    """Ports of Services that a connect can't try; those of cluster DNS have checks of their own."""
    return [
        f"{service.namespace}/{service.name}:{port.port}/{port.protocol}"
        for service in cluster.services()
        if service.spec.type != "ExternalName"
        for port in service.spec.ports
        if port.protocol != "TCP" and port.port != DNS
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")


def _rejected(facts: Facts, refusing: list[Endpoint], nodes: list[str]) -> bool:
    """Whether policies forbid all of this, or can't be judged at all: some engines refuse what they stop (P5)."""
    doubts = [policies.doubt(facts, node, e.address.ip, e.address.port) for e in refusing for node in nodes]
    return all(doubt and (doubt.certain or doubt.blind) for doubt in doubts)


def _refused(facts: Facts, rows: list[_Row], answering: set[tuple[str, str]]) -> Finding:
    """One finding for all Services whose endpoints are the same and refuse; the cause is told by what the pods declare.

    ``answering``: Services that work on another port, so that this one may be none that anybody uses.
    """
    row = next((r for r in rows if (r.subject.namespace, r.subject.name) not in answering), rows[0])
    first, declared = next(iter(row.direct)), _declared(facts, row)
    told = [str(number) if protocol == "TCP" else f"{number}/{protocol}" for number, protocol in declared]
    common = {"port": first.address.port, "services": [r.target.ref for r in rows], "first": first.pod}
    common |= {
        "declared": told,
        "ports": told or "none",
        "nodes": sorted({node for seen in row.direct.values() for node in seen}),
    }
    if all((r.subject.namespace, r.subject.name) in answering for r in rows):
        return ONE_PORT.on(row.subject, common)
    if not declared or (first.address.port, "TCP") in declared:
        return NOT_LISTENING.on(row.subject, common)
    number = _accepting(facts, row)
    there = row.target.port
    pointer = f"/spec/ports/{row.target.service.spec.ports.index(there)}/targetPort"
    patch = patches.replace({pointer: (there.target_port or there.port, number)}) if number else ""
    look = ("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} exec {first} -- cat /proc/net/tcp")
    return WRONG_PORT.on(row.subject, common, patch=patch, try_=None if number else look)


def _accepting(facts: Facts, row: _Row) -> int:
    """The one declared port that was seen to accept in place of one that refuses; 0 where there is none, or more."""
    asked = [(request, facts.reply(request)) for request in _declared_beside(facts.cluster, row.target)]
    found = [request.to.port for request, r in asked if isinstance(r, ConnectReply) and r.outcome is Outcome.OK]
    return found[0] if len(found) == 1 else 0


def _declared(facts: Facts, row: _Row) -> list[tuple[int, str]]:
    """The ports that a Service's pods declare, each with its protocol."""
    names = {endpoint.pod for endpoint in row.direct} if facts.cluster.readable(POD) else set()
    pods = [facts.cluster.get(POD, row.subject.namespace, name) for name in names]
    return sorted({(p.container_port, p.protocol) for pod in pods if pod for c in pod.spec.containers for p in c.ports})


def _silent(facts: Facts, endpoint: Endpoint, rows: list[_Row], rejecting: bool) -> Iterator[Finding | Unseen]:
    """An endpoint that some or all nodes get no answer from, while its Service has others or other nodes reach it.

    ``rejecting``: whether a policy's engine may refuse; else a refusal comes from the pod.
    """
    seen, namespace = rows[0].direct[endpoint], rows[0].subject.namespace
    bad = {node: outcome for node, outcome in seen.items() if outcome is not Outcome.OK}
    if not bad or endpoint.lenient:
        return
    what = f"{namespace}/{endpoint.pod} on {endpoint.address}"
    asked = [node for node, outcome in bad.items() if rejecting or outcome is not Outcome.REFUSED]
    doubts = {node: doubt for node in asked if (doubt := policies.doubt(facts, node, endpoint.address.ip, endpoint.address.port))}
    for reason in sorted({doubt.reason for doubt in doubts.values()}):
        nodes = sorted(node for node, doubt in doubts.items() if doubt.reason == reason)
        yield Unseen(f"{what} from {', '.join(nodes)}", reason, asked=not doubts[nodes[0]].certain)
    bad = {node: outcome for node, outcome in bad.items() if node not in doubts}
    if not bad:
        return
    paths = sorted(NodePath(node, endpoint.node) for node in bad) if endpoint.node else []
    common = {"services": [row.target.ref for row in rows], "address": endpoint.address, "nodes": sorted(bad)}
    common |= {"outcomes": sorted({str(outcome) for outcome in bad.values()}), "paths": paths}
    if endpoint.gone and bad.keys() == seen.keys():
        lines = (*GONE.commands, *((REMAKE,) if _remade(facts, namespace, endpoint.slice) else ()))
        yield GONE.on(rows[0].subject, common, try_=lines, pod=endpoint.pod, slice=endpoint.slice)
    else:
        yield BAD_ENDPOINT.on(Subject("Pod", endpoint.pod, namespace), common)


def _remade(facts: Facts, namespace: str, name: str) -> bool:
    """Whether a slice would be made anew: it is the controller's, which works, as netdoc's new Service has endpoints."""
    found = facts.cluster.get(ENDPOINT_SLICE, namespace, name)
    replies = [facts.reply(own(facts.cluster, vantage.node)) for vantage in facts.vantages]
    works = any(sample.who for reply in replies if isinstance(reply, EchoReply) for sample in reply.samples)
    return works and found is not None and found.managed_by == CONTROLLER


def _only_direct(row: _Row) -> Iterator[Finding]:
    """A ClusterIP fails on nodes from which every endpoint of its family answers: that is not the endpoints' doing."""
    bad: dict[tuple[Address, str], Outcome] = {}
    for (ip, node), outcome in row.through.items():
        ends = [seen.get(node) for e, seen in row.direct.items() if ip_families.of(e.address.ip) == ip_families.of(ip.ip)]
        if outcome is not Outcome.OK and ends and all(end is Outcome.OK for end in ends):
            bad[ip, node] = outcome
    if bad:
        nodes = sorted({node for _, node in bad})
        addresses = sorted({ip for ip, _ in bad}, key=str)
        outcomes = sorted({str(outcome) for outcome in bad.values()})
        yield ONLY_DIRECT.on(row.subject, nodes=nodes, first=nodes[0], outcomes=outcomes, address=addresses)


check = Check(
    id="service_reachability",
    title="Services answer from every node",
    prefix="SVR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE, ROOT_CERTIFICATE),
        hints=tuple(dict.fromkeys((*policies.KINDS, *service_mesh.KINDS, DAEMON_SET, *NETWORK_KINDS))),
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(
        NO_PROXYING,
        MISSED,
        WRONG_PORT,
        NOT_LISTENING,
        BAD_ENDPOINT,
        ONLY_DIRECT,
        NOT_THE_API,
        GONE,
        NOTHING_NEW,
        ONE_PORT,
        LENIENT,
        ACCEPTS_ALL,
    ),
    plan=plan,
    analyse=analyse,
)
