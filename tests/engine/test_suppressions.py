# SPDX-License-Identifier: Apache-2.0
"""What is ignored is counted and named, takes its effects along, and never hides anything else."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from pathlib import Path

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.engine import registry, suppressions
from kubectl_netdoc.engine.settings import BadSetting, from_file, from_flags
from kubectl_netdoc.engine.suppressions import Suppression
from kubectl_netdoc.records.base import Annotations
from kubectl_netdoc.remediation.commands import Risk
from kubectl_netdoc.testing import Built, make_cluster, make_service

BUNDLE = str(Path(__file__).parents[1] / "bundles" / "coredns-zero.json")
KNOWN = registry.load()
TODAY = date(2026, 11, 25)


def finding(code: str = "SVC001", name: str = "web", namespace: str = "shop", *, explained_by: str = "") -> Finding:
    subject = Subject("Service", name, namespace)
    ids = f"{code}:{name}"
    return Finding(code, Severity.FAIL, subject, "m", {}, "f", (), Risk.SAFE, id=ids, explained_by=explained_by)


def ignored(found: tuple[Finding, ...], *wanted: Suppression, cluster: Cluster | None = None) -> tuple[list[str], list[str]]:
    """Ids that are kept, and codes that are ignored."""
    kept, gone = suppressions.apply(found, wanted, cluster or Cluster({}))
    return [f.id for f in kept], [f"{item.code}:{item.subject.name}" for item in gone]


@pytest.mark.parametrize(
    ("flag", "hit"),
    [
        ("SVC001", True),
        ("svc001", True),
        ("SVC001=shop/web", True),
        ("SVC001=shop/*", True),
        ("SVC001=web", True),
        ("SVC001=Service shop/web", True),
        ("SVC001=*web", True),
        ("SVC001=Pod shop/web", False),
        ("SVC001=shop/db", False),
        ("SVC001=we", False),
        ("DNC001", False),
    ],
)
def test_a_flag_ignores_what_it_names_and_nothing_else(flag: str, hit: bool) -> None:
    wish = from_flags([flag], [], KNOWN).ignore[0]
    assert ignored((finding(),), wish) == (([], ["SVC001:web"]) if hit else (["SVC001:web"], []))


@pytest.mark.parametrize("flag", ["SVC999", "SVC001=", "", "=x"])
def test_what_can_not_be_meant_is_an_error(flag: str) -> None:
    with pytest.raises(BadSetting):
        from_flags([flag], [], KNOWN)


def test_effects_go_with_their_cause_and_a_cause_stays_without_an_effect() -> None:
    cause = msgspec.structs.replace(finding("DNC001", "dns"), explains=("SVC001:web",))
    effect = finding("SVC001", "web", explained_by="DNC001:dns")
    other = finding("SVC001", "db")
    assert ignored((cause, effect, other), Suppression("DNC001", "x")) == (["SVC001:db"], ["DNC001:dns", "SVC001:web"])
    kept, _ = suppressions.apply((cause, effect, other), [Suppression("SVC001", "x", "shop/web")], Cluster({}))
    assert [(f.id, f.explains) for f in kept] == [("DNC001:dns", ()), ("SVC001:db", ())]


def annotated(codes: str) -> Built:
    kind, service = make_service("web")
    metadata = msgspec.structs.replace(service.metadata, annotations=Annotations(ignore=codes))
    return kind, msgspec.structs.replace(service, metadata=metadata)


@pytest.mark.parametrize(
    ("codes", "hit"), [("SVC001", True), ("XYZ999, svc001", True), ("DNC001", False), ("", False), (",", False)]
)
def test_an_object_says_what_not_to_tell_of_it(codes: str, hit: bool) -> None:
    cluster = make_cluster(annotated(codes), make_service("db"))
    kept, gone = ignored((finding(), finding(name="db")), cluster=cluster)
    assert (kept, gone) == ((["SVC001:db"], ["SVC001:web"]) if hit else (["SVC001:web", "SVC001:db"], []))


def test_a_code_on_an_object_that_nobody_has_is_told() -> None:
    cluster = make_cluster(annotated("XYZ999, svc001"), make_service("db"))
    assert [(item.what, "XYZ999" in item.reason) for item in suppressions.unknown(cluster, KNOWN.codes)] == [
        ("netdoc/ignore on Service shop/web", True)
    ]


FILES = [
    ("", []),
    ("ignore: []", []),
    ("ignore: [{code: SVC001}]", ["*"]),
    ("ignore: [{code: svc001, subject: shop/*, why: known, until: 2026-11-25}]", ["shop/*"]),
    ("ignore: [{code: SVC001, until: 2026-11-24}]", []),
]


@pytest.mark.parametrize(("content", "subjects"), FILES)
def test_a_file(content: str, subjects: list[str]) -> None:
    assert [wish.subject for wish in from_file(content, "f", KNOWN, TODAY).ignore] == subjects


@pytest.mark.parametrize(
    "content",
    [
        "- a",
        "ignore: x",
        "ignore: [{code: NOPE}]",
        "ignore: [{code: NOPE, until: 2020-01-01}]",
        "ignore: [{subject: x}]",
        "ignore: [{code: SVC001, subjet: x}]",
        "a: [",
        "x: 1",
        "[" * 9999,
    ],
)
def test_a_file_that_can_not_be_meant_is_one_line(content: str) -> None:
    with pytest.raises(BadSetting) as error:
        from_file(content, "f", KNOWN, TODAY)
    assert len(str(error.value).splitlines()) == 1


def check(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = ["kubectl-netdoc", "check", "--from", BUNDLE, "-o", "json", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_what_is_ignored_counts_neither_in_the_exit_code_nor_in_the_state(tmp_path: Path) -> None:
    told = check(cwd=tmp_path)
    assert told.returncode == 1
    quiet = check("--ignore", "DNC001=kube-system/kube-dns", cwd=tmp_path)
    report = json.loads(quiet.stdout)
    assert quiet.returncode == 0
    assert {item["code"] for item in report["ignored"]} >= {"DNC001"}
    assert len(report["ignored"]) + len(report["findings"]) == len(json.loads(told.stdout)["findings"])
    assert {row["check"]: row["state"] for row in report["results"]}["dns_config"] == "pass"
    (tmp_path / ".netdoc.yaml").write_text("ignore: [{code: DNC001, why: a test}]")
    assert check(cwd=tmp_path).returncode == 0
    (tmp_path / ".netdoc.yaml").write_text("ignore: [{code: DNC991}]")
    wrong = check(cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert len(wrong.stderr.splitlines()) == 1
    assert check("--config", str(tmp_path / "nowhere"), cwd=tmp_path).returncode == 2
