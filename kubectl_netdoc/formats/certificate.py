# SPDX-License-Identifier: Apache-2.0
"""When the certificates of a PEM text are valid, and for which hosts: nothing else is read of it.

DER as X.690 has it, and only the way to ``validity`` and ``subjectAltName`` in RFC 5280: no signature and no key is looked at.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from kubectl_netdoc.formats.addresses import packed

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18


class ValidityPeriod(Struct, frozen=True):
    """From when until when a certificate is valid."""

    begins: datetime
    ends: datetime


def validities(pem: bytes) -> tuple[ValidityPeriod, ...]:
    """Return the validity of each certificate in a PEM text; what is none, or can't be read, is passed over."""
    return tuple(found for block in _PEM.findall(pem) if (found := _of(block)) is not None)


def _of(block: bytes) -> ValidityPeriod | None:
    try:
        (_, certificate), *_ = _parts(base64.b64decode(block))
        (_, signed), *_ = _parts(certificate)
        fields = [body for tag, body in _parts(signed) if tag != _VERSION]
        begins, ends = (_moment(tag, body) for tag, body in _parts(fields[3]))  # after serial, algorithm and issuer
    except (ValueError, IndexError, binascii.Error):
        return None
    return ValidityPeriod(begins, ends)


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and contents of the values in DER data."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("cut")
        yield tag, data[at : at + length]
        at += length


def _moment(tag: int, body: bytes) -> datetime:
    """Read a time as RFC 5280, 4.1.2.5 has it: two digits of a year are of 1950 to 2049."""
    text = body.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


_EXTENSIONS, _SUBJECT_ALT_NAME = 0xA3, bytes.fromhex("551d11")
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
"""Tags of RFC 5280, 4.1 and 4.2.1.6, and the object identifier 2.5.29.17."""


def names(pem: bytes) -> tuple[str, ...]:
    """Return the host names and addresses (subjectAltName) of the first certificate in a PEM text, the server's own."""
    block = _PEM.search(pem)
    try:
        return tuple(_names(base64.b64decode(block[1]))) if block else ()
    except (ValueError, IndexError, binascii.Error):
        return ()


def _names(der: bytes) -> Iterator[str]:
    (_, certificate), *_ = _parts(der)
    (_, signed), *_ = _parts(certificate)
    for extensions in (body for tag, body in _parts(signed) if tag == _EXTENSIONS):
        (_, listed), *_ = _parts(extensions)
        for _, extension in _parts(listed):
            (_, identifier), *_, (_, value) = _parts(extension)
            if identifier == _SUBJECT_ALT_NAME:
                (_, found), *_ = _parts(value)
                yield from (_general(tag, body) for tag, body in _parts(found) if tag in (_DNS_NAME, _IP_ADDRESS))


def _general(tag: int, body: bytes) -> str:
    return body.decode("ascii").lower() if tag == _DNS_NAME else str(packed(body))


def covers(named: tuple[str, ...], host: str) -> bool:
    """Tell whether a certificate for these names is good for a host: ``*.`` stands for one label (RFC 6125, 6.4.3)."""
    host = host.lower().rstrip(".")
    return host in named or f"*.{host.partition('.')[2]}" in named
