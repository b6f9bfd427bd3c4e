# SPDX-License-Identifier: Apache-2.0
"""The protocol with the agent in a debug pod: encodes requests and decodes the agent's lines into replies."""

from __future__ import annotations

from kubectl_netdoc.sources.agent_protocol.asks import ask, capabilities, ordered
from kubectl_netdoc.sources.agent_protocol.replies import AgentReply, decode, reply
from kubectl_netdoc.sources.agent_protocol.targets import NO_TARGETS, EchoServer, ServiceAddresses, Targets, Unresolved

__all__ = [
    "NO_TARGETS",
    "AgentReply",
    "EchoServer",
    "ServiceAddresses",
    "Targets",
    "Unresolved",
    "ask",
    "capabilities",
    "decode",
    "ordered",
    "reply",
]
