# SPDX-License-Identifier: Apache-2.0
"""Reads lists from the API: all at once, in pages, decoded into only the fields that are used. Each list may fail alone.

A page is decoded as soon as it is there, and only its records are kept: a large cluster's lists have more than 1 GiB.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.core.cluster import DNS_NAMESPACE, Cluster, Listing, Scope, Unavailable
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.records import container_settings
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NAMESPACE
from kubectl_netdoc.sources import UNREADABLE, SourceError
from kubectl_netdoc.sources.live import discovery, past, rights
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.decoding import Records, Reference
from kubectl_netdoc.sources.live.discovery import Served

PAGE = 500
"""Objects a page, as kubectl's own chunk size."""

MOST_LOGS = 8
LOG_END = {"tailLines": 500, "limitBytes": 256 * 1024, "sinceSeconds": 3600}
"""The query of a log: its last lines, no older than Events are kept by default."""

POINTING = frozenset({"Pod", "Ingress", "Gateway", "ListenerSet", "XListenerSet", "BackendTLSPolicy"})
"""Kinds whose objects name others, which are then read one by one."""

MOST_PAGES = 1000
"""Most pages of a list (500,000 objects). Kubernetes supports at most 150,000 pods (Considerations for large clusters)."""

LARGEST = 4 << 30
"""Most bytes of a list: as many as 150,000 pods of 28 KB have. Of each page only the records are kept."""

AT_ONCE = 8
NOW: Mapping[str, str] = {}
"""The query of a list as it is."""


class _Container(Struct, frozen=True):
    name: str = ""
    ready: bool = False


class _Containers(Struct, frozen=True, rename="camel"):
    init_container_statuses: list[_Container] | None = None
    container_statuses: list[_Container] | None = None


class _Logged(Reference, frozen=True):
    status: _Containers = _Containers()

    def containers(self, troubled: bool) -> list[str]:
        """Return the containers whose logs are read: those not ready, or the pod's only one."""
        both = [*(self.status.init_container_statuses or ()), *(self.status.container_statuses or ())]
        return [each.name for each in both if not each.ready] if troubled else [""]


class _Pods(Struct, frozen=True):
    items: list[_Logged] | None = None


class _ServerVersion(Struct, frozen=True):
    git_version: str = msgspec.field(name="gitVersion", default="")


def read(client: Client, kinds: tuple[Kind[Any], ...], namespaces: tuple[str, ...]) -> Cluster:
    """Return what can be read of ``kinds``; raises ``SourceError`` if nothing answers or every list is refused.

    Namespaced kinds are read in ``namespaces``, or if that is empty everywhere; if the cluster-wide list is forbidden, in the
    context's own namespace instead.
    """
    server = server_version(client)
    scope = Scope(namespaces, "as asked" if namespaces else "")
    served = discovery.read(client, kinds) if any(kind.group for kind in kinds) else Served()
    there = {kind.name: served.choose(kind) for kind in kinds}
    # If a kind that is not served were requested, a user without the right would get a refusal, as if it existed.
    missing: dict[str, Listing | Unavailable] = {name: it for name, it in there.items() if isinstance(it, Unavailable)}
    pointed = [kind for kind in there.values() if isinstance(kind, Kind) and kind.pointed]
    every = tuple(kind for kind in there.values() if isinstance(kind, Kind) and not kind.pointed)
    kinds, past_kinds = tuple(kind for kind in every if not kind.past), [kind for kind in every if kind.past]
    with ThreadPoolExecutor(1) as beside:
        before = beside.submit(_past, client, past_kinds, namespaces, served)
        listings, dark = _all_at_once(client, kinds, namespaces, served)
    refused = [k for k in kinds if not namespaces and k.namespaced and not (k.names or k.logs) and _forbidden(listings[k.name])]
    if refused:
        own = (client.namespace,)
        again, dark = _all_at_once(client, refused, own, served)
        if any(isinstance(listing, Listing) for listing in again.values()):
            scope = Scope(own, "cluster-wide lists are forbidden")
        listings |= {name: listing for name, listing in again.items() if isinstance(listing, Listing)}
    _refuse_nothing(client, listings)
    if scope.namespaces:
        listings = {k.name: _within(listings[k.name], k, (*scope.namespaces, *(() if dark else (DNS_NAMESPACE,)))) for k in kinds}
    listings |= {kind.name: _pointed(client, kind, listings, served) for kind in pointed}
    listings |= before.result()
    container_settings.forget()
    return Cluster(listings | missing, time=client.now(), server=server, scope=scope)


