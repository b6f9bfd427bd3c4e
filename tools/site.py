# SPDX-License-Identifier: Apache-2.0
"""The generated pages of the site: one a check, one a code, their lists, and CONTRIBUTING.md. Hooks of MkDocs (mkdocs.yml).

Beside each page stands its Markdown, and llms.txt lists them (llmstxt.org): what a program reads instead of HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.finding import Code
from kubectl_netdoc.core.threshold import Threshold
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.report.check_pages import MACHINERY

ROOT = Path(__file__).parent.parent
FLAGS = {Tier.API: "the API", Tier.PODS: "debug pods", Tier.NODES: "`--node-checks`", Tier.PRIVILEGED: "`--privileged`"}
MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages; MkDocs calls this."""
    for path, content in pages():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> None:
    """Write a page's Markdown beside it; MkDocs calls this."""
    twin = Path(config.site_dir, page.file.src_uri)
    twin.parent.mkdir(parents=True, exist_ok=True)
    twin.write_text(markdown)


def on_post_build(config: Any) -> None:
    """Write the list of all Markdown; MkDocs calls this."""
    site = Path(config.site_dir)
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    for entry in config.nav:
        heading, places = next(iter(entry.items())) if isinstance(entry, dict) else ("Start here", [entry])
        lines += [f"## {heading}", "", *(f"- [{_title(site / place)}]({place})" for place in places), ""]
    codes = [(code.id, code.title) for check in registry.load().checks for code in check.codes]
    lines += ["## Every code", "", *(f"- [{name}](codes/{name}.md): {plain(title)}" for name, title in codes)]
    (site / "llms.txt").write_text("\n".join(lines) + "\n")


def _title(page: Path) -> str:
    """The first heading of a page."""
    return next(line.removeprefix("# ") for line in page.read_text().splitlines() if line.startswith("# "))


def pages() -> Iterator[tuple[str, str]]:
    """Yield each page with its place below docs/."""
    known = registry.load()
    causes: dict[str, list[str]] = {}
    for name, (_, cause) in sorted(known.codes.items()):
        for effect in sorted(cause.effects):
            causes.setdefault(effect, []).append(name)
    yield "checks/index.md", _checks(known.checks)
    yield "codes/index.md", _codes(known.checks)
    for check in known.checks:
        yield f"checks/{check.id}.md", _check(check)
        for code in check.codes:
            yield f"codes/{code.id}.md", _code(check, code, causes.get(code.id, []))
    for name, (title, text) in MACHINERY.items():
        yield f"codes/{name}.md", f"# {name}: {plain(title)}\n\n{plain(text)}\n"
    yield "contributing.md", (ROOT / "CONTRIBUTING.md").read_text().replace("](docs/", "](")


def plain(text: str) -> str:
    """Return a text with nothing in it that Markdown would act on."""
    return MARKS.sub(r"\\\1", text)


def _checks(checks: tuple[Check, ...]) -> str:
    rows = [f"| [`{check.id}`]({check.id}.md) | {plain(check.title)} | {FLAGS[check.needs.tier]} |" for check in checks]
    head = [
        "# Checks",
        "",
        "What each hopes to say, and from where it looks.",
        "",
        "| check | hopes that | from |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _codes(checks: tuple[Check, ...]) -> str:
    rows = [
        f"| [`{code.id}`]({code.id}.md) | {code.severity} | {plain(code.title)} | [`{check.id}`](../checks/{check.id}.md) |"
        for check in checks
        for code in check.codes
    ]
    rows += [f"| [`{name}`]({name}.md) | - | {plain(title)} | netdoc itself |" for name, (title, _) in MACHINERY.items()]
    return "# Codes\n\n| code | severity | what is wrong | found by |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _check(check: Check) -> str:
    kinds = ", ".join(f"`{kind.plural}`" for kind in check.needs.all_kinds)
    lines = [f"# {check.id}", "", f"**{plain(check.title)}.** Reads {kinds}; looks from {FLAGS[check.needs.tier]}.", ""]
    lines += ["| code | severity | what is wrong |", "|---|---|---|"]
    lines += [f"| [`{code.id}`](../codes/{code.id}.md) | {code.severity} | {plain(code.title)} |" for code in check.codes]
    if check.thresholds:
        lines += ["", "## Thresholds", "", f"`--threshold {check.id}.NAME=N`, or [`.netdoc.yaml`](../settings.md).", ""]
        lines += ["| name | default | it can be | source |", "|---|---|---|---|", *map(_threshold, check.thresholds)]
    return "\n".join([*lines, "", _page(check)]) + "\n"


def _threshold(item: Threshold) -> str:
    most = f"to {item.most:g}" if item.most != float("inf") else "or more"
    return f"| `{item.name}` | {item.default:g} {plain(item.unit)} | {item.least:g} {most} | {plain(item.source)} |"


def _page(check: Check) -> str:
    """The check's docstring less its first line, which is the question."""
    question, _, rest = check.doc.partition("\n")
    return f"*{plain(question)}*\n\n" + "\n".join(line if line.startswith("## ") else plain(line) for line in rest.splitlines())


def _code(check: Check, code: Code, causes: list[str]) -> str:
    lines = [f"# {code.id}: {plain(code.title)}", "", "| | |", "|---|---|"]
    lines += [f"| severity | {code.severity} |", f"| found by | [`{check.id}`](../checks/{check.id}.md) |"]
    lines += [
        f"| the fix's risk | {code.risk} |",
        f"| [failure catalogue](../failure-modes.md) | {', '.join(code.rows) or '-'} |",
    ]
    lines += ["", f"It says: {plain(code.message)}", "", f"**Fix.** {plain(code.fix)}", ""]
    if code.commands:
        lines += ["```sh", *code.commands, "```", ""]
    effects = sorted(code.effects)
    if effects:
        lines += ["Where both are found, it explains " + ", ".join(f"[{name}]({name}.md)" for name in effects) + ".", ""]
    if causes:
        lines += ["It is explained by " + ", ".join(f"[{name}]({name}.md)" for name in causes) + ".", ""]
    return "\n".join(lines) + "\n"
