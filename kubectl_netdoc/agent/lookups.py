# SPDX-License-Identifier: Apache-2.0
"""The agent's operations ``udp`` and ``resolv``: DNS lookups, and what the pod's resolv.conf says.

udp   {"to": ["10.96.0.10", 53] or "resolv.conf", "payloads": [base64...], "timeout": seconds, "give_up": N}
      sends each payload from a socket of its own, one after the other, and waits for one datagram;
      stops when N are unanswered (one, where an earlier ask stopped like this with this target)
      -> {"to": "10.96.0.10", "samples": [["ok", ms, base64] or ["timeout", ms], ...]}
      "group": 2 sends them two by two from one socket at once, as a resolver sends A and AAAA: a sample is then
      "ok" when both are answered, and carries the first answer
      "interval": seconds from one payload to the next, from one socket and without waiting for answers
      "stream": true sends each over a TCP connection of its own, two bytes of length before it (RFC 1035, 4.2.2)
resolv  {}: the text of /etc/resolv.conf -> {"to": "", "samples": [["ok", 0, base64]]}
"""

import base64
import select
import socket
import struct
import time

from kubectl_netdoc.agent.base import LARGEST, OPERATIONS, PACE, SILENT, OutOfTime, errors_pass, family_of, outcome, received


def resolv_conf_nameserver(path="/etc/resolv.conf"):
    """The first nameserver of resolv.conf, without a scope id."""
    with open(path, errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1].split("%")[0]
    raise ValueError("no nameserver in " + path)


def destination(ask):
    """Address and port of the server that a lookup goes to."""
    return (resolv_conf_nameserver(), 53) if ask["to"] == "resolv.conf" else tuple(ask["to"])


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


def resolv(ask, deadline):
    """Operation ``resolv``."""
    with open("/etc/resolv.conf", "rb") as file:
        return {"to": "", "samples": [["ok", 0.0, base64.b64encode(file.read(LARGEST)).decode()]]}


OPERATIONS.update({"udp": udp, "resolv": resolv})
