# SPDX-License-Identifier: Apache-2.0
"""Do packets as large as pods send them get through between nodes?

## What it looks at
From each debug pod to its peers (the paths of pod_network in both directions, in each IP family that pods have, and the second
debug pod on its node): UDP datagrams that must not be fragmented. The first are as large as the pod's own MTU (that of its
interface or route). If those are lost, the largest size that arrives, and whether ICMP reported it. A limit is one only if
all datagrams above it are lost and those below it arrive, each of a dozen sizes: path_quality tells of random loss of large ones.

## Why it matters
A path that carries less than pods send, without saying so, is an MTU black hole: connections open, pings and small requests work,
but TLS handshakes, uploads and large answers hang. The usual cause is an MTU that leaves no room for the encapsulation.

## What it can't see
Whether the network between the nodes could carry more than pods use: no packet larger than its own MTU leaves a pod. That
network's MTU is computed from what passes, not read. Paths out of the cluster. Paths that lose small datagrams too are left to
path_quality.

## Sources
RFC 1191, RFC 8201, RFC 8200 section 5, RFC 8899; ip(7), IP_PMTUDISC_PROBE. Failure catalogue M1. The overheads are in
kubectl_netdoc/components/encapsulation.py.
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
"""Bytes of the smallest packet tried over IPv4: every host accepts it (RFC 791, section 3.1)."""

LEAST_IPV6 = 1280
"""Bytes that every IPv6 path carries (RFC 8200, section 5)."""

# A kube-proxy whose watch of the API server crosses the black hole misses updates that fill a packet.
HANGS = Explains(("SVR002", "SVR006", "DNL005"), "node", CAME_THROUGH)
BULK = Explains(("PNW006", "PNW014"), "path")  # the kernel's own probing (tcp_mtu_probing) may get some through
# A large answer over TCP hangs if the path to the DNS pod crosses the black hole; through the Service that path is unknown.
ANSWERS = Explains(("DTR002",), "cluster")

BLACK_HOLE = Code(
    id="MTU001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Large packets between nodes are lost silently",
    message="Between {between}, {family} packets of {lost} bytes are lost without an ICMP error, while pods send up to {own} "
    "bytes: {sums}",
    fix="Set the CNI's MTU so that pods have at most {carried} and recreate the pods, or raise the MTU of what lies between the "
    "nodes. Also allow ICMP 'fragmentation needed' (IPv6: 'packet too big').",
    commands=encapsulation.OTHERS,
    rows=("M1",),
    explains=(HANGS, BULK, ANSWERS),
    tells="failure",
)
ON_NODE = Code(
    id="MTU002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Large packets between pods on one node are lost",
    message="Between two pods on node {name}, {family} packets over {carried} bytes are lost, while pods send up to {own} bytes",
    fix="Compare the MTU of the node's bridge with that of the host ends of the pods' veth pairs, and raise the one that is "
    "{carried}.",
    commands=(
        on_node("{name}", "ip link show"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ),
    rows=("M1",),
    explains=(HANGS, Explains(("MTU001", "MTU003"), "node"), BULK, ANSWERS),
    tells="failure",
)
BELOW_IPV6 = Code(
    id="MTU003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A path is too small for IPv6",
    message=f"Between {{between}}, IPv6 packets of {LEAST_IPV6} bytes do not arrive, though smaller ones do. Every IPv6 path "
    "must carry them",
    fix="Raise the MTU between the nodes, or reduce the encapsulation overhead. No setting of the pods can fix this.",
    commands=("kubectl get nodes -o wide",),
    rows=("M1",),
    explains=(BULK, ANSWERS),
    tells="failure",
)
TOLD = Code(
    id="MTU010",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Paths have a smaller MTU than pods, and ICMP says so",
    message="Between {between}, {family} packets of at most {carried} bytes pass, and pods send up to {own} bytes. ICMP errors "
    "report it, so connections adapt; {sums}",
    fix="This works as long as nothing blocks ICMP. With a pod MTU of {carried}, path MTU discovery would not be needed.",
    commands=encapsulation.OTHERS,
    rows=("M1",),
)
DIFFERENT = Code(
    id="MTU011",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Pods have different MTUs on different nodes",
    message="Pods have different MTUs: {which}",
    fix="If you are not rolling out a change of the CNI's MTU, find out why they differ: TCP uses the smaller MTU, UDP depends "
    "on ICMP errors.",
    commands=encapsulation.OTHERS,
    rows=("M1",),
)
MEASURED = Code(
    id="MTU012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Path MTU, as measured",
    message="{whole} of {asked} paths carry packets of the pods' own MTU ({values}); encapsulation: {used}",
    fix="Nothing to fix: these are measurements.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Measure every path and within each node, in each IP family. The bursts show which paths lose small datagrams too."""
    for family in _families(cluster):
        yield from (_request(pair, family) for pair in _paths(cluster))
    yield from (node_pairs.burst(*pair) for pair in _paths(cluster))


def _families(cluster: Cluster) -> tuple[str, ...]:
    """Return the IP families to measure; "" is the pods' primary one."""
    return ("", *ip_families.further(cluster))


def _paths(cluster: Cluster) -> list[node_pairs.Pair]:
    return [*node_pairs.pairs(cluster), *((node, node) for node in cluster.vantages if node)]


def _request(pair: node_pairs.Pair, family: str) -> PathMtu:
    return node_pairs.path_mtu(*pair, family)


