# SPDX-License-Identifier: Apache-2.0
"""Each refusal that CoreDNS 1.11 to 1.15 printed for the Corefiles of ``refusals/`` is read; ``refusals/record.py`` made them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc.formats.coredns_log import REFUSED, RELOAD_REFUSED, digest
from kubectl_netdoc.formats.corefile import KEPT
from kubectl_netdoc.formats.corefile_parser import parse
from kubectl_netdoc.formats.corefile_refusal import Refusal, Wrong

RECORDED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "refusals" / "recorded.json").read_text())
PRINTED = [(name, versions, text) for name, case in RECORDED.items() for versions, text in case["printed"].items()]
REFUSALS = [each for each in PRINTED if each[2] not in ("started", "nothing") and not RECORDED[each[0]].get("log")]
LISTENING = re.compile(r"\blisten (?:tcp|udp) ")

KINDS = {
    "unknown directive": Refusal(Wrong.PLUGIN, "Unknown directive 'loadbalnce'", "", "Corefile", 2),
    "error in an imported file": Refusal(Wrong.PLUGIN, "Unknown directive 'logg'", "", "a.override", 2),
    "brace not closed": Refusal(Wrong.BRACES, "Unexpected token 'errors', expecting '}'", "", "Corefile", 2),
    "import of a file that is missing": Refusal(
        Wrong.IMPORT, "File to import not found: /etc/coredns/missing.override", "", "Corefile", 2
    ),
    "forward, unknown property": Refusal(Wrong.OPTION, "unknown property 'spray'", "forward", "Corefile", 3),
    "forward without a target": Refusal(
        Wrong.ARGUMENTS, "Wrong argument count or unexpected line ending after '.'", "forward", "Corefile", 2
    ),
    "kubernetes, resyncperiod": Refusal(Wrong.OPTION, "unknown property 'resyncperiod'", "kubernetes", "Corefile", 3),
    "zone twice": Refusal(Wrong.ZONE, "cannot serve dns://example.org.:15301 - it is already defined"),
    "cache twice": Refusal(Wrong.TWICE, "this plugin can only be used once per Server Block", "cache"),
    "forward, expire without a unit": Refusal(Wrong.UNIT, 'time: missing unit in duration "10"', "forward"),
    "bind to an interface that is missing": Refusal(
        Wrong.LISTEN, 'not a valid IP address or interface name: "nodelocaldns"', "bind"
    ),
    "etcd, property with a secret": Refusal(Wrong.OPTION, "", "etcd", "Corefile", 3),
    "tls files missing": Refusal(Wrong.TLS, "", "tls"),
    "environment that is not set": Refusal(Wrong.NAME, 'invalid address: ""', "forward"),
}
GONE = ("upstream", "resyncperiod")


@pytest.mark.parametrize(("name", "versions", "text"), REFUSALS, ids=lambda value: str(value)[:40])
def test_each_refusal_is_read(name: str, versions: str, text: str) -> None:
    (cause,) = digest(text)
    assert cause.name == ("can't listen" if LISTENING.search(text) else REFUSED)
    if cause.refusal and cause.refusal.plugin and cause.refusal.plugin not in KEPT:
        assert "SECRET" not in repr(cause)


@pytest.mark.parametrize("name", KINDS)
def test_it_tells_which_plugin_where_and_what(name: str) -> None:
    for text in RECORDED[name]["printed"].values():
        assert [cause.refusal for cause in digest(text)] == [KINDS[name]]


@pytest.mark.parametrize("name", [name for name, case in RECORDED.items() if "then" in case and "in use" not in name])
def test_a_running_server_that_refuses_a_change_says_so(name: str) -> None:
    for text in RECORDED[name]["printed"].values():
        assert [cause.name for cause in digest(text)] == [RELOAD_REFUSED]
        assert digest(f"{text}\n[INFO] Reloading complete\n") == ()


@pytest.mark.parametrize("name", ["kubernetes, API refuses", "kubernetes, API silent"])
def test_an_api_server_that_is_not_reached_is_told_by_each_version(name: str) -> None:
    for text in RECORDED[name]["printed"].values():
        assert {cause.name for cause in digest(text)} & {"API unreachable", "API not read yet"}


def test_what_all_versions_start_with_the_parser_takes_and_what_the_parser_refuses_none_starts_with() -> None:
    """Files that a Corefile imports can't be seen."""
    for name, case in RECORDED.items():
        started = sum(len(versions.split()) for versions, text in case["printed"].items() if text == "started")
        if parse(case["corefile"]).problem and "then" not in case:
            assert (name, started) == (name, 0)
