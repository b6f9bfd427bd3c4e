# SPDX-License-Identifier: Apache-2.0
"""Traces recorded on the lab: those of faults by the fault's name, and those of healthy paths."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from bench.packets import Recorded

FOLDER = Path(__file__).parent.parent / "tracing"


def _read(name: str) -> dict[str, Recorded]:
    return msgspec.json.decode(gzip.decompress((FOLDER / name).read_bytes()), type=dict[str, Recorded])


RECORDED = _read("packets.json.gz")
HEALTHY = _read("healthy.json.gz")
