# SPDX-License-Identifier: Apache-2.0
"""From inside somebody's pod: an ephemeral container in it, which runs the agent once and ends.

It can't be taken out again: Kubernetes keeps it in the pod's status, ended, until the pod goes. So nothing here is done unless
it was asked for.
"""

from __future__ import annotations

import secrets
import time

from msgspec import Struct, field

from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.requests import Probe, Reply, Request
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.sources.live import admission, missing_right
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.debug_pods.manifest import NOBODY

LIFE = 60
"""Seconds after which the container ends by itself."""

START = 30.0
"""Seconds it gets to start: an image may have to be pulled."""

POLL = 0.3

NEEDS = (("patch", "pods/ephemeralcontainers"), ("get", "pods"))
"""What adding one and waiting for it takes."""


class _State(Struct):
    running: dict[str, str] | None = None
    waiting: dict[str, str] | None = None
    terminated: dict[str, object] | None = None


class _Container(Struct):
    name: str = ""
    state: _State = field(default_factory=_State)


class _Status(Struct):
    ephemeral: list[_Container] = field(name="ephemeralContainerStatuses", default_factory=list)


class _Pod(Struct):
    status: _Status = field(default_factory=_Status)


def measure(client: Client, pod: Pod, image: str, requests: tuple[Probe, ...], seconds: float) -> dict[Request, Reply]:
    """Return the replies to requests asked from inside ``pod``; never raises, what could not be asked is ``Lost``."""
    if any(owner.kind == "Node" for owner in pod.metadata.owner_references):
        return _lost(requests, "it is a static pod; the API server can't add a container to it")
    name = f"netdoc-{secrets.token_hex(3)}"
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
    try:
        try:
            _put(client, path, _container(name, image))
        except ApiError as error:
            if not admission.refuses_user(error.message):
                raise
            _put(client, path, _container(name, image, any_user=True))
        why = _started(client, path, name)
    except ApiError as error:
        tried = [Grant(verb, resource, "", pod.namespace) for verb, resource in NEEDS]
        lacks = missing_right.clause(missing_right.of(client, error, *tried))
        return _lost(requests, f"the ephemeral container was refused: {admission.explained(error)}{lacks}")
    if why:
        return _lost(requests, why)
    return agent_exec.run(client, pod.namespace, pod.name, requests, seconds, container=name).replies


def _put(client: Client, path: str, container: dict[str, object]) -> None:
    client.request("PATCH", f"{path}/ephemeralcontainers", body={"spec": {"ephemeralContainers": [container]}})


def _container(name: str, image: str, any_user: bool = False) -> dict[str, object]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", f"import time; time.sleep({LIFE})"],
        "securityContext": {
            "runAsNonRoot": True,
            **({} if any_user else {"runAsUser": NOBODY}),
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _started(client: Client, path: str, name: str) -> str:
    """Wait for the container; return why it does not run, or ""."""
    deadline, last = time.monotonic() + START, "the API shows no state of it"
    while time.monotonic() < deadline:
        found = strict_json.decode(client.get(path), _Pod).status.ephemeral
        state = next((container.state for container in found if container.name == name), None)
        if state is not None and state.running is not None:
            return ""
        if state is not None and state.terminated is not None:
            return f"the ephemeral container ended: {state.terminated.get('reason', '')}"
        if state is not None and state.waiting is not None:
            last = f"{state.waiting.get('reason', '')} {state.waiting.get('message', '')}".strip()
        time.sleep(POLL)
    return f"the ephemeral container did not start in {START:.0f} s: {last}"


def _lost(requests: tuple[Probe, ...], reason: str) -> dict[Request, Reply]:
    return {request: Lost(reason, sent=False) for request in requests}
