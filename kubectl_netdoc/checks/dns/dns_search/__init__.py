# SPDX-License-Identifier: Apache-2.0
"""Do the search domains of pods resolve what they should, and what do they cost?

## What it looks at
The resolv.conf of each debug pod, as the kubelet writes it: nameservers, search domains, options. From each node, lookups of a
name that cannot exist (under `.invalid`, RFC 6761) in each of the cluster's own search domains: whether the answers are negative,
and how long they take. With `--external NAME`, lookups of that name. For what the kubelet leaves out see `dns_config`.

## Why it matters
With `ndots:5`, an external name is first looked up in every search domain, as A and AAAA: ten queries instead of two. If a search
domain resolves any name (a wildcard record), all external names resolve to one wrong address. If it gives no answer, they wait.

## What it can't see
Search domains that pods inherit from their node are shown, but not queried: such names would leave the cluster. A pod's own
dnsConfig or dnsPolicy: a debug pod has the default policy, ClusterFirst.

## Sources
resolv.conf(5); Kubernetes: DNS for Services and Pods; musl's resolvconf.c; coredns#6202; failure catalogue D2.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    SERVICE,
    Check,
    Cluster,
    Facts,
    Finding,
    Lost,
    Needs,
    Request,
    ResolvConf,
    ResolvConfReply,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.dns.dns_search import cost, nonexistent, resolv_conf
from kubectl_netdoc.checks.dns.dns_search.measured import lookup, search_domains
from kubectl_netdoc.probes import dns_lookups


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read resolv.conf on each vantage; look up a name that cannot exist in each search domain, and names that were given."""
    for node in cluster.vantages:
        yield ResolvConf(node)
        yield dns_lookups.lookup(cluster, node)
        yield from (lookup(node, domain) for domain in search_domains(cluster))
        if node in cluster.vantages[: dns_lookups.OBSERVERS]:
            yield from (dns_lookups.outside(node, name) for name in cost.external_names(cluster))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the files that the kubelets wrote, then the answers to a name that cannot exist."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    files: dict[str, ResolvConfReply] = {}
    for vantage in facts.vantages:
        reply = facts.reply(ResolvConf(vantage.node))
        if isinstance(reply, ResolvConfReply):
            files[vantage.node] = reply
        elif isinstance(reply, Lost):
            why = reply.reason if vantage.running else f"no debug pod ran there: {vantage.reason}"
            yield Unseen(f"resolv.conf on node {vantage.node}", why, expected=True)
    yield from resolv_conf.analyse(files)
    yield from nonexistent.analyse(facts, list(files))
    yield from cost.analyse(facts, files)


check = Check(
    id="dns_search",
    title="The search domains of pods resolve what they should",
    prefix="DSE",
    needs=Needs(optional=(COREFILE,), hints=(SERVICE,), tier=Tier.PODS),
    codes=(*nonexistent.CODES, *resolv_conf.CODES, *cost.CODES),
    plan=plan,
    analyse=analyse,
)
