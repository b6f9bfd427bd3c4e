# SPDX-License-Identifier: Apache-2.0
"""The settings of pod networks: from the ConfigMaps, custom resources and DaemonSets of each, only the settings named here.

All are kept in one form: names and values as text. A setting or variable that is not in these tables is never kept. Of a
network's password only is kept whether it is set.
"""

from __future__ import annotations

import json
import re
from typing import Any

from msgspec import Struct

from kubectl_netdoc.formats import cni_agent_log, cni_list
from kubectl_netdoc.records.base import Kind, Object, Record
from kubectl_netdoc.records.logs import LogText

CONFIG_MAPS: dict[str, frozenset[str]] = {
    "kube-flannel-cfg": frozenset({"net-conf.json", "cni-conf.json"}),
    "canal-config": frozenset({"net-conf.json", "veth_mtu", "cni_network_config"}),
    "rke2-canal-config": frozenset({"net-conf.json", "veth_mtu", "cni_network_config"}),
    "calico-config": frozenset({"calico_backend", "veth_mtu", "cni_network_config"}),
    "cilium-config": frozenset(
        {
            "tunnel",
            "routing-mode",
            "tunnel-protocol",
            "ipam",
            "mtu",
            "kube-proxy-replacement",
            "enable-wireguard",
            "enable-ipsec",
            "enable-ztunnel",
            "allow-localhost",
            "enable-policy",
            "policy-audit-mode",
            "enable-host-firewall",
            "enable-node-selector-labels",
            "enable-non-default-deny-policies",
            "policy-cidr-match-mode",
            "cluster-name",
            "labels",
            "enable-k8s-cluster-network-policy",
            "cni-chaining-mode",
            "enable-endpoint-routes",
            "auto-direct-node-routes",
            "datapath-mode",
            "underlay-protocol",
        }
    ),
    "antrea-config": frozenset({"antrea-agent.conf"}),
    "kube-router-cfg": frozenset({"cni-conf.json"}),
    "ovn-config": frozenset({"mtu"}),
    "amazon-vpc-cni": frozenset({"enable-network-policy-controller"}),
}
"""The keys that are read of each ConfigMap, by its name; of JSON and YAML in them only what ``WITHIN`` names is kept."""

WITHIN = frozenset(
    {
        "Backend.Type",
        "Backend.MTU",
        "Network",
        "IPv6Network",
        "trafficEncapMode",
        "tunnelType",
        "trafficEncryptionMode",
        "defaultMTU",
        "proxyAll",
        "enableBridgingMode",
        "ipam",
        "mtu",
    }
)

VARIABLES = frozenset(
    {
        "CALICO_NETWORKING_BACKEND",
        "CALICO_IPV4POOL_IPIP",
        "CALICO_IPV4POOL_VXLAN",
        "FELIX_BPFENABLED",
        "FELIX_WIREGUARDENABLED",
        "AWS_VPC_CNI_NODE_PORT_SUPPORT",
        "AWS_VPC_ENI_MTU",
        "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG",
        "ENABLE_PREFIX_DELEGATION",
        "ENABLE_POD_ENI",
        "NETWORK_POLICY_ENFORCING_MODE",
        "WEAVE_MTU",
    }
)
"""Variables of containers whose values are read."""

PRESENT = frozenset({"WEAVE_PASSWORD"})
"""Variables of which only is kept that they are set."""

FLAGS = frozenset(
    {
        "run-router",
        "run-firewall",
        "run-service-proxy",
        "enable-overlay",
        "overlay-type",
        "overlay-encap",
        "enable-network-policy",
        "enable-network-policies",
        "gateway-mode",
        "mtu",
        "proxy-mode",
        "cluster-cidr",
        "detect-local-mode",
        "ipvs-strict-arp",
        "ignore-exclude-lb",
        "lb-class",
    }
)
"""Flags in the arguments of containers (kube-router, kube-proxy, MetalLB's speaker, the agents of AWS and of OVN-Kubernetes)."""


class NetworkSettings(Object, frozen=True):
    """The settings of a network in one object: values by name, as text."""

    settings: dict[str, str] = {}


class NetworkLog(Object, frozen=True):
    """The last error line of a network agent's log, if there is one; ``metadata`` names the pod."""

    last_words: str = ""


class RawConfigMap(Object, frozen=True):
    """A network's ConfigMap as it comes over the wire."""

    data: dict[str, str] = {}


class RawResource(Object, frozen=True):
    """A network's custom resource as it comes over the wire."""

    spec: dict[str, Any] = {}


class Variable(Record, frozen=True):
    """A variable of a container; where its value comes from is not read."""

    name: str = ""
    value: str = ""


