# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes what ``watch`` serves, and its rules see it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc.cli.serving import Health, serve
from kubectl_netdoc.report import metrics
from kubectl_netdoc.report.metrics import Result, Seen
from tests.report.test_metrics import BROKEN
from tools.deploy_files import DEPLOY

PROMETHEUS = shutil.which("prometheus")
LONGEST = 60.0

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{alerts}]
scrape_configs:
- job_name: netdoc
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Prometheus:
    """A Prometheus that is asked over its API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str, **query: str) -> list[Any]:
        """Return what it answers; nothing while it starts."""
        try:
            with urllib.request.urlopen(f"{self._url}/{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
                data = json.load(answer)["data"]
        except OSError:
            return []
        found: list[Any] = data.get("result", data.get("alerts", []))
        return found

    def until(self, path: str, has: Callable[[Any], bool] = bool, **query: str) -> list[Any]:
        """Return what it answers as soon as that has such an entry."""
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            if any(map(has, found := self.ask(path, **query))):
                return found
            time.sleep(0.2)
        return []


@pytest.mark.slow
@pytest.mark.skipif(not PROMETHEUS, reason="prometheus (Debian's package) is not here")
def test_it_is_scraped_and_the_rules_see_it(tmp_path: Path) -> None:
    port, own = free_port(), free_port()
    seen = Seen("0.1.0", Counter({Result.SUCCESS: 1}), Result.SUCCESS, BROKEN, time.time())
    server = serve("127.0.0.1", port, lambda: metrics.render(seen), Health(1000.0))
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(alerts=DEPLOY / "alerts.yaml", port=port))
    flags = [f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen([str(PROMETHEUS), *flags, f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
    try:
        there = Prometheus(own)
        (found,) = there.until("query", query='netdoc_findings_by_code{code="SVR001"}')
        assert (found["value"][1], found["metric"]["severity"]) == ("1", "fail")
        assert [each["value"][1] for each in there.ask("query", query="up")] == ["1"]
        assert there.until("alerts", lambda alert: bool(alert["labels"]["alertname"] == "NetdocFinding"))
    finally:
        running.terminate()
        running.wait(LONGEST)
        server.shutdown()
        server.server_close()
