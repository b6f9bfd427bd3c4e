# SPDX-License-Identifier: Apache-2.0
"""Does a controller serve each Ingress?

## What it looks at
The class of each Ingress (spec.ingressClassName, the annotation kubernetes.io/ingress.class, otherwise the default IngressClass)
and the controller of that class: its pods, if it is a controller that netdoc knows and that runs in the cluster. Measured: a TCP
connection from each debug pod to the controller's own Service.

## Why it matters
The API server accepts an Ingress whether a controller serves it or not, and when a controller fails, everything that comes in
through it fails too.

## What it can't see
What is in front of the cluster: DNS, the load balancer. Controllers that run outside of it (GKE, EKS Auto Mode, OpenShift's
routes) or that netdoc does not know: of those only the status of the Ingress. That the controller's Service accepts connections
shows that something listens, and not that it routes requests. Two installations of one controller are taken for one.

## Sources
Kubernetes: Ingress Controllers, IngressClass; https://kubernetes.io/blog/2025/11/11/ingress-nginx-retirement/. Failure catalogue
K2.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NETWORK_KINDS,
    POD,
    SERVICE,
    Check,
    Facts,
    Finding,
    Needs,
    Skip,
    Subject,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.ingress.ingress_controllers import classes, pods, reachability
from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.probes import own_policies as policies


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the class of each Ingress, then each class by its controller."""
    cluster = facts.cluster
    routes = ingress_controllers.ingresses(cluster)
    if not routes:
        raise Skip("there is no Ingress", not_applicable=True)
    if cluster.origin == "manifests":
        raise Skip("manifests do not show which controllers serve Ingresses")
    for route in routes:
        yield from classes.analyse(cluster, route)
    for name in sorted({route.cls for route in routes if route.controller}):
        mine = [route for route in routes if route.cls == name]
        controller = mine[0].controller
        if controller is ingress_controllers.INGRESS_NGINX:
            yield classes.RETIRED.on(Subject("IngressClass", name), ingresses=len(mine))
        if controller is not None and controller.inside:
            yield from pods.analyse(cluster, name, controller, mine)
    yield from reachability.analyse(facts)


check = Check(
    id="ingress_controllers",
    title="Ingresses have a controller that is ready",
    prefix="INC",
    needs=Needs(
        kinds=(INGRESS, SERVICE),
        optional=(INGRESS_CLASS, ENDPOINT_SLICE, POD),
        hints=tuple(dict.fromkeys((DEPLOYMENT, DAEMON_SET, *policies.KINDS, *NETWORK_KINDS))),
        tier=Tier.PODS,
    ),
    codes=(*pods.CODES, *reachability.CODES, *classes.CODES),
    plan=reachability.plan,
    analyse=analyse,
)
