# SPDX-License-Identifier: Apache-2.0
"""Decodes the rules that the agent tells of a node: of packet filters, of traffic control, and XFRM policies."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from kubectl_netdoc.formats import filter_rules, traffic_filters, xfrm_policies
from kubectl_netdoc.measurements import rule_owners
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.trace import NodeRulesReply, Rule
from kubectl_netdoc.sources import rtnetlink

LONGEST = 300
"""Most characters of a rule in words that are kept."""


def rule_of(row: list[Any]) -> Rule:
    """Return a rule as the agent tells it; raises what is in ``trace_replies.UNREADABLE``."""
    return _READERS[str(row[0])](row, base64.b64decode(row[6]))


def _nft(row: list[Any], data: bytes) -> Rule:
    words = filter_rules.policy(data == b"\1") if row[4] == "policy" else filter_rules.nft(data)
    return _rule(row, words.text, words.verdict)


def _legacy(row: list[Any], data: bytes) -> Rule:
    words = filter_rules.legacy(data, str(row[1]))
    return _rule(row, words.text, words.verdict)


def _rule(row: list[Any], text: str, verdict: str) -> Rule:
    backend, family, table, chain, handle = map(str, row[:5])
    return Rule(backend, family, table, chain, handle, text[:LONGEST], verdict, int(row[5]))


def _traffic(row: list[Any], data: bytes) -> Rule:
    label, _, message = data.partition(b"\0")
    name = label.decode(errors="replace")
    words, to = traffic_filters.read(message, name), "" if row[1] == "bpf" else name
    dev, hook = map(str, row[2:4])
    return Rule("tc", words.protocol, dev, hook, words.handle, words.text[:LONGEST], words.verdict, int(row[5]), to=to)


def _policy(row: list[Any], data: bytes) -> Rule:
    words = xfrm_policies.read(data)
    family, way = str(row[1]), str(row[3])
    text = words.text[:LONGEST]
    return Rule("xfrm", family, "", way, words.handle, text, words.verdict, source=words.source, to=words.to)


_READERS: dict[str, Callable[[list[Any], bytes], Rule]] = {"nft": _nft, "legacy": _legacy, "tc": _traffic, "xfrm": _policy}


def node_rules(raw: list[Any], ms: float) -> NodeRulesReply:
    """Return the rules of nobody and the policy routes of a node; raises what is in ``trace_replies.UNREADABLE``."""
    rules = tuple(rule for row in raw[2] if rule_owners.foreign(rule := rule_of(row)))
    routes = tuple(sorted(route for text in raw[4] for route in rtnetlink.policy_routes(base64.b64decode(text))))
    return NodeRulesReply(Outcome.OK, ms, rules, routes, bool(raw[5]))
