# SPDX-License-Identifier: Apache-2.0
"""Cases of stale_flows: tracked UDP flows against the endpoints of their Services."""

from __future__ import annotations

import msgspec

from kubectl_netdoc.api import (
    Address,
    Cluster,
    Conntrack,
    ConntrackReply,
    Flow,
    Kernel,
    KernelReply,
    Lost,
    Outcome,
    Reply,
    Request,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.services import Endpoint, EndpointConditions
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_service, make_slice, measured
from tests.checks.services.kube_proxy_presence import NAMES, cilium, node, proxy

IP, SERVICE = "10.96.0.53", "Service shop/dns"
CLIENT = Address("10.244.1.9", 5555)
TO, LIVE, DEAD = Address(IP, 53), Address("10.244.1.5", 5353), Address("10.244.9.250", 5353)


def _slice(changed: float = 7200, ready: bool = True, protocol: str = "UDP", leaving: str = "") -> Built:
    """``leaving``: the address of one more endpoint, whose pod ends."""
    kind, item = make_slice(
        "dns", addresses={LIVE.ip: "dns-1"}, port=LIVE.port, protocol=protocol, not_ready=[] if ready else [LIVE.ip]
    )
    ending = Endpoint((leaving,), EndpointConditions(ready=False, terminating=True))
    ends = (*item.endpoints, *((ending,) if leaving else ()))  # type: ignore[attr-defined]
    ports = tuple(msgspec.structs.replace(port, name="p53-udp") for port in item.ports)  # type: ignore[attr-defined]
    notes = msgspec.structs.replace(item.metadata.annotations, trigger_time=ago(changed) if changed else "")
    meta = msgspec.structs.replace(item.metadata, annotations=notes)
    return kind, msgspec.structs.replace(item, ports=ports, endpoints=ends, metadata=meta)


def _cluster(
    *more: Built,
    tier: Tier = Tier.NODES,
    changed: float = 7200,
    ready: bool = True,
    protocols: tuple[str, ...] = ("UDP",),
    fresh: str = "",
    leaving: str = "",
    **spec: object,
) -> Cluster:
    service = make_service("dns", ports=((53, 5353),), protocols=protocols, cluster_ip=IP, **spec)  # type: ignore[arg-type]
    objects = (
        service,
        _slice(changed, ready, leaving=leaving),
        *map(node, NAMES),
        *(proxy(name, age=20 if name == fresh else 7200) for name in NAMES),
    )
    return make_cluster(*objects, *more, vantages=NAMES, tier=tier)


def _measure(
    cluster: Cluster,
    *flows: Flow,
    everywhere: Reply | None = None,
    cut: bool = False,
    timeout: int = 120,
    only: bool | None = None,
) -> Measured:
    """``flows``: of n2, besides one that is well. ``only``: there only before netdoc made its Services, or only after."""

    def answer(request: Request) -> Reply:
        if isinstance(request, Kernel):
            return KernelReply(Outcome.OK, 1.0, settings={"net/netfilter/nf_conntrack_udp_timeout_stream": str(timeout)})
        assert isinstance(request, Conntrack)
        assert request.to == (IP,)
        well = Flow(CLIENT, TO, LIVE, replied=True, left=100)
        if only is False and request.untouched:
            return Lost("not measured", sent=False)
        there = request.node == "n2" and only in (None, request.untouched)
        return everywhere or ConntrackReply(Outcome.OK, 1.0, (well, *(flows if there else ())), cut)

    return measured(registry.load().choose(["stale_flows"])[0], cluster, answer)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], facts: Measured | None = None, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts if facts is not None else _measure(cluster), state)


GONE = Flow(CLIENT, TO, DEAD, replied=True, left=110)
BARE = Flow(CLIENT, TO, TO, left=25)
C = _cluster()
FRESH, UNTOLD, EMPTY = _cluster(changed=100), _cluster(changed=0), _cluster(ready=False)
SLOW = _cluster(changed=250)
LEAVING = _cluster(changed=0, leaving="10.244.1.6")

CASES = [
    _case("all lead to endpoints", C),
    _case("one to a pod that is gone", C, ("STF001", SERVICE), facts=_measure(C, GONE)),
    _case(
        "two to the same",
        C,
        ("STF001", SERVICE),
        facts=_measure(C, GONE, msgspec.structs.replace(GONE, source=Address("10.244.1.8", 1))),
    ),
    _case("one that netdoc's own Service ended", C, ("STF001", SERVICE), facts=_measure(C, GONE, only=True)),
    _case("one that was read only later", C, ("STF001", SERVICE), facts=_measure(C, GONE, only=False)),
    _case("one that nothing was translated for", C, ("STF002", SERVICE), facts=_measure(C, BARE)),
    _case("both", C, ("STF001", SERVICE), ("STF002", SERVICE), facts=_measure(C, BARE, GONE)),
    _case(
        "a cache on the node answers under the Service's address",
        C,
        facts=_measure(C, msgspec.structs.replace(BARE, replied=True)),
    ),
    _case(
        "netdoc's own lookups",
        C,
        facts=msgspec.structs.replace(
            (own := _measure(C, BARE)), vantages=tuple(msgspec.structs.replace(each, ip=CLIENT.ip) for each in own.vantages)
        ),
    ),
    _case("kube-proxy has only just started there", (young := _cluster(fresh="n2")), facts=_measure(young, BARE, GONE)),
    _case("to another port of the address", C, facts=_measure(C, msgspec.structs.replace(GONE, to=Address(IP, 54)))),
    _case("endpoints changed a moment ago", FRESH, facts=_measure(FRESH, GONE)),
    _case("an endpoint is leaving: that changed a moment ago too", LEAVING, facts=_measure(LEAVING, GONE)),
    _case("nobody noted when endpoints changed", UNTOLD, ("STF001", SERVICE), facts=_measure(UNTOLD, GONE)),
    _case("idle flows are kept for long there", SLOW, facts=_measure(SLOW, GONE, timeout=300)),
    _case("they are not", SLOW, ("STF001", SERVICE), facts=_measure(SLOW, GONE)),
    _case("no endpoint is ready: service_config's", EMPTY, facts=_measure(EMPTY, GONE, BARE)),
    _case("more flows than are read", C, facts=_measure(C, cut=True)),
    _case("the kernel hides them without a capability", C, facts=_measure(C, everywhere=Lost("PermissionError"))),
    _case(
        "it hides them even so",
        (root := _cluster(tier=Tier.PRIVILEGED)),
        facts=_measure(root, everywhere=Lost("PermissionError")),
        state="unknown",
    ),
    _case("Cilium tracks them", _cluster(*cilium("true")), state="skipped"),
    _case("below the nodes tier", _cluster(tier=Tier.PODS), state="skipped"),
    _case("no UDP", _cluster(protocols=("TCP",)), state="skipped"),
]
