# SPDX-License-Identifier: Apache-2.0
"""Encodes requests for the agent: in the order of measuring, with addresses for symbolic targets and encoded DNS messages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message

from kubectl_netdoc.measurements import load, rule_owners
from kubectl_netdoc.measurements.base import Address, OwnName, OwnService
from kubectl_netdoc.measurements.connect import (
    Certificate,
    Connect,
    Echo,
    HttpGet,
)
from kubectl_netdoc.measurements.dns import DnsLookup, ResolvConf
from kubectl_netdoc.measurements.node import (
    CniConfig,
    Conntrack,
    Kernel,
    NodeRules,
    Rtnetlink,
    ServiceRules,
)
from kubectl_netdoc.measurements.over_time import OverTime
from kubectl_netdoc.measurements.path import Burst, PathMtu
from kubectl_netdoc.measurements.requests import Probe
from kubectl_netdoc.sources import kernel_replies
from kubectl_netdoc.sources.agent_protocol.targets import NO_TARGETS, Targets, address


def ordered(requests: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """Return the requests in the order of measuring: latency alone, then connections at once, then what loads the path."""
    return tuple(sorted(requests, key=_stage))


def _stage(request: Probe) -> int:
    """Return a request's stage. 0, 1: latency, alone. 2: short or mostly waiting, at once. 3, 4: loads the path, one by one.

    5: half a minute at the end.
    """
    if isinstance(request, DnsLookup) and not request.interval:
        return int(request.parallel or request.protocol == "TCP")
    if isinstance(request, OverTime):
        return 5
    if isinstance(request, (Burst, PathMtu)):
        return 3
    return 4 if isinstance(request, Echo) and request.size else 2


def ask(number: int, request: Probe, targets: Targets = NO_TARGETS) -> dict[str, Any]:
    """Return a request in the agent's form; raises ``Unresolved``."""
    common = {"id": number, "timeout": request.timeout, "together": _stage(request) == 2}
    return common | _ASKS[type(request)](request, targets)


def _ask_dns(request: DnsLookup, targets: Targets) -> dict[str, Any]:
    to = list(address(request.server, targets)) if isinstance(request.server, Address) else "resolv.conf"
    group = 2 if request.parallel else 1
    asked = {"op": "udp", "to": to, "payloads": _queries(request, targets), "group": group, "give_up": request.give_up}
    return asked | {"stream": request.protocol == "TCP", "interval": request.interval}


def _queries(request: DnsLookup, targets: Targets) -> list[str]:
    types = ("A", "AAAA") if request.parallel else (request.rtype,)
    name, edns = request.name, {"use_edns": 0, "payload": request.edns} if request.edns else {}
    if isinstance(name, OwnName):
        name = f"{targets.service(name.service).name}.{name.domain}."
    try:
        queries = [dns.message.make_query(name, rtype, **edns) for _ in range(request.samples) for rtype in types]  # type: ignore[arg-type]
    except dns.exception.DNSException:
        return []  # a Corefile may contain an invalid domain name: nothing is sent, and the reply without samples is Lost
    return [base64.b64encode(query.to_wire()).decode() for query in queries]


def _ask_resolv_conf(request: ResolvConf, targets: Targets) -> dict[str, Any]:
    return {"op": "resolv"}


def _ask_connect(request: Connect, targets: Targets) -> dict[str, Any]:
    return {"op": "tcp", "to": list(address(request.to, targets))}


def _ask_certificate(request: Certificate, targets: Targets) -> dict[str, Any]:
    return {"op": "tls", "to": list(address(request.to, targets)), "name": request.name, "authority": request.authority}


def _ask_http(request: HttpGet, targets: Targets) -> dict[str, Any]:
    return {"op": "http", "to": list(address(request.to, targets)), "path": request.path, "prefixes": list(request.prefixes)}


def _ask_path_mtu(request: PathMtu, targets: Targets) -> dict[str, Any]:
    return {"op": "pmtu", "to": list(address(request.to, targets, request.family))}


def _ask_burst(request: Burst, targets: Targets) -> dict[str, Any]:
    to = list(address(request.to, targets, request.family))
    return {"op": "burst", "to": to, "count": request.count, "interval": max(request.interval, load.spacing(targets.nodes()))}


def _ask_echo(request: Echo, targets: Targets) -> dict[str, Any]:
    every = len(targets.servers) if isinstance(request.to, OwnService) and not request.to.empty else 0
    tries = {"protocol": request.protocol, "size": request.size, "samples": request.samples, "wait": request.wait}
    # A Service with affinity shows one backend only.
    distinct = min(every, 1) if isinstance(request.to, OwnService) and request.to.sticky else every
    return {"op": "echo", "to": list(address(request.to, targets, request.family)), "distinct": distinct, **tries}


def _ask_over_time(request: OverTime, targets: Targets) -> dict[str, Any]:
    places = [[*address(place, targets), not isinstance(place, Address)] for place in request.places]
    times = {"seconds": request.seconds, "every": request.every, "idle": request.idle}
    return {"op": "over_time", "places": places, "together": request.together, "size": request.size, **times}


def _ask_rtnetlink(request: Rtnetlink, targets: Targets) -> dict[str, Any]:
    return {"op": "netlink"}


def _ask_kernel(request: Kernel, targets: Targets) -> dict[str, Any]:
    """Ask for all settings before netdoc's pods come, with which nodes are compared; later for those that are judged alone."""
    patterns = kernel_replies.EVERYTHING if request.untouched else kernel_replies.SETTINGS
    files = {"once": [kernel_replies.ROOT + pattern for pattern in patterns], "twice": list(kernel_replies.COUNTERS)}
    bounds = {"without": list(kernel_replies.LEFT_OUT), "most": kernel_replies.MOST_SETTINGS}
    return {"op": "files", **files, **bounds, "seconds": request.seconds}


def _ask_conntrack(request: Conntrack, targets: Targets) -> dict[str, Any]:
    return {"op": "flows", "to": list(request.to)}


def _ask_service_rules(request: ServiceRules, targets: Targets) -> dict[str, Any]:
    return {"op": "service_rules"}


def _ask_cni_config(request: CniConfig, targets: Targets) -> dict[str, Any]:
    return {"op": "cni"}


def _ask_node_rules(request: NodeRules, targets: Targets) -> dict[str, Any]:
    return {"op": "rules", "owned": rule_owners.PATTERNS, "most": MOST_RULES}


MOST_RULES = 1000
"""Rules of nobody known that are read of a node: a host firewall of some hundred rules fits."""

_ASKS: dict[type[Probe], Callable[[Any, Targets], dict[str, Any]]] = {
    DnsLookup: _ask_dns,
    ResolvConf: _ask_resolv_conf,
    Connect: _ask_connect,
    Echo: _ask_echo,
    Certificate: _ask_certificate,
    PathMtu: _ask_path_mtu,
    Burst: _ask_burst,
    OverTime: _ask_over_time,
    HttpGet: _ask_http,
    Rtnetlink: _ask_rtnetlink,
    Kernel: _ask_kernel,
    Conntrack: _ask_conntrack,
    ServiceRules: _ask_service_rules,
    CniConfig: _ask_cni_config,
    NodeRules: _ask_node_rules,
}

NET_ADMIN = 12


def capabilities(requests: tuple[Probe, ...]) -> list[int]:
    """Return the numbers of the capabilities that these requests need (capabilities(7)), if the pod has any."""
    return [NET_ADMIN] if any(isinstance(request, (Conntrack, ServiceRules, NodeRules)) for request in requests) else []
