# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps of applications, of which only the hosts that they name are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kubectl_netdoc.formats import host_references
from kubectl_netdoc.records.base import Kind, Object, ObjectMeta
from kubectl_netdoc.records.cni import NETWORK_CONFIG, RawConfigMap
from kubectl_netdoc.records.container_settings import Target, target
from kubectl_netdoc.records.pods import Pod

MOST = 100
"""Most ConfigMaps of applications that are read; each takes one request."""

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Namespaces whose ConfigMaps are the cluster's own, of which others read what is needed."""

ROOT = "kube-root-ca.crt"

OF_NETWORKS = frozenset(NETWORK_CONFIG.names)
"""ConfigMaps of networks elsewhere, which are read as such."""


class AppConfig(Object, frozen=True):
    """What a ConfigMap tells applications of hosts."""

    targets: tuple[Target, ...] = ()


def app_config(raw: RawConfigMap) -> AppConfig:
    """Return what is kept of a ConfigMap."""
    lines = {key: value for key, value in raw.data.items() if "\n" not in value.strip()}
    named = [target(ref, f"key {ref.setting}") for ref in host_references.of_settings(lines)]
    for key in raw.data.keys() - lines.keys():
        named += [target(ref, f"key {key}", in_file=True) for ref in host_references.of_file(raw.data[key])]
    metadata = ObjectMeta(name=raw.metadata.name, namespace=raw.metadata.namespace)
    return AppConfig(metadata=metadata, targets=tuple(named)[: host_references.MOST])


def app_configs(objects: Mapping[str, Iterable[Any]]) -> tuple[tuple[str, str], ...]:
    """Return (namespace, name) of the ConfigMaps that pods read, those of pods that are not ready first, at most ``MOST``."""
    pods = [pod for pod in objects.get("Pod", ()) if isinstance(pod, Pod) and not pod.finished]
    return tuple(dict.fromkeys(_named(sorted(pods, key=lambda pod: pod.ready))))[:MOST]


def _named(pods: Iterable[Pod]) -> Iterator[tuple[str, str]]:
    for pod in pods:
        if pod.namespace not in SYSTEM:
            named = ((pod.namespace, name) for name in pod.spec.settings if name != ROOT)
            yield from (each for each in named if each not in OF_NETWORKS)


APP_CONFIG = Kind(
    "AppConfig", "", "v1", "configmaps", AppConfig, pointed=app_configs, wire=RawConfigMap, reduce=app_config, written="ConfigMap"
)
"""ConfigMaps that applications read: one by one, where that is permitted."""
