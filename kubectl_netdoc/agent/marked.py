# SPDX-License-Identifier: Apache-2.0
"""The agent's sender of marked packets, which taps on the nodes look for.

marked {"to": [host, port], "protocol": "TCP"|"UDP"|"DNS", "zone": z, "nonce": hex of 8 bytes,
        "count": N, "interval": s, "timeout": s}
    waits for a line on stdin (the taps listen), sends, and reports each packet in the order of their numbers
    -> {"to": host, "samples": [["ok", ms, [[outcome, ms, own address, own port]...]]]}
TCP: connects from a port of the kernel's choice and closes. UDP: a datagram to an echo server: the nonce, one byte with the
number, padded; the answer has the same length. DNS: a query for ndNONCENN.ZONE.
"""

import select
import socket
import struct
import sys
import time

from kubectl_netdoc.agent.base import OPERATIONS, PACE, family_of, outcome

PADDED = 128


def sender(ask):
    """A socket that is on its way to the target, and the moment at which that began."""
    kind = socket.SOCK_STREAM if ask["protocol"] == "TCP" else socket.SOCK_DGRAM
    sock = socket.socket(family_of(ask["to"][0]), kind)
    sock.setblocking(False)
    return sock


def query(nonce, number, zone, identity):
    """A DNS query whose first label has the nonce and the number."""
    labels = ["nd%s%02d" % (nonce, number)] + [label for label in zone.split(".") if label]
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)


def begun(sock, ask, number):
    """Send the packet of a number; an error is its outcome."""
    try:
        sock.connect(tuple(ask["to"]))
    except BlockingIOError:
        return ""
    except OSError as error:
        return outcome(error)
    try:
        if ask["protocol"] == "DNS":
            sock.send(query(ask["nonce"], number, ask["zone"], 0x4E00 + number))
        elif ask["protocol"] == "UDP":
            sock.send((bytes.fromhex(ask["nonce"]) + bytes([number])).ljust(PADDED + number, b"x"))
        else:
            return "ok"
    except OSError as error:
        return outcome(error)
    return ""


def ended(sock, protocol):
    """The outcome of a packet whose socket has something to tell."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        return outcome(OSError(number, ""))
    if protocol == "TCP":
        return "ok"
    try:
        sock.recv(65535)
        return "ok"
    except BlockingIOError:
        return ""
    except OSError as error:
        return outcome(error)


def send_marked(ask, deadline):
    """Operation ``marked``."""
    print('{"ready": true}', flush=True)
    sys.stdin.buffer.readline()
    start, waiting, done, own = time.perf_counter(), {}, {}, {}  # type: ignore[var-annotated]
    end = start + ask["count"] * ask["interval"] + ask["timeout"]
    while time.perf_counter() < end and len(done) < ask["count"]:
        number = len(own)
        due = start + number * ask["interval"]
        if number < ask["count"] and time.perf_counter() >= due:
            PACE.wait(*ask["to"])
            sock, at = sender(ask), time.perf_counter()
            word = begun(sock, ask, number)
            own[number] = list(name(sock)) + [at]
            if word:
                done[number] = [word, (time.perf_counter() - at) * 1000]
            waiting[number] = sock
            continue
        left = {n: sock for n, sock in waiting.items() if n not in done}
        until = min(due, end) if number < ask["count"] else end
        connecting = list(left.values()) if ask["protocol"] == "TCP" else []
        ready = select.select(list(left.values()), connecting, [], max(0.0, until - time.perf_counter()))
        for n, sock in left.items():
            if sock in ready[0] or sock in ready[1]:
                word = ended(sock, ask["protocol"])
                if word:
                    done[n] = [word, (time.perf_counter() - own[n][2]) * 1000]
                    own[n][:2] = name(sock)
    for sock in waiting.values():
        sock.close()
    rows = [done.get(n, ["timeout", ask["timeout"] * 1000]) + own[n][:2] for n in range(len(own))]
    return {"to": ask["to"][0], "samples": [["ok", (time.perf_counter() - start) * 1000, rows]]}


def name(sock):
    """The own address and port of a socket."""
    try:
        return sock.getsockname()[:2]
    except OSError:
        return "", 0


OPERATIONS["marked"] = send_marked
