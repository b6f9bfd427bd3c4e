# SPDX-License-Identifier: Apache-2.0
"""Is there a service mesh, and do its parts work?

## What it looks at
Istio (sidecars and ambient) and Linkerd: the Deployments of their control planes, the proxy of each pod (also as a native
sidecar), the ztunnel on each node with ambient pods, and which pods require mutual TLS (the PeerAuthentication of the pod, its
namespace or the mesh), and the note ambient.istio.io/redirection of ambient pods.

## Why it matters
In a mesh the proxy accepts connections, whatever the application does. With STRICT mutual TLS it then cuts off clients outside
the mesh. Without its proxy a pod is cut off; without the control plane new pods get no certificate.

## What it can't see
Whether proxies have the current configuration, certificates, traffic rules; whom policies let in (mesh_authorization). Ambient
pods that are not redirected, where no pod at all is. Meshes other than Istio and Linkerd. Proxies with other names than in the
published manifests.

## Sources
istio/istio: manifests/charts/istio-control/istio-discovery/templates/deployment.yaml and manifests/charts/ztunnel/templates/
daemonset.yaml (master of 2025); linkerd/linkerd2: charts/linkerd-control-plane/templates/destination.yaml,
cli/cmd/testdata/inject_emojivoto_deployment_native_sidecar.golden.yml. Istio: PeerAuthentication; cni/pkg/util/podutil.go
(AnnotateEnrolledPod).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kubectl_netdoc.api import (
    DEPLOYMENT,
    EKS_COMPUTE_TYPE,
    NAMESPACE,
    NODE,
    PEER_AUTHENTICATION,
    POD,
    SERVICE,
    SETTLING,
    Check,
    Cluster,
    Code,
    Container,
    Explains,
    Facts,
    Finding,
    Needs,
    ObjectRef,
    Pod,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
    Workload,
)
from kubectl_netdoc.components import service_mesh
from kubectl_netdoc.components.api_extensions import some
from kubectl_netdoc.components.service_mesh import AMBIENT, ISTIO, LINKERD, Meshes

LINKERD_LABEL = "linkerd.io/control-plane-component"
LINKERD_PARTS = ("destination", "identity", "proxy-injector")

FARGATE = (EKS_COMPUTE_TYPE, "fargate")
"""The label of nodes that run no DaemonSet pods (AWS: EKS, Fargate), so no ztunnel."""

SCALE = "kubectl -n {namespace} scale deployment {name} --current-replicas=0 --replicas=1"

CONTROL_DOWN = Code(
    id="MSH001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The control plane of the service mesh is down",
    message="No replica of {namespace}/{name}, a part of {mesh}, is ready ({replicas} wanted); {meshed} pods depend on it",
    fix="Restore it. Running proxies keep working with the configuration they have until their certificates expire; new pods "
    "get none.",
    commands=("kubectl -n {namespace} get pods -o wide", "kubectl -n {namespace} describe deployment {name}"),
    explains=(
        Explains(("MSH002", "MSH003"), "cluster"),
        Explains(("SVC004", "SVC005", "SVC007", "CPL001", "CPL002", "CPL011"), "services"),
    ),
)
NO_ZTUNNEL = Code(
    id="MSH002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No working ztunnel on a node with ambient pods",
    message="Node {name} runs {count} ambient pods ({shown}), but its ztunnel {trouble}: their connections fail",
    fix="Check the ztunnel pod on that node, and istio-cni-node, which redirects pods to it.",
    commands=(
        "kubectl -n {root} get pods -o wide --field-selector spec.nodeName={name}",
        "kubectl -n {root} get events --field-selector type=Warning",
    ),
)
PROXY_DOWN = Code(
    id="MSH003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Mesh proxies are not ready",
    message="The {mesh} proxy of {count} pods in namespace {name} is not ready: {shown}",
    fix="These pods get no traffic. The log of the proxy says what it is waiting for (its certificate or its configuration).",
    commands=("kubectl -n {name} logs {first} -c {container} --tail=20", "kubectl -n {name} describe pod {first}"),
)
PRESENT = Code(
    id="MSH010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service mesh",
    message="{mesh} {version} carries the connections of {count} pods in {namespaces}: there, the proxy accepts connections",
    fix="Nothing to fix: an accepted connection to such a pod proves that its proxy works, not its application.",
)
STRICT = Code(
    id="MSH011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Mutual TLS is required",
    message="{count} pods in {namespaces} accept no connections from outside the mesh (mTLS STRICT), netdoc's included",
    fix="This is by design. Clients outside the mesh that must reach them (monitoring probes, an ingress controller) have to "
    "join the mesh.",
    commands=("kubectl get peerauthentications -A",),
)
NOT_INJECTED = Code(
    id="MSH012",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Pods without a proxy in a meshed namespace",
    message="{count} pods of namespace {name}, in which Istio injects proxies, have no proxy: {shown}",
    fix="If they should have one, recreate them: they are older than the namespace label, or opt out of injection.",
    commands=("kubectl get namespace {name} --show-labels",),
)

NOT_CAPTURED = Code(
    id="MSH013",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Pods of an ambient namespace whose traffic is not redirected",
    message="{count} pods of namespace {name} belong to Istio's ambient mesh and are not redirected to their node's ztunnel: "
    "{shown}. Their connections leave without mutual TLS, what requires it refuses them, and no policy of the mesh protects them",
    fix="istio-cni-node redirects pods when they start: see that it is ready on their nodes ({nodes}), then recreate the pods, "
    "one by one.",
    commands=(
        "kubectl -n {root} get pods -o wide -l k8s-app=istio-cni-node",
        "kubectl -n {name} get pod {first} -o yaml",
        "kubectl -n {name} delete pod {first}",
    ),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report on the control planes, then on the proxies."""
    cluster, found = facts.cluster, Meshes(facts.cluster)
    by_mesh: dict[str, list[Pod]] = {}
    for pod in found.pods:
        if name := found.proxy(pod):
            by_mesh.setdefault(name, []).append(pod)
    planes = _control_planes(cluster)
    if not by_mesh and not planes and not found.ztunnels:
        raise Skip("there is no service mesh that netdoc knows (Istio, Linkerd)", not_applicable=True)
    if cluster.origin != "manifests":
        for mesh, part in planes:
            members = sum(len(pods) for name, pods in by_mesh.items() if name.split()[0] == mesh)
            yield from _control_plane(cluster, mesh, part, members, [w for m, w in planes if m == mesh])
        yield from _ztunnels(cluster, found, by_mesh.get(AMBIENT, []))
        yield from _not_captured(cluster, found, by_mesh.get(AMBIENT, []))
        yield from _proxies(cluster, by_mesh)
    yield from _present(found, by_mesh)
    yield from _not_injected(found)


