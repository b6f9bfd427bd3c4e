# SPDX-License-Identifier: Apache-2.0
"""RBAC rights as manifests for ``kubectl apply -f -``, and the rights that somebody lacks as text."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from kubectl_netdoc import __version__
from kubectl_netdoc.core.check import kinds_of
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.permissions.needed import GROUP, OWN_NAMESPACE, Grantee, Right, RightsReview, Wanted
from kubectl_netdoc.report.layout import wrapped

NAME = "kubectl-netdoc"
WIDTH = 110
FLAGS = {Tier.NODES: "--node-checks", Tier.PRIVILEGED: "--privileged"}
"""The flags of ``check`` for the tiers above its default."""


class RoleRule(Struct, frozen=True):
    """One rule of a Role, and the comments on it."""

    rule: dict[str, list[str]]
    said: tuple[str, ...]


Manifest = tuple[dict[str, Any], tuple[RoleRule, ...]]
"""An object without its rules, and its rules."""


def manifests(wanted: Wanted, rights: Iterable[Right], subjects: Iterable[Grantee]) -> list[Manifest]:
    """Return the manifests: the namespace for debug pods unless it is the user's own, the roles, and their bindings."""
    by_space: dict[str, list[Right]] = {}
    for right in rights:
        by_space.setdefault(right.rule.namespace, []).append(right)
    found: list[Manifest] = []
    if wanted.pod_namespace == OWN_NAMESPACE and OWN_NAMESPACE in by_space:
        found.append((_namespace(wanted.tier), ()))
    found += [
        (_object("Role" if space else "ClusterRole", NAME, space), tuple(_policies(by_space[space], wanted)))
        for space in sorted(by_space)
    ]
    for subject in subjects:
        found += [(_binding(space, subject), ()) for space in sorted(by_space)]
    return found


