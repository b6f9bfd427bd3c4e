# SPDX-License-Identifier: Apache-2.0
"""Do the network policies, as written, protect what they seem to, and let through what the workloads need?

## What it looks at
Every NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy, evaluated against all pods, and
against the templates of workloads that have none: which namespaces have a default deny, which policies let in everybody or
select nothing, peers that match nothing, named ports that nobody declares, rules that another makes superfluous, egress that
the other end's ingress refuses, rules that name the port of a Service in place of its pods', and egress that forgets cluster
DNS (UDP and TCP to the port that the DNS pods listen on, and the addresses of NodeLocal DNSCache). And policies at the DNS
servers, or cluster-wide ones, that keep pods from them: where they keep every pod, that is the outage of the whole cluster's
DNS. `kubectl netdoc policy coverage` prints all of it, with the YAML that mends it.

## Why it matters
A policy that selects nothing protects nothing, and looks as if it did. An egress policy without DNS breaks every name that
its pods look up: the first time-out is 5 s away, and nothing in it says "policy".

## What it can't see
Whether anything enforces the policies: only the canary of policy_enforcement tells, and DNS itself where it answers. Policies
of a CNI's own (Calico, Cilium, Antrea) are counted, not evaluated. All of this is advice, but for DNS that is cut off at its
servers, or that a workload with other egress can't ask: one that needs no names is a false alarm there. The NodeLocal address
is a warning only where a debug pod was seen to ask it.

## Sources
Kubernetes: Network Policies; the types of networking.k8s.io/v1 and policy.networking.k8s.io; failure catalogue D4, D5, P3, P4,
P7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.api import (
    COREFILE,
    DAEMON_SET,
    NAMESPACE,
    NETWORK_KINDS,
    NETWORK_POLICY,
    NODE,
    OWNERS,
    POD,
    POLICIES,
    SERVICE,
    Check,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    Explains,
    Facts,
    Finding,
    Made,
    Needs,
    Outcome,
    Reply,
    Risk,
    Severity,
    Subject,
    Unseen,
    ip_families,
    some,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.policy import dns_access, enforcers, fixes
from kubectl_netdoc.policy.coverage import SYSTEM, WIDE, Coverage
from kubectl_netdoc.policy.dns_access import STRANGERS, CutOff, DnsBlocked, Servers
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.flaws import Fault, flaws
from kubectl_netdoc.policy.rules import Direction, PolicyRef
from kubectl_netdoc.probes import own_policies

NAMED = 5
"""Workloads or places that a sentence names at most; the evidence has all."""

LOOKUPS = Explains(
    ("DNL001", "DNL002", "DNL003", "DNL004", "DNL005", "DNL006", "DNL007", "DNL008", "DNL009", "DNL011", "DSV001"), "cluster"
)

FORGETS_DNS = Code(
    id="POL001",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Egress policy forgets cluster DNS",
    message="{policy} lets {workloads} send, but not to cluster DNS over {protocol} ({dns}): they can look up no name",
    fix="Allow egress to the DNS pods, UDP and TCP, on the port they listen on: {listening}.",
    commands=("kubectl -n {namespace} patch networkpolicy {name} --type json -p {patch}",),
    rows=("D4",),
)
FORGETS_NODE_LOCAL = Code(
    id="POL002",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Egress policy forgets NodeLocal DNSCache, which pods ask",
    message="{policy} does not let {workloads} reach {address}, which pods ask for names: they can look up none",
    fix="Allow egress to {address}, ports 53 UDP and TCP.",
    commands=("kubectl -n {namespace} patch networkpolicy {name} --type json -p {patch}",),
    rows=("D5",),
)
SILENT = Code(
    id="POL003",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Workload may not ask cluster DNS",
    message="{policy} keeps {workloads} from cluster DNS over {protocol} ({asked})",
    fix="Nothing, if they need no names (TCP: no long answers); else allow egress to the DNS pods, {listening}.",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4", "D5"),
)
CUT_OFF = Code(
    id="POL004",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="Policies keep every pod from cluster DNS",
    message="{policies} {keep} every pod from cluster DNS ({dns}) over UDP: {workloads} can look up no name",
    fix="{mend}",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4",),
    explains=(LOOKUPS,),
)
SOME_CUT_OFF = Code(
    id="POL005",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Policies at the DNS servers leave workloads out",
    message="{policies} {keep} {count} of {asking} workloads from cluster DNS ({dns}) over UDP: {workloads} can look up no name",
    fix="{mend}",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4",),
)
WOULD_CUT_OFF = Code(
    id="POL006",
    severity=Severity.INFO,
    risk=Risk.POLICY,
    title="Policies would keep every pod from cluster DNS, were they enforced",
    message="As written, {policies} {keep} every pod from cluster DNS ({dns}); it works, as {idle}",
    fix="Before something enforces it: {mend}",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4",),
)
NO_DEFAULT_DENY = Code(
    id="POL010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Namespace without a default deny",
    message="Namespace {name} denies no {missing} by default: {open} of its {pods} let in the whole cluster",
    fix="Deny by default and allow what is needed; netdoc policy diff --with FILE shows what that would close.",
    commands=("kubectl netdoc policy coverage -n {name}",),
)
LETS_IN_ALL = Code(
    id="POL012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policies let in the whole cluster, or the world",
    message="Policies of namespace {name} isolate {count} workloads and let in anybody all the same: {workloads}",
    fix="Nothing, where that is meant (an ingress controller); else name the peers in those policies.",
    commands=("kubectl netdoc policy coverage -n {name}",),
)
NO_POLICY = Code(
    id="POL011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="No network policy at all",
    message="There is no network policy: all {pods} of {namespaces} namespaces let in the whole cluster",
    fix="Nothing, if that is meant; else begin with a default deny in the namespaces that hold data.",
    commands=("kubectl netdoc policy coverage",),
)
SELECTS_NOTHING = Code(
    id="POL020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policy selects no pod",
    message="{policy} selects no pod ({detail})",
    fix="Compare its podSelector with the pods' labels; delete it if its workload is gone.",
    commands=("kubectl -n {where} get pods --show-labels",),
    rows=("P3",),
)
PEER_MATCHES_NOTHING = Code(
    id="POL021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Rule names peers that are not there",
    message="{policy}, {place}: nothing matches {detail}",
    fix="Compare the selector with the labels of the namespaces and pods that are meant.",
    commands=("kubectl get pods -A --show-labels", "kubectl get namespaces --show-labels"),
    rows=("P3",),
)
UNDEFINED_PORT = Code(
    id="POL022",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Rule names a port that no pod declares",
    message="{policy}, {place}: no pod that the rule is about declares a port {detail}, so it allows nothing",
    fix="Name the port in the destination pods' containers, or use its number in the policy.",
    commands=("kubectl -n {where} get pods -o custom-columns='NAME:.metadata.name,PORTS:.spec.containers[*].ports[*].name'",),
    rows=("P3",),
)
SHADOWED = Code(
    id="POL023",
    severity=Severity.INFO,
    risk=Risk.POLICY,
    title="Rule that another makes superfluous",
    message="{policy}, {place}: all that it allows, {detail} allows too",
    fix="Take it out; nothing changes.",
    commands=("kubectl -n {where} patch networkpolicy {name} --type json -p {patch}",),
    rows=("P3",),
)
ONE_SIDED = Code(
    id="POL024",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Allowed to send, not to be received",
    message="{policy}, {place} lets its pods reach {detail}, whose own policies let none of them in ({by})",
    fix="Allow the ingress on the other side, or take the egress rule out.",
    commands=("kubectl netdoc policy coverage",),
    rows=("P4",),
)
SERVICE_PORT = Code(
    id="POL026",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Rule names the port of a Service, not that of its pods",
    message="{policy}, {place}: {detail}; policies are about the ports of pods, so this lets nothing through",
    fix="Name the port of the pods there.",
    commands=("kubectl -n {where} get networkpolicy {name} -o yaml",),
    rows=("P3",),
)
INVALID = Code(
    id="POL025",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policy with an address that is none, or that is read in two ways",
    message="{policy}: {detail}",
    fix="Mend the CIDR; API servers from Kubernetes 1.36 on refuse it.",
    rows=("P3",),
)
NATIVE = Code(
    id="POL030",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policies that netdoc does not evaluate",
    message="{count} policies, or lists of them, are not evaluated: {policies}; each verdict that they could change says so",
    fix="Nothing about policies of the CNI's own: ask its own tool about them.",
    rows=("P7",),
)
FLAWS = {
    Fault.SELECTS_NOTHING: SELECTS_NOTHING,
    Fault.PEER_MATCHES_NOTHING: PEER_MATCHES_NOTHING,
    Fault.UNDEFINED_PORT: UNDEFINED_PORT,
    Fault.SHADOWED: SHADOWED,
    Fault.ONE_SIDED: ONE_SIDED,
    Fault.SERVICE_PORT: SERVICE_PORT,
    Fault.INVALID: INVALID,
}


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """The lookup that dns_latency makes too: it tells which nameserver pods are given."""
    if cluster.vantages and cluster.readable(NETWORK_POLICY) and cluster.all(NETWORK_POLICY):
        yield cluster_dns.lookup(cluster, cluster.vantages[0])


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compile the policies once and ask them everything."""
    engine = Engine(facts.cluster, strangers=((STRANGERS, {}),))
    coverage = Coverage(engine)
    if engine.native:
        subject = Subject(kind="Cluster", name="policies")
        yield NATIVE.on(subject, count=len(engine.native), policies=_some(engine.native))
    if not engine.policies:
        yield from _no_policy(engine, coverage)
        return
    yield from _default_deny(coverage)
    yield from _flaws(engine)
    dns = dns_access.servers(engine)
    if dns:
        yield from _dns(facts, engine, coverage, dns)
    elif dns_access.isolating(engine):
        yield Unseen("DNS through the policies", dns_access.NOT_THERE)


