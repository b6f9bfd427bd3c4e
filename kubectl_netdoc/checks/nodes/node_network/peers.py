# SPDX-License-Identifier: Apache-2.0
"""Settings and links that one node alone has, which its peers have otherwise."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Struct

from kubectl_netdoc.api import Code, Finding, KernelReply, Link, Risk, RtnetlinkReply, Severity, Subject, some
from kubectl_netdoc.routing import ip_commands, pod_links

SHOWN = 6
"""A message names at most this many differences, and so many are in a command."""

ENOUGH = 3
"""From so many nodes on, one that differs from all others is the odd one; of two, either may be."""

MOVING = frozenset({"net/netfilter/nf_conntrack_count", "net/ipv4/tcp_available_congestion_control"})
"""Files under /proc/sys that are no settings: counters, and what is loaded."""

FOLLOW = ("/mtu",)
"""Per-link files that follow the link itself, which is compared too."""

SCALED = frozenset(
    {
        *("net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_buckets", "net/netfilter/nf_conntrack_expect_max"),
        *("net/ipv4/tcp_max_orphans", "net/ipv4/tcp_max_tw_buckets", "net/ipv4/tcp_max_syn_backlog"),
        *("net/ipv4/tcp_mem", "net/ipv4/udp_mem", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/sctp/sctp_mem"),
        *("net/ipv4/tcp_ehash_entries", "net/ipv4/udp_hash_entries", "net/core/optmem_max"),
        *("net/core/flow_limit_cpu_bitmap", "net/core/rps_default_mask", "net/ipv4/inet_peer_threshold"),
    }
)
"""Settings that the kernel or kube-proxy sizes by the machine: only what is much smaller than anywhere else counts."""

BY_ITSELF = frozenset({"noqueue", "mq", "pfifo_fast", "fq", "fq_codel", "noop"})
"""Queueing disciplines that a link has when nobody gave it another (net.core.default_qdisc); deleting that brings them back."""

OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro")
"""What a link may compute itself (ethtool -K), as far as the agent asks."""

SMALLER = 4
"""By this factor a size of a machine's own has to fall short of the smallest of the other nodes to be told."""

ALONE = Code(
    id="NDN014",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="One node has settings that no other node has",
    message="Node {name} alone has {shown}",
    fix="If that is not meant for {name}, find out who changed it, and set what the other nodes have.",
    odd=True,
)


class _Value(Struct, frozen=True):
    """What a node has: as words, and how it is shown and set."""

    text: str
    show: tuple[str, ...]
    change: tuple[str, ...]


def alone(replies: Mapping[str, KernelReply], tables: Mapping[str, RtnetlinkReply]) -> Iterator[Finding]:
    """Report for each node what it alone has and all its peers have otherwise."""
    found: dict[str, list[tuple[str, _Value, _Value]]] = {}
    for what, values in _compared(replies, tables).items():
        if odd := _odd_one(values):
            usual = next(value for node, value in values.items() if node != odd)
            found.setdefault(odd, []).append((what, values[odd], usual))
    for node, differences in sorted(found.items()):
        told = [f"{what} {here.text or 'missing'} ({usual.text or 'missing'} elsewhere)" for what, here, usual in differences]
        evidence = {"shown": some(told, SHOWN, "; "), "differences": told, "suspects": told, "nodes": [node]}
        yield ALONE.on(Subject("Node", node), evidence, commands=tuple(_commands(node, differences[:SHOWN])))


def odd_keys(replies: Mapping[str, KernelReply]) -> set[str]:
    """Return the settings in which one node differs from all others."""
    return {what for what, values in _compared(replies, {}).items() if _odd_one(values)}


def single(values: Mapping[str, object]) -> str:
    """Return the only node whose value differs from that of all the others, who agree; "" if there is none."""
    counts = Counter(values.values())
    if len(values) < ENOUGH or len(counts) != 2 or min(counts.values()) != 1:
        return ""
    rare = min(counts, key=lambda value: counts[value])
    return next(node for node, value in values.items() if value == rare)


