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
    Connect,
    ConnectReply,
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
from kubectl_netdoc.measurements.node import ServiceTable
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
    protocol: str = "TCP",
    number: int = 8080,
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
            "ports": [{"name": port, "port": number, "protocol": protocol}],
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


WEB, API, PORT, V6_WEB = "tcp 10.96.0.1:80", "tcp 10.96.0.2:80", "tcp *:30080", "tcp [fd00::1]:80"
BOTH = ("output", "prerouting")


def _table(ends: tuple[str, ...], *, hooks: tuple[str, ...] = BOTH, **more: Any) -> ServiceTable:
    """Rules that lead to these endpoints: C is of the Service api, an IPv6 one of web's second address, the others of web."""
    to: dict[str, tuple[str, ...]] = {}
    for text in ends:
        address = "tcp 10.96.9.9:80" if text == OWN else API if text == C else V6_WEB if "[" in text else WEB
        to[address] = (*to.get(address, ()), text.partition(" ")[2])
    return ServiceTable(to, hooks=hooks, **more)


def _rules(iptables: tuple[str, ...] = (), legacy: tuple[str, ...] = (), nftables: tuple[str, ...] = ()) -> ServiceRulesReply:
    ends = {"iptables": iptables, "legacy": legacy, "nftables": nftables}
    return ServiceRulesReply(Outcome.OK, 1.0, {name: _table(held) for name, held in ends.items() if held})


def _measure(
    cluster: Cluster,
    mode: str = "iptables",
    everywhere: Reply | None = None,
    felt: frozenset[str] | None = None,
    **by_node: Reply,
) -> Measured:
    """``everywhere``: what every node holds that ``by_node`` does not name. ``felt``: the nodes from which Services fail."""

    def answer(request: Request) -> Reply:
        if isinstance(request, Connect):
            fails = request.node in (by_node if felt is None else felt) and request.to.ip.startswith(("10.96.", "fd00"))
            gone = request.to.ip == "10.244.2.250"
            return ConnectReply(Outcome.TIMEOUT if fails or gone else Outcome.OK, 1.0)
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

FULL_ENDS = ("10.244.1.1:8080", "10.244.2.2:8080")
HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
NEW = tuple(proxy(name, image="registry.k8s.io/kube-proxy:v1.37.2") for name in NAMES)
ADDRESSES = {"web": WEB, "api": API, "port": PORT, "dns": "udp 10.96.0.10:80"}
UNCLEAR = ServiceRulesReply(Outcome.OK, 1.0, {"nftables": _table(FULL, unclear=(API,))})
UNKNOWN = ServiceRulesReply(Outcome.OK, 1.0, {"nftables": ServiceTable(unknown=True)})


def _served(**ends: tuple[str, ...]) -> ServiceRulesReply:
    """Rules in both modes' tables would be two: all are in the table that is measured, nftables for UDP."""
    to = {ADDRESSES[name]: held for name, held in ends.items()} | ({WEB: FULL_ENDS} if "dns" in ends else {})
    return ServiceRulesReply(Outcome.OK, 1.0, {"nftables" if "dns" in ends else "iptables": ServiceTable(to, hooks=BOTH)})


def _apart(*hooks: str) -> ServiceRulesReply:
    return ServiceRulesReply(Outcome.OK, 1.0, {"iptables": _table(FULL, hooks=hooks)})


def _udp() -> Built:
    return _service("dns", ip="10.96.0.10", ports=[HTTP | {"protocol": "UDP"}])


zones = _cluster(ends=_slice(zone="a"))
two = _cluster(_service("api", ip="10.96.0.2"), _slice("api", ready=("10.244.3.3",)))

