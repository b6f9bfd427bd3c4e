# SPDX-License-Identifier: Apache-2.0
"""The files of a node that contain its network settings and counters, and how they are parsed.

Sources: the kernel's Documentation/networking/ip-sysctl.rst, nf_conntrack-sysctl.rst, admin-guide/sysctl/net.rst and proc.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

ROOT = "/proc/sys/"
SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/*/forwarding",
    "net/ipv4/conf/*/rp_filter",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_mtu_probing",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/neigh/default/gc_thresh[123]",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/*/forwarding",
    "net/ipv6/neigh/default/gc_thresh[123]",
    "net/ipv6/route/max_size",
    "net/bridge/bridge-nf-call-ip*tables",
    "net/core/netdev_max_backlog",
    "net/core/netdev_budget",
    "net/core/somaxconn",
    "net/core/rmem_max",
    "net/netfilter/nf_conntrack_buckets",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_udp_timeout*",
)
"""Patterns of files under /proc/sys that are read once."""

EVERYTHING = ("net/*/*", "net/*/*/*", "net/*/*/*/*")
"""Patterns of all network settings: about 1,000 files and 40 KB on the lab, with four links."""

MOST_SETTINGS = 5000
"""Most files under /proc/sys that are read: 50 links beside those of pods have as many."""

SECRET = ("/stable_secret", "/tcp_fastopen_key", "/netdev_rss_key")
"""Keys of the node's own, which root could read: they are not."""

PAIRS = ("snmp", "netstat")
"""Files of /proc/net with a line of names and a line of values for each protocol."""

PER_CPU = {"nf_conntrack": "conntrack", "arp_cache": "arp_cache", "ndisc_cache": "ndisc_cache"}
"""Files of /proc/net/stat with a line of names and a line of hexadecimal values for each CPU."""

TABLE_WIDE = frozenset({"entries"})
"""Columns that have the same value on each CPU's line."""

SOFTNET = {0: "processed", 1: "dropped", 2: "time_squeeze"}
"""Columns of /proc/net/softnet_stat (net/core/net-procfs.c)."""

DEVICE = tuple(
    f"{way}_{what}"
    for way, words in (
        ("rx", "bytes packets errors dropped fifo frame compressed multicast"),
        ("tx", "bytes packets errors dropped fifo collisions carrier compressed"),
    )
    for what in words.split()
)
"""Columns of /proc/net/dev."""

VIRTUAL = ("veth", "cali", "lxc", "tap", "gke", "eni", "azv")
"""Interfaces of pods. There are hundreds of them, and their counters belong to the pods."""

LEFT_OUT = (*SECRET, *(f"/{prefix}" for prefix in VIRTUAL))
"""What is in the path of files that are not read."""

COUNTERS = (
    *(f"/proc/net/{name}" for name in (*PAIRS, "snmp6", "softnet_stat", "dev", "sockstat", "xfrm_stat")),
    *(f"/proc/net/stat/{name}" for name in PER_CPU),
)
"""Files that are read twice."""


LONGEST = 500
"""Most characters of a setting that are kept."""


def settings(texts: dict[str, str]) -> dict[str, str]:
    """Return the settings by their path under /proc/sys, without those of pods' interfaces."""
    found = {path.removeprefix(ROOT): " ".join(text.split()) for path, text in texts.items()}
    return {path: value[:LONGEST] for path, value in found.items() if not any(part in path for part in LEFT_OUT)}


def counters(texts: dict[str, str]) -> dict[str, int]:
    """Return the counters that can be read, by the names in ``KernelReply``."""
    found: dict[str, int] = {}
    for path, text in texts.items():
        name = path.rpartition("/")[2]
        rows = [line.split() for line in text.splitlines()]
        if "/stat/" in path:
            found |= _per_cpu(PER_CPU.get(name, name), rows)
        elif name in PAIRS:
            found |= _pairs(rows)
        elif name == "softnet_stat":
            for column, word in SOFTNET.items():
                found[f"softnet.{word}"] = sum(int(row[column], 16) for row in rows if len(row) > column)
        elif name == "dev":
            found |= _devices(text)
        elif name == "sockstat":
            found |= dict(_sockets(rows))
        else:
            found |= {row[0]: int(row[1]) for row in rows if len(row) == 2}
    return found


def _pairs(rows: list[list[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for names, values in zip(rows[::2], rows[1::2], strict=False):
        if names and values and names[0] == values[0]:
            found |= {f"{names[0]}{name}".replace(":", "."): int(v) for name, v in zip(names[1:], values[1:], strict=False)}
    return found


def _per_cpu(name: str, rows: list[list[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows[1:]:
        for column, value in zip(rows[0], row, strict=False):
            number = int(value, 16)
            key = f"{name}.{column}"
            found[key] = number if column in TABLE_WIDE else found.get(key, 0) + number
    return found


def _devices(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in text.splitlines()[2:]:
        name, _, values = line.partition(":")
        if not name.strip().startswith(VIRTUAL):
            numbers = zip(DEVICE, values.split(), strict=False)
            found |= {f"{name.strip()}.{column}": int(value) for column, value in numbers}
    return found


def _sockets(rows: list[list[str]]) -> Iterator[tuple[str, int]]:
    for row in rows:
        for key, value in zip(row[1::2], row[2::2], strict=False):
            yield f"sockets.{row[0].rstrip(':')}.{key}", int(value)
