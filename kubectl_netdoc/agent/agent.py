"""The agent: a dumb instrument that runs in a debug pod. Standard library only, Python 3.8 syntax, glibc and musl.

Input on stdin: one line with the length of a JSON document in bytes, then the document
    {"budget": seconds, "asks": [{"id": 0, "op": "udp", ...}, ...]}
Output on stdout: one JSON line a reply, in any order, then {"end": true, "replies": N, ...}. It judges nothing.

Operations
    udp   {"to": ["10.96.0.10", 53] or "resolv.conf", "payloads": [base64...], "timeout": seconds, "give_up": N}
          sends each payload from a socket of its own, one after the other, and waits for one datagram;
          stops when N are unanswered (one, where an earlier ask stopped like this with this target)
          -> {"to": "10.96.0.10", "samples": [["ok", ms, base64] or ["timeout", ms], ...]}
          "group": 2 sends them two by two from one socket at once, as a resolver sends A and AAAA: a sample is then
          "ok" when both are answered, and carries the first answer
    tcp   {"to": [host, port], "timeout": seconds}: connect and close -> {"to": host, "samples": [["ok", ms]]}
    echo  {"to": [host, port], "protocol": "TCP" or "UDP", "size": bytes, "samples": N, "timeout": s, "wait": s, "distinct": N}
          goes on for "wait" seconds until one try succeeds, and until so many different first lines have come
          -> {"to": host, "samples": [["ok", ms, first line in base64, bytes after it], ...]}
    tls   {"to": [host, port], "name": server name, "authority": PEM, "timeout": s}
          -> {"to": host, "samples": [["ok", ms, "" or what is wrong with the certificate]]}
Asks are run in order and alone, so that nothing else loads the path while latency is measured; those in a row that have
"together": true are run at once, at most 16.
"""

import base64
import errno
import json
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

LARGEST = 65535
ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
    errno.EPERM: "permission",
    errno.EACCES: "permission",
}

SILENT = set()  # type: ignore[var-annotated]


class OutOfTime(Exception):
    """The batch's budget is used up."""


def outcome(error):
    """The typed word for a socket error."""
    if isinstance(error, socket.timeout):
        return "timeout"
    return ERRORS.get(error.errno, "unreachable")


def resolv_conf_nameserver(path="/etc/resolv.conf"):
    """The first nameserver of resolv.conf, without a scope id."""
    with open(path, errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1].split("%")[0]
    raise ValueError("no nameserver in " + path)


def exchange(host, port, payloads, timeout):
    """Send all payloads from one new socket at once and wait until each has its answer: one sample, with the first answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    start = time.perf_counter()
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, port))  # so that an ICMP error comes back, and only this peer's datagrams
            start = time.perf_counter()
            for payload in payloads:
                sock.send(payload)
            answers = own_answers(sock, {payload[:2] for payload in payloads}, start + timeout)
        return ["ok", (time.perf_counter() - start) * 1000, base64.b64encode(answers[payloads[0][:2]]).decode()]
    except OSError as error:
        return [outcome(error), (time.perf_counter() - start) * 1000]


def own_answers(sock, ids, deadline):
    """The datagrams with the questions' ids; a peer that sends others without end does not hold this up."""
    answers = {}  # type: ignore[var-annotated]
    while len(answers) < len(ids):
        left = deadline - time.perf_counter()
        if left <= 0:
            raise socket.timeout()
        sock.settimeout(left)
        answer = sock.recv(LARGEST)
        if answer[:2] in ids:
            answers[answer[:2]] = answer
    return answers


def udp(ask, deadline):
    """Operation ``udp``."""
    host, port = (resolv_conf_nameserver(), 53) if ask["to"] == "resolv.conf" else ask["to"]
    payloads = [base64.b64decode(payload) for payload in ask["payloads"]]
    group = ask.get("group", 1)
    samples = []
    patience = 1 if (host, port) in SILENT else ask["give_up"]
    for first in range(0, len(payloads), group):
        left = deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        samples.append(exchange(host, port, payloads[first : first + group], min(ask["timeout"], left)))
        if samples[-1][0] == "timeout" and left < ask["timeout"]:
            raise OutOfTime  # it might have been answered within its own time: no loss
        if sum(sample[0] != "ok" for sample in samples) >= patience:
            SILENT.add((host, port))
            break
    return {"to": host, "samples": samples}


def tried(function, deadline, timeout, *arguments):
    """Run one try that returns what follows "ok" and the milliseconds; a socket error becomes its word."""
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


def connected(timeout, host, port):
    """Connect and close."""
    socket.create_connection((host, port), timeout).close()
    return []


def tcp(ask, deadline):
    """Operation ``tcp``."""
    host, port = ask["to"]
    return {"to": host, "samples": [tried(connected, deadline, ask["timeout"], host, port)]}


def echoed_tcp(timeout, host, port, size):
    """Connect, take the proof, ask for ``size`` bytes and take those; the milliseconds are those of connect and proof."""
    start = time.perf_counter()
    end = start + timeout
    with socket.create_connection((host, port), timeout) as sock:
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


def received(sock, end):
    """Some bytes before ``end``; an error where the peer has closed or the time is up."""
    sock.settimeout(max(end - time.perf_counter(), 0.001))
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError(errno.ECONNRESET, "closed")
    return data


def echoed_udp(timeout, host, port, size):
    """Send a datagram of ``size`` bytes and take the one that comes back."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
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
        with socket.create_connection((host, port), timeout) as sock:
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


OPERATIONS = {"udp": udp, "tcp": tcp, "echo": echo, "tls": tls}
AT_ONCE = 16


def throttled():
    """Seconds that the CPU limit has held this container back so far, from cgroup v2 or v1; 0 where neither tells."""
    for path, key, unit in (
        ("/sys/fs/cgroup/cpu.stat", "throttled_usec", 1e6),
        ("/sys/fs/cgroup/cpu/cpu.stat", "throttled_time", 1e9),
    ):
        try:
            with open(path) as lines:
                for line in lines:
                    words = line.split()
                    if len(words) == 2 and words[0] == key:
                        return int(words[1]) / unit
        except OSError:
            continue
    return 0.0


def answer(ask, deadline):
    """Run one ask; an error is a reply too."""
    try:
        reply = OPERATIONS[ask["op"]](ask, deadline)
    except OutOfTime:
        reply = {"error": "the time for this batch was used up"}
    except Exception as error:
        reply = {"error": "%s: %s" % (type(error).__name__, error)}
    reply["id"] = ask.get("id", -1) if isinstance(ask, dict) else -1
    return reply


def replies(asks, deadline):
    """Answer in order, those in a row that may run together at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for together, group in groupby(asks, lambda ask: isinstance(ask, dict) and bool(ask.get("together"))):
            yield from (pool.map if together else map)(lambda ask: answer(ask, deadline), group)


def main() -> None:
    """Read one batch, answer it, end."""
    length = int(sys.stdin.buffer.readline())
    batch = json.loads(sys.stdin.buffer.read(length).decode())
    before, deadline = throttled(), time.monotonic() + batch["budget"]
    for reply in replies(batch["asks"], deadline):
        print(json.dumps(reply), flush=True)
    print(json.dumps({"end": True, "replies": len(batch["asks"]), "throttled": throttled() - before}), flush=True)


if __name__ == "__main__":
    main()
