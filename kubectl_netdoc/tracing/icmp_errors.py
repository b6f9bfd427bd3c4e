# SPDX-License-Identifier: Apache-2.0
"""ICMP errors about the packets of a trace in words: who told it, and what. Sources: RFC 792, RFC 1812 (5.2.7), RFC 4443."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.measurements.trace import Sighting

IPV4 = {
    "3/0": "network unreachable",
    "3/1": "host unreachable",
    "3/2": "protocol unreachable",
    "3/3": "port unreachable",
    "3/4": "too large for the next link",
    "3/9": "network forbidden by an administrator",
    "3/10": "host forbidden by an administrator",
    "3/13": "forbidden by an administrator",
    "5/0": "redirected",
    "5/1": "redirected",
    "11/0": "hop limit used up",
    "11/1": "fragments missing",
    "12/0": "wrong header",
}
IPV6 = {
    "1/0": "no route",
    "1/1": "forbidden by an administrator",
    "1/3": "address unreachable",
    "1/4": "port unreachable",
    "1/5": "source address refused by a policy",
    "1/6": "route refuses it",
    "2/0": "too large for the next link",
    "3/0": "hop limit used up",
    "3/1": "fragments missing",
    "4/0": "wrong header",
}


def told(errors: Iterable[Sighting]) -> list[str]:
    """Return each ICMP error once: who told it and what, and about how many packets."""
    about: dict[tuple[str, str], set[int]] = {}
    for one in errors:
        about.setdefault((one.teller, one.error), set()).add(one.packet)
    return [f'{teller} told "{_named(teller, error)}" of {len(packets)}' for (teller, error), packets in sorted(about.items())]


def _named(teller: str, error: str) -> str:
    words = (IPV6 if ":" in teller else IPV4).get(error, "")
    return f"{words} (ICMP {error})" if words else f"ICMP {error}"
