# SPDX-License-Identifier: Apache-2.0
"""Cases of pod_links. On the lab are made: PLK001 (a veth down, a port disabled), PLK002, PLK003 and PLK004."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from kubectl_netdoc.api import BridgePort, Forwarding, KernelRoute, Link, Lost, Neighbour, RtnetlinkReply, Tier
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Built, Case, make_pod
from tests.support.node_tables import NODES, base, make_host, network, read, vxlan

CHECK = registry.load().choose(["pod_links"])[0]
HOSTS = [make_host(node) for node in NODES]
PODS = ("a", "b", "c")
NEW = 5
"""The last part of netdoc's own pod's address."""


def _pods(*names: str, node: str = "n1", age: dict[str, float] | None = None) -> list[Built]:
    return [make_pod(name, node=node, ip=f"10.244.1.1{at}", age=(age or {}).get(name, 9000)) for at, name in enumerate(names)]


def _veth(name: str, **more: Any) -> Link:
    usual = Link(name, "veth", 1450, True, f"0e:00:00:00:00:{len(name):02}", "cni0", bridge_port=BridgePort())
    return msgspec.structs.replace(usual, **more)


def _tables(*links: Link, known: tuple[str, ...] = PODS, new: Link | None = None) -> RtnetlinkReply:
    """Return the tables of a flannel node with these pods' links; ``known``: pods whose address and port the node knows."""
    whole = vxlan("n1")
    stations = {f"10.244.1.1{PODS.index(name)}": f"v{name}" for name in known} | ({f"10.244.1.{NEW}": new.name} if new else {})
    macs = {ip: f"52:00:00:00:01:{ip.rpartition('.')[2]:0>2}" for ip in stations}
    kept = tuple(link for link in whole.links if link.name != "veth1")
    return msgspec.structs.replace(
        whole,
        links=(*kept, *links, *([new] if new else [])),
        neighbours=(*whole.neighbours, *(Neighbour(ip, macs[ip], "cni0", "stale") for ip in stations)),
        forwarding=(*whole.forwarding, *(Forwarding(macs[ip], port, state="stale") for ip, port in stations.items())),
    )


def _case(
    name: str,
    *expect: str,
    pods: list[Built] | None = None,
    first: RtnetlinkReply | None = None,
    later: RtnetlinkReply | None = None,
    **how: Any,
) -> Case:
    """Return a case where n1 was read before and after netdoc's pods came; where only one is given it was so both times."""
    pairs = frozenset((code, subject) for code, _, subject in (text.partition(" ") for text in expect))
    cluster = network(*HOSTS, *(_pods(*PODS) if pods is None else pods))
    one, other = first or later or HEALTHY, later or first or HEALTHY
    return Case(name, cluster, pairs, read(CHECK, cluster, changes={"n1": other}, first={"n1": one}, **how))


def _three(**changed: Link) -> tuple[Link, ...]:
    """Return the links of the three pods, some of them changed."""
    return tuple(changed.get(name, _veth(name)) for name in ("va", "vb", "vc"))


HEALTHY = _tables(*_three(), new=_veth("vnew"))
DOWN = {"up": False, "bridge_port": BridgePort("disabled")}
FAR = {"no_carrier": True, "bridge_port": BridgePort("disabled")}
CALICO = [make_pod(name, node="n1", ip=f"10.100.1.7{at}") for at, name in enumerate(PODS)]


def _cali(pod: str) -> str:
    return f"cali{hashlib.sha1(f'shop.{pod}'.encode()).hexdigest()[:11]}"


def _calico(down: str = "", **more: Any) -> RtnetlinkReply:
    """Return a node of Calico: links without a bridge, and a route to each pod, which goes with the link's state."""
    links = [Link(_cali(pod), "veth", 1480, pod != down, **(more if pod == down else {})) for pod in PODS]
    routes = [KernelRoute(f"10.100.1.7{at}/32", dev=_cali(pod)) for at, pod in enumerate(PODS) if pod != down]
    return base("n1", *links, routes=tuple(routes))


def _asked_in_vain(ip: str) -> RtnetlinkReply:
    """Return the tables of a node that got no answer from an address; of a second pod it knows nothing either."""
    found = _tables(*_three(va=_veth("va", **DOWN)), known=("c",))
    return msgspec.structs.replace(found, neighbours=(*found.neighbours, Neighbour(ip, "", "cni0", "failed")))


