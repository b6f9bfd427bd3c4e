# SPDX-License-Identifier: Apache-2.0
"""What the API server calls: admission and conversion webhooks, and aggregated APIs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Subject
from kubectl_netdoc.formats import text
from kubectl_netdoc.records.api_extensions import (
    API_SERVICE,
    DEFINITION,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    Called,
    CalledService,
    Webhook,
    WebhookRule,
)
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NAMESPACE, POD
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.policies import LabelSelector

KINDS: tuple[Kind[Any], ...] = (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS, API_SERVICE, DEFINITION)

NAMESPACED = frozenset(
    {
        *("pods", "services", "endpoints", "endpointslices", "configmaps", "secrets", "serviceaccounts", "events", "leases"),
        *("deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs", "cronjobs"),
        *("ingresses", "networkpolicies", "roles", "rolebindings", "persistentvolumeclaims", "poddisruptionbudgets"),
    }
)
"""Kubernetes' own namespaced resources. For custom ones the rule must say so (``scope: Namespaced``)."""

NEW = {"kubernetes.io/metadata.name": "netdoc"}
"""The labels of a namespace that was just created, such as that of netdoc's run."""

KONNECTIVITY = "konnectivity-agent"
KONNECTIVITY_LABELS = ("k8s-app", "app")
"""The name of the konnectivity agents' workload, and the value of their label: ``k8s-app`` (upstream, GKE) or ``app`` (AKS,
OpenShift's hosted control planes, IBM Cloud)."""

API_SERVER = ("component", "kube-apiserver")
"""The label of kubeadm's static pods of the API server, and of those of kops and RKE2."""

SHOWN = 3
"""Most things that a list in a sentence shows."""


class Caller(Struct, frozen=True):
    """One reason for the API server to call a Service: an object, its requests, and what happens without an answer.

    ``strict``: without an answer the request fails. ``idle``: no existing object is concerned. ``slices``: every
    EndpointSlice of a new namespace is.
    """

    subject: Subject
    called: Called
    asked: str
    webhook: str = ""
    strict: bool = True
    idle: bool = False
    slices: bool = False


def konnectivity_agents(cluster: Cluster) -> list[Pod]:
    """Return the konnectivity agents, through which some API servers reach nodes, pods and Services."""
    pods = cluster.pods_in("kube-system")
    return [pod for pod in pods if any(pod.metadata.labels.get(label) == KONNECTIVITY for label in KONNECTIVITY_LABELS)]


def calling_pods(cluster: Cluster) -> list[Pod]:
    """Return the pods that the API server's calls come from: konnectivity agents, otherwise the API servers; [] if not known."""
    if not cluster.readable(POD):
        return []
    key, value = API_SERVER
    servers = [pod for pod in cluster.pods_in("kube-system") if pod.metadata.labels.get(key) == value]
    return [pod for pod in konnectivity_agents(cluster) or servers if not pod.finished]


def callers(cluster: Cluster) -> Iterator[Caller]:
    """Yield all callers, of the kinds that could be read."""
    for kind in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):
        for item in cluster.all(kind) if cluster.readable(kind) else ():
            yield from (_of_webhook(cluster, Subject(kind.name, item.name), hook) for hook in item.webhooks)
    for definition in cluster.all(DEFINITION) if cluster.readable(DEFINITION) else ():
        if definition.called != Called():
            subject = Subject(DEFINITION.name, definition.name)
            yield Caller(subject, definition.called, f"{definition.name} in versions that are not stored")
    for api in cluster.all(API_SERVICE) if cluster.readable(API_SERVICE) else ():
        if api.called.service:
            yield Caller(Subject(API_SERVICE.name, api.name), api.called, f"all of API {api.name}")


def by_service(found: Iterable[Caller]) -> dict[CalledService, list[Caller]]:
    """Return callers by the Service and port that they call."""
    groups: dict[CalledService, list[Caller]] = {}
    for caller in found:
        if caller.called.service:
            groups.setdefault(caller.called.service, []).append(caller)
    return groups


def _of_webhook(cluster: Cluster, subject: Subject, hook: Webhook) -> Caller:
    idle = bool(hook.rules) and all(map(_only_namespaced, hook.rules)) and _no_namespace(cluster, hook.namespace_selector)
    some_only = hook.object_selector != LabelSelector()
    asked = _asked(hook.rules, " that its objectSelector selects" if some_only else "")
    slices = not some_only and selects(hook.namespace_selector, NEW) and any(map(_of_slices, hook.rules))
    return Caller(subject, hook.called, asked, hook.name, hook.failure_policy != "Ignore", idle, slices)


def _of_slices(rule: WebhookRule) -> bool:
    return all(
        {"*", name} & set(named)
        for name, named in (
            ("CREATE", rule.operations),
            ("discovery.k8s.io", rule.api_groups),
            ("endpointslices", rule.resources),
        )
    )


def _only_namespaced(rule: WebhookRule) -> bool:
    known = all(resource.partition("/")[0] in NAMESPACED for resource in rule.resources)
    return rule.scope == "Namespaced" or (bool(rule.resources) and known)


def _no_namespace(cluster: Cluster, wanted: LabelSelector) -> bool:
    spaces = cluster.all(NAMESPACE) if cluster.readable(NAMESPACE) else ()
    return bool(spaces) and not any(selects(wanted, space.metadata.labels) for space in spaces)


def _asked(rules: Iterable[WebhookRule], which: str) -> str:
    """Return the requests that a webhook's rules select, as text such as "CREATE of pods"."""
    by_operation: dict[str, dict[str, None]] = {}
    for rule in rules:
        verbs = "every request" if "*" in rule.operations else ", ".join(rule.operations)
        groups = {"" if group in ("", "*") else f".{group}" for group in rule.api_groups}
        what = ["everything" if name == "*" else name + (min(groups) if groups else "") for name in rule.resources]
        by_operation.setdefault(verbs, {}).update(dict.fromkeys(what))
    return "; ".join(f"{verbs} of {some(what)}{which}" for verbs, what in by_operation.items()) or "nothing"


def some(names: Iterable[str]) -> str:
    """Return the first few names of a list, each once."""
    return text.some(dict.fromkeys(names), SHOWN)


def asked(found: Iterable[Caller]) -> str:
    """Return the requests that several callers concern, as text."""
    return some(chain.from_iterable(caller.asked.split("; ") for caller in found))
