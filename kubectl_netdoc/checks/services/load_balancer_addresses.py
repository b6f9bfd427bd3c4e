# SPDX-License-Identifier: Apache-2.0
"""Is each address that MetalLB gave to a Service announced, and by one node only?

## What it looks at
MetalLB's speaker: the nodes that it runs on, its flags, the nodes' label node.kubernetes.io/exclude-from-external-load-balancers,
and whether it announces by ARP (an L2Advertisement exists). The Services of type LoadBalancer that have an address of MetalLB's.
The mode and strictARP of kube-proxy.

## Why it matters
MetalLB assigns an address and writes it into the Service even where no node will announce it: kubeadm sets that label on control
planes, and on a cluster of control planes alone no node is left. In ipvs mode every node has the address on kube-ipvs0 and
answers ARP for it unless strictARP is set, so clients reach whichever node answers first.

## What it can't see
Nodes that MetalLB leaves out for other reasons (nodeSelectors of an L2Advertisement, a BGP session that is down, an
externalTrafficPolicy without a pod there). A kube-proxy whose mode is set on the nodes alone. Others that assign addresses
(kube-vip, Cilium).

## Sources
MetalLB: Preparation (strictARP), Troubleshooting (exclude-from-external-load-balancers), release notes v0.14.0 (the label counts,
by ARP and by BGP) and v0.14.4 (--ignore-exclude-lb); Kubernetes: Well-Known Labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    METALLB_L2,
    NETWORK_AGENT,
    NODE,
    POD,
    SERVICE,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Needs,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Unseen,
    some,
)
from kubectl_netdoc.cni import Image, Workload
from kubectl_netdoc.cni.base import repository, yes
from kubectl_netdoc.components import kube_proxy

SPEAKER = repository("metallb/speaker")
OF_OPENSHIFT = repository("metallb-rhel8", "metallb-rhel9")
"""OpenShift's image also runs the controller; the speaker's container is the one of that name."""

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""The label's value does not matter (internal/k8s/nodes)."""

SINCE = 14
"""Minor version of MetalLB (v0.14) from which the label matters."""

SHOWN = 3
"""Nodes that a message names at most; the evidence has all."""

