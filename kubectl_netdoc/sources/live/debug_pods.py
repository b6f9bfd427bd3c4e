# SPDX-License-Identifier: Apache-2.0
"""Debug pods: created together, watched until they run or can't, and removed whatever happens."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from kubectl_netdoc import agent
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Trouble, Vantage
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.formats import sandbox_event, strict_json
from kubectl_netdoc.measurements.base import OwnName, OwnService
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.connect import Echo
from kubectl_netdoc.measurements.dns import DnsLookup
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.measurements.statistics import evenly
from kubectl_netdoc.probes.service_targets import ECHO_PORTS
from kubectl_netdoc.records import label_selector
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.sources.agent_protocol import OwnServices, Places, Server
from kubectl_netdoc.sources.live import admission, images
from kubectl_netdoc.sources.live.client import ApiError, Client, Watch
from kubectl_netdoc.sources.live.lists import OURS, OWNER

POLICIES = "/apis/networking.k8s.io/v1"
RUN = "netdoc/run"
ROLE = "netdoc/role"
CANARY = "netdoc/canary"
EXPIRES = "netdoc/expires"
CNI = "/etc/cni/net.d"
"""Where runtimes look for CNI configuration, unless they are told otherwise (as k3s does)."""

NOBODY = 65534
"""As whom debug pods run, unless the cluster gives out user ids itself: an image's own user may be root."""

ECHO_PORT = ECHO_PORTS.start
"""TCP and UDP; the next port is left closed, as a control. Registered to nobody (IANA) and below the ephemeral range."""

EXTRA_PORTS = 6
"""Ports of the control Service besides the two of the echo: its SRV answer takes some 900 bytes."""

MOST_NODES = 30
"""Nodes that carry a debug pod at most; more are sampled evenly over the names, and the report says so."""

START = 20.0
"""Seconds that debug pods get to start, an image that is being pulled apart. Three started 1.6 s after the create call on the
idle lab (design.md §8)."""

RESERVE = 10.0
"""Seconds of a run that are left for measuring when the wait for an image ends: a full run takes 5 on the lab."""

ALIKE = 10.0
"""Seconds that a pod's sandbox may take longer than that of a pod on the same node's own network, which needs no CNI plugin: on
the lab they are a second apart. A hanging agent shows so long before the kubelet says it (Cilium: after 90 s)."""

SECOND_THOUGHTS = 2.0
"""Seconds after a Warning Event in which a pod may still come up: the kubelet tries a failed sandbox again at once."""

ACCOUNT = 10.0
"""Seconds for a new namespace's default ServiceAccount: kube-controller-manager makes it within 0.1 s on the lab."""

STEP = 1.0
"""Seconds after which the wait for pods looks again at what it waits for, and says so."""

PROBE = 3.0
"""Seconds after the measurement in which a readiness probe (every second) may still succeed."""

AGAIN = 10.0
"""Seconds for a second try to delete what an API server that is overloaded did not take in 5."""

MARGIN = 30
"""Seconds beyond the run's limit after which a pod ends by itself, and what is left may be swept."""

IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"})
CONTAINER_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"})
"""Reasons of a waiting container that waiting does not mend within a run (kubelet, pkg/kubelet/images and container)."""


SILENT = Progress()


class Settings(Struct, frozen=True, kw_only=True):
    """How to run debug pods. ``timeout``: seconds for the whole run, after which a pod of ours ends by itself.

    ``nodes``: which nodes carry one, as in ``choose_nodes``. ``tier``: from ``nodes`` on, each has one on its own network too.
    ``labels`` are put on all that is made; ``requests`` and ``limits`` go before those that pods have otherwise.
    """

    nodes: str = ""
    image: str = images.DEFAULT
    namespace: str = ""
    pull_secret: str = ""
    timeout: float = 60.0
    tier: Tier = Tier.PODS
    labels: Mapping[str, str] = {}
    requests: Mapping[str, str] = {}
    limits: Mapping[str, str] = {}


