# SPDX-License-Identifier: Apache-2.0
"""An API server that says anything at all: a report or one clear line, in bounded time and memory, never a traceback.

Each run is a process of its own that may have 1 GiB. Bundles of that kind: test_hostile.py; debug pods: sources/test_exec.py.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count, islice
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest

from kubectl_netdoc.records.kinds import KINDS
from tests.hostile.test_bundles import MOST, WAYS, places
from tests.support import discovery
from tests.support.kubeconfigs import kubeconfig

MEMORY = 1 << 30
DEADLINE = 60
PODS, VERSION, APIS = "/api/v1/pods", "/version", "/apis"
GOOD = {
    VERSION: {"gitVersion": "v1.34.0"},
    APIS: discovery.aggregated(discovery.plurals(discovery.EVERYTHING)),
}
Say = Callable[["Conversation"], None]


class Conversation:
    """One request of netdoc's, and the ways to answer it."""

    def __init__(self, handler: StreamRequestHandler, over: Event, number: int) -> None:
        self.over, self.number = over, number
        self._out = handler.wfile

    def raw(self, data: bytes) -> None:
        self._out.write(data)

    def head(self, *headers: str, status: str = "200 OK") -> None:
        self.raw("\r\n".join((f"HTTP/1.1 {status}", "Connection: close", *headers, "", "")).encode())

    def body(self, data: bytes, *headers: str, status: str = "200 OK") -> None:
        self.head(f"Content-Length: {len(data)}", *headers, status=status)
        self.raw(data)

    def json(self, document: Any) -> None:
        self.body(json.dumps(document).encode("utf-8", "surrogatepass"), "Content-Type: application/json")

    def chunks(self, *parts: bytes, every: float = 0.0) -> None:
        """Chunks over and over, until the test ends or nobody listens."""
        self.head("Transfer-Encoding: chunked")
        while not self.over.wait(every):
            for part in parts:
                self.raw(b"%x\r\n%s\r\n" % (len(part), part))


