# SPDX-License-Identifier: Apache-2.0
"""Mutations of objects: any field that the network reads, dropped, renamed, one off, swapped with a sibling's; objects moved.

What may be mutated is a list of paths a kind, and of texts of configuration a line or a word. The API server has the last word:
what it refuses is drawn again.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterator
from random import Random
from typing import Any

from bench.campaign.inventory import Inventory
from bench.campaign.mutation import Mutation, Place, one_off

Path = tuple[Any, ...]

POD = "spec/template/spec"
CONTAINER = (
    f"{POD}/containers/*/ports/*/containerPort", f"{POD}/containers/*/ports/*/name", f"{POD}/containers/*/ports/*/hostPort",
    f"{POD}/containers/*/command/*", f"{POD}/containers/*/args/*", f"{POD}/containers/*/env/*/name",
    f"{POD}/containers/*/env/*/value", f"{POD}/containers/*/readinessProbe/**", f"{POD}/containers/*/livenessProbe/**",
    f"{POD}/containers/*/volumeMounts/*/mountPath",
    f"{POD}/containers/*/securityContext/**", f"{POD}/containers/*/resources/limits/*", f"{POD}/dnsPolicy", f"{POD}/hostNetwork",
    f"{POD}/nodeSelector/*", f"{POD}/tolerations/*", f"{POD}/serviceAccountName", "spec/replicas",
)  # fmt: skip
PATHS: dict[str, tuple[str, ...]] = {
    "Service": (
        "spec/selector/*", "spec/ports/*/port", "spec/ports/*/targetPort", "spec/ports/*/protocol", "spec/ports/*/name",
        "spec/ports/*/nodePort", "spec/internalTrafficPolicy", "spec/externalTrafficPolicy", "spec/sessionAffinity", "spec/type",
    ),
    "EndpointSlice": (
        "endpoints/*/addresses/*", "endpoints/*/conditions/ready", "ports/*/port", "ports/*/name", "metadata/labels/*",
    ),
    "Deployment": CONTAINER, "DaemonSet": CONTAINER, "StatefulSet": (*CONTAINER, "spec/serviceName"),
    "Pod": ("metadata/labels/*",),
    "ConfigMap": ("data/*",),
    "Node": ("metadata/annotations/*", "metadata/labels/*", "spec/unschedulable"),
    "NetworkPolicy": (
        "spec/podSelector/matchLabels/*", "spec/policyTypes/*", "spec/ingress/*/from/*/**", "spec/ingress/*/ports/*/*",
        "spec/egress/*/to/*/**", "spec/egress/*/ports/*/*", "spec/ingress/*", "spec/egress/*",
    ),
    "ClusterRole": ("rules/*", "rules/*/verbs/*", "rules/*/resources/*", "rules/*/apiGroups/*"),
    "ValidatingWebhookConfiguration": ("webhooks/*/failurePolicy", "webhooks/*/clientConfig/service/*", "webhooks/*/rules/*/*/*"),
}  # fmt: skip
WEIGHTS = {
    "Service": 8, "Deployment": 6, "ConfigMap": 6, "NetworkPolicy": 8, "DaemonSet": 4, "EndpointSlice": 2, "StatefulSet": 2,
    "Pod": 2, "Node": 2, "ClusterRole": 2, "ValidatingWebhookConfiguration": 2,
}  # fmt: skip

ENUMS: dict[str, tuple[Any, ...]] = {
    "protocol": ("TCP", "UDP", "SCTP"), "internalTrafficPolicy": ("Cluster", "Local"),
    "externalTrafficPolicy": ("Cluster", "Local"), "sessionAffinity": ("None", "ClientIP"),
    "type": ("ClusterIP", "NodePort", "LoadBalancer"), "failurePolicy": ("Fail", "Ignore"),
    "dnsPolicy": ("ClusterFirst", "Default", "ClusterFirstWithHostNet"), "hostNetwork": (True, False), "ready": (True, False),
    "unschedulable": (True, None),
}  # fmt: skip
"""Fields with few values: another one of them is what a hand gets wrong."""

NETWORK_CONFIG = re.compile(r"^(coredns|kube-proxy|kube-flannel-cfg|canal-config)$")
CONSUMERS = {
    "coredns": ("kube-system", "deployment/coredns"), "kube-proxy": ("kube-system", "daemonset/kube-proxy"),
    "kube-flannel-cfg": ("kube-flannel", "daemonset/kube-flannel-ds"), "canal-config": ("kube-system", "daemonset/canal"),
}  # fmt: skip
"""Who reads a ConfigMap. Each reads it when it starts."""

ROLES = {
    "system:coredns": "coredns", "system:node-proxier": "kube-proxy", "system:controller:endpoint": "", "system:kube-dns": "",
    "flannel": "kube-flannel-cfg", "canal": "canal-config", "calico": "canal-config",
}  # fmt: skip
"""How the roles of the network's accounts begin, and the ConfigMap of whoever has it; "" for controllers."""

