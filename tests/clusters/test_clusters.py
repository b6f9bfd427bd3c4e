# SPDX-License-Identifier: Apache-2.0
"""Healthy clusters of every distribution give nothing above info; the same clusters, broken in one place, give that.

Each folder is what ``kubectl get -A -o yaml`` prints of such a cluster, reduced to what matters for its network; the top of each
file names what it was made from. They are judged twice: as ``check --from DIR`` reads them, and as a live cluster of which
nothing is measured, where more is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kubectl_netdoc import cni
from kubectl_netdoc.components import cluster_dns, kube_proxy
from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report, State
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.sources import FollowUp, Source, documents, manifests, nothing_more
from tests.support.discovery import EXTENSIONS

FOLDERS = Path(__file__).parent
TODAY = datetime(2025, 4, 2, 9, 0, tzinfo=UTC)
"""Two weeks after the objects were listed."""

Document = dict[str, Any]
Documents = list[Document]


@cache
def _read(name: str) -> tuple[Document, ...]:
    files = sorted((FOLDERS / name).glob("*.yaml"))
    read = (whole.content for file in files for whole in documents.parse(file.read_bytes(), file.name))
    return tuple(item for whole in read for item in whole["items"])


def objects(name: str) -> Documents:
    """Return the objects of a folder, to be changed at will."""
    return deepcopy(list(_read(name)))


def as_manifests(items: Documents) -> manifests.ManifestSource:
    """Return the source that ``check --from DIR`` makes of them; every kind must be one that it knows or may pass over."""
    return manifests.ManifestSource("a folder", [documents.Document("x.yaml", item) for item in items], _fail)


def _fail(text: str) -> None:
    raise AssertionError(text)


class Live:
    """The same objects as a live cluster lists them, by somebody who wants no pods."""

    label = "a cluster"

    def __init__(self, items: Documents) -> None:
        self.files = as_manifests(items)

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return the lists: empty ones where the server has the kind and there is none."""
        found = self.files.cluster(kinds).index.listings
        return Cluster({kind.name: self._listing(kind, found[kind.name]) for kind in kinds}, time=TODAY, server=self._server())

    @staticmethod
    def _listing(kind: Kind[Any], found: Listing | Unavailable) -> Listing | Unavailable:
        if isinstance(found, Listing) and (found.items or kind not in EXTENSIONS):
            return found
        return Unavailable(f"the server has no {kind.plural}", by_design=True) if kind in EXTENSIONS else Listing()

    def _server(self) -> str:
        nodes = self.files.cluster((NODE,)).all(NODE)
        return max(node.status.node_info.kubelet_version for node in nodes)

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Nothing is measured."""
        return Measured(why_unmeasured="--no-pods")


def judge(source: Source) -> tuple[Cluster, Report]:
    """Return the cluster, and what all checks say of it."""
    loaded = registry.load()
    result = run(source, loaded, loaded.choose())
    return result.cluster, result.report


def loud(report: Report) -> set[tuple[str, str]]:
    """Return (code, subject) of what is above info."""
    return {(f.code, str(f.subject)) for f in report.findings if f.severity is not Severity.INFO}


@dataclass(frozen=True)
class Known:
    """What must be recognised: each network with some of what CNI010 says of it; who does kube-proxy's work; the DNS Service.

    ``proxy``: the mode that is set, "" where none is; ``replaced``: the network in its place; ``part_of``: what it is a part of.
    """

    networks: dict[str, dict[str, object]]
    dns: str = "kube-system/kube-dns"
    proxy: str = ""
    replaced: str = ""
    part_of: frozenset[str] = frozenset()


def carries(policy: str = "", services: str = "", agents: int = 3, **more: object) -> dict[str, object]:
    """Return evidence of CNI010: who enforces policies, who does Services, agents that are all ready."""
    told = {"policy_engine": policy, "services": services}
    return {key: value for key, value in told.items() if value} | {"agents": agents, "ready": agents} | more


LEFT, IN_PLACE = "left to kube-proxy", "in place of kube-proxy"
EKS: dict[str, object] = {
    "backend": "addresses of the VPC on the nodes' network interfaces",
    "mtu_set": "9001",
    "version": "v1.19.3-eksbuild.1",
}
HEALTHY = {
    "eks": Known({"AWS VPC CNI": carries("aws-network-policy-agent", LEFT) | EKS}, proxy="iptables"),
    "eks-auto": Known({}, dns="", part_of=frozenset({"EKS Auto Mode"})),
    "eks-fargate-windows": Known(
        {"AWS VPC CNI": carries("none (switched off)", LEFT, 2) | EKS}, proxy="iptables", part_of=frozenset({"Fargate"})
    ),
    "gke": Known({"GKE Dataplane V2": carries("Cilium", IN_PLACE, encapsulation="none")}, replaced="GKE Dataplane V2"),
    "aks-cilium": Known(
        {
            "Azure CNI": carries("Cilium", ipam="CNS", backend="powered by Cilium"),
            "Cilium": carries("Cilium", IN_PLACE, ipam="delegated-plugin", encapsulation="none"),
        },
        replaced="Cilium",
    ),
    "aks-overlay-windows-virtual": Known({"Azure CNI": carries(ipam="CNS")}),
    "openshift": Known(
        {"OVN-Kubernetes": carries("OVN", IN_PLACE, 5, encapsulation="Geneve"), "Multus": carries(agents=5)},
        dns="openshift-dns/dns-default",
        replaced="OVN-Kubernetes",
    ),
    "k3s": Known(
        {"Flannel (part of k3s)": carries("kube-router, part of k3s", "kube-proxy, part of k3s", 0, backend="vxlan")},
        part_of=frozenset({"k3s"}),
    ),
    "talos-flannel": Known({"Flannel": carries("none of its own", LEFT, 4, encapsulation="VXLAN")}, proxy="nftables"),
    "talos-cilium": Known(
        {"Cilium": carries("Cilium", IN_PLACE, 4, encapsulation="VXLAN", ipam="kubernetes", encryption="none")}, replaced="Cilium"
    ),
    "rke2": Known(
        {"Canal": carries("Calico (Felix)", LEFT, 4, encapsulation="VXLAN", mtu_set="1450")},
        dns="kube-system/rke2-coredns-rke2-coredns",
    ),
    "istio": Known({"kindnet": carries("kindnet (kube-network-policies)", LEFT)}, proxy="nftables"),
    "dual-stack": Known(
        {"Calico": carries("Calico (Felix)", LEFT, ipam="Calico", encapsulation="VXLAN between subnets, none", mtu_set="1450")}
    ),
}


def test_every_folder_is_judged() -> None:
    assert {folder.name for folder in FOLDERS.iterdir() if any(folder.glob("*.yaml"))} == set(HEALTHY) == set(BROKEN)


@pytest.mark.parametrize("read", [as_manifests, Live], ids=["manifests", "live"])
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy(name: str, read: Callable[[Documents], Source]) -> None:
    _, report = judge(read(objects(name)))
    assert loud(report) == set()
    assert [(r.check, r.error) for r in report.results if r.state in (State.CRASHED, State.WARN, State.FAIL, State.UNKNOWN)] == []


@pytest.mark.parametrize("read", [as_manifests, Live], ids=["manifests", "live"])
@pytest.mark.parametrize("name", HEALTHY)
def test_recognised(name: str, read: Callable[[Documents], Source]) -> None:
    known = HEALTHY[name]
    cluster, report = judge(read(objects(name)))
    told = {f.subject.name: f for f in report.findings if f.code == "CNI010"}
    assert {network: _some_of(told[network], wanted) for network, wanted in known.networks.items()} == known.networks
    assert told.keys() == known.networks.keys() == {found.name for found in cni.recognise(cluster)}
    dns = cluster_dns.service(cluster)
    assert (f"{dns.namespace}/{dns.name}" if dns else "") == known.dns
    assert (kube_proxy.configured(cluster)[0], kube_proxy.replaced_by(cluster)) == (known.proxy, known.replaced)
    assert {kube_proxy.embedded(node) for node in cluster.all(NODE)} - {""} == known.part_of


def _some_of(finding: Finding, wanted: dict[str, object]) -> dict[str, object]:
    return {key: finding.evidence.get(key) for key in wanted}


@pytest.mark.parametrize("name", HEALTHY)
def test_no_secret_is_in_it(name: str) -> None:
    assert not [item["metadata"]["name"] for item in _read(name) if item["kind"] in ("Secret", "ServiceAccount")]


# The same clusters, broken in one place


def _named(item: Document, kind: str, place: str) -> bool:
    """Whether an object is of a kind, and of a ``namespace/name`` (or name) that may have asterisks."""
    metadata = item["metadata"]
    return item["kind"] == kind and fnmatch("/".join(filter(None, (metadata.get("namespace"), metadata["name"]))), place)


def _those(items: Documents, kind: str, place: str, node: str = "*") -> Documents:
    found = [i for i in items if _named(i, kind, place) and fnmatch(i["spec"].get("nodeName", "") if "spec" in i else "", node)]
    assert found, (kind, place, node)
    return found


Break = Callable[[Documents], None]


def drop(kind: str, place: str, node: str = "*") -> Break:
    """Take objects away; ``node``: only what is on such nodes."""

    def break_(items: Documents) -> None:
        for item in _those(items, kind, place, node):
            items.remove(item)

    return break_


def put(kind: str, place: str, path: str, value: object) -> Break:
    """Set what stands at a dotted path of objects; numbers are positions."""

    def break_(items: Documents) -> None:
        *way, last = path.split(".")
        for item in _those(items, kind, place):
            at: Any = item
            for step in way:
                at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
            at[int(last) if last.isdigit() else last] = value

    return break_


def down(place: str, node: str = "*", waiting: str = "", restarts: int = 0) -> Break:
    """Make pods unready, and the endpoints that lead to them; ``waiting``: why their first container waits."""

    def break_(items: Documents) -> None:
        pods = _those(items, "Pod", place, node)
        names = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
        for pod in pods:
            ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
            ready |= {"status": "False", "reason": "ContainersNotReady"}
            first = pod["status"]["containerStatuses"][0]
            first |= {"ready": False, "restartCount": restarts}
            first["state"] = {"waiting": {"reason": waiting}} if waiting else first["state"]
        for end in (end for item in items if item["kind"] == "EndpointSlice" for end in item["endpoints"]):
            target = end.get("targetRef", {})
            if (target.get("namespace"), target.get("name")) in names:
                end["conditions"] = {"ready": False, "serving": False, "terminating": False}

    return break_


def scaled(kind: str, place: str, to: int = 0) -> Break:
    """Scale a workload; to zero, its pods and endpoints go."""

    def break_(items: Documents) -> None:
        (item,) = _those(items, kind, place)
        item["spec"]["replicas"] = to
        item["status"] = {}
        namespace, _, name = place.partition("/")
        pods = [pod for pod in items if _named(pod, "Pod", f"{namespace}/{name}-*")]
        for pod in pods:
            items.remove(pod)
        gone = {pod["metadata"]["name"] for pod in pods}
        for found in (each for each in items if each["kind"] == "EndpointSlice" and each["metadata"]["namespace"] == namespace):
            found["endpoints"] = [e for e in found["endpoints"] if e.get("targetRef", {}).get("name") not in gone]

    return break_


def unready_deployment(place: str) -> Break:
    """Make a Deployment's pods unready, and what its status says of them."""

    def break_(items: Documents) -> None:
        (item,) = _those(items, "Deployment", place)
        item["status"].pop("readyReplicas")
        down(f"{place}-*")(items)

    return break_


