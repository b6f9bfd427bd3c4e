# SPDX-License-Identifier: Apache-2.0
"""Do requests within the cluster go directly where an application has a proxy?

## What it looks at
The variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY of each workload's containers, in capital and small letters, beside the URLs of
Services that its variables and arguments name, and the address of the API server's Service for pods with a service account of
their own. Of a proxy its host and port are kept, no user and no password.

## Why it matters
A request for a Service that NO_PROXY does not spare goes to the proxy, which is outside and neither resolves the cluster's names
nor reaches its addresses: the application gets 403, 502, 503 or no answer, while netdoc's own connections come through.

## What it can't see
Whether the application heeds these variables: many do (Go, curl, Python's requests), some don't (Java, Node.js), so it is a
warning only where the workload fails. Clients read NO_PROXY differently; a host counts as spared if one of them spares it.
Variables that are taken from ConfigMaps and Secrets, and those of a node's container runtime. A proxy that is a Service, a pod or
a node of this cluster is left alone.

## Sources
golang.org/x/net/http/httpproxy (Config: suffixes, leading dots, CIDR, ports); requests, utils.should_bypass_proxies; curl, the
variable no_proxy. Kubernetes: Accessing the API from a Pod (KUBERNETES_SERVICE_HOST is the ClusterIP of Service kubernetes).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    COREFILE,
    NODE,
    OWNERS,
    POD,
    SERVICE,
    Check,
    Cluster,
    Code,
    Container,
    Facts,
    Finding,
    Needs,
    Risk,
    Severity,
    in_any,
    is_address,
    joined,
    some,
)
from kubectl_netdoc.components import cluster_dns, service_names
from kubectl_netdoc.components.address_owners import AddressOwners
from kubectl_netdoc.policy.current_workloads import BEHIND_IT, CurrentWorkload, current_workloads, failing, services_of

SHOWN = 5
"""Hosts that a message names at most."""

PROXIED = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY"}
"""The variable that names the proxy for URLs of a scheme."""

SET = "kubectl -n {namespace} set env {kind_}/{name} -c {container} {variables}"
"""The command that sets variables of a workload's template; its pods are made anew."""

NOT_SPARED = Code(
    id="PRX001",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A failing workload sends requests within the cluster to a proxy",
    message="Container {container} of {kind} {namespace}/{name} has the proxy {proxy}, and NO_PROXY ({direct}) does not spare "
    "{hosts}: requests for them go to the proxy, which is not in the cluster. {trouble}",
    fix="Add {more} to NO_PROXY of the container. A change of the pods' template recreates the pods.",
    rows=("A2",),
    explains=(BEHIND_IT,),
)
MAY_BE_PROXIED = Code(
    id="PRX002",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A workload may send requests within the cluster to a proxy",
    message="Container {container} of {kind} {namespace}/{name} has the proxy {proxy}, and NO_PROXY ({direct}) does not spare "
    "{hosts}",
    fix="There is nothing to do if the application does not heed these variables. Otherwise add {more} to NO_PROXY.",
    rows=("A2",),
)


class Asked(Struct, frozen=True):
    """A host within the cluster that is asked over HTTP, and what in NO_PROXY would spare it."""

    host: str
    scheme: str
    entry: str
    shown: str = ""


def analyse(facts: Facts) -> Iterator[Finding]:
    """Judge each container that has a proxy outside."""
    cluster = facts.cluster
    owners = AddressOwners(cluster)
    for workload in current_workloads(cluster):
        for container in workload.spec.containers:
            if container.proxies.proxies and container.proxies.known:
                yield from _judge(cluster, owners, workload, container)


def _judge(cluster: Cluster, owners: AddressOwners, workload: CurrentWorkload, container: Container) -> Iterator[Finding]:
    outside = {
        p.variable.upper(): p for p in container.proxies.proxies if p.host and not _inside(cluster, owners, workload, p.host)
    }
    asked = [each for each in _asked(cluster, workload, container) if PROXIED[each.scheme] in outside]
    through = [each for each in asked if not spared(each.host, container.proxies.direct)]
    if not through:
        return
    proxy = outside[PROXIED[through[0].scheme]]
    fails = failing(cluster, workload)
    more = list(dict.fromkeys(each.entry for each in through))
    value = ",".join((*container.proxies.direct, *more))
    names = {
        "container": container.name,
        "proxy": f"{proxy.host}:{proxy.port}" if proxy.port else proxy.host,
        "direct": ",".join(container.proxies.direct) or "which is not set",
        "hosts": some((each.shown or each.host for each in through), SHOWN),
        "more": joined(more),
        "trouble": f"{fails[:1].upper()}{fails[1:]}",
        "kind_": workload.subject.kind.lower(),
        "no_proxy": f"NO_PROXY={value}",
        "no_proxy_small": f"no_proxy={value}",
    }
    code = NOT_SPARED if fails else MAY_BE_PROXIED
    commands = (SET.replace("{variables}", "{no_proxy} {no_proxy_small}"),) if fails and workload.patched else None
    yield code.on(workload.subject, names, commands=commands, services=services_of(cluster, workload) if fails else [])


def _inside(cluster: Cluster, owners: AddressOwners, workload: CurrentWorkload, host: str) -> bool:
    """Whether a proxy is in the cluster, or in the pod, and so may know the cluster's names."""
    if is_address(host.strip("[]")):
        return owners.owner(host.strip("[]")) is not None or host.startswith("127.")
    name = service_names.parse(host, workload.subject.namespace, cluster_dns.domain(cluster))
    return host == "localhost" or bool(name and (name.full or cluster.get(SERVICE, name.namespace, name.name)))


def _asked(cluster: Cluster, workload: CurrentWorkload, container: Container) -> Iterator[Asked]:
    """The Services that a container is told to ask over HTTP, and the API server where it has an account of its own."""
    domain = cluster_dns.domain(cluster)
    for target in container.targets:
        name = service_names.parse(target.host, workload.subject.namespace, domain) if target.scheme in PROXIED else None
        service = cluster.get(SERVICE, name.namespace, name.name) if name else None
        if name and service and service.spec.type != "ExternalName":
            entry = target.host if not name.full else ".svc" if target.host.endswith(".svc") else f".{domain}"
            yield Asked(target.host, target.scheme, entry)
    api = cluster.get(SERVICE, "default", "kubernetes")
    if workload.spec.own_account and api and is_address(api.spec.cluster_ip):
        shown = f"{api.spec.cluster_ip} (the API server, which pods with service accounts of their own use)"
        yield Asked(api.spec.cluster_ip, "https", api.spec.cluster_ip, shown)


def spared(host: str, direct: tuple[str, ...]) -> bool:
    """Tell whether a host is asked directly: by the rules of at least one of Go, curl and requests."""
    return any(_spares(entry.lower().removeprefix("*"), host) for entry in direct)


def _spares(entry: str, host: str) -> bool:
    if not entry:
        return True  # * alone
    if is_address(host):
        return in_any(host, [entry]) if "/" in entry or is_address(entry) else entry.partition(":")[0] == host
    return host.endswith(entry.partition(":")[0].lstrip("."))


check = Check(
    id="proxy_variables",
    title="Requests within the cluster do not go to a proxy outside",
    prefix="PRX",
    needs=Needs(kinds=(POD, SERVICE), hints=(*OWNERS, COREFILE, NODE)),
    codes=(NOT_SPARED, MAY_BE_PROXIED),
    analyse=analyse,
)
