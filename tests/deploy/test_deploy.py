# SPDX-License-Identifier: Apache-2.0
"""deploy/: what kustomize and helm make of it is *restricted*, has just the rights that rbac prints, and flags that there are."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_netdoc import __version__
from tools.deploy_files import DEPLOY, files

Document = dict[str, Any]
KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
HELM, PROMTOOL = shutil.which("helm"), shutil.which("promtool")
OVERLAYS = ("watch", "cronjob", "monitoring")
CHARTS: dict[str, tuple[str, ...]] = {
    "watch": (),
    "cronjob": ("mode=cronjob", "keep.persistent=true", "keep.storageClassName=fast"),
    "api": ("tier=api",),
    "quiet": ("events=false", "lease=false"),
    "privileged": ("tier=privileged", "debugImage=registry.example/python:3", "extraArgs[0]=--thorough", "podLabels.team=net"),
    "monitoring": ("monitoring.podMonitor=true", "monitoring.rules=true", "monitoring.dashboard=true"),
}
VOLUMES = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "csi"}
"""Those that Pod Security *restricted* admits."""


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def kustomized(overlay: str) -> tuple[Document, ...]:
    if not KUBECTL:
        pytest.skip("kubectl is not here")
    return tuple(filter(None, yaml.safe_load_all(run(KUBECTL, "kustomize", DEPLOY / "kustomize" / overlay))))


@cache
def templated(name: str) -> tuple[Document, ...]:
    if not HELM:
        pytest.skip("helm is not here")
    sets = [word for each in CHARTS[name] for word in ("--set", each)]
    rendered = run(HELM, "template", "x", DEPLOY / "chart", "--namespace", "net", "--kube-version", "1.34.0", *sets)
    return tuple(filter(None, yaml.safe_load_all(rendered)))


RENDERED = [(kustomized, overlay) for overlay in OVERLAYS] + [(templated, name) for name in CHARTS]
rendered = pytest.mark.parametrize(("render", "name"), RENDERED, ids=[f"{each.__name__}-{name}" for each, name in RENDERED])


def pods(documents: tuple[Document, ...]) -> Iterator[Document]:
    """The specs of pods in workloads."""
    for document in documents:
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield spec["template"]["spec"]


def rules(documents: tuple[Document, ...]) -> set[str]:
    """Every right that Roles grant, one verb on one resource each; netdoc's own namespace is called so."""
    return {
        json.dumps([role["kind"], own(role["metadata"].get("namespace", "")), group, resource, verb, rule.get("resourceNames")])
        for role in documents
        if role["kind"] in ("Role", "ClusterRole")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def own(namespace: str) -> str:
    return "netdoc" if namespace == "net" else namespace


@cache
def printed(*flags: str) -> tuple[Document, ...]:
    command = [sys.executable, "-m", "kubectl_netdoc", "rbac", "--offline", "-o", "json", *flags]
    return tuple(json.loads(run(*command))["items"])


def test_what_is_made_of_other_files_is_up_to_date() -> None:
    """Made by: python -m tools.deploy_files"""
    assert {name for name, content in files().items() if (DEPLOY / name).read_text() != content} == set()


@rendered
def test_every_pod_meets_pod_security_restricted(render: Any, name: str) -> None:
    found = list(pods(render(name)))
    assert len(found) == 1
    for pod in found:
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"] > 0) == (True, True)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all(set(volume) - {"name"} <= VOLUMES for volume in pod["volumes"])
        for container in pod["containers"]:
            held = container["securityContext"]
            assert (held["allowPrivilegeEscalation"], held["capabilities"]) == (False, {"drop": ["ALL"]})
            assert held["readOnlyRootFilesystem"]
            assert not any("hostPort" in port for port in container.get("ports", ()))
            assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}


