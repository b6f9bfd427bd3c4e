# SPDX-License-Identifier: Apache-2.0
"""Do pods reach each other, as the Kubernetes network model promises?

## What it looks at
The mesh between netdoc's own echo pods: every pair of measured nodes in both directions (a ring of neighbours where there
are many), and one pair on the same node, in each family that pods have; a small payload over TCP and UDP, then 64 KiB. Each
echo proves itself by a nonce and tells the address it saw. The kubelet's readiness probe shows whether a node reaches its own.
Of each node, two pods behind Services too: where they answer, only what is new on the node is cut off.

## Why it matters
Pods must reach pods on every node without NAT, and a node its own pods. What breaks this (a firewall between nodes, a lost
route, an MTU too large) shows in applications as time-outs that come and go with the pods' places.

## What it can't see
A policy that isolates netdoc's own namespace from itself looks like a broken mesh. Nodes without a debug pod. Whether the
loss is in the node, the tunnel or the underlay: only the nodes tier tells. Loss now and then is path_quality's question, the
size that still passes mtu_mismatch's.

## Sources
Kubernetes: The Kubernetes network model; failure catalogue M1, M3 and the table "From a probe matrix to a cause".
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    NETWORK_KINDS,
    NODE,
    SERVICE,
    Check,
    Cluster,
    Code,
    Echo,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    NodePath,
    Outcome,
    Peer,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    Vantage,
    ip_families,
    joining,
    on_node,
    percentile,
)
from kubectl_netdoc.probes import existing_pods
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.node_pairs import Pair, as_paths, link, pairs, places
from kubectl_netdoc.probes.service_targets import PROOFS, proof
from kubectl_netdoc.routing import tables

BULK = 65536
"""Bytes of the large payload: some forty full-size segments, and no load to speak of."""

SEGMENT = 1024
"""Bytes of the large payload from which on full-size segments do pass: a hole lets none through, at any MTU that is in use."""

CHAIN = Explains(("DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "SVR002", "SVR005", "SVR006"), "path")
FROM_NODE = Explains(("DSV001", "DSV002", "DSV003", "DTR001", "DTR002", "CPL007", "DNR001", "DNR005"), "node")
"""A lookup through the Service may go to either end: no path tells, the node it was seen from does; a DNS server there hears
nothing of the API either."""

NO_CROSSING = Code(
    id="PNW001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="No pod traffic between nodes",
    message="No pod reaches a pod on another node ({failed} of {asked} paths fail: {outcomes}); on the same node: {same_node}",
    fix="Look for what all nodes share: a firewall on the tunnel's port (VXLAN UDP 8472 or 4789, Geneve UDP 6081, WireGuard UDP "
    "51820, IPIP protocol 4, BGP TCP 179), or the network agent.",
    commands=("kubectl get daemonsets -A", "kubectl get nodes -o wide"),
    rows=("M3",),
    explains=(CHAIN,),
)
NODE_CUT_OFF = Code(
    id="PNW002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A node is cut off from the pod network",
    message="No pod traffic gets {direction} node {name}, on all {failed} paths that were measured ({outcomes})",
    fix="Look at {name}: its network agent, its route or tunnel to the other nodes' pod ranges, its firewall.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}", "kubectl describe node {name}"),
    rows=("M3",),
    explains=(CHAIN, FROM_NODE),
)
LINK = Code(
    id="PNW003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Pods on two nodes can't reach each other",
    message="Pods do not get through between {one} and {other} ({direction}: {outcomes}), while both reach other nodes",
    fix="Look at what is between just these two: the route or tunnel entry for the other's pod range, a firewall rule.",
    commands=(
        "kubectl get nodes {one} {other} -o wide",
        "kubectl get nodes {one} {other} -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDR",
    ),
    rows=("M3",),
    explains=(CHAIN, FROM_NODE),
)
NO_UDP = Code(
    id="PNW004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="TCP passes between nodes, UDP does not",
    message="Between {one} and {other} TCP passes and UDP does not ({outcomes}): DNS and QUIC between them fail",
    fix="Look for a firewall rule or policy on UDP between these nodes' pod ranges.",
    commands=("kubectl get nodes {one} {other} -o wide",),
    rows=("M3",),
    explains=(Explains(("DNL001", "DNL002", "DNL003", "DNL005", "DNL007"), "path"),),
)
SAME_NODE = Code(
    id="PNW005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Pods on one node can't reach each other",
    message="Two pods on node {name} do not reach each other: {outcomes}",
    fix="Look on {name} at the pods' bridge or links, the FORWARD chain and br_netfilter, and read its network agent's log.",
    commands=(
        on_node("{name}", "ip -brief link show"),
        on_node("{name}", "iptables -S"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ),
    rows=("K13",),
)
BLACK_HOLE = Code(
    id="PNW006",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Small packets pass, large ones do not",
    message="Between {between} connections open, but of {size} bytes sent only {got} arrive: an MTU black hole",
    fix="Set the CNI's MTU to that of the nodes' links less the encapsulation (VXLAN 50) and recreate the pods; let ICMP type 3 "
    "code 4 pass. Check mtu_mismatch measures the size that fits.",
    commands=("kubectl netdoc check mtu_mismatch --show info", "kubectl get nodes -o wide"),
    rows=("M1",),
    # A kube-proxy whose watch of the API goes through the hole misses the updates that fill a packet.
    explains=(Explains(("SVR002", "SVR006", "DNL005"), "node"),),
)
CRAWLS = Code(
    id="PNW014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Transfers between nodes crawl",
    message="Between {between}, {got} of {size} bytes arrive within 1 s at worst: large packets pass, and slowly",
    fix="Look for loss, a full link or a rate limit there; check path_quality measures loss and delay.",
    commands=("kubectl netdoc check path_quality --show info", "kubectl get nodes -o wide"),
)
NAT = Code(
    id="PNW007",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pod traffic is translated on its way to pods",
    message="Other pods see {source} where a pod on {nodes} has {own}: its source is translated, so policies and logs are wrong",
    fix="Exempt the pod ranges from masquerading on {name}: a rule of the CNI, ip-masq-agent or the host does it.",
    commands=(
        on_node("{name}", "iptables -t nat -S"),
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDR",
    ),
)
PROBES = Code(
    id="PNW008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A node does not reach its own pods",
    message="The kubelet on {name} does not reach netdoc's pod there ({ip}), though other nodes' pods do: readiness probes fail",
    fix="Look at the route from the node to its own pods and at host firewalls or policies that leave out the node itself.",
    commands=("kubectl describe node {name}", "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
)
DOUBLED = Code(
    id="PNW009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Two pods have one address",
    message="Pods on {nodes} have the same address {ip}: replies go to one of them",
    fix="Addresses are given twice: compare the nodes' pod ranges, and look for left-over CNI configuration on these nodes.",
    commands=(
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,PODS:.spec.podCIDRs'",
        "kubectl get pods -A -o wide --field-selector status.podIP={ip}",
    ),
    rows=("M8",),
    explains=(Explains(("PNW002", "PNW003", "PNW007", "PNW008"), "node"),),
)
FOREIGN_RANGE = Code(
    id="PNW011",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="New pods get addresses of a foreign range",
    message="A new pod on {name} got {ip}, which is outside its range {ranges}; new pods on other nodes are inside theirs",
    fix="Another CNI configuration sorts before the right one in /etc/cni/net.d on {name}: remove it, recreate pods made since.",
    commands=(
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
        "kubectl get nodes -o wide",
    ),
    rows=("M8",),
    explains=(
        Explains(("PNW002", "PNW003", "PNW007", "PNW008", "PNW015", "SVH001", "MTU001", "MTU002", "MTU010"), "node"),
        Explains(("PNW003", "MTU001"), "path"),
        CHAIN,
    ),
)
FAMILY = Code(
    id="PNW012",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="One address family does not work between nodes",
    message="Between {between}, {family} does not get through ({failed} of {asked} paths: {outcomes}); the other family does",
    fix="Look at what only {family} needs: forwarding of it on the nodes, the nodes' {family} addresses, routes or tunnel, and "
    "ip6tables or firewall rules.",
    commands=(
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,ADDRESSES:.status.addresses[*].address,PODS:.spec.podCIDRs'",
    ),
    rows=("M3",),
    explains=(CHAIN, Explains(("MTU001", "MTU002", "MTU003"), "path"), Explains(("MTU001", "MTU002", "MTU003"), "node")),
)
NO_ADDRESS = Code(
    id="PNW013",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Pods on a node lack an address family",
    message="New pods on {name} get no {family} address; those on {others} do",
    fix="Compare the CNI configuration on {name} with the others': pods there are out of reach for {family} clients.",
    commands=("kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}", "kubectl describe node {name}"),
)
NEWCOMERS = Code(
    id="PNW015",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="New pods on a node get no network",
    message="A new pod on {name} has no network: nothing reaches it and it reaches nothing, not even pods of its node ({failed} "
    "paths: {outcomes}); pods that were there before answer ({elders})",
    fix="The network agent on {name} does not set up new pods: it hangs or is behind. Restart it there; until then every pod "
    "that is made or moved there has no network, so keep them away.",
    commands=("kubectl cordon {name}", "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
    rows=("M11",),
    explains=(CHAIN, FROM_NODE, Explains(("SVR002", "DNL001", "DNL002", "DNL005", "PNW005"), "node")),
)
MEASURED = Code(
    id="PNW010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="The mesh as measured",
    message="{good} of {asked} paths between {nodes} work: connect and proof take p50 {p50_ms} ms, at most {max_ms} ms",
    fix="Nothing to mend: these are the numbers.",
)


def small(pair: Pair, family: str = "") -> Echo:
    """The small payload over TCP."""
    return msgspec.structs.replace(proof(*pair), family=family)


def udp(pair: Pair, family: str = "") -> Echo:
    """The small payload over UDP."""
    return Echo(pair[0], Peer(pair[1]), "UDP", samples=PROOFS, family=family)


def bulk(pair: Pair, family: str = "") -> Echo:
    """The large payload over TCP."""
    return Echo(pair[0], Peer(pair[1]), size=BULK, family=family)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask along every pair in each family, on the same node where there are two pods, and pods that were there before."""
    for family in ("", *ip_families.further(cluster)):
        for pair in pairs(cluster):
            yield small(pair, family)
            yield udp(pair, family)
            yield bulk(pair, family)
    for node in filter(None, cluster.vantages):
        yield Echo(node, Peer(node, twin=True))
    yield from existing_pods.plan(cluster)


