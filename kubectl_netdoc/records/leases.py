# SPDX-License-Identifier: Apache-2.0
"""The leases by which the programs of the control plane show that they work."""

from __future__ import annotations

from datetime import datetime

from msgspec import field
from msgspec.structs import force_setattr

from kubectl_netdoc.records.base import Kind, Moment, Object, ObjectMeta, Record


class Written(Record, frozen=True):
    """When somebody last wrote an object, by the API server's clock."""

    time: Moment | None = None


class LeaseMeta(ObjectMeta, frozen=True):
    """Metadata of a lease."""

    written: tuple[Written, ...] = field(name="managedFields", default=())


class LeaseSpec(Record, frozen=True):
    """Who holds it, and when that was renewed by the holder's clock.

    ``holder_identity``: the name of the holder's machine; what it adds to be unique is dropped.
    """

    holder_identity: str = ""
    renew_time: Moment | None = None

    def __post_init__(self) -> None:
        """Keep the machine's name alone (client-go, tools/leaderelection: hostname, "_" and a UUID)."""
        force_setattr(self, "holder_identity", self.holder_identity.partition("_")[0])


class Lease(Object, frozen=True):
    """A lease (coordination.k8s.io)."""

    metadata: LeaseMeta = LeaseMeta()
    spec: LeaseSpec = LeaseSpec()

    @property
    def renewed(self) -> datetime | None:
        """When it was last renewed: by the API server's clock where that is known."""
        return max((each.time for each in self.metadata.written if each.time), default=self.spec.renew_time)


LEASE = Kind(
    "Lease",
    "coordination.k8s.io",
    "v1",
    "leases",
    Lease,
    authored=False,
    names=(("kube-system", "kube-controller-manager"), ("kube-system", "kube-scheduler")),
)
