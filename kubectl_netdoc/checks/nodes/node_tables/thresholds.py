# SPDX-License-Identifier: Apache-2.0
"""The thresholds of node_tables."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

NEIGHBOURS = Threshold(
    name="neighbours_percent",
    default=80.0,
    unit="% of gc_thresh3",
    source="above gc_thresh2 the kernel removes entries, at gc_thresh3 it refuses new ones",
    most=100,
)

PORTS = Threshold(
    name="ports_percent",
    default=75.0,
    unit="% of ip_local_port_range",
    source="connect(2) then has to search for a port, and fails when none is left for a destination",
    most=100,
)

TRACKED = Threshold(
    name="tracked_percent",
    default=75.0,
    unit="% of nf_conntrack_max",
    source="node-exporter's mixin warns from there on",
    most=100,
)

FAILED_INSERTS = Threshold(
    name="failed_inserts",
    default=10.0,
    unit="flows a run",
    source="paired DNS lookups lose some by design, and netdoc makes such lookups",
    least=1,
)

INVALID = Threshold(
    name="invalid_packets",
    default=20.0,
    unit="packets a run",
    source="late answers and port scans cause some everywhere",
    least=1,
)