class _Mesh:
    """Outcomes by path, in one family. A path is good when its echo proved itself at least once."""

    def __init__(self, facts: Facts, family: str = "") -> None:
        young = joining(facts.cluster)
        ran = [vantage for vantage in facts.vantages if vantage.running and vantage.node]
        self.usable = {vantage.node: vantage for vantage in ran if not family or _has(vantage, family)}
        self.unknown: dict[Pair, str] = {}
        self.replies: dict[Pair, EchoReply] = {}
        self.large: dict[Pair, EchoReply] = {}
        self.no_udp: dict[Pair, EchoReply] = {}
        for pair in pairs(facts.cluster):
            if not self.usable.keys() >= set(pair):
                continue
            reply, large, datagrams = (facts.reply(ask(pair, family)) for ask in (small, bulk, udp))
            if isinstance(reply, EchoReply) and not any(s.who for s in reply.samples) and (new := young & set(pair)):
                self.unknown[pair] = f"{', '.join(sorted(new))} has just joined the cluster, and may not have its routes yet"
                continue
            if isinstance(reply, EchoReply):
                self.replies[pair] = reply
            elif isinstance(reply, Lost):
                self.unknown[pair] = reply.reason
            if isinstance(large, EchoReply):
                self.large[pair] = large
            if isinstance(datagrams, EchoReply) and not any(s.who for s in datagrams.samples):
                self.no_udp[pair] = datagrams
        self.bad = {pair for pair, reply in self.replies.items() if not any(s.who for s in reply.samples)}

    def numbers(self) -> dict[str, object]:
        """The whole mesh in numbers, and path by path."""
        times = [sample.ms for reply in self.replies.values() for sample in reply.samples if sample.who]
        return {
            "asked": len(self.replies),
            "good": len(self.replies) - len(self.bad),
            "nodes": sorted(self.usable),
            "p50_ms": round(percentile(times, 50), 1),
            "max_ms": round(percentile(times, 100), 1),
            "matrix": [_cell(pair, reply) for pair, reply in sorted(self.replies.items())],
        }

    def evidence(self, paths: set[Pair]) -> dict[str, object]:
        """The numbers of a finding about these paths."""
        replies = [self.replies[pair] if pair in self.bad else self.no_udp.get(pair, self.replies[pair]) for pair in paths]
        outcomes = {"impostor" if s.impostor else str(s.outcome) for reply in replies for s in reply.samples}
        return {"failed": len(paths), "outcomes": sorted(outcomes), "paths": as_paths(paths)}


