# SPDX-License-Identifier: Apache-2.0
"""Dates and names of certificates, against what cryptography reads of them (RFC 5280)."""

from __future__ import annotations

import base64
import string
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from kubectl_netdoc.formats.certificate import ValidityPeriod, _parts, names, validities
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

ANCHOR = ValidityPeriod(datetime(2020, 8, 28, 7, 12, 47, tzinfo=UTC), datetime(2030, 8, 26, 7, 12, 47, tzinfo=UTC))


def test_dates_are_read() -> None:
    assert validities(LINKERD) == (ANCHOR,)


def test_every_certificate_of_a_bundle_is_read() -> None:
    assert validities(b"# first\n" + LINKERD + b"# second\r\n" + LINKERD) == (ANCHOR, ANCHOR)


KEY = ed25519.Ed25519PrivateKey.generate()
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "netdoc.example")])
LABEL = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9-]{0,20}", fullmatch=True)
HOST = st.builds("{}{}".format, st.sampled_from(["", "*."]), st.lists(LABEL, min_size=1, max_size=4).map(".".join))
OTHERS = (
    x509.RFC822Name("a@b.example"),
    x509.UniformResourceIdentifier("spiffe://cluster.local/ns/a/sa/b"),
    x509.DirectoryName(NAME),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
    x509.OtherName(x509.ObjectIdentifier("1.2.3.5"), b"\x0c\x01a"),
)
GENERAL = st.one_of(HOST.map(x509.DNSName), st.ip_addresses().map(x509.IPAddress), st.sampled_from(OTHERS))
SECOND = timedelta(seconds=1)
DATE = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(lambda date: date.replace(microsecond=0))
TURN = datetime(2050, 1, 1)
"""From this second on a date has four digits of the year (RFC 5280, 4.1.2.5)."""


def issued(begins: datetime, ends: datetime, alternative: list[x509.GeneralName], critical: bool = False) -> x509.Certificate:
    begun = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key()).serial_number(2**150)
    made = begun.not_valid_before(begins).not_valid_after(ends)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if alternative:
        made = made.add_extension(x509.SubjectAlternativeName(alternative), critical=critical)
    made = made.add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)
    return made.sign(KEY, None)


def of_the_library(certificate: x509.Certificate) -> tuple[ValidityPeriod, tuple[str, ...]]:
    try:
        alternative = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        alternative = []
    found = [item.value for item in alternative if isinstance(item, (x509.DNSName, x509.IPAddress))]
    return (
        ValidityPeriod(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
        tuple(str(item).lower() for item in found),
    )


@given(st.lists(st.tuples(DATE, DATE).map(sorted), min_size=1, max_size=3), st.lists(GENERAL, max_size=6), st.booleans())
@example([[TURN - SECOND, TURN]], [], False)
@example([[datetime(1950, 1, 1), datetime(1999, 12, 31, 23, 59, 59)]], [], False)
@example([[datetime(2000, 1, 1), datetime(9999, 12, 31, 23, 59, 59)]], [], False)
@example([[TURN, TURN]], [x509.DNSName(f"host-{number}.example") for number in range(6000)], False)  # lengths of three bytes
def test_certificates_are_read_as_the_library_does(
    dates: list[list[datetime]], alternative: list[x509.GeneralName], critical: bool
) -> None:
    made = [issued(begins, ends, alternative, critical) for begins, ends in dates]
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in made)
    wanted = [of_the_library(certificate) for certificate in x509.load_pem_x509_certificates(pem)]
    assert validities(pem) == tuple(validity for validity, _ in wanted)
    assert names(pem) == wanted[0][1]


def encoded(tag: int, body: bytes) -> bytes:
    """A value in DER, its length in as few bytes as hold it."""
    size = len(body)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets) + body


def test_a_certificate_of_version_1_is_read_as_the_library_does() -> None:
    """Without version and extensions; the library makes none, but does not look at the signature of what it reads."""
    der = issued(TURN - SECOND, TURN, [x509.DNSName("a")]).public_bytes(Encoding.DER)
    (tag, signed), *rest = _parts(next(_parts(der))[1])
    kept = b"".join(encoded(*part) for part in _parts(signed) if part[0] not in (0xA0, 0xA3))
    der = encoded(0x30, encoded(tag, kept) + b"".join(encoded(*part) for part in rest))
    certificate = x509.load_der_x509_certificate(der)
    pem = certificate.public_bytes(Encoding.PEM)
    assert certificate.version is x509.Version.v1
    assert (validities(pem)[0], names(pem)) == of_the_library(certificate)


def test_addresses_are_told_as_kubernetes_does() -> None:
    pem = issued(TURN, TURN, [x509.IPAddress(ip_address("2001:DB8:0::1")), x509.DNSName("A.Example")]).public_bytes(Encoding.PEM)
    assert names(pem) == ("2001:db8::1", "a.example")


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
