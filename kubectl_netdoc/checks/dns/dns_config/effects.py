# SPDX-License-Identifier: Apache-2.0
"""What follows where the DNS Service has no server that answers: the parts of dns_config share it."""

from __future__ import annotations

from kubectl_netdoc.api import Explains
from kubectl_netdoc.components.cluster_dns import LOOKUPS_FAIL

NO_ENDPOINTS = Explains(("SVC001", "SVC002", "SVC004", "SVC005", "SVC021"), "subject")
"""What service_config reports of the same Service."""

UNSERVED = (LOOKUPS_FAIL, NO_ENDPOINTS)
