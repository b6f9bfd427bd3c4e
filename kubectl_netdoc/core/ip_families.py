# SPDX-License-Identifier: Apache-2.0
"""The IP families that pods have, so that every path is measured in each of them."""

from __future__ import annotations

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.once import once
from kubectl_netdoc.formats.addresses import ip_address
from kubectl_netdoc.records.kinds import NODE, POD

IPV4, IPV6 = "IPv4", "IPv6"


def of(address: str) -> str:
    """Return the family of an IP address or a range, as the API writes it."""
    return IPV6 if ":" in address else IPV4


def link_local(address: str) -> bool:
    """Tell whether a text is a link-local address, as that of NodeLocal DNSCache is."""
    try:
        return ip_address(address).is_link_local
    except ValueError:
        return False


@once
def of_pods(cluster: Cluster) -> tuple[str, ...]:
    """Return the families of pods' addresses, primary first; "" if it can't be seen.

    They come from the nodes' pod ranges, or if IPAM does not use those, from the pods with most addresses. Reads NODE and POD
    if the check may.
    """
    ranges = [node.spec.pod_cidrs for node in cluster.all(NODE) if node.spec.pod_cidrs] if cluster.readable(NODE) else []
    addresses = [pod.ips for pod in cluster.all(POD) if not pod.spec.host_network] if cluster.readable(POD) else []
    longest = max(ranges or addresses, key=len, default=())
    return tuple(dict.fromkeys(of(address) for address in longest))


def further(cluster: Cluster) -> tuple[str, ...]:
    """Return the families that pods have besides their primary one."""
    return of_pods(cluster)[1:]
