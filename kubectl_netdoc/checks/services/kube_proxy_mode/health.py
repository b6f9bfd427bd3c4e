# SPDX-License-Identifier: Apache-2.0
"""What each node's kube-proxy says of itself: that it hangs, is unhealthy, or lets changes wait."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    NODE,
    Address,
    Cluster,
    Code,
    Facts,
    Finding,
    HttpGet,
    HttpReply,
    Metrics,
    Outcome,
    Reply,
    Risk,
    Severity,
    Subject,
)
from kubectl_netdoc.checks.services.kube_proxy_mode.observed import Observed
from kubectl_netdoc.checks.services.kube_proxy_mode.thresholds import LAG
from kubectl_netdoc.components import kube_proxy

SYNC = "kubeproxy_sync_proxy_rules_"
LAST, QUEUED = f"{SYNC}last_timestamp_seconds", f"{SYNC}last_queued_timestamp_seconds"
"""Metrics in seconds since 1970, by family: when rules were last written, and when a change was last queued."""

DURATION, PENDING = f"{SYNC}duration_seconds_", f"{SYNC}endpoint_changes_pending"

HUNG = Code(
    id="KPX001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy hangs",
    message="kube-proxy on {name} accepts connections to its ports {ports} and answers none within {seconds:g} s, though it "
    "runs: the Service rules on {name} are not updated",
    fix="Read the last lines of its log, which show what it was doing. Then delete its pod, so that it starts again.",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
)
UNWELL = Code(
    id="KPX002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy reports that it does not keep up",
    message="kube-proxy on {name} reports itself unhealthy ({path}: HTTP {status}, last update {updated}): it has changes that "
    "it does not get into the Service rules",
    fix="Read its log for what fails (the iptables lock, a rule that the kernel refuses, the connection to the API server). Then "
    "delete its pod, so that it starts again.",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
)
LAGS = Code(
    id="KPX003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Changes wait for kube-proxy",
    message="On {name}, changes of Services have waited {seconds} s for kube-proxy to write their rules ({family}): an update "
    "takes {update} on average, and {pending} changes of endpoints are pending",
    fix="Make updates fewer and smaller (fewer endpoints in a Service, a longer minSyncPeriod), or use a newer kube-proxy or "
    "nftables mode. Until then, connections on {name} go to old pods.",
    commands=(kube_proxy.POD_LOG,),
    rows=("K8",),
)


def _health(cluster: Cluster, node: str) -> HttpGet:
    found = cluster.get(NODE, "", node)
    version = found.status.node_info.kubelet_version if found else ""
    older = versions.parse(version) and not versions.change("kube-proxy-livez").reached("served", version)
    path = "/healthz" if older else "/livez"
    return HttpGet(node, Address(kube_proxy.loopback(cluster, node), kube_proxy.HEALTH_PORT), path, ("{",), host=True)


def _metrics(cluster: Cluster, node: str) -> HttpGet:
    to = Address(kube_proxy.loopback(cluster, node), kube_proxy.METRICS_PORT)
    return HttpGet(node, to, "/metrics", (LAST, QUEUED, DURATION, PENDING), host=True)


def plan(cluster: Cluster, node: str) -> tuple[HttpGet, HttpGet]:
    """Ask kube-proxy for its health and its metrics."""
    return _health(cluster, node), _metrics(cluster, node)


def analyse(facts: Facts, observed: Observed, node: str) -> Iterator[Finding]:
    """Judge a node's kube-proxy, where it is known to run there."""
    if node not in observed.proxies and node not in observed.embedded:
        return
    asked = _health(facts.cluster, node)
    health, mode = facts.reply(asked), facts.reply(kube_proxy.mode_of(facts.cluster, node))
    if not (isinstance(health, HttpReply) and isinstance(mode, HttpReply)):
        return
    subject = Subject("Node", node)
    names: dict[str, object] = {"nodes": [node], **observed.names(node)}
    replies = (mode, health, facts.reply(_metrics(facts.cluster, node)))
    if all(isinstance(reply, HttpReply) and reply.outcome is Outcome.TIMEOUT for reply in replies):
        ports = [kube_proxy.METRICS_PORT, kube_proxy.HEALTH_PORT]
        yield HUNG.on(subject, names, ports=ports, seconds=kube_proxy.mode_of(facts.cluster, node).timeout)
    elif health.status == 503 and not _drained(facts.cluster, node):
        said = re.search(r'"lastUpdated": ?"([^"]+)"', "".join(health.lines))
        yield UNWELL.on(subject, names, path=asked.path, status=health.status, updated=said[1] if said else "unknown")
    else:
        yield from _lag(facts, names, node)


def _drained(cluster: Cluster, name: str) -> bool:
    """Whether an autoscaler drains a node: then /healthz fails by design, where there is no /livez."""
    node = cluster.get(NODE, "", name)
    return node is not None and kube_proxy.drained_by_autoscaler(node)


def _lag(facts: Facts, names: Mapping[str, Any], node: str) -> Iterator[Finding]:
    """Changes that wait: queued after the last update, longer than ``LAG`` before the time that kube-proxy itself gives."""
    reply, now = facts.reply(_metrics(facts.cluster, node)), _now(facts.reply(_health(facts.cluster, node)))
    if not isinstance(reply, HttpReply):
        return
    metrics = Metrics(reply.lines)
    last, queued = metrics.by("ip_family", LAST), metrics.by("ip_family", QUEUED)
    for family, moment in queued.items():
        waited = round(now - moment)
        if family not in last and metrics.value(f"{DURATION}count"):
            continue  # it has made updates, and does not tell when the last was
        if moment <= last.get(family, 0.0) or waited < facts.threshold(LAG):
            continue
        total, count, pending = (metrics.value(name) for name in (f"{DURATION}sum", f"{DURATION}count", PENDING))
        numbers = {
            "seconds": waited,
            "family": family or "all families",
            "update": f"{total / count:.1f} s" if total is not None and count else "an unknown time",
            "pending": "an unknown number of" if pending is None else int(pending),
        }
        yield LAGS.on(Subject("Node", node), {**numbers, **names})
        return


def _now(reply: Reply) -> float:
    """The node's own time, as its kube-proxy gives it beside its health; 0 where it does not."""
    found = re.search(r'"currentTime": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)', "".join(getattr(reply, "lines", ())))
    return datetime.fromisoformat(f"{found[1]}+00:00").timestamp() if found else 0.0


CODES = (HUNG, UNWELL, LAGS)
