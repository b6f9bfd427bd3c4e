"""The agent: a dumb instrument that runs in a debug pod. Standard library only, Python 3.8 syntax, glibc and musl.

Input on stdin: one line with the length of a JSON document in bytes, then the document
    {"budget": seconds, "asks": [{"id": 0, "op": "udp", ...}, ...]}
Output on stdout: one JSON line a reply, in any order, then {"end": true, "replies": N, ...}. It judges nothing.

Operations
    udp   {"to": ["10.96.0.10", 53] or "resolv.conf", "payloads": [base64...], "timeout": seconds, "give_up": N}
          sends each payload from a socket of its own, one after the other, and waits for one datagram;
          stops where the first N are unanswered (the first one, where an earlier ask found this target silent)
          -> {"to": "10.96.0.10", "samples": [["ok", ms, base64] or ["timeout", ms], ...]}
Asks are run in order and alone: nothing else loads the path while latency is measured.
"""

import base64
import errno
import json
import socket
import sys
import time

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
    with open(path) as lines:
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1].split("%")[0]
    raise ValueError("no nameserver in " + path)


def exchange(host, port, payload, timeout):
    """Send one datagram from a new socket; returns [outcome, milliseconds] and the answer in base64 where there is one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    start = time.perf_counter()
    deadline = start + timeout
    try:
        sock.connect((host, port))  # so that an ICMP error comes back, and only this peer's datagrams
        sock.send(payload)
        while True:
            sock.settimeout(max(deadline - time.perf_counter(), 0.001))
            answer = sock.recv(LARGEST)
            if answer[:2] == payload[:2]:
                break
        return ["ok", (time.perf_counter() - start) * 1000, base64.b64encode(answer).decode()]
    except OSError as error:
        return [outcome(error), (time.perf_counter() - start) * 1000]
    finally:
        sock.close()


def udp(ask, deadline):
    """Operation ``udp``."""
    host, port = (resolv_conf_nameserver(), 53) if ask["to"] == "resolv.conf" else ask["to"]
    samples = []
    patience = 1 if (host, port) in SILENT else ask["give_up"]
    for payload in ask["payloads"]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        samples.append(exchange(host, port, base64.b64decode(payload), min(ask["timeout"], left)))
        if len(samples) == patience and all(sample[0] != "ok" for sample in samples):
            SILENT.add((host, port))
            break
    return {"to": host, "samples": samples}


OPERATIONS = {"udp": udp}


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
    reply["id"] = ask["id"]
    return reply


def main() -> None:
    """Read one batch, answer it, end."""
    length = int(sys.stdin.buffer.readline())
    batch = json.loads(sys.stdin.buffer.read(length).decode())
    before, deadline = throttled(), time.monotonic() + batch["budget"]
    for ask in batch["asks"]:
        print(json.dumps(answer(ask, deadline)), flush=True)
    print(json.dumps({"end": True, "replies": len(batch["asks"]), "throttled": throttled() - before}), flush=True)


if __name__ == "__main__":
    main()
