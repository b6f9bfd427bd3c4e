# SPDX-License-Identifier: Apache-2.0
"""Variables and arguments of containers: the hosts are kept, and nothing else, from the moment of decoding on."""

from __future__ import annotations

import msgspec

from kubectl_netdoc.records.container_settings import Proxy, ProxySettings, Target
from kubectl_netdoc.records.pods import Container

RAW = {
    "name": "c",
    "env": [
        {"name": "CART", "value": "http://alice:hunter2@cart:80/secretpath?key=secretkey"},
        {"name": "WEB_ADDR", "value": "web:80"},
        {"name": "PASSWORD", "value": "hunter2"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hunter2", "key": "x"}}},
        {"name": "https_proxy", "value": "http://alice:hunter2@proxy.corp:3128"},
        {"name": "NO_PROXY", "value": "localhost, .svc"},
    ],
    "command": ["run", "--password=hunter2", "hunter2"],
    "args": ["--db-addr=db:5432", "--token", "hunter2"],
}


def test_hosts_are_kept_and_nothing_else() -> None:
    container = msgspec.json.decode(msgspec.json.encode(RAW), type=Container)
    assert container.targets == (
        Target(host="cart", port=80, place="variable CART", scheme="http"),
        Target(host="web", port=80, place="variable WEB_ADDR", whole=True),
        Target(host="db", port=5432, place="argument db-addr"),
    )
    kept = msgspec.json.encode(container)
    assert not any(word in kept for word in (b"hunter2", b"alice", b"secret", b"env", b"args", b"command", b"TOKEN"))
    assert msgspec.json.decode(kept, type=Container) == container


def test_proxies_lose_their_credentials() -> None:
    container = msgspec.json.decode(msgspec.json.encode(RAW), type=Container)
    assert container.proxies == ProxySettings(
        proxies=(Proxy(variable="https_proxy", host="proxy.corp", port=3128),), direct=("localhost", ".svc")
    )


def test_a_value_from_elsewhere_is_not_known() -> None:
    raw = {"env": [{"name": "HTTP_PROXY", "value": "http://proxy:1"}, {"name": "no_proxy", "valueFrom": {"configMapKeyRef": {}}}]}
    container = msgspec.json.decode(msgspec.json.encode(raw), type=Container)
    assert not container.proxies.known
