# SPDX-License-Identifier: Apache-2.0
"""The ends of a question as people and resolvers name them, and which findings are on a way, whoever's check they come from."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import NodePath, ObjectRef, references
from kubectl_netdoc.core.facts import Facts, Measured, Vantage
from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.base import Address, Outcome
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.connect import Connect, ConnectReply, Echo
from kubectl_netdoc.measurements.dns import DnsLookup
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.probes import own_policies
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Explanation, Question
from kubectl_netdoc.reachability.named_end import NoSuchEnd, find
from kubectl_netdoc.reachability.question_run import QuestionSource, answer, relevant_checks
from kubectl_netdoc.reachability.topics import OWN_PREFIX, TOPICS, topic
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import POD, SERVICE
from kubectl_netdoc.sources import FollowUp, nothing_more
from kubectl_netdoc.testing import Built, make_cluster, make_node, make_pod, make_policy, make_service, make_slice
from tests.reachability.test_replay import recorded
from tests.support.api_server import NODE, api_server
from tests.support.commandline import Netdoc, in_process
from tests.support.kubeconfigs import FakeApi, fake_api, kubeconfig, thing

BUS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: broker, namespace: bus}
spec: {serviceName: broker, replicas: 2, template: {metadata: {labels: {app: broker}}, spec: {containers: [{name: c}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: broker, namespace: bus}
spec: {clusterIP: None, selector: {app: broker}, ports: [{name: bus, port: 9092}, {name: admin, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: bus}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: bus}
spec: {ports: [{port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: bus, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{port: 5432, protocol: TCP}]
endpoints: [{addresses: [192.0.2.50]}]
---
apiVersion: v1
kind: Service
metadata: {name: bus, namespace: bus}
spec: {selector: {app: broker}, ports: [{port: 9092}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: own-only, namespace: bus}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: host, namespace: bus}
spec: {template: {metadata: {labels: {app: host}}, spec: {hostNetwork: true, containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: host-first, namespace: bus}
spec:
  template:
    metadata: {labels: {app: hf}}
    spec: {hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet, containers: [{name: c}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: own, namespace: bus}
spec: {template: {metadata: {labels: {app: own}}, spec: {dnsPolicy: None, containers: [{name: c}]}}}
"""


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def told(netdoc: Netdoc, folder: Path, *arguments: str) -> dict[str, Any]:
    (folder / "bus.yaml").write_text(BUS)
    story: dict[str, Any] = json.loads(netdoc("why", *arguments, "--from", folder, "-o", "json").out)
    return story


@pytest.mark.parametrize(
    "name",
    [
        "broker-0.broker.bus",
        "broker-0.broker.bus.svc",
        "broker-0.broker.bus.svc.cluster.local",
        "broker-0.broker.bus.svc.cluster.local.",
    ],
)
def test_a_pod_by_its_name_in_dns(netdoc: Netdoc, tmp_path: Path, name: str) -> None:
    story = told(netdoc, tmp_path, "shop/deploy/web", f"{name}:9092")
    assert (story["answer"], story["stopped_by"]) == ("no", "ingress")
    assert "Pod bus/broker-0" in story["question"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("broker-1.broker", "Pod bus/broker-1"),
        ("broker", "Service bus/broker"),
        ("bus.bus", "Service bus/bus"),
        ("db", "Service bus/db"),
        ("broker.example.org", "broker.example.org"),
        ("broker.bus.", "broker.bus."),
        ("10-0-0-9.bus.pod", "10.0.0.9"),
    ],
)
def test_names_are_searched_from_the_sources_namespace_on(netdoc: Netdoc, tmp_path: Path, name: str, place: str) -> None:
    """Whatever -n says: it is the pod's resolver that searches. ``bus`` is a namespace and a Service in it."""
    port = 5432 if name == "db" else 9092
    story = told(netdoc, tmp_path, "bus/sts/broker", f"{name}:{port}", "-n", "shop")
    assert f"reach {place}" in story["question"]


