# SPDX-License-Identifier: Apache-2.0
"""Can A reach B? Every hop on the way, the first that stops it, and the least that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from shlex import quote

from kubectl_netdoc.cluster import matches
from kubectl_netdoc.facts import Facts
from kubectl_netdoc.places import NoSuchPlace, Place
from kubectl_netdoc.policy import fixes, names, ports
from kubectl_netdoc.policy.connections import elementary
from kubectl_netdoc.policy.engine import End, Engine, Side, Verdict
from kubectl_netdoc.policy.ports import FIRST, LAST, Ports
from kubectl_netdoc.policy.rules import Action, Direction, Policy, PolicyRef, Tier
from kubectl_netdoc.policy.selection import NAME_LABEL
from kubectl_netdoc.policy.workloads import peers
from kubectl_netdoc.records import ENDPOINT_SLICE, NETWORK_POLICY, ServicePort
from kubectl_netdoc.requests import EchoReply
from kubectl_netdoc.targets import proof

MOST_ENDS = 50
"""Pods of each side that are judged one by one; workloads have more only where they are all alike."""


class Answer(StrEnum):
    """What a hop says."""

    OK = "ok"
    STOPS = "STOPS"
    UNKNOWN = "unknown"
    NOTE = "-"


@dataclass(frozen=True, slots=True)
class Hop:
    """One step on the way, with the policies that have a say there."""

    name: str
    answer: Answer
    text: str
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fix:
    """The least that mends the first hop that stops it: words, and YAML or a command."""

    text: str
    yaml: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks whom for what. ``port``: as it was written, a number or a Service port's name; "" is any."""

    source: Place
    destination: Place
    port: str = ""
    protocol: str = "TCP"

    def __str__(self) -> str:
        port = f" on {self.protocol} {self.port}" if self.port else f" over {self.protocol}"
        return f"Can {self.source.text} reach {self.destination.text}{port}?"


@dataclass(frozen=True, slots=True)
class Story:
    """The whole answer. ``asked``: the ports on the destination's pods, after Service translation."""

    question: Question
    hops: tuple[Hop, ...]
    asked: Ports
    fix: Fix | None = None

    @property
    def stopped(self) -> Hop | None:
        """The first hop that stops it."""
        return next((hop for hop in self.hops if hop.answer is Answer.STOPS), None)

    @property
    def answer(self) -> str:
        """``no``, ``unknown`` or ``yes``, as written."""
        if self.stopped:
            return "no"
        return "unknown" if any(hop.answer is Answer.UNKNOWN for hop in self.hops) else "yes"


def why(engine: Engine, facts: Facts, question: Question) -> Story:
    """Return the story of a connection. Raises ``NoSuchPlace`` for a source or a port that can't be."""
    if question.source.outside:
        raise NoSuchPlace(f"{question.source.text} is outside: as a source it is to be an address, not a name")
    if question.port.isdigit() and not FIRST <= int(question.port) <= LAST:
        raise NoSuchPlace(f"{question.port} is no port: {FIRST} to {LAST}")
    teller = _Teller(engine, facts, question)
    hops = tuple(teller.hops())
    return Story(question, hops, teller.asked, teller.fix)


