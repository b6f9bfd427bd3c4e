# SPDX-License-Identifier: Apache-2.0
"""Nodes on which kube-proxy does not work: some of them, all of them, or a cluster that has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    POD,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Node,
    Pod,
    Risk,
    Severity,
    Subject,
    Unseen,
    some,
)
from kubectl_netdoc.checks.services.kube_proxy_presence.services_work import works
from kubectl_netdoc.cni.agents import how_it_ended
from kubectl_netdoc.components import daemon_sets, kube_proxy
from kubectl_netdoc.probes import own_policies as policies

AGAIN = timedelta(seconds=15)
"""A container that started again less than this ago may be about to crash again: kube-proxy ends at once where it has to."""

SHOWN = 3
"""Nodes that a message names at most; the evidence has all."""

FAILING = "Connections to netdoc's own Service fail there"
UNMEASURED = "Whether Services work there was not measured"

EFFECTS = ("NPT001", "SVR001", "SVR002", "SVR006", "KPX001", "KPX002", "KPX003", "STF001", "STF002")
"""What a node without kube-proxy shows."""

LOOK = (
    "kubectl -n {space} get pods -o wide --field-selector spec.nodeName={first}",
    "kubectl -n {space} describe daemonset {owner}",
)
LOOK_AT_LOG = (*LOOK, "kubectl -n {space} logs {pod} --previous --tail=50")
"""The commands where a container of a pod has ended: its log says why."""

ABSENT = Code(
    id="KPP001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="kube-proxy does not work on a node",
    message="kube-proxy does not work on {shown}: {state}. Connections to netdoc's own Service fail there, and kube-proxy works "
    "on {others}",
    fix="Find out why no pod of kube-proxy runs on {first}. Until one does, new and changed Services do not work there.",
    commands=LOOK,
    rows=("K15",),
    explains=(Explains(EFFECTS, "node"),),
)
ABSENT_UNPROVEN = Code(
    id="KPP002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A node without kube-proxy",
    message="kube-proxy does not work on {shown}{elsewhere}: {state}. {what}",
    fix="Find out why no pod of kube-proxy runs on {first}, unless something else does its work there.",
    commands=LOOK,
    rows=("K15",),
    explains=(Explains((*EFFECTS, "POD003", "POD004"), "node"),),
)
NEITHER = Code(
    id="KPP003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Nothing does kube-proxy's work",
    message="No node runs kube-proxy, and no network that netdoc knows replaces it: connections to netdoc's own Service fail "
    "from {nodes}",
    fix="Install kube-proxy again (with kubeadm: 'kubeadm init phase addon kube-proxy' on a control-plane node), or have the "
    "network replace it (Cilium: kubeProxyReplacement=true, with k8sServiceHost and k8sServicePort of the API server).",
    commands=("kubectl get daemonsets -A",),
    rows=("K15",),
    explains=(Explains(EFFECTS, "node"), Explains(("SVR001", "SVR002", "SVR009", "DNL001"), "cluster")),
)
IDLE = Code(
    id="KPP007",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy's DaemonSet does its work on no node",
    message="DaemonSet {namespace}/{name} is kube-proxy, and {why}. Connections to netdoc's own Service fail from {nodes}",
    fix="Correct {field} of the DaemonSet, which the last command opens; after an update that went wrong, undo it. Until "
    "then no new or changed Service works, and on a node that restarts no Service does.",
    commands=daemon_sets.CORRECT,
    rows=("K15",),
    explains=(Explains(EFFECTS, "node"), Explains(("SVR001", "SVR002", "SVR009", "DNL001"), "cluster")),
)
NOWHERE = Code(
    id="KPP006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="kube-proxy works on no node",
    message="kube-proxy works on none of {count} nodes ({shown}): {state}. {what}",
    fix="Read its log, which says why it ends. If it says nothing, look at what was changed last in its DaemonSet, its ConfigMap "
    "or on the nodes. Until it runs, no new or changed Service works, and on a node that restarts no Service does.",
    commands=LOOK,
    rows=("K15",),
    explains=(Explains((*EFFECTS, "POD003", "POD004"), "node"), Explains(("SVR001", "SVR002", "SVR009", "DNL001"), "cluster")),
)


def analyse(facts: Facts, nodes: list[Node], proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    """Judge a cluster that has kube-proxy pods: each node that should have one that works; one finding for equal nodes."""
    replaced = _being_replaced(facts.cluster)
    states = {n.name: "" if n.name in replaced else _state(facts.cluster, n, proxies.get(n.name, [])) for n in nodes}
    others = sorted(name for name, state in states.items() if not state)
    found: dict[tuple[Code, str, str], list[str]] = {}
    for name, state in ((name, state) for name, state in sorted(states.items()) if state):
        judged = _judged(facts, name, state)
        if isinstance(judged, Unseen):
            yield judged
        else:
            code, what = judged
            found.setdefault((code, state, what), []).append(name)
    if found and not others and _no_replacement(facts, states):
        whats = [what for _, _, what in found]
        key = NOWHERE, " or ".join(dict.fromkeys(s for _, s, _ in found)), FAILING if FAILING in whats else whats[0]
        found = {key: sorted(name for names in found.values() for name in names)}
    for (code, state, what), names in found.items():
        yield _finding(facts.cluster, code, names, proxies, {"state": state, "what": what, "others": some(others, SHOWN)})


def _no_replacement(facts: Facts, nodes: Iterable[str]) -> bool:
    """Whether nothing does kube-proxy's work in its place, as far as is known or was measured."""
    known = all(each.traits.kube_proxy for each in cni.recognise(facts.cluster) if each.primary)
    return known and not kube_proxy.replaced_for_pods_by(facts.cluster) and not any(works(facts, node) for node in nodes)


