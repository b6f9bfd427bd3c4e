# SPDX-License-Identifier: Apache-2.0
"""Policies on a real engine: what netdoc predicts is what happens, and refused and timed out are told apart."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterator

import pytest
import yaml

from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc
from tests.networks import calico_policies
from tests.networks.observe import CLOSED, DEADLINE, OPEN, OTHER, WAYS, apply, until
from tests.networks.predict import predicted

SERVER = "podSelector: {matchLabels: {app: server}}"
NEAR = "podSelector: {matchLabels: {where: near}}"
TO_SERVER = "to: [{podSelector: {matchLabels: {app: server}}}]"
CLIENTS = "podSelector: {matchLabels: {app: client}}"

TABLE: dict[str, str | tuple[str, ...]] = {
    "deny all": "{podSelector: {}, policyTypes: [Ingress]}",
    "deny the server": f"{{{SERVER}}}",
    "allow all by an empty rule": "{podSelector: {}, ingress: [{}]}",
    "by pod": f"{{{SERVER}, ingress: [{{from: [{{{NEAR}}}]}}]}}",
    "by pod and port": f"{{{SERVER}, ingress: [{{from: [{{{CLIENTS}}}], ports: [{{port: {OPEN}}}]}}]}}",
    "a closed port is allowed": f"{{{SERVER}, ingress: [{{ports: [{{port: {CLOSED}}}]}}]}}",
    "by namespace": f"{{{SERVER}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{team: b}}}}}}]}}]}}",
    "by the namespace's name": f"{{{SERVER}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: pol-b}}}}}}]}}]}}",
    "by pod in a namespace": f"{{{SERVER}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{team: b}}}}, {CLIENTS}}}]}}]}}",
    "by pod in a namespace, nobody": f"{{{SERVER}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{team: b}}}}, {NEAR}}}]}}]}}",
    "by pod or namespace": f"{{{SERVER}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{team: b}}}}}}, {{{NEAR}}}]}}]}}",
    "all namespaces": f"{{{SERVER}, ingress: [{{from: [{{namespaceSelector: {{}}}}]}}]}}",
    "all pods here": f"{{{SERVER}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}",
    "NotIn": f"{{{SERVER}, ingress: [{{from: [{{podSelector: {{matchExpressions: [{{key: where, operator: NotIn, values: [far]}}]}}}}]}}]}}",
    "DoesNotExist": "{podSelector: {matchExpressions: [{key: where, operator: DoesNotExist}]}}",
    "Exists selects others": "{podSelector: {matchExpressions: [{key: where, operator: Exists}]}}",
    "named port": f"{{{SERVER}, ingress: [{{ports: [{{port: web}}]}}]}}",
    "undefined named port": f"{{{SERVER}, ingress: [{{ports: [{{port: nothing}}]}}]}}",
    "UDP only": f"{{{SERVER}, ingress: [{{ports: [{{protocol: UDP, port: {OPEN}}}]}}]}}",
    "all of TCP": f"{{{SERVER}, ingress: [{{ports: [{{protocol: TCP}}]}}]}}",
    "two ports": f"{{{SERVER}, ingress: [{{ports: [{{port: {OPEN}}}, {{port: {CLOSED}}}]}}]}}",
    "egress denied": f"{{{CLIENTS}, policyTypes: [Egress]}}",
    "egress to the server's port": f"{{{CLIENTS}, policyTypes: [Egress], egress: [{{{TO_SERVER}, ports: [{{port: {OTHER}}}]}}]}}",
    "egress by named port": f"{{{CLIENTS}, policyTypes: [Egress], egress: [{{{TO_SERVER}, ports: [{{port: web}}]}}]}}",
    "egress outside only": f"{{{CLIENTS}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: 192.0.2.0/24}}}}]}}]}}",
    "egress rules without policyTypes": f"{{{NEAR}, egress: [{{{TO_SERVER}}}]}}",
    "two policies add up": (
        f"{{{SERVER}, ingress: [{{from: [{{{NEAR}}}]}}]}}",
        f"{{{SERVER}, ingress: [{{ports: [{{port: {OTHER}}}]}}]}}",
    ),
    "both ends": (
        f"{{{SERVER}, ingress: [{{ports: [{{port: {OPEN}}}, {{port: {OTHER}}}]}}]}}",
        f"{{{NEAR}, policyTypes: [Egress], egress: [{{{TO_SERVER}, ports: [{{port: {OTHER}}}, {{port: {CLOSED}}}]}}]}}",
    ),
    "endPort": f"{{{SERVER}, ingress: [{{ports: [{{port: {OPEN}, endPort: {OTHER}}}]}}]}}",
}
LACKS = {("cilium", "endPort"): "Cilium has ranges of ports since 1.16; the lab has 1.15"}


def policies(specs: str | tuple[str, ...], namespace: str = "pol-a") -> dict[str, object]:
    """The manifests of a row."""
    texts = (specs,) if isinstance(specs, str) else specs
    items = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"p{n}", "namespace": namespace},
            "spec": yaml.safe_load(text),
        }
        for n, text in enumerate(texts)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def test_without_a_policy_all_is_open(lab: Lab, clean: str) -> None:
    wanted = {way: "refused" if way.port == CLOSED else "ok" for way in WAYS}
    assert predicted(lab, clean) == wanted
    assert until(lab, clean, wanted) == {}


@pytest.mark.parametrize("name", list(TABLE))
def test_policy_does_what_is_predicted(lab: Lab, clean: str, network: str, name: str) -> None:
    if (network, name) in LACKS:
        pytest.skip(LACKS[network, name])
    apply(lab, policies(TABLE[name]))
    wanted = predicted(lab, clean)
    assert len(wanted) == len(WAYS)
    assert until(lab, clean, wanted) == {}


def test_there_are_enough_policies() -> None:
    assert len(TABLE) >= 20
    assert len(OWN) >= 60


OWN = {name: [calico_policies.manifest(text) for text in texts] for name, texts in calico_policies.ROWS.items()}
OWN |= {f"generated {seed}": calico_policies.generated(seed) for seed in range(30)}


@pytest.mark.parametrize("name", list(OWN))
def test_policy_of_calico_does_what_is_predicted(lab: Lab, clean: str, network: str, name: str) -> None:
    if network not in ("canal", "calico-bgp", "calico-vxlan"):
        pytest.skip("no Felix here")
    if any(item["kind"] == "Tier" for item in OWN[name]) and "tiers.crd" not in lab.kubectl("get", "crd", "-o", "name"):
        pytest.skip("this Calico has no tiers")
    try:
        for item in OWN[name]:
            apply(lab, item)
        wanted = predicted(lab, clean)
        assert len(wanted) == len(WAYS)
        assert until(lab, clean, wanted) == {}
    finally:
        for plural in calico_policies.PLURALS:
            lab.kubectl("delete", plural, "--all", *(("-n", "pol-a") if plural.startswith("networkp") else ()))
        if any(item["kind"] == "Tier" for item in OWN[name]):
            lab.kubectl("delete", "tiers.crd.projectcalico.org", "first", "last", "--ignore-not-found")


def test_the_table_sees_every_outcome(lab: Lab, clean: str) -> None:
    apply(lab, policies(TABLE["a closed port is allowed"]))
    assert set(predicted(lab, clean).values()) == {"ok", "refused", "timeout"}


def test_the_canary_sees_the_engine(netdoc: Netdoc, network: str) -> None:
    report = netdoc.report("policy_enforcement")
    assert [result["state"] for result in report["results"]] == ["pass"]
    assert report["findings"] == []
    assert len(report["coverage"]["measured_nodes"]) == 3


def test_a_healthy_cluster_with_policies_is_silent(lab: Lab, netdoc: Netdoc, clean: str) -> None:
    apply(lab, policies((TABLE["deny all"], TABLE["by pod and port"])))  # type: ignore[arg-type]
    report = netdoc.report()
    assert [f["code"] for f in report["findings"] if f["severity"] != "info"] == []
    assert [result["check"] for result in report["results"] if result["state"] not in ("pass", "skipped")] == []


DENY_ALL_BUT_DNS = (
    "{podSelector: {}, policyTypes: [Ingress, Egress]}",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "
    "kube-system}}}], ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]}]}",
)


@pytest.mark.parametrize("flags", [(), ("--privileged",)], ids=["default tier", "privileged"])
def test_a_workload_that_may_do_nothing_but_dns_is_no_broken_network(
    lab: Lab, netdoc: Netdoc, network: str, flags: tuple[str, ...]
) -> None:
    apply(lab, policies(DENY_ALL_BUT_DNS, "shop"))
    try:
        report = netdoc.report(*flags)
    finally:
        lab.kubectl("-n", "shop", "delete", "networkpolicies", "--all")
    assert [f["code"] for f in report["findings"] if f["severity"] != "info"] == []
    assert [result["check"] for result in report["results"] if result["state"] not in ("pass", "skipped")] == []


WALLS = {
    "canal": {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "GlobalNetworkPolicy",
        "spec": {"selector": 'app.kubernetes.io/managed-by == "kubectl-netdoc"', "types": ["Ingress", "Egress"]},
    },
    "cilium": {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "spec": {
            "endpointSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "kubectl-netdoc"}},
            "ingress": [{}],
            "egress": [{}],
        },
    },
}


def test_a_wall_around_netdoc_is_named_and_is_no_broken_network(lab: Lab, netdoc: Netdoc, network: str) -> None:
    wall = WALLS[network] | {"metadata": {"name": "wall"}}
    apply(lab, wall)
    try:
        report = netdoc.report()
    finally:
        lab.kubectl("delete", f"{wall['kind']}.{str(wall['apiVersion']).partition('/')[0]}", "wall")
    assert [f["code"] for f in report["findings"] if f["severity"] != "info"] == []
    states = {result["check"]: result["state"] for result in report["results"]}
    measured = ("dns_latency", "pod_network", "service_reachability", "policy_enforcement")
    assert {states[name] for name in measured} == {"unknown"}
    reasons = [unseen["reason"] for result in report["results"] if result["check"] in measured for unseen in result["unseen"]]
    assert all("wall" in reason for reason in reasons), reasons


def test_why_tries_it_and_agrees(lab: Lab, netdoc: Netdoc, clean: str) -> None:
    apply(lab, policies(TABLE["by pod and port"]))
    predicted(lab, clean)
    for destination, answer, code in ((f"pod/server:{OPEN}", "yes", 0), (f"pod/server:{OTHER}", "no", 1)):
        arguments = ("why", "pod/far", destination, "-n", "pol-a", "--probe", "--target", "--yes", "-o", "json")
        done = netdoc(*arguments)
        story = json.loads(done.stdout)
        assert story["answer"] == answer
        assert [one["agrees"] for one in story["tried"]] == [True, True], story["tried"]
        assert done.returncode == code
    assert "ephemeral container" in done.stderr


def test_pods_have_addresses_that_no_block_names(address: str) -> None:
    assert ipaddress.ip_address(address) not in ipaddress.ip_network("192.0.2.0/24")


SERVICE_PORT = {
    "ingress by the Service's port": "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}",
    "ingress by its node port": "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 30080}]}]}",
    "egress by the Service's port": "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: "
    "[{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}, {ports: [{port: 53, protocol: UDP}]}]}",
}
"""Policies that allow the port of a Service (80, or 30080 on nodes) instead of that of its pods (8080)."""


def connects(lab: Lab) -> bool:
    """Tell whether the client reaches the Service web."""
    line = "import socket; socket.create_connection(('web', 80), 3).close(); print('open')"
    return (
        lab.kubectl("-n", "shop", "exec", "client", "--", "sh", "-c", f'python3 -c "{line}" 2>&1 | tail -n 1').strip() == "open"
    )


@pytest.mark.parametrize("name", SERVICE_PORT)
def test_a_policy_with_the_port_of_a_service_is_named(lab: Lab, netdoc: Netdoc, name: str) -> None:
    """Engines judge packets by the address and port that they are translated to."""
    assert connects(lab)
    apply(lab, policies((SERVICE_PORT[name],), "shop"))
    try:
        end = time.monotonic() + DEADLINE
        while reached := connects(lab):
            if time.monotonic() > end:
                break
        assert not reached, "the policy does no harm here"
        report = netdoc.report()
    finally:
        lab.kubectl("-n", "shop", "delete", "networkpolicies", "--all")
    causes = [found for found in report["findings"] if found["severity"] != "info" and not found["explained_by"]]
    assert [(found["code"], found["subject"]["kind"]) for found in causes] == [("POL007", "NetworkPolicy")]


FRONT = "app.kubernetes.io/name: ingress-nginx"
CONTROLLER = f"""
- {{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {{name: nginx}}, spec: {{controller: k8s.io/ingress-nginx}}}}
- apiVersion: v1
  kind: Pod
  metadata: {{name: controller, namespace: pol-b, labels: {{{FRONT}, app.kubernetes.io/component: controller}}}}
  spec:
    terminationGracePeriodSeconds: 0
    containers:
    - {{name: c, image: docker.io/lab/base:1, imagePullPolicy: Never, command: [python3, -m, http.server, "8080"]}}
