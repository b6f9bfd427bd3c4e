# SPDX-License-Identifier: Apache-2.0
"""Mutations of links (flags, MTU, queue) and of the addresses on them."""

from __future__ import annotations

import re
from random import Random

from msgspec import Struct

from bench.campaign.inventory import Inventory, Node
from bench.campaign.mutation import Mutation
from bench.campaign.nodes import on_nodes, where

SAVED = "/run/campaign.routes"
"""Routes that go with a link or an address, and come back from here."""

NEIGHBOURS = "/run/campaign.neighbours"
"""And permanent neighbours."""


def _save(dev: str) -> str:
    return f"ip route show dev {dev} | sed 's/ linkdown//; s/$/ dev {dev}/' >{SAVED}"


NO_QUEUE = "tc qdisc del dev {dev} root"
BACK = f"while read -r r; do ip route replace $r || ip route replace $r onlink || true; done <{SAVED}; rm -f {SAVED}"


def link(rng: Random, inventory: Inventory) -> Mutation | None:
    """A link's flags, its MTU, its queue."""
    nodes = where(rng, inventory)
    dev = rng.choice([name for name in nodes[0].links if name in ("eth0", "cni0", "flannel.1", "lo")])
    change = rng.choice((_down, _mtu, _mtu, _flag, _queue, _rate))(rng, nodes[0], dev)
    return on_nodes("link", change.what, nodes, inventory, change.marks, change.apply, change.undo) if change else None


class Change(Struct, frozen=True):
    """What becomes of a link: a clause, the words that name it, and the lines of shell."""

    what: str
    marks: tuple[tuple[str, ...], ...]
    apply: tuple[str, ...]
    undo: tuple[str, ...]


def _down(rng: Random, node: Node, dev: str) -> Change:
    entries = f"ip neigh show dev {dev} nud permanent >{NEIGHBOURS}"
    again = f"while read -r a b m r; do ip neigh replace $a dev {dev} lladdr $m nud permanent || true; done <{NEIGHBOURS}"
    apply = (_save(dev), entries, f"ip link set {dev} down")
    return Change(f"{dev} is down", ((dev,),), apply, (f"ip link set {dev} up", BACK, again))


def _mtu(rng: Random, node: Node, dev: str) -> Change:
    seen = (re.search(rf": {re.escape(dev)}\S* <.*mtu (\d+)", line) for line in node.lines("link"))
    mtu = next((match[1] for match in seen if match), "1500")
    new = rng.choice([size for size in (576, 1000, 1280, 1400, 1410, 1430, 1440, 1449, 1451, 1500, 9000) if str(size) != mtu])
    what, marks = f"{dev} has MTU {new}, no longer {mtu}", (("mtu",), (dev, str(new)))
    return Change(what, marks, (f"ip link set {dev} mtu {new}",), (f"ip link set {dev} mtu {mtu}",))


def _flag(rng: Random, node: Node, dev: str) -> Change | None:
    flag, state = rng.choice((("arp", "off"), ("multicast", "off"), ("promisc", "on")))
    if flag == "arp" and dev in ("flannel.1", "lo"):
        return None  # they have it so
    marks = ((dev,), (flag, "NOARP" if flag == "arp" else flag.upper()))
    other = "off" if state == "on" else "on"
    return Change(f"{dev}: {flag} {state}", marks, (f"ip link set {dev} {flag} {state}",), (f"ip link set {dev} {flag} {other}",))


def _queue(rng: Random, node: Node, dev: str) -> Change:
    apply, undo = f"tc qdisc replace dev {dev} root pfifo limit 1", NO_QUEUE.format(dev=dev)
    return Change(f"{dev} has a queue of 1", ((dev,), ("queue", "qlen", "pfifo")), (apply,), (undo,))


def _rate(rng: Random, node: Node, dev: str) -> Change:
    rate = rng.choice(("100kbit", "1mbit", "20mbit"))
    apply = f"tc qdisc replace dev {dev} root tbf rate {rate} burst 3000 latency 200ms"
    marks = ((dev,), ("tbf", "rate", "token bucket", "queue"))
    return Change(f"{dev} sends {rate} at most", marks, (apply,), (NO_QUEUE.format(dev=dev),))


def address(rng: Random, inventory: Inventory) -> Mutation | None:
    """An address gone, or one on a node that belongs elsewhere."""
    nodes = (rng.choice(inventory.nodes),)
    node = nodes[0]
    if rng.random() < 0.3:
        lines = [line for line in node.lines("address") if re.search(r"\d+: (cni0|flannel\.1) ", line)]
        if not lines:
            return None
        match = re.search(r"\d+: (\S+)\s+inet (\S+)(?: brd (\S+))?", rng.choice(lines))
        if not match:
            return None
        dev, ip, brd = match[1], match[2], f" brd {match[3]}" if match[3] else ""
        return on_nodes(
            "address", f"{ip} is gone from {dev}", nodes, inventory, ((ip.split("/")[0], dev),),
            [_save(dev), f"ip addr del {ip} dev {dev}"], [f"ip addr add {ip}{brd} dev {dev}", BACK],
        )  # fmt: skip
    target = rng.choice(
        [each for each in inventory.addresses if "/" not in each]
        + [re.sub(r"0/\d+$", str(rng.randint(2, 9)), node.pod_range) for node in inventory.nodes]
    )
    if target == node.address:
        return None
    dev = rng.choice(("lo", "eth0", "cni0"))
    return on_nodes(
        "address",
        f"{target} is on {dev} too",
        nodes,
        inventory,
        ((target,),),
        [f"ip addr add {target}/32 dev {dev}"],
        [f"ip addr del {target}/32 dev {dev}"],
    )
