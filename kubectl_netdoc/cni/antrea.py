# SPDX-License-Identifier: Apache-2.0
"""Antrea: Geneve, VXLAN or routes over Open vSwitch, WireGuard or IPsec; policies only on clouds with a network of their own.

Recognition made from: antrea-io/antrea, build/yamls/antrea.yml v2 and build/yamls/base/agent.yml at commit 0321cdee
(antrea/antrea-agent-ubuntu since v1.15, antrea/antrea-ubuntu before; ConfigMap antrea-config, antrea-agent.conf, whose defaults
are commented out in it).
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import (
    BETWEEN_SUBNETS,
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
    repository,
    yes,
)

PARTS = (Part(repository("antrea-controller-ubuntu", "antrea-controller-ubi"), "agents do not learn of policy changes"),)

TUNNELS = {"geneve": Tunnel.GENEVE, "vxlan": Tunnel.VXLAN, "gre": Tunnel.GRE, "stt": Tunnel.STT}
"""Values of tunnelType."""


MODES = {"none": Encryption.NONE, "wireguard": Encryption.WIREGUARD, "ipsec": Encryption.IPSEC}
"""Values of trafficEncryptionMode, which Antrea reads in either case."""


def traits(seen: NetworkObjects) -> Traits:
    """Return how Antrea carries packets; what its configuration does not set has the documented default."""
    config = seen.config("antrea-config")
    mode = config.get("trafficEncapMode", "encap")
    encrypted = config.get("trafficEncryptionMode", "none")
    own = mode.lower() != "networkpolicyonly"
    return Traits(
        backend=f"Open vSwitch, {mode}",
        encapsulation=_encapsulation(mode.lower(), config.get("tunnelType", "geneve")),
        encryption=MODES.get(encrypted.lower(), Encryption.UNKNOWN) if seen.has_config("antrea-config") else Encryption.UNKNOWN,
        ipam="from each node's podCIDRs" if own else "",
        mtu="" if config.get("defaultMTU", "0") == "0" else config["defaultMTU"],
        mtu_of_pods=True,
        kube_proxy=ServiceProxy.NETWORK if yes(config.get("proxyAll", "")) else ServiceProxy.KUBE_PROXY,
        policy=PolicyEngine.ANTREA,
        node_ranges=own and not yes(config.get("enableBridgingMode", "")),
        secondary=not own,
    )


def _encapsulation(mode: str, tunnel: str) -> tuple[Encapsulation, ...]:
    if mode not in ("encap", "hybrid") or tunnel not in TUNNELS:
        return NOT_WRAPPED if mode not in ("encap", "hybrid") else ()
    return (Encapsulation(TUNNELS[tunnel], BETWEEN_SUBNETS if mode == "hybrid" else ""),)


ANTREA = Network(
    name="Antrea",
    agent=repository("antrea-agent-ubuntu", "antrea-agent-ubi", "antrea/antrea-ubuntu", "antrea/antrea-ubi"),
    traits=traits,
    parts=PARTS,
    configs=("antrea-config",),
)
