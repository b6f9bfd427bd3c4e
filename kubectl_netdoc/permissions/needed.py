# SPDX-License-Identifier: Apache-2.0
"""Computes the least rights for a run, from what the checks need and what the live source requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from shlex import quote
from typing import Any

from msgspec import Struct, field, structs
from msgspec.structs import replace

from kubectl_netdoc import versions
from kubectl_netdoc.core.check import Check, Needs, kinds_of
from kubectl_netdoc.core.cluster import DNS_NAMESPACE
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.made import Made
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.sources.live import rights as live
from kubectl_netdoc.sources.live.discovery import Served
from kubectl_netdoc.sources.live.rights import Loss, NeededRight

GROUP = "rbac.authorization.k8s.io"
ACCOUNT = "system:serviceaccount:"
OWN_NAMESPACE = "netdoc"
"""The namespace for debug pods that the manifests create if none is named."""


class Right(Struct, frozen=True, kw_only=True):
    """One rule, and the names of the checks that it affects, by how.

    ``stays``: without it objects of a run stay in the cluster. ``everywhere``: a cluster-wide list of a namespaced kind, which
    can be replaced by one namespace. ``since``: the server's version from which it is needed. ``asked``: for something that the
    run is told to do besides judging.
    """

    rule: Grant
    skipped: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    stays: bool = False
    everywhere: bool = False
    since: versions.Version = ()
    asked: bool = False

    @property
    def optional(self) -> bool:
        """Tell whether a run without it judges as much, leaves nothing behind, and does what it was asked to."""
        return not (self.skipped or self.held_back or self.stays or self.asked)


class Wanted(Struct, frozen=True, kw_only=True):
    """The run that rights are for.

    ``namespaces``: those to check, none meaning all. ``pod_namespace``: where its debug pods run; "" is a new namespace for
    each run. ``served``: the server's discovery; None: not asked, so every kind counts. ``pointed``: (namespace, name) of the
    objects to read one by one, by the name of their kind. ``spaces``: the namespaces that not every cluster has and in which
    single objects are read, where they exist; None: not known. ``watch``: nobody sits at it, so it holds a Lease, where its debug
    pods are, and writes Events.
    """

    checks: tuple[Check, ...]
    tier: Tier = Tier.PODS
    namespaces: tuple[str, ...] = ()
    pod_namespace: str = OWN_NAMESPACE
    served: Served | None = None
    spaces: Collection[str] | None = None
    pointed: Mapping[str, tuple[tuple[str, str], ...]] = {}
    watch: bool = False

    @property
    def seen(self) -> tuple[Check, ...]:
        """The checks that this tier can run."""
        return tuple(check for check in self.checks if self.tier.covers(check.needs.tier))

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The namespaces that are not standard and that some of them read in."""
        return live.elsewhere(kinds_of(self.seen))

    @property
    def measuring(self) -> tuple[str, ...]:
        """The names of the checks that measure."""
        return tuple(check.id for check in self.seen if check.needs.tier is not Tier.API)


class _Draft(Struct):
    """A right under construction: the affected checks, by how."""

    losses: dict[Loss, dict[str, None]] = field(default_factory=lambda: {loss: {} for loss in Loss})
    why: dict[str, None] = field(default_factory=dict)
    stays: bool = False
    everywhere: bool = False
    since: versions.Version | None = None
    asked: bool = False

    def add(self, loss: Loss, checks: Iterable[str]) -> None:
        """Add affected checks."""
        self.losses[loss] |= dict.fromkeys(checks)

    def take(self, other: _Draft) -> None:
        """Add what another right is for, which this one includes."""
        for loss, checks in other.losses.items():
            self.add(loss, checks)
        self.why |= other.why
        self.stays |= other.stays
        self.everywhere |= other.everywhere
        self.asked |= other.asked
        known = [since for since in (self.since, other.since) if since is not None]
        self.since = min(known, default=None)

    def done(self, rule: Grant) -> Right:
        """Return the right; each check appears once, under the worst effect."""
        worse: set[str] = set()
        by_loss: list[tuple[str, ...]] = []
        for loss in (Loss.SKIPPED, Loss.HELD, Loss.LESS):
            by_loss.append(tuple(sorted(set(self.losses[loss]) - worse)))
            worse |= set(self.losses[loss])
        skipped, held_back, less = by_loss
        return Right(
            rule=rule,
            skipped=skipped,
            held_back=held_back,
            less=less,
            why=tuple(self.why),
            stays=self.stays,
            everywhere=self.everywhere,
            since=self.since or (),
            asked=self.asked,
        )


def least(wanted: Wanted) -> tuple[Right, ...]:
    """Return the least rights for a run: each rule once, and none that another includes."""
    drafts: dict[Grant, _Draft] = {}
    for rule, draft in (*_reading(wanted), *_measuring(wanted), *_watching(wanted)):
        drafts.setdefault(rule, _Draft()).take(draft)
    for rule in [rule for rule in drafts if rule.namespace]:
        wider = drafts.get(structs.replace(rule, namespace=""))
        if wider is not None:
            wider.take(drafts.pop(rule))
    order = sorted(drafts, key=lambda rule: (rule.namespace, rule.group, rule.resource, rule.names, rule.verb))
    return tuple(drafts[rule].done(rule) for rule in order)


