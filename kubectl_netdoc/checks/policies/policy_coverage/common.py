# SPDX-License-Identifier: Apache-2.0
"""How policies and workloads are named in the findings of policy_coverage."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.api import Subject, some
from kubectl_netdoc.policy.rules import PolicyRef

NAMED = 5
"""A sentence names at most this many workloads or policies."""


def first_few(of: Iterable[object]) -> str:
    """Return the first few of some names, each once, and how many more there are."""
    return some(dict.fromkeys(map(str, of)), NAMED)


def policy_subject(ref: PolicyRef) -> Subject:
    """Return the subject of a finding about a policy."""
    return Subject(kind=ref.kind, name=ref.name, namespace=ref.namespace)
