# SPDX-License-Identifier: Apache-2.0
"""Rules as nft, iptables-nft and iptables-legacy made them in a network namespace, read back by the agent (filter_rules.json)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from kubectl_netdoc.formats import filter_rules

ROWS = json.loads((Path(__file__).parent / "filter_rules.json").read_text())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["rule"])
def test_a_rule_in_words(row: dict[str, str]) -> None:
    raw = base64.b64decode(row["raw"])
    words = filter_rules.nft(raw, row["family"]) if row["backend"] == "nft" else filter_rules.legacy(raw, row["family"])
    assert (words.text, words.verdict) == (row["text"], row["verdict"])


@pytest.mark.parametrize("row", [row for row in ROWS if row["backend"] == "nft"], ids=lambda row: row["rule"])
def test_a_cut_rule_raises_nothing(row: dict[str, str]) -> None:
    raw = base64.b64decode(row["raw"])
    for end in range(len(raw)):
        filter_rules.nft(raw[:end])


def test_the_jump_of_a_rule() -> None:
    raw = next(row["raw"] for row in ROWS if row["rule"] == "jump other")
    assert filter_rules.nft(base64.b64decode(raw)).chain == "other"


def test_policies() -> None:
    assert (filter_rules.policy(True).verdict, filter_rules.policy(False).verdict) == ("accept", "drop")
