# SPDX-License-Identifier: Apache-2.0
"""Does DNS know what the API knows?

## What it looks at
The names of Services, of headless Services and of StatefulSets' pods, a few of each and those first that changed last: what
each DNS pod (4 at most) answers when asked directly, and what the nameserver of resolv.conf answers, against ClusterIPs and the
ready addresses in EndpointSlices. The name of netdoc's own new Service tells whether a server still learns of changes.

## Why it matters
A DNS server that has lost its watch of the API goes on answering, with the addresses of yesterday: new Services do not resolve,
and names of pods lead to what is gone, on one lookup in so many.

## What it can't see
What changed within the last minute, or while netdoc measures, is not held against anybody. Answers that are cut are compared in
part. Names in namespaces that the Corefile leaves out are no fault.

## Sources
Kubernetes: DNS-Based Service Discovery (specification 1.1.0), StatefulSet; CoreDNS: plugin kubernetes; failure catalogue D9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from kubectl_netdoc.api import (
    COREFILE,
    DNS_LOG,
    ENDPOINT_SLICE,
    POD,
    SERVICE,
    STATEFUL_SET,
    Address,
    Check,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    EndpointSlice,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    Outcome,
    OwnName,
    OwnService,
    Pod,
    Reply,
    Request,
    ResolvConfNameserver,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
)
from kubectl_netdoc.components import cluster_dns

MOST = 6
"""Names of each sort that are asked for; those that changed last tell most of a server that does not learn."""

MOST_SERVERS = 4
"""DNS pods that are asked for every name."""

SETTLED = timedelta(seconds=60)
"""How long endpoints, caches (CoreDNS: 30 s at most) and servers may take to follow a change."""

TOGETHER = timedelta(seconds=5)
"""How long objects that belong together may take to be applied, one after the other."""

STALE = timedelta(seconds=35)
"""The same for a server that does not know netdoc's own Service either: the 30 s of its cache, and a margin."""

SAMPLES, EVERY = 2, 0.15
"""Lookups of a name, and seconds between: the second is for a first that gets lost."""

OWN_SAMPLES, OWN_EVERY = 3, 0.6
"""The same for netdoc's own Service, which is 2 s old when it is first asked for: it has the time of three lookups more."""

NOT_LEARNING = Code(
    id="DNR001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A DNS server does not learn of changes",
    message="DNS pod {namespace}/{name} knows neither netdoc's own new Service nor what else changed: {wrong}",
    fix="Its watch of the API has ended or hangs (it stays Ready all the same): see its log and its way to the API server; "
    "deleting the pod has it made anew.",
    commands=("kubectl -n {namespace} logs --tail=20 {name}", "kubectl -n {namespace} delete pod {name}"),
    rows=("D9",),
)
WRONG_ADDRESS = Code(
    id="DNR002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The name of a Service has another address",
    message="As {servers} tell it, {fqdn} is {got}; the Service's address is {want}",
    fix="Find what answers in the Service's place: hosts, rewrite, template or file in the Corefile, a server that lags.",
    commands=("kubectl -n {dns_space} get configmap {dns_config} -o yaml", "kubectl -n {namespace} get service {name} -o wide"),
    rows=("D9", "D10"),
)
NOT_AS_ENDPOINTS = Code(
    id="DNR003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A headless Service's answer is not its endpoints",
    message="As {servers} tell it, {fqdn} is {got}; the Service's ready endpoints are {want}",
    fix="Compare that server with the others, which may know better: see its log, or delete its pod; else see the Corefile.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
        "kubectl -n {dns_space} logs --tail=20 -l {dns_pods} --prefix",
    ),
    rows=("D9",),
)
NO_POD_RECORD = Code(
    id="DNR004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A StatefulSet's pod has no name in DNS",
    message="As {servers} tell it, {fqdn} is {got}, though the pod is ready at {want} and in its Service's own answer",
    fix="See that the pod's hostname and subdomain are its own name and the StatefulSet's serviceName; recreating it sets them.",
    commands=("kubectl -n {namespace} get pod {name} -o yaml",),
    rows=("D9",),
)
BEHIND = Code(
    id="DNR005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A DNS server is behind the API",
    message="DNS pod {namespace}/{name} does not know a Service that netdoc made some seconds before; {known} other servers do",
    fix="It lags, or its watch of the API has just ended: ask again in a minute, and see its log and CPU use.",
    commands=("kubectl -n {namespace} logs --tail=20 {name}", "kubectl -n {namespace} top pod {name}"),
    rows=("D9",),
)
MISNAMED = Code(
    id="DNR006",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A StatefulSet does not name the Service that it has",
    message="StatefulSet {namespace}/{name} has the serviceName {service}, which is not there, while the headless Service "
    "{headless} selects its pods: {name}-0.{headless} does not exist in DNS",
    fix="serviceName can't be changed in place. Either make a headless Service {service} too, or delete the StatefulSet with "
    "--cascade=orphan, apply it with the serviceName {headless}, and have its pods made anew.",
    commands=(
        "kubectl -n {namespace} create service clusterip {service} --clusterip=None",
        "kubectl -n {namespace} set selector service {service} {selector}",
    ),
    rows=("D9",),
)
NO_SUCH_SERVICE = Code(
    id="DNR020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="StatefulSet without its Service",
    message="StatefulSet {namespace}/{name} has the serviceName {service}, and no such Service is there: its pods have no names",
    fix="If its pods are to be found by name, make a headless Service {service} that selects them.",
    commands=("kubectl -n {namespace} get statefulset {name} -o wide", "kubectl -n {namespace} get services"),
    rows=("D9",),
)


