# SPDX-License-Identifier: Apache-2.0
"""docs/versions.md, made of the table of versions: ``python -m tools.versions_page`` writes it, a test compares it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kubectl_netdoc.versions import Change, Stage, Table, table

PAGE = Path(__file__).parent.parent / "docs" / "versions.md"
HEAD = """# What changes with which version

Made of `kubectl_netdoc/versions/table.toml` by `python -m tools.versions_page`: what netdoc decides or says by a version, and
nothing else of it knows versions. `check coming_changes` and `check kube_proxy_mode` tell what of it concerns a cluster.
"""


def page() -> str:
    """Return the page."""
    known = table()
    newest = ", ".join(f"{name} {version}" for name, version in known.newest.items())
    lines = [HEAD, f"Sources were read up to {newest}; what is to come with a later version is marked *planned*.", ""]
    for change in known.changes.values():
        lines += [f"## {change.what[0].upper()}{change.what[1:]}", "", *_rows(known, change), "", _sources(change), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _rows(known: Table, change: Change) -> Iterator[str]:
    yield f"| {change.of} | |"
    yield "|---|---|"
    for stage in change.stages.values():
        yield f"| {_since(stage)}{' *(planned)*' if known.planned(change, stage) else ''} | {stage.then} |"


def _since(stage: Stage) -> str:
    if stage.date:
        return f"{stage.date:%B %Y}"
    return stage.since if isinstance(stage.since, str) else ", ".join(stage.since)


def _sources(change: Change) -> str:
    return f"Read on {change.read:%Y-%m-%d}: {'; '.join(change.sources)}."


if __name__ == "__main__":
    PAGE.write_text(page())
