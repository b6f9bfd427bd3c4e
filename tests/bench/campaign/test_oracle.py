# SPDX-License-Identifier: Apache-2.0
"""What counts as a change for the workload."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bench.campaign import probe
from bench.campaign.oracle import Reading, changed


def tries(*said: str, seconds: float = 0.01) -> tuple[tuple[str, float], ...]:
    return tuple((each, seconds) for each in said)


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        (tries("", ""), tries("", ""), False),
        (tries("", ""), tries("timed out", "timed out"), True),
        (tries("", ""), tries("timed out", ""), True),
        (tries("", ""), tries(*["x"] * 1, *[""] * 9), False),  # one in ten: a packet lost by chance
        (tries("refused", "refused"), tries("refused", "refused"), False),  # a policy forbids it, before as after
        (tries("", ""), tries("", "", seconds=0.3), False),
        (tries("", ""), tries("", "", seconds=1.1), True),  # a SYN was sent twice
        (tries("", "", seconds=2.0), tries("", "", seconds=3.0), False),
    ],
)
def test_changed(before: tuple[tuple[str, float], ...], after: tuple[tuple[str, float], ...], differs: bool) -> None:
    assert (set(changed(Reading({"a → b": before}), Reading({"a → b": after}))) == {"a → b"}) == differs


def test_what_nobody_expected_is_no_change() -> None:
    assert changed(Reading({}), Reading({"a → new": tries("refused")})) == {}
    assert set(changed(Reading({}), Reading({"start on worker": tries("not Ready")}))) == {"start on worker"}


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * (2_000_000 if "python3" in self.path else 10))

    def log_message(self, *args: object) -> None:
        pass


def test_probe_over_real_sockets() -> None:
    server = _Server(("127.0.0.1", 0), _Page)
    Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    asked = {
        "targets": [
            ["open", "tcp", "127.0.0.1", port, 10.0],
            ["megabytes", "large", "127.0.0.1", port, 10.0],
            ["many", "burst", "127.0.0.1", port, 10.0],
            ["name", "dns", "localhost", 0, 10.0],
            ["shut", "tcp", "127.0.0.1", 1, 10.0],
        ],
        "rounds": 2,
        "pause": 0.0,
    }
    done = subprocess.run(
        [sys.executable, str(Path(probe.__file__))], input=json.dumps(asked), capture_output=True, text=True, timeout=30
    )
    server.shutdown()
    said = {key: [bool(error) for error, _ in each] for key, each in json.loads(done.stdout).items()}
    assert said == {"open": [False] * 2, "megabytes": [False] * 2, "many": [False] * 2, "name": [False] * 2, "shut": [True] * 2}
