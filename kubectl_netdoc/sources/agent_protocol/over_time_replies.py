# SPDX-License-Identifier: Apache-2.0
"""Decodes what the agent saw over time."""

from __future__ import annotations

import math
from typing import Any

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.over_time import Bulk, IdleUse, Look, OverTime, OverTimeReply, PlaceOverTime

MOST_LOOKS = 200
"""Most looks at one place that are read."""


def over_time_reply(request: OverTime, raw: list[Any]) -> OverTimeReply:
    """Return the reply in an agent's sample; raises ``ValueError``, ``TypeError`` or ``KeyError`` if it does not fit."""
    if len(raw[2]) != len(request.places):
        raise ValueError("places that were not asked for")
    return OverTimeReply(tuple(map(_place, raw[2])))


def _place(row: dict[str, Any]) -> PlaceOverTime:
    rows = row["looks"][:MOST_LOOKS]
    looks = tuple(Look(_number(at), Outcome(word), _number(ms), _number(late)) for at, late, word, ms in rows)
    together = tuple((int(asked), int(came)) for asked, came in row["together"][:2])
    if any(not 0 <= came <= asked for asked, came in together):
        raise ValueError("connections held at once")
    idle = tuple(IdleUse(Outcome(word), Outcome(fresh)) for word, fresh in row["idle"][:2])
    return PlaceOverTime(looks, idle, together, tuple(Bulk(int(got), _number(ms)) for got, ms in row["bulk"][:2]))


def _number(value: Any) -> float:
    if not math.isfinite(float(value)):
        raise ValueError("a time")
    return round(float(value), 3)
