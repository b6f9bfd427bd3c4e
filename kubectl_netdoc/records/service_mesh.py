# SPDX-License-Identifier: Apache-2.0
"""What a service mesh requires of clients."""

from __future__ import annotations

from kubectl_netdoc.records.base import Kind, Object, Record
from kubectl_netdoc.records.policies import LabelSelector


class MutualTLS(Record, frozen=True):
    """The mutual TLS that a workload requires of its clients."""

    mode: str = ""


class PeerAuthenticationSpec(Record, frozen=True):
    """The pods that it selects, and what they require."""

    selector: LabelSelector | None = None
    mtls: MutualTLS = MutualTLS()


class PeerAuthentication(Object, frozen=True):
    """Istio's PeerAuthentication."""

    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()


PEER_AUTHENTICATION = Kind(
    "PeerAuthentication", "security.istio.io", "v1", "peerauthentications", PeerAuthentication, also=("v1beta1",)
)
"""v1beta1 is served by every Istio since 1.5, v1 since 1.22."""
