# SPDX-License-Identifier: Apache-2.0
"""An API server on loopback that keeps what is written: resource versions, conflicts, label selectors, merge patches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from kubectl_netdoc.records import label_selector
from tests.support.kubeconfigs import in_thread

Document = dict[str, Any]


class Store:
    """What is stored, by path; every namespaced collection can be listed in all namespaces, too."""

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, Document] = {}
        self.requests: list[tuple[str, str]] = []
        self.ahead = timedelta()
        self.refuse = 0
        """A status with which everything is refused."""
        self.before: Callable[[web.Request], None] = lambda request: None
        """Called before a request is looked at."""
        self._version = 0

    def put(self, path: str, document: Document) -> Document:
        """Store an object as its newest version."""
        self._version += 1
        metadata = {**document.get("metadata", {}), "resourceVersion": str(self._version)}
        self.objects[path] = {**document, "metadata": metadata}
        return self.objects[path]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request as the API would."""
        self.requests.append((request.method, request.path))
        body = await request.json() if request.can_read_body else None
        self.before(request)
        status, document = (self.refuse, {"message": "refused"}) if self.refuse else self._answer(request, body)
        date = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        return web.json_response(document, status=status, headers={"Date": date})

    def _answer(self, request: web.Request, body: Any) -> tuple[int, Document]:
        path, known = request.path, self.objects.get(request.path)
        if request.method == "POST":
            place = f"{path}/{body['metadata']['name']}"
            return (409, {"message": "already exists"}) if place in self.objects else (201, self.put(place, body))
        if request.method == "GET" and path.endswith(("/events", "/leases")):
            return 200, {"items": list(self._listed(path, request.query.get("labelSelector", "")))}
        if known is None:
            return 404, {"message": "not found"}
        if request.method == "PUT":
            if body["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
                return 409, {"message": "the object has been modified"}
            return 200, self.put(path, body)
        if request.method == "PATCH":
            return 200, self.put(path, {**known, **body})
        return 200, known

    def _listed(self, path: str, selector: str) -> Iterator[Document]:
        group, _, plural = path.rpartition("/")
        wanted = label_selector.parse(selector)
        for place, document in self.objects.items():
            collection = place.rpartition("/")[0]
            here = collection == path or (collection.startswith(f"{group}/namespaces/") and collection.endswith(f"/{plural}"))
            if here and label_selector.matches(wanted, document["metadata"].get("labels", {})):
                yield document


@contextmanager
def storing() -> Iterator[Store]:
    """Give the server."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[Store]:
        store = Store()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", store.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield store
        finally:
            await runner.cleanup()

    with in_thread(serve()) as store:
        yield store
