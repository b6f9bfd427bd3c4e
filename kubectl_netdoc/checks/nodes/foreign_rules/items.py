# SPDX-License-Identifier: Apache-2.0
"""What on a node belongs to nobody known, one by one: in words, with its commands, and what makes it the same on another node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from kubectl_netdoc.api import NodeRulesReply, PolicyRoute, Queue, RtnetlinkReply, Rule, RuleSet, ip_families, some
from kubectl_netdoc.routing import ip_commands, pod_links
from kubectl_netdoc.tracing import rule_commands

SHOWN = 6
"""Most members of a set, or routes of a table, that a message shows."""

ADDRESS = re.compile(r"\b\d+\.\d+\.\d+\.\d+(/\d+)?|\b[0-9a-f]*:[0-9a-f:]+(/\d+)?")
"""Addresses and ranges: each node has its own, so rules that differ in them alone are alike."""

POD_LINK = re.compile(rf"\b({'|'.join(('veth', *pod_links.ROUTED))})[0-9a-f_]\w*")
"""Pods' interfaces, which have names of their own on each node."""

NUMBERS = re.compile(r"\b(reqid|mark|mask|if_id) \S+")
"""Of XFRM policies: numbers that each node gives by itself."""


PASSES = frozenset({"", "accept", "return", "masquerade"})
"""Verdicts of rules after which packets go on: those of table nat, too, but that the rules behind them don't translate."""


class Item(Struct, frozen=True):
    """A rule, policy route or queue. ``like``: what is the same where another node has the same; ``suspect``: it may do harm."""

    like: tuple[str, ...]
    words: str
    commands: tuple[str, ...]
    suspect: bool = True


class Node(Struct, frozen=True):
    """What a node told."""

    name: str
    rules: NodeRulesReply
    tables: RtnetlinkReply | None

    def items(self) -> Iterator[Item]:
        """Yield all that belongs to nobody known."""
        for rule in self.rules.rules:
            yield self._rule(rule)
        for route in self.rules.routes:
            yield self._route(route)
        for queue in self.rules.queues:
            if self._is_told(queue):
                yield self._queue(queue)

    def _rule(self, rule: Rule) -> Item:
        text = alike(rule.text)
        text = NUMBERS.sub("", text) if rule.backend == "xfrm" else text
        like = (rule.backend, rule.family, alike(rule.table), rule.chain, text)
        counted = f", {rule.packets} packets" if rule.packets >= 0 else ""
        place = rule.family if rule.backend in ("nft", "legacy") else rule.backend
        used = [each for each in self.rules.sets if _uses(rule, each)]
        members = "".join(f" (@{each.name}: {shown(each)})" for each in used)
        words = f"{' '.join(filter(None, (place, rule.table, rule.chain)))}: {rule.text}{counted}{members}"
        lists = tuple(_listed(self.name, each) for each in used)
        harmless = rule.verdict in PASSES and not (rule.table == "nat" and rule.verdict) and "set " not in rule.text
        return Item(like, words, (*rule_commands.showing_and_removing(self.name, rule), *lists), not harmless)

    def _route(self, route: PolicyRoute) -> Item:
        tool = "ip -6" if route.family == "IPv6" else "ip"
        commands = [ip_commands.on(self.name, f"{tool} rule show")]
        if route.table:
            commands.append(ip_commands.on(self.name, f"{tool} route show table {route.table}"))
        commands.append(ip_commands.on(self.name, f"{tool} rule del priority {route.priority}"))
        words = f"ip rule {route.priority}: {route.text}{self._table(route)}"
        return Item(("route", route.family, alike(route.text)), words, tuple(commands))

    def _table(self, route: PolicyRoute) -> str:
        """Return the routes of the table that a policy route leads to, in words; "" for the kernel's own tables."""
        if self.tables is None or not route.table or route.table in KERNELS:
            return ""
        found = [
            f"{each.to} {f'via {each.via} ' if each.via else ''}{f'dev {each.dev}' if each.dev else each.type}".strip()
            for each in self.tables.routes
            if each.table == route.table and ip_families.of(each.to) == route.family
        ]
        return f" ({some(found, SHOWN, '; ')})" if found else " (which has no routes)"

    def _is_told(self, queue: Queue) -> bool:
        """Tell whether no other check tells of a queue: `node_network` compares what links other than pods' have as root."""
        if queue.place == "root":
            return bool(POD_LINK.fullmatch(queue.dev))
        return not any(other.dev == queue.dev and other.place == "root" for other in self.rules.queues)

    def _queue(self, queue: Queue) -> Item:
        show = ip_commands.on(self.name, f"tc -s qdisc show dev {queue.dev}")
        remove = ip_commands.on(self.name, f"tc qdisc del dev {queue.dev} {queue.place} handle {queue.handle}")
        words = f"queueing discipline {queue.kind} on {queue.dev} ({queue.place}), {queue.dropped} packets dropped"
        return Item(("queue", alike(queue.dev), queue.kind), words, (show, remove))


