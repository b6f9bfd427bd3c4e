# SPDX-License-Identifier: Apache-2.0
"""What the API (or files) said: frozen records with indexed look-ups. An unreadable list is ``Unavailable``, never empty."""

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
    """A list that could not be had, why, and the rule that would grant it where that is the reason.

    ``by_design``: nothing is wrong with that, there is no such list here (a folder of manifests has no Events, an
    old server no such kind), so a check that can do without it is no less sure.
    """

    reason: str
    grant: Grant | None = None
    by_design: bool = False


class Scope(Struct, frozen=True, omit_defaults=True):
    """The namespaces looked at, none meaning all, and why it is not all."""

    namespaces: tuple[str, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        if not self.namespaces:
            return "the whole cluster"
        return f"namespace {', '.join(self.namespaces)}" + (f" ({self.why})" if self.why else "")


class Selection(Struct, frozen=True, omit_defaults=True):
    """What the user asked for beyond the default. ``checks``: by name. ``external``: names and addresses outside the cluster.

    ``services``: names of Services, with or without ``NAMESPACE/``, and ``labels``: what their labels meet: only those are
    targets.
    """

    checks: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    labels: tuple[LabelSelectorRequirement, ...] = ()

    def includes(self, service: Service) -> bool:
        """Whether a Service is to be looked at."""
        names = {service.name, f"{service.namespace}/{service.name}"}
        return label_selector.matches(self.labels, service.metadata.labels) and (
            not self.services or not names.isdisjoint(self.services)
        )


class KindUnavailable(Exception):
    """A check asked for a kind that could not be read; the runner turns it into ``skipped``."""

    def __init__(self, kind: str, unavailable: Unavailable) -> None:
        super().__init__(f"{kind}: {unavailable.reason}")
        self.kind = kind
        self.unavailable = unavailable


class UndeclaredKind(Exception):
    """A check asked for a kind that its ``needs`` does not declare."""


Listings = Mapping[str, Listing | Unavailable]


class Index:
    """Look-up tables over the listings, each made when first asked for and shared by all views."""

    def __init__(self, listings: Listings) -> None:
        self.listings = listings
        self.made: dict[object, Any] = {}
        """What others make once of these lists and share, by a key of their own."""
        self._by_namespace: dict[str, dict[str, list[Any]]] = {}

    def readable(self, kind: Kind[Any]) -> bool:
        """Whether the list of a kind could be had."""
        return isinstance(self.listings.get(kind.name), Listing)

    def items(self, kind: Kind[R]) -> tuple[R, ...]:
        """All objects of a kind; none where the list could not be had."""
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

    def in_namespace(self, kind: Kind[R], namespace: str) -> list[R]:
        """Objects of a kind in a namespace."""
        if kind.name not in self._by_namespace:
            self._by_namespace[kind.name] = _grouped((item.namespace, item) for item in self.items(kind))
        return self._by_namespace[kind.name].get(namespace, [])

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
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


class Cluster:
    """The cluster as recorded at ``time``. A check sees it through ``view``, which notes the kinds that it touches.

    ``tier``: the furthest from which this run measures; ``hosts`` are the nodes that then carry a pod on the host network too.
    ``vantages``: the nodes that carry a debug pod in this run; "" is a pod wherever the scheduler puts it.
    ``selection``: what the user selected. ``own_namespace``: where netdoc's own pods run; a name that stands for
    any where each run makes a new one, as no policy can know it. ``image``: what the debug pods ran; "" where none did.
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
        """Nodes that carry a pod on the host network in this run; none below the nodes tier."""
        return tuple(filter(None, self.vantages)) if self.tier.covers(Tier.NODES) else ()

    def with_listings(self, listings: Listings, scope: Scope | None = None) -> Cluster:
        """Return this cluster with other lists, and all else as it is."""
        other = copy(self)
        other.index, other.scope, other.touched = Index(listings), scope or self.scope, set()
        return other

    def view(self, kinds: Iterable[Kind[Any]]) -> Cluster:
        """Return this cluster limited to ``kinds``, with its own note of what was touched."""
        other = copy(self)
        other.touched = set()
        other._allowed = frozenset(kind.name for kind in kinds)
        return other

    def listing(self, kind: Kind[R]) -> Listing | Unavailable:
        """Return the listing of a kind, or why there is none; raises ``UndeclaredKind``."""
        if self._allowed is not None and kind.name not in self._allowed:
            raise UndeclaredKind(f"{kind.name} is not among the check's needs")
        self.touched.add(kind.name)
        return self.index.listings.get(kind.name) or Unavailable("not read")

    def all(self, kind: Kind[R]) -> tuple[R, ...]:
        """Return every object of a kind; raises ``KindUnavailable`` where the list could not be had."""
        listing = self.listing(kind)
        if isinstance(listing, Unavailable):
            raise KindUnavailable(kind.name, listing)
        return cast("tuple[R, ...]", listing.items)

    def readable(self, kind: Kind[Any]) -> bool:
        """Whether the list of a kind could be had."""
        return isinstance(self.listing(kind), Listing)

    def unreadable(self, kind: Kind[Any]) -> bool:
        """Whether there is such a list, or may be, and it could not be had: what it would say is not known, so it may excuse.

        Not where there is none by design, as of a kind that the server does not serve.
        """
        listing = self.listing(kind)
        return isinstance(listing, Unavailable) and not listing.by_design

    def get(self, kind: Kind[R], namespace: str, name: str) -> R | None:
        """Return one object, or None where there is none; raises ``KindUnavailable``."""
        self.all(kind)
        return cast("R | None", self.index.by_name[kind.name].get((namespace, name)))

    def services(self) -> list[Service]:
        """Return the Services that are to be looked at: all in scope, or those that the user named; raises ``KindUnavailable``.

        What of other namespaces was read for the sake of cluster DNS is not in scope.
        """
        spaces = self.scope.namespaces
        return [item for item in self.all(SERVICE) if self.selection.includes(item) and (not spaces or item.namespace in spaces)]

    def pods_in(self, namespace: str) -> list[Pod]:
        """Pods of a namespace that have not finished."""
        self.all(POD)
        return self.index.pods_by_namespace.get(namespace, [])

    def services_selecting(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """Services whose selector selects pods of a namespace with these labels; raises ``KindUnavailable``."""
        self.all(SERVICE)
        return [item for item in self.index.in_namespace(SERVICE, namespace) if matches(item.spec.selector, labels)]

    def pods_of(self, service: Service) -> list[Pod]:
        """Unfinished pods that a Service's selector selects."""
        return [pod for pod in self.pods_in(service.namespace) if matches(service.spec.selector, pod.metadata.labels)]

    def slices_of(self, service: Service) -> list[EndpointSlice]:
        """EndpointSlices of a Service."""
        self.all(ENDPOINT_SLICE)
        return self.index.slices_by_service.get((service.namespace, service.name), [])

    def workloads_in(self, namespace: str, kinds: Iterable[Kind[Workload]]) -> list[tuple[Kind[Workload], Workload]]:
        """Workloads of a namespace among those kinds that could be read."""
        return [(kind, item) for kind in kinds if self.readable(kind) for item in self.index.in_namespace(kind, namespace)]

    def events_about(self, kind: str, namespace: str, name: str) -> list[Event]:
        """Events about one object; none where Events could not be read."""
        self.listing(EVENT)
        return self.index.events_by_object.get((kind, namespace, name), [])

    def age(self, moment: datetime | None) -> timedelta:
        """Time passed since ``moment``; a very long time where it is not known."""
        return self.time - moment if moment else timedelta.max

    def node_names(self) -> tuple[str, ...]:
        """Names of all nodes; none where Nodes could not be read."""
        return tuple(sorted(node.name for node in self.index.items(NODE)))

    def count(self) -> int:
        """Number of objects read."""
        return sum(len(item.items) for item in self.index.listings.values() if isinstance(item, Listing))
