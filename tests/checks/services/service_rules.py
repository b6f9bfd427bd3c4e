# SPDX-License-Identifier: Apache-2.0
"""Cases of service_rules: what each node's rules hold against EndpointSlices, and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kubectl_netdoc.api import (
    ECHO_PORTS,
    ENDPOINT_SLICE,
    SERVICE,
    Cluster,
    HttpGet,
    HttpReply,
    Lost,
    Outcome,
    Reply,
    Request,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.core.cluster import Scope
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.sources.live.debug_pods import manifest
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, measured
from tests.checks.services.kube_proxy_presence import NAMES, cilium, node, proxy

assert manifest.ECHO_PORT + manifest.EXTRA_PORTS in ECHO_PORTS


def _service(
    name: str = "web", *, ip: str = "10.96.0.1", age: float = 7200, labels: Mapping[str, str] | None = None, **spec: Any
) -> Built:
    return SERVICE, convert(
        SERVICE,
        {
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": ago(age), "labels": dict(labels or {})},
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}], **spec},
        },
    )


def _slice(
    name: str = "web",
    *,
    ready: tuple[str, ...] = ("10.244.1.1", "10.244.2.2"),
    waiting: tuple[str, ...] = (),
    changed: float = 7200,
    age: float = 7200,
    zone: str = "",
    family: str = "IPv4",
    port: str = "http",
    labels: Mapping[str, str] | None = None,
) -> Built:
    """The endpoints' third byte is the number of their node."""
    hints = {"forZones": [{"name": zone}]} if zone else {}

    def end(ip: str) -> dict[str, Any]:
        on = f"n{ip.split('.')[2]}" if "." in ip else "n1"
        return {"addresses": [ip], "conditions": {"ready": ip in ready}, "nodeName": on, "hints": hints}

    notes = {"endpoints.kubernetes.io/last-change-trigger-time": ago(changed)}
    return ENDPOINT_SLICE, convert(
        ENDPOINT_SLICE,
        {
            "metadata": {
                "name": f"{name}-x{family}",
                "namespace": "shop",
                "labels": {"kubernetes.io/service-name": name, **(labels or {})},
                "annotations": notes,
                "creationTimestamp": ago(age),
            },
            "addressType": family,
            "endpoints": [end(ip) for ip in (*ready, *waiting)],
            "ports": [{"name": port, "port": 8080, "protocol": "TCP"}],
        },
    )


A, B, C, OWN = "tcp 10.244.1.1:8080", "tcp 10.244.2.2:8080", "tcp 10.244.3.3:8080", "tcp 10.244.9.9:19376"
FULL = (A, B)
DEAD = "tcp 10.244.2.250:8080"


def _cluster(
    *more: Built,
    service: Built | None = None,
    ends: Built | None = None,
    proxies: tuple[Built, ...] = tuple(map(proxy, NAMES)),
    names: tuple[str, ...] = NAMES,
    tier: Tier = Tier.PRIVILEGED,
    scope: str = "",
    version: str = "v1.34.4",
) -> Cluster:
    nodes = [node(name, version=version) for name in names]
    found = make_cluster(service or _service(), ends or _slice(), *nodes, *proxies, *more, vantages=names, tier=tier)
    found.scope = Scope((scope,)) if scope else found.scope
    return found


def _rules(iptables: tuple[str, ...] = (), legacy: tuple[str, ...] = (), nftables: tuple[str, ...] = ()) -> ServiceRulesReply:
    return ServiceRulesReply(Outcome.OK, 1.0, iptables, legacy, nftables)


def _measure(cluster: Cluster, mode: str = "iptables", everywhere: Reply | None = None, **by_node: Reply) -> Measured:
    """``everywhere``: what every node holds that ``by_node`` does not name."""

    def answer(request: Request) -> Reply:
        if isinstance(request, HttpGet):
            return HttpReply(Outcome.OK, 1.0, 200, (mode,)) if mode else HttpReply(Outcome.REFUSED, 0.1)
        assert isinstance(request, ServiceRules)
        return by_node.get(request.node, everywhere or _rules(FULL))

    return measured(registry.load().choose(["service_rules"])[0], cluster, answer)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], facts: Measured | None = None, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts if facts is not None else _measure(cluster), state)


