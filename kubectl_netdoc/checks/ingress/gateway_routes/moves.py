# SPDX-License-Identifier: Apache-2.0
"""Hosts that an Ingress and a route serve both: a move from one to the other that is not at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.api import (
    GATEWAY,
    INGRESS,
    Cluster,
    Code,
    Finding,
    Ingress,
    ObjectRef,
    Risk,
    Route,
    Severity,
    Subject,
    some,
)

SHOWN = 4
"""Services that a message names at most."""

HALF_MOVED = Code(
    id="GWR019",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="An Ingress and a route serve one host, and lead to different Services",
    message="{host} is served by Ingress {ingress} at {old}, which leads to {old_services}, and by {kind} {namespace}/{name} at "
    "{new}, which leads to {new_services}: clients get the one whose address DNS tells them",
    fix="Finish the move: bring both to the same Services, point DNS to the Gateway, then delete the Ingress. Or delete the "
    "route.",
    commands=("kubectl get ingresses -A", "kubectl get gateways,httproutes -A"),
)


def analyse(cluster: Cluster, routes: Iterable[tuple[str, Route]]) -> Iterator[Finding]:
    """Report hosts that have an address by an Ingress and another by a route, where both lead to different Services."""
    ingresses = [item for item in cluster.all(INGRESS) if _at(item)] if cluster.readable(INGRESS) else []
    served = {host: (item, names) for item in ingresses for host, names in _of(item).items()}
    told: set[str] = set()
    for kind, route in routes:
        places = _gateways(cluster, route)
        for host, names in _hosts(route.services()).items() if places else ():
            if host in served and host not in told and names != served[host][1] and not places & set(_at(served[host][0])):
                told.add(host)
                item, others = served[host]
                words = {"host": host, "ingress": ObjectRef.to("Ingress", item), "old": _at(item), "new": sorted(places)}
                words |= {"old_services": some(sorted(others), SHOWN), "new_services": some(sorted(names), SHOWN), "kind": kind}
                yield HALF_MOVED.on(Subject.of(kind, route), words)


def _of(ingress: Ingress) -> dict[str, set[str]]:
    return _hosts({(ingress.namespace, name): hosts for name, hosts in ingress.services().items()})


def _hosts(services: dict[tuple[str, str], tuple[str, ...]]) -> dict[str, set[str]]:
    """Return the Services by host, of hosts with a name."""
    found: dict[str, set[str]] = {}
    for (namespace, name), hosts in services.items():
        for host in hosts:
            if host and host != "*":
                found.setdefault(host, set()).add(f"{namespace}/{name}")
    return found


def _at(item: Ingress) -> list[str]:
    """Return the addresses that a controller has given an Ingress."""
    return sorted(each.ip or each.hostname for each in item.status.load_balancer.ingress)


def _gateways(cluster: Cluster, route: Route) -> set[str]:
    """Return the addresses of the Gateways that a route is attached to."""
    named = {parent.parent(route.namespace)[1:] for parent in route.spec.parent_refs if parent.kind in ("", "Gateway")}
    gates = [cluster.get(GATEWAY, *pair) for pair in named] if cluster.readable(GATEWAY) else []
    return {address.value for gate in gates if gate for address in gate.status.addresses}


CODES = (HALF_MOVED,)
