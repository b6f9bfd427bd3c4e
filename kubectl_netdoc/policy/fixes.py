# SPDX-License-Identifier: Apache-2.0
"""The least YAML that fixes a policy and changes nothing else.

NetworkPolicies add up, so what is missing is added as a new policy, or as one rule at the end of an existing one. Nothing that
is allowed now is taken away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableSet
from typing import Any

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.policy.dns_access import DnsServers
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Direction, PolicyRef
from kubectl_netdoc.policy.selection import NAME_LABEL
from kubectl_netdoc.records.kinds import CLUSTER_NETWORK_POLICY, KINDS, NATIVE_POLICIES, NETWORK_POLICY
from kubectl_netdoc.records.policies import LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule
from kubectl_netdoc.remediation import patches

FLEETING = (
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "controller-uid",
)
"""Labels that controllers set and remove: no policy should select by them."""

LONGEST_NAME = 240
"""Most characters of a policy's name: 253 are allowed (RFC 1123 subdomain), less a few for a number."""

Manifest = dict[str, Any]


def lasting(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels by which a policy can select a workload permanently."""
    return {key: value for key, value in sorted(labels.items()) if key not in FLEETING}


def port_entries(of: Ports) -> list[Manifest]:
    """Return ports in the form of a rule; none if all ports are meant."""
    found: list[Manifest] = []
    for protocol, low, high in of.ranges():
        if (low, high) == (1, 65535):
            found.append({"protocol": protocol})
        else:
            found.append({"protocol": protocol, "port": low} | ({"endPort": high} if high > low else {}))
    return found if str(of) != "all ports" else []


def peer(namespace: str, labels: Mapping[str, str], own_namespace: str) -> Manifest:
    """Return pods as a peer of a policy in ``own_namespace``."""
    return peer_of(namespace, labelled(labels), own_namespace)


def peer_of(namespace: str, selected: Manifest, own_namespace: str) -> Manifest:
    """Return pods by a selector as a peer of a policy in ``own_namespace``."""
    pods: Manifest = {"podSelector": selected}
    return pods if namespace == own_namespace else {"namespaceSelector": {"matchLabels": {NAME_LABEL: namespace}}} | pods


def dns_rule(dns: DnsServers, own_namespace: str, local: tuple[str, ...] = ()) -> Manifest:
    """Return the egress rule that allows cluster DNS over UDP and TCP, on the port that its pods listen on."""
    to = [peer(dns.service.namespace, dns.service.spec.selector, own_namespace)]
    addresses = local or dns.node_local
    to += ({"ipBlock": {"cidr": f"{address}/{128 if ':' in address else 32}"}} for address in addresses)
    listening = port_entries(dns.udp | dns.tcp)
    if addresses and {"protocol": "UDP", "port": 53} not in listening:
        listening += ({"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP"))
    return {"to": to, "ports": listening}


def dns_ingress(dns: DnsServers, *, nodes: bool) -> Manifest:
    """Return the ingress rule that allows queries of all pods to the DNS servers; ``nodes``: queries from nodes too."""
    return ({} if nodes else {"from": [{"namespaceSelector": {}}]}) | {"ports": port_entries(dns.udp | dns.tcp)}


def dns_first(dns: DnsServers, kind: str, direction: Direction, *, baseline: bool) -> str:
    """Return the JSON patch that adds a first rule about cluster DNS to a cluster-wide policy.

    In the Admin tier it passes DNS on to the namespaces' policies; in the Baseline tier, the last one, it allows DNS.
    """
    newer = kind == CLUSTER_NETWORK_POLICY.name
    action = ("Accept" if newer else "Allow") if baseline else "Pass"
    found = [(protocol, low) for protocol, low, _ in (dns.udp | dns.tcp).ranges()]
    if newer:
        about: Manifest = {"protocols": [{protocol.lower(): {"destinationPort": {"number": port}}} for protocol, port in found]}
    else:
        about = {"ports": [{"portNumber": {"protocol": protocol, "port": port}} for protocol, port in found]}
    space = {"namespaceSelector": {"matchLabels": {NAME_LABEL: dns.service.namespace}}}
    pods = {"pods": space | {"podSelector": {"matchLabels": dict(dns.service.spec.selector)}}}
    peers: Manifest = {"from": [{"namespaces": {}}]} if direction is Direction.INGRESS else {"to": [pods]}
    rule = {"name": "cluster-dns", "action": action} | peers | about
    return json.dumps([{"op": "add", "path": f"/spec/{direction.lower()}/0", "value": rule}], separators=(",", ":"))


def patch(policy: NetworkPolicy, direction: Direction, rule: Manifest) -> str:
    """Return the JSON patch that adds a rule at the end of a policy."""
    field = direction.lower()
    there = policy.spec.egress if direction is Direction.EGRESS else policy.spec.ingress
    operation = {"op": "add", "path": f"/spec/{field}/-" if there else f"/spec/{field}", "value": rule if there else [rule]}
    return json.dumps([operation], separators=(",", ":"))


def removal(policy: NetworkPolicy, rules: Iterable[tuple[Direction, int]]) -> str:
    """Return the JSON patch that removes rules from a policy, the last first, and tests each before."""
    spec = policy.spec
    those = {
        f"/spec/{direction.lower()}/{index}": _as_written(
            (spec.ingress if direction is Direction.INGRESS else spec.egress)[index]
        )
        for direction, index in sorted(rules, reverse=True)
    }
    return patches.remove(those)


def _as_written(rule: NetworkPolicyRule) -> Manifest:
    """Return a rule in the form that the API server stores."""
    of_ports = [
        {"protocol": port.protocol}
        | ({} if port.port is None else {"port": port.port})
        | ({"endPort": port.end_port} if port.end_port else {})
        for port in rule.ports
    ]
    return tidy({"from": list(map(_peer_as_written, rule.from_)), "to": list(map(_peer_as_written, rule.to)), "ports": of_ports})


def _peer_as_written(written: NetworkPolicyPeer) -> Manifest:
    found: Manifest = {}
    if written.ip_block is not None:
        found["ipBlock"] = tidy({"cidr": written.ip_block.cidr, "except": list(written.ip_block.except_)})
    if written.namespace_selector is not None:
        found["namespaceSelector"] = selector(written.namespace_selector)
    if written.pod_selector is not None:
        found["podSelector"] = selector(written.pod_selector)
    return found


def free_name(cluster: Cluster, namespace: str, name: str, taken: MutableSet[tuple[str, str]] | None = None) -> str:
    """Return a name that no NetworkPolicy has; ``taken``: names that were given before."""
    given = set() if taken is None else taken
    name, number = name[:LONGEST_NAME].strip("-."), 1
    found = name
    while (namespace, found) in given or cluster.get(NETWORK_POLICY, namespace, found) is not None:
        number += 1
        found = f"{name}-{number}"
    given.add((namespace, found))
    return found


def selector(of: LabelSelector) -> Manifest:
    """Return a selector as it was written."""
    labels = {"matchLabels": dict(of.match_labels)} if of.match_labels else {}
    expressions = [
        {"key": r.key, "operator": r.operator} | ({"values": list(r.values)} if r.values else {}) for r in of.match_expressions
    ]
    return labels | ({"matchExpressions": expressions} if expressions else {})


def labelled(labels: Mapping[str, str]) -> Manifest:
    """Return the selector of the pods with these labels, without labels that controllers change."""
    return {"matchLabels": lasting(labels)} if labels else {}


def policy(name: str, namespace: str, pods: Manifest, direction: Direction, rule: Manifest) -> Manifest:
    """Return a NetworkPolicy with one rule, for the pods that a selector selects."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": pods,
            "policyTypes": [direction.value],
            direction.lower(): [rule],
        },
    }


def tidy(rule: Manifest) -> Manifest:
    """Return a rule without its empty fields, which mean the same as none."""
    return {key: value for key, value in rule.items() if value}


def as_yaml(manifest: Manifest) -> str:
    """Return a manifest as kubectl apply takes it."""
    import yaml

    return str(yaml.safe_dump(manifest, sort_keys=False, default_flow_style=False))


def resource(ref: PolicyRef) -> str:
    """Return what kubectl calls the kind of a policy."""
    kind = KINDS[ref.kind]
    return f"{kind.plural}.{kind.group}" if kind in NATIVE_POLICIES else ref.kind.lower()


def command(ref: PolicyRef, change: str) -> str:
    """Return the kubectl command that applies a JSON patch."""
    import shlex

    where = f"-n {shlex.quote(ref.namespace)} " if ref.namespace else ""
    return f"kubectl {where}patch {ref.kind.lower()} {shlex.quote(ref.name)} --type json -p {shlex.quote(change)}"
