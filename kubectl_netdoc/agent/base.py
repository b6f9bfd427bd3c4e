# SPDX-License-Identifier: Apache-2.0
"""What all operations of the agent share: pace, outcomes, the table of operations. The first part of the program."""

import errno
import socket
import threading
import time

LARGEST = 65535
# Seconds for a TCP connection to open: its second SYN leaves after 1 s, the third after 2 s or, on older kernels, after 3 s. So
# one that lost a SYN opens, one that lost two does not, and neither is chance.
OPENS = 1.6
ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
    errno.EPERM: "permission",
    errno.EACCES: "permission",
    errno.EMSGSIZE: "too big",
}

# By the name in an ask: a function that takes the ask and a deadline by time.monotonic, and returns the reply.
OPERATIONS = {}  # type: ignore[var-annotated]
# By the key in a batch: a function that takes its value, called before the first ask.
SETUP = {}  # type: ignore[var-annotated]
# (host, port) of servers that were given up.
SILENT = set()  # type: ignore[var-annotated]


class OutOfTime(Exception):
    """The batch's budget is used up."""


class Pace:
    """Keeps what begins apart: so many seconds between any two, and between two to one target."""

    def __init__(self, spacing=0.0, target_spacing=0.0):
        self.spacing, self.target_spacing = spacing, target_spacing
        self.following, self.targets, self.lock = 0.0, {}, threading.Lock()

    def turn(self, host, port, count=1):
        """Book the next turn, to begin so many at once, and return when that is by time.perf_counter."""
        with self.lock:
            at = max(time.perf_counter(), self.following, self.targets.get((host, port), 0.0))
            self.following, self.targets[host, port] = at + count * self.spacing, at + count * self.target_spacing
        return at

    def wait(self, host, port, count=1):
        """Wait for one's turn."""
        time.sleep(max(0.0, self.turn(host, port, count) - time.perf_counter()))


PACE = Pace()


def outcome(error):
    """The typed word for a socket error."""
    if isinstance(error, socket.timeout):
        return "timeout"
    return ERRORS.get(error.errno, "unreachable")


def family_of(host):
    """The address family of an IP address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def errors_pass(function, argument):
    """Call it; an ICMP error is no answer, and the next datagram may still get one."""
    try:
        return function(argument)
    except OSError:
        return None


def tcp_connection(host, port, timeout):
    """A connection, whose further operations have the whole timeout each."""
    sock = socket.create_connection((host, port), min(timeout, OPENS))
    sock.settimeout(timeout)
    return sock


def received(sock, end):
    """Some bytes before ``end``; an error where the peer has closed or the time is up."""
    sock.settimeout(max(end - time.perf_counter(), 0.001))
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError(errno.ECONNRESET, "closed")
    return data


def tried(function, deadline, timeout, *arguments):
    """Run one try that returns what follows "ok" and the milliseconds; a socket error becomes its word."""
    PACE.wait(*arguments[:2])
    left = deadline - time.monotonic()
    if left <= 0:
        raise OutOfTime
    start = time.perf_counter()
    try:
        result = function(min(timeout, left), *arguments)
        return ["ok", result.pop(0) if result else (time.perf_counter() - start) * 1000] + result
    except OSError as error:
        if left < timeout and isinstance(error, socket.timeout):
            raise OutOfTime from None  # it might have been answered within its own time
        return [outcome(error), (time.perf_counter() - start) * 1000]
