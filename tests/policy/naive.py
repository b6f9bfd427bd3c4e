# SPDX-License-Identifier: Apache-2.0
"""Kubernetes network policies, evaluated as slowly and plainly as can be, over raw manifests.

Written from the API's texts without a look at ``kubectl_netdoc.policy``, and sharing no code with it: where both agree on
thousands of generated worlds, an error would have to have been made twice. Loops, no caches, one function for each notion.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

Raw = dict[str, Any]
Who = tuple[str, str, str]
PROTOCOLS = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True)
class End:
    """A Pod of the objects, or an address."""

    namespace: str = ""
    pod: str = ""
    ip: str = ""


@dataclass(frozen=True)
class Side:
    """What one end's policies say, and the policies that decide."""

    allowed: bool
    by: frozenset[Who] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """Both ends."""

    egress: Side
    ingress: Side

    @property
    def allowed(self) -> bool:
        """Whether the connection is."""
        return self.egress.allowed and self.ingress.allowed


@dataclass(frozen=True)
class Reading:
    """The choices that the API leaves to the CNI, and the IP version."""

    family: int
    ip_blocks_match_pods: bool
    host_network_as_pods: bool


@dataclass
class Party:
    """An end with all that is known of it: a pod, or the name of a node, or only an address."""

    pod: Raw | None
    node: str
    addresses: list[str]


def verdict(
    objects: list[Raw],
    source: End,
    destination: End,
    protocol: str,
    port: int,
    *,
    family: int = 4,
    ip_blocks_match_pods: bool = True,
    host_network_as_pods: bool = False,
) -> Verdict:
    """Return what the policies say of one connection."""
    reading = Reading(family, ip_blocks_match_pods, host_network_as_pods)
    a, b = party(objects, source), party(objects, destination)
    if a.pod is not None and a.pod is b.pod:
        return Verdict(Side(True), Side(True))
    return Verdict(
        side(objects, "egress", a, b, b, protocol, port, reading),
        side(objects, "ingress", b, a, b, protocol, port, reading),
    )


# The objects


def of_kind(objects: list[Raw], kind: str) -> list[Raw]:
    """Return the objects of a kind."""
    return [item for item in objects if item["kind"] == kind]


def meta(item: Raw) -> Raw:
    """Return metadata."""
    return item.get("metadata") or {}


def labels(item: Raw) -> dict[str, str]:
    """Return labels."""
    return meta(item).get("labels") or {}


def namespace_of(item: Raw) -> str:
    """Return the namespace."""
    return meta(item).get("namespace") or "default"


def namespace_labels(objects: list[Raw], name: str) -> dict[str, str]:
    """Return the labels of a namespace, which need not be among the objects."""
    for item in of_kind(objects, "Namespace"):
        if meta(item)["name"] == name:
            return {**labels(item), "kubernetes.io/metadata.name": name}
    return {"kubernetes.io/metadata.name": name}


def spec(item: Raw) -> Raw:
    """Return the spec."""
    return item.get("spec") or {}


def is_host(pod: Raw) -> bool:
    """Whether a pod is on its node's network."""
    return bool(spec(pod).get("hostNetwork"))


def node_ips(node: Raw) -> list[str]:
    """Return a node's addresses."""
    found = (node.get("status") or {}).get("addresses") or []
    return [a["address"] for a in found if a["type"] in ("InternalIP", "ExternalIP")]


def pod_ips(objects: list[Raw], pod: Raw) -> list[str]:
    """Return a pod's addresses: those of its node where it is on the host's network and has none itself."""
    own = [entry["ip"] for entry in (pod.get("status") or {}).get("podIPs") or []]
    if own or not is_host(pod):
        return own
    nodes = [node for node in of_kind(objects, "Node") if meta(node)["name"] == spec(pod).get("nodeName")]
    return [ip for node in nodes for ip in node_ips(node)]


def party(objects: list[Raw], end: End) -> Party:
    """Return who an end is."""
    for pod in of_kind(objects, "Pod"):
        named = not end.ip and (namespace_of(pod), meta(pod)["name"]) == (end.namespace, end.pod)
        addressed = end.ip and not is_host(pod) and end.ip in pod_ips(objects, pod)
        if named or addressed:
            return Party(pod, spec(pod).get("nodeName") or "", pod_ips(objects, pod))
    for node in of_kind(objects, "Node"):
        if end.ip in node_ips(node):
            return Party(None, meta(node)["name"], [end.ip])
    return Party(None, "", [end.ip])


def ordinary(who: Party, reading: Reading) -> bool:
    """Whether selectors of pods can select it."""
    return who.pod is not None and (reading.host_network_as_pods or not is_host(who.pod))


# Selectors


