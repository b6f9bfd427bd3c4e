# SPDX-License-Identifier: Apache-2.0
"""Shows on stderr how far a run is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubectl_netdoc.core.progress import Progress


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show how far a run is, on stderr, while the block runs: a terminal sees it, a pipe or a file only what takes too long."""
    import sys

    from kubectl_netdoc.cli.show import Plain, Show

    if not sys.stderr.isatty():
        yield Plain()
        return
    with Show() as show:
        yield show
