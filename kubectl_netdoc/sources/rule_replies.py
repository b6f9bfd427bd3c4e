# SPDX-License-Identifier: Apache-2.0
"""Decodes the rules that the agent tells of a node: of packet filters, of traffic control, and XFRM policies."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.formats import filter_rules, set_members, traffic_filters, xfrm_policies
from kubectl_netdoc.measurements import rule_owners
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.node import ServiceRulesReply
from kubectl_netdoc.measurements.trace import NodeRulesReply, Queue, Rule, RuleSet
from kubectl_netdoc.sources import rtnetlink, service_chains

LONGEST = 300
"""Most characters of a rule in words that are kept."""

SHOWN_MEMBERS = 10
"""Most members of a set without a name that a rule shows."""


def rule_of(row: list[Any]) -> Rule:
    """Return a rule as the agent tells it; raises what is in ``trace_replies.UNREADABLE``."""
    return _READERS[str(row[0])](row, base64.b64decode(row[6]))


def _nft(row: list[Any], data: bytes) -> Rule:
    words = filter_rules.policy(data == b"\1") if row[4] == "policy" else filter_rules.nft(data, str(row[1]))
    return _rule(row, words)


def _legacy(row: list[Any], data: bytes) -> Rule:
    return _rule(row, filter_rules.legacy(data, str(row[1])))


def _rule(row: list[Any], words: filter_rules.RuleWords) -> Rule:
    backend, family, table, chain, handle = map(str, row[:5])
    return Rule(backend, family, table, chain, handle, words.text[:LONGEST], words.verdict, int(row[5]), to=words.to)


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


MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of the messages about rules for Services, once unpacked: the agent takes 8 MiB a list."""


def service_rules(raw: list[Any], ms: float) -> ServiceRulesReply:
    """Return a node's rules for Services; raises what is in ``trace_replies.UNREADABLE``, and ``zlib.error``."""
    messages = zlib.decompressobj().decompress(base64.b64decode(raw[2]), MOST_BYTES)
    return ServiceRulesReply(Outcome.OK, ms, service_chains.parse(messages), bool(raw[3]))


def node_rules(raw: list[Any], ms: float) -> NodeRulesReply:
    """Return what on a node belongs to nobody known; raises what is in ``trace_replies.UNREADABLE``."""
    sets = tuple(map(set_of, raw[7]))
    rules = tuple(with_sets(rule, sets) for row in raw[2] if rule_owners.foreign(rule := rule_of(row)))
    routes = tuple(sorted(route for text in raw[4] for route in rtnetlink.policy_routes(base64.b64decode(text))))
    every = (Queue(str(dev), str(kind), str(at), str(place), int(lost)) for dev, kind, at, place, lost in raw[6])
    queues = tuple(filter(rule_owners.foreign_queue, every))
    named = tuple(each for each in sets if not _anonymous(each) and not rule_owners.owned("set", each.table, each.name))
    return NodeRulesReply(Outcome.OK, ms, rules, routes, bool(raw[5]), named, queues)


def set_of(row: list[Any]) -> RuleSet:
    """Return a set as the agent tells it; raises what is in ``trace_replies.UNREADABLE``."""
    backend, family, table, name, kind = map(str, row[:5])
    elements = [base64.b64decode(text) for text in row[7]]
    if backend == "ipset":
        members = sorted(map(set_members.ipset, elements))
    else:
        number, flags = map(int, kind.split("/"))
        members, kind = sorted(set_members.nft(elements, number, flags)), set_members.type_name(number)
    return RuleSet(backend, family, table, name, kind, int(row[5]), tuple(members), bool(row[6]))


def _anonymous(each: RuleSet) -> bool:
    """Tell whether a set is a part of its rule: the kernel gives it a name by a count of its own."""
    return each.backend == "nft" and each.name.startswith(("__set", "__map"))


def with_sets(rule: Rule, sets: tuple[RuleSet, ...]) -> Rule:
    """Return a rule that says what sets are called, and what those that are a part of it have in them."""
    text = rule.text
    for each in sets:
        if each.backend == "ipset" and rule.backend in ("nft", "legacy"):
            text = re.sub(rf"-m set #{each.table}\b", f"-m set @{each.name}", text)
        elif _anonymous(each) and (rule.family, rule.table) == (each.family, each.table):
            members = ", ".join(each.members[:SHOWN_MEMBERS]) + (", …" if len(each.members) > SHOWN_MEMBERS or each.cut else "")
            text = re.sub(rf"@{each.name}\b", f"{{ {members} }}", text)
    return replace(rule, text=text[:LONGEST])
