# SPDX-License-Identifier: Apache-2.0
"""The classic BPF program that lets only packets through to a tap that may be netdoc's own, or the answers to them.

It passes UDP with a mark at one of a few places of the payload, the handshakes of TCP, and ICMP errors, each plain or inside one
tunnel (VXLAN, Geneve, GRE, IP in IP), and ARP. Everything else never leaves the kernel. Format: the kernel's
Documentation/networking/filter.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

NETWORK = 0x100000000 - 0x100000
"""SKF_NET_OFF: offsets from here count from the IP header, whatever the link layer puts before it."""

ETHER_TYPE = 0x28, 0x100000000 - 0x1000
"""The load of the frame's protocol (SKF_AD_OFF + SKF_AD_PROTOCOL)."""

ARP = 0x0806
PASS, REJECT = 0x40000, 0
BYTE, HALF, WORD = 0x50, 0x48, 0x40
"""Loads relative to the register X."""

RET, JUMP, EQUAL, GREATER_EQUAL, ANY_BIT = 0x06, 0x05, 0x15, 0x35, 0x45
AND, ADD, ADD_X, SHIFT, TO_X, FROM_X, STORE, FETCH, SET_X = 0x54, 0x04, 0x0C, 0x64, 0x07, 0x87, 0x02, 0x60, 0x01

TCP_FLAGS = 0x06
"""SYN or RST: the handshakes, and their refusals."""

VXLAN, GENEVE, OPAQUE = "VXLAN", "Geneve", "WireGuard"
ETHERNET = 14


class Mark(Struct, frozen=True):
    """Four bytes, and where in a UDP payload they are."""

    offset: int
    value: int


def marks(nonce: bytes) -> tuple[Mark, ...]:
    """Return the marks of a trace with this nonce: in its datagrams, at the beginning of an echo's answers, in queries' names.

    A nonce begins with two bytes that are no mark. Where each mark is: agent/marked.py and agent/echo.py.
    """
    return (
        Mark(2, int.from_bytes(nonce[2:6], "big")),
        Mark(0, int.from_bytes(b"netd", "big")),
        Mark(15, int.from_bytes(nonce.hex()[:4].encode(), "big")),
    )


class _Step(Struct):
    code: int
    k: int = 0
    yes: str = ""
    no: str = ""
    label: str = ""


