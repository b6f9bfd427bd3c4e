# SPDX-License-Identifier: Apache-2.0
"""Ports of a bridge whose flags are unlike those of the other pods' ports, or of a new pod's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from kubectl_netdoc.api import BridgePort, Code, Explains, Finding, Link, ObjectRef, Risk, Severity, Subject, some
from kubectl_netdoc.checks.pod_network.pod_links.sizes import usual_size
from kubectl_netdoc.checks.pod_network.pod_links.state import NAMED
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.pod_links import PodLinks

SHOWN = 6
"""A message names at most this many differences."""

NOT_FLAGS = frozenset({"state", "isolated", "priority", "cost"})
"""Fields of a port that are judged elsewhere, or that mean nothing without the spanning tree protocol."""

ISOLATED = Code(
    id="PLK003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pods on a node are isolated from each other",
    message="On node {name}, {count} pods' ports of {bridge} are isolated ({shown}), and that of a new pod is not: nothing "
    "passes between these {count}, while everything else reaches them",
    fix="Switch the isolation off. If it is meant, switch it on in the CNI configuration (portIsolation), so that new pods have "
    "it too.",
    explains=(Explains(("PNW005", "SVH002"), "node"),),
)
UNLIKE = Code(
    id="PLK010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Links of pods are unlike the others on their node",
    message="On node {name}, links of pods are unlike those of the other pods there: {shown}",
    fix="If it is not meant, set the flags as the other ports have them, or delete the pods so that they get new links.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
    odd=True,
)


def isolated(links: PodLinks) -> Iterator[Finding]:
    """Report several isolated ports where a new pod's is not: one alone changes nothing."""
    if links.new is None or links.new.bridge_port is None or links.new.bridge_port.isolated:
        return
    apart = [link for link in _ports(links) if link.bridge_port and link.bridge_port.isolated and link.master == links.new.master]
    if len(apart) < 2:
        return
    shown = some([_named(links, link) for link in apart], NAMED)
    lines = tuple(ip_commands.on(links.node, f"bridge link set dev {link.name} isolated off") for link in apart[:NAMED])
    refs = [ObjectRef.to("Pod", links.pods[link.name]) for link in apart if link.name in links.pods]
    words = {"count": len(apart), "bridge": links.new.master, "shown": shown, "nodes": [links.node]}
    yield ISOLATED.on(Subject("Node", links.node), words, commands=lines, objects=refs)


def unlike(links: PodLinks) -> Iterator[Finding]:
    """Report flags and larger MTUs that a link does not share with most beside it, or if there are too few, with a new pod's."""
    found, refs = [], []
    for link in links.links.values():
        differences = [f"{name} is {_word(value)}" for name, value in _differences(links, link).items()]
        if differences:
            found.append(f"{_named(links, link)}: {', '.join(differences)}")
            refs += [ObjectRef.to("Pod", links.pods[link.name])] if link.name in links.pods else []
    if found:
        words = {"shown": some(found, SHOWN, "; "), "suspects": found, "nodes": [links.node]}
        yield UNLIKE.on(Subject("Node", links.node), words, objects=refs)


def _ports(links: PodLinks) -> list[Link]:
    return [link for link in links.links.values() if link.bridge_port]


def _named(links: PodLinks, link: Link) -> str:
    """Return a link's name, and its pod's where that is known."""
    pod = links.pods.get(link.name)
    return f"{link.name} of {pod.namespace}/{pod.name}" if pod else link.name


def _differences(links: PodLinks, link: Link) -> dict[str, Any]:
    size = usual_size(links, link)
    found: dict[str, Any] = {"mtu": link.mtu} if size and size != link.mtu else {}
    if link.bridge_port is None:
        return found
    beside = [other.bridge_port for other in links.beside(link) if other.bridge_port]
    new = links.new.bridge_port if links.new and links.new.master == link.master else None
    for name, value in _flags(link.bridge_port).items():
        values = Counter(getattr(port, name) for port in (*beside, *([new] if new else [])))
        usual, count = max(values.items(), key=lambda item: item[1], default=(value, 0))
        if usual != value and 2 * count > sum(values.values()):
            found[name] = value
    apart = link.bridge_port.isolated and new is not None and not new.isolated
    return found | ({"isolated": True} if apart else {})


def _flags(port: BridgePort) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(port).items() if name not in NOT_FLAGS}


def _word(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


CODES = (
    ISOLATED,
    UNLIKE,
)
