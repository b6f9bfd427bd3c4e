# SPDX-License-Identifier: Apache-2.0
"""The story of a connection -> str."""

from __future__ import annotations

from dataclasses import asdict
from textwrap import wrap
from typing import Any

import msgspec

from kubectl_netdoc.report.policies import heredoc
from kubectl_netdoc.report.terminal import safe
from kubectl_netdoc.trial import Tried
from kubectl_netdoc.why import Story

WIDTH = 100


def render(story: Story, tried: list[Tried], form: str) -> str:
    """Return the story, and what became of tries, in a format."""
    return _json(story, tried) if form == "json" else _text(story, tried)


def _verdict(story: Story) -> str:
    if story.stopped:
        return f"No: {story.stopped.name} stops it."
    if story.answer == "unknown":
        return "Not sure: see what is unknown below."
    return "Yes, as far as objects and policies tell."


def _text(story: Story, tried: list[Tried]) -> str:
    lines = [safe(f"{story.question} {_verdict(story)}"), ""]
    for hop in story.hops:
        first, *rest = wrap(safe(hop.text), WIDTH - 19) or [""]
        lines.append(f"{hop.answer:<8} {hop.name:<9} {first}")
        lines += (f"{'':18} {line}" for line in rest)
    if story.fix:
        lines += ["", safe(story.fix.text)]
        lines += heredoc(story.fix.yaml) if story.fix.yaml else []
        lines += [f"  {safe(story.fix.command)}"] if story.fix.command else []
    if tried:
        lines += ["", "Tried"]
    for one in tried:
        mark = {True: "as predicted", False: "NOT AS PREDICTED", None: "unjudged"}[one.agrees]
        head = f"{one.vantage} -> {one.address}: {one.outcome or 'no answer to the question'}"
        lines.append(safe(f"  {head}; predicted: {one.predicted}; {mark}"))
        lines += (f"    {line}" for line in wrap(safe(one.meaning), WIDTH - 4))
    return "\n".join(lines) + "\n"


def _json(story: Story, tried: list[Tried]) -> str:
    whole: dict[str, Any] = {
        "question": str(story.question),
        "answer": story.answer,
        "hops": [{**asdict(hop), "answer": str(hop.answer).lower()} for hop in story.hops],
        "stopped_by": story.stopped.name if story.stopped else "",
        "ports": [{"protocol": name, "from_port": low, "to_port": high} for name, low, high in story.asked.ranges()],
        "fix": asdict(story.fix) if story.fix else None,
        "tried": [asdict(one) for one in tried],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
