# SPDX-License-Identifier: Apache-2.0
"""Addresses of Services that are written so that not all programs read them alike."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import versions
from kubectl_netdoc.api import Code, Explains, Finding, Risk, Service, Severity, Subject, joined, odd

STRICT = versions.change("strict-addresses")["refused"]

ODD = Code(
    id="SVC028",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A Service's address that not all programs read alike",
    message="Service {namespace}/{name} has the address {written}. kube-proxy reads it as Kubernetes does; CoreDNS takes an "
    "address with leading zeros for a name and answers with that, and the C library takes such parts for octal numbers",
    fix="Recreate the Service with the address written as {meant}: it can't be changed in place. API servers refuse the other "
    f"form from Kubernetes {STRICT} on, and keep the Services that have it.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    explains=(Explains(("DNR002",), "subject"),),
)


def analyse(service: Service) -> Iterator[Finding]:
    """Report the addresses of a Service that not all programs read alike."""
    if written := service.spec.written:
        shown = joined(f"{text} (to Kubernetes {odd(text)})" for text in written)
        yield ODD.on(Subject.of("Service", service), written=shown, meant=joined(map(odd, written)))


CODES = (ODD,)
