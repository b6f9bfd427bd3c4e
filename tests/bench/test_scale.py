# SPDX-License-Identifier: Apache-2.0
"""The synthetic cluster of ``bench.scale``, without servers: whole, large enough a pod, and broken where it says."""

from __future__ import annotations

import json
from functools import cache

from bench import growth
from bench.scale.__main__ import Cost, Row, judged, table
from bench.scale.stored import FOLDERS, Stored
from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.report import json as as_json
from kubectl_netdoc.sources.live.decoding import Records

SIZE = 0.002
LEAST = 6_000


@cache
def stored(seed: int = 0) -> tuple[dict[str, bytes], Stored]:
    kept: dict[str, bytes] = {}
    made = Stored(SIZE, kept.__setitem__, seed)
    made.build()
    return kept, made


def in_folder(folder: str) -> list[bytes]:
    return [value for key, value in stored()[0].items() if key.startswith(f"/registry/{folder}/")]


def page(folder: str) -> bytes:
    """Return a folder as the API server lists it."""
    return b'{"metadata": {}, "items": [%s]}' % b",".join(in_folder(folder))


def cluster() -> Cluster:
    """Return the cluster as it is read from that."""
    listings: dict[str, Listing | Unavailable] = {name: Unavailable("not there", by_design=True) for name in KINDS}
    for kind, folder in FOLDERS.items():
        if kind == "ConfigMap":
            continue
        records = Records(KINDS[kind])
        assert records.take_page(page(folder)) == ""
        listings[kind] = records.listing
    return Cluster(listings, time=stored()[1].now, server="v1.34.4", tier=Tier.API)


def test_it_has_as_much_as_its_size_says() -> None:
    assert len(in_folder("minions")) == 10
    assert 250 <= len(in_folder("pods")) <= 350
    assert len(in_folder("networkpolicies")) == 20


def test_a_pod_is_as_large_as_real_ones() -> None:
    assert min(map(len, in_folder("pods"))) > LEAST * 0.8
    assert sum(map(len, in_folder("pods"))) > LEAST * len(in_folder("pods"))


def test_each_object_names_its_kind_and_who_wrote_it() -> None:
    for key, value in stored()[0].items():
        found = json.loads(value)
        assert found["apiVersion"], key
        assert found["kind"], key
        assert found["metadata"]["uid"], key
        assert found["metadata"].get("managedFields") or found["kind"] == "IPAddress", key


def test_the_same_seed_is_the_same_cluster() -> None:
    again: dict[str, bytes] = {}
    Stored(SIZE, again.__setitem__).build()
    assert again.keys() == stored()[0].keys()
    assert stored(1)[0].keys() != again.keys()


def test_what_is_wrong_with_it_is_what_was_planted() -> None:
    report = json.loads(as_json.render(growth.judged(cluster()).report))
    planted = stored()[1].planted
    assert planted
    assert judged(report, planted) == f"{len(planted)} of {len(planted)} planted faults found; besides: nothing"


def test_the_table_compares_with_the_floor_and_with_the_size_before() -> None:
    rows = [
        Row(size, name, Cost(seconds, cpu, 100, b""))
        for size, name, seconds, cpu in (
            (0.1, "floor", 2.0, 1.0),
            (0.1, "it", 3.0, 2.0),
            (1, "floor", 20.0, 10.0),
            (1, "it", 30.0, 22.0),
        )
    ]
    last = table(rows).splitlines()[-1].split()
    assert last == ["1", "5000", "it", "30.0", "22.0", "100", "1.50", "2.20", "11.0", "for", "10.0"]
