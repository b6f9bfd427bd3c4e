# SPDX-License-Identifier: Apache-2.0
"""Where do the packets of the failing paths end, and what takes them?

## What it looks at
At most three of the failing paths that the run has found, different in kind. For each, netdoc's pod sends six marked packets (40
where only some are lost), while netdoc listens on all interfaces of the nodes at both ends (`AF_PACKET`, with a filter in the
kernel that passes only what carries the mark, TCP handshakes and ICMP errors). Before, between and after, the packet counters of
all rules (iptables, old tables, nftables), of the filters of traffic control (`tc`), of the kernel (XFRM's too) and of the queues
are read. `kubectl netdoc trace A B:PORT` does the same for a path of your choice.

## Why it matters
"Does not get through" leaves the whole node to be searched. The interface where the packets were seen last, and the rule whose
counter rose by just as many, leave one line to be changed.

## What it can't see
Rules without a counter: one that belongs to nothing known is named as a suspicion, and so is an eBPF program of `tc` on the next
interface. What happens inside the pods, in other
machines between the nodes, and on the way through eBPF programs that take packets past the interfaces (Cilium): what was not seen
there is unknown. A counter that other traffic of the same second moved by just as many packets.

## Sources
packet(7), Linux' Documentation/networking/filter.rst, snmp_counter.rst, xfrm_proc.rst and ip-sysctl.rst;
linux/netfilter/nf_tables.h, pkt_cls.h and xfrm.h. Failure catalogue M3, M5, K7, K9.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kubectl_netdoc.api import Check, Facts, Finding, Lost, Needs, Request, Skip, Tier, Trace, TraceReply, Unseen
from kubectl_netdoc.checks.pod_network.packet_path import ends, routing, rules, tunnels
from kubectl_netdoc.checks.pod_network.packet_path.traced import Traced
from kubectl_netdoc.probes import failing_paths
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.failing_paths import FailingPaths


def follow_up(facts: Facts) -> list[Request]:
    """Trace some of the paths that failed."""
    return list(FailingPaths(facts).traces())


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report where the packets of each trace ended."""
    if why := facts.why_tier_unmeasured(Tier.PRIVILEGED):
        raise Skip(f"{why}; it would follow the packets of failing paths", not_applicable=True)
    traces, paths = [], FailingPaths(facts)
    for request, reply in facts.replies.items():
        if not isinstance(request, Trace):
            continue
        if isinstance(reply, TraceReply):
            traces.append(Traced.of(paths, request, reply))
        else:
            why = reply.reason if isinstance(reply, Lost) else "no usable answer"
            yield Unseen(f"the packets from {request.node} to {_target(request)}", why, expected=True)
    for group in _by_cause(traces):
        yield from _told(group)
    for node, why in dict.fromkeys((node, traced.why_unseen(node)) for traced in traces for node in traced.verdict.unseen):
        yield Unseen(f"packets on {node}", why, expected=True)


def _by_cause(traces: list[Traced]) -> list[list[Traced]]:
    """Return the traces that end by one cause together; one that shows no cause goes to another that ends at the same place."""
    groups: dict[object, list[Traced]] = {}
    for traced in sorted(traces, key=lambda traced: traced.verdict.taken is None):
        same = next((key for key, group in groups.items() if group[0].place and group[0].place == traced.place), None)
        key = traced.cause if traced.verdict.taken or same is None else same
        groups.setdefault(key, []).append(traced)
    return list(groups.values())


def _told(group: list[Traced]) -> Iterator[Finding]:
    """Yield the finding about the first of some traces that end by one cause; its evidence names the others."""
    first = msgspec.structs.replace(group[0], beside=tuple(group[1:]))
    yield from [found for part in (rules, routing, tunnels, ends) if (found := part.finding(first)) is not None][:1]


def _target(request: Trace) -> str:
    return str(request.to) if hasattr(request.to, "ip") else f"netdoc's pod on {getattr(request.to, 'node', 'any node')}"


check = Check(
    id="packet_path",
    title="Packets of failing paths are followed to where they end",
    prefix="TRC",
    needs=Needs(optional=failing_paths.KINDS, hints=policies.KINDS, tier=Tier.PRIVILEGED),
    codes=tuple(sorted((*rules.CODES, *routing.CODES, *tunnels.CODES, *ends.CODES), key=lambda code: code.id)),
    analyse=analyse,
    follow_up=follow_up,
)