def _some(of: Iterable[object]) -> str:
    return some(dict.fromkeys(map(str, of)), NAMED)


def _no_policy(engine: Engine, coverage: Coverage) -> Iterator[Finding]:
    pods, unmade = (sum(getattr(space, what) for space in coverage.namespaces) for what in ("pods", "unmade"))
    if pods + unmade and not engine.native:
        all_of_them = f"{pods} pods" if pods else f"{unmade} workloads (which have no pods yet)"
        yield NO_POLICY.on(Subject(kind="Cluster", name="policies"), pods=all_of_them, namespaces=len(coverage.namespaces))


def _default_deny(coverage: Coverage) -> Iterator[Finding]:
    for space in coverage.namespaces:
        if space.name.startswith(SYSTEM):
            continue
        subject = Subject("Namespace", space.name)
        if space.open:
            missing = " and no ".join(d.lower() for d in Direction if d not in space.default_deny)
            yield NO_DEFAULT_DENY.on(subject, missing=missing or "direction", open=space.open, pods=space.counted)
        wide = [w for w in space.workloads if w.ingress == "isolated" and w.exposure in WIDE]
        if wide:
            yield LETS_IN_ALL.on(subject, workloads=_some(f"{w.ref} ({w.exposure}, {w.ports})" for w in wide), count=len(wide))


