# SPDX-License-Identifier: Apache-2.0
"""Cases of policy_enforcement."""

from kubectl_netdoc.api import (
    ADMIN_NETWORK_POLICY,
    NATIVE_POLICIES,
    NETWORK_POLICY,
    Canary,
    CanaryReply,
    CanaryTrial,
    Grant,
    Lost,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.testing import Built, Case, Selection, make_cluster, make_node, make_pod, make_policy

NODES = ("n1", "n2", "n3")
DENY = make_policy("{podSelector: {}}", "deny")
THINGS = (*(make_node(name) for name in NODES), make_pod())
EVERYWHERE = frozenset({("ENF001", "Cluster network policies")})
GLOBAL = NATIVE_POLICIES[3]


def _trials(
    node: str, stopped: float = 1.0, again: float = 0.5, *, before: bool = True, how: str = "timeout"
) -> tuple[CanaryTrial, ...]:
    other = NODES[(NODES.index(node) + 1) % 3]
    ways = [(way, end) for end in (node, other) for way in ("Ingress", "Egress")]
    return tuple(
        CanaryTrial(way, end, before, stopped if before else -1, how, again if before and stopped >= 0 else -1)
        for way, end in ways
    )


def _case(
    name: str,
    odd: dict[str, tuple[CanaryTrial, ...]] | tuple[CanaryTrial, ...] | None = None,
    *,
    expect: frozenset[tuple[str, str]] = frozenset(),
    objects: tuple[Built, ...] = (DENY,),
    asked: tuple[str, ...] = (),
    lost: str = "",
    state: str = "",
    joins: str = "",
) -> Case:
    things = (make_node(joins, age=30), *(built for built in THINGS if built[1].name != joins))
    cluster = make_cluster(*(things if joins else THINGS), *objects, vantages=NODES, selection=Selection(checks=asked))
    replies: dict[Request, Reply] = {}
    for number, node in enumerate(NODES):
        trials = (odd or {}).get(node, _trials(node)) if not isinstance(odd, tuple) else odd
        replies[Canary(node, NODES[(number + 1) % 3])] = Lost(lost) if lost else CanaryReply(trials, 10.0)
    return Case(name, cluster, expect, Measured(replies, tuple(Vantage(node, True) for node in NODES)), state)


def _all(**trial: object) -> dict[str, tuple[CanaryTrial, ...]]:
    return {node: _trials(node, **trial) for node in NODES}  # type: ignore[arg-type]


def _one_way(way: str) -> dict[str, tuple[CanaryTrial, ...]]:
    never = {node: _trials(node, -1) for node in NODES}
    return {n: tuple(a if a.direction == way else b for a, b in zip(never[n], _trials(n), strict=True)) for n in NODES}


ISOLATING = make_policy(
    "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
    "wall",
    kind=ADMIN_NETWORK_POLICY,
)

CASES = [
    Case("no policy", make_cluster(*THINGS, vantages=NODES)),
    _case("enforced"),
    _case("enforced by refusing", _all(how="refused")),
    _case("not enforced", _all(stopped=-1), expect=EVERYWHERE),
    _case(
        "not enforced, and no policy",
        _all(stopped=-1),
        objects=(),
        asked=("policy_enforcement",),
        expect=frozenset({("ENF010", "Cluster network policies")}),
    ),
    _case("enforced, and no policy", objects=(), asked=("policy_enforcement",)),
    _case("one node does not", {"n2": _trials("n2", -1)}, expect=frozenset({("ENF002", "Node n2")})),
    _case("one node does not, and joins just now", {"n2": _trials("n2", -1)}, joins="n2", state="unknown"),
    _case("not enforced, by a node that joins either", _all(stopped=-1), joins="n2", expect=EVERYWHERE),
    _case("no ingress", _one_way("Ingress"), expect=frozenset({("ENF003", "Cluster network policies")})),
    _case("no egress", _one_way("Egress"), expect=frozenset({("ENF003", "Cluster network policies")})),
    _case("never lifted", {"n3": _trials("n3", again=-1)}, expect=frozenset({("ENF004", "Node n3")})),
    _case("late", {"n1": _trials("n1", 7.5)}, expect=frozenset({("ENF011", "Node n1")})),
    _case("nothing came through before", _all(before=False), state="unknown"),
    _case("isolated by a cluster-wide policy", _all(before=False), objects=(DENY, ISOLATING), state="unknown"),
    _case(
        "perhaps isolated by a CNI's own policy",
        _all(before=False),
        objects=(DENY, make_policy("{}", "wall", kind=GLOBAL)),
        state="unknown",
    ),
    _case("policy can't be made", lost="the canary's policy can't be made: forbidden", state="unknown"),
    Case(
        "nothing measured",
        make_cluster(*THINGS, DENY, vantages=NODES),
        measured=Measured(why_unmeasured="not asked for: --no-pods"),
        state="skipped",
    ),
    Case(
        "policies forbidden",
        make_cluster(*THINGS, unavailable={NETWORK_POLICY: Unavailable("forbidden", Grant("list", "networkpolicies"))}),
        state="skipped",
    ),
]
