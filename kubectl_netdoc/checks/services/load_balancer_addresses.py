# SPDX-License-Identifier: Apache-2.0
"""Is the address of each Service that MetalLB gave one announced, and by one node?

## What it looks at
MetalLB's speaker: the nodes that it runs on, its flags, their label node.kubernetes.io/exclude-from-external-load-balancers, and
whether it announces by ARP (an L2Advertisement is there); the Services of type LoadBalancer that have an address of its; the mode
and strictARP of kube-proxy.

## Why it matters
MetalLB gives an address and says so in the Service even where no node will announce it: kubeadm puts that label on control
planes, and on a cluster of control planes alone nobody is left. In ipvs mode every node has the address on kube-ipvs0, and
answers ARP for it unless strictARP is set: clients get to whichever node was the fastest.

## What it can't see
Nodes that MetalLB leaves out for other reasons (nodeSelectors of an L2Advertisement, a BGP session that is down, an
externalTrafficPolicy without a pod there). A kube-proxy whose mode stands on the nodes alone. Other makers of addresses
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
"""OpenShift's image is that of the controller too; there the container is called speaker."""

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""The label's value does not count (internal/k8s/nodes)."""

SINCE = 14
"""Minor version of MetalLB (v0.14) from which the label counts."""

SHOWN = 3
"""Nodes that a sentence names at most; the evidence has all."""

UNANNOUNCED = Code(
    id="LBA001",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="No node announces a Service's address",
    message="The address {ip} of Service {namespace}/{name} is announced by no node: all {count} nodes with MetalLB's speaker "
    "({shown}) have the label {label}, and the speaker runs without --ignore-exclude-lb",
    fix="Take the label off the nodes that are to announce addresses (kubeadm puts it on control planes), or give the speaker "
    "the flag --ignore-exclude-lb (Helm: speaker.ignoreExcludeLB; MetalLB v0.14.4 or later).",
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
    message="kube-proxy is set to ipvs mode without strictARP ({place}), and MetalLB announces addresses by ARP: every node has "
    "them on kube-ipvs0 and answers for them, whichever MetalLB chose",
    fix="Set ipvs.strictARP: true in kube-proxy's configuration (as a flag: --ipvs-strict-arp), then restart it node by node.",
    commands=(
        "kubectl -n {space} edit {kind} {object}",
        "kubectl -n {space} rollout restart daemonset {owner}",
    ),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the speakers' nodes, then what ARP comes to."""
    cluster = facts.cluster
    speakers = [item for item in cluster.all(DAEMON_SET) if _speaks(item)]
    if not speakers:
        raise Skip("MetalLB is not there", moot=True)
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
    """Services of whose addresses nobody tells, as each node that could is left out by its label."""
    on = _on(cluster, speaker)
    out = sorted(node.name for node in cluster.all(NODE) if node.name in on and EXCLUDED in node.metadata.labels)
    if not out or len(out) < len(on) or not _minds(speaker):
        return
    flags = _flags(cluster, speaker)
    if flags is None:
        yield Unseen("who announces MetalLB's addresses", "its speaker's flags could not be read", asked=True)
    elif flags.get("ignore-exclude-lb", "false") == "false":
        space, name = _key(speaker)
        numbers = {"count": len(out), "shown": some(out, SHOWN), "first": out[0], "nodes": out, "label": EXCLUDED}
        for service in _given(cluster, flags.get("lb-class", "")):
            ips = [each.ip for each in service.status.load_balancer.ingress if each.ip]
            subject = Subject("Service", service.name, service.namespace)
            yield UNANNOUNCED.on(subject, numbers, ip=", ".join(ips), space=space, speaker=name)


def _on(cluster: Cluster, speaker: Workload) -> set[str]:
    """The nodes that the speaker runs on."""
    return {pod.spec.node_name for pod in cni.pods_of(cluster, speaker) if not pod.terminating} - {""}


def _minds(speaker: Workload) -> bool:
    """Whether it is of a version that minds the label; one that does not tell is taken for a new one."""
    versions = [Image.parse(container.image).version for container in speaker.template.spec.containers]
    found = [re.match(r"v?0\.(\d+)\.", version) for version in versions]
    return all(int(each[1]) >= SINCE for each in found if each)


def _given(cluster: Cluster, class_: str) -> list[Service]:
    """Services with an address of MetalLB's: those that it marked; where it marked none, all that it serves and that have an
    address which is no node's (as k3s's own load balancer gives).
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
    """What ipvs mode does beside MetalLB's ARP, where kube-proxy is at work and says that it is in that mode."""
    mode, place = kube_proxy.configured(cluster)
    proxies = [pod for pods in kube_proxy.pods(cluster).values() for pod in pods]
    by_arp = cluster.readable(METALLB_L2) and bool(cluster.all(METALLB_L2))
    strict, _ = kube_proxy.setting(cluster, "strictARP", "ipvs-strict-arp")
    if (
        mode != "ipvs"
        or not proxies
        or not by_arp
        or yes(strict)
        or kube_proxy.replaced_by(cluster)
        or kube_proxy.replacement_unknown(cluster)
    ):
        return
    kind, _, name = place.partition(" ")
    space, _, object_ = name.partition("/")
    owners = [owner.name for pod in proxies for owner in pod.metadata.owner_references if owner.kind == "DaemonSet"]
    words = {"place": place, "kind": kind.lower(), "space": space, "object": object_, "owner": next(iter(owners), "kube-proxy")}
    yield ALL_ANSWER.on(Subject("Cluster", "kube-proxy"), words)


check = Check(
    id="load_balancer_addresses",
    title="MetalLB's addresses are announced, by one node each",
    prefix="LBA",
    needs=Needs(kinds=(NODE, POD, SERVICE, DAEMON_SET), hints=tuple(dict.fromkeys((METALLB_L2, *kube_proxy.HINTS)))),
    codes=(UNANNOUNCED, ALL_ANSWER),
    analyse=analyse,
)
