# SPDX-License-Identifier: Apache-2.0
"""Antrea's own policies, tiers and groups (antrea-io/antrea, pkg/apis/crd/v1beta1/types.go at commit fc70f2bb).

Of what is not evaluated only is kept that it is there, and of fields that are not known here their names.
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.records.base import Object, Record, without_nulls
from kubectl_netdoc.records.calico_policies import Present
from kubectl_netdoc.records.policies import IPBlock, LabelSelector
from kubectl_netdoc.records.unknown_fields import unknown_fields


class PeerNamespaces(Record, frozen=True):
    """Namespaces by how they relate to that of the policy's own pods: ``Self``, or the same values of labels."""

    match: str = ""
    same_labels: tuple[str, ...] = ()


class NamespacedName(Record, frozen=True):
    """A service account or Service."""

    name: str = ""
    namespace: str = ""


class AntreaPeer(Record, frozen=True):
    """Who a policy is for, or who is at the other end: one form of these."""

    ip_block: IPBlock | None = None
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: PeerNamespaces | None = None
    external_entity_selector: Present | None = None
    group: str = ""
    fqdn: str = ""
    service_account: NamespacedName | None = None
    service: Present | None = None
    node_selector: LabelSelector | None = None
    scope: str = ""


class AntreaPort(Record, frozen=True):
    """Ports of one protocol: a number, a name, a range up to ``end_port``, or all of them where ``port`` is None."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int = 0
    source_port: int | None = None
    source_end_port: int | None = None


class AntreaRule(Record, frozen=True):
    """A rule: Allow, Drop, Reject or Pass (on to the NetworkPolicies)."""

    action: str = "Allow"
    ports: tuple[AntreaPort, ...] = ()
    protocols: tuple[Present, ...] = ()
    l7_protocols: tuple[Present, ...] = ()
    from_: tuple[AntreaPeer, ...] = field(name="from", default=())
    to: tuple[AntreaPeer, ...] = ()
    to_services: tuple[Present, ...] = ()
    applied_to: tuple[AntreaPeer, ...] = ()


class AntreaPolicySpec(Record, frozen=True):
    """The tier, the place in it (lower numbers apply first), the pods and the rules."""

    tier: str = ""
    priority: float = 0
    applied_to: tuple[AntreaPeer, ...] = ()
    ingress: tuple[AntreaRule, ...] = ()
    egress: tuple[AntreaRule, ...] = ()
    unknown: tuple[str, ...] = ()


class AntreaPolicy(Object, frozen=True):
    """A NetworkPolicy or ClusterNetworkPolicy of Antrea's."""

    spec: AntreaPolicySpec = AntreaPolicySpec()


class AntreaPolicyWire(Object, frozen=True):
    """One as the API has it."""

    spec: dict[str, Any] = {}


def antrea_policy(wire: AntreaPolicyWire) -> AntreaPolicy:
    """Return the policy that is kept; raises ``msgspec.ValidationError``."""
    plain = {name: value for name, value in without_nulls(wire.spec).items() if name != "unknown"}
    spec = strict_json.convert({**plain, "unknown": list(unknown_fields(AntreaPolicySpec, plain, "spec"))}, AntreaPolicySpec)
    return AntreaPolicy(metadata=wire.metadata, spec=spec)


class AntreaTierSpec(Record, frozen=True):
    """Where a tier stands: lower numbers apply first."""

    priority: int = 0


class AntreaTier(Object, frozen=True):
    """A tier of policies."""

    spec: AntreaTierSpec = AntreaTierSpec()


class AntreaGroupSpec(Record, frozen=True):
    """Pods, ranges of addresses, or other groups."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    node_selector: Present | None = None
    ip_blocks: tuple[IPBlock, ...] = ()
    service_reference: Present | None = None
    external_entity_selector: Present | None = None
    child_groups: tuple[str, ...] = ()


class AntreaGroup(Object, frozen=True):
    """A Group or ClusterGroup, which policies name."""

    spec: AntreaGroupSpec = AntreaGroupSpec()
