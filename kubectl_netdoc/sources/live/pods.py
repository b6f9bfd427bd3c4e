"""Debug pods: created together, watched until they run or can't, and removed whatever happens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.facts import Vantage
from kubectl_netdoc.model import Rule
from kubectl_netdoc.records import NODE, Node
from kubectl_netdoc.sources.live.client import ApiError, Client

DEFAULT_IMAGE = "docker.io/library/python:3.13-alpine"
OWNER = "app.kubernetes.io/managed-by"
RUN = "netdoc/run"
EXPIRES = "netdoc/expires"
MOST_NODES = 30
"""Nodes that carry a debug pod at most; more are sampled evenly over the names, and the report says so."""

START = 20.0
"""Seconds that debug pods get to start. Three started 1.6 s after the create call on the idle lab (design.md §8);
an image pull of 20 MB takes several seconds more."""

HOPELESS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)
"""Reasons of a waiting container that waiting does not mend within a run (kubelet, pkg/kubelet/images and container)."""


class Settings(Struct, frozen=True, kw_only=True):
    """How to run debug pods. ``timeout``: seconds for the whole run, after which a pod of ours ends by itself."""

    image: str = DEFAULT_IMAGE
    namespace: str = ""
    pull_secret: str = ""
    timeout: float = 60.0


class NoPods(Exception):
    """No debug pod can be run at all; the text says why, ``grant`` the rule that would allow it."""

    def __init__(self, reason: str, grant: Rule | None = None) -> None:
        super().__init__(f"{reason}; least rule: {grant}" if grant else reason)


class _State(Struct, rename="camel"):
    reason: str = ""
    message: str = ""


class _States(Struct, rename="camel"):
    waiting: _State | None = None
    running: dict[str, Any] | None = None
    terminated: _State | None = None


class _ContainerStatus(Struct, rename="camel"):
    state: _States = field(default_factory=_States)


class _PodStatus(Struct, rename="camel"):
    phase: str = ""
    reason: str = ""
    message: str = ""
    container_statuses: list[_ContainerStatus] = []


class _Meta(Struct, rename="camel"):
    name: str = ""


class _Spec(Struct, rename="camel"):
    node_name: str = ""


class _PodSeen(Struct, rename="camel"):
    metadata: _Meta = field(default_factory=_Meta)
    spec: _Spec = field(default_factory=_Spec)
    status: _PodStatus = field(default_factory=_PodStatus)


class _Change(Struct):
    type: str
    object: _PodSeen


class DebugPod(Struct):
    """One of this run's pods. ``settled``: runs, or is known not to."""

    name: str
    node: str
    running: bool = False
    reason: str = ""
    message: str = ""

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.running or bool(self.reason)

    def vantage(self, throttled: float = 0.0) -> Vantage:
        """Return this pod as a vantage."""
        return Vantage(self.node, self.running, self.reason, self.message, throttled)


