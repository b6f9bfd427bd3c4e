# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps of applications: which are read, how, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.records.app_config import APP_CONFIG, MOST, app_configs
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.container_settings import Target
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.sources.live import lists
from tests.support.kubeconfigs import FakeApi, client, fake_api, thing

CONF = "/api/v1/namespaces/shop/configmaps/conf"
DATA = {
    "cart-url": "http://alice:hunter2@cart:80/path",
    "password": "hunter2",
    "app.conf": "# http://commented:80\nupstream = web.shop.svc:8080\npassword = hunter2\n",
}


def pod(name: str = "web-1", namespace: str = "shop", ready: bool = True, **spec: Any) -> dict[str, Any]:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return thing(name, namespace, spec=spec, status=status)


def reads(*names: str) -> dict[str, Any]:
    return {"volumes": [{"name": name, "configMap": {"name": name}} for name in names]}


def test_hosts_are_kept_and_nothing_else() -> None:
    kept = convert(APP_CONFIG, thing("conf", "shop", data=DATA))
    assert kept.targets == (
        Target(host="cart", port=80, place="key cart-url", scheme="http"),
        Target(host="web.shop.svc", port=8080, place="key app.conf", in_file=True),
    )
    assert not any(word in msgspec.json.encode(kept) for word in (b"hunter2", b"alice", b"path", b"commented"))


def test_those_of_pods_that_are_not_ready_come_first_and_no_more_than_a_bound() -> None:
    ready = convert(POD, pod(**reads(*(f"conf-{number}" for number in range(MOST)))))
    failing = convert(POD, pod("web-2", ready=False, **reads("mine")))
    system = convert(POD, pod("dns", "kube-system", ready=False, **reads("coredns")))
    names = app_configs({"Pod": [ready, failing, system]})
    assert (names[0], len(names)) == (("shop", "mine"), MOST)
    assert ("kube-system", "coredns") not in names


def test_a_networks_own_config_map_is_not_read_once_more() -> None:
    agent = convert(POD, pod("kube-flannel-ds-1", "kube-flannel", **reads("kube-flannel-cfg", "extra")))
    assert app_configs({"Pod": [agent]}) == (("kube-flannel", "extra"),)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as server:
        container = {"name": "c", "envFrom": [{"configMapRef": {"name": "conf"}}, {"configMapRef": {"name": "gone"}}]}
        server.lists("/api/v1/pods", pod(containers=[container], **reads("kube-root-ca.crt")))
        server.answer(CONF, thing("conf", "shop", data=DATA))
        yield server


def test_only_named_ones_are_read(api: FakeApi, tmp_path: Path) -> None:
    cluster = lists.read(client(tmp_path, api.url), (NODE, POD, APP_CONFIG), ())
    (kept,) = cluster.all(APP_CONFIG)
    assert (kept.name, len(kept.targets)) == ("conf", 2)
    assert not api.seen("/api/v1/configmaps"), "ConfigMaps are never listed"
    assert not api.seen("/api/v1/namespaces/shop/configmaps/kube-root-ca.crt")


def test_a_refusal_is_told(api: FakeApi, tmp_path: Path) -> None:
    api.refuse(CONF.removesuffix("conf") + "gone")
    cluster = lists.read(client(tmp_path, api.url), (NODE, POD, APP_CONFIG), ())
    assert isinstance(cluster.listing(APP_CONFIG), Unavailable)
