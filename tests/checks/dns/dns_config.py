# SPDX-License-Identifier: Apache-2.0
"""Cases of dns_config."""

from kubectl_netdoc.api import COREFILE, DNS_LOG, ENDPOINT_SLICE, EVENT, POD, SERVICE, Cluster, Grant, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import (
    DEPLOYMENT,
    Built,
    Case,
    ago,
    make_cluster,
    make_corefile,
    make_dns_log,
    make_event,
    make_node,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)

DNS = {"k8s-app": "kube-dns"}
FORBIDDEN = Unavailable("forbidden", Grant("list", "pods"))
OFFLINE = Unavailable("only a cluster has these", by_design=True)
KUBEADM = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
"""
SERVICE_OBJECT = make_service("kube-dns", "kube-system", selector=DNS, ports=[(53, 53)], cluster_ip="10.96.0.10", labels=DNS)
SUBJECT = "Service kube-system/kube-dns"
CONFIG = "ConfigMap kube-system/coredns"


def _pod(name: str, ip: str, node: str, **more: object) -> Built:
    return make_pod(name, "kube-system", labels=DNS, ip=ip, node=node, **more)  # type: ignore[arg-type]


def _dns(*objects: Built, corefile: str = KUBEADM, addresses: dict[str, str] | None = None) -> tuple[Built, ...]:
    slice_ = make_slice("kube-dns", "kube-system", addresses=addresses or {}, port=53, protocol="UDP")
    return (SERVICE_OBJECT, slice_, make_corefile(corefile), *objects)


def _two(corefile: str = KUBEADM, **first: object) -> tuple[Built, ...]:
    """Two servers on two nodes; ``first`` changes the first one."""
    ready = {"10.0.0.2": "dns-b"} if first.get("ready") is False else {"10.0.0.1": "dns-a", "10.0.0.2": "dns-b"}
    pods = _pod("dns-a", "10.0.0.1", "n1", **first), _pod("dns-b", "10.0.0.2", "n2")
    return _dns(
        *pods, make_workload(DEPLOYMENT, "coredns", "kube-system", labels=DNS, replicas=2), corefile=corefile, addresses=ready
    )


def _forward(to: str) -> str:
    return KUBEADM.replace("forward . /etc/resolv.conf", f"forward . {to}")


def _config(name: str, corefile: str, *codes: str) -> Case:
    return Case(name, make_cluster(*_two(corefile)), frozenset((code, CONFIG) for code in codes))


def _with(lines: str) -> str:
    """Kubeadm's Corefile, with more behind the plugin kubernetes: CoreDNS has an order of its own."""
    return KUBEADM.replace("    prometheus :9153\n", f"    prometheus :9153\n{lines}\n")


CART = (make_service("cart", cluster_ip="10.96.0.7"), make_service("kubernetes", "default", ports=[(443, 6443)]))


def _taken(name: str, corefile: str, *codes: str) -> Case:
    return Case(name, make_cluster(*_two(corefile), *CART), frozenset((code, CONFIG) for code in codes))


