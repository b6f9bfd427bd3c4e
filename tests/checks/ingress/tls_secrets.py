# SPDX-License-Identifier: Apache-2.0
"""Cases of tls_secrets."""

from datetime import timedelta
from typing import Any

from kubectl_netdoc.api import GATEWAY, INGRESS_CLASS, LISTENER_SETS, TLS_SECRET, Cluster, Grant, Kind, Unavailable
from kubectl_netdoc.records.ingress import MOST_SECRETS
from kubectl_netdoc.testing import (
    NOW,
    Built,
    Case,
    make_cluster,
    make_gateway_object,
    make_ingress,
    make_ingress_class,
    make_tls_secret,
)
from tests.support.certificates import certificate

HOST = "shop.example"
TLS = {"tls": HOST}
SECRET = "Secret shop/tls"


def _pem(begins: float = -60, ends: float = 30, *names: str) -> str:
    """A certificate whose life begins and ends so many days from now."""
    return certificate(NOW + timedelta(days=begins), NOW + timedelta(days=ends), *(names or (HOST,)))


def _cluster(pem: str | None, ingress: Built | None = None, *more: Built, **options: Any) -> Cluster:
    secret = () if pem is None else (make_tls_secret("tls", pem),)
    return make_cluster(make_ingress_class(), ingress or make_ingress(secrets=TLS), *secret, *more, **options)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), state=state)


def _gateway(hostname: str = HOST, refs: str = "[{name: tls}]", kind: Kind[Any] = GATEWAY) -> Built:
    text = f"spec: {{listeners: [{{name: https, port: 443, hostname: {hostname!r}, tls: {{certificateRefs: {refs}}}}}]}}"
    return make_gateway_object(kind, "gate", text)


REFUSED = Unavailable("forbidden", Grant("get", "secrets", "", "shop", ("tls",)))
NO_CLASSES = {INGRESS_CLASS: Unavailable("forbidden")}
ALB = make_ingress_class("alb", "ingress.k8s.aws/alb")
MANY = make_ingress(secrets={f"s{number}": HOST for number in range(MOST_SECRETS + 5)})
WILD = make_ingress(secrets={"tls": "a.shop.example"})

CASES = [
    _case("healthy", _cluster(_pem())),
    _case("no TLS", _cluster(None, make_ingress()), state="skipped"),
    _case("Secrets can't be read", _cluster(None, unavailable={TLS_SECRET: REFUSED}), state="skipped"),
    _case("in manifests", _cluster(None, origin="manifests")),
    _case("not there", _cluster(None), ("TLS001", SECRET)),
    _case("not there yet", _cluster(None, make_ingress(secrets=TLS, age=300))),
    _case("not there, of AWS", _cluster(None, make_ingress(secrets=TLS, cls="alb"), ALB), state="skipped"),
    _case("not there, and its class can't be read", _cluster(None, unavailable=NO_CLASSES), state="unknown"),
    _case("not there, and a Gateway's", _cluster(None, None, _gateway(), unavailable=NO_CLASSES), ("TLS001", SECRET)),
    _case("expired, and its class can't be read", _cluster(_pem(-90, -1), unavailable=NO_CLASSES), ("TLS003", SECRET)),
    _case("more than are read", make_cluster(MANY, *(make_tls_secret(f"s{n}", _pem()) for n in range(MOST_SECRETS)))),
    _case("no certificate", _cluster("nothing"), ("TLS002", SECRET)),
    _case("expired", _cluster(_pem(-90, -1)), ("TLS003", SECRET)),
    _case("not yet", _cluster(_pem(1, 90)), ("TLS003", SECRET)),
    _case("ends soon", _cluster(_pem(-80, 10)), ("TLS004", SECRET)),
    _case("a short life, well within", _cluster(_pem(-3, 3))),
    _case("a short life, nearly over", _cluster(_pem(-5.5, 0.5)), ("TLS004", SECRET)),
    _case("other names", _cluster(_pem(-60, 30, "other.example")), ("TLS005", SECRET)),
    _case("no names", _cluster(certificate(NOW - timedelta(1), NOW + timedelta(30))), ("TLS005", SECRET)),
    _case("a wildcard", _cluster(_pem(-60, 30, "*.shop.example"), WILD)),
    _case("no host given", _cluster(_pem(), make_ingress(secrets={"tls": ""}))),
    _case("a Gateway's", make_cluster(_gateway(), make_tls_secret("tls", _pem(-90, -1))), ("TLS003", SECRET)),
    _case("a Gateway's, for its wildcard", make_cluster(_gateway("*.x"), make_tls_secret("tls", _pem(-60, 30, "*.x")))),
    _case("a Gateway's, missing", make_cluster(_gateway()), ("TLS001", SECRET)),
    *(_case(f"a {kind.name}'s, missing", make_cluster(_gateway(kind=kind)), ("TLS001", SECRET)) for kind in LISTENER_SETS),
    _case(
        "a Gateway's two",
        make_cluster(_gateway(refs="[{name: tls}, {name: b}]"), make_tls_secret("tls", _pem(-60, 30, "x"))),
        ("TLS001", "Secret shop/b"),
    ),
    _case("named twice, told once", _cluster(_pem(-90, -1), None, make_ingress("api", secrets=TLS)), ("TLS003", SECRET)),
]
