# SPDX-License-Identifier: Apache-2.0
"""Paths on which small packets pass and large ones are lost or slow."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, Finding, Risk, Severity
from kubectl_netdoc.checks.pod_network.pod_network.mesh import BULK, SEGMENT, Mesh
from kubectl_netdoc.probes.node_pairs import Pair, as_paths, locate

BLACK_HOLE = Code(
    id="PNW006",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Small packets pass, large packets are lost",
    message="Between {between} connections open, but only {got} of {size} bytes sent arrive: large packets are lost (MTU black "
    "hole)",
    fix="Set the CNI's MTU to the MTU of the node links minus the encapsulation overhead (50 bytes for VXLAN) and recreate the "
    "pods. Allow ICMP type 3 code 4 (fragmentation needed). The check mtu_mismatch measures the size that fits.",
    commands=("kubectl netdoc check mtu_mismatch --show info", "kubectl get nodes -o wide"),
    rows=("M1",),
    # A kube-proxy whose watch of the API server crosses the black hole misses updates that fill a packet.
    explains=(Explains(("SVR002", "SVR006", "DNL005"), "node"),),
    tells="failure",
)
CRAWLS = Code(
    id="PNW014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Transfers between nodes are very slow",
    message="Between {between}, as few as {got} of {size} bytes arrive within 1 s: large packets pass, but slowly",
    fix="Look for packet loss, a saturated link or a rate limit on that path. The check path_quality measures loss and delay.",
    commands=("kubectl netdoc check path_quality --show info", "kubectl get nodes -o wide"),
    tells="failure",
)


def lost_large_packets(mesh: Mesh, family: str = "") -> Iterator[Finding]:
    """Report nodes all of whose paths lose large packets, else the pairs of nodes whose paths do."""
    holes: dict[Pair, int] = {}
    for pair, reply in mesh.large.items():
        got = [sample.got for sample in reply.samples if sample.who]
        if got and pair not in mesh.bad and max(got) < BULK:
            holes[pair] = max(got)
    silent = {pair for pair, got in holes.items() if got < SEGMENT}
    for code, paths in ((BLACK_HOLE, silent), (CRAWLS, holes.keys() - silent)):
        for place in locate(paths, mesh.large):
            extreme = max if code is BLACK_HOLE else min
            numbers = {"size": BULK, "got": extreme(holes[pair] for pair in place.paths), "family": family}
            yield code.on(place.subject, place.evidence() | numbers, paths=as_paths(place.paths))


CODES = (
    BLACK_HOLE,
    CRAWLS,
)
