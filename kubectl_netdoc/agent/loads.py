# SPDX-License-Identifier: Apache-2.0
"""The agent's loads: what a benchmark sends and takes, a function for each end of each kind, with little else in its hot loop.

Each begins with a token that both ends were told, and ends by itself: after "seconds", after "bytes" or the most transactions,
where the other end ends, or PATIENCE after it fell silent. Sizes are of payload, in bytes; times are seconds, latencies
microseconds.

stream   one TCP connection a process, sent and taken in blocks as large as iperf3's
rr       requests and answers on one TCP connection (TCP_NODELAY), one under way at a time
crr      the same with a connection for each; the client resets it then, so that it occupies no port and no tracking entry
udp      numbered datagrams, as fast as they go, or "rate" a second; "size" 0: as large as the route's MTU allows
udp_rr   requests and answers in datagrams
quiet    nothing, to see what the nodes do without it
"""

import array
import errno
import gc
import os
import socket
import struct
import time

from kubectl_netdoc.agent.base import family_of, outcome
from kubectl_netdoc.agent.path import HEADERS, MTU_DISCOVER

BLOCK = 131072
PATIENCE = 4
# Transactions of a sample at most: what is kept of each takes eight bytes, and a connection's traces stay on nodes for seconds.
MOST_TRANSACTIONS, MOST_CONNECTIONS = 500000, 5000
HEAD = struct.Struct("!8sQd")
LAST = (1 << 64) - 1
# linux/tcp.h: of struct tcp_info tcpi_total_retrans, tcpi_segs_out
TCP_INFO, INFO = 11, {"retransmits": 100, "segments": 136}
RESET = struct.pack("ii", 1, 0)
PATIENT, ENDLESS = struct.pack("ll", PATIENCE, 0), struct.pack("ll", 0, 0)
NUMBER = struct.Struct("!Q")


def word_of(error):
    """The typed word for an error of a socket whose patience the kernel counts."""
    return "timeout" if error.errno in (errno.EAGAIN, errno.EINPROGRESS) else outcome(error)


def patient(sock, span=PATIENT):
    """Have the kernel end what takes too long: with a time-out of Python's each call would be two."""
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, span)


def opened_socket(order, kind):
    """A socket that is connected to where an order leads."""
    sock = socket.socket(family_of(order["to"][0]), kind)
    try:
        patient(sock)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(tuple(order["to"]))
    except OSError:
        sock.close()
        raise
    return sock


def token(order):
    """What netdoc's own connections and datagrams of a sample begin with."""
    return bytes.fromhex(order["token"])


def accepted(listener, order):
    """The next connection that begins with the token, with the listener's options; others are closed."""
    while True:
        sock, _ = listener.accept()
        try:
            if sock.recv(8, socket.MSG_WAITALL) == token(order):
                return sock
        except OSError:
            pass
        sock.close()


def tcp_info(sock):
    """What the kernel tells of a connection; nothing where it tells less."""
    told = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
    return {name: struct.unpack_from("=I", told, at)[0] for name, at in INFO.items() if at + 4 <= len(told)}


def stream_sent(order):
    """Send blocks down one connection until the time or the bytes are up, and wait until all have arrived."""
    with opened_socket(order, socket.SOCK_STREAM) as sock:
        sock.sendall(token(order))
        block, sent, most = bytes(BLOCK), 0, order["bytes"] // order["streams"]
        send, clock, end = sock.send, time.monotonic, time.monotonic() + order["seconds"]
        while sent < most and clock() < end:
            sent += send(block)
        sock.shutdown(socket.SHUT_WR)
        patient(sock, struct.pack("ll", PATIENCE + int(order["seconds"]), 0))
        sock.recv(1)
        return {"bytes": sent, **tcp_info(sock)}


def stream_taken(order, listener):
    """Take one connection's bytes until its end; how many came, and between which moments."""
    sock = accepted(listener, order)
    with sock:
        block, taken, take, first = bytearray(BLOCK), 0, sock.recv_into, time.monotonic()
        while True:
            came = take(block)
            if not came:
                break
            taken += came
        last = time.monotonic()
        sock.send(b".")
    return {"bytes": taken, "first": first, "last": last}


