# SPDX-License-Identifier: Apache-2.0
"""The words of netdoc as values: Check, Code, Severity, Subject, Finding, State, Report."""

from __future__ import annotations

import shlex
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from kubectl_netdoc.commands import Risk, argv

if TYPE_CHECKING:
    from kubectl_netdoc.cluster import Cluster
    from kubectl_netdoc.facts import Facts
    from kubectl_netdoc.records import Kind
    from kubectl_netdoc.requests import Request

Scalar = str | int | float | bool
Evidence = dict[str, Scalar | list[str]]

REPORT_VERSION = 1
"""Version of the report's JSON; raised when a field changes its meaning or goes."""


class Severity(StrEnum):
    """How much a condition matters: broken now; will break or already hurts; advice."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


class State(StrEnum):
    """What became of a check. ``unknown``: asked, no usable answer. ``skipped``: not asked, with the reason."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CRASHED = "crashed"


class Tier(StrEnum):
    """Where a check measures from, each tier a superset of the one before (design.md §4)."""

    API = "api"
    PODS = "pods"
    NODES = "nodes"
    PRIVILEGED = "privileged"

    def covers(self, other: Tier) -> bool:
        """Whether this is ``other`` or a superset of it."""
        order = list(Tier)
        return order.index(self) >= order.index(other)


class Subject(Struct, frozen=True, order=True, omit_defaults=True):
    """What a finding is about: an object, and the node it was seen from where that matters."""

    kind: str
    name: str
    namespace: str = ""
    node: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}" + (f" from node {self.node}" if self.node else "")


class Rule(Struct, frozen=True, order=True, omit_defaults=True):
    """One RBAC rule: the least that would have let netdoc look."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        names = f" named {', '.join(self.names)}" if self.names else ""
        return f"{self.verb} {resource}{names} " + (f"in namespace {self.namespace}" if self.namespace else "cluster-wide")


class Unseen(Struct, frozen=True, omit_defaults=True):
    """Something that was not looked at, or gave no usable answer, and why.

    ``asked``: netdoc wanted this and did not get it, so the check can't pass and is ``unknown``. Otherwise it is
    left out by design (not applicable, not asked for), which the report says and the state does not show.
    ``moot``: there was nothing to look at, so that nobody is less sure of the rest.
    """

    what: str
    reason: str
    grant: Rule | None = None
    asked: bool = False
    moot: bool = False


class Skip(Exception):
    """Raised by ``analyse`` where the whole question can't be put here; its text is the reason.

    ``moot``: the cluster has nothing that the question is about, or it was not asked for: no gap in what was looked at.
    """

    def __init__(self, reason: str, moot: bool = False) -> None:
        super().__init__(reason)
        self.moot = moot


class Explains(Struct, frozen=True):
    """Codes that a cause brings about, and how the effect is recognised as this cause's own.

    ``scope``: ``cluster`` (everywhere), ``subject`` (the same object), ``node`` (seen from that node, or
    about nothing but things on it, as the evidence ``nodes`` tells), ``path`` (about nothing but the node-to-node
    paths that the cause names in its evidence ``paths``), ``services`` (about a Service, "namespace/name", that the cause names
    in its evidence ``services``). ``unless``: outcomes (in the effect's evidence ``outcomes``) that the cause can't have: a lost
    packet is never a refusal.
    """

    codes: tuple[str, ...]
    scope: str = "subject"
    unless: tuple[str, ...] = ()


CAME_THROUGH = ("refused",)
"""Outcomes of packets that came through, there and back: what only loses or delays packets explains none of them."""


class Recent(Struct, frozen=True):
    """Something that changed ``seconds`` before the recording, about an object that a cause names: told, not judged."""

    seconds: int
    subject: Subject
    what: str

    def __str__(self) -> str:
        ago = f"{self.seconds} s" if self.seconds < 60 else f"{self.seconds // 60} min"
        return f"{ago} before: {self.subject} {self.what}"


class Finding(Struct, frozen=True):
    """A condition that holds: code, subject, evidence in numbers, and the fix with every name filled in.

    ``risk``: what the fix may disturb. ``argv``: each command as an argument list.
    ``recent``: of a cause, what changed in the hour before about the objects it names, newest first.
    """

    code: str
    severity: Severity
    subject: Subject
    message: str
    evidence: Evidence
    fix: str
    commands: tuple[str, ...]
    risk: Risk = Risk.SAFE
    argv: tuple[tuple[str, ...], ...] = ()
    check: str = ""
    id: str = ""
    explained_by: str = ""
    explains: tuple[str, ...] = ()
    recent: tuple[Recent, ...] = ()


class Ignored(Struct, frozen=True, omit_defaults=True):
    """A finding that is not told: by whose wish (a flag, a file, an annotation, its ignored cause), and why."""

    code: str
    severity: Severity
    subject: Subject
    by: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.subject}: {self.by}" + (f" ({self.why})" if self.why else "")


class Threshold(Struct, frozen=True, kw_only=True):
    """A number from which on a check speaks, which a user may set (.netdoc.yaml, ``--threshold``).

    ``name`` ends in the unit where it has one; ``source``: where the default is from, in a sentence.
    """

    name: str
    default: float
    unit: str
    source: str
    least: float = 0.0
    most: float = float("inf")


class Changed(Struct, frozen=True):
    """A threshold that is not the check's own in a run, and by whose wish."""

    check: str
    name: str
    value: float
    default: float
    unit: str
    by: str

    def __str__(self) -> str:
        return f"{self.check}.{self.name} is {self.value:g} {self.unit} in place of {self.default:g} (by {self.by})"


class Code(Struct, frozen=True, kw_only=True):
    """A stable id of one condition. Templates take the subject's fields and the evidence as ``{name}``.

    Values are quoted for the shell in ``commands`` and left as they are in ``message`` and ``fix``. ``risk``: of the whole fix,
    what the text asks for included.
    ``rows`` names the rows of the failure catalogue (docs/failure-modes.md) that the code detects.
    """

    id: str
    severity: Severity
    risk: Risk
    title: str
    message: str
    fix: str
    commands: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    explains: tuple[Explains, ...] = ()

    def on(
        self, subject: Subject, evidence: Mapping[str, Any] | None = None, /, try_: tuple[str, ...] | None = None, **more: Any
    ) -> Finding:
        """Return the finding of this code on ``subject``; raises ``KeyError`` where evidence lacks a placeholder.

        ``try_``: command templates in place of the code's own, for a condition whose fix is not always known.
        """
        evidence = {**(evidence or {}), **more}
        names = msgspec.structs.asdict(subject) | {key: _plain(value) for key, value in evidence.items()}
        quoted = {key: shlex.quote(str(value)) for key, value in names.items()}
        commands = tuple(command.format(**quoted) for command in (self.commands if try_ is None else try_))
        return Finding(
            code=self.id,
            severity=self.severity,
            subject=subject,
            message=self.message.format(**names),
            evidence={key: _scalar(value) for key, value in evidence.items()},
            fix=self.fix.format(**names),
            commands=commands,
            risk=self.risk,
            argv=tuple(map(argv, commands)),
        )

    def placeholders(self) -> frozenset[str]:
        """Return the evidence names that the templates use, the subject's own fields left out."""
        templates = (self.message, self.fix, *self.commands)
        fields = {name for text in templates for _, name, _, _ in string.Formatter().parse(text) if name}
        return frozenset(fields) - set(Subject.__struct_fields__)


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple, set, frozenset)) else value


