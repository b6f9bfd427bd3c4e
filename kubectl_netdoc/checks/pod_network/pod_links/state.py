# SPDX-License-Identifier: Apache-2.0
"""Links of pods that are down, or that a bridge does not forward to."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, Finding, Link, ObjectRef, Pod, Risk, Severity, Subject, some
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.pod_links import PodLinks

NAMED = 4
"""A message names at most this many pods."""

STOPPED = frozenset({"disabled", "blocking"})
"""States of a bridge's port that last and in which nothing passes; listening and learning end by themselves (802.1D)."""

ALONE = Explains(("SVR005", "SVR007", "SVR012", "PNW009", "DSV001", "DSV002", "POD001"), "subject")

STUCK = Code(
    id="PLK001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The link of a pod carries nothing",
    message="On node {host}, {link} {how}: {whose} neither gets nor sends anything beyond the pod",
    fix="{way}. Then find out who switched it off: new pods get a link of their own, so nobody else notices.",
    explains=(ALONE,),
)
FAR_END = Code(
    id="PLK004",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="The link of a pod is down inside the pod",
    message="On node {host}, {link} has no carrier, so its other end, inside {whose}, is down: the pod neither gets nor sends "
    "anything",
    fix="Bring the interface in the pod up again, or delete the pod, so that its controller makes a new one. The kubelet does "
    "not look at it, so the pod stays Running.",
    commands=("kubectl -n {namespace} delete pod {name}",),
    explains=(ALONE,),
)


def carry_nothing(links: PodLinks) -> Iterator[Finding]:
    """Report links of pods that are down or blocked, now and before netdoc's pods came."""
    for link in links.links.values():
        how, code = _stopped(link)
        then = links.later.get(link.name)
        pods = whose(links, link)
        if code is None or then is None or _stopped(then)[1] is not code or not pods:
            continue
        names = [f"{pod.namespace}/{pod.name}" for pod in pods]
        told = f"pod {names[0]}" if len(names) == 1 else f"one of the pods {some(names, NAMED)}"
        words = {"host": links.node, "link": link.name, "how": how, "whose": told, "nodes": [links.node]}
        refs = [ObjectRef.to("Pod", pod) for pod in pods]
        if code is FAR_END:
            yield code.on(subject(links, pods), words, commands=None if len(pods) == 1 else (), objects=refs)
        else:
            way, line = _mended(links.node, link)
            yield code.on(subject(links, pods), words | {"way": way}, commands=(line,), objects=refs)


def _stopped(link: Link) -> tuple[str, Code | None]:
    """Return how a link is stopped, in words, and the code for it; None if it is not."""
    if not link.up:
        return "is down", STUCK
    if link.no_carrier:
        return "has no carrier", FAR_END
    if link.bridge_port and link.bridge_port.state in STOPPED:
        return f"is a port of {link.master} in the state {link.bridge_port.state}", STUCK
    return "", None


def whose(links: PodLinks, link: Link) -> list[Pod]:
    """Return the pod of a link, or else those whose link is not known: if any are silent, these."""
    known = links.pods.get(link.name)
    return [known] if known else list(links.silent or links.unknown)


def subject(links: PodLinks, pods: list[Pod]) -> Subject:
    """Return the one pod, or the node if there are several."""
    return Subject.of("Pod", pods[0]) if len(pods) == 1 else Subject("Node", links.node)


def _mended(node: str, link: Link) -> tuple[str, str]:
    if not link.up:
        return f"Bring {link.name} up on {node}", ip_commands.on(node, f"ip link set {link.name} up")
    return f"Let {link.master} forward to {link.name} again", ip_commands.on(node, f"bridge link set dev {link.name} state 3")


CODES = (
    STUCK,
    FAR_END,
)