def selected(selector: Raw | None, having: dict[str, str]) -> bool:
    """Whether a label selector selects these labels."""
    selector = selector or {}
    for key, value in (selector.get("matchLabels") or {}).items():
        if having.get(key) != value:
            return False
    for requirement in selector.get("matchExpressions") or []:
        key, values = requirement["key"], requirement.get("values") or []
        operator = requirement["operator"]
        if operator == "In" and having.get(key) not in values:
            return False
        if operator == "NotIn" and key in having and having[key] in values:
            return False
        if operator == "Exists" and key not in having:
            return False
        if operator == "DoesNotExist" and key in having:
            return False
    return True


def in_cidr(who: Party, cidr: str, family: int) -> bool:
    """Whether an address of the family is in a CIDR."""
    network = ipaddress.ip_network(cidr, strict=False)
    addresses = [ipaddress.ip_address(text) for text in who.addresses]
    return any(a.version == family == network.version and a in network for a in addresses)


def in_block(who: Party, block: Raw, family: int) -> bool:
    """Whether one address of the family is in an ipBlock and in none of its exceptions."""
    for text in who.addresses:
        one = Party(None, "", [text])
        if in_cidr(one, block["cidr"], family) and not any(in_cidr(one, cut, family) for cut in block.get("except") or []):
            return True
    return False


# Ports


