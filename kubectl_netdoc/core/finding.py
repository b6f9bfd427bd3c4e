# SPDX-License-Identifier: Apache-2.0
"""What a check reports: codes, findings, what could not be seen, and how one finding explains another."""

from __future__ import annotations

import shlex
import string
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kubectl_netdoc.core.evidence import Evidence, Named, NodePath, ObjectRef, Reference, references, rendered
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.records.base import Object
from kubectl_netdoc.remediation.commands import Risk, argv

Scope = Literal["subject", "objects", "services", "path", "node", "cluster"]
"""How an effect is recognised as a cause's own, the closest first."""

Tells = Literal["cause", "place", "failure"]
"""What a finding of a code says of a trouble, the most helpful first."""


class Severity(StrEnum):
    """How much a condition matters: broken now; will break or already hurts; advice."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


class Subject(Struct, frozen=True, order=True, omit_defaults=True):
    """What a finding is about: an object, and the node it was seen from where that matters."""

    kind: str
    name: str
    namespace: str = ""
    node: str = ""

    @classmethod
    def of(cls, kind: str, item: Object) -> Subject:
        """Return an object of the API as a subject."""
        return cls(kind, item.name, item.namespace)

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}" + (f" from node {self.node}" if self.node else "")


class Grant(Struct, frozen=True, order=True, omit_defaults=True):
    """One RBAC rule, the least that is needed for something."""

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

    ``expected`` (``asked`` in JSON): netdoc wanted this and did not get it, so the check can't pass and is ``unknown``.
    Otherwise it was left out by design (not applicable, not selected); the report says so, and the state is not affected.
    ``not_applicable`` (``moot`` in JSON): there was nothing to look at, so the rest is no less certain.
    """

    what: str
    reason: str
    grant: Grant | None = None
    expected: bool = msgspec.field(name="asked", default=False)
    not_applicable: bool = msgspec.field(name="moot", default=False)


class Explains(Struct, frozen=True):
    """The codes that a cause explains, and how an effect is recognised as an effect of this cause.

    ``scope``: ``cluster`` (everywhere), ``subject`` (the same object), ``objects`` (about an object that the cause was given as
    one of its ``objects``), ``node`` (seen from that node, or only about things on it,
    by the evidence ``nodes``), ``path`` (only about node-to-node paths that the cause names in its evidence ``paths``),
    ``services`` (about a Service, "namespace/name", that the cause names in its evidence ``services``). ``unless``: outcomes (in
    the effect's evidence ``outcomes``) that the cause can't produce: a lost packet is never a refusal.
    """

    codes: tuple[str, ...]
    scope: Scope = "subject"
    unless: tuple[str, ...] = ()


CAME_THROUGH = ("refused",)
"""Outcomes that need packets in both directions; a cause that only loses or delays packets can't explain them."""


class Recent(Struct, frozen=True):
    """A change, ``seconds`` before the recording, of an object that a cause names. It is shown, not judged."""

    seconds: int
    subject: Subject
    what: str

    def __str__(self) -> str:
        ago = f"{self.seconds} s" if self.seconds < 60 else f"{self.seconds // 60} min"
        return f"{ago} before: {self.subject} {self.what}"


class Odd(Struct, frozen=True):
    """What a node that a cause names has unlike its peers, with the commands that show it and set it. It is shown, not judged."""

    code: str
    subject: Subject
    what: str
    commands: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} ({self.code})"


