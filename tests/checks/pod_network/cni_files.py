# SPDX-License-Identifier: Apache-2.0
"""Cases of cni_files: a node's first file is held against those of the others."""

from kubectl_netdoc.api import CniConfig, CniConfigReply, Lost, Outcome, Reply, Request, Tier
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.node import CniFile
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.testing import Case, ago, make_cluster, make_node, measured
from tests.support.cni_objects import PUBLISHED

NODES = ("n1", "n2", "n3")
OWN = CniFile("10-flannel.conflist", "cbr0", ("flannel", "portmap"))
OLD = CniFile("00-old.conflist", "old", ("bridge",))
BAD = CniFile("00-bad.conf", problem="JSONDecodeError: line 1")
BEHIND = CniFile("20-old.conflist", "old", ("bridge",))


def _cluster(*names: str, tier: Tier = Tier.PRIVILEGED) -> Cluster:
    return make_cluster(*map(make_node, names), vantages=names, tier=tier)


C, TWO, ONE = _cluster(*NODES), _cluster("n1", "n2"), _cluster("n1")

CHAINED = CniFile("10-flannel.conflist", "cbr0", ("flannel", "portmap", "istio-cni"))
CILIUM = CniFile("05-cilium.conflist", "cilium", ("cilium-cni",))
MIGRATED = make_cluster(
    *map(make_node, NODES),
    *PUBLISHED["flannel vxlan"].agents(),
    *map(PUBLISHED["flannel vxlan"].pod, NODES),
    *PUBLISHED["cilium tunnel"].agents(wanted=1),
    PUBLISHED["cilium tunnel"].pod("n3"),
    vantages=NODES,
    tier=Tier.PRIVILEGED,
)
"""Flannel, from which the nodes are moved to Cilium one after the other; the third one has been."""


def _nodes(age: float = 86400.0, runtime: str = "containerd://2.1.3") -> Cluster:
    """Three nodes with that runtime, of which the third is so old."""
    info = {"status": {"nodeInfo": {"containerRuntimeVersion": runtime}}}
    built = [
        (NODE, convert(NODE, {"metadata": {"name": name, "creationTimestamp": ago(age if name == "n3" else 86400.0)}} | info))
        for name in NODES
    ]
    return make_cluster(*built, vantages=NODES, tier=Tier.PRIVILEGED)


YOUNG, CRIO = _nodes(age=60.0), _nodes(runtime="cri-o://1.33.1")