AGENT = ("pod_network", "nodes")
LAYERS = {"coredns": ("dns",), "kube-proxy": ("services", "nodes"), "kube-flannel": AGENT, "canal": AGENT}
PATIENCE, RESTORED = 40, 90
"""Seconds in which a rollout ends, or is seen not to; and in which one that mends ends."""


def draw(rng: Random, inventory: Inventory) -> Mutation | None:
    """Draw an object, and what becomes of it."""
    kinds = sorted(kind for kind in WEIGHTS if candidates(inventory, kind))
    kind = rng.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
    item = rng.choice(candidates(inventory, kind))
    if kind in ("Service", "NetworkPolicy") and rng.random() < 0.15:
        return _moved(item, rng, inventory)
    if kind == "ConfigMap":
        return _config(item, rng, inventory)
    found = sorted({path: None for pattern in PATHS[kind] for path in _paths(item, pattern.split("/"))}, key=str)
    if not found:
        return None
    path = rng.choice(found)
    old = _at(item, path)
    if (changed := _changed(old, path, item, rng)) is None:
        return None
    how, new = changed
    return _patched(item, path, how, old, new, inventory)


def candidates(inventory: Inventory, kind: str) -> list[dict[str, Any]]:
    """Objects of a kind that carry the network or a workload that it serves."""
    found = inventory.of(kind)
    if kind == "ClusterRole":
        return [item for item in found if item["metadata"]["name"].startswith(tuple(ROLES))]
    if kind == "ConfigMap":
        return [item for item in found if NETWORK_CONFIG.search(item["metadata"]["name"])]
    if kind == "Pod":  # those that nobody makes anew
        return [item for item in found if item["metadata"]["namespace"] not in ("kube-system", "kube-flannel")]
    if kind in ("Service", "EndpointSlice"):
        return [item for item in found if item["metadata"]["name"] != "kubernetes"]
    return found


def place(item: dict[str, Any]) -> Place:
    """Say which object it is."""
    return Place(item["kind"], item["metadata"]["name"], item["metadata"].get("namespace", ""))


def near(item: dict[str, Any], inventory: Inventory) -> tuple[Place, ...]:
    """What it carries: of a workload its Services, of a Service and its slices each other and the workload."""
    meta = item["metadata"]
    space = meta.get("namespace", "")
    if item["kind"] == "EndpointSlice":
        return (Place("Service", meta.get("labels", {}).get("kubernetes.io/service-name", ""), space),)
    labels: dict[str, str] = {}
    if item["kind"] in ("Deployment", "DaemonSet", "StatefulSet"):
        labels = item["spec"]["template"]["metadata"].get("labels", {})
    elif item["kind"] == "Pod":
        labels = meta.get("labels", {})
    found = [other for other in inventory.of("Service") if labels and _selects(other, labels, space)]
    if item["kind"] == "ClusterRole" and (config := _of_role(meta["name"])):
        return (_consumer(config),)
    if item["kind"] == "Service":
        kinds = ("Deployment", "DaemonSet", "StatefulSet")
        found = [
            other
            for other in inventory.of(*kinds)
            if _selects(item, other["spec"]["template"]["metadata"].get("labels", {}), other["metadata"]["namespace"])
        ]
    return tuple(sorted(map(place, found)))


def _selects(service: dict[str, Any], labels: dict[str, str], space: str) -> bool:
    selector = service["spec"].get("selector") or {}
    return bool(selector) and service["metadata"]["namespace"] == space and selector.items() <= labels.items()


def _paths(value: Any, pattern: list[str], path: Path = ()) -> Iterator[Path]:
    if not pattern:
        yield path
        return
    head, *rest = pattern
    if head == "**":
        if isinstance(value, dict | list) and value:
            for key, inner in _items(value):
                yield from _paths(inner, pattern, (*path, key))
        elif path:
            yield path
    elif head == "*":
        for key, inner in _items(value):
            yield from _paths(inner, rest, (*path, key))
    elif isinstance(value, dict) and (head in value or (not rest and head in ("hostNetwork", "dnsPolicy", "unschedulable"))):
        yield from _paths(value.get(head), rest, (*path, head))


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return sorted(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _at(item: Any, path: Path) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, dict) else item[key]
    return item


