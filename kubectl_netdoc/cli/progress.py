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

    if not sys.stderr.isatty():
        from kubectl_netdoc.cli.plain import Plain

        yield Plain()
        return
    from kubectl_netdoc.cli.show import Show

    with Show() as show:
        yield show
