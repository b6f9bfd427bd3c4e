# SPDX-License-Identifier: Apache-2.0
"""Is cluster DNS configured to answer?

## What it looks at
The DNS Service (kube-dns), its workload, its ready endpoints and their spread over nodes, its pods' restarts and what keeps
them from being ready (the scheduler, an image, a sandbox), and the Corefile, as CoreDNS reads it: braces, snippets, zones that
are there twice, the `kubernetes` plugin, and where everything else is forwarded to; of NodeLocal DNSCache's own, whether it can
be read. Where pods/log may be read: the last hour of the DNS pods' logs, for a loop, a panic, upstreams that do not answer, an
API server that can't be reached or that forbids to list; counts, addresses and resources are kept, no name that was asked for.
And the Events by which the kubelet tells that a pod's resolv.conf was cut.

## Why it matters
Nearly every connection begins with a lookup. A Corefile that forwards to its own address leaves CoreDNS Ready and cluster
names fine, while every external name fails: nothing in the API looks wrong but the text itself.

## What it can't see
DNS that is not in the cluster (GKE Cloud DNS, EKS Auto Mode) or not CoreDNS: then it says so and leaves the verdict to the
measurement (`dns_latency`). Files that a Corefile imports. Whether an upstream server works (`dns_upstream`).

## Sources
CoreDNS manual, plugins errors, forward, kubernetes and loop; Kubernetes: pkg/kubelet/network/dns/dns.go for the Events and
the limits (3 nameservers, 32 search domains, 2048 characters); failure catalogue D3, D9 and D10.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    COREFILE,
    DAEMON_SET,
    DEPLOYMENT,
    DNS_LOG,
    ENDPOINT_SLICE,
    EVENT,
    NODE,
    POD,
    SERVICE,
    UPSTREAM,
    Cause,
    Check,
    Cluster,
    Code,
    Corefile,
    CorefileMap,
    DnsLog,
    Explains,
    Facts,
    Finding,
    Needs,
    Pod,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Unavailable,
    Unseen,
    patches,
    zone_and_port,
)
from kubectl_netdoc.components import cluster_dns, dns_pods

DNS_PORT = 53
RECENT = timedelta(hours=1)
"""How far back an Event is still news: as long as Events are kept by default."""

MOST_NAMED = 3
"""Pods of one owner that are named."""

NO_RESOLVERS = frozenset(
    {
        *("root", "metadata", "geoip", "cancel", "tls", "timeouts", "multisocket", "reload", "nsid", "bufsize", "bind", "debug"),
        *("trace", "ready", "health", "pprof", "prometheus", "errors", "log", "dnstap", "local", "dns64", "acl", "any", "chaos"),
        *("loadbalance", "tsig", "cache", "rewrite", "header", "dnssec", "autopath", "minimal", "transfer", "k8s_external"),
        *("kubernetes", "loop", "whoami", "on", "sign", "view"),
    }
)
"""CoreDNS's plugins that answer for no name outside the cluster (plugin.cfg); whatever else a server was built with may."""

LOOKUPS = Explains(
    ("DNL001", "DNL002", "DNL003", "DNL004", "DNL005", "DNL006", "DNL007", "DNL008", "DNL009", "DNL011", "DSV001"), "cluster"
)
SAME_SERVICE = Explains(("SVC001", "SVC002", "SVC004", "SVC005", "SVC021"), "subject")

