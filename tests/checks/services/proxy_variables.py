# SPDX-License-Identifier: Apache-2.0
"""Cases of proxy_variables. Hand-made objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kubectl_netdoc.api import POD, SERVICE, Pod, Unavailable
from kubectl_netdoc.core.report import State
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, make_cluster, make_node, make_pod, make_service

PROXY = "http://user:pass@10.9.9.9:3128"
CLUSTER = (
    make_node("n1"),
    make_service("kubernetes", "default", ports=[(443, 6443)]),
    make_service("web", cluster_ip="10.96.0.20", selector={"app": "web"}),
    make_service("alias", type="ExternalName", externalName="example.net", cluster_ip=""),
    make_service("egress", cluster_ip="10.96.0.21", ports=[(3128, 3128)], selector={"app": "egress"}),
    make_pod("proxy-1", ip="10.0.0.9"),
)
OWNER = [{"kind": "Deployment", "name": "client", "controller": True}]


def _pod(env: Mapping[str, str | None], *, account: str = "default", **more: Any) -> Built:
    _, pod = make_pod("client-1", labels={"app": "client"}, ip="10.0.0.40", ownerReferences=OWNER, **more)
    elsewhere = {"valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}
    variables = [{"name": key, **(elsewhere if value is None else {"value": value})} for key, value in env.items()]
    made = convert(POD, {"spec": {"containers": [{"name": "c", "env": variables}], "serviceAccountName": account}})
    assert isinstance(pod, Pod)
    return POD, msgspec.structs.replace(pod, spec=made.spec)


def _of(name: str, env: Mapping[str, str | None], *codes: str, **pod: Any) -> Case:
    expect = frozenset((code, "Deployment shop/client") for code in codes)
    return Case(name, make_cluster(*CLUSTER, _pod(env, **pod)), expect)


FAILS: dict[str, Any] = {"ready": False, "waiting": "CrashLoopBackOff"}
WEB = {"WEB_URL": "http://web.shop.svc/x"}
SHORT = {"HTTP_PROXY": PROXY, "WEB_URL": "http://web"}
HTTP = {"HTTP_PROXY": PROXY, **WEB}
CASES = [
    _of("no proxy", WEB, **FAILS),
    _of("nothing is spared", HTTP, "PRX002"),
    _of("nothing is spared, and it does not start", HTTP, "PRX001", **FAILS),
    _of("in small letters", {"http_proxy": PROXY, "no_proxy": "localhost", **WEB}, "PRX001", **FAILS),
    _of("names with svc are spared", HTTP | {"NO_PROXY": "localhost, .svc"}, **FAILS),
    _of("all is spared", HTTP | {"NO_PROXY": "*"}, **FAILS),
    _of("the domain is spared, and the name lacks it", HTTP | {"NO_PROXY": ".cluster.local"}, "PRX001", **FAILS),
    _of("the name has another port in NO_PROXY", HTTP | {"NO_PROXY": "web.shop.svc:80"}, **FAILS),
    _of("a short name is not spared by svc", SHORT | {"NO_PROXY": ".svc"}, "PRX001", **FAILS),
    _of("a short name", SHORT | {"NO_PROXY": "web"}, **FAILS),
    _of("NO_PROXY is elsewhere", HTTP | {"NO_PROXY": None}, **FAILS),
    _of("a proxy for the other scheme", {"HTTPS_PROXY": PROXY, **WEB}, **FAILS),
    _of("not over HTTP", {"HTTP_PROXY": PROXY, "WEB_ADDR": "web.shop.svc:80"}, **FAILS),
    _of("a host outside", {"HTTP_PROXY": PROXY, "URL": "http://example.com"}, **FAILS),
    _of("an alias of a host outside", {"HTTP_PROXY": PROXY, "URL": "http://alias.shop.svc"}, **FAILS),
    _of("a proxy that is a Service", {"HTTP_PROXY": "http://egress:3128", **WEB}, **FAILS),
    _of("a proxy that is a pod", {"HTTP_PROXY": "http://10.0.0.9:3128", **WEB}, **FAILS),
    _of("a proxy in the pod", {"HTTP_PROXY": "http://127.0.0.1:3128", **WEB}, **FAILS),
    _of("the API server", {"HTTPS_PROXY": PROXY}, "PRX001", account="operator", **FAILS),
    _of("the API server, by an account that may do nothing", {"HTTPS_PROXY": PROXY}, **FAILS),
    _of("the API server is spared by a range", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.96.0.0/12"}, account="operator", **FAILS),
    _of("the API server is spared", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.96.0.1"}, account="operator", **FAILS),
    _of("another range is spared", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/16"}, "PRX001", account="operator", **FAILS),
    Case("Services are not read", make_cluster(_pod(HTTP), unavailable={SERVICE: Unavailable("no")}), state=State.SKIPPED),
]
