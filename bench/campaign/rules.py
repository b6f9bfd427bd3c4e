# SPDX-License-Identifier: Apache-2.0
"""Mutations by a packet filter's rule: a random table, chain and place in it, a random match, a random target.

Timing is part of a rule: always, one packet in three, only under load (what is beyond a rate); every ten seconds is `timing`'s.
"""

from __future__ import annotations

import shlex
from random import Random

from msgspec.structs import replace

from bench.campaign.inventory import Inventory
from bench.campaign.mutation import ALWAYS, LOAD, THIRD, Mutation
from bench.campaign.nodes import on_nodes, where

CHAINS = {
    "raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT"),
}  # fmt: skip
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
LAYERS = ("nodes", "pod_network", "services", "dns")


def rule(rng: Random, inventory: Inventory) -> Mutation | None:
    """Draw one of iptables or of nftables."""
    return (_nftables if rng.random() < 0.25 else _iptables)(rng, inventory)


def _match(rng: Random, inventory: Inventory) -> tuple[str, str, str, str, str]:
    """Protocol, port, source, destination and link; any may be empty."""
    protocol = rng.choice(("tcp", "tcp", "udp", "udp", "icmp", ""))
    port = rng.choice(inventory.ports) if protocol in ("tcp", "udp") and rng.random() < 0.8 else ""
    source = rng.choice(inventory.addresses) if rng.random() < 0.3 else ""
    target = rng.choice(inventory.addresses) if rng.random() < 0.4 else ""
    link = rng.choice(("eth0", "cni0", "flannel.1")) if rng.random() < 0.2 else ""
    return protocol, port, source, target, link


def _iptables(rng: Random, inventory: Inventory) -> Mutation | None:
    nodes = where(rng, inventory)
    table = rng.choice(sorted(CHAINS))
    chain = rng.choice(CHAINS[table])
    protocol, port, source, target, link = _match(rng, inventory)
    if not (port or source or target) and protocol != "icmp":
        return None  # all that a node sends or gets: nobody's slip of the hand
    words, marks = [], [each for each in (port, source.split("/")[0], target.split("/")[0]) if each]
    words += ["-s", source] if source else []
    words += ["-d", target] if target else []
    words += ["-p", protocol] if protocol else []
    words += [rng.choice(("--dport", "--dport", "--sport")), port] if port else []
    if link:
        words += ["-o" if chain in ("OUTPUT", "POSTROUTING") else "-i", link]
    timing = rng.choices((ALWAYS, THIRD, LOAD), (6, 3, 1))[0]
    if timing == THIRD:
        words += rng.choice(
            (
                ["-m", "statistic", "--mode", "nth", "--every", "3", "--packet", "0"],
                ["-m", "statistic", "--mode", "random", "--probability", "0.33"],
            )
        )
    elif timing == LOAD:
        words += [
            "-m",
            "hashlimit",
            "--hashlimit-above",
            f"{rng.choice((5, 20, 50))}/sec",
            "--hashlimit-burst",
            "10",
            "--hashlimit-name",
            "campaign",
        ]
    elif table == "filter" and protocol == "tcp" and rng.random() < 0.2:
        words += ["-m", "conntrack", "--ctstate", rng.choice(("NEW", "ESTABLISHED", "INVALID"))]
    elif rng.random() < 0.15:
        words += ["-m", "length", "--length", rng.choice(("1000:65535", "1400:65535", "0:100"))]
    goal = _target(rng, inventory, table, protocol)
    if goal is None:
        return None
    rule = [chain, *words, "-j", *goal]
    line = shlex.join(rule)
    insert = rng.random() < 0.8
    apply = f"iptables -w 10 -t {table} {'-I' if insert else '-A'} {line}"
    mutation = on_nodes(
        "rule", f"iptables -t {table} {'-I' if insert else '-A'} {line}", nodes, inventory,
        (tuple(marks or [protocol]), (goal[0], goal[0].lower())),
        [apply], [f"iptables -w 10 -t {table} -D {line}"], layers=LAYERS,
    )  # fmt: skip
    return replace(mutation, timing=timing)


def _target(rng: Random, inventory: Inventory, table: str, protocol: str) -> list[str] | None:
    ways = {
        "raw": (["DROP"], ["DROP"], ["NOTRACK"]),
        "mangle": (["DROP"], ["MARK", "--set-mark", rng.choice(("0x1", "0x4000", "0x8000"))], ["TTL", "--ttl-set", "1"]),
        "nat": (["ACCEPT"], ["RETURN"], ["DNAT"], ["MASQUERADE"]),
        "filter": (["DROP"], ["DROP"], ["REJECT"], ["ACCEPT"]),
    }  # fmt: skip
    goal = list(rng.choice(ways[table]))
    if goal == ["DNAT"]:
        if not protocol:
            return None
        goal += ["--to-destination", rng.choice([each for each in inventory.addresses if "/" not in each])]
    return goal


def _nftables(rng: Random, inventory: Inventory) -> Mutation | None:
    nodes = where(rng, inventory)
    hook = rng.choice(HOOKS)
    priority = rng.choice((-400, -300, -150, -100, 0, 50, 100, 300))
    protocol, port, source, target, link = _match(rng, inventory)
    if not (port or source or target) and protocol != "icmp":
        return None
    words, marks = [], [each for each in (port, source.split("/")[0], target.split("/")[0]) if each]
    words += [f"{'oifname' if hook in ('output', 'postrouting') else 'iifname'} {link}"] if link else []
    words += [f"ip saddr {source}"] if source else []
    words += [f"ip daddr {target}"] if target else []
    words += [f"{protocol} {rng.choice(('dport', 'dport', 'sport'))} {port}"] if port else []
    words += ["ip protocol icmp"] if protocol == "icmp" else [] if port or not protocol else [f"meta l4proto {protocol}"]
    timing = rng.choices((ALWAYS, THIRD, LOAD), (6, 3, 1))[0]
    words += [f"numgen {rng.choice(('random', 'inc'))} mod 3 == 0"] if timing == THIRD else []
    words += [f"limit rate over {rng.choice((5, 20, 50))}/second burst 10 packets"] if timing == LOAD else []
    verdict = rng.choice(("drop", "drop", "accept", "counter", "reject" if hook in ("input", "forward", "output") else "drop"))
    name = rng.choice(("firewall", "hardening", "custom", "edr"))
    text = " ".join([*words, verdict])
    script = (
        f"add table inet {name}; add chain inet {name} c {{ type filter hook {hook} priority {priority}; }}; "
        f"add rule inet {name} c {text}"
    )
    mutation = on_nodes(
        "rule", f"nft table inet {name}, hook {hook} priority {priority}: {text}", nodes, inventory,
        (tuple(marks or [protocol]), (verdict, verdict.upper())),
        [f"nft {shlex.quote(script)}"], [f"nft delete table inet {name}"], layers=LAYERS,
    )  # fmt: skip
    return replace(mutation, timing=timing)
