# SPDX-License-Identifier: Apache-2.0
"""The story of a connection -> str."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec

from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.reachability.probe import Tried
from kubectl_netdoc.reachability.story import Hop, Story
from kubectl_netdoc.report import text
from kubectl_netdoc.report.layout import wrapped
from kubectl_netdoc.report.policies import heredoc

WIDTH = 100
INDENT = 19


def render(story: Story, tried: list[Tried], form: str) -> str:
    """Return the story, and what became of tries, in a format."""
    return _json(story, tried) if form == "json" else "\n".join(_text(story, tried)) + "\n"


def _verdict(story: Story) -> str:
    if story.stopped:
        return f"No: {_at(story, story.stopped)} {_verb('stop', (story.stopped,))} it."
    if story.weakened:
        hops = tuple(hop for hop in story.weakened if _roots(story, hop)) or story.weakened
        return f"Not reliably: {', '.join(_at(story, hop) for hop in hops)} {_verb('weaken', hops)} it."
    if story.answer == "unknown":
        return "Not sure: see what is unknown below."
    if story.opened:
        verb = "deny" if len(story.opened.policies) > 1 else "denies"
        by = ", ".join(story.opened.policies)
        return f"Yes, though {by} {verb} it: nothing enforces that{_codes(story, story.opened)}."
    return f"Yes, as far as objects{', policies and measurements' if story.measured else ' and policies'} tell."


def _verb(verb: str, hops: tuple[Hop, ...]) -> str:
    return verb if len(hops) > 1 or hops[0].name == "endpoints" else f"{verb}s"


def _roots(story: Story, hop: Hop) -> list[str]:
    """The codes of a hop that nothing else on the way explains."""
    causes = {finding.code for finding in story.causes}
    return [code for code in hop.codes if code in causes]


def _at(story: Story, hop: Hop) -> str:
    return f"{hop.name}{_codes(story, hop)}"


def _codes(story: Story, hop: Hop) -> str:
    """The codes to name: of causes, or of effects whose cause stands at another hop."""
    codes = _roots(story, hop) or hop.codes
    return f" ({', '.join(codes)})" if codes else ""


def _text(story: Story, tried: list[Tried]) -> Iterator[str]:
    yield safe(f"{story.question} {_verdict(story)}")
    yield ""
    for hop in story.hops:
        yield from _hop(hop)
    for finding in story.causes:
        yield ""
        yield from text.block(finding, story.struck, WIDTH)
    told = story.stopped is not None and bool(story.stopped.codes)  # whose fixes stand above
    if story.fix and (story.fix.yaml or not told):
        yield from ("", safe(story.fix.text))
        yield from heredoc(story.fix.yaml) if story.fix.yaml else []
        yield from [f"  {safe(story.fix.command)}"] if story.fix.command else []
    yield from _tries(tried)


def _hop(hop: Hop) -> Iterator[str]:
    yield from wrapped(hop.text, WIDTH, f"{hop.answer:<8} {hop.name:<9} ", " " * INDENT)
    notes = [f"measured: {line}" for line in hop.measured]
    notes += (f"{each.finding.severity} {each.finding.code} {each.finding.subject} {each.effect}" for each in hop.findings)
    for note in notes:
        yield from wrapped(note, WIDTH, " " * INDENT, " " * (INDENT + 2))


def _tries(tried: list[Tried]) -> Iterator[str]:
    yield from ["", "Tried"] if tried else []
    for one in tried:
        mark = {True: "as predicted", False: "NOT AS PREDICTED", None: "unjudged"}[one.agrees]
        head = f"{one.vantage} -> {one.address}: {one.outcome or 'no answer to the question'}"
        yield safe(f"  {head}; predicted: {one.predicted}; {mark}")
        yield from wrapped(one.meaning, WIDTH, "    ", "    ")


def _json(story: Story, tried: list[Tried]) -> str:
    whole: dict[str, Any] = {
        "question": str(story.question),
        "answer": story.answer,
        "hops": [_built(hop) for hop in story.hops],
        "stopped_by": story.stopped.name if story.stopped else "",
        "weakened_by": [hop.name for hop in story.weakened],
        "codes": story.codes,
        "findings": story.struck,
        "ports": [{"protocol": name, "from_port": low, "to_port": high} for name, low, high in story.asked.ranges()],
        "fix": asdict(story.fix) if story.fix else None,
        "tried": [asdict(one) for one in tried],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _built(hop: Hop) -> dict[str, Any]:
    return {
        "name": hop.name,
        "answer": str(hop.answer).lower(),
        "text": hop.text,
        "policies": hop.policies,
        "measured": hop.measured,
        "findings": [
            {
                "code": each.finding.code,
                "severity": each.finding.severity,
                "subject": str(each.finding.subject),
                "id": each.finding.id,
                "effect": each.effect.name.lower(),
            }
            for each in hop.findings
        ],
    }
