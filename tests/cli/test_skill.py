# SPDX-License-Identifier: Apache-2.0
"""The skill for agents: as the format wants it (agentskills.io: name and description), with commands that netdoc takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from kubectl_netdoc.cli.main import main

FILE = Path(__file__).parents[2] / "examples" / "skill" / "kubectl-netdoc" / "SKILL.md"
_, HEAD, TEXT = FILE.read_text().split("---\n", 2)
(BLOCK,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def test_its_head_is_what_the_format_wants() -> None:
    head = yaml.safe_load(HEAD)
    assert set(head) == {"name", "description"}
    assert head["name"] == FILE.parent.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", head["name"])
    assert 0 < len(head["description"]) <= 1024


@pytest.mark.parametrize("line", BLOCK.splitlines())
def test_netdoc_takes_its_commands(line: str) -> None:
    kubectl, netdoc, *words = shlex.split(line)
    assert (kubectl, netdoc) == ("kubectl", "netdoc")
    with main.make_context("netdoc", list(words)) as context:
        _, command, rest = main.resolve_command(context, list(words))
        assert command is not None
        command.make_context(command.name, rest)
