# SPDX-License-Identifier: Apache-2.0
"""popeye: lints what is deployed, every linter of it, in all namespaces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from bench.peers.peer import Complaint, Go, Peer

LEVELS = ("", "info", "warning", "error")


def parse(printed: str) -> Iterator[Complaint]:
    """Every issue that it does not call fine; its codes stand in brackets before the message."""
    for section in json.loads(printed)["popeye"].get("sections") or ():
        for name, issues in (section.get("issues") or {}).items():
            for issue in issues:
                if LEVELS[issue["level"]]:
                    code, message = re.fullmatch(r"(?:\[(POP-\d+)\] )?(.*)", issue["message"], re.S).groups("")  # type: ignore[union-attr]
                    yield Complaint(code, f"{section['linter']}/{name}", LEVELS[issue["level"]], message)


POPEYE = Peer("popeye", "v0.22.1", Go("github.com/derailed/popeye"), (("-A", "-o", "json", "--force-exit-zero"),), parse)