def test_a_pod_that_is_not_there_is_told(netdoc: Netdoc, tmp_path: Path) -> None:
    (tmp_path / "bus.yaml").write_text(BUS)
    done = netdoc("why", "shop/deploy/web", "other-0.broker.bus:9092", "--from", tmp_path)
    assert (done.code, "has the name other-0" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("source", "destination", "answer", "hop"),
    [
        ("sts/broker", "svc/nobody:80", "unknown", "endpoints"),  # it selects nothing in these files
        ("sts/broker", "svc/bus:9092", "yes", ""),  # the slice beside is another Service's
        ("sts/broker", "svc/db:5432", "yes", ""),
        ("deploy/own", "bus:9092", "unknown", "name"),
        ("sts/broker", "svc/broker:9092", "yes", ""),
        ("sts/broker", "svc/broker:80", "unknown", "service"),  # headless: nothing leads from 80 to 8080
        ("sts/broker", "svc/broker:admin", "yes", ""),  # who asks for SRV records is told 8080
        ("sts/broker", "svc/broker:8080", "yes", ""),
    ],
)
def test_ways_to_a_service(netdoc: Netdoc, tmp_path: Path, source: str, destination: str, answer: str, hop: str) -> None:
    story = told(netdoc, tmp_path, source, destination, "-n", "bus")
    marked = [each["name"] for each in story["hops"] if each["answer"] in ("stops", "weakens", "unknown")]
    assert (story["answer"], marked) == (answer, [hop] if hop else [])


@pytest.mark.parametrize(
    ("source", "destination", "says"),
    [
        ("deploy/host", "bus:9092", "stops"),  # hostNetwork with ClusterFirst is Default
        ("deploy/host", "svc/bus:9092", "-"),
        ("deploy/host", "example.org:443", "-"),
        ("deploy/host-first", "bus:9092", "-"),  # there are no DNS pods in these files
        ("deploy/own", "bus:9092", "unknown"),
        ("sts/broker", "bus:9092", "-"),
    ],
)
def test_who_is_asked_for_the_name(netdoc: Netdoc, tmp_path: Path, source: str, destination: str, says: str) -> None:
    story = told(netdoc, tmp_path, source, destination, "-n", "bus")
    assert [hop["answer"] for hop in story["hops"] if hop["name"] == "name"] == [says]


ALIASES = """
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: second.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: second, namespace: shop}
spec: {type: ExternalName, externalName: bus.bus.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: round, namespace: shop}
spec: {type: ExternalName, externalName: round.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: astray, namespace: shop}
spec: {type: ExternalName, externalName: nowhere.bus.svc.cluster.local}
"""


@pytest.mark.parametrize(("name", "hop"), [("alias", "ingress"), ("round", "name"), ("astray", "service")])
def test_an_alias_of_a_service_is_judged_as_that(netdoc: Netdoc, tmp_path: Path, name: str, hop: str) -> None:
    (tmp_path / "aliases.yaml").write_text(ALIASES)
    for destination in (f"svc/{name}:9092", f"{name}.shop:9092"):
        story = told(netdoc, tmp_path, "deploy/web", destination, "-n", "shop")
        assert story["answer"] != "yes"
        assert hop in [each["name"] for each in story["hops"] if each["answer"] in ("stops", "weakens", "unknown")]


def test_a_headless_service_translates_nothing(netdoc: Netdoc, tmp_path: Path) -> None:
    port = told(netdoc, tmp_path, "sts/broker", "svc/broker:80", "-n", "bus")["ports"]
    assert port == [{"protocol": "TCP", "from_port": 80, "to_port": 80}]


def cluster(*more: Built, ready: bool = True) -> Cluster:
    """web on n1 and n2 behind a Service, and a client on n1."""
    slices = make_slice("web", addresses={"10.0.1.1": "web-1", "10.0.2.1": "web-2"})
    return make_cluster(
        make_node("n1", podCIDRs=["10.0.1.0/24"]),
        make_node("n2", podCIDRs=["10.0.2.0/24"]),
        make_pod("client", labels={"app": "client"}, ip="10.0.1.9"),
        make_pod("web-1", labels={"app": "web"}, ip="10.0.1.1"),
        make_pod("web-2", labels={"app": "web"}, ip="10.0.2.1", node="n2"),
        make_service("web", selector={"app": "web"}),
        slices,
        *more,
    )


