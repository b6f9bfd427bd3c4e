# SPDX-License-Identifier: Apache-2.0
"""InferencePools behind routes: their pods, and the Service that chooses among these."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    INFERENCE_POOL,
    POD,
    SERVICE,
    SETTLING,
    Cluster,
    Code,
    Explains,
    Finding,
    InferencePool,
    ObjectRef,
    Risk,
    Severity,
    Subject,
    Unseen,
)
from kubectl_netdoc.checks.ingress.gateway_routes.backends import Routes
from kubectl_netdoc.components import ingress_backends

NO_POD = Code(
    id="GWR016",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route to an InferencePool without a ready pod",
    message="InferencePool {namespace}/{name} has no ready pod ({why}), and routes send requests to it: {routes}",
    fix="Bring up the model servers with the labels {labels}, or correct the pool's selector. Until then clients get HTTP 503.",
    commands=("kubectl -n {namespace} get pods -o wide --show-labels",),
    rows=("K2",),
)
_PICKERS = (
    "kubectl -n {namespace} get services,endpointslices,pods -o wide",
    "kubectl -n {namespace} describe inferencepool {name}",
)
NO_PICKER = Code(
    id="GWR017",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The endpoint picker of an InferencePool does not answer",
    message="InferencePool {namespace}/{name} asks Service {namespace}/{picker} for a pod for each request, and that {why}. Its "
    "failureMode is FailClose: requests are dropped",
    fix="Restore the endpoint picker behind Service {picker}, or name the right one in endpointPickerRef.",
    commands=_PICKERS,
    rows=("K2",),
    explains=(Explains(("SVC004", "SVC005", "SVC007"), "objects"),),
)
PASSED_BY = Code(
    id="GWR018",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The endpoint picker of an InferencePool does not answer, and is passed by",
    message="InferencePool {namespace}/{name} asks Service {namespace}/{picker} for a pod for each request, and that {why}. Its "
    "failureMode is FailOpen: requests go to any of the pods, whatever their load",
    fix=NO_PICKER.fix,
    commands=_PICKERS,
    rows=("K2",),
    explains=NO_PICKER.explains,
)
SHOWN = 5
"""Routes that a message names at most."""


def analyse(cluster: Cluster, pools: Routes) -> Iterator[Finding | Unseen]:
    """Judge the pools that routes lead to."""
    for (namespace, name), users in sorted(pools.items()):
        pool = cluster.get(INFERENCE_POOL, namespace, name)
        if pool is not None and cluster.age(pool.metadata.creation_timestamp) > SETTLING:
            yield from _pods(cluster, pool, list(dict.fromkeys(users))[:SHOWN])
            yield from _picker(cluster, pool)


def _pods(cluster: Cluster, pool: InferencePool, users: list[Subject]) -> Iterator[Finding | Unseen]:
    wanted = pool.spec.selector.match_labels
    subject = Subject.of("InferencePool", pool)
    if not cluster.readable(POD):
        yield Unseen(f"the pods of {subject}", "pods can't be read", expected=True)
        return
    pods = cluster.pods_matching(pool.namespace, wanted)
    if any(pod.ready for pod in pods) or (pods and all(cluster.age(p.metadata.creation_timestamp) < SETTLING for p in pods)):
        return
    why = f"0 of {len(pods)} pods are ready" if pods else "its selector matches no pod"
    labels = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
    yield NO_POD.on(subject, why=why, labels=labels, routes=users, objects=[ObjectRef.to("Pod", pod) for pod in pods[:SHOWN]])


def _picker(cluster: Cluster, pool: InferencePool) -> Iterator[Finding]:
    picker = pool.spec.endpoint_picker_ref
    if not picker.service:
        return
    service = cluster.get(SERVICE, pool.namespace, picker.name)
    why = "does not exist" if service is None else ingress_backends.no_ready_endpoint(cluster, service)
    if why:
        code = PASSED_BY if picker.failure_mode == "FailOpen" else NO_PICKER
        said = why if service is None else f"has no ready endpoint ({why})"
        ref = ObjectRef("Service", picker.name, pool.namespace)
        yield code.on(Subject.of("InferencePool", pool), picker=picker.name, why=said, objects=[ref])


CODES = (NO_POD, NO_PICKER, PASSED_BY)
