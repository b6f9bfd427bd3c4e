# SPDX-License-Identifier: Apache-2.0
"""Do network policies let in whoever has to come in: ingress controllers, Gateways, API servers, load balancers, Prometheus?

## What it looks at
The pods behind each Ingress, each route of the Gateway API, each webhook and aggregated API, each Service of type LoadBalancer or
NodePort, each ServiceMonitor and each PodMonitor; and for each of them, whether the policies let its client reach the port that
the pods listen on: the pods of the ingress controller or of the Gateway, the API servers or their konnectivity agents, the pods
of Prometheus, and for a load balancer any address; and whether the policies of a service mesh let in those of them that are known
by their pods. It is a finding where no pod of the client may reach some of the pods, one for all that the same policies keep out.

## Why it matters
A default deny policy is written with the workloads of its namespace in mind. What comes from elsewhere is forgotten: clients
get 502 or 504 from the ingress controller, or the API server waits for a webhook until it gives up, while all works from within.

## What it can't see
Controllers that netdoc does not know, or that run outside of the cluster, and API servers that are not pods: of those only
whether anybody at all may get in, which is advice. With which address a node's traffic comes is the network's choice; where some
address may get in, it is advice. The kubelet's probes come from the pod's own node, which engines always let in. What
scrapes without the Prometheus operator is not looked at.

## Sources
Kubernetes: Network Policies ("communication between the node and its pods"), Dynamic Admission Control; Gateway API, GEP-1762;
istio/ztunnel, ARCHITECTURE.md (ports of a mesh); prometheus-operator, API reference, ServiceMonitor and PodMonitor.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    GATEWAY,
    GATEWAY_CLASS,
    INGRESS,
    INGRESS_CLASS,
    LISTENER_SETS,
    MESH_KINDS,
    MONITORS,
    NAMESPACE,
    NETWORK_KINDS,
    NETWORK_POLICY,
    NODE,
    POD,
    POLICIES,
    POLICY_AIDS,
    ROUTES,
    SERVICE,
    Check,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    ObjectRef,
    Risk,
    Severity,
    Skip,
    Unseen,
    joined,
    some,
)
from kubectl_netdoc.checks.policies.policy_coverage.common import policy_subject
from kubectl_netdoc.checks.policies.policy_entry import mesh
from kubectl_netdoc.components import api_extensions
from kubectl_netdoc.policy import fixes
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.entries import Doorkeeper, Gate, KeptOut, entries
from kubectl_netdoc.policy.ports import NONE, Ports
from kubectl_netdoc.policy.rules import Direction, PolicyRef
from kubectl_netdoc.probes import own_policies

SHOWN = 4
"""Objects that a message names at most."""

ROUTED = Code(
    id="PEN001",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="Policies keep an ingress controller or a Gateway from the pods of a route",
    message="{policies} {keep} {clients} from the pods of {services} on {ports}, to which {asking} sends requests: clients get "
    "errors or time out",
    fix="{mend}",
    commands=("kubectl -n {namespace} patch networkpolicy {name} --type json -p {patch}", "kubectl netdoc why {source} {target}"),
    rows=("P4",),
)
CALLED = Code(
    id="PEN002",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="Policies keep the API server from a webhook or an aggregated API",
    message="{policies} {keep} {clients} from the pods of {services} on {ports}, which {asking} has it call: it refuses the "
    "requests that this concerns, after a time-out each",
    fix="{mend}",
    commands=ROUTED.commands,
    explains=(Explains(("CPL003",), "objects"),),
    rows=("P4", "C1"),
)
IGNORED = Code(
    id="PEN003",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Policies keep the API server from a webhook whose failure is ignored",
    message="{policies} {keep} {clients} from the pods of {services} on {ports}, which {asking} has it call: each such "
    "request waits for the time-out, and is let through unchecked",
    fix="{mend}",
    commands=ROUTED.commands,
    rows=("P4", "C1"),
)
BALANCED = Code(
    id="PEN004",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Policies let nobody in to the pods of a load balancer",
    message="{policies} {keep} everybody from the pods of {services} on {ports}: the load balancer leads to nothing",
    fix="{mend}",
    commands=ROUTED.commands,
    rows=("P4",),
)
SCRAPED = Code(
    id="PEN006",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Policies keep Prometheus from metrics",
    message="{policies} {keep} {clients} from the pods of {services} on {ports}, which {asking} has it scrape: there are no "
    "metrics of them, and no alert that is made of these",
    fix="{mend}",
    commands=ROUTED.commands,
    rows=("P4",),
)
AS_WRITTEN = Code(
    id="PEN010",
    severity=Severity.INFO,
    risk=Risk.POLICY,
    title="Policies do not mention somebody who may have to get in",
    message="As written, {policies} {keep} {clients} from the pods of {services} on {ports} ({asking}), but {doubt}",
    fix="Nothing to fix if they need not get in. Otherwise, do this: {mend}",
    commands=("kubectl netdoc policy coverage",),
)
CODES = {
    Gate.ROUTE: ROUTED,
    Gate.CALL: CALLED,
    Gate.IGNORED: IGNORED,
    Gate.LOAD_BALANCER: BALANCED,
    Gate.SCRAPE: SCRAPED,
}
"""By what somebody comes in; ``AS_WRITTEN`` where it is doubtful, as it always is of node ports."""

Group = tuple[Code, tuple[PolicyRef, ...], Direction, str]
"""What is one finding: the code, the policies, at which end, and the doubt."""


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report each set of policies with all whom it keeps out."""
    if facts.cluster.origin == "manifests":
        raise Skip("manifests do not show who comes in")
    engine = Engine(facts.cluster, templates=False)
    refused = list(mesh.analyse(engine))
    if not (engine.policies or refused):
        raise Skip("there is no network policy", not_applicable=True)
    yield from refused
    doorkeeper = Doorkeeper(engine)
    groups: dict[Group, list[KeptOut]] = {}
    for entry in entries(engine):
        for out in doorkeeper.kept_out(entry):
            doubt = own_policies.idle(facts, [out.node], out.direction.value) or out.doubt or _unknown(facts, out)
            code = AS_WRITTEN if doubt else CODES[entry.gate]
            groups.setdefault((code, out.by, out.direction, doubt), []).append(out)
    for (code, by, direction, doubt), found in groups.items():
        yield _finding(engine, code, by, direction, doubt, found)