def timed(times):
    """A summary of latencies: how many, and those that 50, 90 and 99 % don't exceed (nearest rank)."""
    ordered = sorted(times)
    found = {"p%d" % percent: ordered[-(-percent * len(ordered) // 100) - 1] for percent in (50, 90, 99) if ordered}
    return {"transactions": len(ordered), **found}


def repeated(order, most, transaction):
    """Repeat a transaction, a function of its number that tells whether it was answered; the latencies of those that were.

    Only moments are kept while it runs: what is computed of them would count as latency.
    """
    clock, moments, unanswered = time.perf_counter, array.array("d"), set()
    note = moments.append
    gc.disable()
    note(clock())
    end = moments[0] + order["seconds"]
    for number in range(most):
        if not transaction(number):
            unanswered.add(number)
        now = clock()
        note(now)
        if now > end:
            break
    times = [(moments[n + 1] - moments[n]) * 1e6 for n in range(len(moments) - 1) if n not in unanswered]
    return {"seconds": moments[-1] - moments[0], "sent": len(moments) - 1, **timed(times)}


def filled(sock, buffer, came):
    """Whether a buffer of which so much came is filled; what is missing is waited for."""
    while 0 < came < len(buffer):
        more = sock.recv_into(memoryview(buffer)[came:])
        came = came + more if more else 0
    return came > 0


def most_transactions(order):
    """How many transactions an order's bytes are enough for."""
    return min(MOST_TRANSACTIONS, order["bytes"] // max(order["size"], 1))


def rr_sent(order):
    """Requests on one connection, each after the answer to the one before."""
    with opened_socket(order, socket.SOCK_STREAM) as sock:
        sock.sendall(token(order))
        patient(sock, ENDLESS)
        size, request, buffer = order["size"], bytes(order["size"]), bytearray(order["size"])
        send, take = sock.sendall, sock.recv_into

        def transaction(number):
            send(request)
            came = take(buffer)
            if came == size or filled(sock, buffer, came):
                return True
            raise ConnectionResetError(errno.ECONNRESET, "closed")

        return repeated(order, most_transactions(order), transaction)


def rr_answered(order, listener):
    """Answer each request of one connection with as many bytes."""
    sock = accepted(listener, order)
    with sock:
        patient(sock, ENDLESS)
        size, buffer, count = order["size"], bytearray(order["size"]), 0
        send, take = sock.sendall, sock.recv_into
        while True:
            came = take(buffer)
            if came != size and not filled(sock, buffer, came):
                break
            send(buffer)
            count += 1
    return {"transactions": count}


def crr_sent(order):
    """A connection, a request, an answer and the end, again and again."""
    family, to, begin = family_of(order["to"][0]), tuple(order["to"]), token(order)

    def connection(data):
        sock = socket.SocketType(family, socket.SOCK_STREAM)
        try:
            patient(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.connect(to)
            sock.send(data)
            if not sock.recv(1):
                raise ConnectionResetError(errno.ECONNRESET, "closed")
        finally:
            sock.close()

    def transaction(number):
        connection(begin)
        return True

    found = repeated(order, MOST_CONNECTIONS, transaction)
    connection(begin[::-1])
    return found


def crr_answered(order, listener):
    """Take connections and answer each, until one says that it is the last. A descriptor is all that is made of them."""
    begin, last, count, take = token(order), token(order)[::-1], 0, listener._accept
    end = time.monotonic() + order["seconds"] + PATIENCE
    while time.monotonic() < end:
        connection, _ = take()
        try:
            found = os.read(connection, 8)
            if found in (begin, last):
                os.write(connection, b".")
        except OSError:
            found = b""
        finally:
            os.close(connection)
        if found == last:
            break
        count += found == begin
    return {"transactions": count}


def datagram_size(sock, order):
    """The payload of an order's datagrams: what it says, or what the route carries in one piece."""
    level, _, mtu = MTU_DISCOVER[sock.family]
    return max(order["size"] or sock.getsockopt(level, mtu) - HEADERS[sock.family], HEAD.size)


def udp_sent(order):
    """Numbered datagrams with the time at which they left, then some that say that it is over."""
    with opened_socket(order, socket.SOCK_DGRAM) as sock:
        data, begin, rate = bytearray(datagram_size(sock, order)), token(order), order["rate"]
        send, pack, clock, number = sock.send, HEAD.pack_into, time.monotonic, 0
        most, start = order["bytes"] // len(data), time.monotonic()
        now, end = start, start + order["seconds"]
        while now < end and number < most:
            if rate and start + number / rate > now:
                time.sleep(start + number / rate - now)
            now = clock()
            pack(data, 0, begin, number, now)
            try:
                send(data)
            except ConnectionRefusedError:
                raise
            except OSError:
                pass  # the queue of the interface is full: this one is lost
            number += 1
        for _ in range(5):
            time.sleep(0.02)
            sock.send(HEAD.pack(begin, LAST, now))
        return {"sent": number, "size": len(data), "seconds": now - start}


def udp_taken(order, sock):
    """Take datagrams until the last: how many came, out of their order, and the jitter of RFC 3550 in microseconds."""
    begin, buffer, got, late, due, size = token(order), bytearray(65535), 0, 0, 0, 0
    jitter = first = last = before = 0.0
    take, unpack, clock = sock.recv_into, HEAD.unpack_from, time.monotonic
    now, end = clock(), clock() + order["seconds"] + PATIENCE
    while now < end:
        try:
            came = take(buffer)
        except BlockingIOError:
            break
        now = clock()
        mark, number, sent = unpack(buffer)
        if mark != begin or came < HEAD.size:
            continue
        if number == LAST:
            break
        transit = now - sent
        if got:
            jitter += (abs(transit - before) - jitter) / 16
        else:
            first = now
        if number < due:
            late += 1
        else:
            due = number + 1
        before, last, got, size = transit, now, got + 1, size + came
    return {"received": got, "bytes": size, "first": first, "last": last, "late": late, "jitter": jitter * 1e6}


def udp_rr_sent(order):
    """Datagrams, each after the answer to the one before, or after a fifth of a second without one."""
    with opened_socket(order, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
        size = max(order["size"], HEAD.size)
        data, buffer = bytearray(token(order).ljust(size)), bytearray(size)
        pack, send, take = NUMBER.pack_into, sock.send, sock.recv_into

        def transaction(number):
            pack(data, 8, number)
            send(data)
            try:
                while True:
                    take(buffer)
                    if buffer == data:
                        return True
            except BlockingIOError:
                return False

        found = repeated(order, most_transactions(order), transaction)
        for _ in range(5):
            time.sleep(0.02)
            sock.send(token(order))
        return found


def udp_rr_answered(order, datagrams):
    """Send each datagram back to where the first one came from, until a shorter one, by a socket of its own that is connected."""
    size, count, end = max(order["size"], HEAD.size), 0, time.monotonic() + order["seconds"] + PATIENCE
    buffer = bytearray(size)
    came, source = datagrams.recvfrom_into(buffer)
    while came != size or buffer[:8] != token(order):
        if time.monotonic() > end:
            raise BlockingIOError(errno.EAGAIN, "only strangers")
        came, source = datagrams.recvfrom_into(buffer)
    with socket.socket(datagrams.family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        patient(sock)
        sock.bind(("", datagrams.getsockname()[1]))
        sock.connect(source)
        send, take = sock.send, sock.recv_into
        while came == size:
            send(buffer)
            count += 1
            came = take(buffer)
    return {"transactions": count}


def quiet(order, *_):
    """Nothing."""
    time.sleep(order["seconds"])
    return {}


SENT = {"stream": stream_sent, "rr": rr_sent, "crr": crr_sent, "udp": udp_sent, "udp_rr": udp_rr_sent, "quiet": quiet}
TAKEN = {
    "stream": stream_taken,
    "rr": rr_answered,
    "crr": crr_answered,
    "udp": udp_taken,
    "udp_rr": udp_rr_answered,
    "quiet": quiet,
}


def counted():
    """What the node and this program have done so far.

    busy, softirq: CPU seconds of all CPUs; processed, dropped, squeezed: packets that the kernel took from its CPUs' backlogs,
    dropped there, and how often it had to leave work for later (softnet_stat's first three columns); own: CPU seconds of ours.
    """
    with open("/proc/stat") as lines:
        user, nice, system, _, _, interrupts, softirq = (int(word) for word in lines.readline().split()[1:8])
    with open("/proc/net/softnet_stat") as lines:
        rows = [[int(word, 16) for word in line.split()[:3]] for line in lines]
    processed, dropped, squeezed = (sum(row[column] for row in rows) for column in range(3))
    tick, used = os.sysconf("SC_CLK_TCK"), os.times()
    return {
        "seconds": time.monotonic(),
        "busy": (user + nice + system + interrupts + softirq) / tick,
        "softirq": softirq / tick,
        "processed": processed,
        "dropped": dropped,
        "squeezed": squeezed,
        "own": sum(used[:4]),
    }
