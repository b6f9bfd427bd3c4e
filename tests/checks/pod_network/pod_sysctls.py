# SPDX-License-Identifier: Apache-2.0
"""Cases of pod_sysctls. Hand-made objects."""

from __future__ import annotations

import msgspec

from kubectl_netdoc.api import POD, Pod
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Case, make_cluster, make_pod

OWNER = [{"kind": "StatefulSet", "name": "db", "controller": True}]


def _of(name: str, sysctl: str, value: str, *codes: str) -> Case:
    _, pod = make_pod("db-0", ownerReferences=OWNER)
    made = convert(POD, {"spec": {"securityContext": {"sysctls": [{"name": sysctl, "value": value}]}}})
    assert isinstance(pod, Pod)
    changed = msgspec.structs.replace(pod, spec=made.spec)
    return Case(f"{name}: {value}", make_cluster((POD, changed)), frozenset((code, "StatefulSet shop/db") for code in codes))


RANGE, RECEIVE, SEND = "net.ipv4.ip_local_port_range", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"
CASES = [
    _of("a handful of ports", RANGE, "32000 32003", "PSY001"),
    _of("ports with a tab", RANGE, "32000\t32003", "PSY001"),
    _of("as few ports as suffice", RANGE, "32000 32255"),
    _of("a port too few", RANGE, "32000 32254", "PSY001"),
    _of("more ports than usual", RANGE, "1024 65535"),
    _of("no range", RANGE, "32000"),
    _of("ports in the wrong order, which the kernel refuses", RANGE, "32003 32000"),
    _of("small buffers", RECEIVE, "4096 4096 4096", "PSY001"),
    _of("small buffers to send", SEND, "4096 4096 8192", "PSY001"),
    _of("usual buffers", RECEIVE, "4096 131072 6291456"),
    _of("modest buffers", SEND, "4096 8192 16384"),
    _of("a short queue", "net.core.somaxconn", "1", "PSY001"),
    _of("a usual queue", "net.core.somaxconn", "1024"),
    _of("another setting", "net.ipv4.ip_unprivileged_port_start", "0"),
    _of("no number", RANGE, "a b"),
]
