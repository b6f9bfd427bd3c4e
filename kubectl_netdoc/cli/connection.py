# SPDX-License-Identifier: Apache-2.0
"""kubectl's own flags as options of the API client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubectl_netdoc.sources.live.client import Options


def client_options(flags: Mapping[str, Any]) -> Options:
    """Return kubectl's own flags as options of the API client."""
    from kubectl_netdoc.sources.live import client

    return client.Options(**{name: flags[name] for name in client.Options.__struct_fields__})
