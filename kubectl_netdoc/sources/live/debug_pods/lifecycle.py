# SPDX-License-Identifier: Apache-2.0
"""Creates the debug pods of a run with what they need, and removes everything whatever happens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import msgspec
import websocket
from msgspec import Struct, field

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.measurements.base import OwnName, OwnService
from kubectl_netdoc.measurements.bench import Bench
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.connect import Echo
from kubectl_netdoc.measurements.dns import DnsLookup
from kubectl_netdoc.measurements.over_time import OverTime
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.sources.agent_protocol import EchoServer, ServiceAddresses, Targets
from kubectl_netdoc.sources.live import admission, missing_right
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.debug_pods.manifest import ECHO_PORT, MARGIN, NOBODY, Manifests
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod
from kubectl_netdoc.sources.live.debug_pods.sweep import POLICIES, delete
from kubectl_netdoc.sources.live.debug_pods.watch import SILENT, START, PodWatch
from kubectl_netdoc.sources.live.exec import UNREACHED, Output
from kubectl_netdoc.sources.live.pod_settings import PodSettings

RESERVE = 10.0
"""Seconds of a run that are left for measuring when the wait for an image ends: a full run takes 5 on the lab."""

ACCOUNT = 10.0
"""Seconds for a new namespace's default ServiceAccount: kube-controller-manager makes it within 0.1 s on the lab."""

FIRST = 10.0
"""Seconds that the pods on the host network get before the others are created without waiting for them any longer."""

ANSWER = 5.0
"""Seconds for a kubelet to answer the API server: what it is asked for needs no work."""

TOO_LATE = f"no answer within {ANSWER:.0f} s"
"""What is said of a kubelet from which nothing came."""

PROBE = 3.0
"""Seconds after the measurement in which a readiness probe (every second) may still succeed."""

AGAIN = 10.0
"""Seconds for a second try to delete objects, if an overloaded API server did not accept it within 5."""


class NoPods(Exception):
    """Raised if no debug pod can run; the text says why, ``grant`` is the missing right."""

    def __init__(self, reason: str, grant: Grant | None = None) -> None:
        super().__init__(f"{reason}; missing right: {grant}" if grant else reason)


class CanaryPolicy(Struct, frozen=True):
    """The policy that denies the canary pods everything, while it exists."""

    client: Client
    namespace: str
    manifests: Manifests
    rights_in: str = ""

    @property
    def right(self) -> Grant:
        """The right to create it, where each run needs it."""
        return Grant("create", "networkpolicies", "networking.k8s.io", self.rights_in)

    @property
    def path(self) -> str:
        """Its path on the API server."""
        return f"{POLICIES}/namespaces/{self.namespace}/networkpolicies/{self.manifests.policy_name}"

    def create(self) -> None:
        """Create it; raises ``ApiError``."""
        self.client.request("POST", self.path.rpartition("/")[0], body=self.manifests.policy())

    def delete(self) -> bool:
        """Delete it; return whether the server accepted that."""
        return delete(self.client, self.path)


class Session(Struct):
    """The running debug pods of a run: their namespace, and the addresses of symbolic targets."""

    namespace: str
    pods: list[DebugPod]
    targets: Targets
    policy: CanaryPolicy


@contextmanager
def running(
    client: Client,
    settings: PodSettings,
    cluster: Cluster,
    requests: Iterable[Request] = (),
    progress: Progress = SILENT,
    look: Callable[[Session], None] | None = None,
) -> Iterator[Session]:
    """Create the pods, one for each of the cluster's vantages, and the run's Services; yield them, and delete them at the end.

    ``progress`` receives what is waited for, repeatedly. ``requests``: decide which Services are needed, and which nodes get a
    canary. ``look``: called while only the pods on the host network run, before anything gets a network on the nodes: with it
    they are created first, and waited for. Raises ``NoPods`` if no pod can be created. However it ends, a signal included,
    everything is deleted.
    """
    run = _Run(client, settings, cluster, tuple(requests))
    hosts = [pod for pod in run.pods if pod.host] if look else []
    try:
        run.prepare()
        run.create(hosts or run.pods, () if hosts else run.services)
        with run.watch.following(client, run.namespace, run.id, settings.timeout + PROBE):
            if look and hosts:
                run.watch.wait_for(hosts, min(FIRST, settings.timeout), settings.timeout - RESERVE - START, progress)
                look(run.session())
                run.create([pod for pod in run.pods if not pod.host], run.services)
            run.watch.wait_until_settled(min(START, settings.timeout), settings.timeout - RESERVE, progress)
            yield run.session()
            run.watch.wait(lambda: all(pod.ready or pod.reason or pod.host for pod in run.pods), PROBE)
    finally:
        run.remove()


