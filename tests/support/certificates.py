# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made without a key: what netdoc reads of one is all that is right in it."""

from __future__ import annotations

import base64
import ipaddress
from datetime import datetime


def _value(tag: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


def _time(moment: datetime) -> bytes:
    if moment.year < 2050:
        return _value(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return _value(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _name(text: str) -> bytes:
    try:
        return _value(0x87, ipaddress.ip_address(text).packed)
    except ValueError:
        return _value(0x82, text.encode())


def certificate(begins: datetime, ends: datetime, *names: str, version: bool = True) -> str:
    """Return a certificate for these names as PEM; without names it has no subjectAltName."""
    fields = _value(0xA0, _value(0x02, b"\x02")) if version else b""
    fields += _value(0x02, b"\x01") + _value(0x30, b"") + _value(0x30, b"")
    fields += _value(0x30, _time(begins) + _time(ends)) + _value(0x30, b"") + _value(0x30, b"")
    if names:
        constraints = _value(0x30, _value(0x06, b"\x55\x1d\x13") + _value(0x01, b"\xff") + _value(0x04, _value(0x30, b"")))
        sequence = _value(0x30, b"".join(map(_name, names)))
        alternative = _value(0x30, _value(0x06, b"\x55\x1d\x11") + _value(0x04, sequence))
        fields += _value(0xA3, _value(0x30, constraints + alternative))
    body = _value(0x30, _value(0x30, fields) + _value(0x30, b"") + _value(0x03, b"\x00"))
    text = base64.b64encode(body).decode()
    lines = "\n".join(text[place : place + 64] for place in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
