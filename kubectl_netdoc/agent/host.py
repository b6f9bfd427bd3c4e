# SPDX-License-Identifier: Apache-2.0
"""The agent's operations on a node's own network; only pods on the host network get this part of the program.

netlink  {}: what rtnetlink tells of links, addresses, routes, neighbours and the bridges' forwarding database, and what links
         compute themselves
         -> {"samples": [["ok", ms, [base64 of the messages of each dump...], cut, {link: [offload that is on...]}]]}
files    {"once": [patterns...], "without": [parts of paths...], "most": N, "twice": [paths...], "seconds": s}: files' texts,
         some again after so many seconds
         -> {"samples": [["ok", ms, seconds between, {path: text}, {path: text}, {path: text}, kernel release]]}
flows    {"to": [addresses...]}: the tracked UDP flows to addresses, a line each as in /proc/net/nf_conntrack
         -> {"samples": [["ok", ms, [line...], cut]]}
"""

import base64
import ctypes
import fcntl
import functools
import glob
import os
import socket
import struct
import time

from kubectl_netdoc.agent.base import OPERATIONS, SETUP

ROUTE, NETFILTER = 0, 12
DUMP, ERROR, DONE, INTERRUPTED = 0x301, 2, 3, 0x10
TRIES = 5
# linux/ethtool.h: ETHTOOL_GRXCSUM, GTXCSUM, GSG, GTSO, GGSO, GGRO; reading them takes no capability (dev_ethtool)
SIOCETHTOOL, MOST_LINKS = 0x8946, 500
OFFLOADS = {"rx": 0x14, "tx": 0x16, "sg": 0x18, "tso": 0x1E, "gso": 0x23, "gro": 0x2B}
MOST_BYTES = 8 * 1024 * 1024
MOST_FLOWS = 5000
MOST_RULES = 100000
MOST_FILE = 1024 * 1024


class Full(Exception):
    """There is more than is taken."""


def dumped(protocol, message, body, kept=None):
    """The messages of a netlink dump, header and all; anew where the kernel says that what it lists was changed meanwhile.

    kept: whether to keep a message; of what is not kept there may be any amount.
    """
    for _ in range(TRIES):
        found, interrupted, full = dumped_once(protocol, message, body, kept)
        if not interrupted:
            break
    yield from found
    if full:
        raise Full


def dumped_once(protocol, message, body, kept):
    """The messages of a netlink dump, whether it was interrupted (netlink(7)), and whether there are more than are taken."""
    found, taken, interrupted = [], 0, False  # type: ignore[var-annotated]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind((0, 0))
        sock.send(struct.pack("=IHHII", 16 + len(body), message, DUMP, 1, 0) + body)
        while True:
            data = sock.recv(1 << 18)
            at = 0
            while at + 16 <= len(data):
                length, kind, flags = struct.unpack_from("=IHH", data, at)
                interrupted = interrupted or bool(flags & INTERRUPTED)
                if kind == DONE:
                    return found, interrupted, False
                if kind == ERROR:
                    number = -struct.unpack_from("=i", data, at + 16)[0]
                    raise OSError(number, os.strerror(number))
                if kept is None or kept(data[at : at + length]):
                    taken += length
                    if taken > MOST_BYTES:
                        return found, False, True
                    found.append(data[at : at + length])
                at += (length + 3) & ~3


# linux/rtnetlink.h: RTM_GETLINK, GETADDR, GETROUTE, GETNEIGH, and the last for AF_BRIDGE, with the sizes of their headers.
DUMPS = ((18, bytes(16)), (22, bytes(8)), (26, bytes(12)), (30, bytes(12)), (30, b"\x07" + bytes(11)))


def padded(message):
    """A message of netlink with what makes its length a multiple of 4, as another one follows it."""
    return message + bytes(-len(message) % 4)


def attribute(kind, value):
    """A netlink attribute."""
    return padded(struct.pack("=HH", 4 + len(value), kind) + value)


def netlink(ask, deadline):
    """Operation ``netlink``."""
    start, texts, cut = time.perf_counter(), [], False
    for message, header in DUMPS:
        found = b""
        try:
            for one in dumped(ROUTE, message, header):
                found += padded(one)
        except Full:
            cut = True
        texts.append(base64.b64encode(found).decode())
    return {"samples": [["ok", (time.perf_counter() - start) * 1000, texts, cut, offloads()]]}


def offloads():
    """Of each link the offloads that are on, by the names of ethtool -K; links that tell none are left out."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex()[:MOST_LINKS]:
            values = {word: asked_of_link(sock, name, command) for word, command in OFFLOADS.items()}
            if any(value is not None for value in values.values()):
                found[name] = [word for word, value in values.items() if value]
    return found


def asked_of_link(sock, name, command):
    """The value that SIOCETHTOOL tells for a command; None where the link has no such thing."""
    value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
    try:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(value)))
    except OSError:
        return None
    return struct.unpack_from("=I", value.raw, 4)[0]


def text(path):
    """What a file holds; nothing where it can't be read."""
    try:
        with open(path, errors="replace") as file:
            return file.read(MOST_FILE)
    except OSError:
        return None


