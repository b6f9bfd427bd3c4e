# SPDX-License-Identifier: Apache-2.0
"""The verb trace over bundles that hold a trace recorded on the lab."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kubectl_netdoc.sources import bundle
from tests.checks.pod_network.packet_path import CASES
from tests.support.commandline import Netdoc, in_process

RECORDED = {case.name: case for case in CASES}


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def saved(folder: Path, name: str) -> Path:
    """Write the bundle of a case."""
    case = RECORDED[name]
    path = folder / "bundle.json"
    path.write_bytes(bundle.dump("the lab", case.cluster, case.measured, {}))
    return path


DROP = "fault raw-drop-target"
FINE = "healthy: between nodes"
ENDS = ("node/trace-worker", "node/trace-worker2")


def test_a_drop_is_shown_with_the_rule_and_its_commands(netdoc: Netdoc, tmp_path: Path) -> None:
    done = netdoc("trace", *ENDS, "--from", saved(tmp_path, DROP))
    assert done.code == 1
    assert "TRC001" in done.out
    assert "nft delete rule ip raw PREROUTING handle" in done.out
    shown = done.out.splitlines()
    assert not any("cni0" in line and "trace-worker2" in line for line in shown)


def test_a_healthy_path_names_nothing(netdoc: Netdoc, tmp_path: Path) -> None:
    done = netdoc("trace", *ENDS, "--from", saved(tmp_path, FINE))
    assert (done.code, "TRC" in done.out) == (0, False)
    assert done.out.count("6/6") == 16


def test_json_has_the_request_the_reply_and_the_finding(netdoc: Netdoc, tmp_path: Path) -> None:
    done = netdoc("trace", *ENDS, "--from", saved(tmp_path, DROP), "-o", "json")
    told = json.loads(done.out)
    assert [trace["arrived"] for trace in told["traces"]] == [False]
    assert [finding["code"] for finding in told["findings"]] == ["TRC001"]


class Tags(HTMLParser):
    """Counts tags."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1


def test_html_draws_a_box_for_each_hop_and_loads_nothing(netdoc: Netdoc, tmp_path: Path) -> None:
    done = netdoc("trace", *ENDS, "--from", saved(tmp_path, FINE), "-o", "html")
    tags = Tags()
    tags.feed(done.out)
    assert (tags.seen["svg"], tags.seen["rect"]) == (2, 16)
    assert not {"script", "link", "img", "iframe"} & tags.seen.keys()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("node/nobody", "node/trace-worker"), "nobody"),
        (("node/trace-worker", "10.9.9.9"), "port"),
        (("node/trace-worker", "10.9.9.9:80", "--protocol", "UDP"), "netdoc's own pods"),
        (("node/trace-worker", "node/trace-worker2", "-n", "a", "-n", "b"), "one -n"),
    ],
)
def test_what_can_not_be_traced_is_one_line(netdoc: Netdoc, tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    done = netdoc("trace", *arguments, "--from", saved(tmp_path, FINE))
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert what in done.err


def test_ends_that_were_not_traced_are_told(netdoc: Netdoc, tmp_path: Path) -> None:
    done = netdoc("trace", "node/trace-worker2", "node/trace-worker", "--from", saved(tmp_path, FINE))
    assert done.code == 4
    assert "not traced" in done.out


def test_an_anonymous_bundle_gives_the_same_verdict(netdoc: Netdoc, tmp_path: Path) -> None:
    path, other = saved(tmp_path, DROP), tmp_path / "other.json"
    assert netdoc("collect", other, "--from", path, "--anonymize").code == 0
    assert "trace-worker" not in other.read_text()
    told = json.loads(netdoc("check", "packet_path", "--from", other, "-o", "json").out)
    assert [finding["code"] for finding in told["findings"]] == ["TRC001"]
