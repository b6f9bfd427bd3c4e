# SPDX-License-Identifier: Apache-2.0
"""Do the control plane's own paths work: from it to the webhooks, and to it from every node?

## What it looks at
Every Service behind an admission webhook, a conversion webhook or an aggregated API: that it is there, has the port and a
ready endpoint; failurePolicy and selectors tell what fails without it. The dates of every caBundle. The condition Available
of each APIService. From each debug pod: a TLS handshake with every endpoint of `kubernetes` on its own, verified against the
cluster's CA. Whether the konnectivity agents are ready, where the API server reaches nodes through them.

## Why it matters
A webhook that nobody serves refuses deployments, or every pod, cluster-wide. One dead API server of three fails a third of
all watches, which looks like chance. Without konnectivity there is no exec, no log and no webhook.

## What it can't see
What is called by URL. Whether the API server itself reaches a webhook: a policy or a firewall may stop only that. The
webhooks' own certificates; matchConditions; whether anything meets an objectSelector. Exec itself is debug_pods' question.

## Sources
Kubernetes: Dynamic Admission Control, Aggregation Layer, Konnectivity; Go crypto/x509 (an expired root verifies nothing);
labels of the agents: kubernetes-sigs/apiserver-network-proxy, examples/kind/konnectivity-agent-ds.yaml (k8s-app; so has GKE's
Deployment), learn.microsoft.com: AKS, Troubleshoot tunnel connectivity (app).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    API_SERVICE,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NAMESPACE,
    POD,
    ROOT_CERTIFICATE,
    SERVICE,
    STATEFUL_SET,
    Address,
    Called,
    CalledService,
    Certificate,
    CertificateReply,
    Check,
    Cluster,
    Code,
    Connect,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    Outcome,
    Pod,
    Request,
    Risk,
    Severity,
    Subject,
    Threshold,
    Tier,
    Unseen,
    beginning,
    ip_families,
    matches,
    shell_word,
)
from kubectl_netdoc.components import api_extensions
from kubectl_netdoc.components.api_extensions import Caller, some
from kubectl_netdoc.probes import own_policies as policies

SETTLING = timedelta(seconds=60)
"""What is younger is still being set up, as for Services and their slices."""

SOON = Threshold(
    name="ca_days",
    default=30.0,
    unit="days that a caBundle has left",
    source="a month to act in; shorter-lived ones are told of in their last tenth",
)

SPENT = 0.9
"""Share of its lifetime after which a certificate should have been renewed: cert-manager does it at two thirds, Knative at six
sevenths of a week."""

SAID = 300
"""Characters of a condition's message that are told."""

MOST_API_SERVERS = 8
"""Endpoints of `kubernetes` that each node tries at most."""

KONNECTIVITY = "konnectivity-agent"
LABELS = ("k8s-app", "app")
"""Name of the agents' workload, and value of their label ``k8s-app`` (upstream, GKE) or ``app`` (AKS, OpenShift's hosted
control planes, IBM Cloud)."""

API_NAME = "kubernetes.default.svc"

