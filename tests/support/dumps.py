# SPDX-License-Identifier: Apache-2.0
"""Dumps of a cluster as other tools write them, made of the objects of a recorded bundle.

Written by hand after the sources of the tools: kubernetes/kubectl (``pkg/cmd/clusterinfo/clusterinfo_dump.go``), openshift/oc
(``pkg/cli/admin/inspect``, commits 039b915, 05b3516 and 04e7cda), sosreport/sos (``sos/report/plugins/kubernetes.py``, commit
0c70fa9) and replicatedhq/troubleshoot (``pkg/collect/cluster_resources.go``, commit 8f9a617).
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    EVENT,
    KINDS,
    NODE,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    SERVICE,
)

Objects = dict[str, list[dict[str, Any]]]
Files = dict[str, str]

BUNDLES = Path(__file__).parent.parent / "bundles"
IMAGE = "quay-io-openshift-release-dev-ocp-v4-0-art-dev-sha256-0123456789abcdef"
PACKERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
CLUSTER_INFO = (EVENT, REPLICATION_CONTROLLER, SERVICE, DAEMON_SET, DEPLOYMENT, REPLICA_SET, POD)
LOG = """==== START logs for container {container} of pod {pod} ====
{{"kind": "ServiceList", "items": [{{"kind": "Service", "metadata": {{"name": "log", "namespace": "log", "uid": "u"}}}}]}}
==== END logs for container other of pod a/b ====
no line break at the end==== END logs for container {container} of pod {pod} ====
"""


def recorded(bundle: str) -> Objects:
    """Return the objects of a bundle by kind, as far as their records are what the API has, as an API server writes them."""
    listings = json.loads((BUNDLES / f"{bundle}.json").read_text())["listings"]
    plain = (KINDS[name] for name in listings if not KINDS[name].wire and not KINDS[name].logs and not KINDS[name].names)
    found = {kind.name: [_written(kind, item) for item in listings[kind.name].get("objects", ())] for kind in plain}
    return {name: items for name, items in found.items() if name not in ("NetworkAgent", "RootCertificate")}


def _written(kind: Kind[Any], item: dict[str, Any]) -> dict[str, Any]:
    metadata = {"uid": f"{kind.name}-{item['metadata']['name']}", **item["metadata"]}
    return {"kind": kind.written or kind.name, "apiVersion": kind.api, **item, "metadata": metadata}


def namespaces(objects: Objects) -> list[str]:
    """Return the namespaces of a cluster."""
    return [item["metadata"]["name"] for item in objects["Namespace"]]


def within(objects: Objects, kind: Kind[Any], namespace: str) -> list[dict[str, Any]]:
    """Return the objects of a kind in a namespace."""
    return [item for item in objects.get(kind.name, ()) if item["metadata"].get("namespace") == namespace]


def listed(kind: Kind[Any], items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a typed list; its items say no kind, as in Go."""
    bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
    return {"kind": f"{kind.written or kind.name}List", "apiVersion": kind.api, "metadata": {}, "items": bare}


def cluster_info(objects: Objects) -> Files:
    """Return what ``kubectl cluster-info dump -A --output-directory`` writes."""
    files = {"nodes.json": json.dumps(listed(NODE, objects["Node"]), indent=4)}
    for space in namespaces(objects):
        for kind in CLUSTER_INFO:
            name = "replication-controllers" if kind is REPLICATION_CONTROLLER else kind.plural
            files[f"{space}/{name}.json"] = json.dumps(listed(kind, within(objects, kind, space)), indent=4)
        for pod in within(objects, POD, space):
            files[f"{space}/{pod['metadata']['name']}/logs.txt"] = _log(pod)
    return files


def _log(pod: dict[str, Any]) -> str:
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    return "".join(LOG.format(container=each["name"], pod=name) for each in pod["spec"].get("containers", ()))


def stream(objects: Objects) -> str:
    """Return what ``kubectl cluster-info dump -A`` prints: the same one after the other, logs between."""
    return "".join(f"{content.rstrip()}\n" for content in cluster_info(objects).values())