def selector(service: str, **labels: str) -> Break:
    """Give a Service another selector: its slices lead nowhere."""

    def break_(items: Documents) -> None:
        put("Service", service, "spec.selector", labels)(items)
        no_endpoints(service)(items)

    return break_


def no_endpoints(service: str, family: str = "*") -> Break:
    """Empty a Service's slices, of one family or all."""

    def break_(items: Documents) -> None:
        namespace, _, name = service.partition("/")
        for item in _those(items, "EndpointSlice", f"{namespace}/{name}-*"):
            if item["metadata"]["labels"]["kubernetes.io/service-name"] == name and fnmatch(item["addressType"], family):
                item["endpoints"] = []

    return break_


@dataclass(frozen=True)
class Fault:
    """What is broken, and all that must be said of it above info."""

    what: str
    how: Break
    expect: frozenset[tuple[str, str]]


def fault(what: str, how: Break, *expect: tuple[str, str]) -> Fault:
    """Return a fault."""
    return Fault(what, how, frozenset(expect))


WRONG_SELECTOR = selector("shop/web", **{"app.kubernetes.io/name": "wep"})
NO_DNS = ("DNC002", "Service kube-system/kube-dns")


BROKEN: dict[str, tuple[Fault, ...]] = {
    "eks": (
        fault(
            "kube-proxy's pod is gone from a node",
            drop("Pod", "kube-system/kube-proxy-*", "ip-10-0-2-*"),
            ("KPP002", "Node ip-10-0-2-201.eu-central-1.compute.internal"),
        ),
        fault(
            "aws-node crashes on a node",
            down("kube-system/aws-node-*", "ip-10-0-2-*", "CrashLoopBackOff", 9),
            ("CNI002", "DaemonSet kube-system/aws-node"),
        ),
        fault("CoreDNS is not ready", down("kube-system/coredns-*"), NO_DNS, ("SVC004", "Service kube-system/kube-dns")),
        fault(
            "nobody behind the webhook",
            down("kube-system/aws-load-balancer-controller-*"),
            ("CPL001", "Service kube-system/aws-load-balancer-webhook-service"),
            ("CPL002", "Service kube-system/aws-load-balancer-webhook-service"),
            ("SVC004", "Service kube-system/aws-load-balancer-webhook-service"),
        ),
        fault("wrong selector", WRONG_SELECTOR, ("ING003", "Service shop/web"), ("SVC001", "Service shop/web")),
        fault("policy without DNS", drop("NetworkPolicy", "shop/allow-dns"), ("POL001", "NetworkPolicy shop/default-deny")),
    ),
    "eks-auto": (
        fault(
            "an aggregated API is not available",
            put("APIService", "v1beta1.metrics.k8s.io", "status.conditions.0.status", "False"),
            ("CPL003", "APIService v1beta1.metrics.k8s.io"),
        ),
        fault(
            "no load balancer came",
            put("Service", "shop/web-nlb", "status", {"loadBalancer": {}}),
            ("SVC006", "Service shop/web-nlb"),
        ),
        fault(
            "a node is not ready",
            put("Node", "i-0fedcba9876543210", "status.conditions.3.status", "Unknown"),
            ("NOD001", "Node i-0fedcba9876543210"),
        ),
        fault("wrong selector", WRONG_SELECTOR, ("ING003", "Service shop/web"), ("SVC001", "Service shop/web")),
    ),
    "eks-fargate-windows": (
        fault(
            "kube-proxy's pod is gone from a Linux node",
            drop("Pod", "kube-system/kube-proxy-*", "ip-10-0-2-*"),
            ("KPP002", "Node ip-10-0-2-201.eu-central-1.compute.internal"),
        ),
        fault(
            "a name that no port of the Fargate pods has",
            put("Service", "batch/render", "spec.ports.0.targetPort", "web"),
            ("SVC003", "Service batch/render"),
        ),
        fault("the Windows pods are not ready", down("legacy/iis-*"), ("SVC004", "Service legacy/iis")),
    ),
    "gke": (
        fault(
            "anetd's pod is gone from a node",
            drop("Pod", "kube-system/anetd-*", "*-265t"),
            ("CNI001", "DaemonSet kube-system/anetd"),
        ),
        fault(
            "no konnectivity agent",
            down("kube-system/konnectivity-agent-*"),
            ("CPL009", "Deployment kube-system/konnectivity-agent"),
        ),
        fault(
            "nobody behind the webhook",
            down("gmp-system/gmp-operator-*"),
            ("CPL001", "Service gmp-system/gmp-operator"),
            ("SVC004", "Service gmp-system/gmp-operator"),
        ),
        fault(
            "kube-dns is not ready",
            down("kube-system/kube-dns-*"),
            NO_DNS,
            ("SVC004", "Service kube-system/kube-dns"),
            ("SVC004", "Service kube-system/kube-dns-upstream"),
        ),
        fault(
            "a route to a port that is not there",
            put("HTTPRoute", "shop/web", "spec.rules.0.backendRefs.0.port", 81),
            ("GWR008", "HTTPRoute shop/web"),
        ),
    ),
    "aks-cilium": (
        fault(
            "Cilium's pod is gone from a node",
            drop("Pod", "kube-system/cilium-?????", "*000001"),
            ("CNI001", "DaemonSet kube-system/cilium"),
        ),
        fault(
            "CNS can't start",
            down("kube-system/azure-cns-*", "*000001", "ImagePullBackOff"),
            ("CNI003", "DaemonSet kube-system/azure-cns"),
        ),
        fault(
            "no konnectivity agent",
            down("kube-system/konnectivity-agent-*"),
            ("CPL009", "Deployment kube-system/konnectivity-agent"),
        ),
        fault(
            "the operator is down",
            unready_deployment("kube-system/cilium-operator"),
            ("CNI009", "Deployment kube-system/cilium-operator"),
        ),
        fault(
            "a Corefile that forwards to itself",
            put(
                "ConfigMap",
                "kube-system/coredns",
                "data.Corefile",
                ".:53 {\n kubernetes cluster.local\n forward . 10.0.0.10\n}\nimport custom/*.server\n",
            ),
            ("DNC003", "ConfigMap kube-system/coredns"),
        ),
    ),
    "aks-overlay-windows-virtual": (
        fault(
            "kube-proxy's pod is gone from a node",
            drop("Pod", "kube-system/kube-proxy-*", "*000001"),
            ("KPP002", "Node aks-system-31415926-vmss000001"),
        ),
        fault(
            "CNS crashes on Windows",
            down("kube-system/azure-cns-win-*", "*", "CrashLoopBackOff", 7),
            ("CNI002", "DaemonSet kube-system/azure-cns-win"),
        ),
        fault("wrong selector", selector("burst/render", app="rendr"), ("SVC001", "Service burst/render")),
    ),
    "openshift": (
        fault(
            "OVN's pod is gone from a node",
            drop("Pod", "openshift-ovn-kubernetes/ovnkube-node-*", "worker-1*"),
            ("CNI001", "DaemonSet openshift-ovn-kubernetes/ovnkube-node"),
        ),
        fault(
            "DNS is not ready",
            down("openshift-dns/dns-default-*"),
            ("DNC002", "Service openshift-dns/dns-default"),
            ("SVC004", "Service openshift-dns/dns-default"),
        ),
        fault(
            "nobody behind an API",
            down("openshift-apiserver/apiserver-*"),
            ("CPL001", "Service openshift-apiserver/api"),
            ("SVC004", "Service openshift-apiserver/api"),
        ),
        fault(
            "Multus crashes on a node",
            down("openshift-multus/multus-?????", "worker-0*", "CrashLoopBackOff", 5),
            ("CNI002", "DaemonSet openshift-multus/multus"),
        ),
        fault(
            "DNS allowed on the wrong port",
            put("NetworkPolicy", "shop/allow-dns", "spec.egress.0.ports", [{"protocol": "UDP", "port": 53}]),
            ("POL001", "NetworkPolicy shop/allow-dns"),
            ("POL007", "NetworkPolicy shop/allow-dns"),
        ),
    ),
    "k3s": (
        fault(
            "Traefik is not ready",
            down("kube-system/traefik-*"),
            ("INC001", "Service kube-system/traefik"),
            ("SVC004", "Service kube-system/traefik"),
        ),
        fault(
            "CoreDNS is scaled to zero", scaled("Deployment", "kube-system/coredns"), ("DNC001", "Service kube-system/kube-dns")
        ),
        fault(
            "nobody behind the metrics API",
            down("kube-system/metrics-server-*"),
            ("CPL001", "Service kube-system/metrics-server"),
            ("SVC004", "Service kube-system/metrics-server"),
        ),
        fault(
            "a node is not ready",
            put("Node", "k3s-agent-2", "status.conditions.3.status", "False"),
            ("NOD001", "Node k3s-agent-2"),
        ),
    ),
    "talos-flannel": (
        fault(
            "flannel's pod is gone from a node",
            drop("Pod", "kube-system/kube-flannel-*", "talos-w-2"),
            ("CNI001", "DaemonSet kube-system/kube-flannel"),
        ),
        fault(
            "two nodes' ranges overlap",
            put("Node", "talos-w-2", "spec.podCIDRs", ["10.244.2.0/23"]),
            ("ADR001", "NodePair talos-w-2--talos-w-3"),
        ),
        fault(
            "kube-proxy's pod is gone from a node",
            drop("Pod", "kube-system/kube-proxy-*", "talos-w-2"),
            ("KPP002", "Node talos-w-2"),
        ),
        fault("wrong selector", WRONG_SELECTOR, ("SVC001", "Service shop/web")),
    ),
    "talos-cilium": (
        fault(
            "Cilium's pod is gone from a node",
            drop("Pod", "kube-system/cilium-?????", "talos-w-2"),
            ("CNI001", "DaemonSet kube-system/cilium"),
        ),
        fault(
            "the operator is down",
            unready_deployment("kube-system/cilium-operator"),
            ("CNI009", "Deployment kube-system/cilium-operator"),
        ),
        fault(
            "the Gateway is not programmed",
            put("Gateway", "shop/public", "status.conditions.1.status", "False"),
            ("GWR003", "Gateway shop/public"),
        ),
    ),
    "rke2": (
        fault(
            "kube-proxy's static pod is gone from a node",
            drop("Pod", "kube-system/kube-proxy-rke2-agent-2"),
            ("KPP002", "Node rke2-agent-2"),
        ),
        fault(
            "Canal crashes on a node",
            down("kube-system/rke2-canal-*", "rke2-agent-2", "CrashLoopBackOff", 4),
            ("CNI002", "DaemonSet kube-system/rke2-canal"),
        ),
        fault(
            "CoreDNS is not ready",
            down("kube-system/rke2-coredns-rke2-coredns-*"),
            ("DNC002", "Service kube-system/rke2-coredns-rke2-coredns"),
            ("SVC004", "Service kube-system/rke2-coredns-rke2-coredns"),
        ),
        fault(
            "ingress-nginx is not ready",
            down("kube-system/rke2-ingress-nginx-controller-*"),
            ("CPL001", "Service kube-system/rke2-ingress-nginx-controller-admission"),
            ("INC001", "IngressClass nginx"),
            ("SVC004", "Service kube-system/rke2-ingress-nginx-controller-admission"),
        ),
    ),
    "istio": (
        fault(
            "istiod is down",
            unready_deployment("istio-system/istiod"),
            ("CPL001", "Service istio-system/istiod"),
            ("MSH001", "Deployment istio-system/istiod"),
            ("SVC004", "Service istio-system/istiod"),
        ),
        fault(
            "ztunnel's pod is gone from a node",
            drop("Pod", "istio-system/ztunnel-*", "mesh-worker2"),
            ("MSH002", "Node mesh-worker2"),
        ),
        fault(
            "kindnet's pod is gone from a node",
            drop("Pod", "kube-system/kindnet-*", "mesh-worker2"),
            ("CNI001", "DaemonSet kube-system/kindnet"),
        ),
    ),
    "dual-stack": (
        fault("nobody in IPv6", no_endpoints("shop/web", "IPv6"), ("EPS002", "Service shop/web")),
        fault(
            "calico-node crashes on a node",
            down("calico-system/calico-node-*", "ds-3", "CrashLoopBackOff", 4),
            ("CNI002", "DaemonSet calico-system/calico-node"),
        ),
        fault(
            "typha is down",
            unready_deployment("calico-system/calico-typha"),
            ("CNI009", "Deployment calico-system/calico-typha"),
            ("SVC004", "Service calico-system/calico-typha"),
        ),
        fault(
            "nobody behind Calico's API",
            down("calico-apiserver/calico-apiserver-*"),
            ("CPL001", "Service calico-apiserver/calico-api"),
            ("SVC004", "Service calico-apiserver/calico-api"),
        ),
        fault(
            "ingress-nginx is not ready",
            down("ingress-nginx/ingress-nginx-controller-*"),
            ("CPL001", "Service ingress-nginx/ingress-nginx-controller-admission"),
            ("INC001", "Service ingress-nginx/ingress-nginx-controller"),
            ("SVC004", "Service ingress-nginx/ingress-nginx-controller"),
            ("SVC004", "Service ingress-nginx/ingress-nginx-controller-admission"),
        ),
    ),
}


@pytest.mark.parametrize(
    ("name", "broken"), [pytest.param(name, f, id=f"{name}: {f.what}") for name, faults in BROKEN.items() for f in faults]
)
def test_broken(name: str, broken: Fault) -> None:
    items = objects(name)
    broken.how(items)
    _, report = judge(Live(items))
    assert loud(report) == broken.expect
