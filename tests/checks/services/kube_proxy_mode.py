# SPDX-License-Identifier: Apache-2.0
"""Cases of kube_proxy_mode: what is set against what each kube-proxy says of itself, and what comes of its mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec

from kubectl_netdoc.api import Cluster, HttpGet, HttpReply, Link, Lost, Outcome, Reply, Request, Rtnetlink, RtnetlinkReply
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_AGENT
from kubectl_netdoc.records.kinds import POD, SERVICE
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.records.nodes import Node, NodeAddress
from kubectl_netdoc.testing import NOW, Built, Case, make_cluster, make_service, make_slice, measured
from tests.checks.services.kube_proxy_presence import NAMES, cilium, node, proxy

CLUSTER = "Cluster kube-proxy"
NODE_2 = "Node n2"
ALL = tuple(map(proxy, NAMES))


def _config(mode: str, name: str = "kube-proxy", key: str = "config.conf") -> Built:
    """Return kube-proxy's ConfigMap as kubeadm writes it (v1.34), EKS under another name and key."""
    text = f"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nipvs:\n  mode: x\nkind: KubeProxyConfiguration\nmode: {mode}\n"
    return PROXY_CONFIG, convert(
        PROXY_CONFIG, {"metadata": {"name": name, "namespace": "kube-system"}, "data": {key: text, "kubeconfig.conf": "x"}}
    )


def _flag(mode: str) -> Built:
    """Return the DaemonSet with its mode as a flag, as Talos and AKS have it."""
    container = {"command": ["/usr/local/bin/kube-proxy", f"--proxy-mode={mode}"]}
    meta = {"name": "kube-proxy", "namespace": "kube-system"}
    return NETWORK_AGENT, convert(NETWORK_AGENT, {"metadata": meta, "spec": {"template": {"spec": {"containers": [container]}}}})


def _cluster(
    *more: Built,
    proxies: Iterable[Built] = ALL,
    nodes: Iterable[Built] | None = None,
    tier: Tier = Tier.NODES,
    server: str = "v1.34.4",
) -> Cluster:
    found = make_cluster(
        *(nodes if nodes is not None else map(node, NAMES)),
        *proxies,
        *more,
        vantages=() if tier is Tier.API else NAMES,
        tier=tier,
    )
    found.server = server
    return found


def _stamp(seconds_ago: float) -> str:
    return str((NOW - timedelta(seconds=seconds_ago)).timestamp())


def _metrics(queued: float = 600, last: float = 599) -> HttpReply:
    """``queued``, ``last``: seconds ago of the last change that came, and of the last update of the rules."""
    lines = (
        f'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{{ip_family="IPv4"}} {_stamp(queued)}',
        f'kubeproxy_sync_proxy_rules_last_timestamp_seconds{{ip_family="IPv4"}} {_stamp(last)}',
        'kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 900',
        'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 100',
    )
    return HttpReply(Outcome.OK, 1.0, 200, lines)


def _livez(status: int = 200) -> HttpReply:
    moment = NOW.isoformat().replace("+00:00", "123Z")
    return HttpReply(Outcome.OK, 1.0, status, (f'{{"lastUpdated":"{moment}","currentTime":"{moment}","nodeEligible":true}}',))


SILENT, REFUSED = HttpReply(Outcome.TIMEOUT, 2000.0), HttpReply(Outcome.REFUSED, 0.2)
IPVS0 = Link("kube-ipvs0", "dummy", addresses=("10.96.0.1/32", "10.96.0.10/32"))


def _measure(
    cluster: Cluster,
    modes: dict[str, str] | str = "iptables",
    *,
    of_n2: Mapping[str, Reply] | None = None,
    everywhere: Reply | None = None,
    links: tuple[Link, ...] = (),
    down: str = "",
    loopback: str = "127.0.0.1",
) -> Measured:
    """``modes``: all nodes', or by node. ``of_n2``: n2's answer by path; ``everywhere``: every HTTP answer; ``links``: n2's."""

    def answer(request: Request) -> Reply:
        if isinstance(request, Rtnetlink):
            return RtnetlinkReply(Outcome.OK, 1.0, links=(Link("lo"), *(links if request.node == "n2" else ())))
        assert isinstance(request, HttpGet)
        assert request.host
        assert isinstance(request.to, Address)
        assert request.to.ip == loopback
        assert request.to.port == (10256 if "healthz" in request.path or "livez" in request.path else 10249)
        if everywhere is not None:
            return everywhere
        if request.node == "n2" and of_n2 and request.path in of_n2:
            return of_n2[request.path]
        mode = modes if isinstance(modes, str) else modes[request.node]
        said = {"/proxyMode": HttpReply(Outcome.OK, 1.0, 200, (mode,)), "/metrics": _metrics(), "/livez": _livez()}
        return said.get(request.path, _livez())

    check = registry.load().choose(["kube_proxy_mode"])[0]
    return measured(check, cluster, answer, down={down: "NotStarted"} if down else None)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], facts: Measured | None = None, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts if facts is not None else _measure(cluster), state)


