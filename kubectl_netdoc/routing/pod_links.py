# SPDX-License-Identifier: Apache-2.0
"""The links of a node that lead to pods."""

from __future__ import annotations

from kubectl_netdoc.measurements.node import Link


def of_a_pod(link: Link) -> bool:
    """Tell whether a link may lead to a pod: a veth without an address of its own but a link-local one."""
    return link.kind == "veth" and all(address.startswith("fe80:") for address in link.addresses)