class NoPods(Exception):
    """No debug pod can be run at all; the text says why, ``grant`` the rule that would allow it."""

    def __init__(self, reason: str, grant: Grant | None = None) -> None:
        super().__init__(f"{reason}; least rule: {grant}" if grant else reason)


class _Wire(Struct, rename="camel"):
    """What is read of objects on the watch."""


class _State(_Wire):
    reason: str = ""
    message: str = ""
    exit_code: int = 0


class _States(_Wire):
    waiting: _State | None = None
    running: dict[str, Any] | None = None
    terminated: _State | None = None


class _ContainerStatus(_Wire):
    state: _States = field(default_factory=_States)


class _Condition(_Wire):
    type: str = ""
    status: str = ""


class _PodIP(_Wire):
    ip: str = ""


class _PodStatus(_Wire):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = field(name="podIP", default="")
    pod_ips: list[_PodIP] = field(name="podIPs", default_factory=list)
    conditions: list[_Condition] = []
    container_statuses: list[_ContainerStatus] = []


class _Meta(_Wire):
    name: str = ""
    annotations: dict[str, str] = {}


class _Spec(_Wire):
    node_name: str = ""


class _Seen(_Wire):
    """A Pod, or an Event about one (``reason`` and ``message``)."""

    metadata: _Meta = field(default_factory=_Meta)
    spec: _Spec = field(default_factory=_Spec)
    status: _PodStatus = field(default_factory=_PodStatus)
    involved_object: _Meta = field(default_factory=_Meta)
    reason: str = ""
    message: str = ""


class _ServiceSpec(_Wire):
    cluster_ip: str = field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = field(name="clusterIPs", default=())


class _Service(_Wire):
    spec: _ServiceSpec


class _Change(Struct):
    type: str
    object: _Seen


class DebugPod(Struct):
    """One of this run's pods. ``suspect``: since when (monotonic) an Event says that it may not come up.

    ``suspicion``: what that Event is about. ``pulling``: since when (monotonic) its image is being pulled, 0 while it is not;
    ``pulled``: since when it is there. ``began``: since when it runs. ``bare``: the kubelet has taken it, and its status does not
    say yet that it has a sandbox and network, which some runtimes say only after the pull.
    ``twin``: the second one on a node. ``host``: one on the node's own network.
    ``canary``: one that the canary's policy selects, and that measures nothing else.
    """

    name: str
    node: str
    twin: bool = False
    host: bool = False
    canary: bool = False
    nonce: str = ""
    ip: str = ""
    ips: tuple[str, ...] = ()
    running: bool = False
    ready: bool = False
    reason: str = ""
    message: str = ""
    suspect: float = 0.0
    suspicion: str = ""
    pulling: float = 0.0
    pulled: float = 0.0
    began: float = 0.0
    bare: bool = False

    @property
    def measures(self) -> bool:
        """Whether it is a vantage on the pod network."""
        return not (self.twin or self.canary or self.host)

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return (self.running and bool(self.ip)) or bool(self.reason)

    def fail(self, reason: str, message: str) -> None:
        """Note why this pod is of no use."""
        self.reason, self.message = reason, " ".join(message.split())[:400]

    def vantage(self, throttled: float = 0.0) -> Vantage:
        """Return this pod as a vantage."""
        usable = self.running and self.reason in ("", Trouble.EXEC, Trouble.FORBIDDEN, Trouble.ADMISSION)
        probed = self.ready if usable and not self.host else None
        return Vantage(self.node, usable, self.reason, self.message, throttled, self.ip, probed, self.ips[1:])


class Session(Struct):
    """The debug pods of a run while they are there: their namespace, and what symbolic places mean."""

    namespace: str
    pods: list[DebugPod]
    places: Places
    run: _Run


def _own_services(requests: Iterable[Request]) -> set[OwnService]:
    """The Services that requests speak of."""
    to = {request.to for request in requests if isinstance(request, Echo)}
    to |= {request.name.service for request in requests if isinstance(request, DnsLookup) and isinstance(request.name, OwnName)}
    return {place for place in to if isinstance(place, OwnService)}


