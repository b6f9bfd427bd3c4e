# SPDX-License-Identifier: Apache-2.0
"""The plugins that CoreDNS is released with, by version.

An image of one's own may have more, and fewer.
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import Image
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.versions import Stage, change, parse

PLUGINS = change("coredns-plugins")
"""Plugins that the oldest of them had not, as stages."""

FORWARD_NAMES = change("coredns-forward-names")["taken"]

ALL = frozenset(
    {
        *("acl", "any", "auto", "autopath", "azure", "bind", "bufsize", "cache", "cancel", "chaos", "clouddns", "debug", "dns64"),
        *("dnssec", "dnstap", "erratic", "errors", "etcd", "file", "forward", "geoip", "grpc", "header", "health", "hosts"),
        *("k8s_external", "kubernetes", "loadbalance", "local", "log", "loop", "metadata", "minimal", "nsid", "on", "pprof"),
        *("prometheus", "ready", "reload", "rewrite", "root", "route53", "secondary", "sign", "template", "timeouts", "tls"),
        *("trace", "transfer", "tsig", "view", "whoami", "import", *PLUGINS.stages),
    }
)
"""All of them, and ``import``, which the parser itself knows."""


def known(name: str, found: set[str]) -> bool:
    """Tell whether CoreDNS comes with a plugin in each of these versions, or, where they can't be told, in some version."""
    told = filter(parse, found)
    return name in ALL and (name not in PLUGINS.stages or all(PLUGINS.reached(name, text) for text in told))


def versions(cluster: Cluster, dns: Service) -> set[str]:
    """Return the versions that the images of the DNS servers are called: those of the pods, else that of their workload."""
    owner = cluster_dns.workload(cluster, dns)
    specs = [pod.spec for pod in cluster_dns.pods(cluster, dns)] if cluster.readable(POD) else []
    specs = specs or ([owner[1].spec.template.spec] if owner else [])
    images = map(Image.parse, (container.image for spec in specs for container in spec.containers))
    return {image.version for image in images if image.version and "coredns" in image.repository}


def all_before(cluster: Cluster, dns: Service, stage: Stage) -> bool:
    """Tell whether the servers' images are known to be of versions before a stage."""
    numbers = [parse(text) for text in versions(cluster, dns)]
    return bool(numbers) and all(number and not stage.reached(number) for number in numbers)
