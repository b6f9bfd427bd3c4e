# SPDX-License-Identifier: Apache-2.0
"""The agent: a dumb instrument that runs in a debug pod. Standard library only, Python 3.8 syntax, glibc and musl.

Input on stdin: one line with the length of a JSON document in bytes, then the document
    {"budget": seconds, "spacing": seconds, "target_spacing": seconds, "asks": [{"id": 0, "op": "udp", ...}, ...]}
    "capabilities": [numbers of those that this batch needs]: the others are given up first (host.py)
    spacing: between two packets that begin something, whatever it is; target_spacing: the same for one host and port
Output on stdout: one JSON line a reply, in any order, then {"end": true, "replies": N, ...}. It judges nothing.

Operations
    udp   {"to": ["10.96.0.10", 53] or "resolv.conf", "payloads": [base64...], "timeout": seconds, "give_up": N}
          sends each payload from a socket of its own, one after the other, and waits for one datagram;
          stops when N are unanswered (one, where an earlier ask stopped like this with this target)
          -> {"to": "10.96.0.10", "samples": [["ok", ms, base64] or ["timeout", ms], ...]}
          "group": 2 sends them two by two from one socket at once, as a resolver sends A and AAAA: a sample is then
          "ok" when both are answered, and carries the first answer
          "interval": seconds from one payload to the next, from one socket and without waiting for answers
          "stream": true sends each over a TCP connection of its own, two bytes of length before it (RFC 1035, 4.2.2)
    resolv  {}: the text of /etc/resolv.conf -> {"to": "", "samples": [["ok", 0, base64]]}
    tcp   {"to": [host, port], "timeout": seconds}: connect and close -> {"to": host, "samples": [["ok", ms]]}
    echo  {"to": [host, port], "protocol": "TCP" or "UDP", "size": bytes, "samples": N, "timeout": s, "wait": s, "distinct": N}
          goes on for "wait" seconds until one try succeeds, and until so many different first lines have come
          -> {"to": host, "samples": [["ok", ms, first line in base64, bytes after it], ...]}
    tls   {"to": [host, port], "name": server name, "authority": PEM, "timeout": s}
          -> {"to": host, "samples": [["ok", ms, "" or what is wrong with the certificate]]}
    http {"to": [host, port], "path": text, "prefixes": [text...], "timeout": s}
          -> {"to": host, "samples": [["ok", ms, status, [lines that begin with a prefix...]]]}
    pmtu {"to": [host, port], "timeout": s}: the largest datagram that gets to an echo server whole, in bytes with IP header
          -> {"to": host, "samples": [["ok", ms, own MTU, largest carried, MTU that ICMP told or 0, greeting in base64]]}
          own MTU: the interface's, or the route's where that is smaller
    burst {"to": [host, port], "count": N, "interval": s, "timeout": s}: small datagrams to an echo server; once more if one
          is lost -> {"to": host, "samples": [["ok", ms of the round, sent, [ms...]], ...]}
Asks are run in order and alone, so that nothing else loads the path while latency is measured; those in a row that have
"together": true are run at once, at most 16.
"""

import base64
import errno
import fcntl
import http.client
import json
import select
import socket
import ssl
import struct
import sys
import threading
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
    errno.EMSGSIZE: "too big",
}

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


def resolv_conf_nameserver(path="/etc/resolv.conf"):
    """The first nameserver of resolv.conf, without a scope id."""
    with open(path, errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1].split("%")[0]
    raise ValueError("no nameserver in " + path)


