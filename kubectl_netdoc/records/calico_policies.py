# SPDX-License-Identifier: Apache-2.0
"""Calico's own policies, tiers and sets of addresses (projectcalico/calico, api/pkg/apis/projectcalico/v3 at commit 87c15906).

In crd.projectcalico.org/v1 their specs are the same. Of what is not evaluated only is kept that it is there.
"""

from __future__ import annotations

from msgspec import field

from kubectl_netdoc.records.base import Object, Record


class Present(Record, frozen=True):
    """Something that is there, and of which nothing is kept."""


class EntityRule(Record, frozen=True):
    """One end of a rule: everything that is named must hold. ``ports``: numbers, names, and ranges as ``"80:90"``."""

    nets: tuple[str, ...] = ()
    not_nets: tuple[str, ...] = ()
    selector: str = ""
    not_selector: str = ""
    namespace_selector: str = ""
    ports: tuple[int | str, ...] = ()
    not_ports: tuple[int | str, ...] = ()
    service_accounts: Present | None = None
    services: Present | None = None


class CalicoRule(Record, frozen=True):
    """A rule: Allow, Deny, Pass (to the next tier) or Log (which goes on to the next rule). Protocols are names or numbers."""

    action: str = ""
    ip_version: int = field(name="ipVersion", default=0)
    protocol: int | str | None = None
    not_protocol: int | str | None = None
    source: EntityRule = EntityRule()
    destination: EntityRule = EntityRule()
    http: Present | None = None


class CalicoPolicySpec(Record, frozen=True):
    """The pods, the place among the policies, and the rules; ``order``: lower ones apply first, None is the last."""

    tier: str = ""
    order: float | None = None
    selector: str = ""
    namespace_selector: str = ""
    service_account_selector: str = ""
    types: tuple[str, ...] = ()
    ingress: tuple[CalicoRule, ...] = ()
    egress: tuple[CalicoRule, ...] = ()
    do_not_track: bool = False
    pre_dnat: bool = field(name="preDNAT", default=False)


class CalicoPolicy(Object, frozen=True):
    """A NetworkPolicy or GlobalNetworkPolicy of Calico's."""

    spec: CalicoPolicySpec = CalicoPolicySpec()


class CalicoTierSpec(Record, frozen=True):
    """Where a tier stands, and what becomes of what none of its rules matches: Deny or Pass."""

    order: float | None = None
    default_action: str = ""


class CalicoTier(Object, frozen=True):
    """A tier of policies."""

    spec: CalicoTierSpec = CalicoTierSpec()


class NetworkSetSpec(Record, frozen=True):
    """Addresses that selectors find by the set's labels."""

    nets: tuple[str, ...] = ()


class NetworkSet(Object, frozen=True):
    """A NetworkSet or GlobalNetworkSet."""

    spec: NetworkSetSpec = NetworkSetSpec()