def _judged(facts: Facts, name: str, state: str) -> tuple[Code, str] | Unseen:
    """What it means that kube-proxy does not work on a node, as far as netdoc's own Service shows."""
    measured = set(facts.heard)
    working, isolated = works(facts, name), policies.why_isolated(facts) if measured else ""
    what = f"kube-proxy on node {name}"
    if working and (network := kube_proxy.replaced_for_pods_by(facts.cluster)):
        return ABSENT_UNPROVEN, f"{network} handles Services for pods there, but not for node ports and the node itself"
    if working:
        return Unseen(what, f"{state}; Services work there all the same, so something else does its work")
    if isolated or (working is None and name in measured):
        why = f"{state}; whether Services work there could not be measured: {isolated or 'there was no answer'}"
        return Unseen(what, why, expected=True)
    if working is None and (why := kube_proxy.replacement_unknown(facts.cluster)):
        return Unseen(what, f"{state}; {why}", expected=True)
    return (ABSENT_UNPROVEN, UNMEASURED) if working is None else (ABSENT, FAILING)


def _finding(cluster: Cluster, code: Code, names: list[str], proxies: dict[str, list[Pod]], words: dict[str, str]) -> Finding:
    """One finding for all nodes that have the same fault."""
    first, own = names[0], [pod for name in names for pod in proxies.get(name, [])]
    elsewhere = f", while it works on {words['others']}" if words["others"] else ""
    numbers = {"nodes": names, "count": len(names), "shown": some(names, SHOWN), "first": first, "elsewhere": elsewhere}
    pod, said = next(((pod.name, said) for pod in own if (said := _last_words(cluster, pod))), ("", ""))
    known = kube_proxy.names(proxies)
    words = words | {"space": known["space"], "owner": known["owner"]}
    words["state"] = f"{words['state']} ({said})" if said else words["state"]
    subject = Subject("Node", first) if len(names) == 1 and code is not NOWHERE else Subject("Cluster", "kube-proxy")
    return code.on(subject, numbers | words, pod=pod, commands=LOOK_AT_LOG if said else None)


def _last_words(cluster: Cluster, pod: Pod) -> str:
    """How the container of a pod ended, and the end of its log; nothing where none ended."""
    ended = (s for s in pod.status.container_statuses if s.last_state.terminated or s.state.terminated)
    return next((how_it_ended(cluster, pod, status) for status in ended if not status.ready or status.restart_count), "")


def _being_replaced(cluster: Cluster) -> set[str]:
    """Nodes whose kube-proxy has just been told to end: in a rollout the next one starts when it is gone.

    A pod's deletionTimestamp is the end of its grace period.
    """
    ending = [pod for pod in cluster.all(POD) if pod.terminating and kube_proxy.is_proxy(pod)]
    return {pod.spec.node_name for pod in ending if cluster.age(pod.metadata.deletion_timestamp) < kube_proxy.STARTING}


def _state(cluster: Cluster, node: Node, pods: list[Pod]) -> str:
    """Why a node's kube-proxy does not work, as a clause that is the same for equal nodes; nothing where it works or starts."""
    if not pods:
        apart = any(kube_proxy.runs_it(pod.spec) and not pod.finished for pod in cluster.pods_on(node.name))
        return f"its pod there runs {kube_proxy.APART}" if apart else f"it has no pod there{_why_none(cluster, node)}"
    if any((kube_proxy.is_running(pod) or _starts(cluster, pod)) and not _crashes(cluster, pod) for pod in pods):
        return ""
    waiting = [s.state.waiting.reason for pod in pods for s in pod.status.container_statuses if s.state.waiting]
    if any(_crashes(cluster, pod) for pod in pods):
        return "it crashes again and again"
    return f"its pod is {waiting[0] if waiting else pods[0].status.phase}"


def _why_none(cluster: Cluster, node: Node) -> str:
    """Why no pod of kube-proxy is on a node, as the end of a sentence; nothing where its DaemonSets fit the node."""
    every = cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ()
    whys = [daemon_sets.why_not_on(each, node) for each in every if kube_proxy.runs_it(each.template.spec)]
    return whys[0] if whys and all(whys) else ""


def _starts(cluster: Cluster, pod: Pod) -> bool:
    return cluster.age(pod.metadata.creation_timestamp) < kube_proxy.STARTING


def _crashes(cluster: Cluster, pod: Pod) -> bool:
    """Whether a container has crashed and waits, or has only just started again after a crash."""
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


def without_pods(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge a cluster without any kube-proxy pod: only measuring shows whether something does its work."""
    if facts.cluster.scope.namespaces:
        yield Unseen("kube-proxy", "its pods are not in the namespaces that were read")
        return
    measured = facts.heard
    working = [works(facts, node) for node in measured]
    if measured and (why := policies.why_isolated(facts)):
        yield Unseen("kube-proxy", f"no pod of it was found, and Services could not be measured: {why}", expected=True)
    elif measured and not any(working) and None not in working:
        idle = next(daemon_sets.of_kube_proxy(facts.cluster), None)
        if idle:
            names = [f"{idle.workload.namespace}/{idle.workload.name}"]
            numbers = {"why": idle.why, "field": idle.field, "nodes": measured, "daemonsets": names}
            yield IDLE.on(Subject.of("DaemonSet", idle.workload), numbers)
        else:
            yield NEITHER.on(Subject("Cluster", "kube-proxy"), nodes=measured)
    else:
        said = "Services work, so something that netdoc does not know does its work"
        said = said if any(working) else "whether Services work was not measured"
        yield Unseen("kube-proxy", f"no pod of it was found; {said}")


CODES = (ABSENT, ABSENT_UNPROVEN, NEITHER, IDLE, NOWHERE)