class _Port(Struct):
    protocol: str = "TCP"
    node_port: int = field(name="nodePort", default=0)


class _ServiceSpec(Struct):
    cluster_ip: str = field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = field(name="clusterIPs", default=())
    ports: tuple[_Port, ...] = ()


class _Service(Struct):
    spec: _ServiceSpec


class _Run:
    """The objects of one run in the cluster."""

    def __init__(self, client: Client, settings: PodSettings, cluster: Cluster, requests: tuple[Request, ...] = ()) -> None:
        self.client = client
        self.settings = settings
        self.nodes = {node.name: node for node in cluster.index.items(NODE)}
        self.id = secrets.token_hex(3)
        self.namespace = settings.namespace or f"netdoc-{self.id}"
        expires = (client.now() + timedelta(seconds=settings.timeout + MARGIN)).isoformat(timespec="seconds")
        self.manifests = Manifests(settings, self.id, expires)
        self.policy = CanaryPolicy(client, self.namespace, self.manifests, settings.namespace)
        self.pods = list(self._pods(cluster, requests))
        self.watch = PodWatch(self.pods, settings.image, settings.namespace, self._ask_kubelet)
        self.services: dict[OwnService, ServiceAddresses] = {place: ServiceAddresses() for place in _own_services(requests)}
        self.why_no_service = ""
        self.any_user = False
        """Tell whether the cluster chooses which user the pods run as."""
        self._made: list[str] = []

    def _pods(self, cluster: Cluster, requests: tuple[Request, ...]) -> Iterator[DebugPod]:
        behind = {request.to for request in requests if isinstance(request, Bench) and request.route.by_service}
        for n, node in enumerate(cluster.vantages):
            yield msgspec.structs.replace(self._pod(f"{n}", node), bench=node in behind)
        first = next((node for node in cluster.vantages if not self._not_ready(node)), None)
        if first is not None:
            yield self._pod("twin", first, twin=True)
        yield from (self._pod(f"host-{n}", node, host=True) for n, node in enumerate(cluster.hosts))
        canaries = (request.node for request in requests if isinstance(request, Canary))
        yield from (self._pod(f"canary-{n}", node, canary=True) for n, node in enumerate(canaries))

    def _pod(self, name: str, node: str, twin: bool = False, host: bool = False, canary: bool = False) -> DebugPod:
        return DebugPod(f"netdoc-{self.id}-{name}", node, twin, host, canary, nonce=secrets.token_hex(8))

    def _path(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def prepare(self) -> None:
        """Create the namespace if none is given, and note what has to be removed; raises ``NoPods``."""
        if not self.settings.namespace:
            self._made = [f"/api/v1/namespaces/{self.namespace}"]
            self._create_namespace()
        else:
            names = [("services", self.manifests.service_name(place)) for place in self.services]
            self._made = [self._path(*name) for name in (*names, *(("pods", pod.name) for pod in self.pods))]
            if any(pod.canary for pod in self.pods):
                self._made.insert(0, self.policy.path)

    def create(self, pods: Iterable[DebugPod], services: Iterable[OwnService]) -> None:
        """Create Services and pods together."""
        calls: list[Callable[[], None]] = [partial(self._create_service, place) for place in services]
        calls += [partial(self._create_pod, pod) for pod in pods]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda call: call(), calls))

    def _create_namespace(self) -> None:
        level = "privileged" if any(pod.host for pod in self.pods) else "restricted"
        try:
            self.client.request("POST", "/api/v1/namespaces", body=self.manifests.namespace(self.namespace, level))
        except ApiError as error:
            if admission.refusal(error) is PodProblem.ADMISSION:
                raise NoPods(f"the cluster refused the namespace for debug pods: {admission.explained(error)}") from error
            if error.status == 403:
                raise NoPods(
                    "you have no right to create a namespace for the debug pods; name an existing one with "
                    "--pod-namespace, or run without debug pods (--no-pods)",
                    Grant("create", "namespaces"),
                ) from error
            raise NoPods(f"the namespace for debug pods can't be created: {error.message}") from error

    def _create_service(self, place: OwnService) -> None:
        try:
            answer = self.client.request("POST", self._path("services"), body=self.manifests.service(place))
            made = strict_json.decode(answer, _Service).spec
            name = f"{self.manifests.service_name(place)}.{self.namespace}.svc"
            ports = {port.protocol: port.node_port for port in made.ports}
            self.services[place] = ServiceAddresses(made.cluster_ips or (made.cluster_ip,), name, ports)
        except (ApiError, msgspec.MsgspecError) as error:
            lacks = self._lacks(error, "create", "services") if isinstance(error, ApiError) else None
            self.why_no_service = f"netdoc's Service can't be created: {error}{missing_right.clause(lacks)}"

    def _not_ready(self, name: str) -> str:
        """Return why the node is not ready, or "" if it is ready or not known."""
        node = self.nodes.get(name)
        condition = node.condition("Ready") if node else None
        return "" if condition is None or condition.status == "True" else condition.reason or "NotReady"

    def _create_pod(self, pod: DebugPod) -> None:
        why = self._not_ready(pod.node)
        node = self.nodes.get(pod.node)
        if why and not (pod.host and node and node.without_plugin):
            pod.fail(PodProblem.NODE, f"the node is not ready ({why}), so no debug pod was started on it")
            return
        deadline = time.monotonic() + ACCOUNT
        while True:
            body = self.manifests.pod(pod, self.any_user)
            try:
                self.client.request("POST", self._path("pods"), body=body)
                return
            except ApiError as error:
                if admission.passing(error.message) and time.monotonic() < deadline:
                    time.sleep(0.05)
                elif admission.refuses_user(error.message) and body["spec"]["securityContext"].get("runAsUser") == NOBODY:
                    self.any_user = True
                else:
                    pod.fail(admission.refusal(error), admission.explained(error), self._lacks(error, "create", "pods"))
                    return

    def _ask_kubelet(self, pod: DebugPod) -> str | None:
        """Have the API server ask a pod's kubelet for an exec; return why it gave no answer, "" if it did; None: not known.

        A kubelet that answers says that there is no such container yet: that is an error as well, but its own.
        """
        deadline = time.monotonic() + ANSWER
        try:
            channel = self.client.exec(self.namespace, pod.name, ["true"], ANSWER)
        except ApiError as error:
            said = TOO_LATE if error.timed_out else error.message
            return None if 0 < error.status < 500 else _unreached(said)
        try:
            output = Output()
            while not (said := output.receive(channel, deadline)):
                pass  # newer API servers open the connection first, and tell in it that they did not reach the kubelet
        except (websocket.WebSocketException, OSError) as broke:
            said = str(broke)
        finally:
            channel.shutdown()
        return _unreached(TOO_LATE if time.monotonic() > deadline else said)

    def _lacks(self, error: ApiError, verb: str, resource: str) -> Grant | None:
        """Return the right that a refused request for objects of a run lacked."""
        return missing_right.of(self.client, error, Grant(verb, resource, "", self.settings.namespace))

    def session(self) -> Session:
        """Return the pods as they are now, and the addresses of the symbolic targets."""
        return Session(self.namespace, self.pods, self.targets(), self.policy)

    def targets(self) -> Targets:
        """Return the addresses of the symbolic targets of requests."""
        servers = {(pod.node, pod.twin): EchoServer(pod.ips, pod.nonce) for pod in self.pods if pod.echoes}
        return Targets(servers, self.services, ECHO_PORT, self.why_no_service)

    def remove(self) -> None:
        """Delete what was created. What can't be deleted now ends by its deadline, and the next run cleans it up."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: delete(self.client, path) or delete(self.client, path, AGAIN), self._made))


def _unreached(said: str) -> str:
    """Return what the API server says of a kubelet that it does not reach; "" where it says something else."""
    found = UNREACHED.search(said)
    return said if said == TOO_LATE else said[found.start() :].rstrip(' :"}') if found else ""


def _own_services(requests: Iterable[Request]) -> set[OwnService]:
    """Return netdoc's own Services that requests name."""
    to: set[object] = {request.to for request in requests if isinstance(request, Echo)}
    to |= {place for request in requests if isinstance(request, OverTime) for place in request.places}
    to |= {request.name.service for request in requests if isinstance(request, DnsLookup) and isinstance(request.name, OwnName)}
    to |= {OwnService(bench=True) for request in requests if isinstance(request, Bench) and request.route.by_service}
    return {place for place in to if isinstance(place, OwnService)}
