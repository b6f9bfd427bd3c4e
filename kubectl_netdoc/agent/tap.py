# SPDX-License-Identifier: Apache-2.0
"""The agent's tap: where in a node's network namespace were netdoc's own marked packets seen, and what counted them?

tap {"filter": [[code, jt, jf, k]...], "nonce": hex, "control": s, "seconds": s, "most": frames, "owned": patterns (rules.py),
     "counters": [paths...], "tunnels": {port: name}, "asked": address that the packets are sent to}
    Reads all counters, waits "control" seconds, reads them again, prints {"ready": true}, listens until a line comes on stdin
    (at the latest after "seconds"), and reads the counters a third time. The line says which TCP handshakes are netdoc's:
    {"from": [[address, port]...]} on the node that sends, on the others {"keys": [their sequence numbers...]}.
    -> {"samples": [["ok", ms, {"sightings": [...], "frames": N, "dropped": N, "rules": [[rule, before, control, after]...],
        "foreign": [rule...], "sets": [set...] (sets.py), "chains": [...], "counters": [texts, texts, texts], "routes": [...],
        "arps": [[interface, "in"|"out", 1 request or 2 reply, sender, target]...], "netlink": [...],
        "opaque": [[interface, "in"|"out", source, to, frames]...] (encrypted, as large as marked datagrams are then),
        "policies": [base64 of each family's policy routes]}]]}

A sighting: [microseconds, interface, "in"|"out", MAC it is sent to, [[tunnel, source, to]...], source, port, to, port, TTL,
length in bytes of IP, what ("UDP", "SYN", "SYN-ACK", "RST", "ICMP type/code from ADDRESS"), key, checksum "ok"|"bad"|""].
No payload leaves the node. Only headers of packets with the nonce, of handshakes and of ICMP errors are looked at; the filter
in the kernel passes no others.
"""

import ctypes
import json
import select
import socket
import struct
import sys
import time

from kubectl_netdoc.agent.base import OPERATIONS
from kubectl_netdoc.agent.host import DUMPS, ROUTE, Full, attribute, dumped, each_attribute, ip, padded, texts
from kubectl_netdoc.agent.inventory import policy_routes
from kubectl_netdoc.agent.rules import all_rules, base_chains, encoded, foreign, shown
from kubectl_netdoc.agent.sets import sets
from kubectl_netdoc.agent.traffic import queues

SOL_PACKET, STATISTICS, AUXDATA = 263, 6, 8
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35
ALL, IPV4, IPV6, VLAN, ARP = 3, 0x0800, 0x86DD, 0x8100, 0x0806
ETHERNET, OUTGOING, NOT_COMPUTED = 1, 4, 8
BUFFER = 8 << 20
SNAP = 512
ANSWER = 1000
MOST_SIGHTINGS, MOST_FOREIGN, MOST_MOVED = 2000, 300, 500


def opened(program, most):
    """A socket that hears every interface through a filter in the kernel."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer)))
    for level, option, value in (
        (socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER),
        (socket.SOL_SOCKET, SO_TIMESTAMPNS, 1),
        (SOL_PACKET, AUXDATA, 1),
    ):
        try:
            sock.setsockopt(level, option, value)
        except OSError:
            continue
    sock.setblocking(False)
    for _ in range(most):  # what was heard before the filter was there
        try:
            sock.recv(1)
        except BlockingIOError:
            break
    sock.getsockopt(SOL_PACKET, STATISTICS, 8)
    return sock


def heard(sock, seconds, most):
    """The frames until a line comes on stdin or the time is up: [(seconds, frame, address, computed)...], the line."""
    frames, end, lines = [], time.monotonic() + seconds, sys.stdin.buffer  # type: ignore[var-annotated]
    while time.monotonic() < end:
        ready = select.select([sock, lines], [], [], max(0.0, end - time.monotonic()))[0]
        if sock in ready:
            while len(frames) < most:
                try:
                    frames.append(one_frame(sock))
                except BlockingIOError:
                    break
        if lines in ready:
            return frames, json.loads(lines.readline().decode() or "{}")
        if len(frames) >= most:
            time.sleep(0.05)
    return frames, {}


def one_frame(sock):
    """One frame with the kernel's time of it, and whether its checksums are computed already."""
    data, extra, _, address = sock.recvmsg(SNAP, 256)
    moment, computed, length = time.time(), True, len(data)
    for level, kind, value in extra:
        if level == SOL_PACKET and kind == AUXDATA:
            status, length = struct.unpack_from("=II", value)
            computed = not status & NOT_COMPUTED
        elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("ll", value)
            moment = seconds + nanoseconds / 1e9
    return moment, data, address, computed, length


