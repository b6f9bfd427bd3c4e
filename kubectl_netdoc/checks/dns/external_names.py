# SPDX-License-Identifier: Apache-2.0
"""Do Services of type ExternalName name something that exists?

## What it looks at
Services of type ExternalName whose target is outside the cluster (4 at most): debug pods on two nodes look up the alias and its
target through the nameserver of resolv.conf. For targets in the cluster and for circles see `service_config`.

## Why it matters
Such a Service is only a CNAME record. Nothing checks its target when it is created, and the target may never have existed.

## What it can't see
Whether anything answers at the target, and whether a target that uses TLS or HTTP accepts the alias's name, which clients send.
If a cluster has no access to the outside, names outside can't be looked up, which is no fault.

## Sources
Kubernetes: Service, type ExternalName; RFC 1034; failure catalogue K16.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    SERVICE,
    Check,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    Facts,
    Finding,
    Lost,
    Needs,
    Outcome,
    Request,
    ResolvConfNameserver,
    Risk,
    Service,
    Severity,
    Subject,
    Tier,
    Unseen,
    evenly,
    is_address,
)
from kubectl_netdoc.components import cluster_dns

MOST = 4
"""Aliases that are looked up."""

NODES = 2
"""Nodes from which they are looked up: the answer is the DNS server's, not the node's."""

SAMPLES, EVERY, TIMEOUT = 2, 0.3, 2.0
"""Lookups of a name, seconds between them, and seconds for an answer that comes from outside."""

ADDRESS, NO_RECORD = "an address", "no record"
"""Results of lookups with the response code NOERROR."""

NOT_THERE = Code(
    id="EXN001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The target of an ExternalName does not exist",
    message="Service {namespace}/{name} is an alias of {target}, but that name does not resolve: lookups from {nodes} got "
    "{answer}",
    fix="Correct the externalName, or create the name in its zone. If it is in a private zone, make the Corefile forward that "
    "zone to a server that has it.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", cluster_dns.CONFIG),
    rows=("K16",),
)
PORTS = Code(
    id="EXN020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="An ExternalName with ports",
    message="Service {namespace}/{name} is an alias of {target} and has ports ({ports}), which DNS ignores: clients connect to "
    "the target on the port that they choose",
    fix="Nothing to fix if the target uses the same ports, or if only an ingress controller or a mesh reads them. Otherwise "
    "make clients use the target's port.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    rows=("K16",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Look up each alias and its target."""
    for service in evenly(_outside(cluster), MOST):
        yield from (request for node in _nodes(cluster) for request in _lookups(cluster, service, node))


def _nodes(cluster: Cluster) -> tuple[str, ...]:
    return cluster.vantages[:NODES]


def _aliases(cluster: Cluster) -> list[Service]:
    found = [item for item in cluster.services() if item.spec.type == "ExternalName" and item.spec.external_name]
    return [item for item in found if item.metadata.deletion_timestamp is None]


def _outside(cluster: Cluster) -> list[Service]:
    """Return the aliases of host names outside the cluster."""
    domain = cluster_dns.domain(cluster)
    return [item for item in _aliases(cluster) if not is_address(_target(item)) and not _target(item).endswith(f".{domain}")]


def _target(service: Service) -> str:
    return service.spec.external_name.rstrip(".").lower()


def _lookups(cluster: Cluster, service: Service, node: str) -> tuple[DnsLookup, DnsLookup]:
    """Return the lookups of the alias and of its target."""
    alias = f"{service.name}.{service.namespace}.svc.{cluster_dns.domain(cluster)}."
    names = (alias, f"{_target(service)}.")
    one, other = (DnsLookup(node, ResolvConfNameserver(), n, samples=SAMPLES, timeout=TIMEOUT, interval=EVERY) for n in names)
    return one, other


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each alias as written, then as measured."""
    cluster = facts.cluster
    for service in _aliases(cluster):
        if service.spec.ports:
            ports = [port.port for port in service.spec.ports]
            yield PORTS.on(Subject.of("Service", service), target=_target(service), ports=ports)
    outside = _outside(cluster)
    asked = evenly(outside, MOST)
    for service in asked:
        yield from _judge(facts, service)
    if len(outside) > len(asked):
        yield Unseen("ExternalName Services", f"{len(asked)} of {len(outside)} with a target outside the cluster were looked up")


def _judge(facts: Facts, service: Service) -> Iterator[Finding | Unseen]:
    """Report a target that does not exist, if every node that got an answer got that one.

    The alias is looked up in the cluster domain, which only the Corefile names: if that can't be read, its answer says nothing.
    """
    what, missing, failures = f"the name {_target(service)}", {}, set()
    nodes = [node for node in facts.heard if node in _nodes(facts.cluster)]
    if not nodes:
        yield Unseen(what, facts.why_unmeasured or "no debug pod ran on the nodes that should look it up")
        return
    exists = False
    for node in nodes:
        alias, target = (_answer(facts, request) for request in _lookups(facts.cluster, service, node))
        if target == "NXDOMAIN":
            missing[node] = target
        elif target == ADDRESS and alias in ("NXDOMAIN", NO_RECORD) and not facts.cluster.unreadable(COREFILE):
            missing[node] = f"{alias} for the alias and {ADDRESS} for the target"
        elif target in (ADDRESS, NO_RECORD):
            exists = True
        else:
            failures.add(target)
    if missing and not exists:
        names = cluster_dns.names(facts.cluster)
        answer = sorted(set(missing.values()))
        subject = Subject.of("Service", service)
        yield NOT_THERE.on(subject, names, target=_target(service), answer=answer, nodes=sorted(missing))
    elif failures and not exists:
        why = f"its lookups failed ({', '.join(sorted(failures))})"
        yield Unseen(what, f"{why}: the cluster may have no access to the outside, or no upstream resolver")


def _answer(facts: Facts, request: DnsLookup) -> str:
    """Return the result of a lookup: ``ADDRESS``, ``NO_RECORD``, a response code, or why there is no answer."""
    reply = facts.reply(request)
    if isinstance(reply, Lost):
        return reply.reason
    samples = reply.samples if isinstance(reply, DnsReply) else ()
    good = [sample for sample in samples if sample.outcome is Outcome.OK]
    if not good:
        return str(samples[0].outcome) if samples else "no answer"
    if good[0].rcode != "NOERROR":
        return good[0].rcode
    return ADDRESS if any(record.startswith("A ") for record in getattr(reply, "records", ())) else NO_RECORD


check = Check(
    id="external_names",
    title="ExternalName Services name targets that exist",
    prefix="EXN",
    needs=Needs(kinds=(SERVICE,), optional=(COREFILE,), tier=Tier.PODS),
    codes=(NOT_THERE, PORTS),
    plan=plan,
    analyse=analyse,
)