X = _cluster()
ONE = _cluster(names=("n1",))
LOCAL = _cluster(service=_service(internalTrafficPolicy="Local"))
BOTH_SETS, OLD_SET = _rules(FULL, legacy=(A, DEAD)), _rules((A, DEAD), legacy=FULL)
V6 = "tcp [2001:db8::1]:8080"
DUAL = _cluster(_slice(ready=("2001:db8::1",), family="IPv6"), service=_service(clusterIPs=["10.96.0.1", "fd00::1"]))

CASES = [
    _case("as the slices say", X),
    _case("in nftables mode", X, facts=_measure(X, "nftables", _rules(nftables=FULL))),
    _case("in the old tables", X, facts=_measure(X, "iptables", _rules(legacy=FULL))),
    _case("nobody tells the mode", X, facts=_measure(X, "", _rules(nftables=FULL))),
    _case("one endpoint lacks its rule on a node", X, ("SRL006", "Node n2"), facts=_measure(X, n2=_rules((A,)))),
    _case(
        "a Service lacks its only rule on a node",
        (two := _cluster(_service("api", ip="10.96.0.2"), _slice("api", ready=("10.244.3.3",)))),
        ("SRL002", "Node n2"),
        facts=_measure(two, everywhere=_rules((*FULL, C)), n2=_rules(FULL)),
    ),
    _case("a node has no rule at all", X, ("SRL001", "Node n2"), facts=_measure(X, n2=_rules())),
    _case(
        "a node has none, and no kube-proxy",
        (gone := _cluster(proxies=(proxy("n1"), proxy("n3")))),
        facts=_measure(gone, n2=_rules()),
    ),
    _case("a rule for an endpoint that is gone", X, ("SRL003", "Node n2"), facts=_measure(X, n2=_rules((*FULL, DEAD)))),
    _case(
        "behind: the old one there, the new one not",
        X,
        ("SRL006", "Node n2"),
        ("SRL003", "Node n2"),
        facts=_measure(X, n2=_rules((A, DEAD))),
    ),
    _case("what came after the lists is everywhere", X, facts=_measure(X, everywhere=_rules((*FULL, C)))),
    _case("what came after the lists, on most nodes", X, facts=_measure(X, everywhere=_rules((*FULL, C)), n2=_rules(FULL))),
    _case("what went after the lists is gone everywhere", X, facts=_measure(X, everywhere=_rules((A,)))),
    _case(
        "endpoints change faster than nodes are asked",
        X,
        facts=_measure(X, n1=_rules((A,)), n2=_rules((B,)), n3=_rules((*FULL, C))),
    ),
    _case("netdoc's own endpoints, of any run", X, facts=_measure(X, n2=_rules((*FULL, OWN)))),
    _case(
        "an endpoint's chain was emptied in nftables mode",
        X,
        ("SRL006", "Node n2"),
        facts=_measure(X, "nftables", _rules(nftables=FULL), n2=_rules(nftables=(A,))),
    ),
    _case("an only node lacks one", ONE, ("SRL006", "Node n1"), facts=_measure(ONE, n1=_rules((A,)))),
    _case("an only node has one too many: it may be new", ONE, facts=_measure(ONE, n1=_rules((*FULL, DEAD)))),
    _case("endpoints changed a moment ago", (fresh := _cluster(ends=_slice(changed=20))), facts=_measure(fresh, n2=_rules((A,)))),
    _case("the slice is new", (made := _cluster(ends=_slice(age=20))), facts=_measure(made, n2=_rules((A,)))),
    _case("the Service is new", (young := _cluster(service=_service(age=20))), facts=_measure(young, n2=_rules((A,)))),
    _case("an endpoint that is not ready need not be there", _cluster(ends=_slice(waiting=("10.244.3.3",)))),
    _case(
        "one that is not ready may be there",
        (drain := _cluster(ends=_slice(waiting=("10.244.3.3",)))),
        facts=_measure(drain, everywhere=_rules((*FULL, C)), n2=_rules(FULL)),
    ),
    _case("hints: each zone has its own", (zones := _cluster(ends=_slice(zone="a"))), facts=_measure(zones, n2=_rules((A,)))),
    _case(
        "internalTrafficPolicy Local: the others' may be missing",
        LOCAL,
        facts=_measure(LOCAL, n1=_rules((A,)), n2=_rules((B,)), n3=_rules()),
    ),
    _case(
        "internalTrafficPolicy Local: the own one is missing",
        LOCAL,
        ("SRL001", "Node n2"),
        facts=_measure(LOCAL, n1=_rules((A,)), n2=_rules((A,)), n3=_rules((A,))),
    ),
    _case("headless", (head := _cluster(service=_service(ip="None"))), facts=_measure(head, n2=_rules())),
    _case(
        "left to another proxy",
        (other := _cluster(service=_service(labels={"service.kubernetes.io/service-proxy-name": "x"}))),
        facts=_measure(other, n2=_rules()),
    ),
    _case(
        "a port that the Service does not have", (port := _cluster(ends=_slice(port="other"))), facts=_measure(port, n2=_rules())
    ),
    _case("both families", DUAL, facts=_measure(DUAL, everywhere=_rules((*FULL, V6)))),
    _case("IPv6 is missing", DUAL, ("SRL006", "Node n2"), facts=_measure(DUAL, everywhere=_rules((*FULL, V6)), n2=_rules(FULL))),
    _case(
        "slices of a family that the Service does not have",
        (single := _cluster(_slice(ready=("2001:db8::1",), family="IPv6"))),
        facts=_measure(single, everywhere=_rules((*FULL, V6)), n2=_rules(FULL)),
    ),
    _case(
        "one namespace was read: others' rules are nobody's",
        (narrow := _cluster(scope="shop")),
        facts=_measure(narrow, n2=_rules((*FULL, DEAD))),
    ),
    _case("old tables beside nf_tables", X, ("SRL004", "Node n2"), facts=_measure(X, n2=BOTH_SETS)),
    _case("both sets are the same", X, ("SRL004", "Node n2"), facts=_measure(X, n2=_rules(FULL, legacy=FULL))),
    _case(
        "nf_tables beside the old tables, everywhere",
        X,
        ("SRL004", "Cluster rules of Services"),
        facts=_measure(X, everywhere=OLD_SET),
    ),
    _case(
        "rules of iptables mode in nftables mode",
        X,
        ("SRL005", "Node n2"),
        facts=_measure(X, "nftables", _rules(nftables=FULL), n2=_rules((A,), nftables=FULL)),
    ),
    _case("rules of nftables mode in iptables mode", X, ("SRL005", "Node n2"), facts=_measure(X, n2=_rules(FULL, nftables=(A,)))),
    _case("ipvs keeps them elsewhere", X, facts=_measure(X, "ipvs", n2=_rules())),
    _case("cut off on one node", X, facts=_measure(X, n2=Lost("cut")), state="unknown"),
    _case("more than are read", X, facts=_measure(X, n2=msgspec.structs.replace(_rules(FULL), cut=True)), state="unknown"),
    _case(
        "part of k3s: no pod, and no rules",
        (k3s := _cluster(proxies=(), version="v1.33.5+k3s1")),
        ("SRL001", "Node n2"),
        facts=_measure(k3s, n2=_rules()),
    ),
    _case("Cilium does its work", _cluster(*cilium("true")), state="skipped"),
    _case("below the privileged tier", _cluster(tier=Tier.NODES), state="skipped"),
]
