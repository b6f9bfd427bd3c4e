# SPDX-License-Identifier: Apache-2.0
"""An anonymized bundle: the same findings on renamed subjects, nothing of the old names and addresses left."""

from __future__ import annotations

import json
import stat
import subprocess
from collections import Counter
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.anonymize import Anonymous, anonymize
from kubectl_netdoc.anonymize.addresses import PATTERN, TAIL, Addresses
from kubectl_netdoc.anonymize.names import SHORTEST, Words
from kubectl_netdoc.anonymize.vocabulary import PART, vocabulary
from kubectl_netdoc.cli.collect import words_kept
from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.sources import bundle
from kubectl_netdoc.testing.cases import Case, outcome
from tests.checks.test_checks import ROWS

ROOT = Path(__file__).parents[2]
BUNDLES = sorted([*(ROOT / "tests" / "bundles").glob("*.json"), *(ROOT / "demo").glob("*.json")])
KEY = bytes(range(16))
KNOWN = words_kept()


@cache
def done(path: Path) -> Anonymous:
    return anonymize(path.read_bytes(), KEY, KNOWN)


def report(content: bytes) -> Report:
    known_ = registry.load()
    return run.run(bundle.load(content, "x"), known_, known_.checks).report


def renamed(text: str, by: Anonymous) -> str:
    """A text of the old report, as the new one has to say it."""
    parts = PATTERN.split(text)[0] if not PATTERN.search(text) else text
    swapped = PATTERN.sub(lambda match: by.addresses.get(match[0].split("/")[0], match[0]), parts)
    return PART.sub(lambda match: by.words.get(match[0].lower(), match[0]), swapped) if swapped == text else swapped


@pytest.mark.parametrize("path", BUNDLES, ids=[path.stem for path in BUNDLES])
def test_the_analysis_is_the_same(path: Path) -> None:
    by = done(path)
    old, new = report(path.read_bytes()), report(by.content)
    assert {row.check: row.state for row in new.results} == {row.check: row.state for row in old.results}
    assert Counter((f.code, str(f.subject)) for f in new.findings) == Counter(
        (f.code, renamed(str(f.subject), by)) for f in old.findings
    )
    assert [f.code for f in new.causes() if f.severity != "info"] == [f.code for f in old.causes() if f.severity != "info"]


def survives(check: Check, case: Case) -> bool:
    """Tell whether a check says the same of a case's anonymized cluster."""
    by = anonymize(bundle.dump("x", case.cluster, Measured(), {}), KEY, KNOWN)
    cluster = bundle.load(by.content, "x").cluster(check.needs.all_kinds)
    return Counter(f.code for f in outcome(check, cluster).findings) == Counter(code for code, _ in case.expect)


@pytest.mark.parametrize(
    "name", ["mesh_authorization", "mesh_presence", "endpoint_slices", "policy_coverage", "custom_resources"]
)
def test_verdicts_by_words_of_the_api_are_the_same(name: str) -> None:
    """Words that netdoc compares and that look like names: actions, modes, kinds, identities, placeholders."""
    rows = [
        (check, case)
        for check, case in ROWS
        if check.id == name and case.cluster.origin != "manifests" and not case.measured.replies
    ]
    assert rows
    assert [case.name for check, case in rows if not survives(check, case)] == []


@pytest.mark.parametrize("path", BUNDLES, ids=[path.stem for path in BUNDLES])
def test_nothing_of_the_names_and_addresses_is_left(path: Path) -> None:
    """No part of a name but a few letters, which new words have too; of addresses, all that stand there are others' images."""
    by = done(path)
    text = by.content.decode()
    there = {part.lower() for part in PART.findall(PATTERN.sub(" ", text))}
    assert {part for part in there & by.words.keys() if len(part) > SHORTEST} == set()
    images = set(by.addresses.values())
    plain = {match["v4"] or match["v6"] or match["mac"] for match in PATTERN.finditer(text)} - {None}
    moved = {told for told in plain if Addresses(KEY).replace(told) != told}
    assert moved <= images
    assert {"shop", "worker"} & there == set()
    assert "BEGIN CERTIFICATE" not in text or "MII" not in text


def test_one_key_makes_the_same_and_another_does_not() -> None:
    content = BUNDLES[0].read_bytes()
    assert anonymize(content, KEY, KNOWN) == anonymize(content, KEY, KNOWN)
    assert anonymize(content, b"another", KNOWN).content != anonymize(content, KEY, KNOWN).content


