# SPDX-License-Identifier: Apache-2.0
"""Which image the debug pods run."""

from __future__ import annotations

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.nodes import Node, NodeImage, NodeStatus
from kubectl_netdoc.records.python_images import has_python, registry_of
from kubectl_netdoc.sources.live.images import AUTO, DEFAULT, choose
from kubectl_netdoc.testing import make_cluster, make_node

SIDECAR, SLIM = "quay.io/kiwigrid/k8s-sidecar:1.30.0", "docker.io/library/python:3.12-slim"
NGINX = "docker.io/library/nginx:1.29"


def nodes(*images: tuple[str, ...]) -> Cluster:
    """Return nodes n0, n1 … that have these images, each with a debug pod."""
    made = []
    for number, names in enumerate(images):
        kind, node = make_node(f"n{number}")
        assert isinstance(node, Node)
        status = msgspec.structs.replace(node.status, images=tuple(NodeImage((name,)) for name in names))
        made.append((kind, msgspec.structs.replace(node, status=status)))
    cluster = make_cluster(*made)
    cluster.vantages = cluster.node_names()
    return cluster


@pytest.mark.parametrize(
    ("having", "wanted", "image", "told"),
    [
        ([(SLIM,), (SLIM,)], "corp/tool:1", "corp/tool:1", False),
        ([(NGINX,), (NGINX,)], "", DEFAULT, False),
        ([(DEFAULT, SIDECAR), (DEFAULT, SIDECAR)], "", DEFAULT, False),
        ([(SIDECAR, SLIM), (SLIM, SIDECAR)], "", SLIM, True),
        ([(SIDECAR,), (SIDECAR, NGINX)], "", SIDECAR, True),
        ([(SIDECAR,), (SLIM,)], "", DEFAULT, False),
        ([(SIDECAR,), (SLIM,)], AUTO, DEFAULT, True),
        ([(DEFAULT, SIDECAR), (DEFAULT, SIDECAR)], AUTO, DEFAULT, True),
        ([(SIDECAR,)], AUTO, SIDECAR, True),
        ([], "", DEFAULT, False),
    ],
)
def test_the_image_is_what_is_asked_for_or_what_all_nodes_have(
    having: list[tuple[str, ...]], wanted: str, image: str, told: bool
) -> None:
    found, why = choose(nodes(*having), wanted)
    assert (found, bool(why)) == (image, told)


@pytest.mark.parametrize(
    ("image", "known"),
    [
        ("python:3.13-alpine", True),
        ("registry.corp:5000/mirror/library/python:3.11", True),
        ("docker.io/library/python:2.7-slim", False),
        ("docker.io/library/python:3.6", False),
        ("docker.io/library/python:3.13-windowsservercore", False),
        ("docker.io/library/python@sha256:0123abcd", False),
        ("quay.io/ceph/ceph:v19.2.0", True),
        ("example.org/notpython:3", False),
        ("example.org/python/tool:3", False),
    ],
)
def test_images_with_python_are_known_by_name(image: str, known: bool) -> None:
    assert has_python(image) is known


@pytest.mark.parametrize(
    ("image", "where"),
    [
        ("python:3", "docker.io"),
        ("library/python:3", "docker.io"),
        ("localhost/python:3", "localhost"),
        ("reg:5000/python:3", "reg:5000"),
        ("registry.corp/a/b", "registry.corp"),
    ],
)
def test_the_registry_is_the_first_part_where_that_is_a_host(image: str, where: str) -> None:
    assert registry_of(image) == where


def test_of_a_nodes_images_only_those_with_python_are_kept() -> None:
    status = msgspec.convert({"images": [{"names": [NGINX, SLIM]}, {"names": ["corp.example/secret-project:1"]}]}, NodeStatus)
    assert status.images == (NodeImage((SLIM,)),)
