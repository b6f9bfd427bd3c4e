# SPDX-License-Identifier: Apache-2.0
"""Network policies that no API server takes, and why.

As validated in networking.k8s.io/v1 (pkg/apis/networking/validation) and by the definitions of policy.networking.k8s.io v1alpha1
(network-policy-api v0.1.7), v1alpha2 and v1beta1 (v0.3.0), of both channels: what one of them takes is not refused here, nor what
only newer servers refuse. The rules are held against a real API server in tests/apiserver.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubectl_netdoc.formats import addresses
from kubectl_netdoc.formats.object_schema import Rule, anything, fields, items, number, text, words

PORT = number(1, 65535)
MOST_NAME = 100
MOST_CIDR = 43
_LIST, _OLD_LIST = 25, 100
"""Most rules, peers, protocols and ranges of a ClusterNetworkPolicy, and of the kinds before it."""

_SERVICE_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DOMAIN = re.compile(r"(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?")


# NetworkPolicy


def _requirement(value: dict[str, Any], path: str) -> Iterator[str]:
    listed = value.get("operator") in ("In", "NotIn")
    if listed != bool(value.get("values")) and "operator" in value:
        yield f"{path}.values has to {'have' if listed else 'be left out, with'} {'a value' if listed else value['operator']}"


def _selector(operators: Rule, also: Rule) -> Rule:
    requirement = fields({"key": text(), "operator": operators, "values": items(text())}, "key", "operator", also=also)
    return fields({"matchLabels": anything, "matchExpressions": items(requirement)})


SELECTOR = _selector(words("In", "NotIn", "Exists", "DoesNotExist"), _requirement)


def _port(value: dict[str, Any], path: str) -> Iterator[str]:
    port, end = value.get("port"), value.get("endPort")
    if isinstance(port, str):
        if not _SERVICE_NAME.fullmatch(port):
            yield f"{path}.port has to be a number, or a name of at most 15 lower-case letters, digits and hyphens"
    elif port is not None:
        yield from PORT(port, f"{path}.port")
    if isinstance(end, int) and (not isinstance(port, int) or end < port):
        yield f"{path}.endPort needs a port that is a number and no larger"


def _network(value: str) -> addresses.IPRange | None:
    """A CIDR as lenient servers read it: with leading zeros, and with bits of a host."""
    return addresses.ip_network(value) if addresses.is_range(value) else None


def _cidr(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str) or _network(value) is None:
        yield f"{path} has to be a CIDR, such as 10.9.8.0/24 or 2001:db8::/64"


def _exceptions(value: dict[str, Any], path: str) -> Iterator[str]:
    whole = _network(value["cidr"]) if isinstance(value.get("cidr"), str) else None
    written = value.get("except")
    for index, one in enumerate(written if whole and isinstance(written, list) else ()):
        part = _network(one) if isinstance(one, str) else None
        if part and (part.version != whole.version or part == whole or not part.subnet_of(whole)):  # type: ignore[union-attr, arg-type]
            yield f"{path}.except[{index}] has to be a part of {value['cidr']}"


def _peer(value: dict[str, Any], path: str) -> Iterator[str]:
    if not value:
        yield f"{path} has to name a peer"
    elif "ipBlock" in value and len(value) > 1:
        yield f"{path} can't have selectors beside ipBlock"


_BLOCK = fields({"cidr": _cidr, "except": items(_cidr)}, "cidr", also=_exceptions)
_PEER = fields({"podSelector": SELECTOR, "namespaceSelector": SELECTOR, "ipBlock": _BLOCK}, also=_peer)
_PORTS = items(fields({"protocol": words("TCP", "UDP", "SCTP"), "port": anything, "endPort": PORT}, also=_port))
NETWORK_POLICY = fields(
    {
        "podSelector": SELECTOR,
        "policyTypes": items(words("Ingress", "Egress"), most=2),
        "ingress": items(fields({"from": items(_PEER), "ports": _PORTS})),
        "egress": items(fields({"to": items(_PEER), "ports": _PORTS})),
    }
)


# Cluster-wide policies


def _canonical(value: str) -> bool:
    """Whether a CIDR has no bits of a host, as CEL's ``masked`` asks."""
    return _is_cidr(value) and addresses.ip_network(value).network_address == addresses.ip_address(value.partition("/")[0])