def _subject(ref: PolicyRef) -> Subject:
    return Subject(kind=ref.kind, name=ref.name, namespace=ref.namespace)


def _flaws(engine: Engine) -> Iterator[Finding]:
    for flaw in flaws(engine):
        written = engine.cluster.get(NETWORK_POLICY, flaw.policy.namespace, flaw.policy.name) if flaw.superfluous else None
        yield FLAWS[flaw.fault].on(
            _subject(flaw.policy),
            policy=str(flaw.policy),
            place=flaw.place,
            detail=flaw.detail,
            where=flaw.policy.namespace or "default",
            by=str(flaw.other or "no policy that is evaluated"),
            patch=fixes.removal(written, flaw.superfluous) if written else "",
        )


def _node_local(facts: Facts) -> str:
    """The link-local nameserver that a debug pod was given, or nothing."""
    for request in plan(facts.cluster):
        reply = facts.reply(request)
        if isinstance(reply, DnsReply) and ip_families.link_local(reply.server):
            return reply.server
    return ""


def _dns(facts: Facts, engine: Engine, coverage: Coverage, dns: Servers) -> Iterator[Finding | Unseen]:
    local = _node_local(facts)
    unread = [kind.plural for kind in (DAEMON_SET, COREFILE) if not facts.cluster.readable(kind)]
    if unread and not local:
        yield Unseen("workloads that can't ask cluster DNS", f"{unread[0]} can't be read, which tell of a cache on the nodes")
        return
    those = list(dns_access.deaf(engine, coverage.peers, dns, local))
    cut = list(dns_access.cut_off(engine, coverage.peers, dns, those))
    yield from (_cut_off(facts, engine, dns, one) for one in cut)
    groups: dict[tuple[PolicyRef, str, bool, tuple[str, ...]], list[DnsBlocked]] = {}
    for one in those:
        if one.by and not one.outage:
            groups.setdefault((one.by[0], one.protocol, one.talks, one.local), []).append(one)
    for (ref, protocol, talks, addresses), group in groups.items():
        yield _forgotten(engine, dns, ref, protocol, talks and group[0].direction is Direction.EGRESS, addresses, local, group)


def _forgotten(
    engine: Engine,
    dns: Servers,
    ref: PolicyRef,
    protocol: str,
    talks: bool,
    addresses: tuple[str, ...],
    local: str,
    those: list[DnsBlocked],
) -> Finding:
    """Egress that leaves DNS out: a warning where the workload is meant to talk, and it is known whom it asks."""
    written = engine.cluster.get(NETWORK_POLICY, ref.namespace, ref.name) if ref.kind == NETWORK_POLICY.name else None
    rule = fixes.dns_rule(dns, ref.namespace, addresses if addresses == (local,) else ())
    service = f"Service {dns.service.namespace}/{dns.service.name}"
    evidence = {
        "policy": str(ref),
        "workloads": _some(one.workload for one in those),
        "protocol": protocol,
        "dns": service,
        "asked": f"NodeLocal DNSCache on {', '.join(addresses)}" if addresses else service,
        "listening": str(dns.udp | dns.tcp),
        "address": ", ".join(addresses),
        "patch": fixes.patch(written, Direction.EGRESS, rule) if written else "",
    }
    egress = written is not None and talks and protocol == "UDP"
    known = not addresses or addresses == (local,)
    code = SILENT if not egress or not known else FORGETS_NODE_LOCAL if addresses else FORGETS_DNS
    return code.on(_subject(ref), evidence)


