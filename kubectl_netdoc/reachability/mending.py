# SPDX-License-Identifier: Apache-2.0
"""The least change of policies that lets a connection through, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import matches
from kubectl_netdoc.policy import dns_access, fixes
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Direction, Policy, PolicyRef, Tier
from kubectl_netdoc.policy.selection import NAME_LABEL
from kubectl_netdoc.policy.verdict import Verdict
from kubectl_netdoc.policy.workloads import peers
from kubectl_netdoc.reachability.endpoints import Place
from kubectl_netdoc.reachability.story import Fix
from kubectl_netdoc.records.kinds import NETWORK_POLICY


@dataclass(frozen=True, slots=True)
class World:
    """All addresses of a family, and those that are not meant."""

    cidr: str
    without: tuple[str, ...]

    def block(self) -> fixes.Manifest:
        """As an ipBlock."""
        return {"ipBlock": {"cidr": self.cidr, "except": list(self.without)}}


WORLD = {
    ip_families.IPV4: World("0.0.0.0/0", ("169.254.0.0/16",)),
    ip_families.IPV6: World("::/0", ("fe80::/10", "fd00:ec2::254/128")),
}
"""Every address but link-local ones, among them the clouds' metadata servers (169.254.169.254), and that of AWS over IPv6."""


class Mender:
    """Knows both ends, and what is asked for on the destination's pods."""

    def __init__(self, engine: Engine, source: Place, destination: Place, asked: Ports) -> None:
        self.engine, self.source, self.destination, self.asked = engine, source, destination, asked

    def outside(self, by: tuple[PolicyRef, ...]) -> Fix:
        """Let it leave the cluster, in the families that pods have."""
        blocks = [WORLD[each].block() for each in ip_families.of_pods(self.engine.cluster) or tuple(WORLD)]
        rule = {"to": blocks, "ports": fixes.port_entries(self.asked)}
        words = "Allow it to leave the cluster on that port, without the metadata address (narrow the CIDR if you know it)"
        return self._mend(words, self.source, Direction.EGRESS, rule, by, _policy_name(self.source, "out"))

    def dns(self, dns: dns_access.Servers, denied: list[Verdict], by: tuple[PolicyRef, ...]) -> Fix:
        """At the source, if its egress forbids it; else at the DNS pods."""
        text = "Let it ask cluster DNS, UDP and TCP"
        if not all(verdict.egress.allowed for verdict in denied):
            rule = fixes.dns_rule(dns, self.source.namespace)
            return self._mend(text, self.source, Direction.EGRESS, rule, by, _policy_name(self.source, "dns"))
        selector = tuple(sorted(dns.service.spec.selector.items()))
        servers = Place(f"Service {dns.service.namespace}/{dns.service.name}", dns.service.namespace, dns.ends, selector)
        rule = {"from": _as_peers(self.source, servers.namespace), "ports": fixes.port_entries(dns.udp | dns.tcp)}
        return self._mend(text, servers, Direction.INGRESS, rule, by, _policy_name(servers, "from", self.source))

    def allowing(self, direction: Direction, by: tuple[PolicyRef, ...]) -> Fix:
        """Return what allows this at the end that stops it."""
        mine, theirs = (self.source, self.destination) if direction is Direction.EGRESS else (self.destination, self.source)
        word = "to" if direction is Direction.EGRESS else "from"
        rule = {word: _as_peers(theirs, mine.namespace), "ports": fixes.port_entries(self.asked)}
        text = f"Allow it at {mine.text}"
        if not fixes.lasting(dict(theirs.labels)) and theirs.namespace:
            text += f", for all of namespace {theirs.namespace}, as no label tells {theirs.text} apart"
        return self._mend(text, mine, direction, rule, by, _policy_name(mine, word, theirs))

    def _mend(
        self, text: str, mine: Place, direction: Direction, rule: fixes.Manifest, by: tuple[PolicyRef, ...], name: str
    ) -> Fix:
        """Return a NetworkPolicy that adds the rule; where one would do more than that, what to do to those that stop it."""
        for policy in self.engine.policies:
            if policy.ref in by and policy.tier is not Tier.NAMESPACE:
                return _of_cluster_wide(policy, direction)
        labels = fixes.lasting(dict(mine.labels))
        if labels and not self._isolates_more(mine.namespace, labels, direction):
            name = fixes.free_name(self.engine.cluster, mine.namespace, name)
            manifest = fixes.policy(name, mine.namespace, fixes.labelled(labels), direction, fixes.tidy(rule))
            return Fix(f"{text}, and nothing else:", yaml=fixes.as_yaml(manifest))
        written = next((item for ref in by if (item := self.engine.cluster.get(NETWORK_POLICY, ref.namespace, ref.name))), None)
        if written is None:
            return Fix(f"{text}: change {named(by)}.")
        ref = PolicyRef(NETWORK_POLICY.name, written.namespace, written.name)
        why = "as a new policy would isolate other pods" if labels else f"as no label tells {mine.text} apart"
        words = f"{text}. This adds a rule to {ref}, for all pods that it selects, {why}:"
        return Fix(words, command=fixes.command(ref, fixes.patch(written, direction, fixes.tidy(rule))))

    def _isolates_more(self, namespace: str, labels: dict[str, str], direction: Direction) -> bool:
        """Whether a policy for these labels would isolate a pod that none isolates now."""
        return any(
            not self.engine.isolated(end.pod_class, direction)
            for peer in peers(self.engine, namespace)
            if any(matches(labels, having) for having in peer.labels)
            for end in peer.ends
            if end.pod_class and not end.pod_class.host_network
        )


def named(refs: tuple[PolicyRef, ...]) -> str:
    """Policies in words."""
    return ", ".join(map(str, refs)) or "no policy that is known"


def pods_of(place: Place) -> str:
    """Return the command that lists the pods where a place is."""
    return f"kubectl -n {quote(place.namespace)} get pods -o wide" if place.namespace else "kubectl get pods -A -o wide"


def _policy_name(place: Place, word: str, other: Place | None = None) -> str:
    def short(text: str) -> str:
        last = text.split(" ")[-1].split("/")[-1].strip("()")
        return "".join(char if char.isalnum() else "-" for char in last.lower()).strip("-")

    return "-".join(filter(None, (short(place.text), word, short(other.text) if other else "")))[:63].strip("-")


def _as_peers(place: Place, own_namespace: str) -> list[fixes.Manifest]:
    """Return a place as peers of a rule: pods by their labels, everything else by address."""
    if fixes.lasting(dict(place.labels)) and place.namespace:
        return [fixes.peer(place.namespace, dict(place.labels), own_namespace)]
    if place.namespace and any(end.pod_class and not end.host for end in place.ends):
        return [{"namespaceSelector": {"matchLabels": {NAME_LABEL: place.namespace}}}]
    addresses = dict.fromkeys(address for end in place.ends for address in end.addresses[:1])
    return [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}} for address in addresses]


def _of_cluster_wide(policy: Policy, direction: Direction) -> Fix:
    rule = next((rule for rule in policy.of(direction) if rule.action is Action.DENY), None)
    command = f"kubectl get {quote(policy.ref.kind.lower())} {quote(policy.ref.name)} -o yaml"
    text = f"Only a change of {policy.ref} helps, which outranks NetworkPolicies"
    if policy.tier is Tier.BASELINE:
        text = f"Change {policy.ref}, or isolate the pods with a NetworkPolicy that allows all that they need: it goes before"
    return Fix(f"{text}: look at {rule.place if rule else 'spec'}.", command=command)
