# SPDX-License-Identifier: Apache-2.0
"""Cases of removed_services: Services that are gone, with and without pods that still run."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from kubectl_netdoc.api import DEPLOYMENT, PAST_SERVICE, Service, Unavailable
from kubectl_netdoc.core.cluster import Cluster, Listing, Scope
from kubectl_netdoc.records.base import ManagedFields, OwnerReference
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_namespace, make_pod, make_service, make_workload

WEB = {"app": "web"}
GONE = frozenset({("RMV001", "Service shop/web")})
LOST = frozenset({("RMV002", "Service shop/web")})
BEFORE = make_service(selector=WEB, ports=[(80, 8080)])
DEPLOY, READY = make_workload(DEPLOYMENT, labels=WEB, replicas=2), make_pod(labels=WEB)
SHOP = make_namespace("shop")


def _cluster(
    *now: Built,
    before: tuple[Built, ...] = (BEFORE,),
    space: Built = SHOP,
    past: Unavailable | Listing | None = None,
    scope: Scope | None = None,
) -> Cluster:
    found = make_cluster(space, *now)
    past = past or Listing(tuple(item for _, item in before))
    return found.with_listings({**found.index.listings, PAST_SERVICE.name: past}, scope)


def _with_node_port() -> Built:
    kind, item = BEFORE
    assert isinstance(item, Service)
    (port,) = item.spec.ports
    return kind, replace(item, spec=replace(item.spec, type="NodePort", ports=(replace(port, node_port=30080),)))


def _changed() -> Built:
    """The Service, which somebody gave another port ten minutes ago."""
    kind, item = make_service(selector=WEB, ports=[(81, 8080)])
    written = (ManagedFields(manager="kubectl-edit", time=datetime.fromisoformat(ago(600))),)
    return kind, replace(item, metadata=replace(item.metadata, managed_fields=written))


def _owned(service: Built) -> Built:
    kind, item = service
    owners = (OwnerReference(kind="Route", name="web"),)
    return kind, replace(item, metadata=replace(item.metadata, owner_references=owners))


CASES = [
    Case("still there", _cluster(BEFORE, DEPLOY, READY)),
    Case("gone, and its pods run", _cluster(DEPLOY, READY), GONE),
    Case("renamed", _cluster(make_service("wep", selector=WEB), DEPLOY, READY), GONE),
    Case("moved to another namespace", _cluster(make_service(namespace="market", selector=WEB), DEPLOY, READY), GONE),
    Case("another selector, and still there", _cluster(make_service(selector={"app": "wep"}), DEPLOY, READY)),
    Case("another port", _cluster(make_service(selector=WEB, ports=[(81, 8080)]), DEPLOY, READY), LOST),
    Case("another protocol", _cluster(make_service(selector=WEB, protocols=["UDP"]), DEPLOY, READY), LOST),
    Case("another target port", _cluster(make_service(selector=WEB, ports=[(80, 8081)]), DEPLOY, READY)),
    Case("one port more", _cluster(make_service(selector=WEB, ports=[(80, 8080), (81, 8080)]), DEPLOY, READY)),
    Case("another address", _cluster(make_service(selector=WEB, cluster_ip="10.96.0.2"), DEPLOY, READY)),
    Case("no node port any more", _cluster(BEFORE, DEPLOY, READY, before=(_with_node_port(),)), LOST),
    Case("gone, and it was new", _cluster(DEPLOY, READY, before=(make_service(selector=WEB, age=600),))),
    Case("another port than it had for some minutes", _cluster(BEFORE, DEPLOY, READY, before=(_changed(),))),
    Case("gone with its pods", _cluster(DEPLOY, make_pod(labels=WEB, deletionTimestamp=ago(2)))),
    Case("gone with its workload", _cluster(READY)),
    Case("gone, and its workload wants no pod", _cluster(make_workload(DEPLOYMENT, labels=WEB, replicas=0), READY)),
    Case("gone, and no pod of it was ready", _cluster(DEPLOY, make_pod(labels=WEB, ready=False))),
    Case("it had no selector", _cluster(DEPLOY, READY, before=(make_service(),))),
    Case(
        "a controller's",
        _cluster(DEPLOY, READY, before=(_owned(BEFORE),)),
    ),
    Case(
        "its namespace is being deleted",
        _cluster(DEPLOY, READY, space=make_namespace("shop", deletionTimestamp=ago(2))),
    ),
    Case("of a namespace that nobody asked for", _cluster(DEPLOY, READY, scope=Scope(("bank",), "as asked"))),
    Case(
        "the server remembers nothing",
        _cluster(DEPLOY, READY, past=Unavailable("no earlier state of it is remembered", by_design=True)),
        state="skipped",
    ),
]
