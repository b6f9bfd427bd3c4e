# SPDX-License-Identifier: Apache-2.0
"""A mutation as data: what is changed, where, how it is applied and undone, and what it makes true.

A judge needs to know what was changed and where, and nothing of netdoc: ``places`` are the mutated objects and nodes, ``near``
what they carry (a workload's Services and pods), ``marks`` the words that name the change. No code of netdoc's stands here.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from bench.campaign.inventory import Inventory

ALWAYS, THIRD, PERIODIC, LOAD = "always", "one in three", "every ten seconds", "only under load"


class Place(Struct, frozen=True, order=True):
    """An object of the cluster, or a node."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Mutation(Struct, frozen=True, kw_only=True):
    """One change, or a pair of them (``parts``)."""

    family: str
    what: str
    """One sentence: what was what, and is what now."""
    places: tuple[Place, ...]
    near: tuple[Place, ...] = ()
    marks: tuple[tuple[str, ...], ...] = ()
    """Groups of words. A text names the change where it holds one word of each group."""
    layers: tuple[str, ...] = ()
    """Folders of kubectl_netdoc/checks in which it is seen, where no single place can be named (all nodes alike)."""
    apply: tuple[str, ...] = ()
    """Lines of shell, in the words of lab/faults/lib.sh."""
    undo: tuple[str, ...] = ()
    timing: str = ALWAYS
    settle: float = 2.0
    """Seconds until it has its effect: mounted files, rollouts and timers of the kernel take theirs."""
    parts: tuple[Mutation, ...] = ()


class Family(Protocol):
    """One module of the grammar."""

    def __call__(self, rng: Random, inventory: Inventory) -> Mutation | None:
        """Draw one; None where what was drawn can't be mutated: draw again."""


class Refused(Exception):
    """The kernel or the API server did not take the mutation: another one is drawn."""


def one_off(value: str, rng: Random) -> str:
    """A number next to it, a digit or a letter that slipped: what a hand does wrong."""
    if value.isdigit():
        return str(max(0, int(value) + rng.choice((-1, 1))))
    places = [index for index, char in enumerate(value) if char.isalnum()]
    if not places:
        return value + "x"
    index = rng.choice(places)
    char = value[index]
    if char.isdigit():
        return value[:index] + str((int(char) + rng.choice((1, 9))) % 10) + value[index + 1 :]
    how = rng.choice(("dropped", "doubled", "other"))
    new = {"dropped": "", "doubled": char * 2, "other": chr((ord(char.lower()) - 97 + rng.randint(1, 25)) % 26 + 97)}[how]
    return value[:index] + new + value[index + 1 :]
