# SPDX-License-Identifier: Apache-2.0
"""Deployments, StatefulSets, DaemonSets, Jobs and whatever else makes pods."""

from __future__ import annotations

from kubectl_netdoc.records.base import Object, Record, TracedMeta
from kubectl_netdoc.records.pods import PodSpec, PodTemplate


class Ordinals(Record, frozen=True):
    """The number of a StatefulSet's first pod."""

    start: int = 0


class WorkloadSpec(Record, frozen=True):
    """Replicas wanted (an absent number means one) and the pods' template."""

    replicas: int = 1
    service_name: str = ""
    ordinals: Ordinals = Ordinals()
    template: PodTemplate = PodTemplate()


class WorkloadStatus(Record, frozen=True):
    """Counts of replicas."""

    ready_replicas: int = 0
    desired_number_scheduled: int = 0


class Workload(Object, frozen=True):
    """Deployment, StatefulSet, DaemonSet, ReplicaSet or Job: what makes pods from a template."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()

    @property
    def template(self) -> PodTemplate:
        """The template of its pods."""
        return self.spec.template

    @property
    def wanted(self) -> int:
        """How many pods it should have now."""
        return self.spec.replicas


class TracedWorkload(Workload, frozen=True):
    """A workload that people change themselves: a Deployment, StatefulSet or DaemonSet."""

    metadata: TracedMeta = TracedMeta()


class Toleration(Record, frozen=True):
    """A taint that pods tolerate; without a key every one."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class DaemonPodSpec(PodSpec, frozen=True):
    """What a DaemonSet says of its pods, with the labels that nodes must have and the taints that they may have."""

    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()


class DaemonPodTemplate(PodTemplate, frozen=True):
    """The pods that a DaemonSet makes."""

    spec: DaemonPodSpec = DaemonPodSpec()


class DaemonSetSpec(WorkloadSpec, frozen=True):
    """The template of a DaemonSet's pods."""

    template: DaemonPodTemplate = DaemonPodTemplate()


class DaemonSet(TracedWorkload, frozen=True):
    """A DaemonSet: as many pods as nodes that fit it, which its controller has counted."""

    spec: DaemonSetSpec = DaemonSetSpec()

    @property
    def wanted(self) -> int:
        """How many nodes it should run on; 0 before its controller has counted them, and in manifests."""
        return self.status.desired_number_scheduled


class Job(Workload, frozen=True):
    """A Job, whose pods run to completion."""

    @property
    def wanted(self) -> int:
        """0: a finished Job has no pods."""
        return 0


class JobTemplate(Record, frozen=True):
    """The Jobs that a CronJob makes."""

    spec: WorkloadSpec = WorkloadSpec()


class CronJobSpec(Record, frozen=True):
    """The template of a CronJob's Jobs."""

    job_template: JobTemplate = JobTemplate()


class CronJob(Object, frozen=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()

    @property
    def template(self) -> PodTemplate:
        """The template of the pods that its Jobs create."""
        return self.spec.job_template.spec.template
