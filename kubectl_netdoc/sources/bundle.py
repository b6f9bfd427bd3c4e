# SPDX-License-Identifier: Apache-2.0
"""Bundles: a run in one file, with decoded records, the clock, requests and replies, to be analysed again anywhere."""

from __future__ import annotations

import gzip
import io
import zlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from kubectl_netdoc import __version__
from kubectl_netdoc.core.cluster import Cluster, Listing, Scope, Selection, Unavailable
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources import UNREADABLE, FollowUp, SourceError, nothing_more

VERSION = 1
LARGEST = 512 * 1024 * 1024
"""Most bytes that a bundle may unpack to. A cluster of 15,000 pods records to about 60 MB."""

MARK = b'"netdoc_bundle"'


class Stored(Struct, omit_defaults=True):
    """A listing on disk. ``objects`` are decoded by their kind; kinds of later versions are ignored."""

    objects: list[msgspec.Raw] = []
    undecodable: tuple[Unseen, ...] = ()
    unavailable: Unavailable | None = None


class Exchange(Struct):
    """A request and its reply."""

    request: Request
    reply: Reply


class Bundle(Struct, omit_defaults=True):
    """The content of a bundle file. ``note``: where it comes from, as text."""

    netdoc_bundle: int
    tool: str
    recorded: Annotated[datetime, msgspec.Meta(tz=True)]
    label: str
    server: str
    note: dict[str, str] = {}
    scope: Scope = Scope()
    vantages: tuple[str, ...] = ()
    tier: Tier = Tier.PODS
    selection: Selection = msgspec.field(name="wishes", default=Selection())
    own_namespace: str = "netdoc"
    image: str = ""
    listings: dict[str, Stored] = {}
    debug_pods: tuple[Vantage, ...] = ()
    host_pods: tuple[Vantage, ...] = ()
    why_unmeasured: str = msgspec.field(name="why_not", default="")
    wanted: bool = False
    exchanges: list[Exchange] = []


class _Version(Struct):
    netdoc_bundle: int


def is_bundle(head: bytes) -> bool:
    """Tell whether these bytes begin a bundle."""
    return head[:2] == b"\x1f\x8b" or MARK in head[:64]


def dump(label: str, cluster: Cluster, measured: Measured, note: dict[str, str]) -> bytes:
    """Return the bundle of a run as JSON, one object per line so that recordings can be compared."""
    bundle = Bundle(
        netdoc_bundle=VERSION,
        tool=__version__,
        recorded=cluster.time,
        label=label,
        server=cluster.server,
        note=note,
        scope=cluster.scope,
        vantages=cluster.vantages,
        tier=cluster.tier,
        selection=cluster.selection,
        own_namespace=cluster.own_namespace,
        image=cluster.image,
        listings={name: _stored(listing) for name, listing in sorted(cluster.index.listings.items())},
        debug_pods=measured.vantages,
        host_pods=measured.hosts,
        why_unmeasured=measured.why_unmeasured,
        wanted=measured.wanted,
        exchanges=[Exchange(request, reply) for request, reply in measured.replies.items()],
    )
    return msgspec.json.format(msgspec.json.encode(bundle), indent=1) + b"\n"


def _stored(listing: Listing | Unavailable) -> Stored:
    if isinstance(listing, Unavailable):
        return Stored(unavailable=listing)
    return Stored([msgspec.Raw(msgspec.json.encode(item)) for item in listing.items], listing.undecodable)


def save(path: Path, content: bytes) -> None:
    """Write a bundle, compressed if the name ends in .gz; raises ``SourceError``."""
    try:
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except OSError as error:
        raise SourceError(f"can't write {path}: {error.strerror}", 2) from error


def unpack(raw: bytes, name: str) -> bytes:
    """Return the JSON of a file that may be compressed; raises ``SourceError`` if it is truncated, damaged or too large."""
    if raw[:2] != b"\x1f\x8b":
        content = raw
    else:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                content = packed.read(LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{name}: the compressed bundle is damaged or truncated: {error}", 2) from error
    if len(content) > LARGEST:
        raise SourceError(f"{name} is not a netdoc bundle: it is larger than {LARGEST >> 20} MiB unpacked", 2)
    return content


def load(raw: bytes, name: str) -> BundleSource:
    """Return the source in a bundle's bytes; raises ``SourceError`` with exit code 2 if it can't be used."""
    content = unpack(raw, name)
    try:
        version = msgspec.json.decode(content, type=_Version).netdoc_bundle
        if version > VERSION:
            raise SourceError(
                f"{name}: bundle version {version} is newer than this netdoc can read ({VERSION}); upgrade netdoc", 2
            )
        return BundleSource(msgspec.json.decode(content, type=Bundle))
    except RecursionError as error:
        raise SourceError(f"{name} is not a netdoc bundle: its JSON is nested too deeply", 2) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SourceError(f"{name}: the bundle is damaged or truncated: {error}", 2) from error


def _listing(kind: Kind[Any], stored: Stored) -> Listing | Unavailable:
    if stored.unavailable is not None:
        return stored.unavailable
    items, bad = [], list(stored.undecodable)
    for raw in stored.objects:
        try:
            items.append(msgspec.json.decode(raw, type=kind.record))
        except UNREADABLE as error:
            bad.append(Unseen(what=f"a {kind.name} in the bundle", reason=f"can't be decoded: {error}", expected=True))
    return Listing(tuple(items), tuple(bad))


class BundleSource:
    """A recorded run as a source. ``label`` is the recorded one, so that the report is the same."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @property
    def label(self) -> str:
        """The source of the recorded run."""
        return self.bundle.label

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the recorded cluster; kinds that were not recorded are ``Unavailable``."""
        bundle = self.bundle
        return Cluster(
            {name: _listing(KINDS[name], stored) for name, stored in bundle.listings.items() if name in KINDS},
            time=bundle.recorded,
            server=bundle.server,
            origin="bundle",
            scope=bundle.scope,
            vantages=bundle.vantages,
            tier=bundle.tier,
            selection=bundle.selection,
            own_namespace=bundle.own_namespace,
            image=bundle.image,
        )

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return the recorded replies. Requests that a later version of a check adds were not measured."""
        replies = {exchange.request: exchange.reply for exchange in self.bundle.exchanges}
        bundle = self.bundle
        return Measured(
            replies, bundle.debug_pods, bundle.host_pods, bundle.why_unmeasured or "not recorded in the bundle", bundle.wanted
        )
