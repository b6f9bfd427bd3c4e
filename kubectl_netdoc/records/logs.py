# SPDX-License-Identifier: Apache-2.0
"""Logs, of which only a digest is kept."""

from __future__ import annotations

from kubectl_netdoc.formats import coredns_log
from kubectl_netdoc.records.base import Object


class LogText(Object, frozen=True):
    """A container's log as it was read; only its digest is kept."""

    text: str = ""


class DnsLog(Object, frozen=True):
    """The errors in the log of a DNS pod, as counts and causes; ``metadata`` names the pod. No line of the log is kept."""

    causes: tuple[coredns_log.Cause, ...] = ()


def dns_log(raw: LogText) -> DnsLog:
    """Return what is kept of a DNS server's log."""
    return DnsLog(metadata=raw.metadata, causes=coredns_log.digest(raw.text))
