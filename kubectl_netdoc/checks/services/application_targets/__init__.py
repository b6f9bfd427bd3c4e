# SPDX-License-Identifier: Apache-2.0
"""Do applications connect to Services and ports that exist?

## What it looks at
The hosts that the variables and arguments of containers name, as far as they are names of Services: with ``svc`` in them,
NAME.NAMESPACE, or a single word. Each is compared with the Services that exist and with their ports. Of variables and arguments
nothing else is kept: no user, no password, no path, no other value.

## Why it matters
A wrong name or port breaks one workload alone: its lookups end in NXDOMAIN or its connections are refused, while cluster DNS, the
Services and the pods behind them are well for everybody else.

## What it can't see
Whether the application uses the setting, and what it reads from files, from Secrets, from a database or by ``valueFrom``. A name
without ``svc`` may be one outside the cluster; it counts only if it is one typing error from a Service, if a workload of that
name has no Service, or if the Service is in another namespace. What is told to send telemetry may be told in vain: that is
advice. Headless Services have the ports of their pods, so no port of theirs is judged. In manifests only typing errors count, as
others may make the rest.

## Sources
Kubernetes: DNS for Services and Pods; Service (Headless Services; Virtual IPs and Service Proxies: a ClusterIP answers on the
Service's ports only). RFC 3986, 3.2 (authority).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    NAMESPACE,
    OWNERS,
    POD,
    SERVICE,
    Check,
    Facts,
    Finding,
    Needs,
)
from kubectl_netdoc.checks.services.application_targets import findings
from kubectl_netdoc.policy.current_workloads import current_workloads


def analyse(facts: Facts) -> Iterator[Finding]:
    """Judge what each workload is told to connect to."""
    cluster = facts.cluster
    facts.cluster.all(SERVICE)
    for workload in current_workloads(cluster):
        yield from findings.analyse(cluster, workload)


check = Check(
    id="application_targets",
    title="Applications connect to Services and ports that exist",
    prefix="APT",
    needs=Needs(kinds=(POD, SERVICE), hints=(*OWNERS, NAMESPACE, COREFILE)),
    codes=findings.CODES,
    analyse=analyse,
)
