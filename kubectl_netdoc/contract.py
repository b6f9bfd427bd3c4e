# SPDX-License-Identifier: Apache-2.0
"""What every check must keep to, as functions that return what is wrong; plugins test themselves with ``violations``."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from kubectl_netdoc.components.command_selectors import fitted
from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.core.finding import Code, Finding
from kubectl_netdoc.measurements.made import made_for
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.kinds import KINDS, POD
from kubectl_netdoc.remediation import commands
from kubectl_netdoc.remediation.commands import Risk
from kubectl_netdoc.testing import Case, make_cluster, outcome

SECTIONS = ("## What it looks at", "## Why it matters", "## What it can't see", "## Sources")
BANNED = frozenset({"kubernetes", "click", "socket", "subprocess", "os", "time", "requests", "urllib3", "threading"})
"""Modules through which a check could see a client, a socket, a process or a clock."""

PUBLIC = frozenset({"api", "checks", "cni", "components", "policy", "probes", "routing", "tracing", "versions"})
"""What checks, built-in ones and plugins, may import of netdoc; ``checks``: the parts of a built-in check."""

Rule = Callable[[Check, Sequence[Case], str], Iterable[str]]


def violations(check: Check, cases: Sequence[Case], source: str) -> list[str]:
    """Return what is wrong with a check, given its test cases and the text of its file; "" if all is well."""
    return [f"{rule.__name__}: {problem}" for rule in RULES for problem in rule(check, cases, source)]


def named_like_its_file(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """The id is a lower-case word; the registry test holds it against the file's name."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{2,30}", check.id):
        yield f"id {check.id!r} is no lower_case_name"
    if not check.title.strip() or check.title.endswith("."):
        yield "title is empty or ends with a full stop"


