# SPDX-License-Identifier: Apache-2.0
"""Rules that nothing updates any more: in the other set of iptables, or of another mode."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Finding, Pod, Risk, Severity, Subject, on_node
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes.service_rules import TABLES, NodeRules

NAMES = {"iptables": "iptables (nf_tables)", "legacy": "the old iptables tables", "nftables": "nftables"}

TWO_SETS = Code(
    id="SRL004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Both sets of iptables have rules for Services",
    message="On {nodes}, rules of kube-proxy are in the old iptables tables ({legacy} endpoints) and in nf_tables as well "
    "({nft}): {stale} no longer updated, and the kernel applies both",
    fix="Delete the set that kube-proxy does not write (with iptables-legacy, or iptables-nft), or restart the node. Then make "
    "everything there that runs iptables use the same set.",
    rows=("K9",),
)
OTHER_MODE = Code(
    id="SRL005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Rules of another mode left behind",
    message="On {nodes}, kube-proxy's rules are in {table} ({count} endpoints), and rules of another mode are left in {other} "
    "({left}), where nothing updates them any more",
    fix="Delete all Service rules on {first} with kube-proxy --cleanup, and restart kube-proxy's pod at once, which writes those "
    "of its mode again, as the commands do. Or restart the node.",
    commands=("kubectl -n {space} exec {pod} -- kube-proxy --cleanup", kube_proxy.DELETE_POD),
    rows=("K7",),
)


def analyse(held: list[NodeRules], proxies: dict[str, list[Pod]]) -> Iterator[Finding]:
    """Report nodes with rules in two sets of iptables, then nodes with rules of two modes."""
    twice = [each for each in held if each.count("legacy") and each.count("iptables") and each.table != "nftables"]
    if twice:
        yield _two_sets(twice)
    other = [each for each in held if each.count("nftables") and (each.count("iptables") or each.count("legacy"))]
    if other:
        first = other[0]
        rest = max((table for table in TABLES if table != first.table), key=first.count)
        numbers = {"count": first.count(first.table), "left": first.count(rest)}
        names = {"table": NAMES[first.table], "other": NAMES[rest], **kube_proxy.names(proxies, first.node)}
        yield OTHER_MODE.on(_subject(other), numbers | names, nodes=_nodes(other), first=first.node)


def _two_sets(twice: list[NodeRules]) -> Finding:
    """Which of the two sets kube-proxy writes is not known where both have as many endpoints."""
    first = twice[0]
    old = first.table == "iptables"
    stale = "one of the two is" if first.tied else "those in the old tables are" if old else "those in nf_tables are"
    tools = ("iptables-legacy", "iptables-nft") if first.tied else ("iptables-legacy" if old else "iptables-nft",)
    lines = tuple(on_node(first.node, f"{tool} -t nat -S KUBE-SERVICES") for tool in tools)
    counts = {"legacy": first.count("legacy"), "nft": first.count("iptables")}
    return TWO_SETS.on(_subject(twice), counts, commands=lines, nodes=_nodes(twice), stale=stale)


def _nodes(held: list[NodeRules]) -> list[str]:
    return [each.node for each in held]


def _subject(held: list[NodeRules]) -> Subject:
    return Subject("Node", held[0].node) if len(held) == 1 else Subject("Cluster", "rules of Services")


CODES = (TWO_SETS, OTHER_MODE)