def _has(vantage: Vantage, family: str) -> bool:
    return any(ip and ip_families.of(ip) == family for ip in (vantage.ip, *vantage.more_ips))


def _cell(pair: Pair, reply: EchoReply) -> NodePath:
    times = [sample.ms for sample in reply.samples if sample.who]
    if not times:
        return NodePath(*pair, str(reply.samples[-1].outcome))
    return NodePath(*pair, f"{percentile(times, 50):.1f} ms", percentile(times, 50))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Name what is broken by the pattern of the paths that fail."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    mesh = _Mesh(facts)
    reasons = sorted(set(mesh.unknown.values()))
    if reasons:
        yield Unseen(f"{len(mesh.unknown)} paths between pods", "; ".join(reasons), asked=True)
    if len(mesh.usable) < 2 and not reasons:
        yield Unseen("paths between nodes", "fewer than two nodes carry a debug pod", asked=len(facts.cluster.vantages) > 1)
    same = _same_node(facts, mesh)
    if (mesh.bad or any(same.values())) and (why := policies.walled(facts)):
        yield Unseen("paths between pods", f"netdoc's own pods can't reach each other at all: {why}", asked=True)
        return
    yield from (SAME_NODE.on(Subject("Node", node), outcomes=words) for node, words in same.items() if words)
    yield from _patterns(facts, mesh, same)
    yield from _no_udp(mesh)
    yield from _black_holes(mesh)
    yield from _further(facts, mesh)
    yield from _principles(mesh)
    yield from _ranges(facts, mesh)
    if mesh.replies:
        yield MEASURED.on(Subject("Cluster", "pod network"), mesh.numbers())