def asked(
    found: Cluster, *findings: Finding, destination: str = "svc/web", port: str = "80", source: str = "pod/client"
) -> Explanation:
    engine = Engine(found, ((found.own_namespace, own_policies.LABELS),))
    start = find(engine, source, "shop")
    question = Question(start, find(engine, destination, "shop", "shop"), port)
    numbered = (msgspec.structs.replace(each, id=str(number)) for number, each in enumerate(findings))
    return why(engine, Facts(found, Measured()), question, tuple(numbered))


def finding(subject: Subject, severity: Severity = Severity.FAIL, code: str = "ZZZ001", **evidence: Any) -> Finding:
    """A finding of a check that nobody here knows."""
    return Finding(code, severity, subject, "", evidence, "", (), references=references(evidence))


WEB = Subject("Service", "web", "shop")


@pytest.mark.parametrize(
    ("subject", "evidence", "answer", "hop"),
    [
        (WEB, {}, "partly", "endpoints"),
        (Subject("Service", "other", "shop"), {}, "yes", ""),
        (Subject("Service", "other", "shop"), {"services": [ObjectRef("Service", "web", "shop", 80)]}, "partly", "endpoints"),
        (WEB, {"services": [ObjectRef("Service", "web", "shop", 443)]}, "yes", ""),
        (WEB, {"nodes": ["n2"]}, "partly", "endpoints"),
        (Subject("Pod", "client", "shop"), {}, "no", "source"),
        (Subject("Pod", "web-2", "shop"), {}, "partly", "endpoints"),
        (Subject("Pod", "web-3", "shop"), {}, "yes", ""),
        (Subject("Node", "n1"), {}, "partly", "source"),
        (Subject("Node", "n3"), {}, "yes", ""),
        (Subject("NodePair", "n1--n2"), {"paths": [NodePath("n2", "n1")]}, "partly", "path"),
        (Subject("NodePair", "n1--n3"), {"paths": [NodePath("n1", "n3")]}, "yes", ""),
        (Subject("Address", "10.0.2.1"), {}, "partly", "endpoints"),
        (Subject("Address", "10.0.9.9"), {}, "yes", ""),
        (Subject("Cluster", "something"), {}, "unknown", "source"),
        (Subject("Ingress", "web", "shop"), {}, "yes", ""),
        (Subject("NetworkPolicy", "p", "shop"), {}, "yes", ""),
        (WEB, {"family": "IPv6"}, "yes", ""),
    ],
)
def test_findings_of_checks_that_nobody_knows(subject: Subject, evidence: dict[str, Any], answer: str, hop: str) -> None:
    """They act where their subject stands; what nothing was measured of is not called dead for its node's sake."""
    story = asked(cluster(), finding(subject, **evidence))
    marked = [each.name for each in story.hops if each.findings]
    assert (story.answer, marked) == (answer, [hop] if hop else [])
    mild = asked(cluster(), finding(subject, Severity.WARN, **evidence))
    assert mild.answer == ("partly" if answer == "no" else answer)
    assert asked(cluster(), finding(subject, Severity.INFO, **evidence)).answer == "yes"


def test_every_check_says_where_its_findings_act() -> None:
    known = registry.load()
    missing = [code for code in known.codes if topic(code) is None]
    assert missing == []
    used = {key for code in known.codes for key in TOPICS if code.startswith(key)}
    assert set(TOPICS) - used == set()
    assert all(len(check.prefix) == OWN_PREFIX for check in known.checks)


def test_a_fault_of_the_future_changes_nothing_today() -> None:
    story = asked(cluster(), finding(Subject("Node", "n1"), Severity.WARN, "KPX007", nodes=["n1"]))
    assert (story.answer, story.codes) == ("yes", ())
    assert [each.finding.code for hop in story.hops for each in hop.findings] == ["KPX007"]


