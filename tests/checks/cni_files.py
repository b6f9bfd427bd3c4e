"""Cases of cni_files: a node's first file is held against those of the others."""

from kubectl_netdoc import registry
from kubectl_netdoc.api import CniConfig, CniConfigReply, Lost, Outcome, Reply, Request, Tier
from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.facts import Measured
from kubectl_netdoc.requests import CniFile
from kubectl_netdoc.testing import Case, make_cluster, make_node, measured

NODES = ("n1", "n2", "n3")
OWN = CniFile("10-flannel.conflist", "cbr0", ("flannel", "portmap"))
OLD = CniFile("00-old.conflist", "old", ("bridge",))
BAD = CniFile("00-bad.conf", problem="JSONDecodeError: line 1")
BEHIND = CniFile("20-old.conflist", "old", ("bridge",))


def _cluster(*names: str, tier: Tier = Tier.PRIVILEGED) -> Cluster:
    return make_cluster(*map(make_node, names), vantages=names, tier=tier)


C, TWO, ONE = _cluster(*NODES), _cluster("n1", "n2"), _cluster("n1")


def _measure(cluster: Cluster = C, **files: tuple[CniFile, ...] | None) -> Measured:
    """``files``: of nodes that do not have the usual one alone; None for no answer."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, CniConfig)
        own = files.get(request.node, (OWN,))
        return Lost("cut") if own is None else CniConfigReply(Outcome.OK, 1.0, own)

    return measured(registry.load().choose(["cni_files"])[0], cluster, answer)


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster = C, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


CASES = [
    _case("healthy", _measure()),
    _case("a foreign file sorts first", _measure(n2=(OLD, OWN)), ("CNF001", "Node n2"), ("CNF010", "Node n2")),
    _case("it sorts last", _measure(n2=(OWN, BEHIND)), ("CNF010", "Node n2")),
    _case(
        "on all nodes", _measure(n1=(OWN, BEHIND), n2=(OWN, BEHIND), n3=(OWN, BEHIND)), ("CNF010", "Cluster CNI configuration")
    ),
    _case("a file that is no JSON", _measure(n2=(BAD, OWN)), ("CNF002", "Node n2"), ("CNF010", "Node n2")),
    _case("no file", _measure(n2=()), ("CNF003", "Node n2")),
    _case("no file anywhere", _measure(n1=(), n2=(), n3=())),
    _case("two nodes that differ: nobody knows which is right", _measure(TWO, n2=(OLD,)), cluster=TWO),
    _case(
        "two against two",
        _measure(_cluster("n1", "n2", "n3", "n4"), n1=(OLD,), n2=(OLD,)),
        cluster=_cluster("n1", "n2", "n3", "n4"),
    ),
    _case("one node", _measure(ONE, n1=(OLD, OWN)), ("CNF010", "Node n1"), cluster=ONE),
    _case("no answer from one", _measure(n2=None), state="unknown"),
    _case("not asked for", Measured(), cluster=_cluster(*NODES, tier=Tier.NODES), state="skipped"),
]