class _Program:
    """Collects steps; jumps go forward to labels."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self._label = ""

    def do(self, code: int, k: int = 0) -> None:
        """Add a step that goes on with the next."""
        self._add(_Step(code, k & 0xFFFFFFFF))

    def load(self, size: int, offset: int) -> None:
        """Load from the packet, ``offset`` after the register X, which counts from the outermost IP header."""
        self.do(size, NETWORK + offset)

    def jump(self, code: int, k: int, yes: str = "", no: str = "") -> None:
        """Compare, and go on at a label or with the next step."""
        self._add(_Step(code, k, yes, no))

    def go(self, label: str) -> None:
        """Go on at a label."""
        self._add(_Step(JUMP, 0, yes=label))

    def at(self, label: str) -> None:
        """Name the next step."""
        if self._label:
            self.go(label)
        self._label = label

    def _add(self, step: _Step) -> None:
        step.label, self._label = self._label, ""
        self.steps.append(step)

    def built(self) -> list[tuple[int, int, int, int]]:
        """Return (code, jump if true, jump if false, k) of each step."""
        places = {step.label: number for number, step in enumerate(self.steps) if step.label}
        found = []
        for number, step in enumerate(self.steps):
            yes = places[step.yes] - number - 1 if step.yes else 0
            no = places[step.no] - number - 1 if step.no else 0
            found.append((step.code, 0, 0, yes) if step.code == JUMP else (step.code, yes, no, step.k))
        return found


def program(marks: Iterable[Mark], tunnels: Mapping[int, str]) -> list[tuple[int, int, int, int]]:
    """Return the steps of the filter. ``tunnels``: what UDP ports carry; at most some ten, for jumps reach 255 steps."""
    made = _Program()
    made.do(ETHER_TYPE[0], ETHER_TYPE[1])
    made.jump(EQUAL, ARP, "pass")
    made.do(SET_X, 0)
    _packet(made, tuple(marks), dict(tunnels), 0)
    _packet(made, tuple(marks), {}, 1)
    made.at("reject")
    made.do(RET, REJECT)
    made.at("pass")
    made.do(RET, PASS)
    return made.built()


def _packet(made: _Program, marks: tuple[Mark, ...], tunnels: dict[int, str], depth: int) -> None:
    """Judge the IP packet that begins at X; ``depth`` 0: what it carries in a tunnel too."""
    name = f"{{}} {depth}".format
    if depth:
        made.at("inside")
    _header(made, name)
    made.do(FETCH, 0)
    for protocol, label in ((6, "TCP"), (17, "UDP"), (1, "ICMP"), (58, "ICMPv6")):
        made.jump(EQUAL, protocol, name(label))
    for protocol, label in () if depth else ((4, "inside"), (41, "inside"), (47, "GRE")):
        made.jump(EQUAL, protocol, label)
    made.go("reject")
    made.at(name("TCP"))
    made.load(BYTE, 13)
    made.jump(ANY_BIT, TCP_FLAGS, "pass", "reject")
    made.at(name("ICMP"))
    made.load(BYTE, 0)
    for kind in (3, 4, 5, 11, 12):
        made.jump(EQUAL, kind, "pass")
    made.go("reject")
    made.at(name("ICMPv6"))
    made.load(BYTE, 0)
    made.jump(GREATER_EQUAL, 5, "reject", "pass")
    made.at(name("UDP"))
    for mark in marks:
        _mark(made, mark, f"unmarked {depth} {mark.offset} {mark.value}")
    if depth:
        made.go("reject")
    else:
        _tunnels(made, tunnels)


def _header(made: _Program, name: Callable[[str], str]) -> None:
    """Put the protocol into the memory, and X to where the IP header ends; later fragments have no ports."""
    made.load(BYTE, 0)
    made.do(AND, 0xF0)
    made.jump(EQUAL, 0x60, name("IPv6"))
    made.jump(EQUAL, 0x40, "", "reject")
    made.load(HALF, 6)
    made.jump(ANY_BIT, 0x1FFF, "reject")
    made.load(BYTE, 9)
    made.do(STORE, 0)
    made.load(BYTE, 0)
    made.do(AND, 15)
    made.do(SHIFT, 2)
    made.do(ADD_X)
    made.do(TO_X)
    made.go(name("transport"))
    made.at(name("IPv6"))
    made.load(BYTE, 6)
    made.do(STORE, 0)
    _forward(made, 40)
    made.at(name("transport"))


def _mark(made: _Program, mark: Mark, otherwise: str) -> None:
    """Pass a datagram that is long enough for a mark and has it."""
    made.load(HALF, 4)
    made.jump(GREATER_EQUAL, 8 + mark.offset + 4, "", otherwise)
    made.load(WORD, 8 + mark.offset)
    made.jump(EQUAL, mark.value, "pass")
    made.at(otherwise)
    made.do(FETCH, 0)


def _forward(made: _Program, size: int) -> None:
    """Move X on."""
    made.do(FROM_X)
    made.do(ADD, size)
    made.do(TO_X)


def _tunnels(made: _Program, tunnels: dict[int, str]) -> None:
    """Go into a tunnel over UDP by its port, or into GRE."""
    made.load(HALF, 2)
    for port, kind in tunnels.items():
        made.jump(EQUAL, port, kind)
    made.go("reject")
    for kind in (VXLAN, GENEVE, OPAQUE):
        if kind in tunnels.values():
            made.at(kind)
            _enter(made, kind)
    made.at("GRE")
    made.load(BYTE, 0)
    made.do(AND, 0x20)  # a key: four bytes more
    made.jump(EQUAL, 0, "GRE without a key")
    _forward(made, 4)
    made.at("GRE without a key")
    _forward(made, 4)
    made.go("inside")


def _enter(made: _Program, kind: str) -> None:
    if kind == OPAQUE:
        made.load(HALF, 4)
        made.jump(GREATER_EQUAL, OPAQUE_SIZES.start, "", "reject")
        made.jump(GREATER_EQUAL, OPAQUE_SIZES.stop, "reject", "pass")
        return
    if kind == GENEVE:  # its options, in words
        made.load(BYTE, 8)
        made.do(AND, 63)
        made.do(SHIFT, 2)
    else:
        made.do(AND, 0)
    made.do(ADD, 8 + 8 + ETHERNET)
    made.do(ADD_X)
    made.do(TO_X)
    made.go("inside")


OPAQUE_SIZES = range(8 + 32 + 160, 8 + 32 + 192)
"""Lengths of UDP that a marked datagram has inside WireGuard (32 bytes around it, padded to 16: wireguard.com/protocol)."""
