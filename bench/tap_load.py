# SPDX-License-Identifier: Apache-2.0
"""What a trace's tap costs on a node with much other traffic: CPU time of the tap's own process, and of the whole machine.

`NETDOC_LAB=kubeconfig python -m bench.tap_load [PACKETS_A_SECOND]` sends that many small datagrams a second (50,000) for a few
seconds between two pods of one node of an idle lab, and traces through the same node once without them and once beside them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from bench.packets import Place, in_pod, session_at, shell
from kubectl_netdoc.measurements.base import Peer
from kubectl_netdoc.measurements.trace import Trace, TraceReply

SECONDS = 25
COUNT, INTERVAL = 100, 0.08

SENDER = """
import socket, sys, time
to, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((to, 9999))
start = time.monotonic()
sent = failed = 0
while (now := time.monotonic()) < start + seconds:
    due = int((now - start) * rate)
    while sent < due:
        try:
            sock.send(b"x" * 64)
        except OSError:
            failed += 1
        sent += 1
    time.sleep(0.0005)
print(sent / (time.monotonic() - start))
"""

RECEIVER = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 9999))
time.sleep(int(sys.argv[1]))
"""


class Cost(Struct, frozen=True):
    """Of one trace: its seconds, CPU seconds of the tap's pod, busy CPU seconds of the machine; what the tap saw and missed."""

    seconds: float
    cpu: float
    busy: float
    frames: int
    dropped: int
    missed: int

    def __str__(self) -> str:
        tap = (
            f"{self.cpu:.2f} s of CPU of the tap's pod in {self.seconds:.1f} s ({100 * self.cpu / self.seconds:.1f} % of a core)"
        )
        machine = f"the machine's busy CPU {100 * self.busy / self.seconds:.0f} % of a core"
        return (
            f"{tap}, {machine}, {self.frames} frames passed the filter, {self.dropped} of them lost, {self.missed} packets unseen"
        )


def busy() -> float:
    """Return the busy CPU seconds of the machine since its start."""
    with open("/proc/stat") as file:
        values = [int(word) for word in file.readline().split()[1:9]]
    return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")


def pod_cpu(node: str, uid: str) -> float:
    """Return the CPU seconds of a pod."""
    of_pod = f"find /sys/fs/cgroup/cpuacct -type d -name '*pod{uid.replace('-', '?')}*'"
    return sum(map(int, shell(node, f"for d in $({of_pod}); do cat $d/cpuacct.usage; done", {}).split())) / 1e9


def uid(place: Place, node: str) -> str:
    """Return the uid of the pod on a node that the tap runs in."""
    session = place.run.session
    pod = next(pod.name for pod in session.pods if pod.host and pod.node == node)
    command = ["kubectl", "--kubeconfig", os.environ["NETDOC_LAB"], "-n", session.namespace, "get", "pod", pod]
    return subprocess.run([*command, "-o", "jsonpath={.metadata.uid}"], capture_output=True, text=True, check=True).stdout


@contextmanager
def flood(place: Place, rate: int) -> Iterator[None]:
    """Send so many datagrams a second from the source's pod to the target of the same node while the ``with`` lasts."""
    v = place.variables
    commands = (
        in_pod(v["TWIN_POD"], v["TWIN"]) + f"python3 -c '{RECEIVER}' {SECONDS + 2}",
        in_pod(v["T2_POD"], v["TWIN"]) + f"python3 -c '{SENDER}' {v['TWIN_POD']} {rate} {SECONDS}",
    )
    running = []
    for command in commands:
        running.append(subprocess.Popen(["docker", "exec", v["TWIN"], "sh", "-c", command], stdout=subprocess.PIPE, text=True))
        time.sleep(1)
    try:
        yield
    finally:
        told = running[1].communicate(timeout=SECONDS + 10)[0].strip()
        running[0].communicate(timeout=SECONDS + 10)
        print(f"  sent: {float(told):.0f} packets a second")


def traced(place: Place) -> Cost:
    """Trace for some seconds and return what it cost on the source's node."""
    v = place.variables
    tap = uid(place, v["TWIN"])
    other = v["T"] if v["T"] != v["TWIN"] else v["S"]
    request = Trace(v["TWIN"], Peer(other), (v["TWIN"], other), "UDP", count=COUNT, interval=INTERVAL)
    start, cpu, machine = time.monotonic(), pod_cpu(v["TWIN"], tap), busy()
    reply = place.run.run(request)
    seconds, cpu, machine = time.monotonic() - start, pod_cpu(v["TWIN"], tap) - cpu, busy() - machine
    assert isinstance(reply, TraceReply), reply
    reading = next(reading for reading in reply.readings if reading.node == v["TWIN"])
    seen = {one.packet for one in reply.sightings if one.node == v["TWIN"]}
    return Cost(seconds, cpu, machine, reading.frames, reading.dropped, COUNT - len(seen))


def main() -> int:
    """Print the costs: without and with other traffic, and what that traffic costs by itself."""
    rate = int(sys.argv[1]) if sys.argv[1:] else 50_000
    with session_at(os.environ["NETDOC_LAB"]) as place:
        print(f"without other traffic: {traced(place)}")
        with flood(place, rate):
            time.sleep(2)
            before, start = busy(), time.monotonic()
            time.sleep(5)
            alone = 100 * (busy() - before) / (time.monotonic() - start)
            print(f"  the traffic alone: the machine's busy CPU {alone:.0f} % of a core")
            print(f"beside it: {traced(place)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
