# SPDX-License-Identifier: Apache-2.0
"""Do packets as large as pods send them get through between nodes?

## What it looks at
From each debug pod to its peers (the pairs of pod_network, both directions, each family that pods have, and the second pod on
its node): UDP datagrams that may not be fragmented, first as large as the pod's own MTU, which is that of its interface or its
route; where those get lost, the largest size that arrives, and whether ICMP told so.

## Why it matters
A path that carries less than pods send and does not say so is a black hole: connects, pings and small requests work, and every
TLS handshake, upload or large answer hangs. It begins with an MTU that does not leave room for the encapsulation.

## What it can't see
Whether the underlay could carry more than pods use: no packet larger than its own MTU leaves a pod. The underlay's MTU is
worked out from what is carried, not read. Paths to the outside. Paths that lose small datagrams too are left to path_quality.

## Sources
RFC 1191, RFC 8201, RFC 8200 section 5, RFC 8899; ip(7), IP_PMTUDISC_PROBE; failure catalogue M1. The overheads stand in
kubectl_netdoc/encapsulation.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    CAME_THROUGH,
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    NodePath,
    PathMtu,
    PathMtuReply,
    Peer,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
    on_node,
)
from kubectl_netdoc.components import encapsulation
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes import own_policies as policies

LEAST_IPV4 = 576
"""Bytes of the smallest packet that is tried over IPv4, which every host takes (RFC 791, section 3.1)."""

LEAST_IPV6 = 1280
"""Bytes that every IPv6 path carries (RFC 8200, section 5)."""

# A kube-proxy whose watch of the API goes through the hole misses the updates that fill a packet.
HANGS = Explains(("SVR002", "SVR006", "DNL005"), "node", CAME_THROUGH)
BULK = Explains(("PNW006", "PNW014"), "path")  # the kernel's own probing (tcp_mtu_probing) may get something through
# A large answer over TCP hangs wherever the way to a DNS pod goes through the hole; through the Service no path tells.
ANSWERS = Explains(("DTR002",), "cluster")

BLACK_HOLE = Code(
    id="MTU001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Large packets between nodes get lost without a word",
    message="Between {between}, {family} packets of {lost} bytes vanish, ICMP does not tell, and pods send up to {own}: {sums}",
    fix="Set the CNI's MTU so that pods have {carried} at most and recreate the pods, or have what is between the nodes carry "
    "more; and let ICMP 'fragmentation needed' (IPv6: 'packet too big') pass.",
    commands=encapsulation.OTHERS,
    rows=("M1",),
    explains=(HANGS, BULK, ANSWERS),
)
ON_NODE = Code(
    id="MTU002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Large packets between pods on one node get lost",
    message="Between two pods on node {name}, {family} packets over {carried} bytes vanish, while pods send up to {own}",
    fix="Compare the MTU of the node's bridge and of the host's ends of the pods' links: raise the one that has {carried}.",
    commands=(
        on_node("{name}", "ip link show"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ),
    rows=("M1",),
    explains=(HANGS, Explains(("MTU001", "MTU003"), "node"), BULK, ANSWERS),
)
BELOW_IPV6 = Code(
    id="MTU003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A path carries less than IPv6 needs",
    message="Between {between}, IPv6 packets of 1280 bytes do not arrive, though small ones do: IPv6 paths have to carry them",
    fix="Raise the MTU between the nodes, or take less for encapsulation; nothing that pods can be set to mends this.",
    commands=("kubectl get nodes -o wide",),
    rows=("M1",),
    explains=(BULK, ANSWERS),
)
TOLD = Code(
    id="MTU010",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Paths carry less than pods send, and say so",
    message="Between {between}, {family} carries packets of {carried} bytes and pods send up to {own}; ICMP tells "
    "them, so connections adapt; {sums}",
    fix="It works for as long as nothing stops ICMP. With an MTU of {carried} for pods nothing would have to be learnt.",
    commands=encapsulation.OTHERS,
    rows=("M1",),
)
DIFFERENT = Code(
    id="MTU011",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Pods' MTU differs between nodes",
    message="Pods use MTU {values}: {which}",
    fix="If no change of the CNI's MTU is being rolled out, find out why: TCP takes the smaller one, UDP depends on ICMP.",
    commands=encapsulation.OTHERS,
    rows=("M1",),
)
MEASURED = Code(
    id="MTU012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Path MTU as measured",
    message="{whole} of {asked} paths carry pods' own MTU of {values} whole; encapsulation: {used}",
    fix="Nothing to mend: these are the numbers.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask along every pair and on each node, in each family; the bursts tell paths that lose small datagrams too."""
    for family in _families(cluster):
        yield from (_request(pair, family) for pair in _paths(cluster))
    yield from (node_pairs.burst(*pair) for pair in _paths(cluster))


