# SPDX-License-Identifier: Apache-2.0
"""`kubectl netdoc bench` beside iperf3 and netperf, on the same two nodes of an idle lab: the table of docs/performance.md.

`NETDOC_LAB=kubeconfig NETDOC_IMAGE=docker.io/lab/base:1 python -m bench.throughput [SAMPLES [SECONDS]]` (5 of 2 s). The tools are
Debian's, unpacked in both nodes and started in the network namespaces of pods of the workload and in the nodes' own. They take
half of their samples before netdoc's and half after them, so that what changes on the machine meanwhile meets both.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from tabulate import tabulate

from bench.packets import in_pod, shell
from kubectl_netdoc.measurements.bench import BenchLoad, BenchSample, Kind, Route
from kubectl_netdoc.measurements.statistics import Estimate, estimate
from kubectl_netdoc.sources.bench_tools import TOOLS
from lab.faults.runner import Lab

NETDOC = str(Path(sys.executable).with_name("kubectl-netdoc"))
PACKAGES = ("iperf3", "libiperf0", "libsctp1", "netperf")
PLACE, PORT = "/opt/throughput", 19400
ONE, RR = BenchLoad(Kind.STREAM), BenchLoad(Kind.RR, size=1)
STREAMS = 4


class End(Struct, frozen=True):
    """Where a tool runs: a node, the address that it has there, and what its commands begin with."""

    node: str
    ip: str
    enter: str = ""


class Must(Struct, frozen=True):
    """One line of the table: what of netdoc is held against what of a tool, and between which ratios it must be."""

    what: str
    tool: str
    load: BenchLoad
    netdoc: tuple[BenchLoad, ...]
    figure: str
    least: float
    most: float


MUSTS = (
    Must("TCP, one stream", "iperf3", ONE, (ONE,), "gbit_s", 0.9, 1.1),
    Must(
        f"TCP, the better of one and {STREAMS}", "iperf3", ONE, (ONE, BenchLoad(Kind.STREAM, streams=STREAMS)), "gbit_s", 0.8, 1e9
    ),
    Must("small requests, p50", "netperf", RR, (RR,), "p50_us", 0.85, 1.15),
)
"""What the issue asks for. The second line counts where one stream of Python carries less than iperf3's."""


