# SPDX-License-Identifier: Apache-2.0
"""Which policy route (ip rule) makes a node refuse packets, or leads them to a table that does."""

from __future__ import annotations

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.formats.addresses import in_any, ip_range
from kubectl_netdoc.measurements.node import REFUSING
from kubectl_netdoc.measurements.trace import PolicyRoute, RouteAnswer, TapReading
from kubectl_netdoc.tracing.taken import Taken, Taker


def refusing(reading: TapReading, answer: RouteAnswer) -> Taken | None:
    """Return the first policy route that is for packets and refuses them, or whose table has a route that does.

    None if there is none, and where one before it has a condition that can't be told from outside.
    """
    for policy in sorted(reading.policies):
        if policy.family != ip_families.of(answer.to):
            continue
        words = policy.text.split()
        meant = _is_for(words, answer)
        if meant is None:
            return None
        if not meant:
            continue
        tool = "ip -6" if ":" in answer.to else "ip"
        if words[-1] in REFUSING:
            text = f"the policy route {policy.priority} ({policy.text}) refuses it"
            return Taken(
                Taker.ROUTE, text, dev=answer.dev, shows=f"{tool} rule show", mend=f"{tool} rule del priority {policy.priority}"
            )
        return _by_table(reading, answer, policy, tool)
    return None


def _by_table(reading: TapReading, answer: RouteAnswer, policy: PolicyRoute, tool: str) -> Taken | None:
    """Return the route of a policy route's table that refuses packets; None where the table leads them on, or has no route."""
    routes = [route for route in reading.tables.routes if route.table == policy.table] if reading.tables else []
    held = [route for route in routes if in_any(answer.to, (route.to,))]
    best = max(held, key=lambda route: ip_range(route.to).prefixlen, default=None)
    if best is None or best.type not in REFUSING:
        return None
    text = f"the policy route {policy.priority} ({policy.text}) leads it to the route {best.type} {best.to} of table {best.table}"
    show, mend = f"{tool} route show table {best.table}", f"{tool} route del {best.type} {best.to} table {best.table}"
    return Taken(Taker.ROUTE, text, dev=answer.dev, shows=show, mend=mend)


def _is_for(words: list[str], answer: RouteAnswer) -> bool | None:
    """Tell whether the conditions of a policy route hold for packets; None: that can't be told (marks, outgoing interfaces)."""
    conditions = dict(zip(words[:-1:2], words[1::2], strict=False)) if words[0] != "not" else {"not": ""}
    known = {"from": answer.source, "to": answer.to, "iif": answer.dev}
    for name, wanted in conditions.items():
        if name == "lookup" or wanted == "all":
            continue
        if name not in known:
            return None
        if name == "iif" and wanted != answer.dev:
            return False
        if name != "iif" and not in_any(known[name], (wanted,)):
            return False
    return True
