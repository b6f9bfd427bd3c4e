# SPDX-License-Identifier: Apache-2.0
"""A fault as data: one YAML file of this folder, its commands written in the words of lib.sh.

- `name`, `row` (of failure-modes.md), `title`, `tier` (`api`, `pods`, `nodes`, `privileged`: the least that can see it)
- `inject`, `restore`: lines of shell
- `symptom`: a command that shows the fault without netdoc, and what its output matches when `healthy` and when `broken`
- `settle`: what to wait for once `injected` and once `restored`: a command that succeeds, and a deadline in seconds
- `cause`, `expect`: the code netdoc is to name as the cause, and the findings it is to report
- `mode`: kube-proxy's, where the fault is one of that mode alone
- `networks`: the lab's networks that can have the fault, where others can't (a policy needs an engine); all, if there are none
- `flags`: what `netdoc check` is to be told besides, such as `[--external, example.test]`
- `acceptable`: at most two codes of other causes that may stand beside it, each with the mechanism (`why`) that makes it true
- `not_applied`: why the commands that netdoc prints are not run to prove the fix
- `revised`: what was changed in the file after netdoc's first verdict, and why

A healthy variant (lab/healthy) is the same without `symptom`, `cause` and `expect`. A pair (lab/pairs.yaml) is two faults at
once.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
HEALTHY = FOLDER.parent / "healthy"
PAIRS = FOLDER.parent / "pairs.yaml"
MOST_ACCEPTABLE = 2
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
class Acceptable:
    """A code that may be named as a cause too, and why it is as true."""

    code: str
    why: str


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
    symptom: Symptom | None
    restore: tuple[str, ...]
    injected: Settle
    restored: Settle
    cause: str
    expect: tuple[Expected, ...]
    acceptable: tuple[Acceptable, ...] = ()
    flags: tuple[str, ...] = ()
    mode: str = ""
    networks: tuple[str, ...] = ()
    not_applied: str = ""
    revised: str = ""


@dataclass(frozen=True)
class Pair:
    """Two faults at once, each of which is to be named as a cause."""

    name: str
    faults: tuple[Fault, ...]


def on(fault: Fault, lab: str) -> Fault:
    """Return the fault as it is on a lab of another name: the files name the nodes of the lab ``netdoc``."""

    def named(expected: Expected) -> Expected:
        subject = replace(expected.subject, name=_renamed(expected.subject.name, lab), node=_renamed(expected.subject.node, lab))
        return replace(expected, subject=subject)

    return replace(fault, expect=tuple(map(named, fault.expect)))


def _renamed(name: str, lab: str) -> str:
    return re.sub(r"\bnetdoc-(?=control-plane|worker)", f"{lab}-", name)


def names(folder: Path = FOLDER) -> list[str]:
    """List the faults, or the healthy variants, that there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = FOLDER) -> Fault:
    """Read one fault; a ValueError says what is wrong with the name or the file."""
    if name not in names(folder):
        raise ValueError(f"no fault {name!r}; there are: {', '.join(names(folder))}")
    try:
        fault = _fault(**yaml.safe_load((folder / f"{name}.yaml").read_text()))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{name}.yaml: {error!r}") from None
    if fault.name != name or fault.tier not in TIERS:
        raise ValueError(f"{name}.yaml: its name has to be {name!r}, its tier one of {', '.join(TIERS)}")
    if len(fault.acceptable) > MOST_ACCEPTABLE:
        raise ValueError(f"{name}.yaml: more than {MOST_ACCEPTABLE} acceptable codes")
    return fault


def all_faults() -> tuple[Fault, ...]:
    """Read every fault."""
    return tuple(map(load, names()))


def variants() -> tuple[Fault, ...]:
    """Read every healthy variant."""
    return tuple(load(name, HEALTHY) for name in names(HEALTHY))


def pairs() -> tuple[Pair, ...]:
    """Read every pair."""
    rows = yaml.safe_load(PAIRS.read_text()) if PAIRS.exists() else []
    return tuple(Pair(row["name"], tuple(map(load, row["faults"]))) for row in rows)


def _fault(
    *,
    inject: list[str],
    restore: list[str],
    symptom: dict[str, str] | None = None,
    expect: list[dict[str, Any]] | None = None,
    acceptable: list[dict[str, str]] | None = None,
    flags: list[str] | None = None,
    networks: list[str] | None = None,
    settle: dict[str, dict[str, Any]] | None = None,
    **rest: str,
) -> Fault:
    settle = settle or {}
    if unknown := settle.keys() - {"injected", "restored"}:
        raise TypeError(f"settle has no {unknown}")
    return Fault(
        inject=tuple(inject),
        restore=tuple(restore),
        acceptable=tuple(Acceptable(**item) for item in acceptable or ()),
        flags=tuple(flags or ()),
        networks=tuple(networks or ()),
        symptom=Symptom(**symptom) if symptom else None,
        injected=Settle(**settle.get("injected", {})),
        restored=Settle(**settle.get("restored", {})),
        expect=tuple(Expected(code=item["code"], subject=Subject(**item["subject"])) for item in expect or ()),
        **{"row": "", "tier": "api", "cause": "", **rest},
    )
