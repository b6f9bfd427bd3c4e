# SPDX-License-Identifier: Apache-2.0
"""Dumps by other tools: what is read of each, what is unseen, and archives that mean harm."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.report import State
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.records.api_extensions import DEFINITION
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.ingress import TLS_SECRET
from kubectl_netdoc.records.kinds import CALICO_POLICY, DNS_LOG, ENDPOINT_SLICE, EVENT, KINDS, NETWORK_POLICY, NODE, POD, SERVICE
from kubectl_netdoc.sources import SourceError, dumps, files, offline
from kubectl_netdoc.sources.dumps import DumpSource
from kubectl_netdoc.sources.manifests import ManifestSource
from kubectl_netdoc.sources.namespace_filter import Within
from tests.support import dumps as made

WAYS = (*(name + end for name in made.LAYOUTS for end in ("", ".tar.gz")), "stream.json", "get.json")
WITH_SLICES = tuple(way for way in WAYS if not way.startswith(("cluster-info", "stream")))
"""Those that have EndpointSlices, by which a Service is judged."""

SECRET = "aGVsbG8tc2VjcmV0"


def source(place: Path) -> DumpSource:
    """Return a place as the dump that it must be."""
    found = offline.read(place, lambda _: None)
    assert isinstance(found, DumpSource)
    return found


def cluster(place: Path) -> Cluster:
    """Return the cluster in a dump, with every kind."""
    return source(place).cluster(tuple(KINDS.values()))


def support_bundle(folder: Path, change: Callable[[made.Files], object] = lambda _: None, bundle: str = "healthy") -> Cluster:
    """Return the cluster in a support bundle that was changed."""
    written = made.support_bundle(made.recorded(bundle))
    change(written)
    return cluster(made.write(folder, written))


def names(of: Cluster, kind: Kind[Any]) -> set[tuple[str, str]]:
    """Return namespace and name of all objects of a kind."""
    return {(item.namespace, item.name) for item in of.all(kind)}


def why(of: Cluster, kind: Kind[Any]) -> str:
    """Return why a list is not there, which does make verdicts less certain."""
    listing = of.listing(kind)
    assert isinstance(listing, Unavailable)
    assert not listing.by_design
    return listing.reason


def refused(place: Path) -> str:
    """Return the error of what can't be read: one line, exit code 2."""
    with pytest.raises(SourceError) as caught:
        offline.read(place, lambda _: None)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is read


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every way in which a dump of the healthy cluster comes."""
    return dict(made.every(tmp_path_factory.mktemp("healthy"), made.recorded("healthy")))


@pytest.mark.parametrize("way", WAYS)
def test_every_object_is_read_whatever_wrote_it_and_a_healthy_cluster_is_healthy(way: str, healthy: dict[str, Path]) -> None:
    objects = made.recorded("healthy")
    found = cluster(healthy[way])
    for kind in (NODE, POD, SERVICE):
        metadata = (item["metadata"] for item in objects[kind.name])
        assert names(found, kind) == {(each.get("namespace", ""), each["name"]) for each in metadata}
    known = registry.load()
    report = run(source(healthy[way]), known, known.checks).report
    assert [(each.code, str(each.subject)) for each in report.findings if each.severity is not Severity.INFO] == []
    assert [result.error for result in report.results if result.state is State.CRASHED] == []


FAULTS = {
    ("node-range-overlap", "ADR001", "NodePair extra-a--extra-b"): WAYS,
    ("coredns-zero", "DNC001", "Service kube-system/kube-dns"): WITH_SLICES,
}


@pytest.mark.parametrize(("bundle", "code", "subject", "way"), [(*fault, way) for fault, ways in FAULTS.items() for way in ways])
def test_a_fault_is_found_in_every_dump_of_it(bundle: str, code: str, subject: str, way: str, tmp_path: Path) -> None:
    known = registry.load()
    report = run(source(dict(made.every(tmp_path, made.recorded(bundle)))[way]), known, known.checks).report
    assert (code, subject) in {(each.code, str(each.subject)) for each in report.findings}


def test_a_list_without_uids_is_a_manifest(tmp_path: Path) -> None:
    objects = made.recorded("healthy")
    for items in objects.values():
        for item in items:
            del item["metadata"]["uid"]
    (tmp_path / "x.json").write_text(made.get(objects))
    assert isinstance(offline.read(tmp_path / "x.json", lambda _: None), ManifestSource)


def test_what_nobody_read_from_a_cluster_is_told_and_not_taken(tmp_path: Path) -> None:
    said: list[str] = []
    found = offline.read(made.write(tmp_path, made.sos(made.recorded("healthy"))), said.append)
    assert "static" not in {name for _, name in names(found.cluster((POD,)), POD)}
    assert [line for line in said if "1 Pod in" in line] != []


def test_the_time_of_a_dump_is_the_newest_of_its_objects_and_never_to_come(tmp_path: Path) -> None:
    objects = made.recorded("healthy")
    objects["Event"][0] |= {"type": "Warning", "lastTimestamp": "2026-11-25T01:02:03Z"}
    (tmp_path / "x.json").write_text(made.get(objects))
    assert cluster(tmp_path / "x.json").time == datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC)
    objects["Event"][0]["lastTimestamp"] = "2999-01-01T00:00:00Z"
    (tmp_path / "x.json").write_text(made.get(objects))
    assert cluster(tmp_path / "x.json").time <= datetime.now(UTC)


def test_events_are_those_that_a_cluster_is_asked_for(tmp_path: Path) -> None:
    objects = made.recorded("healthy")
    event = objects["Event"][0]
    objects["Event"] = [
        {**event, "metadata": {**event["metadata"], "name": name}, "type": kind, "reason": reason}
        for name, kind, reason in (("a", "Warning", "x"), ("b", "Normal", "Pulled"), ("c", "Normal", "ScalingReplicaSet"))
    ]
    (tmp_path / "x.json").write_text(made.get(objects))
    assert {name for _, name in names(cluster(tmp_path / "x.json"), EVENT)} == {"a", "c"}


# What is unseen


@pytest.mark.parametrize("way", WAYS)
def test_a_list_that_is_not_there_is_not_an_empty_one_and_nothing_passes_for_it(way: str, healthy: dict[str, Path]) -> None:
    found = cluster(healthy[way])
    assert why(found, DNS_LOG) == dumps.NO_LOGS
    if way.startswith(("cluster-info", "stream")):
        assert why(found, NETWORK_POLICY) == why(found, ENDPOINT_SLICE) == dumps.NO_LIST
    known = registry.load()
    report = run(source(healthy[way]), known, known.checks).report
    needs = {check.id: check.needs.kinds + check.needs.optional for check in known.checks}
    passed = {result.check for result in report.results if result.state is State.PASS}
    assert {name for name in passed if any(found.unreadable(kind) for kind in needs[name])} == set()


def test_a_kind_that_lacks_a_namespace_is_unseen_altogether(tmp_path: Path) -> None:
    found = support_bundle(tmp_path, lambda files: files.pop("support-bundle/cluster-resources/services/shop.json"))
    assert why(found, SERVICE) == dumps.SOME_NAMESPACES
    assert names(found, POD)


def test_a_namespace_without_its_pods_is_out_of_scope_with_all_that_is_in_it(tmp_path: Path) -> None:
    found = support_bundle(tmp_path, lambda files: files.pop("support-bundle/cluster-resources/pods/shop.json"))
    assert "shop" not in found.scope.namespaces
    assert found.scope.namespaces
    assert "shop" not in {space for space, _ in names(found, SERVICE)}


def test_an_empty_list_is_of_the_namespace_that_its_place_names(tmp_path: Path) -> None:
    assert names(support_bundle(tmp_path), NETWORK_POLICY) == set()
    (tmp_path / "lost").mkdir()
    lists = {
        "a.json": made.get(made.recorded("healthy")),
        "b.json": '{"kind": "IngressList", "apiVersion": "networking.k8s.io/v1", "items": []}',
    }
    assert why(cluster(made.write(tmp_path / "lost", lists)), KINDS["Ingress"]) == dumps.SOME_NAMESPACES


def test_objects_one_by_one_are_there_and_may_not_be_all(tmp_path: Path) -> None:
    found = cluster(made.write(tmp_path, made.must_gather(made.recorded("healthy"))))
    nodes = found.listing(NODE)
    assert isinstance(nodes, Listing)
    assert (len(nodes.items), [each.reason for each in nodes.undecodable]) == (3, [dumps.ONE_BY_ONE])
    assert why(found, KINDS["Namespace"]) == dumps.ONE_BY_ONE


def test_what_no_definition_makes_is_not_installed(tmp_path: Path) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com", "uid": "w"},
        "spec": {"group": "example.com", "names": {"kind": "Widget", "plural": "widgets"}},
    }
    objects = made.recorded("healthy")
    del objects[CALICO_POLICY.name]
    (tmp_path / "without.json").write_text(made.get(objects))
    assert why(cluster(tmp_path / "without.json"), CALICO_POLICY) == dumps.NO_LIST
    (tmp_path / "with.json").write_text(made.get(objects | {DEFINITION.name: [definition]}))
    listing = cluster(tmp_path / "with.json").listing(CALICO_POLICY)
    assert isinstance(listing, Unavailable)
    assert listing.by_design
    definition["spec"] = {"group": "crd.projectcalico.org", "names": {"kind": "NetworkPolicy", "plural": "networkpolicies"}}
    (tmp_path / "made.json").write_text(made.get(objects | {DEFINITION.name: [definition]}))
    assert why(cluster(tmp_path / "made.json"), CALICO_POLICY) == dumps.NO_LIST


def test_an_object_of_a_version_that_is_not_known_is_unseen_by_name(tmp_path: Path) -> None:
    objects = made.recorded("healthy")
    objects["Service"][0]["apiVersion"] = "v7"
    (tmp_path / "x.json").write_text(made.get(objects))
    listing = cluster(tmp_path / "x.json").listing(SERVICE)
    assert isinstance(listing, Listing)
    assert [objects["Service"][0]["metadata"]["name"] in each.what for each in listing.undecodable] == [True]


def test_secrets_are_not_read(tmp_path: Path) -> None:
    secret = {"kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/tls", "data": {"tls.crt": SECRET, "tls.key": SECRET}}
    secret["metadata"] = {"name": "hidden-tls", "namespace": "shop", "uid": "s", "annotations": {"last": SECRET}}
    objects = made.recorded("healthy") | {"TlsSecret": [secret]}
    (tmp_path / "x.json").write_text(made.get(objects))
    found = source(tmp_path / "x.json")
    assert why(found.cluster((TLS_SECRET,)), TLS_SECRET) == dumps.NO_SECRETS
    assert SECRET not in repr(vars(found))
    assert "hidden-tls" not in repr(vars(found))


def test_a_log_is_no_object_even_if_it_looks_like_one(healthy: dict[str, Path]) -> None:
    assert '"name": "log"' in healthy["stream.json"].read_text()
    assert "log" not in {space for space, _ in names(cluster(healthy["stream.json"]), SERVICE)}


def test_the_stream_says_what_the_folder_says(healthy: dict[str, Path]) -> None:
    stream, folder = cluster(healthy["stream.json"]), cluster(healthy["cluster-info"])
    assert stream.scope == folder.scope
    for kind in KINDS.values():
        one, other = stream.listing(kind), folder.listing(kind)
        assert (type(one), len(getattr(one, "items", ()))) == (type(other), len(getattr(other, "items", ())))


def test_a_stream_that_was_cut_off_is_an_error(healthy: dict[str, Path], tmp_path: Path) -> None:
    text = healthy["stream.json"].read_text()
    place = tmp_path / "cut.json"
    place.write_text(text[: text.index("==== START") + 200] + "\n==== END logs for container x of pod y/z ====\n{")
    source(place)  # the log never ends, so what follows is a log's line
    place.write_text(text + '{"kind": "Pod')
    assert "not the whole output" in refused(place)


def test_a_namespace_that_the_dump_lacks_is_an_error(healthy: dict[str, Path]) -> None:
    with pytest.raises(SourceError) as caught:
        Within(source(healthy["cluster-info"]), ("elsewhere",)).cluster((POD,))
    assert (caught.value.exit_code, "namespace elsewhere" in str(caught.value)) == (2, True)


ODD: tuple[Any, ...] = (
    None,
    5,
    -1.5,
    "",
    "x",
    [],
    {},
    [[]],
    {"a": {}},
    True,
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00Z",
)


def changed(value: Any, chance: random.Random, rest: list[int]) -> Any:
    """Return a document with something else at one place, which is chosen by counting down ``rest``."""
    rest[0] -= 1
    if rest[0] == 0:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: changed(item, chance, rest) for key, item in value.items()}
    return [changed(item, chance, rest) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_dump_is_an_error_or_a_cluster(seed: int) -> None:
    few = {name: items[:1] for name, items in made.recorded("healthy").items() if name in ("Node", "Pod", "Service", "Event")}
    chance = random.Random(seed)
    few["Namespace"] = [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop", "uid": "n"}}]
    log = made.LOG.format(container="c", pod="shop/p")
    for _ in range(100):
        lists = [changed(made.listed(KINDS[name], items), chance, [chance.randrange(40)]) for name, items in few.items()]
        text = "\n".join(map(json.dumps, lists)) if seed % 2 else json.dumps({"kind": "List", "items": lists})
        with suppress(SourceError):
            offline.parse((text + "\n" + log * (seed % 2)).encode(), "x.json", lambda _: None).cluster(tuple(KINDS.values()))


# Archives that mean harm


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: Any) -> Callable[[tarfile.TarFile], None]:
    """Return what adds one entry to an archive."""

    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(content)
        for key, value in more.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(content))

    return add


EVIL = json.dumps(made.listed(SERVICE, [{"metadata": {"name": "evil", "namespace": "shop", "uid": "e"}}])).encode()


@pytest.mark.parametrize(
    "more",
    [
        entry("../evil.json", EVIL),
        entry("a/../../evil.json", EVIL),
        entry("/evil.json", EVIL),
        entry("evil.json", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("evil.json", kind=tarfile.LNKTYPE, linkname="../../evil.json"),
        entry("evil.json", kind=tarfile.FIFOTYPE),
        entry("evil.json", kind=tarfile.CHRTYPE, devmajor=1, devminor=5),
    ],
    ids=["up", "up from inside", "absolute", "symlink", "hard link", "fifo", "device"],
)
def test_names_that_leave_an_archive_and_links_are_passed_over(more: Callable[[tarfile.TarFile], None], tmp_path: Path) -> None:
    (tmp_path / "evil.json").write_bytes(EVIL)
    place = made.pack(tmp_path / "x.tar.gz", made.support_bundle(made.recorded("healthy")), more)
    before = sorted(tmp_path.rglob("*"))
    assert "evil" not in {name for _, name in names(cluster(place), SERVICE)}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("LARGEST", 1000, "is larger than"),
        ("LARGEST_ARCHIVE", 5000, "unpacks to more than"),
        ("MOST_FILES", 5, "more than 5 files"),
    ],
)
def test_an_archive_larger_than_any_cluster_makes_it_is_an_error(
    limit: str, value: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made.pack(tmp_path / "x.tar.gz", made.support_bundle(made.recorded("healthy")))
    source(place)
    monkeypatch.setattr(files, limit, value)
    assert said in refused(place)


def test_sizes_that_an_archive_only_claims_are_errors(tmp_path: Path) -> None:
    for size, said in ((files.LARGEST + 1, "is larger than"), (1 << 62, "unpacks to more than")):
        info = tarfile.TarInfo("x.json")
        info.size = size
        (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2 * tarfile.RECORDSIZE))
        assert said in refused(tmp_path / "x.tar")


def test_a_name_as_long_as_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for kind in files.EXTENDED:
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, files.LONGEST_NAME + 1
        (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(tarfile.RECORDSIZE))
        assert "longer than" in refused(tmp_path / "x.tar")


@pytest.mark.parametrize("cut", [100, 700, 5000])
@pytest.mark.parametrize("end", ["gz", "xz", "bz2"])
def test_an_archive_that_is_cut_off_is_an_error(cut: int, end: str, tmp_path: Path) -> None:
    place = made.pack(tmp_path / f"x.tar.{end}", made.support_bundle(made.recorded("healthy")))
    source(place)
    place.write_bytes(place.read_bytes()[:cut])
    assert str(place) in refused(place)


def test_a_file_of_an_archive_that_is_broken_is_told_and_its_list_unseen(tmp_path: Path) -> None:
    written = made.support_bundle(made.recorded("healthy"))
    broken = "support-bundle/cluster-resources/services/shop.json"
    written[broken] = written[broken][:100]
    said: list[str] = []
    found = offline.read(made.pack(tmp_path / "x.tar.gz", written), said.append)
    assert [broken in line for line in said] == [True]
    assert why(found.cluster(tuple(KINDS.values())), SERVICE) == dumps.SOME_NAMESPACES
