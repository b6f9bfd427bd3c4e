# SPDX-License-Identifier: Apache-2.0
"""Does exactly one thing turn Service addresses into pods' on each node?

## What it looks at
The kube-proxy pods of each ready Linux node, their images' versions, what the logs of those that crash say last, and the networks
that are set to do kube-proxy's work themselves (Cilium, Calico's eBPF data plane, kube-router, OVN-Kubernetes, Antrea's proxyAll,
GKE Dataplane V2): without kube-proxy is then as it should be. Where a node seems to have neither, netdoc's own Service tells,
measured from there.

## Why it matters
Without kube-proxy a node keeps the rules that it had, and every Service that changes is wrong there; a node that starts has none
at all. What stops it is mostly the same on all nodes, so nodes with the same trouble are told together. Two that write the same
rules undo each other's, and a version that the API server does not know drifts off at the next upgrade.

## What it can't see
A kube-proxy that is no pod: k3s, MicroK8s and EKS Auto Mode have it within the node's own software; those are told by the nodes'
labels and versions. Elsewhere, with none in sight and Services working, something does its work that netdoc does not know.

## Sources
Kubernetes: Version Skew Policy (kube-proxy); kube-proxy; Cilium: Kubernetes without kube-proxy; Calico: Enable the eBPF data
plane; failure catalogue K15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    NODE,
    POD,
    Check,
    Cluster,
    Code,
    Echo,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Made,
    Needs,
    Node,
    ObjectRef,
    Pod,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    some,
)
from kubectl_netdoc.cni.agents import how_it_ended
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import own, proof, twin

SETTLED = timedelta(minutes=1)
"""Two pods on a node for less than that may be one that takes the other's place."""

OLDER, APART, SINCE = 3, 3, 25
"""Minor versions that kube-proxy may be older than the API server, and older or newer than the kubelet beside it, from its own
1.25 on; before, one less (Version Skew Policy)."""

AGAIN = timedelta(seconds=15)
"""Up to this a container that came up again may be on its way to the next crash; kube-proxy ends at once where it must."""

DEAD, UNMEASURED = "netdoc's own Service does not answer", "what that does was not measured"
"""The first is told where some nodes show the one and some the other."""

SHOWN = 3
"""Nodes that a sentence names at most; the evidence has all."""

BEHIND = ("NPT001", "SVR001", "SVR002", "SVR006", "KPX001", "KPX002", "KPX003", "STF001", "STF002")
"""What a node without kube-proxy shows."""

LOOK = (
    "kubectl -n {space} get pods -o wide --field-selector spec.nodeName={first}",
    "kubectl -n {space} describe daemonset {owner}",
)
LOGS = (*LOOK, "kubectl -n {space} logs {pod} --previous --tail=50")
"""Where its pods are there, and one of them has ended: what it said last."""