def test_what_is_anonymous_can_be_anonymized_again() -> None:
    twice = anonymize(done(BUNDLES[0]).content, b"another", KNOWN)
    assert Counter(f.code for f in report(twice.content).findings) == Counter(
        f.code for f in report(BUNDLES[0].read_bytes()).findings
    )


def common(one: int, other: int, size: int) -> int:
    return size - (one ^ other).bit_length()


ADDRESS = st.ip_addresses(v=4) | st.ip_addresses(v=6)
PRIVATE = st.integers(0, 2**24 - 1).map(lambda low: ip_address((10 << 24) + low))


@given(PRIVATE, PRIVATE)
def test_what_shares_a_prefix_still_does(one: object, other: object) -> None:
    mapped = [Addresses(KEY).address(str(each)) for each in (one, other)]
    assert common(int(mapped[0]), int(mapped[1]), 32) == common(int(one), int(other), 32)  # type: ignore[call-overload]
    assert (mapped[0] == mapped[1]) == (one == other)


@given(ADDRESS)
def test_an_address_stays_what_sort_of_address_it_is(one: object) -> None:
    old = ip_address(str(one))
    new = Addresses(KEY).address(str(old))
    kinds = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
    assert new.version == old.version
    assert [getattr(new, kind) for kind in kinds] == [getattr(old, kind) for kind in kinds]
    tail = TAIL[4 if getattr(old, "ipv4_mapped", None) else old.version]
    assert int(new) % 2**tail == int(old) % 2**tail


def test_words_are_those_of_what_judges() -> None:
    """What checks and records know, and recognising networks, stays; examples in help and names in the test kit do not."""
    assert {"kube", "system", "coredns", "calico", "nginx", "app", "controller", "flannel", "localhost"} <= KNOWN
    assert KNOWN.isdisjoint({"shop", "alice", "sarif", "html", "jdoe"})
    assert "sarif" in vocabulary(["kubectl_netdoc.report.sarif"])


NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)


@given(st.sets(NAME, min_size=1, max_size=30))
def test_names_keep_their_order_and_are_told_apart(names: set[str]) -> None:
    words = Words(KEY, KNOWN)
    for name in sorted(names):
        words.gather(name, name=True)
    words.settle()
    assert len(set(words.changed.values())) == len(words.changed)
    assert not any(words.known(part) for part in words.changed)
    assert not words.changed.keys() & set(words.changed.values())
    ordered = [words.changed[part] for part in sorted(words.changed) if not part.isalpha()]
    assert ordered == sorted(ordered)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("v1.34.4", True),
        ("127.0.0.1:53", True),
        ("169.254.20.10", True),
        ("2026-11-24T22:10:42Z", True),
        ("10.1.2.3:443", False),
        ("10.1.2.0/24", False),
        ("ip-10-1-2-3.ec2.internal", False),
        ("[2001:db8:7::5]:53", False),
        ("fe80::1c2:3ff:fe04:506", False),
        ("1a:2b:3c:4d:5e:6f", False),
    ],
)
def test_addresses_in_texts(text: str, kept: bool) -> None:
    assert (Addresses(KEY).replace(text) == text) is kept


def collect(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl-netdoc", "collect", *args], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_verb_makes_a_bundle_and_a_map_for_its_owner(tmp_path: Path) -> None:
    source = str(ROOT / "demo" / "kube-proxy-hung.json")
    made = collect("--anonymize", "--from", source, "--map", "map.json", "other.json.gz", cwd=tmp_path)
    assert made.returncode == 0
    assert stat.S_IMODE((tmp_path / "map.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "map.json").read_text())["words"]["shop"]
    checked = subprocess.run(
        ["kubectl-netdoc", "check", "--from", "other.json.gz", "-o", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 1
    assert "SVR001" in {finding["code"] for finding in json.loads(checked.stdout)["findings"]}


@pytest.mark.parametrize(
    "args", [["--map", "x"], ["--from", "x"], ["--anonymize", "--from", "nowhere"], ["--anonymize", "--from", __file__]]
)
def test_what_can_not_be_done_is_one_line(args: list[str], tmp_path: Path) -> None:
    made = collect(*args, cwd=tmp_path)
    assert (made.returncode, made.stdout, len(made.stderr.splitlines())) == (2, "", 1)
