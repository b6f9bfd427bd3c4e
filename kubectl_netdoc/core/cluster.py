# SPDX-License-Identifier: Apache-2.0
"""The cluster as read from the API or files. An unreadable list is ``Unavailable``, never empty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar, cast

from msgspec import Struct

from kubectl_netdoc.core.finding import Grant, Unseen
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.records import label_selector
from kubectl_netdoc.records.base import Kind, Object
from kubectl_netdoc.records.events import Event
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, EVENT, NODE, POD, SERVICE
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.policies import LabelSelectorRequirement
from kubectl_netdoc.records.services import EndpointSlice, Service
from kubectl_netdoc.records.workloads import Workload

DNS_NAMESPACE = "kube-system"
"""Namespace of cluster DNS. It is read in addition to the namespaces that the user selected, if that is permitted."""

R = TypeVar("R", bound=Object)


class Listing(Struct, frozen=True, omit_defaults=True):
    """The objects of one kind, and those of them that could not be decoded."""

    items: tuple[Any, ...] = ()
    undecodable: tuple[Unseen, ...] = ()


class Unavailable(Struct, frozen=True, omit_defaults=True):
    """A list that could not be read: why, and the missing right if it was refused.

    ``by_design``: the list can't exist here (a folder of manifests has no Events, an old server lacks the kind), so a check
    for which it is optional is no less certain.
    """

    reason: str
    grant: Grant | None = None
    by_design: bool = False


class Scope(Struct, frozen=True, omit_defaults=True):
    """The namespaces that were read (none: all of them), and why not all."""

    namespaces: tuple[str, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        if not self.namespaces:
            return "the whole cluster"
        return f"namespace {', '.join(self.namespaces)}" + (f" ({self.why})" if self.why else "")


class Selection(Struct, frozen=True, omit_defaults=True):
    """What the user selected beyond the default. ``checks``: by name. ``external``: names and addresses outside the cluster.

    ``services``: names of Services, with or without ``NAMESPACE/``. ``labels``: requirements on their labels. Only Services that
    match are checked. ``thorough``: half a minute more, to look at everything over time.
    """

    checks: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    labels: tuple[LabelSelectorRequirement, ...] = ()
    thorough: bool = False

    def includes(self, service: Service) -> bool:
        """Tell whether a Service is selected."""
        names = {service.name, f"{service.namespace}/{service.name}"}
        return label_selector.matches(self.labels, service.metadata.labels) and (
            not self.services or not names.isdisjoint(self.services)
        )


class KindUnavailable(Exception):
    """Raised if a check needs a kind that could not be read; the check is ``skipped`` then."""

    def __init__(self, kind: str, unavailable: Unavailable) -> None:
        super().__init__(f"{kind}: {unavailable.reason}")
        self.kind = kind
        self.unavailable = unavailable


class UndeclaredKind(Exception):
    """Raised if a check reads a kind that its ``needs`` does not declare."""


Listings = Mapping[str, Listing | Unavailable]


class Index:
    """Lookup tables over the listings. Each is built on first use and shared by all views."""

    def __init__(self, listings: Listings) -> None:
        self.listings = listings
        self.made: dict[object, Any] = {}
        """What is computed from these lists once (``core.once``)."""
        self._by_namespace: dict[str, dict[str, list[Any]]] = {}
        self._by_label: dict[tuple[str, str], dict[str, list[Pod]]] = {}
        self._by_selector: dict[str, dict[tuple[str, str], list[tuple[int, Service]]]] = {}

    def readable(self, kind: Kind[Any]) -> bool:
        """Tell whether the list of a kind could be read."""
        return isinstance(self.listings.get(kind.name), Listing)

    def items(self, kind: Kind[R]) -> tuple[R, ...]:
        """Return all objects of a kind; none if the list could not be read."""
        listing = self.listings.get(kind.name)
        return cast("tuple[R, ...]", listing.items) if isinstance(listing, Listing) else ()

    @cached_property
    def by_name(self) -> dict[str, dict[tuple[str, str], Any]]:
        """Kind, then (namespace, name)."""
        return {
            kind: {(item.namespace, item.name): item for item in listing.items}
            for kind, listing in self.listings.items()
            if isinstance(listing, Listing)
        }

    @cached_property
    def pods_by_namespace(self) -> dict[str, list[Pod]]:
        """Pods that have not finished."""
        return _grouped((pod.namespace, pod) for pod in self.items(POD) if not pod.finished)

    @cached_property
    def pods_by_node(self) -> dict[str, list[Pod]]:
        """Pods by the node that they are on, finished ones too."""
        return _grouped((pod.spec.node_name, pod) for pod in self.items(POD) if pod.spec.node_name)

    def in_namespace(self, kind: Kind[R], namespace: str) -> list[R]:
        """Objects of a kind in a namespace."""
        if kind.name not in self._by_namespace:
            self._by_namespace[kind.name] = _grouped((item.namespace, item) for item in self.items(kind))
        return self._by_namespace[kind.name].get(namespace, [])

    def pods_matching(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        """Pods of a namespace that have not finished and have all these labels; none if there are no labels."""
        found = [self._pods_by_label(namespace, key).get(value, []) for key, value in selector.items()]
        return [pod for pod in min(found, key=len, default=[]) if matches(selector, pod.metadata.labels)]

    def _pods_by_label(self, namespace: str, key: str) -> dict[str, list[Pod]]:
        place = namespace, key
        if place not in self._by_label:
            there = [(pod.metadata.labels.get(key), pod) for pod in self.pods_by_namespace.get(namespace, ())]
            self._by_label[place] = _grouped((value, pod) for value, pod in there if value is not None)
        return self._by_label[place]

    def services_selecting(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """Services of a namespace whose selector matches these labels."""
        if namespace not in self._by_selector:
            there = enumerate(self.in_namespace(SERVICE, namespace))
            first = ((next(iter(item.spec.selector.items()), None), (place, item)) for place, item in there)
            self._by_selector[namespace] = _grouped((label, each) for label, each in first if label is not None)
        table = self._by_selector[namespace]
        found = sorted((each for label in labels.items() for each in table.get(label, ())), key=lambda each: each[0])
        return [item for _, item in found if matches(item.spec.selector, labels)]

    @cached_property
    def slices_by_service(self) -> dict[tuple[str, str], list[EndpointSlice]]:
        """EndpointSlices by (namespace, Service)."""
        return _grouped(((item.namespace, item.service), item) for item in self.items(ENDPOINT_SLICE) if item.service)

    @cached_property
    def events_by_object(self) -> dict[tuple[str, str, str], list[Event]]:
        """Events by (kind, namespace, name) of the object they are about."""
        return _grouped(
            ((e.involved_object.kind, e.involved_object.namespace, e.involved_object.name), e) for e in self.items(EVENT)
        )


K = TypeVar("K")
V = TypeVar("V")


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    groups: defaultdict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Tell whether an equality selector (as a Service has) selects these labels; an empty one selects nothing."""
    return bool(selector) and selector.items() <= labels.items()


