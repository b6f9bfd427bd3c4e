# SPDX-License-Identifier: Apache-2.0
"""Cases of endpoint_slices: slices against Services, pods and each other."""

import msgspec

from kubectl_netdoc.api import ENDPOINT_SLICE, POD, Unavailable
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.pods import PodIP
from kubectl_netdoc.testing import Built, Case, Selection, ago, make_cluster, make_node, make_pod, make_service, make_slice
from tests.checks.services import _handmade_slices

WEB = {"app": "web"}
SERVICE = "Service shop/web"
FOUR, SIX = {"10.0.0.1": "web-1"}, {"fd00::1": "web-1"}
MIRROR = "endpointslicemirroring-controller.k8s.io"
BOTH = ["10.96.0.1", "fd00:96::1"]


def _slice(addresses: dict[str, str], name: str = "web-a", *, age: float = 7200, **more: object) -> Built:
    """A slice of one family, as old as given."""
    kind, item = make_slice(addresses=addresses, name=name, **more)  # type: ignore[arg-type]
    family = "IPv6" if any(":" in ip for ip in addresses) or "six" in name else "IPv4"
    created = make_node(age=age)[1].metadata.creation_timestamp
    meta = msgspec.structs.replace(item.metadata, creation_timestamp=created)
    return kind, msgspec.structs.replace(item, address_type=family, metadata=meta)


def _pod() -> Built:
    """web-1, with an address of each family."""
    kind, item = make_pod("web-1", labels=WEB)
    status = msgspec.structs.replace(item.status, pod_ips=(PodIP(ip="10.0.0.1"), PodIP(ip="fd00::1")))  # type: ignore[attr-defined]
    return kind, msgspec.structs.replace(item, status=status)


def _web(
    *more: Built,
    selector: dict[str, str] = WEB,
    pod: bool = True,
    selection: Selection = Selection(),  # noqa: B008
    **service: object,
) -> Cluster:
    pods = (_pod(),) if pod else ()
    return make_cluster(make_service(selector=selector, **service), *pods, *more, selection=selection)  # type: ignore[arg-type]


def _case(name: str, cluster: Cluster, *codes: str, subject: str = SERVICE, state: str = "") -> Case:
    return Case(name, cluster, frozenset((code, subject) for code in codes), state=state)


def _orphan(**more: object) -> Cluster:
    return make_cluster(_slice(FOUR, **more))  # type: ignore[arg-type]


def _single(ip: str, *, family: str = "IPv6", pod: Built | None = None) -> Cluster:
    """A Service of one family without endpoints, and a ready pod, which has an IPv4 address."""
    service = make_service(selector=WEB, cluster_ip=ip, clusterIPs=[ip], ipFamilies=[family])
    return make_cluster(service, pod or make_pod("web-1", labels=WEB), _slice({}, "web-six" if family == "IPv6" else "web-a"))


ENDING = make_pod("web-1", labels=WEB, deletionTimestamp=ago(600))

CASES = [
    _case("healthy", _web(_slice(FOUR))),
    _case("dual-stack, healthy", _web(_slice(FOUR), _slice(SIX, "web-six"), clusterIPs=BOTH)),
    _case("second family without endpoints", _web(_slice(FOUR), _slice({}, "web-six"), clusterIPs=BOTH), "EPS002"),
    _case(
        "first family without endpoints",
        _web(
            _slice(
                SIX,
                "web-six",
            ),
            pod=False,
            clusterIPs=BOTH,
        ),
        "EPS001",
        "EPS011",
    ),
    _case("no endpoint in any family", _web(clusterIPs=BOTH)),
    _case("a second family that is just being added", _web(_slice(FOUR), _slice({}, "web-six", age=5), clusterIPs=BOTH)),
    _case(
        "families of somebody else's slices",
        _web(_slice(FOUR, managed_by="lighthouse"), selector={}, clusterIPs=BOTH, ports=[]),
    ),
    _case("an IPv6 Service of IPv4 pods", _single("fd00:96::1"), "EPS001"),
    _case("an IPv6 Service of IPv4 pods, headless", _single("None"), "EPS001"),
    _case("an IPv6 Service of pods with both", _single("fd00:96::1", pod=_pod())),
    _case("an IPv6 Service of new IPv4 pods", _single("fd00:96::1", pod=make_pod("web-1", labels=WEB, age=5))),
    _case("an IPv4 Service of IPv4 pods whose slice is late", _single("10.96.0.1", family="IPv4")),
    _case("headless", _web(_slice(FOUR), cluster_ip="None", clusterIPs=["None"])),
    _case("doubled", _web(_slice(FOUR), _slice(FOUR, "web-mirror", managed_by=MIRROR)), "EPS003"),
    _case("doubled a moment ago", _web(_slice(FOUR), _slice(FOUR, "web-mirror", managed_by=MIRROR, age=5))),
    _case(
        "doubled by the owners of a Service without a selector",
        _web(
            _slice(FOUR, managed_by="prometheus-operator"),
            _slice(FOUR, "web-mirror", managed_by=MIRROR),
            selector={},
            cluster_ip="None",
        ),
    ),
    _case("another port of the same pod", _web(_slice(FOUR), _slice(FOUR, "web-admin", managed_by="me", port=9090))),
    _case("a pod that is not there", _web(_slice(FOUR), pod=False), "EPS011"),
    _case("a pod with another address", _web(_slice({"10.0.0.7": "web-1"})), "EPS011"),
    _case("a pod of another cluster", _web(_slice(FOUR, managed_by="lighthouse"), pod=False)),
    _case(
        "one of two is not ready",
        _web(
            _slice(FOUR | {"10.0.0.2": "web-2"}, not_ready=["10.0.0.2"]),
            make_pod("web-2", labels=WEB, ip="10.0.0.2", ready=False, waiting="CrashLoopBackOff"),
        ),
        "EPS012",
    ),
    _case("none is ready", _web(_slice(FOUR, not_ready=["10.0.0.1"]))),
    _case("a pod does not end", _web(_slice(FOUR), ENDING, make_node("n1"), pod=False), "EPS004", subject="Pod shop/web-1"),
    _case(
        "a pod of a node that is gone", _web(_slice(FOUR), ENDING, make_node("n2"), pod=False), "EPS004", subject="Pod shop/web-1"
    ),
    _case("a pod does not end on a node that is down", _web(_slice(FOUR), ENDING, make_node("n1", ready=False), pod=False)),
    _case("a pod is ending", _web(make_pod("web-1", labels=WEB, deletionTimestamp=ago(30)), pod=False)),
    _case("a slice of no Service", _orphan(), "EPS010", subject="EndpointSlice shop/web-a"),
    _case("its Service has just gone", _orphan(age=5)),
    _case("somebody else's slice of no Service", _orphan(managed_by="lighthouse")),
    _case("only one Service is asked for", make_cluster(_slice(FOUR), selection=Selection(services=("other",)))),
    _case("slices can't be read", make_cluster(unavailable={ENDPOINT_SLICE: Unavailable("forbidden")}), state="skipped"),
    _case(
        "pods can't be read",
        make_cluster(make_service(selector=WEB), _slice(FOUR), unavailable={POD: Unavailable("forbidden")}),
        state="unknown",
    ),
    *_handmade_slices.CASES,
]
