# SPDX-License-Identifier: Apache-2.0
"""Manifests (a folder, a file or stdin) as a source: a cluster that does not exist yet, for the static part of every check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind, Object, ObjectMeta, convert, refused
from kubectl_netdoc.records.kinds import OWNERS, REPLICA_SET
from kubectl_netdoc.sources import FollowUp, SourceError, Warn, nothing_more
from kubectl_netdoc.sources.documents import Document
from kubectl_netdoc.sources.objects import BESIDE, as_json, kind_of, name_of, objects, unknown_version


class ManifestSource:
    """Manifests as a source: nothing can be measured, and lists that only a cluster has are ``Unavailable``."""

    def __init__(self, name: str, documents: Iterable[Document], warn: Warn) -> None:
        self._name = name
        self._found: dict[str, list[Any]] = {}
        self._bad: dict[str, list[Unseen]] = {}
        self._place: dict[tuple[str, str, str], tuple[int, str]] = {}
        self._warn = warn
        self._patched = False
        passed_over: Counter[str] = Counter()
        for file, document in documents:
            self._patched |= Path(file).stem.lower() == "kustomization"
            found = list(objects(document))
            if not found:
                passed_over[f"a document in {file} that is not a Kubernetes object"] += 1
            for item in found:
                kind = kind_of(item)
                if kind:
                    self._add(kind, item, file)
                    self._settings(kind, item)
                elif not self._templates(item):
                    passed_over[f"kind {item['kind']}"] += 1
        for what, count in sorted(passed_over.items()):
            warn(f"ignored: {what}" + (f" ({count} times)" if count > 1 else ""))
        if not self._found and not self._bad:
            raise SourceError(f"{name} contains no Kubernetes object that netdoc reads", 2)

    def _add(self, kind: Kind[Any], item: dict[str, Any], file: str) -> None:
        why = unknown_version(kind, item)
        never = "" if why else refused(kind, item)
        if never:
            why = f"every API server refuses it: {never}"
        try:
            record = _with_namespace(kind, convert(kind, as_json(item)))
        except (msgspec.MsgspecError, RecursionError) as error:
            why = why or f"can't be decoded: {error}"
        if why:
            what = f"{kind.written or kind.name} {name_of(item)}in {file}"
            self._bad.setdefault(kind.name, []).append(Unseen(what, why, expected=True, not_applicable=bool(never)))
            self._warn(f"ignored: {what}: {why}")
            return
        if not kind.names or (record.namespace, record.name) in kind.names:
            identity = kind.name, record.namespace, record.name
            if record.name and identity in self._place:
                where = f"{kind.written or kind.name} {record.namespace}/{record.name}".replace(" /", " ")
                either = kind in OWNERS  # a base and its patch, or two things that are never applied together
                counts = "it is not known which one is used" if either else "the last one is used"
                self._warn(f"{where} exists twice, in {self._place[identity][1]} and in {file}; {counts}")
                if not either:
                    self._found[kind.name][self._place[identity][0]] = record
                    self._place[identity] = self._place[identity][0], file
                    return
            found = self._found.setdefault(kind.name, [])
            self._place[identity] = len(found), file
            found.append(record)

    def _templates(self, item: dict[str, Any]) -> bool:
        """Keep the pod templates in a custom resource (a Rollout, a CloneSet) as the ReplicaSets that it would create."""
        metadata = item.get("metadata")
        if not isinstance(metadata, dict):
            return False
        owner = {"kind": item["kind"], "name": metadata.get("name"), "controller": True}
        templates = list(_pod_templates(item.get("spec")))
        for template in templates:
            kept = {key: metadata.get(key) for key in ("name", "namespace")} | {"ownerReferences": [owner]}
            try:
                record = convert(REPLICA_SET, as_json({"metadata": kept, "spec": {"template": template}}))
            except (msgspec.MsgspecError, RecursionError):
                return False
            self._found.setdefault(REPLICA_SET.name, []).append(_with_namespace(REPLICA_SET, record))
        return bool(templates)

    def _settings(self, kind: Kind[Any], item: dict[str, Any]) -> None:
        """Keep what other kinds read from the same object; an error in it is reported once."""
        for other in BESIDE[kind.name] if not unknown_version(kind, item) else ():
            try:
                record = _with_namespace(other, convert(other, as_json(item)))
            except (msgspec.MsgspecError, RecursionError):
                continue
            if not other.names or (record.namespace, record.name) in other.names:
                found = self._found.setdefault(other.name, [])
                found[:] = [known for known in found if (known.namespace, known.name) != (record.namespace, record.name)]
                found.append(record)

    @property
    def label(self) -> str:
        """The path of the manifests."""
        return f"manifests in {self._name}"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the manifests as a cluster."""
        listings = {kind.name: self._listing(kind) for kind in kinds}
        return Cluster(listings, server="", origin="manifests", patched=self._patched)

    def _listing(self, kind: Kind[Any]) -> Listing | Unavailable:
        if kind.name not in self._found and kind.name not in self._bad and not kind.authored:
            return Unavailable("manifests don't contain these; only a cluster has them", by_design=True)
        return Listing(tuple(self._found.get(kind.name, ())), tuple(self._bad.get(kind.name, ())))

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return no replies: manifests can't be measured."""
        return Measured(why_unmeasured="manifests can't be measured; only a cluster can")


def _pod_templates(value: Any) -> Iterator[dict[str, Any]]:
    """Yield everything with the shape of a pod template: labels in its metadata, and containers."""
    if isinstance(value, list):
        for item in value:
            yield from _pod_templates(item)
    elif isinstance(value, dict):
        metadata, spec = value.get("metadata"), value.get("spec")
        if isinstance(metadata, dict) and isinstance(spec, dict) and metadata.get("labels") and spec.get("containers"):
            yield {"metadata": {"labels": metadata["labels"]}, "spec": spec}
        else:
            for item in value.values():
                yield from _pod_templates(item)


def _with_namespace(kind: Kind[Any], record: Object) -> Object:
    if not kind.namespaced or record.namespace:
        return record
    fields: ObjectMeta = msgspec.structs.replace(record.metadata, namespace="default")
    return msgspec.structs.replace(record, metadata=fields)