def _control_planes(cluster: Cluster) -> list[tuple[str, Workload]]:
    """Return the Deployments of the meshes' control planes."""
    found = []
    for item in cluster.all(DEPLOYMENT) if cluster.readable(DEPLOYMENT) else ():
        labels, containers = item.template.metadata.labels, item.template.spec.containers
        if labels.get("app") == "istiod" and any("pilot" in service_mesh.image_name(c) for c in containers):
            found.append(("Istio", item))
        elif labels.get(LINKERD_LABEL) in LINKERD_PARTS and any(c.name == "linkerd-proxy" for c in _all(item)):
            found.append(("Linkerd", item))
    return found


def _all(item: Workload) -> list[Container]:
    return [*item.template.spec.containers, *item.template.spec.init_containers]


def _control_plane(cluster: Cluster, mesh: str, part: Workload, members: int, parts: list[Workload]) -> Iterator[Finding]:
    """Report a part that is down. One ready revision of Istio is enough, and a part that no pod depends on may be down."""
    others = mesh == "Istio" and any(other.status.ready_replicas for other in parts)
    pods = cluster.pods_matching(part.namespace, part.template.metadata.labels)
    young = any(cluster.age(item.metadata.creation_timestamp) < SETTLING for item in (part, *pods))
    if part.status.ready_replicas or others or young or not (part.spec.replicas or members):
        return
    commands = CONTROL_DOWN.commands if part.spec.replicas else (*CONTROL_DOWN.commands, SCALE)
    common = {"mesh": mesh, "replicas": part.spec.replicas, "meshed": members, "services": _services(cluster, part)}
    common["nodes"] = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    yield CONTROL_DOWN.on(Subject("Deployment", part.name, part.namespace), common, commands=commands)


def _services(cluster: Cluster, part: Workload) -> list[ObjectRef]:
    """Return the Services of a control plane part: without it they have no endpoints."""
    found = cluster.services_selecting(part.namespace, part.template.metadata.labels) if cluster.readable(SERVICE) else ()
    return sorted(ObjectRef.to("Service", service) for service in found)


def _ztunnels(cluster: Cluster, found: Meshes, members: list[Pod]) -> Iterator[Finding]:
    if not cluster.readable(NODE):  # which of them can have none
        return
    by_node: dict[str, list[Pod]] = {}
    nodes = {node.name: node for node in cluster.all(NODE)}
    without = {name for name, node in nodes.items() if node.unsupported or FARGATE in node.metadata.labels.items()}
    for pod in members:
        if pod.spec.node_name not in ("", *without) and pod.ips and cluster.age(pod.metadata.creation_timestamp) > SETTLING:
            by_node.setdefault(pod.spec.node_name, []).append(pod)
    for node, pods in sorted(by_node.items()):
        mine = [pod for pod in found.ztunnels if pod.spec.node_name == node]
        young = any(cluster.age(pod.metadata.creation_timestamp) < SETTLING for pod in mine)
        if not young and not any(pod.ready for pod in mine):
            trouble = f"{mine[0].name} is not ready" if mine else "is not there"
            common = {"count": len(pods), "shown": _shown(pods), "trouble": trouble, "root": found.ztunnels[0].namespace}
            yield NO_ZTUNNEL.on(Subject("Node", node), common)


