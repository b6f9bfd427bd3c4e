# SPDX-License-Identifier: Apache-2.0
"""The smallest change of network policies that allows a connection, and nothing else."""

from __future__ import annotations

from shlex import quote

from msgspec import Struct

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import matches
from kubectl_netdoc.policy import dns_access, fixes
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Direction, Policy, PolicyRef, PolicyTier
from kubectl_netdoc.policy.selection import NAME_LABEL
from kubectl_netdoc.policy.verdict import Verdict
from kubectl_netdoc.policy.workloads import peers
from kubectl_netdoc.reachability.explanation import Fix
from kubectl_netdoc.reachability.named_end import NamedEnd
from kubectl_netdoc.records.kinds import NETWORK_POLICY


class AllAddresses(Struct, frozen=True):
    """All addresses of an IP family, with exceptions."""

    cidr: str
    without: tuple[str, ...]

    def block(self) -> fixes.Manifest:
        """Return them as an ipBlock."""
        return {"ipBlock": {"cidr": self.cidr, "except": list(self.without)}}


ALL_ADDRESSES = {
    ip_families.IPV4: AllAddresses("0.0.0.0/0", ("169.254.0.0/16",)),
    ip_families.IPV6: AllAddresses("::/0", ("fe80::/10", "fd00:ec2::254/128")),
}
"""Every address except link-local ones, which include the clouds' metadata servers (169.254.169.254), and that of AWS in IPv6."""


class PolicyFixes:
    """The fixes for one connection. ``asked``: the ports on the destination's pods."""

    def __init__(self, engine: Engine, source: NamedEnd, destination: NamedEnd, asked: Ports) -> None:
        self.engine, self.source, self.destination, self.asked = engine, source, destination, asked

    def allow_outside(self, by: tuple[PolicyRef, ...]) -> Fix:
        """Return the fix that allows the source to leave the cluster, in the IP families of the pods."""
        blocks = [ALL_ADDRESSES[each].block() for each in ip_families.of_pods(self.engine.cluster) or tuple(ALL_ADDRESSES)]
        rule = {"to": blocks, "ports": fixes.port_entries(self.asked)}
        words = "Allow egress on that port to addresses outside, except the cloud's metadata address (narrow the CIDR if you can)"
        return self._fix(words, self.source, Direction.EGRESS, rule, by, _policy_name(self.source, "out"))

    def allow_dns(self, dns: dns_access.DnsServers, denied: list[Verdict], by: tuple[PolicyRef, ...]) -> Fix:
        """Return the fix that allows the source to use cluster DNS: at the source if its egress denies it, else at DNS pods."""
        text = "Allow it to use cluster DNS over UDP and TCP"
        if not all(verdict.egress.allowed for verdict in denied):
            rule = fixes.dns_rule(dns, self.source.namespace)
            return self._fix(text, self.source, Direction.EGRESS, rule, by, _policy_name(self.source, "dns"))
        selector = tuple(sorted(dns.service.spec.selector.items()))
        servers = NamedEnd(f"Service {dns.service.namespace}/{dns.service.name}", dns.service.namespace, dns.ends, selector)
        rule = {"from": _as_peers(self.source, servers.namespace), "ports": fixes.port_entries(dns.udp | dns.tcp)}
        return self._fix(text, servers, Direction.INGRESS, rule, by, _policy_name(servers, "from", self.source))

    def allow(self, direction: Direction, by: tuple[PolicyRef, ...]) -> Fix:
        """Return the fix that allows the connection at the end that denies it."""
        mine, theirs = (self.source, self.destination) if direction is Direction.EGRESS else (self.destination, self.source)
        word = "to" if direction is Direction.EGRESS else "from"
        rule = {word: _as_peers(theirs, mine.namespace), "ports": fixes.port_entries(self.asked)}
        text = f"Allow it for {mine.text}"
        if not fixes.lasting(dict(theirs.labels)) and theirs.namespace:
            text += f", for all of namespace {theirs.namespace}, because no label identifies {theirs.text} alone"
        return self._fix(text, mine, direction, rule, by, _policy_name(mine, word, theirs))

    def _fix(
        self, text: str, mine: NamedEnd, direction: Direction, rule: fixes.Manifest, by: tuple[PolicyRef, ...], name: str
    ) -> Fix:
        """Return a NetworkPolicy with the rule, or if that would do more, a change of the policies that deny the connection."""
        for policy in self.engine.policies:
            if policy.ref in by and policy.tier is not PolicyTier.NAMESPACE:
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
        why = "because a new policy would isolate other pods" if labels else f"because no label identifies {mine.text} alone"
        words = f"{text}. This adds a rule to {ref}, for all pods that it selects, {why}:"
        return Fix(words, command=fixes.command(ref, fixes.patch(written, direction, fixes.tidy(rule))))

    def _isolates_more(self, namespace: str, labels: dict[str, str], direction: Direction) -> bool:
        """Tell whether a policy for these labels would isolate a pod that no policy isolates now."""
        return any(
            not self.engine.isolated(end.pod_class, direction)
            for peer in peers(self.engine, namespace)
            if any(matches(labels, having) for having in peer.labels)
            for end in peer.ends
            if end.pod_class and not end.pod_class.host_network
        )


def named(refs: tuple[PolicyRef, ...]) -> str:
    """Return policies as text."""
    return ", ".join(map(str, refs)) or "no known policy"


def pods_of(named_end: NamedEnd) -> str:
    """Return the command that lists the pods in the namespace of a named end."""
    return f"kubectl -n {quote(named_end.namespace)} get pods -o wide" if named_end.namespace else "kubectl get pods -A -o wide"


def _policy_name(named_end: NamedEnd, word: str, other: NamedEnd | None = None) -> str:
    def short(text: str) -> str:
        last = text.split(" ")[-1].split("/")[-1].strip("()")
        return "".join(char if char.isalnum() else "-" for char in last.lower()).strip("-")

    return "-".join(filter(None, (short(named_end.text), word, short(other.text) if other else "")))[:63].strip("-")


def _as_peers(named_end: NamedEnd, own_namespace: str) -> list[fixes.Manifest]:
    """Return a named end as peers of a rule: pods by their labels, everything else by address."""
    if fixes.lasting(dict(named_end.labels)) and named_end.namespace:
        return [fixes.peer(named_end.namespace, dict(named_end.labels), own_namespace)]
    if named_end.namespace and any(end.pod_class and not end.host for end in named_end.ends):
        return [{"namespaceSelector": {"matchLabels": {NAME_LABEL: named_end.namespace}}}]
    addresses = dict.fromkeys(address for end in named_end.ends for address in end.addresses[:1])
    return [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}} for address in addresses]


def _of_cluster_wide(policy: Policy, direction: Direction) -> Fix:
    rule = next((rule for rule in policy.of(direction) if rule.action is Action.DENY), None)
    where = f"-n {quote(policy.ref.namespace)} " if policy.ref.namespace else ""
    command = f"kubectl {where}get {quote(fixes.resource(policy.ref))} {quote(policy.ref.name)} -o yaml"
    if policy.tier is PolicyTier.OWN:
        return Fix(f"Change {policy.ref}: look at {rule.place if rule else 'spec'}.", command=command)
    text = f"Change {policy.ref}: it takes precedence over NetworkPolicies, so no NetworkPolicy can help"
    if policy.tier is PolicyTier.BASELINE:
        text = (
            f"Change {policy.ref}, or isolate the pods with a NetworkPolicy that allows everything they need, which takes "
            "precedence"
        )
    return Fix(f"{text}: look at {rule.place if rule else 'spec'}.", command=command)
