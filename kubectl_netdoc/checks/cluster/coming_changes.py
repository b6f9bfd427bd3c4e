# SPDX-License-Identifier: Apache-2.0
"""Does anything that is used here end, or change, with a coming version?

## What it looks at
The API server's version and the objects that use what is deprecated: externalIPs, old annotations and values of Services,
Endpoints objects that are mirrored, cluster-wide policies of kinds that the network does not enforce (or not much longer) and
those of another CNI, ingress-nginx. What changes when is in docs/versions.md. kube-proxy's modes are kube_proxy_mode's.

## Why it matters
An upgrade that nobody connects with it takes away an address, a policy or a route, weeks after somebody has read of it.

## What it can't see
Who reads Endpoints objects. Gates that are set to something other than their default. Versions of CNIs whose image has no tag.

## Sources
The files and documents that docs/versions.md names for each change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    ADMIN_NETWORK_POLICY,
    ADMIN_POLICIES,
    BASELINE_ADMIN_NETWORK_POLICY,
    DAEMON_SET,
    ENDPOINT_SLICE,
    NATIVE_POLICIES,
    NETWORK_KINDS,
    NODE,
    POD,
    SERVICE,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Kind,
    Needs,
    ObjectRef,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    counted,
    joined,
    some,
)
from kubectl_netdoc.cni.base import PolicyEngine
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.components.ingress_controllers import INGRESS_NGINX
from kubectl_netdoc.policy import enforcers
from kubectl_netdoc.probes.service_targets import MIRRORING_CONTROLLER

SHOWN = 4
"""Objects that a message names at most."""

ADMIN_KINDS = (ADMIN_NETWORK_POLICY, BASELINE_ADMIN_NETWORK_POLICY)
EXTERNAL, ENDPOINTS = versions.change("external-ips"), versions.change("endpoints-api")
HINTS, MODE = versions.change("topology-aware-hints"), versions.change("topology-mode")
DISTRIBUTION, CALICO = versions.change("traffic-distribution"), versions.change("calico-admin-policies")
NGINX = versions.change("ingress-nginx")

DEPRECATED_IPS = Code(
    id="VER001",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Services use externalIPs, which are deprecated",
    message=f"externalIPs are set on {{used}}, and the cluster's version is {{server}}: "
    f"{EXTERNAL.told('deprecated', 'off', 'gone')}",
    fix="Give such Services their addresses by a load balancer (type LoadBalancer, with MetalLB or a cloud's controller) or by a "
    "Gateway, before the upgrade.",
    commands=("kubectl get services -A -o wide",),
)
LOST_IPS = Code(
    id="VER002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Services lose their externalIPs with the next upgrade",
    message=f"externalIPs are set on {{used}}, and the cluster's version is {{server}}: {EXTERNAL.told('off', 'gone')}",
    fix="Give these Services their addresses by a load balancer (type LoadBalancer, with MetalLB or a cloud's controller) or by "
    "a Gateway. Until then, the gate AllowServiceExternalIPs of kube-proxy keeps them.",
    commands=("kubectl get services -A -o wide",),
)
IDLE_POLICIES = Code(
    id="VER003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Cluster-wide policies that nothing enforces",
    message="Nothing enforces {used}: {why}",
    fix="Write them as policies of a kind that is enforced here, see with 'kubectl netdoc policy diff' that the new ones say the "
    "same, then delete the old ones.",
    commands=("kubectl get {plural}",),
)
LEFT_OVER = Code(
    id="VER008",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Policies of a CNI that is not there",
    message="Nothing enforces {used}: {why}",
    fix="Delete them if they are left over from another network. Otherwise write them as policies of a kind that is enforced "
    "here.",
    commands=("kubectl get {plural} -A",),
)
ENDING_POLICIES = Code(
    id="VER004",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Cluster-wide policies that a newer Calico does not enforce",
    message=f"Calico {{version}} enforces {{used}}; from {CALICO['unenforced']} on {CALICO['unenforced'].then}",
    fix="Write them as ClusterNetworkPolicy (policy.networking.k8s.io) with the upgrade.",
    commands=("kubectl get adminnetworkpolicies,baselineadminnetworkpolicies",),
)
MIRRORED = Code(
    id="VER005",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Services whose endpoints are written as Endpoints objects",
    message=f"The endpoints of {{used}} are written as Endpoints objects, and the cluster's version is {{server}}: "
    f"{ENDPOINTS.told('deprecated')}",
    fix="Write EndpointSlices in place of the Endpoints, with the label kubernetes.io/service-name, then delete the Endpoints.",
    commands=("kubectl get endpointslices -A -l endpointslice.kubernetes.io/managed-by=" + MIRRORING_CONTROLLER,),
)
ANNOTATED = Code(
    id="VER006",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Services that keep traffic in a zone by a deprecated setting",
    message="Traffic is kept in a zone by {setting} on {used}, and the cluster's version is {server}: {told}",
    fix="Set spec.trafficDistribution: PreferSameZone in its place.",
    commands=("kubectl explain service.spec.trafficDistribution",),
)
RETIRED = Code(
    id="VER007",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="The ingress controller ingress-nginx is retired",
    message=f"ingress-nginx runs in {{used}}: since {NGINX['retired'].date:%B %Y} {NGINX['retired'].then}",
    fix="Move to Gateway API or to another ingress controller. Before the move, compare how both read the annotations of your "
    "Ingresses.",
    commands=("kubectl get ingressclasses", "kubectl get ingresses -A"),
)

Named = Callable[[Cluster], Iterable[ObjectRef]]


class Use(NamedTuple):
    """What is used, by whom, and from which stage of a change on that is told: of the server's version, or of the next one."""

    code: Code
    change: versions.Change
    stage: str
    by: Named
    ahead: int = 0
    setting: str = ""

    def due(self, server: str) -> bool:
        """Tell whether the server's version, or the one that many minor versions later, has the stage."""
        found = versions.parse(server)
        return len(found) > 1 and self.change[self.stage].reached((found[0], found[1] + self.ahead))