SCALED_TO_ZERO = Code(
    id="DNC001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Cluster DNS scaled to zero",
    message="Cluster DNS has no server: {workload} is scaled to 0, so Service {namespace}/{name} answers nobody",
    fix="Scale {workload} up again; two replicas are the usual number.",
    commands=("kubectl -n {namespace} scale {workload} --current-replicas=0 --replicas=2",),
    rows=("D9",),
    explains=(LOOKUPS, SAME_SERVICE, Explains(("DNC002",), "subject")),
)
NO_SERVER = Code(
    id="DNC002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No DNS server is ready",
    message="Cluster DNS has no ready server: Service {namespace}/{name} has {pods} pods and 0 ready endpoints: {why}",
    fix="Mend what holds the DNS pods up. {mend}",
    commands=(
        "kubectl -n {namespace} get pods -o wide -l {selector}",
        "kubectl -n {namespace} describe pods -l {selector}",
    ),
    rows=("D3", "D9"),
    explains=(LOOKUPS, SAME_SERVICE),
)
FORWARDS_TO_ITSELF = Code(
    id="DNC003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Corefile forwards to itself",
    message="The Corefile in ConfigMap {namespace}/{name} forwards {zone} to {target}, {itself}: such lookups loop",
    fix="Forward to the resolvers outside the cluster in the Corefile (kubeadm's default: 'forward . /etc/resolv.conf').{kept}",
    commands=(
        "kubectl -n {namespace} edit configmap {name}",
        "kubectl -n {namespace} rollout restart {workload}",
    ),
    rows=("D3", "D10"),
    explains=(Explains(("DNC002", "DNC008", "DNC011", "DNM001", "DNU001", "DNU003"), "cluster"),),
)
NO_KUBERNETES = Code(
    id="DNC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Corefile without the kubernetes plugin",
    message="No server block of the Corefile in ConfigMap {namespace}/{name} has the kubernetes plugin: no Service has a name",
    fix="Put the kubernetes plugin back (kubeadm's line: 'kubernetes cluster.local in-addr.arpa ip6.arpa').{kept}",
    commands=("kubectl -n {namespace} edit configmap {name}",),
    rows=("D10",),
    explains=(LOOKUPS, Explains(("DSE001", "DSE002"), "cluster")),
)
NO_UPSTREAM = Code(
    id="DNC005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Corefile without an upstream",
    message="Nothing in the Corefile in ConfigMap {namespace}/{name} answers for names outside the cluster: they all fail",
    fix="If pods should reach names outside the cluster, add 'forward . /etc/resolv.conf' to the server block '.'.{kept}",
    commands=("kubectl -n {namespace} edit configmap {name}",),
    rows=("D10",),
    explains=(Explains(("DNU001",), "cluster"),),
)
UNREADABLE = Code(
    id="DNC006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Corefile that CoreDNS does not take",
    message="CoreDNS does not take the Corefile in ConfigMap {namespace}/{name}: {problem}; servers that restart will not start",
    fix="Mend the Corefile; servers that run go on with the last one they could read.{kept}",
    commands=("kubectl -n {namespace} edit configmap {name}",),
    rows=("D10",),
    explains=(Explains(("DNC002", "DNC008"), "cluster"),),
)
RESTARTING = Code(
    id="DNC008",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="DNS server ended and restarted, or not ready",
    message="DNS pod {namespace}/{name} {why}; {ready} other DNS servers are ready",
    fix="Mend what holds it up: where it has ended, read what it said before; where it was OOMKilled, raise its memory limit.",
    commands=("kubectl -n {namespace} describe pod {name}", "kubectl -n {namespace} logs --previous --tail=20 {name}"),
    rows=("D9",),
)
LOOP = Code(
    id="DNC011",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="DNS server stops itself: its lookups come back to it",
    message="DNS pods {pods} found a loop ({detail}) and ended, as their logs tell: whom they forward to leads back to them",
    fix="The kubelet on {on} gives them a resolv.conf with a stub resolver (127.0.0.53): point its resolvConf to the real one "
    "(systemd-resolved: /run/systemd/resolve/resolv.conf) and recreate the pods; or have the Corefile forward to real ones.",
    commands=(
        "kubectl get --raw /api/v1/nodes/{first}/proxy/configz",
        "kubectl -n {namespace} edit configmap {config}",
        "kubectl -n {namespace} delete pod {pod}",
    ),
    rows=("D3",),
    explains=(Explains(("DNC002", "DNC008"), "cluster"), LOOKUPS, SAME_SERVICE),
)
COMPLAINTS = Code(
    id="DNC012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="DNS servers complain of their upstreams",
    message="In the last hour of the DNS pods' logs: {log}",
    fix="Where pods should reach names outside, see whether the servers' nodes reach that address (UDP and TCP 53; no route may "
    "be a firewall that rejects); in a cluster without a way out this is as it should be.",
    commands=(
        "kubectl -n {namespace} logs --since=1h --prefix -l {selector}",
        "kubectl netdoc explain dns_upstream",
    ),
    rows=("D6", "D9"),
)
PANICKED = Code(
    id="DNC013",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A DNS server panicked within the hour",
    message="DNS pod {namespace}/{name} panicked {count} times within the last hour, as its log tells",
    fix="Each is a lookup that failed, and a bug: read the log, then upgrade CoreDNS or leave out the plugin that it names.",
    commands=("kubectl -n {namespace} logs --since=1h {name} | grep -i -A12 panic",),
    rows=("D9",),
)
SEARCH_CUT = Code(
    id="DNC014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Search domains of pods left out",
    message="{kind} {namespace}/{name}: the kubelet left out search domains beyond its limits for {pods} (short names of "
    "those do not resolve); in force: {applied}",
    fix="Keep to 32 search domains and 2048 characters, 253 a domain: in the pods' dnsConfig and in their nodes' resolv.conf.",
    commands=("kubectl -n {namespace} get pod {first} -o jsonpath='{{.spec.dnsConfig}}'",),
    rows=("D2",),
)
SERVERS_CUT = Code(
    id="DNC015",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nameservers of pods left out",
    message="{kind} {namespace}/{name}: the kubelet left out nameservers beyond the third for {pods}; in force: {applied}",
    fix="A resolver asks three nameservers at most: keep to those in the pods' dnsConfig and in their nodes' resolv.conf.",
    commands=("kubectl -n {namespace} get pod {first} -o jsonpath='{{.spec.dnsConfig}}'",),
)
WRONG_SELECTOR = Code(
    id="DNC017",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The DNS Service selects no DNS server",
    message="Service {namespace}/{name} selects {selector}, which no pod has, while {servers} DNS pods are there with {label}",
    fix="Have it select them.",
    commands=(
        "kubectl -n {namespace} get pods --show-labels -l {label}",
        "kubectl -n {namespace} patch service {name} -p {patch}",
    ),
    rows=("K2",),
    explains=(LOOKUPS, SAME_SERVICE),
)
NO_UDP_PORT = Code(
    id="DNC016",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The DNS Service has no UDP port",
    message="Service {namespace}/{name} has port 53 of TCP alone, and {ready} servers ready behind it: resolvers ask over UDP",
    fix="Give it UDP 53 as well.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
    explains=(LOOKUPS, SAME_SERVICE),
)
NOT_SPREAD = Code(
    id="DNC010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="DNS servers in one place",
    message="{servers} ready DNS server(s) of Service {namespace}/{name}, all on node {on}: that node's end is DNS's end",
    fix="Run at least two and spread them over nodes (topologySpreadConstraints on kubernetes.io/hostname).",
    commands=("kubectl -n {namespace} get pods -o wide -l {selector}",),
    rows=("D9",),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Yield what is wrong with the DNS Service's servers and with their Corefile."""
    cluster = facts.cluster
    dns = cluster_dns.service(cluster)
    if dns is None:
        yield from _without_service(cluster)
        return
    if cluster.readable(POD) and cluster.readable(ENDPOINT_SLICE):
        found = list(_servers(cluster, dns))
        yield from found
        yield from _logs(cluster, dns, troubled=any(item.code in (NO_SERVER.id, RESTARTING.id) for item in found))
    yield from _cut(cluster)
    for cache in (item for item in _corefiles(cluster) if cluster_dns.of_a_cache(item)):
        yield from _corefile(cluster, cache, dns)
    if cluster.readable(COREFILE) and (config := cluster_dns.config(cluster, dns)):
        yield from _corefile(cluster, config, dns)
        if not config.corefile.problem:
            yield from _refused(cluster, config, dns)


def _corefiles(cluster: Cluster) -> tuple[CorefileMap, ...]:
    return cluster.all(COREFILE) if cluster.readable(COREFILE) else ()


def _without_service(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """A Corefile that is kept alone is judged alone; without one there is nothing to ask."""
    manifests = cluster.origin == "manifests"
    kept = _corefiles(cluster) if manifests else ()
    where = "these files" if manifests else f"{cluster.scope}: cluster DNS may be outside the cluster"
    if not kept:
        raise Skip(f"there is no DNS Service in {where}", moot=True)
    for config in kept:
        yield from _corefile(cluster, config, None)
    yield Unseen("the servers of cluster DNS", f"there is no DNS Service in {where}", moot=True)


def _servers(cluster: Cluster, dns: Service) -> Iterator[Finding]:
    subject = Subject("Service", dns.name, dns.namespace)
    ready, pods = cluster_dns.endpoints(cluster, dns), cluster_dns.pods(cluster, dns)
    selector = ",".join(f"{key}={value}" for key, value in dns.spec.selector.items())
    owner = cluster_dns.workload(cluster, dns)
    if not ready and owner and owner[0] is DEPLOYMENT and owner[1].spec.replicas == 0:
        yield SCALED_TO_ZERO.on(subject, workload=_workload(cluster, dns), replicas=0, ready_endpoints=0)
    elif dns.spec.selector and not pods and (astray := _unselected(cluster, dns)):
        label = astray[0].metadata.labels["k8s-app"]
        patch = patches.merge({"spec": {"selector": dict.fromkeys(dns.spec.selector) | {"k8s-app": label}}})
        yield WRONG_SELECTOR.on(subject, servers=len(astray), selector=selector, label=f"k8s-app={label}", patch=patch)
    elif not ready and (over_tcp := _over_tcp_alone(cluster, dns)):
        beside = next(port.target_port for port in dns.spec.ports if port.port == DNS_PORT)
        name = "dns-udp" if any(port.name == "dns" for port in dns.spec.ports) else "dns"
        target = beside if beside and isinstance(beside, int) else DNS_PORT  # a name would be that of a TCP port
        port = {"name": name, "port": DNS_PORT, "protocol": "UDP", "targetPort": target}
        patch = patches.append("/spec/ports", port)
        yield NO_UDP_PORT.on(subject, ready=over_tcp, patch=patch)
    elif not ready and dns.spec.selector and not (pods and all(_may_come(cluster, pod) for pod in pods)):
        told = {"why": dns_pods.why(cluster, pods), "mend": dns_pods.mend(cluster, pods), "nodes": dns_pods.nodes(cluster, pods)}
        look = tuple(dns_pods.commands(cluster, pods))
        yield NO_SERVER.on(subject, told, try_=look, pods=len(pods), selector=selector)
    elif ready:
        yield from _restarting(cluster, pods, [name for name, _, _ in ready])
        on = {pod.spec.node_name for pod in pods if pod.ready}
        if len(on) == 1 and pods:
            yield NOT_SPREAD.on(subject, servers=len(ready), on=min(on), selector=selector)


def _may_come(cluster: Cluster, pod: Pod) -> bool:
    return dns_pods.settling(cluster, pod) and not dns_pods.trouble(cluster, pod)


def _restarting(cluster: Cluster, pods: list[Pod], ready: list[str]) -> Iterator[Finding]:
    """Servers that ail beside ready ones."""
    for pod in pods:
        if why := dns_pods.trouble(cluster, pod):
            on = [pod.spec.node_name] if pod.spec.node_name else []
            look = None if dns_pods.has_run(pod) else RESTARTING.commands[:1]
            others = sum(name != pod.name for name in ready)
            yield RESTARTING.on(Subject("Pod", pod.name, pod.namespace), try_=look, why=why, ready=others, nodes=on)


def _unselected(cluster: Cluster, dns: Service) -> list[Pod]:
    """DNS servers beside a DNS Service that selects none: ready pods with the label by which distributions name theirs."""
    return [
        pod
        for pod in cluster.pods_in(dns.namespace)
        if pod.metadata.labels.get("k8s-app") in cluster_dns.LABELS and pod.ready and not pod.terminating
    ]


def _over_tcp_alone(cluster: Cluster, dns: Service) -> int:
    """How many servers are ready behind a DNS Service that has no port of UDP."""
    if any(port.protocol == "UDP" for port in dns.spec.ports):
        return 0
    return sum(
        bool(endpoint.addresses and endpoint.conditions.ready)
        for item in cluster.slices_of(dns)
        if item.ports
        for endpoint in item.endpoints
    )


def _logs(cluster: Cluster, dns: Service, *, troubled: bool) -> Iterator[Finding | Unseen]:
    """What the servers' logs name as a cause. Where they can't be read, that is told where they might have named one."""
    listing = cluster.listing(DNS_LOG)
    if isinstance(listing, Unavailable):
        if troubled and not listing.by_design:
            yield Unseen("logs of the DNS pods, which may name the cause", listing.reason, listing.grant)
        return
    subject, logs = Subject("Service", dns.name, dns.namespace), cluster_dns.logs(cluster)
    looping = [pod for pod in cluster_dns.pods(cluster, dns) if _cause(logs, pod, "loop")]
    if looping:
        nodes = sorted({pod.spec.node_name for pod in looping})
        detail = _cause(logs, looping[0], "loop")[0].detail
        names = {"pods": [pod.name for pod in looping], "pod": looping[0].name, "detail": detail}
        names["config"] = cluster_dns.config_name(cluster, dns)
        yield LOOP.on(subject, names, on=nodes, nodes=nodes, first=nodes[0])
    for pod in cluster_dns.pods(cluster, dns):
        for cause in _cause(logs, pod, "panic"):
            yield PANICKED.on(Subject("Pod", pod.name, pod.namespace), count=cause.count)
    if log := cluster_dns.logged(cluster, UPSTREAM):
        selector = ",".join(f"{key}={value}" for key, value in dns.spec.selector.items())
        yield COMPLAINTS.on(subject, log=log, selector=selector)


def _refused(cluster: Cluster, config: CorefileMap, dns: Service) -> Iterator[Finding]:
    """A Corefile that reads well and that CoreDNS does not take: a plugin that it lacks, an argument that a plugin refuses.

    Only servers that are not ready count: what a running one logged may be about a Corefile that has been mended since.
    """
    logs = cluster_dns.logs(cluster) if cluster.readable(DNS_LOG) and cluster.readable(POD) else {}
    stopped = [pod for pod in cluster_dns.pods(cluster, dns) if not pod.ready] if logs else []
    for pod in stopped:
        for cause in _cause(logs, pod, "Corefile refused"):
            said = f"{cause.detail}, as the log of DNS pod {pod.name} says"
            yield UNREADABLE.on(_named(config), try_=_edit(config), problem=said, kept=_kept(config))
            return


def _cause(logs: dict[str, DnsLog], pod: Pod, name: str) -> list[Cause]:
    return [cause for cause in logs[pod.name].causes if cause.name == name] if pod.name in logs else []


def _cut(cluster: Cluster) -> Iterator[Finding]:
    """Pods whose resolv.conf the kubelet had to cut within the hour, by their owner."""
    if not (cluster.readable(EVENT) and cluster.readable(POD)):
        return
    cut: dict[tuple[Code, Subject], dict[str, str]] = {}
    for event in cluster.all(EVENT):
        about = event.involved_object
        pod = cluster.get(POD, about.namespace, about.name) if about.kind == "Pod" else None
        if pod is None or event.reason != "DNSConfigForming" or cluster.age(event.last_seen) > RECENT:
            continue
        code = SEARCH_CUT if event.message.startswith("Search Line limits") else SERVERS_CUT
        owner = next((owner for owner in pod.metadata.owner_references if owner.controller), None)
        subject = Subject(owner.kind if owner else "Pod", owner.name if owner else pod.name, pod.namespace)
        cut.setdefault((code, subject), {})[pod.name] = event.message.rpartition(" line is: ")[2]
    for (code, subject), lines in sorted(cut.items(), key=lambda item: (item[0][0].id, item[0][1])):
        names = sorted(lines)
        shown = names if len(names) <= MOST_NAMED else [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
        yield code.on(subject, pods=shown, applied=lines[names[0]], first=names[0])


def _workload(cluster: Cluster, dns: Service) -> str:
    owner = cluster_dns.workload(cluster, dns)
    return f"{owner[0].name.lower()}/{owner[1].name}" if owner else "deployment/coredns"


def _named(config: CorefileMap) -> Subject:
    return Subject("ConfigMap", config.name, config.namespace)


def _kept(config: CorefileMap) -> str:
    """Return a further sentence where somebody writes the ConfigMap who would undo what is edited there; else nothing."""
    labels = config.metadata.labels
    if config.namespace == "openshift-dns":
        return " The DNS operator writes this ConfigMap: change dns.operator/default."
    if labels.get("addonmanager.kubernetes.io/mode") == "Reconcile":
        return (
            "The addon manager writes this ConfigMap and undoes edits: use what it leaves to you (AKS: ConfigMap coredns-custom)."
        )
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return " Helm wrote this ConfigMap: change the chart's values as well (RKE2, k3s: a HelmChartConfig), or it comes back."
    return ""


def _edit(config: CorefileMap, *then: str) -> tuple[str, ...]:
    """Return the command that changes the Corefile, and what follows."""
    operator = config.namespace == "openshift-dns"
    return ("kubectl edit dns.operator/default",) if operator else ("kubectl -n {namespace} edit configmap {name}", *then)


def _corefile(cluster: Cluster, config: CorefileMap, dns: Service | None) -> Iterator[Finding]:
    subject, corefile, kept = _named(config), config.corefile, _kept(config)
    if corefile.problem:
        yield UNREADABLE.on(subject, try_=_edit(config), problem=corefile.problem, kept=kept)
    if corefile.problem or cluster_dns.of_a_cache(config):
        return
    workload = _workload(cluster, dns) if dns else "deployment/coredns"
    restart = _edit(config, "kubectl -n {namespace} rollout restart {workload}")
    for zone, target, itself in _loops(corefile, _own_addresses(cluster, dns) if dns else {}):
        where = {"zone": zone, "target": target, "itself": itself, "workload": workload, "kept": kept}
        yield FORWARDS_TO_ITSELF.on(subject, where, try_=restart)
    plugins = {plugin.name for server in corefile.servers for plugin in server.plugins}
    if not plugins & {"kubernetes", "import"} and not corefile.imports:
        yield NO_KUBERNETES.on(subject, try_=_edit(config), plugins=sorted(plugins), kept=kept)
    if plugins <= NO_RESOLVERS and not corefile.imports:
        yield NO_UPSTREAM.on(subject, try_=_edit(config), plugins=sorted(plugins), kept=kept)


def _own_addresses(cluster: Cluster, dns: Service) -> dict[str, str]:
    """What leads to the servers themselves, addresses and names, and what each is."""
    servers = cluster_dns.endpoints(cluster, dns) if cluster.readable(ENDPOINT_SLICE) else []
    own = {address.ip: f"pod {name}" for name, address, _ in servers}
    own |= dict.fromkeys((dns.spec.cluster_ip, *dns.spec.cluster_ips), f"the ClusterIP of {dns.namespace}/{dns.name} itself")
    name = f"{dns.name}.{dns.namespace}.svc"
    return own | dict.fromkeys((name, f"{name}.{cluster_dns.domain(cluster)}"), f"the name of {dns.namespace}/{dns.name} itself")


def _loops(corefile: Corefile, own: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (zone, target, what it is) of each forward to a server's own address and port."""
    for server in corefile.servers:
        ports = {zone_and_port(zone)[1] for zone in server.zones}
        bound = [address for plugin in server.find("bind") for address in plugin.arguments]
        for plugin in server.find("forward"):
            zone, *targets = plugin.arguments or ("",)
            for target in targets:
                host, port = _host(target)
                if host in own and port == DNS_PORT:
                    yield zone, target, own[host]
                elif port in ports and _loopback(host) and (not bound or host in bound):
                    yield zone, target, "the DNS pod itself (its own loopback)"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(target: str) -> tuple[str, int]:
    """Return the address, or the name, and the port of a forward's target; nothing where it is a file or over TLS."""
    plain = target.removeprefix("dns://")
    if "/" in plain:
        return "", 0
    for host, port in ((plain, "53"), plain.rsplit(":", 1) if ":" in plain else (plain, "53")):
        try:
            return str(ipaddress.ip_address(host.strip("[]"))), int(port)
        except ValueError:
            continue
    name, _, port = plain.partition(":")
    return name.rstrip("."), int(port) if port.isdecimal() else DNS_PORT


check = Check(
    id="dns_config",
    title="Cluster DNS is configured to answer",
    prefix="DNC",
    needs=Needs(kinds=(SERVICE,), optional=(POD, ENDPOINT_SLICE, DEPLOYMENT, DAEMON_SET, COREFILE), hints=(DNS_LOG, EVENT, NODE)),
    codes=(
        SCALED_TO_ZERO,
        NO_SERVER,
        FORWARDS_TO_ITSELF,
        NO_KUBERNETES,
        NO_UPSTREAM,
        UNREADABLE,
        RESTARTING,
        LOOP,
        COMPLAINTS,
        PANICKED,
        SEARCH_CUT,
        SERVERS_CUT,
        NO_UDP_PORT,
        WRONG_SELECTOR,
        NOT_SPREAD,
    ),
    analyse=analyse,
)
