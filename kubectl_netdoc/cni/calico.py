# SPDX-License-Identifier: Apache-2.0
"""Calico, and Canal (flannel's data path with Calico's policies in one DaemonSet); both ways to install it.

Recognition made from: projectcalico/calico, manifests/calico.yaml, calico-vxlan.yaml, calico-bpf.yaml, canal.yaml at commits
8b087380, a69205f8, 28c8c74a and 0039c9cd (quay.io/calico/node; older ones docker.io/calico/node), custom-resources.yaml
(operator). Rancher's builds of it: rancher/mirrored-calico-node, rancher/hardened-calico (RKE2).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubectl_netdoc.cni import flannel
from kubectl_netdoc.cni.base import (
    BETWEEN_SUBNETS,
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
from kubectl_netdoc.formats import calico_selector
from kubectl_netdoc.records.cni import CALICO_FELIX, CALICO_INSTALLATION, CALICO_POOL, NetworkSettings
from kubectl_netdoc.records.nodes import Node

IMAGE = repository("calico/node", "hardened-calico")
PARTS = (
    Part(repository("calico/typha"), "agents do not learn of new routes, pods and policies"),
    Part(repository("calico/kube-controllers"), "addresses of deleted pods and entries of deleted nodes are not cleaned up"),
)
FOREIGN_CNI = ("AmazonVPC", "AzureVNET", "GKE")
"""cni.type of an Installation in which another network gives the addresses (operator.tigera.io/v1)."""


def traits(seen: NetworkObjects) -> Traits:
    """Return how Calico carries packets: by its pools, its ConfigMap or Installation, and Felix's configuration."""
    config, flags = seen.config("calico-config"), seen.flags
    installation = _first(seen.resources(CALICO_INSTALLATION))
    routing = flags.get("CALICO_NETWORKING_BACKEND") or config.get("calico_backend", "")
    if not routing and installation:
        routing = {"Enabled": "bird", "Disabled": "vxlan"}.get(installation.get("calicoNetwork.bgp", ""), "")
    ebpf = _ebpf(seen, installation)
    ipam = installation.get("cni.ipam.type") or config.get("ipam", "")
    return Traits(
        backend=" and ".join(filter(None, (_routing(routing), "eBPF data plane" if ebpf else ""))),
        encapsulation=_encapsulation(seen),
        encryption=_encryption(seen),
        ipam=ipam,
        mtu=_set_mtu(installation.get("calicoNetwork.mtu") or config.get("veth_mtu", "")),
        mtu_of_pods=True,
        kube_proxy=ServiceProxy.NETWORK_EBPF if ebpf else ServiceProxy.KUBE_PROXY,
        policy=PolicyEngine.CALICO,
        node_ranges=ipam.lower() in ("host-local", "hostlocal"),
        secondary=routing == "none" or installation.get("cni.type") in FOREIGN_CNI,
    )


def _first(items: tuple[NetworkSettings, ...]) -> dict[str, str]:
    """The settings of the object called default, or of the only one."""
    named = {item.name: item.settings for item in items}
    return named.get("default") or next(iter(named.values()), {})


def _routing(backend: str) -> str:
    return {"bird": "BGP", "vxlan": "VXLAN routes", "none": ""}.get(backend, backend)


def _ebpf(seen: NetworkObjects, installation: dict[str, str]) -> bool:
    felix = _first(seen.resources(CALICO_FELIX))
    named = installation.get("calicoNetwork.linuxDataplane", "")
    return named == "BPF" or yes(felix.get("bpfEnabled", seen.flags.get("FELIX_BPFENABLED", "")))


def _encryption(seen: NetworkObjects) -> Encryption:
    """By Felix's settings, and the keys that nodes have; where the settings can't be read, no key proves nothing."""
    felix, flag = _first(seen.resources(CALICO_FELIX)), seen.flags.get("FELIX_WIREGUARDENABLED", "")
    if any(note.calico_wireguard or note.calico_wireguard6 for note in seen.notes):
        return Encryption.WIREGUARD
    both = [text for text in (felix.get("wireguardEnabled"), felix.get("wireguardEnabledV6"), flag) if text]
    mode = felix.get("ipsecMode", "")
    asked = {Encryption.WIREGUARD: next(filter(yes, both), both[0] if both else ""), Encryption.IPSEC: "yes" if mode else ""}
    return encryption(asked, seen.cluster.readable(CALICO_FELIX) and seen.sources_read("Calico", IMAGE))


def _encapsulation(seen: NetworkObjects) -> tuple[Encapsulation, ...]:
    """Of the pools that are in use; where they can't be read, of the tunnel addresses that nodes have, or of the first pool."""
    modes = [_mode(pool.settings) for pool in seen.resources(CALICO_POOL) if not yes(pool.settings.get("disabled", ""))]
    vxlan = any(note.calico_vxlan or note.calico_vxlan6 for note in seen.notes)
    if not modes and (vxlan or any(note.calico_ipip for note in seen.notes)):
        modes = [Encapsulation(Tunnel.VXLAN if vxlan else Tunnel.IPIP)]
    if not modes:
        flags = seen.flags
        first = {"ipipMode": flags.get("CALICO_IPV4POOL_IPIP", ""), "vxlanMode": flags.get("CALICO_IPV4POOL_VXLAN", "")}
        modes = [_mode(first)] if any(first.values()) else []
    return tuple(sorted(set(modes), key=str))


def _mode(pool: dict[str, str]) -> Encapsulation:
    for tunnel, key in ((Tunnel.VXLAN, "vxlanMode"), (Tunnel.IPIP, "ipipMode")):
        mode = pool.get(key, "")
        if mode and mode != "Never":
            return Encapsulation(tunnel, BETWEEN_SUBNETS if mode == "CrossSubnet" else "")
    return Encapsulation(Tunnel.NONE)


def _set_mtu(text: str) -> str:
    return "" if text in ("", "0") else text


def trace(node: Node) -> bool:
    """Tell whether Calico has set up this node."""
    return bool(node.metadata.annotations.calico_address or node.metadata.annotations.calico_address6)


def selected(selector: str, nodes: Iterable[Node]) -> list[str] | None:
    """Return the names of the nodes that a selector of Calico's selects; None where it can't be read.

    Calico keeps the labels of Kubernetes' Nodes (libcalico-go, k8s/resources/node.go).
    """
    try:
        parsed = calico_selector.parse(selector)
        return [node.name for node in nodes if parsed.select(calico_selector.Labels(node.metadata.labels))]
    except ValueError:
        return None


CALICO = Network(name="Calico", agent=IMAGE, traits=traits, parts=PARTS, trace=trace, configs=("calico-config",))


def canal_traits(seen: NetworkObjects) -> Traits:
    """Return flannel's way to carry packets, and Calico's policies."""
    own = flannel.carries(seen, "canal-config", "rke2-canal-config", "kube-flannel-cfg")
    config = seen.config("canal-config", "rke2-canal-config")
    mtu = _set_mtu(config.get("veth_mtu", "")) or own.mtu
    keys = any(note.calico_wireguard or note.calico_wireguard6 for note in seen.notes)
    encrypted = Encryption.WIREGUARD if keys else own.encryption
    more = {"mtu": mtu, "policy": PolicyEngine.CALICO, "kube_proxy": ServiceProxy.KUBE_PROXY, "encryption": encrypted}
    return msgspec.structs.replace(own, **more)


CANAL = Network(
    name="Canal",
    agent=IMAGE,
    needs_all=(flannel.IMAGE,),
    traits=canal_traits,
    parts=PARTS,
    trace=flannel.trace,
    configs=("canal-config", "rke2-canal-config"),
)