def _many(number: int) -> list[Built]:
    return [make_service(f"s{n}") for n in range(number)] + [make_slice("s1", addresses={"10.0.0.1": "web-1"})]


SET, IPVS, DEFAULT, UNKNOWN = _cluster(_config("iptables")), _cluster(_config("ipvs")), _cluster(_config('""')), _cluster()
HUNG = {"/proxyMode": SILENT, "/livez": SILENT, "/metrics": SILENT}
API_ONLY = Measured(why_unmeasured="not asked for: --no-pods")
LARGE = _cluster(_config("iptables"), *_many(1000), tier=Tier.API)


def _ranges(range_: str, *ips: str, how: str = "", proxies: Iterable[Built] = ALL, host: bool = False) -> Cluster:
    """kube-proxy with that clusterCIDR and detectLocalMode, and pods with these addresses."""
    text = f"kind: KubeProxyConfiguration\nclusterCIDR: {range_}\ndetectLocalMode: {how}\nmode: iptables\n"
    config = {"metadata": {"name": "kube-proxy", "namespace": "kube-system"}, "data": {"config.conf": text}}
    spec = {"nodeName": "n1", "hostNetwork": host}
    own = [
        {
            "metadata": {"name": f"p{ip}", "namespace": "shop"},
            "spec": spec,
            "status": {"phase": "Running", "podIPs": [{"ip": ip}]},
        }
        for ip in ips
    ]
    pods = ((POD, convert(POD, each)) for each in own)
    return _cluster((PROXY_CONFIG, convert(PROXY_CONFIG, config)), *pods, proxies=proxies, tier=Tier.API)


def _stranger(name: str, cluster: Cluster, *expect: tuple[str, str], state: str = "") -> Case:
    return _case(f"clusterCIDR: {name}", cluster, *expect, facts=API_ONLY, state=state)


def _of_ipv6(name: str) -> Built:
    """A node whose first address is of IPv6."""
    kind, built = node(name)
    assert isinstance(built, Node)
    own = NodeAddress(type="InternalIP", address="fd00::1")
    return kind, msgspec.structs.replace(built, status=msgspec.structs.replace(built.status, addresses=(own,)))


STRANGE = ("KPX012", CLUSTER)
OF_IPV6 = _cluster(_config("iptables"), nodes=map(_of_ipv6, NAMES))
RANGES = [
    _stranger("holds the pods", _ranges("10.244.0.0/16", "10.244.1.7")),
    _stranger("does not hold them", _ranges("10.32.0.0/12", "10.244.1.7"), STRANGE),
    _stranger("does not hold one of them", _ranges("10.244.0.0/16", "10.244.1.7", "10.99.0.7"), STRANGE),
    _stranger("empty", _ranges('""', "10.244.1.7")),
    _stranger("not used: pods are told by their link", _ranges("10.32.0.0/12", "10.244.1.7", how="InterfaceNamePrefix")),
    _stranger("used by name", _ranges("10.32.0.0/12", "10.244.1.7", how="ClusterCIDR"), STRANGE),
    _stranger("of both families", _ranges("10.244.0.0/16,fd00::/48", "10.244.1.7", "fd00::7")),
    _stranger("does not hold those of one family", _ranges("10.244.0.0/16,fd01::/48", "10.244.1.7", "fd00::7"), STRANGE),
    _stranger("of one family, pods of the other", _ranges("10.244.0.0/16", "fd00::7")),
    _stranger("pods of the host network", _ranges("10.244.0.0/16", "192.168.0.1", host=True)),
    _stranger("no kube-proxy is there", _ranges("10.32.0.0/12", "10.244.1.7", proxies=()), state="skipped"),
    _case("on nodes of IPv6 it is asked at their own loopback", OF_IPV6, facts=_measure(OF_IPV6, loopback="::1")),
    _case("nor is its hang missed there", OF_IPV6, ("KPX001", NODE_2), facts=_measure(OF_IPV6, of_n2=HUNG, loopback="::1")),
]


