# SPDX-License-Identifier: Apache-2.0
"""The pages of checks and codes, made from the check's own file only."""

from __future__ import annotations

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.finding import Code
from kubectl_netdoc.core.threshold import Threshold
from kubectl_netdoc.engine.registry import Registry, UnknownName

MACHINERY = {
    "NET001": (
        "A plugin that could not be loaded",
        (
            "A package that provides checks could not be imported, or a module in it has no value named 'check' of type "
            "Check.\nThe other checks still run. Fix the plugin, or uninstall its distribution with pip."
        ),
    ),
    "NET002": (
        "A check that crashed",
        (
            "The check raised an exception, which the report names with file and line. The other checks still run and the "
            "exit\ncode is 4. For a built-in check please file an issue with a bundle: kubectl netdoc collect"
        ),
    ),
    "NET003": (
        "A list that is forbidden",
        (
            "The API server refused a list. Checks that require it are skipped; checks for which it is optional are at "
            "best\n'unknown'. The report names the missing RBAC right."
        ),
    ),
}
"""Pages of what can go wrong with netdoc itself."""


def page(known: Registry, name: str) -> str:
    """Return the page of a check or code, upper or lower case; raises ``UnknownName``."""
    checks = {check.id: check for check in known.checks}
    codes = known.codes
    if name.lower() in checks:
        return _check_page(checks[name.lower()])
    if name.upper() in codes:
        return _code_page(*codes[name.upper()])
    if name.upper() in MACHINERY:
        title, text = MACHINERY[name.upper()]
        return f"{name.upper()}: {title}\n\n{text}"
    raise UnknownName("check or code", name, [*checks, *codes, *MACHINERY])


def _check_page(check: Check) -> str:
    codes = "\n".join(f"  {code.id}  {code.severity:4}  {code.title}" for code in check.codes)
    kinds = ", ".join(kind.plural for kind in check.needs.all_kinds)
    head = f"{check.id}: {check.title}\n\nReads: {kinds}\nMeasures from: {check.needs.tier}\n\nCodes:\n{codes}"
    thresholds = "".join(f"\n  {_threshold(item)}" for item in check.thresholds)
    head += f"\n\nThresholds (--threshold {check.id}.NAME=N, or .netdoc.yaml):{thresholds}" if thresholds else ""
    return f"{head}\n\n{check.doc}"


def _threshold(item: Threshold) -> str:
    """Return a line about a threshold: its default, its range, and the source of the default."""
    most = f"to {item.most:g}" if item.most != float("inf") else "or more"
    return f"{item.name} = {item.default:g} {item.unit} ({item.least:g} {most}): {item.source}"


def _code_page(check: Check, code: Code) -> str:
    lines = [
        f"{code.id}: {code.title}",
        "",
        f"Severity: {code.severity}",
        f"Found by: {check.id} (kubectl netdoc explain {check.id})",
        f"Failure catalogue: {', '.join(code.rows) or '-'}",
        "",
        f"Message:  {code.message}",
        f"Fix:      {code.fix}",
        f"Risk:     {code.risk}",
        *(f"          {command}" for command in code.commands),
    ]
    if code.explains:
        effects = ", ".join(sorted(code.effects))
        lines += ["", f"If both are found, explains: {effects}"]
    return "\n".join([*lines, "", check.doc])
