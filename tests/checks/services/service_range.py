# SPDX-License-Identifier: Apache-2.0
"""Cases of service_range: small ranges, and Services made by hand."""

from __future__ import annotations

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import SERVICE_CIDR
from kubectl_netdoc.testing import Built, Case, make_cluster, make_service

NEARLY, FULL = frozenset({("SRG001", "Cluster IPv4 Services")}), frozenset({("SRG002", "Cluster IPv4 Services")})


def _range(*cidrs: str, name: str = "kubernetes", **meta: str) -> Built:
    return SERVICE_CIDR, convert(SERVICE_CIDR, {"metadata": {"name": name, **meta}, "spec": {"cidrs": list(cidrs)}})


def _services(count: int, start: int = 1, prefix: str = "10.96.0.") -> list[Built]:
    return [make_service(f"s{prefix}{n}", cluster_ip=f"{prefix}{n}") for n in range(start, start + count)]


SMALL = _range("10.96.0.0/28")
LEAVING = {"deletionTimestamp": "2026-01-01T11:00:00Z"}

CASES = [
    Case("room enough", make_cluster(SMALL, *_services(12))),
    Case("almost used up", make_cluster(SMALL, *_services(13)), NEARLY),
    Case("full", make_cluster(SMALL, *_services(14)), FULL),
    Case("headless Services take none", make_cluster(SMALL, *_services(12), *(make_service("h", cluster_ip="None"),) * 3)),
    Case("addresses from elsewhere", make_cluster(SMALL, *_services(12), *_services(9, prefix="10.97.0."))),
    Case("a second range", make_cluster(SMALL, _range("10.97.0.0/28", name="more"), *_services(14))),
    Case("a second range that goes", make_cluster(SMALL, _range("10.97.0.0/28", name="more", **LEAVING), *_services(14)), FULL),
    Case("a range inside the other", make_cluster(SMALL, _range("10.96.0.0/29", name="more"), *_services(14)), FULL),
    Case(
        "the second family",
        make_cluster(_range("10.96.0.0/16", "fd00:96::/124"), *_services(14, prefix="fd00:96::", start=1)),
    ),
    Case(
        "the second family is full",
        make_cluster(_range("10.96.0.0/16", "fd00:96::/125"), *_services(7, prefix="fd00:96::")),
        frozenset({("SRG002", "Cluster IPv6 Services")}),
    ),
    Case("no ServiceCIDR", make_cluster(*_services(14)), state="skipped"),
    Case(
        "an API server without them",
        make_cluster(*_services(14), unavailable={SERVICE_CIDR: Unavailable("not served", by_design=True)}),
        state="skipped",
    ),
    Case(
        "ServiceCIDRs that can't be read",
        make_cluster(*_services(14), unavailable={SERVICE_CIDR: Unavailable("no")}),
        state="unknown",
    ),
]
