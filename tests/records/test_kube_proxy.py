# SPDX-License-Identifier: Apache-2.0
"""What is kept of kube-proxy's ConfigMap: its own settings at the top level, and nothing of the kubeconfig beside them."""

from __future__ import annotations

import msgspec
import pytest

from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_AGENT
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG

HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclientConnection:\n  mode: nested\n"


@pytest.mark.parametrize(
    ("key", "text", "settings"),
    [
        (
            "config.conf",
            f'{HEAD}mode: iptables\nmetricsBindAddress: ""\n',
            {"mode": "iptables", "metricsBindAddress": ""},
        ),
        ("config.conf", f'{HEAD}mode: "ipvs" # fast\n', {"mode": "ipvs"}),
        ("config", f"{HEAD}healthzBindAddress: 0.0.0.0:10256\n", {"healthzBindAddress": "0.0.0.0:10256"}),
        ("config.conf", f"{HEAD}mode: ''\n", {"mode": ""}),
        (
            "config.conf",
            f'{HEAD}clusterCIDR: 10.244.0.0/16,fd00::/48\ndetectLocalMode: ""\nipvs:\n  excludeCIDRs: null\n  strictARP: true\n',
            {"clusterCIDR": "10.244.0.0/16,fd00::/48", "detectLocalMode": "", "strictARP": "true"},
        ),
        ("config.conf", "kind: Config\nmode: ipvs\n", {}),
        ("other", f"{HEAD}mode: ipvs\n", {}),
    ],
)
def test_settings(key: str, text: str, settings: dict[str, str]) -> None:
    raw = {"metadata": {"name": "kube-proxy", "namespace": "kube-system"}, "data": {key: text, "kubeconfig.conf": "SECRET"}}
    kept = convert(PROXY_CONFIG, raw)
    assert kept.settings == settings
    assert b"SECRET" not in msgspec.json.encode(kept)


def test_mode_as_a_flag() -> None:
    container = {"command": ["/usr/local/bin/kube-proxy", "--hostname-override=$(NODE_NAME)", "--proxy-mode=nftables"]}
    raw = {"metadata": {"name": "kube-proxy"}, "spec": {"template": {"spec": {"containers": [container]}}}}
    assert convert(NETWORK_AGENT, raw).settings == {"proxy-mode": "nftables"}
