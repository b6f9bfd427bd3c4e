# SPDX-License-Identifier: Apache-2.0
"""k8s-netinspect: network checks over one snapshot of the API's objects."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.peers.peer import Complaint, Crate, Peer


def parse(printed: str) -> Iterator[Complaint]:
    """Its findings, with its own rules and severities."""
    for finding in json.loads(printed)["findings"]:
        yield Complaint(
            finding["id"], finding.get("resource") or "", finding["severity"], f"{finding['title']}: {finding['detail']}"
        )


NETINSPECT = Peer("k8s-netinspect", "0.2.1", Crate("k8s-netinspect"), (("diagnose", "-o", "json"),), parse)
