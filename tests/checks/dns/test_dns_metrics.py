# SPDX-License-Identifier: Apache-2.0
"""What dns_metrics says of upstreams, by the lines of CoreDNS's metrics."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from kubectl_netdoc.formats.prometheus_text import Metrics

UPSTREAMS = import_module("kubectl_netdoc.checks.dns.dns_metrics")._upstreams
ANSWERED = 'coredns_proxy_request_duration_seconds_count{proxy_name="forward",rcode="NOERROR",to="192.0.2.53:53"} 7'
FAILED = 'coredns_proxy_healthcheck_failures_total{proxy_name="forward",to="192.0.2.54:53"} 9'


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), []),
        ((ANSWERED,), ["192.0.2.53:53 answered 7 lookups in 0.0 ms on average (0 failed health checks)"]),
        ((FAILED,), ["192.0.2.54:53 never answered (9 failed health checks)"]),
    ],
)
def test_an_upstream_that_never_answers_is_named(lines: tuple[str, ...], said: list[str]) -> None:
    assert list(UPSTREAMS(Metrics(lines))) == said


RECORDED = json.loads((Path(__file__).parent / "coredns_metrics.json").read_text())
"""Pages of servers on loopback after three lookups, by version: an upstream that is silent (port 15395) or refuses (15394)."""


@pytest.mark.parametrize("page", RECORDED)
def test_an_upstream_that_never_answers_is_named_by_its_tries_and_health_checks(page: str) -> None:
    summary = import_module("kubectl_netdoc.checks.dns.dns_metrics")._summary(Metrics(RECORDED[page]))
    wanted = {"silent": ["127.0.0.1:15395"], "closed": ["127.0.0.1:15394"], "both": ["127.0.0.1:15394", "127.0.0.1:15395"]}
    silent = [text.partition(" never answered")[0] for text in summary["upstreams"]]
    assert silent == wanted.get(page.partition(" ")[2], ["none was asked yet"])


def test_what_a_page_does_not_have_is_not_zero() -> None:
    summary = import_module("kubectl_netdoc.checks.dns.dns_metrics")._summary(Metrics(["coredns_panics_total 0"]))
    assert {summary[name] for name in ("servfail", "nxdomain", "hits", "broken", "rejected", "refused")} == {"unknown"}
    assert "not known" in summary["upstreams"][0]
