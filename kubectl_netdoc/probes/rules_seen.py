# SPDX-License-Identifier: Apache-2.0
"""What the same run saw of kube-proxy's rules, for checks that would blame kube-proxy: only that reading can tell.

A connection that fails through a Service and succeeds directly has many causes, of which a missing rule is one. So no check says
that kube-proxy has no rule: it asks here, and takes the end of its sentence from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Code, Finding, Subject
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.node import ServiceRules
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.probes import service_rules
from kubectl_netdoc.probes.service_rules import NodeRules
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NODE, SERVICE
from kubectl_netdoc.remediation.commands import Risk, on_node

LOOK = "kubectl netdoc check service_rules service_reachability --privileged"
"""Reads every node's rules: the first command of a fix that may end in restarting kube-proxy."""


class Standing(StrEnum):
    """Whether a node has the rules in question: all of them, not all, or nothing was read that tells."""

    THERE = "there"
    LACKING = "lacking"
    UNREAD = "not read"


CAUSE = {
    Standing.THERE: ". kube-proxy's rules for these endpoints are there, so where the packets end is not known",
    Standing.LACKING: ". kube-proxy's rules there lack some of these endpoints",
    Standing.UNREAD: ". One possible cause is that rules of kube-proxy's are missing or wrong there; they were not read",
}
"""The end of a message, by what the rules say."""

NOT_KUBE_PROXY = (
    "Do not restart kube-proxy on {nodes}: it has written its rules. Something else on {nodes} drops or changes these packets. "
    "Look there for rules that neither kube-proxy nor the network wrote, and whether KUBE-SERVICES still has the Service's "
    "address; compare the output with that of a node that works."
)
SHOW_RULES = tuple(on_node("{first}", f"iptables -t {table} -S") for table in ("raw", "mangle", "filter", "nat"))


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask for each node's rules where a run may read them."""
    if cluster.tier.covers(Tier.PRIVILEGED) and _comparable(cluster):
        for node in cluster.hosts:
            yield ServiceRules(node)
            yield kube_proxy.mode_of(cluster, node)


def _comparable(cluster: Cluster) -> bool:
    return cluster.readable(NODE) and cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)


class RulesSeen:
    """The rules of each node, as far as they were read."""

    def __init__(self, facts: Facts) -> None:
        readable = facts.cluster.tier.covers(Tier.PRIVILEGED) and _comparable(facts.cluster)
        self._by_node = {rules.node: rules for rules in service_rules.read(facts)} if readable else {}

    def of(self, nodes: Iterable[str], endpoints: Iterable[str] | None = None, address: str = "") -> Standing:
        """Return whether all these nodes' rules lead to these endpoints ("tcp 10.0.0.1:80"); None: to all that they must.

        ``address``: of a Service ("tcp 10.96.0.1:80"), from which they must lead there.
        """
        wanted = None if endpoints is None else frozenset(endpoints)
        read = [self._by_node.get(node) for node in nodes]
        if wanted == frozenset() or not read:
            return Standing.UNREAD
        has = [_has(rules, wanted, address) if rules else None for rules in read]
        return Standing.UNREAD if None in has else Standing.THERE if all(has) else Standing.LACKING


def _has(rules: NodeRules, wanted: frozenset[str] | None, address: str) -> bool | None:
    if wanted is not None:
        return rules.has(wanted, address)
    return None if rules.unclear else bool(rules.must()) and not rules.missing


def found(code: Code, subject: Subject, standing: Standing, nodes: list[str], names: Mapping[str, Any]) -> Finding:
    """Return the finding of a code that would blame kube-proxy on these nodes; its message ends with ``{cause}``.

    Its own fix looks before it restarts kube-proxy. Where the rules are there, the fix is another one.
    """
    more = {"nodes": nodes, "first": nodes[0], "rules": str(standing), "cause": CAUSE[standing]}
    if standing is not Standing.THERE:
        return code.on(subject, {**names, **more})
    finding = code.on(subject, {**names, **more}, commands=SHOW_RULES)
    return replace(finding, fix=NOT_KUBE_PROXY.format(nodes=", ".join(nodes)), risk=Risk.SAFE)
