# SPDX-License-Identifier: Apache-2.0
"""Addresses that MetalLB gave to Services and that no node announces, or that a node has already."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    METALLB_BGP,
    METALLB_L2,
    METALLB_PEER,
    METALLB_POOL,
    NETWORK_AGENT,
    NODE,
    Advertisement,
    Cluster,
    Code,
    Finding,
    Node,
    ObjectRef,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    selects,
    some,
)
from kubectl_netdoc.cni import Image, Workload
from kubectl_netdoc.cni.base import repository

SPEAKER = repository("metallb/speaker")
OF_OPENSHIFT = repository("metallb-rhel8", "metallb-rhel9")
"""OpenShift's image also runs the controller; the speaker's container is the one of that name."""

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""The label's value does not matter (internal/k8s/nodes)."""

SINCE = 14
"""Minor version of MetalLB (v0.14) from which the label matters."""

SHOWN = 3
"""Nodes that a message names at most; the evidence has all."""

ADVERTISED = "kubectl -n {space} get ipaddresspools,l2advertisements,bgpadvertisements,bgppeers -o yaml"

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
NOT_ADVERTISED = Code(
    id="LBA003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="MetalLB was not told to announce a Service's address",
    message="No node announces {ip}, the address that MetalLB gave to Service {namespace}/{name} from pool {pool}: of its {l2} "
    "L2Advertisements and {bgp} BGPAdvertisements in namespace {space}, none is for that pool and Service{elsewhere}",
    fix="Create an L2Advertisement (by ARP and NDP) or a BGPAdvertisement in namespace {space} that names pool {pool} in "
    "ipAddressPools, or mend the selectors of one that should be for it.",
    commands=(ADVERTISED, "kubectl -n {namespace} get service {name} -o wide --show-labels"),
)
NO_NODE_LEFT = Code(
    id="LBA004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="No node may announce a Service's address",
    message="No node announces {ip}, the address that MetalLB gave to Service {namespace}/{name} from pool {pool}: {why}",
    fix="{mend}",
    commands=(ADVERTISED, "kubectl -n {space} get pods -o wide", "kubectl -n {namespace} get endpointslices -o wide"),
)
OF_A_NODE = Code(
    id="LBA005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="MetalLB gave a Service the address of a node",
    message="MetalLB gave Service {namespace}/{name} the address {ip} from pool {pool}, which is that of node {node}, and may "
    "have other nodes answer ARP for it ({others}): what is meant for {node} then ends there",
    fix="Take the nodes' addresses out of pool {pool}. Then have the Service get another one: set its type to ClusterIP and "
    "back to LoadBalancer.",
    commands=("kubectl get nodes -o wide", "kubectl -n {space} get ipaddresspool {pool} -o yaml"),
)


class Announcer(Struct, frozen=True):
    """A speaker of MetalLB's: its DaemonSet, and the nodes that it runs on."""

    daemon_set: Workload
    nodes: frozenset[str]

    @property
    def names(self) -> dict[str, str]:
        """Where it is, for sentences and commands."""
        return {"space": self.daemon_set.namespace, "speaker": self.daemon_set.name}


class Spoken(Struct, frozen=True):
    """What is to announce a Service's address: advertisements, and the nodes that these leave by ARP and by BGP."""

    advertisements: tuple[str, ...]
    by_arp: frozenset[str]
    by_bgp: frozenset[str]
    no_peer: bool


def announcers(cluster: Cluster) -> list[Announcer]:
    """Return MetalLB's speakers."""
    found = [item for item in cluster.all(DAEMON_SET) if _speaks(item)]
    return [Announcer(item, _on(cluster, item)) for item in found]


def _speaks(item: Workload) -> bool:
    images = [(c.name, Image.parse(c.image).repository) for c in item.template.spec.containers]
    return any(SPEAKER.search(image) or (name == "speaker" and OF_OPENSHIFT.search(image)) for name, image in images)


def _on(cluster: Cluster, speaker: Workload) -> frozenset[str]:
    pods = [pod for pod in cni.pods_of(cluster, speaker) if not pod.terminating]
    return frozenset(pod.spec.node_name for pod in pods) - {""}