def _odd_one(values: Mapping[str, _Value]) -> str:
    return single({node: value.text for node, value in values.items()})


def _compared(replies: Mapping[str, KernelReply], tables: Mapping[str, RtnetlinkReply]) -> dict[str, dict[str, _Value]]:
    """Return by what is compared the value of each node that has such a thing."""
    found: dict[str, dict[str, _Value]] = {}
    for what in sorted({path for reply in replies.values() for path in reply.settings}):
        if what not in MOVING and not what.endswith(FOLLOW):
            found[what] = dict(_settings(what, replies))
    for node, reply in tables.items():
        for what, value in (row for link in reply.links if not pod_links.of_a_pod(link) for row in _of_a_link(link)):
            found.setdefault(what, {})[node] = value
    return found


def _of_a_link(link: Link) -> Iterator[tuple[str, _Value]]:
    """Yield what is compared of a link. A bridge has the smallest MTU of its ports, and without any it is down."""
    show = ("ip", "-d", "link", "show", link.name)
    if link.kind != "bridge":
        yield f"MTU of {link.name}", _Value(str(link.mtu), show, ("ip", "link", "set", link.name, "mtu", str(link.mtu)))
        word = "up" if link.up else "down"
        yield f"state of {link.name}", _Value(word, show, ("ip", "link", "set", link.name, word))
    word = "off" if link.no_arp else "on"
    yield f"ARP of {link.name}", _Value(word, show, ("ip", "link", "set", link.name, "arp", word))
    tc = ("tc", "qdisc", "del" if link.qdisc in BY_ITSELF else "replace", "dev", link.name, "root")
    change = tc if link.qdisc in BY_ITSELF else (*tc, link.qdisc)
    yield f"qdisc of {link.name}", _Value(link.qdisc, ("tc", "qdisc", "show", "dev", link.name), change)
    for name in OFFLOADS if link.offloads is not None else ():
        word = "on" if name in (link.offloads or ()) else "off"
        yield (
            f"offload {name} of {link.name}",
            _Value(word, ("ethtool", "-k", link.name), ("ethtool", "-K", link.name, name, word)),
        )


def _settings(what: str, replies: Mapping[str, KernelReply]) -> Iterator[tuple[str, _Value]]:
    """Yield the setting of each node; nodes without the link that it is of are left out."""
    values = {node: reply.settings.get(what, "") for node, reply in replies.items()}
    parts = what.split("/")
    of_a_link = len(parts) > 4 and parts[2] in ("conf", "neigh")
    small = _much_smaller(values) if what in SCALED else ""
    for node, text in values.items():
        if of_a_link and not text:
            continue
        if what in SCALED and node != small:
            text = "as the machine has it"
        yield node, _Value(text, ("sysctl", what), ("sysctl", "-w", f"{what}={text}"))


def _much_smaller(values: Mapping[str, str]) -> str:
    """Return the node whose size is much smaller than that of any other; "" if there is none."""
    sizes = sorted((int(text.split()[-1]), node) for node, text in values.items() if text and text.split()[-1].isdigit())
    if len(sizes) < 2:
        return ""
    (least, node), (following, _) = sizes[:2]
    return node if least < following and SMALLER * least <= following else ""


def _commands(node: str, differences: list[tuple[str, _Value, _Value]]) -> Iterator[str]:
    """Yield the commands that show what a node has, and those that set it as on the others."""
    settings = [what for what, here, _ in differences if here.show[0] == "sysctl"]
    if settings:
        yield ip_commands.on(node, f"sysctl {' '.join(settings)}")
    for what, here, _ in differences:
        if what not in settings:
            yield ip_commands.on(node, shlex.join(here.show))
    for what, _, usual in differences:
        if usual.text and what not in SCALED:
            yield ip_commands.words(node, *usual.change)


CODES = (ALONE,)
