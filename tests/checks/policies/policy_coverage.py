# SPDX-License-Identifier: Apache-2.0
"""Cases of policy_coverage."""

from typing import Any

import msgspec

from kubectl_netdoc.api import (
    DAEMON_SET,
    NATIVE_POLICIES,
    NETWORK_POLICY,
    DnsReply,
    DnsSample,
    Grant,
    Kind,
    Outcome,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.measurements.canary import CanaryReply, CanaryTrial
from kubectl_netdoc.probes import dns_lookups, own_policies
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_AGENT
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    ANTREA_CLUSTER_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CALICO_GLOBAL_POLICY,
    CILIUM_CLUSTER_POLICY,
    CLUSTER_NETWORK_POLICY,
    POD,
    POLICIES,
    SERVICE,
)
from kubectl_netdoc.records.pods import PodSpec
from kubectl_netdoc.testing import (
    Built,
    Case,
    make_cluster,
    make_corefile,
    make_namespace,
    make_node,
    make_pod,
    make_policy,
    make_service,
    make_slice,
    make_workload,
)

DNS_LABELS = {"k8s-app": "kube-dns"}
DNS = (
    make_namespace("kube-system"),
    make_service(
        "kube-dns", "kube-system", selector=DNS_LABELS, cluster_ip="10.96.0.10", protocols=("UDP", "TCP"), ports=((53, 5353),)
    ),
    make_pod("coredns-1", "kube-system", labels=DNS_LABELS, ip="10.0.9.9"),
)
WEB, DB = {"app": "web"}, {"app": "db"}
PODS = (make_namespace("shop"), make_pod("web-1", labels=WEB), make_pod("db-1", labels=DB, ip="10.0.0.2", ports={"sql": 5432}))
DENY = make_policy("{podSelector: {}, policyTypes: [Ingress]}", "deny")
TO_DB = "to: [{podSelector: {matchLabels: {app: db}}}]"
EGRESS = "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{%s}%s]}"
TO_DNS = ", {to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [%s]}"
BOTH = "{protocol: UDP, port: 5353}, {protocol: TCP, port: 5353}"
NODE_LOCAL = make_workload(DAEMON_SET, "node-local-dns", "kube-system")
LOCAL = "169.254.20.10"
AGENT = (POD, msgspec.structs.replace(make_pod("agent")[1], spec=PodSpec(host_network=True)))
WIDE = ("POL012", "Namespace shop")
WORKLOAD = make_workload(DAEMON_SET, "later", labels={"app": "later"})
ELSEWHERE = make_policy("{podSelector: {}}", "deny", "b")
BASELINE = make_policy(
    "{subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
    "default",
    kind=BASELINE_ADMIN_NETWORK_POLICY,
)


def _here(*ports: str, pods: str = "{}") -> str:
    """A policy that lets in the namespace's own pods: a rule for each of the ports, "" being all."""
    rules = ("{from: [{podSelector: {}}]" + (f", ports: [{port}]" if port else "") + "}" for port in ports)
    return f"{{podSelector: {pods}, ingress: [{', '.join(rules)}]}}"


INSIDE = make_policy(_here(""), "inside")
OPEN = ("POL010", "Namespace shop")


def _case(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset(), state: str = "") -> Case:
    return Case(name, make_cluster(*PODS, *objects), expect, state=state)


def _policy(
    name: str, spec: str, *codes: str, more: tuple[Built, ...] = (DENY,), found: frozenset[tuple[str, str]] = frozenset()
) -> Case:
    expect = frozenset((code, "NetworkPolicy shop/policy") for code in codes) | found
    return _case(name, make_policy(spec), *more, expect=expect)


def _dns(name: str, spec: str, *codes: str, more: tuple[Built, ...] = ()) -> Case:
    return _policy(name, spec, *codes, more=(*DNS, DENY, INSIDE, *more))


TO_LOCAL = ", {to: [{ipBlock: {cidr: 169.254.20.10/32}}], ports: [{protocol: UDP, port: 53}]}"


def _asked(name: str, nameserver: str, *codes: str, policy: str = EGRESS % (TO_DB, TO_DNS % BOTH)) -> Case:
    objects = (*PODS, *DNS, DENY, INSIDE, NODE_LOCAL, make_node())
    cluster = make_cluster(*objects, make_policy(policy), vantages=("n1",))
    replies: dict[Request, Reply] = {
        dns_lookups.lookup(cluster, "n1"): DnsReply(nameserver, (DnsSample(Outcome.OK, 1.0, "NOERROR", 1),))
    }
    return Case(name, cluster, frozenset((code, "NetworkPolicy shop/policy") for code in codes), Measured(replies))


