# SPDX-License-Identifier: Apache-2.0
"""Cases of each built-in check: a module a check, with a list called CASES."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from kubectl_netdoc import registry
from kubectl_netdoc.model import Check
from kubectl_netdoc.testing import Case


def registered() -> tuple[Check, ...]:
    """All built-in checks."""
    return registry.load().checks


def cases_of(check: str) -> list[Case]:
    """The cases of one check; a check without a module of cases fails here."""
    return cast("list[Case]", import_module(f"tests.checks.{check}").CASES)