def test_a_pod_that_waits_for_its_network_reaches_nobody() -> None:
    story = asked(cluster(make_pod("late", ip="", phase="Pending", ready=False)), source="pod/late")
    assert (story.answer, story.stopped and story.stopped.name) == ("no", "source")


FAMILY = "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 'fd00::/64'}}]}]}"


def test_dns_over_ipv6_is_judged_in_ipv6() -> None:
    six = make_cluster(
        make_pod("client", labels={"app": "client"}, ip="fd00::1"),
        make_pod("dns", "kube-system", labels={"k8s-app": "kube-dns"}, ip="fd00::53"),
        make_service(
            "kube-dns",
            "kube-system",
            selector={"k8s-app": "kube-dns"},
            ports=((53, 53),),
            protocols=("UDP", "TCP"),
            cluster_ip="fd00:96::a",
        ),
        make_pod("web-1", labels={"app": "web"}, ip="fd00::2"),
        make_service("web", selector={"app": "web"}, cluster_ip="fd00:96::1"),
        make_policy(FAMILY),
    )
    story = asked(six, destination="web.shop")
    assert [hop.answer for hop in story.hops if hop.name == "name"] == ["ok"]


DENY_OUT = "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}"


@pytest.mark.parametrize(
    ("ips", "cidrs"),
    [(["10.0.1.0/24"], ["0.0.0.0/0"]), (["fd00::/64"], ["::/0"]), (["10.0.1.0/24", "fd00::/64"], ["0.0.0.0/0", "::/0"])],
)
def test_the_world_outside_is_every_family_that_pods_have_and_no_metadata_address(ips: list[str], cidrs: list[str]) -> None:
    found = make_cluster(
        make_node("n1", podCIDRs=ips),
        make_pod("client", labels={"app": "client"}, ip=ips[0].replace("0/24", "9").replace("/64", "9")),
        make_policy(DENY_OUT),
    )
    story = asked(found, destination="example.org", port="443")
    assert story.stopped is not None
    assert story.fix is not None
    assert [cidr for cidr in ("0.0.0.0/0", "::/0") if cidr in story.fix.yaml] == cidrs
    assert ("169.254.0.0/16" in story.fix.yaml) == ("0.0.0.0/0" in cidrs)
    assert ("fd00:ec2::254/128" in story.fix.yaml) == ("::/0" in cidrs)


def test_a_network_without_an_engine_is_not_sure_to_deny() -> None:
    """flannel has none; whether another one is there tells the canary alone."""
    whole, engine = recorded("policy-not-enforced")
    ends = find(engine, "pod/client", "shop"), find(engine, "svc/web", "shop")
    story = why(engine, Facts(whole.cluster, Measured()), Question(*ends, "80"))
    assert [(hop.name, str(hop.answer)) for hop in story.hops if hop.answer in ("unknown", "STOPS")] == [("ingress", "unknown")]


DENY_IN = "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}"
ALL_NODES = Subject("Cluster", "network policies")


@pytest.mark.parametrize(
    ("code", "subjects", "evidence", "answer"),
    [
        ("ENF001", [ALL_NODES], {}, "yes"),
        ("ENF002", [Subject("Node", "n1")], {}, "no"),  # n2 enforces it, and has an endpoint
        ("ENF002", [Subject("Node", "n1"), Subject("Node", "n2")], {}, "yes"),
        ("ENF003", [ALL_NODES], {"direction": "Ingress"}, "yes"),
        ("ENF003", [ALL_NODES], {"direction": "Egress"}, "no"),
    ],
)
def test_a_policy_stops_where_it_is_enforced(code: str, subjects: list[Subject], evidence: dict[str, Any], answer: str) -> None:
    found = [finding(subject, Severity.FAIL, code, **evidence) for subject in subjects]
    story = asked(cluster(make_policy(DENY_IN)), *found)
    assert (story.answer, bool(story.opened)) == (answer, answer == "yes")
    assert asked(cluster(), *found).codes == ()  # where no policy has a say, nothing is to be enforced


