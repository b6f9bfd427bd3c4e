# SPDX-License-Identifier: Apache-2.0
"""Mutations of where packets go: routes, policy routes, neighbours, forwarding entries."""

from __future__ import annotations

import re
from random import Random

from bench.campaign.inventory import Inventory, Node
from bench.campaign.mutation import Mutation, one_off
from bench.campaign.nodes import on_nodes, where


def route(rng: Random, inventory: Inventory) -> Mutation | None:
    """A route gone, by another node, or a new one that takes packets; a policy route."""
    nodes = where(rng, inventory)
    node = nodes[0]
    lines = [
        line
        for line in node.lines("route")
        if not re.search(r"veth|cali|^local|^broadcast|table local|fe80|multicast|anycast|^::1", line)
    ]
    way = rng.choice(("gone", "elsewhere", "blackhole", "blackhole", "rule", "rule"))
    target = rng.choice(inventory.addresses)
    if way == "gone":
        line = rng.choice(lines).split(" linkdown")[0]
        family = "-6" if ":" in line else "-4"
        return on_nodes(
            "route", f"route {line} is gone", (node,), inventory, ((line.split()[0],),),
            [f"ip {family} route del {line}"], [f"ip {family} route replace {line}"],
        )  # fmt: skip
    if way == "elsewhere":
        via = [line for line in lines if " via " in line and ":" not in line]
        if not via:
            return None
        line = rng.choice(via)
        gateway = re.search(r"via (\S+)", line)
        others = [other.address for other in inventory.nodes if other != node]
        others += [re.sub(r"\.\d+/\d+$", ".0", other.pod_range) for other in inventory.nodes if other != node]
        if not gateway or not (choice := [other for other in others if other != gateway[1]]):
            return None
        new = line.replace(gateway[1], rng.choice(choice))
        return on_nodes(
            "route", f"route {line} is {new}", (node,), inventory, ((line.split()[0],),),
            [f"ip route replace {new}"], [f"ip route replace {line}"],
        )  # fmt: skip
    if way == "blackhole":
        kind = rng.choice(("blackhole", "unreachable", "prohibit"))
        return on_nodes(
            "route", f"{kind} {target} in the main table", nodes, inventory, ((target.split("/")[0],),),
            [f"ip route add {kind} {target} metric {rng.choice((0, 5, 500))}"], [f"ip route del {kind} {target}"],
        )  # fmt: skip
    priority, word = rng.choice((5, 100, 5000, 32765)), rng.choice(("from", "to"))
    action = rng.choice(("blackhole", "unreachable", "prohibit", "lookup 77"))
    line = f"{word} {target} priority {priority} {action}"
    filled = [f"ip route add {rng.choice(('default via ' + rng.choice(inventory.nodes).address, 'blackhole default'))} table 77"]
    filled = filled if action == "lookup 77" else []
    emptied = ["ip route flush table 77"] if filled else []
    return on_nodes(
        "policy route", f"ip rule {line}", nodes, inventory, ((target.split("/")[0], f"rule {priority}", str(priority)),),
        [*filled, f"ip rule add {line}"], [f"ip rule del {line}", *emptied],
    )  # fmt: skip


def neighbour(rng: Random, inventory: Inventory) -> Mutation | None:
    """An entry of the neighbour table or of the forwarding database gone, one off, or of another node."""
    node = rng.choice(inventory.nodes)
    entries = [
        line
        for line in node.lines("neighbour")
        if re.search(r"dev (flannel\.1|eth0|cni0) lladdr", line) and ":" not in line.split()[0]
    ]
    entries += [line for line in node.lines("fdb") if "dst" in line]
    if not entries:
        return None
    line, way = rng.choice(entries), rng.choice(("gone", "one off", "another's"))
    return (_forwarding if " dst " in line else _neighbour)(rng, inventory, node, line, way)


def _after(line: str, word: str) -> str:
    """The word of a line that follows another."""
    return line.split(f" {word} ")[1].split()[0]


def _forwarding(rng: Random, inventory: Inventory, node: Node, line: str, way: str) -> Mutation:
    mac, dst, dev = line.split()[0], _after(line, "dst"), _after(line, "dev")
    back = f"bridge fdb replace {mac} dev {dev} dst {dst} self permanent"
    others = [other.address for other in inventory.nodes if other.address not in (dst, node.address)]
    if way == "gone" or not others:
        what, change, new = f"bridge fdb {line} is gone", f"bridge fdb del {mac} dev {dev} dst {dst}", dst
    else:
        new = rng.choice(others) if way == "another's" else one_off(dst, rng)
        what, change = f"bridge fdb {line} is dst {new}", back.replace(f"dst {dst} ", f"dst {new} ")
    return on_nodes("forwarding entry", what, (node,), inventory, ((mac, dst, new),), [change], [back])


def _neighbour(rng: Random, inventory: Inventory, node: Node, line: str, way: str) -> Mutation:
    address, dev, mac = line.split()[0], _after(line, "dev"), _after(line, "lladdr")
    gone, permanent = f"ip neigh del {address} dev {dev}", "PERMANENT" in line
    back = f"ip neigh replace {address} dev {dev} lladdr {mac} nud {'permanent' if permanent else 'reachable'}"
    if way == "gone":
        return on_nodes("neighbour", f"neighbour {line} is gone", (node,), inventory, ((address, mac),), [gone], [back])
    macs = sorted({found for each in node.lines("neighbour") for found in re.findall(r"lladdr (\S+)", each)} - {mac})
    digit = format((int(mac[-1], 16) + rng.randint(1, 15)) % 16, "x")
    new = rng.choice(macs) if way == "another's" and macs else mac[:-1] + digit
    what = f"neighbour {address} on {dev} has {new}, no longer {mac}"
    change = f"ip neigh replace {address} dev {dev} lladdr {new} nud permanent"
    return on_nodes("neighbour", what, (node,), inventory, ((address, new),), [change], [gone, *([back] if permanent else [])])
