# SPDX-License-Identifier: Apache-2.0
"""The agent's reading of what else than packet filters takes packets: filters of traffic control, and XFRM policies.

Both are rules as in rules.py: [backend, family, table, chain, handle, packets or -1 without a counter, bytes].
"tc": the kind of the filter, its interface, "ingress", "egress" or the queueing discipline that it is on, its place there; the
bytes are a label (the name of an eBPF program, or the interface that is sent to), a zero, and the message without its header.
"xfrm": "ip" or "ip6", "", the direction, the policy's index; the bytes are the message without its header.
Reading loads nothing: rtnetlink is always there, and xfrm_user is asked only where it is (/proc/net/netlink); to open a socket of
its protocol would load it (netlink_create in net/netlink/af_netlink.c).
"""

import socket
import struct

from kubectl_netdoc.agent.host import ROUTE, Full, attributes, dumped, each_attribute, text

XFRM = 6
MOST_PLACES = 2000
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
PLACES = {"clsact": (("ingress", INGRESS), ("egress", EGRESS)), "ingress": (("ingress", INGRESS),)}
# linux/pkt_cls.h: in which attribute a kind of filter has its actions
ACTIONS = {"u32": 7, "bpf": 1, "flower": 3, "matchall": 2, "fw": 4, "basic": 3, "cgroup": 1, "flow": 9, "route": 6}
DIRECTIONS = ("in", "out", "fwd")


def called(packed):
    """The text of an attribute."""
    return packed.split(b"\0")[0].decode(errors="replace")


def qdiscs():
    """Each queueing discipline: number of its interface, handle, parent, kind, attributes."""
    for message in dumped(ROUTE, 38, bytes(20)):
        index, handle, parent = struct.unpack_from("=iII", message, 20)
        parts = attributes(message, 36)
        yield index, handle, parent, called(parts.get(1, b"")), parts


def dropped(stats):
    """What a queue has dropped, of its statistics (TCA_STATS_QUEUE)."""
    return struct.unpack_from("=I", attributes(stats).get(3, bytes(20)), 8)[0]


def queues():
    """Of each queueing discipline: [interface, kind, dropped packets]."""
    names = dict(socket.if_nameindex())
    return [[names.get(index, str(index)), kind, dropped(parts.get(7, b""))] for index, _, _, kind, parts in qdiscs()]


def places():
    """Where filters may be: number of the interface, what the place is called, its parent in a request."""
    for index, handle, _, kind, _ in qdiscs():
        for word, parent in PLACES.get(kind, ((("parent %x:" % (handle >> 16)), handle),) if handle else ()):
            yield index, word, parent


def filters():
    """Every filter of traffic control that does something."""
    names = dict(socket.if_nameindex())
    for number, (index, hook, parent) in enumerate(places()):
        if number >= MOST_PLACES:
            raise Full
        for message in dumped(ROUTE, 46, struct.pack("=BBHiIII", 0, 0, 0, index, 0, parent, 0)):
            parts = attributes(message, 36)
            kind, options = called(parts.get(1, b"")), attributes(parts.get(2, b""))
            if 2 not in parts or (kind == "u32" and 5 not in options):
                continue  # the head of a kind, and the hash tables of u32
            actions = [attributes(one) for _, one in each_attribute(options.get(ACTIONS.get(kind, -1), b""))]
            handle = struct.unpack_from("=I", message, 24)[0]
            info = struct.unpack_from("=I", message, 32)[0]
            place = "%d %d %x" % (struct.unpack("=I", parts.get(11, bytes(4)))[0], info >> 16, handle)
            label = called(options.get(7, b"")) if kind == "bpf" else target(actions, names)
            yield ["tc", kind, names.get(index, str(index)), hook, place, taken(actions), label.encode() + b"\0" + message[16:]]


def target(actions, names):
    """The interface that an action sends packets to (struct tc_mirred)."""
    for action in actions:
        told = attributes(action.get(2, b"")).get(2, b"")
        if called(action.get(1, b"")) == "mirred" and len(told) >= 28:
            index = struct.unpack_from("=I", told, 24)[0]
            return names.get(index, str(index))
    return ""


def taken(actions):
    """The packets that came to the first action, of police those that it dropped; -1 without an action."""
    for action in actions:
        if called(action.get(1, b"")) == "police":
            return dropped(action.get(4, b""))
    for action in actions:
        return struct.unpack_from("=I", attributes(action.get(4, b"")).get(1, bytes(12)), 8)[0]
    return -1


def has_xfrm():
    """Whether the kernel has its own socket of XFRM in this namespace."""
    lines = (text("/proc/net/netlink") or "").splitlines()[1:]
    return any(line.split()[1:2] == [str(XFRM)] for line in lines)


def policies():
    """Every XFRM policy but those of sockets (XFRM_MSG_GETPOLICY, struct xfrm_userpolicy_info)."""
    if not has_xfrm():
        return
    for message in dumped(XFRM, 0x15, bytes(64)):
        index = struct.unpack_from("=I", message, 16 + 156)[0]
        direction, family = message[16 + 160], struct.unpack_from("=H", message, 16 + 40)[0]
        if direction < len(DIRECTIONS):
            yield ["xfrm", "ip6" if family == socket.AF_INET6 else "ip", "", DIRECTIONS[direction], index, -1, message[16:]]


def takers():
    """Every filter and every policy."""
    yield from filters()
    yield from policies()
