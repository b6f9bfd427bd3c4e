# SPDX-License-Identifier: Apache-2.0
"""What taps told, made into readings."""

from __future__ import annotations

from kubectl_netdoc.sources import trace_replies


def told(*dropped: int) -> dict[str, object]:
    """What a tap tells that saw nothing; each queue of its interface dropped so many, and none before."""
    counters = {"frames": 0, "dropped": 0, "full": False, "moved": [], "foreign": [], "sets": [], "chains": []}
    queues = [[["eth0", "fq", number] for number in numbers] for numbers in ([0] * len(dropped), [0] * len(dropped), dropped)]
    return {
        **counters,
        "counters": [{}, {}, {}],
        "queues": queues,
        "routes": [],
        "arps": [],
        "opaque": [],
        "policies": [],
        "netlink": [""] * 5,
    }


def test_queues_of_one_kind_on_an_interface_are_counted_together() -> None:
    assert trace_replies.reading("n", told(4, 2)).risen == {"qdisc.eth0.fq.dropped": 6}
