# SPDX-License-Identifier: Apache-2.0
"""The oracle: what the workload's clients see, by probes that have nothing of netdoc's.

From a pod of its own on each node, from each node's own network, and from the workload's pods: every pod, every Service by
address and by name, headless names, node ports on every node, the API server, names inside and outside, megabytes, datagrams,
many connections at once; and whether a new pod starts on each node. What clients expect (names, ports, addresses of Services) is
written down once, from the healthy lab; only pods' addresses are read anew, where the API answers.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.campaign.inventory import Inventory
from lab.faults.runner import Lab, LabError

PROBE = (Path(__file__).parent / "probe.py").read_text()
APPLICATIONS = ("shop", "market")
OUTSIDE = "example.test"
LISTENS = {"web": 8080, "cart": 8090, "pay": 9090, "udp": 9000}
"""The ports on which the workload's servers listen, whatever a mutation has their pods say; those of StatefulSets on 5432."""

TIMEOUT = 2.0
RESOLVER = "timeout:2 attempts:1"
"""For the C library: a resolver that is dead is told in seconds, not in half a minute a name."""

DEADLINE = 75.0
START = 12.0
"""Seconds in which a new pod is Ready on a healthy lab, three times over (2 to 4 here)."""

LOST = 0.15
"""Share of tries that fail more than on the healthy lab for a probe to count as changed."""

SLOWER, SLOW = 4.0, 0.8
"""A probe is slower where its median takes so many times as long, and so many seconds more: a retransmitted SYN is 1 s, DNS 5."""

PERSISTS = 2
"""Readings that must agree: one lost packet is no change."""

START_POD = """
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, namespace: campaign, labels: {campaign-start: "%(number)s"}}
spec:
  nodeName: %(node)s
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  containers: [{name: c, image: "docker.io/lab/base:1", imagePullPolicy: Never, command: [sleep, infinity]}]
"""


class Target(Struct, frozen=True):
    """What a client expects to work."""

    key: str
    way: str
    host: str
    port: int
    timeout: float = TIMEOUT


class Vantage(Struct, frozen=True):
    """Where probes start: in the namespaces of a process of a pod's, or with its files in the node's own network."""

    name: str
    process: str
    network: bool = True


VANTAGES = (Vantage("pod", "campaign-prober"), Vantage("host", "campaign-prober", False), Vantage("cart", "http.server 8090"))
"""The oracle's own pods, the nodes, and an application whose policies let it reach only what it needs."""


class Reading(Struct, frozen=True):
    """One matrix: by "vantage → target" the outcomes of each try, as (what failed or "", seconds)."""

    outcomes: dict[str, tuple[tuple[str, float], ...]]

    def share(self, key: str) -> float:
        """How many of the tries failed."""
        tries = self.outcomes.get(key, ())
        return sum(bool(said) for said, _ in tries) / len(tries) if tries else 0.0

    def seconds(self, key: str) -> float:
        """The median of those that did not fail."""
        good = [seconds for said, seconds in self.outcomes.get(key, ()) if not said]
        return statistics.median(good) if good else 0.0


def changed(before: Reading, after: Reading) -> dict[str, str]:
    """Say what differs for a client: by probe, what is so now."""
    found = {}
    for key, tries in after.outcomes.items():
        if key not in before.outcomes and not key.startswith("start"):
            continue
        if after.share(key) > before.share(key) + LOST:
            failed = [said for said, _ in tries if said]
            found[key] = f"{len(failed)} of {len(tries)}: {failed[0]}"
        elif (now := after.seconds(key)) > before.seconds(key) * SLOWER and now > before.seconds(key) + SLOW:
            found[key] = f"{now:.2f} s, was {before.seconds(key):.2f} s"
    return found


