# SPDX-License-Identifier: Apache-2.0
"""Ingresses without a class, of a class that does not exist or is retired, or without an address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import INGRESS_CLASS, SETTLING, Cluster, Code, Finding, Risk, Severity, Subject, patches, typo
from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.components.ingress_controllers import Classed

ADDRESS = timedelta(minutes=5)
"""Load balancers of clouds take some minutes for an Ingress; one without an address after that may get none."""

LOOK = ("kubectl get ingressclasses", "kubectl -n {namespace} get ingress {name} -o yaml")

NO_CLASS = Code(
    id="INC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress of a class that does not exist",
    message="Ingress {namespace}/{name} names IngressClass {cls}, which does not exist (existing classes: {there}). It has no "
    "address, so no controller handles it",
    fix="Name a class that exists, or install the controller of this one.",
    commands=("kubectl get ingressclasses", "kubectl -n {namespace} patch ingress {name} --type merge -p {patch}"),
)
CLASSLESS = Code(
    id="INC005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Ingress without a class",
    message="Ingress {namespace}/{name} names no class, no IngressClass is the default one, and the Ingress has no address: most "
    "controllers ignore such an Ingress (existing classes: {there})",
    fix="Set spec.ingressClassName to the class whose controller should serve it. Mind whether that controller serves internal "
    "clients or the internet.",
    commands=LOOK,
)
NO_ADDRESS = Code(
    id="INC020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Ingress without an address",
    message="Ingress {namespace}/{name} (class {cls}) has no address after {minutes} minutes",
    fix="There is nothing to do if the controller writes no addresses (Traefik and NGINX write them only if configured to). "
    "Otherwise see whether the controller handles this Ingress.",
    commands=("kubectl -n {namespace} describe ingress {name}",),
)
RETIRED = Code(
    id="INC021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="ingress-nginx is retired",
    message="IngressClass {name} (Ingresses: {ingresses}) belongs to ingress-nginx, which has had no releases and no security "
    "fixes since March 2026",
    fix="Move to the Gateway API or to another controller: https://kubernetes.io/blog/2025/11/11/ingress-nginx-retirement/",
    commands=("kubectl get pods -A -l app.kubernetes.io/name=ingress-nginx",),
)


def analyse(cluster: Cluster, route: Classed) -> Iterator[Finding]:
    """Judge the class of an Ingress without an address; one with an address has a controller, whatever its class."""
    age = cluster.age(route.ingress.metadata.creation_timestamp)
    if route.addressed or age < SETTLING or not cluster.readable(INGRESS_CLASS):
        return
    there, subject = sorted(item.name for item in cluster.all(INGRESS_CLASS)), Subject.of("Ingress", route.ingress)
    if route.ingress.spec.ingress_class_name and route.found is None:
        meant = typo(route.cls, there)
        patch = patches.merge({"spec": {"ingressClassName": meant}}) if meant else ""
        yield NO_CLASS.on(subject, commands=None if meant else LOOK, cls=route.cls, there=there or ["none"], patch=patch)
    elif not (route.cls or _serves_classless(cluster)) and age > ADDRESS:
        yield CLASSLESS.on(subject, there=there or ["none"])
    elif age > ADDRESS:
        yield NO_ADDRESS.on(subject, cls=route.cls or "none", minutes=int(age.total_seconds() // 60))


def _serves_classless(cluster: Cluster) -> bool:
    """Whether a controller of this cluster serves Ingresses without a class; it may write no address."""
    known = (ingress_controllers.by_class(item.spec.controller) for item in cluster.all(INGRESS_CLASS))
    return any(controller is not None and controller.classless for controller in known)


CODES = (NO_CLASS, CLASSLESS, NO_ADDRESS, RETIRED)