CASES = [
    _case("healthy"),
    _case("links that are not told apart", later=_tables(*_three(), known=())),
    _case("a veth is down", "PLK001 Pod shop/a", later=_tables(*_three(va=_veth("va", **DOWN)))),
    _case(
        "its address is known no longer", "PLK001 Pod shop/a", later=_tables(*_three(va=_veth("va", **DOWN)), known=("b", "c"))
    ),
    _case("whose it is is not known", "PLK001 Node n1", later=_tables(*_three(va=_veth("va", **DOWN)), known=("c",))),
    _case("one of two does not answer its node", "PLK001 Pod shop/a", later=_asked_in_vain("10.244.1.10")),
    _case("a veth of no pod is down", later=_tables(*_three(), _veth("vd", **DOWN))),
    _case("a veth that was down until now", first=_tables(*_three(va=_veth("va", **DOWN))), later=HEALTHY),
    _case("a veth that goes just now", first=HEALTHY, later=_tables(*_three(va=_veth("va", **DOWN)))),
    _case("a veth of a pod that ends", first=_tables(*_three(va=_veth("va", **DOWN))), later=_tables(*_three()[1:])),
    _case(
        "a veth of a pod that has just been made",
        later=_tables(*_three(va=_veth("va", **DOWN)), known=("b", "c")),
        pods=_pods(*PODS, age={"a": 20}),
    ),
    _case("the pod's end is down", "PLK004 Pod shop/a", later=_tables(*_three(va=_veth("va", **FAR)))),
    _case("the end of one of two pods", "PLK004 Node n1", later=_tables(*_three(va=_veth("va", **FAR)), known=("c",))),
    _case(
        "the port is disabled", "PLK001 Pod shop/b", later=_tables(*_three(vb=_veth("vb", bridge_port=BridgePort("disabled"))))
    ),
    _case("the port blocks", "PLK001 Pod shop/b", later=_tables(*_three(vb=_veth("vb", bridge_port=BridgePort("blocking"))))),
    _case("the port learns (802.1D)", later=_tables(*_three(vb=_veth("vb", bridge_port=BridgePort("learning"))))),
    _case("a bridge of Docker's, with a port down", later=_tables(*_three(), _veth("vdocker", **DOWN | {"master": "docker0"}))),
    _case("the veth of a pod of Calico is down", "PLK001 Pod shop/a", pods=CALICO, later=_calico("a")),
    _case("Calico", pods=CALICO, later=_calico()),
    _case(
        "a bridge of Multus, with a port down",
        later=_tables(*_three(), _veth("vsecond", **DOWN | {"master": "br-data"}), Link("br-data", "bridge", 1500, True)),
    ),
    _case(
        "a smaller MTU", "PLK002 Pod shop/b", "PLK010 Node n1", later=_tables(*_three(vb=_veth("vb", mtu=900)), new=_veth("vnew"))
    ),
    _case(
        "a smaller MTU of one in the middle",
        "PLK002 Pod shop/b",
        "PLK010 Node n1",
        later=_tables(*_three(vb=_veth("vb", mtu=1400)), new=_veth("vnew")),
        pods=_pods(*PODS, age={"a": 9000, "b": 8000, "c": 7000}),
    ),
    _case(
        "a smaller MTU of the oldest: the CNI's was raised",
        "PLK010 Node n1",
        later=_tables(*_three(va=_veth("va", mtu=1400)), new=_veth("vnew")),
        pods=_pods(*PODS, age={"a": 9000, "b": 8000, "c": 7000}),
    ),
    _case("a smaller MTU of a link that is of no known pod", "PLK010 Node n1", later=_tables(*_three(), _veth("vd", mtu=1400))),
    _case(
        "two pods are isolated",
        "PLK003 Node n1",
        "PLK010 Node n1",
        later=_tables(
            *_three(
                va=_veth("va", bridge_port=BridgePort(isolated=True)),
                vb=_veth("vb", bridge_port=BridgePort(isolated=True)),
            ),
            new=_veth("vnew"),
        ),
    ),
    _case(
        "one pod is isolated, from nobody",
        "PLK010 Node n1",
        later=_tables(*_three(va=_veth("va", bridge_port=BridgePort(isolated=True))), new=_veth("vnew")),
    ),
    _case(
        "all pods are isolated, as the CNI configuration has it",
        later=_tables(
            *(_veth(name, bridge_port=BridgePort(isolated=True)) for name in ("va", "vb", "vc")),
            new=_veth("vnew", bridge_port=BridgePort(isolated=True)),
        ),
    ),
    _case(
        "a port does not learn", "PLK010 Node n1", later=_tables(*_three(va=_veth("va", bridge_port=BridgePort(learning=False))))
    ),
    _case("ports of different cost", later=_tables(*_three(va=_veth("va", bridge_port=BridgePort(cost=7))))),
    Case(
        "an answer was cut",
        network(*HOSTS, *_pods(*PODS)),
        measured=read(CHECK, network(*HOSTS, *_pods(*PODS)), changes={"n1": Lost("cut")}),
        state="unknown",
    ),
    Case("not asked for", network(*HOSTS, tier=Tier.PODS), state="skipped"),
    Case("no pods", network(*HOSTS), measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
