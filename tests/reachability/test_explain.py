# SPDX-License-Identifier: Apache-2.0
"""why: the hop that stops a connection, and that the fix it prints mends exactly that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_netdoc.core.facts import Facts, Measured
from kubectl_netdoc.measurements.base import Lost, Outcome
from kubectl_netdoc.measurements.connect import ConnectReply
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.probes import own_policies
from kubectl_netdoc.reachability import probe as trial
from kubectl_netdoc.reachability.connection_path import ConnectionPath
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Question
from kubectl_netdoc.reachability.named_end import find
from kubectl_netdoc.reachability.probe import ProbeResult
from kubectl_netdoc.testing import make_cluster, make_pod, make_policy, make_service
from tests.support.commandline import Netdoc, complaint, in_process

ALL_ADDRESSES = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: report, namespace: lab}
spec: {template: {metadata: {labels: {app: report}}, spec: {containers: [{name: c}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{name: sql, port: 5000, targetPort: sql}]}
---
apiVersion: v1
kind: Service
metadata: {name: broken, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: nothing}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: example.org}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP, targetPort: 53}, {name: tcp, port: 53, targetPort: 53}]}
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: c}]}
"""
DENY = ("deny", "{podSelector: {}, policyTypes: [Ingress]}")
DENY_OUT = ("deny-out", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}")
OTHER_PORT = ("other", "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5000}]}]}")
OUT_TO_BLOCK = (
    "out",
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}",
)

TO_DNS_PODS = (
    "dns",
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]}]}",
)


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def folder(path: Path, *policies: tuple[str, str], more: str = "") -> Path:
    """The world's manifests, and policies of shop."""
    documents = [ALL_ADDRESSES, more]
    for name, spec in policies:
        item = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "shop"}}
        documents.append(yaml.safe_dump(item | {"spec": yaml.safe_load(spec)}))
    (path / "world.yaml").write_text("\n---\n".join(documents))
    return path


def told(netdoc: Netdoc, place: Path, source: str, destination: str, *options: str) -> dict[str, Any]:
    done = netdoc("why", source, destination, "-n", "shop", "--from", place, "-o", "json", *options)
    story: dict[str, Any] = json.loads(done.out)
    assert done.code == (0 if story["answer"] == "yes" else 1)
    return story


def stops(netdoc: Netdoc, place: Path, source: str, destination: str) -> tuple[str, list[str]]:
    """The hop that stops it, and the policies named there."""
    story = told(netdoc, place, source, destination)
    for hop in story["hops"]:
        if hop["answer"] == "stops":
            return hop["name"], hop["policies"]
    return "", []


@pytest.mark.parametrize(
    ("policies", "source", "destination", "hop", "named"),
    [
        ((), "deploy/web", "svc/db:5000", "", []),
        ((), "deploy/web", "svc/db:sql", "", []),
        ((), "deploy/web", "db.shop.svc.cluster.local:5000", "", []),
        ((), "lab/deploy/report", "sts/db:5432", "", []),
        ((DENY,), "deploy/web", "svc/db:5000", "ingress", ["NetworkPolicy shop/deny"]),
        ((DENY, OTHER_PORT), "deploy/web", "svc/db:5000", "ingress", ["NetworkPolicy shop/deny", "NetworkPolicy shop/other"]),
        ((DENY, OTHER_PORT), "deploy/web", "sts/db:5000", "", []),
        ((DENY_OUT,), "deploy/web", "sts/db:5432", "egress", ["NetworkPolicy shop/deny-out"]),
        ((DENY_OUT,), "deploy/web", "db.shop:5000", "name", ["NetworkPolicy shop/deny-out"]),
        ((DENY_OUT,), "deploy/web", "example.org:443", "name", ["NetworkPolicy shop/deny-out"]),
        ((), "deploy/web", "10.96.0.10:53", "", []),
        ((DENY_OUT,), "deploy/web", "10.96.0.10:53", "egress", ["NetworkPolicy shop/deny-out"]),
        ((TO_DNS_PODS,), "deploy/web", "10.96.0.10:53", "", []),
        ((DENY_OUT,), "lab/deploy/report", "svc/db:5000", "", []),
        ((), "deploy/web", "svc/broken:80", "service", []),
        ((), "deploy/web", "svc/alias:443", "", []),
        ((), "198.51.100.7", "deploy/web:8080", "", []),
        ((DENY,), "198.51.100.7", "deploy/web:8080", "ingress", ["NetworkPolicy shop/deny"]),
        ((DENY,), "deploy/web", "198.51.100.7:443", "", []),
    ],
)
def test_hop_that_stops_it(
    netdoc: Netdoc,
    tmp_path: Path,
    policies: tuple[tuple[str, str], ...],
    source: str,
    destination: str,
    hop: str,
    named: list[str],
) -> None:
    assert stops(netdoc, folder(tmp_path, *policies), source, destination) == (hop, named)