def _object(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    api = "v1" if kind == "Namespace" else f"{GROUP}/v1"
    metadata: dict[str, Any] = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def pod_security(tier: Tier) -> str:
    """Return the Pod Security level that the namespace of a tier's debug pods has to admit."""
    return "restricted" if Tier.PODS.covers(tier) else "privileged"


def _namespace(tier: Tier) -> dict[str, Any]:
    found = _object("Namespace", OWN_NAMESPACE)
    found["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": pod_security(tier), "istio-injection": "disabled"}
    return found


def _binding(space: str, subject: Grantee) -> dict[str, Any]:
    """Return a binding of the role. Its name contains the subject, so that bindings don't replace each other."""
    kind = "Role" if space else "ClusterRole"
    who = ":".join(filter(None, (NAME, subject.kind.lower(), subject.namespace, subject.name)))
    name = who.replace("/", "-").replace("%", "-")
    return _object(
        f"{kind}Binding", name, space, roleRef={"apiGroup": GROUP, "kind": kind, "name": NAME}, subjects=[subject.fields]
    )


def _policies(rights: Iterable[Right], wanted: Wanted) -> Iterator[RoleRule]:
    """Yield rules, merged if they have the same comments: first the verbs of a resource, then resources."""
    verbs: dict[tuple[Any, ...], list[str]] = {}
    for right in rights:
        rule = right.rule
        verbs.setdefault((said(right, wanted), rule.group, rule.names, rule.resource), []).append(rule.verb)
    resources: dict[tuple[Any, ...], list[str]] = {}
    for (about, group, names, resource), found in verbs.items():
        resources.setdefault((about, group, names, tuple(found)), []).append(resource)
    for (about, group, names, found), several in resources.items():
        named = {"resourceNames": list(names)} if names else {}
        yield RoleRule({"apiGroups": [group], "resources": several, **named, "verbs": list(found)}, about)


def said(right: Right, wanted: Wanted) -> tuple[str, ...]:
    """Return the comments on a right: what it is for, and what happens to which checks without it."""
    about = ("optional",) * right.optional + right.why
    lines = [", ".join(about)] if about else []
    if right.stays:
        lines.append("without it, objects that a run creates stay in the cluster")
    for what, checks in (("skipped", right.skipped), ("unknown", right.held_back), ("less detailed", right.less)):
        if checks:
            lines.append(f"{what} without it: {_checks(checks, wanted)}")
    return tuple(lines)


def _checks(names: Collection[str], wanted: Wanted) -> str:
    measuring = set(wanted.measuring)
    if len(measuring) < 2 or not measuring <= set(names):
        return ", ".join(names)
    return ", ".join(("every check that measures", *(name for name in names if name not in measuring)))


def command(wanted: Wanted) -> str:
    """Return the run that the rights are for, as a command."""
    parts = ["kubectl netdoc watch --lease --events" if wanted.watch else "kubectl netdoc check"]
    parts += [f"-n {name}" for name in wanted.namespaces]
    parts += [flag for tier, flag in FLAGS.items() if tier is wanted.tier]
    if not wanted.measuring:
        parts.append("--no-pods")
    elif wanted.pod_namespace:
        parts.append(f"--pod-namespace {wanted.pod_namespace}")
    return " ".join(parts)


def as_yaml(wanted: Wanted, rights: Collection[Right], subjects: Collection[Grantee]) -> str:
    """Return the manifests as YAML, with a comment on each rule."""
    head = [
        f"The least rights for: {command(wanted)}",
        f"Tier {wanted.tier}, {len(wanted.seen)} checks; kubectl-netdoc {__version__}.",
    ]
    head.append("Rules marked optional don't change what the checks can judge.")
    if wanted.pod_namespace not in ("", OWN_NAMESPACE) and wanted.measuring:
        head.append(f"Namespace {wanted.pod_namespace} must exist and admit {pod_security(wanted.tier)} pods.")
    if wanted.spaces is None and wanted.elsewhere:
        head.append(f"Not included: rights in namespaces that not every cluster has: {', '.join(wanted.elsewhere)}.")
    if not wanted.pointed and any(kind.pointed for kind in kinds_of(wanted.seen)):
        head.append(
            "Not included: Secrets with certificates, of which netdoc keeps dates and names; --tls-secrets adds each by its name."
        )
    if not subjects:
        head.append("No bindings are included; --for-user, --for-group and --for-serviceaccount add them.")
    documents = ["\n".join(_document(*manifest)) for manifest in manifests(wanted, rights, subjects)]
    return "\n".join((*_comments(head, ""), "\n---\n".join(documents))) + "\n"


def _document(fields: dict[str, Any], policies: Iterable[RoleRule]) -> Iterator[str]:
    metadata = fields["metadata"]
    yield f"apiVersion: {fields['apiVersion']}"
    yield f"kind: {fields['kind']}"
    yield "metadata:"
    for key, value in metadata.items():
        yield f"  {key}: {json.dumps(value)}"
    for key in ("roleRef", "subjects"):
        if key in fields:
            yield f"{key}: {json.dumps(fields[key])}"
    first = True
    for policy in policies:
        if first:
            yield "rules:"
        first = False
        yield from _comments(policy.said, "  ")
        lead = "- "
        for key, value in policy.rule.items():
            yield f"  {lead}{key}: {json.dumps(value)}"
            lead = "  "


def _comments(lines: Iterable[str], indent: str) -> Iterator[str]:
    for line in lines:
        yield from wrapped(line, WIDTH, f"{indent}# ", f"{indent}#   ")


def as_json(wanted: Wanted, rights: Collection[Right], subjects: Collection[Grantee]) -> str:
    """Return the manifests as one List in JSON."""
    items = [
        fields | ({"rules": [policy.rule for policy in policies]} if policies else {})
        for fields, policies in manifests(wanted, rights, subjects)
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2) + "\n"


def as_text(wanted: Wanted, answer: RightsReview, flags: str) -> str:
    """Return the missing rights, the checks they affect, and the command that grants them; ``flags``: flags of that command."""
    if not answer.lacks:
        return f"You have all {answer.asked} rights that this needs: {command(wanted)}\n"
    lines = [f"You lack {len(answer.lacks)} of the {answer.asked} rights that this needs: {command(wanted)}"]
    for lack in answer.lacks:
        only = (f"you have it in namespace {lack.only} only, so only that namespace is checked",) if lack.only else ()
        lines += ["", f"  {safe(str(lack.right.rule))}"]
        for line in only or said(lack.right, wanted):
            lines += wrapped(line, WIDTH, "      ", "        ")
    whole = len(wanted.seen) - len(answer.skipped) - len(answer.held_back)
    lines += [
        "",
        f"{len(answer.skipped)} checks are skipped, {len(answer.held_back)} are at best unknown, {whole} run in full.",
    ]
    who = answer.who.flag if answer.who else "--for-user NAME"
    lines.append(f"Somebody who has these rights can grant them to you: kubectl netdoc rbac {flags}{who} | kubectl apply -f -")
    return "\n".join(lines) + "\n"


def data(wanted: Wanted, answer: RightsReview) -> dict[str, Any]:
    """Return the same as data."""
    return {
        "command": command(wanted),
        "tier": str(wanted.tier),
        "asked": answer.asked,
        "lacking": [
            msgspec.to_builtins(lack.right.rule)
            | {name: list(getattr(lack.right, name)) for name in ("skipped", "held_back", "less", "why")}
            | {"optional": lack.right.optional, "only_namespace": lack.only}
            for lack in answer.lacks
        ],
        "skipped": sorted(answer.skipped),
        "held_back": sorted(answer.held_back),
    }


def answer(wanted: Wanted, found: RightsReview, form: str, flags: str) -> str:
    """Return the missing rights in a format; ``flags``: flags of the command that grants them."""
    if form == "text":
        return as_text(wanted, found, flags)
    if form == "json":
        return json.dumps(data(wanted, found), indent=2) + "\n"
    import yaml

    return yaml.safe_dump(data(wanted, found), sort_keys=False)
