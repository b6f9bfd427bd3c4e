# SPDX-License-Identifier: Apache-2.0
"""Cases of each built-in check: a module a check, in the folder of its topic, with a list called CASES."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

import kubectl_netdoc.checks
from kubectl_netdoc.core.check import Check
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case

CHECKS = Path(kubectl_netdoc.checks.__file__).parent
CASES = Path(__file__).parent


def registered() -> tuple[Check, ...]:
    """All built-in checks."""
    return registry.load().checks


def source_of(check: str) -> str:
    """The text of a check's file, or of all files of its folder."""
    (there,) = [path for path in CHECKS.glob(f"*/{check}*") if path.stem == check]
    return "\n".join(path.read_text() for path in (sorted(there.glob("*.py")) if there.is_dir() else [there]))


def cases_of(check: str) -> list[Case]:
    """The cases of one check; a check without a module of cases fails here."""
    (there,) = CASES.glob(f"*/{check}.py")
    return cast("list[Case]", import_module(f"tests.checks.{there.parent.name}.{check}").CASES)
