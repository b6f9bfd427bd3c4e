# SPDX-License-Identifier: Apache-2.0
"""Random worlds and questions, from a seed: small vocabularies, so that selectors match often and policies meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.policy import naive
from tests.policy.naive import PROTOCOLS, End, Raw

NAMESPACES = ("a", "b", "c", "default")
LABELS = {"app": ("web", "db", "dns"), "tier": ("front", "back"), "env": ("prod", "test")}
PORT_NAMES = ("http", "dns", "metrics")
NUMBERS = (1, 53, 79, 80, 81, 443, 8080, 8085, 8090, 65535)
KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob")
CIDRS4 = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.0.0.3/32",
    "192.0.2.0/24",
    "192.0.2.128/25",
    "172.16.0.0/12",
)
CIDRS6 = ("::/0", "fd00::/8", "fd00::1:0/112", "2001:db8::/32")
OUTSIDE = (
    "192.0.2.1",
    "192.0.2.127",
    "192.0.2.128",
    "203.0.113.9",
    "10.200.0.1",
    "172.31.255.255",
    "172.32.0.0",
    "2001:db8::1",
    "fe00::1",
)
QUESTIONS = 20


@dataclass(frozen=True)
class Case:
    """A world and one question about it."""

    objects: list[Raw]
    source: End
    destination: End
    protocol: str
    port: int
    family: int
    ip_blocks_match_pods: bool = True
    host_network_as_pods: bool = False

    def question(self) -> dict[str, Any]:
        """The arguments of an evaluator."""
        return {
            "source": self.source, "destination": self.destination, "protocol": self.protocol, "port": self.port,
            "family": self.family, "ip_blocks_match_pods": self.ip_blocks_match_pods,
            "host_network_as_pods": self.host_network_as_pods,
        }  # fmt: skip


class World:
    """One random world."""

    def __init__(self, random: Random, *, templates: bool = False) -> None:
        self.random = random
        self.templates = templates
        self.objects: list[Raw] = []
        self.namespaces = random.sample(NAMESPACES, random.randint(2, 4))
        self.nodes = ["n1", "n2"]
        for name in self.namespaces:
            if self.chance(0.7):
                self.objects.append({"kind": "Namespace", "metadata": {"name": name, "labels": self.labels()}})
        for number, name in enumerate(self.nodes):
            addresses = [{"type": "InternalIP", "address": f"172.18.0.{number + 2}"}, {"type": "Hostname", "address": name}]
            self.objects.append(
                {"kind": "Node", "metadata": {"name": name, "labels": self.labels()}, "status": {"addresses": addresses}}
            )
        for number in range(random.randint(3, 8)):
            self.objects.append(self.workload(number) if templates and self.chance(0.5) else self.pod(number))
        for number in range(random.choice((0, 0, 1, 2, 2, 3, 4, 6))):
            self.objects.append(self.network_policy(number))
        self.cluster_wide()

    def chance(self, share: float) -> bool:
        """Whether something of that probability happens."""
        return self.random.random() < share

    def maybe(self, item: Raw, key: str, value: Any) -> None:
        """Leave a field out, or make it null, or give it its value."""
        if self.chance(0.9):
            item[key] = value
        elif self.chance(0.5):
            item[key] = None

    def labels(self) -> dict[str, str]:
        """Some labels."""
        return {key: self.random.choice(values) for key, values in LABELS.items() if self.chance(0.65)}

    def meta(self, prefix: str, number: int) -> Raw:
        """Name, namespace (left out for default now and then) and labels."""
        namespace = self.random.choice(self.namespaces)
        found: Raw = {"name": f"{prefix}{number}", "namespace": namespace, "labels": self.labels()}
        if namespace == "default" and self.chance(0.5):
            del found["namespace"]
        return found

    # Pods

    def ports(self) -> list[Raw]:
        """Ports of a container; a name may stand for another number elsewhere, and for TCP and UDP."""
        found = []
        for name in PORT_NAMES:
            if self.chance(0.6):
                port: Raw = {"name": name, "containerPort": self.random.choice(NUMBERS)}
                if self.chance(0.5):
                    port["protocol"] = self.random.choice(PROTOCOLS)
                found.append(port)
        return found

    def pod_spec(self) -> Raw:
        """Containers and init containers."""
        spec: Raw = {"containers": [{"name": "main", "ports": self.ports()}]}
        if self.chance(0.4):
            init: Raw = {"name": "init", "ports": self.ports()}
            if self.chance(0.6):
                init["restartPolicy"] = "Always"
            spec["initContainers"] = [init]
        if self.chance(0.15):
            spec["hostNetwork"] = True
        return spec

    def pod(self, number: int) -> Raw:
        """A pod with an address or two."""
        spec = self.pod_spec() | {"nodeName": self.random.choice(self.nodes)}
        ips = [{"ip": f"10.0.{number % 2}.{number + 1}"}]
        if self.chance(0.4):
            ips.append({"ip": f"fd00::{number % 2}:{number + 1}"})
        if spec.get("hostNetwork"):
            ips = [{"ip": f"172.18.0.{self.nodes.index(spec['nodeName']) + 2}"}] if self.chance(0.5) else []
        pod: Raw = {"kind": "Pod", "metadata": self.meta("p", number), "spec": spec, "status": {"podIPs": ips}}
        if self.templates and self.chance(0.5):
            owner = {"kind": "ReplicaSet", "name": f"w{self.random.randint(0, 3)}", "controller": True}
            pod["metadata"]["ownerReferences"] = [owner]
        return pod

    def workload(self, number: int) -> Raw:
        """A workload of any kind that makes pods from a template."""
        kind = self.random.choice(
            ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob")
        )
        template = {"metadata": {"labels": self.labels()}, "spec": self.pod_spec()}
        spec: Raw = {"template": template}
        if kind == "CronJob":
            spec = {"jobTemplate": {"spec": spec}}
        item: Raw = {"kind": kind, "metadata": self.meta("w", number), "spec": spec}
        if kind == "ReplicaSet" and self.chance(0.6):
            item["metadata"]["ownerReferences"] = [
                {"kind": "Deployment", "name": f"w{self.random.randint(0, 3)}", "controller": True}
            ]
        return item

    # Policies

    def selector(self, empty: float = 0.25) -> Raw:
        """A label selector; now and then with null or empty parts."""
        if self.chance(empty):
            return self.random.choice(({}, {"matchLabels": {}}, {"matchExpressions": None}))
        found: Raw = {}
        key = self.random.choice(list(LABELS))
        if self.chance(0.6):
            found["matchLabels"] = {key: self.random.choice(LABELS[key])}
        if not found or self.chance(0.3):
            key = self.random.choice(list(LABELS))
            operator = self.random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
            requirement: Raw = {"key": key, "operator": operator}
            if operator in ("In", "NotIn"):
                requirement["values"] = self.random.sample(LABELS[key], self.random.randint(1, len(LABELS[key])))
            found["matchExpressions"] = [requirement]
        return found

    def namespace_selector(self) -> Raw:
        """A selector of namespaces, often by the name that the API server writes into their labels."""
        if self.chance(0.4):
            return {"matchLabels": {"kubernetes.io/metadata.name": self.random.choice(self.namespaces)}}
        return self.selector()

    def block(self) -> Raw:
        """An ipBlock."""
        cidrs = CIDRS6 if self.chance(0.2) else CIDRS4
        found: Raw = {"cidr": self.random.choice(cidrs[:2] if self.chance(0.5) else cidrs)}
        if self.chance(0.5):
            found["except"] = self.random.sample(cidrs[1:], self.random.randint(1, 2))
        return found

    def peer(self) -> Raw:
        """A peer of a NetworkPolicy."""
        kind = self.random.randrange(4)
        if kind == 0:
            return {"podSelector": self.selector()}
        if kind == 1:
            return {"namespaceSelector": self.namespace_selector()}
        if kind == 2:
            return {"namespaceSelector": self.namespace_selector(), "podSelector": self.selector()}
        return {"ipBlock": self.block()}

    def port(self) -> Raw:
        """An entry of a NetworkPolicy's ports."""
        found: Raw = {}
        self.maybe(found, "protocol", self.random.choice(PROTOCOLS[:2] if self.chance(0.8) else PROTOCOLS))
        if self.chance(0.35):
            found["port"] = self.random.choice(PORT_NAMES)
        elif self.chance(0.8):
            found["port"] = self.random.choice(NUMBERS)
            if self.chance(0.3):
                found["endPort"] = min(65535, found["port"] + self.random.choice((0, 1, 10, 8000)))
        return found

    def several(self, make: Any, most: int = 2) -> Any:
        """A list of things, or an empty one, or null."""
        if self.chance(0.2):
            return self.random.choice(([], None))
        return [make() for _ in range(self.random.randint(1, most))]

    def network_policy(self, number: int) -> Raw:
        """A NetworkPolicy."""
        spec: Raw = {"podSelector": self.selector(0.4)}
        for field, end in (("ingress", "from"), ("egress", "to")):
            if self.chance(0.6):
                self.maybe(spec, field, self.several(lambda end=end: self.rule(end)))
        if self.chance(0.7):
            spec["policyTypes"] = self.random.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"], [], None))
        return {"kind": "NetworkPolicy", "metadata": self.meta("np", number), "spec": spec}

    def rule(self, end: str) -> Raw:
        """A rule of a NetworkPolicy."""
        found: Raw = {}
        self.maybe(found, end, self.several(self.peer))
        if self.chance(0.6):
            self.maybe(found, "ports", self.several(self.port))
        return found

    def cluster_wide(self) -> None:
        """Policies of v1alpha1 or of v1alpha2, or none."""
        style = self.random.choice(("none", "v1alpha1", "v1alpha1", "v1alpha1", "v1alpha2", "v1alpha2"))
        priorities = self.random.sample(range(0, 1000), 4)
        if style == "v1alpha1":
            for number in range(self.random.randint(0, 3)):
                self.admin("AdminNetworkPolicy", number, priorities.pop(), ("Allow", "Deny", "Pass"))
            if self.chance(0.95):
                self.admin("BaselineAdminNetworkPolicy", 0, None, ("Allow", "Deny"), name="default")
        elif style == "v1alpha2":
            for number in range(self.random.randint(1, 3)):
                tier = self.random.choice(("Admin", "Baseline"))
                self.admin("ClusterNetworkPolicy", number, priorities.pop(), ("Accept", "Deny", "Pass"), tier=tier)

    def admin(
        self, kind: str, number: int, priority: int | None, actions: tuple[str, ...], *, tier: str = "", name: str = ""
    ) -> None:
        """Add a cluster-wide policy."""
        spec: Raw = {"subject": self.subject()}
        if priority is not None:
            spec["priority"] = priority
        if tier:
            spec["tier"] = tier
        for field, end in (("ingress", "from"), ("egress", "to")):
            rules = [self.admin_rule(end, actions, bool(tier)) for _ in range(self.random.randint(1, 3))]
            self.maybe(spec, field, rules)
        self.objects.append({"kind": kind, "metadata": {"name": name or f"{kind.lower()}-{number}"}, "spec": spec})

    def subject(self) -> Raw:
        """Pods by namespace, or by both."""
        if self.chance(0.5):
            return {"namespaces": {} if self.chance(0.4) else self.namespace_selector()}
        return {"pods": {"namespaceSelector": self.namespace_selector(), "podSelector": self.selector()}}

    def admin_rule(self, end: str, actions: tuple[str, ...], later: bool) -> Raw:
        """A rule of a cluster-wide policy."""
        peers: list[Raw] = []
        for _ in range(self.random.randint(1, 2)):
            kind = self.random.random()
            if end == "to" and kind < 0.25:
                peers.append({"networks": self.random.sample(CIDRS4 + CIDRS6, self.random.randint(1, 2))})
            elif end == "to" and kind < 0.35:
                peers.append({"nodes": self.selector()})
            elif end == "to" and kind < 0.4:
                peers.append({"domainNames": ["example.org"]})
            elif kind < 0.43:
                peers.append({"unheardOf": {}})
            else:
                peers.append(self.subject())
        rule: Raw = {"action": self.random.choice(actions), end: peers}
        if self.chance(0.5):
            make = self.protocol if later else self.admin_port
            rule["protocols" if later else "ports"] = [make() for _ in range(self.random.randint(1, 2))]
        return rule

    def admin_port(self) -> Raw:
        """A port of v1alpha1."""
        protocol, number = self.random.choice(PROTOCOLS[:2] if self.chance(0.8) else PROTOCOLS), self.random.choice(NUMBERS)
        kind = self.random.randrange(3)
        if kind == 0:
            return {"portNumber": {"protocol": protocol, "port": number}}
        if kind == 1:
            several: Raw = {"protocol": protocol, "start": number, "end": min(65535, number + 10)}
            if self.chance(0.2):
                del several["protocol"]
            return {"portRange": several}
        return {"namedPort": self.random.choice(PORT_NAMES)}

    def protocol(self) -> Raw:
        """A protocol of v1alpha2."""
        if self.chance(0.3):
            return {"destinationNamedPort": self.random.choice(PORT_NAMES)}
        number = self.random.choice(NUMBERS)
        destination: Raw = (
            {"number": number} if self.chance(0.5) else {"range": {"start": number, "end": min(65535, number + 10)}}
        )
        name = self.random.choice(("tcp", "tcp", "udp", "sctp"))
        return {name: {"destinationPort": destination} if self.chance(0.8) else {}}

    # Questions

    def end(self) -> End:
        """A pod mostly, by name or address; a node; or somewhere outside."""
        pods = naive.of_kind(self.objects, "Pod")
        kind = self.random.random()
        if pods and kind < 0.75:
            pod = self.random.choice(pods)
            return End(namespace=naive.namespace_of(pod), pod=pod["metadata"]["name"])
        if pods and kind < 0.8:
            known = naive.pod_ips(self.objects, self.random.choice(pods))
            return End(ip=self.random.choice(known) if known else OUTSIDE[0])
        if kind < 0.87:
            return End(ip=f"172.18.0.{self.random.randint(2, 3)}")
        return End(ip=self.random.choice(OUTSIDE))

    def declared(self, end: End) -> list[Raw]:
        """Ports that a pod declares, whether policies may name them or not."""
        for pod in naive.of_kind(self.objects, "Pod"):
            if (naive.namespace_of(pod), pod["metadata"]["name"]) == (end.namespace, end.pod):
                containers = pod["spec"]["containers"] + pod["spec"].get("initContainers", [])
                return [port for container in containers for port in container["ports"]]
        return []

    def questions(self) -> Iterator[Case]:
        """Questions at and beside the ports that somebody mentions."""
        for _ in range(QUESTIONS):
            source, destination = self.end(), self.end()
            number = min(65535, max(1, self.random.choice(NUMBERS) + self.random.choice((0, 0, 0, 1, -1, 10, 11))))
            declared = [port["containerPort"] for port in self.declared(destination)]
            if declared and self.chance(0.5):
                number = self.random.choice(declared)
            protocol = self.random.choice(PROTOCOLS[:2] if self.chance(0.8) else PROTOCOLS)
            texts = [end.ip for end in (source, destination) if end.ip]
            family = 6 if any(":" in text for text in texts) else 4 if texts else self.random.choice((4, 4, 6))
            readings = self.random.choice(((True, False), (True, False), (False, False), (True, True)))
            yield Case(self.objects, source, destination, protocol, number, family, *readings)


def cases(seed: int, count: int) -> Iterator[Case]:
    """Yield that many cases, the same for the same seed."""
    random, made = Random(seed), 0
    while made < count:
        for case in World(random).questions():
            if made < count:
                yield case
                made += 1


def manifests(seed: int) -> list[Raw]:
    """Return the objects of a world that has workloads besides pods."""
    return World(Random(seed), templates=True).objects


def shares(count: int = 4000) -> Counter[str]:
    """Count what decides, and how."""
    found: Counter[str] = Counter()
    for case in cases(0, count):
        verdict = naive.verdict(case.objects, **case.question())
        found["allowed" if verdict.allowed else "denied"] += 1
        for kind in {kind for side in (verdict.egress, verdict.ingress) for kind, _, _ in side.by}:
            found[kind] += 1
    return found


if __name__ == "__main__":
    for what, number in shares().most_common():
        print(f"{what:28} {number / 4000:6.1%}")
