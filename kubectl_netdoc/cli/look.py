# SPDX-License-Identifier: Apache-2.0
"""One run as the flags of ``check`` say, as often as it is wanted, of the cluster that they select or of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kubectl_netdoc.cli.selection import choose_checks, read_settings, selected
from kubectl_netdoc.cli.source import live_source, offline_source

if TYPE_CHECKING:
    from kubectl_netdoc.core.progress import Progress
    from kubectl_netdoc.engine.run import Run
    from kubectl_netdoc.sources import Source
    from kubectl_netdoc.sources.live.kubeconfig import Kubeconfig
    from kubectl_netdoc.sources.live.source import LiveSource


class Look:
    """What to run: the checks, what the user selected, and the settings. Raises ``click.UsageError`` for what can't be meant.

    Settings are read for each run anew: what is ignored until a day is so until that day.
    """

    def __init__(self, checks: tuple[str, ...], flags: Mapping[str, Any]) -> None:
        self.flags = flags
        self._registry, self._chosen = choose_checks(checks, flags["only"], flags["skip"])
        self._wanted = selected(checks, flags)
        read_settings(flags, self._registry)

    def live(
        self, progress: Progress | None = None, kubeconfig: Kubeconfig | None = None, **instead: Any
    ) -> tuple[LiveSource, Run]:
        """Run on the cluster of the flags, with some of them replaced; raises ``SourceError``."""
        source = live_source({**self.flags, **instead}, progress, kubeconfig)
        return source, self._run(source, progress)

    def offline(self, path: str, progress: Progress | None = None) -> tuple[Source, Run]:
        """Run on what a file or folder holds; raises ``SourceError``."""
        source = offline_source(path, self.flags)
        return source, self._run(source, progress)

    def _run(self, source: Source, progress: Progress | None) -> Run:
        from kubectl_netdoc.engine.run import run

        settings = read_settings(self.flags, self._registry)
        return run(source, self._registry, self._chosen, progress, self._wanted, settings)
