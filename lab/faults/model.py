"""A fault as data: one YAML file of this folder, its commands written in the words of lib.sh.

- `name`, `row` (of failure-modes.md), `title`, `tier` (`api`, `pods`, `nodes`, `privileged`: the least that can see it)
- `inject`, `restore`: lines of shell
- `symptom`: a command that shows the fault without netdoc, and what its output matches when `healthy` and when `broken`
- `settle`: what to wait for once `injected` and once `restored`: a command that succeeds, and a deadline in seconds
- `cause`, `expect`: the code netdoc is to name as the cause, and the findings it is to report
- `flags`: what `netdoc check` is to be told besides, such as `[--external, example.test]`
- `beside`: codes of other causes that are as true of the lab while the fault is there
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
TIERS = ("api", "pods", "nodes", "privileged")


@dataclass(frozen=True)
class Subject:
    """What an expected finding is about."""

    kind: str
    namespace: str
    name: str
    node: str = ""


@dataclass(frozen=True)
class Expected:
    """A finding that netdoc is to report."""

    code: str
    subject: Subject


@dataclass(frozen=True)
class Symptom:
    """A command, and the patterns of its output."""

    run: str
    healthy: str
    broken: str


@dataclass(frozen=True)
class Settle:
    """A command to repeat until it succeeds, for so many seconds."""

    run: str = "true"
    deadline: float = 5


@dataclass(frozen=True)
class Fault:
    """One file."""

    name: str
    row: str
    title: str
    tier: str
    inject: tuple[str, ...]
    symptom: Symptom
    restore: tuple[str, ...]
    injected: Settle
    restored: Settle
    cause: str
    expect: tuple[Expected, ...]
    beside: tuple[str, ...]
    flags: tuple[str, ...] = ()


def names() -> list[str]:
    """List the faults there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Fault:
    """Read one fault; a ValueError says what is wrong with the name or the file."""
    if name not in names():
        raise ValueError(f"no fault {name!r}; there are: {', '.join(names())}")
    try:
        fault = _fault(**yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{name}.yaml: {error!r}") from None
    if fault.name != name or fault.tier not in TIERS:
        raise ValueError(f"{name}.yaml: its name has to be {name!r}, its tier one of {', '.join(TIERS)}")
    return fault


def all_faults() -> tuple[Fault, ...]:
    """Read every fault."""
    return tuple(map(load, names()))


def _fault(
    *,
    inject: list[str],
    restore: list[str],
    symptom: dict[str, str],
    expect: list[dict[str, Any]],
    beside: list[str] | None = None,
    flags: list[str] | None = None,
    settle: dict[str, dict[str, Any]] | None = None,
    **rest: str,
) -> Fault:
    settle = settle or {}
    if unknown := settle.keys() - {"injected", "restored"}:
        raise TypeError(f"settle has no {unknown}")
    return Fault(
        inject=tuple(inject),
        restore=tuple(restore),
        beside=tuple(beside or ()),
        flags=tuple(flags or ()),
        symptom=Symptom(**symptom),
        injected=Settle(**settle.get("injected", {})),
        restored=Settle(**settle.get("restored", {})),
        expect=tuple(Expected(code=item["code"], subject=Subject(**item["subject"])) for item in expect),
        **rest,
    )