def _native(kind: Kind[Any]) -> Built:
    return make_policy("{}", "native", kind=kind)


KUBE_SYSTEM = "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system}}"
DENY_DNS = make_policy("{podSelector: {}, policyTypes: [Ingress]}", "deny", "kube-system")
CUT = frozenset({("POL004", "NetworkPolicy kube-system/deny")})
WOULD = frozenset({("POL006", "NetworkPolicy kube-system/deny")})
EXTRA = make_pod("x-1", "kube-system", labels={"app": "x"}, ip="10.0.9.8")
ADMIN_IN = make_policy(
    "{tier: Admin, priority: 5, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
    "admin",
    kind=CLUSTER_NETWORK_POLICY,
)
ADMIN_OUT = make_policy(
    "{priority: 5, subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}]}]}",
    "admin",
    kind=ADMIN_NETWORK_POLICY,
)
HOST_DNS = (
    POD,
    msgspec.structs.replace(
        make_pod("coredns-1", "kube-system", labels=DNS_LABELS, ip="192.0.2.1")[1],
        spec=PodSpec(host_network=True, node_name="n1"),
    ),
)


def _daemons(name: str, image: str) -> Built:
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
    metadata = {"name": name, "namespace": "kube-system"}
    return DAEMON_SET, convert(DAEMON_SET, {"metadata": metadata, "spec": spec, "status": {"desiredNumberScheduled": 1}})


FLANNEL = _daemons("kube-flannel-ds", "example/flannel-io/flannel:v0.27.0")
ENGINE = _daemons("netpol", "example/kube-network-policies:v0.8.0")


def _allow(rule: str) -> Built:
    """A policy that lets in something at the DNS servers."""
    return make_policy(f"{{podSelector: {{matchLabels: {{k8s-app: kube-dns}}}}, ingress: [{rule}]}}", "allow", "kube-system")


def _servers(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset()) -> Case:
    """Policies at the DNS servers of a cluster that is well otherwise."""
    return _case(name, DENY, INSIDE, *DNS, *objects, expect=expect)


def _cache(*args: str) -> tuple[Built, ...]:
    """A DaemonSet of node-cache, as two kinds see it."""
    containers = [{"name": "c", "image": "example/dns/k8s-dns-node-cache:1.26", "args": list(args)}]
    item = {
        "metadata": {"name": "dns-cache", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"hostNetwork": True, "containers": containers}}},
        "status": {"desiredNumberScheduled": 1},
    }
    return (DAEMON_SET, convert(DAEMON_SET, item)), (NETWORK_AGENT, convert(NETWORK_AGENT, item))


BOTH_LABELS = make_pod("front-1", labels={"app": "web", "tier": "front"}, ip="10.0.0.3")


def _service(**more: Any) -> Built:
    return make_service("front", selector={"app": "front"}, **more)


def _port(name: str, ports: str, *codes: str, service: Built | None = None, pod: dict[str, int] | None = None) -> Case:
    """A policy that names these ports of pods on 8080, behind a Service on 80."""
    front = make_pod("front-1", labels={"app": "front"}, ip="10.0.0.3", ports={"web": 8080} if pod is None else pod)
    rule = f"{{from: [{{podSelector: {{matchLabels: {{app: web}}}}}}], ports: [{ports}]}}"
    return _policy(
        name,
        f"{{podSelector: {{matchLabels: {{app: front}}}}, ingress: [{rule}]}}",
        *codes,
        more=(DENY, front, service or _service()),
    )


SERVICES_PORT = "{podSelector: {matchLabels: {app: front}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}"
FRONT = make_pod("front-1", labels={"app": "front"}, ip="10.0.0.3", ports={"web": 8080})
_PORTS = [{"port": 80, "targetPort": 8080, "nodePort": 30080}]
NODE_PORT = (
    SERVICE,
    convert(
        SERVICE, {"metadata": {"name": "front", "namespace": "shop"}, "spec": {"selector": {"app": "front"}, "ports": _PORTS}}
    ),
)