def family_of(host):
    """The address family of an IP address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def exchange(host, port, payloads, timeout):
    """Send all payloads from one new socket at once and wait until each has its answer: one sample, with the first answer."""
    PACE.wait(host, port, len(payloads))
    start = time.perf_counter()
    try:
        with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
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


def destination(ask):
    """Address and port of the server that a lookup goes to."""
    return (resolv_conf_nameserver(), 53) if ask["to"] == "resolv.conf" else tuple(ask["to"])


def udp(ask, deadline):
    """Operation ``udp``."""
    host, port = destination(ask)
    payloads = [base64.b64decode(payload) for payload in ask["payloads"]]
    if ask.get("interval"):
        return {"to": host, "samples": trickle(host, port, payloads, ask["interval"], ask["timeout"], deadline)}
    group, one = ask.get("group", 1), asked_over_tcp if ask.get("stream") else exchange
    samples = []
    patience = 1 if (host, port) in SILENT else ask["give_up"]
    for first in range(0, len(payloads), group):
        left = deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        samples.append(one(host, port, payloads[first : first + group], min(ask["timeout"], left)))
        if samples[-1][0] == "timeout" and left < ask["timeout"]:
            raise OutOfTime  # it might have been answered within its own time: no loss
        if sum(sample[0] != "ok" for sample in samples) >= patience:
            SILENT.add((host, port))
            break
    return {"to": host, "samples": samples}


def asked_over_tcp(host, port, payloads, timeout):
    """Send one payload over a TCP connection of its own and take one answer; the milliseconds are those of both."""
    PACE.wait(host, port)
    start = time.perf_counter()
    try:
        with socket.create_connection((host, port), timeout) as sock:
            sock.sendall(struct.pack("!H", len(payloads[0])) + payloads[0])
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
                data += received(sock, start + timeout)
        return ["ok", (time.perf_counter() - start) * 1000, base64.b64encode(data[2:]).decode()]
    except OSError as error:
        return [outcome(error), (time.perf_counter() - start) * 1000]


def trickle(host, port, payloads, interval, timeout, deadline):
    """Send a payload every so many seconds without waiting for answers; each has its own time for one."""
    rest = list({payload[:2]: payload for payload in payloads}.values())  # two with one id could not be told apart
    sent, samples, booked = {}, {}, None  # type: ignore[var-annotated]
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
        errors_pass(sock.connect, (host, port))
        start = due = last = time.perf_counter()
        while rest or (len(samples) < len(sent) and time.perf_counter() < last + timeout):
            if time.monotonic() > deadline:
                raise OutOfTime
            if rest and time.perf_counter() >= due:
                if booked is None:
                    booked = due = PACE.turn(host, port)
                    continue
                payload = rest.pop(0)
                sent[payload[:2]] = last = time.perf_counter()
                errors_pass(sock.send, payload)
                booked, due = None, start + interval * len(sent)
            answer = received_until(sock, due if rest else last + timeout)
            if answer[:2] in sent and answer[:2] not in samples:
                ms = (time.perf_counter() - sent[answer[:2]]) * 1000
                in_time = ["ok", ms, base64.b64encode(answer).decode()]
                samples[answer[:2]] = in_time if ms <= timeout * 1000 else ["timeout", ms]
    return [samples.get(payload[:2], ["timeout", timeout * 1000]) for payload in payloads]


def received_until(sock, end):
    """A datagram that comes before ``end``, or nothing."""
    if select.select([sock], [], [], max(0.0, end - time.perf_counter()))[0]:
        return errors_pass(sock.recv, LARGEST) or b""
    return b""


def errors_pass(function, argument):
    """Call it; an ICMP error is no answer, and the next datagram may still get one."""
    try:
        return function(argument)
    except OSError:
        return None


def resolv(ask, deadline):
    """Operation ``resolv``."""
    with open("/etc/resolv.conf", "rb") as file:
        return {"to": "", "samples": [["ok", 0.0, base64.b64encode(file.read(LARGEST)).decode()]]}


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


MOST_PAGE, MOST_LINES = 4 * 1024 * 1024, 3000


def page(timeout, host, port, path, prefixes):
    """GET a page and keep some of its lines."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
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


SMALLEST = {socket.AF_INET: 576, socket.AF_INET6: 1280}
HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}
LADDER = 16
SHORTEST = 128
# linux/in.h and linux/in6.h; the socket module has names for few of them.
MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10, 14), socket.AF_INET6: (socket.IPPROTO_IPV6, 23, 24)}
PROBE = 3
SIOCGIFMTU, SIOCGIFADDR = 0x8921, 0x8915


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


ROUTES = {}  # type: ignore[var-annotated]


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

    def arrived(self, sizes, timeout, enough=0):
        """Send each size twice, wait, and return those that the server got; at once when ``enough`` is among them."""
        found = set()  # type: ignore[var-annotated]
        for size in list(sizes) * 2:
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
    word = "ok" if carried else "timeout"
    line = base64.b64encode(prober.line).decode()
    return {"to": host, "samples": [[word, (time.perf_counter() - start) * 1000, prober.own, carried, prober.told, line]]}


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


OPERATIONS = {
    "udp": udp,
    "resolv": resolv,
    "tcp": tcp,
    "echo": echo,
    "tls": tls,
    "http": http_get,
    "pmtu": pmtu,
    "burst": burst,
    **globals().get("HOST", {}),
}
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
        if "to" in ask and {sample[0] for sample in reply["samples"]} == {"timeout"}:
            SILENT.add(destination(ask))
    except OutOfTime:
        reply = {"error": "the time for this batch was used up"}
    except Exception as error:
        reply = {"error": "%s: %s" % (type(error).__name__, error)}
    reply["id"] = ask.get("id", -1) if isinstance(ask, dict) else -1
    return reply


def replies(asks, deadline):
    """Answer in order, those in a row that may run together at once; of the others, what goes to who is silent together last."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for together, group in groupby(asks, lambda ask: isinstance(ask, dict) and bool(ask.get("together"))):
            later = []
            for ask in group:
                if together or to_silent(ask):
                    later.append(ask)
                else:
                    yield answer(ask, deadline)
            yield from pool.map(lambda ask: answer(ask, deadline), later)


def to_silent(ask):
    """Whether an ask goes to who was given up before: it will wait, and there is no latency to disturb."""
    try:
        return destination(ask) in SILENT
    except Exception:
        return False  # a malformed ask is an error of its own


def main() -> None:
    """Read one batch, answer it, end."""
    length = int(sys.stdin.buffer.readline())
    batch = json.loads(sys.stdin.buffer.read(length).decode())
    before, deadline = throttled(), time.monotonic() + batch["budget"]
    PACE.spacing, PACE.target_spacing = batch.get("spacing", 0.0), batch.get("target_spacing", 0.0)
    if "capabilities" in batch:
        globals()["keep"](batch["capabilities"])
    note_routes(batch["asks"])
    for reply in replies(batch["asks"], deadline):
        print(json.dumps(reply), flush=True)
    print(
        json.dumps({"end": True, "replies": len(batch["asks"]), "throttled": throttled() - before, "now": time.time()}),
        flush=True,
    )


if __name__ == "__main__":
    main()
