# SPDX-License-Identifier: Apache-2.0
"""What enforces which kinds of network policies in a cluster, as its recognised networks and their versions tell.

Sources: versions/table.toml for Calico, Cilium and Antrea; cloudnativelabs/kube-router at commit 7c2c2779, which reads no kind of
policy.networking.k8s.io; kubernetes-sigs/kind, images/kindnetd/cmd/kindnetd/main.go at commit fed26882, which evaluates
NetworkPolicies alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubectl_netdoc import cni, versions
from kubectl_netdoc.cni.base import Found, NetworkObjects, PolicyEngine, daemon_sets, repository, yes
from kubectl_netdoc.cni.cilium import DATAPLANE_V2
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    ADMIN_POLICIES,
    BASELINE_ADMIN_NETWORK_POLICY,
    CLUSTER_NETWORK_POLICY,
    DAEMON_SET,
    NATIVE_POLICIES,
)
from kubectl_netdoc.records.workloads import Workload

ENGINES = repository("kube-network-policies", "kube-router", "network-policy-agent", "azure-npm", "calico/node", "romana-agent")
"""Images of policy engines that can be added to any network."""

FIRST, NEWER = (ADMIN_NETWORK_POLICY, BASELINE_ADMIN_NETWORK_POLICY), (CLUSTER_NETWORK_POLICY,)
STAGES: dict[PolicyEngine, tuple[tuple[tuple[Kind[Any], ...], str], ...]] = {
    PolicyEngine.CALICO: ((FIRST, "calico-admin-policies"), (NEWER, "calico-cluster-policies")),
    PolicyEngine.CILIUM: ((NEWER, "cilium-cluster-policies"),),
    PolicyEngine.ANTREA: ((FIRST, "antrea-admin-policies"), (NEWER, "antrea-cluster-policies")),
}
"""Rows of the table of versions by engine, and the kinds that they are about; the other ones of SIG Network it does not read."""

NETWORK_POLICY_ALONE = (PolicyEngine.KUBE_ROUTER, PolicyEngine.KUBE_ROUTER_IN_K3S, PolicyEngine.KINDNET)
"""Engines that read NetworkPolicies and no other kind."""

OWN_GROUPS = {
    "cilium.io": PolicyEngine.CILIUM,
    "crd.projectcalico.org": PolicyEngine.CALICO,
    "crd.antrea.io": PolicyEngine.ANTREA,
    "k8s.ovn.org": PolicyEngine.OVN,
}
"""The engines that policies of a CNI's own group are for."""

READS_THEM = "enable-k8s-cluster-network-policy"
"""The setting of cilium-config with which Cilium reads ClusterNetworkPolicies."""


def idle(cluster: Cluster) -> bool:
    """Whether nothing enforces policies: each network is one that is known to have no engine, and none stands beside."""
    engines = [found.traits.policy for found in networks(cluster)]
    return bool(engines) and all(engine.absent for engine in engines) and not _engines_in(daemon_sets(cluster))


def unenforced(cluster: Cluster) -> dict[str, str]:
    """Return the kinds of policies, by name, that nothing here enforces although their lists hold some, and why, as a clause.

    Nothing is said of manifests, of networks that are not known, nor where an engine of unknown abilities may enforce them.
    """
    kinds: tuple[Kind[Any], ...] = (*ADMIN_POLICIES, *NATIVE_POLICIES)
    used = [kind for kind in kinds if cluster.readable(kind) and cluster.all(kind)]
    if not used or cluster.origin == "manifests" or not cluster.readable(DAEMON_SET) or beside(cluster):
        return {}
    there = [found for found in networks(cluster) if not found.traits.policy.absent]
    found = {kind.name: [_why_not(cluster, network, kind) for network in there] for kind in used if there}
    return {name: joined(dict.fromkeys(reasons)) for name, reasons in found.items() if all(reasons)}


def networks(cluster: Cluster) -> list[Found]:
    """Return the networks that carry packets, which may enforce policies."""
    return [found for found in cni.recognise(cluster) if not found.network.meta]


def beside(cluster: Cluster) -> bool:
    """Whether an engine stands beside the networks, in a DaemonSet that is none of theirs."""
    agents = {(agent.namespace, agent.name) for found in networks(cluster) for agent in found.agents}
    return _engines_in(item for item in daemon_sets(cluster) if (item.namespace, item.name) not in agents)


def _engines_in(items: Iterable[Workload]) -> bool:
    return any(ENGINES.search(cni.Image.parse(c.image).repository) for item in items for c in item.template.spec.containers)


def _why_not(cluster: Cluster, found: Found, kind: Kind[Any]) -> str:
    """Return why a network does not enforce a kind of policies; "" if it does, or that is not known."""
    engine, name = found.traits.policy, found.network.name
    if engine is PolicyEngine.UNKNOWN:
        return ""
    if kind.group in OWN_GROUPS:
        return "" if OWN_GROUPS[kind.group] is engine else f"{engine}, which enforces policies here, does not read it"
    if engine in NETWORK_POLICY_ALONE:
        return f"{engine} reads NetworkPolicies alone"
    if found.network is DATAPLANE_V2 or engine not in STAGES:
        return ""
    changes = [versions.change(row) for kinds, row in STAGES[engine] if kind in kinds]
    off = _switched_off(cluster, found) if engine is PolicyEngine.CILIUM else ""
    return (_by_version(found, changes[0]) or off) if changes else f"{name} does not read it"


def _switched_off(cluster: Cluster, found: Found) -> str:
    """Return that Cilium is not told to read ClusterNetworkPolicies; "" if it is, or its settings are not known."""
    config = NetworkObjects(cluster, found.agents).config("cilium-config")
    return f"Cilium does not read it, as {READS_THEM} is not set" if config and not yes(config.get(READS_THEM, "")) else ""


def _by_version(found: Found, change: versions.Change) -> str:
    own = (container.image for agent in found.agents for container in agent.template.spec.containers)
    tags = sorted(found.network.versions(own))
    if not tags or not all(map(versions.parse, tags)):
        return ""
    for stage in ("unenforced", "enforced"):
        reached = {change.reached(stage, tag) for tag in tags if stage in change.stages}
        if reached == {stage == "unenforced"}:
            return f"{found.network.name} {', '.join(tags)} does not enforce it: from {change[stage]} on {change[stage].then}"
    return ""