class Cluster:
    """The cluster as recorded at ``time``. A check sees it through ``view``, which notes the kinds that it touches.

    ``tier``: the highest tier of this run; from the nodes tier on, ``hosts`` are the nodes with a debug pod on the host network.
    ``vantages``: the nodes that run a debug pod; "" means a pod wherever the scheduler puts it.
    ``selection``: what the user selected. ``own_namespace``: where netdoc's own pods run; a placeholder if each run creates
    a new namespace, which no policy can know. ``image``: the image of the debug pods; "" if there were none.
    ``patched``: manifests that kustomize is to change.
    """

    def __init__(
        self,
        listings: Listings,
        *,
        time: datetime | None = None,
        server: str = "",
        origin: str = "live",
        scope: Scope = Scope(),  # noqa: B008 - frozen
        vantages: tuple[str, ...] = (),
        tier: Tier = Tier.PODS,
        selection: Selection = Selection(),  # noqa: B008 - frozen
        own_namespace: str = "netdoc",
        image: str = "",
        patched: bool = False,
    ) -> None:
        self.index = Index(listings)
        self.time = time or datetime.now(UTC)
        self.server = server
        self.origin = origin
        self.scope = scope
        self.vantages = vantages
        self.tier = tier
        self.selection = selection
        self.own_namespace = own_namespace
        self.image = image
        self.patched = patched
        self.touched: set[str] = set()
        self._allowed: frozenset[str] | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The nodes that run a debug pod on the host network; none below the nodes tier."""
        return tuple(filter(None, self.vantages)) if self.tier.covers(Tier.NODES) else ()

    def with_listings(self, listings: Listings, scope: Scope | None = None) -> Cluster:
        """Return this cluster with other lists, and all else as it is."""
        other = copy(self)
        other.index, other.scope, other.touched = Index(listings), scope or self.scope, set()
        return other

    def view(self, kinds: Iterable[Kind[Any]]) -> Cluster:
        """Return this cluster limited to ``kinds``, with its own record of the kinds that are read."""
        other = self.fresh()
        other._allowed = frozenset(kind.name for kind in kinds)
        return other

    def fresh(self) -> Cluster:
        """Return this cluster, limited as it is, with its own record of the kinds that are read."""
        other = copy(self)
        other.touched = set()
        return other

    @property
    def settings(self) -> tuple[object, ...]:
        """All that it is besides its lists and what was read of them."""
        return tuple(value for name, value in vars(self).items() if name not in ("index", "touched", "_allowed"))

    def note(self, kind: str) -> None:
        """Note a kind, by its name, as read; raises ``UndeclaredKind``."""
        if self._allowed is not None and kind not in self._allowed:
            raise UndeclaredKind(f"{kind} is not among the check's needs")
        self.touched.add(kind)

    def listing(self, kind: Kind[R]) -> Listing | Unavailable:
        """Return the listing of a kind, or why there is none; raises ``UndeclaredKind``."""
        self.note(kind.name)
        return self.index.listings.get(kind.name) or Unavailable("not read")

    def all(self, kind: Kind[R]) -> tuple[R, ...]:
        """Return every object of a kind; raises ``KindUnavailable`` if the list could not be read."""
        listing = self.listing(kind)
        if isinstance(listing, Unavailable):
            raise KindUnavailable(kind.name, listing)
        return cast("tuple[R, ...]", listing.items)

    def readable(self, kind: Kind[Any]) -> bool:
        """Tell whether the list of a kind could be read."""
        return isinstance(self.listing(kind), Listing)

    def unreadable(self, kind: Kind[Any]) -> bool:
        """Tell whether a list could not be read although it may exist, so that its content is unknown.

        False for lists that can't exist here, such as a kind that the server does not serve.
        """
        listing = self.listing(kind)
        return isinstance(listing, Unavailable) and not listing.by_design

    def get(self, kind: Kind[R], namespace: str, name: str) -> R | None:
        """Return one object, or None if there is none; raises ``KindUnavailable``."""
        self.all(kind)
        return cast("R | None", self.index.by_name[kind.name].get((namespace, name)))

    def services(self) -> list[Service]:
        """Return the Services to check: all in scope, or those that the user selected; raises ``KindUnavailable``.

        Services that were read only for cluster DNS are not in scope.
        """
        spaces = self.scope.namespaces
        return [item for item in self.all(SERVICE) if self.selection.includes(item) and (not spaces or item.namespace in spaces)]

    def in_namespace(self, kind: Kind[R], namespace: str) -> list[R]:
        """Return all objects of a kind in a namespace; raises ``KindUnavailable``."""
        self.all(kind)
        return self.index.in_namespace(kind, namespace)

    def pods_in(self, namespace: str) -> list[Pod]:
        """Return the pods of a namespace that have not finished; raises ``KindUnavailable``."""
        self.all(POD)
        return self.index.pods_by_namespace.get(namespace, [])

    def pods_on(self, node: str) -> list[Pod]:
        """Return the pods on a node, finished ones too; raises ``KindUnavailable``."""
        self.all(POD)
        return self.index.pods_by_node.get(node, [])

    def services_selecting(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """Return the Services whose selector matches pods of a namespace with these labels; raises ``KindUnavailable``."""
        self.all(SERVICE)
        return self.index.services_selecting(namespace, labels)

    def pods_of(self, service: Service) -> list[Pod]:
        """Return the unfinished pods that a Service's selector matches."""
        return self.pods_matching(service.namespace, service.spec.selector)

    def pods_matching(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        """Return the pods of a namespace that have not finished and have all these labels; raises ``KindUnavailable``."""
        self.all(POD)
        return self.index.pods_matching(namespace, selector)

    def slices_of(self, service: Service) -> list[EndpointSlice]:
        """Return the EndpointSlices of a Service."""
        self.all(ENDPOINT_SLICE)
        return self.index.slices_by_service.get((service.namespace, service.name), [])

    def workloads_in(self, namespace: str, kinds: Iterable[Kind[Workload]]) -> list[tuple[Kind[Workload], Workload]]:
        """Return the workloads of a namespace, of the kinds that could be read."""
        return [(kind, item) for kind in kinds if self.readable(kind) for item in self.in_namespace(kind, namespace)]

    def events_about(self, kind: str, namespace: str, name: str) -> list[Event]:
        """Return the Events about one object; none if Events could not be read."""
        self.listing(EVENT)
        return self.index.events_by_object.get((kind, namespace, name), [])

    def age(self, moment: datetime | None) -> timedelta:
        """Return the time since ``moment``; a very long time if it is None."""
        return self.time - moment if moment else timedelta.max

    def node_names(self) -> tuple[str, ...]:
        """Return the names of all nodes; none if Nodes could not be read."""
        return tuple(sorted(node.name for node in self.index.items(NODE)))

    def count(self) -> int:
        """Return the number of objects that were read."""
        return sum(len(item.items) for item in self.index.listings.values() if isinstance(item, Listing))
