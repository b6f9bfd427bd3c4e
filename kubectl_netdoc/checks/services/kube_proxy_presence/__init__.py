# SPDX-License-Identifier: Apache-2.0
"""Does each node have kube-proxy, or one replacement for it?

## What it looks at
The kube-proxy pods of each ready Linux node, the versions of their images, what the logs of those that crash say last, and the
networks that are set to replace kube-proxy (Cilium, Calico's eBPF data plane, kube-router, OVN-Kubernetes, Antrea's proxyAll, GKE
Dataplane V2), which make it right to have none. Where a node seems to have neither, netdoc's own Service is measured from there.

## Why it matters
Without kube-proxy a node keeps the rules that it had, and every Service that changes is wrong there; a node that starts has no
rules at all. What stops kube-proxy is mostly the same on all nodes, so nodes with the same fault are reported together. Two
kube-proxies overwrite each other's rules, and a version that the API server does not support fails at the next upgrade.

## What it can't see
A kube-proxy that has no pod: k3s, MicroK8s and EKS Auto Mode run it in the node's own software, which netdoc recognises by the
nodes' labels and versions. Elsewhere, where no kube-proxy is found and Services work, something does its work that netdoc does
not know.

## Sources
Kubernetes: Version Skew Policy (kube-proxy); kube-proxy; Cilium: Kubernetes without kube-proxy; Calico: Enable the eBPF data
plane; failure catalogue K15.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import NODE, POD, Check, Facts, Finding, Made, Needs, Skip, Tier, Unseen, joined
from kubectl_netdoc.checks.services.kube_proxy_presence import absent, services_work, several
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import own_policies as policies


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Tell what does kube-proxy's work on each node."""
    cluster = facts.cluster
    proxies = kube_proxy.pods(cluster)
    if network := kube_proxy.replaced_by(cluster):
        yield from several.beside_replacement(proxies, network)
        return
    nodes = [node for node in kube_proxy.expected_nodes(cluster) if not kube_proxy.embedded(node)]
    if not nodes:
        within = sorted({kube_proxy.embedded(node) for node in cluster.all(NODE)} - {""})
        minutes = int(kube_proxy.FIRST_START.total_seconds() // 60)
        none = f"no node should run kube-proxy, or all that should have joined less than {minutes} minutes ago"
        raise Skip(f"kube-proxy is part of {joined(within)}" if within else none, not_applicable=True)
    if proxies:
        yield from absent.analyse(facts, nodes, proxies)
        yield from several.doubled(cluster, proxies)
        yield from several.skew(cluster, proxies)
    else:
        yield from absent.without_pods(facts)


check = Check(
    id="kube_proxy_presence",
    title="Each node has kube-proxy, or one replacement",
    prefix="KPP",
    needs=Needs(
        kinds=(NODE, POD),
        hints=tuple(dict.fromkeys((*kube_proxy.HINTS, *policies.KINDS))),
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(*absent.CODES, *several.CODES),
    plan=services_work.plan,
    analyse=analyse,
)
