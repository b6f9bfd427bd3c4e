# SPDX-License-Identifier: Apache-2.0
"""Is kube-proxy on each node in the mode that it is set to, and does it keep up?

## What it looks at
The mode in kube-proxy's ConfigMap or flags; with `--node-checks`, on each node the mode that it says it is in (`/proxyMode`), its
own verdict on itself (`/livez`, before Kubernetes 1.28 `/healthz`), how long changes have been waiting for their rules, and what
another mode has left behind (`kube-ipvs0`). Without it the mode is inferred from what is set, and that is said. Its clusterCIDR,
against the addresses of the pods.

## Why it matters
kube-proxy reads its configuration when it starts: who changes it and restarts nothing has a cluster that will change by itself,
one node at a time. One that hangs is Running all the same, and the node's rules stay as they were.

## What it can't see
A kube-proxy whose metricsBindAddress or healthzBindAddress is another than the default (127.0.0.1:10249 and 0.0.0.0:10256; [::1]
and [::] on nodes whose first address is of IPv6) refuses; then nothing is known of it, and nothing is wrong. Rules themselves are
looked at by service_rules.

## Sources
Kubernetes: Virtual IPs and Service Proxies; KEP-5495 (ipvs: deprecated in 1.35, behind the gate KubeProxyIPVS since 1.37, off in
1.40, gone in 1.43); KEP-3866 and the blog "NFTables mode for kube-proxy"; EKS Best Practices Guide (over 1,000 Services); failure
catalogue K7 and K8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NETWORK_AGENT,
    NODE,
    POD,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    HttpGet,
    HttpReply,
    Lost,
    Metrics,
    Needs,
    Outcome,
    Reply,
    Request,
    Risk,
    RtnetlinkReply,
    Severity,
    Skip,
    Subject,
    Threshold,
    Tier,
    Unseen,
    ip_families,
    is_range,
    on_node,
    shell_word,
    some,
)
from kubectl_netdoc.cni.agents import inside
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import node_readings

LIVEZ_SINCE = 28
"""Minor version that brought /livez (kubernetes#116470); before it /healthz also says no while an autoscaler drains the node."""

LAG = Threshold(
    name="lag_s",
    default=30.0,
    unit="s that a change waits for its rules",
    source="half of what /livez allows, and the SLO of SIG Scalability for network programming",
)

ROLLING = timedelta(minutes=5)
"""A DaemonSet replaces one pod after the other: while the last one is younger than this, the change is still being rolled out."""

LEAVES, OFF, GONE = 35, 40, 43
"""Minor versions in which ipvs is deprecated, does not start unless the gate KubeProxyIPVS is set, and is gone (KEP-5495)."""

NFTABLES, KERNEL, MANY = 33, (5, 13), 1000
"""Minor version in which nftables mode is stable (KEP-3866), the kernel that it needs, and the number of Services from which a
new connection feels iptables mode (EKS Best Practices Guide; the blog measured 5,000 to 30,000)."""

SHOWN = 3
"""Nodes that a finding gives a command for at most; it is the same on the others."""

DEFAULTS = {"iptables", "nftables", "kernelspace"}
"""What a mode left empty may mean, by version and system; never ipvs."""

LAST, QUEUED = (
    f"kubeproxy_sync_proxy_rules_{which}_timestamp_seconds" for which in ("last", "last_queued")
)  # seconds since 1970, by family

HUNG = Code(
    id="KPX001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy hangs",
    message="kube-proxy on {name} takes connections and answers none on its ports {ports} within {seconds:g} s, though its pod "
    "{pod} is Running: rules there stay as they are",
    fix="Restart it on {name}; its log's last lines tell what it was doing.",
    commands=(
        "kubectl -n {space} logs {pod} --tail=20",
        "kubectl -n {space} delete pod {pod}",
    ),
    rows=("K8",),
)
UNWELL = Code(
    id="KPX002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy says that it does not keep up",
    message="kube-proxy on {name} calls itself unhealthy ({path}: HTTP {status}, last update {updated}): it has changes that it "
    "does not get into the rules",
    fix="Read its log for what fails (iptables lock, a rule that the kernel refuses, the API server), then restart it.",
    commands=(
        "kubectl -n {space} logs {pod} --tail=50",
        "kubectl -n {space} delete pod {pod}",
    ),
    rows=("K8",),
)
LAGS = Code(
    id="KPX003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Changes wait for kube-proxy",
    message="On {name} changes of Services have waited {seconds} s for their rules ({family}); an update takes {mean} s on "
    "average, {pending} changes of endpoints are pending",
    fix="Fewer and smaller updates (endpoints per Service, minSyncPeriod), a newer kube-proxy, or nftables mode; meanwhile "
    "traffic on {name} goes to old pods.",
    commands=("kubectl -n {space} logs {pod} --tail=50",),
    rows=("K8",),
)
OTHER_MODE = Code(
    id="KPX004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="kube-proxy is not in the mode that is set",
    message="{place} sets kube-proxy to {configured}, and on {nodes} it is in {effective}",
    fix="It reads its configuration when it starts: restart it node by node, or take the change back. Where it was restarted "
    "since, its log tells why it did not take {configured}.",
    commands=(
        "kubectl -n {space} logs {pod} --tail=50",
        "kubectl -n {space} rollout restart daemonset {owner}",
    ),
    rows=("K7",),
)
MIXED = Code(
    id="KPX005",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="kube-proxy's mode differs between nodes",
    message="kube-proxy is in {modes}",
    fix="Meant while you move from one to the other; else set all alike.",
    commands=("kubectl get pods -A -o wide -l k8s-app=kube-proxy",),
    rows=("K7",),
)
LEFT_BEHIND = Code(
    id="KPX006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Interface of ipvs mode left behind",
    message="On {nodes} kube-proxy is in {mode} mode, and the interface kube-ipvs0 of ipvs mode is still there with {count} "
    "addresses: what is sent to one of them without a rule ends at the node",
    fix="Remove it on each of them, with ipvs's own table (ipvsadm --clear), or restart the node.",
    rows=("K7",),
)
IPVS_ENDS = Code(
    id="KPX007",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="The next version does not start in ipvs mode",
    message="kube-proxy is in ipvs mode ({how}), and this is {server}: from 1.40 on it does not start in it unless the gate "
    "KubeProxyIPVS is set, from 1.43 on not at all",
    fix="Move to nftables (kernel 5.13 or later on every node) before the upgrade, one node at a time.",
    commands=("kubectl -n {space} edit configmap kube-proxy", "kubectl -n {space} rollout restart daemonset {owner}"),
    rows=("K7",),
)
IPVS = Code(
    id="KPX010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="ipvs mode is on its way out",
    message="kube-proxy is in ipvs mode ({how}): deprecated since 1.35, off by default from 1.40 on, gone in 1.43; this is "
    "{server}",
    fix="Plan the move to nftables (Kubernetes 1.33, kernel 5.13 on every node).",
    commands=("kubectl get nodes -o wide",),
    rows=("K7",),
)
MOVE = Code(
    id="KPX011",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="nftables mode would pay",
    message="kube-proxy is in iptables mode ({how}) with {services} Services and {endpoints} endpoints: for each new "
    "connection the kernel tries the rules of all Services one after the other; nftables mode takes one look-up. Every node's "
    "kernel ({kernels}) and Kubernetes {server} have it",
    fix="See that the network works with it, then set mode: nftables and restart kube-proxy node by node. Node ports then answer "
    "on nodes' first addresses only, not on 127.0.0.1.",
    commands=("kubectl -n {space} edit configmap kube-proxy", "kubectl -n {space} rollout restart daemonset {owner}"),
    rows=("K7",),
)

OTHER_RANGE = Code(
    id="KPX012",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="kube-proxy takes pods for strangers",
    message="kube-proxy's clusterCIDR {range} ({place}) does not hold the addresses of {count} pods ({shown}): what they send to "
    "Services is translated, so that their peers and policies see the node's address in place of the pod's",
    fix="Set clusterCIDR to the range of the pods (of each family, with a comma between), or detectLocalMode to what tells pods "
    "here, and restart kube-proxy node by node.",
    commands=("kubectl -n {space} get configmap kube-proxy -o yaml", "kubectl -n {space} rollout restart daemonset {owner}"),
    rows=("K7",),
)

PREFIXES = (LAST, QUEUED, "kubeproxy_sync_proxy_rules_duration_seconds_", "kubeproxy_sync_proxy_rules_endpoint_changes_pending")


def _health(cluster: Cluster, node: str) -> HttpGet:
    found = cluster.get(NODE, "", node)
    version = kube_proxy.minor(found.status.node_info.kubelet_version) if found else 0
    path = "/healthz" if 0 < version < LIVEZ_SINCE else "/livez"
    return HttpGet(node, Address(kube_proxy.loopback(cluster, node), kube_proxy.HEALTH_PORT), path, ("{",), host=True)


def _metrics(cluster: Cluster, node: str) -> HttpGet:
    return HttpGet(node, Address(kube_proxy.loopback(cluster, node), kube_proxy.METRICS_PORT), "/metrics", PREFIXES, host=True)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask kube-proxy on each node, and for the node's links."""
    for node in cluster.hosts:
        yield from (
            kube_proxy.mode_of(cluster, node),
            _health(cluster, node),
            _metrics(cluster, node),
            node_readings.tables(node),
        )


class _Seen:
    """What is known of kube-proxy: the mode on each node that told, the one that is set, and how that is known."""

    def __init__(self, facts: Facts) -> None:
        cluster = facts.cluster
        self.cluster = cluster
        self.nodes = [node.name for node in kube_proxy.bearing(cluster)]
        self.pods = {
            node: ready[0]
            for node, pods in kube_proxy.pods(cluster).items()
            if (ready := [p for p in pods if kube_proxy.runs(p)])
        }
        self.within = {node.name: kube_proxy.embedded(node) for node in cluster.all(NODE) if kube_proxy.embedded(node)}
        self.configured, self.place = kube_proxy.configured(cluster)
        asked = {node: facts.reply(kube_proxy.mode_of(cluster, node)) for node in cluster.hosts}
        said = {node: reply.lines[0] for node, reply in asked.items() if isinstance(reply, HttpReply) and reply.lines}
        self.modes = {node: mode for node, mode in said.items() if mode in kube_proxy.MODES}

    @property
    def there(self) -> bool:
        """Whether there is a kube-proxy to ask about."""
        return bool(self.pods or any(self.within.values()))

    def named(self, node: str = "") -> dict[str, str]:
        """The names that commands take: of the pod on a node, and of what it belongs to."""
        pod = self.pods.get(node) or next(iter(self.pods.values()), None)
        if pod is None:
            return {"pod": "kube-proxy", "space": "kube-system", "owner": "kube-proxy"}
        owners = [reference.name for reference in pod.metadata.owner_references if reference.kind == "DaemonSet"]
        return {"pod": pod.name, "space": pod.namespace, "owner": owners[0] if owners else "kube-proxy"}

    def mode(self) -> tuple[str, str]:
        """The mode of most nodes and how that is known; what is set, or the default, where none told."""
        modes = list(self.modes.values())
        if modes:
            most = max(sorted(set(modes)), key=modes.count)
            return most, f"{modes.count(most)} nodes say so"
        if self.place:
            return self.configured or "iptables", f"inferred from {self.place}"
        return "", ""


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each node's kube-proxy, then its mode."""
    if network := kube_proxy.replaced_by(facts.cluster):
        raise Skip(f"{network} does kube-proxy's work", moot=True)
    seen = _Seen(facts)
    if not seen.there:
        raise Skip("no kube-proxy is to be seen: see kube_proxy_presence", moot=True)
    for vantage in facts.hosts:
        if vantage.running and vantage.node in seen.nodes:
            yield from _node(facts, seen, vantage.node)
    yield from _unasked(facts, seen)
    yield from _modes(seen)
    yield from _leftovers(facts, seen)
    yield from _advice(facts.cluster, seen)
    yield from _strangers(facts.cluster, seen)


def _unasked(facts: Facts, seen: _Seen) -> Iterator[Unseen]:
    """Say where the mode is only inferred, and why."""
    mode, how = seen.mode()
    guess = f"; {mode} is {how}" if mode and not seen.modes else ""
    if why := facts.beyond(Tier.NODES):
        yield Unseen("kube-proxy's mode and health on the nodes", f"{why}{guess}")
        return
    lost = {v.node: f"no pod on the host network ran there: {v.reason}" for v in facts.hosts if not v.running}
    replies = {node: facts.reply(kube_proxy.mode_of(facts.cluster, node)) for node in facts.cluster.hosts}
    lost |= {node: reply.reason for node, reply in replies.items() if isinstance(reply, Lost)}
    told = {node for node, reply in replies.items() if isinstance(reply, HttpReply) and reply.outcome is Outcome.TIMEOUT}
    silent = [node for node in facts.cluster.hosts if node in seen.nodes and node not in {*seen.modes, *lost, *told}]
    for node, reason in sorted(lost.items()):
        yield Unseen(f"kube-proxy on node {node}", reason, asked=True)
    if silent:
        asked = f"port {kube_proxy.METRICS_PORT} of {kube_proxy.loopback(facts.cluster, silent[0])}"
        reason = f"it does not tell at {asked} (see metricsBindAddress){guess}"
        yield Unseen(f"kube-proxy's mode on {', '.join(silent[:3])}{' and others' if len(silent) > 3 else ''}", reason)


def _node(facts: Facts, seen: _Seen, node: str) -> Iterator[Finding]:
    """What a node's kube-proxy says of itself, where it is known to run there."""
    if node not in seen.pods and node not in seen.within:
        return
    health, mode = facts.reply(_health(facts.cluster, node)), facts.reply(kube_proxy.mode_of(facts.cluster, node))
    numbers = {"nodes": [node], **seen.named(node)}
    subject = Subject("Node", node)
    if not (isinstance(health, HttpReply) and isinstance(mode, HttpReply)):
        return
    replies = (mode, health, facts.reply(_metrics(facts.cluster, node)))
    if all(isinstance(reply, HttpReply) and reply.outcome is Outcome.TIMEOUT for reply in replies):
        ports = [kube_proxy.METRICS_PORT, kube_proxy.HEALTH_PORT]
        yield HUNG.on(subject, numbers, ports=ports, seconds=kube_proxy.mode_of(facts.cluster, node).timeout)
    elif health.status == 503 and not _drained(facts.cluster, node):
        said = re.search(r'"lastUpdated": ?"([^"]+)"', "".join(health.lines))
        path, updated = _health(facts.cluster, node).path, said[1] if said else "not told"
        yield UNWELL.on(subject, numbers, path=path, status=health.status, updated=updated)
    else:
        yield from _lag(facts, seen, node)


def _drained(cluster: Cluster, name: str) -> bool:
    """Whether /healthz says no by design, where it is asked in place of /livez."""
    node = cluster.get(NODE, "", name)
    return node is not None and any(taint.key == "ToBeDeletedByClusterAutoscaler" for taint in node.spec.taints)


def _lag(facts: Facts, seen: _Seen, node: str) -> Iterator[Finding]:
    """Changes that wait: queued after the last update, longer than ``LAG`` before the time that kube-proxy itself tells."""
    reply, now = facts.reply(_metrics(facts.cluster, node)), _now(facts.reply(_health(facts.cluster, node)))
    if not isinstance(reply, HttpReply):
        return
    metrics = Metrics(reply.lines)
    last, queued = metrics.by("ip_family", LAST), metrics.by("ip_family", QUEUED)
    for family, moment in queued.items():
        waited = round(now - moment)
        if moment <= last.get(family, 0.0) or waited < facts.threshold(LAG):
            continue
        total = metrics.total("kubeproxy_sync_proxy_rules_duration_seconds_sum")
        count = metrics.total("kubeproxy_sync_proxy_rules_duration_seconds_count")
        numbers = {
            "seconds": waited,
            "family": family or "any family",
            "mean": round(total / count, 1) if count else "no known time",
            "pending": int(metrics.total("kubeproxy_sync_proxy_rules_endpoint_changes_pending")),
        }
        yield LAGS.on(Subject("Node", node), numbers | {"nodes": [node]} | seen.named(node))
        return


def _now(reply: Reply) -> float:
    """The node's own time, as its kube-proxy gives it beside its health; 0 where it does not."""
    found = re.search(r'"currentTime": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)', "".join(getattr(reply, "lines", ())))
    return datetime.fromisoformat(f"{found[1]}+00:00").timestamp() if found else 0.0


def _modes(seen: _Seen) -> Iterator[Finding]:
    """Hold the modes against what is set, else (and while a change is being rolled out) against each other."""
    subject = Subject("Cluster", "kube-proxy")
    wanted = {seen.configured} if seen.configured else DEFAULTS if seen.place else set(kube_proxy.MODES)
    other = sorted(node for node, mode in seen.modes.items() if mode not in wanted and node in seen.pods)
    sure = seen.place.startswith("DaemonSet") or seen.cluster.readable(NETWORK_AGENT)  # a flag wins over the ConfigMap
    if other and sure and not _rolling(seen, wanted):
        numbers = {
            "place": seen.place,
            "configured": seen.configured or "the default mode",
            "effective": sorted({seen.modes[node] for node in other}),
            "nodes": other,
        }
        yield OTHER_MODE.on(subject, numbers | seen.named(other[0]))
    elif len(set(seen.modes.values())) > 1:
        by_mode: dict[str, list[str]] = {}
        for node, mode in sorted(seen.modes.items()):
            by_mode.setdefault(mode, []).append(node)
        yield MIXED.on(subject, modes=[f"{mode} on {', '.join(nodes[:3])}" for mode, nodes in by_mode.items()])


def _rolling(seen: _Seen, wanted: set[str]) -> bool:
    """Whether kube-proxies are being restarted for the mode that is set: one that came just now is in it already."""
    in_it = [node for node, mode in seen.modes.items() if mode in wanted and node in seen.pods and node in seen.nodes]
    return any(seen.cluster.age(seen.pods[node].metadata.creation_timestamp) < ROLLING for node in in_it)


def _leftovers(facts: Facts, seen: _Seen) -> Iterator[Finding]:
    found: dict[str, dict[str, int]] = {}
    for node, mode in seen.modes.items():
        reply = facts.reply(node_readings.tables(node))
        links = [link for link in reply.links if link.name == "kube-ipvs0"] if isinstance(reply, RtnetlinkReply) else []
        if links and mode != "ipvs" and links[0].addresses:
            found.setdefault(mode, {})[node] = len(links[0].addresses)
    for mode, counts in found.items():
        nodes = sorted(counts)
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", "kube-proxy")
        lines = tuple(on_node(shell_word(node), "ip link delete kube-ipvs0") for node in nodes[:SHOWN])
        yield LEFT_BEHIND.on(subject, try_=lines, nodes=nodes, mode=mode, count=max(counts.values()))


def _advice(cluster: Cluster, seen: _Seen) -> Iterator[Finding]:
    mode, how = seen.mode()
    server = kube_proxy.minor(cluster.server)
    subject = Subject("Cluster", "kube-proxy")
    names = {"how": how, "server": cluster.server or "of unknown version", **seen.named()}
    if mode == "ipvs" or "ipvs" in seen.modes.values():
        yield (IPVS_ENDS if server >= OFF - 1 else IPVS).on(subject, names)
    elif mode == "iptables" and server >= NFTABLES and cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE):
        kernels = [node.status.node_info.kernel_version for node in cluster.all(NODE) if not node.unfit]
        services = sum(1 for service in cluster.all(SERVICE) if not service.headless and service.spec.type != "ExternalName")
        if services >= MANY and kernels and all(_version(kernel) >= KERNEL for kernel in kernels):
            endpoints = sum(len(item.endpoints) for item in cluster.all(ENDPOINT_SLICE))
            oldest = min(kernels, key=_version)
            yield MOVE.on(subject, names, services=services, endpoints=endpoints, kernels=f"{oldest} or later")


