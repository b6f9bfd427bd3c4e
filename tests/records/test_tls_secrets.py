# SPDX-License-Identifier: Apache-2.0
"""TLS Secrets: which are read, how, and what is kept of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.formats import certificate
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.ingress import TLS_SECRET, TlsCertificate
from kubectl_netdoc.records.kinds import GATEWAY, INGRESS, NODE
from kubectl_netdoc.sources.live import lists
from tests.support.certificates import certificate as made
from tests.support.kubeconfigs import FakeApi, client, fake_api, thing

OPENSSL = """-----BEGIN CERTIFICATE-----
MIIBsjCCAVigAwIBAgIUEGazwDNzqDWBSmHqB7wuKXMrAo4wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMB4XDTI2MTEyNTAwMDkyM1oXDTI3MDIy
MzAwMDkyM1owFzEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEk1rB/mmOa2PFF7UD8+pJU2a6MUCBhhMlFt+gQn/lzJ8zA1yb
uXmBwRe0Qr97W4gBi7Hj/Mo0/8HKuq4tY4mOJqOBgTB/MB0GA1UdDgQWBBRzKyp+
GnsWkvopf6yeRPMdfsUvTzAfBgNVHSMEGDAWgBRzKyp+GnsWkvopf6yeRPMdfsUv
TzAPBgNVHRMBAf8EBTADAQH/MCwGA1UdEQQlMCOCDHNob3AuZXhhbXBsZYINKi5h
cGkuZXhhbXBsZYcEwAACATAKBggqhkjOPQQDAgNIADBFAiEAiHB7MBeHyA2tC1Ic
EVKh1F5KukYdOLOfcvd2NGzNl0cCIGkZGOHFXdk0opFnlhPMe+UjHmc5bUvuNzcN
YitvD9/s
-----END CERTIFICATE-----"""
"""Made by OpenSSL 3: -days 90 -subj /CN=shop.example -addext subjectAltName=DNS:shop.example,DNS:*.api.example,IP:192.0.2.1"""

BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, 12, 30, 1, tzinfo=UTC)
INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
KEY = "the-private-key"


def secret(name: str, pem: str) -> dict[str, Any]:
    """Return a Secret as the API has it."""
    data = {"tls.crt": base64.b64encode(pem.encode()).decode(), "tls.key": base64.b64encode(KEY.encode()).decode()}
    return thing(name, "shop", type="kubernetes.io/tls", data=data)


def test_dates_and_names_of_a_real_certificate() -> None:
    (validity,) = certificate.validities(OPENSSL.encode())
    assert (validity.ends - validity.begins).days == 90
    assert certificate.names(OPENSSL.encode()) == ("shop.example", "*.api.example", "192.0.2.1")


@pytest.mark.parametrize("version", [True, False], ids=["v3", "v1"])
@pytest.mark.parametrize("ends", [ENDS, datetime(2055, 1, 1, tzinfo=UTC)], ids=["UTCTime", "GeneralizedTime"])
def test_dates_and_names_of_a_made_one(version: bool, ends: datetime) -> None:
    pem = made(BEGINS, ends, "Shop.example", "2001:db8::1", version=version).encode()
    assert certificate.validities(pem) == (certificate.ValidityPeriod(BEGINS, ends),)
    assert certificate.names(pem) == ("shop.example", "2001:db8::1")


def test_a_server_shows_the_first_of_a_chain() -> None:
    chain = made(BEGINS, ENDS, "shop.example") + made(BEGINS, ENDS, "ca.example")
    assert certificate.names(chain.encode()) == ("shop.example",)


def test_no_cut_certificate_raises() -> None:
    der = base64.b64decode("".join(OPENSSL.splitlines()[1:-1]))
    for size in range(len(der)):
        pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der[:size]).decode()}\n-----END CERTIFICATE-----"
        certificate.names(pem.encode())
        assert certificate.validities(pem.encode()) == (), "its outer SEQUENCE is cut"
    assert certificate.names(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----") == ()


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("shop.example", True),
        ("SHOP.example.", True),
        ("a.api.example", True),
        ("a.b.api.example", False),
        ("api.example", False),
    ],
)
def test_a_star_is_one_label(host: str, covered: bool) -> None:
    assert certificate.covers(("shop.example", "*.api.example"), host) is covered


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as server:
        server.lists(INGRESSES, thing("web", "shop", spec={"tls": [{"secretName": "good"}, {"secretName": "gone"}, {}]}))
        server.answer("/api/v1/namespaces/shop/secrets/good", secret("good", made(BEGINS, ENDS, "shop.example")))
        yield server


def test_only_named_secrets_are_read_and_only_dates_and_names_kept(api: FakeApi, tmp_path: Path) -> None:
    cluster = lists.read(client(tmp_path, api.url), (NODE, INGRESS, GATEWAY, TLS_SECRET), ())
    (kept,) = cluster.all(TLS_SECRET)
    assert (kept.name, kept.not_before, kept.not_after, kept.names) == ("good", BEGINS, ENDS, ("shop.example",))
    text = msgspec.json.encode(kept).decode()
    assert KEY not in text
    assert base64.b64encode(KEY.encode()).decode() not in text
    assert "BEGIN" not in text
    assert not api.seen("/api/v1/secrets"), "Secrets are never listed"
    assert len(api.seen("/api/v1/namespaces/shop/secrets/gone")) == 1


def test_without_an_ingress_that_names_one_nothing_is_read(api: FakeApi, tmp_path: Path) -> None:
    cluster = lists.read(client(tmp_path, api.url), (NODE, TLS_SECRET), ())
    assert cluster.all(TLS_SECRET) == ()
    assert not api.seen("/api/v1/secrets")
    assert not api.seen("/api/v1/namespaces/shop/secrets/good")


def test_a_refusal_is_told_with_the_least_rule(api: FakeApi, tmp_path: Path) -> None:
    api.refuse("/api/v1/namespaces/shop/secrets/gone")
    listing = lists.read(client(tmp_path, api.url), (NODE, INGRESS, TLS_SECRET), ()).listing(TLS_SECRET)
    assert isinstance(listing, Unavailable)
    assert str(listing.grant) == "get secrets named gone, good in namespace shop"


@pytest.mark.parametrize("data", [{}, {"tls.crt": "no base64!"}, {"tls.crt": "AAAA"}, None])
def test_a_secret_without_a_certificate(data: Any) -> None:
    kept = convert(TLS_SECRET, thing("s", "shop", data=data))
    assert isinstance(kept, TlsCertificate)
    assert (kept.name, kept.not_after, kept.names) == ("s", None, ())
