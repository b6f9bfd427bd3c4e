# SPDX-License-Identifier: Apache-2.0
"""A real API server for this folder's tests; they need the lab's binaries, and no cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_api_server import RealServer, real_api_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    with real_api_server(tmp_path) as running:
        yield running
