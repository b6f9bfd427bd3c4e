# SPDX-License-Identifier: Apache-2.0
"""The Corefile: whether CoreDNS accepts it, serves the cluster's names, and forwards other names to another server."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    SERVICE,
    Cluster,
    Code,
    Corefile,
    CorefileMap,
    Explains,
    Finding,
    Risk,
    Service,
    Severity,
    Subject,
    ip_address,
    is_plain,
    left_open,
    zone_and_port,
)
from kubectl_netdoc.components import cluster_dns, coredns_plugins
from kubectl_netdoc.components.cluster_dns import DEFAULT_FORWARD, LOOKUPS_FAIL, PORT, WRONG_NAMES

NO_RESOLVERS = frozenset(
    {
        *("root", "metadata", "geoip", "cancel", "tls", "timeouts", "multisocket", "reload", "nsid", "bufsize", "bind", "debug"),
        *("trace", "ready", "health", "pprof", "prometheus", "errors", "log", "dnstap", "local", "dns64", "acl", "any", "chaos"),
        *("loadbalance", "tsig", "cache", "rewrite", "header", "dnssec", "autopath", "minimal", "transfer", "k8s_external"),
        *("kubernetes", "loop", "whoami", "on", "sign", "view"),
    }
)
"""CoreDNS's plugins that resolve no name outside the cluster (plugin.cfg); any other plugin may."""

EDIT = "kubectl -n {namespace} edit configmap {name}"

FORWARDS_TO_ITSELF = Code(
    id="DNC003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The Corefile forwards to cluster DNS itself",
    message="The Corefile in ConfigMap {namespace}/{name} forwards {zone} to {target}, which is {itself}: these lookups loop "
    "and fail",
    fix=f"Change the Corefile so that it forwards to resolvers outside the cluster (kubeadm's default: '{DEFAULT_FORWARD}'), "
    f"then restart the DNS servers.{{kept}}",
    commands=(EDIT, "kubectl -n {namespace} rollout restart {workload}"),
    rows=("D3", "D10"),
    explains=(Explains(("DNC002", "DNC008", "DNC011", "DNM001", "DNU001", "DNU003"), "cluster"),),
)
NO_KUBERNETES = Code(
    id="DNC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The Corefile lacks the plugin kubernetes",
    message="No server block of the Corefile in ConfigMap {namespace}/{name} has the plugin kubernetes: names of Services do "
    "not resolve",
    fix="Add the plugin kubernetes again (kubeadm's line: 'kubernetes cluster.local in-addr.arpa ip6.arpa').{kept}",
    commands=(EDIT,),
    rows=("D10",),
    explains=(LOOKUPS_FAIL, Explains((*WRONG_NAMES, "DSE001", "DSE002"), "cluster")),
)
NO_UPSTREAM = Code(
    id="DNC005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The Corefile has no upstream resolver",
    message="No plugin in the Corefile in ConfigMap {namespace}/{name} resolves names outside the cluster: all lookups of such "
    "names fail",
    fix=f"If pods should resolve names outside the cluster, add '{DEFAULT_FORWARD}' to the server block '.'.{{kept}}",
    commands=(EDIT,),
    rows=("D10",),
    explains=(Explains(("DNU001",), "cluster"),),
)
UNREADABLE = Code(
    id="DNC006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="CoreDNS rejects the Corefile",
    message="CoreDNS rejects the Corefile in ConfigMap {namespace}/{name}: {problem}. DNS servers that restart will not start",
    fix="Correct the Corefile. {how}Servers that are running keep the last version that they could read.{kept}",
    commands=(EDIT,),
    rows=("D10",),
    explains=(Explains(("DNC002", "DNC008"), "cluster"),),
)


def analyse(cluster: Cluster, config: CorefileMap, dns: Service | None) -> Iterator[Finding]:
    """Judge one Corefile as written; of NodeLocal DNSCache's only whether it can be parsed."""
    subject, corefile, kept = Subject.of("ConfigMap", config), config.corefile, overwritten_by(config)
    if corefile.problem:
        yield UNREADABLE.on(subject, commands=edit(config), problem=corefile.problem, kept=kept, how="")
    if corefile.problem or cluster_dns.of_node_cache(config):
        return
    yield from _loops(cluster, config, dns)
    plugins = {plugin.name for server in corefile.servers for plugin in server.plugins}
    if not plugins & {"kubernetes", "import"} and not corefile.imports:
        yield NO_KUBERNETES.on(subject, commands=edit(config), plugins=sorted(plugins), kept=kept)
    if plugins <= NO_RESOLVERS and not corefile.imports:
        yield NO_UPSTREAM.on(subject, commands=edit(config), plugins=sorted(plugins), kept=kept)


def overwritten_by(config: CorefileMap) -> str:
    """Return a further sentence of the fix if something would undo an edit of the ConfigMap; else ""."""
    labels = config.metadata.labels
    if config.namespace == "openshift-dns":
        return " The DNS operator writes this ConfigMap: change dns.operator/default instead."
    if labels.get("addonmanager.kubernetes.io/mode") == "Reconcile":
        return (
            " The addon manager writes this ConfigMap and undoes edits: change what it leaves to you (AKS: ConfigMap "
            "coredns-custom)."
        )
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return " Helm wrote this ConfigMap: change the chart's values as well (RKE2, k3s: a HelmChartConfig), or it comes back."
    return ""