ANSWER = 'answer "{{ .Name }} 5 IN A 192.0.2.1"'
SECOND = "cluster.local k8s.example in-addr"
OVERRIDES = [
    _taken("as kubeadm makes it", KUBEADM),
    _taken("a template for a Service", _with("template ANY ANY cart.shop.svc.cluster.local {\nrcode NXDOMAIN\n}"), "DNC020"),
    _taken("a template for IPv6 alone", _with("template IN AAAA cluster.local {\nrcode NOERROR\n}")),
    _taken("a template for another zone", _with("template ANY ANY cluster.local.example {\nrcode NXDOMAIN\n}")),
    _taken("a template for all", _with("template ANY ANY svc.cluster.local {\nrcode NXDOMAIN\n}"), "DNC021"),
    _taken(
        "a template that matches a Service",
        _with(
            'template IN A cluster.local {\nmatch "^cart[.]shop[.]svc[.]"\nanswer "{{ .Name }} 5 IN A 192.0.2.1"\nfallthrough\n}'
        ),
        "DNC020",
    ),
    _taken(
        "a template that matches no Service", _with("template IN A cluster.local {\nmatch ^node-\nrcode NOERROR\nfallthrough\n}")
    ),
    _taken("a template that hands nothing on", _with("template IN A cluster.local {\nmatch ^node-\nrcode NOERROR\n}"), "DNC021"),
    _taken(
        "a template with an expression of another kind",
        _with("template IN A cluster.local {\nmatch (a+)+(\nrcode NXDOMAIN\nfallthrough\n}"),
    ),
    _taken("hosts with a Service", _with("hosts {\n192.0.2.1 other cart.shop.svc.cluster.local\nfallthrough\n}"), "DNC020"),
    _taken("hosts of others", _with("hosts {\n192.0.2.1 node-1.example\nfallthrough\n}")),
    _taken("hosts that hand nothing on", _with("hosts {\n192.0.2.1 node-1.example\n}"), "DNC021"),
    _taken("hosts of one zone that hand nothing on", _with("hosts /etc/hosts example.net {\n192.0.2.1 a.example.net\n}")),
    _taken("hosts that hand on another zone", _with("hosts {\n192.0.2.1 a.example\nfallthrough example\n}"), "DNC021"),
    _taken("a Service is rewritten", _with("rewrite name cart.shop.svc.cluster.local web.shop.svc.cluster.local"), "DNC020"),
    _taken("a name outside becomes a Service's", _with("rewrite name cart.example.com cart.shop.svc.cluster.local")),
    _taken("all are rewritten", _with("rewrite stop name suffix .svc.cluster.local .svc.east.example"), "DNC021"),
    _taken(
        "all are rewritten to the cluster's second domain",
        _with("rewrite stop name suffix .cluster.local .k8s.example").replace("cluster.local in-addr", SECOND),
    ),
    _taken("a namespace is forwarded", f"{KUBEADM}shop.svc.cluster.local:53 {{\n    forward . 192.0.2.53\n}}\n", "DNC020"),
    _taken("another domain is forwarded", f"{KUBEADM}corp.example:53 {{\n    forward . 192.0.2.53\n}}\n"),
    _taken("another port", f"{KUBEADM}shop.svc.cluster.local:5353 {{\n    forward . 192.0.2.53\n}}\n"),
    _taken("a file is imported", _with("import custom/*.override\nhosts {\n192.0.2.1 a.example\n}")),
]

LOOPS = '[FATAL] plugin/loop: Loop (127.0.0.1:57423 -> :53) detected for zone ".", see https://coredns.io/plugins/loop\n'
TIMEOUT = "[ERROR] plugin/errors: 2 shop.example.com. A: read udp 10.0.0.1:35423->192.0.2.53:53: i/o timeout\n"
REFUSED = "/etc/coredns/Corefile:15 - Error during parsing: Unknown directive 'loadbalnce'\n"
PANIC = '[ERROR] Recovered from panic in server: "dns://:53" runtime error\n'
SEARCH = "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: a b c"
SERVERS = "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.0.0.1 10.0.0.2"
DNS_A = _pod("dns-a", "10.0.0.1", "n1")
CRASHING = _pod("dns-a", "10.0.0.1", "n1", ready=False, waiting="CrashLoopBackOff")
OWNED = [{"kind": "ReplicaSet", "name": "web-1", "controller": True}]


NO_ROUTE = "[ERROR] plugin/errors: 2 shop.example.com. A: read udp 10.0.0.1:3->192.0.2.53:53: read: no route to host\n"
NOT_ALLOWED = (
    "[ERROR] plugin/kubernetes: Failed to watch *v1.EndpointSlice: failed to list *v1.EndpointSlice: "
    "endpointslices.discovery.k8s.io is forbidden: User x cannot list resource\n"
)
TAINT = "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }. preemption: 0/3 nodes"


def _pending(name: str, message: str = "", *, age: float = 600, reason: str = "Unschedulable") -> Built:
    """A DNS server that has no node yet."""
    placed = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message, "lastTransitionTime": ago(age)}
    return POD, convert(
        POD,
        {
            "metadata": {"name": name, "namespace": "kube-system", "labels": DNS, "creationTimestamp": ago(age)},
            "status": {"phase": "Pending", "conditions": [placed] if message else []},
        },
    )


