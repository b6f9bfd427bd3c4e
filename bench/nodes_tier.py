# SPDX-License-Identifier: Apache-2.0
"""How long the tables of many nodes take to judge: CPU seconds of all checks over what the nodes tier reads of a healthy cluster.

    python -m bench.nodes_tier [NODES…]

The cluster is that of bench/clusters.py, each of its nodes read as flannel makes it (VXLAN): a route, a neighbour and a
forwarding entry for each other node, so that all tables together grow with the square of the nodes. Nothing else is answered.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from tabulate import tabulate

from bench import clusters
from kubectl_netdoc.cli.main import RARELY
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import Run, run
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.node import (
    Forwarding,
    Kernel,
    KernelReply,
    KernelRoute,
    Link,
    Neighbour,
    Rtnetlink,
    RtnetlinkReply,
)
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.routing import tables
from kubectl_netdoc.sources import FollowUp, nothing_more

PODS = 10
"""Pods' links on each node."""

SETTINGS = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "0", "net/bridge/bridge-nf-call-iptables": "1"}


class Nodes:
    """A cluster as a source in whose nodes the tables are read. ``change``: what becomes of a node's tables before they are."""

    label = "generated"

    def __init__(self, nodes: int, change: Callable[[str, RtnetlinkReply], RtnetlinkReply] = lambda node, reply: reply) -> None:
        self.change = change
        self.there = clusters.cluster(nodes)
        self.nodes = {node.name: node for node in self.there.all(NODE)}
        self.there.vantages, self.there.tier = tuple(self.nodes), Tier.NODES
        self.planned = 0.0
        """CPU seconds of this process when all requests were planned."""

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return it."""
        return self.there

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return the nodes' tables and settings, and pods that run."""
        replies = {each: reply for each in requests if (reply := self._reply(each))}
        pods = tuple(Vantage(name, True, ip=f"{self._range(name)}.250") for name in self.nodes)
        hosts = tuple(Vantage(name, True, ip=self._address(name)) for name in self.nodes)
        self.planned = time.process_time()
        return Measured(replies, pods, hosts, wanted=True)

    def _reply(self, request: Request) -> Reply | None:
        if isinstance(request, Kernel):
            return KernelReply(Outcome.OK, 1.0, 2.0, SETTINGS, {"Tcp.OutSegs": 1}, {"Tcp.OutSegs": 5})
        return self._tables(request.node) if isinstance(request, Rtnetlink) else None

    def _range(self, name: str) -> str:
        return self.nodes[name].spec.pod_cidrs[0].rpartition(".")[0]

    def _address(self, name: str) -> str:
        return next(each.address for each in self.nodes[name].status.addresses if each.type == "InternalIP")

    def _mac(self, name: str) -> str:
        return tables.flannel(self.nodes[name], "IPv4").mac

    @cache  # noqa: B019 - a benchmark ends with it
    def _entries(self, name: str) -> tuple[KernelRoute, Neighbour, Forwarding]:
        """What every other node has for one."""
        end, mac = f"{self._range(name)}.0", self._mac(name)
        route = KernelRoute(self.nodes[name].spec.pod_cidrs[0], via=end, dev="flannel.1", on_link=True)
        permanent = "permanent"
        return route, Neighbour(end, mac, "flannel.1", permanent), Forwarding(mac, "flannel.1", self._address(name), permanent)

    @cache  # noqa: B019
    def _tables(self, name: str) -> RtnetlinkReply:
        own, address, mac = self._range(name), self._address(name), self._mac(name)
        pods = (
            Link(f"veth{number:04d}", kind="veth", mtu=1450, up=True, master="cni0", elsewhere=True) for number in range(PODS)
        )
        links = (
            Link("lo", mtu=65536, up=True, addresses=("127.0.0.1/8",)),
            Link("eth0", mtu=1500, up=True, mac=f"0a{mac[2:]}", addresses=(f"{address}/16",)),
            Link("flannel.1", "vxlan", 1450, True, mac, addresses=(f"{own}.0/32",), vni=1, port=8472, local=address),
            Link("cni0", "bridge", 1450, True, f"0c{mac[2:]}", addresses=(f"{own}.1/24",)),
            *pods,
        )
        routes, neighbours, forwarding = zip(*(self._entries(other) for other in self.nodes if other != name), strict=True)
        near = (
            KernelRoute("0.0.0.0/0", via="192.168.255.254", dev="eth0"),
            KernelRoute("192.168.0.0/16", dev="eth0"),
            KernelRoute(f"{own}.0/24", dev="cni0"),
        )
        return self.change(name, RtnetlinkReply(Outcome.OK, 1.0, links, (*near, *routes), neighbours, forwarding))


def judged(source: Nodes) -> tuple[Run, float, float]:
    """Run every check; return what came of it, and the CPU seconds of planning and of judging."""
    known, before = registry.load(), time.process_time()
    done = run(source, known, known.checks)
    return done, source.planned - before, time.process_time() - source.planned


def main(sizes: list[int]) -> int:
    """Print a row a size."""
    gc.set_threshold(RARELY)
    rows: list[tuple[object, ...]] = []
    for size in sizes:
        source = Nodes(size)
        for name in source.nodes:
            source._tables(name)
        _, planned, took = judged(source)
        rows.append((size, f"{planned:.1f}", f"{took:.1f}", f"{took / float(str(rows[-1][2])):.1f}" if rows else ""))
    print(tabulate(rows, ["nodes", "planned, CPU s", "judged, CPU s", "times the row above"]))
    return 0


if __name__ == "__main__":
    sys.exit(main([int(arg) for arg in sys.argv[1:]] or [250, 500, 1000]))
