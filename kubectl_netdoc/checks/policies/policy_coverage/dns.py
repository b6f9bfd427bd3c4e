# SPDX-License-Identifier: Apache-2.0
"""Workloads that policies keep from cluster DNS."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    DAEMON_SET,
    NETWORK_POLICY,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    Facts,
    Finding,
    Outcome,
    Reply,
    Risk,
    Severity,
    Subject,
    Unseen,
    ip_families,
)
from kubectl_netdoc.checks.policies.policy_coverage.common import first_few, policy_subject
from kubectl_netdoc.components.cluster_dns import LOOKUPS_FAIL
from kubectl_netdoc.policy import dns_access, enforcers, fixes
from kubectl_netdoc.policy.coverage import PolicyCoverage
from kubectl_netdoc.policy.dns_access import CutOff, DnsBlocked, DnsServers
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.rules import Direction, PolicyRef, PolicyTier
from kubectl_netdoc.policy.workloads import WorkloadRef
from kubectl_netdoc.probes import dns_lookups, own_policies

FORGETS_DNS = Code(
    id="POL001",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Egress policy does not allow cluster DNS",
    message="{policy} lets {workloads} send traffic, but not to cluster DNS over {protocol} ({dns}): they cannot resolve names",
    fix="Allow egress to the DNS pods on the ports that they listen on: {listening}.",
    commands=("kubectl -n {namespace} patch networkpolicy {name} --type json -p {patch}",),
    rows=("D4",),
)
FORGETS_NODE_LOCAL = Code(
    id="POL002",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Egress policy does not allow NodeLocal DNSCache, which pods use",
    message="{policy} does not let {workloads} reach {address}, their nameserver: they cannot resolve names",
    fix="Allow egress to {address}, port 53 over UDP and TCP.",
    commands=("kubectl -n {namespace} patch networkpolicy {name} --type json -p {patch}",),
    rows=("D5",),
)
SILENT = Code(
    id="POL003",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A workload may not query cluster DNS",
    message="{policy} keeps {workloads} from querying cluster DNS over {protocol} ({asked})",
    fix="Nothing to fix if they resolve no names (TCP: no long answers). Otherwise allow egress to the DNS pods: {listening}.",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4", "D5"),
)
CUT_OFF = Code(
    id="POL004",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="Policies keep every pod from cluster DNS",
    message="{policies} {keep} every pod from querying cluster DNS ({dns}) over UDP: {workloads} cannot resolve names",
    fix="{mend}",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4",),
    explains=(LOOKUPS_FAIL,),
)
SOME_CUT_OFF = Code(
    id="POL005",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Policies at the DNS servers exclude some workloads",
    message="{policies} {keep} {count} of {asking} workloads from querying cluster DNS ({dns}) over UDP: {workloads} cannot "
    "resolve names",
    fix="{mend}",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4",),
)
WOULD_CUT_OFF = Code(
    id="POL006",
    severity=Severity.INFO,
    risk=Risk.POLICY,
    title="Policies would keep every pod from cluster DNS if they were enforced",
    message="As written, {policies} {keep} every pod from querying cluster DNS ({dns}). It still works because {idle}",
    fix="Fix this before anything enforces these policies: {mend}",
    commands=("kubectl netdoc policy coverage",),
    rows=("D4",),
)


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Make a lookup, as dns_latency does: its reply tells which nameserver pods use."""
    if cluster.vantages and cluster.readable(NETWORK_POLICY) and cluster.all(NETWORK_POLICY):
        yield dns_lookups.lookup(cluster, cluster.vantages[0])


def _node_local(facts: Facts) -> str:
    """Return the link-local nameserver in a debug pod's resolv.conf; "" if it has another."""
    for request in plan(facts.cluster):
        reply = facts.reply(request)
        if isinstance(reply, DnsReply) and ip_families.link_local(reply.server):
            return reply.server
    return ""


def blocked_lookups(facts: Facts, engine: Engine, coverage: PolicyCoverage, dns: DnsServers) -> Iterator[Finding | Unseen]:
    """Report policies that keep workloads from cluster DNS."""
    local = _node_local(facts)
    unread = [kind.plural for kind in (DAEMON_SET, COREFILE) if not facts.cluster.readable(kind)]
    if unread and not local:
        yield Unseen(
            "workloads that can't query cluster DNS", f"{unread[0]} can't be read, so a DNS cache on the nodes can't be ruled out"
        )
        return
    blocked = list(dns_access.blocked(engine, coverage.peers, dns, local))
    cut = list(dns_access.cut_off(engine, coverage.peers, dns, blocked))
    yield from (_cut_off(facts, engine, dns, one) for one in cut)
    groups: dict[tuple[PolicyRef, str, bool, tuple[str, ...]], list[DnsBlocked]] = {}
    for one in blocked:
        if one.by and not one.is_outage:
            groups.setdefault((one.by[0], one.protocol, one.has_egress, one.local), []).append(one)
    for (ref, protocol, talks, addresses), group in groups.items():
        yield _forgotten(engine, dns, ref, protocol, talks and group[0].direction is Direction.EGRESS, addresses, local, group)