FROM_CLIENT = "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}"


@pytest.mark.parametrize(
    ("policy", "outcome", "answer"),
    [
        ((), Outcome.TIMEOUT, "unknown"),
        ((), Outcome.REFUSED, "no"),
        ((FROM_CLIENT,), Outcome.TIMEOUT, "yes"),
        ((FROM_CLIENT,), Outcome.REFUSED, "yes"),
        ((), Outcome.OK, "yes"),
    ],
)
def test_what_policies_forbid_netdocs_own_pod_is_not_held_against_the_source(
    policy: tuple[str, ...], outcome: Outcome, answer: str
) -> None:
    found = cluster(*(make_policy(spec) for spec in policy))
    tries = [Connect("n1", Address(ip, port)) for ip, port in (("10.96.0.1", 80), ("10.0.1.1", 8080), ("10.0.2.1", 8080))]
    told = Measured(dict.fromkeys(tries, ConnectReply(outcome, 1.0)), (Vantage("n1", running=True, ip="10.0.1.8"),))
    engine = Engine(found, ((found.own_namespace, own_policies.LABELS),))
    question = Question(find(engine, "pod/client", "shop"), find(engine, "svc/web", "shop"), "80")
    assert why(engine, Facts(found, told), question).answer == answer


def test_parts_that_are_stopped_at_different_hops_leave_nothing() -> None:
    one, other = finding(Subject("Pod", "web-1", "shop")), finding(Subject("Pod", "web-2", "shop"))
    assert asked(cluster(), one).answer == "partly"
    assert asked(cluster(), one, other).answer == "no"
    denied = "{podSelector: {matchLabels: {role: second}}, policyTypes: [Ingress]}"
    second = make_pod("web-2", labels={"app": "web", "role": "second"}, ip="10.0.2.1", node="n2")
    assert asked(cluster(second, make_policy(denied)), one).answer == "no"


# What is read and measured


class FakeSource:
    """A source that notes what it is asked for."""

    label = "here"

    def __init__(self, found: Cluster) -> None:
        self.found = found
        self.kinds: tuple[str, ...] = ()
        self.requests: tuple[Request, ...] = ()

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        self.kinds = tuple(kind.name for kind in kinds)
        self.found.vantages = ("n1", "n2", "n3")
        return self.found

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        self.requests = requests
        return Measured(why_unmeasured="not here")


def put(source: FakeSource, destination: str = "svc/web", *, probed: bool) -> Explanation:
    def compiled(found: Cluster) -> Engine:
        return Engine(found, ((found.own_namespace, own_policies.LABELS),))

    def ask(engine: Engine) -> Question:
        return Question(find(engine, "pod/client", "shop"), find(engine, destination, "shop"), "80")

    known = registry.load()
    return answer(
        QuestionSource(source, (POD, SERVICE), compiled, ask, probed=probed), known, relevant_checks(known.checks, True, probed)
    )[0]


def test_a_probe_measures_the_way_and_nothing_else() -> None:
    source = FakeSource(
        cluster(make_node("n3"), make_service("other", selector={"app": "web"}, cluster_ip="10.96.0.2", ports=((81, 81),)))
    )
    assert put(source, probed=True).answer == "yes"
    assert {request.node for request in source.requests} == {"n1", "n2"}
    assert not any(isinstance(request, Canary) for request in source.requests)
    assert {type(request) for request in source.requests} >= {Connect, DnsLookup, Echo}
    tried = {request.to.ip for request in source.requests if isinstance(request, Connect)}
    assert tried == {"10.96.0.1", "10.0.1.1", "10.0.2.1"}


def test_without_a_probe_no_check_that_measures_is_run() -> None:
    source = FakeSource(cluster())
    put(source, probed=False)
    assert source.requests == ()
    assert {check.needs.tier for check in relevant_checks(registry.load().checks, True, False)} == {Tier.API}
    assert not {"TlsSecret", "GatewayClass", "PodMetrics"} & set(source.kinds)


