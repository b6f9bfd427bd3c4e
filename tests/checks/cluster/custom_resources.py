# SPDX-License-Identifier: Apache-2.0
"""Cases of custom_resources."""

from __future__ import annotations

from kubectl_netdoc.api import DEFINITION, ROUTES, Grant, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, make_cluster, make_gateway_object

TCP = next(kind for kind in ROUTES if kind.name == "TCPRoute")


def _definition(stored: str, served: str = "v1", kind: str = "TCPRoute", group: str = "gateway.networking.k8s.io") -> Built:
    versions = [{"name": each, "served": each in served.split()} for each in ("v1", "v1alpha2")]
    raw = {
        "metadata": {"name": f"{kind.lower()}s.{group}"},
        "spec": {"group": group, "names": {"kind": kind}, "versions": versions},
        "status": {"storedVersions": stored.split()},
    }
    return DEFINITION, convert(DEFINITION, raw)


LEFT = ("CRS001", "CustomResourceDefinition tcproutes.gateway.networking.k8s.io")
ROUTE = make_gateway_object(TCP, "db", "spec: {parentRefs: [{name: gate}]}")

CASES = [
    Case("nothing defined", make_cluster()),
    Case("stored as it is served", make_cluster(_definition("v1"))),
    Case("an old version, which is served", make_cluster(_definition("v1alpha2 v1", "v1 v1alpha2"))),
    Case("an old version, no longer served", make_cluster(_definition("v1alpha2 v1"), ROUTE), frozenset({LEFT})),
    Case("none is served", make_cluster(_definition("v1alpha2", ""))),
    Case("of what netdoc does not read", make_cluster(_definition("v1alpha2 v1", kind="Widget", group="example.org"))),
    Case(
        "routes can't be read",
        make_cluster(
            _definition("v1alpha2 v1"), unavailable={TCP: Unavailable("forbidden", Grant("list", TCP.plural, TCP.group))}
        ),
        frozenset({LEFT}),
    ),
    Case(
        "definitions can't be read",
        make_cluster(unavailable={DEFINITION: Unavailable("forbidden", Grant("list", DEFINITION.plural, DEFINITION.group))}),
        state="skipped",
    ),
]