UNSERVED = Code(
    id="CPL001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nobody serves what the API server must call",
    message="Service {namespace}/{name} {trouble}, so the API server gets no answer for {callers}, and refuses {asked}",
    fix="Bring back what serves it. What is in a hurry: failurePolicy Ignore, or the webhook deleted, lets requests through "
    "unchecked.",
    commands=("kubectl -n {namespace} get service,endpointslices,pods -o wide", "kubectl get {object} -o yaml"),
    explains=(Explains(("CPL002",), "subject"),),
    rows=("C1",),
)
NO_SLICES = Code(
    id="CPL011",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nobody serves a webhook without which Services get no endpoints",
    message="Service {namespace}/{name} {trouble}, so the API server gets no answer for {callers}, and refuses {asked}: a new "
    "Service leads nowhere, and a pod that comes or goes changes nothing in the older ones",
    fix=UNSERVED.fix,
    commands=UNSERVED.commands,
    explains=(Explains(("CPL002",), "subject"), Explains(("SVR002", "SVR008", "SVR009", "SVC007"), "cluster")),
    rows=("C1",),
)
UNSERVED_IGNORED = Code(
    id="CPL002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Nobody serves a webhook that may be passed over",
    message="Service {namespace}/{name} {trouble}, so the API server gets no answer for {callers}: {consequence}",
    fix="Bring back what serves it, or delete what is left over of it.",
    commands=("kubectl -n {namespace} get service,endpointslices,pods -o wide", "kubectl get {object} -o yaml"),
    rows=("C1",),
)
UNAVAILABLE = Code(
    id="CPL003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Aggregated API not available",
    message="The API server gets no answer from Service {service} for API {name} ({reason}): {detail}",
    fix="Look at the pods of Service {service} and their logs, then at the way from the API server to them (policies, firewalls, "
    "konnectivity). Namespaces can't be deleted meanwhile.",
    commands=("kubectl get apiservice {name} -o yaml", "kubectl -n {service_namespace} get pods -o wide"),
    rows=("C1",),
)
CA_INVALID = Code(
    id="CPL004",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="caBundle expired",
    message="The caBundle of {kind} {name} {detail}: the API server trusts no answer of {who}, and refuses {asked}",
    fix="Have what made it (cert-manager's cainjector, an operator, a Helm hook) write it anew, together with the certificate "
    "that {who} shows: restarting what made it often does that.",
    commands=("kubectl get {object} -o yaml",),
    explains=(Explains(("CPL003",), "subject"),),
    rows=("C2",),
)
CA_ENDING = Code(
    id="CPL005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="caBundle about to expire, or of a webhook that may be passed over",
    message="The caBundle of {kind} {name} {detail}: {consequence}",
    fix="Look at what renews it (cert-manager's cainjector, an operator, a Helm hook): it should have done so.",
    commands=("kubectl get {object} -o yaml",),
    rows=("C2",),
)
DEAD_API = Code(
    id="CPL006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="An API server endpoint is dead",
    message="API server endpoint {address}, one of {count} of Service default/kubernetes, works from none of {tried} nodes "
    "({outcomes})",
    fix="Its share of the connections to kubernetes.default fails: look at that API server, its load, and what stands before it. "
    "Where none of them works from any pod while kubectl works, what is broken is the way from the pods: a firewall, a policy, "
    "masquerading.",
    commands=(
        "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o yaml",
        "kubectl --server=https://{address} get --raw /readyz",
    ),
    rows=("C3",),
)
API_UNREACHED = Code(
    id="CPL007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A node's pods don't reach an API server",
    message="From {nodes}, API server endpoints {addresses} do not answer ({outcomes}); other nodes reach them",
    fix="Look for what is special about the way from there: routes, firewalls, masquerading of what leaves the pod network.",
    commands=(
        "kubectl get node {first} -o wide",
        "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={first}",
    ),
    explains=(Explains(("DNR001", "DNR005"), "node"),),
    rows=("C3",),
)
FOREIGN_CERTIFICATE = Code(
    id="CPL008",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="An API server shows a certificate that is not the cluster's",
    message="API server endpoint {address} shows a certificate that does not verify ({problem}); other endpoints' do",
    fix="Renew it on that server (kubeadm: certs check-expiration, certs renew apiserver), or see who else has the address.",
    commands=("kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o yaml",),
    rows=("C3",),
)
NO_KONNECTIVITY = Code(
    id="CPL009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No konnectivity agent is ready",
    message="None of {count} konnectivity agents is ready ({shown}): the API server reaches neither kubelets nor webhooks",
    fix="See what keeps them from being ready: they connect to the konnectivity server of the control plane. kubectl logs and "
    "exec go the same way and fail too: read the agents' logs on the nodes (crictl logs).",
    commands=("kubectl -n {namespace} get pods -o wide -l {label}", "kubectl -n {namespace} describe pod {first}"),
    explains=(Explains(("POD006", "CPL003"), "cluster"),),
    rows=("C4",),
)
FEW_KONNECTIVITY = Code(
    id="CPL010",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Konnectivity agents not ready",
    message="{bad} of {count} konnectivity agents are not ready: {shown}",
    fix="The others carry their load; look at the agents' logs.",
    commands=("kubectl -n {namespace} logs --tail=20 {first}", "kubectl -n {namespace} describe pod {first}"),
    rows=("C4",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask from each vantage: every API server on its own, by connect and by certificate, and the ClusterIP to compare."""
    for node in cluster.vantages:
        for address in (*api_servers(cluster), *_cluster_ip(cluster)):
            yield from _asks(cluster, node, address)


def _asks(cluster: Cluster, node: str, address: Address) -> list[Connect | Certificate]:
    roots = cluster.all(ROOT_CERTIFICATE) if cluster.readable(ROOT_CERTIFICATE) else ()
    certificates = [Certificate(node, address, API_NAME, root.data.pem) for root in roots if root.data.pem]
    return [Connect(node, address), *certificates[:1]]


def api_servers(cluster: Cluster) -> list[Address]:
    """Return the endpoints of ``kubernetes``, in the Service's own family."""
    service = cluster.get(SERVICE, "default", "kubernetes")
    if service is None or not cluster.readable(ENDPOINT_SLICE):
        return []
    return [
        Address(endpoint.addresses[0], port.port)
        for item in cluster.slices_of(service)
        for endpoint in item.endpoints
        for port in item.ports
        if endpoint.addresses and endpoint.conditions.ready and port.protocol == "TCP"
    ][:MOST_API_SERVERS]


def _cluster_ip(cluster: Cluster) -> list[Address]:
    service = cluster.get(SERVICE, "default", "kubernetes")
    return [Address(service.spec.cluster_ip, 443)] if service and service.spec.cluster_ip else []


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge what the API server calls, then the ways to the API servers."""
    found = list(api_extensions.callers(facts.cluster))
    yield from _certificates(facts, found)
    if facts.cluster.origin != "manifests":
        yield from _called(facts.cluster, found)
        if facts.cluster.readable(POD):
            yield from _konnectivity(facts.cluster)
    if facts.vantages:
        yield from _api_servers(facts)
    else:
        yield Unseen("API servers, each on its own", facts.why_not)


# What the API server calls


def _called(cluster: Cluster, found: list[Caller]) -> Iterator[Finding | Unseen]:
    troubled: set[Subject] = set()
    for called, group in api_extensions.by_service(found).items():
        unread = cluster.scope.namespaces and called.namespace not in cluster.scope.namespaces
        if unread or not cluster.readable(ENDPOINT_SLICE):
            yield Unseen(f"Service {called} behind {_names(group)}", "its namespace or its endpoints were not read")
            continue
        trouble = _trouble(cluster, called)
        if isinstance(trouble, Unseen):
            yield trouble
        elif trouble:
            troubled |= {caller.subject for caller in group}
            yield from _unserved(cluster, called, trouble, group)
    yield from _unavailable(cluster, troubled)
    if others := [caller for caller in found if caller.called.by_url]:
        yield Unseen(f"what is called by URL ({_names(others)})", "not judged from the API")


def _names(group: Iterable[Caller]) -> str:
    return some(f"{caller.subject.kind} {caller.subject.name}" for caller in group)


def _trouble(cluster: Cluster, called: CalledService) -> str | Unseen:
    """Return what is wrong with a Service that the API server calls, in words that follow its name."""
    service = cluster.get(SERVICE, called.namespace, called.name)
    if service is None:
        return "does not exist"
    if service.spec.type == "ExternalName":
        return ""
    ports = {port.name for port in service.spec.ports if port.port == called.port}
    if not ports:
        return f"has no port {called.port}"
    ready = [
        endpoint
        for item in cluster.slices_of(service)
        if any(port.name in ports for port in item.ports)
        for endpoint in item.endpoints
        if endpoint.addresses and endpoint.conditions.ready
    ]
    if ready:
        return ""
    if not cluster.readable(POD) and not _scale(cluster, called):
        return Unseen(f"Service {called}", "it has no ready endpoint, and its pods can't be read", asked=True)
    pods = cluster.pods_of(service) if cluster.readable(POD) else []
    if not _scale(cluster, called) and any(cluster.age(item.metadata.creation_timestamp) < SETTLING for item in (service, *pods)):
        return Unseen(f"Service {called}", "it has no ready endpoint, but it or a pod of it is younger than 60 s")
    return "has no ready endpoint" + (f" ({len(pods)} pods, none ready)" if pods else "")


def _unserved(cluster: Cluster, called: CalledService, trouble: str, group: list[Caller]) -> Iterator[Finding]:
    subject = Subject("Service", called.name, called.namespace)
    strict = [caller for caller in group if caller.strict and not caller.idle]
    refused = NO_SLICES if any(caller.slices for caller in strict) else UNSERVED
    for code, some_of in ((refused, strict), (UNSERVED_IGNORED, [caller for caller in group if caller not in strict])):
        if not some_of:
            continue
        first = some_of[0].subject
        common: dict[str, object] = {"callers": _names(some_of), "trouble": trouble, "asked": api_extensions.asked(some_of)}
        common |= {"object": f"{first.kind.lower()}/{first.name}", "webhooks": [c.webhook for c in some_of if c.webhook]}
        if code is UNSERVED_IGNORED:
            idle = all(caller.strict for caller in some_of)
            late = "no namespace meets its selector now; in one that does, it would refuse {asked}"
            common["consequence"] = (late if idle else "it lets {asked} through unchecked").format(**common)
        yield code.on(subject, common, try_=(*code.commands, *_scale(cluster, called)))


def _scale(cluster: Cluster, called: CalledService) -> list[str]:
    """The command that brings back what was scaled to nothing."""
    service = cluster.get(SERVICE, called.namespace, called.name)
    return [
        f"kubectl -n {{namespace}} scale {kind.name.lower()} {shell_word(item.name)} --current-replicas=0 --replicas=1"
        for kind, item in cluster.workloads_in(called.namespace, (DEPLOYMENT, STATEFUL_SET))
        if service and matches(service.spec.selector, item.template.metadata.labels) and not item.spec.replicas
    ][:1]


def _unavailable(cluster: Cluster, told: set[Subject]) -> Iterator[Finding]:
    """APIs that the aggregator finds unavailable though their Service looks well."""
    for api in cluster.all(API_SERVICE) if cluster.readable(API_SERVICE) else ():
        state, service, subject = api.available, api.called.service, Subject("APIService", api.name)
        if state is None or service is None or state.status != "False" or subject in told:
            continue
        if cluster.age(state.last_transition_time or api.metadata.creation_timestamp) > SETTLING:
            where = {"service": str(service), "service_namespace": service.namespace}
            yield UNAVAILABLE.on(subject, where, reason=state.reason, detail=beginning(state.message, SAID))


# The certificates by which it trusts them


def _certificates(facts: Facts, found: list[Caller]) -> Iterator[Finding]:
    groups: dict[tuple[Subject, Called, bool], list[Caller]] = {}
    for caller in found:
        groups.setdefault((caller.subject, caller.called, caller.strict and not caller.idle), []).append(caller)
    for (subject, called, strict), group in groups.items():
        detail, invalid = _dates(facts.cluster, called, timedelta(days=facts.threshold(SOON)))
        if detail:
            who = str(called.service or "what is called by URL")
            common = {"asked": api_extensions.asked(group), "who": who, "object": f"{subject.kind.lower()}/{subject.name}"}
            then = "" if invalid else "then "
            does = f"refuses {common['asked']}" if strict else f"lets {common['asked']} through unchecked"
            common["consequence"] = f"the API server {then}trusts no answer of {who}, and {does}"
            yield (CA_INVALID if invalid and strict else CA_ENDING).on(subject, common, detail=detail)


def _dates(cluster: Cluster, called: Called, soon: timedelta) -> tuple[str, bool]:
    """Return what is wrong with the dates of a caBundle, if something is, and whether it is of no use now."""
    if not called.certificates:
        return "", False
    last = max(called.certificates, key=lambda dates: dates.ends)
    left, life = last.ends - cluster.time, last.ends - last.begins
    if left <= timedelta():
        return f"expired on {last.ends:%Y-%m-%d %H:%M} UTC, {_span(-left)} ago", True
    first = min(dates.begins for dates in called.certificates)
    if first > cluster.time:
        return f"is not valid before {first:%Y-%m-%d %H:%M} UTC", True
    spent = left < soon and left < life * (1 - SPENT)
    return (f"ends on {last.ends:%Y-%m-%d %H:%M} UTC, in {_span(left)}", False) if spent else ("", False)


def _span(span: timedelta) -> str:
    return f"{span.days} days" if span.days > 1 else f"{int(span.total_seconds() // 3600)} h"


# The API servers, each on its own


def _api_servers(facts: Facts) -> Iterator[Finding | Unseen]:
    servers = api_servers(facts.cluster)
    rows = {address: _Row(facts, address) for address in servers}
    if lost := sorted({reason for row in rows.values() for reason in row.lost}):
        yield Unseen("API servers, each on its own", "; ".join(lost), asked=True)
    for row in rows.values():
        yield from row.doubts
    good = [row for row in rows.values() if row.good]
    through = [_Row(facts, address) for address in _cluster_ip(facts.cluster)]
    partly: dict[str, list[_Row]] = {}
    for row in rows.values():
        if row.bad and not row.good:
            if not good and any(other.good for other in through):
                yield Unseen(
                    f"API server {row.address}", "it does not answer, and yet the ClusterIP of kubernetes does", asked=True
                )
            else:
                common = {"address": row.address, "count": len(servers), "nodes": sorted(row.bad), "tried": len(row.bad)}
                yield DEAD_API.on(Subject("APIServer", str(row.address)), common, outcomes=sorted(set(row.bad.values())))
        for node in row.bad if row.good else ():
            partly.setdefault(node, []).append(row)
        if row.foreign and any(not other.foreign for other in good):
            yield FOREIGN_CERTIFICATE.on(Subject("APIServer", str(row.address)), address=row.address, problem=row.foreign)
    for node, some_rows in partly.items():
        outcomes = sorted({row.bad[node] for row in some_rows})
        common = {"nodes": [node], "first": node, "addresses": [str(row.address) for row in some_rows], "outcomes": outcomes}
        yield API_UNREACHED.on(Subject("Node", node), common)


class _Row:
    """What became of one address: the nodes it answers, and what those get that it does not answer."""

    def __init__(self, facts: Facts, address: Address) -> None:
        self.address, self.foreign = address, ""
        self.good: set[str] = set()
        self.bad: dict[str, str] = {}
        self.lost: set[str] = set()
        self.doubts: list[Unseen] = []
        for vantage in facts.vantages:
            spoken = {ip_families.of(ip) for ip in (vantage.ip, *vantage.more_ips) if ip}
            if vantage.running and (not spoken or ip_families.of(address.ip) in spoken):
                self._ask(facts, vantage.node)

    def _ask(self, facts: Facts, node: str) -> None:
        replies = [facts.reply(request) for request in _asks(facts.cluster, node, self.address)]
        self.lost |= {reply.reason for reply in replies if isinstance(reply, Lost)}
        told = [reply for reply in replies if isinstance(reply, (ConnectReply, CertificateReply))]
        failed = [reply for reply in told if reply.outcome is not Outcome.OK]
        if told and not failed:
            self.good.add(node)
            self.foreign = next((r.problem for r in told if isinstance(r, CertificateReply) and not r.verified), self.foreign)
        elif failed and (doubt := policies.doubt(facts, node, self.address.ip, self.address.port)):
            what = f"API server {self.address} from {node}"
            self.doubts.append(Unseen(what, doubt.reason, asked=not doubt.certain))
        elif failed:
            accepts = len(failed) < len(told) and isinstance(failed[0], CertificateReply)
            self.bad[node] = "accepts, but makes no TLS handshake" if accepts else str(failed[0].outcome)


# From the API server to the nodes


def _konnectivity(cluster: Cluster) -> Iterator[Finding]:
    pods = [pod for pod in cluster.pods_in("kube-system") if _is_agent(pod) and not pod.terminating]
    bad = [pod for pod in pods if not pod.ready and cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    if not bad:
        return
    shown = some(f"{pod.name} on {pod.spec.node_name or 'no node'}" for pod in bad)
    common = {"count": len(pods), "bad": len(bad), "shown": shown, "first": bad[0].name}
    common["nodes"] = sorted({pod.spec.node_name for pod in bad if pod.spec.node_name})
    code = NO_KONNECTIVITY if len(bad) == len(pods) else FEW_KONNECTIVITY
    common["label"] = next(label for label in LABELS if pods[0].metadata.labels.get(label) == KONNECTIVITY) + f"={KONNECTIVITY}"
    kind = "DaemonSet" if any(owner.kind == "DaemonSet" for owner in pods[0].metadata.owner_references) else "Deployment"
    yield code.on(Subject(kind, KONNECTIVITY, "kube-system"), common)


def _is_agent(pod: Pod) -> bool:
    return any(pod.metadata.labels.get(label) == KONNECTIVITY for label in LABELS)


check = Check(
    id="control_plane_paths",
    title="The control plane reaches what it calls, and is reached",
    prefix="CPL",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(*api_extensions.KINDS, ENDPOINT_SLICE, ROOT_CERTIFICATE),
        hints=(*policies.KINDS, NAMESPACE, POD, DEPLOYMENT, STATEFUL_SET),
        tier=Tier.PODS,
    ),
    codes=(
        UNSERVED,
        UNSERVED_IGNORED,
        UNAVAILABLE,
        CA_INVALID,
        CA_ENDING,
        DEAD_API,
        API_UNREACHED,
        FOREIGN_CERTIFICATE,
        NO_KONNECTIVITY,
        FEW_KONNECTIVITY,
        NO_SLICES,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(SOON,),
)
