# SPDX-License-Identifier: Apache-2.0
"""The echo server: what a debug pod runs while it lives, for its peers to prove that it was they who reached it.

Standard library only, Python 3.8 syntax. Arguments: NONCE NAME PORT, the same port for TCP and UDP.

TCP: sends "netdoc NONCE NAME SOURCE\\n" at once (SOURCE: the address that it saw the client come from), then reads a line
     with a number and sends so many bytes, and closes.
UDP: answers a datagram with the same line, padded to the datagram's own length, so that it never sends more than it got.
     One that begins with "s" gets a short answer, whose fifth word is the length of what came: so one way is measured alone.
"""

import socket
import socketserver
import sys
import threading

MOST_BYTES = 1048576
SHORTEST = 128
PATIENCE = 30.0


def greeting(source):
    """The line that proves who answers."""
    return ("netdoc %s %s %s\n" % (NONCE, NAME, source[0].replace("::ffff:", ""))).encode()


class Stream(socketserver.BaseRequestHandler):
    """One TCP connection."""

    def handle(self):
        """Greet, then send what is asked for."""
        self.request.settimeout(PATIENCE)
        try:
            self.request.sendall(greeting(self.client_address))
            wanted = self.request.makefile("rb").readline(16)
            self.request.sendall(b"x" * min(int(wanted or 0), MOST_BYTES))
        except (OSError, ValueError):
            pass


class Datagrams(socketserver.BaseRequestHandler):
    """One datagram."""

    def handle(self):
        """Answer with as many bytes as came."""
        data, sock = self.request
        if len(data) < SHORTEST:
            return
        line, room = greeting(self.client_address), len(data)
        if data[:1] == b"s":
            line, room = line.rstrip() + b" %d\n" % len(data), SHORTEST
        sock.sendto(line.ljust(room, b"x")[:room], self.client_address)


class EveryFamily:
    """IPv4 and IPv6 on one socket where the kernel has both."""

    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    allow_reuse_address = True

    def server_bind(self):
        """Bind to every family."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class TCP(EveryFamily, socketserver.ThreadingTCPServer):
    """A thread a connection."""

    daemon_threads = True
    request_queue_size = 256


class UDP(EveryFamily, socketserver.UDPServer):
    """One datagram after the other."""

    max_packet_size = 65535


def main():
    """Serve until the pod goes."""
    stream, datagrams = TCP(("", PORT), Stream), UDP(("", PORT), Datagrams)
    threading.Thread(target=datagrams.serve_forever, daemon=True).start()
    stream.serve_forever()


if __name__ == "__main__":
    NONCE, NAME, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
    main()
