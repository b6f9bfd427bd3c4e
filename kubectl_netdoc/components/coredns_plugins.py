# SPDX-License-Identifier: Apache-2.0
"""The plugins that CoreDNS is released with: what ``coredns -plugins`` of 1.11.3, 1.12.1, 1.13.1, 1.14.2 and 1.15.0 said.

An image of one's own may have more, and fewer.
"""

from __future__ import annotations

import re

from kubectl_netdoc.cni.base import Image
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.records.services import Service

SINCE = {
    "multisocket": "1.12",
    "nomad": "1.13",
    "quic": "1.13",
    "grpc_server": "1.14",
    "https": "1.14",
    "https3": "1.14",
    "proxyproto": "1.14",
    "dynupdate": "1.15",
    "shed": "1.15",
    "siit": "1.15",
}
"""Plugins that 1.11 had not, with the first minor version that was seen to have them."""

ALL = frozenset(
    {
        *("acl", "any", "auto", "autopath", "azure", "bind", "bufsize", "cache", "cancel", "chaos", "clouddns", "debug", "dns64"),
        *("dnssec", "dnstap", "erratic", "errors", "etcd", "file", "forward", "geoip", "grpc", "header", "health", "hosts"),
        *("k8s_external", "kubernetes", "loadbalance", "local", "log", "loop", "metadata", "minimal", "nsid", "on", "pprof"),
        *("prometheus", "ready", "reload", "rewrite", "root", "route53", "secondary", "sign", "template", "timeouts", "tls"),
        *("trace", "transfer", "tsig", "view", "whoami", "import", *SINCE),
    }
)
"""All of them, and ``import``, which the parser itself knows."""


_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def known(name: str, found: set[str]) -> bool:
    """Tell whether CoreDNS comes with a plugin in each of these versions, or, where they can't be told, in some version."""
    least = tuple(map(int, SINCE[name].split("."))) if name in SINCE else (0, 0)
    numbers = [_number(text) for text in found]
    return name in ALL and all(number is None or number >= least for number in numbers)


def _number(version: str) -> tuple[int, int] | None:
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2])) if found else None


def versions(cluster: Cluster, dns: Service) -> set[str]:
    """Return the versions that the images of the DNS servers are called: those of the pods, else that of their workload."""
    owner = cluster_dns.workload(cluster, dns)
    specs = [pod.spec for pod in cluster_dns.pods(cluster, dns)] if cluster.readable(POD) else []
    specs = specs or ([owner[1].spec.template.spec] if owner else [])
    images = map(Image.parse, (container.image for spec in specs for container in spec.containers))
    return {image.version for image in images if image.version and "coredns" in image.repository}


def all_before(cluster: Cluster, dns: Service, version: tuple[int, int]) -> bool:
    """Tell whether the servers' images are known to be of versions before one."""
    numbers = [_number(text) for text in versions(cluster, dns)]
    return bool(numbers) and all(number is not None and number < version for number in numbers)
