# SPDX-License-Identifier: Apache-2.0
"""Sources of facts: one interface for a live cluster, bundles, manifests and other tools' dumps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that is broken, of another type, not UTF-8, or nested too deeply."""


class SourceError(Exception):
    """Raised if a source can't be used. ``exit_code``: 2 for bad input, 3 if the cluster can't be reached."""

    def __init__(self, message: str, exit_code: int = 3) -> None:
        super().__init__(message)
        self.exit_code = exit_code


Warn = Callable[[str], None]
"""Takes a line about what is passed over."""

FollowUp = Callable[[Measured], Iterable[Request]]
"""Takes what was measured so far, and returns what else to measure in the same debug pods."""


def nothing_more(measured: Measured) -> Iterable[Request]:
    """Ask for nothing more."""
    return ()


class Source(Protocol):
    """Reads a cluster and measures in it if possible. ``label`` names the source in the report."""

    @property
    def label(self) -> str:
        """The name of the source in the report."""
        ...

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the cluster with these kinds; each may be ``Unavailable``. Raises ``SourceError``."""
        ...

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return the replies to the requests and to those that follow; one that could not be measured has none, or ``Lost``."""
        ...
