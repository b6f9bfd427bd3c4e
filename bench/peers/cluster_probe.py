# SPDX-License-Identifier: Apache-2.0
"""cluster-probe: 21 checks of the API's objects, and, apart, connections between pods that it makes on every node.

The second needs the image busybox:1.36 and the internet (github.com): `networked` gives a lab without either the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.peers.peer import Complaint, Go, Peer

SEVERITIES = {"Critical": "critical", "CRITICAL": "critical", "Warning": "warning", "WARNING": "warning"}


def parse(printed: str) -> Iterator[Complaint]:
    """What it does not call OK. It names objects in its sentences only; a banner may stand before the JSON."""
    for check in json.loads(printed[printed.index("{") :])["checks"]:
        for result in check["results"]:
            if severity := SEVERITIES.get(result["severity"]) or SEVERITIES.get(result["severity"].capitalize()):
                more = "; ".join(result.get("details") or ())
                yield Complaint(check["name"], "", severity, result["message"] + (f" ({more})" if more else ""))


_SOURCE = Go("github.com/punasusi/cluster-probe", "./cmd/cluster-probe")
_ALONE = ("--no-container", "-o", "json")
STATIC = Peer("cluster-probe", "v0.1.2", _SOURCE, ((*_ALONE, "--no-diff"),), parse, prepare=("--no-container", "--setup"))
NETWORK = Peer("cluster-probe-network", "v0.1.2", _SOURCE, ((*_ALONE, "--network-test"),), parse, binary="cluster-probe")