def _same_node(facts: Facts, mesh: _Mesh) -> dict[str, list[str]]:
    """Return for each node with two pods what failed between them; nothing failed where the list is empty."""
    found: dict[str, list[str]] = {}
    for node in sorted(mesh.usable.keys() - joining(facts.cluster)):
        reply = facts.reply(Echo(node, Peer(node, twin=True)))
        if isinstance(reply, EchoReply):
            found[node] = [] if any(s.who for s in reply.samples) else sorted({str(s.outcome) for s in reply.samples})
    return found


def _patterns(facts: Facts, mesh: _Mesh, same: dict[str, list[str]]) -> Iterator[Finding]:
    """Everything, else whole nodes, else pairs."""
    if mesh.bad and mesh.bad == mesh.replies.keys():
        works = "works" if same and not any(same.values()) else "not seen to work"
        evidence = mesh.evidence(mesh.bad)
        yield NO_CROSSING.on(Subject("Cluster", "pod network"), evidence, asked=len(mesh.replies), same_node=works)
        return
    left = set(mesh.bad)
    for node in sorted(mesh.usable):
        into = {pair for pair in mesh.replies if pair[1] == node}
        out = {pair for pair in mesh.replies if pair[0] == node}
        for direction, paths in (("into or out of", into | out), ("into", into), ("out of", out)):
            if len(paths) > 1 and paths <= mesh.bad and paths & left and (direction != "into or out of" or len(paths) > 2):
                older = existing_pods.reached(facts, node) if direction == "into or out of" else []
                numbers = mesh.evidence(paths) | {"nodes": [node], "direction": direction, "elders": older}
                numbers["paths"] = [*as_paths(paths), *([NodePath(node, node)] if older else [])]
                yield (NEWCOMERS if older else NODE_CUT_OFF).on(Subject("Node", node), numbers)
                left -= paths
    for one, other in sorted({tuple(sorted(pair)) for pair in left}):
        paths = left & {(one, other), (other, one)}
        measured = mesh.replies.keys() & {(one, other), (other, one)}
        direction = "both ways" if len(paths) == len(measured) > 1 else f"from {next(iter(paths))[0]}"
        yield LINK.on(link(one, other), mesh.evidence(paths), nodes=[one, other], one=one, other=other, direction=direction)


