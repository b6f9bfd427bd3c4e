# SPDX-License-Identifier: Apache-2.0
"""The filter of the taps, run by an interpreter of classic BPF (the kernel's filter.rst) over packets that are built here."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from kubectl_netdoc.sources.agent_protocol.tap_filter import GENEVE, NETWORK, OPAQUE, VXLAN, Mark, program

NONCE = 0xA1B2C3D4
MARKS = (Mark(2, NONCE), Mark(0, int.from_bytes(b"netd", "big")), Mark(15, int.from_bytes(b"abcd", "big")))
TUNNELS = {8472: VXLAN, 4789: VXLAN, 6081: GENEVE, 51820: OPAQUE}
PROGRAM = program(MARKS, TUNNELS)
SIZES = {0x40: 4, 0x48: 2, 0x50: 1}


def passes(packet: bytes, ether_type: int = 0x0800) -> bool:
    """Run the program; ``packet`` begins with its IP header. A load beyond the end rejects, as in the kernel."""
    a = x = 0
    memory = [0] * 16
    at = 0
    while True:
        code, yes, no, k = PROGRAM[at]
        at += 1
        if code in SIZES:
            start, size = (x + k - NETWORK) & 0xFFFFFFFF, SIZES[code]
            if start + size > len(packet):
                return False
            a = int.from_bytes(packet[start : start + size], "big")
        elif code == 0x28:
            assert k == 0x100000000 - 0x1000
            a = ether_type
        elif code in (0x15, 0x35, 0x45):
            hit = a == k if code == 0x15 else a >= k if code == 0x35 else bool(a & k)
            at += yes if hit else no
        elif code == 0x05:
            at += k
        elif code == 0x06:
            return k > 0
        else:
            if code == 0x02:
                memory[k] = a
            a, x = {
                0x54: (a & k, x), 0x04: (a + k, x), 0x0C: (a + x, x), 0x64: (a << k % 32, x), 0x07: (a, a), 0x87: (x, x),
                0x01: (a, k), 0x60: (memory[k % 16], x), 0x02: (a, x),
            }[code]  # fmt: skip


def ipv4(protocol: int, body: bytes, options: int = 0, fragment: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45 + options, 0, 20 + 4 * options + len(body), 1, fragment, 64, protocol, 0)
    return head + ip_address("10.0.0.1").packed + ip_address("10.0.0.2").packed + bytes(4 * options) + body


def ipv6(protocol: int, body: bytes) -> bytes:
    return (
        struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
        + ip_address("fd00::1").packed
        + ip_address("fd00::2").packed
        + body
    )


def udp(payload: bytes, to: int = 19376) -> bytes:
    return struct.pack("!HHHH", 40000, to, 8 + len(payload), 0) + payload


def tcp(flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 0x50, flags, 1000, 0, 0)


def icmp(kind: int, about: bytes) -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0) + about


OURS = b"nd" + NONCE.to_bytes(4, "big") + b"\x01" + b"x" * 121
QUERY = bytes(12) + b"\x0end" + b"abcd" + b"rest" + bytes(6)
ETHER4 = bytes(12) + b"\x08\x00"
WANTED = {
    "marked datagram": udp(OURS),
    "answer of an echo": udp(b"netdoc 0123 pod 10.0.0.1".ljust(128, b"x")),
    "marked query": udp(QUERY, 53),
}
SEGMENTS = {"SYN": tcp(2), "SYN-ACK": tcp(18), "RST": tcp(4), "RST-ACK": tcp(20)}


def tunnelled(inner: bytes, ether: bytes = ETHER4) -> dict[str, bytes]:
    """The same packet in each tunnel."""
    return {
        "VXLAN": ipv4(17, udp(bytes(8) + ether + inner, 8472)),
        "VXLAN on 4789": ipv4(17, udp(bytes(8) + ether + inner, 4789)),
        "VXLAN over IPv6": ipv6(17, udp(bytes(8) + ether + inner, 8472)),
        "VXLAN with IP options": ipv4(17, udp(bytes(8) + ether + inner, 8472), options=2),
        "Geneve": ipv4(17, udp(bytes(8) + ether + inner, 6081)),
        "Geneve with options": ipv4(17, udp(b"\x02" + bytes(7) + bytes(8) + ether + inner, 6081)),
        "IPIP": ipv4(4, inner),
        "GRE": ipv4(47, b"\0\0\x08\0" + inner),
        "GRE with a key": ipv4(47, b"\x20\0\x08\0" + bytes(4) + inner),
    }


@pytest.mark.parametrize("name", WANTED)
def test_marked_datagrams_pass_in_both_families(name: str) -> None:
    assert passes(ipv4(17, WANTED[name]))
    assert passes(ipv4(17, WANTED[name], options=3))
    assert passes(ipv6(17, WANTED[name]))


@pytest.mark.parametrize("name", SEGMENTS)
def test_handshakes_pass(name: str) -> None:
    assert passes(ipv4(6, SEGMENTS[name]))
    assert passes(ipv6(6, SEGMENTS[name]))


def test_tunnelled_packets_pass_and_strangers_in_tunnels_do_not() -> None:
    stranger = ipv4(17, udp(b"y" * 128))
    for inner in (ipv4(17, udp(OURS)), ipv4(6, tcp(2)), ipv6(6, tcp(18)), ipv4(1, icmp(11, bytes(28)))):
        wrong = [name for name, packet in tunnelled(inner).items() if not passes(packet)]
        assert not wrong
    assert [name for name, packet in tunnelled(stranger).items() if passes(packet)] == []
    assert [name for name, packet in tunnelled(ipv4(6, tcp(16))).items() if passes(packet)] == []


def test_errors_pass_and_pings_do_not() -> None:
    assert all(passes(ipv4(1, icmp(kind, bytes(28)))) for kind in (3, 4, 5, 11, 12))
    assert not passes(ipv4(1, icmp(8, bytes(28))))
    assert all(passes(ipv6(58, icmp(kind, bytes(48)))) for kind in (1, 2, 3, 4))
    assert not passes(ipv6(58, icmp(128, bytes(48))))


def test_what_is_nobodys_does_not_pass() -> None:
    assert not passes(ipv4(17, udp(b"z" * 200)))
    assert not passes(ipv4(17, udp(b"")))
    assert not passes(ipv4(6, tcp(16)))
    assert not passes(ipv4(132, bytes(40)))
    assert not passes(ipv4(17, udp(OURS), fragment=7))
    assert not passes(ipv4(17, udp(bytes(4) + OURS, 8472)))
    assert not passes(bytes(60), 0x88CC)


def test_arp_passes() -> None:
    assert passes(bytes(28), 0x0806)


def test_wireguard_passes_by_its_length_alone() -> None:
    sizes = {size: passes(ipv4(17, udp(bytes(size - 8), 51820))) for size in range(180, 260)}
    assert {size for size, passed in sizes.items() if passed} == set(range(200, 232))


def test_jumps_stay_within_a_byte() -> None:
    assert all(0 <= step[1] < 256 and 0 <= step[2] < 256 for step in PROGRAM)
