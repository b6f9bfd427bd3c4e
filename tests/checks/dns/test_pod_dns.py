# SPDX-License-Identifier: Apache-2.0
"""What the cases of pod_dns, sets of codes and subjects, don't show."""

from __future__ import annotations

from kubectl_netdoc.checks.dns.pod_dns import check
from kubectl_netdoc.testing import make_cluster, outcome
from tests.checks.dns.pod_dns import CLUSTER, OUTSIDE, _alias, _client


def test_two_names_of_a_service_on_a_line_are_one_finding() -> None:
    """The short and the full name stand on one line in practice; the full one makes it certain."""
    spec = _alias(OUTSIDE, "web", "web.shop.svc.cluster.local", "other.example.com")
    (found,) = outcome(check, make_cluster(*CLUSTER, _client(spec=spec))).findings
    assert (found.code, found.evidence["alias"]) == ("PDN007", "web and web.shop.svc.cluster.local")
    assert "the line '172.18.0.9 web web.shop.svc.cluster.local'" in found.message