def _forgotten(
    engine: Engine,
    dns: DnsServers,
    ref: PolicyRef,
    protocol: str,
    talks: bool,
    addresses: tuple[str, ...],
    local: str,
    blocked: list[DnsBlocked],
) -> Finding:
    """Return the finding about egress without DNS: a warning if the workload has other egress and its server is known."""
    written = engine.cluster.get(NETWORK_POLICY, ref.namespace, ref.name) if ref.kind == NETWORK_POLICY.name else None
    rule = fixes.dns_rule(dns, ref.namespace, addresses if addresses == (local,) else ())
    service = Subject("Service", dns.service.name, dns.service.namespace)
    evidence = {
        "policy": str(ref),
        "workloads": first_few(one.workload for one in blocked),
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
    return code.on(policy_subject(ref), evidence, objects=[one.workload for one in blocked])


def _cut_off(facts: Facts, engine: Engine, dns: DnsServers, cut: CutOff) -> Finding:
    """Return the finding about policies that together block DNS. Its subject is the policy that the fix changes."""
    evidence = {
        "policies": first_few(cut.policies),
        "keep": "keep" if len(cut.policies) > 1 else "keeps",
        "dns": Subject("Service", dns.service.name, dns.service.namespace),
        "workloads": first_few(cut.workloads) or "all future workloads",
        "count": len(cut.workloads),
        "asking": cut.total,
    }
    objects: list[PolicyRef | WorkloadRef] = [*cut.policies, *cut.workloads]
    changed, patch = _admitting(engine, dns, cut)
    what = f"-n {{where}} patch {changed.kind.lower()}" if changed.namespace else f"patch {changed.kind.lower()}"
    look = ((f"kubectl {what} {{changed}} --type json -p {{patch}}",) if patch else ()) + ("kubectl netdoc policy coverage",)
    where = dns.service.namespace
    mend = f"Change {changed} so that pods may query the DNS servers on {dns.udp | dns.tcp}"
    mend += f"; 'kubectl netdoc policy coverage -n {where}' prints a separate policy for that." if changed.namespace else "."
    evidence |= {"changed": changed.name, "where": changed.namespace or where, "patch": patch, "mend": mend}
    if not cut.everybody:
        return SOME_CUT_OFF.on(policy_subject(changed), evidence, commands=look, objects=objects)
    idle = _idle(facts, engine, dns, cut.direction)
    code = WOULD_CUT_OFF if idle else CUT_OFF
    return code.on(policy_subject(changed), evidence, commands=look, objects=objects, idle=idle or "nothing")


def _admitting(engine: Engine, dns: DnsServers, cut: CutOff) -> tuple[PolicyRef, str]:
    """Return which of the policies to change, and the JSON patch: the one for fewest pods, a cluster-wide one before others."""
    wide = next((ref for ref in cut.policies if not ref.namespace), None)
    own = next((policy.ref for policy in engine.policies if policy.ref in cut.policies and policy.tier is PolicyTier.OWN), None)
    if own is not None:
        return own, ""
    if wide is not None:
        return wide, fixes.dns_first(dns, wide.kind, cut.direction, baseline=engine.baseline(wide))
    subjects = {policy.ref: policy.subject.bit_count() for policy in engine.policies}
    ref = min(cut.policies, key=lambda ref: (subjects[ref], ref))
    written = engine.cluster.get(NETWORK_POLICY, ref.namespace, ref.name)
    rule = fixes.dns_ingress(dns, nodes=dns_access.queried_from_nodes(engine, dns))
    return ref, fixes.patch(written, Direction.INGRESS, rule) if written else ""


def _idle(facts: Facts, engine: Engine, dns: DnsServers, direction: Direction) -> str:
    """Return what shows that these policies are not enforced; "" if nothing shows that."""
    answered = [node for node in facts.cluster.vantages if _answered(facts.reply(dns_lookups.lookup(facts.cluster, node)))]
    if answered and not enforcers.idle(facts.cluster):
        return f"cluster DNS still answers netdoc's own pod on {', '.join(answered)}"
    on = {end.node for end in dns.ends} if direction is Direction.INGRESS else facts.cluster.vantages
    return own_policies.idle(facts, on, direction.value)


def _answered(reply: Reply) -> bool:
    return isinstance(reply, DnsReply) and any(sample.outcome is Outcome.OK for sample in reply.samples)


CODES = (
    FORGETS_DNS,
    FORGETS_NODE_LOCAL,
    SILENT,
    CUT_OFF,
    SOME_CUT_OFF,
    WOULD_CUT_OFF,
)
