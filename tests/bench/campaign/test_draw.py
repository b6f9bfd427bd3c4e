# SPDX-License-Identifier: Apache-2.0
"""The draw, over an inventory that was read from a healthy lab (inventory.json, flannel)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import pytest

from bench.campaign import objects, settings
from bench.campaign.draw import FAMILIES, draw
from bench.campaign.inventory import OWN, Inventory
from bench.campaign.mutation import ALWAYS, PERIODIC, Mutation, one_off

MANY = 400


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return msgspec.json.decode((Path(__file__).parent / "inventory.json").read_bytes(), type=Inventory)


@pytest.fixture(scope="module")
def drawn(inventory: Inventory) -> list[Mutation]:
    return [draw(7, number, inventory) for number in range(MANY)]


def test_a_seed_gives_the_same_again(inventory: Inventory, drawn: list[Mutation]) -> None:
    assert [draw(7, number, inventory) for number in range(MANY)] == drawn
    assert len({mutation.what for mutation in drawn}) > 0.9 * MANY
    assert draw(8, 1, inventory) != drawn[1]


def test_a_refused_draw_gives_another(inventory: Inventory, drawn: list[Mutation]) -> None:
    assert draw(7, 1, inventory, 1) != drawn[1]


def test_every_family_is_drawn(drawn: list[Mutation]) -> None:
    families = {part.family.split(":")[0] for mutation in drawn for part in (mutation.parts or (mutation,))}
    assert families >= FAMILIES.keys()
    assert 0 < sum(bool(mutation.parts) for mutation in drawn) < 0.2 * MANY
    timings = Counter(mutation.timing for mutation in drawn)
    assert timings[ALWAYS] > timings[PERIODIC] > 0


def test_each_can_be_undone_and_judged(drawn: list[Mutation]) -> None:
    for mutation in (part for each in drawn for part in (each.parts or (each,))):
        assert mutation.apply, mutation.what
        assert mutation.undo, mutation.what
        assert mutation.places, mutation.what
        assert mutation.marks, mutation.what
        assert all(group and all(group) for group in mutation.marks), mutation.what


def test_the_oracle_is_left_alone(drawn: list[Mutation]) -> None:
    assert not {place.namespace for mutation in drawn for place in mutation.places} & set(OWN)


def test_what_the_nodes_share_is_left_alone(inventory: Inventory) -> None:
    found = [settings.sysctl(Random(number), inventory) for number in range(MANY)]
    assert not [each.what for each in found if each and "nf_conntrack_max" in each.what]


def test_a_service_is_near_its_workload(inventory: Inventory) -> None:
    service = next(item for item in inventory.of("Service") if item["metadata"]["name"] == "cart")
    assert [str(place) for place in objects.near(service, inventory)] == ["Deployment market/cart"]
    cart = next(item for item in inventory.of("Deployment") if item["metadata"]["name"] == "cart")
    assert [str(place) for place in objects.near(cart, inventory)] == ["Service market/cart"]


@pytest.mark.parametrize("value", ["web", "10.244.0.0/16", "8080", "x", "-", ""])
def test_one_off_is_another(value: str) -> None:
    assert {one_off(value, Random(number)) for number in range(30)} - {value}
    assert value not in {one_off(value, Random(number)) for number in range(30)}