class Oracle:
    """Asks one lab."""

    def __init__(self, lab: Lab, inventory: Inventory) -> None:
        """Write down what clients of a healthy lab expect."""
        self.lab = lab
        self.nodes = [node.name for node in inventory.nodes]
        self.addresses = {node.name: node.address for node in inventory.nodes}
        self.services = list(self._services(inventory))
        self.pods: list[Target] = []
        self.starts = 0

    def _services(self, inventory: Inventory) -> Iterator[Target]:
        for item in inventory.of("Service"):
            meta, spec = item["metadata"], item["spec"]
            if meta["namespace"] not in APPLICATIONS:
                continue
            name = f"{meta['name']}.{meta['namespace']}"
            for port in spec["ports"]:
                way = "udp" if port.get("protocol") == "UDP" else "tcp"
                if spec.get("clusterIP") == "None":
                    for member in _members(inventory, meta):
                        yield Target(f"name {member}.{name}", way, f"{member}.{name}.svc.cluster.local", port["port"])
                    continue
                yield Target(f"service {name}:{port['port']}", way, spec["clusterIP"], port["port"])
                yield Target(f"name {name}", way, name, port["port"])
                if way == "tcp":
                    yield Target(f"large {name}", "large", spec["clusterIP"], port["port"], 4.0)
                if number := port.get("nodePort"):
                    yield from (
                        Target(f"node port {node}:{number}", way, address, number) for node, address in self.addresses.items()
                    )
        own = {(item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"] for item in inventory.of("Service")}
        yield Target("burst web.shop", "burst", own["shop", "web"]["clusterIP"], 80, 6.0)
        yield Target("api", "tls", own["default", "kubernetes"]["clusterIP"], 443)
        yield Target("name inside", "dns", "kubernetes.default.svc.cluster.local", 0)
        yield Target("name outside", "dns", OUTSIDE, 0)

    def _find_pods(self) -> list[Target]:
        """Pods of the applications as they are now; where the API does not answer, as they were."""
        try:
            items = json.loads(self.lab.kubectl("get", "pods", "-A", "-o", "json", "--request-timeout=5s"))["items"]
        except (LabError, ValueError):
            return self.pods
        found = []
        for item in (each for each in items if each["metadata"]["namespace"] in APPLICATIONS):
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", ()))
            ports = [p for c in item["spec"]["containers"] for p in c.get("ports", ())]
            ip = item["status"].get("podIP")
            if not (ip and ready and ports) or "deletionTimestamp" in item["metadata"]:
                continue
            owner = re.sub(r"-[a-z0-9]{6,10}-[a-z0-9]{5}$", "", item["metadata"]["name"])
            way = "udp" if ports[0].get("protocol") == "UDP" else "tcp"
            node = item["spec"]["nodeName"]
            found.append(Target(f"pod {owner} on {node}", way, ip, LISTENS.get(owner, 5432)))
        return found

    def read(self, seconds: float = 0.0, only: Collection[str] | None = None) -> Reading:
        """Take one matrix; ``seconds``: how long to go on, where what is looked for comes and goes; ``only``: these probes."""
        self.pods = self._find_pods()
        with ThreadPoolExecutor(8) as pool:
            starts = [pool.submit(self._start)] if only is None or any(key.startswith("start") for key in only) else []
            places = [pool.submit(self._vantage, node, vantage, seconds, only) for node in self.nodes for vantage in VANTAGES]
            outcomes = dict(item for some in [*places, *starts] for item in some.result().items())
        return Reading(outcomes)

    def _targets(self, vantage: Vantage) -> list[Target]:
        if vantage.network:
            return [*self.pods, *self.services]
        return [
            *self.pods,
            *(each for each in self.services if each.way in ("tcp", "udp", "tls") and not each.key.startswith("name")),
        ]

    def _vantage(
        self, node: str, vantage: Vantage, seconds: float, only: Collection[str] | None
    ) -> dict[str, tuple[tuple[str, float], ...]]:
        """Probe from a pod on a node, or from the node's own network with the pod's python3; nothing without such a pod."""
        name = f"{vantage.name} on {node}"
        targets = [target for target in self._targets(vantage) if only is None or f"{name} → {target.key}" in only]
        if not targets:
            return {}
        enter = f'exec nsenter -t "$pid" -m {"-n -u" if vantage.network else ""} -- python3 -c "$PROBE"'
        rounds, pause = (max(2, int(seconds / 0.7)), 0.4) if seconds else (2, 0.5)
        asked = {"targets": [[t.key, t.way, t.host, t.port, t.timeout] for t in targets], "rounds": rounds, "pause": pause}
        itself = f"[{vantage.process[0]}]{vantage.process[1:]}"  # the pattern does not match the shell that holds it
        script = f"pid=$(pgrep -f '{itself}' | head -n 1); [ \"$pid\" ] || {{ echo {{}}; exit; }}; {enter}"
        try:
            done = subprocess.run(
                ["docker", "exec", "-i", "-e", f"PROBE={PROBE}", "-e", f"RES_OPTIONS={RESOLVER}", node, "sh", "-c", script],
                input=json.dumps(asked), capture_output=True, text=True, timeout=DEADLINE,
            )  # fmt: skip
            found: dict[str, Any] = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            return {f"{name} → {target.key}": (("no reading", 0.0),) * rounds for target in targets}
        return {f"{name} → {key}": tuple((said, seconds) for said, seconds in tries) for key, tries in found.items()}

    def _start(self) -> dict[str, tuple[tuple[str, float], ...]]:
        """Start a pod on each node, and tell when each was Ready."""
        self.starts += 1
        label = f"campaign-start={self.starts}"
        started, ready = time.monotonic(), dict[str, float]()
        manifest = "---".join(
            START_POD % {"name": f"start-{self.starts}-{node}", "node": node, "number": self.starts} for node in self.nodes
        )
        said = "not Ready"
        try:
            self.lab.shell(f"kubectl create -f - <<'YAML'\n{manifest}\nYAML")
            while len(ready) < len(self.nodes) and time.monotonic() < started + START:
                time.sleep(0.7)
                items = json.loads(self.lab.kubectl("-n", "campaign", "get", "pods", "-l", label, "-o", "json"))["items"]
                for item in items:
                    if any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", ())):
                        ready.setdefault(item["spec"]["nodeName"], time.monotonic() - started)
        except (LabError, ValueError) as error:
            said = "LabError: " + str(error).splitlines()[-1][-120:]
        with contextlib.suppress(LabError):
            self.lab.kubectl("-n", "campaign", "delete", "pods", "-l", label, "--force", "--grace-period=0", "--wait=false")
        return {f"start on {node}": (("" if node in ready else said, round(ready.get(node, START), 2)),) for node in self.nodes}

    def differs(self, before: Reading, seconds: float = 0.0) -> dict[str, str]:
        """Say what differs for clients, where it differs in each of `PERSISTS` readings."""
        found = changed(before, self.read(seconds))
        for _ in range(PERSISTS - 1):
            if not found:
                return {}
            again = changed(before, self.read(seconds, None if seconds else found.keys()))
            found = {key: said for key, said in again.items() if key in found or seconds}
        return found


def _members(inventory: Inventory, service: dict[str, Any]) -> list[str]:
    """The pods of the StatefulSet that a headless Service is for."""
    for item in inventory.of("StatefulSet"):
        if (item["metadata"]["namespace"], item["spec"].get("serviceName")) == (service["namespace"], service["name"]):
            return [f"{item['metadata']['name']}-{index}" for index in range(item["spec"]["replicas"])]
    return []


def told(found: dict[str, str], most: int = 6) -> Sequence[str]:
    """The first few of what differs."""
    lines = [f"{key}: {said}" for key, said in sorted(found.items())]
    return [*lines[:most], *([f"and {len(lines) - most} more"] if len(lines) > most else [])]
