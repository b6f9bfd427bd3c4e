# SPDX-License-Identifier: Apache-2.0
"""Limits what was recorded, or manifests, to some namespaces, as ``-n`` does for a live cluster."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.core.cluster import DNS_NAMESPACE, Cluster, Listing, Scope, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources import FollowUp, Source, SourceError, nothing_more


class Within:
    """Another source, limited to these namespaces."""

    def __init__(self, source: Source, namespaces: tuple[str, ...]) -> None:
        self.source = source
        self.namespaces = namespaces

    @property
    def label(self) -> str:
        """The label of the other source."""
        return self.source.label

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the other source's cluster without the objects of other namespaces; raises ``SourceError``."""
        whole = self.source.cluster(kinds)
        if whole.scope.namespaces and (lacking := set(self.namespaces) - set(whole.scope.namespaces)):
            raise SourceError(f"{self.label} has no lists of namespace {joined(sorted(lacking))}; it has {whole.scope}", 2)
        listings = {name: self._cut(KINDS[name], listing) for name, listing in whole.index.listings.items()}
        return whole.with_listings(listings, Scope(self.namespaces, "as asked"))

    def _cut(self, kind: Kind[Any], listing: Listing | Unavailable) -> Listing | Unavailable:
        if isinstance(listing, Unavailable) or not kind.namespaced or kind.names or kind.logs:
            return listing
        kept = (*self.namespaces, DNS_NAMESPACE)
        return Listing(tuple(item for item in listing.items if item.namespace in kept), listing.undecodable)

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return what the other source measured."""
        return self.source.measure(cluster, requests)
