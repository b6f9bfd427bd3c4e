# SPDX-License-Identifier: Apache-2.0
"""Cases of mtu_mismatch: what each path carries is given, the narrow place must be named. IPv6 and the CNIs are hand-made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubectl_netdoc.api import Burst, BurstReply, Lost, Outcome, PathMtu, PathMtuReply, Reply, Request, Round
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import ADMIN_NETWORK_POLICY, NODE
from kubectl_netdoc.testing import Case, make_cluster, make_policy, measured

NODES = ("n1", "n2", "n3")
Path = tuple[str, str]
OWN = 1450


def _cluster(notes: dict[str, str] | None = None, *more: Any, dual: bool = False, nodes: tuple[str, ...] = NODES) -> Cluster:
    annotations = {"flannel.alpha.coreos.com/backend-type": "vxlan"} if notes is None else notes
    made = []
    for n in nodes:
        ranges = [f"10.0.{n[1]}.0/24"] + ([f"fd00:0:0:{n[1]}::/64"] if dual else [])
        addresses = [{"type": "InternalIP", "address": f"192.0.2.{n[1]}"}]
        addresses += [{"type": "InternalIP", "address": f"2001:db8::{n[1]}"}] if dual else []
        fields = {"metadata": {"name": n, "annotations": annotations}, "spec": {"podCIDRs": ranges}}
        made.append((NODE, convert(NODE, fields | {"status": {"addresses": addresses}})))
    return make_cluster(*made, *more, vantages=nodes)


SMALL = BurstReply((Round(40, (0.2,) * 40),))
LOSES = BurstReply((Round(40, (0.2,) * 30), Round(40, (0.2,) * 31)))
QUEUED = BurstReply((Round(40, (0.2,) * 20 + (180.0,) * 20),))
NOTHING = BurstReply((Round(40), Round(40)))


def _sizes(
    cluster: Cluster,
    narrow: Mapping[Path, PathMtuReply | Lost] | None = None,
    *,
    v6: Mapping[Path, PathMtuReply | Lost] | None = None,
    bursts: dict[Path, BurstReply] | None = None,
    own: dict[str, int] | None = None,
    down: tuple[str, ...] = (),
    silent: bool = False,
) -> Measured:
    """``narrow``, ``v6``: the replies of paths that do not carry the whole MTU; ``own``: MTU of a node's pods."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, (PathMtu, Burst))
        path = request.node, request.to.node
        if isinstance(request, Burst):
            return NOTHING if silent else (bursts or {}).get(path, SMALL)
        if silent:
            return PathMtuReply(Outcome.TIMEOUT, OWN)
        mtu = (own or {}).get(request.node, OWN)
        return ((v6 if request.family else narrow) or {}).get(path, PathMtuReply(Outcome.OK, mtu, mtu))

    check = registry.load().choose(["mtu_mismatch"])[0]
    replies = {r: a for r, a in measured(check, cluster, answer).replies.items() if not {r.node, r.to.node} & set(down)}  # type: ignore[union-attr]
    return Measured(replies, tuple(Vantage(n, n not in down, "NotStarted" if n in down else "") for n in cluster.vantages))


def _hole(carried: int, told: int = 0, own: int = OWN) -> PathMtuReply:
    return PathMtuReply(Outcome.OK if carried else Outcome.TIMEOUT, own, carried, told)


def _tried(carried: int, large: tuple[int, int], under: tuple[int, int], told: int = 0) -> PathMtuReply:
    """The same round twice, of sizes above what was carried and of those up to it."""
    return PathMtuReply(Outcome.OK, OWN, carried, told, large=(large, large), under=(under, under))


def _both(a: str, b: str, reply: PathMtuReply) -> dict[Path, PathMtuReply | Lost]:
    return {(a, b): reply, (b, a): reply}


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster | None = None, state: str = "") -> Case:
    numbers = {("MTU012", "Cluster IPv4 path MTU")} if state != "skipped" and "no numbers" not in name else set()
    return Case(name, cluster or FLAT, frozenset({*expect, *numbers}), facts, state)


FLAT = _cluster()
DUAL = _cluster(dual=True)
UNTOLD = _cluster({})
CALICO = _cluster({"projectcalico.org/IPv4Address": "192.0.2.1/24", "projectcalico.org/WireguardPublicKey": "x"})
V6_NUMBERS = ("MTU012", "Cluster IPv6 path MTU")
DENY_ALL = "{priority: 1, tier: Admin, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
WALLED = _cluster(None, make_policy(DENY_ALL, "wall", kind=ADMIN_NETWORK_POLICY))
ALL = {(a, b): _hole(1350) for a in NODES for b in NODES if a != b}

