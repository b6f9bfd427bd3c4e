# SPDX-License-Identifier: Apache-2.0
"""The agent's operations ``tcp``, ``echo``, ``tls`` and ``http``: connections to Services, pods and servers.

tcp   {"to": [host, port], "timeout": seconds}: connect and close -> {"to": host, "samples": [["ok", ms]]}
echo  {"to": [host, port], "protocol": "TCP" or "UDP", "size": bytes, "samples": N, "timeout": s, "wait": s, "distinct": N}
      goes on for "wait" seconds until one try succeeds, and until so many different first lines have come
      -> {"to": host, "samples": [["ok", ms, first line in base64, bytes after it], ...]}
tls   {"to": [host, port], "name": server name, "authority": PEM, "timeout": s}
      -> {"to": host, "samples": [["ok", ms, "" or what is wrong with the certificate]]}
http {"to": [host, port], "path": text, "prefixes": [text...], "timeout": s}
      -> {"to": host, "samples": [["ok", ms, status, [lines that begin with a prefix...]]]}
"""

import base64
import errno
import http.client
import socket
import ssl
import time

from kubectl_netdoc.agent.base import LARGEST, OPERATIONS, family_of, received, tcp_connection, tried

MOST_PAGE, MOST_LINES = 4 * 1024 * 1024, 3000


def connected(timeout, host, port):
    """Connect and close."""
    tcp_connection(host, port, timeout).close()
    return []


def tcp(ask, deadline):
    """Operation ``tcp``."""
    host, port = ask["to"]
    return {"to": host, "samples": [tried(connected, deadline, ask["timeout"], host, port)]}


def echoed_tcp(timeout, host, port, size):
    """Connect, take the proof, ask for ``size`` bytes and take those; the milliseconds are those of connect and proof."""
    start = time.perf_counter()
    end = start + timeout
    with tcp_connection(host, port, timeout) as sock:
        data = b""
        while b"\n" not in data and len(data) < 512:
            data += received(sock, end)
        took = (time.perf_counter() - start) * 1000
        line, _, rest = data.partition(b"\n")
        sock.sendall(b"%d\n" % size)
        got, end = len(rest), time.perf_counter() + timeout
        try:
            while got < size:
                got += len(received(sock, end))
        except OSError:
            pass  # the proof came; how much came after it is for the reader to judge
    return [took, base64.b64encode(line).decode(), got]


def echoed_udp(timeout, host, port, size):
    """Send a datagram of ``size`` bytes and take the one that comes back."""
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((host, port))
        start = time.perf_counter()
        sock.send(b"x" * max(size, 128))
        data = sock.recv(LARGEST)
        took = (time.perf_counter() - start) * 1000
    return [took, base64.b64encode(data.partition(b"\n")[0]).decode(), len(data)]


def echo(ask, deadline):
    """Operation ``echo``; stops where two tries in a row fail, or when the time for waiting is over."""
    host, port = ask["to"]
    function = echoed_udp if ask["protocol"] == "UDP" else echoed_tcp
    end = time.monotonic() + ask["wait"]
    samples, different = [], {}  # type: ignore[var-annotated]
    while len(samples) < ask["samples"] or (len(different) < ask["distinct"] and time.monotonic() < end):
        sample = tried(function, deadline, ask["timeout"], host, port, ask["size"])
        if sample[0] == "ok":
            different.setdefault(sample[2], sample)
        elif not different and time.monotonic() < end:
            time.sleep(0.1)
            continue
        samples.append(sample)
        if len(samples) >= ask["samples"]:
            time.sleep(0.05)
        if time.monotonic() >= end and (ask["wait"] or [s[0] == "ok" for s in samples[-2:]] == [False, False]):
            break
    proofs = list(different.values())
    return {"to": host, "samples": (proofs + [s for s in samples if s not in proofs])[: ask["samples"]]}


def handshaken(timeout, host, port, name, authority):
    """Make a TLS handshake and verify the certificate; a certificate that does not verify is an answer too."""
    context = ssl.create_default_context(cadata=authority)
    try:
        with tcp_connection(host, port, timeout) as sock:
            context.wrap_socket(sock, server_hostname=name).close()
        return [None, ""]
    except (ssl.SSLError, ssl.CertificateError) as error:
        return [None, str(getattr(error, "verify_message", "") or error)[:200]]


def tls(ask, deadline):
    """Operation ``tls``."""
    host, port = ask["to"]
    start = time.perf_counter()
    sample = tried(handshaken, deadline, ask["timeout"], host, port, ask["name"], ask["authority"])
    sample[1] = (time.perf_counter() - start) * 1000
    return {"to": host, "samples": [sample]}


def page(timeout, host, port, path, prefixes):
    """GET a page and keep some of its lines."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.sock = tcp_connection(host, port, timeout)
        connection.request("GET", path, headers={"User-Agent": "kubectl-netdoc"})
        answer = connection.getresponse()
        lines = answer.read(MOST_PAGE).decode(errors="replace").splitlines()
        return [None, answer.status, [line[:500] for line in lines if line.startswith(tuple(prefixes))][:MOST_LINES]]
    except http.client.HTTPException as error:
        raise ConnectionResetError(errno.EPROTO, str(error)) from None
    finally:
        connection.close()


def http_get(ask, deadline):
    """Operation ``http``."""
    host, port = ask["to"]
    start = time.perf_counter()
    sample = tried(page, deadline, ask["timeout"], host, port, ask["path"], ask["prefixes"])
    sample[1] = (time.perf_counter() - start) * 1000
    return {"to": host, "samples": [sample]}


OPERATIONS.update({"tcp": tcp, "echo": echo, "tls": tls, "http": http_get})
