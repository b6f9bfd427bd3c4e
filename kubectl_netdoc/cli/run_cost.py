# SPDX-License-Identifier: Apache-2.0
"""What a run cost the API server and the network, for --verbose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubectl_netdoc.formats.text import counted

if TYPE_CHECKING:
    from kubectl_netdoc.core.facts import Measured
    from kubectl_netdoc.sources import Source
    from kubectl_netdoc.sources.live.client import Client

WRONG_CLOCK = 60.0
"""Seconds by which this machine's clock may differ from the API server's; tokens and certificates tolerate no more."""


def cost(source: Source, measured: Measured) -> str:
    """Return what a run cost the API server and the network, as lines."""
    from kubectl_netdoc.measurements import load

    client: Client | None = getattr(source, "client", None)
    api = f"API: {client.usage.calls} calls, {client.usage.bytes / 1024:.0f} KiB" if client else "API: not used"
    probes = sum(len(getattr(reply, "samples", (None,))) for reply in measured.replies.values())
    requests, nodes = counted(len(measured.replies), "request"), counted(len(measured.vantages), "node")
    asked = f"{api}; measured: {requests}, {probes} probes from {nodes}"
    put = load.sent(measured.replies)
    lines = [asked, *([load.in_words(put)] if put.total else [])]
    ahead = client.ahead.total_seconds() if client else 0.0
    if abs(ahead) >= WRONG_CLOCK:
        way = "behind" if ahead > 0 else "ahead of"
        lines.append(
            f"this machine's clock is {abs(ahead):.0f} s {way} the API server's; netdoc computes all ages by the API "
            "server's clock"
        )
    return "\n".join(f"kubectl-netdoc: {line}" for line in lines)
