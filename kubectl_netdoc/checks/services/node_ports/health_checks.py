# SPDX-License-Identifier: Apache-2.0
"""Health check ports of Services with externalTrafficPolicy Local, compared with the nodes of their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.api import (
    Address,
    Cluster,
    Code,
    EndpointSlice,
    Facts,
    Finding,
    HttpGet,
    HttpReply,
    Outcome,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    ip_families,
    on_node,
    shell_word,
)
from kubectl_netdoc.checks.services.node_ports.measured import (
    ALL_NODES,
    MOST_PORTS,
    internal_ip,
    nodes_that_answer,
    with_endpoint,
)
from kubectl_netdoc.components import kube_proxy

SHOWN = 3
"""Nodes that a finding gives a command for at most; it is the same on the others."""

PASSES, FAILS = 200, 503
"""HTTP statuses of a health check port: the node has a ready endpoint of the Service, or has none."""

Answer = int | Outcome
"""What a health check port answered: an HTTP status, or why there was none."""

BLACK_HOLE = Code(
    id="NPT002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Health check passes on a node without an endpoint",
    message="Health check port {port} of Service {namespace}/{name} answers "
    f"HTTP {PASSES} "
    "on {nodes}, where the Service has no ready endpoint: load balancers send connections there, and externalTrafficPolicy Local "
    "drops them",
    fix="Read kube-proxy's log: on {nodes} it is behind, or has lost the API server. Then restart its pods there, as the "
    "commands do.",
    rows=("K5",),
    tells="failure",
)
LEFT_OUT = Code(
    id="NPT003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Health check fails on a node with an endpoint",
    message="Requests to health check port {port} of Service {namespace}/{name} on {nodes} {happened}, though the Service has a "
    "ready endpoint there: load balancers leave these nodes out",
    fix=f"If the answer is HTTP {FAILS}, restart kube-proxy there: it is behind. If there is no answer, look for a host firewall "
    "that other nodes don't have.",
    rows=("K5",),
    tells="failure",
)


def requests(cluster: Cluster) -> Iterator[tuple[Service, str, list[HttpGet]]]:
    """Yield each Service with a health check port, each node, and the requests to it from two other nodes."""
    wanted = [s for s in cluster.services() if s.spec.health_check_node_port and s.spec.external_traffic_policy == "Local"]
    for service in wanted[:MOST_PORTS]:
        for number, node in enumerate(nodes_that_answer(cluster)[: ALL_NODES * 2]):
            ip = internal_ip(node, ip_families.of(service.spec.cluster_ip))
            others = [name for name in cluster.vantages if name != node.name]
            chosen = [others[(number + step) % len(others)] for step in range(min(2, len(others)))]
            to = Address(ip, service.spec.health_check_node_port)
            yield service, node.name, [HttpGet(vantage, to, "/healthz") for vantage in chosen] if ip else []


def analyse(facts: Facts, asked: list[tuple[Service, str, list[HttpGet]]]) -> Iterator[Finding | Unseen]:
    """Compare what each node's health check answers with the slices; no answer counts where other nodes do answer."""
    answers: dict[tuple[str, str], dict[str, Answer]] = {}
    services = {(service.namespace, service.name): service for service, _, _ in asked}
    for service, node, gets in asked:
        replies = [reply for reply in map(facts.reply, gets) if isinstance(reply, HttpReply)]
        # An answer to one debug pod counts, whatever became of the other's request.
        statuses: set[Answer] = {reply.status for reply in replies if reply.outcome is Outcome.OK}
        found = statuses or {reply.outcome for reply in replies}
        if len(found) == 1:
            answers.setdefault((service.namespace, service.name), {})[node] = found.pop()
    for key, by_node in answers.items():
        what = f"health check port of Service {key[0]}/{key[1]}"
        if not {PASSES, FAILS} & set(by_node.values()):
            yield Unseen(what, f"requests to it {_happened(by_node.values())} on every node")
        elif any(_changing(facts.cluster, item) for item in facts.cluster.slices_of(services[key])):
            yield Unseen(what, "its endpoints have just changed")
        else:
            yield from _disagreeing(services[key], by_node, with_endpoint(facts.cluster, services[key]))


def _happened(answers: Iterable[Answer]) -> str:
    """What became of several requests, as a verb: "got HTTP 503 or timed out"."""
    every = sorted(set(answers), key=str)
    got = [f"got HTTP {answer}" for answer in every if not isinstance(answer, Outcome)]
    failed = [answer for answer in every if isinstance(answer, Outcome)]
    return " or ".join([*got, *([Outcome.verbs(failed)] if failed else [])])


def _disagreeing(service: Service, answers: dict[str, Answer], near: set[str]) -> Iterator[Finding]:
    subject, port = Subject.of("Service", service), service.spec.health_check_node_port
    empty = sorted(node for node, answer in answers.items() if answer == PASSES and node not in near)
    left_out = {node: answer for node, answer in answers.items() if answer != PASSES and node in near}
    if empty:
        yield BLACK_HOLE.on(subject, commands=_restarts(empty), port=port, nodes=empty)
    if left_out:
        nodes, behind = sorted(left_out), FAILS in left_out.values()  # kube-proxy does not know of the endpoint
        rules = (on_node(shell_word(node), "iptables -t raw -S") for node in nodes[:SHOWN])
        lines = _restarts(nodes) if behind else (*rules, kube_proxy.LOGS)
        said = sorted(map(str, set(left_out.values())))
        yield LEFT_OUT.on(subject, commands=lines, port=port, nodes=nodes, said=said, happened=_happened(left_out.values()))


def _restarts(nodes: list[str]) -> tuple[str, ...]:
    return (kube_proxy.LOGS, *map(kube_proxy.restart_on, nodes[:SHOWN]))


def _changing(cluster: Cluster, item: EndpointSlice) -> bool:
    """Whether a slice has just changed, or a pod in it is terminating: nothing records when that began."""
    terminating = any(end.conditions.terminating for end in item.endpoints)
    return terminating or cluster.age(item.changed) < kube_proxy.SETTLED


CODES = (BLACK_HOLE, LEFT_OUT)