def _measure(cluster: Cluster = C, **files: tuple[CniFile, ...] | None) -> Measured:
    """``files``: of nodes that do not have the usual one alone; None for no answer."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, CniConfig)
        own = files.get(request.node, (OWN,))
        return Lost("cut") if own is None else CniConfigReply(Outcome.OK, 1.0, own)

    return measured(registry.load().choose(["cni_files"])[0], cluster, answer)


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster = C, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


FOLDER = CniFile("10-flannel.conflist", "cbr0", listed=False, folder=("flannel", "portmap"))
EMPTY = CniFile("10-flannel.conflist", "cbr0", listed=False)
ADDED = CniFile("10-flannel.conflist", "cbr0", ("flannel",), folder=("portmap",))
SPOILT = CniFile("10-flannel.conflist", "cbr0", ("flannel",), folder_problem="ValueError: a plugin has no type")
BARE = CniFile("10-flannel.conflist", "cbr0", ("flannel",))


def _edge(*, runtime: str = "containerd://2.1.3", **more: object) -> Cluster:
    """A node that runs one pod with a host port, unless told otherwise."""
    info = {"status": {"nodeInfo": {"containerRuntimeVersion": runtime}}}
    node = NODE, convert(NODE, {"metadata": {"name": "n1", "creationTimestamp": ago(86400.0)}} | info)
    port = {"containerPort": 80, "hostPort": 8080}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "ports": [port]}], **more}
    pod = convert(POD, {"metadata": {"name": "edge-1", "namespace": "edge"}, "spec": spec, "status": {"phase": "Running"}})
    return make_cluster(node, (POD, pod), vantages=("n1",), tier=Tier.PRIVILEGED)


def _host_port(name: str, file: CniFile, *codes: str, **more: object) -> Case:
    cluster = _edge(**more)  # type: ignore[arg-type]
    return _case(name, _measure(cluster, n1=(file,)), *((code, "Node n1") for code in codes), cluster=cluster)


def _read_by(runtime: str, name: str, file: CniFile, *expect: tuple[str, str], state: str = "") -> Case:
    cluster = _nodes(runtime=runtime)
    return _case(f"{runtime}: {name}", _measure(cluster, n2=(file,)), *expect, cluster=cluster, state=state)


CASES = [
    _host_port("a host port, and portmap", OWN),
    _host_port("a host port without portmap", BARE, "CNF004"),
    _host_port("a host port without portmap, which the network opens", CILIUM),
    _host_port("a host port without portmap, which CRI-O opens", BARE, runtime="cri-o://1.33.1"),
    _host_port("without portmap, and the pod is on the host network", BARE, hostNetwork=True),
    _host_port("without portmap, and the pod is on another node", BARE, nodeName="n2"),
    _case("healthy", _measure()),
    _case("a foreign file sorts first", _measure(n2=(OLD, OWN)), ("CNF001", "Node n2")),
    _case("it sorts last", _measure(n2=(OWN, BEHIND)), ("CNF010", "Node n2")),
    _case(
        "on all nodes", _measure(n1=(OWN, BEHIND), n2=(OWN, BEHIND), n3=(OWN, BEHIND)), ("CNF010", "Cluster CNI configuration")
    ),
    _case("a file that is no JSON", _measure(n2=(BAD, OWN)), ("CNF002", "Node n2")),
    *(
        _read_by(runtime, name, file, *expect, state=state)
        for runtime, name, file, expect, state in (
            ("containerd://2.4.2", "a list with its plugins in a folder", FOLDER, (), ""),
            ("containerd://2.4.2", "a list without plugins anywhere", EMPTY, (("CNF002", "Node n2"),), ""),
            ("containerd://2.4.2", "a folder that adds to a list", ADDED, (), ""),
            ("containerd://2.4.2", "a folder with a broken file", SPOILT, (("CNF002", "Node n2"),), ""),
            ("containerd://2.0.5", "a list with its plugins in a folder", FOLDER, (("CNF002", "Node n2"),), ""),
            ("containerd://1.6.20", "a folder that adds to a list", ADDED, (), ""),
            ("containerd://1.7.29", "a folder with a broken file", SPOILT, (), ""),
            ("cri-o://1.34.0", "a list with its plugins in a folder", FOLDER, (), ""),
            ("cri-o://1.33.1", "a list with its plugins in a folder", FOLDER, (), "unknown"),
            ("", "a list with its plugins in a folder", FOLDER, (), "unknown"),
        )
    ),
    _case("no file", _measure(n2=()), ("CNF003", "Node n2")),
    _case("no file anywhere", _measure(n1=(), n2=(), n3=())),
    _case("two nodes that differ: nobody knows which is right", _measure(TWO, n2=(OLD,)), cluster=TWO),
    _case(
        "two against two",
        _measure(_cluster("n1", "n2", "n3", "n4"), n1=(OLD,), n2=(OLD,)),
        cluster=_cluster("n1", "n2", "n3", "n4"),
    ),
    _case("one node", _measure(ONE, n1=(OLD, OWN)), ("CNF010", "Node n1"), cluster=ONE),
    _case("a plugin that was added on one node so far (Istio's)", _measure(n2=(CHAINED,))),
    _case("a foreign file, and none of the network's own behind it", _measure(n2=(OLD,)), ("CNF001", "Node n2")),
    _case("a node with an agent that the others don't have", _measure(MIGRATED, n3=(CILIUM,)), cluster=MIGRATED),
    _case("no file, and the agent that writes it", _measure(MIGRATED, n2=()), ("CNF003", "Node n2"), cluster=MIGRATED),
    _case("a node that has just joined", _measure(YOUNG, n3=()), cluster=YOUNG),
    _case("CRI-O passes over what it can't use", _measure(CRIO, n2=(BAD, OWN)), cluster=CRIO),
    _case("no answer from one", _measure(n2=None), state="unknown"),
    _case("not asked for", Measured(), cluster=_cluster(*NODES, tier=Tier.NODES), state="skipped"),
]
