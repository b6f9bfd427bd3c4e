# SPDX-License-Identifier: Apache-2.0
"""Do the aliases of type ExternalName lead to a name that exists?

## What it looks at
Services of type ExternalName whose target is outside the cluster (4 at most): the alias and its target, looked up from debug
pods on two nodes through the nameserver of resolv.conf. Aliases of names in the cluster, and circles, are `service_config`'s.

## Why it matters
Such a Service is a CNAME record and nothing else: nobody says no when it is made, and what it names may never have been there.

## What it can't see
Whether anything answers at the target, and with TLS or HTTP whether it goes by the alias's name: clients send that one. Where
clusters have no way out, names outside can't be looked up, which is no fault.

## Sources
Kubernetes: Service, type ExternalName; RFC 1034; failure catalogue K16.
"""

from __future__ import annotations

import ipaddress
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
)
from kubectl_netdoc.components import cluster_dns

MOST = 4
"""Aliases that are looked up."""

NODES = 2
"""Nodes from which they are: the answer is the DNS server's, not the node's."""

SAMPLES, EVERY, TIMEOUT = 2, 0.3, 2.0
"""Lookups of a name, seconds between them, and seconds for an answer that comes from outside."""

NOT_THERE = Code(
    id="EXN001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="ExternalName leads to a name that does not exist",
    message="Service {namespace}/{name} is an alias of {target}, for which DNS says {answer} (asked from {nodes})",
    fix="Correct the externalName, or have the name made where its zone is kept; a name of a private zone needs a Corefile that "
    "forwards that zone to the server that knows it.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {dns_space} get configmap {dns_config} -o yaml"),
    rows=("K16",),
)
PORTS = Code(
    id="EXN020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Ports of an ExternalName",
    message="Service {namespace}/{name} is an alias of {target} and has ports {ports}: DNS maps no port, clients get to the "
    "port that they ask for",
    fix="Nothing, if the ports are the same on both sides or only an ingress controller or a mesh reads them; else use the "
    "target's port.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    rows=("K16",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask for each alias and for its target."""
    for service in evenly(_outside(cluster), MOST):
        yield from (request for node in _nodes(cluster) for request in _lookups(cluster, service, node))


def _nodes(cluster: Cluster) -> tuple[str, ...]:
    return cluster.vantages[:NODES]


def _aliases(cluster: Cluster) -> list[Service]:
    found = [item for item in cluster.services() if item.spec.type == "ExternalName" and item.spec.external_name]
    return [item for item in found if item.metadata.deletion_timestamp is None]


def _outside(cluster: Cluster) -> list[Service]:
    """The aliases of host names that are not the cluster's."""
    domain = cluster_dns.domain(cluster)
    return [item for item in _aliases(cluster) if not _is_address(_target(item)) and not _target(item).endswith(f".{domain}")]


def _target(service: Service) -> str:
    return service.spec.external_name.rstrip(".").lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _lookups(cluster: Cluster, service: Service, node: str) -> tuple[DnsLookup, DnsLookup]:
    """The alias and its target."""
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
            yield PORTS.on(_subject(service), target=_target(service), ports=ports)
    outside = _outside(cluster)
    asked = evenly(outside, MOST)
    for service in asked:
        yield from _judge(facts, service)
    if len(outside) > len(asked):
        yield Unseen("ExternalName Services", f"{len(asked)} of {len(outside)} that lead out of the cluster were looked up")


def _subject(service: Service) -> Subject:
    return Subject("Service", service.name, service.namespace)


def _judge(facts: Facts, service: Service) -> Iterator[Finding | Unseen]:
    """A name is missing where every node that got an answer was told so.

    The alias was asked for in the cluster domain, which only the Corefile tells: unread, its answer says nothing.
    """
    what, missing, reasons = f"the name {_target(service)}", {}, set()
    nodes = [vantage.node for vantage in facts.vantages if vantage.running and vantage.node in _nodes(facts.cluster)]
    if not nodes:
        yield Unseen(what, facts.why_unmeasured or "no debug pod ran where it was to be asked for")
        return
    exists = False
    for node in nodes:
        alias, target = (_word(facts, request) for request in _lookups(facts.cluster, service, node))
        if target == "NXDOMAIN":
            missing[node] = target
        elif target == "an address" and alias in ("NXDOMAIN", "nothing") and not facts.cluster.unreadable(COREFILE):
            missing[node] = f"{alias} to the alias and an address to the target"
        elif target in ("an address", "nothing"):
            exists = True
        else:
            reasons.add(target)
    if missing and not exists:
        answer = sorted(set(missing.values()))
        place = cluster_dns.names(facts.cluster)
        yield NOT_THERE.on(_subject(service), place, target=_target(service), answer=answer, nodes=sorted(missing))
    elif reasons and not exists:
        yield Unseen(what, f"no answer to be used ({', '.join(sorted(reasons))}): no way out of the cluster, or no upstream")


def _word(facts: Facts, request: DnsLookup) -> str:
    """What came of a lookup, in a word."""
    reply = facts.reply(request)
    if isinstance(reply, Lost):
        return reply.reason
    samples = reply.samples if isinstance(reply, DnsReply) else ()
    good = [sample for sample in samples if sample.outcome is Outcome.OK]
    if not good:
        return str(samples[0].outcome) if samples else "no answer"
    if good[0].rcode != "NOERROR":
        return good[0].rcode
    return "an address" if any(record.startswith("A ") for record in getattr(reply, "records", ())) else "nothing"


check = Check(
    id="external_names",
    title="ExternalName Services lead to names that exist",
    prefix="EXN",
    needs=Needs(kinds=(SERVICE,), optional=(COREFILE,), tier=Tier.PODS),
    codes=(NOT_THERE, PORTS),
    plan=plan,
    analyse=analyse,
)
