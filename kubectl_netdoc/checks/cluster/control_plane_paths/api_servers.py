# SPDX-License-Identifier: Apache-2.0
"""Every API server on its own, from every node."""

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
    Connect,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Outcome,
    Risk,
    Severity,
    Subject,
    Unseen,
    ip_families,
)
from kubectl_netdoc.components.cluster_dns import API_SERVER_NAME
from kubectl_netdoc.probes import own_policies as policies

MOST_API_SERVERS = 8
"""Each node tries at most this many endpoints of `kubernetes`."""

DEAD_API = Code(
    id="CPL006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="An API server endpoint does not answer",
    message="API server endpoint {address}, one of {count} of Service default/kubernetes, answers from none of {tried} nodes "
    "({outcomes})",
    fix="Its share of the connections to kubernetes.default fails. Check that API server, its load, and what is in front of it. "
    "If no endpoint answers pods while kubectl works, the path from the pods is broken: a firewall, a network policy, or "
    "masquerading.",
    commands=(
        "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o yaml",
        "kubectl --server=https://{address} get --raw /readyz",
    ),
    rows=("C3",),
    tells="failure",
)
API_UNREACHED = Code(
    id="CPL007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Pods of a node cannot reach an API server",
    message="From {nodes}, the API server endpoints {addresses} do not answer ({outcomes}), while other nodes reach them",
    fix="Look for what is different on that node: routes, firewalls, masquerading of traffic that leaves the pod network.",
    commands=(
        "kubectl get node {first} -o wide",
        "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={first}",
    ),
    explains=(Explains(("DNR001", "DNR005"), "node"),),
    rows=("C3",),
    tells="failure",
)
FOREIGN_CERTIFICATE = Code(
    id="CPL008",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="An API server shows a foreign certificate",
    message="API server endpoint {address} shows a certificate that does not verify ({problem}), while those of other endpoints "
    "do",
    fix="Renew the certificate on that server (kubeadm certs check-expiration, kubeadm certs renew apiserver), or find out "
    "which other machine has this address.",
    commands=("kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o yaml",),
    rows=("C3",),
)


def requests(cluster: Cluster, node: str, address: Address) -> list[Connect | Certificate]:
    """Return the requests that test an API server from a node: a connection and, if the CA is known, its certificate."""
    roots = cluster.all(ROOT_CERTIFICATE) if cluster.readable(ROOT_CERTIFICATE) else ()
    certificates = [Certificate(node, address, API_SERVER_NAME, root.data.pem) for root in roots if root.data.pem]
    return [Connect(node, address), *certificates[:1]]


def api_servers(cluster: Cluster) -> list[Address]:
    """Return the endpoints of ``kubernetes``, in the Service's own family."""
    service = cluster.get(SERVICE, "default", "kubernetes")
    if service is None or not cluster.readable(ENDPOINT_SLICE):
        return []
    return [
        Address(endpoint.addresses[0], port.port)
        for item in cluster.slices_of(service)
        for endpoint in item.endpoints
        for port in item.numbered
        if endpoint.addresses and endpoint.conditions.ready and port.protocol == "TCP"
    ][:MOST_API_SERVERS]


def cluster_ip(cluster: Cluster) -> list[Address]:
    """Return the ClusterIP of ``kubernetes``."""
    service = cluster.get(SERVICE, "default", "kubernetes")
    return [Address(service.spec.cluster_ip, 443)] if service and service.spec.cluster_ip else []


# The API servers, each on its own


def dead_servers(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report API servers that do not answer, from any node or from some, or that show a foreign certificate."""
    servers = api_servers(facts.cluster)
    rows = {address: _Row(facts, address) for address in servers}
    if lost := sorted({reason for row in rows.values() for reason in row.lost}):
        yield Unseen("the API servers one by one", "; ".join(lost), expected=True)
    for row in rows.values():
        yield from row.doubts
    good = [row for row in rows.values() if row.good]
    through = [_Row(facts, address) for address in cluster_ip(facts.cluster)]
    partly: dict[str, list[_Row]] = {}
    for row in rows.values():
        if row.bad and not row.good:
            if not good and any(other.good for other in through):
                yield Unseen(
                    f"API server {row.address}", "it does not answer, although the ClusterIP of kubernetes does", expected=True
                )
            else:
                common = {"address": row.address, "count": len(servers), "nodes": sorted(row.bad), "tried": len(row.bad)}
                yield DEAD_API.on(Subject("APIServer", str(row.address)), common, outcomes=sorted(set(row.bad.values())))
        for node in row.bad if row.good else ():
            partly.setdefault(node, []).append(row)
        if row.foreign and any(not other.foreign for other in good):
            yield FOREIGN_CERTIFICATE.on(Subject("APIServer", str(row.address)), address=row.address, problem=row.foreign)
    for node, some_rows in partly.items():
        outcomes = sorted({row.bad[node] for row in some_rows})
        common = {"nodes": [node], "first": node, "addresses": [str(row.address) for row in some_rows], "outcomes": outcomes}
        yield API_UNREACHED.on(Subject("Node", node), common)


class _Row:
    """The results for one address: the nodes that it answers, and the outcome on those that it does not answer."""

    def __init__(self, facts: Facts, address: Address) -> None:
        self.address, self.foreign = address, ""
        self.good: set[str] = set()
        self.bad: dict[str, str] = {}
        self.lost: set[str] = set()
        self.doubts: list[Unseen] = []
        for vantage in facts.vantages:
            spoken = {ip_families.of(ip) for ip in (vantage.ip, *vantage.more_ips) if ip}
            if vantage.running and (not spoken or ip_families.of(address.ip) in spoken):
                self._ask(facts, vantage.node)

    def _ask(self, facts: Facts, node: str) -> None:
        replies = [facts.reply(request) for request in requests(facts.cluster, node, self.address)]
        self.lost |= {reply.reason for reply in replies if isinstance(reply, Lost)}
        told = [reply for reply in replies if isinstance(reply, (ConnectReply, CertificateReply))]
        failed = [reply for reply in told if reply.outcome is not Outcome.OK]
        if told and not failed:
            self.good.add(node)
            self.foreign = next((r.problem for r in told if isinstance(r, CertificateReply) and not r.verified), self.foreign)
        elif failed and (doubt := policies.policy_block(facts, node, self.address.ip, self.address.port)):
            what = f"API server {self.address} from {node}"
            self.doubts.append(Unseen(what, doubt.reason, expected=not doubt.certain))
        elif failed:
            accepts = len(failed) < len(told) and isinstance(failed[0], CertificateReply)
            self.bad[node] = "accepts connections, but makes no TLS handshake" if accepts else str(failed[0].outcome)


CODES = (
    DEAD_API,
    API_UNREACHED,
    FOREIGN_CERTIFICATE,
)
