# SPDX-License-Identifier: Apache-2.0
"""All requests and all replies, as a plan yields them and a bundle keeps them."""

from __future__ import annotations

from kubectl_netdoc.measurements.base import Lost
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
    Rtnetlink,
    RtnetlinkReply,
    ServiceRules,
    ServiceRulesReply,
)
from kubectl_netdoc.measurements.over_time import OverTime, OverTimeReply
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply

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
)
"""The requests that the agent in a debug pod can carry out."""


def on_host(request: Probe | Canary) -> bool:
    """Tell whether a request runs on a node's host network, in the pod of the nodes tier."""
    return isinstance(request, OF_A_NODE) or getattr(request, "host", False)


Request = Probe | Canary


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
    | CanaryReply
    | Lost
)
