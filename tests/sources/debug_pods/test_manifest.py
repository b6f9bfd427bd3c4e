# SPDX-License-Identifier: Apache-2.0
"""What a run makes in the cluster."""

from __future__ import annotations

from kubectl_netdoc.sources.live.debug_pods.manifest import CANARY, Manifests
from kubectl_netdoc.sources.live.pod_settings import PodSettings


def test_the_canary_policy_selects_a_label_of_this_run_and_nothing_else() -> None:
    """An empty selector would stop a namespace's workloads."""
    assert Manifests(PodSettings(), "abc123", "").policy()["spec"]["podSelector"] == {"matchLabels": {CANARY: "abc123"}}
    assert CANARY.startswith("netdoc")
