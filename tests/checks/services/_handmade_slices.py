# SPDX-License-Identifier: Apache-2.0
"""Cases of endpoint_slices: slices that a person or another controller wrote."""

from typing import Any

from kubectl_netdoc.api import ENDPOINT_SLICE, NODE, SERVICE, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_node, make_pod, make_service, make_slice

NODES = (
    make_node("n1", podCIDRs=["10.0.0.0/24"]),
    make_pod("web-1", labels={"app": "web"}, ip="10.0.0.7", ports={"http": 8080}),
    make_service("resting", "pay", selector={"app": "x"}, cluster_ip="10.96.0.1"),
    make_service("other", cluster_ip="10.96.0.50", selector={"app": "web"}, ports=[(80, 8080)]),
    make_slice("other", addresses={"10.0.0.7": "web-1"}),
)
PORTS = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 5432}]
THEIRS = [{"name": "http", "protocol": "TCP", "port": 5432}]
OUTSIDE = "172.18.0.9"


def _service(ports: list[dict[str, Any]] = PORTS, *, age: float = 7200, **spec: Any) -> Built:
    """A Service without a selector."""
    meta = {"name": "db", "namespace": "shop", "creationTimestamp": ago(age)}
    return SERVICE, convert(SERVICE, {"metadata": meta, "spec": {"clusterIP": "10.96.0.9", "ports": ports, **spec}})


