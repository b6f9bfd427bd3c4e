# SPDX-License-Identifier: Apache-2.0
"""Hosts in settings of applications: what is taken for one, and that nothing else of a value is returned."""

from __future__ import annotations

import pytest

from kubectl_netdoc.formats import host_references


@pytest.mark.parametrize(
    ("setting", "value", "hosts"),
    [
        ("CART", "http://cart.shop:9999/a?b=c", ["cart.shop:9999"]),
        ("CART", "HTTPS://CART.shop.", ["cart.shop:443"]),
        ("CACHE", "redis://:se/cr@et@redis", ["redis:6379"]),
        ("DB", "postgres://user:p@ss:w/ord@db.shop.svc.cluster.local:5432/x?y=z", ["db.shop.svc.cluster.local:5432"]),
        ("DB", "jdbc:postgresql://db/x", ["db:5432"]),
        ("DB", "host=db.shop.svc port=5432 password=secret", ["db.shop.svc:0"]),
        ("DB", "user:pass@tcp(mysql:3306)/db", ["mysql:3306"]),
        ("QUEUE", "amqp://user:12345,abc@host/", ["host:5672"]),
        ("CARTSERVICE_ADDR", "cartservice:7070", ["cartservice:7070"]),
        ("cartServiceAddr", "cartservice:7070", ["cartservice:7070"]),
        ("KAFKA_BROKERS", "k-0.k:9092,k-1.k.ns.svc:9092", ["k-1.k.ns.svc:9092", "k-0.k:9092"]),
        ("URLS", "http://a:1,http://b.c:2", ["a:1", "b.c:2"]),
        ("JSON", '{"url":"http://cart:80","other":1}', ["cart:80"]),
        ("IMAGE", "redis:7", []),
        ("CACHE_IMAGE_URL", "http://redis:7", []),
        ("FEATURES", "a:1,b:2", []),
        ("BACKEND_PASSWORD", "secret:80", []),
        ("SERVICE_TOKEN", "http://secret:80", []),
        ("LISTEN_ADDR", "web:80", []),
        ("ADDR", "10.0.0.1:80", []),
        ("ADDR", "localhost:80", []),
        ("URL", "http://example.com", []),
        ("URL", "http://api.shop.example:80", []),
        ("URL", "http://$(HOST):$(PORT)", []),
        ("URL", "http://web-{{.Number}}:80/", []),
        ("URL", "$(POD).web.shop.svc.cluster.local:80", []),
        ("URL", "http://web:99999", []),
        ("URL", "s3://bucket/key", []),
        ("URL", "kubernetes://apis/apps/v1", []),
        ("URL", "file:///etc/passwd", []),
    ],
)
def test_a_setting(setting: str, value: str, hosts: list[str]) -> None:
    found = host_references.of_settings({setting: value})
    assert [f"{ref.host}:{ref.port}" for ref in found] == hosts


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        ({"DB_HOST": "postgres", "DB_PORT": "5432"}, ["postgres:5432"]),
        ({"db.host": "postgres", "db.port": "5432"}, ["postgres:5432"]),
        ({"DB_HOST": "postgres"}, ["postgres:0"]),
        ({"DB_HOST": "postgres", "DB_PORT": "tcp://10.0.0.1:5432"}, ["postgres:0"]),
        ({"HOST": "web", "PORT": "80"}, []),
        ({"LISTEN_HOST": "web", "LISTEN_PORT": "80"}, []),
        ({"PASSWORD": "web"}, []),
    ],
)
def test_host_and_port_in_settings_of_their_own(settings: dict[str, str], hosts: list[str]) -> None:
    assert [f"{ref.host}:{ref.port}" for ref in host_references.of_settings(settings)] == hosts


@pytest.mark.parametrize(
    ("words", "hosts"),
    [
        (["--upstream=cart:8080"], ["cart:8080"]),
        (["--backend", "db:5432", "cart:80"], ["db:5432"]),
        (["--verbose", "--backend", "db:5432"], ["db:5432"]),
        (["sh", "-c", "until nc -z db 5432; do wget http://x:80/; done"], ["x:80"]),
        (["--listen=web:80", "-v", "redis:7", "--image", "redis:7"], []),
    ],
)
def test_a_command_line(words: list[str], hosts: list[str]) -> None:
    assert [f"{ref.host}:{ref.port}" for ref in host_references.of_arguments(words)] == hosts


def test_a_file_without_its_comments() -> None:
    text = """
    # http://commented:80
    upstream: cart:8080  # http://behind:80
    backendHost = "db:5432",
    image: redis:7
    proxy_pass http://web.shop.svc.cluster.local:8080;
    // http://slashes:80
    """
    found = host_references.of_file(text)
    assert [f"{ref.host}:{ref.port}" for ref in found] == ["cart:8080", "db:5432", "web.shop.svc.cluster.local:8080"]


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://user:pa:ss@proxy.corp:3128/", ("proxy.corp", 3128)),
        ("proxy:3128", ("proxy", 3128)),
        ("http://10.0.0.9:3128", ("10.0.0.9", 3128)),
        ("http://[fd00::9]:3128", ("[fd00::9]", 3128)),
        ("", ("", 0)),
        ("a secret", ("", 0)),
    ],
)
def test_a_proxy(value: str, proxy: tuple[str, int]) -> None:
    assert host_references.proxy(value) == proxy
