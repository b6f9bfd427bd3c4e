# SPDX-License-Identifier: Apache-2.0
"""Cases of pod_egress. On the lab is made: a node whose pods are not masqueraded (pod-egress-bare); the rest is hand-made."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.api import Address, Connect, ConnectReply, DnsLookup, DnsReply, Lost, Outcome, Reply, Request, Tier
from kubectl_netdoc.checks.pod_network.pod_egress import check
from kubectl_netdoc.core.cluster import Selection
from kubectl_netdoc.measurements.dns import DnsSample
from kubectl_netdoc.testing import Built, Case, make_cluster, make_node, make_pod, make_policy, measured

NODES = ("n1", "n2", "n3")
SEEN = ("PEG010", "Cluster ways out")
OUTSIDE = "192.0.2.10"
PLAIN = (*(make_node(name) for name in NODES), make_pod("web-1", ip="10.0.0.1"))
DENY = make_policy("{podSelector: {}, policyTypes: [Egress]}", namespace="netdoc")


def _case(
    name: str,
    *expect: str,
    pods: dict[str, Outcome | str] | None = None,
    hosts: dict[str, Outcome] | None = None,
    external: str = OUTSIDE,
    objects: tuple[Built, ...] = PLAIN,
    state: str = "",
    seen: bool = True,
    **more: Any,
) -> Case:
    """``pods``, ``hosts``: what becomes of connections from each node, else they are refused; ``hosts`` None: not measured."""
    tier = Tier.PODS if hosts is None else Tier.NODES
    cluster = make_cluster(*objects, vantages=NODES, tier=tier, selection=Selection(external=(external,)))

    def answers(request: Request) -> Reply:
        if isinstance(request, DnsLookup):
            return DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, "NOERROR", 1),), records=("0.alias.test.", OUTSIDE))
        assert isinstance(request, Connect)
        assert request.to == Address(OUTSIDE, 443)
        became = ((hosts or {}) if request.host else (pods or {})).get(request.node, Outcome.REFUSED)
        return ConnectReply(became, 1.0) if isinstance(became, Outcome) else Lost(became)

    pairs = frozenset((code, subject) for code, _, subject in (text.partition(" ") for text in expect))
    return Case(name, cluster, pairs | ({SEEN} if seen else set()), measured(check, cluster, answers, **more), state)


LATE = Outcome.TIMEOUT
NONE = dict.fromkeys(NODES, LATE)

CASES = [
    _case("pods get out everywhere"),
    _case("pods get out everywhere, by a name", external="example.test"),
    _case("pods get out everywhere, nodes as well", hosts={}),
    _case("pods get out and nodes do not", hosts=dict(NONE)),
    _case("pods of one node do not", "PEG001 Node n2", pods={"n2": LATE}),
    _case("pods of one node do not, by a name", "PEG001 Node n2", pods={"n2": LATE}, external="example.test"),
    _case("pods of one node do not, itself does", "PEG001 Node n2", pods={"n2": LATE}, hosts={}),
    _case("neither one node nor its pods do", "PEG002 Node n2", pods={"n2": LATE}, hosts={"n2": LATE}),
    _case("pods of no node do, nodes do", "PEG001 Cluster pods' way out", pods=dict(NONE), hosts={}),
    _case("pods of no node do, one node does", "PEG001 Node n1", pods=dict(NONE), hosts={"n2": LATE, "n3": LATE}),
    _case("nobody gets out: it may be down", pods=dict(NONE), hosts=dict(NONE)),
    _case("no pod gets out: it may be down", pods=dict(NONE)),
    _case("a policy keeps netdoc's pods in", pods=dict(NONE), hosts={}, objects=(*PLAIN, DENY), state="unknown", seen=False),
    _case("a policy and one node", "PEG001 Node n2", pods={"n2": LATE}, objects=(*PLAIN, DENY)),
    _case("no answer from one debug pod", pods={"n2": "cut"}, state="unknown"),
    _case("throttled debug pods", pods={"n2": LATE}, throttled=3, state="unknown", seen=False),
    _case("one node without a debug pod", "PEG001 Node n2", pods={"n2": LATE}, down={"n3": "Unschedulable"}),
    _case("an address of a family that pods do not have", external="2001:db8::1", seen=False),
    Case("nothing was asked for", make_cluster(*PLAIN, vantages=NODES), state="skipped"),
    Case("no pods", make_cluster(*PLAIN, selection=Selection(external=(OUTSIDE,))), state="skipped"),
]