def choose_nodes(cluster: Cluster, wanted: str = "") -> tuple[str, ...]:
    """Return the nodes that are to carry a debug pod; "" (wherever it lands) where Nodes can't be read.

    ``wanted``: ``all``, a number, or a label selector such as ``pool=edge,zone``; else ``MOST_NODES`` at most. Raises
    ``BadSelector``.
    """
    if not cluster.readable(NODE):
        return ("",)
    fit = [node for node in cluster.index.items(NODE) if not node.unfit]
    most = len(fit) if wanted == "all" else int(wanted) if wanted.isdigit() else MOST_NODES
    if wanted and wanted != "all" and not wanted.isdigit():
        requirements = label_selector.parse(wanted)
        fit = [node for node in fit if label_selector.matches(requirements, node.metadata.labels)]
    names = sorted(node.name for node in fit)
    return tuple(evenly(names, max(1, most)))


@contextmanager
def debug_pods(
    client: Client, settings: Settings, cluster: Cluster, requests: Iterable[Request] = (), progress: Progress = SILENT
) -> Iterator[Session]:
    """Give the settled pods, one for each of the cluster's vantages, with the run's Services; remove them at the end.

    ``progress`` is told what is waited for, again and again while it lasts. ``requests``: what is going to be asked tells which
    Services there have to be, and which nodes carry a canary besides. Raises ``NoPods`` where none can be made. On any way out,
    a signal included, what was made is deleted.
    """
    run = _Run(client, settings, cluster, tuple(requests))
    try:
        run.make()
        with run.watching():
            run.settle(min(START, settings.timeout), settings.timeout - RESERVE, progress)
            yield Session(run.namespace, run.pods, run.places(), run)
            run.wait(lambda: all(pod.ready or pod.reason or pod.host for pod in run.pods), PROBE)
    finally:
        run.remove()