def _pointed(
    client: Client, kind: Kind[Any], listings: Mapping[str, Listing | Unavailable], served: Served
) -> Listing | Unavailable:
    """Read the objects that others name, one by one, never as a list."""
    there = {name: listing.items for name, listing in listings.items() if isinstance(listing, Listing)}
    names = kind.pointed(there) if kind.pointed else ()
    return _list(client, [replace(kind, names=names)], (), set(), served)[kind.name] if names else Listing()


def _past(
    client: Client, kinds: Sequence[Kind[Any]], namespaces: tuple[str, ...], served: Served
) -> dict[str, Listing | Unavailable]:
    """Read lists as they were a while ago, where the server remembers that. What it does not is no trouble."""
    found: dict[str, Listing | Unavailable] = {}
    for kind in kinds:
        path = f"{kind.path}/namespaces/{namespaces[0]}/{kind.plural}" if namespaces else f"{kind.path}/{kind.plural}"
        revision = past.oldest(client, path)
        if revision:
            found |= _list(client, [kind], namespaces, set(), served, past.exact(revision))
        listing = found.get(kind.name)
        if not isinstance(listing, Listing):
            found[kind.name] = Unavailable("no earlier state of it is remembered", by_design=True)
    return found


def pointed(
    client: Client, kinds: Collection[Kind[Any]], namespaces: tuple[str, ...] = ()
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the (namespace, name) of the objects that others name now, by kind; raises ``SourceError`` if none is readable."""
    wanted = [kind for kind in kinds if kind.pointed]
    cluster = read(client, tuple(kind for kind in kinds if kind.name in POINTING), namespaces) if wanted else None
    there = {kind.name: cluster.all(kind) for kind in kinds if cluster and kind.name in POINTING and cluster.readable(kind)}
    return {kind.name: kind.pointed(there) for kind in wanted if kind.pointed}


def _all_at_once(
    client: Client, kinds: Sequence[Kind[Any]], namespaces: tuple[str, ...], served: Served
) -> tuple[dict[str, Listing | Unavailable], set[str]]:
    """Return the listings by kind, and the kinds that could be read in ``namespaces`` but not in the namespace of cluster DNS."""
    dark: set[str] = set()
    same: dict[Any, list[Kind[Any]]] = {}  # two kinds may keep different parts of one list
    for kind in kinds:
        same.setdefault((kind.path, kind.plural, kind.selectors, kind.names, kind.logs, kind.troubled), []).append(kind)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = pool.map(lambda alike: _list(client, alike, namespaces, dark, served), same.values())
        found = {name: listing for listings in read for name, listing in listings.items()}
    return {kind.name: found[kind.name] for kind in kinds}, dark


def _within(listing: Listing | Unavailable, kind: Kind[Any], namespaces: tuple[str, ...]) -> Listing | Unavailable:
    """Return a listing limited to namespaces of which every list was read, so that no Service seems to have no pods."""
    if isinstance(listing, Unavailable) or not kind.namespaced or kind.names or kind.logs:
        return listing
    return Listing(tuple(item for item in listing.items if item.namespace in namespaces), listing.undecodable)


def server_version(client: Client) -> str:
    """Return the server's version; the call also shows whether the server answers and accepts the credentials.

    Raises ``SourceError`` if not.
    """
    try:
        version = strict_json.decode(client.get("/version"), _ServerVersion).git_version
    except ApiError as error:
        if error.status == 401:
            raise SourceError(
                f"{client.host} answered Unauthorized: the credentials of context {client.context} are expired or "
                f"wrong; try: kubectl --context {client.context} auth whoami{client.doubts}"
            ) from error
        if error.status == 0:
            hint = "; is --request-timeout too short?" if error.timed_out and client.options.request_timeout else ""
            raise SourceError(
                f"can't reach the API server {client.host} of context {client.context}: {error}{hint}{client.doubts}"
            ) from error
        return ""  # /version may be forbidden; the lists show whether anything can be read
    except UNREADABLE:
        version = ""
    if not version:
        raise SourceError(f"{client.host} answers, but is not a Kubernetes API server{client.doubts}")
    return version


def _forbidden(listing: Listing | Unavailable) -> bool:
    return isinstance(listing, Unavailable) and listing.grant is not None


def _refuse_nothing(client: Client, listings: dict[str, Listing | Unavailable]) -> None:
    failed = {name: listing for name, listing in listings.items() if isinstance(listing, Unavailable)}
    if listings and len(failed) == len(listings):
        name, first = next(iter(failed.items()))
        grant = f"; missing right: {first.grant}" if first.grant else ""
        raise SourceError(f"nothing could be read from {client.host} as context {client.context}: {name}: {first.reason}{grant}")


def _list(
    client: Client,
    alike: Sequence[Kind[Any]],
    namespaces: tuple[str, ...],
    dark: set[str],
    served: Served,
    query: Mapping[str, str] = NOW,
) -> dict[str, Listing | Unavailable]:
    """Return the listings of kinds that are one list; a refusal, a timeout and an unknown kind each become ``Unavailable``."""
    found = [Records(kind) for kind in alike]
    try:
        _read(client, found, namespaces, dark, query)
    except ApiError as error:
        return {kind.name: unavailable(kind, error, namespaces, served) for kind in alike}
    except UNREADABLE as error:
        return {kind.name: Unavailable(f"the list can't be decoded: {error}") for kind in alike}
    return {records.kind.name: records.listing for records in found}


def _read(
    client: Client, found: Sequence[Records], namespaces: tuple[str, ...], dark: set[str], query: Mapping[str, str]
) -> None:
    """Read what is one list into the records of each kind; raises ``ApiError`` and what is in ``UNREADABLE``."""
    kind = found[0].kind
    if kind.names or kind.logs:
        for raw in _by_name(client, kind) if kind.names else _logs(client, kind):
            for records in found:
                records.take(raw)
        return
    wanted: list[str] = [""]
    if kind.namespaced and namespaces:
        # Every pod uses cluster DNS, so its namespace is read too if that is permitted.
        wanted = list(dict.fromkeys((*namespaces, DNS_NAMESPACE)))
    for namespace in wanted:
        for selector in kind.selectors:
            try:
                pages = _pages(client, [each.kind for each in found], namespace, selector, query)
                for records, more in zip(found, pages, strict=True):
                    records.add(more)
            except ApiError:
                if namespace != DNS_NAMESPACE or DNS_NAMESPACE in namespaces:
                    raise
                dark.add(kind.name)


def _by_name(client: Client, kind: Kind[Any]) -> Iterator[msgspec.Raw]:
    """Yield objects by their names: the few of a fixed list one after the other, those that others name many at once.

    Of these the first is read alone: who may not read it may read none.
    """

    def read(named: tuple[str, str]) -> msgspec.Raw | None:
        namespace, name = named
        try:
            return msgspec.Raw(client.get(f"{kind.path}/namespaces/{namespace}/{kind.plural}/{name}"))
        except ApiError as error:
            if error.status != 404 and not _refused_nothing(client, error, namespace):
                raise
            return None

    alone = 1 if kind.pointed else len(kind.names)
    yield from filter(None, map(read, kind.names[:alone]))
    if rest := kind.names[alone:]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from filter(None, pool.map(read, rest))


def _refused_nothing(client: Client, error: ApiError, namespace: str) -> bool:
    """Tell whether the refused list is of a namespace that does not exist; no Role could be created there."""
    return error.status == 403 and namespace not in rights.STANDARD and existing(client, namespace) == frozenset()


def existing(client: Client, *wanted: str) -> frozenset[str] | None:
    """Return which of these namespaces exist; None if the server does not tell."""
    try:
        return frozenset(chain.from_iterable(_names(client, f"metadata.name={name}") for name in wanted))
    except (ApiError, *UNREADABLE):
        return None


def namespaces(client: Client) -> list[str]:
    """Return the names of all namespaces; raises ``ApiError``."""
    return _names(client, "")


def _names(client: Client, selector: str) -> list[str]:
    (found,) = _pages(client, [NAMESPACE], "", selector)
    return [item.name for item in found.items]


def _logs(client: Client, kind: Kind[Any]) -> Iterator[msgspec.Raw]:
    """Yield the end of each pod's log as an object; pods without a log are left out."""
    for namespace, selector in kind.logs:
        pods = f"{kind.path}/namespaces/{namespace}/pods"
        most = PAGE if kind.troubled else MOST_LOGS
        try:
            found = strict_json.decode(client.get(pods, {"labelSelector": selector, "limit": most}), _Pods)
        except ApiError as error:
            if not _refused_nothing(client, error, namespace):
                raise
            continue
        wanted = [(pod.metadata.name, each) for pod in found.items or () for each in pod.containers(kind.troubled)]
        for name, container in wanted[:MOST_LOGS]:
            try:
                text = client.get(f"{pods}/{name}/log", LOG_END | ({"container": container} if container else {}))
            except ApiError as error:
                if error.status not in (400, 404):
                    raise
                continue
            metadata = {"name": name, "namespace": namespace}
            yield msgspec.Raw(msgspec.json.encode({"metadata": metadata, "text": text.decode(errors="replace")}))


def _pages(
    client: Client, alike: Sequence[Kind[Any]], namespace: str, selector: str, at: Mapping[str, str] = NOW
) -> list[Records]:
    """Return the records of one list; raises ``ApiError`` and what is in ``UNREADABLE``."""
    kind = alike[0]
    path = f"{kind.path}/namespaces/{namespace}/{kind.plural}" if namespace else f"{kind.path}/{kind.plural}"
    query: dict[str, Any] = {**at, "fieldSelector": selector} if selector else dict(at)
    try:
        return _to_the_end(client, alike, path, query | {"limit": PAGE})
    except ApiError as error:
        if error.status != 410 or at:
            raise
        # The continue token has expired: start again, without pages, so that it can't happen again.
        return _to_the_end(client, alike, path, query)


def _to_the_end(client: Client, alike: Sequence[Kind[Any]], path: str, query: dict[str, Any]) -> list[Records]:
    found, size = [Records(kind) for kind in alike], 0
    for _ in range(MOST_PAGES):
        body = client.get(path, query)
        size += len(body)
        if size > LARGEST:
            break
        more, *_ = [records.take_page(body) for records in found]
        if not more:
            return found
        if more == query.get("continue"):
            raise ApiError(0, "the API server returned the same page of the list twice")
        # The token says of which state the list is; the server refuses that said twice.
        query = {name: value for name, value in query.items() if not name.startswith("resourceVersion")} | {"continue": more}
    raise ApiError(0, f"the list is longer than {MOST_PAGES} pages or {LARGEST >> 20} MiB")


def unavailable(kind: Kind[Any], error: ApiError, namespaces: tuple[str, ...], served: Served) -> Unavailable:
    """Return why a list could not be read, with the missing right if it was refused."""
    if error.status == 401:
        return Unavailable("the API server no longer accepts the credentials")
    if error.status == 403:
        tried = rights.reading(kind)
        if not (kind.names or kind.logs):
            tried = (Grant("list", kind.plural, kind.group, ",".join(namespaces) if kind.namespaced else ""),)
        likely = next(rule for rule in tried if rule.resource == kind.plural)
        return Unavailable("forbidden", rights.named(error.message, tried) or likely)
    if error.status == 404:
        return served.missing(kind)
    if error.timed_out:
        return Unavailable(f"no answer in time ({error.message.removeprefix('timeout: ')})")
    return Unavailable(f"error {error.status}: {error.message}" if error.status else f"no answer: {error.message}")
