# SPDX-License-Identifier: Apache-2.0
"""What netdoc's own pods changed on a node when they got their network: it hides the fault that existing pods have."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    POD,
    Code,
    Explains,
    Facts,
    Finding,
    KernelReply,
    KernelRoute,
    Link,
    Pod,
    Risk,
    RtnetlinkReply,
    Severity,
    Subject,
    ip_families,
    joined,
    on_node,
)
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing import pod_links

GLOBAL = {ip_families.IPV4: "net/ipv4/ip_forward", ip_families.IPV6: "net/ipv6/conf/all/forwarding"}
"""The setting of a node as a whole by which it forwards packets of a family."""

TREE = "net/ipv4"
"""The settings of a family begin like this."""

MOVING = frozenset({"net/netfilter/nf_conntrack_count"})
"""Files under /proc/sys that are counters, not settings."""

LAGS = Explains(("DNR001", "DNR005"), "node")
"""What a DNS server on a node shows for a while after it could not reach the API: its watch has to be made anew."""

MENDED = Code(
    id="NDN005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node did not forward packets until netdoc's own pod started there",
    message="Node {name} did not forward {family} packets before netdoc's own pod started there: {setting} was 0, and is {now} "
    "since. CNI plugins switch it on for each pod that gets its network. Until then, the {pods} pods that run there reached "
    "nothing beyond the node, unless the network forwards by eBPF",
    fix="Find what sets {setting} to 0 on {name}, and make that set 1: a file of sysctl.d, a hardening job, a script. Otherwise "
    "forwarding is off again after its next run, or the next boot of the node, until another pod starts there.",
    commands=(
        on_node("{name}", "grep -rs forward /etc/sysctl.conf /etc/sysctl.d /run/sysctl.d /usr/lib/sysctl.d"),
        on_node("{name}", "sysctl -w {setting}=1"),
    ),
    rows=("M5",),
    explains=(LAGS,),
)
BRIDGE = Code(
    id="NDN015",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The bridge of a node's pods did not work until netdoc's own pod started there",
    message="On node {name}, the bridge {bridge} of its pods {before} before netdoc's own pod started there, and {now} since: "
    "CNI plugins set up what is missing for each pod that gets its network. Until then, the {pods} pods that run there reached "
    "nothing beyond the node, and nothing beyond the node reached them",
    fix="Find what sets {bridge} down or takes its address on {name}, and keep it from that: a network manager that does not "
    "know it (systemd-networkd, NetworkManager), a script, or a person. Otherwise it is so again after its next run, until "
    "another pod starts there.",
    commands=(
        on_node("{name}", "ip addr show dev {bridge}"),
        on_node("{name}", "journalctl --since=-1h -u systemd-networkd -u NetworkManager"),
    ),
    rows=("M4",),
    explains=(LAGS,),
)
CHANGED = Code(
    id="NDN013",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A node's network changed when netdoc's own pods started there",
    message="On node {name}, this was different before netdoc's own pods got their network: {changes}",
    fix="Check whether a setting or route that is missing until a pod starts explains a fault that has ended by itself.",
    odd=True,
)


def changed(facts: Facts, node: str) -> Iterator[Finding]:
    """Report forwarding that netdoc's pod switched on, and what else changed on the node meanwhile."""
    first, later = facts.reply(node_readings.untouched_kernel(node)), facts.reply(node_readings.kernel(node))
    settings: list[str] = []
    if isinstance(first, KernelReply) and isinstance(later, KernelReply):
        mended = list(_forwarding(facts, node, first, later))
        yield from mended
        settings = list(_settings(first, later, tuple(str(finding.evidence["setting"])[: len(TREE)] for finding in mended)))
    one, other = facts.reply(node_readings.untouched_tables(node)), facts.reply(node_readings.tables(node))
    routes: list[str] = []
    if isinstance(one, RtnetlinkReply) and isinstance(other, RtnetlinkReply):
        bridges = list(_bridges(facts, node, one, other))
        yield from bridges
        routes = list(_routes(one, other, frozenset(str(finding.evidence["bridge"]) for finding in bridges)))
    if settings or routes:
        yield CHANGED.on(Subject("Node", node), changes=[*settings, *routes])


