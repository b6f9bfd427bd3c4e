# SPDX-License-Identifier: Apache-2.0
"""All requests and all replies, as a plan yields them and a bundle keeps them."""

from __future__ import annotations

from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.bench import Bench, BenchReply
from kubectl_netdoc.measurements.canary import Canary, CanaryReply
from kubectl_netdoc.measurements.connect import (
    Certificate,
    CertificateReply,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    HttpGet,
    HttpReply,
)
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, ResolvConf, ResolvConfReply
from kubectl_netdoc.measurements.node import (
    OF_A_NODE,
    CniConfig,
    CniConfigReply,
    Conntrack,
    ConntrackReply,
    Kernel,
    KernelReply,
    NodeRules,
    Rtnetlink,
    RtnetlinkReply,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.measurements.over_time import OverTime, OverTimeReply
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply
from kubectl_netdoc.measurements.trace import NodeRulesReply, Trace, TraceReply

Probe = (
    DnsLookup
    | ResolvConf
    | Connect
    | Echo
    | Certificate
    | PathMtu
    | Burst
    | OverTime
    | HttpGet
    | Rtnetlink
    | Kernel
    | Conntrack
    | ServiceRules
    | CniConfig
    | NodeRules
)
"""The requests that the agent in a debug pod can carry out by itself."""

Request = Probe | Canary | Trace | Bench


def on_host(request: Request) -> bool:
    """Tell whether a request runs on a node's host network, in the pod of the nodes tier."""
    return isinstance(request, OF_A_NODE) or getattr(request, "host", False)


def untouched(request: Request) -> bool:
    """Tell whether a request is for a node as it was before netdoc's pods got a network there."""
    return getattr(request, "untouched", False)


Reply = (
    DnsReply
    | ResolvConfReply
    | ConnectReply
    | EchoReply
    | CertificateReply
    | PathMtuReply
    | BurstReply
    | OverTimeReply
    | HttpReply
    | RtnetlinkReply
    | KernelReply
    | ConntrackReply
    | ServiceRulesReply
    | CniConfigReply
    | NodeRulesReply
    | CanaryReply
    | TraceReply
    | BenchReply
    | Lost
)
