# SPDX-License-Identifier: Apache-2.0
"""Network policies: NetworkPolicy, the cluster-wide ones of SIG Network, and the CNIs' own.

Field by field as in networking.k8s.io/v1 (k8s.io/api/networking/v1/types.go) and in policy.networking.k8s.io/v1alpha1 and
v1beta1, which is v1alpha2 by another name (sigs.k8s.io/network-policy-api v0.3.0); ``kubectl_netdoc.policy`` says what they mean.
"""

from __future__ import annotations

from msgspec import field

from kubectl_netdoc.records.base import Object, Record, Traced


class LabelSelectorRequirement(Record, frozen=True):
    """``operator``: In, NotIn, Exists or DoesNotExist."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Record, frozen=True):
    """A selector of Kubernetes; an empty one selects everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()

    def __str__(self) -> str:
        return ", ".join(
            [*(f"{key}={value}" for key, value in sorted(self.match_labels.items())), *map(_words, self.match_expressions)]
        )


def _words(requirement: LabelSelectorRequirement) -> str:
    match requirement.operator:
        case "In" | "NotIn":
            return f"{requirement.key} {requirement.operator.lower()} ({', '.join(requirement.values)})"
        case "DoesNotExist":
            return f"!{requirement.key}"
    return requirement.key


class IPBlock(Record, frozen=True):
    """A CIDR and the ranges in it that don't belong to it."""

    cidr: str = ""
    except_: tuple[str, ...] = field(name="except", default=())


class NetworkPolicyPort(Record, frozen=True):
    """Ports of one protocol: a number, a name, a range up to ``end_port``, or all of them where ``port`` is None."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int = 0


class NetworkPolicyPeer(Record, frozen=True):
    """Pods, or addresses."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class NetworkPolicyRule(Record, frozen=True):
    """Peers and ports that are allowed: none named means all of them. ``from_`` on ingress, ``to`` on egress."""

    from_: tuple[NetworkPolicyPeer, ...] = field(name="from", default=())
    to: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicySpec(Record, frozen=True):
    """The pods, the directions and the rules."""

    pod_selector: LabelSelector = LabelSelector()
    policy_types: tuple[str, ...] = ()
    ingress: tuple[NetworkPolicyRule, ...] = ()
    egress: tuple[NetworkPolicyRule, ...] = ()


class NetworkPolicy(Traced, frozen=True):
    """A NetworkPolicy of networking.k8s.io/v1."""

    spec: NetworkPolicySpec = NetworkPolicySpec()


class NamespacedPod(Record, frozen=True):
    """Pods by their namespaces' labels and their own."""

    namespace_selector: LabelSelector = LabelSelector()
    pod_selector: LabelSelector = LabelSelector()


class AdminPeer(Record, frozen=True):
    """Subject or peer: exactly one field is set; none means a field of a later version."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPod | None = None
    nodes: LabelSelector | None = None
    networks: tuple[str, ...] = ()
    domain_names: tuple[str, ...] = ()


class PortNumber(Record, frozen=True):
    """A port of v1alpha1."""

    protocol: str = "TCP"
    port: int = 0


class PortRange(Record, frozen=True):
    """Ports from ``start`` to ``end``, both included."""

    protocol: str = "TCP"
    start: int = 0
    end: int = 0


class AdminPort(Record, frozen=True):
    """A port of a v1alpha1 rule."""

    port_number: PortNumber | None = None
    named_port: str = ""
    port_range: PortRange | None = None


class DestinationPort(Record, frozen=True):
    """A port of v1beta1: a number or a range."""

    number: int = 0
    range: PortRange | None = None


class ProtocolPorts(Record, frozen=True):
    """The ports of one protocol; without ``destination_port`` all of them."""

    destination_port: DestinationPort | None = None


class AdminProtocol(Record, frozen=True):
    """A protocol of a v1beta1 rule: exactly one field is set."""

    tcp: ProtocolPorts | None = None
    udp: ProtocolPorts | None = None
    sctp: ProtocolPorts | None = None
    destination_named_port: str = ""


class AdminRule(Record, frozen=True):
    """An ordered rule; ``ports`` in v1alpha1, ``protocols`` in v1beta1, none of either means all."""

    name: str = ""
    action: str = ""
    from_: tuple[AdminPeer, ...] = field(name="from", default=())
    to: tuple[AdminPeer, ...] = ()
    ports: tuple[AdminPort, ...] = ()
    protocols: tuple[AdminProtocol, ...] = ()


class AdminPolicySpec(Record, frozen=True):
    """Precedence, pods and rules; ``tier`` is only in v1beta1."""

    tier: str = ""
    priority: int = 0
    subject: AdminPeer = AdminPeer()
    ingress: tuple[AdminRule, ...] = ()
    egress: tuple[AdminRule, ...] = ()


class AdminPolicy(Object, frozen=True):
    """AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1) or ClusterNetworkPolicy (v1beta1)."""

    spec: AdminPolicySpec = AdminPolicySpec()


class NativePolicy(Object, frozen=True):
    """A policy of a CNI's own kind. Only its name and namespace are read; it is not evaluated."""
