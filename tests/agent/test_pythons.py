# SPDX-License-Identifier: Apache-2.0
"""The agent under each Python that a debug image may have; those that are not on this machine are skipped by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.agent_process import ask, outcomes, run_agent
from tests.support.udp_servers import closed_port, healthy, silent, udp_server

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def python(version: str) -> Path | None:
    """Return the interpreter of that version: the running one, or pyenv's."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
    return found[-1] if found else None


@pytest.mark.parametrize("version", VERSIONS)
def test_smoke(version: str) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"Python {version} is not on this machine")
    with udp_server(healthy) as well, udp_server(silent) as deaf, closed_port() as closed:
        asks = [ask(0, well), ask(1, deaf, timeout=0.1), ask(2, closed), {"id": 3, "op": "no"}, ask(4, deaf)]
        first, second, third, fourth, fifth, _ = run_agent(asks, budget=0.8, python=interpreter)
    assert outcomes(first) == ["ok"] * 3
    assert outcomes(second) == ["timeout"] * 2
    assert outcomes(third) == ["refused"] * 2
    assert fourth["error"]
    assert fifth["error"]