UNANNOUNCED = Code(
    id="LBA001",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="No node announces a Service's address",
    message="No node announces {ip}, the address of Service {namespace}/{name}: every node with MetalLB's speaker ({shown}) "
    "has the label {label}, and the speaker runs without --ignore-exclude-lb",
    fix="Remove the label from the nodes that should announce addresses, as the command does for {first} (kubeadm sets it "
    "on control planes). Or give the speaker the flag --ignore-exclude-lb (Helm: speaker.ignoreExcludeLB; MetalLB v0.14.4 or "
    "later).",
    commands=(
        "kubectl get nodes -L {label}",
        "kubectl label node {first} {label}-",
        "kubectl -n {space} get daemonset {speaker} -o yaml",
    ),
)
ALL_ANSWER = Code(
    id="LBA002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Every node answers ARP for MetalLB's addresses",
    message="kube-proxy is set to ipvs mode without strictARP ({place}), and MetalLB announces addresses by ARP: every node "
    "has these addresses on kube-ipvs0 and answers ARP for them, whichever node MetalLB chose",
    fix="Set ipvs.strictARP: true in kube-proxy's configuration (as a flag: --ipvs-strict-arp), then restart kube-proxy "
    "node by node.",
    commands=("kubectl -n {space} edit {kind} {object}", kube_proxy.ROLLOUT_RESTART),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the speakers' nodes, then who answers ARP."""
    cluster = facts.cluster
    speakers = [item for item in cluster.all(DAEMON_SET) if _speaks(item)]
    if not speakers:
        raise Skip("MetalLB is not installed", not_applicable=True)
    for speaker in speakers:
        yield from _excluded(cluster, speaker)
    yield from _all_answer(cluster)


def _speaks(item: Workload) -> bool:
    images = [(c.name, Image.parse(c.image).repository) for c in item.template.spec.containers]
    return any(SPEAKER.search(image) or (name == "speaker" and OF_OPENSHIFT.search(image)) for name, image in images)


def _flags(cluster: Cluster, speaker: Workload) -> dict[str, str] | None:
    """The speaker's flags; None where they can't be read, or a bundle is older than this check and has none."""
    if METALLB_L2.name not in cluster.index.listings:
        return None
    items = cluster.all(NETWORK_AGENT) if cluster.readable(NETWORK_AGENT) else ()
    return next((item.settings for item in items if (item.namespace, item.name) == _key(speaker)), None)


def _key(item: Workload) -> tuple[str, str]:
    return item.namespace, item.name


def _excluded(cluster: Cluster, speaker: Workload) -> Iterator[Finding | Unseen]:
    """Services whose addresses nobody announces, as the label leaves out every node that could."""
    on = _on(cluster, speaker)
    excluded = sorted(node.name for node in cluster.all(NODE) if node.name in on and EXCLUDED in node.metadata.labels)
    if not excluded or len(excluded) < len(on) or not _respects_label(speaker):
        return
    flags = _flags(cluster, speaker)
    if flags is None:
        yield Unseen("which nodes announce MetalLB's addresses", "the flags of its speaker can't be read", expected=True)
    elif flags.get("ignore-exclude-lb", "false") == "false":
        space, name = _key(speaker)
        numbers = {
            "count": len(excluded),
            "shown": some(excluded, SHOWN),
            "first": excluded[0],
            "nodes": excluded,
        }
        for service in _served(cluster, flags.get("lb-class", "")):
            ips = [each.ip for each in service.status.load_balancer.ingress if each.ip]
            subject = Subject("Service", service.name, service.namespace)
            yield UNANNOUNCED.on(subject, numbers, ip=", ".join(ips), label=EXCLUDED, space=space, speaker=name)


def _on(cluster: Cluster, speaker: Workload) -> set[str]:
    """The nodes that the speaker runs on."""
    return {pod.spec.node_name for pod in cni.pods_of(cluster, speaker) if not pod.terminating} - {""}


def _respects_label(speaker: Workload) -> bool:
    """Whether the speaker's version leaves labelled nodes out; a version that is not known counts as new."""
    versions = [Image.parse(container.image).version for container in speaker.template.spec.containers]
    found = [re.match(r"v?0\.(\d+)\.", version) for version in versions]
    return all(int(each[1]) >= SINCE for each in found if each)


def _served(cluster: Cluster, class_: str) -> list[Service]:
    """Services with an address of MetalLB's: those that it marked; where it marked none, all of its class that have an address
    which is no node's (those are of k3s's own load balancer).
    """
    nodes = {each.address for node in cluster.all(NODE) for each in node.status.addresses}
    served = [
        service
        for service in cluster.services()
        if service.spec.type == "LoadBalancer"
        and service.spec.load_balancer_class == class_
        and any(each.ip and each.ip not in nodes for each in service.status.load_balancer.ingress)
    ]
    marked = [each for each in served if each.metadata.annotations.metallb_pool or each.metadata.annotations.metallb_pool_before]
    return marked or served


def _all_answer(cluster: Cluster) -> Iterator[Finding]:
    """kube-proxy in ipvs mode without strictARP, beside MetalLB that announces by ARP."""
    mode, place = kube_proxy.configured(cluster)
    proxies = kube_proxy.pods(cluster)
    by_arp = cluster.readable(METALLB_L2) and bool(cluster.all(METALLB_L2))
    strict, _ = kube_proxy.setting(cluster, "strictARP", "ipvs-strict-arp")
    if mode != "ipvs" or place is None or not proxies or not by_arp or yes(strict):
        return
    if not (kube_proxy.replaced_by(cluster) or kube_proxy.replacement_unknown(cluster)):
        owner = kube_proxy.names(proxies)["owner"]
        names = {"place": place, "kind": place.kind.lower(), "space": place.namespace, "object": place.name, "owner": owner}
        yield ALL_ANSWER.on(Subject("Cluster", "kube-proxy"), names)


check = Check(
    id="load_balancer_addresses",
    title="MetalLB's addresses are announced, by one node each",
    prefix="LBA",
    needs=Needs(kinds=(NODE, POD, SERVICE, DAEMON_SET), hints=tuple(dict.fromkeys((METALLB_L2, *kube_proxy.HINTS)))),
    codes=(UNANNOUNCED, ALL_ANSWER),
    analyse=analyse,
)
