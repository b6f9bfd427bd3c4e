# SPDX-License-Identifier: Apache-2.0
"""Do workloads with DNS settings of their own still resolve the cluster's names?

## What it looks at
What each workload's pods are told about names: dnsPolicy, dnsConfig, hostAliases and the host network. It reports nameservers
that do not exist, workloads that need names of Services and do not ask cluster DNS, cluster DNS behind or beside other
nameservers, search domains of another cluster, and lines of /etc/hosts that send the name of a Service, or any name, elsewhere.
Which nameservers are the cluster's, its DNS Service, NodeLocal DNSCache and a debug pod's resolv.conf say.

## Why it matters
Such settings break names in one workload alone: cluster DNS answers everybody else, and a debug pod too.

## What it can't see
Which names an application asks for beyond those that its variables and arguments have, in which /etc/resolv.conf or hosts file
of its image's own it looks, and what servers outside the cluster answer. So a workload that does not ask cluster DNS is a warning
only where something shows that it needs it: the name of a Service that it is told, cluster domains among its searches, a change
of its settings within the hour, or pods that do not get ready. Components of kube-system, DaemonSets and DNS servers ask their
node's nameservers by design. The range of ClusterIPs is taken from the Services that exist.

## Sources
Kubernetes: DNS for Services and Pods; Adding entries to Pod /etc/hosts with HostAliases. kubelet, pkg/kubelet/network/dns
(dnsPolicy ClusterFirst on the host network, order of nameservers). resolv.conf(5); musl, functional differences from glibc
(search, parallel queries); RFC 5737.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    NAMESPACE,
    NETWORK_AGENT,
    NODE,
    OWNERS,
    POD,
    SERVICE,
    Check,
    Facts,
    Finding,
    Made,
    Needs,
    Unseen,
    joined,
    odd,
)
from kubectl_netdoc.checks.dns.pod_dns import host_aliases, searches, servers
from kubectl_netdoc.components.address_owners import AddressOwners
from kubectl_netdoc.policy.current_workloads import current_workloads


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the settings of each workload."""
    cluster = facts.cluster
    owners = AddressOwners(cluster)
    nameservers = servers.Nameservers(facts, owners)
    for resolver in current_workloads(cluster):
        yield from servers.analyse(cluster, nameservers, resolver)
        yield from searches.analyse(cluster, nameservers, resolver)
        yield from host_aliases.analyse(cluster, owners, resolver)
        spec = resolver.spec
        if strange := [text for text in (*spec.dns_config.nameservers, *(line.ip for line in spec.host_aliases)) if odd(text)]:
            why = "resolvers take leading zeros for octal numbers or leave out such a line, Kubernetes does neither"
            yield Unseen(f"{joined(strange)} in the DNS settings of {resolver.subject}", why, expected=True)


check = Check(
    id="pod_dns",
    title="Workloads with DNS settings of their own resolve the cluster's names",
    prefix="PDN",
    needs=Needs(
        kinds=(POD, SERVICE),
        optional=(NODE, ENDPOINT_SLICE),
        hints=(*OWNERS, NAMESPACE, COREFILE, NETWORK_AGENT),
        makes=(Made.PODS,),
    ),
    codes=(*servers.CODES, *searches.CODES, *host_aliases.CODES),
    plan=servers.resolv_conf,
    analyse=analyse,
)
