# SPDX-License-Identifier: Apache-2.0
"""Two nodes behind an API server of the tests' own, whose pods are network namespaces of this machine, in which agents run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from aiohttp import WSMsgType, web

from tests.support import api_server
from tests.support.kubeconfigs import accept, in_thread, thing
from tests.support.packet_namespaces import A, B, Namespaces, within

STDOUT = b"\x01"
CLUSTER_IP = "10.96.7.7"
TCP_PORT, UDP_PORT = 30001, 30002
N1, N2 = "10.9.1.1", "10.9.2.1"
"""The addresses of the nodes: both are of the namespace between the pods."""

SERVICE = f"""
nft add table ip s
nft add chain ip s p '{{ type nat hook prerouting priority -100; }}'
nft flush chain ip s p
nft add rule ip s p ip daddr {CLUSTER_IP} dnat to {B}
nft add rule ip s p ip daddr {N2} tcp dport {TCP_PORT} dnat to {B}:19388
nft add rule ip s p ip daddr {N2} udp dport {UDP_PORT} dnat to {B}:19388
"""
"""What leads to the pod in B by the ClusterIP and by node ports of N2."""

NO_SERVICE = "nft flush chain ip s p"


def node(name: str, address: str, zone: str = "") -> dict[str, Any]:
    """Return a node as the API writes it."""
    found = thing(
        name,
        spec={"podCIDRs": ["10.9.0.0/16"]},
        status={
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": address}],
        },
    )
    found["metadata"]["labels"] = {"topology.kubernetes.io/zone": zone} if zone else {}
    return found


class Server(api_server.Server):
    """Runs each exec in the network namespace of its pod."""

    def __init__(self, pods: Namespaces) -> None:
        super().__init__()
        self.pods = pods
        self.lists = {"/api/v1/nodes": [node("n1", N1), node("n2", N2)]}
        self.processes: list[asyncio.subprocess.Process] = []

    def place(self, pod: str) -> tuple[int, str]:
        """Return the process in whose namespace a pod is, and its address: the twin and the nodes share that between the pods."""
        own = pod.split("-", 2)[2]  # netdoc-RUN-0, -1, -twin, -host-0, -host-1
        return {"0": (self.pods.a, A), "1": (self.pods.b, B)}.get(own, (self.pods.node, N1))

    def _document(self, heard: api_server.Heard, path: str) -> tuple[Any, int]:
        if heard.method == "POST" and path.endswith("/services"):
            ports = [{"protocol": "TCP", "nodePort": TCP_PORT}, {"protocol": "UDP", "nodePort": UDP_PORT}]
            return {"spec": {"clusterIP": CLUSTER_IP, "clusterIPs": [CLUSTER_IP], "ports": ports}}, 201
        return super()._document(heard, path)

    def told(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a pod as it is once it runs."""
        found = super().told(body)
        found["status"]["podIP"] = self.place(body["metadata"]["name"])[1]
        return found

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        pod = request.path.split("/")[-2]
        command = within(self.place(pod)[0], sys.executable, *request.query.getall("command")[1:])
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        self.processes.append(process)
        assert process.stdin
        assert process.stdout
        handing = asyncio.create_task(self._handed_on(process.stdout, channel))
        while (message := await channel.receive()).type is WSMsgType.BINARY:
            process.stdin.write(message.data[1:])
            with suppress(ConnectionError):
                await process.stdin.drain()
        process.stdin.close()
        await process.wait()
        await handing
        return channel

    async def _handed_on(self, output: asyncio.StreamReader, channel: web.WebSocketResponse) -> None:
        while data := await output.read(65536):
            if not channel.closed:
                await channel.send_bytes(STDOUT + data)


@contextmanager
def benched_cluster(made: Namespaces) -> Iterator[Server]:
    """Give the server, with the Service."""
    made.run(made.node, f"set -e; {SERVICE}")

    @asynccontextmanager
    async def serve() -> Any:
        async with api_server.served(Server(made)) as server:
            yield server

    with in_thread(serve()) as server:
        yield server
