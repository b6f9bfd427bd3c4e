# SPDX-License-Identifier: Apache-2.0
"""What a run does besides for those who do not sit at it: ``--lease``, ``--keep`` and ``--events``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubectl_netdoc.cli.connection import client_options
from kubectl_netdoc.cli.source import warn_on_stderr

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report
    from kubectl_netdoc.sources.live.client import Client
    from kubectl_netdoc.sources.live.finding_events import Writing


@contextmanager
def alone(flags: Mapping[str, Any]) -> Iterator[None]:
    """Hold the Lease while the block runs, if the flags say so; raises ``SourceError``, also while another run holds it."""
    if not flags["lease"]:
        yield
        return
    from kubectl_netdoc.sources.live.client import Client
    from kubectl_netdoc.sources.live.lease import Lease
    from kubectl_netdoc.sources.live.rights import LEASE

    client = Client(client_options(flags))
    with Lease(client, flags["pod_namespace"] or client.namespace, LEASE).held():
        yield


def keep(reports: Iterable[Report], flags: Mapping[str, Any]) -> None:
    """Keep reports where the flags say; what can't be written is told, and costs nobody the report itself."""
    if not flags["keep"]:
        return
    from kubectl_netdoc.report import json
    from kubectl_netdoc.sources import SourceError
    from kubectl_netdoc.sources import reports as folder

    for report in reports:
        try:
            folder.keep(Path(flags["keep"]), report, json.render(report), flags["keep_last"])
        except SourceError as error:
            warn_on_stderr(str(error))


def tell(client: Client, report: Report, flags: Mapping[str, Any]) -> Writing | None:
    """Write a report's findings as Events, if the flags say so; None if not, or if that failed, which is told."""
    if not flags["events"]:
        return None
    from kubectl_netdoc.sources import UNREADABLE
    from kubectl_netdoc.sources.live import finding_events
    from kubectl_netdoc.sources.live.client import ApiError

    try:
        return finding_events.write(client, report, flags["namespaces"])
    except (ApiError, *UNREADABLE) as error:
        warn_on_stderr(f"Events can't be written: {error}; their rights: kubectl netdoc rbac --watch")
        return None