class RawContainer(Record, frozen=True):
    """A container's variables and arguments, as they come over the wire."""

    env: tuple[Variable, ...] = ()
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


class RawPodSpec(Record, frozen=True):
    """A pod's containers."""

    containers: tuple[RawContainer, ...] = ()


class RawTemplate(Record, frozen=True):
    """A pod's template."""

    spec: RawPodSpec = RawPodSpec()


class RawAgentSpec(Record, frozen=True):
    """A DaemonSet's template."""

    template: RawTemplate = RawTemplate()


class RawAgent(Object, frozen=True):
    """A DaemonSet as it comes over the wire."""

    spec: RawAgentSpec = RawAgentSpec()


_FLAG = re.compile(r"(?<![\w-])--?([a-z][a-z-]*)(?:[= ]+\"?([^\s\"]+))?")
_LOCAL_IP = re.compile(r"(?<![\w-])--?localip[=\s]+\"?([0-9A-Fa-f.:,]+)")
"""node-cache's flag (kubernetes/dns, cmd/node-cache), its value in the same argument or in the next: addresses, by comma."""

_IPAM = re.compile(r'"ipam"\s*:\s*\{\s*"type"\s*:\s*"([\w-]+)"')
_TYPE = re.compile(r'"type"\s*:\s*"([\w-]+)"')
"""Types in a CNI configuration: of its plugins, and of what they call in turn."""

_YAML = re.compile(r"^\s*(\w+):[ \t]+\"?([^\s\"#]+)", re.M)


def config_map(raw: RawConfigMap) -> NetworkSettings:
    """Return what is kept of a network's ConfigMap."""
    kept: dict[str, str] = {}
    for key in CONFIG_MAPS.get(raw.name, frozenset()) & raw.data.keys():
        kept |= _inside(key, raw.data[key])
    return NetworkSettings(metadata=raw.metadata, settings=kept)


def _inside(key: str, text: str) -> dict[str, str]:
    """Return the settings in one value; that of a simple key is the value itself."""
    if key in ("cni_network_config", "cni-conf.json"):  # a template, which is not JSON before it is filled in
        found, types = _IPAM.search(text), dict.fromkeys(_TYPE.findall(text))
        problem = cni_list.problem(text) if key == "cni-conf.json" else ""  # flannel's and kube-router's, written as it stands
        kept = {"ipam": found[1] if found else "", "cni_types": ",".join(types), "cni_problem": problem}
        return {name: value for name, value in kept.items() if value}
    if key.endswith(".conf"):
        return {name: value for name, value in _YAML.findall(text) if name in WITHIN}
    if not key.endswith(".json"):
        return {key: text.strip()}
    try:
        return _picked(json.loads(text), WITHIN)
    except ValueError:
        return {"unreadable": key}


def _picked(value: Any, wanted: frozenset[str], path: str = "") -> dict[str, str]:
    """Return the wanted members of nested objects, by their dotted paths; of a list its texts, by comma."""
    if isinstance(value, dict):
        deeper = (_picked(item, wanted, f"{path}.{key}" if path else str(key)) for key, item in value.items())
        return {key: text for found in deeper for key, text in found.items()}
    if path not in wanted or value is None:
        return {}
    if isinstance(value, list):
        return {path: ",".join(each for each in value if isinstance(each, str))}
    return {path: str(value).lower() if isinstance(value, bool) else str(value)}


def agent(raw: RawAgent) -> NetworkSettings:
    """Return what is kept of a DaemonSet: named variables and flags of its containers."""
    kept: dict[str, str] = {}
    for container in raw.spec.template.spec.containers:
        kept |= {each.name: each.value for each in container.env if each.name in VARIABLES}
        kept |= {each.name: "set" for each in container.env if each.name in PRESENT}
        words = "\n".join((*container.command, *container.args))
        for name, value in _FLAG.findall(words):
            kept |= {name: value or "true"} if name in FLAGS else {}
        if local := _LOCAL_IP.search(words):
            kept["localip"] = local[1]
    return NetworkSettings(metadata=raw.metadata, settings=kept)


def log(raw: LogText) -> NetworkLog:
    """Return what is kept of a network agent's log."""
    return NetworkLog(metadata=raw.metadata, last_words=cni_agent_log.last_words(raw.text))


class Keep(Struct, frozen=True):
    """Keeps the settings at these dotted paths of a custom resource's spec."""

    paths: frozenset[str]

    def __call__(self, raw: RawResource) -> NetworkSettings:
        """Return what is kept."""
        return NetworkSettings(metadata=raw.metadata, settings=_picked(raw.spec, self.paths))


CALICO_V3 = "projectcalico.org/v3"
"""Calico's objects as people write them: served by its own API server from crd.projectcalico.org, or from 3.32 on by CRDs that
replace those."""