def _changed(old: Any, path: Path, item: dict[str, Any], rng: Random) -> tuple[str, Any] | None:
    leaf = next((key for key in reversed(path) if isinstance(key, str)), "")
    if leaf in ENUMS:
        others = [value for value in ENUMS[leaf] if value != old and not (value is False and old is None)]
        return "other", rng.choice(others)
    if isinstance(old, bool):
        return "other", not old
    ways = ["dropped"]
    if isinstance(old, int | str) and old != "":
        ways += ["one off", "one off", "swapped"]
    way = rng.choice(ways)
    if way == "dropped":
        return way, None
    if way == "swapped":
        siblings = [value for value in _leaves(item, leaf) if value != old and type(value) is type(old)]
        return (way, rng.choice(siblings)) if siblings else None
    if isinstance(old, int):
        return way, max(0, old + rng.choice((-1, 1, 10, -10)))
    return way, one_off(old, rng)


def _leaves(value: Any, leaf: str) -> list[Any]:
    """Values of the same name in the object, siblings' first."""
    found = []
    for key, inner in _items(value):
        if key == leaf and not isinstance(inner, dict | list):
            found.append(inner)
        elif key == leaf and isinstance(inner, list):
            found += [each for each in inner if not isinstance(each, dict | list)]
        else:
            found += _leaves(inner, leaf)
    return found


def _pointer(path: Path) -> str:
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def _patched(item: dict[str, Any], path: Path, how: str, old: Any, new: Any, inventory: Inventory) -> Mutation:
    where = place(item)
    at = _pointer(path)
    there = _at(item, path[:-1])
    present = path[-1] in there if isinstance(there, dict) else True
    changes = "replace" if present else "add"
    forth = {"op": "remove", "path": at} if new is None else {"op": changes, "path": at, "value": new}
    back = {"op": "add", "path": at, "value": old} if present else {"op": "remove", "path": at}
    if isinstance(there, list):  # the whole of it: a list that is empty is not kept
        back = {"op": "add", "path": _pointer(path[:-1]), "value": there}
    what = f"{where}: {_shown(path)} {json.dumps(old) if present else 'unset'} is {how}"
    what += "" if new is None else f": {json.dumps(new)}"
    apply, undo, settle = [_patch(where, forth)], [_patch(where, back)], 5.0
    if where.kind in ("Deployment", "DaemonSet", "StatefulSet"):
        ended = f"kubectl -n {where.namespace} rollout status {where.kind.lower()}/{where.name} --timeout="
        apply.append(f"{ended}{PATIENCE}s || true")
        undo.append(f"{ended}{RESTORED}s")
        settle = 3.0
    if where.kind == "ClusterRole":
        apply += _restarts(where.name)
        undo += _restarts(where.name)
    return Mutation(
        family=f"object: {where.kind}",
        what=what,
        places=(where,),
        near=near(item, inventory),
        marks=(_words(path, old, new),),
        layers=_layers(where),
        apply=tuple(apply),
        undo=tuple(undo),
        settle=settle,
    )


def _of_role(role: str) -> str:
    """The ConfigMap of whoever has a role; "" for controllers."""
    return next(config for begin, config in ROLES.items() if role.startswith(begin))


def _consumer(config: str) -> Place:
    """The workload that reads a ConfigMap."""
    space, workload = CONSUMERS[config]
    kind, name = workload.split("/")
    return Place(kind.title().replace("set", "Set"), name, space)


def _restarts(role: str) -> list[str]:
    """Who has that role starts again: what it may not do, it is not asked for before."""
    config = _of_role(role)
    return _restarted(*CONSUMERS[config]) if config else []


def _restarted(space: str, workload: str) -> list[str]:
    return [
        f"kubectl -n {space} rollout restart {workload}",
        f"kubectl -n {space} rollout status {workload} --timeout={PATIENCE}s || true",
    ]


def _layers(where: Place) -> tuple[str, ...]:
    return next((layers for name, layers in LAYERS.items() if where.name.startswith(name) or name in where.namespace), ())