def unannounced(cluster: Cluster, speaker: Announcer) -> Iterator[Finding | Unseen]:
    """Report each Service whose address nobody announces, by the first thing that keeps all nodes from it."""
    flags = _flags(cluster, speaker)
    excluded = _excluded(cluster, speaker)
    all_excluded = bool(excluded) and excluded == speaker.nodes
    if all_excluded and flags is None:
        yield Unseen("which nodes announce MetalLB's addresses", "the flags of its speaker can't be read", expected=True)
    heeded = flags is not None and flags.get("ignore-exclude-lb", "false") == "false"
    for service in _served(cluster, (flags or {}).get("lb-class", "")):
        names = speaker.names | {"ip": ", ".join(_ips(service)), "pool": pool_of(service)}
        spoken, out = _spoken(cluster, speaker, service), excluded if heeded else frozenset()
        if spoken is not None and not spoken.advertisements:
            yield _not_advertised(cluster, service, names)
        elif all_excluded and heeded:
            numbers = {"count": len(excluded), "shown": some(sorted(excluded), SHOWN), "nodes": sorted(excluded)}
            more = {"label": EXCLUDED, "first": min(excluded)}
            yield UNANNOUNCED.on(Subject.of("Service", service), numbers | names | more)
        elif spoken is not None and flags is not None:
            yield from _of_a_node(cluster, service, spoken.by_arp - out, names)
            yield from _no_node_left(cluster, service, spoken, (spoken.by_arp | spoken.by_bgp) - out, names)


def _flags(cluster: Cluster, speaker: Announcer) -> dict[str, str] | None:
    """The speaker's flags; None where they can't be read, or a bundle is older than this check and has none."""
    if METALLB_L2.name not in cluster.index.listings:
        return None
    items = cluster.all(NETWORK_AGENT) if cluster.readable(NETWORK_AGENT) else ()
    own = (speaker.daemon_set.namespace, speaker.daemon_set.name)
    return next((item.settings for item in items if (item.namespace, item.name) == own), None)


def _excluded(cluster: Cluster, speaker: Announcer) -> frozenset[str]:
    """The speaker's nodes that the label leaves out; a version that is not known counts as new."""
    versions = [Image.parse(container.image).version for container in speaker.daemon_set.template.spec.containers]
    found = [re.match(r"v?0\.(\d+)\.", version) for version in versions]
    if not all(int(each[1]) >= SINCE for each in found if each):
        return frozenset()
    return frozenset(node.name for node in cluster.all(NODE) if EXCLUDED in node.metadata.labels) & speaker.nodes


def _served(cluster: Cluster, class_: str) -> list[Service]:
    """Services with an address of MetalLB's: those that it marked; where it marked none, all of its class that have an address
    which is no node's (those are of k3s's own load balancer).
    """
    nodes = {each.address for node in cluster.all(NODE) for each in node.status.addresses}
    given = [each for each in cluster.services() if each.spec.type == "LoadBalancer" and _ips(each)]
    marked = [each for each in given if pool_of(each)]
    served = [each for each in given if not set(_ips(each)) <= nodes and each.spec.load_balancer_class == class_]
    return marked or served


def _ips(service: Service) -> list[str]:
    return [each.ip for each in service.status.load_balancer.ingress if each.ip]


def pool_of(service: Service) -> str:
    """Return the pool that MetalLB says it took a Service's address from; "" where it did not."""
    return service.metadata.annotations.metallb_pool or service.metadata.annotations.metallb_pool_before


def _of_a_node(cluster: Cluster, service: Service, nodes: frozenset[str], names: dict[str, str]) -> Iterator[Finding]:
    """An address that is a node's, and that another node may answer ARP for."""
    owners = {each.address: node for node in cluster.all(NODE) for each in node.status.addresses if each.type == "InternalIP"}
    for ip in _ips(service):
        if ip in owners and (others := nodes - {owners[ip].name}):
            words = {"ip": ip, "node": owners[ip].name, "others": some(sorted(others), SHOWN), "nodes": [owners[ip].name]}
            yield OF_A_NODE.on(Subject.of("Service", service), names | words)


def _spoken(cluster: Cluster, speaker: Announcer, service: Service) -> Spoken | None:
    """Return what announces a Service's address; None where that can't be read."""
    kinds = (METALLB_L2, METALLB_BGP, METALLB_PEER)
    if not (pool_of(service) and all(map(cluster.readable, kinds))):
        return None
    l2, bgp, peers = ([item for item in cluster.all(kind) if item.namespace == speaker.names["space"]] for kind in kinds)
    nodes = [node for node in cluster.all(NODE) if node.name in speaker.nodes]
    l2, bgp = ([each for each in found if _is_for(cluster, each, service)] for found in (l2, bgp))
    ways = [(each, peer) for each in bgp for peer in peers if not each.spec.peers or peer.name in each.spec.peers]
    return Spoken(
        (*(f"L2Advertisement {each.name}" for each in l2), *(f"BGPAdvertisement {each.name}" for each in bgp)),
        frozenset(node.name for node in nodes if any(_any_of(each.spec.node_selectors, node) for each in l2)),
        frozenset(node.name for node in nodes if any(all(_any_of(end.spec.node_selectors, node) for end in way) for way in ways)),
        no_peer=not l2 and not peers,
    )


