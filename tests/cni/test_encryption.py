# SPDX-License-Identifier: Apache-2.0
"""What encrypts pods' packets, by network and setting: never "none" of a setting, a version or a list that was not understood."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_netdoc import cni
from kubectl_netdoc.cni.base import Encryption
from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.cni import CALICO_FELIX, NETWORK_AGENT, NETWORK_CONFIG
from kubectl_netdoc.records.kinds import DAEMON_SET
from kubectl_netdoc.testing import Built, make_cluster


def agent(image: str, *more: str, name: str = "agent") -> Built:
    containers = [{"name": f"c{number}", "image": each} for number, each in enumerate((image, *more))]
    meta = {"name": name, "namespace": "kube-system"}
    fields = {
        "metadata": meta,
        "spec": {"template": {"spec": {"containers": containers}}},
        "status": {"desiredNumberScheduled": 1},
    }
    return DAEMON_SET, convert(DAEMON_SET, fields)


def config(name: str, **data: str) -> Built:
    fields = {"metadata": {"name": name, "namespace": "kube-system"}, "data": {k.replace("_", "-"): v for k, v in data.items()}}
    return NETWORK_CONFIG, convert(NETWORK_CONFIG, fields)


def felix(**spec: Any) -> Built:
    return CALICO_FELIX, convert(CALICO_FELIX, {"metadata": {"name": "default"}, "spec": spec})


def antrea(**settings: str) -> Built:
    text = "".join(f"{name}: {value}\n" for name, value in settings.items())
    fields = {"metadata": {"name": "antrea-config", "namespace": "kube-system"}, "data": {"antrea-agent.conf": text}}
    return NETWORK_CONFIG, convert(NETWORK_CONFIG, fields)


CILIUM, NEWER = agent("quay.io/cilium/cilium:v1.20.2", "quay.io/cilium/cilium-envoy:v1.34.4-1"), agent("cilium/cilium:v1.21.0")
CALICO, ANTREA = agent("quay.io/calico/node:v3.32.1"), agent("antrea/antrea-agent-ubuntu:v2.5.0")
WEAVE = agent("docker.io/weaveworks/weave-kube:2.8.1")
DARK: dict[Kind[Any], Unavailable] = {kind: Unavailable("forbidden") for kind in (CALICO_FELIX, NETWORK_AGENT, NETWORK_CONFIG)}


@pytest.mark.parametrize(
    ("objects", "dark", "kind"),
    [
        ((CILIUM, config("cilium-config", routing_mode="tunnel")), False, Encryption.NONE),
        ((CILIUM, config("cilium-config", enable_ztunnel="true")), False, Encryption.ZTUNNEL),
        ((CILIUM, config("cilium-config", enable_ipsec="true")), False, Encryption.IPSEC),
        ((CILIUM, config("cilium-config", enable_wireguard="true")), False, Encryption.WIREGUARD),
        ((CILIUM, config("cilium-config", enable_wireguard="perhaps")), False, Encryption.UNKNOWN),
        ((NEWER, config("cilium-config", routing_mode="tunnel")), False, Encryption.UNKNOWN),
        ((NEWER, config("cilium-config", enable_ipsec="true")), False, Encryption.IPSEC),
        ((CILIUM,), True, Encryption.UNKNOWN),
        ((CALICO, felix()), False, Encryption.NONE),
        ((CALICO, felix(wireguardEnabled=False, wireguardEnabledV6=True)), False, Encryption.WIREGUARD),
        ((CALICO, felix(ipsecMode="PSK")), False, Encryption.IPSEC),
        ((CALICO,), True, Encryption.UNKNOWN),
        ((ANTREA, antrea(trafficEncapMode="encap")), False, Encryption.NONE),
        ((ANTREA, antrea(trafficEncryptionMode="WireGuard")), False, Encryption.WIREGUARD),
        ((ANTREA, antrea(trafficEncryptionMode="quic")), False, Encryption.UNKNOWN),
        ((ANTREA,), True, Encryption.UNKNOWN),
        ((WEAVE,), False, Encryption.NONE),
        ((WEAVE,), True, Encryption.UNKNOWN),
    ],
)
def test_encryption(objects: tuple[Built, ...], dark: bool, kind: Encryption) -> None:
    (found,) = cni.recognise(make_cluster(*objects, unavailable=DARK if dark else None))
    assert found.traits.encryption is kind
