# SPDX-License-Identifier: Apache-2.0
"""Cilium: tunnel or native routing, WireGuard or IPsec, with or without kube-proxy; Google and Azure build theirs on it.

Recognition made from: cilium/cilium, install/kubernetes/cilium (chart) v1.18 as rendered, ConfigMap cilium-config: routing-mode
and tunnel-protocol since v1.14, tunnel before; kube-proxy-replacement true or false since v1.14, strict, probe, partial and
disabled before. GKE Dataplane V2: DaemonSet kube-system/anetd, gke.gcr.io/cilium/cilium, later
REGION-artifactregistry.gcr.io/gke-release/gke-release/cilium/cilium. Rancher: mirrored-cilium-cilium.
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import (
    NOT_WRAPPED,
    Encapsulation,
    Encryption,
    Network,
    NetworkObjects,
    Part,
    PolicyEngine,
    ServiceProxy,
    Traits,
    Tunnel,
    encryption,
    repository,
    yes,
)

IMAGE = repository("cilium", "cilium-ci")
PARTS = (Part(repository("cilium/operator", "operator-generic", "operator-aws", "operator-azure"), "new nodes get no addresses"),)
ENCRYPTION = {
    Encryption.WIREGUARD: "enable-wireguard",
    Encryption.IPSEC: "enable-ipsec",
    Encryption.ZTUNNEL: "enable-ztunnel",
}
"""Kinds of encryption, and their settings: those that the chart leaves out are off."""

NODE_RANGES = ("kubernetes",)
"""Values of ipam with which pods get addresses from spec.podCIDRs; cluster-pool has ranges of its own in CiliumNode."""


def traits(seen: NetworkObjects) -> Traits:
    """Return how Cilium carries packets, as cilium-config asks for."""
    config = seen.config("cilium-config")
    ipam, chained = config.get("ipam", ""), config.get("cni-chaining-mode", "")
    return Traits(
        backend=_routing(config),
        encapsulation=_encapsulation(config),
        encryption=_encryption(seen),
        ipam=ipam,
        mtu=_mtu(config.get("mtu", "")),
        kube_proxy=_kube_proxy(config),
        policy=PolicyEngine.CILIUM_OFF if _idle(config) else PolicyEngine.CILIUM,
        node_ranges=ipam in NODE_RANGES,
        secondary=chained not in ("", "none", "portmap") or ipam == "delegated-plugin",
    )


def _idle(config: dict[str, str]) -> bool:
    """Whether nothing is denied: policies are off, or only noted (policy-audit-mode)."""
    return config.get("enable-policy") == "never" or yes(config.get("policy-audit-mode", ""))


def _native(config: dict[str, str]) -> bool:
    return config.get("routing-mode") == "native" or config.get("tunnel") == "disabled"


def _routing(config: dict[str, str]) -> str:
    chained = config.get("cni-chaining-mode", "none")
    beside = f", chained to {chained}" if chained not in ("none", "") else ""
    if not config:
        return ""
    return ("native routing" if _native(config) else "tunnel") + beside


def _encapsulation(config: dict[str, str]) -> tuple[Encapsulation, ...]:
    if not config:
        return ()
    if _native(config):
        return NOT_WRAPPED
    geneve = (config.get("tunnel-protocol") or config.get("tunnel", "")) == "geneve"
    return (Encapsulation(Tunnel.GENEVE if geneve else Tunnel.VXLAN),)


def _encryption(seen: NetworkObjects) -> Encryption:
    asked = {kind: seen.config("cilium-config").get(name) for kind, name in ENCRYPTION.items()}
    return encryption(asked, bool(seen.config("cilium-config")) and seen.sources_read("Cilium", IMAGE))


REPLACEMENT = {
    "": ServiceProxy.UNKNOWN,
    "true": ServiceProxy.NETWORK,
    "strict": ServiceProxy.NETWORK,
    "probe": ServiceProxy.PROBE,
    "partial": ServiceProxy.PARTIAL,
}
"""Values of kube-proxy-replacement; every other one leaves Services to kube-proxy."""


def _kube_proxy(config: dict[str, str]) -> ServiceProxy:
    return REPLACEMENT.get(config.get("kube-proxy-replacement", ""), ServiceProxy.KUBE_PROXY)


def _mtu(text: str) -> str:
    return "" if text == "0" else text


CILIUM = Network(name="Cilium", agent=IMAGE, traits=traits, parts=PARTS, configs=("cilium-config",))


def dataplane_traits(seen: NetworkObjects) -> Traits:
    """Return what is known of GKE Dataplane V2: its settings are Google's."""
    return Traits(
        backend="native routing in the VPC",
        encapsulation=NOT_WRAPPED,
        ipam="from each node's podCIDRs (alias ranges)",
        kube_proxy=ServiceProxy.NETWORK,
        policy=PolicyEngine.CILIUM,
        node_ranges=True,
    )


DATAPLANE_V2 = Network(
    name="GKE Dataplane V2",
    agent=repository("gke.gcr.io/cilium/cilium", "gke-release/cilium/cilium"),
    daemon_sets=(("kube-system", "anetd"),),
    traits=dataplane_traits,
)