class _Teller:
    """Goes from hop to hop; keeps the fix of the first that stops."""

    def __init__(self, engine: Engine, facts: Facts, question: Question) -> None:
        self.engine, self.facts, self.question = engine, facts, question
        self.source, self.destination = question.source, question.destination
        self.fix: Fix | None = None
        self.asked, self.mapping = self._translate()
        both = product(self.source.ends[:MOST_ENDS], self.destination.ends[:MOST_ENDS])
        self.pairs = [(a, b, engine.verdict(a, b, self.asked, family(b))) for a, b in both]

    def hops(self) -> Iterator[Hop]:
        """Yield each hop in the order in which a packet meets them."""
        if not self.source.ends:
            yield self._stop(
                "source", f"{self.source.text} has no pod", Fix("Look at why it has none.", command=_pods_of(self.source))
            )
            return
        yield Hop("source", Answer.OK, _several(self.source))
        if (self.destination.service is not None and not self.destination.by_address) or self.destination.outside:
            yield self._name()
        if self.destination.service is not None:
            yield self._service()
            if not self.destination.outside:
                yield self._endpoints()
        if not self.asked:
            return
        if self.destination.outside:
            yield self._outside()
            return
        for direction in (Direction.EGRESS, Direction.INGRESS):
            yield self._policies(direction)
        yield self._path()

    def _stop(self, name: str, text: str, fix: Fix, policies: tuple[str, ...] = ()) -> Hop:
        self.fix = self.fix or fix
        return Hop(name, Answer.STOPS, text, policies)

    # Ports

    def _translate(self) -> tuple[Ports, str]:
        """Return the ports on the pods that are meant, and the mapping in words."""
        service, port, protocol = self.destination.service, self.question.port, self.question.protocol
        if service is None or self.destination.outside:
            if port and not port.isdigit():
                raise NoSuchPlace(f"{self.destination.text} has no port named {port}: only a Service has names")
            return (ports.of(protocol, int(port)) if port else ports.every(protocol)), ""
        entries = [p for p in service.spec.ports if p.protocol == protocol and (not port or port in (str(p.port), p.name))]
        if not entries:
            there = ", ".join(f"{p.protocol} {p.port}" for p in service.spec.ports) or "no port"
            raise NoSuchPlace(f"{self.destination.text} has no port {protocol} {port or ''}; it has {there}".replace("  ", " "))
        found, words = ports.NONE, []
        for entry in entries:
            numbers = self._numbers(entry)
            words.append(
                f"{entry.protocol} {entry.port} -> {', '.join(map(str, sorted(numbers))) or f'port {entry.target_port!r}'}"
            )
            for number in numbers:
                found |= ports.of(protocol, number)
        return found, "; ".join(words)

    def _numbers(self, entry: ServicePort) -> set[int]:
        service = self.destination.service
        if service is None:
            return set()
        if service.headless and isinstance(entry.target_port, int):
            return {entry.port} if not entry.target_port else {entry.target_port}
        found = names.target_numbers(entry, self.destination.specs)
        if found or not self.engine.cluster.readable(ENDPOINT_SLICE):
            return found
        slices = self.engine.cluster.slices_of(service)
        return {p.port for item in slices for p in item.ports if p.name == entry.name and p.protocol == entry.protocol}

    # Hops

    def _name(self) -> Hop:
        """Can the source ask cluster DNS? Only what its policies say: nothing is asked here."""
        dns = names.servers(self.engine)
        if dns is None:
            return Hop("name", Answer.NOTE, "there are no DNS pods to see, so whether it may ask for the name is not judged")
        denied: list[Verdict] = []
        for end in self.source.ends[:MOST_ENDS]:
            if end.pod_class is None or end.host:
                continue
            denied += names.verdicts(self.engine, end, dns)
        if not denied:
            return Hop("name", Answer.OK, f"{self.source.text} may ask cluster DNS ({dns.service.namespace}/{dns.service.name})")
        by = tuple(dict.fromkeys(ref for verdict in denied for ref in verdict.by))
        text = f"{_named(by)} {'keep' if len(by) > 1 else 'keeps'} {self.source.text} from cluster DNS over UDP"
        if not self.destination.by_name and not self.destination.outside:
            return Hop("name", Answer.NOTE, f"{text}: it can reach the Service by address only", tuple(map(str, by)))
        return self._stop("name", text, self._dns_fix(dns, denied, by), tuple(map(str, by)))

    def _dns_fix(self, dns: names.Servers, denied: list[Verdict], by: tuple[PolicyRef, ...]) -> Fix:
        """At the source, if its egress forbids it; else at the DNS pods."""
        text = "Let it ask cluster DNS, UDP and TCP"
        if not all(verdict.egress.allowed for verdict in denied):
            rule = fixes.dns_rule(dns, self.source.namespace)
            return self._mend(text, self.source, Direction.EGRESS, rule, by, _policy_name(self.source, "dns"))
        selector = tuple(sorted(dns.service.spec.selector.items()))
        servers = Place(f"Service {dns.service.namespace}/{dns.service.name}", dns.service.namespace, dns.ends, selector)
        rule = {"from": _as_peers(self.source, servers.namespace), "ports": fixes.port_entries(dns.udp | dns.tcp)}
        return self._mend(text, servers, Direction.INGRESS, rule, by, _policy_name(servers, "from", self.source))

    def _service(self) -> Hop:
        service = self.destination.service
        if service is None:
            return Hop("service", Answer.NOTE, "")
        if service.spec.external_name:
            return Hop("service", Answer.OK, f"{self.destination.text} is another name of {service.spec.external_name}")
        where = "headless" if service.headless else service.spec.cluster_ip or service.spec.type
        if not self.asked:
            fix = Fix(
                f"No pod behind {self.destination.text} declares that port: name it in the pods or use its number.",
                command=f"kubectl netdoc check service_config -n {quote(service.namespace)}",
            )
            return self._stop("service", f"{self.destination.text} ({where}): {self.mapping}, which no pod has", fix)
        return Hop("service", Answer.OK, f"{self.destination.text} ({where}): {self.mapping}")

    def _endpoints(self) -> Hop:
        service, cluster = self.destination.service, self.engine.cluster
        if service is None or not cluster.readable(ENDPOINT_SLICE):
            count = len(self.destination.ends)
            return Hop(
                "endpoints", Answer.NOTE, f"{count} pods or templates are selected; whether they are ready only a cluster tells"
            )
        endpoints = [e for item in cluster.slices_of(service) for e in item.endpoints]
        ready = [e for e in endpoints if e.conditions.ready]
        if ready:
            return Hop("endpoints", Answer.OK, f"{len(ready)} of {len(endpoints)} endpoints are ready")
        selector = ",".join(f"{key}={value}" for key, value in service.spec.selector.items())
        fix = Fix(
            f"None of the pods behind {self.destination.text} is ready."
            if endpoints
            else "Its selector selects no pod that is there.",
            command=f"kubectl -n {quote(service.namespace)} get pods -l {quote(selector)}",
        )
        return self._stop("endpoints", f"none of {len(endpoints)} endpoints is ready", fix)

    def _outside(self) -> Hop:
        """A name outside: its address is not known here, so egress is judged for all addresses."""
        end_of = [End(str(first), addresses=(first,)) for first, _ in elementary(self.engine)]
        sides = [self.engine.verdict(a, b, self.asked, family(b)).egress for a in self.source.ends[:MOST_ENDS] for b in end_of]
        by = tuple(dict.fromkeys(ref for side in sides for ref in side.by))
        refs = tuple(map(str, by))
        if all(side.allowed for side in sides):
            return Hop("egress", Answer.OK, f"{self.source.text} may reach every address", refs)
        if any(side.allowed for side in sides):
            text = f"whether {self.source.text} may depends on the address of {self.destination.outside}: ask again with that"
            return Hop("egress", Answer.UNKNOWN, text, refs)
        rule = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": fixes.port_entries(self.asked)}
        words = "Allow it to leave the cluster on that port (narrow the CIDR if you know it)"
        fix = self._mend(words, self.source, Direction.EGRESS, rule, by, _policy_name(self.source, "out"))
        text = f"{_named(by)} {'let' if len(by) > 1 else 'lets'} {self.source.text} reach no address outside"
        return self._stop("egress", text, fix, refs)

    def _policies(self, direction: Direction) -> Hop:
        sides = [(a, b, v.egress if direction is Direction.EGRESS else v.ingress, v) for a, b, v in self.pairs]
        whose = self.source if direction is Direction.EGRESS else self.destination
        good = [side for _, _, side, _ in sides if side.allowed]
        if len(good) == len(sides):
            return self._allowed(direction, whose, good, [verdict for *_, verdict in sides])
        bad = [(a, b, side) for a, b, side, _ in sides if not side.allowed]
        by = tuple(dict.fromkeys(ref for *_, side in bad for ref in side.by))
        unsure = tuple(dict.fromkeys(text for *_, verdict in sides for text in (*verdict.depends, *verdict.incomplete)))
        text = f"{_named(by)} {'isolate' if len(by) > 1 else 'isolates'} {whose.text}, and nothing allows {self.asked}"
        if any(ref.kind != "NetworkPolicy" for ref in by):
            text = f"{_named(by)} denies {self.asked} {'to' if direction is Direction.INGRESS else 'from'} {whose.text}"
        if good:
            text += f" ({len(bad)} of {len(sides)} pairs of pods)"
        if unsure:
            self.fix = self.fix or self._allowing(direction, by)
            text += f"; not evaluated, or left to the CNI: {'; '.join(unsure[:4])}"
            return Hop(direction.lower(), Answer.UNKNOWN, text, tuple(map(str, by)))
        return self._stop(direction.lower(), text, self._allowing(direction, by), tuple(map(str, by)))

    def _allowed(self, direction: Direction, whose: Place, good: list[Side], verdicts: list[Verdict]) -> Hop:
        refs = tuple(dict.fromkeys(str(ref) for side in good for ref in side.by))
        unsure = tuple(dict.fromkeys(text for verdict in verdicts for text in (*verdict.depends, *verdict.incomplete)))
        isolated = any(side.isolated for side in good)
        text = f"{', '.join(refs)} allows it" if refs else f"no policy isolates {whose.text}"
        if isolated and not refs:
            text = "traffic with a pod's own node, or within a pod, is always allowed"
        if unsure:
            return Hop(
                direction.lower(), Answer.UNKNOWN, f"{text}; not evaluated, or left to the CNI: {'; '.join(unsure[:4])}", refs
            )
        return Hop(direction.lower(), Answer.OK, text, refs)

    def _allowing(self, direction: Direction, by: tuple[PolicyRef, ...]) -> Fix:
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
            return Fix(f"{text}: change {_named(by)}.")
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

    def _path(self) -> Hop:
        nodes = {(a.node, b.node) for a, b, _ in self.pairs if a.node and b.node}
        measured = {pair: self.facts.reply(proof(*pair)) for pair in nodes if pair[0] != pair[1]}
        replies = {pair: reply for pair, reply in measured.items() if isinstance(reply, EchoReply)}
        bad = sorted(f"{a} -> {b}" for (a, b), reply in replies.items() if not any(s.who for s in reply.samples))
        if bad:
            fix = Fix(
                "The network between these nodes is broken, whatever the policies say.",
                command="kubectl netdoc check pod_network",
            )
            return self._stop("path", f"measured, and nothing gets through: {', '.join(bad)}", fix)
        if replies:
            return Hop("path", Answer.OK, f"{len(replies)} node-to-node paths were measured and work")
        if not nodes:
            return Hop("path", Answer.NOTE, "no nodes to see")
        if not measured:
            return Hop("path", Answer.NOTE, f"on one node, {', '.join(sorted({a for a, _ in nodes}))}")
        shown = ", ".join(f"{a} -> {b}" for a, b in sorted(measured)[:3]) + (" …" if len(measured) > 3 else "")
        return Hop("path", Answer.NOTE, f"{shown}: not measured; --probe tries it")


def family(end: End) -> int:
    """Return the IP version by which an end is reached."""
    return end.addresses[0].version if end.addresses else 4


def _named(refs: tuple[PolicyRef, ...]) -> str:
    return ", ".join(map(str, refs)) or "no policy that is known"


def _several(place: Place) -> str:
    if len(place.ends) == 1:
        node = place.ends[0].node
        return f"{place.text}" + (f" on node {node}" if node and not place.text.startswith("Node") else "")
    nodes = sorted({end.node for end in place.ends if end.node})
    return f"{place.text}, {len(place.ends)} pods" + (f" on {', '.join(nodes[:4])}" if nodes else "")


def _pods_of(place: Place) -> str:
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