def _shown(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def _words(path: Path, old: Any, new: Any) -> tuple[str, ...]:
    """Words that name the change: the field, or its value before or now where that is no common word."""
    fields = [key for key in path if isinstance(key, str) and key not in ("spec", "template", "metadata", "containers", "data")]
    values = [str(value) for value in (old, new) if isinstance(value, str | int) and not isinstance(value, bool)]
    leaves = [str(value) for holder in (old, new) for value in _flat(holder)]
    return tuple(dict.fromkeys(word for word in [*fields[-2:], *values, *leaves] if len(word) > 1))


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for _, inner in _items(value):
            yield from _flat(inner)
    elif isinstance(value, str):
        yield value


def _patch(where: Place, *ops: dict[str, Any]) -> str:
    space = f"-n {where.namespace} " if where.namespace else ""
    return f"kubectl {space}patch {where.kind.lower()} {where.name} --type json -p {shlex.quote(json.dumps(ops))}"


def clean(item: dict[str, Any]) -> dict[str, Any]:
    """An object as it may be created again; a Service keeps its address."""
    item = copy.deepcopy(item)
    item.pop("status", None)
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences", "selfLink"):
        item["metadata"].pop(key, None)
    item["metadata"].get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return item


def _moved(item: dict[str, Any], rng: Random, inventory: Inventory) -> Mutation:
    """Gone, under another name, or in another namespace."""
    where, again = place(item), clean(item)
    delete = f"kubectl -n {where.namespace} delete {where.kind.lower()} {where.name} --wait"
    create = f"kubectl create -f - <<'JSON'\n{json.dumps(again)}\nJSON"
    how = rng.choice(("gone", "renamed", "moved"))
    apply, undo, after = [delete], [create], copy.deepcopy(again)
    marks = [where.name]
    if how != "gone":
        if how == "renamed":
            after["metadata"]["name"] = one_off(where.name, rng)
        else:
            after["metadata"]["namespace"] = rng.choice(
                [space for space in ("default", "shop", "market") if space != where.namespace]
            )
        there = place(after)
        apply.append(f"kubectl create -f - <<'JSON'\n{json.dumps(after)}\nJSON")
        undo.insert(0, f"kubectl -n {there.namespace} delete {there.kind.lower()} {there.name} --wait")
        marks.append(str(there.name if how == "renamed" else there.namespace))
        what = f"{where} is {how}: {there}"
    else:
        what = f"{where} is gone"
    return Mutation(
        family=f"object: {where.kind}",
        what=what,
        places=(where,),
        near=near(item, inventory),
        marks=(tuple(marks),),
        layers=_layers(where),
        apply=tuple(apply),
        undo=tuple(undo),
        settle=5.0,
    )


def _config(item: dict[str, Any], rng: Random, inventory: Inventory) -> Mutation | None:
    """A line gone, doubled, one off or swapped with the next one; whoever reads it is started again."""
    where = place(item)
    key = rng.choice(sorted(item["data"]))
    lines = item["data"][key].split("\n")
    at = rng.choice([index for index, line in enumerate(lines) if re.search(r"\w", line)])
    way = rng.choice(("dropped", "doubled", "one off", "one off", "one off", "swapped"))
    new = list(lines)
    if way == "dropped":
        del new[at]
    elif way == "doubled":
        new.insert(at, lines[at])
    elif way == "one off":
        word = rng.choice(re.findall(r"[\w./:-]*\w", lines[at]))
        new[at] = lines[at].replace(word, one_off(word, rng), 1)
    elif at + 1 < len(lines):
        new[at], new[at + 1] = lines[at + 1], lines[at]
    if new == lines:
        return None
    space, workload = CONSUMERS[where.name]
    now = [line for line in new if line not in lines]
    shown = f"{where}: in {key} {lines[at].strip()!r} is {way}" + (f": {now[0].strip()!r}" if now else "")
    touched = [lines[at], *now, *(lines[at + 1 : at + 2] if way == "swapped" else ())]
    words = [word for text in touched for word in re.findall(r"[\w./:-]*\w", text) if len(word) > 1]
    return Mutation(
        family="object: ConfigMap",
        what=shown,
        places=(where, _consumer(where.name)),
        near=tuple(each for each in (Place("Service", "kube-dns", "kube-system"),) if where.name == "coredns"),
        marks=(tuple(dict.fromkeys(words)),),
        layers=_layers(where),
        apply=(
            _patch(where, {"op": "replace", "path": _pointer(("data", key)), "value": "\n".join(new)}),
            *_restarted(space, workload),
        ),
        undo=(
            _patch(where, {"op": "replace", "path": _pointer(("data", key)), "value": "\n".join(lines)}),
            *_restarted(space, workload),
        ),
        settle=3.0,
    )
