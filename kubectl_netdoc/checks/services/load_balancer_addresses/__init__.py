# SPDX-License-Identifier: Apache-2.0
"""Do the addresses of load balancers work: announced by one node, and as pods in the cluster use them?

## What it looks at
MetalLB's speaker: the nodes that it runs on, its flags, the nodes' label node.kubernetes.io/exclude-from-external-load-balancers.
The Services that MetalLB gave an address, the advertisements (by ARP or BGP) that are for its pool, what their selectors of nodes
and Services leave, whether there is a BGPPeer, and with externalTrafficPolicy Local where ready pods are. The mode and strictARP
of kube-proxy. Of every load balancer with an address whether it sends the PROXY protocol, and its source ranges.

## Why it matters
MetalLB assigns an address and writes it into the Service even where no node will announce it: kubeadm sets that label on control
planes, and a pool without an advertisement is announced by nobody. Inside the cluster the address works all the same, as
kube-proxy takes it. In ipvs mode every node has the address on kube-ipvs0 and answers ARP for it unless strictARP is set, so
clients reach whichever node answers first.

## What it can't see
A BGP session that is down, interfaces that an L2Advertisement names and no node has. A kube-proxy whose mode is set on the nodes
alone. Others that assign addresses (kube-vip, Cilium). Whether a pod uses a load balancer's address, so what differs for pods
there is advice.

## Sources
MetalLB: Preparation (strictARP), Troubleshooting (exclude-from-external-load-balancers), release notes v0.14.0 (the label counts,
by ARP and by BGP) and v0.14.4 (--ignore-exclude-lb), speaker/layer2_controller.go and bgp_controller.go (ShouldAnnounce);
Kubernetes: Well-Known Labels, KEP-1860 (ipMode), Service (loadBalancerSourceRanges); cert-manager#466, kubernetes#109575.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    METALLB_KINDS,
    NODE,
    POD,
    SERVICE,
    Check,
    Facts,
    Finding,
    Needs,
    Skip,
    Unseen,
)
from kubectl_netdoc.checks.services.load_balancer_addresses import announced, arp, inside
from kubectl_netdoc.components import kube_proxy


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge who announces MetalLB's addresses, who answers ARP, then what pods meet at each address."""
    cluster = facts.cluster
    speakers = announced.announcers(cluster)
    balanced = [each for each in cluster.services() if each.spec.type == "LoadBalancer" and each.status.load_balancer.ingress]
    if not speakers and not balanced:
        raise Skip("MetalLB is not installed, and no load balancer has an address", not_applicable=True)
    for speaker in speakers:
        yield from announced.unannounced(cluster, speaker)
    if speakers:
        yield from arp.all_answer(cluster)
    for service in balanced:
        yield from inside.bypassed(cluster, service)


check = Check(
    id="load_balancer_addresses",
    title="Addresses of load balancers are announced, by one node each",
    prefix="LBA",
    needs=Needs(
        kinds=(NODE, POD, SERVICE, DAEMON_SET), hints=tuple(dict.fromkeys((ENDPOINT_SLICE, *METALLB_KINDS, *kube_proxy.HINTS)))
    ),
    codes=(*announced.CODES, *arp.CODES, *inside.CODES),
    analyse=analyse,
)