def _served(api: FakeApi) -> None:
    api.lists("/api/v1/nodes", thing("n1"))
    spec = {"nodeName": "n1", "containers": [{"name": "c"}]}
    pods = (
        thing(name, "shop", spec=spec, status={"phase": "Running", "podIPs": [{"ip": ip}]})
        for name, ip in (("a", "10.0.0.1"), ("b", "10.0.0.2"))
    )
    api.lists("/api/v1/pods", *pods)


def test_why_of_a_live_cluster_reads_and_makes_nothing(netdoc: Netdoc, tmp_path: Path) -> None:
    with fake_api() as api:
        _served(api)
        done = netdoc("why", "pod/a", "pod/b:80", "-n", "shop", "--kubeconfig", kubeconfig(tmp_path, api.url), "-o", "json")
        assert api.seen("/api/v1/pods")
        assert not any(api.seen(path) for path in ("/api/v1/secrets", "/apis/metrics.k8s.io/v1beta1/pods"))
    story = json.loads(done.out)
    assert (done.code, story["answer"]) == (0, "yes")
    assert [hop["text"] for hop in story["hops"] if hop["name"] == "port"] == ["TCP 80: not measured (use --probe to measure)"]


def test_a_probe_of_a_live_cluster(netdoc: Netdoc, tmp_path: Path) -> None:
    """Debug pods on the nodes of the way alone, nothing read twice, no policy made, and what was tried is told."""
    with api_server() as server:
        spec = {"nodeName": "n1", "containers": [{"name": "c"}]}
        pods = ((name, {"phase": "Running", "podIPs": [{"ip": ip}]}) for name, ip in (("a", "10.0.0.1"), ("b", "10.0.0.2")))
        server.lists["/api/v1/pods"] = [thing(name, "shop", spec=spec, status=status) for name, status in pods]
        server.lists["/api/v1/nodes"] = [NODE, NODE | {"metadata": {"name": "n2"}}]
        path = kubeconfig(tmp_path, server.url)
        done = netdoc("why", "pod/a", "pod/b:80", "-n", "shop", "--probe", "--timeout", "10s", "--kubeconfig", path, "-o", "json")
    read = Counter(f"{heard.path} {sorted(heard.query.items())}" for heard in server.heard if heard.verb == "get")
    assert [what for what, times in read.items() if times > 1] == []
    assert {pod["spec"].get("nodeName") or placed(pod) for pod in server.made("pods")} == {"n1"}
    assert server.made("networkpolicies") == []
    story = json.loads(done.out)
    assert [one["address"] for one in story["tried"]] == ["10.0.0.2:80"]
    assert story["tried"][0]["outcome"] == ""


def placed(pod: dict[str, Any]) -> str:
    """The node that a pod's affinity names."""
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return str(terms[0]["matchFields"][0]["values"][0])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("192.0.2.1", "pod/b:80", "--probe"), "runs on no known node"),
        (("pod/a", "pod/b", "--probe"), "needs a TCP port"),
        (("pod/a", "pod/b:80", "--probe", "--target"), "without a terminal it needs --yes"),
        (("pod/a", "pod/b:80", "--target"), "--target needs --probe"),
    ],
)
def test_what_is_refused_before_anything_is_made(netdoc: Netdoc, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    with api_server() as server:
        spec = {"nodeName": "n1", "containers": [{"name": "c"}]}
        status = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}
        server.lists["/api/v1/pods"] = [thing(name, "shop", spec=spec, status=status) for name in ("a", "b")]
        done = netdoc("why", *arguments, "-n", "shop", "--kubeconfig", kubeconfig(tmp_path, server.url))
    assert (done.code, says in done.err) == (2, True), done.err
    assert "post" not in server.verbs()


def test_no_such_place_is_still_a_usage_error() -> None:
    with pytest.raises(NoSuchEnd):
        asked(cluster(), destination="svc/nothing")
