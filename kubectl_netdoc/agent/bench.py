# SPDX-License-Identifier: Apache-2.0
"""The agent's operation ``bench``: one end of the paths that are measured, told line by line what to send or take next.

bench {"port": N}: listens on that port, TCP and UDP, 0: one of the kernel's choice; answers {"ready": {"port": N, "cpus": N,
      "machine": digest of the kernel's boot id, "tools": [those of iperf3, netperf that are here]}}, then each line on stdin:
      {"do": "send", "kind": k, "to": [host, port], "token": 16 hex digits, "seconds": s, "bytes": N, "streams": N, "size": N,
       "rate": N} (loads.py) -> {"told": {"outcome": word, "parts": [what each process found], "node": what it did meanwhile}}
      {"do": "take", the same} -> {"listening": true}, then the same
      {"do": "run", "command": [...], "seconds": s} -> {"told": {"outcome": "ok", "output": text, "code": N, "node": ...}}
      {"do": "offer", "command": [...], "port": N}: the same tool's server -> {"listening": true}, until the next line; its answer
      is as that of take
It ends where stdin does, and for good by an alarm at the batch's deadline, in each process.
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from kubectl_netdoc.agent.base import OPERATIONS
from kubectl_netdoc.agent.loads import PATIENCE, SENT, TAKEN, counted, patient, word_of
from kubectl_netdoc.agent.main import throttled

TOOLS = ("iperf3", "netperf")
MOST_OUTPUT = 262144
STARTS = 3.0
# iperf3 keeps what it sends in a file, and all but this is read-only in a debug pod.
WRITABLE = dict(os.environ, TMPDIR="/dev/shm")


def in_processes(count, seconds, function, *arguments):
    """What a function found in each of so many processes at once; each has an alarm of its own, as none is inherited."""
    ends = []
    for _ in range(count):
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            try:
                signal.alarm(seconds)
                os.close(reads)
                os.write(writes, json.dumps(tried_part(function, *arguments)).encode())
            finally:
                os._exit(0)
        os.close(writes)
        ends.append((child, reads))
    return [read_part(child, reads) for child, reads in ends]


def tried_part(function, *arguments):
    """What a function found, or the word of its error."""
    try:
        return {"outcome": "ok", **function(*arguments)}
    except OSError as error:
        return {"outcome": word_of(error)}


def read_part(child, reads):
    """What one process told before its end."""
    with os.fdopen(reads, "rb") as end:
        text = end.read()
    os.waitpid(child, 0)
    return json.loads(text.decode() or '{"outcome": "timeout"}')


def bound(port):
    """A listener and a socket for datagrams on one port of every family."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listener, datagrams = socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
    for sock in (listener, datagrams):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        patient(sock)
        sock.bind(("", port))
        port = sock.getsockname()[1]
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it takes has its options
    listener.listen(128)
    return listener, datagrams, port


def machine():
    """A digest of the kernel's boot id: two nodes that share it share their CPUs."""
    with open("/proc/sys/kernel/random/boot_id") as text:
        return hashlib.sha256(text.read().encode()).hexdigest()[:16]


def say(words):
    """Answer with a line."""
    print(json.dumps(words), flush=True)


def sample(order, function, *arguments):
    """Run one end of a load and tell what it and the node did meanwhile."""
    before, held = counted(), throttled()
    parts = in_processes(order["streams"], int(order["seconds"] + 3 * PATIENCE), function, *arguments)
    words = [part["outcome"] for part in parts]
    told = {"outcome": next((word for word in words if word != "ok"), "ok"), "parts": parts}
    say({"told": {**told, "node": spent(before, held)}})


def spent(before, held):
    """What the node did since."""
    after = counted()
    return {**{name: after[name] - before[name] for name in after}, "throttled": throttled() - held}


def listens(port):
    """Whether anything listens on a TCP port here."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path) as lines:
                if any(words[3] == "0A" and words[1].endswith(":%04X" % port) for words in map(str.split, lines)):
                    return True
        except OSError:
            continue
    return False


def offered(order):
    """Run a tool's server until the next line."""
    before, held = counted(), throttled()
    null = subprocess.DEVNULL
    with subprocess.Popen(order["command"], stdout=null, stderr=null, env=WRITABLE) as server:
        try:
            end = time.monotonic() + STARTS
            while not listens(order["port"]) and time.monotonic() < end:
                time.sleep(0.05)
            say({"listening": True})
            sys.stdin.buffer.readline()
        finally:
            server.kill()
    say({"told": {"outcome": "ok", "parts": [], "node": spent(before, held)}})


def ran(order):
    """Run a tool's client."""
    before, held = counted(), throttled()
    try:
        most, pipe = order["seconds"] + 3 * PATIENCE, subprocess.PIPE
        done = subprocess.run(order["command"], stdout=pipe, stderr=subprocess.STDOUT, env=WRITABLE, timeout=most)
        told = {"outcome": "ok", "output": done.stdout.decode(errors="replace")[:MOST_OUTPUT], "code": done.returncode}
    except subprocess.TimeoutExpired:
        told = {"outcome": "timeout", "output": "", "code": -1}
    say({"told": {**told, "parts": [], "node": spent(before, held)}})


def bench(ask, deadline):
    """Operation ``bench``."""
    signal.alarm(max(1, int(deadline - time.monotonic())))
    start = time.perf_counter()
    listener, datagrams, port = bound(ask["port"])
    tools = [tool for tool in TOOLS if shutil.which(tool)]
    say({"ready": {"port": port, "cpus": os.cpu_count(), "machine": machine(), "tools": tools}})
    for line in iter(sys.stdin.buffer.readline, b""):
        order = json.loads(line.decode())
        if order["do"] == "send":
            sample(order, SENT[order["kind"]], order)
        elif order["do"] == "take":
            say({"listening": True})
            sample(order, TAKEN[order["kind"]], order, datagrams if "udp" in order["kind"] else listener)
        else:
            {"run": ran, "offer": offered}[order["do"]](order)
    return {"samples": [["ok", (time.perf_counter() - start) * 1000]]}


OPERATIONS["bench"] = bench
