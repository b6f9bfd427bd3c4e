# SPDX-License-Identifier: Apache-2.0
"""Cases of service_config: ports of Services against those that their pods declare."""

from kubectl_netdoc.api import INGRESS, ROUTES, SERVICE, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import (
    DEPLOYMENT,
    STATEFUL_SET,
    Built,
    Case,
    make_cluster,
    make_gateway_object,
    make_ingress,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)

APP = {"app": "web"}
ON = frozenset({("SVC014", "Service shop/web")})
UNUSED = frozenset({("SVC026", "Service shop/web")})
OTHER = frozenset({("SVC015", "Service shop/web")})
SCRAPED = {"clusterIP": "None", "selector": APP, "ports": [{"name": "metrics", "port": 80, "targetPort": 9100}]}
ROUTE = "spec: {rules: [{backendRefs: [{name: web, port: 80}]}]}"


def _headless(name: str, expect: frozenset[tuple[str, str]], *more: Built, port: tuple[int, int | str] = (80, 8080)) -> Case:
    """A headless Service of one pod that declares http 8080, and more objects."""
    service = make_service(selector=APP, cluster_ip="None", ports=[port])
    pod = make_pod("web-1", labels=APP, ports={"http": 8080})
    return Case(name, make_cluster(service, pod, make_slice(addresses={"10.0.0.1": "web-1"}), *more), expect)


def _ports(
    name: str, protocol: str, target: int, declared: dict[str, int | str], *codes: str, more: tuple[Built, ...] = ()
) -> Case:
    """A Service of one port and protocol, and its pod's declared ports."""
    service = make_service(selector=APP, ports=[(9000, target)], protocols=[protocol])
    pod = make_pod("web-1", labels=APP, ports=declared)
    expect = frozenset((code, "Service shop/web") for code in codes)
    return Case(name, make_cluster(service, pod, make_slice(addresses={"10.0.0.1": "web-1"}), *more), expect)


def _manifests(name: str, service: Built, expect: frozenset[tuple[str, str]]) -> Case:
    made = make_workload(DEPLOYMENT, labels=APP, ports={"http": 8080})
    return Case(name, make_cluster(service, made, origin="manifests"), expect)


STATEFUL = make_workload(STATEFUL_SET, labels=APP, service_name="web", ports={"http": 8080})
CLIENTS = make_service("web-clients", selector=APP), make_slice("web-clients", addresses={"10.0.0.1": "web-1"})

HEADLESS = [
    _headless("headless, another port than the pods'", ON),
    _headless("headless, another port than the named port's", ON, port=(80, "http")),
    _headless("headless of a StatefulSet that has no other Service", ON, STATEFUL),
    _headless("headless beside a Service with an address", ON, *CLIENTS),
    _headless("headless with the pods' port", frozenset(), port=(8080, 8080)),
    _headless("headless with the pods' port by name", frozenset(), port=(8080, "http")),
    _headless("headless that names a StatefulSet's pods, beside one for clients", UNUSED, STATEFUL, *CLIENTS),
    _headless("headless behind an Ingress", UNUSED, make_ingress(routes={"shop.example/": "web:80"})),
    _headless("headless beside an Ingress to another Service", ON, make_ingress(routes={"shop.example/": "other:80"})),
    _headless("headless behind a route", UNUSED, make_gateway_object(ROUTES[0], "web", ROUTE)),
    _headless("headless, and the pods declare neither", frozenset(), port=(80, 9999)),
    Case(
        "headless, and the pods declare both",
        make_cluster(
            make_service(selector=APP, cluster_ip="None"),
            make_pod("web-1", labels=APP, ports={"http": 8080, "old": 80}),
            make_slice(addresses={"10.0.0.1": "web-1"}),
        ),
    ),
    Case(
        "headless for monitoring",
        make_cluster(
            (SERVICE, convert(SERVICE, {"metadata": {"name": "web", "namespace": "shop"}, "spec": SCRAPED})),
            make_pod("web-1", labels=APP, ports={"m": 9100}),
            make_slice(addresses={"10.0.0.1": "web-1"}),
        ),
        UNUSED,
    ),
    Case(
        "headless, Ingresses and routes can't be read",
        make_cluster(
            make_service(selector=APP, cluster_ip="None"),
            make_pod("web-1", labels=APP, ports={"http": 8080}),
            make_slice(addresses={"10.0.0.1": "web-1"}),
            unavailable={INGRESS: Unavailable("forbidden"), ROUTES[0]: Unavailable("forbidden")},
        ),
        UNUSED,
    ),
    _manifests("manifests: headless, another port", make_service(selector=APP, cluster_ip="None"), ON),
]
UDP_OF_OTHERS = (
    make_service("other", selector=APP, ports=[(1, 9000)], protocols=["UDP"]),
    make_slice("other", addresses={"10.0.0.1": "web-1"}),
)
PROTOCOLS = [
    _ports("the pods' UDP port", "UDP", 9000, {"u": "9000/UDP"}),
    _ports("another UDP port than the pods'", "UDP", 9001, {"u": "9000/UDP"}, "SVC015"),
    _ports("another SCTP port than the pods'", "SCTP", 9001, {"u": "9000/SCTP", "http": 80}, "SVC015"),
    _ports("TCP to a port that the pods declare as UDP", "TCP", 9000, {"u": "9000/UDP"}, "SVC015"),
    _ports("SCTP to a port that the pods declare as UDP", "SCTP", 9000, {"u": "9000/UDP"}, "SVC015"),
    _ports("UDP to a port that the pods declare as TCP, perhaps by default", "UDP", 9000, {"u": 9000}, "SVC027"),
    _ports("another TCP port: that is measured", "TCP", 9001, {"http": 9000}),
    _ports("UDP, and the pods declare no port", "UDP", 9000, {}),
    _ports("UDP, and the pods declare a TCP port only", "UDP", 9000, {"http": 80}),
    _ports("a UDP port that is not declared beside one of another Service", "UDP", 9001, {"u": "9000/UDP"}, more=UDP_OF_OTHERS),
    _ports("a UDP port that is not declared beside two others", "UDP", 9001, {"a": "9000/UDP", "b": "9003/UDP"}),
    _ports("a UDP port that is not declared beside metrics", "UDP", 9001, {"metrics": "9000/UDP"}),
    Case(
        "UDP and TCP of one number, of which the pods declare one",
        make_cluster(
            make_service(selector=APP, ports=[(53, 53)], protocols=["UDP", "TCP"]),
            make_pod("web-1", labels=APP, ports={"dns": "53/UDP"}),
            make_slice(addresses={"10.0.0.1": "web-1"}),
        ),
    ),
    Case(
        "headless, another UDP port than the pods'",
        make_cluster(
            make_service(selector=APP, cluster_ip="None", ports=[(9001, 9001)], protocols=["UDP"]),
            make_pod("web-1", labels=APP, ports={"u": "9000/UDP"}),
            make_slice(addresses={"10.0.0.1": "web-1"}),
        ),
        OTHER,
    ),
    _manifests("manifests: TCP is not judged", make_service(selector=APP, ports=[(80, 9999)]), frozenset()),
]
CASES = [*HEADLESS, *PROTOCOLS]
