# SPDX-License-Identifier: Apache-2.0
"""What dns_metrics says of upstreams, by the lines of CoreDNS's metrics."""

from __future__ import annotations

from importlib import import_module

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