def _cut_off(facts: Facts, engine: Engine, dns: Servers, cut: CutOff) -> Finding:
    """One finding for the policies that do it together, on the one that its fix changes."""
    evidence = {
        "policies": _some(cut.policies),
        "keep": "keep" if len(cut.policies) > 1 else "keeps",
        "dns": f"Service {dns.service.namespace}/{dns.service.name}",
        "workloads": _some(cut.those) or "all that are to come",
        "count": len(cut.those),
        "asking": cut.asking,
    }
    changed, patch = _admitting(engine, dns, cut)
    what = f"-n {{where}} patch {changed.kind.lower()}" if changed.namespace else f"patch {changed.kind.lower()}"
    look = (f"kubectl {what} {{changed}} --type json -p {{patch}}", "kubectl netdoc policy coverage")
    where = dns.service.namespace
    mend = f"Have {changed} let pods ask the DNS servers on {dns.udp | dns.tcp}"
    mend += f"; 'kubectl netdoc policy coverage -n {where}' prints a policy of its own for that." if changed.namespace else "."
    evidence |= {"changed": changed.name, "where": changed.namespace or where, "patch": patch, "mend": mend}
    if not cut.everybody:
        return SOME_CUT_OFF.on(_subject(changed), evidence, try_=look)
    idle = _idle(facts, engine, dns, cut.direction)
    code = WOULD_CUT_OFF if idle else CUT_OFF
    return code.on(_subject(changed), evidence, try_=look, idle=idle or "nothing")


def _admitting(engine: Engine, dns: Servers, cut: CutOff) -> tuple[PolicyRef, str]:
    """Return which of the policies to change, and the JSON patch: the one for fewest pods, a cluster-wide one before others."""
    wide = next((ref for ref in cut.policies if not ref.namespace), None)
    if wide is not None:
        return wide, fixes.dns_first(dns, wide.kind, cut.direction, baseline=engine.baseline(wide))
    subjects = {policy.ref: policy.subject.bit_count() for policy in engine.policies}
    ref = min(cut.policies, key=lambda ref: (subjects[ref], ref))
    written = engine.cluster.get(NETWORK_POLICY, ref.namespace, ref.name)
    rule = fixes.dns_ingress(dns, nodes=dns_access.asked_from_nodes(engine, dns))
    return ref, fixes.patch(written, Direction.INGRESS, rule) if written else ""


def _idle(facts: Facts, engine: Engine, dns: Servers, direction: Direction) -> str:
    """Say what shows that nothing enforces policies where it matters; nothing where nothing shows that."""
    cluster = facts.cluster
    if enforcers.idle(cluster):
        return "the pod network enforces no policy"
    answered = [node for node in cluster.vantages if _answered(facts.reply(cluster_dns.lookup(cluster, node)))]
    if answered:
        return f"DNS answers netdoc's own pod on {', '.join(answered)} all the same"
    on = {end.node for end in dns.ends} if direction is Direction.INGRESS else set(cluster.vantages)
    seen = [own_policies.enforced(facts, node, direction.value) for node in sorted(on & set(cluster.vantages))]
    return "netdoc's own policy was not enforced either" if False in seen and True not in seen else ""


def _answered(reply: Reply) -> bool:
    return isinstance(reply, DnsReply) and any(sample.outcome is Outcome.OK for sample in reply.samples)


check = Check(
    id="policy_coverage",
    title="Network policies protect what they seem to",
    prefix="POL",
    needs=Needs(
        kinds=(POD, NETWORK_POLICY),
        optional=(NAMESPACE, NODE, SERVICE, COREFILE, *OWNERS, *POLICIES[1:]),
        hints=NETWORK_KINDS,
        makes=(Made.PODS,),
    ),
    codes=(
        FORGETS_DNS,
        FORGETS_NODE_LOCAL,
        SILENT,
        CUT_OFF,
        SOME_CUT_OFF,
        WOULD_CUT_OFF,
        NO_DEFAULT_DENY,
        LETS_IN_ALL,
        NO_POLICY,
        SELECTS_NOTHING,
        PEER_MATCHES_NOTHING,
        UNDEFINED_PORT,
        SHADOWED,
        ONE_SIDED,
        SERVICE_PORT,
        INVALID,
        NATIVE,
    ),
    plan=plan,
    analyse=analyse,
    doc=__doc__ or "",
)
