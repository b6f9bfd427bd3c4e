# SPDX-License-Identifier: Apache-2.0
"""What the network is set to, against the nodes' pod ranges and the host ports that pods ask for."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    CALICO_INSTALLATION,
    NODE,
    POD,
    Cluster,
    Code,
    Finding,
    Node,
    Pod,
    Risk,
    Severity,
    in_any,
    ip_network,
    is_range,
    some,
)
from kubectl_netdoc.checks.pod_network.cni_health.common import NAMED, named_nodes, workload_subject
from kubectl_netdoc.cni import Found, flannel
from kubectl_netdoc.probes.node_pairs import NETWORK

OTHER_RANGE = Code(
    id="CNI016",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Pod ranges of nodes are outside the network's range",
    message="The Network setting of {network}, {range} (ConfigMap {config}), does not contain the pod ranges of {count} nodes "
    "({shown}) from which pods have their addresses. Traffic between their pods is treated as leaving the cluster: its source "
    "address is translated, or it is dropped",
    fix="Set Network in net-conf.json to the range from which all nodes get their podCIDRs (kube-controller-manager "
    "--cluster-cidr). Then restart the agents; the rollout restarts one node after the other.",
    commands=(
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDRs",
        "kubectl -n {space} get configmap {map} -o yaml",
        "kubectl -n {namespace} rollout restart daemonset {name}",
    ),
    rows=("M9",),
)
NO_HOST_PORTS = Code(
    id="CNI017",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Host ports of pods are not opened",
    message="{count} pods declare a hostPort ({shown}), but {place} {lacks}, so these ports are not opened on the nodes",
    fix="{remedy}, or expose these pods with a Service of type NodePort or LoadBalancer.",
    commands=("kubectl -n {first_space} get pod {first_pod} -o wide",),
)


FLANNELS = {"Flannel": flannel.CONFIGS, "Canal": ("canal-config", "rke2-canal-config", "kube-flannel-cfg")}
"""The ConfigMaps with flannel's Network setting, by network."""

FAMILIES = {4: "Network", 6: "IPv6Network"}


def other_range(cluster: Cluster, found: Found) -> Iterator[Finding]:
    """Report nodes whose pod ranges are outside flannel's Network, if running pods have addresses from those ranges."""
    if found.name not in FLANNELS or not found.agents or not (cluster.readable(NODE) and cluster.readable(POD)):
        return
    seen = cni.NetworkObjects(cluster, found.agents)
    config, place = seen.config(*FLANNELS[found.name]), seen.place(*FLANNELS[found.name])
    pods = [pod for pod in cluster.all(POD) if not (pod.spec.host_network or pod.finished)]
    for version, key in FAMILIES.items():
        ranges = {node.name: _outside(node, config.get(key, ""), version) for node in cluster.all(NODE) if not node.unsupported}
        away = {name: texts for name, texts in ranges.items() if texts}
        if any(in_any(ip, away[pod.spec.node_name]) for pod in pods if pod.spec.node_name in away for ip in pod.ips):
            shown = some([f"{name} {', '.join(texts)}" for name, texts in sorted(away.items())], NAMED)
            space, _, map_ = place.partition("/")
            numbers = {"network": found.name, "range": config[key], "config": place, "space": space, "map": map_}
            yield OTHER_RANGE.on(workload_subject(found.agents[0]), named_nodes(sorted(away)) | numbers | {"shown": shown})


def _outside(node: Node, network: str, version: int) -> list[str]:
    """Return the node's pod ranges of an IP version that are outside ``network``; none if ``network`` is of another version."""
    if not is_range(network) or ip_network(network).version != version:
        return []
    own = [text for text in node.spec.pod_cidrs if ip_network(text).version == version]
    return [text for text in own if not in_any(text.partition("/")[0], (network,))]


def host_ports(cluster: Cluster, found: tuple[Found, ...]) -> Iterator[Finding]:
    """Report pods with host ports, if the configuration of the only pod network shows that nothing opens them."""
    others = [each for each in found if not each.network.meta]
    if len(others) != 1 or not (cluster.readable(POD) and cluster.readable(NODE)):
        return
    lacks = _lacks_portmap(cni.NetworkObjects(cluster, others[0].agents), others[0])
    opens = {node.name for node in cluster.all(NODE) if node.status.node_info.container_runtime_version.startswith("cri-o")}
    pods = sorted(
        (pod.namespace, pod.name)
        for pod in cluster.all(POD)
        if any(port.host_port for port in pod.spec.ports()) and _needs_plugin(pod) and pod.spec.node_name not in opens
    )
    if lacks and pods:
        shown = some([f"{space}/{name}" for space, name in pods], NAMED)
        numbers = {"count": len(pods), "shown": shown, "first_space": pods[0][0], "first_pod": pods[0][1]}
        yield NO_HOST_PORTS.on(NETWORK, numbers | dict(zip(("place", "lacks", "remedy"), lacks, strict=True)))


def _needs_plugin(pod: Pod) -> bool:
    return pod.status.phase == "Running" and not (pod.spec.host_network or pod.terminating)


def _lacks_portmap(seen: cni.NetworkObjects, found: Found) -> tuple[str, str, str] | None:
    """Return where host ports are switched off, how, and what opens them; None if that is not known."""
    for item in seen.resources(CALICO_INSTALLATION) if found.name == "Calico" else ():
        if item.settings.get("calicoNetwork.hostPorts") == "Disabled":
            return (
                f"Installation {item.name}",
                "sets calicoNetwork.hostPorts to Disabled",
                "Set calicoNetwork.hostPorts to Enabled",
            )
    place = seen.place(*found.network.configs)
    types = seen.config(*found.network.configs).get("cni_types", "").split(",")
    if not found.agents or types == [""] or "portmap" in types:
        return None
    return (
        f"the CNI configuration in ConfigMap {place}",
        "does not list the portmap plugin",
        "Add the portmap plugin to that list",
    )


CODES = (
    OTHER_RANGE,
    NO_HOST_PORTS,
)