class Name(Struct, frozen=True):
    """A name, the addresses that it has to have, and when that last changed."""

    subject: Subject
    code: Code
    fqdn: str
    rtype: str
    want: frozenset[str]
    changed: datetime
    service: str = ""


class Server(Struct, frozen=True):
    """Whom to ask; ``subject`` is a DNS pod, or the nameserver of resolv.conf."""

    subject: Subject
    to: Address | ResolvConfNameserver
    node: str = ""


NAMESERVER = Server(Subject("Nameserver", "resolv.conf"), ResolvConfNameserver())


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask each server for each name, from one node; the nameserver of resolv.conf from one node after the other."""
    for server in _servers(cluster) if cluster.vantages else ():
        yield _own(cluster, server)
    for name in _names(cluster) if cluster.vantages else ():
        yield from (_lookup(cluster, server, name) for server in _all(cluster))


def _servers(cluster: Cluster) -> list[Server]:
    dns = cluster_dns.service(cluster)
    if dns is None or not cluster.readable(ENDPOINT_SLICE):
        return []
    found = cluster_dns.endpoints(cluster, dns)[:MOST_SERVERS]
    return [Server(Subject("Pod", name, dns.namespace), address, node) for name, address, node in found]


def _all(cluster: Cluster) -> list[Server]:
    return [*_servers(cluster), NAMESERVER]


def _witness(cluster: Cluster, server: Server) -> str:
    """The server's own node where it carries a debug pod, so that no path between nodes is in the way."""
    return server.node if server.node in cluster.vantages else cluster.vantages[0]


def _lookup(cluster: Cluster, server: Server, name: Name) -> DnsLookup:
    node = _witness(cluster, server)
    if server is NAMESERVER:
        node = cluster.vantages[len(name.fqdn) % len(cluster.vantages)]
    return DnsLookup(node, server.to, name.fqdn, name.rtype, SAMPLES, interval=EVERY)


def _own(cluster: Cluster, server: Server) -> DnsLookup:
    name = OwnName(OwnService(), cluster_dns.domain(cluster))
    return DnsLookup(_witness(cluster, server), server.to, name, samples=OWN_SAMPLES, interval=OWN_EVERY)


