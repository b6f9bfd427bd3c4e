# SPDX-License-Identifier: Apache-2.0
"""Published images that are known to have python3: what debug pods can run where nothing can be pulled."""

from __future__ import annotations

import re

KNOWN = re.compile(
    r"(^|/)("
    r"(library/|bitnami/|circleci/|chainguard/)?python"  # the language's own
    r"|kiwigrid/k8s-sidecar"  # beside each Grafana of kube-prometheus-stack
    r"|ceph/ceph|rook/ceph"
    r"|spilo-\d+"  # Zalando's PostgreSQL: Patroni
    r"|apache/airflow|apache/superset"
    r"|jupyter/[\w.-]+|jupyterhub/[\w.-]+"
    r"|tensorflow/tensorflow|pytorch/pytorch|rayproject/ray|mlflow/mlflow"
    r"|azure-cli|google\.com/cloudsdktool/google-cloud-cli|cloud-sdk"
    r"|ansible/(awx|awx-ee|ansible-runner)"
    r"|home-assistant/home-assistant|homeassistant/home-assistant"
    r"|nicolaka/netshoot"
    r")$"
)
"""Repositories, at the end of a name without tag and digest, so that mirrors of them count too."""

OLD = re.compile(r"^(2(\.|$|-)|3\.[0-7](\.|$|-)|.*windows)")
"""Tags of Python's own image that netdoc's agent does not run on."""

_NAME = re.compile(r"^(?P<repository>[^@]+?)(:(?P<tag>[\w][\w.-]*))?(@(?P<digest>\w+:[0-9a-f]+))?$")


def has_python(image: str) -> bool:
    """Tell whether an image is known to have a python3 that the agent runs on; one that is named by digest alone is not."""
    found = _NAME.match(image)
    if not found or not found["tag"] or not KNOWN.search(found["repository"]):
        return False
    return not (found["repository"].endswith("python") and OLD.match(found["tag"]))


def registry_of(image: str) -> str:
    """Return the registry that an image comes from (distribution/reference: what has a dot, a port, or is localhost)."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
