# SPDX-License-Identifier: Apache-2.0
"""Selects pods by label selectors, once for all pods that policies don't distinguish.

Two pods are of one class if they share the namespace, the network (pod or host), and those of their labels and port names that
some policy mentions. A set of classes is an integer with a bit for each, so a selector is a few ANDs and ORs however many pods
there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct, field

from kubectl_netdoc.formats.calico_selector import Things
from kubectl_netdoc.records.pods import ContainerPort, PodSpec
from kubectl_netdoc.records.policies import LabelSelector

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server gives it to every namespace (Kubernetes docs, Well-Known Labels)."""

ACCOUNT_LABEL = "kubectl-netdoc/service-account"
"""Stands for a pod's service account among its labels, where policies select by it."""

PodSet = int
Labels = tuple[tuple[str, str], ...]


class PodClass(Struct, frozen=True):
    """Pods that policies don't distinguish. ``ports``: (name, protocol, number) of the declared ports that policies name."""

    id: int
    namespace: str
    labels: Labels
    ports: tuple[tuple[str, str, int], ...]
    host_network: bool

    def numbers(self, name: str, protocol: str = "") -> Iterator[tuple[str, int]]:
        """Yield (protocol, number) of the ports of that name, of one protocol if it is given."""
        return ((kind, number) for known, kind, number in self.ports if known == name and protocol in ("", kind))


