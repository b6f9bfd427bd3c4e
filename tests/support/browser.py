# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium behind its DevTools protocol, as far as the tests of the HTML report need it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
DEADLINE = 60.0
"""Seconds for the browser to start, or to answer."""


def program() -> str:
    """The browser's path; empty where there is none (Debian: apt install chromium)."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


class Page:
    """One tab. ``events``: what it said by itself: requests, exceptions, lines of its console."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=DEADLINE, suppress_origin=True)
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Have the browser do something, and return its answer."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == self._number:
                assert "error" not in told, (method, told)
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key such as Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def size(self, width: int, height: int) -> None:
        """Set the window's size in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark``."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, file: Path) -> None:
        """Load a file and wait until it is there."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.send("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + DEADLINE
        while self.run("document.readyState") != "complete" or self.run("location.protocol") != "file:":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def close(self) -> None:
        """Leave it."""
        self._socket.close()


@contextmanager
def browser() -> Iterator[Page]:
    """Give a tab of a browser of one's own, with a profile that is thrown away."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-port=0",
            "--hide-scrollbars",
        )
        process = subprocess.Popen(
            [program(), *flags, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            yield from _tab(Path(profile) / "DevToolsActivePort")
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()


def _tab(told: Path) -> Iterator[Page]:
    deadline = time.monotonic() + DEADLINE
    while not (told.exists() and len(lines := told.read_text().splitlines()) == 2):
        assert time.monotonic() < deadline, "the browser does not start"
        time.sleep(0.05)
    whole = Page(f"ws://127.0.0.1:{lines[0]}{lines[1]}")
    target = whole.send("Target.createTarget", url="about:blank")["targetId"]
    whole.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    tab = Page(f"ws://127.0.0.1:{lines[0]}/devtools/page/{target}")
    try:
        yield tab
    finally:
        tab.close()
        whole.close()
