# SPDX-License-Identifier: Apache-2.0
"""The draw: a family, a mutation of it, its timing, now and then a pair. A seed and a number give the same on like labs."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from bench.campaign import files, links, objects, processes, routes, rules, settings
from bench.campaign.inventory import Inventory
from bench.campaign.mutation import ALWAYS, PERIODIC, Family, Mutation

FAMILIES: dict[str, tuple[int, Family]] = {
    "object": (36, objects.draw),
    "sysctl": (9, settings.sysctl),
    "route": (9, routes.route),
    "neighbour": (5, routes.neighbour),
    "link": (7, links.link),
    "address": (4, links.address),
    "rule": (16, rules.rule),
    "process": (8, processes.process),
    "file": (6, files.file),
}
"""Weights as people meet them: most outages are a change of configuration."""

PAIRS = 0.06
PERIODICALLY = 0.12
COMES_AND_GOES = ("route", "policy route", "neighbour", "link", "rule", "forwarding entry")
TRIES = 200


def draw(seed: int, number: int, inventory: Inventory, skip: int = 0) -> Mutation:
    """Draw mutation ``number`` of a seed; ``skip``: how many of its draws were refused by the kernel or the API server."""
    rng = Random(f"{seed}/{number}")
    for _ in range(skip + 1):
        mutation = _pair(rng, inventory) if rng.random() < PAIRS else _single(rng, inventory)
    return mutation


def _single(rng: Random, inventory: Inventory) -> Mutation:
    names = list(FAMILIES)
    for _ in range(TRIES):
        family = rng.choices(names, [FAMILIES[name][0] for name in names])[0]
        if mutation := FAMILIES[family][1](rng, inventory):
            if mutation.timing == ALWAYS and mutation.family in COMES_AND_GOES and rng.random() < PERIODICALLY:
                return replace(mutation, timing=PERIODIC)
            return mutation
    raise ValueError("this lab has nothing to mutate")


def _pair(rng: Random, inventory: Inventory) -> Mutation:
    """Two at once, of different places."""
    one = _single(rng, inventory)
    for _ in range(TRIES):
        other = _single(rng, inventory)
        if not set(one.places) & set(other.places) and PERIODIC not in (one.timing, other.timing):
            break
    return Mutation(
        family="pair",
        what=f"{one.what}; and {other.what}",
        places=(*one.places, *other.places),
        apply=(*one.apply, *other.apply),
        undo=(*other.undo, *one.undo),
        settle=max(one.settle, other.settle),
        parts=(one, other),
    )
