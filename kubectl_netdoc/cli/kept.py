# SPDX-License-Identifier: Apache-2.0
"""The folder of ``--keep``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubectl_netdoc.cli.source import warn_on_stderr

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report


def keep(reports: Iterable[Report], flags: Mapping[str, Any]) -> None:
    """Keep reports where the flags say; what can't be written is told, and costs nobody the report itself."""
    if not flags["keep"]:
        return
    from kubectl_netdoc.report import json
    from kubectl_netdoc.sources import SourceError
    from kubectl_netdoc.sources import reports as folder

    for report in reports:
        try:
            folder.keep(Path(flags["keep"]), report, json.render(report), flags["keep_last"])
        except SourceError as error:
            warn_on_stderr(str(error))