ABSENT = Code(
    id="KPP001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No kube-proxy at work on a node",
    message="On {shown} no kube-proxy is at work ({state}), and netdoc's own Service does not answer there; it runs on {others}",
    fix="See why no pod of kube-proxy runs on {first}: what new and changed Services need is not set up there.",
    commands=LOOK,
    rows=("K15",),
    explains=(Explains(BEHIND, "node"),),
)
ABSENT_UNPROVEN = Code(
    id="KPP002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A node without kube-proxy",
    message="On {shown} no kube-proxy is at work ({state}){elsewhere}; {what}",
    fix="See why no pod of kube-proxy runs on {first}, unless something else does its work there.",
    commands=LOOK,
    rows=("K15",),
    explains=(Explains((*BEHIND, "POD003", "POD004"), "node"),),
)
NEITHER = Code(
    id="KPP003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Nobody does kube-proxy's work",
    message="No node runs kube-proxy, {network}, and netdoc's own Service answers from no node",
    fix="Install kube-proxy again (kubeadm: 'kubeadm init phase addon kube-proxy' on a control plane node), "
    "or have the network take its place (Cilium: kubeProxyReplacement=true, with "
    "k8sServiceHost and k8sServicePort of the API server).",
    commands=("kubectl get daemonsets -A",),
    rows=("K15",),
    explains=(Explains(("SVR001", "SVR002", "SVR009", "DNL001"), "cluster"),),
)
DOUBLED = Code(
    id="KPP004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Two kube-proxies on a node",
    message="On {nodes} more than one kube-proxy runs: {pods}: they write the same rules, and only one gets the ports for health "
    "and metrics",
    fix="Keep the one that your installation brings, delete what makes the other: {owners}.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={first}", "kubectl get daemonsets -A"),
    rows=("K15",),
)
SKEW = Code(
    id="KPP005",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="kube-proxy's version is not supported here",
    message="kube-proxy {version} on {nodes} is {what}",
    fix="Bring kube-proxy to the API server's minor version: with kubeadm upgrade it comes along, else set its image.",
    commands=("kubectl -n {space} get daemonset {owner} -o wide", "kubectl get nodes -o wide", "kubectl version"),
)
NOWHERE = Code(
    id="KPP006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="kube-proxy is at work on no node",
    message="kube-proxy is at work on none of {count} nodes ({shown}): {state}; {what}",
    fix="Its log says why it ends; where it says nothing, look at what its DaemonSet, its ConfigMap or the nodes were changed to "
    "last. Until it runs, no new or changed Service works, and a node that restarts has none.",
    commands=LOOK,
    rows=("K15",),
    explains=(Explains((*BEHIND, "POD003", "POD004"), "node"), Explains(("SVR001", "SVR002", "SVR009", "DNL001"), "cluster")),
)
BOTH = Code(
    id="KPP010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="kube-proxy beside its replacement",
    message="{network} is set to do kube-proxy's work, and kube-proxy runs all the same, on {count} nodes",
    fix="Unless you are on the way from one to the other: kube-proxy costs rules that nobody needs. Delete it, and its rules on "
    "each node (kube-proxy --cleanup, or a restart of the node).",
    commands=("kubectl -n {space} get daemonset {owner} -o wide",),
    rows=("K15",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask for netdoc's own Service from each vantage, as service_reachability does, and for its pods without it."""
    for node in cluster.vantages:
        yield own(cluster, node)
        yield from _direct(cluster, node)


def _direct(cluster: Cluster, node: str) -> list[Echo]:
    """The ways to netdoc's own pods that need no kube-proxy."""
    return [proof(node, other) for other in cluster.vantages if other != node] + [twin(node)]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Tell who does the work on each node."""
    cluster = facts.cluster
    proxies, network = kube_proxy.pods(cluster), kube_proxy.replaced_by(cluster)
    if network:
        if shown := [pod for pods in proxies.values() for pod in pods if kube_proxy.is_running(pod)]:
            yield BOTH.on(Subject("Cluster", "kube-proxy"), _owner(shown), network=network, count=len(proxies))
        return
    nodes = [node for node in kube_proxy.expected_nodes(cluster) if not kube_proxy.embedded(node)]
    if not nodes:
        within = sorted({kube_proxy.embedded(node) for node in cluster.all(NODE)} - {""})
        young = "no node is to run kube-proxy, or none has joined more than five minutes ago"
        raise Skip(f"kube-proxy is part of {' and '.join(within)}" if within else young, moot=True)
    if proxies:
        yield from _absent(facts, nodes, proxies)
        yield from _doubled(cluster, proxies)
        yield from _skew(cluster, proxies)
    else:
        yield from _nowhere(facts)


def _owner(pods: list[Pod]) -> dict[str, str]:
    """The namespace of these pods, and the object that most of them belong to (static pods: their node)."""
    names = [reference.name for pod in pods for reference in pod.metadata.owner_references if reference.kind == "DaemonSet"]
    return {"space": pods[0].namespace, "owner": max(sorted(set(names)), key=names.count, default="kube-proxy")}


def _works(facts: Facts, node: str) -> bool | None:
    """Whether netdoc's own Service leads somewhere from a node; None where that was not measured, or its pods don't answer."""
    reply = facts.reply(own(facts.cluster, node))
    if not isinstance(reply, EchoReply):
        return None
    if any(sample.who for sample in reply.samples):
        return True
    replies = [reply for request in _direct(facts.cluster, node) if isinstance(reply := facts.reply(request), EchoReply)]
    return False if any(sample.who for reply in replies for sample in reply.samples) else None


def _absent(facts: Facts, nodes: list[Node], proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    replaced = _replaced(facts.cluster)
    states = {n.name: "" if n.name in replaced else _state(facts.cluster, proxies.get(n.name, [])) for n in nodes}
    others = sorted(name for name, state in states.items() if not state)
    found: dict[tuple[Code, str, str], list[str]] = {}
    for name, state in ((name, state) for name, state in sorted(states.items()) if state):
        judged = _judged(facts, name, state)
        if isinstance(judged, Unseen):
            yield judged
        else:
            code, what = judged
            found.setdefault((code, state, what), []).append(name)
    if found and not others and _nobody_else(facts, states):
        key = NOWHERE, " or ".join(dict.fromkeys(s for _, s, _ in found)), min(what for _, _, what in found)
        found = {key: sorted(name for names in found.values() for name in names)}
    for (code, state, what), names in found.items():
        yield _told(facts.cluster, code, names, proxies, {"state": state, "what": what, "others": some(others, SHOWN)})


def _nobody_else(facts: Facts, nodes: Iterable[str]) -> bool:
    """Whether nothing does kube-proxy's work in its place: as far as is known, and as Services show where that was measured."""
    told = all(each.traits.kube_proxy for each in cni.recognise(facts.cluster) if each.primary)
    return told and not _shared(facts.cluster) and not any(_works(facts, node) for node in nodes)


def _shared(cluster: Cluster) -> str:
    """What a network that leads its pods to Services itself leaves undone, nothing where there is none."""
    beside = kube_proxy.replaced_for_pods_by(cluster)
    return f"{beside} leads its pods to Services there, node ports and the node itself lack them" if beside else ""


def _judged(facts: Facts, name: str, state: str) -> tuple[Code, str] | Unseen:
    """What it comes to that a node has no kube-proxy at work, as far as netdoc's own Service tells."""
    measured = {vantage.node for vantage in facts.vantages if vantage.running}
    works, walled, shared = _works(facts, name), policies.walled(facts) if measured else "", _shared(facts.cluster)
    if works:
        why = f"{state}, and Services work there all the same: something else does them"
        return (ABSENT_UNPROVEN, shared) if shared else Unseen(f"kube-proxy on node {name}", why)
    if walled or (works is None and name in measured):
        reason = f"{state}, and what that does could not be measured: {walled or 'no answer'}"
        return Unseen(f"kube-proxy on node {name}", reason, asked=True)
    if works is None and (why := kube_proxy.replacement_unknown(facts.cluster)):
        return Unseen(f"kube-proxy on node {name}", f"{state}; {why}", asked=True)
    return (ABSENT_UNPROVEN, UNMEASURED) if works is None else (ABSENT, DEAD)


def _told(cluster: Cluster, code: Code, names: list[str], proxies: dict[str, list[Pod]], words: dict[str, str]) -> Finding:
    """One finding for all nodes that have the same trouble."""
    first, every = names[0], [pod for pods in proxies.values() for pod in pods]
    own = [pod for name in names for pod in proxies.get(name, [])]
    elsewhere = f", while it runs on {words['others']}" if words["others"] else ""
    numbers = {"nodes": names, "count": len(names), "shown": some(names, SHOWN), "first": first, "elsewhere": elsewhere}
    pod, said = next(((pod.name, said) for pod in own if (said := _last_words(cluster, pod))), ("", ""))
    words = words | _owner(every) | {"state": f"{words['state']}: {said}" if said else words["state"]}
    subject = Subject("Node", first) if len(names) == 1 and code is not NOWHERE else Subject("Cluster", "kube-proxy")
    return code.on(subject, numbers | words, pod=pod, try_=LOGS if said else None)


def _last_words(cluster: Cluster, pod: Pod) -> str:
    """How the container of a pod ended that does, and what its log says last."""
    ended = (s for s in pod.status.container_statuses if s.last_state.terminated or s.state.terminated)
    return next((how_it_ended(cluster, pod, status) for status in ended if not status.ready or status.restart_count), "")


def _replaced(cluster: Cluster) -> set[str]:
    """Nodes whose kube-proxy was only just told to end: in a rollout the next one comes when it is gone. A pod's
    deletionTimestamp is the end of its grace period.
    """
    ending = [pod for pod in cluster.all(POD) if pod.terminating and kube_proxy.is_proxy(pod)]
    return {pod.spec.node_name for pod in ending if cluster.age(pod.metadata.deletion_timestamp) < kube_proxy.STARTING}


def _state(cluster: Cluster, pods: list[Pod]) -> str:
    """Why a node's kube-proxy is not at work, in words that are the same for nodes with the same trouble; nothing where it is,
    or is only just starting.
    """
    if not pods:
        return "it has no pod there"
    if any((kube_proxy.is_running(pod) or _young(cluster, pod)) and not _crashes(cluster, pod) for pod in pods):
        return ""
    waiting = [s.state.waiting.reason for pod in pods for s in pod.status.container_statuses if s.state.waiting]
    if any(_crashes(cluster, pod) for pod in pods):
        return "it crashes again and again"
    return f"its pod is {waiting[0] if waiting else pods[0].status.phase}"


def _young(cluster: Cluster, pod: Pod) -> bool:
    return cluster.age(pod.metadata.creation_timestamp) < kube_proxy.STARTING


def _crashes(cluster: Cluster, pod: Pod) -> bool:
    """Whether a container has crashed and waits, or came up again only just: no start that takes its time."""
    return any(
        (status.state.waiting and status.state.waiting.reason == "CrashLoopBackOff")
        or (status.state.terminated and status.state.terminated.exit_code)
        or (
            status.restart_count > 1
            and status.last_state.terminated
            and status.last_state.terminated.exit_code
            and cluster.age(status.last_state.terminated.finished_at) < AGAIN
        )
        for status in pod.status.container_statuses
    )


def _doubled(cluster: Cluster, proxies: dict[str, list[Pod]]) -> Iterator[Finding]:
    found = {
        node: [p for p in pods if kube_proxy.is_running(p) and cluster.age(p.metadata.creation_timestamp) > SETTLED]
        for node, pods in sorted(proxies.items())
    }
    found = {node: pods for node, pods in found.items() if len(pods) > 1}
    if found:
        pods = sorted({ObjectRef.to("Pod", pod) for pods in found.values() for pod in pods})
        owners = {
            f"{reference.kind} {pod.namespace}/{reference.name}"
            for pods in found.values()
            for pod in pods
            for reference in pod.metadata.owner_references
        }
        nodes = list(found)
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", "kube-proxy")
        yield DOUBLED.on(subject, nodes=nodes, first=nodes[0], pods=pods[:6], owners=sorted(owners))


def _skew(cluster: Cluster, proxies: dict[str, list[Pod]]) -> Iterator[Finding]:
    kubelets = {node.name: node.status.node_info.kubelet_version for node in cluster.all(NODE)}
    found: dict[tuple[str, str], list[str]] = {}
    for node, pods in sorted(proxies.items()):
        for pod in pods[:1]:
            if what := _unsupported(kube_proxy.version(pod), cluster.server, kubelets.get(node, "")):
                found.setdefault((kube_proxy.version(pod), what), []).append(node)
    shown = [pod for pods in proxies.values() for pod in pods]
    for (version, what), nodes in found.items():
        yield SKEW.on(Subject("Cluster", "kube-proxy"), _owner(shown), version=version, what=what, nodes=nodes)


def _unsupported(proxy: str, server: str, kubelet: str) -> str:
    """Say how the policy is broken; nothing where it is kept, or a version is not known."""
    own_, api, beside = kube_proxy.minor(proxy), kube_proxy.minor(server), kube_proxy.minor(kubelet)
    less = 0 if own_ >= SINCE else 1
    if own_ and api and own_ > api:
        return f"newer than the API server ({server}), which it must not be"
    if own_ and api and api - own_ > OLDER - less:
        return f"{api - own_} minor versions older than the API server ({server}); {OLDER - less} are supported"
    if own_ and beside and abs(own_ - beside) > APART - less:
        return f"{abs(own_ - beside)} minor versions from the kubelet beside it ({kubelet}); {APART - less} are supported"
    return ""


def _nowhere(facts: Facts) -> Iterator[Finding | Unseen]:
    """Without a kube-proxy in sight only measuring tells whether somebody does its work."""
    if facts.cluster.scope.namespaces:
        yield Unseen("kube-proxy", "its pods are not in the namespaces that were looked at")
        return
    measured = [vantage.node for vantage in facts.vantages if vantage.running]
    works = [_works(facts, node) for node in measured]
    if measured and (why := policies.walled(facts)):
        yield Unseen("kube-proxy", f"there is none to be seen, and Services could not be measured: {why}", asked=True)
    elif measured and not any(works) and None not in works:
        yield NEITHER.on(Subject("Cluster", "kube-proxy"), network="no network that is known does its work", nodes=measured)
    else:
        said = "Services work, so something does its work that netdoc does not know" if any(works) else "nothing was measured"
        yield Unseen("kube-proxy", f"no pod of it is to be seen; {said}")


check = Check(
    id="kube_proxy_presence",
    title="One thing does Services on each node",
    prefix="KPP",
    needs=Needs(
        kinds=(NODE, POD),
        hints=tuple(dict.fromkeys((*kube_proxy.HINTS, *policies.KINDS))),
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(ABSENT, ABSENT_UNPROVEN, NEITHER, DOUBLED, SKEW, NOWHERE, BOTH),
    plan=plan,
    analyse=analyse,
)