class Finding(Struct, frozen=True):
    """A condition that holds: code, subject, evidence, and the fix with all names filled in.

    ``risk``: what the fix may disturb. ``argv``: each command as an argument list.
    ``recent``: for a cause, the changes of the objects that it names in the hour before, newest first.
    ``odd``: for a cause, in what the nodes that it names are unlike their peers.
    ``references``: the paths and objects in the values of the evidence, by the values' names.
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
    odd: tuple[Odd, ...] = ()
    references: dict[str, tuple[Reference, ...]] = {}

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes that it was seen from or is about: that of its subject, otherwise those in its evidence."""
        own = self.subject.node or (self.subject.name if self.subject.kind == "Node" else "")
        listed = self.evidence.get("nodes", [])
        return frozenset((own,) if own else listed if isinstance(listed, list) else ())

    @property
    def paths(self) -> tuple[NodePath, ...]:
        """The node-to-node paths in its evidence."""
        return tuple(ref for ref in self.references.get("paths", ()) if isinstance(ref, NodePath))

    def objects(self, name: str = "") -> tuple[ObjectRef, ...]:
        """Return the objects that one value of its evidence names; without ``name`` those of all values."""
        chosen = [self.references.get(name, ())] if name else self.references.values()
        return tuple(ref for refs in chosen for ref in refs if isinstance(ref, ObjectRef))


class Ignored(Struct, frozen=True, omit_defaults=True):
    """A finding that is left out: by what (a flag, a file, an annotation, its ignored cause), and why."""

    code: str
    severity: Severity
    subject: Subject
    by: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.subject}: {self.by}" + (f" ({self.why})" if self.why else "")


class Code(Struct, frozen=True, kw_only=True):
    """A stable id of one condition. Templates take the subject's fields and the evidence as ``{name}``.

    Values are quoted for the shell in ``commands`` and left as they are in ``message`` and ``fix``. ``risk``: that of the whole
    fix, including what its text asks for.
    ``odd``: it says in what something is unlike its peers, and is shown beside causes on the same nodes.
    ``tells``: a ``cause``, or only the ``place`` where the trouble that it explains ends, or only a ``failure`` that was
    measured. What else explains an effect of a place explains the place, too, where it is about the same node or path.
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
    odd: bool = False
    tells: Tells = "cause"

    @property
    def effects(self) -> frozenset[str]:
        """The codes that it explains, whatever the scope."""
        return frozenset(effect for explains in self.explains for effect in explains.codes)

    def on(
        self,
        subject: Subject,
        evidence: Mapping[str, Any] | None = None,
        /,
        commands: tuple[str, ...] | None = None,
        objects: Iterable[Named] = (),
        **more: Any,
    ) -> Finding:
        """Return the finding of this code on ``subject``; raises ``KeyError`` if evidence lacks a placeholder.

        Outcomes in the evidence are verbs in the message (``Outcome.verbs``) and words in the report's evidence.

        ``commands``: command templates to use instead of the code's own, if the fix of this finding differs.
        ``objects``: objects that the evidence names only in text. Paths and objects among the values of ``evidence`` are kept as
        data too, see ``Finding.references``.
        """
        evidence = {**(evidence or {}), **more}
        names = msgspec.structs.asdict(subject) | {key: _plain(value) for key, value in evidence.items()}
        quoted = {key: shlex.quote(str(value)) for key, value in names.items()}
        filled = tuple(command.format(**quoted) for command in (self.commands if commands is None else commands))
        return Finding(
            code=self.id,
            severity=self.severity,
            subject=subject,
            message=self.message.format(**names),
            evidence={key: rendered(value) for key, value in evidence.items()},
            fix=self.fix.format(**names),
            commands=filled,
            risk=self.risk,
            argv=tuple(map(argv, filled)),
            references=references(evidence | {"objects": tuple(objects)}),
        )

    def placeholders(self) -> frozenset[str]:
        """Return the evidence names that the templates use, without the subject's own fields."""
        templates = (self.message, self.fix, *self.commands)
        fields = {name for text in templates for _, name, _, _ in string.Formatter().parse(text) if name}
        return frozenset(fields) - set(Subject.__struct_fields__)


def _plain(value: Any) -> Any:
    """Return a value for a sentence: lists with commas, outcomes as verbs ("timed out or were refused")."""
    if isinstance(value, Outcome):
        return value.verb
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Outcome) for item in value):
        return Outcome.verbs(value)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple, set, frozenset)) else value


def at_least(severity: Severity, floor: Severity) -> bool:
    """Tell whether ``severity`` is ``floor`` or worse."""
    order = list(Severity)
    return order.index(severity) <= order.index(floor)
