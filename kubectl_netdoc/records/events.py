# SPDX-License-Identifier: Apache-2.0
"""Events."""

from __future__ import annotations

from datetime import datetime

from kubectl_netdoc.records.base import Moment, Object, Record
from kubectl_netdoc.records.services import TargetRef


class EventSeries(Record, frozen=True):
    """Repetitions of an Event."""

    count: int = 0
    last_observed_time: Moment | None = None


class Event(Object, frozen=True):
    """An Event of core/v1."""

    involved_object: TargetRef = TargetRef()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 0
    last_timestamp: Moment | None = None
    event_time: Moment | None = None
    series: EventSeries = EventSeries()

    @property
    def last_seen(self) -> datetime | None:
        """When it was last seen, whichever of the API's three fields says so."""
        return self.series.last_observed_time or self.last_timestamp or self.event_time or self.metadata.creation_timestamp
