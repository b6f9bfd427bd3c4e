# SPDX-License-Identifier: Apache-2.0
"""What refuses netdoc's pods, and what answers it. The texts are made by hand, in the form in which people quote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.sources.live.admission import SHOWN, explained, refusal
from kubectl_netdoc.sources.live.client import ApiError, Client, Options
from kubectl_netdoc.sources.live.ephemeral_container import measure
from kubectl_netdoc.testing import make_pod
from tests.support.api_server import Heard, api_server
from tests.support.commandline import Netdoc, complaint, in_process
from tests.support.kubeconfigs import kubeconfig

NOT_YOURS = "Forbidden: not usable by user or serviceaccount"
OPENSHIFT = (
    'pods "netdoc-1a2b3c-0" is forbidden: unable to validate against any security context constraint: '
    f'[provider "anyuid": {NOT_YOURS}, provider restricted-v2: .containers[0].runAsUser: Invalid value: 65534: must be in the '
    f'ranges: [1000740000, 1000749999], provider "restricted": {NOT_YOURS}, provider "nonroot-v2": {NOT_YOURS}, '
    f'provider "hostnetwork-v2": {NOT_YOURS}]'
)
KYVERNO_LABELS = """admission webhook "validate.kyverno.svc-fail" denied the request:

resource Pod/netdoc-1a2b3c/netdoc-1a2b3c-0 was blocked due to the following policies

require-labels:
  check-for-labels: 'validation error: label ''team'' is required. rule check-for-labels failed at path /metadata/labels/team/'"""
KYVERNO_LIMITS = """admission webhook "validate.kyverno.svc-fail" denied the request:

require-requests-limits:
  validate-resources: 'validation error: ephemeral-storage limits are required. rule validate-resources failed at path
    /spec/containers/0/resources/limits/ephemeral-storage/'"""
GATEKEEPER_REGISTRY = (
    'admission webhook "validation.gatekeeper.sh" denied the request: [repo-is-ours] container <agent> has an invalid image repo '
    '<docker.io/library/python:3.13-alpine>, allowed repos are ["registry.corp.example/"]'
)
NATIVE_LABELS = (
    "pods \"netdoc-1a2b3c-0\" is forbidden: ValidatingAdmissionPolicy 'owner' with binding 'owner' denied request: "
    "failed expression: 'owner' in object.metadata.labels"
)
QUOTA = 'pods "x" is forbidden: failed quota: q: must specify limits.ephemeral-storage for: agent'
LIMIT_RANGE = 'pods "x" is forbidden: maximum cpu usage per Container is 500m, but limit is 1'
POD_SECURITY = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'


