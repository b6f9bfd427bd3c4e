# SPDX-License-Identifier: Apache-2.0
"""Bundles: what is written comes back the same, nothing private gets in, and a bad file is one clear error."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.core.cluster import Cluster, Listing, Scope, Unavailable
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.core.finding import Grant, Unseen
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.dns import DnsLookup
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.ingress import TLS_SECRET
from kubectl_netdoc.records.kinds import COREFILE, EVENT, JOB, KINDS, NODE, SERVICE
from kubectl_netdoc.sources import FollowUp, SourceError, bundle, nothing_more
from kubectl_netdoc.sources.live import decoding
from kubectl_netdoc.testing import make_cluster, make_corefile, make_dns_reply, make_node, make_pod, make_service, make_slice
from tests.support.websocket import OBJECTS, SECRET

NOTE = {"fault": "none", "lab": "test"}


class Recorded:
    """A source that always says the same."""

    label = "context lab"

    def __init__(self, cluster: Cluster, measured: Callable[[Cluster, tuple[Request, ...]], Measured]) -> None:
        self._cluster = cluster
        self._measured = measured

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        return self._cluster

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        return self._measured(cluster, requests)


def broken_cluster() -> Cluster:
    """Return a cluster in which several checks find something, and some things can't be seen."""
    cluster = make_cluster(
        make_node("n1"),
        make_node("n2", ready=False, message="kubelet stopped \x1b[31m\u202e日本"),
        make_service("web", selector={"app": "web"}),
        make_service("typo", selector={"app": "wbe"}, ports=((80, "http"),)),
        make_pod("web-1", labels={"app": "web"}, ready=False, waiting="CrashLoopBackOff"),
        make_service("kube-dns", "kube-system", selector={"k8s-app": "kube-dns"}, ports=((53, 53),), cluster_ip="10.96.0.10"),
        make_slice("kube-dns", "kube-system", addresses={"10.0.0.53": "coredns-1"}, port=53, protocol="UDP"),
        make_corefile(".:53 {\n  kubernetes cluster.local\n  forward . 10.96.0.10\n}\n"),
        unavailable={EVENT: Unavailable("forbidden", Grant("list", "events")), JOB: Unavailable("no such kind", by_design=True)},
        vantages=("n1", "n2"),
    )
    cluster.server, cluster.scope = "v1.34.0", Scope(("shop",), "cluster-wide lists are forbidden")
    listing = cluster.listing(SERVICE)
    assert isinstance(listing, Listing)
    odd = Unseen("Service shop/odd", "can't be decoded", expected=True)
    return Cluster(
        {**cluster.index.listings, SERVICE.name: Listing(listing.items, (odd,))},
        time=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        server=cluster.server,
        scope=cluster.scope,
        vantages=cluster.vantages,
    )


def lossy(cluster: Cluster, requests: tuple[Request, ...]) -> Measured:
    """Answer from n1 with loss; the pod on n2 did not run, and one request of n1 got lost."""
    mine = [request for request in requests if request.node == "n1"]
    replies: dict[Request, Reply] = {
        request: make_dns_reply(ok=15, lost=5) if isinstance(request, DnsLookup) else Lost("cut") for request in mine
    }
    return Measured(replies, (Vantage("n1", True, throttled=0.01), Vantage("n2", False, "NotReady", "kubelet stopped")))


def recorded() -> tuple[Report, bytes]:
    """Return the report of a run and the bundle of it."""
    known = registry.load()
    result = run(Recorded(broken_cluster(), lossy), known, known.checks)
    return result.report, bundle.dump("context lab", result.cluster, result.measured, NOTE)


BUNDLE = recorded()[1]
PACKED = gzip.compress(BUNDLE, mtime=0)


def analysed(content: bytes) -> Report:
    """Return the report of a bundle."""
    known = registry.load()
    return run(bundle.load(content, "x.json"), known, known.checks).report


def refused(content: bytes) -> str:
    """Return the error for a file that is no good bundle: one line, exit code 2."""
    with pytest.raises(SourceError) as caught:
        bundle.load(content, "x.json")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return str(caught.value)


def without_time(report: Report) -> Report:
    """Return the report as if it had taken no time."""
    return msgspec.structs.replace(report, seconds=0.0)


# There and back


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "packed"])
def test_bundle_gives_the_report_of_the_run_that_recorded_it(pack: Callable[[bytes], bytes]) -> None:
    report, content = recorded()
    assert len({finding.check for finding in report.findings}) >= 3
    assert any(item.grant for result in report.results for item in result.unseen)
    assert without_time(analysed(pack(content))) == without_time(report)


def test_bundle_of_a_bundle_is_the_same() -> None:
    source = bundle.load(BUNDLE, "x.json")
    cluster = source.cluster(tuple(KINDS.values()))
    assert bundle.dump(source.label, cluster, source.measure(cluster, ()), source.bundle.note) != b""
    again = bundle.load(bundle.dump(source.label, cluster, source.measure(cluster, ()), source.bundle.note), "y.json")
    assert {k: v.objects for k, v in again.bundle.listings.items()} == {k: v.objects for k, v in source.bundle.listings.items()}
    assert again.bundle.exchanges == source.bundle.exchanges


