# SPDX-License-Identifier: Apache-2.0
"""What the mutations of nodes share: a place is drawn, one worker, the control plane or all nodes, and lines run on each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from random import Random

from bench.campaign.inventory import Inventory, Node
from bench.campaign.mutation import Mutation, Place

EVERYWHERE = ("nodes", "pod_network")
"""Where a change that all nodes have alike is seen, as no node can be told."""


def where(rng: Random, inventory: Inventory) -> tuple[Node, ...]:
    """One worker mostly, else the control plane, else all."""
    kind = rng.choices(("worker", "control plane", "all"), (6, 2, 2))[0]
    if kind == "all":
        return inventory.nodes
    return (inventory.control_plane,) if kind == "control plane" else (rng.choice(inventory.workers),)


def named(nodes: Sequence[Node], inventory: Inventory) -> str:
    """Say which nodes."""
    return "all nodes" if len(nodes) == len(inventory.nodes) else ", ".join(node.name for node in nodes)


def on_nodes(
    family: str,
    what: str,
    nodes: Sequence[Node],
    inventory: Inventory,
    marks: tuple[tuple[str, ...], ...],
    apply: Sequence[str],
    undo: Sequence[str],
    *,
    settle: float = 2.0,
    layers: tuple[str, ...] = EVERYWHERE,
) -> Mutation:
    """Put a mutation together from the lines that are run on each node."""

    def each(lines: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"on {node.name} sh -c {shlex.quote(line)}" for node in nodes for line in lines)

    return Mutation(
        family=family,
        what=f"{named(nodes, inventory)}: {what}",
        places=tuple(Place("Node", node.name) for node in nodes),
        marks=marks,
        layers=layers if len(nodes) == len(inventory.nodes) else (),
        apply=each(apply),
        undo=each(undo),
        settle=settle,
    )