def _families(cluster: Cluster) -> tuple[str, ...]:
    """The families to measure, the primary one as pods have it."""
    return ("", *ip_families.further(cluster))


def _paths(cluster: Cluster) -> list[node_pairs.Pair]:
    return node_pairs.pairs(cluster) + [(node, node) for node in cluster.vantages if node]


def _request(pair: node_pairs.Pair, family: str) -> PathMtu:
    return PathMtu(pair[0], Peer(pair[1], twin=pair[0] == pair[1]), family=family)


class _Paths:
    """What came of one family's paths between nodes that had a debug pod."""

    def __init__(self, facts: Facts, family: str) -> None:
        ran = set(node_pairs.usable(facts))
        self.family = family or next(iter(ip_families.of_pods(facts.cluster)), ip_families.IPV4)
        self.lost: dict[node_pairs.Pair, str] = {}
        self.lossy: set[node_pairs.Pair] = set()
        self.replies: dict[node_pairs.Pair, PathMtuReply] = {}
        for pair in _paths(facts.cluster):
            reply, rounds = facts.reply(_request(pair, family)), node_pairs.rounds(facts, pair)
            if not ran >= set(pair):
                continue
            if isinstance(reply, Lost):
                self.lost |= {pair: reply.reason} if pair[0] != pair[1] else {}
            elif node_pairs.lossy(rounds) or node_pairs.queued(rounds):
                self.lossy.add(pair)
            elif isinstance(reply, PathMtuReply) and reply.own and not reply.impostor:
                # What carries nothing at all is no matter of size; pod_network tells of it. A size may be below the least tried.
                small = any(each.times for each in rounds)
                self.replies |= {pair: reply} if reply.carried or small else {}

    def narrow(self, told: bool) -> set[node_pairs.Pair]:
        """Paths between nodes that carry less than the pod's own MTU; ``told``: those of which ICMP told."""
        return {pair for pair, reply in self.replies.items() if pair[0] != pair[1] and _narrow(reply) and _told(reply) is told}

    @property
    def between(self) -> set[node_pairs.Pair]:
        """Measured paths between nodes."""
        return {pair for pair in self.replies if pair[0] != pair[1]}


def _narrow(reply: PathMtuReply) -> bool:
    return reply.carried < reply.own


def _told(reply: PathMtuReply) -> bool:
    """Whether ICMP told of an MTU that is really carried; a larger one leaves a hole behind it."""
    return 0 < reply.told <= reply.carried


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Name the places where large packets get lost, then what is worth knowing."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    asked = [facts.reply(_request(pair, "")) for pair in node_pairs.pairs(facts.cluster)]
    if why := node_pairs.never_asked(asked):
        raise Skip(why)
    measured = [_Paths(facts, family) for family in _families(facts.cluster)]
    if len(node_pairs.usable(facts)) < 2:
        yield Unseen("paths between nodes", "fewer than two nodes carry a debug pod", asked=len(facts.cluster.vantages) > 1)
    elif not any(paths.replies for paths in measured) and (wall := policies.walled(facts)):
        yield Unseen("paths between pods", f"netdoc's own pods can't reach each other at all: {wall}", asked=True)
        return
    for number, paths in enumerate(measured):
        yield from _unseen(paths, primary=not number)
        yield from _holes(facts.cluster, paths)
        yield from _on_nodes(paths)
        yield from _learnt(facts.cluster, paths)
        yield from _own(facts.cluster, paths)


