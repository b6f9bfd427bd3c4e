# SPDX-License-Identifier: Apache-2.0
"""Load balancers without an address, and addresses from outside that two Services claim."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import Cluster, Code, Finding, ObjectRef, Risk, Service, Severity, Subject, joined
from kubectl_netdoc.checks.services.service_config.readiness import STARTING
from kubectl_netdoc.components import load_balancers

PENDING = Code(
    id="SVC006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Load balancer without an address",
    message="Service {namespace}/{name} of type LoadBalancer has been without an address for {seconds} s: {why}",
    fix="{mend}",
    commands=(load_balancers.DESCRIBE,),
    rows=("K17",),
)
CLAIMED_TWICE = Code(
    id="SVC013",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Two Services claim one address and port",
    message="Services {all} claim the same address and port, {address} {protocol} {port}: only one of them gets the connections",
    fix="Give one of the Services another address or another port.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl get services -A -o wide"),
)


def pending(cluster: Cluster, service: Service, provisioning: timedelta) -> Iterator[Finding]:
    """Judge a Service of type LoadBalancer by whether it has an address."""
    found = load_balancers.pending(cluster, service, provisioning)
    if found is None:
        return
    subject = Subject.of("Service", service)
    if not found.due:
        yield STARTING.on(subject, what="address", why=found.why)
        return
    seconds = int(cluster.age(service.metadata.creation_timestamp).total_seconds())
    yield PENDING.on(subject, commands=found.commands, seconds=seconds, why=found.why, mend=found.mend)


def claimed_twice(cluster: Cluster) -> Iterator[Finding]:
    """Find each address and port that several Services claim; the finding is the youngest Service's."""
    for claim in load_balancers.claimed_twice(cluster):
        every = [ObjectRef.to("Service", service) for service in claim.services]
        numbers = {"address": claim.address, "protocol": claim.protocol, "port": claim.port}
        subject = Subject.of("Service", claim.services[-1])
        yield CLAIMED_TWICE.on(subject, {"all": joined(every)} | numbers, objects=every)


CODES = (PENDING, CLAIMED_TWICE)