def debian(folder: Path) -> None:
    """Unpack the tools into a folder: netperf is in Debian's non-free, so apt gets lists of its own there."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    (folder / "archives" / "partial").mkdir(parents=True)
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb http://deb.debian.org/debian {codename} main non-free\n")
    state = {"Etc::SourceList": "sources.list", "State::Lists": "lists", "Cache": "."}
    apt = [
        "apt-get",
        "-qq",
        *(f"-oDir::{name}={folder / path}" for name, path in state.items()),
        "-oDir::Etc::SourceParts=/dev/null",
    ]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *PACKAGES], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True)


def unpacked(nodes: set[str]) -> None:
    """Put the tools into the nodes; raises ``CalledProcessError`` where Debian's packages can't be had."""
    with tempfile.TemporaryDirectory() as folder:
        debian(Path(folder))
        for node in nodes:
            subprocess.run(["docker", "exec", node, "rm", "-rf", PLACE], check=True)
            subprocess.run(["docker", "cp", "-q", f"{folder}/root", f"{node}:{PLACE}"], check=True)


def command(end: End, words: list[str]) -> list[str]:
    """Return the command that runs a tool at an end and first prints its process id there."""
    libraries = f"LD_LIBRARY_PATH=$(echo {PLACE}/usr/lib/*-linux-gnu) PATH={PLACE}/usr/bin:$PATH"
    return ["docker", "exec", end.node, "sh", "-c", f"{end.enter}sh -c 'echo $$; exec env {libraries} {' '.join(words)}'"]


@contextmanager
def serving(end: End, tool: str) -> Iterator[None]:
    """Run a tool's server at an end."""
    with subprocess.Popen(
        command(end, TOOLS[tool].server(PORT)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        process = int(server.stdout.readline())
        time.sleep(1)
        try:
            yield
        finally:
            shell(end.node, f"kill {process}", {})
            server.communicate(timeout=10)


def by_tool(must: Must, source: End, target: End, samples: int, seconds: float) -> list[BenchSample]:
    """Return a tool's samples."""
    tool, found = TOOLS[must.tool], []
    with serving(target, must.tool):
        for _ in range(samples):
            client = command(source, tool.client(must.load, target.ip, PORT, seconds))
            done = subprocess.run(client, capture_output=True, text=True, timeout=seconds + 30, check=False)
            found.append(tool.sample(must.load, done.stdout.partition("\n")[2] or done.stderr, done.returncode))
    return found


def figure(sample: BenchSample, name: str) -> float:
    """Return what is compared of a tool's sample; netperf counts latencies by whole microseconds and tells where one begins."""
    return sample.p50 + 0.5 if name == "p50_us" else sample.bytes * 8 / sample.seconds / 1e9


def by_netdoc(lab: Lab, nodes: tuple[str, str], samples: int, seconds: float) -> dict[str, dict[BenchLoad, dict[str, Any]]]:
    """Return netdoc's figures by route and load."""
    words = ["--host", "--route", "pod", "--load", "tcp", "--load", "rr", "--streams", str(STREAMS), "--megabytes", "1000000"]
    run = [NETDOC, "bench", *nodes, *words, "--samples", str(samples), "--seconds", str(seconds), "-o", "json"]
    done = subprocess.run(run, env=lab.environment, stdout=subprocess.PIPE, text=True, check=True)
    paths = [path for path in json.loads(done.stdout)["paths"] if path["request"]["family"] == "IPv4"]
    return {
        path["request"]["route"]: {
            BenchLoad(**(row["load"] | {"kind": Kind(row["load"]["kind"])})): row["figures"] for row in path["rows"]
        }
        for path in paths
    }


def ends(lab: Lab) -> dict[Route, tuple[End, End]]:
    """Return both ends of both routes: the first pods of the workload on two nodes, and those nodes."""
    pods = json.loads(lab.kubectl("-n", "shop", "get", "pods", "-o", "json"))["items"]
    running = {
        pod["spec"]["nodeName"]: pod["status"]["podIP"]
        for pod in pods
        if pod["status"]["phase"] == "Running" and not pod["spec"].get("hostNetwork")
    }
    (one, first), (other, second) = sorted(running.items())[:2]
    known = {node["metadata"]["name"]: node for node in json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]}
    own = {
        name: next(each["address"] for each in known[name]["status"]["addresses"] if each["type"] == "InternalIP")
        for name in (one, other)
    }
    return {
        Route.POD: (End(one, first, in_pod(first, one)), End(other, second, in_pod(second, other))),
        Route.HOST: (End(one, own[one]), End(other, own[other])),
    }


def row(must: Must, route: Route, ours: list[Estimate], theirs: Estimate) -> list[str]:
    """Return a line of the table."""
    best = max(ours, key=lambda one: one.mean)
    ratio = best.mean / theirs.mean
    fine = "yes" if must.least <= ratio <= must.most else "NO"
    bound = f"≥ {must.least}" if must.most > 10 else f"{must.least} to {must.most}"
    told = [f"{one.mean:.3g} ± {one.half or 0:.2g}" for one in (best, theirs)]
    return [str(route), must.what, told[0], f"{told[1]} ({must.tool})", f"{ratio:.2f}", bound, fine]


def main() -> int:
    """Measure, print the table in Markdown, and return 1 where a ratio is not what it must be."""
    samples, seconds = int((sys.argv[1:] or ["5"])[0]), float((sys.argv[2:] or ["2"])[0])
    lab = Lab(Path(os.environ["NETDOC_LAB"]))
    places = ends(lab)
    unpacked({end.node for pair in places.values() for end in pair})
    theirs: dict[tuple[str, Route], list[float]] = {}

    def tools() -> None:
        for route, pair in places.items():
            for must in MUSTS:
                found = by_tool(must, *pair, -(-samples // 2), seconds)
                theirs.setdefault((must.what, route), []).extend(figure(one, must.figure) for one in found)

    tools()
    source, target = places[Route.HOST]
    netdoc = by_netdoc(lab, (source.node, target.node), samples, seconds)
    tools()
    rows = []
    for route in places:
        for must in MUSTS:
            ours = [Estimate(**netdoc[route][load][must.figure]) for load in must.netdoc]
            rows.append(row(must, route, ours, estimate(theirs[must.what, route])))
    print(tabulate(rows, headers=["route", "what", "netdoc", "the tool", "ratio", "must be", ""], tablefmt="github"))
    return int(any(line[-1] == "NO" for line in rows))


if __name__ == "__main__":
    sys.exit(main())
