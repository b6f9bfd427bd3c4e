# SPDX-License-Identifier: Apache-2.0
"""The agent's operations ``pmtu`` and ``burst``: how large packets may be on a path, and how many of them arrive.

pmtu {"to": [host, port], "timeout": s}: the largest datagram that gets to an echo server whole, in bytes with IP header
      -> {"to": host, "samples": [["ok", ms, own MTU, largest carried, MTU that ICMP told or 0, greeting in base64,
                                   [[sent, came]...] of sizes that should be lost, or of the largest where all is carried,
                                   [[sent, came]...] of sizes that should arrive, where not all is carried]]}
      own MTU: the interface's, or the route's where that is smaller
burst {"to": [host, port], "count": N, "interval": s, "timeout": s}: small datagrams to an echo server; once more if one
      is lost -> {"to": host, "samples": [["ok", ms of the round, sent, [ms...]], ...]}
"""

import base64
import errno
import fcntl
import select
import socket
import struct
import time

from kubectl_netdoc.agent.base import LARGEST, OPERATIONS, PACE, OutOfTime, errors_pass, family_of, outcome

SMALLEST = {socket.AF_INET: 576, socket.AF_INET6: 1280}
HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}
LADDER = 16
# Sizes that a limit is held against, and those of a second round where the first shows no limit: loss by chance has none.
FIRST, SECOND = 12, 40
SHORTEST = 128
# linux/in.h and linux/in6.h; the socket module has names for few of them.
MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10, 14), socket.AF_INET6: (socket.IPPROTO_IPV6, 23, 24)}
PROBE = 3
SIOCGIFMTU, SIOCGIFADDR = 0x8921, 0x8915

ROUTES = {}  # type: ignore[var-annotated]


def interface_mtu(family, address):
    """The MTU of the interface that has an address; needs no privilege."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            if address in addresses(sock, family, name):
                request = struct.pack("256s", name.encode()[:15])
                return struct.unpack_from("i", fcntl.ioctl(sock, SIOCGIFMTU, request), 16)[0]
    raise ValueError("no interface has " + address)


def addresses(sock, family, name):
    """The addresses of an interface: the first one of IPv4, all of IPv6."""
    if family == socket.AF_INET:
        try:
            return [socket.inet_ntoa(fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))[20:24])]
        except OSError:
            return []
    with open("/proc/net/if_inet6") as lines:
        rows = [line.split() for line in lines]
    return [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])) for row in rows if row[5] == name]


def note_routes(asks):
    """Note what the routes to be measured allow before anything large is sent: what ICMP tells later is no setting."""
    for ask in asks:
        if not (isinstance(ask, dict) and ask.get("op") == "pmtu"):
            continue
        host, port = ask["to"]
        level, _, mtu = MTU_DISCOVER[family_of(host)]
        try:
            with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
                sock.connect((host, port))
                ROUTES[host] = sock.getsockopt(level, mtu)
        except OSError:
            continue


class Prober:
    """A socket that sends datagrams of given sizes whole to an echo server and learns which of them arrived."""

    def __init__(self, host, port):
        self.family = family_of(host)
        self.level, discover, self.mtu = MTU_DISCOVER[self.family]
        self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self.sock.setsockopt(self.level, discover, PROBE)
        self.to = host, port
        self.sock.connect(self.to)
        # A route may allow less than the interface: so Cilium sets what pods use. PROBE ignores that, applications do not.
        route = ROUTES.get(host) or self.sock.getsockopt(self.level, self.mtu)
        self.own = min(interface_mtu(self.family, self.sock.getsockname()[0]), route)
        self.told, self.line = 0, b""

    def arrived(self, sizes, timeout, enough=0, times=2):
        """Send each size so many times, wait, and return those that the server got; at once when ``enough`` is among them."""
        found = set()  # type: ignore[var-annotated]
        for size in list(sizes) * times:
            PACE.wait(*self.to)
            self.sent(b"s" * (size - HEADERS[self.family]))
        end = time.perf_counter() + timeout
        while len(found) < len(sizes) and (not enough or enough not in found) and time.perf_counter() < end:
            if select.select([self.sock], [], [], max(0.0, end - time.perf_counter()))[0]:
                words = (self.tolerant(self.sock.recv, LARGEST) or b"").split()
                size = int(words[4]) + HEADERS[self.family] if len(words) > 4 and words[4].isdigit() else 0
                if size in sizes:  # and no late answer to what was sent before
                    self.line = b" ".join(words[:4])
                    found.add(size)
        return found

    def came(self, low, high, count, timeout):
        """Send so many sizes from ``low`` to ``high`` once, spread evenly; return how many were sent and how many arrived."""
        sizes = sorted({low + (high - low) * number // max(count - 1, 1) for number in range(count)})
        return [len(sizes), len(self.arrived(sizes, timeout, times=1))]

    def sent(self, data):
        """Send it; an ICMP message about an earlier datagram stops the send that it is told by, so that one is made again."""
        for _ in range(3):
            if self.tolerant(self.sock.send, data) is not None:
                return

    def tolerant(self, function, argument):
        """Call it; note what an ICMP message told of the path's MTU."""
        try:
            return function(argument)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self.told = self.sock.getsockopt(self.level, self.mtu)
            return None


