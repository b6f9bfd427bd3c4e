# SPDX-License-Identifier: Apache-2.0
"""Does a Service work for the pods behind it, and from their nodes?

## What it looks at
From each debug pod, connections to netdoc's own Service until every pod behind it has answered, the asking pod itself among
them: each proves who it is and reports the address that it saw. One node has two debug pods: there the path through the Service
to a pod on the same node is measured as well, and the direct path beside it.

## Why it matters
A pod that reaches itself through its Service sends and receives by one port of the bridge, which a bridge forbids unless hairpin
mode is on. The answer of a pod on the same node must pass kube-proxy's translation, which bridged packets bypass without
br_netfilter. Both show as time-outs of some connections from some pods: of applications that call themselves, or of DNS from its
own node.

## What it can't see
Traffic between pods of one node on nodes with one debug pod only (all but one). Pods made before the CNI configuration was
changed: each pod keeps the setting it was made with, and netdoc's pods are new.

## Sources
Kubernetes: Debug Services ("A Pod fails to reach itself via the Service IP"), kernel: bridge, br_netfilter; failure catalogue
K12 and K13; kubernetes#13375, #20475, #33798.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    BRIDGE_TO_IPTABLES,
    Check,
    Cluster,
    Code,
    Echo,
    EchoReply,
    EchoSample,
    Explains,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    Outcome,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    on_node,
)
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.node_pairs import peers
from kubectl_netdoc.probes.service_targets import own, proof, proofs, twin

TIMEOUTS = 2
"""Connections that must have timed out: a single one may be a lost packet."""

HAIRPIN = Code(
    id="SVH001",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pods can't reach themselves through their Service",
    message="On {nodes}, a new pod never reaches itself through a Service: {timeouts} of {tries} connections to netdoc's own "
    "Service timed out, and all its other pods answered",
    fix='Set "hairpinMode": true in the CNI configuration on {nodes} (flannel: in its delegate section). Then delete the pods '
    "there, so that they are recreated.",
    commands=(
        on_node("{first}", "grep -r hairpinMode /etc/cni/net.d"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={first}",
    ),
    rows=("K12",),
    tells="failure",
)
NEIGHBOUR = Code(
    id="SVH002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Services do not work to pods on the same node",
    message="On {nodes}, a pod never reaches another pod on its node through a Service: {timeouts} of {tries} connections to "
    "netdoc's own Service timed out. It reaches it directly, and pods on other nodes both ways: replies across the node's "
    "bridge bypass kube-proxy's translation",
    fix="Load br_netfilter on {nodes} and set net.bridge.bridge-nf-call-iptables to 1, as the command does. Then make both "
    "permanent (/etc/modules-load.d, /etc/sysctl.d).",
    commands=(on_node("{first}", BRIDGE_TO_IPTABLES),),
    rows=("K13",),
    explains=(Explains(("DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "DSV002", "SVR002", "SVR006", "SVH001"), "node"),),
    tells="failure",
)


def plan(cluster: Cluster) -> Iterator[Echo]:
    """Connect to netdoc's own Service from each vantage, and to each pod behind it directly."""
    for node in cluster.vantages:
        yield own(cluster, node)
        yield twin(node)
        yield from proofs(cluster, node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report nodes on which only backends of the same node fail; other checks report all other failures."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    nodes = facts.heard
    if nodes and (why := policies.why_isolated(facts)):
        yield Unseen("Services from their own pods", why, expected=True)
        return
    found: dict[Code, dict[str, tuple[EchoSample, ...]]] = {}
    for node in nodes:
        reply = facts.reply(own(facts.cluster, node))
        if isinstance(reply, Lost):
            yield Unseen(f"netdoc's own Service from node {node}", reply.reason, expected=True)
        elif isinstance(reply, EchoReply) and (code := _judge(facts, node, facts.targets, reply.samples)):
            found.setdefault(code, {})[node] = reply.samples
    for code, where in found.items():
        everywhere = len(where) == len(nodes) > 1
        for group in [sorted(where)] if everywhere else [[node] for node in sorted(where)]:
            subject = Subject("Cluster", "pods and their own Services") if everywhere else Subject("Node", group[0])
            samples = [sample for node in group for sample in where[node]]
            timeouts = sum(sample.outcome is Outcome.TIMEOUT for sample in samples)
            yield code.on(subject, nodes=group, first=group[0], timeouts=timeouts, tries=len(samples))


def _judge(facts: Facts, node: str, nodes: list[str], samples: tuple[EchoSample, ...]) -> Code | None:
    """Return what is wrong on a node from which all pods on other nodes answer both ways, and some connections time out."""
    elsewhere = {other for other in nodes if other != node}
    reached = {sample.who for sample in samples if sample.who}
    direct = all(_proved(facts, proof(node, other)) for other in peers(facts.cluster).get(node, ()) if other in elsewhere)
    timeouts = sum(sample.outcome is Outcome.TIMEOUT for sample in samples)
    if timeouts < TIMEOUTS or not direct or not elsewhere <= reached:
        return None
    itself = any(sample.itself for sample in samples)
    neighbour = any(sample.who == node and not sample.itself for sample in samples)
    if _proved(facts, twin(node)) and not neighbour:
        return NEIGHBOUR
    return HAIRPIN if not itself and (elsewhere or neighbour) else None


def _proved(facts: Facts, request: Echo) -> bool:
    reply = facts.reply(request)
    return isinstance(reply, EchoReply) and any(sample.who for sample in reply.samples)


check = Check(
    id="service_hairpin",
    title="Services work for their own pods",
    prefix="SVH",
    needs=Needs(hints=policies.KINDS, tier=Tier.PODS, makes=(Made.SERVICES,)),
    codes=(HAIRPIN, NEIGHBOUR),
    plan=plan,
    analyse=analyse,
)
