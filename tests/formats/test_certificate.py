# SPDX-License-Identifier: Apache-2.0
"""Dates of certificates, against what openssl x509 -dates says of them."""

from __future__ import annotations

import base64
import string
from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.formats.certificate import Validity, validities
from kubectl_netdoc.records.api_extensions import VALIDATING_WEBHOOKS
from kubectl_netdoc.records.base import convert

LINKERD = b"""-----BEGIN CERTIFICATE-----
MIIBwTCCAWagAwIBAgIQeDZp5lDaIygQ5UfMKZrFATAKBggqhkjOPQQDAjApMScw
JQYDVQQDEx5pZGVudGl0eS5saW5rZXJkLmNsdXN0ZXIubG9jYWwwHhcNMjAwODI4
MDcxMjQ3WhcNMzAwODI2MDcxMjQ3WjApMScwJQYDVQQDEx5pZGVudGl0eS5saW5r
ZXJkLmNsdXN0ZXIubG9jYWwwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARqc70Z
l1vgw79rjB5uSITICUA6GyfvSFfcuIis7B/XFSkkwAHU5S/s1AAP+R0TX7HBWUC4
uaG4WWsiwJKNn7mgo3AwbjAOBgNVHQ8BAf8EBAMCAQYwEgYDVR0TAQH/BAgwBgEB
/wIBATAdBgNVHQ4EFgQU5YtjVVPfd7I7NLHsn2C26EByGV0wKQYDVR0RBCIwIIIe
aWRlbnRpdHkubGlua2VyZC5jbHVzdGVyLmxvY2FsMAoGCCqGSM49BAMCA0kAMEYC
IQCN7lBFLDDvjx6V0+XkjpKERRsJYf5adMvnloFl48ilJgIhANtxhndcr+QJPuC8
vgUC0d2/9FMueIVMb+46WTCOjsqr
-----END CERTIFICATE-----
"""
"""The trust anchor in linkerd/linkerd2, cli/cmd/testdata/inject_emojivoto_deployment_native_sidecar.golden.yml."""

ANCHOR = Validity(datetime(2020, 8, 28, 7, 12, 47, tzinfo=UTC), datetime(2030, 8, 26, 7, 12, 47, tzinfo=UTC))


def test_dates_are_read() -> None:
    assert validities(LINKERD) == (ANCHOR,)


def test_every_certificate_of_a_bundle_is_read() -> None:
    assert validities(b"# first\n" + LINKERD + b"# second\r\n" + LINKERD) == (ANCHOR, ANCHOR)


def test_a_year_after_2049_is_read() -> None:
    der = base64.b64decode(b"".join(LINKERD.splitlines()[1:-1]))
    utc, general = b"\x17\x0d300826071247Z", b"\x18\x0f20600826071247Z"
    at = der.index(utc)
    longer = bytearray(der[:at] + general + der[at + len(utc) :])
    longer[at - 16] += 2  # validity
    whole, signed = int.from_bytes(longer[2:4], "big") + 2, int.from_bytes(longer[6:8], "big") + 2
    longer[2:4], longer[6:8] = whole.to_bytes(2, "big"), signed.to_bytes(2, "big")
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(longer) + b"\n-----END CERTIFICATE-----"
    assert [found.ends.year for found in validities(pem)] == [2060]


def test_what_is_no_certificate_is_passed_over() -> None:
    assert validities(b"") == ()
    assert validities(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----") == ()
    assert validities(LINKERD[:200] + b"\n-----END CERTIFICATE-----") == ()


@given(st.integers(0, 600), st.sampled_from(string.ascii_letters))
def test_no_changed_byte_raises(at: int, letter: str) -> None:
    changed = bytearray(LINKERD)
    changed[at] = ord(letter)
    assert len(validities(bytes(changed))) <= 1


def test_a_webhook_keeps_of_its_ca_bundle_only_dates() -> None:
    client = {"caBundle": base64.b64encode(LINKERD).decode(), "url": "https://hidden.example/token"}
    kept = convert(VALIDATING_WEBHOOKS, {"metadata": {"name": "a"}, "webhooks": [{"name": "a", "clientConfig": client}]})
    text = msgspec.json.encode(kept)
    assert b"2030-08-26" in text
    assert not [word for word in (b"hidden", b"linkerd", b"MII") if word in text]
    assert kept.webhooks[0].called.by_url
