# SPDX-License-Identifier: Apache-2.0
"""A small cluster behind a real HTTP server that writes down each request: what was sent, which way, and as whom."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import WSMsgType, web
from msgspec import Struct

from tests.support import discovery
from tests.support.kubeconfigs import accept, in_thread, thing

END = b'\x01{"end": true, "replies": 0, "throttled": 0}\n'
POLL = 0.05
NODE = thing("n1", status={"conditions": [{"type": "Ready", "status": "True"}]})


class Heard(Struct):
    """A request as it came. ``peer``: the common name of the client's certificate, ``body``: the JSON that it brought."""

    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[str, str]]
    peer: str
    body: Any

    def header(self, name: str) -> list[str]:
        """Return the values of a header, in the order in which they came."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def verb(self) -> str:
        """What was wanted, in a word: exec and watch are GETs of their own."""
        return "exec" if self.path.endswith("/exec") else "watch" if self.query.get("watch") else self.method.lower()


class Watched(Struct):
    """A watch, and whether the client still has it open."""

    path: str
    open: bool = True


class Server:
    """Plays one node, on which each pod that is made runs at once and each exec ends without a reply."""

    def __init__(self) -> None:
        self.url = ""
        self.prefix = ""
        self.ahead = timedelta()
        self.lists: dict[str, list[Any]] = {"/api/v1/nodes": [NODE]}
        self.heard: list[Heard] = []
        self.watches: list[Watched] = []
        self.refuse: Callable[[Heard], tuple[int, str] | None] = lambda heard: None
        """Called with each request; returns a status and a message where it is refused. Of a 3xx the message is the Location."""
        self.served: Mapping[str, Collection[str] | None] = dict(discovery.plurals(discovery.EVERYTHING))
        """The plurals of each API version; None: it does not know them now."""
        self.aggregates = True
        """Whether it has the aggregated discovery of Kubernetes 1.26."""
        self.version = "v1.34.0"
        self.allowed: Callable[[dict[str, str]], bool] = lambda asked: False
        """Called with what a SelfSubjectAccessReview asks."""
        self._pods: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    def verbs(self) -> set[str]:
        """Return what was asked for."""
        return {heard.verb for heard in self.heard}

    def made(self, plural: str) -> list[dict[str, Any]]:
        """Return the objects that were made."""
        return [heard.body for heard in self.heard if heard.method == "POST" and heard.path.endswith(f"/{plural}")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Write a request down and answer it."""
        certificate = (request.transport.get_extra_info("peercert") if request.transport else None) or {}
        names = [value for pairs in certificate.get("subject", ()) for key, value in pairs if key == "commonName"]
        body = await request.json() if request.can_read_body else None
        heard = Heard(request.method, request.path, dict(request.query), list(request.headers.items()), "".join(names), body)
        self.heard.append(heard)
        if not heard.path.startswith(f"{self.prefix}/"):
            return self._json({"message": "no such page"}, 404)
        path = heard.path.removeprefix(self.prefix)
        refused = self.refuse(heard)
        if refused:
            return self._json(
                {"kind": "Status", "message": refused[1]}, refused[0], {"Location": refused[1]} if refused[0] < 400 else {}
            )
        if heard.verb == "exec":
            return await self._exec(request)
        if heard.verb == "watch":
            return await self._watch(request, path)
        return self._json(*self._document(heard, path))

    def _document(self, heard: Heard, path: str) -> tuple[Any, int]:
        if heard.method == "POST" and path.endswith("/pods"):
            self._pods.append(heard.body)
            self._news.set()
        if heard.method == "POST" and path.endswith("/services"):
            return {"spec": {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"]}}, 201
        if path.endswith("/selfsubjectaccessreviews"):
            return {"status": {"allowed": self.allowed(heard.body["spec"]["resourceAttributes"])}}, 201
        if heard.method != "GET":
            return {}, 200
        if path == "/version":
            return {"gitVersion": self.version}, 200
        if path == "/apis":
            return (discovery.aggregated if self.aggregates else discovery.group_list)(self.served), 200
        if path.count("/") == 3 and path.startswith("/apis/"):
            api = path.removeprefix("/apis/")
            return discovery.resource_list(api, self.served[api] or ()), 200
        return {"items": self.lists.get(path, [])}, 200

    def _json(self, document: Any, status: int, headers: dict[str, str] | None = None) -> web.Response:
        return web.json_response(document, status=status, headers=self._date() | (headers or {}))

    def _date(self) -> dict[str, str]:
        return {"Date": format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)}

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        channel = await accept(request)
        await channel.send_bytes(END)
        while (await channel.receive()).type is WSMsgType.BINARY:
            pass
        return channel

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._date())
        await response.prepare(request)
        told = 0
        watched = Watched(path)
        self.watches.append(watched)
        while not self._ended.is_set():
            if request.transport is None or request.transport.is_closing():
                watched.open = False
                break
            for body in self._pods[told:] if path.endswith("/pods") else []:
                await response.write(json.dumps({"type": "MODIFIED", "object": self.told(body)}).encode() + b"\n")
            told = len(self._pods)
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), POLL)
        return response

    def end(self) -> None:
        """Let go of the watches."""
        self._ended.set()

    def told(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a pod as it is once it runs."""
        status = {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "agent", "state": {"running": {}}}],
        }
        return {**body, "status": status}


@asynccontextmanager
async def served(server: Server, tls: ssl.SSLContext | None = None, prefix: str = "", name: str = "127.0.0.1") -> Any:
    """Serve it on 127.0.0.1; ``name``: the one in its URL, ``prefix``: the path that its URL has."""
    server.prefix = prefix
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.url = f"{'https' if tls else 'http'}://{name}:{runner.addresses[0][1]}{prefix}"
    try:
        yield server
    finally:
        server.end()
        await asyncio.sleep(2 * POLL)  # the watches see it
        await runner.cleanup()


@contextmanager
def api_server(tls: ssl.SSLContext | None = None, prefix: str = "", name: str = "127.0.0.1") -> Iterator[Server]:
    """Give the server on 127.0.0.1; the arguments are those of ``served``."""
    with in_thread(served(Server(), tls, prefix, name)) as server:
        yield server


class Proxy:
    """A proxy that only tunnels, asked by CONNECT or by SOCKS 5. It knows every name: all lead to 127.0.0.1."""

    def __init__(self, password: str) -> None:
        self.url = ""
        self.password = base64.b64encode(password.encode()).decode()
        self.asked: set[tuple[str, str]] = set()
        """The targets, with the password that came (base64)."""
        self._carried: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            port = await (self._socks(reader, writer) if first == b"\x05" else self._tunnel(reader, writer))
            if port:
                there = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))
        writer.close()

    async def end(self) -> None:
        """Let go of all connections."""
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        target = head[0].split()[1]
        password = "".join(line.split()[-1] for line in head if line.lower().startswith("proxy-authorization"))
        self.asked.add((target, password))
        if self.password != password:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return 0
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return int(target.rpartition(":")[2])

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Greet and connect as in RFC 1928, without a password; the target is a name."""
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        *_, length = await reader.readexactly(5)
        name, port = await reader.readexactly(length), int.from_bytes(await reader.readexactly(2), "big")
        self.asked.add((f"{name.decode()}:{port}", ""))
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return port


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def proxy(tls: ssl.SSLContext | None = None, password: str = "") -> Iterator[Proxy]:
    """Give a proxy on 127.0.0.1; ``password``: USER:PASSWORD, without which it carries nobody."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[Proxy]:
        one = Proxy(password)
        server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=tls)
        one.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield one
        finally:
            server.close()
            await one.end()

    with in_thread(serve()) as one:
        yield one