def _not_captured(cluster: Cluster, found: Meshes, members: list[Pod]) -> Iterator[Finding]:
    """Report running ambient pods without the note that istio-cni writes on each pod it has redirected, where others have it."""
    noted = [pod for pod in members if pod.metadata.annotations.istio_redirection == "enabled"]
    bare: dict[str, list[Pod]] = {}
    for pod in members if noted else ():
        old = cluster.age(pod.metadata.creation_timestamp) > SETTLING
        if pod not in noted and old and pod.ips and pod.status.phase == "Running" and not pod.terminating:
            bare.setdefault(pod.namespace, []).append(pod)
    for namespace, pods in sorted(bare.items()):
        nodes = sorted({pod.spec.node_name for pod in pods})
        words = {"count": len(pods), "shown": _shown(pods), "first": pods[0].name, "root": found.root, "nodes": nodes}
        yield NOT_CAPTURED.on(Subject("Namespace", namespace), words, objects=[ObjectRef.to("Pod", pod) for pod in pods])


def _proxies(cluster: Cluster, by_mesh: dict[str, list[Pod]]) -> Iterator[Finding]:
    bad: dict[tuple[str, str, str], list[Pod]] = {}
    for mesh in (ISTIO, LINKERD):
        for pod in by_mesh.get(mesh, ()):
            beside = service_mesh.sidecar(pod)
            state = service_mesh.status(pod, beside[0].name) if beside else None
            young = cluster.age(pod.metadata.creation_timestamp) < SETTLING
            if beside and state and not state.ready and not (young or pod.terminating) and pod.status.phase == "Running":
                bad.setdefault((mesh, pod.namespace, beside[0].name), []).append(pod)
    for (mesh, namespace, container), pods in bad.items():
        common = {"mesh": mesh, "count": len(pods), "shown": _shown(pods), "first": pods[0].name, "container": container}
        nodes = sorted({pod.spec.node_name for pod in pods})
        yield PROXY_DOWN.on(Subject("Namespace", namespace), common, nodes=nodes)


def _present(found: Meshes, by_mesh: dict[str, list[Pod]]) -> Iterator[Finding]:
    for mesh, pods in by_mesh.items():
        proxies = [pod.spec.containers[0] for pod in found.ztunnels]
        if mesh != AMBIENT:
            proxies = [beside[0] for pod in pods if (beside := service_mesh.sidecar(pod))]
        versions = [tag for tag, _ in Counter(map(service_mesh.image_tag, proxies)).most_common() if tag]
        common = {"mesh": mesh, "version": some(versions) or "(no version)", "count": len(pods)}
        yield PRESENT.on(Subject("Cluster", mesh), common, namespaces=some(sorted({pod.namespace for pod in pods})))
    strict = [pod for pods in by_mesh.values() for pod in pods if found.strict(pod)]
    if strict:
        names = some(sorted({pod.namespace for pod in strict}))
        yield STRICT.on(Subject("Cluster", "mutual TLS"), count=len(strict), namespaces=names)


def _not_injected(found: Meshes) -> Iterator[Finding]:
    """Report pods without a proxy in namespaces with Istio's label, unless they opt out."""
    for name, labels in sorted(found.labels.items()):
        wanted = labels.get("istio-injection") == "enabled" or ("istio.io/rev" in labels and service_mesh.MODE not in labels)
        pods = [pod for pod in found.pods if wanted and pod.namespace == name and not pod.spec.host_network]
        bare = [pod for pod in pods if not found.proxy(pod) and not _says_no(pod)]
        if bare:
            yield NOT_INJECTED.on(Subject("Namespace", name), count=len(bare), shown=_shown(bare))


YES = ("y", "yes", "true", "on")
"""Values that Istio takes as yes in its label and in the older annotation of that name; all others mean no (pkg/kube/inject,
injectRequired)."""


def _says_no(pod: Pod) -> bool:
    gateway = any(container.name == "istio-proxy" for container in pod.spec.containers)
    said = pod.metadata.labels.get("sidecar.istio.io/inject") or pod.metadata.annotations.istio_inject
    return gateway or (bool(said) and said.lower() not in YES)


def _shown(pods: list[Pod]) -> str:
    return some(f"{pod.namespace}/{pod.name}" for pod in pods)


check = Check(
    id="mesh_presence",
    title="The service mesh, if there is one, works",
    prefix="MSH",
    needs=Needs(kinds=(POD,), optional=(DEPLOYMENT, NAMESPACE, PEER_AUTHENTICATION), hints=(NODE, SERVICE)),
    codes=(CONTROL_DOWN, NO_ZTUNNEL, PROXY_DOWN, PRESENT, STRICT, NOT_INJECTED, NOT_CAPTURED),
    analyse=analyse,
)