def edit(config: CorefileMap, *then: str) -> tuple[str, ...]:
    """Return the command that changes the Corefile, and those that follow it."""
    operator = config.namespace == "openshift-dns"
    return ("kubectl edit dns.operator/default",) if operator else (EDIT, *then)


_NAME = re.compile(r"(?=.*[a-z])[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class _Itself(Struct, frozen=True):
    """What an address or a name of cluster DNS belongs to, and its object."""

    text: str
    subject: Subject | None = None


def _loops(cluster: Cluster, config: CorefileMap, dns: Service | None) -> Iterator[Finding]:
    """Report each forward to cluster DNS itself."""
    owner = cluster_dns.workload(cluster, dns) if dns else None
    workload = f"{owner[0].name.lower()}/{owner[1].name}" if owner else "deployment/coredns"
    objects = [Subject.of(owner[0].name, owner[1])] if owner else []
    commands = edit(config, *FORWARDS_TO_ITSELF.commands[1:])
    refused = (
        named_upstreams(config.corefile)
        if dns and coredns_plugins.all_before(cluster, dns, coredns_plugins.FORWARD_NAMES)
        else []
    )
    for zone, target, itself in _forwards_to_itself(config.corefile, _own_addresses(cluster, dns) if dns else {}):
        if target in refused:  # it does not start
            continue
        names = {"zone": zone, "target": target, "itself": itself.text, "workload": workload, "kept": overwritten_by(config)}
        about = [*objects, *([itself.subject] if itself.subject else [])]
        yield FORWARDS_TO_ITSELF.on(Subject.of("ConfigMap", config), names, commands=commands, objects=about)


def _own_addresses(cluster: Cluster, dns: Service) -> dict[str, _Itself]:
    """Return the addresses and names of the servers, of the Services that lead to them, and of aliases of those."""
    servers = cluster_dns.endpoints(cluster, dns) if cluster.readable(ENDPOINT_SLICE) else []
    own = {address.ip: _Itself(f"DNS pod {name}", Subject("Pod", name, dns.namespace)) for name, address, _ in servers}
    services, domain = cluster.all(SERVICE), cluster_dns.domain(cluster)
    same = [each for each in services if each.namespace == dns.namespace and each.spec.selector == dns.spec.selector != {}]
    for service in (*same, dns):
        subject = Subject.of("Service", service)
        addresses = filter(is_plain, (service.spec.cluster_ip, *service.spec.cluster_ips))
        own |= dict.fromkeys(addresses, _Itself(f"the ClusterIP of {subject}", subject))
        own |= dict.fromkeys(_names(service, domain), _Itself(f"the name of {subject}", subject))
    for alias in services:
        if alias.spec.type == "ExternalName" and (itself := own.get(alias.spec.external_name.rstrip("."))):
            subject = Subject.of("Service", alias)
            own |= dict.fromkeys(_names(alias, domain), _Itself(f"{subject}, an alias of {itself.text}", subject))
    return own


def _names(service: Service, domain: str) -> tuple[str, str]:
    name = f"{service.name}.{service.namespace}.svc"
    return name, f"{name}.{domain}"


def _forwards_to_itself(corefile: Corefile, own: dict[str, _Itself]) -> Iterator[tuple[str, str, _Itself]]:
    """Yield (zone, target, what it is) of each forward to a server's own address and port."""
    for server in corefile.servers:
        ports = {zone_and_port(zone)[1] for zone in server.zones}
        bound = [address for plugin in server.find("bind") for address in plugin.arguments]
        for plugin in server.find("forward"):
            zone, *targets = plugin.arguments or ("",)
            for target in targets:
                host, port = _host(target)
                if host in own and port == PORT:
                    yield zone, target, own[host]
                elif port in ports and _loopback(host) and (not bound or host in bound):
                    yield zone, target, _Itself("the loopback address of the DNS pod itself")


def _loopback(host: str) -> bool:
    return is_plain(host) and ip_address(host).is_loopback


def _host(target: str) -> tuple[str, int]:
    """Return the address or name and the port of a forward's target; "" and 0 if it is a file or over TLS."""
    plain = target.removeprefix("dns://")
    if "/" in plain:
        return "", 0
    for host, port in ((plain, str(PORT)), plain.rsplit(":", 1) if ":" in plain else (plain, str(PORT))):
        if is_plain(host.strip("[]")) and port.isdecimal():
            return str(ip_address(host.strip("[]"))), int(port)
    name, _, port = plain.partition(":")
    return name.rstrip(".").lower(), int(port) if port.isdecimal() else PORT


def named_upstreams(corefile: Corefile) -> list[str]:
    """Return the targets of forward that are names: no files, and nothing that the environment fills in."""
    targets = [target for plugin in corefile.plugins("forward") for target in plugin.arguments[1:] if not left_open(target)]
    hosts = ((target, _host(target.removeprefix("tls://"))[0]) for target in targets)
    return [target for target, host in hosts if _NAME.fullmatch(host) and not is_plain(host)]


CODES = (FORWARDS_TO_ITSELF, NO_KUBERNETES, NO_UPSTREAM, UNREADABLE)
