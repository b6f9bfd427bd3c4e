# SPDX-License-Identifier: Apache-2.0
"""The links of a node that lead to pods: which is whose.

A node does not tell whose a veth is. By these it is found: the name that Calico and the AWS VPC CNI make of the pod's, a route to
the pod's address alone, or, on a bridge, the neighbour that has the address and the port that its frames came from. If one pod
and one link are left, they belong together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.measurements.node import Link, RtnetlinkReply
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.routing.tables import NO_LINK_ADDRESS

NAMED = ("cali", "eni")
"""Calico and the AWS VPC CNI name a pod's link by this and the first 11 digits of the SHA-1 of "namespace.name"."""

ROUTED = (*NAMED, "lxc", "gke", "azv")
"""The names of pods' links that hang on no bridge begin like this (Calico, AWS, Cilium, GKE, Azure)."""

HEALTH = "lxc_health"
"""Cilium's own health endpoint: it is no pod's."""

SETTLED = 60.0
"""Seconds after its creation in which a pod may still be without its network."""


def of_a_pod(link: Link) -> bool:
    """Tell whether a link may lead to a pod: a veth without an address of its own but a link-local one."""
    return link.kind == "veth" and link.name != HEALTH and all(address.startswith("fe80:") for address in link.addresses)


class PodLinks(Struct, frozen=True):
    """The links of a node's pods, as they were before netdoc's pods got their network.

    ``links``: all that lead to pods. ``pods``: whose they are, by name, as far as that is known. ``unknown``: pods whose link is
    not known; ``silent``: those of them that did not tell the node their link address when it asked for it. ``new``: the link of
    netdoc's own pod. ``later``: all links as they were afterwards.
    """

    node: str
    links: dict[str, Link]
    pods: dict[str, Pod]
    unknown: tuple[Pod, ...] = ()
    silent: tuple[Pod, ...] = ()
    new: Link | None = None
    later: Mapping[str, Link] = {}

    def beside(self, link: Link) -> list[Link]:
        """Return the other pods' links on the same bridge, or without a bridge."""
        return [other for other in self.links.values() if other.name != link.name and other.master == link.master]


def of_node(facts: Facts, node: str, first: RtnetlinkReply) -> PodLinks:
    """Return the links of a node's pods; ``first``: its tables before netdoc's pods got their network, or else the later ones."""
    then = facts.reply(node_readings.tables(node))
    later = then if isinstance(then, RtnetlinkReply) else first
    readings = (_Reading(first), _Reading(later))
    pods, unknown = {}, []
    for pod in _settled(facts.cluster, node):
        name = next(filter(None, (reading.link_of(pod) for reading in readings)), "")
        if name in readings[0].links:
            pods[name] = pod
        elif not name:
            unknown.append(pod)
    own = next((vantage.ip for vantage in facts.vantages if vantage.node == node), "")
    new = readings[1].links.get(readings[1].link_to(own)) if own else None
    bridges = {readings[0].links[name].master for name in pods} | ({new.master} if new else set()) - {""}
    links = {
        link.name: link
        for link in first.links
        if of_a_pod(link) and (link.name in pods or link.master in bridges or (not link.master and link.name.startswith(ROUTED)))
    }
    left = [name for name, link in links.items() if link.master and name not in pods]
    if len(left) == len(unknown) == 1:
        pods[left[0]] = unknown.pop()
    silent = tuple(pod for pod in unknown if any(reading.silent(pod) for reading in readings))
    return PodLinks(node, links, pods, tuple(unknown), silent, new, readings[1].links)


def _settled(cluster: Cluster, node: str) -> Iterator[Pod]:
    """Yield the pods of a node that have had a network of their own for a while."""
    for pod in cluster.pods_on(node):
        living = not (pod.spec.host_network or pod.finished or pod.terminating) and pod.ips
        if living and cluster.age(pod.metadata.creation_timestamp).total_seconds() > SETTLED:
            yield pod


class _Reading:
    """One reading of a node's tables, indexed by addresses."""

    def __init__(self, reply: RtnetlinkReply) -> None:
        self.links = {link.name: link for link in reply.links}
        self.routes = {route.to: route.dev for route in reply.routes if route.to.endswith(("/32", "/128")) and not route.via}
        bridges = {link.master for link in reply.links}
        known = (each for each in reply.neighbours if each.dev in bridges)
        self.macs = {each.ip: each for each in known if each.mac and each.state not in NO_LINK_ADDRESS}
        self.asked = {each.ip for each in reply.neighbours if each.state in ("failed", "incomplete")}
        self.ports = {(self._master(each.dev), each.mac): each.dev for each in reply.forwarding if self._master(each.dev)}

    def _master(self, dev: str) -> str:
        return self.links[dev].master if dev in self.links else ""

    def link_of(self, pod: Pod) -> str:
        """Return the name of a pod's link; "" if it is not known."""
        digits = hashlib.sha1(f"{pod.namespace}.{pod.name}".encode(), usedforsecurity=False).hexdigest()[:11]
        named = next((name for name in (f"{prefix}{digits}" for prefix in NAMED) if name in self.links), "")
        return named or self._first(pod.ips)

    def silent(self, pod: Pod) -> bool:
        """Tell whether the node asked for a pod's link address in vain."""
        return not self.asked.isdisjoint(pod.ips)

    def link_to(self, ip: str) -> str:
        """Return the name of the link to an address; "" if it is not known."""
        dev = self.routes.get(f"{ip}/{128 if ':' in ip else 32}", "")
        found = self.macs.get(ip)
        dev = dev or (self.ports.get((found.dev, found.mac), "") if found else "")
        return dev if dev in self.links and of_a_pod(self.links[dev]) else ""

    def _first(self, ips: Iterable[str]) -> str:
        return next(filter(None, map(self.link_to, ips)), "")