CACHE = """cluster.local:53 {
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__CLUSTER__DNS__ {
        force_tcp
    }
}
.:53 {
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__UPSTREAM__SERVERS__
}
"""
AKS = """.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    template ANY ANY internal.cloudapp.net {
      match "^(?:[^.]+\\.){4,}internal\\.cloudapp\\.net\\.$"
      rcode NXDOMAIN
      fallthrough
    }
    template ANY ANY reddog.microsoft.com {
      rcode NXDOMAIN
    }
}
import custom/*.server
"""
OPENSHIFT = """# a zone that somebody forwards
corp:5353 {
    prometheus 127.0.0.1:9153
    forward corp.example {
        policy random
    }
    errors
    bufsize 1232
}
.:5353 {
    bufsize 1232
    errors
    log . {
        class error
    }
    health {
        lameduck 20s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    prometheus 127.0.0.1:9153
    forward . /etc/resolv.conf {
        policy sequential
    }
    cache 900 {
        denial 9984 30
    }
    reload
}
hostname.bind:5353 {
    chaos
}
"""


def _formed(message: str, *, age: float = 60, **pod: object) -> Cluster:
    """A healthy cluster's DNS beside a pod that an Event DNSConfigForming is about."""
    event = make_event("Pod", "web-1-a", "shop", "DNSConfigForming", message, age=age)
    return make_cluster(*_two(), make_pod("web-1-a", **pod), event)  # type: ignore[arg-type]


OTHER = {"namespace": "kube-system", "ports": ((53, 53),), "cluster_ip": "10.96.0.77"}
ALIAS = {"type": "ExternalName", "cluster_ip": ""}
OTHERS: list[tuple[str, Cluster, bool]] = [
    (what, make_cluster(*_two(_forward(to)), make_service("up", **spec)), itself)
    for what, to, spec, itself in (
        ("another Service of the same servers", "10.96.0.77", {"selector": DNS, **OTHER}, True),
        ("the name of another Service of the same servers", "up.kube-system.svc", {"selector": DNS, **OTHER}, True),
        ("a Service of other servers", "up.kube-system.svc", {"selector": {"app": "dns"}, **OTHER}, False),
        ("an alias of the DNS Service", "up.shop.svc", {"externalName": "kube-dns.kube-system.svc", **ALIAS}, True),
        ("an alias of a name outside", "up.shop.svc", {"externalName": "dns.example", **ALIAS}, False),
    )
]
RELEASES = (("v1.12.1", "DNC006"), ("v1.14.2", "DNC006"), ("v1.15.0", "DNC003"), ("latest", "DNC003"))


def _released(version: str) -> Cluster:
    """Manifests with a version of CoreDNS and a Corefile that forwards to the DNS Service's name."""
    containers = [{"name": "coredns", "image": f"registry.k8s.io/coredns/coredns:{version}"}]
    template = {"metadata": {"labels": DNS}, "spec": {"containers": containers}}
    meta = {"name": "coredns", "namespace": "kube-system"}
    servers = convert(DEPLOYMENT, {"metadata": meta, "spec": {"replicas": 2, "template": template}})
    config = make_corefile(_forward("kube-dns.kube-system.svc.cluster.local"))
    return make_cluster(
        SERVICE_OBJECT, config, (DEPLOYMENT, servers), unavailable={ENDPOINT_SLICE: OFFLINE, POD: OFFLINE}, origin="manifests"
    )


