# SPDX-License-Identifier: Apache-2.0
"""A cluster that is not there: API servers in threads of the test, kubeconfigs that lead to them, and objects to serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import kmock
import yaml
from aiohttp import web

from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources.live.client import Client, Options

T = TypeVar("T")
LONGEST = 30
"""Seconds after which a hung server fails its test."""

TOKEN = "s3cr3t-t0k3n"
EVERYWHERE = [f"{kind.path}/{kind.plural}" for kind in KINDS.values() if not kind.names]


@contextmanager
def in_thread(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run an asynchronous server in a loop and a thread of its own, so that what is tested may block in the test's."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait(what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, loop).result(LONGEST)

    async def enter() -> T:
        return await server.__aenter__()

    async def leave() -> None:
        await server.__aexit__(None, None, None)

    try:
        yield wait(enter())
        wait(leave())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LONGEST)


class FakeApi:
    """An API server with scripted answers. Every list is empty until told otherwise; what is not scripted is not found."""

    def __init__(self, handler: Any, url: str) -> None:
        self.handler = handler
        self.url = url
        self._end = asyncio.Event()

    def answer(self, path: str, *reactions: Any) -> None:
        """Answer GET of a path with the first reaction, then the next, and with the last one from then on.

        A reaction is a status, a document, bytes, or a list of such that are combined, as kmock takes them.
        """
        for number, reaction in enumerate(reactions):
            last = number == len(reactions) - 1
            view = self.handler[f"get {path}"][slice(number, None if last else number + 1)]
            for part in reaction if isinstance(reaction, list) else [reaction]:
                view = view << part

    def lists(self, path: str, *objects: dict[str, Any]) -> None:
        """Serve a list in one page."""
        self.answer(path, {"items": list(objects)})

    def refuse(self, *paths: str) -> None:
        """Refuse these paths with 403, as RBAC does."""
        for path in paths:
            self.answer(path, [403, {"kind": "Status", "reason": "Forbidden", "message": f"{path} is forbidden"}])

    async def never(self) -> None:
        """A reaction that does not come before the test's end."""
        await self._end.wait()

    def seen(self, path: str) -> list[Any]:
        """Return the requests for a path."""
        return list(self.handler[f"get {path}"])

    def end(self) -> None:
        """Let go of what was never answered."""
        self._end.set()


@asynccontextmanager
async def _fake_api() -> Any:
    async with kmock.RawHandler() as handler, kmock.Server(handler) as server:
        api = FakeApi(handler, str(server.url).rstrip("/"))
        handler.fallback << 404
        (handler["get /version"] ** -1) << {"gitVersion": "v1.34.0"}
        for path in EVERYWHERE:
            (handler[f"get {path}"] ** -1) << {"items": []}
        try:
            yield api
        finally:
            api.end()


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    """Give an API server on 127.0.0.1."""
    with in_thread(_fake_api()) as api:
        yield api


def kubeconfig(folder: Path, url: str, *, token: str = TOKEN, namespace: str = "shop", **cluster: Any) -> Path:
    """Write a kubeconfig with one context, ``lab``, and return its path."""
    content = {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def kubeconfig_of_several(folder: Path, **urls: str) -> Path:
    """Write a kubeconfig with a context for each server, and return its path."""
    content = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in urls],
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in urls.items()],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def client(folder: Path, url: str, *, token: str = TOKEN, **options: Any) -> Client:
    """Return a client of the server at ``url``."""
    return Client(Options(kubeconfig=str(kubeconfig(folder, url, token=token)), **options))


def thing(name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
    """Return an object as the API writes it."""
    return {"metadata": {"name": name} | ({"namespace": namespace} if namespace else {}), **fields}


Exec = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Plays the API server's side of one exec."""


async def accept(request: web.Request) -> web.WebSocketResponse:
    """Make the websocket's handshake as the API server does."""
    channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
    await channel.prepare(request)
    return channel


@contextmanager
def exec_server(play: Exec) -> Iterator[str]:
    """Give the URL of a server whose pods/exec is played by ``play``."""

    @asynccontextmanager
    async def serve() -> Any:
        app = web.Application()
        app.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/exec", play)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    with in_thread(serve()) as url:
        yield url
