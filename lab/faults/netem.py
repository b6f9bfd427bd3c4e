# SPDX-License-Identifier: Apache-2.0
"""Hold up or damage packets from user space: what the queueing discipline netem does, for a kernel that lacks it.

Usage: netem.py NUMBER late MILLISECONDS | flip PERCENT | flows SHARE

A rule of iptables sends packets here (-j NFQUEUE --queue-num NUMBER --queue-bypass) in the network namespace that this runs in.
`late` lets each go on so much later. `flip` turns one bit of so many of a hundred, beyond the IP header. `flows` does so with all
packets of one in SHARE pairs of addresses and ports. It ends with SIGTERM; from then on, and before, the packets just go on.
"""

import random
import select
import signal
import socket
import struct
import sys
import time
import zlib
from collections import deque

CONFIG, VERDICT, PACKET = 0x0302, 0x0301, 0x0300
BIND, WHOLE, ACCEPT = 1, 2, 1


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute of netlink's, padded."""
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def message(kind: int, queue: int, attributes: bytes) -> bytes:
    """One message to the queue."""
    return struct.pack("=IHHIIBBH", 20 + len(attributes), kind, 1, 0, 0, 0, 0, socket.htons(queue)) + attributes


def packet_of(data: bytes) -> tuple[bytes, bytes]:
    """The packet's id and the packet, of a message from the queue."""
    found, at = {}, 20
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        found[kind] = data[at + 4 : at + size]
        at += max(4, size + -size % 4)
    return found[1][:4], found.get(10, b"")


def damaged(packet: bytes) -> bytes:
    """The packet with one bit turned, beyond the IP header."""
    header = (packet[0] & 15) * 4
    at = random.randrange(header, len(packet)) if len(packet) > header else 0
    return packet[:at] + bytes([packet[at] ^ (1 << random.randrange(8))]) + packet[at + 1 :]


def flow_of(packet: bytes) -> bytes:
    """Protocol, addresses and ports."""
    header = (packet[0] & 15) * 4
    return packet[9:10] + packet[12:20] + packet[header : header + 4]


def main(number: str, way: str, much: str) -> None:
    """Serve the queue until a signal ends it."""
    queue, amount = int(number), float(much)
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((0, 0))
    sock.send(message(CONFIG, queue, attribute(1, struct.pack("!BBH", BIND, 0, socket.AF_INET))))
    sock.send(message(CONFIG, queue, attribute(2, struct.pack("!IB", 0xFFFF, WHOLE))))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        if select.select([sock], [], [], rest)[0]:
            try:
                data = sock.recv(1 << 17)
            except OSError:
                continue  # the kernel had more than there was room for
            if struct.unpack_from("=IH", data)[1] != PACKET:
                continue
            identity, packet = packet_of(data)
            hit = way == "flip" and random.random() * 100 < amount
            hit = hit or (way == "flows" and zlib.crc32(flow_of(packet)) % int(amount) == 0)
            changed = attribute(10, damaged(packet)) if hit else b""
            answer = message(VERDICT, queue, attribute(2, struct.pack("!I", ACCEPT) + identity) + changed)
            waiting.append((time.monotonic() + (amount / 1000 if way == "late" else 0), answer))
        while waiting and waiting[0][0] <= time.monotonic():
            sock.send(waiting.popleft()[1])


main(*sys.argv[1:])
