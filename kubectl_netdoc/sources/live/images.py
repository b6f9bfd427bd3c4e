# SPDX-License-Identifier: Apache-2.0
"""Chooses the image of the debug pods: the requested one, or one that the chosen nodes have."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.records.python_images import has_python

DEFAULT = "docker.io/library/python:3.13-alpine"
AUTO = "auto"


def choose(cluster: Cluster, wanted: str) -> tuple[str, str]:
    """Return the image for the debug pods, and a note if it is not the default, or "".

    ``wanted``: an image, ``auto``, or "" for the default, unless the nodes lack it and all have another that is known to have
    python3. The images of a node are those in its status (the kubelet lists the 50 largest) and those of its pods.
    """
    if wanted not in ("", AUTO):
        return wanted, ""
    nodes = [name for name in cluster.vantages if name]
    having = [_images(cluster, name) for name in nodes]
    shared = set.intersection(*having) if having else set()
    if DEFAULT in shared and not wanted:
        return DEFAULT, ""
    if found := min(filter(has_python, shared), key=_preference, default=""):
        whose = "the node" if len(nodes) == 1 else f"all {len(nodes)} chosen nodes"
        return found, f"the debug pods use the image {found}, which {whose} already had; choose another with --image"
    if wanted:
        return DEFAULT, f"--image auto: no image with python3 is known to be on every chosen node, so {DEFAULT} will be pulled"
    return DEFAULT, ""


def _preference(image: str) -> tuple[bool, bool, int, str]:
    """Return the sort key of an image: Python's own images first, then the shorter name."""
    return image != DEFAULT, "python" not in image, len(image), image


def _images(cluster: Cluster, node: str) -> set[str]:
    told = [item for item in cluster.index.items(NODE) if item.name == node]
    names: Iterable[str] = (name for item in told for image in item.status.images for name in image.names)
    run = (
        container.image
        for pod in cluster.index.items(POD)
        if pod.spec.node_name == node and pod.status.phase == "Running"
        for container in pod.spec.containers
    )
    return {_full(name) for name in (*names, *run) if has_python(name)}


def _full(name: str) -> str:
    """Return the full name, as in a node's status: in manifests Docker Hub's own images have no registry."""
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"
