# SPDX-License-Identifier: Apache-2.0
"""Where facts come from: one interface, three kinds of source (live, bundle, manifests)."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that is broken, of another type, not UTF-8, or nested too deeply."""


class SourceError(Exception):
    """The source can't be used at all. ``exit_code``: 2 where the input is bad, 3 where the cluster can't be reached."""

    def __init__(self, message: str, exit_code: int = 3) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Source(Protocol):
    """Reads a cluster, and measures in it where it can. ``label`` says in the report what was looked at."""

    @property
    def label(self) -> str:
        """What this is, for the report's head."""
        ...

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return what can be read of these kinds; each may be ``Unavailable``. Raises ``SourceError``."""
        ...

    def measure(self, cluster: Cluster, requests: tuple[Request, ...]) -> Measured:
        """Return the replies to the requests; what could not be measured is absent or ``Lost``."""
        ...