def must_gather(objects: Objects) -> Files:
    """Return what ``oc adm must-gather`` writes: an object a file outside of namespaces, and lists inside."""
    files = {f"{IMAGE}/timestamp": "2026-01-01 12:00:00\n", "event-filter.html": "<html></html>"}
    for node in objects["Node"]:
        files[f"{IMAGE}/cluster-scoped-resources/core/nodes/{node['metadata']['name']}.yaml"] = _yaml(node)
    kinds = [KINDS[name] for name in objects if KINDS[name].namespaced]
    for space in objects["Namespace"]:
        folder = f"{IMAGE}/namespaces/{space['metadata']['name']}"
        files[f"{folder}/{space['metadata']['name']}.yaml"] = _yaml(space)
        for kind in kinds:
            items = within(objects, kind, space["metadata"]["name"])
            whole = {"apiVersion": kind.api, "kind": f"{kind.written or kind.name}List", "metadata": {}, "items": items}
            files[f"{folder}/{kind.group or 'core'}/{kind.plural}.yaml"] = _yaml(whole)
        for pod in within(objects, POD, space["metadata"]["name"]):
            place = f"{folder}/pods/{pod['metadata']['name']}"
            files |= {f"{place}/{pod['metadata']['name']}.yaml": _yaml(pod), f"{place}/logs/current.log": "kind: Service\n"}
    return files


def _yaml(document: Any) -> str:
    return f"---\n{yaml.dump(document, Dumper=getattr(yaml, 'CSafeDumper', yaml.SafeDumper))}"


def support_bundle(objects: Objects) -> Files:
    """Return what troubleshoot's collector clusterResources writes."""
    files = {"support-bundle/version.yaml": _yaml({"apiVersion": "troubleshoot.sh/v1beta2", "kind": "SupportBundle"})}
    for name, items in objects.items():
        kind, place = KINDS[name], f"support-bundle/cluster-resources/{KINDS[name].plural}"
        files[f"{place}-errors.json"] = "null"
        if not kind.namespaced:
            files[f"{place}.json"] = json.dumps(listed(kind, items))
        for space in namespaces(objects) if kind.namespaced else ():
            files[f"{place}/{space}.json"] = json.dumps(
                listed(kind, within(objects, kind, space)) | _nothing(objects, kind, space)
            )
    return files


def _nothing(objects: Objects, kind: Kind[Any], space: str) -> dict[str, Any]:
    return {} if within(objects, kind, space) else {"items": None}


def sos(objects: Objects) -> Files:
    """Return what sos writes with ``-k kubernetes.all=on``: what kubectl printed, in files named after its commands."""
    folder = "sosreport-n1/sos_commands/kubernetes/cluster-info"
    command = "kubectl_--kubeconfig_.etc.kubernetes.admin.conf_get_-o_json"
    files = {"sosreport-n1/etc/kubernetes/manifests/kube-proxy.yaml": _yaml({"kind": "Pod", "metadata": {"name": "static"}})}
    files[f"{folder}/{command}_nodes"] = json.dumps(_printed(objects["Node"]))
    files[f"{folder}/kubectl_get_namespaces"] = "NAME STATUS AGE\ndefault Active 1d\n"
    for space in namespaces(objects):
        for kind in (KINDS[name] for name in objects if KINDS[name].namespaced):
            files[f"{folder}/{space}/{command}_--namespace_{space}_{kind.plural}"] = json.dumps(
                _printed(within(objects, kind, space))
            )
    return files


def _printed(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}}


def get(objects: Objects) -> str:
    """Return what ``kubectl get nodes,ns,pods,services,… -A -o json`` prints."""
    return json.dumps(_printed(item for items in objects.values() for item in items))


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files with their folders, and return the folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def pack(archive: Path, files: Mapping[str, str], more: Callable[[tarfile.TarFile], None] = lambda _: None) -> Path:
    """Write an archive of files, compressed as its name says; ``more`` adds what a hostile one has."""
    folder = write(archive.parent / f"{archive.name}.d", files)
    with PACKERS[archive.suffix](archive, "wb") as out, tarfile.open(fileobj=out, mode="w") as packed:
        packed.add(folder, arcname=".")
        more(packed)
    return archive


LAYOUTS: dict[str, Callable[[Objects], Files]] = {
    "cluster-info": cluster_info,
    "must-gather": must_gather,
    "support-bundle": support_bundle,
    "sos": sos,
}


def every(folder: Path, objects: Objects) -> Iterator[tuple[str, Path]]:
    """Yield each way in which a dump of the same objects comes: as a folder, an archive, or what kubectl prints."""
    for name, layout in LAYOUTS.items():
        yield name, write(folder / name, layout(objects))
        yield f"{name}.tar.gz", pack(folder / f"{name}.tar.gz", layout(objects))
    for name, text in (("stream.json", stream(objects)), ("get.json", get(objects))):
        (folder / name).write_text(text)
        yield name, folder / name