def _scalar(value: Any) -> Scalar | list[str]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(item) for item in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)


class Needs(Struct, frozen=True, kw_only=True):
    """What a check reads: the lists to fetch and the RBAC rules derive from it.

    Without one of ``kinds`` the check is skipped; an ``optional`` kind that can't be read is for the check to say.
    ``hints`` are read where they can be, to tell why something failed: without them the check is no less sure of what works.
    """

    kinds: tuple[Kind[Any], ...] = ()
    optional: tuple[Kind[Any], ...] = ()
    hints: tuple[Kind[Any], ...] = ()
    tier: Tier = Tier.API

    @property
    def all_kinds(self) -> tuple[Kind[Any], ...]:
        """The required kinds, the optional ones and the hints, each once."""
        return tuple(dict.fromkeys(self.kinds + self.optional + self.hints))


def no_plan(cluster: Cluster) -> Iterable[Request]:
    """Plan of a check that measures nothing."""
    return ()


class Check(Struct, frozen=True, kw_only=True):
    """One question about the network. ``title`` is the answer one hopes for; ``doc`` is the page (the module's docstring)."""

    id: str
    title: str
    prefix: str
    needs: Needs
    codes: tuple[Code, ...]
    analyse: Callable[[Facts], Iterator[Finding | Unseen]]
    plan: Callable[[Cluster], Iterable[Request]] = no_plan
    thresholds: tuple[Threshold, ...] = ()
    doc: str = ""


class CheckResult(Struct, frozen=True):
    """A check's state, its findings by id, what it could not see, and the error where it crashed."""

    check: str
    title: str
    state: State
    findings: tuple[str, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    error: str = ""


class Load(Struct, frozen=True):
    """What netdoc put on the network: datagrams and connections in all, and the target that got most of them, with its share.

    What bounds it, in datagrams and connections a second: from a node, to one target, and from a node to one target.
    """

    total: int = 0
    most: int = 0
    target: str = ""
    per_node: float = 0.0
    per_target: float = 0.0
    per_target_and_node: float = 0.0


class Coverage(Struct, frozen=True):
    """What the run looked at, in counts of nodes and objects, its scope in words, and what that put on the network.

    ``image``: what the debug pods ran. ``unmeasured``: why nothing was measured though it was wanted; "" where something was.
    """

    nodes: int = 0
    measured_nodes: tuple[str, ...] = ()
    objects: int = 0
    scope: str = "the whole cluster"
    load: Load = Load()
    image: str = ""
    unmeasured: str = ""


class Report(Struct, frozen=True):
    """All that a run has to say; every format renders this and nothing else."""

    netdoc_report: int
    tool: str
    source: str
    recorded: str
    server: str
    coverage: Coverage
    results: tuple[CheckResult, ...]
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    thresholds: tuple[Changed, ...] = ()
    seconds: float = 0.0

    def partial(self) -> bool:
        """Whether something that could have been looked at was not."""
        return any(
            result.state in (State.UNKNOWN, State.CRASHED)
            or (result.state is State.SKIPPED and not all(unseen.moot for unseen in result.unseen))
            for result in self.results
        )

    def causes(self) -> list[Finding]:
        """Findings that nothing else explains, worst first."""
        return [finding for finding in self.findings if not finding.explained_by]

    def worst(self) -> Severity | None:
        """Return the worst severity among the findings, or None without any."""
        present = {finding.severity for finding in self.findings}
        return next((severity for severity in Severity if severity in present), None)


def at_least(severity: Severity, floor: Severity) -> bool:
    """Tell whether ``severity`` is ``floor`` or worse."""
    order = list(Severity)
    return order.index(severity) <= order.index(floor)
