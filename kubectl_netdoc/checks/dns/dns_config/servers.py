# SPDX-License-Identifier: Apache-2.0
"""The DNS Service and its servers: scaled to zero, not selected, without a UDP port, not ready, on one node."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DEPLOYMENT,
    Cluster,
    Code,
    Explains,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    counted,
    patches,
)
from kubectl_netdoc.checks.dns.dns_config.effects import UNSERVED
from kubectl_netdoc.components import cluster_dns, dns_pods

SCALED_TO_ZERO = Code(
    id="DNC001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Cluster DNS is scaled to zero",
    message="Cluster DNS has no server: {workload} is scaled to 0 replicas, so Service {namespace}/{name} has no endpoint",
    fix="Scale {workload} up; two replicas are usual.",
    commands=("kubectl -n {namespace} scale {workload} --current-replicas=0 --replicas=2",),
    rows=("D9",),
    explains=(*UNSERVED, Explains(("DNC002",), "subject")),
)
NO_SERVER = Code(
    id="DNC002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No DNS server is ready",
    message="Cluster DNS has no ready server: Service {namespace}/{name} has {count} and no ready endpoint. {why}",
    fix="Fix what keeps the DNS pods from being ready. {mend}",
    commands=(
        "kubectl -n {namespace} get pods -o wide -l {selector}",
        "kubectl -n {namespace} describe pods -l {selector}",
    ),
    rows=("D3", "D9"),
    explains=UNSERVED,
)
RESTARTING = Code(
    id="DNC008",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A DNS server restarted or is not ready",
    message="DNS pod {namespace}/{name} {why}; {others} ready",
    fix="Find out what stops it. If its container has ended, read the log of that container; if it was OOMKilled, raise its "
    "memory limit.",
    commands=("kubectl -n {namespace} describe pod {name}", "kubectl -n {namespace} logs --previous --tail=20 {name}"),
    rows=("D9",),
)
WRONG_SELECTOR = Code(
    id="DNC017",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The DNS Service selects no DNS server",
    message="Service {namespace}/{name} selects pods with {selector}, but no pod has these labels. Ready DNS pods with the "
    "label {label}: {servers}",
    fix="Change the selector of the Service to {label}.",
    commands=(
        "kubectl -n {namespace} get pods --show-labels -l {label}",
        "kubectl -n {namespace} patch service {name} -p {patch}",
    ),
    rows=("K2",),
    explains=UNSERVED,
)
NO_UDP_PORT = Code(
    id="DNC016",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The DNS Service has no UDP port",
    message="Service {namespace}/{name} has port 53 for TCP only, but resolvers query over UDP first. Ready servers behind it: "
    "{ready}",
    fix="Add port 53 for UDP to the Service.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
    explains=UNSERVED,
)
NOT_SPREAD = Code(
    id="DNC010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="All DNS servers run on one node",
    message="Service {namespace}/{name} has {count}, only on node {on}: if that node fails, so does cluster DNS",
    fix="Run at least two DNS servers and spread them over nodes (topologySpreadConstraints on kubernetes.io/hostname).",
    commands=("kubectl -n {namespace} get pods -o wide -l {selector}",),
    rows=("D9",),
)


def analyse(cluster: Cluster, dns: Service) -> Iterator[Finding]:
    """Judge the servers of the DNS Service."""
    subject = Subject.of("Service", dns)
    ready, pods = cluster_dns.endpoints(cluster, dns), cluster_dns.pods(cluster, dns)
    selector, owner = cluster_dns.selector(dns), cluster_dns.workload(cluster, dns)
    if not ready and owner and owner[0] is DEPLOYMENT and owner[1].spec.replicas == 0:
        numbers = {"workload": f"deployment/{owner[1].name}", "replicas": 0, "ready_endpoints": 0}
        yield SCALED_TO_ZERO.on(subject, numbers, objects=(Subject.of("Deployment", owner[1]),))
    elif dns.spec.selector and not pods and (unselected := _unselected(cluster, dns)):
        label = unselected[0].metadata.labels["k8s-app"]
        patch = patches.merge({"spec": {"selector": dict.fromkeys(dns.spec.selector) | {"k8s-app": label}}})
        yield WRONG_SELECTOR.on(subject, servers=len(unselected), selector=selector, label=f"k8s-app={label}", patch=patch)
    elif not ready and (over_tcp := _ready_over_tcp_only(cluster, dns)):
        yield NO_UDP_PORT.on(subject, ready=over_tcp, patch=_udp_port(dns))
    elif not ready and dns.spec.selector and not (pods and all(_starts(cluster, pod) for pod in pods)):
        yield _no_server(cluster, subject, pods, selector)
    elif ready:
        yield from _restarting(cluster, pods, [name for name, _, _ in ready])
        on = {pod.spec.node_name for pod in pods if pod.ready}
        if len(on) == 1 and pods:
            count = counted(len(ready), "ready DNS server")
            yield NOT_SPREAD.on(subject, servers=len(ready), count=count, on=min(on), selector=selector)


def _no_server(cluster: Cluster, subject: Subject, pods: list[Pod], selector: str) -> Finding:
    why, fix = dns_pods.why(cluster, pods), dns_pods.fix(cluster, pods)
    numbers = {"pods": len(pods), "count": counted(len(pods), "pod"), "why": why, "mend": fix, "selector": selector}
    commands = tuple(dns_pods.commands(cluster, pods))
    objects = [Subject.of("Pod", pod) for pod in pods]
    return NO_SERVER.on(subject, numbers, commands=commands, objects=objects, nodes=dns_pods.nodes(cluster, pods))


def _starts(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod is new and nothing is wrong with it."""
    return dns_pods.settling(cluster, pod) and dns_pods.problem_of(cluster, pod) is None