class _Paths:
    """The results of one IP family's paths between nodes that ran a debug pod."""

    def __init__(self, facts: Facts, family: str) -> None:
        ran = set(node_pairs.usable(facts))
        self.family = family or next(iter(ip_families.of_pods(facts.cluster)), ip_families.IPV4)
        self.lost: dict[node_pairs.Pair, str] = {}
        self.lossy: set[node_pairs.Pair] = set()
        self.by_chance: set[node_pairs.Pair] = set()
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
                # A path that carries nothing is not an MTU fault; pod_network reports it. The MTU may be below the least size.
                small = any(each.times for each in rounds)
                if _narrow(reply) and not reply.sharp:
                    self.by_chance.add(pair)
                else:
                    self.replies |= {pair: reply} if reply.carried or small else {}

    def narrow(self, told: bool) -> set[node_pairs.Pair]:
        """Return paths between nodes that carry less than the pod's own MTU; ``told``: those that ICMP errors report."""
        return {pair for pair, reply in self.replies.items() if pair[0] != pair[1] and _narrow(reply) and _told(reply) is told}

    @property
    def between(self) -> set[node_pairs.Pair]:
        """The measured paths between nodes."""
        return {pair for pair in self.replies if pair[0] != pair[1]}


def _narrow(reply: PathMtuReply) -> bool:
    return reply.carried < reply.own


def _told(reply: PathMtuReply) -> bool:
    """Tell whether ICMP reported an MTU that really passes; a larger one leaves a black hole."""
    return 0 < reply.told <= reply.carried


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report where large packets are lost, then what is worth knowing."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    asked = [facts.reply(_request(pair, "")) for pair in node_pairs.pairs(facts.cluster)]
    if why := node_pairs.never_asked(asked):
        raise Skip(why)
    measured = [_Paths(facts, family) for family in _families(facts.cluster)]
    if few := node_pairs.too_few(facts):
        yield few
    elif not any(paths.replies for paths in measured) and (isolated := policies.why_isolated(facts)):
        yield Unseen("paths between pods", isolated, expected=True)
        return
    for number, paths in enumerate(measured):
        yield from _unseen(paths, primary=not number)
        yield from _holes(facts.cluster, paths)
        yield from _on_nodes(paths)
        yield from _learnt(facts.cluster, paths)
        yield from _own(facts.cluster, paths)


def _unseen(paths: _Paths, primary: bool) -> Iterator[Unseen]:
    if paths.lost:
        # Pods may lack an address of an IP family that nodes have ranges for: pod_network judges that.
        why = "; ".join(sorted(set(paths.lost.values())))
        yield Unseen(f"{paths.family} path MTU of {len(paths.lost)} paths", why, expected=primary)
    if paths.lossy:
        why = "these paths lose or delay small datagrams too, so losses say nothing about sizes: see path_quality"
        yield Unseen(f"{paths.family} path MTU of {', '.join(map(str, node_pairs.as_paths(paths.lossy)))}", why)

    if paths.by_chance:
        why = "large packets are lost there whatever their size, so no size is the limit: see path_quality"
        yield Unseen(f"{paths.family} path MTU of {', '.join(map(str, node_pairs.as_paths(paths.by_chance)))}", why)


def _holes(cluster: Cluster, paths: _Paths) -> Iterator[Finding]:
    silent = paths.narrow(told=False)
    tiny = {pair for pair in silent if paths.family == ip_families.IPV6 and paths.replies[pair].carried < LEAST_IPV6}
    for place in node_pairs.locate(tiny, paths.between):
        yield BELOW_IPV6.on(place.subject, place.evidence(), family=paths.family)
    for place in node_pairs.locate(silent - tiny, paths.between):
        yield BLACK_HOLE.on(place.subject, _numbers(cluster, paths, place), commands=_commands(cluster))


def _numbers(cluster: Cluster, paths: _Paths, place: node_pairs.FaultLocation) -> dict[str, object]:
    replies = [paths.replies[pair] for pair in place.paths]
    carried, own = min(reply.carried for reply in replies), max(reply.own for reply in replies)
    told = sorted({str(reply.told) for reply in replies if reply.told})
    least = LEAST_IPV4 if not carried else carried + 1
    sums = encapsulation.arithmetic(cluster, carried, own, paths.family) if carried else "that is too small for any setting"
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
    for place in node_pairs.locate(paths.narrow(told=True), paths.between):
        yield TOLD.on(place.subject, _numbers(cluster, paths, place), commands=_commands(cluster))


def _own(cluster: Cluster, paths: _Paths) -> Iterator[Finding]:
    """Report the pods' own MTU on each node, and how many paths carry it."""
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
            subject, values=values, which="; ".join(which), patch=encapsulation.mtu_patch(values[0]), commands=_commands(cluster)
        )
    whole = sum(not _narrow(paths.replies[pair]) for pair in paths.between)
    used = encapsulation.of(cluster)
    numbers = {"whole": whole, "asked": len(paths.between), "values": values, "used": used.name if used else "unknown"}
    carried = {pair: paths.replies[pair].carried for pair in sorted(paths.replies)}
    matrix = [NodePath(*pair, words=str(size), value=size) for pair, size in carried.items()]
    yield MEASURED.on(subject, numbers, matrix=matrix)


check = Check(
    id="mtu_mismatch",
    title="Packets as large as the pods' MTU get through",
    prefix="MTU",
    needs=Needs(optional=(NODE,), hints=(*policies.KINDS, DAEMON_SET, *NETWORK_KINDS), tier=Tier.PODS),
    codes=(BLACK_HOLE, ON_NODE, BELOW_IPV6, TOLD, DIFFERENT, MEASURED),
    plan=plan,
    analyse=analyse,
)
