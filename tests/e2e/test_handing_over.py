# SPDX-License-Identifier: Apache-2.0
"""Two runs of an unchanged cluster differ in nothing, an anonymized one says the same, and a run costs no more than it says."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from kubectl_netdoc.anonymize.names import Words
from kubectl_netdoc.anonymize.vocabulary import PART
from kubectl_netdoc.cli.collect import words_kept
from tests.e2e.conftest import Netdoc

MOST_CALLS, MOST_KIB, MOST_PROBES = 120, 1500, 1500
"""What a full run of the healthy three-node lab may cost the API server and the network. Measured: some 70 calls, 500 KiB and 620
probes; a list that is read twice, or an object a call, would show."""


def test_two_runs_of_an_unchanged_cluster_differ_in_nothing(netdoc: Netdoc, tmp_path: Path) -> None:
    files = [tmp_path / "old.json.gz", tmp_path / "new.json.gz"]
    for file in files:
        assert netdoc("collect", str(file)).returncode == 0
    done = netdoc("diff", *map(str, files), "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["changes"]) == (0, [])


def test_an_anonymized_run_says_the_same_and_names_nobody(netdoc: Netdoc, tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.json", tmp_path / "other.json"
    assert netdoc("collect", str(plain)).returncode == 0
    assert netdoc("collect", "--anonymize", "--from", str(plain), str(other)).returncode == 0
    told = [json.loads(netdoc("check", "--from", str(file), "-o", "json").stdout) for file in (plain, other)]
    assert Counter(f["code"] for f in told[0]["findings"]) == Counter(f["code"] for f in told[1]["findings"])
    assert {r["check"]: r["state"] for r in told[0]["results"]} == {r["check"]: r["state"] for r in told[1]["results"]}
    text = other.read_text()
    nodes = [node["metadata"]["name"] for node in json.loads(netdoc.lab.kubectl("get", "nodes", "-o", "json"))["items"]]
    known = Words(b"", words_kept()).known
    secret = [name for name in (*nodes, "shop") if not all(map(known, PART.findall(name)))]
    assert len(secret) > 2
    assert [name for name in secret if re.search(rf"\b{name}\b", text)] == []


def test_a_run_costs_no_more_than_it_says(netdoc: Netdoc) -> None:
    done = netdoc("check", "-v")
    calls, kib = map(int, re.search(r"API: (\d+) calls, (\d+) KiB", done.stderr).groups())  # type: ignore[union-attr]
    probes = int(re.search(r"(\d+) probes", done.stderr)[1])  # type: ignore[index]
    assert 0 < calls <= MOST_CALLS
    assert 0 < kib <= MOST_KIB
    assert 0 < probes <= MOST_PROBES