class Packet:
    """The headers of one IP packet, from its outermost tunnel to the innermost."""

    def __init__(self, data, version, tunnels):
        self.layers, self.tunnels = [], tunnels
        self.source = self.to = ""
        self.port = self.to_port = self.key = self.ttl = self.length = 0
        self.what = ""
        self.payload = self.segment = b""
        self.pseudo = b""
        self.ip(data, version)

    def ip(self, data, version):
        """One IP header and what follows it."""
        if version == 4 and len(data) >= 20:
            head, protocol, self.ttl = (data[0] & 15) * 4, data[9], data[8]
            self.length = struct.unpack_from("!H", data, 2)[0]
            source, to = data[12:16], data[16:20]
            if struct.unpack_from("!H", data, 6)[0] & 0x1FFF:
                protocol = -1  # a later fragment has no ports
        elif version == 6 and len(data) >= 40:
            head, protocol, self.ttl = 40, data[6], data[7]
            self.length = 40 + struct.unpack_from("!H", data, 4)[0]
            source, to = data[8:24], data[24:40]
        else:
            return
        self.source, self.to = ip(source), ip(to)
        self.segment = data[head : self.length]
        self.pseudo = source + to + struct.pack("!BBH", 0, protocol & 255, self.length - head)
        self.transport(protocol, data[head:])

    def inner(self, name, data, version):
        """Go into a tunnel."""
        self.layers.append([name, self.source, self.to])
        self.ip(data, version or (data[0] >> 4 if data else 0))

    def transport(self, protocol, data):
        """What an IP header is followed by."""
        if protocol in (4, 41):
            self.inner("IPIP", data, 4 if protocol == 4 else 6)
        elif protocol == 47 and len(data) >= 4:
            flags = data[0]
            self.inner("GRE", data[4 + 4 * bool(flags & 128) + 4 * bool(flags & 32) + 4 * bool(flags & 16) :], 0)
        elif protocol == 17 and len(data) >= 8:
            self.port, self.to_port = struct.unpack_from("!HH", data)
            self.datagram(data[8:])
        elif protocol == 6 and len(data) >= 20:
            self.port, self.to_port, sequence, acknowledged = struct.unpack_from("!HHII", data)
            flags = data[13]
            self.what = "RST" if flags & 4 else "SYN-ACK" if flags & 18 == 18 else "SYN" if flags & 2 else "TCP"
            self.key = sequence if self.what == "SYN" else (acknowledged - 1) & 0xFFFFFFFF
        elif protocol in (1, 58) and len(data) >= 8:
            self.error(data, protocol)

    def datagram(self, data):
        """A UDP payload: another packet in a tunnel, or its own."""
        tunnel = self.tunnels.get(str(self.to_port), "")
        if tunnel == "Geneve" and len(data) > 8:
            data = data[(data[0] & 63) * 4 :]
        if tunnel in ("VXLAN", "Geneve") and len(data) > 22:
            kind = struct.unpack_from("!H", data, 20)[0]
            self.inner(tunnel, data[22:], {IPV4: 4, IPV6: 6}.get(kind, 0))
        elif tunnel:
            self.what = tunnel  # WireGuard: encrypted
        else:
            self.what, self.payload = "UDP", data

    def error(self, data, protocol):
        """An ICMP error and the packet that it is about."""
        errors = (3, 4, 5, 11, 12) if protocol == 1 else (1, 2, 3, 4)
        if data[0] not in errors:
            return
        teller, told, version = self.source, "ICMP %d/%d" % (data[0], data[1]), 4 if protocol == 1 else 6
        length, to = self.length, self.to
        mtu = struct.unpack_from("!I", data, 4)[0] & 0xFFFF
        about = Packet(data[8:], version, self.tunnels)
        self.layers += about.layers
        self.source, self.port, self.to, self.to_port = about.source, about.port, about.to, about.to_port
        self.payload, self.key = about.payload, about.key
        if about.what in ("SYN-ACK", "RST"):
            return  # about an answer
        self.what = "%s from %s to %s mtu %d" % (told, teller, to, mtu)
        self.length, self.segment = length, b""

    def checksum(self):
        """Whether the innermost TCP or UDP checksum is right; "" where it can't be told."""
        at = {"UDP": 6}.get(self.what, 16)
        data = self.segment
        complete = len(data) >= 8 and struct.unpack_from("!H", self.pseudo, len(self.pseudo) - 2)[0] == len(data)
        if self.what not in ("UDP", "SYN", "SYN-ACK", "RST") or not complete:
            return ""
        if self.what == "UDP" and data[at : at + 2] == b"\0\0":
            return ""
        whole = self.pseudo + data + bytes(len(data) % 2)
        total = sum(struct.unpack("!%dH" % (len(whole) // 2), whole))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return "ok" if total == 0xFFFF else "bad"


def opened_frame(data, address, tunnels):
    """The MAC that a frame is sent to, and its packet; None where it is none of IP."""
    protocol, mac, start = address[1], "", 0
    if address[3] == ETHERNET:
        mac, start = ":".join("%02x" % byte for byte in data[:6]), 14
        if struct.unpack_from("!H", data, 12)[0] == VLAN:
            start += 4
    version = {IPV4: 4, IPV6: 6}.get(protocol) or (data[start] >> 4 if len(data) > start else 0)
    return mac, Packet(data[start:], version, tunnels)


def marked(payload, nonce):
    """The number in a datagram of ours (see marked.py), or of its answer; -1 for others'."""
    if payload[:8] == nonce:
        return payload[8]
    if payload[:7] == b"netdoc ":
        return ANSWER
    name = b"nd" + nonce.hex().encode()
    at = payload.find(name, 12, 64)
    if at > 0 and payload[at + len(name) : at + len(name) + 2].isdigit():
        return int(payload[at + len(name) : at + len(name) + 2]) + (500 if payload[2] & 128 else 0)
    return -1


def direction(address):
    """Whether a frame was leaving by its interface."""
    return "out" if address[2] == OUTGOING else "in"


def sightings(packets, ask, line):
    """Each sighting of a marked packet, of one of these handshakes, or of an ICMP error about one."""
    nonce, origins = bytes.fromhex(ask["nonce"]), {tuple(end) for end in line.get("from", [])}
    keys = set(line.get("keys", [])) | {
        packet.key for _, _, packet in packets if packet.what == "SYN" and (packet.source, packet.port) in origins
    }
    found, askers = [], set()  # type: ignore[var-annotated]
    for (moment, _, address, computed, _), mac, packet in packets:
        key = marked(packet.payload, nonce) if packet.payload else packet.key if packet.key in keys else -1
        if key == ANSWER and (packet.to, packet.to_port) not in askers:
            continue  # an echo's answer to somebody else
        if 0 <= key < ANSWER and packet.payload:
            askers.add((packet.source, packet.port))
        if key >= 0 and packet.what not in ("", "TCP") and len(found) < MOST_SIGHTINGS:
            found.append(
                [round(moment * 1e6), address[0], direction(address), mac, packet.layers]
                + [packet.source, packet.port, packet.to, packet.to_port, packet.ttl, packet.length, packet.what, key]
                + [packet.checksum() if computed else ""]
            )
    return found


def opaque(packets):
    """The encrypted frames that passed the filter, by interface, direction and outer addresses."""
    counts = {}  # type: ignore[var-annotated]
    for (_, _, address, _, _), _, packet in packets:
        if packet.what == "WireGuard":
            key = address[0], direction(address), packet.source, packet.to
            counts[key] = counts.get(key, 0) + 1
    return [[*key, number] for key, number in sorted(counts.items())][:MOST_FOREIGN]


def arps(frames, asked):
    """Who asked for the hardware address of an address, and who answered."""
    found = []  # type: ignore[var-annotated]
    for _, data, address, _, _ in frames:
        if address[1] == ARP and len(data) >= 42:
            sender, target = ip(data[28:32]), ip(data[38:42])
            if asked in (sender, target) and len(found) < MOST_SIGHTINGS:
                found.append([address[0], direction(address), struct.unpack_from("!H", data, 20)[0], sender, target])
    return found


def routed(source, to, interface):
    """What the kernel does with such a packet from an interface ("": its own): [type, via, interface] or ["error N", "", ""]."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    body = attribute(1, socket.inet_pton(family, to))
    if interface:
        body += attribute(2, socket.inet_pton(family, source)) + attribute(3, struct.pack("=I", socket.if_nametoindex(interface)))
    bits = 128 if ":" in to else 32
    header = struct.pack("=BBBBBBBBI", family, bits, bits if interface else 0, 0, 0, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE) as sock:
        sock.settimeout(1)
        sock.bind((0, 0))
        sock.send(struct.pack("=IHHII", 16 + len(header + body), 26, 1, 1, 0) + header + body)
        data = sock.recv(65536)
    if struct.unpack_from("=H", data, 4)[0] == 2:
        return ["error %d" % -struct.unpack_from("=i", data, 16)[0], "", ""]
    found = dict(each_attribute(data, 28))
    device = struct.unpack("=I", found[4])[0] if 4 in found else 0
    return [str(data[23]), ip(found[5]) if 5 in found else "", socket.if_indextoname(device) if device else ""]


def routes(seen):
    """What the kernel does with each packet that came in plain, by "source to interface"."""
    found = {}  # type: ignore[var-annotated]
    for one in seen:
        interface, direction, layers, source, to, what = one[1], one[2], one[4], one[5], one[7], one[11]
        if direction == "in" and not layers and not what.startswith("ICMP") and len(found) < 40:
            for name in (interface, ""):
                if (source, to, name) not in found:
                    try:
                        found[source, to, name] = routed(source, to, name)
                    except OSError as error:
                        found[source, to, name] = ["error %s" % error.errno, "", ""]
    return [list(key) + value for key, value in found.items()]


def counters(ask):
    """All counters of the node: those of rules, of the kernel's files and of the queues."""
    return all_rules(), texts(ask["counters"]), queues()


def moved(readings):
    """The rules whose counters moved, with their three values."""
    first, second, third = readings
    found = []  # type: ignore[var-annotated]
    for place, now in third.items():
        before, control = first.get(place, now)[0], second.get(place, now)[0]
        if now[0] > control and len(found) < MOST_MOVED:
            found.append(shown(place, now) + [before, control])
    return found


def tap(ask, deadline):
    """Operation ``tap``."""
    start = time.perf_counter()
    first = counters(ask)
    time.sleep(ask["control"])
    second = counters(ask)
    with opened(ask["filter"], ask["most"]) as sock:
        print(json.dumps({"ready": True}), flush=True)
        frames, line = heard(sock, min(ask["seconds"], deadline - time.monotonic() - 0.5), ask["most"])
        passed, dropped = struct.unpack("=II", sock.getsockopt(SOL_PACKET, STATISTICS, 8))
    third = counters(ask)
    packets = [(frame, *opened_frame(frame[1], frame[2], ask["tunnels"])) for frame in frames]
    seen = sightings(packets, ask, line)
    nobodys = [(place, one) for place, one in third[0].items() if foreign(place, one[1], ask["owned"])][:MOST_FOREIGN]
    tables = []
    for message, header in DUMPS:
        try:
            tables.append(encoded(b"".join(padded(one) for one in dumped(ROUTE, message, header))))
        except Full:
            tables.append("")
    reply = {
        "sightings": seen,
        "frames": passed,
        "kept": len(frames),
        "dropped": dropped,
        "full": len(frames) >= ask["most"] or len(seen) >= MOST_SIGHTINGS,
        "moved": moved([first[0], second[0], third[0]]),
        "foreign": [shown(place, one) for place, one in nobodys],
        "sets": sets(nobodys),
        "chains": base_chains(),
        "counters": [first[1], second[1], third[1]],
        "queues": [first[2], second[2], third[2]],
        "routes": routes(seen),
        "arps": arps(frames, ask["asked"]),
        "policies": [policy_routes(family) for family in (socket.AF_INET, socket.AF_INET6)],
        "opaque": opaque(packets),
        "netlink": tables,
    }
    return {"samples": [["ok", (time.perf_counter() - start) * 1000, reply]]}


OPERATIONS["tap"] = tap