@pytest.mark.parametrize(
    ("policies", "source", "destination"),
    [
        ((DENY,), "deploy/web", "svc/db:5000"),
        ((DENY,), "lab/deploy/report", "svc/db:5000"),
        ((DENY,), "198.51.100.7", "deploy/web:8080"),
        ((DENY_OUT,), "deploy/web", "sts/db:5432"),
        ((DENY_OUT,), "deploy/web", "198.51.100.7:443"),
        ((DENY, DENY_OUT), "deploy/web", "db.shop:5000"),
    ],
)
def test_fixes_lead_to_yes_one_by_one(
    netdoc: Netdoc, tmp_path: Path, policies: tuple[tuple[str, str], ...], source: str, destination: str
) -> None:
    fixes: list[str] = []
    for _ in range(4):
        story = told(netdoc, folder(tmp_path, *policies, more="\n---\n".join(fixes)), source, destination)
        if story["answer"] == "yes":
            break
        fixes.append(story["fix"]["yaml"])
    assert story["answer"] == "yes"
    assert 1 <= len(fixes) <= 3
    # and a stranger is let in no further than before
    assert stops(netdoc, tmp_path, "203.0.113.9", "sts/db:5432")[0] == ("ingress" if DENY in policies else "")


def test_name_outside_is_unknown_where_its_address_matters(netdoc: Netdoc, tmp_path: Path) -> None:
    dns = "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{protocol: UDP, port: 53}]}]}"
    story = told(netdoc, folder(tmp_path, OUT_TO_BLOCK, ("dns", dns)), "deploy/web", "example.org:443")
    assert story["answer"] == "unknown"


@pytest.mark.parametrize("destination", ["10.5.5.5:443", "8.5.5.5:443", "198.51.100.7:443", "svc/db:5000"])
def test_a_range_that_networks_read_differently_makes_it_unknown(netdoc: Netdoc, tmp_path: Path, destination: str) -> None:
    """Leading zeros: neither a firm No nor a firm Yes, and the rule is named."""
    spec = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '010.0.0.0/8'}}]}]}"
    story = told(netdoc, folder(tmp_path, ("zeros", spec)), "deploy/web", destination)
    assert story["answer"] == "unknown"
    doubtful = {hop["name"] for hop in story["hops"] if "spec.egress[0] of NetworkPolicy shop/zeros" in hop["text"]}
    assert doubtful >= ({"name", "egress"} if destination.startswith("svc") else {"egress"})


def test_native_policy_makes_it_unknown(netdoc: Netdoc, tmp_path: Path) -> None:
    native = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: shop}\nspec: {}"
    for policies in ((), (DENY,)):
        assert told(netdoc, folder(tmp_path, *policies, more=native), "deploy/web", "svc/db:5000")["answer"] == "unknown"


@pytest.mark.parametrize(
    ("source", "destination", "says"),
    [
        ("deploy/wed", "svc/db", "there is no Deployment shop/wed"),
        ("deploy/web", "svc/dp", "there is no Service shop/dp"),
        ("deploy/web", "svc/db:81", "has no port TCP 81"),
        ("thing/web", "svc/db", "'thing' can't be the end"),
        ("deploy/web", "sts/db:sql", "only a Service has port names"),
        ("a/b/c/d", "svc/db", "is neither [NAMESPACE/]KIND/NAME"),
        ("deploy/report", "svc/db", "it is in namespace lab (-n lab)"),
        ("deploy/web", "192.0.2.1:99999", "99999 is not a port"),
        ("deploy/web", "192.0.2.1:0", "0 is not a port"),
        ("deploy/web", "192.0.2.300:80", "is not an IP address"),
        ("deploy/web", "https://example.org", "is a URL"),
        ("example.org", "svc/db", "give an IP address as the source"),
        ("pod/ended", "svc/db", "has ended (Succeeded)"),
    ],
)
def test_place_that_is_not_there_is_one_line(netdoc: Netdoc, tmp_path: Path, source: str, destination: str, says: str) -> None:
    ended = "apiVersion: v1\nkind: Pod\nmetadata: {name: ended, namespace: shop}\nstatus: {phase: Succeeded}"
    done = netdoc("why", source, destination, "-n", "shop", "--from", folder(tmp_path, more=ended))
    assert says in complaint(done, 2)


BARE = "apiVersion: v1\nkind: Pod\nmetadata: {name: bare, namespace: shop}\nspec: {containers: [{name: c}]}"


def test_pod_without_labels_is_mended_by_widening_what_stops_it(netdoc: Netdoc, tmp_path: Path) -> None:
    """A policy of its own would have to select all pods of the namespace, and isolate them."""
    story = told(netdoc, folder(tmp_path, DENY, more=BARE), "lab/deploy/report", "pod/bare:80")
    assert (story["stopped_by"], story["fix"]["yaml"]) == ("ingress", "")
    assert story["fix"]["command"].startswith("kubectl -n shop patch networkpolicy deny --type json -p ")


def test_fix_isolates_nobody_else(netdoc: Netdoc, tmp_path: Path) -> None:
    """A second workload has the labels of the first and one more, and only the first is isolated."""
    twin = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: twin, namespace: shop}\nspec: {template: {metadata: {labels: {app: db, v: '2'}}, spec: {containers: [{name: c}]}}}"
    only = "{podSelector: {matchLabels: {app: db}, matchExpressions: [{key: v, operator: DoesNotExist}]}, policyTypes: [Ingress]}"
    story = told(netdoc, folder(tmp_path, ("only", only), more=twin), "deploy/web", "sts/db:5432")
    assert (story["stopped_by"], story["fix"]["yaml"]) == ("ingress", "")
    assert "networkpolicy only" in story["fix"]["command"]


