# SPDX-License-Identifier: Apache-2.0
"""Is kube-proxy on each node in the mode that it is set to, and does it keep up?

## What it looks at
The mode in kube-proxy's ConfigMap or flags, and its clusterCIDR, compared with the addresses of the pods. With
`--node-checks`, on each node: the mode that kube-proxy reports (`/proxyMode`), whether it reports itself healthy (`/livez`,
on old versions `/healthz`), how long changes have waited for their rules, and what another mode has left behind (`kube-ipvs0`).
Without `--node-checks` the mode is inferred from the settings, and the report says so.

## Why it matters
kube-proxy reads its configuration only when it starts: after a change without a restart, the mode changes later, one node at a
time. A kube-proxy that hangs still shows as Running, and the node's rules stay as they were.

## What it can't see
A kube-proxy whose metricsBindAddress or healthzBindAddress is not the default (127.0.0.1:10249 and 0.0.0.0:10256; [::1] and [::]
on nodes whose first address is IPv6) refuses the connection: nothing is known of it then, and nothing is reported. The rules
themselves are checked by `service_rules`.

## Sources
Kubernetes: Virtual IPs and Service Proxies; docs/versions.md (when modes come and go); KEP-3866 and the blog "NFTables mode for
kube-proxy"; EKS Best Practices Guide (over 1,000 Services); failure catalogue K7 and K8.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    Address,
    Check,
    Cluster,
    Facts,
    Finding,
    HttpReply,
    Lost,
    Needs,
    Outcome,
    Request,
    Skip,
    Tier,
    Unseen,
    some,
)
from kubectl_netdoc.checks.services.kube_proxy_mode import cluster_cidr, health, modes, thresholds
from kubectl_netdoc.checks.services.kube_proxy_mode.observed import Observed
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import node_readings

SHOWN = 3
"""Nodes that a remark names at most."""


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask kube-proxy on each node, and for the node's links."""
    for node in cluster.hosts:
        yield kube_proxy.mode_of(cluster, node)
        yield from health.plan(cluster, node)
        yield node_readings.tables(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each node's kube-proxy, then its mode and its clusterCIDR."""
    if network := kube_proxy.replaced_by(facts.cluster):
        raise Skip(f"{network} replaces kube-proxy", not_applicable=True)
    observed = Observed(facts)
    if not observed.found:
        raise Skip("no kube-proxy was found (see kube_proxy_presence)", not_applicable=True)
    for vantage in facts.hosts:
        if vantage.running and vantage.node in observed.nodes:
            yield from health.analyse(facts, observed, vantage.node)
    yield from _not_reported(facts, observed)
    yield from modes.analyse(facts, observed)
    yield from cluster_cidr.analyse(facts.cluster, observed)


def _not_reported(facts: Facts, observed: Observed) -> Iterator[Unseen]:
    """Say on which nodes kube-proxy did not report its mode, and why."""
    mode, how = observed.mode()
    inferred = f"; its mode is {mode}, {how}" if mode and not observed.modes else ""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        yield Unseen("kube-proxy's mode and health on the nodes", f"{why}{inferred}")
        return
    lost = {v.node: f"no pod on the host network ran there: {v.reason}" for v in facts.hosts if not v.running}
    replies = {node: facts.reply(kube_proxy.mode_of(facts.cluster, node)) for node in facts.cluster.hosts}
    lost |= {node: reply.reason for node, reply in replies.items() if isinstance(reply, Lost)}
    hung = {node for node, reply in replies.items() if isinstance(reply, HttpReply) and reply.outcome is Outcome.TIMEOUT}
    unknown = [node for node in facts.cluster.hosts if node in observed.nodes and node not in {*observed.modes, *lost, *hung}]
    for node, reason in sorted(lost.items()):
        yield Unseen(f"kube-proxy on node {node}", reason, expected=True)
    if unknown:
        address = Address(kube_proxy.loopback(facts.cluster, unknown[0]), kube_proxy.METRICS_PORT)
        reason = f"it does not report its mode at {address} (see metricsBindAddress){inferred}"
        yield Unseen(f"kube-proxy's mode on {some(unknown, SHOWN)}", reason)


check = Check(
    id="kube_proxy_mode",
    title="kube-proxy is in its mode and keeps up",
    prefix="KPX",
    needs=Needs(kinds=(NODE, POD), hints=(SERVICE, ENDPOINT_SLICE, *kube_proxy.HINTS), tier=Tier.PODS),
    codes=(*health.CODES, *modes.CODES, *cluster_cidr.CODES),
    plan=plan,
    analyse=analyse,
    thresholds=(thresholds.LAG,),
)
