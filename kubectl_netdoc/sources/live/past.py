# SPDX-License-Identifier: Apache-2.0
"""Lists as they were a while ago: the API server keeps the states of its store for some minutes, and reads any of them.

A list at a resource version, ``resourceVersionMatch=Exact``, is the list as it was then; of versions that are compacted away the
server says 410 (Kubernetes: API concepts, resource versions). kube-apiserver compacts every five minutes what was five minutes
old then (--etcd-compaction-interval), so that five to ten minutes are there. How old a version is, only the contents can tell.
"""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources import UNREADABLE
from kubectl_netdoc.sources.live.client import ApiError, Client

STEP, TIMES = 256, 4
"""How far back the first question goes, in versions, and how many times as far each further one. An idle cluster of three nodes
writes three versions a second, a large one some hundreds."""

NEAR = 8
"""The oldest version is found well enough within this part of the way back."""

GONE = 410


class _Meta(Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _List(Struct, frozen=True):
    metadata: _Meta = _Meta()


def exact(revision: int) -> dict[str, str]:
    """Return the query of a list as it was at a revision."""
    return {"resourceVersion": str(revision), "resourceVersionMatch": "Exact"}


def oldest(client: Client, path: str) -> int:
    """Return about the oldest revision at which a list can still be read; 0 where there is none, or that can't be told."""
    try:
        now = int(strict_json.decode(client.get(path, {"limit": 1}), _List).metadata.resource_version)
        good, step = now, STEP
        while now - step > 0 and _there(client, path, now - step):
            good, step = now - step, step * TIMES
        bad = max(0, now - step)
        while good - bad > max(STEP, (now - good) // NEAR):
            middle = (good + bad) // 2
            good, bad = (middle, bad) if _there(client, path, middle) else (good, middle)
    except (ApiError, ValueError, *UNREADABLE):
        return 0
    return good if good < now else 0


def _there(client: Client, path: str, revision: int) -> bool:
    """Tell whether the server still has a list as it was at a revision; raises ``ApiError`` for other troubles."""
    try:
        client.get(path, {"limit": 1} | exact(revision))
    except ApiError as error:
        if error.status == GONE:
            return False
        raise
    return True
