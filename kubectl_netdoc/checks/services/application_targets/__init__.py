# SPDX-License-Identifier: Apache-2.0
"""Do applications connect to Services and ports that exist?

## What it looks at
The hosts that the variables and arguments of containers name, and the ConfigMaps that these mount or take variables from, as far
as they are names of Services: with ``svc`` in them, NAME.NAMESPACE, or a single word. Each is compared with the Services that
exist and with their ports. Of variables, arguments and ConfigMaps nothing else is kept: no user, password, path or other value.

## Why it matters
A wrong name or port breaks one workload alone: its lookups end in NXDOMAIN or its connections are refused, while cluster DNS, the
Services and the pods behind them are well for everybody else.

## What it can't see
Whether the application uses the setting, and what it reads from its image, from Secrets or from a database. Of
ConfigMaps a bounded number is read, one by one; what stands in a file of one is a fault only of workloads that fail. A name
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
    APP_CONFIG,
    COREFILE,
    MOST_CONFIGS,
    NAMESPACE,
    OWNERS,
    POD,
    SERVICE,
    Check,
    Facts,
    Finding,
    Needs,
    Unseen,
)
from kubectl_netdoc.checks.services.application_targets import findings
from kubectl_netdoc.policy.current_workloads import CurrentWorkload, current_workloads


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge what each workload is told by its template, then what ConfigMaps tell those that read them."""
    cluster = facts.cluster
    cluster.all(SERVICE)
    readers: dict[tuple[str, str], list[CurrentWorkload]] = {}
    for workload in current_workloads(cluster):
        yield from findings.of_workload(cluster, workload)
        for name in workload.spec.settings:
            readers.setdefault((workload.subject.namespace, name), []).append(workload)
    if not cluster.readable(APP_CONFIG):
        return
    for config in cluster.all(APP_CONFIG):
        if mine := readers.get((config.namespace, config.name)):
            yield from findings.of_config(cluster, config, mine)
    if cluster.origin == "live" and len(readers) > MOST_CONFIGS:
        yield Unseen(
            "ConfigMaps of applications", f"{MOST_CONFIGS} of {len(readers)} are read, those of pods that are not ready first"
        )


check = Check(
    id="application_targets",
    title="Applications connect to Services and ports that exist",
    prefix="APT",
    needs=Needs(kinds=(POD, SERVICE), hints=(*OWNERS, NAMESPACE, COREFILE, APP_CONFIG)),
    codes=findings.CODES,
    analyse=analyse,
)