LIMIT = "[ERROR] plugin/errors: 5 shop.example.com. A: concurrent queries exceeded maximum 1000\n"
CASES = [
    *OVERRIDES,
    Case(
        "a server forwards too many at once",
        make_cluster(*_two(), make_dns_log("dns-a", LIMIT * 10)),
        frozenset({("DNC022", "Pod kube-system/dns-a")}),
    ),
    Case("a server has refused a few", make_cluster(*_two(), make_dns_log("dns-a", LIMIT * 9))),
    Case(
        "every server stops for a loop",
        make_cluster(*_dns(CRASHING), make_dns_log("dns-a", LOOPS)),
        frozenset({("DNC002", SUBJECT), ("DNC011", SUBJECT)}),
    ),
    Case(
        "one server stops for a loop",
        make_cluster(*_two(ready=False, waiting="CrashLoopBackOff"), make_dns_log("dns-a", LOOPS)),
        frozenset({("DNC008", "Pod kube-system/dns-a"), ("DNC010", SUBJECT), ("DNC011", SUBJECT)}),
    ),
    Case(
        "the DNS Service selects no server",
        make_cluster(make_service("kube-dns", "kube-system", selector={"k8s-app": "coredns"}, ports=[(53, 53)]), DNS_A),
        frozenset({("DNC017", SUBJECT)}),
    ),
    Case(
        "the DNS Service has no UDP port",
        make_cluster(SERVICE_OBJECT, make_slice("kube-dns", "kube-system", addresses={"10.0.0.1": "dns-a"}, port=53), DNS_A),
        frozenset({("DNC016", SUBJECT)}),
    ),
    Case(
        "no server takes the Corefile",
        make_cluster(*_dns(CRASHING), make_dns_log("dns-a", REFUSED)),
        frozenset({("DNC002", SUBJECT), ("DNC006", CONFIG)}),
    ),
    Case(
        "a server refuses a change",
        make_cluster(*_two(), make_dns_log("dns-a", f"[ERROR] plugin/reload: Corefile changed but reload failed: {REFUSED}")),
        frozenset({("DNC018", CONFIG)}),
    ),
    Case(
        "a server refused a change, and took another one",
        make_cluster(
            *_two(),
            make_dns_log("dns-a", f"[WARNING] plugin/reload: Corefile parse failed: {REFUSED}[INFO] Reloading complete\n"),
        ),
    ),
    Case(
        "a Corefile alone in a folder, with a plugin of others",
        make_cluster(make_corefile(KUBEADM.replace("loadbalance", "fanout . 192.0.2.1")), origin="manifests"),
        frozenset({("DNC019", CONFIG)}),
    ),
    Case("a Corefile that was refused before it was mended", make_cluster(*_two(), make_dns_log("dns-a", REFUSED))),
    Case(
        "upstreams that do not answer are advice",
        make_cluster(*_two(), make_dns_log("dns-a", TIMEOUT * 9)),
        frozenset({("DNC012", SUBJECT)}),
    ),
    Case("a panic", make_cluster(*_two(), make_dns_log("dns-b", PANIC)), frozenset({("DNC013", "Pod kube-system/dns-b")})),
    Case("the log of a pod that is gone", make_cluster(*_two(), make_dns_log("dns-c", LOOPS + PANIC))),
    Case("logs forbidden", make_cluster(*_two(), unavailable={DNS_LOG: FORBIDDEN}), state="pass"),
    Case("a server ended once and runs again", make_cluster(*_two(ended="Error"))),
    Case("a server ended again after a day", make_cluster(*_two(ended="Error", ran=86400))),
    Case(
        "a server ends again and again",
        make_cluster(*_two(ended="Error", ran=300)),
        frozenset({("DNC008", "Pod kube-system/dns-a")}),
    ),
    Case(
        "a server ended once and is not ready",
        make_cluster(*_two(ended="Error", ready=False)),
        frozenset({("DNC008", "Pod kube-system/dns-a"), ("DNC010", SUBJECT)}),
    ),
    Case(
        "logs forbidden, and a server restarts",
        make_cluster(*_two(ended="Error", ran=300), unavailable={DNS_LOG: FORBIDDEN}),
        frozenset({("DNC008", "Pod kube-system/dns-a")}),
        state="warn",
    ),
    Case("search domains left out", _formed(SEARCH, ownerReferences=OWNED), frozenset({("DNC014", "ReplicaSet shop/web-1")})),
    Case("nameservers left out", _formed(SERVERS), frozenset({("DNC015", "Pod shop/web-1-a")})),
    Case("search domains were left out long ago", _formed(SEARCH, age=7200)),
    Case("events forbidden", make_cluster(*_two(), unavailable={EVENT: FORBIDDEN}), state="pass"),
    Case("healthy", make_cluster(*_two())),
    Case(
        "scaled to zero",
        make_cluster(*_dns(make_workload(DEPLOYMENT, "coredns", "kube-system", labels=DNS, replicas=0))),
        frozenset({("DNC001", SUBJECT)}),
    ),
    Case(
        "every server crashes",
        make_cluster(*_dns(_pod("dns-a", "10.0.0.1", "n1", ready=False, waiting="CrashLoopBackOff"))),
        frozenset({("DNC002", SUBJECT)}),
    ),
    Case("no server at all", make_cluster(*_dns()), frozenset({("DNC002", SUBJECT)})),
    Case(
        "the first server crashes at once",
        make_cluster(*_dns(_pod("dns-a", "10.0.0.1", "n1", ready=False, age=10, waiting="CrashLoopBackOff"))),
        frozenset({("DNC002", SUBJECT)}),
    ),
    Case("the first server starts", make_cluster(*_dns(_pod("dns-a", "10.0.0.1", "n1", ready=False, age=10)))),
    Case(
        "one server not ready",
        make_cluster(*_two(ready=False)),
        frozenset({("DNC008", "Pod kube-system/dns-a"), ("DNC010", SUBJECT)}),
    ),
    Case("one server's node was restarted", make_cluster(*_two(ended="Unknown"))),
    Case("one server out of memory", make_cluster(*_two(ended="OOMKilled")), frozenset({("DNC008", "Pod kube-system/dns-a")})),
    Case(
        "both on one node is advice",
        make_cluster(
            *_dns(
                _pod("dns-a", "10.0.0.1", "n1"),
                _pod("dns-b", "10.0.0.2", "n1"),
                addresses={"10.0.0.1": "dns-a", "10.0.0.2": "dns-b"},
            )
        ),
        frozenset({("DNC010", SUBJECT)}),
    ),
    _config("forwards to its own ClusterIP", _forward("10.96.0.10"), "DNC003"),
    _config("forwards to its own pod", _forward("10.0.0.1"), "DNC003"),
    _config("forwards to its own ClusterIP among others", _forward("192.0.2.53 10.96.0.10"), "DNC003"),
    _config("forwards to its loopback", _forward("127.0.0.1"), "DNC003"),
    _config("forwards to a sidecar on another port", _forward("127.0.0.1:5300")),
    _config("forwards to real resolvers", _forward("192.0.2.53 [2001:db8::53]:53 tls://192.0.2.54")),
    _config(
        "a stub zone that comes back",
        KUBEADM + "corp.example:53 {\n    forward . 10.96.0.10\n}\n",
        "DNC003",
    ),
    _config("no kubernetes plugin", ".:53 {\n    forward . /etc/resolv.conf\n}\n", "DNC004"),
    _config("imports what can't be seen", ".:53 {\n    import custom/*.override\n}\n"),
    _config("no upstream", ".:53 {\n    kubernetes cluster.local\n}\n", "DNC005"),
    _config("forwards to the DNS Service by its name", _forward("kube-dns.kube-system.svc.cluster.local"), "DNC003"),
    _config("forwards to the DNS Service by its name, with the root's dot", _forward("kube-dns.kube-system.svc."), "DNC003"),
    _config("forwards to a resolver by its name", _forward("dns.corp.example")),
    _config("forwards to an address with leading zeros", _forward("010.96.0.10")),
    *(Case(f"forwards to {what}", cluster, frozenset([("DNC003", CONFIG)] * itself)) for what, cluster, itself in OTHERS),
    *(Case(f"forwards to a name, {version}", _released(version), frozenset({(code, CONFIG)})) for version, code in RELEASES),
    _config("forwards to another Service by its name", _forward("dns.infra.svc.cluster.local")),
    _config(
        "forwards to a resolver on its loopback, from a block that does not listen there",
        ".:53 {\n  bind 10.0.0.1\n  kubernetes cluster.local\n  forward . 127.0.0.1\n}\n",
    ),
    _config("an upstream by a plugin that netdoc does not know", KUBEADM.replace("forward .", "fanout .")),
    _config("one block without braces", ".:53\nerrors\nkubernetes cluster.local\nforward . /etc/resolv.conf\n"),
    _config("a brace at a line's end", KUBEADM.replace("max_concurrent 1000\n    }", "max_concurrent 1000 }")),
    _config("a block twice", KUBEADM + "a.example:53 {\n}\ndns://a.example {\n}\n", "DNC006"),
    _config("a block a port", KUBEADM + "a.example:53 {\n}\na.example:5353 {\n}\n"),
    _config("an address without a blank before its brace", KUBEADM.replace(".:53 {", ".:53{"), "DNC006"),
    _config("server blocks that can't be seen", "import custom/*.server\n"),
    _config("AKS", AKS),
    _config("OpenShift's, in another place", OPENSHIFT),
    _config("brace missing", ".:53 {\n    kubernetes cluster.local\n", "DNC006"),
    Case(
        "no server is scheduled",
        make_cluster(*_dns(_pending("dns-a", TAINT), _pending("dns-b", TAINT)), make_node("n1", taints=[{"key": "x"}])),
        frozenset({("DNC002", SUBJECT)}),
    ),
    Case("the scheduler has just said no", make_cluster(*_dns(_pending("dns-a", TAINT, age=20)))),
    Case("no scheduler", make_cluster(*_dns(_pending("dns-a"))), frozenset({("DNC002", SUBJECT)})),
    Case(
        "no server has its image",
        make_cluster(*_dns(_pod("dns-a", "", "n1", ready=False, waiting="ImagePullBackOff"))),
        frozenset({("DNC002", SUBJECT)}),
    ),
    Case(
        "no server has a sandbox",
        make_cluster(
            *_dns(_pod("dns-a", "", "n1", ready=False, waiting="ContainerCreating", age=600)),
            make_event("Pod", "dns-a", "kube-system", "FailedCreatePodSandBox", "plugin type flannel failed"),
        ),
        frozenset({("DNC002", SUBJECT)}),
    ),
    Case(
        "CoreDNS may not list",
        make_cluster(*_dns(_pod("dns-a", "10.0.0.1", "n1", ready=False, age=600)), make_dns_log("dns-a", NOT_ALLOWED)),
        frozenset({("DNC002", SUBJECT)}),
    ),
    Case(
        "no route to the upstreams is advice",
        make_cluster(*_two(), make_dns_log("dns-a", NO_ROUTE * 9)),
        frozenset({("DNC012", SUBJECT)}),
    ),
    Case(
        "the second server finds no node",
        make_cluster(*_dns(DNS_A, _pending("dns-b", TAINT), addresses={"10.0.0.1": "dns-a"})),
        frozenset({("DNC008", "Pod kube-system/dns-b"), ("DNC010", SUBJECT)}),
    ),
    Case(
        "a Corefile alone in a folder",
        make_cluster(make_corefile(".:53 {\n errors\n"), unavailable={ENDPOINT_SLICE: OFFLINE}, origin="manifests"),
        frozenset({("DNC006", CONFIG)}),
    ),
    Case(
        "a Corefile alone in a folder, which is well",
        make_cluster(make_corefile(KUBEADM), unavailable={ENDPOINT_SLICE: OFFLINE}, origin="manifests"),
    ),
    Case("NodeLocal DNSCache beside it", make_cluster(*_two(), make_corefile(CACHE, "node-local-dns"))),
    Case(
        "NodeLocal DNSCache can't read its own",
        make_cluster(*_two(), make_corefile(CACHE + "}", "node-local-dns"), make_corefile(CACHE + ". {", "nodelocaldns")),
        frozenset({("DNC006", "ConfigMap kube-system/nodelocaldns")}),
    ),
    Case("DNS is not in the cluster", make_cluster(make_service()), state="skipped"),
    Case("services forbidden", make_cluster(unavailable={SERVICE: FORBIDDEN}), state="skipped"),
    Case("pods forbidden", make_cluster(*_two(), unavailable={POD: FORBIDDEN}), state="unknown"),
    Case(
        "Corefile in a manifest",
        make_cluster(
            SERVICE_OBJECT,
            make_corefile(_forward("10.96.0.10")),
            unavailable={ENDPOINT_SLICE: OFFLINE},
            origin="manifests",
        ),
        frozenset({("DNC003", CONFIG)}),
    ),
    Case(
        "not a Corefile that is known",
        make_cluster(*_two()[:2], *_two()[3:], unavailable={COREFILE: Unavailable("not collected", by_design=True)}),
    ),
]
