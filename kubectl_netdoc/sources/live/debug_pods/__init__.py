# SPDX-License-Identifier: Apache-2.0
"""Debug pods: the pods that netdoc runs in the cluster to measure from."""

from __future__ import annotations

from kubectl_netdoc.sources.live.debug_pods.lifecycle import NoPods, Session, running
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod
from kubectl_netdoc.sources.live.debug_pods.sweep import sweep
from kubectl_netdoc.sources.live.pod_settings import PodSettings, choose_nodes

__all__ = ["DebugPod", "NoPods", "PodSettings", "Session", "choose_nodes", "running", "sweep"]
