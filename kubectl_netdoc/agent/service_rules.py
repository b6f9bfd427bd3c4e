# SPDX-License-Identifier: Apache-2.0
"""The agent's reading of the rules with which kube-proxy translates the addresses of Services.

service_rules  {} -> {"samples": [["ok", ms, base64 of the messages, compressed (zlib), cut]]}
Messages are those of nf_tables: chains with a hook, rules, sets and their elements; of kube-proxy's own table all but the clients
that it remembers, of the tables of iptables the built-in chains and KUBE-*. A rule of the old tables is made a message of the
type OLD_RULE with the attributes of a rule (1 table, 2 chain, 4 its entry) and 99: its offset, by which jumps name it.
"""

import errno
import socket
import struct
import time
import zlib

from kubectl_netdoc.agent.base import OPERATIONS
from kubectl_netdoc.agent.host import NETFILTER, TRIES, Full, attribute, attributes, dumped, has_nf_tables, padded, text
from kubectl_netdoc.agent.rules import GET_CHAINS, GET_RULES, HOOKS, OLD_TABLES, encoded, entries, word
from kubectl_netdoc.agent.sets import GET_ELEMENTS, GET_SETS

OLD_RULE, OFFSET = 0xFFFF, 99
GET_GENERATION = 0xA10
OWN, OTHERS, REMEMBERED = "kube-proxy", ("nat", "filter"), "affinity-"


def of_kube_proxy(table, chain):
    """Whether a chain is one of kube-proxy's, or one that leads to it."""
    return table == OWN or (table in OTHERS and (chain.startswith("KUBE-") or chain in HOOKS))


def kept_rule(message):
    """Whether to keep a rule."""
    parts = attributes(message, 20)
    return of_kube_proxy(word(parts.get(1, b"")), word(parts.get(2, b"")))


def kept_chain(message):
    """Whether to keep a chain: those of kube-proxy's own, and built-in ones."""
    parts = attributes(message, 20)
    return of_kube_proxy(word(parts.get(1, b"")), word(parts.get(3, b"")))


def kept_set(message):
    """Whether to keep a set."""
    parts = attributes(message, 20)
    return word(parts.get(1, b"")) == OWN and not word(parts.get(2, b"")).startswith(REMEMBERED)


def generation():
    """The number of the last change of nf_tables."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as sock:
        sock.settimeout(2)
        sock.bind((0, 0))
        sock.send(struct.pack("=IHHIIBBH", 20, GET_GENERATION, 1, 1, 0, 0, 0, 0))
        return attributes(sock.recv(1 << 16), 20).get(1, b"")


def nft_messages():
    """The messages of nf_tables, taken again while somebody changes it."""
    found = []
    for _ in range(TRIES):
        before, found = generation(), nft_messages_once()
        if generation() == before:
            break
    return found


def nft_messages_once():
    """The messages of nf_tables; a set that is gone by then has no elements."""
    found = list(dumped(NETFILTER, GET_CHAINS, bytes(4), kept_chain)) + list(dumped(NETFILTER, GET_RULES, bytes(4), kept_rule))
    for message in list(dumped(NETFILTER, GET_SETS, bytes(4), kept_set)):
        parts = attributes(message, 20)
        body = struct.pack("=BBH", message[16], 0, 0) + attribute(1, parts[1]) + attribute(2, parts[2])
        try:
            found += [message] + list(dumped(NETFILTER, GET_ELEMENTS, body))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
    return found


def old_messages():
    """The rules of the old tables as messages."""
    for family, level, head, offsets, name in OLD_TABLES:
        for table in (text("/proc/net/%s_tables_names" % name) or "").split():
            if table not in OTHERS:
                continue
            with socket.socket(family, socket.SOCK_DGRAM) as sock:  # iptables itself takes a raw one, which needs NET_RAW
                for chain, _, at, entry in entries(sock, level, head, offsets, table):
                    if of_kube_proxy(table, chain):
                        yield old_message(family, table, chain, at, entry)


def old_message(family, table, chain, at, entry):
    """A rule of an old table as a message."""
    body = struct.pack("=BBH", family, 0, 0) + attribute(1, table.encode()) + attribute(2, chain.encode())
    body += attribute(4, entry) + attribute(OFFSET, struct.pack("!I", at))
    return struct.pack("=IHHII", 16 + len(body), OLD_RULE, 0, 0, 0) + body


def service_rules(ask, deadline):
    """Operation ``service_rules``."""
    start, cut, packer, packed = time.perf_counter(), False, zlib.compressobj(1), []  # type: ignore[var-annotated]
    try:
        found = []
        if has_nf_tables():
            try:
                found = nft_messages()
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):  # a kernel without nf_tables
                    raise
        packed.extend(packer.compress(padded(message)) for message in found)
        packed.extend(packer.compress(message) for message in old_messages())
    except Full:
        cut = True
    packed.append(packer.flush())
    return {"samples": [["ok", (time.perf_counter() - start) * 1000, encoded(b"".join(packed)), cut]]}


OPERATIONS["service_rules"] = service_rules