def _unknown(facts: Facts, out: KeptOut) -> str:
    """Return why it is not known whether this matters; "" if it does."""
    seen = own_policies.enforced(facts, out.node, out.direction.value)
    hidden = facts.cluster.unreadable(DAEMON_SET) and not seen
    return "DaemonSets can't be read, so it is not known whether anything enforces policies" if hidden else ""


def _finding(
    engine: Engine, code: Code, by: tuple[PolicyRef, ...], direction: Direction, doubt: str, found: list[KeptOut]
) -> Finding:
    clients = dict.fromkeys(out.entry.client for out in found)
    behind = dict.fromkeys(out.entry.behind.ref for out in found)
    who, entry = joined([client.name for client in clients]), found[0].entry
    source = next((client.pod for client in clients if client.pod), None)
    changed, patch = _admitting(engine, by, direction, found)
    asked = _asked(found)
    names = {
        "policies": some(map(str, by), SHOWN),
        "keep": "keep" if len(by) > 1 else "keeps",
        "clients": who,
        "services": some((f"{ref.kind} {ref}" for ref in behind), SHOWN),
        "asking": some(dict.fromkeys(f"{out.entry.by.kind} {out.entry.by}" for out in found), SHOWN),
        "ports": asked,
        "doubt": doubt,
        "mend": f"Change {changed} so that {who} may {'reach' if direction is Direction.INGRESS else 'send to'} them on {asked}.",
        "patch": patch,
        "source": source or "",
        "target": entry.behind.asked,
    }
    objects: list[ObjectRef | PolicyRef] = [*by, *behind, *(out.entry.by for out in found), *(out.pod for out in found)]
    known = [code.commands[0]] * bool(patch) + [code.commands[-1]] * bool(source) if code is not AS_WRITTEN else []
    return code.on(policy_subject(changed), names, commands=tuple(known) or AS_WRITTEN.commands, objects=objects)


def _asked(found: list[KeptOut]) -> Ports:
    asked = NONE
    for out in found:
        asked |= out.ports
    return asked


def _admitting(engine: Engine, by: tuple[PolicyRef, ...], direction: Direction, found: list[KeptOut]) -> tuple[PolicyRef, str]:
    """Return which policy to change, that for the fewest pods, and the JSON patch; no patch for a cluster-wide policy."""
    subjects = {policy.ref: policy.subject.bit_count() for policy in engine.policies}
    changed = min(by, key=lambda ref: (bool(ref.namespace), subjects.get(ref, 0), ref))
    written = engine.cluster.get(NETWORK_POLICY, changed.namespace, changed.name) if changed.kind == NETWORK_POLICY.name else None
    if written is None:
        return changed, ""
    rule: fixes.Manifest = {"ports": fixes.port_entries(_asked(found))}
    others = [out.entry.client.pod if direction is Direction.INGRESS else out.pod for out in found]
    pods = [engine.cluster.get(POD, ref.namespace, ref.name) if ref else None for ref in dict.fromkeys(others)]
    peers = [
        fixes.peer(pod.namespace, pod.metadata.labels, changed.namespace) for pod in pods if pod and not pod.spec.host_network
    ]
    if len(peers) == len(pods):
        rule = {"from" if direction is Direction.INGRESS else "to": peers} | rule
    return changed, fixes.patch(written, direction, rule)


check = Check(
    id="policy_entry",
    title="Network policies let in whoever has to come in",
    prefix="PEN",
    needs=Needs(
        kinds=(POD, NETWORK_POLICY, SERVICE),
        optional=(NAMESPACE, NODE, *POLICIES[1:], INGRESS, INGRESS_CLASS, GATEWAY, *ROUTES, *api_extensions.KINDS),
        hints=(GATEWAY_CLASS, *LISTENER_SETS, *POLICY_AIDS, DAEMON_SET, *MONITORS, *MESH_KINDS, *NETWORK_KINDS),
    ),
    codes=(ROUTED, CALLED, IGNORED, BALANCED, SCRAPED, mesh.KEPT_OUT, AS_WRITTEN),
    analyse=analyse,
)