def test_everything_but_the_objects_comes_back() -> None:
    before = broken_cluster()
    source = bundle.load(BUNDLE, "x.json")
    after = source.cluster(())
    assert (after.time, after.server, after.scope, after.vantages) == (before.time, before.server, before.scope, before.vantages)
    assert after.origin == "bundle"
    assert source.label == "context lab"
    assert source.bundle.note == NOTE
    assert {name: after.listing(KINDS[name]) for name in KINDS} == {name: before.listing(KINDS[name]) for name in KINDS}


def test_kind_that_was_not_recorded_is_unavailable() -> None:
    content = bundle.dump("x", Cluster({NODE.name: Listing()}), Measured(), {})
    cluster = bundle.load(content, "x").cluster((NODE, SERVICE))
    assert isinstance(cluster.listing(SERVICE), Unavailable)
    assert isinstance(cluster.listing(NODE), Listing)


def test_kind_of_a_later_version_is_passed_over() -> None:
    changed = json.loads(BUNDLE)
    changed["listings"]["FutureKind"] = {"objects": [{"metadata": {"name": "x"}}]}
    changed["later"] = {"field": [1, 2]}
    assert without_time(analysed(json.dumps(changed).encode())) == without_time(analysed(BUNDLE))


def test_object_that_does_not_decode_is_unseen_and_the_others_are_there() -> None:
    changed = json.loads(BUNDLE)
    changed["listings"]["Node"]["objects"].append({"spec": {"podCIDRs": 5}})
    listing = bundle.load(json.dumps(changed).encode(), "x").cluster((NODE,)).listing(NODE)
    assert isinstance(listing, Listing)
    assert [item.name for item in listing.items] == ["n1", "n2"]
    assert [item.expected for item in listing.undecodable] == [True]


def test_bundle_is_told_from_manifests_whole_or_cut() -> None:
    assert bundle.is_bundle(BUNDLE)
    assert bundle.is_bundle(BUNDLE[:40])
    assert bundle.is_bundle(PACKED[:2])
    assert not bundle.is_bundle(b"apiVersion: v1")
    assert not bundle.is_bundle(b"")


def test_same_run_is_the_same_file() -> None:
    assert recorded()[1] == recorded()[1]


@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
def test_saved_file_loads(tmp_path: Path, name: str) -> None:
    bundle.save(tmp_path / name, BUNDLE)
    raw = (tmp_path / name).read_bytes()
    assert (raw[:2] == b"\x1f\x8b") == name.endswith(".gz")
    assert bundle.load(raw, name).label == "context lab"


def test_file_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        bundle.save(tmp_path / "missing" / "x.json", BUNDLE)
    assert caught.value.exit_code == 2


# What must not be in it


def private_cluster() -> Cluster:
    """Return a cluster read from objects that hold something private wherever objects do."""
    assert OBJECTS.keys() == KINDS.keys(), "a new kind needs an object in tests/support/websocket.py"
    listings = {
        name: Listing(tuple(decoding.decode(KINDS[name], msgspec.json.encode(item)) for item in items))
        for name, items in OBJECTS.items()
    }
    return Cluster(listings, server="v1.34.0")


def test_nothing_private_is_in_a_bundle_of_full_objects() -> None:
    content = bundle.dump("x", private_cluster(), Measured(), {})
    assert SECRET.lower().encode() not in content.lower()
    assert b"10.96.0.1" in content, "and yet the objects are there"
    assert b"10.0.0.53" in content


def test_nothing_private_is_in_a_bundle_of_objects_with_nulls() -> None:
    items = [OBJECTS["Pod"][0] | {"metadata": OBJECTS["Pod"][0]["metadata"] | {"finalizers": None, "labels": None}}]
    records = tuple(decoding.decode(KINDS["Pod"], msgspec.json.encode(item)) for item in items)
    content = bundle.dump("x", Cluster({"Pod": Listing(records)}), Measured(), {})
    assert SECRET.encode() not in content


def test_only_the_annotation_that_is_read_is_kept() -> None:
    item = private_cluster().all(KINDS["EndpointSlice"])[0]
    assert json.loads(msgspec.json.encode(item))["metadata"]["annotations"] == {
        "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T10:00:00Z"
    }


def test_no_kind_that_holds_secrets_by_nature_is_listed_or_kept() -> None:
    kinds = [kind for kind in KINDS.values() if kind.plural in ("secrets", "serviceaccounts", "certificatesigningrequests")]
    assert kinds == [TLS_SECRET], "Secrets with certificates alone"
    assert TLS_SECRET.pointed, "read by name, never listed"
    assert {field.name for field in msgspec.structs.fields(TLS_SECRET.record)} == {"metadata", "not_before", "not_after", "names"}
    assert COREFILE.names, "ConfigMaps are read by name, never listed"


# What may be wrong with it


