"""why: the hop that stops a connection, and that the fix it prints mends exactly that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commandline import Netdoc, complaint, in_process

WORLD = """
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


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def folder(path: Path, *policies: tuple[str, str], more: str = "") -> Path:
    """The world's manifests, and policies of shop."""
    documents = [WORLD, more]
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


def test_native_policy_makes_it_unknown(netdoc: Netdoc, tmp_path: Path) -> None:
    native = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: shop}\nspec: {}"
    assert told(netdoc, folder(tmp_path, more=native), "deploy/web", "svc/db:5000")["answer"] == "unknown"


@pytest.mark.parametrize(
    ("source", "destination", "says"),
    [
        ("deploy/wed", "svc/db", "there is no Deployment shop/wed"),
        ("deploy/web", "svc/dp", "there is no Service shop/dp"),
        ("deploy/web", "svc/db:81", "has no port TCP 81"),
        ("thing/web", "svc/db", "'thing' is no kind"),
        ("deploy/web", "sts/db:sql", "only a Service has names"),
        ("a/b/c/d", "svc/db", "is no [NAMESPACE/]KIND/NAME"),
    ],
)
def test_place_that_is_not_there_is_one_line(netdoc: Netdoc, tmp_path: Path, source: str, destination: str, says: str) -> None:
    done = netdoc("why", source, destination, "-n", "shop", "--from", folder(tmp_path))
    assert says in complaint(done, 2)


@pytest.mark.parametrize("options", [("--probe",), ("--target",)])
def test_options_that_need_a_cluster(netdoc: Netdoc, tmp_path: Path, options: tuple[str, ...]) -> None:
    complaint(netdoc("why", "deploy/web", "svc/db", "--from", folder(tmp_path), *options), 2)


def test_cut_paths_of_a_bundle_are_told(netdoc: Netdoc) -> None:
    bundle = Path(__file__).parent / "bundles" / "overlay-port-dropped.json"
    story = json.loads(netdoc("why", "pod/client", "svc/web:80", "-n", "shop", "--from", bundle, "-o", "json").out)
    assert story["stopped_by"] == "path"
    healthy = Path(__file__).parent / "bundles" / "healthy.json"
    story = json.loads(netdoc("why", "pod/client", "svc/web:80", "-n", "shop", "--from", healthy, "-o", "json").out)
    assert (story["answer"], [hop["answer"] for hop in story["hops"] if hop["name"] == "path"]) == ("yes", ["ok"])