def _strangers(cluster: Cluster, seen: _Seen) -> Iterator[Finding]:
    """Pods outside of the ranges by which kube-proxy tells pods from others, where it does that by ranges."""
    text, place = kube_proxy.setting(cluster, "clusterCIDR", "cluster-cidr")
    how, _ = kube_proxy.setting(cluster, "detectLocalMode", "detect-local-mode")
    ranges = list(filter(is_range, text.split(",")))
    told = {ip_families.of(each) for each in ranges}
    if not seen.pods or how not in ("", "ClusterCIDR"):
        return
    own = [pod for pod in cluster.all(POD) if pod.status.phase == "Running" and not (pod.spec.host_network or pod.terminating)]
    out = [
        f"{pod.namespace}/{pod.name} {ip}"
        for pod in own
        for ip in pod.ips
        if ip_families.of(ip) in told and not inside(ip, ranges)
    ]
    if out:
        numbers = {"range": text, "place": place, "count": len(out), "shown": some(sorted(out), SHOWN)}
        yield OTHER_RANGE.on(Subject("Cluster", "kube-proxy"), numbers | seen.named())


def _version(kernel: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", kernel)
    return tuple(map(int, found.groups())) if found else (0, 0)


check = Check(
    id="kube_proxy_mode",
    title="kube-proxy is in its mode, and keeps up",
    prefix="KPX",
    needs=Needs(kinds=(NODE, POD), hints=(SERVICE, ENDPOINT_SLICE, *kube_proxy.HINTS), tier=Tier.PODS),
    codes=(HUNG, UNWELL, LAGS, OTHER_MODE, MIXED, LEFT_BEHIND, IPVS_ENDS, IPVS, MOVE, OTHER_RANGE),
    plan=plan,
    analyse=analyse,
    thresholds=(LAG,),
)
