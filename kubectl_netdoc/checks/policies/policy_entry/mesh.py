# SPDX-License-Identifier: Apache-2.0
"""Ingress controllers, Gateways and API servers that the policies of a service mesh keep out."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import POD, Code, Explains, Finding, Risk, Severity, Subject
from kubectl_netdoc.components.mesh_access import NOBODY, MeshAccess, look, said
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.entries import Gate, entries

KEPT_OUT = Code(
    id="PEN005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The mesh keeps out who has to come in",
    message="{entry} leads to {behind}, and the {mesh} proxies of its pods refuse {client} on port {target}: {why}",
    fix="{remedy}",
    explains=(Explains(("CPL003",), "objects"),),
)
LET_IN = "Let {client} in by a policy that names its namespace or service account and port {target}."
LET_CALL = (
    "API servers have no certificate of the mesh. Let clients without one in on port {target}: a PeerAuthentication for these "
    "pods with PERMISSIVE for that port (Istio), a policy for all addresses (Linkerd), or leave the port out of the mesh."
)


def analyse(engine: Engine) -> Iterator[Finding]:
    """Report entries of which every pod of the client is refused by every pod of the Service. Unknown clients are not judged."""
    cluster, access = engine.cluster, MeshAccess(engine.cluster)
    if not any(map(access.meshes.proxy, access.meshes.pods)):
        return
    told: set[tuple[object, ...]] = set()
    for entry in entries(engine):
        key, pods = (entry.by, entry.behind.ref), entry.behind.pods(cluster)
        if key in told or not all(access.meshes.proxy(pod) and not pod.terminating for pod in pods):
            continue
        called = entry.gate in (Gate.CALL, Gate.IGNORED)
        known = [access.client(pod) for end in entry.client.ends if (pod := cluster.get(POD, *end.pod)) is not None]
        clients = known or ([NOBODY] if called else [])
        places = [(pod, number) for pod in pods for protocol, number in entry.behind.numbers(pod) if protocol == "TCP"]
        answers = [access.refusal(clients, pod, number) for pod, number in places] if clients else []
        first = answers[0] if answers and all(answers) else None
        if first is not None:
            told.add(key)
            ref = entry.behind.ref
            words = {
                "client": entry.client.name,
                "target": places[0][1],
                "mesh": access.meshes.proxy(pods[0]),
                "why": said(first),
            }
            words |= {
                "entry": f"{entry.by.kind} {entry.by}",
                "behind": f"{ref.kind} {ref}",
                "remedy": (LET_CALL if called else LET_IN).format(**words),
            }
            yield KEPT_OUT.on(
                Subject(ref.kind, ref.name, ref.namespace), words, objects=[entry.by, *first.by], commands=(look(first.by[0]),)
            )