def _is_cidr(value: str) -> bool:
    return addresses.is_range(value) and not addresses.odd(value)


def _ascending(value: dict[str, Any], path: str) -> Iterator[str]:
    start, end = value.get("start"), value.get("end")
    if isinstance(start, int) and isinstance(end, int) and start >= end:
        yield f"{path}: start has to be less than end"


def _once(value: list[Any], path: str) -> Iterator[str]:
    if len({str(each) for each in value}) < len(value):
        yield f"{path} has an item twice"


def _nameless(ports: str, name: str) -> Rule:
    """Ask that rules for what is no pod name no ports."""

    def rule(value: dict[str, Any], path: str) -> Iterator[str]:
        to, asked = value.get("to"), value.get(ports)
        if not isinstance(to, list) or not isinstance(asked, list):
            return
        no_pods = any(isinstance(each, dict) and {"networks", "nodes", "domainNames"} & each.keys() for each in to)
        if no_pods and any(isinstance(each, dict) and each.get(name) for each in asked):
            yield f"{path}: {name} can't be used with networks, nodes or domainNames, which name no ports"

    return rule


def _cluster_wide(
    most: int, actions: Rule, pods: Rule, networks: Rule, ports: dict[str, Rule], named: Rule, **more: Rule
) -> Rule:
    inside = {"namespaces": _WIDE_SELECTOR, "pods": pods}
    names = items(text(fits=_DOMAIN.fullmatch, what="a domain name"), 1, _LIST, _once)
    outside = {"networks": items(networks, 1, _LIST, _once), "nodes": _WIDE_SELECTOR, "domainNames": names}
    rule = {"name": text(MOST_NAME), "action": actions, **ports}
    ingress = fields(rule | {"from": items(fields(inside, one=True), 1, most)}, "action", "from")
    egress = fields(rule | {"to": items(fields(inside | outside, one=True), 1, most)}, "action", "to", also=named)
    known = {"subject": fields(inside, one=True), "ingress": items(ingress, most=most), "egress": items(egress, most=most)}
    return fields(known | more, "subject", *more)


_WIDE_SELECTOR = _selector(text(), anything)
_PRIORITY = number(0, 1000)
_RANGE = fields({"start": PORT, "end": PORT}, "start", "end", also=_ascending)
_DESTINATION = fields({"number": PORT, "range": _RANGE}, one=True)
_PROTOCOL = fields({"destinationPort": _DESTINATION}, "destinationPort")
_PROTOCOLS = fields({"tcp": _PROTOCOL, "udp": _PROTOCOL, "sctp": _PROTOCOL, "destinationNamedPort": text()}, one=True)
CLUSTER_NETWORK_POLICY = _cluster_wide(
    _LIST,
    words("Accept", "Deny", "Pass"),
    fields({"namespaceSelector": _WIDE_SELECTOR, "podSelector": _WIDE_SELECTOR}, "podSelector"),
    text(MOST_CIDR, _canonical, "a CIDR without bits of a host, such as 10.9.8.0/24"),
    {"protocols": items(_PROTOCOLS, 1, _LIST)},
    _nameless("protocols", "destinationNamedPort"),
    tier=words("Admin", "Baseline"),
    priority=_PRIORITY,
)

_OLD_PORTS = fields(
    {
        "portNumber": fields({"port": PORT, "protocol": text()}, "port"),
        "namedPort": text(),
        "portRange": fields({"start": PORT, "end": PORT, "protocol": text()}, "start", "end"),
    },
    one=True,
)


def _old(actions: Rule, **more: Rule) -> Rule:
    both = fields({"namespaceSelector": _WIDE_SELECTOR, "podSelector": _WIDE_SELECTOR}, "namespaceSelector", "podSelector")
    networks, ports = text(MOST_CIDR, _is_cidr, "a CIDR"), {"ports": items(_OLD_PORTS, 1, _OLD_LIST)}
    return _cluster_wide(_OLD_LIST, actions, both, networks, ports, _nameless("ports", "namedPort"), **more)


ADMIN_NETWORK_POLICY = _old(words("Allow", "Deny", "Pass"), priority=_PRIORITY)
BASELINE_ADMIN_NETWORK_POLICY = _old(words("Allow", "Deny"))
