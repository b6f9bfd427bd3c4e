# SPDX-License-Identifier: Apache-2.0
"""Is there room for new Services in the ranges of ClusterIPs?

## What it looks at
The ServiceCIDRs, which say from which ranges the API server takes ClusterIPs, and the ClusterIPs that Services have from them, in
each IP family.

## Why it matters
When a range is full, no Service can be created in that family ("range is full"): installations and upgrades fail, while
everything that exists keeps working.

## What it can't see
Clusters that serve no ServiceCIDR: their range is a flag of the API server. Addresses that are held without a Service
(IPAddress objects of other owners).

## Sources
Kubernetes: Cluster IP address allocation, Extend Service IP Ranges; pkg/registry/core/service/ipallocator (network and IPv4
broadcast address are given to nobody). k8s-netinspect warns from 90 % of a range on. kubernetes#85866, kwok#818.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    SERVICE,
    SERVICE_CIDR,
    Check,
    Code,
    Facts,
    Finding,
    IPRange,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    Unseen,
    in_any,
    ip_families,
    ip_network,
    is_range,
)

NEARLY = Threshold(
    name="used_percent",
    default=90.0,
    unit="% of the Services' range",
    source="k8s-netinspect warns from there on of a node's pods (POD-005)",
    most=100,
)

TAKEN = {4: 2, 6: 1}
"""Addresses of a range that no Service gets, by IP version: network and, for IPv4, broadcast address."""

MORE = (
    "Add a range that overlaps neither nodes, pods nor the networks around the cluster, as a ServiceCIDR object (the command "
    "shows the ones there are). Or delete Services that nobody needs, or make those headless that need no address of their own."
)
LOOK = ("kubectl get servicecidrs", "kubectl get services -A")

NEARLY_USED = Code(
    id="SRG001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The range of ClusterIPs is almost used up",
    message="{used} of {usable} {family} addresses for Services are taken ({ranges}): when none is left, no Service can be "
    "created",
    fix=MORE,
    commands=LOOK,
)
FULL = Code(
    id="SRG002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The range of ClusterIPs is full",
    message="All {usable} {family} addresses for Services are taken ({ranges}): no new Service gets a ClusterIP",
    fix=MORE,
    commands=LOOK,
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare the ClusterIPs of each family with the ranges that they are from."""
    cluster = facts.cluster
    if not cluster.readable(SERVICE_CIDR):
        known = SERVICE_CIDR.name in cluster.index.listings  # bundles from before this check have none
        if known and cluster.unreadable(SERVICE_CIDR):
            yield Unseen("the ranges of ClusterIPs", "ServiceCIDRs can't be read", expected=True)
            return
        raise Skip("no ServiceCIDR says from which ranges ClusterIPs are", not_applicable=True)
    ranges = [cidr for item in cluster.all(SERVICE_CIDR) if item.metadata.deletion_timestamp is None for cidr in item.spec.cidrs]
    if cluster.scope.namespaces:
        raise Skip("the Services of all namespaces share one range, and only some namespaces were read")
    if not ranges:
        raise Skip("there is no ServiceCIDR", not_applicable=True)
    given = {ip for service in cluster.all(SERVICE) for ip in service.spec.cluster_ips or (service.spec.cluster_ip,)}
    for family in (ip_families.IPV4, ip_families.IPV6):
        own = [ip_network(cidr) for cidr in ranges if is_range(cidr) and ip_families.of(cidr) == family]
        usable = _usable(own)
        used = sum(in_any(ip, map(str, own)) for ip in given)
        numbers = {"used": used, "usable": usable, "family": family, "ranges": list(map(str, own))}
        if usable and 100 * used >= facts.threshold(NEARLY) * usable:
            yield (NEARLY_USED if used < usable else FULL).on(Subject("Cluster", f"{family} Services"), numbers)


def _usable(ranges: list[IPRange]) -> int:
    """Return how many addresses Services can get from ranges of one family, of which one may be inside another."""
    widest = {each for each in ranges if not any(each.overlaps(other) and other.prefixlen < each.prefixlen for other in ranges)}
    return sum(max(each.num_addresses - TAKEN[each.version], 0) for each in widest)


check = Check(
    id="service_range",
    title="There is room for new Services",
    prefix="SRG",
    needs=Needs(kinds=(SERVICE,), optional=(SERVICE_CIDR,)),
    codes=(NEARLY_USED, FULL),
    analyse=analyse,
    thresholds=(NEARLY,),
)
