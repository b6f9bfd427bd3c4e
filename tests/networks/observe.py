# SPDX-License-Identifier: Apache-2.0
"""Pods to try policies on, and what really becomes of connections between them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.faults.runner import Lab

OPEN, OTHER, CLOSED = 8080, 8085, 8090
"""Ports: the server listens on the first two, and on none of them elsewhere."""

OUTSIDE, NODE_PORTS = "outside", {OPEN: 30881, OTHER: 30885, CLOSED: 30890}
"""This machine, which is no node, and the node ports by which it asks the server: its own address is what the server sees."""

DEADLINE = 30.0
"""Seconds for an engine to make of a policy what is predicted: Cilium's connectivity test waits 15 s for one."""

SERVER = "; ".join(
    (
        "import socketserver, threading, time",
        "H = type('H', (socketserver.BaseRequestHandler,), {'handle': lambda s: s.request.sendall(b'here')})",
        f"S = [socketserver.ThreadingTCPServer(('', p), H) for p in ({OPEN}, {OTHER})]",
        "[threading.Thread(target=s.serve_forever).start() for s in S]",
    )
)
PROBE = """
import json, socket, sys, threading
def ask(address, port):
    try:
        with socket.create_connection((address, port), 1.5) as s:
            s.settimeout(1.5)
            return "ok" if s.recv(4) == b"here" else "impostor"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "timeout"
found = {}
def run(name, address, port): found[name] = ask(address, port)
threads = [threading.Thread(target=run, args=target) for target in json.loads(sys.argv[1])]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(found))
"""

PODS = (
    ("pol-a", "server", "worker", {"app": "server", "tier": "back"}),
    ("pol-a", "near", "worker", {"app": "client", "where": "near"}),
    ("pol-a", "far", "worker2", {"app": "client", "where": "far"}),
    ("pol-b", "guest", "worker2", {"app": "client"}),
)
"""Namespace, name, node and labels. ``server`` is asked; all others ask."""


@dataclass(frozen=True)
class Way:
    """One connection: from a pod (namespace/name), a node (worker, worker2) or ``OUTSIDE`` to a port of the server."""

    source: str
    port: int


WAYS = tuple(
    Way(source, port)
    for source in ("pol-a/near", "pol-a/far", "pol-b/guest", "worker", "worker2")
    for port in (OPEN, OTHER, CLOSED)
)


def furnish(lab: Lab) -> None:
    """Make the namespaces and pods, and wait for them."""
    items: list[object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name[-1]}}}
        for name in ("pol-a", "pol-b")
    ]
    for namespace, name, node, labels in PODS:
        ports = [{"name": "web", "containerPort": OPEN}]
        container = {
            "name": "c",
            "image": "docker.io/lab/base:1",
            "imagePullPolicy": "Never",
            "command": ["python3", "-c", SERVER],
            "ports": ports,
        }
        spec = {"nodeName": f"{lab.name}-{node}", "terminationGracePeriodSeconds": 0, "containers": [container]}
        items.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": spec,
            }
        )
    apply(lab, {"apiVersion": "v1", "kind": "List", "items": items})
    for namespace, name, _, _ in PODS:
        lab.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")


def apply(lab: Lab, manifest: object) -> None:
    """Apply a manifest."""
    command = ["kubectl", "--kubeconfig", str(lab.kubeconfig), "apply", "-f", "-"]
    subprocess.run(command, input=json.dumps(manifest), text=True, check=True, capture_output=True, timeout=60)


def remove(lab: Lab) -> None:
    """Delete all policies of the two namespaces."""
    for namespace in ("pol-a", "pol-b"):
        lab.kubectl("-n", namespace, "delete", "networkpolicies", "--all", "--ignore-not-found")


def open_to_the_outside(lab: Lab) -> None:
    """Make the Service by which ``OUTSIDE`` asks the server; it keeps the source's address."""
    ports = [{"name": f"p{port}", "port": port, "nodePort": node_port} for port, node_port in NODE_PORTS.items()]
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "selector": {"app": "server"}, "ports": ports}
    apply(lab, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "namespace": "pol-a"}, "spec": spec})


def node_address(lab: Lab, name: str) -> str:
    """Address of a node."""
    return _docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", f"{lab.name}-{name}")


def gateway(lab: Lab) -> str:
    """Address of this machine, as the nodes see it."""
    return _docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", f"{lab.name}-worker")


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def observe(lab: Lab, address: str, ways: Iterable[Way] = WAYS) -> dict[Way, str]:
    """Try every way at once; ``ok``, ``refused`` or ``timeout``."""
    sources = sorted({way.source for way in ways})
    with ThreadPoolExecutor(len(sources)) as pool:
        asked = pool.map(lambda source: _ask(lab, source, address, [way for way in ways if way.source == source]), sources)
        return {way: what for found in asked for way, what in found.items()}


def _ask(lab: Lab, source: str, address: str, asked: Iterable[Way]) -> dict[Way, str]:
    ways = {str(way.port): way for way in asked}
    targets = json.dumps([(name, address, way.port) for name, way in ways.items()])
    namespace, slash, pod = source.partition("/")
    command = ["docker", "exec", f"{lab.name}-{source}"]
    if source == OUTSIDE:
        node = node_address(lab, "worker")
        targets = json.dumps([(name, node, NODE_PORTS[way.port]) for name, way in ways.items()])
        command = []
    if slash:
        command = ["kubectl", "--kubeconfig", str(lab.kubeconfig), "-n", namespace, "exec", pod, "--"]
    python = "python3" if command else sys.executable
    done = subprocess.run([*command, python, "-c", PROBE, targets], capture_output=True, text=True, check=True, timeout=60)
    return {ways[name]: what for name, what in json.loads(done.stdout).items()}


def until(lab: Lab, address: str, wanted: dict[Way, str], seconds: float = DEADLINE) -> dict[Way, str]:
    """Return the differences (predicted, observed) that are left when an engine has had its time; none where all agree."""
    deadline = time.monotonic() + seconds
    while True:
        found = observe(lab, address, tuple(wanted))
        wrong = {way: f"predicted {wanted[way]}, observed {found[way]}" for way in wanted if wanted[way] != found[way]}
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.5)
