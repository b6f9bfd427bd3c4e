# SPDX-License-Identifier: Apache-2.0
"""The plugins for k9s: as its schema wants them, and with commands that netdoc takes.

The rules are those of derailed/k9s: internal/config/json/schemas/plugins.json (fields), internal/view/env.go (variables).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kubectl_netdoc.cli.main import main

FILE = Path(__file__).parents[2] / "examples" / "k9s" / "plugins.yaml"
PLUGINS: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["plugins"]
TEXT, FLAG, TEXTS = {"type": "string"}, {"type": "boolean"}, {"type": "array", "items": {"type": "string"}}
PLUGIN = {
    "type": "object",
    "additionalProperties": False,
    "required": ["shortCut", "description", "scopes", "command"],
    "properties": {
        **dict.fromkeys(("shortCut", "description", "command"), TEXT),
        **dict.fromkeys(("override", "confirm", "dangerous", "background", "overwriteOutput"), FLAG),
        **dict.fromkeys(("scopes", "args"), TEXTS),
    },
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["plugins"],
    "properties": {"plugins": {"type": "object", "additionalProperties": PLUGIN}},
}
VALUES = {"CONTEXT": "arn:aws:eks:eu-1:1:cluster/a b'$(touch x)", "NAMESPACE": "shop", "NAME": "web-1"}
"""What k9s puts in; a context's name may be anything, and reaches no shell as its text."""


def test_the_file_is_what_k9s_takes() -> None:
    jsonschema.validate(yaml.safe_load(FILE.read_text()), SCHEMA)
    for plugin in PLUGINS.values():
        assert set(plugin["scopes"]) <= {"all", "pods", "services"}
        assert re.fullmatch(r"(Shift|Ctrl)-[A-Z]", plugin["shortCut"])


def test_no_key_means_two_things_in_one_view() -> None:
    keys = [(plugin["shortCut"], scope) for plugin in PLUGINS.values() for scope in plugin["scopes"]]
    assert len(keys) == len(set(keys))
    everywhere = {key for key, scope in keys if scope == "all"}
    assert everywhere.isdisjoint(key for key, scope in keys if scope != "all")


def filled(argument: str) -> str:
    """Return an argument as k9s passes it: an unknown variable is an error in k9s."""
    return re.sub(r"\$(!?[\w|-]+)", lambda found: VALUES[found[1]], argument)


@pytest.mark.parametrize("name", PLUGINS)
def test_the_command_runs_netdoc_with_what_it_takes(name: str, tmp_path: Path) -> None:
    for program, text in (("kubectl", 'printf "%s\\n" "$@" > "$OUT"'), ("less", "cat"), ("clear", ":")):
        (tmp_path / program).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / program).chmod(0o755)
    out = tmp_path / "said"
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "OUT": str(out)}
    command = [PLUGINS[name]["command"], *map(filled, PLUGINS[name]["args"])]
    subprocess.run(command, input=b"svc/db:5432\n", env=environment, check=True, cwd=tmp_path, timeout=30, capture_output=True)
    netdoc, verb, *arguments = out.read_text().splitlines()
    assert netdoc == "netdoc"
    with main.make_context("netdoc", [verb, *arguments]) as group:
        found = main.get_command(group, verb)
        assert found is not None
        flags = found.make_context(verb, list(arguments)).params
    assert flags["context"] == VALUES["CONTEXT"]
    ends = {"netdoc-why-from": ("pod/web-1", "svc/db:5432"), "netdoc-why-to": ("svc/db:5432", "svc/web-1")}
    if name in ends:
        assert (flags["source"], flags["destination"], flags["namespaces"]) == (*ends[name], ("shop",))
    else:
        assert flags["no_pods"]