def declared(pod: Raw) -> list[Raw]:
    """Return the ports of containers and of restartable init containers."""
    containers = list(spec(pod).get("containers") or [])
    containers += [c for c in spec(pod).get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    return [port for container in containers for port in container.get("ports") or []]


def named(destination: Party, name: str, protocol: str, port: int, reading: Reading) -> bool:
    """Whether the destination pod declares this port under that name."""
    if destination.pod is None or not ordinary(destination, reading):
        return False
    found = [(d.get("name"), d.get("protocol") or "TCP", d["containerPort"]) for d in declared(destination.pod)]
    return (name, protocol, port) in found


def port_matches(entry: Raw, destination: Party, protocol: str, port: int, reading: Reading) -> bool:
    """Whether an entry of a NetworkPolicy's ports has this port."""
    if (entry.get("protocol") or "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return named(destination, wanted, protocol, port, reading)
    return bool(wanted <= port <= (entry.get("endPort") or wanted))


def admin_port_matches(entry: Raw, destination: Party, protocol: str, port: int, reading: Reading) -> bool:
    """The same for v1alpha1's ports."""
    number, several, name = entry.get("portNumber"), entry.get("portRange"), entry.get("namedPort")
    if number:
        return (number.get("protocol") or "TCP", number["port"]) == (protocol, port)
    if several:
        return (several.get("protocol") or "TCP") == protocol and several["start"] <= port <= several["end"]
    return named(destination, name or "", protocol, port, reading)


def protocol_matches(entry: Raw, destination: Party, protocol: str, port: int, reading: Reading) -> bool:
    """The same for v1alpha2's protocols."""
    if entry.get("destinationNamedPort"):
        return named(destination, entry["destinationNamedPort"], protocol, port, reading)
    if protocol.lower() not in entry:
        return False
    wanted = (entry[protocol.lower()] or {}).get("destinationPort")
    if not wanted:
        return True
    if wanted.get("range"):
        return bool(wanted["range"]["start"] <= port <= wanted["range"]["end"])
    return bool(wanted["number"] == port)


# NetworkPolicy


def types(policy: Raw) -> list[str]:
    """Return the directions that a policy isolates."""
    given = spec(policy).get("policyTypes")
    if given:
        return list(given)
    return ["Ingress", "Egress"] if spec(policy).get("egress") else ["Ingress"]


def isolating(objects: list[Raw], direction: str, subject: Party, reading: Reading) -> list[Raw]:
    """Return the NetworkPolicies that isolate the subject."""
    if subject.pod is None or not ordinary(subject, reading):
        return []
    return [
        policy
        for policy in of_kind(objects, "NetworkPolicy")
        if namespace_of(policy) == namespace_of(subject.pod)
        and selected(spec(policy).get("podSelector"), labels(subject.pod))
        and direction.capitalize() in types(policy)
    ]


def peer_matches(objects: list[Raw], policy: Raw, peer: Raw, other: Party, reading: Reading) -> bool:
    """Whether the other end is this peer of a NetworkPolicy."""
    if peer.get("ipBlock"):
        if ordinary(other, reading) and not reading.ip_blocks_match_pods:
            return False
        return in_block(other, peer["ipBlock"], reading.family)
    if other.pod is None or not ordinary(other, reading):
        return False
    where = namespace_of(other.pod)
    if peer.get("namespaceSelector") is None:
        right_namespace = where == namespace_of(policy)
    else:
        right_namespace = selected(peer["namespaceSelector"], namespace_labels(objects, where))
    if peer.get("podSelector") is None and peer.get("namespaceSelector") is None:
        return False
    return right_namespace and selected(peer.get("podSelector"), labels(other.pod))


def rule_allows(
    objects: list[Raw], policy: Raw, rule: Raw, direction: str, other: Party, destination: Party, protocol: str, port: int,
    reading: Reading,
) -> bool:  # fmt: skip
    """Whether one rule allows the connection."""
    peers = rule.get("from" if direction == "ingress" else "to") or []
    if peers and not any(peer_matches(objects, policy, peer, other, reading) for peer in peers):
        return False
    ports = rule.get("ports") or []
    return not ports or any(port_matches(entry, destination, protocol, port, reading) for entry in ports)


# Cluster-wide policies


def members(objects: list[Raw], peer: Raw, who: Party, reading: Reading) -> bool:
    """Whether a pod is among ``namespaces`` or ``pods``."""
    if who.pod is None or not ordinary(who, reading):
        return False
    having = namespace_labels(objects, namespace_of(who.pod))
    if peer.get("namespaces") is not None:
        return selected(peer["namespaces"], having)
    if peer.get("pods") is not None:
        pods = peer["pods"]
        return selected(pods.get("namespaceSelector"), having) and selected(pods.get("podSelector"), labels(who.pod))
    return False


def admin_peer_matches(objects: list[Raw], peer: Raw, other: Party, reading: Reading) -> bool:
    """Whether the other end is this peer of a cluster-wide policy."""
    if peer.get("networks"):
        return any(in_cidr(other, cidr, reading.family) for cidr in peer["networks"])
    if peer.get("nodes") is not None:
        is_node = other.pod is None or is_host(other.pod)
        nodes = [n for n in of_kind(objects, "Node") if meta(n)["name"] == other.node and is_node]
        return any(selected(peer["nodes"], labels(node)) for node in nodes)
    return members(objects, peer, other, reading)


KNOWN_FIELDS = ("namespaces", "pods", "nodes", "networks", "domainNames")


def of_later_version(peer: Raw) -> bool:
    """Whether none of the fields is set that this version knows."""
    return all(peer.get(field) is None for field in KNOWN_FIELDS)


def ordered(objects: list[Raw], tier: str) -> list[Raw]:
    """Return the cluster-wide policies of a tier, highest precedence first."""
    found = of_kind(objects, "AdminNetworkPolicy" if tier == "Admin" else "BaselineAdminNetworkPolicy")
    found = found + [policy for policy in of_kind(objects, "ClusterNetworkPolicy") if spec(policy)["tier"] == tier]
    return sorted(found, key=lambda policy: (spec(policy).get("priority", 0), policy["kind"], meta(policy)["name"]))


def first_match(
    objects: list[Raw], tier: str, direction: str, subject: Party, other: Party, destination: Party, protocol: str, port: int,
    reading: Reading,
) -> tuple[str, Who] | None:  # fmt: skip
    """Return the action of the first rule of a tier that matches, and its policy."""
    for policy in ordered(objects, tier):
        if not members(objects, spec(policy)["subject"], subject, reading):
            continue
        who = (policy["kind"], "", meta(policy)["name"])
        for rule in spec(policy).get(direction) or []:
            action = "Allow" if rule["action"] == "Accept" else rule["action"]
            peers = rule["from" if direction == "ingress" else "to"]
            if any(of_later_version(peer) for peer in peers):
                if action != "Allow":
                    return "Deny", who
                peers = [peer for peer in peers if not of_later_version(peer)]
            if not any(admin_peer_matches(objects, peer, other, reading) for peer in peers):
                continue
            ports, protocols = rule.get("ports") or [], rule.get("protocols") or []
            if (
                not (ports or protocols)
                or any(admin_port_matches(entry, destination, protocol, port, reading) for entry in ports)
                or any(protocol_matches(entry, destination, protocol, port, reading) for entry in protocols)
            ):
                return action, who
    return None


def own_node(subject: Party, other: Party) -> bool:
    """Whether the other end is the node where the subject runs."""
    is_node = other.pod is None or is_host(other.pod)
    return subject.node != "" and is_node and other.node == subject.node


def side(
    objects: list[Raw], direction: str, subject: Party, other: Party, destination: Party, protocol: str, port: int,
    reading: Reading,
) -> Side:  # fmt: skip
    """Return what the policies of one end say: Admin, then NetworkPolicy, then Baseline."""
    if not ordinary(subject, reading):
        return Side(True)
    found = first_match(objects, "Admin", direction, subject, other, destination, protocol, port, reading)
    if found and found[0] != "Pass":
        return Side(found[0] == "Allow", frozenset({found[1]}))
    policies = isolating(objects, direction, subject, reading)
    if policies:
        if own_node(subject, other):
            return Side(True)
        allowing = [
            policy
            for policy in policies
            for rule in spec(policy).get(direction) or []
            if rule_allows(objects, policy, rule, direction, other, destination, protocol, port, reading)
        ]
        deciding = allowing or policies
        return Side(bool(allowing), frozenset(("NetworkPolicy", namespace_of(p), meta(p)["name"]) for p in deciding))
    found = first_match(objects, "Baseline", direction, subject, other, destination, protocol, port, reading)
    if found and found[0] != "Pass":
        return Side(found[0] == "Allow", frozenset({found[1]}))
    return Side(True)
