# SPDX-License-Identifier: Apache-2.0
"""Objects of pod networks as their published manifests make them: names, labels and images of each, and what they are set to.

Each names the repository, path and version that it was reduced from. What netdoc does not read is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.cni import (
    CALICO_FELIX,
    CALICO_INSTALLATION,
    CALICO_POOL,
    CILIUM_NODE,
    NETWORK_AGENT,
    NETWORK_CONFIG,
    NETWORK_LOG,
)
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD
from kubectl_netdoc.testing import OLD, Built, ago

NODES = ("n1", "n2", "n3")


def node(name: str, annotations: Mapping[str, str] | None = None, **more: Any) -> Built:
    """Return a ready Linux node, its pod range by its name's number."""
    number = int(name.strip("n"))
    ready = {"type": "Ready", "status": more.get("ready", "True"), "message": more.get("message", "")}
    return NODE, convert(
        NODE,
        {
            "metadata": {
                "name": name,
                "annotations": dict(annotations or {}),
                "labels": dict(more.get("labels", {})),
                "creationTimestamp": ago(more.get("age", OLD)),
            },
            "spec": {"podCIDRs": [f"10.244.{number}.0/24"]},
            "status": {
                "conditions": [ready],
                "addresses": [{"type": "InternalIP", "address": f"192.168.0.{number}"}],
                "nodeInfo": {"kubeletVersion": more.get("kubelet", "v1.34.4"), "operatingSystem": more.get("os", "linux")},
            },
        },
    )


def daemon_set(
    namespace: str, name: str, images: Mapping[str, str], wanted: int = 3, age: timedelta | float = OLD, **container: Any
) -> tuple[Built, Built]:
    """Return a DaemonSet as netdoc reads it, and as its settings are read.

    ``container``: args and env of the first one, and ``pods``, what else its template says of pods.
    """
    containers = [{"name": key, "image": image} for key, image in images.items()]
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": ago(age)}
    first = {"args": container.get("args", []), "env": [{"name": k, "value": v} for k, v in container.get("env", {}).items()]}
    return (
        (
            DAEMON_SET,
            convert(
                DAEMON_SET,
                {
                    "metadata": metadata,
                    "spec": {"template": {"spec": {"containers": containers} | container.get("pods", {})}},
                    "status": {"desiredNumberScheduled": wanted},
                },
            ),
        ),
        (
            NETWORK_AGENT,
            convert(NETWORK_AGENT, {"metadata": metadata, "spec": {"template": {"spec": {"containers": [first]}}}}),
        ),
    )


def agent_pod(
    namespace: str,
    maker: str,
    on: str,
    images: Mapping[str, str],
    *,
    ready: bool = True,
    since: timedelta | float = OLD,
    age: timedelta | float = OLD,
    status: Mapping[str, Any] | None = None,
    phase: str = "Running",
    leaving: bool = False,
) -> Built:
    """Return the pod of a DaemonSet on a node; ``status``: of its first container, beside its name."""
    names = list(images)
    statuses = [{"name": name, "ready": True} for name in names]
    statuses[0] |= {"ready": ready} | dict(status or {})
    return POD, convert(
        POD,
        {
            "metadata": {
                "name": f"{maker}-{on}",
                "namespace": namespace,
                "ownerReferences": [{"kind": "DaemonSet", "name": maker, "controller": True}],
                "creationTimestamp": ago(age),
                "deletionTimestamp": ago(5) if leaving else None,
            },
            "spec": {
                "nodeName": on,
                "hostNetwork": True,
                "containers": [{"name": name, "image": image} for name, image in images.items()],
            },
            "status": {
                "phase": phase,
                "podIPs": [{"ip": f"192.168.0.{on.strip('n')}"}],
                "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": ago(since)}],
                "containerStatuses": statuses,
            },
        },
    )


def config(namespace: str, name: str, **data: str) -> Built:
    """Return a network's ConfigMap; ``_`` in a key stands for ``-``, two of them for ``_``, and ``DOT`` for a dot."""
    keys = {key.replace("DOT", ".").replace("__", "\0").replace("_", "-").replace("\0", "_"): text for key, text in data.items()}
    return NETWORK_CONFIG, convert(NETWORK_CONFIG, {"metadata": {"name": name, "namespace": namespace}, "data": keys})


