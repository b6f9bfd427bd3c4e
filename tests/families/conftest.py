# SPDX-License-Identifier: Apache-2.0
"""The lab of `make e2e-dual`: NETDOC_DUAL is its kubeconfig."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def lab() -> Lab:
    if "NETDOC_DUAL" not in os.environ:
        pytest.skip("no lab with two IP families: run make e2e-dual")
    return Lab(Path(os.environ["NETDOC_DUAL"]), "dual")


@pytest.fixture(scope="session")
def netdoc(lab: Lab) -> Netdoc:
    return Netdoc(lab)