CASES = [
    _case("as the slices say", X),
    _case("in nftables mode", X, facts=_measure(X, "nftables", _rules(nftables=FULL))),
    _case("in the old tables", X, facts=_measure(X, "iptables", _rules(legacy=FULL))),
    _case("nobody tells the mode", X, facts=_measure(X, "", _rules(nftables=FULL))),
    _case("one endpoint lacks its rule on a node", X, ("SRL006", "Node n2"), facts=_measure(X, n2=_rules((A,)))),
    _case(
        "a Service lacks its only rule on a node",
        two,
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
        facts=_measure(X, n1=_rules((A,)), n2=_rules((B,)), n3=_rules((*FULL, DEAD)), felt=frozenset()),
    ),
    _case("netdoc's own endpoints, of any run", X, facts=_measure(X, n2=_rules((*FULL, OWN)))),
    _case(
        "a Service's chain was emptied in nftables mode",
        two,
        ("SRL002", "Node n2"),
        facts=_measure(two, "nftables", _rules(nftables=(*FULL, C)), n2=_rules(nftables=FULL)),
    ),
    _case(
        "a Service's chain was emptied in nftables mode, which 1.36 fills again",
        (today := _cluster(_service("api", ip="10.96.0.2"), _slice("api", ready=("10.244.3.3",)), proxies=NEW)),
        ("SRL002", "Node n2"),
        facts=_measure(today, "nftables", _rules(nftables=(*FULL, C)), n2=_rules(nftables=FULL)),
    ),
    _case(
        "a chain looks empty, and connections succeed",
        two,
        facts=_measure(two, "nftables", _rules(nftables=(*FULL, C)), n2=_rules(nftables=FULL), felt=frozenset()),
    ),
    _case(
        "an emptied chain of UDP was not tried",
        (udp := _cluster(_udp(), _slice("dns", ready=("10.244.3.3",), protocol="UDP"))),
        ("SRL002", "Node n2"),
        facts=_measure(udp, "nftables", _served(dns=("10.244.3.3:8080",)), n2=_served(dns=())),
    ),
    _case(
        "rules of a form that is not known",
        two,
        facts=_measure(two, "nftables", _rules(nftables=(*FULL, C)), n2=UNCLEAR),
    ),
    _case("a whole table of a form that is not known", ONE, facts=_measure(ONE, "nftables", n1=UNKNOWN)),
    _case(
        "another Service has a rule for the same endpoint",
        (shared := _cluster(_service("api", ip="10.96.0.2"), _slice("api"))),
        ("SRL002", "Node n2"),
        facts=_measure(shared, everywhere=_served(web=FULL_ENDS, api=FULL_ENDS), n2=_served(web=FULL_ENDS, api=())),
    ),
    _case(
        "a node port's rule is gone",
        (opened := _cluster(service=_service(type="NodePort", ports=[HTTP | {"nodePort": 30080}]))),
        ("SRL002", "Node n2"),
        facts=_measure(opened, everywhere=_served(web=FULL_ENDS, port=FULL_ENDS), n2=_served(web=FULL_ENDS)),
    ),
    _case(
        "all nodes lack what fails",
        two,
        *((("SRL002", f"Node {name}")) for name in NAMES),
        facts=_measure(two, everywhere=_rules(FULL), felt=frozenset(NAMES)),
    ),
    _case("nothing leads pods' packets to the rules", X, ("SRL007", "Node n2"), facts=_measure(X, n2=_apart("output"))),
    _case("nothing leads the node's own packets there", X, ("SRL007", "Node n2"), facts=_measure(X, n2=_apart("prerouting"))),
    _case("nothing seems to lead there, and all works", X, facts=_measure(X, n2=_apart("output"), felt=frozenset())),
    _case("an only node has none, and all works", ONE, facts=_measure(ONE, n1=_rules(), felt=frozenset())),
    _case("an only node has none, and nothing works", ONE, ("SRL001", "Node n1"), facts=_measure(ONE, n1=_rules())),
    _case("hints: none of any zone", zones, ("SRL001", "Node n2"), facts=_measure(zones, n2=_rules())),
    _case(
        "a port without a number is nobody's",
        (bare := _cluster(_service("api", ip="10.96.0.2"), _slice("api", number=0))),
        facts=_measure(bare, everywhere=_rules(FULL), felt=frozenset(NAMES)),
    ),
    _case("of a bundle of before", X, facts=_measure(X, everywhere=ServiceRulesReply(Outcome.OK, 1.0)), state="unknown"),
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
    _case("hints: each zone has its own", zones, facts=_measure(zones, n2=_rules((A,)))),
    _case(
        "internalTrafficPolicy Local: the others' may be missing",
        LOCAL,
        facts=_measure(LOCAL, n1=_rules((A,)), n2=_rules((B,)), n3=_rules()),
    ),
    _case(
        "internalTrafficPolicy Local: the own one is missing",
        LOCAL,
        ("SRL001", "Node n2"),
        facts=_measure(LOCAL, n1=_rules((A,)), n2=_rules(), n3=_rules()),
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
    _case("IPv6 is missing", DUAL, ("SRL002", "Node n2"), facts=_measure(DUAL, everywhere=_rules((*FULL, V6)), n2=_rules(FULL))),
    _case(
        "slices of a family that the Service does not have",
        (single := _cluster(_slice(ready=("2001:db8::1",), family="IPv6"))),
        facts=_measure(single, everywhere=_rules((*FULL, V6)), n2=_rules(FULL)),
    ),
    _case(
        "one namespace was read: others' rules are nobody's",
        (narrow := _cluster(scope="shop")),
        facts=_measure(narrow, n2=_rules((*FULL, C))),
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