class _Run:
    """What one run has in the cluster."""

    def __init__(self, client: Client, settings: Settings, cluster: Cluster, requests: tuple[Request, ...] = ()) -> None:
        self.client = client
        self.settings = settings
        self.nodes = {node.name: node for node in cluster.index.items(NODE)}
        self.id = secrets.token_hex(3)
        self.namespace = settings.namespace or f"netdoc-{self.id}"
        self.expires = (client.now() + timedelta(seconds=settings.timeout + MARGIN)).isoformat(timespec="seconds")
        self.pods = [DebugPod(f"netdoc-{self.id}-{n}", node) for n, node in enumerate(cluster.vantages)]
        first = next((node for node in cluster.vantages if not self._not_ready(node)), None)
        if first is not None:
            self.pods.append(DebugPod(f"netdoc-{self.id}-twin", first, twin=True))
        self.pods += (DebugPod(f"netdoc-{self.id}-host-{n}", node, host=True) for n, node in enumerate(cluster.hosts))
        self.pods += (
            DebugPod(f"netdoc-{self.id}-canary-{n}", node, canary=True)
            for n, node in enumerate(r.node for r in requests if isinstance(r, Canary))
        )
        for pod in self.pods:
            pod.nonce = secrets.token_hex(8)
        self.services: dict[OwnService, OwnServices] = {place: OwnServices() for place in _own_services(requests)}
        self.why_no_service = ""
        self.any_user = False
        """Whether the pods leave it to the cluster as whom they run."""
        self._changed = threading.Condition()
        self._made: list[str] = []

    def _path(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def make(self) -> None:
        """Create the namespace where none is given, then the Services and the pods together; raises ``NoPods``."""
        if not self.settings.namespace:
            self._made = [f"/api/v1/namespaces/{self.namespace}"]
            self._create_namespace()
        else:
            names = [("services", self._service_name(place)) for place in self.services]
            self._made = [self._path(*name) for name in (*names, *(("pods", pod.name) for pod in self.pods))]
            if any(pod.canary for pod in self.pods):
                self._made.insert(0, self.policy_path)
        calls: list[Callable[[], None]] = [lambda place=place: self._create_service(place) for place in self.services]  # type: ignore[misc]
        calls += [lambda pod=pod: self._create(pod) for pod in self.pods]  # type: ignore[misc]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda call: call(), calls))

    def _labels(self) -> dict[str, str]:
        mesh = {"istio.io/dataplane-mode": "none", "sidecar.istio.io/inject": "false"}
        return {**self.settings.labels, OWNER: OURS, RUN: self.id, **mesh}

    @property
    def policy_path(self) -> str:
        """Path of the canary's policy."""
        return f"{POLICIES}/namespaces/{self.namespace}/networkpolicies/netdoc-{self.id}-canary"

    def deny(self) -> None:
        """Create the policy that denies the canaries everything, and nobody else anything; raises ``ApiError``."""
        meta = self._meta(self.policy_path.rpartition("/")[2])
        spec = {"podSelector": {"matchLabels": {CANARY: self.id}}, "policyTypes": ["Ingress", "Egress"]}
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
        self.client.request("POST", self.policy_path.rpartition("/")[0], body=body)

    def allow(self) -> bool:
        """Take that policy away again; tell whether the server took it."""
        return delete(self.client, self.policy_path)

    def _meta(self, name: str) -> dict[str, Any]:
        return {"name": name, "labels": self._labels(), "annotations": {EXPIRES: self.expires}}

    def _create_namespace(self) -> None:
        meta = self._meta(self.namespace)
        level = "privileged" if any(pod.host for pod in self.pods) else "restricted"
        meta["labels"] |= {"pod-security.kubernetes.io/enforce": level, "istio-injection": "disabled"}
        try:
            self.client.request("POST", "/api/v1/namespaces", body={"metadata": meta})
        except ApiError as error:
            if admission.refusal(error) is Trouble.ADMISSION:
                raise NoPods(f"the namespace for debug pods is refused: {admission.explained(error)}") from error
            if error.status == 403:
                raise NoPods(
                    "you may not create a namespace for debug pods: name one of yours with --pod-namespace, "
                    "or leave them out with --no-pods",
                    Grant("create", "namespaces"),
                ) from error
            raise NoPods(f"the namespace for debug pods can't be created: {error.message}") from error

    def _service_name(self, place: OwnService) -> str:
        return f"netdoc-{self.id}" + ("-empty" if place.empty else "-sticky" if place.sticky else "")

    def _create_service(self, place: OwnService) -> None:
        """Create the Service in front of all echo servers, or the control that has no endpoint.

        The control has many ports, so that the answer with all its SRV records does not fit into 512 bytes.
        """
        name = self._service_name(place)
        ports = [{"name": p.lower(), "port": ECHO_PORT, "protocol": p} for p in ("TCP", "UDP")]
        if place.empty:
            ports += [{"name": f"unused-{n}", "port": ECHO_PORT + n, "protocol": "TCP"} for n in range(1, EXTRA_PORTS + 1)]
        # Its endpoints must not wait for the readiness probe, which is a measurement of its own.
        spec: dict[str, Any] = {"selector": {RUN: "nobody" if place.empty else self.id, ROLE: "echo"}, "ports": ports}
        spec |= {"publishNotReadyAddresses": True, "ipFamilyPolicy": "PreferDualStack"}
        if place.sticky:
            spec["sessionAffinity"] = "ClientIP"
        try:
            answer = self.client.request("POST", self._path("services"), body={"metadata": self._meta(name), "spec": spec})
            made = strict_json.decode(answer, _Service).spec
            self.services[place] = OwnServices(made.cluster_ips or (made.cluster_ip,), f"{name}.{self.namespace}.svc")
        except (ApiError, msgspec.MsgspecError) as error:
            self.why_no_service = f"netdoc's own Service can't be made: {error}"

    def _not_ready(self, name: str) -> str:
        node = self.nodes.get(name)
        condition = node.condition("Ready") if node else None
        return "" if condition is None or condition.status == "True" else condition.reason or "NotReady"

    def _create(self, pod: DebugPod) -> None:
        why = self._not_ready(pod.node)
        if why:
            pod.fail(Trouble.NODE, f"the node is not ready ({why}), so no debug pod was started on it")
            return
        deadline = time.monotonic() + ACCOUNT
        while True:
            body = self._manifest(pod)
            try:
                self.client.request("POST", self._path("pods"), body=body)
                return
            except ApiError as error:
                if admission.passing(error.message) and time.monotonic() < deadline:
                    time.sleep(0.05)
                elif admission.refuses_user(error.message) and body["spec"]["securityContext"].get("runAsUser") == NOBODY:
                    self.any_user = True
                else:
                    pod.fail(admission.refusal(error), admission.explained(error))
                    return

    def _manifest(self, pod: DebugPod) -> dict[str, Any]:
        """Return the pod: meets Pod Security *restricted*, holds no token, goes nowhere near a mesh, ends by itself.

        One on the node's network meets *privileged* alone, for that very network; without ``--privileged`` it may do no more.
        """
        meta = self._meta(pod.name)
        meta["labels"] |= {CANARY: self.id} if pod.canary else {ROLE: "host" if pod.host else "echo"}
        meta["annotations"] |= {"linkerd.io/inject": "disabled", "cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
        container = {
            "name": "agent",
            "image": self.settings.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", agent.echo_source(), pod.nonce, pod.name, str(ECHO_PORT)],
            "readinessProbe": {"tcpSocket": {"port": ECHO_PORT}, "periodSeconds": 1, "failureThreshold": 1},
            "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi", **self.settings.requests},
                "limits": {"cpu": "1", "memory": "128Mi", **self.settings.limits},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }
        spec: dict[str, Any] = {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(self.settings.timeout + MARGIN),
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": True,
                **({} if self.any_user else {"runAsUser": NOBODY, "runAsGroup": NOBODY}),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        if pod.host:
            self._on_host(spec)
        if pod.node:
            spec["nodeName"] = pod.node
        if self.settings.pull_secret:
            spec["imagePullSecrets"] = [{"name": self.settings.pull_secret}]
        return {"metadata": meta, "spec": spec}

    def _on_host(self, spec: dict[str, Any]) -> None:
        """Put a pod on the node's network: no echo there, as it would listen on the node's own addresses."""
        container = spec["containers"][0]
        seconds = spec["activeDeadlineSeconds"]
        container["command"] = ["python3", "-c", f"import time; time.sleep({seconds})"]
        del container["readinessProbe"]
        spec |= {"hostNetwork": True, "dnsPolicy": "Default"}
        # The tracked flows are for root's group to read, where the kernel shows them at all.
        spec["securityContext"]["runAsGroup"] = 0
        if self.settings.tier is Tier.PRIVILEGED:
            spec["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0}
            container["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]
            container["volumeMounts"] = [{"name": "cni", "mountPath": CNI, "readOnly": True}]
            spec["volumes"] = [{"name": "cni", "hostPath": {"path": CNI}}]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow the pods and the Events about them, each in a thread, and stop both at the end."""
        seconds = self.settings.timeout + PROBE
        queries = {"pods": {"labelSelector": f"{RUN}={self.id}"}, "events": {"fieldSelector": "involvedObject.kind=Pod"}}
        watches: list[Watch] = []
        for plural, query in queries.items():
            try:
                # Without a resourceVersion a watch begins with what is there.
                watch = self.client.watch(self._path(plural), query, seconds)
            except ApiError as error:
                if plural == "pods":
                    self._give_up(Trouble.FORBIDDEN if error.status == 403 else Trouble.API, error.message)
                continue
            watches.append(watch)
            threading.Thread(target=self._follow, args=(watch, plural == "events"), daemon=True).start()
        try:
            yield
        finally:
            for watch in watches:
                watch.stop()

    def _follow(self, watch: Watch, events: bool) -> None:
        by_name = {pod.name: pod for pod in self.pods}
        for line in watch.lines():
            try:
                change = strict_json.decode(line, _Change)
            except (msgspec.MsgspecError, RecursionError):
                continue
            with self._changed:
                pod = by_name.get((change.object.involved_object if events else change.object.metadata).name)
                if pod is not None:
                    (note_event if events else note)(pod, change)
                    self._changed.notify_all()

    def wait(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait for something to become true of the pods, for at most ``seconds``."""
        with self._changed:
            self._changed.wait_for(done, seconds)

    def settle(self, seconds: float, pulls: float = 0.0, progress: Progress = SILENT) -> None:
        """Wait until each pod runs or can't: for at most ``seconds``, not counted while its image is being pulled.

        ``pulls``: seconds after which no pull is waited for either.
        """
        began = time.monotonic()
        last = began + max(seconds, pulls)
        while (open_ := [pod for pod in self.pods if not pod.settled]) and (left := _latest(open_, began + seconds, last)) > 0:
            suspects = [pod.suspect + SECOND_THOUGHTS - time.monotonic() for pod in open_ if pod.suspect]
            if pulled := [pod for pod in open_ if pod.pulling]:
                progress.waiting(_pulling(self.settings.image, pulled), time.monotonic() - min(pod.pulling for pod in pulled))
            self.wait(self._all_settled, min([left, STEP, *(max(0.05, at) for at in suspects)]))
            for pod in self.pods:
                if pod.suspect and not pod.settled and time.monotonic() > pod.suspect + SECOND_THOUGHTS:
                    pod.fail(pod.suspicion, pod.message)
        for pod in self.pods:
            if pod.pulling and not pod.settled:
                pod.fail(Trouble.IMAGE, f"its pull goes on since {time.monotonic() - pod.pulling:.0f} s and has not ended")
        judge_sandboxes(self.pods, seconds)
        self._give_up(Trouble.LATE, f"not running {seconds:.0f} s after it was created, and no Event says why")

    def _all_settled(self) -> bool:
        return all(pod.settled or pod.suspect for pod in self.pods)

    def _give_up(self, reason: str, message: str) -> None:
        for pod in self.pods:
            if not pod.settled:
                pod.fail(reason, f"{message}; {pod.message}" if pod.message else message)

    def places(self) -> Places:
        """Return what symbolic places mean now."""
        servers = {
            (pod.node, pod.twin): Server(pod.ips, pod.nonce)
            for pod in self.pods
            if pod.running and pod.ip and not (pod.canary or pod.host)
        }
        return Places(servers, self.services, ECHO_PORT, self.why_no_service)

    def remove(self) -> None:
        """Delete what was made; what does not go now ends by its deadline and is swept by the next run."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: delete(self.client, path) or delete(self.client, path, AGAIN), self._made))


def _latest(pods: Iterable[DebugPod], patience: float, last: float) -> float:
    """Return the seconds (monotonic) that are left for the one of these pods that may take the longest."""
    ends = (last if pod.pulling else max(patience, pod.pulled + START) for pod in pods)
    return min(max(ends), last) - time.monotonic()


def _pulling(image: str, pods: Iterable[DebugPod]) -> str:
    nodes = len({pod.node for pod in pods})
    return f"pulling {image} on {nodes} node{'s' if nodes > 1 else ''}"


def delete(client: Client, path: str, seconds: float = 5) -> bool:
    """Delete an object at once; tell whether the server took it."""
    try:
        client.request("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}, timeout=seconds)
    except ApiError as error:
        return error.status == 404
    return True


def note(pod: DebugPod, change: _Change) -> None:
    """Note a change of a pod."""
    seen = change.object
    pod.node = pod.node or seen.spec.node_name
    pod.ip = seen.status.pod_ip or pod.ip
    pod.ips = tuple(item.ip for item in seen.status.pod_ips) or pod.ips or ((pod.ip,) if pod.ip else ())
    pod.ready = any(c.type == "Ready" and c.status == "True" for c in seen.status.conditions)
    pod.bare = any(c.type == "PodReadyToStartContainers" and c.status == "False" for c in seen.status.conditions)
    if change.type == "DELETED":
        pod.fail(Trouble.ENDED, "somebody deleted it")
    elif seen.status.phase in ("Failed", "Succeeded"):
        pod.fail(Trouble.ENDED, f"{seen.status.reason or seen.status.phase}: {seen.status.message}")
    for container in seen.status.container_statuses:
        state = container.state
        if state.terminated is not None:
            pod.fail(Trouble.ENDED, f"its container ended: {state.terminated.reason}, exit code {state.terminated.exit_code}")
        if state.running is not None:
            pod.began = pod.began or time.monotonic()
            pod.running = True
        elif state.waiting is not None and state.waiting.reason in IMAGE_REASONS:
            pod.fail(Trouble.IMAGE, f"{state.waiting.reason}: {state.waiting.message}")
        elif state.waiting is not None and state.waiting.reason in CONTAINER_REASONS:
            pod.fail(Trouble.CONTAINER, f"{state.waiting.reason}: {state.waiting.message}")


def note_event(pod: DebugPod, change: _Change) -> None:
    """Note an Event about a pod that does not run yet."""
    reason, message = change.object.reason, change.object.message
    if reason == "Pulling":
        pod.pulling = pod.pulling or time.monotonic()
    elif reason in ("Pulled", "Created", "Started") and pod.pulling:
        pod.pulling, pod.pulled = 0.0, time.monotonic()
    elif not pod.settled and (suspicion := _suspicion(reason, message)):
        pod.suspect = pod.suspect or time.monotonic()
        pod.suspicion, pod.message = suspicion, f"{reason}: {message}"


def _suspicion(reason: str, message: str) -> str:
    """What a pod that is told this of may have; nothing for what says nothing of it."""
    if reason == "FailedCreatePodSandBox":
        network = sandbox_event.failure(message) in (sandbox_event.Failure.NETWORK, sandbox_event.Failure.ADDRESSES)
        return Trouble.SANDBOX if network else Trouble.RUNTIME
    return {
        "NetworkNotReady": Trouble.SANDBOX,
        "FailedScheduling": Trouble.UNSCHEDULED,
        "FailedMount": Trouble.VOLUME,
        "FailedAttachVolume": Trouble.VOLUME,
    }.get(reason, "")


def judge_sandboxes(pods: Iterable[DebugPod], seconds: float) -> None:
    """Tell of the pods that have no sandbox after ``seconds`` whether it is the CNI plugin that keeps them waiting."""
    hosts = {pod.node: pod.began for pod in pods if pod.host and pod.running}
    for pod in pods:
        if pod.settled or pod.host or pod.pulling or not pod.bare:
            continue
        if pod.node in hosts and hosts[pod.node] + ALIKE < time.monotonic():
            why = "a pod on the node's own network soon had one: the CNI plugin gets no answer from its agent, or hangs itself"
            pod.fail(
                Trouble.SANDBOX, f"it has no sandbox {seconds:.0f} s after it was created, and {why}; {pod.message}".rstrip("; ")
            )


class _Listed(_Wire):
    items: list[_Seen] = []


def sweep(client: Client, namespace: str = "") -> list[str]:
    """Delete what earlier runs left behind and whose time is up by the server's clock; return the paths.

    Never what belongs to a run that may still go on. Looks at namespaces, and at pods, Services and policies in ``namespace``.
    Raises ``ApiError`` where it may not look; whoever may not see policies has made none.
    """
    places = (
        [f"/api/v1/namespaces/{namespace}/{plural}" for plural in ("pods", "services")] if namespace else ["/api/v1/namespaces"]
    )
    policies = f"{POLICIES}/namespaces/{namespace}/networkpolicies"
    expired = []
    for path in (*places, *((policies,) if namespace else ())):
        try:
            answer = client.get(path, {"labelSelector": f"{OWNER}={OURS}", "limit": 500})
        except ApiError as error:
            if path == policies and error.status == 403:
                continue
            raise
        for item in strict_json.decode(answer, _Listed).items:
            with suppress(ValueError):
                if datetime.fromisoformat(item.metadata.annotations.get(EXPIRES, "")) < client.now():
                    expired.append(f"{path}/{item.metadata.name}")
    return [path for path in expired if delete(client, path)]
