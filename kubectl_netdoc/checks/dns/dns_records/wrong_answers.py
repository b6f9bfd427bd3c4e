# SPDX-License-Identifier: Apache-2.0
"""Answers that differ from the API, of servers that do learn of changes."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import SETTLING, Cluster, Code, Finding, Risk, Severity, Unseen, joined
from kubectl_netdoc.checks.dns.dns_records.answers import NAMESERVER, Answers, RecordAnswer, Resolver, lookup, resolvers
from kubectl_netdoc.checks.dns.dns_records.names import Name, Sort
from kubectl_netdoc.components import cluster_dns

WRONG_ADDRESS = Code(
    id="DNR002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The name of a Service resolves to another address",
    message="The answer of {who} for {fqdn} is {got}, but the address of the Service is {want}",
    fix="Find what answers in place of the Service: the plugins hosts, rewrite, template or file in the Corefile, or a server "
    "that lags behind the API.",
    commands=(cluster_dns.CONFIG, "kubectl -n {namespace} get service {name} -o wide"),
    rows=("D9", "D10"),
)
NOT_AS_ENDPOINTS = Code(
    id="DNR003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A headless Service does not resolve to its endpoints",
    message="The answer of {who} for {fqdn} is {got}, but the ready endpoints of the Service are {want}",
    fix="Compare with the answers of the other DNS servers. If they are right, read the log of the one that is not, or delete "
    "its pod. If all are wrong, look at the Corefile.",
    commands=("kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}", cluster_dns.LOGS),
    rows=("D9",),
)
NO_POD_RECORD = Code(
    id="DNR004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A pod of a StatefulSet has no name in DNS",
    message="The answer of {who} for {fqdn} is {got}, although the pod is ready at {want} and in the answer for its Service",
    fix="Check that the pod's hostname is its own name and its subdomain the serviceName of the StatefulSet. If not, recreate "
    "the pod: that sets both.",
    commands=("kubectl -n {namespace} get pod {name} -o yaml",),
    rows=("D9",),
)

BY_SORT = {Sort.SERVICE: WRONG_ADDRESS, Sort.HEADLESS: NOT_AS_ENDPOINTS, Sort.POD: NO_POD_RECORD}


def analyse(cluster: Cluster, answers: Answers, stale: set[Resolver]) -> Iterator[Finding | Unseen]:
    """Report the names with wrong answers; ``stale``: servers that do not learn of changes, whose answers are left out."""
    left_out: set[str] = set()
    for name in answers.names:
        if cluster.age(name.changed) < SETTLING:
            continue
        bad = {
            who: answers.by_resolver[who, name] for who in resolvers(cluster) if who not in stale and name in answers.wrong(who)
        }
        if stale:  # the nameserver may have forwarded the lookup to such a server
            bad.pop(NAMESERVER, None)
        if not bad:
            continue
        resolver, answer = next(iter(bad.items()))
        if not answer.got and not _knows_namespace(answers, resolver, name):
            left_out.add(name.subject.namespace)
        elif _certain(answers, name, resolver, answer):
            yield _wrong(cluster, name, answer, list(bad))
        else:
            want = ", ".join(sorted(name.want))
            yield Unseen(name.fqdn, f"the answer was {answer} instead of {want}, but it may have changed at that moment")
    if left_out:
        why = "DNS has no name of these namespaces, so the Corefile leaves them out"
        yield Unseen(f"names in {', '.join(sorted(left_out))}", why)


def _wrong(cluster: Cluster, name: Name, answer: RecordAnswer, bad: list[Resolver]) -> Finding:
    evidence = {"fqdn": name.fqdn, "got": str(answer), "want": sorted(name.want), **cluster_dns.names(cluster)}
    pods = [resolver.subject for resolver in bad if resolver.subject]
    nodes = sorted({lookup(cluster, resolver, name).node for resolver in bad})
    who = {"servers": list(map(str, bad)), "who": joined(bad), "nodes": nodes}
    return BY_SORT[name.sort].on(name.subject, evidence | who, objects=pods)


def _knows_namespace(answers: Answers, resolver: Resolver, name: Name) -> bool:
    """Whether a resolver knows another name of the namespace."""
    namespace = name.subject.namespace
    return any(
        answer.got and who == resolver and other.subject.namespace == namespace and other != name
        for (who, other), answer in answers.by_resolver.items()
    )


def _certain(answers: Answers, name: Name, resolver: Resolver, answer: RecordAnswer) -> bool:
    """Whether it is certain that nothing changed while netdoc measured.

    A ClusterIP never changes; another server gave the right answer at the same time; or all addresses differ.
    """
    if name.sort is Sort.SERVICE:
        return True
    if any(other != resolver for other in answers.right(name)):
        return True
    if name.sort is Sort.HEADLESS:
        return len(name.want) > 1 and name.want.isdisjoint(answer.got)
    return any(
        who == resolver and other.fqdn == name.service and other.rtype == name.rtype and name.want <= of_service.got
        for (who, other), of_service in answers.by_resolver.items()
    )


CODES = (WRONG_ADDRESS, NOT_AS_ENDPOINTS, NO_POD_RECORD)