def pmtu(ask, deadline):
    """Operation ``pmtu``: the whole MTU first; where that does not arrive, narrow it down sixteen sizes at a time."""
    host, port = ask["to"]
    start = time.perf_counter()
    try:
        prober = Prober(host, port)
    except OSError as error:
        return {"to": host, "samples": [[outcome(error), (time.perf_counter() - start) * 1000]]}
    with prober.sock:
        low, high = SMALLEST[prober.family], prober.own
        found = prober.arrived([high, low], ask["timeout"], enough=high)
        first, carried = prober.told, max(found or {0})
        while 0 < carried < high - 1 and carried < prober.own:
            if deadline - time.monotonic() < ask["timeout"]:
                raise OutOfTime
            step = max(1, (high - carried) // LADDER)
            sizes = list(range(carried + step, high, step))[:LADDER]
            best = max(prober.arrived(sizes, ask["timeout"]) | {carried})
            high = min([size for size in sizes if size > best] + [high])
            carried = best
        if 0 < carried < prober.own:
            told, prober.told = prober.told, 0
            if prober.own in prober.arrived([prober.own], ask["timeout"]):
                carried = prober.own  # it was lost by chance
            # A hole for what is larger still may lie before the place that tells: of the largest, somebody has to have told.
            prober.told = told if first or prober.told else 0
        told = prober.told
        large, under = limits(prober, carried, ask["timeout"], deadline) if carried else ([], [])
    word = "ok" if carried else "timeout"
    line = base64.b64encode(prober.line).decode()
    spent = (time.perf_counter() - start) * 1000
    return {"to": host, "samples": [[word, spent, prober.own, carried, told, line, large, under]]}


def limits(prober, carried, timeout, deadline):
    """Hold the size against more datagrams: above a limit none arrives, and below it all do, again and again.

    Rounds of those above ``carried`` (of the largest where all are carried) and of those up to it: a second one, longer and
    with more patience, unless the first shows just that.
    """
    large, under = [], []  # type: ignore[var-annotated]
    below = max(SMALLEST[prober.family], carried - SECOND)
    while len(large) < 2:
        count, patience = (SECOND, 2 * timeout) if large else (FIRST, timeout)
        if deadline - time.monotonic() < 2 * patience:
            raise OutOfTime
        if carried < prober.own:
            large.append(prober.came(carried + 1, prober.own, count, patience))
            under.append(prober.came(below, carried, count, patience))
        else:
            large.append(prober.came(below, carried, count, patience))
        whole = under[-1] if under else large[-1]
        if whole[0] == whole[1] and not (under and large[-1][1]):
            break
    return large, under


def burst(ask, deadline):
    """Operation ``burst``."""
    host, port = ask["to"]
    rounds = []  # type: ignore[var-annotated]
    while not rounds or (len(rounds) < 2 and len(rounds[0][3]) < ask["count"]):
        if deadline - time.monotonic() < ask["count"] * ask["interval"] + ask["timeout"]:
            raise OutOfTime
        start = time.perf_counter()
        times = volley(host, port, ask["count"], ask["interval"], ask["timeout"])
        rounds.append(["ok", (time.perf_counter() - start) * 1000, ask["count"], sorted(times)])
    return {"to": host, "samples": rounds}


def volley(host, port, count, interval, timeout):
    """Send datagrams, each by its size told from the others, and return the milliseconds of those that came back."""
    payloads = [b"s" * (SHORTEST + number) for number in range(count)]
    sent, times = [], {}  # type: ignore[var-annotated]
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
        errors_pass(sock.connect, (host, port))
        start = time.perf_counter()
        end = start + count * interval + timeout
        while len(times) < count and time.perf_counter() < end:
            due = start + interval * len(sent)
            if len(sent) < count and time.perf_counter() >= due:
                sent.append(time.perf_counter())
                errors_pass(sock.send, payloads[len(sent) - 1])
                continue
            until = due if len(sent) < count else end
            if select.select([sock], [], [], max(0.0, until - time.perf_counter()))[0]:
                words = (errors_pass(sock.recv, LARGEST) or b"").split()
                number = int(words[4]) - SHORTEST if len(words) > 4 and words[4].isdigit() else -1
                if 0 <= number < len(sent):
                    times.setdefault(number, (time.perf_counter() - sent[number]) * 1000)
    return list(times.values())


OPERATIONS.update({"pmtu": pmtu, "burst": burst})