def _names(cluster: Cluster) -> list[Name]:
    """The names to ask for, of each sort those that changed last, though not in this very moment."""
    domain = cluster_dns.domain(cluster)
    sorts: defaultdict[Code, list[Name]] = defaultdict(list)
    for service in cluster.services():
        if service.metadata.deletion_timestamp is None and service.spec.type != "ExternalName":
            for name in _of(cluster, service, f"{service.name}.{service.namespace}.svc.{domain}."):
                if cluster.age(name.changed) > STALE:
                    sorts[name.code].append(name)
    latest = {code: sorted(names, key=lambda name: (name.changed, name.fqdn), reverse=True) for code, names in sorts.items()}
    return [name for names in latest.values() for name in names[:MOST]]


def _of(cluster: Cluster, service: Service, fqdn: str) -> Iterator[Name]:
    created = service.metadata.creation_timestamp or cluster.time - timedelta(days=1)
    subject = Subject("Service", service.name, service.namespace)
    if not service.headless:
        ips = service.spec.cluster_ips or (service.spec.cluster_ip,)
        yield from _by_family(subject, WRONG_ADDRESS, fqdn, [ip for ip in ips if ip], created)
    elif cluster.readable(ENDPOINT_SLICE):
        slices = [item for item in cluster.slices_of(service) if item.address_type in ("IPv4", "IPv6")]
        endpoints = [endpoint for item in slices for endpoint in item.endpoints]
        changed = max([created, *(moment for item in slices for moment in _moments(item))])
        if any(endpoint.conditions.terminating for endpoint in endpoints):
            return
        ready = [(e, address) for e in endpoints if e.conditions.ready for address in e.addresses]
        yield from _by_family(subject, NOT_AS_ENDPOINTS, fqdn, [address for _, address in ready], changed)
        for endpoint, address in ready:
            pod = _stateful_pod(cluster, service, endpoint.target_ref.name) if endpoint.target_ref else None
            if pod is not None:
                own = Subject("Pod", pod.name, pod.namespace)
                since = max([_ready_since(pod, created), created])
                yield from _by_family(own, NO_POD_RECORD, f"{pod.name}.{fqdn}", [address], since, fqdn)


def _by_family(
    subject: Subject, code: Code, fqdn: str, addresses: Iterable[str], changed: datetime, service: str = ""
) -> Iterator[Name]:
    sorted_out: defaultdict[str, set[str]] = defaultdict(set)
    for address in addresses:
        sorted_out[ip_families.of(address)].add(address)
    for family, want in sorted(sorted_out.items()):
        yield Name(subject, code, fqdn, "A" if family == ip_families.IPV4 else "AAAA", frozenset(want), changed, service)


def _moments(item: EndpointSlice) -> Iterator[datetime]:
    """When a slice was made, and when what it follows changed last."""
    if item.metadata.creation_timestamp:
        yield item.metadata.creation_timestamp
    if item.changed:
        yield item.changed


def _stateful_pod(cluster: Cluster, service: Service, name: str) -> Pod | None:
    """The pod, where it is one of a StatefulSet that this Service gives names to, and is there to stay."""
    pod = cluster.get(POD, service.namespace, name) if cluster.readable(POD) else None
    if pod is None or pod.terminating or not cluster.readable(STATEFUL_SET):
        return None
    owners = [owner.name for owner in pod.metadata.owner_references if owner.kind == "StatefulSet" and owner.controller]
    sets = [cluster.get(STATEFUL_SET, service.namespace, owner) for owner in owners]
    return pod if any(item and item.spec.service_name == service.name for item in sets) else None


def _ready_since(pod: Pod, otherwise: datetime) -> datetime:
    condition = pod.condition("Ready")
    return (condition and condition.last_transition_time) or pod.metadata.creation_timestamp or otherwise


class Answer(Struct, frozen=True):
    """What a server said to a name: addresses, or the response code where there are none; and whether it may be a part."""

    got: frozenset[str]
    rcode: str
    cut: bool

    def fits(self, want: frozenset[str]) -> bool:
        """Whether it is what it has to be, as far as that can be told."""
        return self.got <= want if self.cut and self.got else self.got == want

    def __str__(self) -> str:
        return ", ".join(sorted(self.got)[:MOST]) or (self.rcode if self.rcode != "NOERROR" else "without an address")


