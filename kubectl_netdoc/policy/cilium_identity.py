# SPDX-License-Identifier: Apache-2.0
"""Whom Cilium's selectors select: pods by the labels that Cilium gives them, and what is no pod.

Sources: cilium/cilium, pkg/k8s/apis/cilium.io/utils/utils.go (which namespace a selector is for), pkg/labels (sources of labels),
pkg/labelsfilter/filter.go (labels of pods that are left out), pkg/policy/api/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from kubectl_netdoc.policy.selection import ACCOUNT_LABEL, PodSelection, PodSet, chosen
from kubectl_netdoc.records.policies import LabelSelector

SPACE = "io.kubernetes.pod.namespace"
OF_SPACE = "io.cilium.k8s.namespace.labels."
ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
CLUSTER = "io.cilium.k8s.policy.cluster"
RESERVED = "reserved:"

KEPT = re.compile(r"io\.kubernetes\.pod\.namespace|io\.cilium\.k8s\.namespace\.labels|app\.kubernetes\.io")
LEFT_OUT = re.compile(
    r"io\.kubernetes|kubernetes\.io|.*beta\.kubernetes\.io|k8s\.io|pod-template-generation|pod-template-hash"
    r"|controller-revision-hash|annotation|controller-uid|etcd_node|statefulset\.kubernetes\.io/pod-name"
    r"|apps\.kubernetes\.io/pod-index|batch\.kubernetes\.io/(?:job-completion-index|controller-uid)"
)
"""Labels that pods have and that Cilium does not look at, unless its setting ``labels`` says otherwise; by their beginnings."""


def canonical(key: str) -> str:
    """Return a label's key without its source, but for ``reserved:``; raises ``ValueError`` for other sources."""
    source, colon, rest = key.partition(":")
    if not colon or source == "reserved":
        return key
    if source not in ("any", "k8s"):
        raise ValueError(f"it selects by labels of source {source}")
    return rest


def keys(selector: LabelSelector) -> Iterator[str]:
    """Yield the keys of the labels that a selector needs, in their canonical form."""
    yield from map(canonical, (*selector.match_labels, *(each.key for each in selector.match_expressions)))


def mentioned(selector: LabelSelector) -> Iterator[str]:
    """Yield the labels of pods that a selector looks at."""
    for key in keys(selector):
        if key == ACCOUNT:
            yield ACCOUNT_LABEL
        elif key not in (SPACE, CLUSTER) and not key.startswith((OF_SPACE, RESERVED)):
            yield key


def in_any_namespace(selector: LabelSelector) -> LabelSelector:
    """Return the selector of a namespaced policy's own pods without a namespace: it is always the policy's."""
    return replace(selector, match_labels={key: value for key, value in selector.match_labels.items() if key != f"k8s:{SPACE}"})


class Endpoints:
    """All classes of pods that Cilium manages, by the labels that it gives them; those on the host network are their node."""

    def __init__(self, selection: PodSelection, cluster_name: str | None) -> None:
        self.selection, self.cluster_name = selection, cluster_name

    @property
    def all(self) -> PodSet:
        """All classes."""
        return self.selection.by_label.all & ~self.selection.host_network

    def equal(self, key: str, value: str) -> PodSet:
        """Return the classes with this value of a label."""
        key = canonical(key)
        if key == SPACE:
            return self.selection.in_namespace(value)
        if key.startswith(OF_SPACE):
            return self.selection.of_namespaces(self.selection.namespaces_by_label.equal(key.removeprefix(OF_SPACE), value))
        if key == CLUSTER:
            if self.cluster_name is None:
                raise ValueError("it selects by the cluster's name, which is not known")
            return self.all if value == self.cluster_name else 0
        return self.selection.by_label.equal(key, value) if (key := _of_pods(key)) else 0

    def present(self, key: str) -> PodSet:
        """Return the classes that have a label."""
        key = canonical(key)
        if key in (SPACE, CLUSTER):
            return self.all
        if key.startswith(OF_SPACE):
            return self.selection.of_namespaces(self.selection.namespaces_by_label.present(key.removeprefix(OF_SPACE)))
        return self.selection.by_label.present(key) if (key := _of_pods(key)) else 0

    def values(self, key: str) -> Iterable[str]:
        """Return the values that a label has."""
        return self.selection.by_label.values(canonical(key))


def _of_pods(key: str) -> str:
    """Return the label of pods with a key; "" for one that no pod has."""
    if key == ACCOUNT:
        return ACCOUNT_LABEL
    return "" if key.startswith(RESERVED) or (LEFT_OUT.match(key) and not KEPT.match(key)) else key


class Unlabelled:
    """What is no pod: it has none of the labels of pods. A set of it is 1 or 0."""

    all = 1

    def equal(self, key: str, value: str) -> int:
        """Return 0."""
        return 0

    def present(self, key: str) -> int:
        """Return 0."""
        return 0

    def values(self, key: str) -> Iterable[str]:
        """Return nothing."""
        return ()


def selects_unlabelled(selector: LabelSelector) -> bool:
    """Tell whether a selector without a namespace selects nodes and addresses too: one that only excludes does."""
    return bool(chosen(Unlabelled(), selector))


def reserved(selector: LabelSelector) -> str | None:
    """Return the entity that a selector by reserved labels means, None for other selectors; raises ``ValueError``."""
    names = [key.removeprefix(RESERVED) for key in keys(selector) if key.startswith(RESERVED)]
    if not names:
        return None
    if len(selector.match_labels) != 1 or selector.match_expressions or any(selector.match_labels.values()):
        raise ValueError("it selects by several labels, reserved ones among them")
    return names[0]