@pytest.mark.parametrize("content", [BUNDLE.rstrip(), PACKED], ids=["plain", "packed"])
def test_bundle_cut_anywhere_is_an_error(content: bytes) -> None:
    places = {*range(3, 120), *range(len(content) - 120, len(content)), *random.Random(1).sample(range(len(content)), 80)}
    for place in sorted(places):
        refused(content[:place])


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08\x00", b'{"netdoc_bundle"', b'{"netdoc_bundle": 1, "x": ']),
)
def test_random_bytes_are_an_error(noise: bytes, head: bytes) -> None:
    refused(head + noise)


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_packed_bundle_with_one_byte_changed_is_an_error_or_the_same(place: int, change: int) -> None:
    damaged = bytearray(PACKED)
    damaged[place] ^= change
    again = loaded(bytes(damaged))
    assert again is None or again.label == "context lab", "the check sum holds for all but the header"


@given(st.integers(0, len(BUNDLE) - 1), st.binary(min_size=1, max_size=3))
def test_bundle_with_some_bytes_changed_is_an_error_or_can_be_analysed(place: int, noise: bytes) -> None:
    source = loaded(BUNDLE[:place] + noise + BUNDLE[place + len(noise) :])
    known = registry.load()
    assert source is None or run(source, known, known.checks).report.results


def loaded(content: bytes) -> bundle.BundleSource | None:
    """Return the source in a file that may be damaged, or None where it is refused as it ought to be."""
    try:
        return bundle.load(content, "x")
    except SourceError as error:
        code = error.exit_code
    assert code == 2
    return None


@pytest.mark.parametrize("version", [2, 7, 10**30])
@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "packed"])
def test_newer_version_is_said_to_be_newer(version: int, pack: Callable[[bytes], bytes]) -> None:
    newer = {"netdoc_bundle": version, "all": "else", "is": {"quite": "different"}, "recorded": 5}
    assert str(version) in refused(pack(json.dumps(newer).encode()))


DEEP = 100_000


@pytest.mark.parametrize(
    "deep",
    [
        b'"x": ' + b"[" * DEEP + b"]" * DEEP,
        b'"x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'"note": ' + b"[" * DEEP,
        b'"listings": {"Pod": {"objects": [' + b"[" * DEEP + b"]" * DEEP + b"]}}",
        b'"exchanges": [' + b'{"request":' * DEEP,
    ],
    ids=["arrays", "objects", "unclosed", "in an object", "in a request"],
)
def test_deep_nesting_is_an_error(deep: bytes) -> None:
    refused(b'{"netdoc_bundle": 1, ' + deep + b"}")


@pytest.mark.parametrize("packed", [True, False])
def test_huge_file_is_an_error_in_bounded_memory(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(bundle, "LARGEST", 1 << 20)
    huge = b'{"netdoc_bundle": 1, "label": "' + b"x" * (50 << 20)
    content = gzip.compress(huge) if packed else huge
    del huge
    tracemalloc.start()
    try:
        refused(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20


@pytest.mark.parametrize("content", [BUNDLE, PACKED], ids=["plain", "packed"])
def test_good_bundle_is_refused_only_for_its_size(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(bundle, "LARGEST", len(BUNDLE))
    assert loaded(content)
    monkeypatch.setattr(bundle, "LARGEST", len(BUNDLE) - 2)
    refused(content)


def changed(path: str, value: Any) -> bytes:
    """Return the bundle with another value at a dotted path."""
    document = json.loads(BUNDLE)
    *way, last = path.split(".")
    place = document
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("netdoc_bundle", "1"),
        ("netdoc_bundle", None),
        ("recorded", "yesterday"),
        ("recorded", "2026-01-01T12:00:00"),
        ("recorded", 5),
        ("label", 5),
        ("listings", []),
        ("listings.Pod", []),
        ("listings.Pod.objects", {}),
        ("listings.Event.unavailable", "forbidden"),
        ("debug_pods", [{"node": 5}]),
        ("scope", {"namespaces": "shop"}),
        ("vantages", [None]),
        ("exchanges", {}),
        ("exchanges.0", {}),
        ("exchanges.0.request.type", "format-disk"),
        ("exchanges.0.request.samples", "many"),
        ("exchanges.0.request.server", {"type": "address"}),
        ("exchanges.0.reply.type", "guess"),
        ("exchanges.0.reply.samples", [{"outcome": "splendid", "ms": 1}]),
        ("exchanges.0.reply.samples", [{"outcome": "ok", "ms": "fast"}]),
    ],
)
def test_wrong_type_is_an_error(path: str, value: Any) -> None:
    refused(changed(path, value))


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"5", b'"netdoc_bundle"', b"{}", b'{"netdoc_bundle": 1}'])
def test_document_that_is_no_bundle_is_an_error(content: bytes) -> None:
    refused(content)


def test_clock_of_a_bundle_is_that_of_the_recording() -> None:
    later = changed("recorded", "2026-03-01T12:00:00+02:00")
    cluster = bundle.load(later, "x").cluster(())
    assert cluster.age(datetime(2026, 3, 1, 9, 0, tzinfo=UTC)) == timedelta(hours=1)