def _egress(name: str, to: str, port: int, *codes: str) -> Case:
    """A policy that lets web send to a port of front, which is on 8080 behind a Service on 80."""
    rule = f"{{to: [{to}], ports: [{{port: {port}}}]}}"
    spec = f"{{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: [{rule}]}}"
    return _policy(name, spec, *codes, more=(DENY, INSIDE, FRONT, _service()))


API = (
    make_service("kubernetes", "default", cluster_ip="10.96.0.1", ports=((443, 6443),)),
    make_slice("kubernetes", "default", addresses={"192.0.2.2": ""}, port=6443, managed_by=""),
)
FRONT_SLICE = make_slice("front", addresses={"10.0.0.3": "front-1"})


def _named(built: Built, name: str) -> Built:
    """The slice with its port named as that of its Service."""
    kind, item = built
    return kind, msgspec.structs.replace(item, ports=tuple(msgspec.structs.replace(p, name=name) for p in item.ports))  # type: ignore[attr-defined]


def _address(name: str, rule: str, *codes: str) -> Case:
    """Egress of web beside the API server's Service (10.96.0.1:443 to 192.0.2.2:6443) and front (10.96.0.2:80 to pods on 8080)."""
    spec = f"{{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: [{rule}]}}"
    objects = (DENY, INSIDE, FRONT, _service(cluster_ip="10.96.0.2"), API[0], _named(API[1], "p443"))
    return _policy(name, spec, *codes, more=(*objects, _named(FRONT_SLICE, "p80")))


TO_API = "{to: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [{port: 443}]}"
ANSWERED = make_cluster(*PODS, DENY, INSIDE, *DNS, DENY_DNS, make_node(), vantages=("n1",))

