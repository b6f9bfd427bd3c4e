# SPDX-License-Identifier: Apache-2.0
"""Links of pods that carry smaller packets than those beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, Finding, Link, ObjectRef, Risk, Severity
from kubectl_netdoc.checks.pod_network.pod_links.state import subject, whose
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.pod_links import PodLinks

LEAST = 1280
"""The smallest MTU that IPv6 permits; no CNI plugin makes a smaller one."""

SMALL = Code(
    id="PLK002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The link of a pod is smaller than those beside it",
    message="On node {host}, {link} of {whose} has an MTU of {mtu}, the other pods' links there have {usual}: larger packets do "
    "not reach the pod{bridge}",
    fix="Set the MTU of {link} to {usual}. Deleting the pod does the same, if its CNI configuration is right.",
    commands=(),
    rows=("M1",),
    explains=(Explains(("SVR005", "SVR007", "MTU002"), "subject"), Explains(("MTU002", "PNW006", "DTR001", "DTR002"), "node")),
)


def too_small(links: PodLinks) -> Iterator[Finding]:
    """Report links with a smaller MTU than most beside them, unless the CNI's MTU may have been changed meanwhile."""
    for link in links.links.values():
        usual = usual_size(links, link)
        if not 0 < link.mtu < usual or (link.mtu >= LEAST and _in_turn(links, link)):
            continue
        pods = whose(links, link)
        told = f"pod {pods[0].namespace}/{pods[0].name}" if len(pods) == 1 else "a pod"
        lowered = links.later.get(link.master)
        also = lowered is not None and lowered.mtu == link.mtu
        words = {
            "host": links.node,
            "link": link.name,
            "whose": told,
            "mtu": link.mtu,
            "usual": usual,
            "bridge": f", and {link.master} as a whole has taken over that MTU" if also else "",
            "nodes": [links.node],
        }
        line = ip_commands.on(links.node, f"ip link set {link.name} mtu {usual}")
        yield SMALL.on(
            subject(links, pods), words, commands=(line,), objects=[ObjectRef.to("Pod", pod) for pod in pods if len(pods) == 1]
        )


def usual_size(links: PodLinks, link: Link) -> int:
    """Return the MTU that most links beside one have, at least two of them; 0 if there is no such."""
    sizes = Counter(other.mtu for other in links.beside(link))
    if links.new and links.new.master == link.master:
        sizes[links.new.mtu] += 1
    size, count = max(sizes.items(), key=lambda item: item[1], default=(0, 0))
    return size if count > 1 and 2 * count > sum(sizes.values()) else 0


def _in_turn(links: PodLinks, link: Link) -> bool:
    """Tell whether all pods with another MTU are younger, or all older: then the CNI's configuration was changed between them.

    Where it is not known whose a link is, that can't be ruled out.
    """
    own = links.pods.get(link.name)
    if own is None or own.metadata.creation_timestamp is None:
        return True
    others = [links.pods[each.name] for each in links.beside(link) if each.name in links.pods and each.mtu != link.mtu]
    if links.new and links.new.mtu == link.mtu:
        return True
    made = [pod.metadata.creation_timestamp for pod in others if pod.metadata.creation_timestamp]
    return all(own.metadata.creation_timestamp <= moment for moment in made)


CODES = (SMALL,)
