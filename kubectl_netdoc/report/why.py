# SPDX-License-Identifier: Apache-2.0
"""The explanation of a connection, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.reachability.explanation import Explanation, Hop
from kubectl_netdoc.reachability.probe import ProbeResult
from kubectl_netdoc.report import text
from kubectl_netdoc.report.layout import wrapped
from kubectl_netdoc.report.policies import heredoc

WIDTH = 100
INDENT = 19


def render(explanation: Explanation, tried: list[ProbeResult], form: str) -> str:
    """Return the explanation and the results of tries in a format."""
    return _json(explanation, tried) if form == "json" else "\n".join(_text(explanation, tried)) + "\n"


def _verdict(explanation: Explanation) -> str:
    if explanation.stopped:
        return f"No: {_at(explanation, explanation.stopped)} {_verb('stop', (explanation.stopped,))} it."
    if explanation.weakened:
        hops = tuple(hop for hop in explanation.weakened if _roots(explanation, hop)) or explanation.weakened
        return f"Not reliably: {', '.join(_at(explanation, hop) for hop in hops)} {_verb('weaken', hops)} it."
    if explanation.answer == "unknown":
        return "Unknown: see the hops marked unknown below."
    if explanation.opened:
        verb = "deny" if len(explanation.opened.policies) > 1 else "denies"
        by = ", ".join(explanation.opened.policies)
        return f"Yes, although {by} {verb} it: nothing enforces the policy{_codes(explanation, explanation.opened)}."
    return f"Yes, as far as objects{', policies and measurements' if explanation.measured else ' and policies'} show."


def _verb(verb: str, hops: tuple[Hop, ...]) -> str:
    return verb if len(hops) > 1 or hops[0].name == "endpoints" else f"{verb}s"


def _roots(explanation: Explanation, hop: Hop) -> list[str]:
    """Return the codes of a hop that nothing else on the path explains."""
    causes = {finding.code for finding in explanation.causes}
    return [code for code in hop.codes if code in causes]


def _at(explanation: Explanation, hop: Hop) -> str:
    return f"{hop.name}{_codes(explanation, hop)}"


def _codes(explanation: Explanation, hop: Hop) -> str:
    """Return the codes to name: those of causes, or of effects whose cause is at another hop."""
    codes = _roots(explanation, hop) or hop.codes
    return f" ({', '.join(codes)})" if codes else ""


def _text(explanation: Explanation, tried: list[ProbeResult]) -> Iterator[str]:
    yield safe(f"{explanation.question} {_verdict(explanation)}")
    yield ""
    for hop in explanation.hops:
        yield from _hop(hop)
    for finding in explanation.causes:
        yield ""
        yield from text.block(finding, explanation.findings, WIDTH)
    told = explanation.stopped is not None and bool(explanation.stopped.codes)  # their fixes are printed above
    if explanation.fix and (explanation.fix.yaml or not told):
        yield from ("", safe(explanation.fix.text))
        yield from heredoc(explanation.fix.yaml) if explanation.fix.yaml else []
        yield from [f"  {safe(explanation.fix.command)}"] if explanation.fix.command else []
    yield from _tries(tried)


def _hop(hop: Hop) -> Iterator[str]:
    yield from wrapped(hop.text, WIDTH, f"{hop.answer:<8} {hop.name:<9} ", " " * INDENT)
    notes = [f"measured: {line}" for line in hop.measured]
    notes += (f"{each.finding.severity} {each.finding.code} {each.finding.subject} {each.effect}" for each in hop.findings)
    for note in notes:
        yield from wrapped(note, WIDTH, " " * INDENT, " " * (INDENT + 2))


def _tries(tried: list[ProbeResult]) -> Iterator[str]:
    yield from ["", "Tried"] if tried else []
    for one in tried:
        mark = {True: "as predicted", False: "NOT AS PREDICTED", None: "unjudged"}[one.agrees]
        head = f"{one.vantage} -> {one.address}: {one.outcome or 'no usable answer'}"
        yield safe(f"  {head}; predicted: {one.predicted}; {mark}")
        yield from wrapped(one.meaning, WIDTH, "    ", "    ")


def _json(explanation: Explanation, tried: list[ProbeResult]) -> str:
    whole: dict[str, Any] = {
        "question": str(explanation.question),
        "answer": explanation.answer,
        "hops": [_built(hop) for hop in explanation.hops],
        "stopped_by": explanation.stopped.name if explanation.stopped else "",
        "weakened_by": [hop.name for hop in explanation.weakened],
        "codes": explanation.codes,
        "findings": explanation.findings,
        "ports": [{"protocol": name, "from_port": low, "to_port": high} for name, low, high in explanation.asked.ranges()],
        "fix": explanation.fix,
        "tried": tried,
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
