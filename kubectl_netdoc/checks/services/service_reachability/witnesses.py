# SPDX-License-Identifier: Apache-2.0
"""What an accepted connection proves: the certificate of Service kubernetes.default, and two targets that must not accept."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    ROOT_CERTIFICATE,
    SERVICE,
    Address,
    Certificate,
    CertificateReply,
    Cluster,
    Code,
    ConnectReply,
    Echo,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Outcome,
    OwnService,
    Peer,
    Risk,
    Severity,
    Subject,
)
from kubectl_netdoc.components.cluster_dns import API_SERVER_NAME
from kubectl_netdoc.probes.service_targets import targets

NOT_THE_API = Code(
    id="SVR007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Something else answers as kubernetes.default",
    message="On {nodes}, something else than the API server answers at {address}, the address of Service kubernetes.default: its "
    "certificate is not the cluster's ({problem})",
    fix="Find out what answers there: a proxy that takes all connections, or a machine with an address of the Service range.",
    commands=("kubectl -n default get service kubernetes -o wide",),
    explains=(Explains(("CPL008",), "cluster"),),
)
ACCEPTS_ALL = Code(
    id="SVR011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Something accepts every connection",
    message="On {nodes}, connections are accepted even to netdoc's Service without endpoints or to a port on which nothing "
    "listens: a proxy or a service mesh accepts them",
    fix="Do not take an accepted connection in this report as proof that the target answers: only replies of netdoc's own pods "
    "and the API server's certificate prove that.",
)


def plan(cluster: Cluster, node: str) -> Iterator[Echo | Certificate]:
    """Ask for the certificate of kubernetes.default, and connect to what must not accept."""
    yield from _controls(node)
    yield from _certificates(cluster, node)


def _controls(node: str) -> tuple[Echo, Echo]:
    """A Service without endpoints, and a port on which nothing listens."""
    return Echo(node, OwnService(empty=True)), Echo(node, Peer(node, closed=True))


def _certificates(cluster: Cluster, node: str) -> list[Certificate]:
    """The request for the certificate of kubernetes.default; none where the cluster's root certificate can't be read."""
    api = cluster.get(SERVICE, "default", "kubernetes")
    if api is None or not cluster.readable(ROOT_CERTIFICATE):
        return []
    found = [root.data.pem for root in cluster.all(ROOT_CERTIFICATE) if root.data.pem]
    return [Certificate(node, Address(api.spec.cluster_ip, 443), API_SERVER_NAME, pem) for pem in found[:1]]


def certificate(facts: Facts, node: str) -> CertificateReply | None:
    """Return the reply of kubernetes.default to a node, None where it could not be asked."""
    replies = (facts.reply(request) for request in _certificates(facts.cluster, node))
    return next((reply for reply in replies if isinstance(reply, CertificateReply)), None)


def other_service_works(facts: Facts, node: str) -> bool:
    """Whether some Service other than netdoc's answers on a node: kubernetes.default, by its certificate.

    Where that can't be asked, any other Service will do, unless something on the node accepts every connection.
    """
    reply = certificate(facts, node)
    if reply is not None:
        return reply.verified
    if not facts.cluster.readable(ENDPOINT_SLICE) or accepts_all(facts, node):
        return False
    replies = [facts.reply(through) for target in targets(facts.cluster) for through in target.through(node)]
    return any(isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK for reply in replies)


def accepts_all(facts: Facts, node: str) -> bool:
    """Whether connections from a node are accepted that nothing should accept."""
    replies = map(facts.reply, _controls(node))
    return any(isinstance(r, EchoReply) and any(s.outcome is Outcome.OK for s in r.samples) for r in replies)


def analyse(facts: Facts, nodes: list[str]) -> Iterator[Finding]:
    """Judge what answers in place of targets."""
    if accepting := [node for node in nodes if accepts_all(facts, node)]:
        yield ACCEPTS_ALL.on(Subject("Cluster", "connections"), nodes=accepting)
    found: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        for request in _certificates(facts.cluster, node):
            reply = facts.reply(request)
            if isinstance(reply, CertificateReply) and reply.outcome is Outcome.OK and not reply.verified:
                found.setdefault((request.to.ip, reply.problem), []).append(node)
    for (ip, problem), where in found.items():
        yield NOT_THE_API.on(Subject("Service", "kubernetes", "default"), nodes=where, address=ip, problem=problem)


CODES = (NOT_THE_API, ACCEPTS_ALL)
