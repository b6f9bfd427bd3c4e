# SPDX-License-Identifier: Apache-2.0
"""Finds typing errors: labels and names that differ by one slip from a text that matches nothing.

A slip is one letter left out, put in twice, mistaken or swapped with the next, in one word of a name, or its case and separators:
four of five misspellings are of that kind (F. J. Damerau, "A technique for computer detection and correction of spelling errors",
1964). Names that differ in another way are those of siblings (kafka-0 and kafka-2, v1 and v2, tenant-a and tenant-b, blue and
green, web and web-canary), and one of them must not be taken for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

NEAR = 0.6
"""The cutoff for close matches (difflib's default), for words that a user has just typed and can correct."""

LONG = 5
"""Fewest letters of a word in which one may be wrong or missing; shorter ones become another word (cart and card)."""

SHORT = 3
"""The same if the name of the object itself says which of both words is meant."""

NUMBER, APART, DOUBLED = re.compile(r"\d+"), re.compile(r"[^a-z0-9]+"), re.compile(r"(.)\1+")

GIVEN = frozenset({"pod-name", "pod-index", "controller-uid", "job-name", "pod-template-generation"})
"""Labels, without their prefix, that a controller gives each pod."""


def set_by_controller(key: str) -> bool:
    """Tell whether controllers write a label: a pod's own name or number, a revision, a virtual machine's name."""
    prefix, _, name = key.rpartition("/")
    return name in GIVEN or name.endswith("-hash") or prefix == "kubevirt.io" or prefix.endswith(".kubevirt.io")


def slip(name: str, other: str, *, least: int = LONG) -> bool:
    """Tell whether two names that differ do so by one slip of the hand.

    ``least``: fewest letters of a word in which one may be changed.
    """
    one, two = name.lower(), other.lower()
    if name == other or NUMBER.findall(one) != NUMBER.findall(two):
        return False
    words, others = list(filter(None, APART.split(one))), list(filter(None, APART.split(two)))
    if "".join(words) == "".join(others):
        return True
    wrong = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
    return len(words) == len(others) and len(wrong) == 1 and _in_a_word(*wrong[0], least)


def _in_a_word(one: str, two: str, least: int) -> bool:
    """Tell whether two words differ by one slip. The first letter is hardly ever wrong: sync is not async."""
    short, long = sorted((one, two), key=len)
    if len(short) < SHORT or (one[0] != two[0] and least > SHORT):
        return False
    if DOUBLED.sub(r"\1", one) == DOUBLED.sub(r"\1", two):
        return True
    if len(long) == len(short) + 1:
        return len(short) >= least and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    places = [i for i, letters in enumerate(zip(one, two, strict=False)) if letters[0] != letters[1]]
    if len(short) < len(long) or len(places) > 2:
        return False
    first, last = places[0], places[-1]
    swapped = last == first + 1 and (one[first], one[last]) == (two[last], two[first])
    return swapped or (first == last and len(one) >= least)


def typo(name: str, names: Iterable[str], named: str = "") -> str:
    """Return the only one of ``names`` that ``name`` is a slip of, or "". ``named``: the object's own name."""
    found = [other for other in sorted(set(names)) if slip(name, other, least=SHORT if other == named else LONG)]
    return found[0] if len(found) == 1 else ""


def nearest_labels(
    selector: Mapping[str, str], candidates: Iterable[Mapping[str, str]], named: str = ""
) -> Mapping[str, str] | None:
    """Return the labels that a selector selects but for one slip in one value; None if there are none, or of two kinds.

    ``named``: the name of the selector's object, which shows what is meant if it is the value that pods have.
    """
    near = [labels for labels in candidates if _near(selector, labels, named)]
    kinds = {tuple(labels[key] for key in selector) for labels in near}
    return near[0] if len(kinds) == 1 else None


def _near(selector: Mapping[str, str], labels: Mapping[str, str], named: str) -> bool:
    wrong = [key for key, value in selector.items() if labels.get(key) != value]
    if len(wrong) != 1 or set_by_controller(wrong[0]) or wrong[0] not in labels:
        return False
    return bool(typo(selector[wrong[0]], [labels[wrong[0]]], named))


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Return the name most like ``name``, the only one there is, or ""."""
    known = sorted(set(names))
    near = get_close_matches(name, known, n=1, cutoff=NEAR)
    return near[0] if near else known[0] if len(known) == 1 else ""


def selector_text(labels: Mapping[str, str]) -> str:
    """Return labels as kubectl writes a selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
