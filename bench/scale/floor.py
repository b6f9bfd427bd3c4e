# SPDX-License-Identifier: Apache-2.0
"""The least that reading a cluster can cost: the large lists by a bare HTTP client, in the same pages, and nothing decoded.

python -m bench.scale.floor KUBECONFIG
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

PAGE = 500
AT_ONCE = 8
"""As netdoc has them (``sources/live/lists.py``)."""

PATHS = (
    *(f"/api/v1/{plural}" for plural in ("pods", "services", "nodes", "namespaces")),
    *(f"/apis/apps/v1/{plural}" for plural in ("deployments", "replicasets", "statefulsets", "daemonsets")),
    *(f"/apis/networking.k8s.io/v1/{plural}" for plural in ("networkpolicies", "ingresses")),
    "/apis/discovery.k8s.io/v1/endpointslices",
)
_MORE = re.compile(rb'"continue":"([^"]+)"')


def main(kubeconfig: Path) -> None:
    """Read, and print how much that was."""
    given = json.loads(kubeconfig.read_text())
    place = urlsplit(given["clusters"][0]["cluster"]["server"])
    headers = {"Authorization": f"Bearer {given['users'][0]['user']['token']}"}
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    def read(path: str) -> tuple[int, int]:
        connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=trusting)
        size, calls, more = 0, 0, ""
        while calls == 0 or more:
            connection.request("GET", f"{path}?limit={PAGE}&continue={more}", headers=headers)
            body = connection.getresponse().read()
            found = _MORE.search(body[:2000])
            size, calls, more = size + len(body), calls + 1, found[1].decode() if found else ""
        return size, calls

    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(read, PATHS))
    print(json.dumps({"bytes": sum(size for size, _ in rows), "calls": sum(calls for _, calls in rows)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