def choose_nodes(cluster: Cluster) -> tuple[str, ...]:
    """Return the nodes that are to carry a debug pod; "" (wherever it lands) where Nodes can't be read."""
    nodes = sorted(node.name for node in cluster.index.items(NODE) if not unfit(node))
    if not cluster.readable(NODE):
        return ("",)
    step = max(1, -(-len(nodes) // MOST_NODES))
    return tuple(nodes[::step])


def unfit(node: Node) -> str:
    """Return why a node can't run a debug pod by its nature, or nothing."""
    if node.status.node_info.operating_system == "windows":
        return "Windows node"
    if node.metadata.labels.get("type") == "virtual-kubelet" or any(
        taint.key.startswith("virtual-kubelet.io/") for taint in node.spec.taints
    ):
        return "virtual node"
    return ""


def _not_ready(node: Node | None) -> str:
    condition = node.condition("Ready") if node else None
    return "" if condition is None or condition.status == "True" else condition.reason or "NotReady"


@contextmanager
def debug_pods(client: Client, settings: Settings, cluster: Cluster) -> Iterator[tuple[str, list[DebugPod]]]:
    """Give the namespace and the pods, settled, one for each of the cluster's vantages; remove them at the end.

    Raises ``NoPods`` where none can be made. On any way out, a signal included, what was made is deleted.
    """
    run = secrets.token_hex(3)
    namespace = settings.namespace or f"netdoc-{run}"
    expires = (datetime.now(UTC) + timedelta(seconds=settings.timeout + 30)).isoformat(timespec="seconds")
    made: list[str] = []
    try:
        if not settings.namespace:
            made.append(f"/api/v1/namespaces/{namespace}")
            _create_namespace(client, namespace, run, expires)
        pods = [DebugPod(f"netdoc-{run}-{number}", node) for number, node in enumerate(cluster.vantages)]
        if settings.namespace:
            made += [f"/api/v1/namespaces/{namespace}/pods/{pod.name}" for pod in pods]
        nodes = {node.name: node for node in cluster.index.items(NODE)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda pod: _create(client, settings, namespace, pod, run, expires, nodes.get(pod.node)), pods))
        _settle(client, namespace, run, pods, min(START, settings.timeout))
        yield namespace, pods
    finally:
        _remove(client, made)


def _labels(run: str) -> dict[str, str]:
    mesh = {"istio.io/dataplane-mode": "none", "sidecar.istio.io/inject": "false"}
    return {OWNER: "kubectl-netdoc", RUN: run, **mesh}


def _create_namespace(client: Client, name: str, run: str, expires: str) -> None:
    labels = _labels(run) | {"pod-security.kubernetes.io/enforce": "restricted", "istio-injection": "disabled"}
    body = {"metadata": {"name": name, "labels": labels, "annotations": {EXPIRES: expires}}}
    try:
        client.request("POST", "/api/v1/namespaces", body=body)
    except ApiError as error:
        if error.status == 403:
            raise NoPods(
                "you may not create a namespace for debug pods: name one of yours with --pod-namespace, or leave them out "
                "with --no-pods",
                Rule("create", "namespaces"),
            ) from error
        raise NoPods(f"the namespace for debug pods can't be created: {error.message}") from error


def manifest(settings: Settings, name: str, node: str, run: str, expires: str) -> dict[str, Any]:
    """Return the pod: meets Pod Security *restricted*, holds no token, goes nowhere near a mesh, ends by itself."""
    container = {
        "name": "agent",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "import time; time.sleep(86400)"],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "1", "memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": int(settings.timeout + 30),
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if node:
        spec["nodeName"] = node
    if settings.pull_secret:
        spec["imagePullSecrets"] = [{"name": settings.pull_secret}]
    annotations = {
        EXPIRES: expires,
        "linkerd.io/inject": "disabled",
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
    }
    return {"metadata": {"name": name, "labels": _labels(run), "annotations": annotations}, "spec": spec}


def _create(client: Client, settings: Settings, namespace: str, pod: DebugPod, run: str, expires: str, node: Node | None) -> None:
    pod.reason = _not_ready(node)
    if pod.reason:
        pod.message = "the node is not ready, so no debug pod was started on it"
        return
    body = manifest(settings, pod.name, pod.node, run, expires)
    deadline = time.monotonic() + 2
    while True:
        try:
            client.request("POST", f"/api/v1/namespaces/{namespace}/pods", body=body)
            return
        except ApiError as error:
            # The default ServiceAccount of a new namespace is made a moment after it.
            if "serviceaccount" in error.message and "not found" in error.message and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            pod.reason, pod.message = "Forbidden" if error.status == 403 else f"error {error.status}", error.message
            return


def _settle(client: Client, namespace: str, run: str, pods: list[DebugPod], seconds: float) -> None:
    """Watch the pods until each runs or can't, for at most ``seconds``."""
    deadline = time.monotonic() + seconds
    by_name = {pod.name: pod for pod in pods}
    while not all(pod.settled for pod in pods) and (left := deadline - time.monotonic()) > 0:
        try:
            # Without a resourceVersion a watch begins with what is there.
            for line in client.watch(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": f"{RUN}={run}"}, left):
                _note(by_name, line)
                if all(pod.settled for pod in pods) or time.monotonic() > deadline:
                    break
        except ApiError as error:
            if error.status in (401, 403):
                _give_up(pods, "Forbidden", error.message)
            time.sleep(0.1)
    _give_up(pods, "NotStarted", f"not running {seconds:.0f} s after it was created")


def _give_up(pods: list[DebugPod], reason: str, message: str) -> None:
    for pod in pods:
        if not pod.settled:
            pod.reason, pod.message = reason, message


def _note(pods: dict[str, DebugPod], line: bytes) -> None:
    try:
        change = msgspec.json.decode(line, type=_Change)
    except msgspec.MsgspecError:
        return
    pod = pods.get(change.object.metadata.name)
    if pod is None or pod.settled:
        return
    pod.node = pod.node or change.object.spec.node_name
    status = change.object.status
    if change.type == "DELETED":
        pod.reason, pod.message = "Deleted", "somebody deleted it"
    elif status.phase in ("Failed", "Succeeded"):
        pod.reason, pod.message = status.reason or status.phase, status.message
    for container in status.container_statuses:
        state = container.state
        if state.running is not None:
            pod.running = True
        elif state.waiting is not None and state.waiting.reason in HOPELESS:
            pod.reason, pod.message = state.waiting.reason, state.waiting.message


def _remove(client: Client, paths: list[str]) -> None:
    """Delete what was made; what does not go now ends by its deadline and is swept by the next run."""

    def delete(path: str) -> None:
        with suppress(ApiError):
            client.request("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}, timeout=5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(delete, paths))