def _answer(reply: Reply, rtype: str) -> Answer | None:
    """None where no usable answer came: not any, or an error that is no word on the name."""
    if not isinstance(reply, DnsReply):
        return None
    rcode = next((sample.rcode for sample in reply.samples if sample.outcome is Outcome.OK), "")
    if rcode not in ("NOERROR", "NXDOMAIN"):
        return None
    got = frozenset(record.split()[1] for record in reply.records if record.startswith(f"{rtype} "))
    return Answer(got, rcode, reply.truncated)


class _Seen:
    """All answers, and what each server knows of netdoc's own Service."""

    def __init__(self, facts: Facts) -> None:
        cluster = facts.cluster
        self.names = _names(cluster)
        self.servers = _servers(cluster)
        self.answers: dict[tuple[Server, Name], Answer] = {}
        self.lost: set[str] = set()
        for name in self.names:
            for server in _all(cluster):
                reply = facts.reply(_lookup(cluster, server, name))
                if isinstance(reply, Lost):
                    self.lost.add(reply.reason)
                elif (answer := _answer(reply, name.rtype)) is not None:
                    self.answers[server, name] = answer
        self.learns = {server: _learns(facts.reply(_own(cluster, server))) for server in self.servers}

    def wrong(self, server: Server) -> list[Name]:
        """The names to which a server says something else than the API."""
        return [name for name in self.names if (a := self.answers.get((server, name))) and not a.fits(name.want)]

    def right(self, name: Name) -> list[Server]:
        """The servers that say what the API says."""
        return [server for server in self.servers if (a := self.answers.get((server, name))) and a.fits(name.want)]


def _learns(reply: Reply) -> bool | None:
    """Whether a server knows netdoc's own Service; None where that can't be told."""
    samples = reply.samples if isinstance(reply, DnsReply) else ()
    words = [sample.rcode for sample in samples if sample.outcome is Outcome.OK]
    if any(sample.answers for sample in samples if sample.rcode == "NOERROR"):
        return True
    return False if len(words) > 1 and set(words) <= {"NXDOMAIN", "NOERROR"} else None


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the StatefulSets as written, the servers that do not learn, then what the others say."""
    static = list(_without_service(facts.cluster))
    if not facts.vantages and not static:
        raise Skip(facts.why_not)
    yield from static
    if not facts.vantages:
        yield Unseen("what DNS answers", facts.why_not)
        return
    seen = _Seen(facts)
    if seen.lost:
        yield Unseen("names in DNS", "; ".join(sorted(seen.lost)), asked=True)
    elif seen.names and not seen.answers:
        yield Unseen("names in DNS", "no server answers: see dns_latency", asked=True)
    stale: set[Server] = set()
    for item in _learning(facts.cluster, seen):
        if isinstance(item, tuple):
            stale.add(item[0])
            yield item[1]
        else:
            yield item
    yield from _others(facts.cluster, seen, stale)


def _learning(cluster: Cluster, seen: _Seen) -> Iterator[tuple[Server, Finding] | Unseen]:
    """The servers that do not know netdoc's own Service: with something else that they should know, it is no mere delay."""
    logs = {item.name: item.causes for item in cluster.all(DNS_LOG)} if cluster.readable(DNS_LOG) else {}
    known = sum(value is True for value in seen.learns.values())
    unsure = []
    for server, learns in seen.learns.items():
        if learns is not False:
            continue
        wrong = [f"{name.fqdn} is {seen.answers[server, name]}" for name in seen.wrong(server)]
        wrong += [f"its log: {cause.detail}" for cause in logs.get(server.subject.name, ()) if cause.name == "API unreachable"]
        nodes = [server.node] if server.node else []
        if wrong:
            yield server, NOT_LEARNING.on(server.subject, wrong=wrong[:3], nodes=nodes)
        elif known:
            yield server, BEHIND.on(server.subject, known=known, nodes=nodes)
        else:
            unsure.append(server.subject.name)
    if unsure:
        why = "no DNS server knows netdoc's own new Service: they learn of nothing, or the Corefile leaves its namespace out"
        yield Unseen("whether DNS learns of changes", why, asked=True)