def texts(paths):
    """Of each file that can be read, what it holds."""
    return {path: found for path in paths for found in [text(path)] if found is not None}


def files(ask, deadline):
    """Operation ``files``."""
    start = time.perf_counter()
    before = texts(ask["twice"])
    paths = sorted(path for pattern in ask["once"] for path in glob.glob(pattern))
    once = texts([path for path in paths if not any(part in path for part in ask["without"])][: ask["most"]])
    time.sleep(max(0.0, min(ask["seconds"], deadline - time.monotonic() - 0.5) - (time.perf_counter() - start)))
    after, took = texts(ask["twice"]), time.perf_counter() - start
    return {"samples": [["ok", took * 1000, took, once, before, after, os.uname().release]]}


def attributes(data, at=0):
    """The netlink attributes from a place on, by type; of a type that comes again the last."""
    return dict(each_attribute(data, at))


def each_attribute(data, at=0):
    """The netlink attributes from a place on, as (type, value)."""
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def ip(packed):
    """The text of an address."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def ends(tuple_):
    """Protocol and ends of a connection tracking tuple: protocol, source, destination, their ports."""
    parts = attributes(tuple_)
    addresses, protocol = attributes(parts.get(1, b"")), attributes(parts.get(2, b""))
    port = lambda kind: struct.unpack("!H", protocol.get(kind, b"\0\0")[:2])[0]  # noqa: E731
    source, to = addresses.get(1) or addresses.get(3), addresses.get(2) or addresses.get(4)
    return protocol.get(1, b"\0")[0], ip(source), ip(to), port(2), port(3)


def tracked():
    """All tracked flows as lines of /proc/net/nf_conntrack, from there or by netlink, which takes NET_ADMIN."""
    try:
        with open("/proc/net/nf_conntrack", errors="replace") as lines:
            yield from lines
        return
    except OSError:
        pass
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in dumped(NETFILTER, 0x101, struct.pack("=BBH", family, 0, 0)):
            found = attributes(message, 20)
            if 1 not in found or 2 not in found:
                continue
            protocol, source, to, port, to_port = ends(found[1])
            _, answers, back, answers_port, back_port = ends(found[2])
            left = struct.unpack("!I", found.get(7, bytes(4)))[0]
            mark = "" if struct.unpack("!I", found.get(3, bytes(4)))[0] & 2 else "[UNREPLIED] "
            yield "x 0 %s %d %d src=%s dst=%s sport=%d dport=%d %ssrc=%s dst=%s sport=%d dport=%d" % (
                ("udp" if protocol == 17 else "other", protocol, left, source, to, port, to_port, mark)
                + (answers, back, answers_port, back_port)
            )


def flows(ask, deadline):
    """Operation ``flows``."""
    start, lines, cut = time.perf_counter(), [], False
    wanted = {"dst=" + address for address in ask["to"]}
    try:
        for line in tracked():
            words = line.split()
            if "udp" in words[:3] and next((word for word in words if word.startswith("dst=")), "") in wanted:
                lines.append(" ".join(words))
                if len(lines) >= MOST_FLOWS:
                    raise Full
    except Full:
        cut = True
    return {"samples": [["ok", (time.perf_counter() - start) * 1000, lines, cut]]}


SYMBOLS = "/proc/kallsyms"


@functools.lru_cache(maxsize=1)
def has_nf_tables():
    """Whether the kernel has nf_tables already: to ask one that has not would load it (nfnetlink_rcv_msg).

    A kernel that lists no modules loads none. What is built in is among the symbols only.
    """
    modules = text("/proc/modules")
    if modules is None or any(line.startswith("nf_tables ") for line in modules.splitlines()):
        return True
    try:
        with open(SYMBOLS, errors="replace") as lines:
            return any(" nf_tables_newtable" in line for line in lines)
    except OSError:
        return True


def option(sock, level, name, data):
    """Get a socket option that reads what it is given."""
    buffer, length = ctypes.create_string_buffer(data, len(data)), ctypes.c_uint(len(data))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(sock.fileno(), level, name, buffer, ctypes.byref(length)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return buffer.raw


def keep(capabilities):
    """Give up all capabilities but these, for good (capset(2), version 3). Before any thread: each has its own."""
    owned = next(line.split()[1] for line in (text("/proc/self/status") or "").splitlines() if line.startswith("CapPrm"))
    bits = sum(1 << number for number in capabilities) & int(owned, 16)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    sets = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, sets) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


OPERATIONS.update({"netlink": netlink, "files": files, "flows": flows})
SETUP["capabilities"] = keep