KERNELS = frozenset({253, 254, 255})
"""The routing tables default, main and local."""


def alike(text: str) -> str:
    """Return a text without what each node has of its own: addresses and pods' links."""
    return POD_LINK.sub("a pod's link", ADDRESS.sub("an address", text))


def _uses(rule: Rule, each: RuleSet) -> bool:
    """Tell whether a rule names a set."""
    near = rule.backend in ("nft", "legacy") and (
        each.backend == "ipset" or (rule.family, rule.table) == (each.family, each.table)
    )
    return near and re.search(rf"@{re.escape(each.name)}(?![\w.-])", rule.text) is not None


def shown(each: RuleSet) -> str:
    """Return a set's type and members in words."""
    more = "at least " if each.cut else ""
    members = some(list(each.members), SHOWN, ", ")
    return f"{each.type}, {more}{each.count} members{f': {members}' if members else ''}"


def _listed(node: str, each: RuleSet) -> str:
    line = f"ipset list {each.name}" if each.backend == "ipset" else f"nft list set {each.family} {each.table} {each.name}"
    return ip_commands.on(node, line)


def odd_sets(nodes: Mapping[str, Node], enough: int) -> Iterator[tuple[str, Item]]:
    """Yield of each set that nodes have in common the one node with other members than all others, who agree."""
    found: dict[tuple[str, ...], dict[str, RuleSet]] = {}
    for name, node in nodes.items():
        for each in node.rules.sets:
            table = "" if each.backend == "ipset" else each.table
            found.setdefault((each.backend, each.family, table, each.name), {})[name] = each
    for like, sets in found.items():
        values = {name: each.members for name, each in sets.items()}
        odd = [name for name, own in values.items() if all(own != other for at, other in values.items() if at != name)]
        if len(values) < enough or len(odd) != 1 or len(set(values.values())) != 2 or any(each.cut for each in sets.values()):
            continue
        own, usual = set(values[odd[0]]), set(next(value for name, value in values.items() if name != odd[0]))
        parts = [
            f"{word} {some(sorted(those), SHOWN, ', ')}"
            for word, those in (("also has", own - usual), ("lacks", usual - own))
            if those
        ]
        each = sets[odd[0]]
        commands = (_listed(odd[0], each), *_changes(odd[0], each, sorted(own - usual)[:SHOWN], "del", "delete"))
        commands += tuple(_changes(odd[0], each, sorted(usual - own)[:SHOWN], "add", "add"))
        yield odd[0], Item(like, f"set {each.name} ({each.type}) {' and '.join(parts)}", commands)


def _changes(node: str, each: RuleSet, members: list[str], ipset: str, nft: str) -> Iterator[str]:
    for member in members:
        if each.backend == "ipset":
            yield ip_commands.words(node, "ipset", ipset, each.name, member)
        else:
            element = f"{{ {member} }}"
            yield ip_commands.words(node, "nft", nft, "element", each.family, each.table, each.name, element)
