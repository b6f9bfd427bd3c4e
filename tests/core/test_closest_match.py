# SPDX-License-Identifier: Apache-2.0
"""What is taken for a slip of the hand, and what for the name of a sibling."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_netdoc.core import closest_match

WORD = st.text(string.ascii_lowercase, min_size=6, max_size=12)
SLIPS = [
    ("chekout", "checkout"),
    ("webb", "web"),
    ("wbe", "web"),
    ("ngnix", "nginx"),
    ("htpp", "http"),
    ("shop-fronted", "shop-frontend"),
    ("payments", "payment"),
    ("my_app", "my-app"),
    ("Web", "web"),
    ("invetory-v2", "inventory-v2"),
    ("frontent", "frontend"),
]
SIBLINGS = [
    ("kafka-0", "kafka-2"),
    ("vm1", "vm2"),
    ("web-1-2", "web-12"),
    ("tenant-a", "tenant-b"),
    ("v1", "v2"),
    ("1.4.1", "1.4.2"),
    ("blue", "green"),
    ("web", "web-canary"),
    ("web-stable", "web-canary"),
    ("shop-frontend", "shop-backend"),
    ("prometheus", "prometheus-operator"),
    ("internal", "external"),
    ("producer", "reducer"),
    ("import", "export"),
    ("async", "sync"),
    ("oauth", "auth"),
    ("http", "https"),
    ("dev", "del"),
    ("cart", "card"),
    ("cart", "chart"),
    ("east", "west"),
    ("db", "dbs"),
    ("primary", "replica"),
    ("renderer", "render"),
    ("transport", "transform"),
    ("same", "same"),
]


@pytest.mark.parametrize(("one", "other"), SLIPS)
def test_one_slip_is_told_both_ways(one: str, other: str) -> None:
    assert (closest_match.slip(one, other), closest_match.slip(other, one)) == (True, True)


@pytest.mark.parametrize(("one", "other"), SIBLINGS)
def test_siblings_are_no_slip(one: str, other: str) -> None:
    assert (closest_match.slip(one, other), closest_match.slip(other, one)) == (False, False)


@settings(max_examples=200)
@given(WORD, st.data())
def test_a_letter_left_out_or_swapped_is_found(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(word) - 2))
    without = word[:place] + word[place + 1 :]
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    assert closest_match.slip(without, word)
    assert swapped == word or closest_match.slip(swapped, word)


@settings(max_examples=200)
@given(WORD, st.integers(0, 99), st.integers(0, 99), st.sampled_from(["-", ".", "", "-v", "_"]))
def test_names_that_differ_in_digits_are_siblings(word: str, one: int, other: int, apart: str) -> None:
    assert not closest_match.slip(f"{word}{apart}{one}", f"{word}{apart}{other}")


@settings(max_examples=200)
@given(WORD, WORD)
def test_a_further_word_makes_a_sibling(word: str, more: str) -> None:
    assert not closest_match.slip(word, f"{word}-{more}")


def test_the_objects_own_name_says_what_is_meant() -> None:
    assert (closest_match.typo("wep", ["web"]), closest_match.typo("wep", ["web"], "web")) == ("", "web")
    assert closest_match.typo("tenant-b", ["tenant-a"], "tenant-a") == ""


def test_of_two_that_may_be_meant_none_is() -> None:
    assert closest_match.typo("payment", ["payments", "paymet"]) == ""


@pytest.mark.parametrize(
    "key",
    [
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "pod-template-hash",
        "rollouts-pod-template-hash",
        "controller-revision-hash",
        "kubevirt.io/domain",
        "vm.kubevirt.io/name",
        "strimzi.io/pod-name",
        "batch.kubernetes.io/job-name",
    ],
)
def test_labels_that_controllers_give_are_no_typos(key: str) -> None:
    assert closest_match.nearest_labels({key: "checkuot"}, [{key: "checkout"}]) is None


def test_labels_are_near_by_one_value_alone() -> None:
    near = closest_match.nearest_labels
    assert near({"app": "chekout"}, [{"app": "checkout", "x": "y"}]) == {"app": "checkout", "x": "y"}
    assert near({"app": "chekout"}, [{"app": "checkout"}, {"app": "checkout"}]) == {"app": "checkout"}
    assert near({"app": "chekout", "tier": "frnt-end"}, [{"app": "checkout", "tier": "front-end"}]) is None
    assert near({"app": "checkout", "tier": "front"}, [{"app": "checkout"}]) is None
    assert near({"app": "payment"}, [{"app": "payments"}, {"app": "paymet"}]) is None
