# SPDX-License-Identifier: Apache-2.0
"""What pods meet at a load balancer's address: kube-proxy sends them to the endpoints, past the load balancer."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from kubectl_netdoc.api import NODE, POD, Cluster, Code, Finding, Risk, Service, Severity, Subject, in_any, ip_families

SPEAKS = "proxy_"
"""How the fields of ``Annotations`` begin that have a cloud's load balancer send the PROXY protocol."""

OFF = frozenset({"", "false", "none"})

PROXY_PROTOCOL = Code(
    id="LBA006",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Pods reach a load balancer's address without its PROXY protocol",
    message="The load balancer of Service {namespace}/{name} sends the PROXY protocol, which its pods expect. Connections that "
    "pods make to its address {ip} do not pass it: kube-proxy sends them to the endpoints, which refuse them or answer nothing",
    fix="If anything in the cluster uses that address (cert-manager's check before it asks for a certificate does), have "
    "the load balancer's controller write ipMode Proxy into the Service's status, or a host name instead of the address: most "
    "have an annotation for that. Or give pods another name for it, which leads to the ClusterIP of a Service without PROXY "
    "protocol.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
)
SHUT_OUT = Code(
    id="LBA007",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A load balancer's source ranges leave out the cluster's own pods",
    message="Service {namespace}/{name} lets in {ranges} only. These hold none of the {pods} {family} addresses of pods and "
    "{nodes} of nodes that are known, so connections from the cluster to its address {ip} are dropped",
    fix="If anything in the cluster uses that address, add the ranges of pods and nodes to loadBalancerSourceRanges, or have it "
    "use the Service's name in the cluster instead.",
    commands=("kubectl -n {namespace} get service {name} -o jsonpath='{{.spec.loadBalancerSourceRanges}}'",),
)


def bypassed(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """Report what is different for pods at a Service's load balancer."""
    ips = [each.ip for each in service.status.load_balancer.ingress if each.ip and each.ip_mode != "Proxy"]
    subject = Subject.of("Service", service)
    notes = structs.asdict(service.metadata.annotations)
    if ips and any(text.lower() not in OFF for key, text in notes.items() if key.startswith(SPEAKS)):
        yield PROXY_PROTOCOL.on(subject, ip=ips[0])
    if ips and service.spec.load_balancer_source_ranges:
        yield from _shut_out(cluster, subject, ips[0], list(service.spec.load_balancer_source_ranges))


def _shut_out(cluster: Cluster, subject: Subject, ip: str, ranges: list[str]) -> Iterator[Finding]:
    family = ip_families.of(ip)
    pods = [each for pod in cluster.all(POD) if not pod.spec.host_network for each in pod.ips]
    nodes = [each.address for node in cluster.all(NODE) for each in node.status.addresses if each.type != "Hostname"]
    same = [[each for each in found if ip_families.of(each) == family] for found in (pods, nodes)]
    if same[0] and not any(in_any(each, ranges) for found in same for each in found):
        numbers = {"pods": len(same[0]), "nodes": len(same[1]), "family": family, "ip": ip, "ranges": ranges}
        yield SHUT_OUT.on(subject, numbers)


CODES = (PROXY_PROTOCOL, SHUT_OUT)
