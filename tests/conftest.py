# SPDX-License-Identifier: Apache-2.0
"""Fixtures of several test files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.kubeconfigs import FakeApi, fake_api

settings.register_profile("netdoc", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no judge of a busy machine
settings.load_profile("netdoc")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """An API server with scripted answers."""
    with fake_api() as server:
        yield server
