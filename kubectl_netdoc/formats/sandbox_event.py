# SPDX-License-Identifier: Apache-2.0
"""What the kubelet's Event says of a pod's sandbox that could not be made: the network, or something that comes before it.

A container runtime first pulls the sandbox's own (pause) image, then has the CNI plugins set up its network, then starts it. Only
what names the network is the network's doing. Wording: containerd (internal/cri/server), CRI-O (server/sandbox_run), cri-dockerd,
and the plugins that the patterns name.
"""

from __future__ import annotations

import re
from enum import StrEnum

from kubectl_netdoc.formats import text

SHOWN = 300
"""Characters of an Event's message that are told: what the innermost program said stands at its end."""


class Failure(StrEnum):
    """Whose doing a failed sandbox is."""

    ADDRESSES = "addresses"
    NETWORK = "network"
    IMAGE = "image"
    RUNTIME = "runtime"


ADDRESSES = re.compile(
    r"no IP addresses available"  # host-local, Weave
    r"|failed to assign an IP address to container|ENI .*insufficient"  # AWS
    r"|range is full|no more (free )?(IPs?|IP addresses|affine blocks)\b|all CIDR ranges are exhausted"  # Cilium, OVN, Calico
    r"|no available (IP )?address(es)?|failed to allocate address|not enough (free )?(IP )?address"  # Azure, Terway
    r"|assigned 0 out of \d+ requested IPv|address pool exhausted|NoAvailableAddress|IpNotEnough"  # Calico, OVN, kube-ovn, Terway
    r"|could not allocate IP in range",  # whereabouts
    re.IGNORECASE,
)
"""No address is left to give."""

REASON = "FailedCreatePodSandBox"
"""The reason of the kubelet's Event (pkg/kubelet/events)."""

NETWORK = re.compile(
    r"\bCNI\b|plugin type=|set ?up (the )?(pod )?network|network for (pod|sandbox)|pod network sandbox|failed to find plugin"
    r"|networkPlugin|network plugin|network is not ready|cni config",
    re.IGNORECASE,
)
IMAGE = re.compile(r"sandbox image|infra(structure)? container image|pull(ing)? image|pause image|image .*pause", re.IGNORECASE)

SURE = re.compile(
    r"failed to find plugin|no IP addresses available in range set|range is full|already has an IP address different from",
    re.IGNORECASE,
)
"""Messages of a sandbox that trying again does not help: one of them is enough."""

ATTACHING = re.compile(r"failed to assign an IP address to container", re.IGNORECASE)
"""What the AWS CNI says for as long as it attaches addresses, however often."""

CREDENTIALS = re.compile(r"unauthorized|\bforbidden\b|x509|certificate (has expired|signed by unknown)", re.IGNORECASE)
"""The plugin's own access to the API is not accepted."""

AGENT = re.compile(r"connect: (connection refused|no such file)|dial unix|is the agent running|connection refused", re.IGNORECASE)
"""The plugin asks its agent on the node, which does not answer."""

CLOUD = re.compile(r"azure-vnet|azure-ipam|aws-cni|terway|gke|oci", re.IGNORECASE)
"""Plugins that take pods' addresses from the cloud's subnet."""

_PLUGIN = re.compile(r'plugin type="([^"]+)"')
_PREAMBLE = re.compile(r"^.*?rpc error: code = \w+ desc = |^Failed to create pod sandbox: ", re.IGNORECASE | re.DOTALL)
_IMAGE_NAME = re.compile(r"image \"?([\w./:@-]+[\w])")


def failure(message: str) -> Failure:
    """Return whose doing it is, as far as the message says so; ``RUNTIME`` is also what does not say."""
    if IMAGE.search(message) and not _PLUGIN.search(message):
        return Failure.IMAGE
    if ADDRESSES.search(message):
        return Failure.ADDRESSES
    return Failure.NETWORK if NETWORK.search(message) else Failure.RUNTIME


def plugin(message: str) -> str:
    """Return the CNI plugin that a message names, or ""."""
    found = _PLUGIN.search(message)
    return found[1] if found else ""


def image(message: str) -> str:
    """Return the image that a message names, or ""."""
    found = _IMAGE_NAME.search(message)
    return found[1] if found else ""


def reason(message: str) -> str:
    """Return the end of a message, where the innermost program speaks, without the preamble of those that only pass it on."""
    return text.ending(_PREAMBLE.sub("", message), SHOWN)
