# SPDX-License-Identifier: Apache-2.0
"""Is cluster DNS configured to answer?

## What it looks at
The DNS Service (kube-dns), its workload, its ready endpoints and the nodes that they run on, restarts of its pods and why they
are not ready (scheduling, image, sandbox). The Corefile as CoreDNS reads it: braces, snippets, duplicate zones, the plugin
`kubernetes`, plugins that CoreDNS is not released with, what takes names of Services before it (rewrite, template, hosts, a
block of a longer zone), and where other names are forwarded, by address or by name. The Corefile of NodeLocal DNSCache: only
whether it can be parsed. If pods/log may be read, the last hour of the DNS pods' logs: a Corefile that they refuse (where, and
what is wrong), loops, panics, upstream resolvers that do not answer, an API server that is unreachable or denies access. Of the
logs only counts, causes, addresses and resources are kept, no name that was looked up. Events in which the kubelet says that it
shortened a pod's resolv.conf.

## Why it matters
Nearly every connection begins with a lookup. With a Corefile that forwards to its own address CoreDNS stays Ready and resolves
cluster names, while every external name fails: nothing in the API shows it but that text.

## What it can't see
Cluster DNS that runs outside the cluster (GKE Cloud DNS, EKS Auto Mode) or is not CoreDNS; `dns_latency` measures it all the
same. Files that a Corefile imports. Whether an upstream resolver works (`dns_upstream`).

## Sources
CoreDNS manual, plugins errors, forward, kubernetes and loop; Kubernetes: pkg/kubelet/network/dns/dns.go for the Events and the
limits of resolv.conf; failure catalogue D3, D9, D10 and D12. CoreDNS, plugin.cfg (the
order of plugins), plugins template, hosts and rewrite (fallthrough).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    DAEMON_SET,
    DEPLOYMENT,
    DNS_LOG,
    ENDPOINT_SLICE,
    EVENT,
    NODE,
    POD,
    SERVICE,
    Check,
    Cluster,
    CorefileMap,
    Facts,
    Finding,
    Needs,
    Skip,
    Unseen,
)
from kubectl_netdoc.checks.dns.dns_config import corefile, logs, overrides, refusals, resolv_conf, servers
from kubectl_netdoc.components import cluster_dns


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the servers of the DNS Service and their logs, resolv.conf files of pods, then each Corefile."""
    cluster = facts.cluster
    dns = cluster_dns.service(cluster)
    if dns is None:
        yield from _without_service(cluster)
        return
    if cluster.readable(POD) and cluster.readable(ENDPOINT_SLICE):
        found = list(servers.analyse(cluster, dns))
        yield from found
        troubled = any(item.code in (servers.NO_SERVER.id, servers.RESTARTING.id) for item in found)
        yield from logs.analyse(cluster, dns, troubled=troubled)
    yield from resolv_conf.analyse(cluster)
    for config in _corefiles(cluster):
        if cluster_dns.of_node_cache(config):
            yield from corefile.analyse(cluster, config, dns)
    if cluster.readable(COREFILE) and (own := cluster_dns.config(cluster, dns)):
        yield from corefile.analyse(cluster, own, dns)
        yield from overrides.analyse(cluster, own)
        yield from refusals.analyse(cluster, own, dns)
        yield from refusals.as_written(cluster, own, dns)


def _corefiles(cluster: Cluster) -> tuple[CorefileMap, ...]:
    return cluster.all(COREFILE) if cluster.readable(COREFILE) else ()


def _without_service(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """Judge the Corefiles of manifests that contain no DNS Service; skip the check if there is none."""
    manifests = cluster.origin == "manifests"
    alone = _corefiles(cluster) if manifests else ()
    reason = "there is no DNS Service in these files" if manifests else cluster_dns.not_found(cluster)
    if not alone:
        raise Skip(reason, not_applicable=True)
    for config in alone:
        yield from corefile.analyse(cluster, config, None)
        yield from refusals.as_written(cluster, config, None)
    yield Unseen("the servers of cluster DNS", reason, not_applicable=True)


check = Check(
    id="dns_config",
    title="Cluster DNS is configured to answer",
    prefix="DNC",
    needs=Needs(kinds=(SERVICE,), optional=(POD, ENDPOINT_SLICE, DEPLOYMENT, DAEMON_SET, COREFILE), hints=(DNS_LOG, EVENT, NODE)),
    codes=(*servers.CODES, *corefile.CODES, *overrides.CODES, *refusals.CODES, *logs.CODES, *resolv_conf.CODES),
    analyse=analyse,
)
