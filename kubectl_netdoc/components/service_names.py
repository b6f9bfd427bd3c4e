# SPDX-License-Identifier: Apache-2.0
"""Names that cluster DNS has: which Service, or which pod of a headless one, a host name means to pods of a namespace."""

from __future__ import annotations

from msgspec import Struct


class ServiceName(Struct, frozen=True):
    """What a name means, if it is a Service's. ``pod``: the pod's name before it; ``full``: it says ``svc``, so it is no other
    name; ``labels``: how many labels name the Service: without ``svc`` one is a name in the pod's own namespace.
    """

    namespace: str
    name: str
    pod: str = ""
    full: bool = False
    labels: int = 1


def parse(host: str, namespace: str, domain: str) -> ServiceName | None:
    """Return what a host name means to pods of a namespace, in a cluster of that domain; None where it is no Service's name.

    A name with ``svc`` in another domain is another cluster's (clusterset.local: any of a set, Multi-Cluster Services API).
    """
    labels, own = host.rstrip(".").lower().split("."), domain.split(".")
    within = labels[-len(own) :] == own
    rest = labels[: -len(own)] if within else labels
    full = rest[-1:] == ["svc"]
    rest = rest[:-1] if full else rest
    while rest and rest[0].startswith("_"):  # the port and protocol of an SRV record
        rest = rest[1:]
    if (within and not full) or not 1 + full <= len(rest) <= 3 or "" in rest:
        return None
    space = rest[-1] if len(rest) > 1 else namespace
    name = rest[-2] if len(rest) > 1 else rest[0]
    return ServiceName(space, name, pod=rest[0] if len(rest) == 3 else "", full=full, labels=min(len(rest), 2))