def _forwarding(facts: Facts, node: str, first: KernelReply, later: KernelReply) -> Iterator[Finding]:
    """Report forwarding that was off. On a node without pods nothing had switched it on yet, as on each new one."""
    pods = _pods(facts, node)
    for family in ip_families.of_pods(facts.cluster) or (ip_families.IPV4,):
        before, now = (node_readings.number(reply, GLOBAL[family]) for reply in (first, later))
        if before == 0 and now and pods:
            words = {"family": family, "setting": GLOBAL[family], "now": now, "pods": pods, "nodes": [node]}
            yield MENDED.on(Subject("Node", node), words)


def _bridges(facts: Facts, node: str, first: RtnetlinkReply, later: RtnetlinkReply) -> Iterator[Finding]:
    """Report bridges with ports of pods that were down, or without the address by which pods leave the node."""
    pods, now = _pods(facts, node), {link.name: link for link in later.links}
    used = {link.master for link in first.links if pod_links.of_a_pod(link)}
    for link in first.links:
        mended = now.get(link.name)
        if link.kind != "bridge" or link.name not in used or mended is None or not (mended.up and pods):
            continue
        had, has = (_own(each) for each in (link, mended))
        if not link.up:
            words = {"before": "was down", "now": "is up"}
        elif has and not had:
            words = {"before": "had no address", "now": f"has {joined(has)}"}
        else:
            continue
        yield BRIDGE.on(Subject("Node", node), words | {"bridge": link.name, "pods": pods, "nodes": [node]})


def _own(link: Link) -> list[str]:
    """The addresses of a link that somebody gave it."""
    return [address for address in link.addresses if not address.startswith("fe80:")]


def _pods(facts: Facts, node: str) -> int:
    """Count the pods that ran on a node with a network of their own."""
    return sum(map(_had_network, facts.cluster.pods_on(node))) if facts.cluster.readable(POD) else 0


def _had_network(pod: Pod) -> bool:
    """Tell whether a pod ran with a network of its own when the cluster was read."""
    return not (pod.spec.host_network or pod.finished or pod.terminating) and bool(pod.ips)


def _settings(first: KernelReply, later: KernelReply, told: tuple[str, ...]) -> Iterator[str]:
    """Yield the settings that differ, without forwarding under ``told``: that of the links follows that of the node."""
    for path in sorted(first.settings.keys() & later.settings.keys() - MOVING):
        before, now = first.settings[path], later.settings[path]
        if before != now and not (path.endswith(("forward", "/forwarding")) and path.startswith(told)):
            yield f"{path} {before} (now {now})"


def _routes(first: RtnetlinkReply, later: RtnetlinkReply, told: frozenset[str]) -> Iterator[str]:
    """Yield the routes that differ, without those of pods' own links, of links ``told``, and of links not there both times."""
    before, now = _by_range(first), _by_range(later)
    links = {link.name for link in first.links} & {link.name for link in later.links if not pod_links.of_a_pod(link)} - told
    for key in sorted(before.keys() | now.keys()):
        one, other = before.get(key), now.get(key)
        if one != other and {route.dev for route in (one, other) if route and route.dev} <= links:
            yield f"route {key[1]} in table {key[0]} {_way(one)} (now {_way(other)})"


def _by_range(reply: RtnetlinkReply) -> dict[tuple[int, str, int], KernelRoute]:
    return {(route.table, route.to, route.metric): route for route in reply.routes}


def _way(route: KernelRoute | None) -> str:
    """Return where a route leads, as `ip route` writes it."""
    if route is None:
        return "missing"
    words = (route.type if route.type != "unicast" else "", route.via and f"via {route.via}", route.dev and f"dev {route.dev}")
    return " ".join(filter(None, words))


CODES = (MENDED, BRIDGE, CHANGED)
