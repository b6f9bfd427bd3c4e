# SPDX-License-Identifier: Apache-2.0
"""Label selectors as kubectl takes them: equality (=, ==, !=), sets (in, notin) and presence (key, !key)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kubectl_netdoc.records.policies import LabelSelector, LabelSelectorRequirement

Requirements = tuple[LabelSelectorRequirement, ...]

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}"
"""Kubernetes docs, Labels and Selectors: a name of at most 63 characters, behind a DNS subdomain and a slash or not."""

_PART = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<lacking>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*(?P<sign>==|!=|=)\s*(?P<value>{_NAME})?|\s+(?P<word>in|notin)\s*\((?P<set>[^()]*)\))?)\s*(?:,|$)"
)


class BadSelector(ValueError):
    """A text that is not a label selector; the message says which part is wrong."""


def parse(text: str) -> Requirements:
    """Return the requirements of a selector, none for an empty one; raises ``BadSelector``."""
    found: list[LabelSelectorRequirement] = []
    at = 0
    while at < len(text) and text.strip():
        match = _PART.match(text, at)
        if match is None:
            raise BadSelector(
                f"{text[at:].strip()!r} is not a label selector; write key=value, key!=value, key in (a,b), key notin "
                "(a,b), key or !key, separated by commas"
            )
        found.append(_requirement(match, text))
        at = match.end()
    if text.rstrip().endswith(","):
        raise BadSelector(f"{text!r} ends with a comma: a part of the label selector is missing")
    return tuple(found)


def _requirement(match: re.Match[str], text: str) -> LabelSelectorRequirement:
    if match["absent"]:
        return LabelSelectorRequirement(key=match["lacking"], operator="DoesNotExist")
    if match["sign"]:
        operator = "NotIn" if match["sign"] == "!=" else "In"
        return LabelSelectorRequirement(key=match["key"], operator=operator, values=(match["value"] or "",))
    if match["word"]:
        values = tuple(part.strip() for part in match["set"].split(","))
        wrong = next((value for value in values if value and not re.fullmatch(_NAME, value)), None)
        if wrong is not None:
            raise BadSelector(f"{wrong!r} in {text!r} is not a valid label value")
        return LabelSelectorRequirement(key=match["key"], operator="In" if match["word"] == "in" else "NotIn", values=values)
    return LabelSelectorRequirement(key=match["key"], operator="Exists")


def matches(requirements: Iterable[LabelSelectorRequirement], labels: Mapping[str, str]) -> bool:
    """Tell whether labels meet every requirement. A missing key is not in any set of values."""
    return all(_met(requirement, labels) for requirement in requirements)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector of an object selects these labels; an empty one selects everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and matches(
        selector.match_expressions, labels
    )


def _met(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False


def text(requirements: Iterable[LabelSelectorRequirement]) -> str:
    """Return requirements as kubectl writes them."""
    return ",".join(map(_text, requirements))


def _text(requirement: LabelSelectorRequirement) -> str:
    key, values = requirement.key, requirement.values
    match requirement.operator:
        case "Exists":
            return key
        case "DoesNotExist":
            return f"!{key}"
        case "In" | "NotIn" if len(values) == 1:
            return f"{key}{'=' if requirement.operator == 'In' else '!='}{values[0]}"
    return f"{key} {requirement.operator.lower()} ({','.join(values)})"
