# SPDX-License-Identifier: Apache-2.0
"""Facts: the cluster and the replies, read-only. They are all that a check sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.threshold import Threshold, ThresholdSet
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.requests import Reply, Request, on_host
from kubectl_netdoc.records.base import Kind

NOT_SELECTED = {
    Tier.PODS: "not measured with --no-pods",
    Tier.NODES: "needs --node-checks",
    Tier.PRIVILEGED: "needs --privileged",
}
"""Why a tier was not measured if the user did not select it."""


class PodProblem(StrEnum):
    """Why a debug pod can't be used."""

    IMAGE = "ImagePull"
    PULLING = "ImagePulling"
    QUOTA = "QuotaExceeded"
    ADMISSION = "AdmissionRefused"
    FORBIDDEN = "Forbidden"
    ACCOUNT = "NoServiceAccount"
    SANDBOX = "SandboxFailed"
    RUNTIME = "RuntimeFailed"
    VOLUME = "VolumeFailed"
    UNSCHEDULED = "Unschedulable"
    NODE = "NodeNotReady"
    KUBELET = "KubeletSilent"
    CONTAINER = "ContainerFailed"
    ENDED = "Ended"
    LATE = "NotStarted"
    API = "ApiError"
    EXEC = "ExecFailed"
    OUTPUT = "ExecSilent"


class Vantage(Struct, frozen=True, omit_defaults=True):
    """A debug pod of this run: whether it ran, and if not why.

    ``reason``: a value of ``PodProblem`` if the pod did not run, or could not be used although it ran (``ExecFailed``).
    ``ip``: its address. ``probed``: whether the kubelet's readiness probe reached it, and so the node its own pod; None if
    that is not known. ``throttled``: seconds for which its CPU limit throttled it. ``more_ips``: addresses of other families.
    ``grant``: the right that the user lacks for it.
    """

    node: str
    running: bool
    reason: str = ""
    message: str = ""
    throttled: float = 0.0
    ip: str = ""
    probed: bool | None = None
    more_ips: tuple[str, ...] = ()
    grant: Grant | None = None

    @property
    def heard(self) -> bool:
        """Whether it ran and answered: nothing was measured from one into which exec fails, as when its kubelet can't be reached.

        Such a pod is still a target for the others.
        """
        return self.running and not self.reason

    @property
    def why_silent(self) -> str:
        """Why nothing was measured from it; "" if something was."""
        lacks = f"; missing right: {self.grant}" if self.grant else ""
        return "" if self.heard else (self.message if self.running else f"no debug pod ran there: {self.reason}") + lacks


class Measured(Struct, frozen=True):
    """What a source measured: the replies by request, the debug pods (vantages), and those on the host network.

    ``why_unmeasured``: why nothing was measured, or empty; ``wanted``: whether measurements were planned.
    """

    replies: Mapping[Request, Reply] = {}
    vantages: tuple[Vantage, ...] = ()
    hosts: tuple[Vantage, ...] = ()
    why_unmeasured: str = ""
    wanted: bool = False


class Facts:
    """The cluster and the replies, limited to what one check declared."""

    def __init__(self, cluster: Cluster, measured: Measured, thresholds: Iterable[ThresholdSet] = (), check: str = "") -> None:
        """``check``: the id of the check that reads them; without one no threshold is set."""
        self.cluster = cluster
        self.made: dict[Any, Any] = {}
        """What functions that are decorated with ``once`` made of them."""
        self._measured = measured
        self._thresholds = tuple(thresholds)
        self._down = {
            (vantage.node, host)
            for host, vantages in ((False, measured.vantages), (True, measured.hosts))
            for vantage in vantages
            if not vantage.running
        }
        self._set = {item.name: item.value for item in self._thresholds if item.check == check}

    def of(self, check: str, kinds: tuple[Kind[Any], ...]) -> Facts:
        """Return these facts as the check of this id, which declared these kinds, may see them."""
        other = Facts(self.cluster.view(kinds), self._measured, self._thresholds, check)
        other.made = self.made
        return other

    def seen_by(self, view: Cluster) -> Facts:
        """Return these facts with another view of their cluster, and without thresholds."""
        other = Facts(view, self._measured)
        other.made = self.made
        return other

    def threshold(self, which: Threshold) -> float:
        """Return what a threshold of the check is set to in this run."""
        return self._set.get(which.name, which.default)

    def reply(self, request: Request) -> Reply:
        """Return the reply to a request; ``Lost`` if nothing was sent or nothing came back."""
        found = self._measured.replies.get(request)
        if found is not None:
            return found
        host = on_host(request)
        if (request.node, host) in self._down:
            return Lost(f"no {'pod on the host network' if host else 'debug pod'} ran on node {request.node}", sent=False)
        return Lost(self._measured.why_unmeasured or "not measured", sent=False)

    @property
    def replies(self) -> Mapping[Request, Reply]:
        """All replies of the run, for a check that follows up what others measured."""
        return self._measured.replies

    @property
    def why_unmeasured(self) -> str:
        """Why nothing was measured, or ""."""
        return self._measured.why_unmeasured

    @property
    def vantages(self) -> tuple[Vantage, ...]:
        """The debug pods of the run, running or not."""
        return self._measured.vantages

    @property
    def heard(self) -> list[str]:
        """The nodes whose debug pod ran and answered. What all of them see is everywhere, whatever became of the others."""
        return [vantage.node for vantage in self.vantages if vantage.heard]

    @property
    def targets(self) -> list[str]:
        """The nodes whose debug pod ran, so that the others could measure to it, whether it answered or not."""
        return [vantage.node for vantage in self.vantages if vantage.running]

    @property
    def hosts(self) -> tuple[Vantage, ...]:
        """The pods on the host network, running or not; none below the nodes tier."""
        return self._measured.hosts

    def why_tier_unmeasured(self, tier: Tier) -> str:
        """Return why nothing was measured in ``tier``, and the flag that is needed; "" if something was."""
        if not self.cluster.tier.covers(tier):
            return NOT_SELECTED[tier]
        return "" if self.hosts or tier is Tier.PODS else self.why_unmeasured or "no node runs a debug pod on the host network"
