# SPDX-License-Identifier: Apache-2.0
"""The source that a verb reads, selected by its flags: a live cluster, or a file, folder or archive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import options
from kubectl_netdoc.cli.connection import client_options
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.selection import requirements
from kubectl_netdoc.formats.text import safe, some

if TYPE_CHECKING:
    from kubectl_netdoc.core.cluster import Cluster
    from kubectl_netdoc.core.progress import Progress
    from kubectl_netdoc.records.base import Kind
    from kubectl_netdoc.sources import Source
    from kubectl_netdoc.sources.live.pod_settings import PodSettings
    from kubectl_netdoc.sources.live.source import LiveSource


NAMED = 5
"""Most kinds that a line names."""


def at_most_one(verb: str, namespaces: Sequence[str]) -> None:
    """Complain if a verb that looks for names in one namespace is given several."""
    if len(namespaces) > 1:
        raise click.UsageError(f"{verb} takes one -n only; name an object of another namespace as NAMESPACE/KIND/NAME")


def searched(namespaces: Sequence[str], source: Source) -> str:
    """Return the namespace in which names are looked for: that of -n, or that of the kubeconfig."""
    return namespaces[0] if namespaces else getattr(getattr(source, "client", None), "namespace", "default")


def live_source(flags: Mapping[str, Any], progress: Progress | None = None) -> LiveSource:
    """Return the live source that the flags select; measuring flags that a verb does not have get their defaults.

    ``progress`` receives what the source waits for.
    """
    from kubectl_netdoc.sources.live import client
    from kubectl_netdoc.sources.live.source import LiveSource

    flags = {**options.defaults(options.measuring), **flags}
    settings = _debug_pod_settings(flags)
    reader = client.Client(client_options(flags))
    return LiveSource(reader, flags["namespaces"], None if flags["no_pods"] else settings, progress)


def _debug_pod_settings(flags: Mapping[str, Any]) -> PodSettings:
    from kubectl_netdoc.core.tier import Tier
    from kubectl_netdoc.sources.live.pod_settings import PodSettings

    if flags["no_pods"] and (flags["node_checks"] or flags["privileged"]):
        raise click.UsageError("--no-pods can't be used with --node-checks or --privileged, which run pods")
    nodes = flags["nodes"]
    if nodes.isdecimal() and int(nodes) < 1:
        raise click.UsageError(
            "--nodes takes all, a number of at least 1, or a label selector; use --no-pods to measure from no node"
        )
    if nodes != "all" and not nodes.isdecimal():
        requirements("--nodes", nodes)
    return PodSettings(
        nodes=nodes,
        image=flags["image"],
        namespace=flags["pod_namespace"],
        pull_secret=flags["image_pull_secret"],
        timeout=flags["timeout"],
        labels={key: value for each in flags["labels"] for key, value in each.items()},
        requests=flags["pod_requests"] or {},
        limits=flags["pod_limits"] or {},
        tier=Tier.PRIVILEGED if flags["privileged"] else Tier.NODES if flags["node_checks"] else Tier.PODS,
    )


def offline_source(path: str, flags: Mapping[str, Any]) -> Source:
    """Return the source in a file or folder, limited to the namespaces that the flags name."""
    from kubectl_netdoc.sources.namespace_filter import Within

    source = recorded_source(path)
    return Within(source, flags["namespaces"]) if flags["namespaces"] else source


def recorded_source(path: str) -> Source:
    """Return the source in a bundle, in manifests or in a dump of a cluster; ``-`` is stdin. Raises ``SourceError``."""
    import sys
    from pathlib import Path

    from kubectl_netdoc.sources import offline

    if path == "-":
        return offline.parse(sys.stdin.buffer.read(), "stdin", warn_on_stderr)
    return offline.read(Path(path), warn_on_stderr)


def warn_on_stderr(text: str) -> None:
    """Print a warning line."""
    click.echo(f"kubectl-netdoc: {safe(text)}", err=True)


def read_cluster(source: Source, kinds: Iterable[Kind[Any]]) -> Cluster:
    """Return the cluster of a source; print a line on stderr for each reason why lists are missing.

    Raises ``SourceError`` if nothing can be read.
    """
    with show_progress() as shown:
        shown.stage("reading the cluster")
        cluster = source.cluster(tuple(kinds))
    tell_missing(cluster, kinds)
    return cluster


def tell_missing(cluster: Cluster, kinds: Iterable[Kind[Any]]) -> None:
    """Print a line on stderr for each reason why some of these lists are missing, and if only some namespaces were read."""
    if cluster.scope.namespaces:
        warn_on_stderr(f"only {cluster.scope} could be read; findings about other namespaces are missing")
    alike: dict[str, list[str]] = {}
    for kind in kinds:
        listing = cluster.listing(kind)
        if cluster.unreadable(kind):
            grant = getattr(listing, "grant", None)
            why = getattr(listing, "reason", "") + (f"; missing right: {grant}" if grant else "")
            alike.setdefault(why, []).append(kind.plural)
    for why, plurals in alike.items():
        warn_on_stderr(f"{some(dict.fromkeys(plurals), NAMED)}: {why}")
