# SPDX-License-Identifier: Apache-2.0
"""Questions to the policy engine and its answers: the two ends, how the API is read, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from msgspec import Struct

from kubectl_netdoc.formats.addresses import IPAddress, ip_address
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.records.nodes import Node


class OddBlocks(Enum):
    """How blocks are read whose text networks read differently: as Kubernetes does, as nothing, or as every address.

    Kubernetes' own parser drops leading zeros. Engines that use a stricter one leave the peer out, or keep it without its range
    (Calico's conversion of NetworkPolicies), and the C library reads another range.
    """

    AS_KUBERNETES = auto()
    NOTHING = auto()
    EVERYTHING = auto()


class Doubt(Enum):
    """Of rules of which it is not known whom they match, those that apply: none, those that allow, or those that deny."""

    NONE = auto()
    ALLOWING = auto()
    DENYING = auto()


class Reading(Struct, frozen=True):
    """One reading of what the API leaves to the CNI; ``family``: the IP version of the connection.

    ``unknown_matches``: whether blocks match pods without a known address. ``own_node_open``: whether pods reach their own
    node whatever their egress policies say; the API promises only the direction from the node to its pods.
    ``unknown_is_own_node``: whether a node is a pod's own where nobody knows which node that is.
    """

    family: int
    blocks_match_pods: bool = True
    host_network_as_pods: bool = False
    unknown_matches: bool = False
    own_node_open: bool = True
    unknown_is_own_node: bool = False
    doubt: Doubt = Doubt.NONE
    odd: OddBlocks = OddBlocks.AS_KUBERNETES


class End(Struct, frozen=True):
    """One end of a connection: a pod (or what a template makes), a node, or an address outside.

    ``pod``: (namespace, name), for traffic within a pod. ``node``: the node that it is, or where it runs; "" if not known.
    """

    label: str
    pod_class: PodClass | None = None
    pod: tuple[str, str] = ("", "")
    addresses: tuple[IPAddress, ...] = ()
    node: str = ""

    @property
    def host(self) -> bool:
        """Tell whether its traffic is that of a node."""
        return self.pod_class.host_network if self.pod_class else bool(self.node)

    def __str__(self) -> str:
        return self.label


class Side(Struct, frozen=True):
    """The verdict of one end's policies: the allowed ports, and by which policies.

    ``by``: the policies that allow some of them, or that deny them if none is allowed; empty if no policy applies.
    ``isolated``: whether a NetworkPolicy isolates this end in this direction.
    """

    allowed: Ports
    by: tuple[PolicyRef, ...] = ()
    isolated: bool = False


class Verdict(Struct, frozen=True):
    """Both sides, and what could change the verdict.

    ``depends``: why another CNI may decide differently. ``incomplete``: policies that are not evaluated and might change it.
    """

    egress: Side
    ingress: Side
    depends: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()

    @property
    def ports(self) -> Ports:
        """The ports that both ends allow."""
        return self.egress.allowed & self.ingress.allowed

    @property
    def allowed(self) -> bool:
        """Tell whether any of the ports is allowed."""
        return bool(self.ports)

    @property
    def by(self) -> tuple[PolicyRef, ...]:
        """The policies that deny it; none if it is allowed."""
        if self.allowed:
            return ()
        sides = (side for side in (self.egress, self.ingress) if not side.allowed)
        found = dict.fromkeys(ref for side in sides for ref in side.by)
        return tuple(found) or tuple(dict.fromkeys((*self.egress.by, *self.ingress.by)))


def addresses(texts: Iterable[str]) -> tuple[IPAddress, ...]:
    """Return the valid addresses among texts."""
    found = []
    for text in texts:
        try:
            found.append(ip_address(text))
        except ValueError:
            continue
    return tuple(found)


def node_addresses(node: Node) -> tuple[IPAddress, ...]:
    """Return a node's addresses."""
    return addresses(item.address for item in node.status.addresses if item.type in ("InternalIP", "ExternalIP"))