def _pulling(image: str, name: str = "web-1") -> Built:
    """A pod of an image."""
    meta = {"name": name, "namespace": "shop"}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": image}]}
    return POD, convert(POD, {"metadata": meta, "spec": spec, "status": {"phase": "Running"}})


REGISTRY = (
    SERVICE,
    convert(
        SERVICE,
        {
            "metadata": {"name": "registry", "namespace": "tools"},
            "spec": {"type": "NodePort", "ports": [{"port": 5000, "nodePort": 30500}]},
        },
    ),
)
FROM_LOCALHOST = ("KPX014", "Service tools/registry")


def _local(image: str, mode: str = "nftables", server: str = "v1.37.2") -> tuple[Cluster, Measured]:
    cluster = _cluster(_config(mode), REGISTRY, _pulling(image), server=server)
    return cluster, _measure(cluster, mode)


CASES = [
    *RANGES,
    *(
        _case(f"images from a node port on localhost: {why}", cluster, *found, facts=facts)
        for why, (cluster, facts), found in (
            ("not answered", _local("localhost:30500/shop/web:1"), (FROM_LOCALHOST,)),
            ("by its address", _local("127.0.0.1:30500/shop/web:1"), (FROM_LOCALHOST,)),
            ("iptables mode answers", _local("localhost:30500/shop/web:1", "iptables"), ()),
            ("another port", _local("localhost:5000/shop/web:1"), ()),
            ("another host", _local("registry.example:30500/shop/web:1"), ()),
            ("answered again", _local("localhost:30500/shop/web:1", server="v1.38.0"), ()),
            ("its version is not known", _local("localhost:30500/shop/web:1", server=""), ()),
        )
    ),
    _case("as it is set, on each node", SET),
    _case("nothing below the nodes tier: inferred", _cluster(_config("iptables"), tier=Tier.PODS), facts=Measured()),
    _case("set to ipvs, and in it", IPVS, ("KPX010", CLUSTER), facts=_measure(IPVS, "ipvs")),
    _case("set to nftables, and not restarted", (nft := _cluster(_config("nftables"))), ("KPX004", CLUSTER), facts=_measure(nft)),
    _case(
        "the ConfigMap of EKS, on one node otherwise",
        (eks := _cluster(_config("iptables", "kube-proxy-config", "config"))),
        ("KPX004", CLUSTER),
        facts=_measure(eks, {"n1": "iptables", "n2": "nftables", "n3": "iptables"}),
    ),
    _case(
        "a flag wins over the ConfigMap",
        (flag := _cluster(_flag("nftables"), _config("iptables"))),
        facts=_measure(flag, "nftables"),
    ),
    _case("the default may be either", DEFAULT, facts=_measure(DEFAULT, "nftables")),
    _case("the default is never ipvs", DEFAULT, ("KPX004", CLUSTER), ("KPX010", CLUSTER), facts=_measure(DEFAULT, "ipvs")),
    _case(
        "nobody says what is set, and nodes differ",
        UNKNOWN,
        ("KPX005", CLUSTER),
        facts=_measure(UNKNOWN, {"n1": "iptables", "n2": "nftables", "n3": "iptables"}),
    ),
    _case(
        "a change is being rolled out",
        (rolling := _cluster(_config("nftables"), proxies=(*ALL[:2], proxy("n3", age=40)))),
        ("KPX005", CLUSTER),
        facts=_measure(rolling, {"n1": "iptables", "n2": "iptables", "n3": "nftables"}),
    ),
    _case(
        "a restart did not bring the mode that is set",
        rolling,
        ("KPX004", CLUSTER),
        facts=_measure(rolling, "iptables"),
    ),
    _case(
        "a node that joined has the mode that is set, the others were never restarted",
        (
            grown := _cluster(
                _config("nftables"), proxies=(*ALL[:2], proxy("n3", age=40)), nodes=[node("n1"), node("n2"), node("n3", age=60)]
            )
        ),
        ("KPX004", CLUSTER),
        facts=_measure(grown, {"n1": "iptables", "n2": "iptables", "n3": "nftables"}),
    ),
    _case("one hangs", SET, ("KPX001", NODE_2), facts=_measure(SET, of_n2=HUNG)),
    _case(
        "one hangs on a node that is only just joining",
        (young := _cluster(_config("iptables"), nodes=[node("n1"), node("n2", age=60), node("n3")])),
        facts=_measure(young, of_n2=HUNG),
    ),
    _case("one is slow to tell its mode alone", SET, facts=_measure(SET, of_n2={"/proxyMode": SILENT})),
    _case("metrics and health on other addresses: refused", SET, facts=_measure(SET, everywhere=REFUSED)),
    _case(
        "no pod there, and nothing answers: kube_proxy_presence's",
        (gone := _cluster(_config("iptables"), proxies=(ALL[0], ALL[2]))),
        facts=_measure(gone, of_n2=HUNG),
    ),
    _case("one says that it does not keep up", SET, ("KPX002", NODE_2), facts=_measure(SET, of_n2={"/livez": _livez(503)})),
    _case(
        "before 1.28 it is asked for /healthz",
        (old := _cluster(_config("iptables"), nodes=[node(name, version="v1.27.3") for name in NAMES], server="v1.27.3")),
        ("KPX002", NODE_2),
        facts=_measure(old, of_n2={"/healthz": _livez(503)}),
    ),
    _case("changes wait for a minute", SET, ("KPX003", NODE_2), facts=_measure(SET, of_n2={"/metrics": _metrics(60, 900)})),
    _case("changes wait for a moment", SET, facts=_measure(SET, of_n2={"/metrics": _metrics(5, 900)})),
    _case(
        "without its own clock nobody knows how long",
        SET,
        facts=_measure(SET, of_n2={"/metrics": _metrics(60, 900), "/livez": REFUSED}),
    ),
    _case("ipvs's interface left behind", SET, ("KPX006", NODE_2), facts=_measure(SET, links=(IPVS0,))),
    _case("ipvs's interface in ipvs mode", IPVS, ("KPX010", CLUSTER), facts=_measure(IPVS, "ipvs", links=(IPVS0,))),
    _case("ipvs by the API alone", _cluster(_config("ipvs"), tier=Tier.API), ("KPX010", CLUSTER), facts=API_ONLY),
    _case(
        "ipvs before the version that does not start in it",
        _cluster(_config("ipvs"), tier=Tier.API, server="v1.39.0"),
        ("KPX007", CLUSTER),
        facts=API_ONLY,
    ),
    _case(
        "no mode is set before the default changes",
        _cluster(_config('""'), server="v1.38.0"),
        ("KPX013", CLUSTER),
        facts=API_ONLY,
    ),
    _case("no mode, and nothing announced yet", _cluster(_config('""'), server="v1.36.3"), facts=API_ONLY),
    _case("no mode, and the default has changed", _cluster(_config('""'), server="v1.40.0"), facts=API_ONLY),
    _case(
        "the ConfigMap sets no mode, a flag does", _cluster(_config('""'), _flag("iptables"), server="v1.38.0"), facts=API_ONLY
    ),
    _case("iptables mode is set", _cluster(_config("iptables"), server="v1.38.0"), facts=API_ONLY),
    _case("a thousand Services in iptables mode", LARGE, ("KPX011", CLUSTER), facts=API_ONLY),
    _case("fewer", _cluster(_config("iptables"), *_many(999), tier=Tier.API), facts=API_ONLY),
    _case(
        "a thousand Services, one old kernel",
        _cluster(_config("iptables"), *_many(1000), nodes=[node("n1"), node("n2", kernel="5.10.1-x"), node("n3")], tier=Tier.API),
        facts=API_ONLY,
    ),
    _case(
        "a thousand Services, before nftables mode is stable",
        _cluster(_config("iptables"), *_many(1000), tier=Tier.API, server="v1.32.1"),
        facts=API_ONLY,
    ),
    _case("Cilium does its work", _cluster(*cilium("true"), proxies=()), state="skipped"),
    _case("none to be seen", _cluster(proxies=()), state="skipped"),
    _case(
        "part of k3s",
        (k3s := _cluster(proxies=(), nodes=[node(name, version="v1.33.5+k3s1") for name in NAMES])),
        ("KPX001", NODE_2),
        facts=_measure(k3s, of_n2=HUNG),
    ),
    _case("no pod on the host network on one node", SET, facts=_measure(SET, down="n2"), state="unknown"),
    _case(
        "cut off on one node",
        SET,
        facts=_measure(SET, of_n2=dict.fromkeys(HUNG, Lost("cut"))),
        state="unknown",
    ),
    _case(
        "asked for, and no host pod ran anywhere",
        SET,
        facts=Measured(hosts=tuple(Vantage(name, running=False, reason="AdmissionRefused") for name in NAMES)),
        state="unknown",
    ),
]
