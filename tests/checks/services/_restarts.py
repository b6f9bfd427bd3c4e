# SPDX-License-Identifier: Apache-2.0
"""Cases of service_config: containers behind Services that restart."""

from typing import Any

from kubectl_netdoc.api import POD
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_event, make_pod, make_service, make_slice

APP = {"app": "web"}
WEB = "Service shop/web"


def _pod(
    *,
    restarts: int = 5,
    ended: float = 40,
    lived: float = 30,
    reason: str = "Error",
    exit_code: int = 1,
    waiting: bool = False,
    since: float = 20,
    age: float = 7200,
    owner: str = "ReplicaSet",
    initial: str = "",
) -> Built:
    """A pod whose container ended; ``since``: when its readiness changed; ``initial``: restartPolicy of an init container."""
    last = {"reason": reason, "exitCode": exit_code, "startedAt": ago(ended + lived), "finishedAt": ago(ended)}
    state = {"waiting": {"reason": "CrashLoopBackOff"}} if waiting else {}
    status = [{"name": "app", "restartCount": restarts, "state": state, "lastState": {"terminated": last}}]
    meta = {"name": "web-1", "namespace": "shop", "labels": APP, "creationTimestamp": ago(age)}
    ready = {"type": "Ready", "status": str(not waiting), "lastTransitionTime": ago(since)}
    made: dict[str, Any] = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "conditions": [ready]}
    made["initContainerStatuses" if initial else "containerStatuses"] = status
    inits = [{"name": "app", "restartPolicy": initial}] if initial else []
    spec = {"nodeName": "n1", "containers": [{"name": "app"}], "initContainers": inits}
    owners = [{"kind": owner, "name": "web", "controller": True}]
    return POD, convert(POD, {"metadata": meta | {"ownerReferences": owners}, "spec": spec, "status": made})


OTHER = make_pod("web-2", labels=APP, ip="10.0.0.2")
SLICE = make_slice(addresses={"10.0.0.1": "web-1", "10.0.0.2": "web-2"})


def _of(name: str, pod: Built, *codes: str, more: tuple[Built, ...] = (OTHER,), subject: str = WEB, **service: Any) -> Case:
    made = make_service(selector=APP, **service)
    return Case(name, make_cluster(made, SLICE, pod, *more), frozenset((code, subject) for code in codes))


PROBE = make_event("Pod", "web-1", "shop", "Unhealthy", "Liveness probe failed: connection refused")
TWICE = (OTHER, make_service("web-np", selector=APP), make_slice("web-np", addresses={"10.0.0.1": "web-1", "10.0.0.2": "web-2"}))

CASES = [
    _of("it crashes now and then", _pod(), "SVC016"),
    _of("it waits in CrashLoopBackOff, and was ready before", _pod(waiting=True, since=40), "SVC016"),
    _of("its memory does not suffice", _pod(reason="OOMKilled", exit_code=137), "SVC016"),
    _of("its liveness probe fails", _pod(exit_code=137), "SVC016", more=(OTHER, PROBE)),
    _of("it ends by itself", _pod(reason="Completed", exit_code=0), "SVC016"),
    _of("it is behind two Services", _pod(), "SVC016", more=TWICE),
    _of("its sidecar crashes", _pod(initial="Always"), "SVC016"),
    _of("the only pod is ready between two crashes", _pod(), "SVC016", more=()),
    _of("no pod is ready", _pod(waiting=True, since=40), "SVC004", more=()),
    _of(
        "no pod is ready, and it gets connections all the same",
        _pod(waiting=True, since=40),
        "SVC016",
        more=(),
        publishNotReadyAddresses=True,
    ),
    _of("a rollout's new pod that never was ready", _pod(waiting=True, since=600, age=600)),
    _of("it crashed once", _pod(restarts=1)),
    _of("it crashed an hour ago", _pod(ended=3600)),
    _of("it crashed a quarter of an hour ago, after a longer run", _pod(ended=800, lived=500)),
    _of("it crashed after a day", _pod(lived=86400)),
    _of("it has got over it", _pod(ended=300, lived=10)),
    _of("its init container was tried again", _pod(initial="Never")),
    _of("a Job's", _pod(owner="Job")),
    _of("its node started again", _pod(reason="Unknown", exit_code=255, lived=90000)),
]