CASES = [
    _case("no policy", expect=frozenset({("POL011", "Cluster policies")})),
    _case("default deny", DENY),
    Case("no policy, and no pods yet", make_cluster(WORKLOAD), frozenset({("POL011", "Cluster policies")})),
    Case("a workload without pods", make_cluster(WORKLOAD, ELSEWHERE, make_pod(namespace="b")), frozenset({OPEN})),
    Case(
        "hostNetwork pods, which no default deny would isolate",
        make_cluster(AGENT, DENY, make_pod("web-1", labels=WEB)),
    ),
    _case("a default deny for the cluster", BASELINE),
    _case("everybody is let in", DENY, make_policy("{podSelector: {}, ingress: [{}]}", "open"), expect=frozenset({WIDE})),
    _case(
        "the cluster is let in",
        DENY,
        make_policy("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", "open"),
        expect=frozenset({WIDE}),
    ),
    _case(
        "the world is let in over IPv6",
        DENY,
        make_policy("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}", "open"),
        expect=frozenset({WIDE}),
    ),
    _case("one pod isolated", make_policy("{podSelector: {matchLabels: {app: db}}}"), expect=frozenset({OPEN})),
    Case("nothing in the namespace", make_cluster(DENY), frozenset({("POL020", "NetworkPolicy shop/deny")})),
    _policy("selects nothing", "{podSelector: {matchLabels: {app: gone}}}", "POL020"),
    _policy(
        "selects a workload without pods",
        "{podSelector: {matchLabels: {app: job}}}",
        more=(DENY, make_workload(DAEMON_SET, labels={"app": "job"})),
    ),
    _policy(
        "peer that is not there", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: gone}}}]}]}", "POL021"
    ),
    _policy("peer that is an address", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}"),
    _policy("peer that is there", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}"),
    _policy("port that nobody declares", "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: http}]}]}", "POL022"),
    _policy("port that is declared", _here("{port: sql}", pods="{matchLabels: {app: db}}")),
    _policy(
        "egress to a port that is declared",
        "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: sql}]}]}",
    ),
    _policy(
        "rule twice",
        _here("{port: 80}", "{port: 80}"),
        "POL023",
    ),
    _policy(
        "rule within a wider one",
        _here("{port: 80}", ""),
        "POL023",
    ),
    _policy(
        "ranges that overlap",
        _here("{port: 80, endPort: 90}", "{port: 85, endPort: 95}"),
    ),
    _policy(
        "rule within a wider one for now: the pods of both are the same today",
        "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}",
        more=(
            DENY,
            make_policy("{podSelector: {matchLabels: {tier: front}}, ingress: [{from: [{podSelector: {}}]}]}", "wide"),
            BOTH_LABELS,
        ),
    ),
    _policy(
        "peers within wider ones for now",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}, "
        "{from: [{podSelector: {matchLabels: {tier: front}}}]}]}",
        more=(DENY, BOTH_LABELS),
    ),
    _policy(
        "peers within wider ones for good",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web, tier: front}}}]}, "
        "{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, db]}]}}]}]}",
        "POL023",
        more=(DENY, BOTH_LABELS),
    ),
    _port("the Service's port in an ingress rule", "{port: 80}", "POL007"),
    _port("the Service's port, and the pods declare none", "{port: 80}", "POL026", pod={}),
    _port("the Service's node port", "{port: 30080}", "POL007", service=NODE_PORT),
    _port("the name of the Service's port", "{port: p80}", "POL007", "POL022"),
    _port("the name of a headless Service's port", "{port: p80}", "POL007", "POL022", service=_service(cluster_ip="None")),
    _port("the name of the pods' port", "{port: web}", service=_service(ports=((80, "web"),))),
    _egress("the Service's port in egress to its pods", "{podSelector: {matchLabels: {app: front}}}", 80, "POL007"),
    _egress("the Service's port in egress to its namespace", "{podSelector: {}}", 80, "POL026"),
    _egress("the pods' port in egress to its namespace", "{podSelector: {}}", 8080),
    Case(
        "the Service's port, and nothing enforces it",
        make_cluster(*PODS, FRONT, _service(), make_policy(SERVICES_PORT), DENY, FLANNEL),
        frozenset({("POL026", "NetworkPolicy shop/policy")}),
    ),
    Case(
        "manifests: the Service's port",
        make_cluster(*PODS, FRONT, _service(), make_policy(SERVICES_PORT), DENY, origin="manifests"),
        frozenset({("POL026", "NetworkPolicy shop/policy")}),
    ),
    _port("the Service's port beside the pods' own", "{port: 80}, {port: 8080}"),
    _port("the pods' port", "{port: 8080}"),
    _port("a range that the Service's port is in", "{port: 80, endPort: 90}"),
    _port("the port of another protocol", "{port: 80, protocol: UDP}"),
    _port("the Service's port, which the pods have too", "{port: 80}", pod={"web": 8080, "plain": 80}),
    _port("the port of a headless Service", "{port: 80}", service=_service(cluster_ip="None")),
    _port("the Service's port, and another Service leads there", "{port: 80}", service=_service(ports=((80, 8080), (81, 80)))),
    _port("the port of a Service with a named target", "{port: 80}", "POL007", service=_service(ports=((80, "web"),))),
    _address("the API server by the address of its Service", TO_API, "POL008"),
    _address(
        "the API server by both addresses", f"{TO_API}, {{to: [{{ipBlock: {{cidr: 192.0.2.2/32}}}}], ports: [{{port: 6443}}]}}"
    ),
    _address(
        "the API server's own address, and its Service's port",
        "{to: [{ipBlock: {cidr: 192.0.2.2/32}}], ports: [{port: 443}]}",
        "POL008",
    ),
    _address("a Service's address on all ports", "{to: [{ipBlock: {cidr: 10.96.0.2/32}}]}", "POL008"),
    _address("an address that is no Service's", "{to: [{ipBlock: {cidr: 10.96.0.3/32}}]}"),
    _address("a range with Services in it", "{to: [{ipBlock: {cidr: 10.96.0.0/12}}]}"),
    _address("a Service's address, and a port that it lacks", "{to: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [{port: 8443}]}"),
    _address("HTTPS for everybody", "{ports: [{port: 443}]}"),
    Case(
        "a Service's address, and nothing enforces it",
        make_cluster(
            *PODS,
            FRONT,
            _service(cluster_ip="10.96.0.2"),
            _named(FRONT_SLICE, "p80"),
            INSIDE,
            FLANNEL,
            make_policy(
                "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.2/32}}]}]}"
            ),
        ),
        frozenset({("POL027", "NetworkPolicy shop/policy")}),
    ),
    _servers(
        "Calico's own policy keeps everybody from the servers",
        make_policy("{namespaceSelector: kubernetes.io/metadata.name == 'kube-system'}", "own", kind=CALICO_GLOBAL_POLICY),
        expect=frozenset({("POL004", "GlobalNetworkPolicy own")}),
    ),
    _servers(
        "Calico's own policy lets everybody query the servers",
        make_policy(
            "{namespaceSelector: kubernetes.io/metadata.name == 'kube-system', ingress: [{action: Allow}]}",
            "own",
            kind=CALICO_GLOBAL_POLICY,
        ),
    ),
    _servers(
        "Cilium's own policy keeps everybody from the servers",
        make_policy(f"{{{KUBE_SYSTEM}, ingress: [{{}}]}}", "own", kind=CILIUM_CLUSTER_POLICY),
        expect=frozenset({("POL004", "CiliumClusterwideNetworkPolicy own")}),
    ),
    _servers(
        "Cilium's own policy denies the cluster",
        make_policy(
            f"{{{KUBE_SYSTEM}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{fromEntities: [cluster]}}]}}",
            "own",
            kind=CILIUM_CLUSTER_POLICY,
        ),
        expect=frozenset({("POL004", "CiliumClusterwideNetworkPolicy own")}),
    ),
    _servers(
        "Cilium's own policy lets the cluster query the servers",
        make_policy(f"{{{KUBE_SYSTEM}, ingress: [{{fromEntities: [cluster]}}]}}", "own", kind=CILIUM_CLUSTER_POLICY),
    ),
    _servers(
        "Cilium's own policy lets requests through that nobody knows",
        make_policy(
            f"{{{KUBE_SYSTEM}, ingress: [{{fromEntities: [cluster], authentication: {{mode: required}}}}]}}",
            "own",
            kind=CILIUM_CLUSTER_POLICY,
        ),
    ),
    _servers(
        "Antrea's own policy keeps everybody from the servers",
        make_policy(
            "{priority: 1, appliedTo: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], "
            "ingress: [{action: Drop}]}",
            "own",
            kind=ANTREA_CLUSTER_POLICY,
        ),
        expect=frozenset({("POL004", "AntreaClusterNetworkPolicy own")}),
    ),
    _policy("egress that is not received", EGRESS % (TO_DB, ""), "POL024"),
    _policy(
        "egress that is received",
        EGRESS % (TO_DB, ""),
        more=(DENY, make_policy("{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}", "in")),
    ),
    _policy("address that is none", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.300/8}}]}]}", "POL025"),
    _dns("egress forgets DNS", EGRESS % (TO_DB, ""), "POL001"),
    _dns("egress with DNS", EGRESS % (TO_DB, TO_DNS % BOTH)),
    _dns("egress with DNS on the Service's port", EGRESS % (TO_DB, TO_DNS % "{protocol: UDP, port: 53}"), "POL001", "POL026"),
    _dns("egress with DNS over UDP only", EGRESS % (TO_DB, TO_DNS % "{protocol: UDP, port: 5353}"), "POL003"),
    _dns("egress denied to all", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}", "POL003"),
    _dns("NodeLocal DNSCache that nobody is known to ask", EGRESS % (TO_DB, TO_DNS % BOTH), "POL003", more=(NODE_LOCAL,)),
    _dns(
        "NodeLocal DNSCache of another name and address, and that alone is allowed",
        EGRESS % (TO_DB, TO_LOCAL.replace("20.10", "25.10")),
        more=_cache("-localip", "169.254.25.10"),
    ),
    _dns(
        "NodeLocal DNSCache of another name, forgotten",
        EGRESS % (TO_DB, TO_DNS % BOTH),
        "POL003",
        more=_cache("-localip=169.254.1.1"),
    ),
    _dns(
        "NodeLocal DNSCache on the Service's own address too, which is allowed",
        EGRESS % (TO_DB, TO_LOCAL.replace("169.254.20.10", "10.96.0.10")),
        more=_cache("-localip", "169.254.20.10,10.96.0.10"),
    ),
    _dns(
        "NodeLocal DNSCache over IPv6",
        EGRESS % (TO_DB, TO_LOCAL.replace("169.254.20.10/32", "'fd00::a/128'")),
        more=_cache("-localip", "fd00::a"),
    ),
    _dns(
        "NodeLocal DNSCache by its Corefile",
        EGRESS % (TO_DB, TO_LOCAL),
        more=(make_corefile(". {\n bind 169.254.20.10\n forward . 10.96.0.10\n}\n", "nodelocaldns"),),
    ),
    _dns("NodeLocal DNSCache that nobody can place", EGRESS % (TO_DB, ""), more=_cache("-conf", "/etc/Corefile")),
    _asked("NodeLocal DNSCache that pods ask", LOCAL, "POL002"),
    _dns("NodeLocal DNSCache, and that alone is allowed", EGRESS % (TO_DB, TO_LOCAL), more=(NODE_LOCAL,)),
    _asked("NodeLocal DNSCache that pods ask, and that alone is allowed", LOCAL, policy=EGRESS % (TO_DB, TO_LOCAL)),
    _asked("NodeLocal DNSCache beside what pods ask", "10.96.0.10", "POL003"),
    _policy(
        "a CNI's own policy",
        "{podSelector: {}}",
        more=(DENY, _native(NATIVE_POLICIES[0])),
        found=frozenset({("POL030", "Cluster policies")}),
    ),
    _servers("default deny at the DNS servers", DENY_DNS, expect=CUT),
    _servers("default deny and the usual allow", DENY_DNS, _allow(f"{{from: [{{namespaceSelector: {{}}}}], ports: [{BOTH}]}}")),
    _servers("default deny and an allow for everybody", DENY_DNS, _allow(f"{{ports: [{BOTH}]}}")),
    _servers("default deny and an allow for the pods' range", DENY_DNS, _allow("{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}")),
    _servers(
        "default deny and an allow for another range",
        DENY_DNS,
        _allow("{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}"),
        expect=frozenset({("POL004", "NetworkPolicy kube-system/allow")}),
    ),
    _servers(
        "a deny for other pods beside them", make_policy("{podSelector: {matchLabels: {app: x}}}", "x", "kube-system"), EXTRA
    ),
    _servers("NodeLocal DNSCache answers in their place", DENY_DNS, NODE_LOCAL),
    _servers(
        "some are left out",
        DENY_DNS,
        _allow("{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}"),
        make_namespace("b"),
        make_policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "own", "b"),
        make_pod("b-1", "b", ip="10.0.3.1"),
        expect=frozenset({("POL005", "NetworkPolicy kube-system/allow")}),
    ),
    _servers("the Admin tier lets nobody in", ADMIN_IN, expect=frozenset({("POL004", "ClusterNetworkPolicy admin")})),
    _servers("the Admin tier lets nobody out", ADMIN_OUT, expect=frozenset({("POL004", "AdminNetworkPolicy admin")})),
    _servers("a pod network that enforces nothing", DENY_DNS, FLANNEL, expect=WOULD),
    _servers("a policy engine beside it", DENY_DNS, FLANNEL, ENGINE, expect=CUT),
    Case(
        "DNS answers all the same",
        ANSWERED,
        WOULD,
        Measured({dns_lookups.lookup(ANSWERED, "n1"): DnsReply("10.96.0.10", (DnsSample(Outcome.OK, 1.0, "NOERROR", 1),))}),
    ),
    Case(
        "netdoc's own policy was not enforced",
        ANSWERED,
        WOULD,
        Measured({next(own_policies.canaries(ANSWERED)): CanaryReply((CanaryTrial("Ingress", "n1", True, -1.0),), 5.0)}),
    ),
    Case(
        "hostNetwork DNS servers",
        make_cluster(*PODS, DENY, INSIDE, *DNS[:2], HOST_DNS, DENY_DNS),
    ),
    Case("DNS servers that are elsewhere", make_cluster(*PODS, DENY, INSIDE, *DNS[:2], DENY_DNS, EXTRA)),
    Case(
        "manifests: an allow for a range, before anybody knows an address",
        make_cluster(
            *PODS[:1],
            make_workload(DAEMON_SET, "web", labels=WEB),
            DENY,
            INSIDE,
            *DNS[:2],
            make_workload(DAEMON_SET, "coredns", "kube-system", labels=DNS_LABELS),
            DENY_DNS,
            _allow("{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}"),
            origin="manifests",
        ),
    ),
    Case(
        "policies forbidden",
        make_cluster(*PODS, unavailable={NETWORK_POLICY: Unavailable("forbidden", Grant("list", "networkpolicies"))}),
        state="skipped",
    ),
    Case(
        "cluster-wide policies forbidden",
        make_cluster(*PODS, DENY, unavailable={POLICIES[1]: Unavailable("forbidden", Grant("list", "adminnetworkpolicies"))}),
        frozenset({("POL030", "Cluster policies")}),
        state="unknown",
    ),
]