def resource(
    name: str, api: str, plural: str, *paths: str, also: tuple[str, ...] = (), written: str = "", namespaced: bool = False
) -> Kind[NetworkSettings]:
    """Return the kind of a network's own resource, of which the settings at ``paths`` of its spec are kept."""
    group, _, version = api.partition("/")
    return Kind(
        name,
        group,
        version,
        plural,
        NetworkSettings,
        namespaced=namespaced,
        authored=False,
        also=also,
        written=written,
        wire=RawResource,
        reduce=Keep(frozenset(paths)),
    )


NETWORK_CONFIG = Kind(
    "NetworkConfig",
    "",
    "v1",
    "configmaps",
    NetworkSettings,
    authored=False,
    names=(
        ("kube-flannel", "kube-flannel-cfg"),
        ("kube-system", "kube-flannel-cfg"),
        ("kube-system", "canal-config"),
        ("kube-system", "rke2-canal-config"),
        ("kube-system", "calico-config"),
        ("kube-system", "cilium-config"),
        ("kube-system", "antrea-config"),
        ("kube-system", "kube-router-cfg"),
        ("kube-system", "amazon-vpc-cni"),
        ("ovn-kubernetes", "ovn-config"),
    ),
    wire=RawConfigMap,
    reduce=config_map,
)
NETWORK_AGENT = Kind("NetworkAgent", "apps", "v1", "daemonsets", NetworkSettings, authored=False, wire=RawAgent, reduce=agent)
"""DaemonSets once more, for the settings that a network takes as variables and flags of its agent."""

CALICO_POOL = resource(
    "CalicoPool",
    "crd.projectcalico.org/v1",
    "ippools",
    "cidr",
    "ipipMode",
    "vxlanMode",
    "disabled",
    "allowedUses",
    also=(CALICO_V3,),
    written="IPPool",
)
CALICO_RESERVATION = resource(
    "CalicoReservation",
    "crd.projectcalico.org/v1",
    "ipreservations",
    "reservedCIDRs",
    also=(CALICO_V3,),
    written="IPReservation",
)
CALICO_FELIX = resource(
    "CalicoFelix",
    "crd.projectcalico.org/v1",
    "felixconfigurations",
    "bpfEnabled",
    "wireguardEnabled",
    "wireguardEnabledV6",
    "ipsecMode",
    also=(CALICO_V3,),
    written="FelixConfiguration",
)
CALICO_INSTALLATION = resource(
    "CalicoInstallation",
    "operator.tigera.io/v1",
    "installations",
    "calicoNetwork.bgp",
    "calicoNetwork.linuxDataplane",
    "calicoNetwork.mtu",
    "calicoNetwork.hostPorts",
    "cni.type",
    "cni.ipam.type",
    "kubernetesProvider",
    "variant",
    written="Installation",
)
CALICO_BGP = resource(
    "CalicoBgpConfiguration",
    "crd.projectcalico.org/v1",
    "bgpconfigurations",
    "nodeToNodeMeshEnabled",
    also=(CALICO_V3,),
    written="BGPConfiguration",
)
CALICO_BGP_PEER = resource(
    "CalicoBgpPeer",
    "crd.projectcalico.org/v1",
    "bgppeers",
    "node",
    "nodeSelector",
    "peerIP",
    "peerSelector",
    also=(CALICO_V3,),
    written="BGPPeer",
)
CALICO_BGP_KINDS = (CALICO_BGP, CALICO_BGP_PEER)
CILIUM_NODE = resource("CiliumNode", "cilium.io/v2", "ciliumnodes")
"""Nodes that have had a Cilium agent; only their names are kept."""

NETWORK_LOG = Kind(
    "NetworkLog",
    "",
    "v1",
    "pods/log",
    NetworkLog,
    authored=False,
    logs=(
        ("kube-flannel", "app=flannel"),
        ("kube-system", "app in (flannel,kindnet,antrea)"),
        ("kube-system", "k8s-app in (canal,calico-node,cilium,kube-router,aws-node,azure-cns,kube-proxy)"),
        ("kube-system", "component=kube-proxy"),
        ("kube-system", "name in (weave-net,multus)"),
        ("calico-system", "k8s-app=calico-node"),
    ),
    troubled=True,
    wire=LogText,
    reduce=log,
)
"""The logs of network agents and kube-proxies that are not ready; logs of healthy ones are not read."""

NETWORK_KINDS = (NETWORK_CONFIG, NETWORK_AGENT, NETWORK_LOG, CALICO_POOL, CALICO_FELIX, CALICO_INSTALLATION, CILIUM_NODE)