def _any_of(selectors: tuple[object, ...], item: Node | Service) -> bool:
    """Tell whether one of the selectors selects an object; none is no limit."""
    return not selectors or any(selects(each, item.metadata.labels) for each in selectors)  # type: ignore[arg-type]


def _is_for(cluster: Cluster, item: Advertisement, service: Service) -> bool:
    """Tell whether an advertisement is for a Service's pool and for the Service. Pools that can't be read may be selected."""
    spec, pool = item.spec, pool_of(service)
    if not _any_of(spec.service_selectors, service):
        return False
    if (not spec.pools and not spec.pool_selectors) or pool in spec.pools:
        return True
    if spec.pool_selectors and not cluster.readable(METALLB_POOL):
        return True
    pools = [each for each in cluster.all(METALLB_POOL) if each.name == pool] if spec.pool_selectors else []
    return any(selects(each, found.metadata.labels) for each in spec.pool_selectors for found in pools)


def _not_advertised(cluster: Cluster, service: Service, names: dict[str, str]) -> Finding:
    counts: dict[str, object] = {}
    lost: list[ObjectRef] = []
    for key, kind in (("l2", METALLB_L2), ("bgp", METALLB_BGP)):
        own = [each for each in cluster.all(kind) if each.namespace == names["space"]]
        counts[key] = len(own)
        strangers = [each for each in cluster.all(kind) if each not in own and _is_for(cluster, each, service)]
        lost += [ObjectRef.to(kind.name, each) for each in strangers]
    elsewhere = f"; MetalLB does not look at {some(lost, SHOWN)} in another namespace" if lost else ""
    return NOT_ADVERTISED.on(Subject.of("Service", service), counts | names, elsewhere=elsewhere, objects=lost)


def _no_node_left(
    cluster: Cluster, service: Service, spoken: Spoken, nodes: frozenset[str], names: dict[str, str]
) -> Iterator[Finding]:
    """Report a Service for which the selectors of nodes, or its externalTrafficPolicy, leave no node."""
    told = some(spoken.advertisements, SHOWN)
    ready = _nodes_with_endpoints(cluster, service)
    if spoken.no_peer:
        why = f"it is to be announced by BGP ({told}), and there is no BGPPeer in namespace {names['space']}"
        mend = f"Create a BGPPeer in namespace {names['space']} for the router, or an L2Advertisement for pool {names['pool']}."
    elif not nodes:
        why = f"the selectors of nodes (those of {told}, of BGPPeers) leave no node on which MetalLB's speaker runs"
        mend = "Mend the nodeSelectors, label the nodes that should announce it, or see why MetalLB's speaker does not run there."
    elif service.spec.external_traffic_policy == "Local" and ready and not ready & nodes:
        why = (
            f"its externalTrafficPolicy is Local, its ready pods run on {some(sorted(ready), SHOWN)}, and only "
            f"{some(sorted(nodes), SHOWN)} may announce it ({told})"
        )
        mend = (
            "Let nodes with its pods announce it (nodeSelectors, the label exclude-from-external-load-balancers, the speaker's "
            "tolerations), let pods run on nodes that do, or set externalTrafficPolicy to Cluster."
        )
    else:
        return
    evidence = {"advertisements": list(spoken.advertisements), "may": sorted(nodes), "ready": sorted(ready)}
    yield NO_NODE_LEFT.on(Subject.of("Service", service), names | {"why": why, "mend": mend} | evidence)


def _nodes_with_endpoints(cluster: Cluster, service: Service) -> frozenset[str]:
    """The nodes with endpoints that serve; a Service without any has a fault of its own."""
    slices = cluster.slices_of(service) if cluster.readable(ENDPOINT_SLICE) else []
    ends = [end for each in slices for end in each.endpoints if end.conditions.ready or end.conditions.serving]
    return frozenset(end.node_name for end in ends) if all(end.node_name for end in ends) else frozenset()


CODES = (UNANNOUNCED, NOT_ADVERTISED, NO_NODE_LEFT, OF_A_NODE)
