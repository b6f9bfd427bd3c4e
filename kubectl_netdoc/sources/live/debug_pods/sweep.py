# SPDX-License-Identifier: Apache-2.0
"""Deletes what runs made: this one's at once, an earlier one's once its time is up."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from msgspec import Struct, field

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.debug_pods.manifest import EXPIRES
from kubectl_netdoc.sources.live.decoding import OURS, OWNER

POLICIES = "/apis/networking.k8s.io/v1"


class _Meta(Struct):
    name: str = ""
    annotations: dict[str, str] = {}


class _Object(Struct):
    metadata: _Meta = field(default_factory=_Meta)


class _List(Struct):
    items: list[_Object] = []


def delete(client: Client, path: str, seconds: float = 5) -> bool:
    """Delete an object without its grace period; tell whether the server took it. ``seconds``: the time-out of the request."""
    try:
        client.request("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}, timeout=seconds)
    except ApiError as error:
        return error.status == 404
    return True


def sweep(client: Client, namespace: str = "") -> list[str]:
    """Delete what earlier runs left behind and whose time is up by the server's clock; return the paths.

    Never what belongs to a run that may still go on. Looks at namespaces, or at pods, Services and policies in ``namespace``.
    Raises ``ApiError`` if it may not look; whoever may not see policies has made none.
    """
    places = (
        [f"/api/v1/namespaces/{namespace}/{plural}" for plural in ("pods", "services")] if namespace else ["/api/v1/namespaces"]
    )
    policies = f"{POLICIES}/namespaces/{namespace}/networkpolicies"
    expired = []
    for path in (*places, *((policies,) if namespace else ())):
        try:
            answer = client.get(path, {"labelSelector": f"{OWNER}={OURS}", "limit": 500})
        except ApiError as error:
            if path == policies and error.status == 403:
                continue
            raise
        for item in strict_json.decode(answer, _List).items:
            with suppress(ValueError):
                if datetime.fromisoformat(item.metadata.annotations.get(EXPIRES, "")) < client.now():
                    expired.append(f"{path}/{item.metadata.name}")
    return [path for path in expired if delete(client, path)]
