# SPDX-License-Identifier: Apache-2.0
"""Draws docs/run.svg: what a terminal shows of `kubectl netdoc check` on the demo bundle.

python tools/picture.py [FILE]
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import msgspec
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.report import text
from kubectl_netdoc.sources import bundle

ROOT = Path(__file__).parent.parent
DEMO = "demo/kube-proxy-hung.json"
WIDTH = 80


def picture() -> str:
    """Return the SVG. The seconds are those of reading a file: none."""
    known = registry.load()
    report = run.run(bundle.load((ROOT / DEMO).read_bytes(), DEMO), known, known.checks).report
    lines = text.render(msgspec.structs.replace(report, seconds=0.0), Severity.WARN, colour=True, width=WIDTH).splitlines()
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(Text(f"$ kubectl netdoc check --from {DEMO}", "bold"))
    for line in lines:
        console.print(Text.from_ansi(line))
    plain = re.sub(r"\s*@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # a picture that loads nothing
    plain = re.sub(r"<!--.*?-->", "", plain).replace("Fira Code", "ui-monospace")
    return console.export_svg(title="kubectl netdoc", unique_id="netdoc", code_format=plain)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "run.svg").write_text(picture())
