# SPDX-License-Identifier: Apache-2.0
"""Mutations of the kernel's settings below net."""

from __future__ import annotations

import re
import shlex
from random import Random

from bench.campaign.inventory import Inventory
from bench.campaign.mutation import Mutation
from bench.campaign.nodes import on_nodes, where

SHARED = re.compile(r"/(veth|cali|lxc)|nf_conntrack_(max|buckets|count)|nf_log|stable_secret|/neigh/default/gc_")
"""Settings of links that come and go, and of the machine's one kernel, which other nodes share."""


def sysctl(rng: Random, inventory: Inventory) -> Mutation | None:
    """One of the settings below net, to another value."""
    nodes = where(rng, inventory)
    found = [line.split("=", 1) for line in nodes[0].lines("sysctl") if not SHARED.search(line.split("=")[0])]
    path, value = rng.choice(found)
    parts = value.split("\t")
    index = rng.randrange(len(parts))
    number = parts[index].strip()
    if not re.fullmatch(r"-?\d+", number):
        return None
    new = str(rng.choice([1 - int(number)] if number in "01" else [0, int(number) // 10, int(number) * 10, int(number) + 1]))
    if new == number:
        return None
    parts[index] = new
    after = " ".join(part.strip() for part in parts)
    name = path.replace("/", ".")
    return on_nodes(
        "sysctl", f"{name} is {after}, no longer {value}", nodes, inventory, ((name, path.split("/")[-1]),),
        [f"echo {after} >/proc/sys/{path}"], [f"echo {shlex.quote(value)} >/proc/sys/{path}"],
    )  # fmt: skip