def _no_udp(mesh: _Mesh) -> Iterator[Finding]:
    for one, other in sorted({tuple(sorted(pair)) for pair in mesh.no_udp.keys() - mesh.bad}):
        replies = {pair: mesh.no_udp[pair] for pair in ((one, other), (other, one)) if pair in mesh.no_udp}
        outcomes = sorted({str(sample.outcome) for reply in replies.values() for sample in reply.samples})
        paths = as_paths(replies)
        yield NO_UDP.on(link(one, other), one=one, other=other, outcomes=outcomes, paths=paths)


def _black_holes(mesh: _Mesh, family: str = "") -> Iterator[Finding]:
    """A node whose every path loses what is large, else the pairs that do."""
    holes: dict[Pair, int] = {}
    for pair, reply in mesh.large.items():
        got = [sample.got for sample in reply.samples if sample.who]
        if got and pair not in mesh.bad and max(got) < BULK:
            holes[pair] = max(got)
    silent = {pair for pair, got in holes.items() if got < SEGMENT}
    for code, paths in ((BLACK_HOLE, silent), (CRAWLS, holes.keys() - silent)):
        for place in places(paths, mesh.large):
            extreme = max if code is BLACK_HOLE else min
            numbers = {"size": BULK, "got": extreme(holes[pair] for pair in place.paths), "family": family}
            yield code.on(place.subject, place.evidence() | numbers, paths=as_paths(place.paths))


def _further(facts: Facts, primary: _Mesh) -> Iterator[Finding | Unseen]:
    """What does not work in a further family of pods' addresses, and does in the primary one."""
    for family in ip_families.further(facts.cluster):
        mesh = _Mesh(facts, family)
        if not mesh.usable:
            yield Unseen(f"{family} between pods", f"no debug pod has an {family} address, though nodes have a range of it")
            continue
        for node in sorted(primary.usable.keys() - mesh.usable.keys()):
            yield NO_ADDRESS.on(Subject("Node", node), family=family, others=sorted(mesh.usable), nodes=[node])
        if mesh.unknown:
            yield Unseen(f"{len(mesh.unknown)} {family} paths", "; ".join(sorted(set(mesh.unknown.values()))), asked=True)
        fails = (mesh.bad | mesh.no_udp.keys()) - primary.bad - primary.no_udp.keys()
        for place in places(fails & mesh.replies.keys(), mesh.replies):
            # What is asked for along a path comes back along the other: both are in the evidence.
            numbers = mesh.evidence(place.paths) | place.evidence() | {"asked": len(mesh.replies), "family": family}
            yield FAMILY.on(place.subject, numbers)
        yield from _black_holes(mesh, family)