def _unseen(paths: _Paths, primary: bool) -> Iterator[Unseen]:
    if paths.lost:
        # Pods may have no address of a family that nodes have ranges for: pod_network judges that.
        why = "; ".join(sorted(set(paths.lost.values())))
        yield Unseen(f"{paths.family} path MTU of {len(paths.lost)} paths", why, asked=primary)
    if paths.lossy:
        why = "they lose or delay small datagrams too, so what is lost says nothing of sizes: see path_quality"
        yield Unseen(f"{paths.family} path MTU of {', '.join(map(str, node_pairs.as_paths(paths.lossy)))}", why)


def _holes(cluster: Cluster, paths: _Paths) -> Iterator[Finding]:
    silent = paths.narrow(told=False)
    tiny = {pair for pair in silent if paths.family == ip_families.IPV6 and paths.replies[pair].carried < LEAST_IPV6}
    for place in node_pairs.places(tiny, paths.between):
        yield BELOW_IPV6.on(place.subject, place.evidence(), family=paths.family)
    for place in node_pairs.places(silent - tiny, paths.between):
        yield BLACK_HOLE.on(place.subject, _numbers(cluster, paths, place), try_=_commands(cluster))


def _numbers(cluster: Cluster, paths: _Paths, place: node_pairs.Place) -> dict[str, object]:
    replies = [paths.replies[pair] for pair in place.paths]
    carried, own = min(reply.carried for reply in replies), max(reply.own for reply in replies)
    told = sorted({str(reply.told) for reply in replies if reply.told})
    least = LEAST_IPV4 if not carried else carried + 1
    sums = encapsulation.arithmetic(cluster, carried, own, paths.family) if carried else "that is too little for any setting"
    numbers = {"family": paths.family, "carried": carried, "own": own, "told": told, "sums": sums, "lost": f"{least} to {own}"}
    return place.evidence() | numbers | {"patch": encapsulation.mtu_patch(carried)}


def _commands(cluster: Cluster) -> tuple[str, ...]:
    return (*encapsulation.commands(cluster), "kubectl get nodes -o wide")


def _on_nodes(paths: _Paths) -> Iterator[Finding]:
    for (node, other), reply in sorted(paths.replies.items()):
        if node == other and _narrow(reply) and not _told(reply):
            sizes = {"carried": reply.carried, "own": reply.own, "family": paths.family}
            own = node_pairs.as_paths({pair for pair in paths.between if node in pair})
            yield ON_NODE.on(Subject("Node", node), sizes, nodes=[node], paths=own)


def _learnt(cluster: Cluster, paths: _Paths) -> Iterator[Finding]:
    for place in node_pairs.places(paths.narrow(told=True), paths.between):
        yield TOLD.on(place.subject, _numbers(cluster, paths, place), try_=_commands(cluster))


def _own(cluster: Cluster, paths: _Paths) -> Iterator[Finding]:
    """The pods' own MTU on each node, and how many paths carry it."""
    if not paths.between:
        return
    own: dict[int, list[str]] = {}
    for node in sorted({one for one, _ in paths.between}):
        own.setdefault(max(reply.own for pair, reply in paths.replies.items() if pair[0] == node), []).append(node)
    subject = Subject("Cluster", f"{paths.family} path MTU")
    values = sorted(own)
    if len(own) > 1:
        which = [f"{value} on {', '.join(own[value])}" for value in values]
        yield DIFFERENT.on(
            subject, values=values, which="; ".join(which), patch=encapsulation.mtu_patch(values[0]), try_=_commands(cluster)
        )
    whole = sum(not _narrow(paths.replies[pair]) for pair in paths.between)
    used = encapsulation.of(cluster)
    numbers = {"whole": whole, "asked": len(paths.between), "values": values, "used": used.name if used else "not told"}
    carried = {pair: paths.replies[pair].carried for pair in sorted(paths.replies)}
    matrix = [NodePath(*pair, words=str(size), value=size) for pair, size in carried.items()]
    yield MEASURED.on(subject, numbers, matrix=matrix)


check = Check(
    id="mtu_mismatch",
    title="Packets of the pods' own size get through",
    prefix="MTU",
    needs=Needs(optional=(NODE,), hints=(*policies.KINDS, DAEMON_SET, *NETWORK_KINDS), tier=Tier.PODS),
    codes=(BLACK_HOLE, ON_NODE, BELOW_IPV6, TOLD, DIFFERENT, MEASURED),
    plan=plan,
    analyse=analyse,
)