def _reading(wanted: Wanted) -> Iterator[tuple[Grant, _Draft]]:
    """Yield the rights for lists. Nodes are read in every run: they show where debug pods can run."""
    for asked in kinds_of(wanted.seen):
        chosen = wanted.served.choose(asked) if wanted.served else asked
        kind = live.within(chosen, wanted.spaces or ()) if isinstance(chosen, Kind) else None
        if kind is None:
            continue
        if kind.pointed:
            kind = replace(kind, names=wanted.pointed.get(kind.name, ()))
        for rule in live.reading(kind, wanted.namespaces):
            yield rule, _reader(wanted, asked, everywhere=kind.namespaced and not rule.namespace)
        if wanted.namespaces and kind.namespaced and not (kind.names or kind.logs):
            for rule in live.reading(kind, (DNS_NAMESPACE,)):
                draft = _Draft(why={"cluster DNS is checked too": None})
                draft.add(Loss.LESS, (c for checks in _reader(wanted, asked).losses.values() for c in checks))
                yield rule, draft


def _reader(wanted: Wanted, kind: Kind[Any], everywhere: bool = False) -> _Draft:
    draft = _Draft(everywhere=everywhere)
    for check in wanted.seen:
        loss = _loss(check.needs, kind)
        if loss is not None:
            draft.add(loss, (check.id,))
    if kind is NODE:
        draft.add(Loss.HELD, wanted.measuring)
        draft.why["find out where debug pods can run"] = None
    return draft


def _loss(needs: Needs, kind: Kind[Any]) -> Loss | None:
    for kinds, loss in ((needs.kinds, Loss.SKIPPED), (needs.optional, Loss.HELD), (needs.hints, Loss.LESS)):
        if kind.name in {own.name for own in kinds}:
            return loss
    return None


def _measuring(wanted: Wanted) -> Iterator[tuple[Grant, _Draft]]:
    if not wanted.measuring:
        return
    makers: dict[Made, list[str]] = {made: [] for made in Made}
    for check in wanted.seen:
        for made in check.needs.all_made:
            makers[made].append(check.id)
    for use in live.measuring(wanted.pod_namespace):
        if makers[use.made]:
            yield use.rule, _user(use, makers[use.made], wanted.measuring)


def _watching(wanted: Wanted) -> Iterator[tuple[Grant, _Draft]]:
    for use in live.watching(wanted.pod_namespace, wanted.namespaces) if wanted.watch else ():
        yield use.rule, _Draft(why={use.why: None}, asked=True)


def _user(use: NeededRight, checks: Collection[str], measuring: Collection[str]) -> _Draft:
    """Return a right for measuring. Without it a check of the API tier that also measures has less detail."""
    draft = _Draft(why={use.why: None}, stays=use.stays, since=use.since)
    if use.loss is not None:
        draft.add(use.loss, (check for check in checks if check in measuring))
        draft.add(Loss.LESS, (check for check in checks if check not in measuring))
    return draft


class Grantee(Struct, frozen=True):
    """Who gets the rights: a User, a Group, or a ServiceAccount with its namespace."""

    kind: str
    name: str
    namespace: str = ""

    @property
    def flag(self) -> str:
        """The flag of ``netdoc rbac`` for it, with its value."""
        value = f"{self.namespace}:{self.name}" if self.namespace else self.name
        return f"--for-{self.kind.lower()} {quote(value)}"

    @classmethod
    def of(cls, username: str) -> Grantee | None:
        """Return the subject of a user's name on the API server."""
        if username.startswith(ACCOUNT) and username.count(":") == 3:
            namespace, name = username.removeprefix(ACCOUNT).split(":")
            return cls("ServiceAccount", name, namespace)
        return cls("User", username) if username else None

    @property
    def fields(self) -> dict[str, str]:
        """The subject in the form of a binding."""
        if self.kind == "ServiceAccount":
            return {"kind": self.kind, "name": self.name, "namespace": self.namespace}
        return {"kind": self.kind, "apiGroup": GROUP, "name": self.name}


class Lack(Struct, frozen=True):
    """A right that somebody lacks. ``only``: the one namespace in which they have it."""

    right: Right
    only: str = ""


class RightsReview(Struct, frozen=True):
    """The review of somebody's rights for a run: how many rights it needs, and those that are missing."""

    asked: int
    lacks: tuple[Lack, ...]
    who: Grantee | None = None

    @property
    def lacking(self) -> bool:
        """Tell whether a right that is not optional is missing."""
        return any(not lack.right.optional for lack in self.lacks)

    @property
    def skipped(self) -> set[str]:
        """The checks that are skipped."""
        return {check for lack in self.lacks if not lack.only for check in lack.right.skipped}

    @property
    def held_back(self) -> set[str]:
        """The checks that run but are at best unknown."""
        return {check for lack in self.lacks if not lack.only for check in lack.right.held_back} - self.skipped


Allowed = Callable[[Collection[Grant]], dict[Grant, bool]]


def ask(rights: Collection[Right], allowed: Allowed, namespace: str, who: Grantee | None = None) -> RightsReview:
    """Return which rights are missing; for a missing cluster-wide list also check ``namespace``."""
    answers = allowed([right.rule for right in rights])
    gone = [right for right in rights if not answers[right.rule]]
    there = {right.rule: structs.replace(right.rule, namespace=namespace) for right in gone if right.everywhere}
    again = allowed(tuple(there.values())) if there else {}
    lacks = tuple(Lack(right, namespace if again.get(there.get(right.rule, right.rule)) else "") for right in gone)
    return RightsReview(len(rights), lacks, who)


def for_server(rights: Iterable[Right], version: str) -> tuple[Right, ...]:
    """Return the rights that a server of this version needs; all if the version is not known."""
    here = versions.parse(version)
    return tuple(right for right in rights if not here or right.since <= here)