def _principles(mesh: _Mesh) -> Iterator[Finding]:
    """No NAT, one address a pod, and every node reaches its own pods."""
    seen: dict[str, list[str]] = {}
    for node, vantage in mesh.usable.items():
        seen.setdefault(vantage.ip, []).append(node)
        sources = {s.source for pair, reply in mesh.replies.items() if pair[0] == node for s in reply.samples if s.source}
        foreign = sorted(source for source in sources - {vantage.ip} if (":" in source) == (":" in vantage.ip))
        if vantage.ip and foreign:
            yield NAT.on(Subject("Node", node), nodes=[node], source=foreign[0], own=vantage.ip)
        if vantage.probed is False and _reached(mesh, vantage):
            yield PROBES.on(Subject("Node", node), ip=vantage.ip, nodes=[node])
    for ip, nodes in seen.items():
        if ip and len(nodes) > 1:
            yield DOUBLED.on(Subject("Cluster", "pod network"), ip=ip, nodes=nodes)


def _ranges(facts: Facts, mesh: _Mesh) -> Iterator[Finding | Unseen]:
    """A new pod outside its node's range counts only where those of all other nodes are inside theirs (design §6).

    Not at all where the network is known to give addresses from ranges of its own: they may be inside by chance.
    """
    if not facts.cluster.readable(NODE) or _own_ranges(facts.cluster):
        return
    ranges = {n.name: n.spec.pod_cidrs for n in facts.cluster.all(NODE) if n.spec.pod_cidrs}
    judged = {node: v.ip for node, v in mesh.usable.items() if v.ip and node in ranges}
    outside = [node for node, ip in judged.items() if not any(tables.contains(r, ip) for r in ranges[node])]
    if 0 < len(outside) < len(judged) and len(outside) == 1:
        node = outside[0]
        if facts.cluster.unread(DAEMON_SET):
            why = "whether the network gives nodes ranges of its own can't be seen: DaemonSets can't be read"
            yield Unseen(f"{judged[node]} of a new pod on {node}, outside {', '.join(ranges[node])}", why, asked=True)
            return
        paths = sorted(NodePath(a, b) for a, b in mesh.replies if node in (a, b))
        yield FOREIGN_RANGE.on(Subject("Node", node), ip=judged[node], ranges=ranges[node], nodes=[node], paths=paths)


def _own_ranges(cluster: Cluster) -> bool:
    """Whether the network takes addresses from elsewhere than the nodes' ranges, or nobody can tell."""
    if not cluster.readable(DAEMON_SET):
        return True
    primary = [found for found in cni.recognise(cluster) if found.primary]
    return bool(primary) and not any(found.traits.node_ranges for found in primary)


def _reached(mesh: _Mesh, vantage: Vantage) -> bool:
    to = [reply for pair, reply in mesh.replies.items() if pair[1] == vantage.node]
    return any(s.who and s.outcome is Outcome.OK for reply in to for s in reply.samples)


check = Check(
    id="pod_network",
    title="Pods reach pods on every node",
    prefix="PNW",
    needs=Needs(optional=(NODE,), hints=(SERVICE, ENDPOINT_SLICE, *policies.KINDS, DAEMON_SET, *NETWORK_KINDS), tier=Tier.PODS),
    codes=(
        NO_CROSSING,
        NODE_CUT_OFF,
        LINK,
        NO_UDP,
        SAME_NODE,
        BLACK_HOLE,
        NAT,
        PROBES,
        DOUBLED,
        FOREIGN_RANGE,
        FAMILY,
        NO_ADDRESS,
        CRAWLS,
        NEWCOMERS,
        MEASURED,
    ),
    plan=plan,
    analyse=analyse,
)
