# SPDX-License-Identifier: Apache-2.0
"""Shows the progress of a run on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubectl_netdoc.core.progress import Progress


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show the progress of a run on stderr while the block runs; without a terminal only waits that take long."""
    import sys

    from kubectl_netdoc.cli.show import Plain, Show

    if not sys.stderr.isatty():
        yield Plain()
        return
    with Show() as show:
        yield show