@pytest.mark.parametrize(
    ("status", "message", "trouble"),
    [
        (403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1', PodProblem.QUOTA),
        (403, 'pods "x" is forbidden: failed quota: q: must specify limits.cpu', PodProblem.QUOTA),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', PodProblem.ADMISSION),
        (400, 'admission webhook "policy.example" denied the request: no', PodProblem.ADMISSION),
        (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no team", PodProblem.ADMISSION),
        (403, 'User "u" cannot create resource "pods" in API group ""', PodProblem.FORBIDDEN),
        (
            403,
            'pods "x" is forbidden: error looking up service account n/default: serviceaccount "default" not found',
            PodProblem.ACCOUNT,
        ),
        (
            403,
            LIMIT_RANGE,
            PodProblem.ADMISSION,
        ),
        (403, OPENSHIFT, PodProblem.ADMISSION),
        (400, KYVERNO_LABELS, PodProblem.ADMISSION),
        (500, "etcd is gone", PodProblem.API),
    ],
)
def test_refusals_are_told_apart_by_their_text(status: int, message: str, trouble: PodProblem) -> None:
    assert refusal(ApiError(status, message)) is trouble


@pytest.mark.parametrize(
    ("message", "flags"),
    [
        (KYVERNO_LABELS, {"--label"}),
        (NATIVE_LABELS, {"--label"}),
        (KYVERNO_LIMITS, {"--pod-limits", "--pod-requests"}),
        (LIMIT_RANGE, {"--pod-limits", "--pod-requests"}),
        (QUOTA, {"--pod-limits", "--pod-requests"}),
        (GATEKEEPER_REGISTRY, {"--image"}),
        (POD_SECURITY, {"--node-checks", "--privileged"}),
        (OPENSHIFT, {"--pod-namespace"}),
        ('User "u" cannot create resource "pods" with image or label', set()),
    ],
)
def test_a_refusal_is_told_with_the_flag_that_answers_it(message: str, flags: set[str]) -> None:
    told = explained(ApiError(403, message))
    assert {word.strip(",;") for word in told.split() if word.startswith("--")} == flags
    assert "\n" not in told
    assert told.startswith(" ".join(message.split())[: SHOWN // 2])


# A run


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    monkeypatch.delenv("NETDOC_IMAGE", raising=False)
    return in_process(monkeypatch, capsys)


def user_of(pod: dict[str, Any]) -> Any:
    return pod["spec"]["securityContext"].get("runAsUser")


def restricted_v2(heard: Heard) -> tuple[int, str] | None:
    """Refuse a pod on the pod network that names its user, as the SCC restricted-v2 does: it gives them ids itself."""
    if heard.verb == "post" and heard.path.endswith("/pods") and user_of(heard.body) is not None:
        return 403, OPENSHIFT
    return None


@pytest.mark.parametrize("flags", [[], ["--node-checks"]], ids=["pods", "nodes"])
def test_openshift_gives_the_user_id_itself(netdoc: Netdoc, tmp_path: Path, flags: list[str]) -> None:
    with api_server() as server:
        server.refuse = restricted_v2
        done = netdoc("check", "debug_pods", *flags, "--kubeconfig", kubeconfig(tmp_path, server.url))
        assert (done.code, "POD002" in done.out) == (0, False)
        taken = [pod for pod in server.made("pods") if user_of(pod) is None]
        assert {pod["metadata"]["name"] for pod in taken} == {pod["metadata"]["name"] for pod in server.made("pods")}
        assert {pod["spec"]["securityContext"]["runAsNonRoot"] for pod in taken} == {True}


def test_elsewhere_pods_run_as_nobody(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        netdoc("check", "debug_pods", "--kubeconfig", kubeconfig(tmp_path, server.url))
        assert {user_of(pod) for pod in server.made("pods")} == {65534}


def test_root_is_not_given_up_for_it(netdoc: Netdoc, tmp_path: Path) -> None:
    """A privileged pod that is not root would look as if it had seen all: it is refused, and that is told."""
    with api_server() as server:
        server.refuse = restricted_v2
        done = netdoc("check", "debug_pods", "--privileged", "--kubeconfig", kubeconfig(tmp_path, server.url))
        assert {user_of(pod) for pod in server.made("pods") if pod["spec"].get("hostNetwork")} == {0}
        assert done.code == 0


def test_a_namespace_that_has_no_range_of_ids_yet_is_waited_for(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        text = 'pods "x" is forbidden: error fetching namespace "netdoc-1a2b3c": unable to find annotation '
        text += "openshift.io/sa.scc.uid-range"
        server.refuse = lambda heard: (403, text) if heard.path.endswith("/pods") and len(server.made("pods")) < 5 else None
        done = netdoc("check", "debug_pods", "--kubeconfig", kubeconfig(tmp_path, server.url))
        assert (done.code, "POD002" in done.out) == (0, False)


def test_an_ephemeral_container_on_openshift(tmp_path: Path) -> None:
    """Its user is the namespace's too."""
    with api_server() as server:
        containers: list[dict[str, Any]] = []

        def judge(heard: Heard) -> tuple[int, str] | None:
            if heard.verb != "patch":
                return None
            containers.extend(heard.body["spec"]["ephemeralContainers"])
            return (403, OPENSHIFT) if "runAsUser" in containers[-1]["securityContext"] else (403, "enough")

        server.refuse = judge
        _, pod = make_pod("web", namespace="shop")
        assert isinstance(pod, Pod)
        measure(Client(Options(kubeconfig=str(kubeconfig(tmp_path, server.url)))), pod, "image", (), 5)
        assert ["runAsUser" in each["securityContext"] for each in containers] == [True, False]


def demands(heard: Heard) -> tuple[int, str] | None:
    """Demand a label of everything, a limit and a registry of pods."""
    if heard.verb != "post":
        return None
    if "team" not in heard.body["metadata"]["labels"]:
        return 400, KYVERNO_LABELS
    for container in heard.body.get("spec", {}).get("containers", ()):
        if "ephemeral-storage" not in container["resources"]["limits"]:
            return 400, KYVERNO_LIMITS
        if not container["image"].startswith("registry.corp.example/"):
            return 403, GATEKEEPER_REGISTRY
    return None


ANSWERS = ["--label", "team=net", "--pod-limits", "ephemeral-storage=64Mi,cpu=500m", "--image", "registry.corp.example/python:3"]


def test_policies_that_demand_labels_limits_and_a_registry(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        server.refuse = demands
        done = netdoc("check", "debug_pods", "--kubeconfig", kubeconfig(tmp_path, server.url), *ANSWERS)
        assert (done.code, "POD002" in done.out) == (0, False)
        for pod in server.made("pods"):
            (container,) = pod["spec"]["containers"]
            assert container["resources"]["limits"] == {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "64Mi"}
            assert pod["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kubectl-netdoc"


@pytest.mark.parametrize("without", range(0, 6, 2), ids=["--label", "--pod-limits", "--image"])
def test_what_is_missing_is_asked_for(netdoc: Netdoc, tmp_path: Path, without: int) -> None:
    """In the namespace that there is, and where a new one is refused already."""
    with api_server() as server:
        server.refuse = demands
        flags = [*ANSWERS[:without], *ANSWERS[without + 2 :]]
        done = netdoc("check", "debug_pods", "--kubeconfig", kubeconfig(tmp_path, server.url), *flags)
        assert ANSWERS[without] in done.out


def test_a_label_does_not_replace_netdocs_own(netdoc: Netdoc, tmp_path: Path) -> None:
    """Or nothing would find what it left behind."""
    with api_server() as server:
        path = kubeconfig(tmp_path, server.url)
        netdoc("check", "debug_pods", "--kubeconfig", path, "--label", "app.kubernetes.io/managed-by=helm,team=net")
        made: list[Any] = [*server.made("namespaces"), *server.made("services"), *server.made("pods")]
        owners = {
            (each["metadata"]["labels"]["app.kubernetes.io/managed-by"], each["metadata"]["labels"]["team"]) for each in made
        }
        assert owners == {("kubectl-netdoc", "net")}


@pytest.mark.parametrize(
    "flags",
    [
        ["--label", "team"],
        ["--label", "=x"],
        ["--label", "team=a b"],
        ["--label", "-x=1"],
        ["--pod-limits", "cpu"],
        ["--pod-limits", "cpu=lots"],
        ["--pod-limits", "cpu=1,"],
        ["--pod-requests", "memory=-1"],
    ],
    ids=" ".join,
)
def test_wrong_flags_are_one_line(netdoc: Netdoc, flags: list[str]) -> None:
    assert flags[0] in complaint(netdoc("check", *flags), 2)


def test_a_pull_secret(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        flags = ["--image-pull-secret", "ours", "--pod-namespace", "ops", "--image", "registry.corp.example/python:3"]
        netdoc("check", "debug_pods", "--kubeconfig", kubeconfig(tmp_path, server.url), *flags)
        assert {(pod["spec"]["imagePullSecrets"][0]["name"]) for pod in server.made("pods")} == {"ours"}
        assert server.made("namespaces") == []