def documented(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """The module's docstring is its page, with every section filled."""
    for section, following in zip(SECTIONS, (*SECTIONS[1:], None), strict=True):
        _, found, rest = check.doc.partition(section)
        text = rest.split(following)[0] if following else rest
        if not found or len(text.split()) < 3:
            yield f"the page lacks {section!r} or says nothing under it"


def codes_well_formed(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Ids are the check's prefix and three digits, once each; every code has a title, a sentence and a fix."""
    ids = [code.id for code in check.codes]
    for code in check.codes:
        if not re.fullmatch(re.escape(check.prefix) + r"\d{3}", code.id) or ids.count(code.id) > 1:
            yield f"{code.id}: not {check.prefix} and three digits, or there twice"
        if not (code.title and code.message and code.fix):
            yield f"{code.id}: lacks a title, a message or a fix"


def thresholds_well_formed(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Names are lower-case words, once each; the default lies within the bounds; unit and source are told."""
    names = [item.name for item in check.thresholds]
    for item in check.thresholds:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", item.name) or names.count(item.name) > 1:
            yield f"threshold {item.name!r}: no lower_case_name, or there twice"
        if not item.least <= item.default <= item.most:
            yield f"threshold {item.name}: its default {item.default:g} is not within {item.least:g} to {item.most:g}"
        if not (item.unit and item.source):
            yield f"threshold {item.name}: lacks a unit or a source"


def needs_are_known(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Every kind is one that netdoc can read, named once."""
    names = [kind.name for kind in check.needs.kinds + check.needs.optional]
    names += (kind.name for kind in check.needs.hints if kind.name not in KINDS)
    for name in sorted({name for name in names if names.count(name) > 1 or name not in KINDS}):
        yield f"needs {name}, which is unknown or named twice"


def needs_are_touched(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """What the check declares is what it touches in its cases: either the needs are wrong or the cases don't suffice."""
    touched: set[str] = set()
    for case in cases:
        view = case.cluster.view(check.needs.all_kinds)
        _listed(check.plan, view)
        _listed(check.analyse, Facts(view, case.measured))
        touched |= view.touched
    for name in sorted({kind.name for kind in check.needs.kinds + check.needs.optional} - touched):
        yield f"declares {name} and never touches it in its cases"


def makes_what_it_declares(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """What the check declares to make in the cluster is what its plans need in its cases."""
    plans = [_listed(check.plan, case.cluster.view(check.needs.all_kinds)) for case in cases]
    made = made_for(request for plan in plans for request in plan)
    for name in sorted(made - check.needs.all_made):
        yield f"its plan needs {name} to be made, which it does not declare (Needs.makes)"
    for name in sorted(set(check.needs.makes) - made):
        yield f"declares to make {name}, which no case's plan needs"


def cases_do_not_crash(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """No case makes the check raise; an undeclared kind would."""
    for case in cases:
        error = outcome(check, case.cluster, case.measured).error
        if error:
            yield f"case {case.name!r}: {error}"


def every_code_is_produced(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Each code comes out of at least one case, and nothing comes out that the check does not list."""
    produced = {finding.code for finding in _findings(check, cases)}
    known = {code.id for code in check.codes}
    for code in sorted(known ^ produced):
        yield f"{code}: " + ("no case produces it" if code in known else "produced but not among the check's codes")


def evidence_fits(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Every placeholder of a code is evidence that all its findings carry, and no text is left unfilled."""
    codes = {code.id: code for code in check.codes}
    for finding in _findings(check, cases):
        lacking = codes[finding.code].placeholders() - finding.evidence.keys() if finding.code in codes else set()
        if lacking:
            yield f"{finding.code}: evidence lacks {', '.join(sorted(lacking))}"
        if not finding.evidence and _has_numbers(codes.get(finding.code)):
            yield f"{finding.code}: a finding without evidence"


CHAINS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
"""Names of iptables' own chains, which look like names that are left to be filled in."""


def commands_can_be_pasted(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Each command is kubectl's or a shell pipe's, has every name filled in, and is the same in bash and in zsh."""
    for command in sorted({command for finding in _findings(check, cases) for command in finding.commands}):
        try:
            words = commands.argv(command)
        except ValueError as error:
            yield f"{command}: {error}"
            continue
        if left := commands.bare(command):
            yield f"{command}: {left!r} stands outside quotes"
        names = [word for word in words if word not in CHAINS]
        if not command.startswith("kubectl ") or any(re.fullmatch(r"<.*>|[A-Z][A-Z_]+(/.*)?", word) for word in names):
            yield f"{command}: not kubectl's, or a name is left to be filled in"


def selectors_match(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """A selector of pods in a command, as it is printed, selects a pod of the cluster, where its pods could be read."""
    for case in cases:
        pods = list(case.cluster.index.items(POD))
        if not case.cluster.index.readable(POD) or case.cluster.scope.namespaces:
            continue
        told = [fitted(finding, case.cluster) for finding in outcome(check, case.cluster, case.measured).findings]
        for command in sorted({command for finding in told for command in finding.commands}):
            labels = _selected_pods(command)
            if labels and not any(labels.items() <= pod.metadata.labels.items() for pod in pods):
                yield f"case {case.name!r}: {command}: no pod has these labels"


def risk_is_told(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """No command of a code disturbs more than the code's risk says."""
    for finding in _findings(check, cases):
        worst = max(map(_risk, finding.commands), default=-1)
        if worst > list(Risk).index(finding.risk):
            yield f"{finding.code}: its commands are {list(Risk)[worst]!r}, not {finding.risk!r}"


def healthy_is_silent(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """At least one case expects nothing above info: a check that always speaks is no check."""
    if not any(not [f for f in _findings(check, [case]) if f.severity != "info"] for case in cases):
        yield "no case in which the check is silent"


def empty_facts_are_survived(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """An empty cluster, and one in which nothing was collected, raise nothing."""
    for name, cluster in (("empty", make_cluster()), ("uncollected", Cluster({}))):
        error = outcome(check, cluster, Measured(why_unmeasured="nothing measured")).error
        if error:
            yield f"{name} facts: {error}"


def plan_is_pure(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """The same cluster gives the same plan, and its requests are hashable and survive JSON."""
    for case in cases:
        plans = [_listed(check.plan, case.cluster.view(check.needs.all_kinds)) for _ in range(2)]
        if plans[0] != plans[1]:
            yield f"case {case.name!r}: two plans differ"
        for request in plans[0]:
            if not isinstance(request, Request) or _over_json(request) != request or hash(request) is None:
                yield f"case {case.name!r}: {request!r} does not survive JSON"


def imports_nothing_banned(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """A check sees facts: no client, no socket, no process, no clock."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.split(".")[0] in BANNED:
                yield f"imports {name}"


def stands_on_the_public_rooms(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """Of netdoc, a check imports only what is meant for checks, and its own parts."""
    for node in ast.walk(ast.parse(source)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            bare = node.module == "kubectl_netdoc"
            modules = [f"{node.module}.{alias.name}" for alias in node.names] if bare else [node.module]
        for module in modules:
            package, _, rest = module.partition(".")
            if package == "kubectl_netdoc" and rest.split(".")[0] not in PUBLIC:
                yield f"imports {module}, which is not meant for checks"


def small(check: Check, cases: Sequence[Case], source: str) -> Iterable[str]:
    """No function is longer than 40 lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 40:
            yield f"function {node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines"


RULES: tuple[Rule, ...] = (
    named_like_its_file,
    documented,
    codes_well_formed,
    thresholds_well_formed,
    needs_are_known,
    needs_are_touched,
    makes_what_it_declares,
    cases_do_not_crash,
    every_code_is_produced,
    evidence_fits,
    commands_can_be_pasted,
    selectors_match,
    risk_is_told,
    healthy_is_silent,
    empty_facts_are_survived,
    plan_is_pure,
    imports_nothing_banned,
    stands_on_the_public_rooms,
    small,
)


def _findings(check: Check, cases: Sequence[Case]) -> list[Finding]:
    return [finding for case in cases for finding in outcome(check, case.cluster, case.measured).findings]


def _selected_pods(command: str) -> dict[str, str]:
    """The labels by which kubectl selects pods in a command; "" if it does not."""
    words = command.split("|")[0].split()
    pods = "logs" in words or {"pod", "pods"} & set(words)
    selector = next((after.strip("'") for word, after in pairwise(words) if word == "-l"), "")
    return dict(pair.split("=", 1) for pair in selector.split(",") if "=" in pair) if pods else {}


def _risk(command: str) -> int:
    """Where a command's risk stands in their order; -1 if it only reads, or can't be parsed."""
    try:
        found = commands.risk(command)
    except ValueError:
        return -1
    return -1 if found is None else list(Risk).index(found)


def _has_numbers(code: Code | None) -> bool:
    return code is not None and any(name for text in (code.message,) for _, name, _, _ in string.Formatter().parse(text) if name)


def _over_json(request: Request) -> Any:
    return msgspec.json.decode(msgspec.json.encode(request), type=Request)


def _listed(function: Callable[[Any], Iterable[Any]], argument: Any) -> list[Any]:
    try:
        return list(function(argument))
    except Exception:  # what raises is reported by other rules
        return []
