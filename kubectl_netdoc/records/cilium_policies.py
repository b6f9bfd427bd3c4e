# SPDX-License-Identifier: Apache-2.0
"""Cilium's own policies (cilium/cilium, pkg/policy/api and pkg/k8s/apis/cilium.io/v2 of v1.15.19, and files of later ones).

A list that is there and empty selects nobody, one that is not there says nothing: hence None. Of what is not evaluated only is
kept that it is there, and of fields that are not known here their names.
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.records.base import Object, Record, without_nulls
from kubectl_netdoc.records.calico_policies import Present
from kubectl_netdoc.records.policies import LabelSelector
from kubectl_netdoc.records.unknown_fields import unknown_fields


class CiliumCidr(Record, frozen=True):
    """A range of addresses and the ranges in it that don't belong to it, or a group of ranges."""

    cidr: str = ""
    except_: tuple[str, ...] = field(name="except", default=())
    cidr_group_ref: str = ""
    cidr_group_selector: Present | None = None


class CiliumPort(Record, frozen=True):
    """A port by number or name; 0 is every port. No protocol, and ANY, is every one that has ports."""

    port: str = ""
    end_port: int = 0
    protocol: str = ""


class DnsName(Record, frozen=True):
    """Which names may be asked for."""

    match_name: str = ""
    match_pattern: str = ""


class CiliumL7(Record, frozen=True):
    """What requests have to be like; only names for DNS are kept, for ``*`` takes every one."""

    dns: tuple[DnsName, ...] | None = None
    http: tuple[Present, ...] | None = None
    kafka: tuple[Present, ...] | None = None
    l7: tuple[Present, ...] | None = None
    l7proto: str = ""


class CiliumPorts(Record, frozen=True):
    """Ports, and what their traffic has to be like beyond that."""

    ports: tuple[CiliumPort, ...] = ()
    rules: CiliumL7 | None = None
    server_names: tuple[str, ...] = ()
    listener: Present | None = None
    terminating_tls: Present | None = field(name="terminatingTLS", default=None)
    originating_tls: Present | None = field(name="originatingTLS", default=None)


class Authentication(Record, frozen=True):
    """Whether the other end must prove who it is."""

    mode: str = ""


class CiliumRule(Record, frozen=True):
    """A rule of either direction: who is at the other end, and which ports; ``from…`` on ingress, ``to…`` on egress."""

    from_endpoints: tuple[LabelSelector, ...] | None = None
    from_requires: tuple[LabelSelector, ...] | None = None
    from_nodes: tuple[LabelSelector, ...] | None = None
    from_entities: tuple[str, ...] | None = None
    from_cidr: tuple[str, ...] | None = field(name="fromCIDR", default=None)
    from_cidr_set: tuple[CiliumCidr, ...] | None = field(name="fromCIDRSet", default=None)
    from_groups: tuple[Present, ...] | None = None
    to_endpoints: tuple[LabelSelector, ...] | None = None
    to_requires: tuple[LabelSelector, ...] | None = None
    to_nodes: tuple[LabelSelector, ...] | None = None
    to_entities: tuple[str, ...] | None = None
    to_cidr: tuple[str, ...] | None = field(name="toCIDR", default=None)
    to_cidr_set: tuple[CiliumCidr, ...] | None = field(name="toCIDRSet", default=None)
    to_groups: tuple[Present, ...] | None = None
    to_services: tuple[Present, ...] | None = None
    to_fqdns: tuple[Present, ...] | None = field(name="toFQDNs", default=None)
    to_ports: tuple[CiliumPorts, ...] | None = None
    icmps: tuple[Present, ...] | None = None
    authentication: Authentication | None = None


class DefaultDeny(Record, frozen=True):
    """Whether the policy denies what none allows, by direction; None: where it has rules."""

    ingress: bool | None = None
    egress: bool | None = None


class CiliumRules(Record, frozen=True):
    """One set of rules, and the pods or nodes that it is for."""

    endpoint_selector: LabelSelector | None = None
    node_selector: LabelSelector | None = None
    ingress: tuple[CiliumRule, ...] = ()
    ingress_deny: tuple[CiliumRule, ...] = ()
    egress: tuple[CiliumRule, ...] = ()
    egress_deny: tuple[CiliumRule, ...] = ()
    enable_default_deny: DefaultDeny = DefaultDeny()


class CiliumPolicySpec(Record, frozen=True):
    """The sets of rules, each at its place in the object; ``unknown``: fields that are not known here."""

    sets: dict[str, CiliumRules] = {}
    unknown: tuple[str, ...] = ()


class CiliumPolicy(Object, frozen=True):
    """A CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy."""

    spec: CiliumPolicySpec = CiliumPolicySpec()


class CiliumPolicyWire(Object, frozen=True):
    """One as the API has it: a set of rules in ``spec``, or several in ``specs``."""

    spec: dict[str, Any] | None = None
    specs: tuple[dict[str, Any], ...] = ()


def cilium_policy(wire: CiliumPolicyWire) -> CiliumPolicy:
    """Return the policy that is kept; raises ``msgspec.ValidationError``."""
    written = ({"spec": wire.spec} if wire.spec is not None else {}) | {f"specs[{n}]": each for n, each in enumerate(wire.specs)}
    plain = {place: without_nulls(value) for place, value in written.items()}
    return CiliumPolicy(
        metadata=wire.metadata,
        spec=CiliumPolicySpec(
            sets={place: strict_json.convert(value, CiliumRules) for place, value in plain.items()},
            unknown=tuple(name for place, value in plain.items() for name in unknown_fields(CiliumRules, value, place)),
        ),
    )
