# SPDX-License-Identifier: Apache-2.0
"""What the cases of endpoint_slices, sets of codes and subjects, don't show: the commands that mend a hand-made slice."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_netdoc.checks.services.endpoint_slices import check
from kubectl_netdoc.probes.service_targets import MIRRORING_CONTROLLER
from kubectl_netdoc.testing import make_cluster, outcome
from tests.checks.services._handmade_slices import NODES, OUTSIDE, TWO, _service, _slice

UNNAMED: dict[str, Any] = {"ports": [{"name": "", "port": 5432}]}
PATCH = '[{"op":"test","path":"/ports/0/name","value":""},{"op":"replace","path":"/ports/0/name","value":"http"}]'


@pytest.mark.parametrize(
    ("name", "slices", "patched"),
    [
        ("one port", (_slice(OUTSIDE, **UNNAMED),), True),
        ("a mirrored slice is written again", (_slice(OUTSIDE, by=MIRRORING_CONTROLLER, **UNNAMED),), False),
        ("two slices", (_slice(OUTSIDE, **UNNAMED), _slice(OUTSIDE, name="db-2", **UNNAMED)), False),
        ("two ports that may be meant", (_slice(OUTSIDE, ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}]),), False),
        ("another protocol", (_slice(OUTSIDE, ports=[{"name": "http", "port": 5432, "protocol": "UDP"}]),), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_port_without_its_name_is_named_by_a_command(name: str, slices: Any, patched: bool) -> None:
    (found,) = outcome(check, make_cluster(*NODES, _service(), *slices)).findings
    assert found.code == "EPS005"
    lines = [line for line in found.commands if " patch " in line]
    assert lines == ([f"kubectl -n shop patch endpointslice db-1 --type json -p '{PATCH}'"] if patched else [])


def test_of_two_ports_the_one_that_is_lacking_is_named() -> None:
    ports = [{"name": "http", "port": 5432}, {"name": "adm", "port": 81}]
    (found,) = outcome(check, make_cluster(*NODES, _service(TWO), _slice(OUTSIDE, ports=ports))).findings
    assert found.code == "EPS006"
    assert '"path":"/ports/1/name","value":"admin"' in found.commands[-1]