def _services(wanted: Callable[[Service], bool]) -> Named:
    return lambda cluster: (ObjectRef.to("Service", each) for each in cluster.services() if wanted(each))


def _external(service: Service) -> bool:
    return bool(service.spec.external_ips) and not service.headless and service.spec.type != "ExternalName"


def _mirrored(cluster: Cluster) -> Iterator[ObjectRef]:
    for service in cluster.services() if cluster.readable(ENDPOINT_SLICE) else ():
        if any(item.managed_by == MIRRORING_CONTROLLER for item in cluster.slices_of(service)):
            yield ObjectRef.to("Service", service)


USES = (
    Use(LOST_IPS, EXTERNAL, "off", _services(_external), ahead=1),
    Use(DEPRECATED_IPS, EXTERNAL, "deprecated", _services(_external)),
    Use(MIRRORED, ENDPOINTS, "deprecated", _mirrored),
    Use(
        ANNOTATED,
        MODE,
        "deprecated",
        _services(lambda service: service.metadata.annotations.topology_mode.lower() == "auto"),
        setting=MODE.what,
    ),
    Use(
        ANNOTATED,
        HINTS,
        "deprecated",
        _services(lambda service: service.metadata.annotations.topology_hints.lower() == "auto"),
        setting=HINTS.what,
    ),
    Use(
        ANNOTATED,
        DISTRIBUTION,
        "renamed",
        _services(lambda service: service.spec.traffic_distribution == "PreferClose"),
        setting="trafficDistribution: PreferClose",
    ),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Yield what is used and ends or changes, each change once."""
    cluster, told = facts.cluster, set[str]()
    if not versions.parse(cluster.server) and (unjudged := [use.change.what for use in USES if any(use.by(cluster))]):
        yield Unseen(f"when {joined(dict.fromkeys(unjudged))} end", "the API server's version is not known")
    for use in USES:
        used = sorted(set(use.by(cluster))) if use.due(cluster.server) else []
        # Where something else is, or may be, in kube-proxy's place, only the field itself is deprecated.
        other = use.code is LOST_IPS and (kube_proxy.replaced_by(cluster) or kube_proxy.replacement_unknown(cluster))
        if used and use.change.what not in told and not other:
            told.add(use.change.what)
            words = {"setting": use.setting, "told": use.change.told(use.stage)} if use.setting else {}
            yield use.code.on(Subject("Cluster", use.change.what), words | _used(used, "Service"), server=cluster.server)
    yield from _policies(cluster)
    pods = INGRESS_NGINX.pods(cluster) if cluster.readable(POD) else []
    ended = NGINX["retired"].date
    if pods and ended and cluster.time.date() >= ended:
        yield RETIRED.on(Subject("Cluster", NGINX.of), _used(sorted(ObjectRef.to("Pod", pod) for pod in pods), "Pod"))


def _used(found: list[ObjectRef], kind: str) -> dict[str, object]:
    several = f"{kind}s" if len(found) > 1 else kind
    named = f"{several} {some(map(str, found), SHOWN)}" if len(found) <= SHOWN else f"{counted(len(found), kind)} ({found[0]} …)"
    return {"used": named, "count": len(found), "objects": found[:SHOWN]}


def _policies(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """Report policies of kinds that nothing enforces, and those that Calico enforces up to a certain version."""
    idle = enforcers.unenforced(cluster)
    for kind in (*ADMIN_POLICIES, *NATIVE_POLICIES):
        if kind.name in idle:
            code = LEFT_OVER if kind in NATIVE_POLICIES else IDLE_POLICIES
            plural = ".".join(filter(None, (kind.plural, kind.group)))
            names = _policies_used(cluster, (kind,))
            yield code.on(Subject("Cluster", f"policies of kind {kind.name}"), names, why=idle[kind.name], plural=plural)
    used = [kind for kind in ADMIN_KINDS if cluster.readable(kind) and cluster.all(kind) and kind.name not in idle]
    if not used or enforcers.beside(cluster):
        return
    for found in enforcers.networks(cluster):
        if found.traits.policy is not PolicyEngine.CALICO:
            continue
        names = _policies_used(cluster, used)
        own = (c.image for agent in found.agents for c in agent.template.spec.containers)
        tags = sorted(found.network.versions(own))
        if tags and all(map(versions.parse, tags)):
            yield ENDING_POLICIES.on(Subject("Cluster", "cluster-wide policies"), names, version=tags)
        else:
            yield Unseen(f"whether {found.name} enforces {names['used']}", "its version is not known", expected=True)


def _policies_used(cluster: Cluster, kinds: Iterable[Kind[Any]]) -> dict[str, object]:
    used = sorted(ObjectRef.to(kind.name, item) for kind in kinds for item in cluster.all(kind))
    return {"used": some([f"{ref.kind} {ref}" for ref in used], SHOWN), "objects": used[:SHOWN], "count": len(used)}


check = Check(
    id="coming_changes",
    title="Nothing that is used here ends with a coming version",
    prefix="VER",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE, POD, *ADMIN_POLICIES, *NATIVE_POLICIES),
        hints=(NODE, DAEMON_SET, *NETWORK_KINDS),
    ),
    codes=(DEPRECATED_IPS, LOST_IPS, IDLE_POLICIES, ENDING_POLICIES, LEFT_OVER, MIRRORED, ANNOTATED, RETIRED),
    analyse=analyse,
)