class Labelled:
    """Labelled things, numbered in the order in which they are added, and the sets that selectors select."""

    def __init__(self) -> None:
        self._having: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._with_key: defaultdict[str, list[int]] = defaultdict(list)
        self._count = 0
        self._cache: dict[object, int] = {}

    def add(self, labels: Iterable[tuple[str, str]]) -> int:
        """Add a thing and return its number."""
        number = self._count
        for key, value in labels:
            self._having[key, value].append(number)
            self._with_key[key].append(number)
        self._count += 1
        self._cache.clear()
        return number

    @property
    def all(self) -> int:
        """The set of all things."""
        return (1 << self._count) - 1

    def _once(self, key: object, make: Callable[[], int]) -> int:
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def equal(self, key: str, value: str) -> int:
        """Return the things that have a label with that value."""
        return self._once((key, value), lambda: as_set(self._having.get((key, value), ())))

    def present(self, key: str) -> int:
        """Return the things that have a label."""
        return self._once(key, lambda: as_set(self._with_key.get(key, ())))

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values that a label has somewhere."""
        return tuple(value for known, value in self._having if known == key)

    def select(self, selector: LabelSelector) -> int:
        """Return the set that a selector selects."""
        return chosen(self, selector)


def chosen(among: Things, selector: LabelSelector) -> int:
    """Return the set of things that a selector selects: an empty one selects all, an invalid requirement nothing."""
    found = among.all
    for key, value in selector.match_labels.items():
        found &= among.equal(key, value)
    for requirement in selector.match_expressions:
        key, values = requirement.key, requirement.values
        match requirement.operator:
            case "In":
                found &= union(among.equal(key, value) for value in values)
            case "NotIn":
                found &= ~union(among.equal(key, value) for value in values)
            case "Exists":
                found &= among.present(key)
            case "DoesNotExist":
                found &= ~among.present(key)
            case _:
                return 0
    return found


def as_set(numbers: Iterable[int]) -> int:
    """Return the set of these numbers, in time linear in the highest of them."""
    found = tuple(numbers)
    if not found:
        return 0
    bits = bytearray(max(found) // 8 + 1)
    for number in found:
        bits[number // 8] |= 1 << number % 8
    return int.from_bytes(bits, "little")


def members(of: int) -> Iterator[int]:
    """Yield the numbers in a set, ascending. Most sets are of one namespace, so leading zeros are skipped at once."""
    start = ((of & -of).bit_length() - 1) // 8 if of else 0
    rest = of >> 8 * start
    for index, byte in enumerate(rest.to_bytes((rest.bit_length() + 7) // 8, "little"), start):
        if byte:
            yield from (index * 8 + bit for bit in range(8) if byte >> bit & 1)


def union(sets: Iterable[int]) -> int:
    """Return the union of sets."""
    result = 0
    for one in sets:
        result |= one
    return result


class Mentioned(Struct):
    """The label keys and port names that policies mention; nothing else distinguishes pods."""

    keys: set[str] = field(default_factory=set)
    ports: set[str] = field(default_factory=set)

    def note(self, selector: LabelSelector | None) -> None:
        """Add the keys of a selector of pods."""
        if selector is not None:
            self.keys.update(selector.match_labels, (r.key for r in selector.match_expressions))


class PodSelection:
    """All classes of pods, and the sets of them that selectors select."""

    def __init__(self, namespaces: Mapping[str, Mapping[str, str]], mentioned: Mentioned) -> None:
        self.classes: list[PodClass] = []
        self._mentioned = mentioned
        self._known: dict[tuple[object, ...], PodClass] = {}
        self._pods, self._namespaces = Labelled(), Labelled()
        self._namespace_names: list[str] = []
        self._members: defaultdict[str, list[int]] = defaultdict(list)
        self._labels = dict(namespaces)
        self._cache: dict[object, PodSet] = {}
        for name in sorted(namespaces):
            self._add_namespace(name)

    def _add_namespace(self, name: str) -> None:
        labels = {**self._labels.get(name, {}), NAME_LABEL: name}
        self._namespaces.add(labels.items())
        self._namespace_names.append(name)
        self._labels[name] = labels

    def classify(self, namespace: str, labels: Mapping[str, str], spec: PodSpec) -> PodClass:
        """Return the class of a pod; its namespace is added if it is not known."""
        having = labels
        if ACCOUNT_LABEL in self._mentioned.keys:
            having = {**labels, ACCOUNT_LABEL: spec.service_account_name or "default"}
        kept = tuple(sorted([(key, having[key]) for key in having.keys() & self._mentioned.keys]))
        ports = self._ports(spec.ports()) if self._mentioned.ports else ()
        identity = (namespace, kept, ports, spec.host_network)
        if identity not in self._known:
            if namespace not in self._labels:
                self._add_namespace(namespace)
            self._cache.clear()
            number = self._pods.add(kept)
            self._known[identity] = PodClass(number, namespace, kept, ports, spec.host_network)
            self._members[namespace].append(number)
            self.classes.append(self._known[identity])
        return self._known[identity]

    def _ports(self, ports: Iterable[ContainerPort]) -> tuple[tuple[str, str, int], ...]:
        named = {(p.name, p.protocol or "TCP", p.container_port) for p in ports if p.name in self._mentioned.ports}
        return tuple(sorted(named))

    def _once(self, key: object, make: Callable[[], PodSet]) -> PodSet:
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    @property
    def host_network(self) -> PodSet:
        """The classes of hostNetwork pods."""
        return self._once("host", lambda: as_set(c.id for c in self.classes if c.host_network))

    @property
    def by_label(self) -> Labelled:
        """All classes by their labels."""
        return self._pods

    @property
    def namespaces_by_label(self) -> Labelled:
        """All namespaces by their labels, with the name as ``NAME_LABEL``."""
        return self._namespaces

    def of_namespaces(self, numbers: int) -> PodSet:
        """Return all classes of a set of namespaces."""
        return union(self.in_namespace(self._namespace_names[number]) for number in members(numbers))

    @property
    def namespace_names(self) -> tuple[str, ...]:
        """All namespaces, including those that only pods mention."""
        return tuple(self._namespace_names)

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Labels of a namespace."""
        return self._labels.get(name, {})

    def namespaces(self, selector: LabelSelector) -> list[str]:
        """Names of the namespaces that a selector selects."""
        return [self._namespace_names[number] for number in members(self._namespaces.select(selector))]

    def in_namespace(self, name: str) -> PodSet:
        """All classes of a namespace."""
        return self._once(("in", name), lambda: as_set(self._members.get(name, ())))

    def in_namespaces(self, selector: LabelSelector) -> PodSet:
        """All classes of the namespaces that a selector selects."""
        return self._once(("all in", key(selector)), lambda: union(map(self.in_namespace, self.namespaces(selector))))

    def pods(self, selector: LabelSelector) -> PodSet:
        """All classes that a selector of pods selects, of whatever namespace."""
        return self._once(("pods", key(selector)), lambda: self._pods.select(selector))


def key(selector: LabelSelector) -> tuple[object, ...]:
    """Return what makes two selectors equal, as a value that can be hashed."""
    return tuple(selector.match_labels.items()), tuple((r.key, r.operator, r.values) for r in selector.match_expressions)