@contextmanager
def serving(answers: dict[str, Say]) -> Iterator[str]:
    """A server that is good but for these paths."""
    over, numbers = Event(), count()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, IndexError):
                path = self.rfile.readline().decode().split()[1].partition("?")[0]
                while self.rfile.readline().strip():
                    pass
                talk = Conversation(self, over, next(numbers))
                good: Say = partial(Conversation.json, document=GOOD.get(path, {"items": []}))
                answers.get(path, good)(talk)

    class Server(ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """Whoever is attacked hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def check(folder: Path, url: str, *flags: str) -> tuple[int, str, str]:
    command = (sys.executable, "-m", "kubectl_netdoc", "check", "--no-pods", "-o", "json", "--request-timeout", "2s")
    env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        [*command, "--kubeconfig", str(kubeconfig(folder, url)), *flags],
        preexec_fn=limited,
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert "Traceback" not in done.stderr
    assert "MemoryError" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def half(talk: Conversation) -> None:
    talk.head("Content-Length: 99999")
    talk.raw(b'{"items": [')


def stopping(talk: Conversation) -> None:
    talk.head("Content-Length: 9")
    talk.over.wait(DEADLINE)


def trickling(talk: Conversation) -> None:
    talk.raw(b"HTTP/1.1 200 OK\r\n")
    while not talk.over.wait(0.2):
        talk.raw(b"x")


WAYS_TO_LIE: dict[str, Say] = {
    "a page of a proxy": lambda talk: talk.body(b"<html>" + b"sign in " * 99999, "Content-Type: text/html"),
    "half of it": half,
    "nothing": lambda talk: None,
    "no HTTP": lambda talk: talk.raw(random.Random(7).randbytes(5000)),
    "headers without end": lambda talk: talk.raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000),
    "one long header": lambda talk: talk.raw(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 1_000_000),
    "headers a byte at a time": trickling,
    "a body without end": lambda talk: talk.chunks(b" " * 65536),
    "a body a byte at a time": lambda talk: talk.chunks(b" ", every=0.05),
    "a body that stops": stopping,
    "gzip unasked": lambda talk: talk.body(gzip.compress(b'{"items": []}'), "Content-Encoding: gzip"),
    "no gzip": lambda talk: talk.body(b'{"items": []}', "Content-Encoding: gzip"),
    "pages without end": lambda talk: talk.json({"items": [], "metadata": {"continue": f"t{talk.number}"}}),
    "a redirect to itself": lambda talk: talk.body(b"", f"Location: {PODS}", status="302 Found"),
    "too many requests": lambda talk: talk.body(b"", "Retry-After: 0", status="429 Too Many Requests"),
    "depth": lambda talk: talk.body(b'{"items": ' + b"[" * 1_000_000),
    "a number": lambda talk: talk.json(10**400),
    "a list of numbers": lambda talk: talk.json({"items": [1, None, "x", [], {}, {"metadata": 7}]}),
    "other letters": lambda talk: talk.body('{"items": []}'.encode("utf-16")),
    "a strange status": lambda talk: talk.body(b"\x1b[2Jgone\r\n" * 9, status="599 \x1b[31mred"),
    "a status that is none": lambda talk: talk.raw(b"HTTP/1.1 99999999999999999999 OK\r\n\r\n"),
    "a switch": lambda talk: talk.body(b"", status="101 Switching Protocols"),
}


@pytest.mark.parametrize("lie", WAYS_TO_LIE)
def test_a_list_that_is_none_is_a_gap(tmp_path: Path, lie: str) -> None:
    with serving({PODS: WAYS_TO_LIE[lie]}) as url:
        code, out, err = check(tmp_path, url)
    report = json.loads(out)
    assert code in (0, 1), err
    assert [row["check"] for row in report["results"] if row["state"] == "crashed"] == []
    assert "\x1b" not in out + err


def test_what_nobody_asked_to_encode_is_not_decoded(tmp_path: Path) -> None:
    with serving({PODS: WAYS_TO_LIE["gzip unasked"]}) as url:
        _, out, _ = check(tmp_path, url)
    reasons = {gap["reason"] for row in json.loads(out)["results"] for gap in row["unseen"] if gap["what"] == "pods"}
    assert reasons == {"no answer: the response is encoded (gzip), which netdoc did not ask for"}


@pytest.mark.parametrize("lie", WAYS_TO_LIE)
def test_a_server_that_is_none_is_one_line(tmp_path: Path, lie: str) -> None:
    with serving(dict.fromkeys((VERSION, APIS), WAYS_TO_LIE[lie])) as url:
        code, out, err = check(tmp_path, url)
    assert "\x1b" not in err
    if code == 3:
        assert (out, len(err.splitlines())) == ("", 1)
    else:
        assert code in (0, 1), err


ROUNDS = int(os.environ.get("NETDOC_FUZZ", "12"))
BUNDLE = Path(__file__).parents[1] / "bundles" / "healthy.json"


def lists(seed: int) -> dict[str, Say]:
    """The lists of a real cluster with some of their places changed, the same for a seed."""
    chance = random.Random(seed)
    listings = json.loads(BUNDLE.read_text())["listings"]
    recorded = {name: listing["objects"] for name, listing in listings.items() if listing.get("objects")}
    for _ in range(chance.choice((1, 10, 60))):
        every = list(islice(places(recorded), MOST))
        holder, key = chance.choice(every)
        with suppress(KeyError, IndexError, RecursionError):
            chance.choice(WAYS)(chance, holder, key, every)
    found = {kind.name: f"{kind.path}/{kind.plural}" for kind in KINDS.values()}
    return {found[name]: partial(Conversation.json, document={"items": items}) for name, items in recorded.items()}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_mutated_lists_are_a_report(tmp_path: Path, seed: int) -> None:
    with serving(lists(seed)) as url:
        code, out, err = check(tmp_path, url)
    assert code in (0, 1), err
    assert [row["check"] for row in json.loads(out)["results"] if row["state"] == "crashed"] == []
