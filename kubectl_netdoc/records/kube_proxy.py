# SPDX-License-Identifier: Apache-2.0
"""kube-proxy's settings. Of its ConfigMap only these are kept: the mode, the addresses for health and metrics, how it detects
local traffic, and strictARP.

The same ConfigMap holds a kubeconfig (kubeadm) and may hold more; nothing else of it is kept.
"""

from __future__ import annotations

import re

from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.cni import NetworkSettings, RawConfigMap

KEYS = ("config.conf", "config", "kube-proxy-config.yaml")
"""Keys under which a KubeProxyConfiguration stands: kubeadm's and kind's, EKS's, OpenShift's."""

_SETTING = re.compile(
    r"^(mode|metricsBindAddress|healthzBindAddress|clusterCIDR|detectLocalMode|[ \t]+strictARP):[ \t]*[\"']?([^\s\"'#]*)", re.M
)


def config_map(raw: RawConfigMap) -> NetworkSettings:
    """Return what is kept of kube-proxy's ConfigMap, empty settings included."""
    text = next((raw.data[key] for key in KEYS if key in raw.data), "")
    found = {name.strip(): value for name, value in _SETTING.findall(text)} if "KubeProxyConfiguration" in text else {}
    return NetworkSettings(metadata=raw.metadata, settings=found)


PROXY_CONFIG = Kind(
    "ProxyConfig",
    "",
    "v1",
    "configmaps",
    NetworkSettings,
    authored=False,
    names=(
        ("kube-system", "kube-proxy"),
        ("kube-system", "kube-proxy-config"),
        ("openshift-kube-proxy", "proxy-config"),
    ),
    wire=RawConfigMap,
    reduce=config_map,
)