- apiVersion: v1
  kind: Service
  metadata: {{name: controller, namespace: pol-b}}
  spec: {{selector: {{{FRONT}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {{name: shop, namespace: shop}}
  spec:
    ingressClassName: nginx
    rules:
    - http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}
"""


@pytest.fixture
def controller(lab: Lab, address: str) -> Iterator[None]:
    """A stand-in for ingress-nginx in another namespace, and an Ingress in the shop."""
    apply(lab, {"apiVersion": "v1", "kind": "List", "items": yaml.safe_load(CONTROLLER)})
    lab.kubectl("-n", "pol-b", "wait", "--for=condition=Ready", "pod/controller", "--timeout=90s")
    yield
    lab.kubectl("-n", "shop", "delete", "networkpolicies", "--all")
    lab.kubectl("-n", "shop", "delete", "ingress", "shop")
    lab.kubectl("-n", "pol-b", "delete", "pod,service", "controller")
    lab.kubectl("delete", "ingressclass", "nginx")


def comes_in(lab: Lab, wanted: bool) -> bool:
    """Tell whether the controller reaches the shop's Service, as soon as it is as wanted or an engine has had its time."""
    line = "import socket; socket.create_connection(('web.shop', 80), 2).close(); print('open')"
    end = time.monotonic() + DEADLINE
    while True:
        said = lab.kubectl("-n", "pol-b", "exec", "controller", "--", "sh", "-c", f'python3 -c "{line}" 2>&1 | tail -n 1')
        if (said.strip() == "open") is wanted or time.monotonic() > end:
            return said.strip() == "open"


def test_a_default_deny_that_forgets_the_ingress_controller_is_named(lab: Lab, netdoc: Netdoc, controller: None) -> None:
    assert comes_in(lab, True)
    apply(lab, policies(("{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}",), "shop"))
    assert not comes_in(lab, False)
    report = netdoc.report()
    causes = [found for found in report["findings"] if found["severity"] != "info" and not found["explained_by"]]
    assert [(found["code"], found["subject"]["name"]) for found in causes] == [("PEN001", "p0")]
    patch = causes[0]["argv"][0]
    assert patch[:4] == ["kubectl", "-n", "shop", "patch"]
    lab.kubectl(*patch[1:])
    assert comes_in(lab, True)
    assert [found["code"] for found in netdoc.report()["findings"] if found["severity"] != "info"] == []
