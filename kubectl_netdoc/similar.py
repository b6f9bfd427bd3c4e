# SPDX-License-Identifier: Apache-2.0
"""Finds what somebody probably meant: the labels and names nearest to ones that match nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches

from kubectl_netdoc import patches

NEAR = 0.6
"""difflib's own cutoff for close matches, and close to a typo or two in a short word."""


def nearest_labels(selector: Mapping[str, str], candidates: Iterable[Mapping[str, str]]) -> Mapping[str, str] | None:
    """Return the labels among ``candidates`` that the selector all but selects, or None where nothing is near.

    Near means that at least one pair is equal, or that a value is nearly the same under the same key, and no key of
    the selector has a value that is quite another.
    """
    scored = [(_score(selector, labels), index, labels) for index, labels in enumerate(candidates)]
    best = max(scored, key=lambda entry: (entry[0], -entry[1]), default=None)
    return best[2] if best and best[0] > 0 else None


def _score(selector: Mapping[str, str], labels: Mapping[str, str]) -> float:
    equal = sum(labels.get(key) == value for key, value in selector.items())
    others = [
        SequenceMatcher(None, value, labels[key]).ratio()
        for key, value in selector.items()
        if key in labels and labels[key] != value
    ]
    if any(ratio < NEAR for ratio in others) or not (equal or others):
        return 0.0
    return (equal + sum(others)) / len(selector)


def selector_patch(selector: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return the merge patch that makes a Service's selector select ``labels``; a key they lack is removed."""
    changes = {key: labels.get(key) for key, value in selector.items() if labels.get(key) != value}
    return patches.merge({"spec": {"selector": changes}})


def typo(name: str, names: Iterable[str]) -> str:
    """Return the name that ``name`` is all but equal to, or nothing: the only other one there is may be quite another thing."""
    return next(iter(get_close_matches(name, sorted(set(names)), n=1, cutoff=NEAR)), "")


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Return the name most like ``name``, the only one there is, or nothing."""
    known = sorted(set(names))
    near = get_close_matches(name, known, n=1, cutoff=NEAR)
    return near[0] if near else known[0] if len(known) == 1 else ""


def text(labels: Mapping[str, str]) -> str:
    """Return labels as kubectl writes a selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