def _slice(
    *addresses: str,
    ports: list[dict[str, Any]] = THEIRS,
    name: str = "db-1",
    label: str = "db",
    by: str = "",
    kind: str = "IPv4",
    age: float = 7200,
    ready: bool = True,
    pod: str = "",
) -> Built:
    """A slice that names no pod, unless ``pod`` is given."""
    labels = {"kubernetes.io/service-name": label, "endpointslice.kubernetes.io/managed-by": by}
    meta = {"name": name, "namespace": "shop", "creationTimestamp": ago(age), "labels": {k: v for k, v in labels.items() if v}}
    more = {"targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}} if pod else {}
    ends = [{"addresses": [ip], "conditions": {"ready": ready}, **more} for ip in addresses]
    return ENDPOINT_SLICE, convert(ENDPOINT_SLICE, {"metadata": meta, "addressType": kind, "endpoints": ends, "ports": ports})


def _of(name: str, service: Built, slices: tuple[Built, ...], *codes: str) -> Case:
    return Case(name, make_cluster(*NODES, service, *slices), frozenset((code, "Service shop/db") for code in codes))


UNNAMED = [{"port": 80, "targetPort": 5432}]
TWO = [*PORTS, {"name": "admin", "port": 81}]

NAMES = [
    _of("a database outside", _service(), (_slice(OUTSIDE),)),
    _of("the only port has no name", _service(UNNAMED), (_slice(OUTSIDE, ports=[{"port": 5432}]),)),
    _of("an address with leading zeros", _service(), (_slice("172.18.000.250"),), "EPS017"),
    _of("an IPv4 address as IPv6", _service(), (_slice("::ffff:172.18.0.250"),), "EPS017"),
    _of("another port name", _service(), (_slice(OUTSIDE, ports=[{"name": "pg", "port": 5432}]),), "EPS005"),
    _of("no port name", _service(), (_slice(OUTSIDE, ports=[{"port": 5432}]),), "EPS005"),
    _of("a name that the Service's port does not have", _service(UNNAMED), (_slice(OUTSIDE),), "EPS005"),
    _of("another protocol", _service(), (_slice(OUTSIDE, ports=[{"name": "http", "port": 5432, "protocol": "UDP"}]),), "EPS005"),
    _of("a port without a number", _service(), (_slice(OUTSIDE, ports=[{"name": "http"}]),), "EPS005"),
    _of("no port at all", _service(), (_slice(OUTSIDE, ports=[]),), "EPS005"),
    _of("one port of two", _service(TWO), (_slice(OUTSIDE),), "EPS006"),
    _of(
        "two ports in two slices",
        _service(TWO),
        (_slice(OUTSIDE), _slice(OUTSIDE, name="b", ports=[{"name": "admin", "port": 1}])),
    ),
    _of("headless: its name resolves all the same", _service(clusterIP="None"), (_slice(OUTSIDE, ports=[{"port": 5432}]),)),
    _of("another port name a moment ago", _service(), (_slice(OUTSIDE, ports=[{"port": 5432}], age=5),)),
    _of("Cilium's placeholder", _service(), (_slice("192.192.192.192", ports=[{"port": 9999}], by="mirror"),)),
    _of("a slice without endpoints", _service(), (_slice(ports=[]),)),
]
FAMILIES = [
    _of("host names", _service(), (_slice("db.example.com", kind="FQDN"),), "EPS007"),
    _of("IPv6 for an IPv4 Service", _service(), (_slice("fd00::9", kind="IPv6"),), "EPS007"),
    _of("IPv4 for an IPv6 Service", _service(ipFamilies=["IPv6"], clusterIP="fd00:96::9"), (_slice(OUTSIDE),), "EPS007"),
    _of("both families for one", _service(), (_slice(OUTSIDE), _slice("fd00::9", kind="IPv6", name="db-6"))),
    _of("both families for both", _service(ipFamilies=["IPv6", "IPv4"]), (_slice(OUTSIDE),)),
    _of("host names of a headless Service", _service(clusterIP="None"), (_slice("db.example.com", kind="FQDN"),)),
]
ADDRESSES = [
    _of("a pod's address", _service(), (_slice("10.0.0.7"),)),
    _of("no pod's address", _service(), (_slice("10.0.0.99"),), "EPS008"),
    _of("no Service's address", _service(), (_slice("10.96.0.99"),), "EPS008"),
    _of("another Service's ClusterIP", _service(), (_slice("10.96.0.50"),), "EPS008"),
    _of("an example's address", _service(), (_slice("203.0.113.7"),), "EPS008"),
    _of("no pod's address, headless", _service(clusterIP="None"), (_slice("10.0.0.99"),), "EPS008"),
    _of("one of two addresses is no pod's", _service(), (_slice(OUTSIDE, "10.0.0.99"),), "EPS009"),
    _of("no pod's address, and not ready", _service(), (_slice(OUTSIDE), _slice("10.0.0.99", name="db-2", ready=False))),
    _of("a pod that a controller names", _service(), (_slice("10.0.0.99", by="lighthouse", pod="web-9"),)),
    Case(
        "no pod's address, and Nodes can't be read",
        make_cluster(*NODES, _service(), _slice("10.0.0.99"), unavailable={NODE: Unavailable("forbidden")}),
    ),
]
OWN = make_slice("db", addresses={"10.0.0.7": "web-1"}, port=8080)
MIXED = [
    _of("no pod's address beside those of its pods", _service(selector={"app": "web"}), (_slice("10.0.0.99"), OWN), "EPS009"),
    _of("an address outside beside its pods", _service(selector={"app": "web"}), (_slice(OUTSIDE), OWN)),
]
READY = [
    _of("none is ready", _service(), (_slice(OUTSIDE, ready=False),), "EPS014"),
    _of("one is ready", _service(), (_slice(OUTSIDE, ready=False), _slice("172.18.0.8", name="db-2"))),
    _of("none is ready, of what a controller tracks", _service(), (_slice("10.0.0.7", ready=False, pod="web-1"),)),
    _of("none is ready, headless", _service(clusterIP="None"), (_slice(OUTSIDE, ready=False),), "EPS014"),
]
LONGER = make_service("db-x", selector={"a": "b"})
LABELS = [
    _of("a slice without its label", _service(), (_slice(OUTSIDE, label=""),), "EPS015"),
    _of("a slice of the Service's very name without its label", _service(), (_slice(OUTSIDE, label="", name="db"),), "EPS015"),
    Case(
        "a slice with a slip in its label",
        make_cluster(*NODES, make_service("payments", cluster_ip="10.96.0.9"), _slice(OUTSIDE, label="paymets", by="me")),
        frozenset({("EPS015", "Service shop/payments")}),
    ),
    Case(
        "a slice that is named after a Service and labelled with the name of none",
        make_cluster(*NODES, _service(), _slice(OUTSIDE, label="invoices")),
        frozenset({("EPS015", "Service shop/db")}),
    ),
    Case(
        "a slice that is named after a Service and labelled with another's name",
        make_cluster(
            *NODES, _service(), make_service("other", cluster_ip="10.96.0.9", ports=((80, 5432),)), _slice(OUTSIDE, label="other")
        ),
        frozenset({("EPS013", "Service shop/db"), ("EPS005", "Service shop/other")}),
    ),
    _of("another Service's slice without its label", _service(), (_slice(OUTSIDE, label="", name="db-x-1"), LONGER), "EPS013"),
    _of("no slice", _service(), (), "EPS013"),
    _of("no slice yet", _service(age=5), ()),
    _of("no slice, headless", _service(clusterIP="None"), ()),
    _of("no slice, with a selector", _service(selector={"app": "gone"}), ()),
]
HTTP = [{"name": "http", "port": 80, "targetPort": 8080}]
NUMBERS = [
    _of("the Service's targetPort", _service(HTTP), (_slice("10.0.0.7", ports=[{"name": "http", "port": 8080}]),)),
    _of(
        "another port than the pod declares",
        _service(HTTP),
        (_slice("10.0.0.7", ports=[{"name": "http", "port": 80}]),),
        "EPS016",
    ),
    _of("a port outside that is not the targetPort", _service(), (_slice(OUTSIDE, ports=[{"name": "http", "port": 9}]),)),
]
CASES = [*NAMES, *FAMILIES, *ADDRESSES, *MIXED, *READY, *LABELS, *NUMBERS]