@rendered
def test_the_flags_are_those_that_the_verb_has(render: Any, name: str) -> None:
    for pod in pods(render(name)):
        verb, *args = pod["containers"][0]["args"]
        command = importlib.import_module(f"kubectl_netdoc.cli.{verb}").command
        given = command.make_context(verb, list(args)).params
        assert given["keep"] in {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert given["pod_namespace"] in ("netdoc", "net") or given["no_pods"]
        ports = {port["name"]: port["containerPort"] for port in pod["containers"][0].get("ports", ())}
        assert verb == "check" or given["address"][1] == ports["metrics"]


@pytest.mark.parametrize(
    ("render", "name", "flags"),
    [
        *((kustomized, overlay, ("--watch",)) for overlay in OVERLAYS),
        (templated, "watch", ("--watch",)),
        (templated, "cronjob", ("--watch",)),
        (templated, "api", ("--watch", "--tier", "api")),
        (templated, "privileged", ("--watch", "--tier", "privileged")),
        (templated, "quiet", ()),
    ],
)
def test_the_rights_are_those_that_rbac_prints_and_no_others(render: Any, name: str, flags: tuple[str, ...]) -> None:
    found, least = rules(render(name)), rules(printed(*flags))
    assert found == least
    assert len(found) > 50


@rendered
def test_the_account_of_the_pod_has_these_rights(render: Any, name: str) -> None:
    documents = render(name)
    roles = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in documents if "rules" in each}
    bound = set()
    for binding in (each for each in documents if each["kind"].endswith("Binding")):
        (subject,) = binding["subjects"]
        account = {"kind": "ServiceAccount", "name": subject["name"], "namespace": subject["namespace"]}
        assert account in [{"kind": each["kind"], **pick(each["metadata"])} for each in documents]
        assert {pod["serviceAccountName"] for pod in pods(documents)} == {subject["name"]}
        bound.add((binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"]))
    assert bound == roles


def pick(metadata: Document) -> Document:
    return {key: metadata[key] for key in ("name", "namespace") if key in metadata}


def test_two_runs_never_overlap() -> None:
    (job,) = (each for each in kustomized("cronjob") if each["kind"] == "CronJob")
    (deployment,) = (each for each in kustomized("watch") if each["kind"] == "Deployment")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert all("--lease" in pod["containers"][0]["args"] for name in OVERLAYS for pod in pods(kustomized(name)))


def test_the_selectors_of_monitoring_find_the_pod() -> None:
    for documents in (kustomized("monitoring"), templated("monitoring")):
        (monitor,) = (each for each in documents if each["kind"] == "PodMonitor")
        (deployment,) = (each for each in documents if each["kind"] == "Deployment")
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        assert wanted <= deployment["spec"]["template"]["metadata"]["labels"].items()
        (rule,) = (each for each in documents if each["kind"] == "PrometheusRule")
        assert rule["spec"] == yaml.safe_load((DEPLOY / "alerts.yaml").read_text())
        (dashboard,) = (each for each in documents if each["kind"] == "ConfigMap")
        assert json.loads(dashboard["data"]["dashboard.json"]) == json.loads((DEPLOY / "dashboard.json").read_text())


def test_the_version_is_netdocs() -> None:
    chart = yaml.safe_load((DEPLOY / "chart" / "Chart.yaml").read_text())
    tags = {
        yaml.safe_load((DEPLOY / "kustomize" / name / "kustomization.yaml").read_text())["images"][0]["newTag"]
        for name in OVERLAYS[:2]
    }
    assert {chart["version"], chart["appVersion"], *tags} == {__version__}


@pytest.mark.skipif(not HELM, reason="helm is not here")
@pytest.mark.parametrize("wrong", ["mode=always", "tier=root", "evry=5m", "every=soon"])
def test_a_value_that_can_not_be_meant_is_refused(wrong: str) -> None:
    done = subprocess.run(
        [str(HELM), "template", "x", str(DEPLOY / "chart"), "--kube-version", "1.34.0", "--set", wrong],
        capture_output=True,
        timeout=120,
    )
    assert done.returncode != 0


@pytest.mark.skipif(not PROMTOOL, reason="promtool (Debian: prometheus) is not here")
def test_the_alerts_do_what_they_say() -> None:
    assert "6 rules found" in run(PROMTOOL, "check", "rules", DEPLOY / "alerts.yaml")
    assert "SUCCESS" in run(PROMTOOL, "test", "rules", DEPLOY / "alerts_test.yaml")


def test_the_image_is_made_of_what_a_release_hands_out_and_runs_as_nobody() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied == ["release/locked/run.txt", "dist/*.whl"]
    assert (DEPLOY.parent / copied[0]).is_file()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 65534:65534"]