CASES = [
    _case("healthy", _sizes(FLAT)),
    _case("healthy, in both families", _sizes(DUAL), V6_NUMBERS, cluster=DUAL),
    _case("one way between two nodes", _sizes(FLAT, {("n1", "n2"): _hole(1350)}), ("MTU001", "NodePair n1--n2")),
    _case(
        "all that leaves a node",
        _sizes(FLAT, {("n2", "n1"): _hole(1350), ("n2", "n3"): _hole(1350)}),
        ("MTU001", "Node n2"),
    ),
    _case("a sharp limit", _sizes(FLAT, {("n1", "n2"): _tried(1350, (12, 0), (12, 12))}), ("MTU001", "NodePair n1--n2")),
    _case("some above it arrive", _sizes(FLAT, {("n1", "n2"): _tried(1350, (12, 3), (12, 12))})),
    _case("one above it arrives", _sizes(FLAT, {("n1", "n2"): _tried(1350, (12, 1), (12, 12))})),
    _case("half below it are lost", _sizes(FLAT, {("n1", "n2"): _tried(1350, (12, 0), (12, 6))})),
    _case("one below it is lost", _sizes(FLAT, {("n1", "n2"): _tried(1350, (12, 0), (12, 11))}), ("MTU001", "NodePair n1--n2")),
    _case("random loss on one node", _sizes(FLAT, {("n1", "n1"): _tried(1400, (12, 3), (12, 12))})),
    _case("random loss, and ICMP told of something", _sizes(FLAT, {("n1", "n2"): _tried(1350, (12, 3), (12, 12), told=1350)})),
    _case("every path", _sizes(FLAT, ALL), ("MTU001", "Cluster pod network")),
    _case("not even 576 bytes", _sizes(FLAT, {("n1", "n2"): _hole(0)}), ("MTU001", "NodePair n1--n2")),
    _case("nothing at all is no matter of size", _sizes(FLAT, {("n1", "n2"): _hole(0)}, bursts={("n1", "n2"): NOTHING})),
    _case("encapsulation not told", _sizes(UNTOLD, ALL), ("MTU001", "Cluster pod network"), cluster=UNTOLD),
    _case("Calico with WireGuard", _sizes(CALICO, ALL), ("MTU001", "Cluster pod network"), cluster=CALICO),
    _case("ICMP tells", _sizes(FLAT, _both("n1", "n2", _hole(1350, told=1350))), ("MTU010", "NodePair n1--n2")),
    _case(
        "ICMP tells of one hop, a hole is behind it",
        _sizes(FLAT, {("n1", "n2"): _hole(1300, told=1400)}),
        ("MTU001", "NodePair n1--n2"),
    ),
    _case(
        "two MTUs, and ICMP tells",
        _sizes(FLAT, {("n1", "n2"): _hole(1450, 1450, 8950), ("n1", "n3"): _hole(1450, 1450, 8950)}, own={"n1": 8950}),
        ("MTU010", "Node n1"),
        ("MTU011", "Cluster IPv4 path MTU"),
    ),
    _case(
        "Calico: two MTUs, and ICMP tells",
        _sizes(CALICO, {("n1", "n2"): _hole(1450, 1450, 8950), ("n1", "n3"): _hole(1450, 1450, 8950)}, own={"n1": 8950}),
        ("MTU010", "Node n1"),
        ("MTU011", "Cluster IPv4 path MTU"),
        cluster=CALICO,
    ),
    _case(
        "two MTUs, and nothing tells",
        _sizes(FLAT, {("n1", "n2"): _hole(1450, 0, 8950), ("n1", "n3"): _hole(1450, 0, 8950)}, own={"n1": 8950}),
        ("MTU001", "Node n1"),
        ("MTU011", "Cluster IPv4 path MTU"),
    ),
    _case("on one node", _sizes(FLAT, {("n1", "n1"): _hole(1400)}), ("MTU002", "Node n1")),
    _case("on one node, told", _sizes(FLAT, {("n1", "n1"): _hole(1400, told=1400)})),
    _case(
        "less than IPv6 needs",
        _sizes(DUAL, v6=_both("n1", "n2", _hole(0))),
        ("MTU003", "NodePair n1--n2"),
        V6_NUMBERS,
        cluster=DUAL,
    ),
    _case(
        "a hole for IPv6 alone",
        _sizes(DUAL, v6={("n1", "n2"): _hole(1330)}),
        ("MTU001", "NodePair n1--n2"),
        V6_NUMBERS,
        cluster=DUAL,
    ),
    _case("pods without the second family", _sizes(DUAL, v6={(a, b): Lost("no IPv6", sent=False) for a, b in ALL}), cluster=DUAL),
    _case("a lossy path proves nothing", _sizes(FLAT, {("n1", "n2"): _hole(1432)}, bursts={("n1", "n2"): LOSES})),
    _case("nor does one with a queue", _sizes(FLAT, {("n1", "n2"): _hole(1432)}, bursts={("n1", "n2"): QUEUED})),
    _case("an answer was cut", _sizes(FLAT, {("n1", "n2"): Lost("cut")}), state="unknown"),
    _case("somebody else answered", _sizes(FLAT, {("n1", "n2"): PathMtuReply(Outcome.OK, OWN, 900, impostor=True)})),
    _case("a debug pod did not run", _sizes(FLAT, down=("n3",))),
    _case("no numbers: only one ran", _sizes(FLAT, down=("n2", "n3")), state="skipped"),
    _case("no numbers: a policy keeps netdoc's pods apart", _sizes(WALLED, silent=True), cluster=WALLED, state="unknown"),
    _case("an older recording", Measured({}, tuple(Vantage(n, True) for n in NODES)), state="skipped"),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
]