def test_dns_that_lets_nobody_in_is_mended_there(netdoc: Netdoc, tmp_path: Path) -> None:
    deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: in, namespace: kube-system}\nspec: {podSelector: {}}"
    story = told(netdoc, folder(tmp_path, more=deny), "deploy/web", "db.shop:5000")
    fix = yaml.safe_load(story["fix"]["yaml"])
    assert (fix["metadata"]["namespace"], fix["spec"]["policyTypes"]) == ("kube-system", ["Ingress"])
    mended = told(netdoc, folder(tmp_path, more=f"{deny}\n---\n{story['fix']['yaml']}"), "deploy/web", "db.shop:5000")
    assert mended["answer"] == "yes"


def test_baseline_is_said_to_give_way(netdoc: Netdoc, tmp_path: Path) -> None:
    baseline = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\nspec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
    story = told(netdoc, folder(tmp_path, more=baseline), "deploy/web", "sts/db:5432")
    assert story["stopped_by"] == "ingress"
    assert "outranks" not in story["fix"]["text"]


def test_two_namespaces_are_refused(netdoc: Netdoc, tmp_path: Path) -> None:
    complaint(netdoc("why", "deploy/web", "svc/db", "-n", "shop", "-n", "lab", "--from", folder(tmp_path)), 2)


@pytest.mark.parametrize("options", [("--probe",), ("--target",)])
def test_options_that_need_a_cluster(netdoc: Netdoc, tmp_path: Path, options: tuple[str, ...]) -> None:
    complaint(netdoc("why", "deploy/web", "svc/db", "--from", folder(tmp_path), *options), 2)


# --probe


def tried(policies: tuple[str, ...], outcome: Outcome | None, source: str = "web", *, cluster_ip: bool = False) -> ProbeResult:
    """What a try comes to: from netdoc's pod on n1, or from inside where the source is ``inside``."""
    db = make_pod("db-1", labels={"app": "db"}, ip="10.0.0.2", node="n2", ports={"sql": 5432})
    web = make_pod("web-1", labels={"app": "web"}, ip="10.0.0.1")
    service = make_service("db", selector={"app": "db"}, ports=((5000, 5432),), cluster_ip="10.96.0.1")
    written = (make_policy(spec, f"p{number}") for number, spec in enumerate(policies))
    cluster = make_cluster(web, db, service, *written)
    engine = Engine(cluster, ((cluster.own_namespace, own_policies.LABELS),))
    ends = find(engine, "pod/web-1", "shop"), find(engine, "svc/db", "shop")
    story = why(engine, Facts(cluster, Measured()), Question(*ends, "5000"))
    request, end = trial.requests(ConnectionPath(engine, story.question, story.asked), "n1")[0 if cluster_ip else -1]
    reply = Lost("no pod") if outcome is None else ConnectReply(outcome, 1.0)
    if source == "inside":
        return trial.from_inside(engine, story, story.question.source.ends[0], request, end, reply)
    return trial.from_node(engine, story, "n1", request, end, reply)


FROM_SQL = "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: sql}]}]}"
FROM_OTHER = "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 9090}]}]}"
FROM_APP = "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}"


@pytest.mark.parametrize("cluster_ip", [True, False])
@pytest.mark.parametrize(
    ("policies", "outcome", "source", "predicted", "agrees"),
    [
        ((), Outcome.OK, "web", True, True),
        ((), Outcome.TIMEOUT, "web", True, False),
        ((), Outcome.REFUSED, "web", True, True),
        ((), None, "web", True, None),
        ((FROM_SQL,), Outcome.OK, "web", True, True),
        ((FROM_OTHER,), Outcome.TIMEOUT, "web", False, True),
        ((FROM_OTHER,), Outcome.REFUSED, "web", False, True),
        ((FROM_OTHER,), Outcome.OK, "web", False, False),
        ((FROM_APP,), Outcome.TIMEOUT, "web", False, True),
        ((FROM_APP,), Outcome.OK, "inside", True, True),
        ((FROM_APP,), Outcome.TIMEOUT, "inside", True, False),
        ((FROM_OTHER,), Outcome.TIMEOUT, "inside", False, True),
    ],
)
def test_try_is_held_against_what_was_predicted(
    policies: tuple[str, ...], outcome: Outcome | None, source: str, predicted: bool, agrees: bool | None, cluster_ip: bool
) -> None:
    found = tried(policies, outcome, source, cluster_ip=cluster_ip)
    assert (found.allowed, found.agrees) == (predicted, agrees)


def test_try_as_netdoc_says_where_the_source_is_treated_otherwise() -> None:
    assert "--target" in tried((FROM_APP,), Outcome.TIMEOUT).meaning
    assert "--target" not in tried((FROM_OTHER,), Outcome.TIMEOUT).meaning
