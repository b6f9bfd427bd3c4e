# SPDX-License-Identifier: Apache-2.0
"""When a kernel sends a SYN again that got no answer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, chain, repeat, takewhile

from kubectl_netdoc import versions
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.kinds import NODE

LONGEST = 63
"""Seconds up to which the moments are told: older kernels send the last SYN then, with the default of tcp_syn_retries."""

LINEAR = 4
"""Default of tcp_syn_linear_timeouts: so many times more does a kernel that has it wait for a second before it doubles that."""


def moments(kernel: str) -> tuple[int, ...]:
    """Return the seconds after which a kernel of this version sends a SYN again; () where the version is not known."""
    if not versions.parse(kernel):
        return ()
    linear = LINEAR if versions.change("syn-linear-timeouts").reached("linear", kernel) else 0
    waits = chain(repeat(1, linear + 1), (2**n for n in range(1, LONGEST)))
    return tuple(takewhile(lambda moment: moment <= LONGEST, accumulate(waits)))


def later(cluster: Cluster, nodes: Iterable[str]) -> str:
    """Return when the kernels of nodes send a third SYN and more, as the end of a sentence; "" where none is known."""
    found = {node.name: node.status.node_info.kernel_version for node in cluster.all(NODE)} if cluster.readable(NODE) else {}
    told = sorted({moments(found.get(node, ""))[1:] for node in nodes} - {()})
    return " or ".join(f"after {joined(map(str, times))} s" for times in told)
