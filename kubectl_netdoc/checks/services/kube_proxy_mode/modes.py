# SPDX-License-Identifier: Apache-2.0
"""kube-proxy's mode: other than set, different between nodes, with remains of another one, outdated or slow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NETWORK_AGENT,
    NODE,
    POD,
    SERVICE,
    Cluster,
    Code,
    Facts,
    Finding,
    ObjectRef,
    Pod,
    Risk,
    RtnetlinkReply,
    Severity,
    Subject,
    on_node,
    shell_word,
    some,
)
from kubectl_netdoc.checks.services.kube_proxy_mode.observed import CLUSTER, Observed
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import node_readings

ROLLING = timedelta(minutes=5)
"""A DaemonSet replaces one pod after the other: while the last one is younger than this, the change is still being rolled out."""

IPVS_MODE, NFTABLES_MODE = versions.change("kube-proxy-ipvs"), versions.change("kube-proxy-nftables")
DEFAULT_MODE = versions.change("kube-proxy-default-mode")
LINUX = versions.change("nftables-mode-kernel")["enough"]
LOCALHOST = versions.change("kube-proxy-nftables-localhost")

MANY = 1000
"""Services from which iptables mode slows new connections down (EKS Best Practices Guide; the blog measured 5,000 to 30,000)."""

SHOWN = 3
"""Nodes that a finding names, or gives a command for, at most."""

DEFAULTS = {"iptables", "nftables", "kernelspace"}
"""What an empty mode may mean, by version and system; never ipvs."""

OTHER_MODE = Code(
    id="KPX004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="kube-proxy is not in the mode that is set",
    message="{place} sets kube-proxy to {configured} mode, but on {nodes} it is in {effective} mode",
    fix="Restart kube-proxy node by node, as it reads its configuration only when it starts; or undo the change. If it was "
    "restarted since the change, its log says why it did not take {configured} mode.",
    commands=(kube_proxy.POD_LOG, kube_proxy.ROLLOUT_RESTART),
    rows=("K7",),
)
MIXED = Code(
    id="KPX005",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="kube-proxy's mode differs between nodes",
    message="kube-proxy is not in the same mode on all nodes: {modes}",
    fix="There is nothing to do while you move from one mode to the other. Otherwise set the same mode on all nodes.",
    commands=(kube_proxy.PODS,),
    rows=("K7",),
)
LEFT_BEHIND = Code(
    id="KPX006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Interface of ipvs mode left behind",
    message="On {nodes} kube-proxy is in {mode} mode, and the interface kube-ipvs0 of ipvs mode still has Service addresses "
    "({count}): a packet to one of them that no rule matches ends at the node itself",
    fix="Delete the interface on each of these nodes, and clear the table of ipvs there (ipvsadm --clear); or restart the nodes.",
    rows=("K7",),
)
IPVS_ENDS = Code(
    id="KPX007",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="kube-proxy will not start in ipvs mode after the next upgrade",
    message="kube-proxy is in ipvs mode ({how}), and the cluster's version is {server}: " + IPVS_MODE.told("off", "gone"),
    fix=f"Move to nftables mode before the upgrade, one node at a time. It needs kernel {LINUX} or later on every node.",
    commands=(kube_proxy.EDIT_CONFIG, kube_proxy.ROLLOUT_RESTART),
    rows=("K7",),
)
IPVS = Code(
    id="KPX010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="ipvs mode is deprecated",
    message="kube-proxy is in ipvs mode ({how}), and the cluster's version is {server}: "
    + IPVS_MODE.told("deprecated", "off", "gone"),
    fix=f"Plan the move to nftables mode, which needs Kubernetes {NFTABLES_MODE['stable']} and kernel {LINUX} on every node.",
    commands=("kubectl get nodes -o wide",),
    rows=("K7",),
)
NO_MODE = Code(
    id="KPX013",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="kube-proxy's mode is not set, and its default changes",
    message="{place} sets no mode, so kube-proxy is in its default, iptables, and the cluster's version is {server}: "
    + DEFAULT_MODE.told("switched"),
    fix="Set mode: iptables to keep it, or move to nftables mode when it suits you rather than with an upgrade. kube-proxy reads "
    f"that when it starts. nftables mode needs kernel {LINUX} or later on every node.",
    commands=(kube_proxy.EDIT_CONFIG, kube_proxy.ROLLOUT_RESTART),
    rows=("K7",),
)
MOVE = Code(
    id="KPX011",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="nftables mode would be faster",
    message="kube-proxy is in iptables mode ({how}) with {services} Services and {endpoints} endpoints: for each new connection "
    "the kernel tries the rules of all Services one after the other, where nftables mode needs one look-up. Kubernetes {server} "
    "and the kernel of every node ({kernels}) support nftables mode",
    fix="Make sure that the network works with nftables mode, then set mode: nftables and restart kube-proxy node by node. Node "
    "ports then answer on the nodes' first addresses only{localhost}.",
    commands=(kube_proxy.EDIT_CONFIG, kube_proxy.ROLLOUT_RESTART),
    rows=("K7",),
)

FROM_LOCALHOST = Code(
    id="KPX014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Images are pulled from a node port on localhost, which nftables mode does not answer",
    message="{count} pods pull images from {registry}, a node port of Service {namespace}/{name} ({pods}). On their nodes "
    "kube-proxy is in nftables mode, and until Kubernetes {answered} that does not answer node ports on 127.0.0.1: the next pull "
    "fails",
    fix="Name the registry by an address of the nodes, or by a host name that the container runtime resolves, in these images. "
    "Or go back to iptables mode until then.",
    commands=("kubectl -n {pod_space} describe pod {pod}", "kubectl -n {namespace} get service {name} -o wide"),
    rows=("K7",),
)

LOCAL_REGISTRY = re.compile(r"(?:localhost|127\.0\.0\.1):(\d+)/")
"""The beginning of the name of an image from a registry on the node itself."""


def analyse(facts: Facts, observed: Observed) -> Iterator[Finding]:
    """Judge the modes, then what another mode left behind, then whether another mode would be better."""
    yield from _modes(observed)
    yield from _leftovers(facts, observed)
    yield from _from_localhost(facts.cluster, observed)
    yield from _advice(facts.cluster, observed)


def _modes(observed: Observed) -> Iterator[Finding]:
    """Compare the modes with what is set, or (also while a change is being rolled out) with each other."""
    wanted = {observed.configured} if observed.configured else DEFAULTS if observed.place else set(kube_proxy.MODES)
    other = sorted(node for node, mode in observed.modes.items() if mode not in wanted and node in observed.proxies)
    flag = observed.place is not None and observed.place.kind == "DaemonSet"
    certain = flag or observed.cluster.readable(NETWORK_AGENT)  # a flag overrides the ConfigMap
    if other and certain and not _rolling(observed, wanted):
        names = {
            "place": observed.place,
            "configured": observed.configured or "the default",
            "effective": sorted({observed.modes[node] for node in other}),
            "nodes": other,
        }
        yield OTHER_MODE.on(CLUSTER, names | observed.names(other[0]))
    elif len(set(observed.modes.values())) > 1:
        by_mode: dict[str, list[str]] = {}
        for node, mode in sorted(observed.modes.items()):
            by_mode.setdefault(mode, []).append(node)
        yield MIXED.on(CLUSTER, modes=[f"{mode} ({some(nodes, SHOWN)})" for mode, nodes in by_mode.items()])


def _rolling(observed: Observed, wanted: set[str]) -> bool:
    """Whether kube-proxy is being restarted for the mode that is set: a pod that started just now is in it already."""
    changed = [node for node, mode in observed.modes.items() if mode in wanted and node in observed.nodes]
    pods = [pod for node in changed for pod in observed.proxies.get(node, [])[:1]]
    return any(observed.cluster.age(pod.metadata.creation_timestamp) < ROLLING for pod in pods)


def _leftovers(facts: Facts, observed: Observed) -> Iterator[Finding]:
    found: dict[str, dict[str, int]] = {}
    for node, mode in observed.modes.items():
        reply = facts.reply(node_readings.tables(node))
        links = [link for link in reply.links if link.name == "kube-ipvs0"] if isinstance(reply, RtnetlinkReply) else []
        if links and mode != "ipvs" and links[0].addresses:
            found.setdefault(mode, {})[node] = len(links[0].addresses)
    for mode, counts in found.items():
        nodes = sorted(counts)
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else CLUSTER
        lines = tuple(on_node(shell_word(node), "ip link delete kube-ipvs0") for node in nodes[:SHOWN])
        yield LEFT_BEHIND.on(subject, commands=lines, nodes=nodes, mode=mode, count=max(counts.values()))


def _from_localhost(cluster: Cluster, observed: Observed) -> Iterator[Finding]:
    """Report Services whose node port serves images on 127.0.0.1 of nodes in nftables mode."""
    if not cluster.readable(SERVICE) or not versions.parse(cluster.server) or LOCALHOST.reached("answered", cluster.server):
        return
    named: dict[int, list[Pod]] = {}
    for pod in cluster.all(POD):
        images = [] if pod.finished else [LOCAL_REGISTRY.match(container.image) for container in pod.spec.containers]
        for number in {int(image[1]) for image in images if image}:
            if observed.modes.get(pod.spec.node_name, observed.mode()[0]) == "nftables":
                named.setdefault(number, []).append(pod)
    for service in cluster.all(SERVICE) if named else ():
        for port in service.spec.ports:
            if pods := named.get(port.node_port, []) if port.protocol == "TCP" else []:
                refs = sorted(ObjectRef.to("Pod", pod) for pod in pods)
                words = {"registry": f"localhost:{port.node_port}", "pods": some(map(str, refs), SHOWN), "count": len(refs)}
                words |= {"pod_space": refs[0].namespace, "pod": refs[0].name, "answered": LOCALHOST["answered"]}
                yield FROM_LOCALHOST.on(Subject("Service", service.name, service.namespace), words, objects=refs[:SHOWN])


def _advice(cluster: Cluster, observed: Observed) -> Iterator[Finding]:
    mode, how = observed.mode()
    names = {"how": how, "server": cluster.server or "unknown", **observed.names()}
    if mode == "ipvs" or "ipvs" in observed.modes.values():
        yield (IPVS_ENDS if _next_is(cluster.server, IPVS_MODE["off"]) else IPVS).on(CLUSTER, names)
        return
    due = DEFAULT_MODE.reached("announced", cluster.server) and not DEFAULT_MODE.reached("switched", cluster.server)
    if due and not set(observed.modes.values()) - {"iptables"} and (place := kube_proxy.without_mode(cluster)):
        yield NO_MODE.on(CLUSTER, names | {"place": place})
    if (
        mode == "iptables"
        and NFTABLES_MODE.reached("stable", cluster.server)
        and cluster.readable(SERVICE)
        and cluster.readable(ENDPOINT_SLICE)
    ):
        kernels = [node.status.node_info.kernel_version for node in cluster.all(NODE) if not node.unsupported]
        services = sum(1 for service in cluster.all(SERVICE) if not service.headless and service.spec.type != "ExternalName")
        if services >= MANY and kernels and all(LINUX.reached(versions.parse(kernel)) for kernel in kernels):
            endpoints = sum(len(item.endpoints) for item in cluster.all(ENDPOINT_SLICE))
            numbers = {"services": services, "endpoints": endpoints, "kernels": f"{min(kernels, key=versions.parse)} or later"}
            localhost = "" if LOCALHOST.reached("answered", cluster.server) else ", and not on 127.0.0.1"
            yield MOVE.on(CLUSTER, names | numbers, localhost=localhost)


def _next_is(server: str, stage: versions.Stage) -> bool:
    """Tell whether the next minor version, or this one, has a stage."""
    found = versions.parse(server)
    return bool(found) and stage.reached((found[0], found[1] + 1))


CODES = (OTHER_MODE, MIXED, LEFT_BEHIND, IPVS_ENDS, IPVS, NO_MODE, MOVE, FROM_LOCALHOST)