def _others(cluster: Cluster, seen: _Seen, stale: set[Server]) -> Iterator[Finding | Unseen]:
    """What servers that do learn say wrong, by name; and the nameserver, where the servers behind it are no reason."""
    left_out: set[str] = set()
    for name in seen.names:
        if cluster.age(name.changed) < SETTLED:
            continue
        bad = {who: seen.answers[who, name] for who in _all(cluster) if who not in stale and name in seen.wrong(who)}
        if stale:  # the nameserver may have asked just that one
            bad.pop(NAMESERVER, None)
        if not bad:
            continue
        server, answer = next(iter(bad.items()))
        if not answer.got and not _serves(seen, server, name):
            left_out.add(name.subject.namespace)
        elif _certain(seen, name, server, answer):
            evidence = {"fqdn": name.fqdn, "got": str(answer), "want": sorted(name.want), **cluster_dns.names(cluster)}
            where = [str(who.subject) for who in bad]
            nodes = sorted({_lookup(cluster, who, name).node for who in bad})
            yield name.code.on(name.subject, evidence, servers=where, nodes=nodes)
        else:
            yield Unseen(name.fqdn, f"it is {answer} and not {', '.join(sorted(name.want))}: it may have changed just now")
    if left_out:
        yield Unseen(
            f"names in {', '.join(sorted(left_out))}", "DNS has no name of these namespaces: the Corefile leaves them out"
        )


def _serves(seen: _Seen, server: Server, name: Name) -> bool:
    """Whether a server knows another name of the namespace."""
    space = name.subject.namespace
    return any(a.got for (s, n), a in seen.answers.items() if s == server and n.subject.namespace == space and n != name)


def _certain(seen: _Seen, name: Name, server: Server, answer: Answer) -> bool:
    """Whether a change while netdoc measures is no explanation: a ClusterIP never changes, two servers saw the same moment."""
    if name.code is WRONG_ADDRESS:
        return True
    if any(other != server for other in seen.right(name)):
        return True
    if name.code is NOT_AS_ENDPOINTS:
        return len(name.want) > 1 and name.want.isdisjoint(answer.got)
    services = [a for (s, n), a in seen.answers.items() if s == server and n.fqdn == name.service and n.rtype == name.rtype]
    return any(name.want <= a.got for a in services)


def _without_service(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """In manifests a Service that is not there may be made elsewhere: an operator's, or of files beside these."""
    for item in cluster.all(STATEFUL_SET) if cluster.readable(STATEFUL_SET) else ():
        wanted = item.spec.service_name
        young = cluster.age(item.metadata.creation_timestamp) < TOGETHER
        if not wanted or young or cluster.get(SERVICE, item.namespace, wanted) is not None:
            continue
        subject, labels = Subject("StatefulSet", item.name, item.namespace), item.template.metadata.labels
        if cluster.origin == "manifests":
            yield Unseen(f"the names of the pods of {subject}", f"their Service {wanted} is not in these manifests")
        elif headless := [service for service in cluster.leading_to(item.namespace, labels) if service.headless]:
            selector = ",".join(f"{key}={value}" for key, value in sorted(headless[0].spec.selector.items()))
            yield MISNAMED.on(subject, service=wanted, headless=headless[0].name, selector=selector)
        else:
            yield NO_SUCH_SERVICE.on(subject, service=wanted)


check = Check(
    id="dns_records",
    title="DNS knows what the API knows",
    prefix="DNR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE, COREFILE),
        hints=(POD, STATEFUL_SET, DNS_LOG),
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(NOT_LEARNING, WRONG_ADDRESS, NOT_AS_ENDPOINTS, NO_POD_RECORD, BEHIND, MISNAMED, NO_SUCH_SERVICE),
    plan=plan,
    analyse=analyse,
)