def _restarting(cluster: Cluster, pods: list[Pod], ready: list[str]) -> Iterator[Finding]:
    """Report servers with a problem while others are ready."""
    for pod in pods:
        if problem := dns_pods.problem_of(cluster, pod):
            on = [pod.spec.node_name] if pod.spec.node_name else []
            commands = None if dns_pods.has_run(pod) else RESTARTING.commands[:1]
            ready_others = sum(name != pod.name for name in ready)
            others = counted(ready_others, "other DNS server is", "other DNS servers are")
            numbers = {"why": problem.text, "ready": ready_others, "others": others, "nodes": on}
            yield RESTARTING.on(Subject.of("Pod", pod), numbers, commands=commands)


def _unselected(cluster: Cluster, dns: Service) -> list[Pod]:
    """Return the ready pods with the label that distributions give their DNS servers."""
    return [
        pod
        for pod in cluster.pods_in(dns.namespace)
        if pod.metadata.labels.get("k8s-app") in cluster_dns.APP_LABELS and pod.ready and not pod.terminating
    ]


def _ready_over_tcp_only(cluster: Cluster, dns: Service) -> int:
    """Return how many servers are ready behind a DNS Service that has no UDP port; 0 if it has one."""
    if any(port.protocol == "UDP" for port in dns.spec.ports):
        return 0
    return sum(
        bool(endpoint.addresses and endpoint.conditions.ready)
        for item in cluster.slices_of(dns)
        if item.ports
        for endpoint in item.endpoints
    )


def _udp_port(dns: Service) -> str:
    """Return the patch that adds UDP 53 to a Service that has TCP 53."""
    over_tcp = next(port.target_port for port in dns.spec.ports if port.port == cluster_dns.PORT)
    name = "dns-udp" if any(port.name == "dns" for port in dns.spec.ports) else "dns"
    target = over_tcp if over_tcp and isinstance(over_tcp, int) else cluster_dns.PORT  # a name would be that of a TCP port
    return patches.append("/spec/ports", {"name": name, "port": cluster_dns.PORT, "protocol": "UDP", "targetPort": target})


CODES = (SCALED_TO_ZERO, NO_SERVER, RESTARTING, WRONG_SELECTOR, NO_UDP_PORT, NOT_SPREAD)
