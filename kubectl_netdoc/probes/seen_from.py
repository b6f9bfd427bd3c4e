# SPDX-License-Identifier: Apache-2.0
"""One condition that several nodes may see: a finding for each of them, or one without a node if all of them see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec

from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.finding import Code, Finding, Subject

SeenFrom = tuple[str, dict[str, object]]
"""A node and the evidence of the condition there."""


def findings(
    code: Code,
    subject: Subject,
    seen: Sequence[SeenFrom],
    measured: int,
    commands: Callable[[list[str]], tuple[str, ...]] | None = None,
) -> Iterator[Finding]:
    """Yield the findings of a condition; ``measured``: how many nodes could have seen it.

    A finding for all nodes has the evidence of the first one, and the ``paths`` of all. ``commands``: command templates for
    nodes, in place of the code's own.
    """
    if len(seen) == measured > 1:
        nodes, evidence = [node for node, _ in seen], dict(seen[0][1])
        if any("paths" in each for _, each in seen):
            evidence["paths"] = sorted({path for _, each in seen for path in cast("list[NodePath]", each.get("paths", []))})
        yield code.on(subject, evidence, commands=commands(nodes) if commands else None, nodes=nodes)
        return
    for node, evidence in seen:
        there = msgspec.structs.replace(subject, node=node)
        yield code.on(there, evidence, commands=commands([node]) if commands else None, nodes=[node])