def resource(kind: Kind[Any], name: str, spec: Mapping[str, Any] | None = None) -> Built:
    """Return a network's custom resource."""
    return kind, convert(kind, {"metadata": {"name": name}, "spec": dict(spec or {})})


def controller(namespace: str, name: str, image: str, ready: int = 1) -> Built:
    """Return a controller's Deployment of one replica."""
    return DEPLOYMENT, convert(
        DEPLOYMENT,
        {
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": ago(OLD)},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": name, "image": image}]}}},
            "status": {"readyReplicas": ready},
        },
    )


def agent_log(namespace: str, pod: str, text: str) -> Built:
    """Return the log of an agent that is not ready."""
    return NETWORK_LOG, convert(NETWORK_LOG, {"metadata": {"name": pod, "namespace": namespace}, "text": text})


@dataclass(frozen=True)
class Published:
    """One network from a published manifest, and what netdoc is to say of it."""

    network: str
    source: str
    namespace: str
    daemon_set: str
    images: Mapping[str, str]
    carries: Mapping[str, str]
    configs: tuple[Built, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    kubelet: str = "v1.34.4"

    def nodes(self, **more: Any) -> list[Built]:
        """Return its three nodes."""
        return [node(name, self.annotations, kubelet=self.kubelet, **more) for name in NODES]

    def agents(self, images: Mapping[str, str] | None = None, wanted: int = 3) -> list[Built]:
        """Return its DaemonSet, and its settings."""
        made = daemon_set(self.namespace, self.daemon_set, images or self.images, wanted, args=list(self.args), env=self.env)
        return [*made, *self.configs]

    def pod(self, on: str, images: Mapping[str, str] | None = None, **more: Any) -> Built:
        """Return its agent's pod on a node."""
        return agent_pod(self.namespace, self.daemon_set, on, images or self.images, **more)

    def healthy(self) -> list[Built]:
        """Return its objects, all well."""
        return [*self.nodes(), *self.agents(), *(self.pod(on) for on in NODES)]

    def without(self, on: str, extra: Iterable[Built] = ()) -> list[Built]:
        """Return its objects with no agent on one node, whose pods wait for a network."""
        nodes = [each for each in self.nodes() if each[1].name != on]
        bare = node(
            on, self.annotations, ready="False", message="container runtime network not ready: cni plugin not initialized"
        )
        return [*nodes, bare, *self.agents(wanted=2), *(self.pod(each) for each in NODES if each != on), *extra]

    def imitated(self) -> list[Built]:
        """Return the same DaemonSet with another image; of anetd, whose name tells, with another name too."""
        others = dict.fromkeys(self.images, "registry.example/tools/node-exporter:v1")
        name = "node-exporter" if self.daemon_set == "anetd" else self.daemon_set
        return [*(node(name) for name in NODES), *daemon_set(self.namespace, name, others)]


NET_CONF = '{"Network": "10.244.0.0/16", "Backend": {"Type": "%s"}}'
CALICO_CNI = '{"plugins": [{"type": "calico", "mtu": __CNI_MTU__, "ipam": {"type": "calico-ipam"}}]}'
CANAL_CNI = '{"plugins": [{"type": "calico", "mtu": __CNI_MTU__, "ipam": {"type": "host-local", "subnet": "usePodCidr"}}]}'
ANTREA_CONF = "featureGates:\n#  AntreaProxy: true\n%s\n"


def _flannel(backend: str, encapsulation: str, encryption: str = "none") -> Published:
    return Published(
        "Flannel",
        "flannel-io/flannel Documentation/kube-flannel.yml v0.13.0-rc2 (d01746e8), Backend.Type as Documentation/backends.md",
        "kube-flannel",
        "kube-flannel-ds",
        {"kube-flannel": "docker.io/flannel/flannel:v0.24.4"},
        {"backend": backend, "encapsulation": encapsulation, "encryption": encryption},
        (config("kube-flannel", "kube-flannel-cfg", net_confDOTjson=NET_CONF % backend),),
        {"flannel.alpha.coreos.com/backend-type": backend},
    )


def _calico(name: str, pool: Mapping[str, str], encapsulation: str, backend: str = "BGP", **more: Any) -> Published:
    return Published(
        "Calico",
        f"projectcalico/calico manifests/{name}",
        "kube-system",
        "calico-node",
        {"calico-node": "quay.io/calico/node:v3.30.2"},
        {"backend": backend, "encapsulation": encapsulation, "ipam": "calico-ipam"} | more.get("carries", {}),
        (
            config(
                "kube-system",
                "calico-config",
                calico__backend="vxlan" if backend.startswith("VXLAN") else "bird",
                veth__mtu="0",
                cni__network__config=CALICO_CNI,
            ),
            resource(CALICO_POOL, "default-ipv4-ippool", {"cidr": "192.168.0.0/16", **pool}),
            resource(CALICO_FELIX, "default", more.get("felix", {})),
        ),
        {"projectcalico.org/IPv4Address": "192.168.0.1/24"},
    )


def _cilium(carries: Mapping[str, str], **data: str) -> Published:
    return Published(
        "Cilium",
        "cilium/cilium install/kubernetes/cilium v1.18, rendered: cilium-config and the DaemonSet",
        "kube-system",
        "cilium",
        {"cilium-agent": "quay.io/cilium/cilium:v1.18.2@sha256:" + "a" * 64},
        carries,
        (
            config("kube-system", "cilium-config", ipam="cluster-pool", **data),
            *(resource(CILIUM_NODE, name) for name in NODES),
        ),
    )


PUBLISHED: dict[str, Published] = {
    "flannel vxlan": _flannel("vxlan", "VXLAN"),
    "flannel host-gw": _flannel("host-gw", "none (routes to the nodes)"),
    "flannel wireguard": _flannel("wireguard", "WireGuard", "WireGuard"),
    "flannel ipip": _flannel("ipip", "IPIP"),
    "flannel, a mirror": Published(
        "Flannel",
        "rancher/mirrored-flannel-flannel in RKE's flannel template; older: quay.io/coreos/flannel (v0.11.0-amd64, 0106d234)",
        "kube-system",
        "kube-flannel-ds-amd64",
        {"kube-flannel": "registry.example:5000/rancher/mirrored-flannel-flannel:v0.26.1"},
        {"backend": "vxlan"},
        (config("kube-system", "kube-flannel-cfg", net_confDOTjson=NET_CONF % "vxlan"),),
    ),
    "calico ipip": _calico("calico.yaml (8b087380)", {"ipipMode": "Always", "vxlanMode": "Never"}, "IPIP"),
    "calico bgp": _calico("calico.yaml (8b087380)", {"ipipMode": "Never", "vxlanMode": "Never"}, "none"),
    "calico vxlan": _calico(
        "calico-vxlan.yaml (a69205f8)", {"ipipMode": "Never", "vxlanMode": "CrossSubnet"}, "VXLAN between subnets", "VXLAN routes"
    ),
    "calico ebpf": _calico(
        "calico-bpf.yaml (28c8c74a)",
        {"ipipMode": "Always"},
        "IPIP",
        "BGP and eBPF data plane",
        felix={"bpfEnabled": True, "wireguardEnabled": True},
        carries={"services": "in place of kube-proxy (eBPF)", "encryption": "WireGuard"},
    ),
    "calico by the operator": Published(
        "Calico",
        "projectcalico/calico manifests/custom-resources.yaml (d9a69a3c)",
        "calico-system",
        "calico-node",
        {"calico-node": "quay.io/calico/node:v3.30.2"},
        {"backend": "BGP", "encapsulation": "VXLAN between subnets", "ipam": "Calico", "mtu_set": "1440"},
        (
            resource(
                CALICO_INSTALLATION,
                "default",
                {"calicoNetwork": {"bgp": "Enabled", "mtu": 1440}, "cni": {"type": "Calico", "ipam": {"type": "Calico"}}},
            ),
            resource(CALICO_POOL, "default-ipv4-ippool", {"ipipMode": "Never", "vxlanMode": "CrossSubnet"}),
        ),
        {"projectcalico.org/IPv4Address": "192.168.0.1/24"},
    ),
    "canal": Published(
        "Canal",
        "projectcalico/calico manifests/canal.yaml (0039c9cd)",
        "kube-system",
        "canal",
        {"calico-node": "quay.io/calico/node:v3.30.2", "kube-flannel": "docker.io/flannel/flannel:v0.24.4"},
        {"backend": "vxlan", "encapsulation": "VXLAN", "policy_engine": "Calico (Felix)"},
        (
            config(
                "kube-system",
                "canal-config",
                veth__mtu="0",
                net_confDOTjson=NET_CONF % "vxlan",
                cni__network__config=CANAL_CNI,
            ),
        ),
        {"flannel.alpha.coreos.com/backend-type": "vxlan"},
    ),
    "rke2's canal": Published(
        "Canal",
        "rancher/rke2-charts packages/rke2-canal (v3.30)",
        "kube-system",
        "rke2-canal",
        {"calico-node": "rancher/hardened-calico:v3.30.2-build20250731", "kube-flannel": "rancher/hardened-flannel:v0.27.2"},
        {"backend": "vxlan"},
        (config("kube-system", "rke2-canal-config", net_confDOTjson=NET_CONF % "vxlan"),),
        {"flannel.alpha.coreos.com/backend-type": "vxlan"},
    ),
    "cilium tunnel": _cilium(
        {"backend": "tunnel", "encapsulation": "VXLAN", "encryption": "none", "services": "left to kube-proxy"},
        routing_mode="tunnel",
        tunnel_protocol="vxlan",
        kube_proxy_replacement="false",
    ),
    "cilium native, wireguard": _cilium(
        {"backend": "native routing", "encapsulation": "none", "encryption": "WireGuard", "services": "in place of kube-proxy"},
        routing_mode="native",
        kube_proxy_replacement="true",
        enable_wireguard="true",
    ),
    "cilium ipsec, before 1.14": _cilium(
        {"backend": "tunnel", "encapsulation": "Geneve", "encryption": "IPsec", "services": "beside kube-proxy (partial)"},
        tunnel="geneve",
        kube_proxy_replacement="partial",
        enable_ipsec="true",
    ),
    "weave": Published(
        "Weave Net",
        "weaveworks/weave prog/weave-kube/weave-daemonset-k8s-1.11.yaml v2.8.1",
        "kube-system",
        "weave-net",
        {"weave": "docker.io/weaveworks/weave-kube:2.8.1", "weave-npc": "docker.io/weaveworks/weave-npc:2.8.1"},
        {"encryption": "set by password", "mtu_set": "1376", "policy_engine": "Weave (weave-npc)"},
        env={"WEAVE_PASSWORD": "", "WEAVE_MTU": "1376"},
    ),
    "kindnet": Published(
        "kindnet",
        "kubernetes-sigs/kind images/kindnetd, the DaemonSet in its node images (v20250512-df8de77b)",
        "kube-system",
        "kindnet",
        {"kindnet-cni": "docker.io/kindest/kindnetd:v20250512-df8de77b"},
        {"encapsulation": "none", "policy_engine": "kindnet (kube-network-policies)"},
    ),
    "kindnet before policies": Published(
        "kindnet",
        "kubernetes-sigs/kind images/kindnetd (v20220510-4929dd75)",
        "kube-system",
        "kindnet",
        {"kindnet-cni": "docker.io/kindest/kindnetd:v20220510-4929dd75"},
        {"policy_engine": "none"},
    ),
    "kube-router": Published(
        "kube-router",
        "cloudnativelabs/kube-router daemonset/kubeadm-kuberouter-all-features.yaml (9982ba31)",
        "kube-system",
        "kube-router",
        {"kube-router": "docker.io/cloudnativelabs/kube-router"},
        {"backend": "BGP", "encapsulation": "IPIP between subnets", "services": "in place of kube-proxy"},
        (
            config(
                "kube-system",
                "kube-router-cfg",
                cni_confDOTjson='{"plugins": [{"type": "bridge", "ipam": {"type": "host-local"}}]}',
            ),
        ),
        {"kube-router.io/pod-cidrs": "10.244.1.0/24"},
        ("--run-router=true", "--run-firewall=true", "--run-service-proxy=true"),
    ),
    "antrea": Published(
        "Antrea",
        "antrea-io/antrea build/yamls/base/agent.yml (0321cdee), antrea-agent.conf of v2",
        "kube-system",
        "antrea-agent",
        {"antrea-agent": "antrea/antrea-agent-ubuntu:v2.3.0", "antrea-ovs": "antrea/antrea-agent-ubuntu:v2.3.0"},
        {"encapsulation": "VXLAN", "encryption": "WireGuard", "services": "in place of kube-proxy"},
        (
            config(
                "kube-system",
                "antrea-config",
                antrea_agentDOTconf=ANTREA_CONF
                % "tunnelType: vxlan\ntrafficEncryptionMode: wireGuard\nantreaProxy:\n  proxyAll: true\n#defaultMTU: 0",
            ),
        ),
    ),
    "ovn-kubernetes": Published(
        "OVN-Kubernetes",
        "ovn-kubernetes/ovn-kubernetes dist/templates/ovnkube-node.yaml.j2 of release 1.0 (95f9efd5)",
        "ovn-kubernetes",
        "ovnkube-node",
        {"ovnkube-controller": "ghcr.io/ovn-kubernetes/ovn-kubernetes/ovn-kube-ubuntu:release-1.0"},
        {"encapsulation": "Geneve", "mtu_set": "1400"},
        (config("ovn-kubernetes", "ovn-config", mtu="1400"),),
        {"k8s.ovn.org/node-subnets": '{"default":["10.244.1.0/24"]}'},
    ),
    "aws vpc cni": Published(
        "AWS VPC CNI",
        "aws/amazon-vpc-cni-k8s config/master/aws-k8s-cni.yaml v1.14.0 (f3efb24f)",
        "kube-system",
        "aws-node",
        {
            "aws-node": "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.13.4",
            "aws-eks-nodeagent": "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon/aws-network-policy-agent:v1.0.1",
        },
        {"mtu_set": "9001", "policy_engine": "none (switched off)", "encapsulation": "none"},
        args=("--enable-ipv6=false", "--enable-network-policy=false"),
        env={"AWS_VPC_ENI_MTU": "9001", "ENABLE_PREFIX_DELEGATION": "false"},
    ),
    "azure cni": Published(
        "Azure CNI",
        "Azure/azure-container-networking cns/azure-cns.yaml v1.4.7 (94a8e2db)",
        "kube-system",
        "azure-cns",
        {"cns-container": "mcr.microsoft.com/containernetworking/azure-cns:v1.4.7"},
        {"ipam": "CNS"},
    ),
    "gke dataplane v2": Published(
        "GKE Dataplane V2",
        "GKE, DaemonSet kube-system/anetd (gke.gcr.io/cilium/cilium)",
        "kube-system",
        "anetd",
        {"cilium-agent": "gke.gcr.io/cilium/cilium:v1.14.4-gke.21"},
        {"services": "in place of kube-proxy", "policy_engine": "Cilium"},
    ),
}

OPENSHIFT = Published(
    "OVN-Kubernetes",
    "openshift/cluster-network-operator bindata/network/ovn-kubernetes/managed/ovnkube-node.yaml (4cd41cee)",
    "openshift-ovn-kubernetes",
    "ovnkube-node",
    {"ovnkube-controller": "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "b" * 64},
    {"encapsulation": "Geneve"},
)
"""Told by namespace and name: all images of OpenShift are of one repository."""

MULTUS = Published(
    "Multus",
    "k8snetworkplumbingwg/multus-cni deployments/multus-daemonset-thick.yml (05517e26), image of v4.1.0",
    "kube-system",
    "kube-multus-ds",
    {"kube-multus": "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.1.0-thick"},
    {"backend": "calls the others"},
)
"""Beside another network."""
