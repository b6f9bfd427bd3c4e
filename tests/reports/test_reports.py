# SPDX-License-Identifier: Apache-2.0
"""What public reports complained of, each with the answer that is wanted: the causes, exactly, and what no command does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.commandline import Netdoc, complaint, in_process
from tests.support.kubeconfigs import kubeconfig
from tests.support.served_objects import serving

pytestmark = pytest.mark.slow  # not part of make check

INPUTS = Path(__file__).parent / "inputs"
BASE = INPUTS / "_base"
Cause = tuple[str, str, str]
PATCH = ("patch",)


@dataclass(frozen=True)
class Wanted:
    """What is wanted of one input.

    ``causes``: (severity, code, subject) of what nothing else explains, above info. ``advice``: codes of info among the findings.
    ``told``: names, numbers and reasons that these hold, in message, fix or commands. ``never``: what no command holds.
    ``live``: whether it is a cluster's objects, on top of ``_base``, in place of manifests.
    """

    where: str
    causes: frozenset[Cause] = frozenset()
    advice: frozenset[str] = frozenset()
    told: tuple[str, ...] = ()
    never: tuple[str, ...] = ("patch",)
    live: bool = False

    def __str__(self) -> str:
        return self.where


def files(where: str, *causes: Cause, advice: str = "", told: tuple[str, ...] = (), never: tuple[str, ...] = PATCH) -> Wanted:
    """Return what is wanted of manifests; ``advice``: codes, parted by blanks."""
    return Wanted(where, frozenset(causes), frozenset(advice.split()), told, never)


def cluster(where: str, *causes: Cause, advice: str = "", told: tuple[str, ...] = (), never: tuple[str, ...] = PATCH) -> Wanted:
    """Return what is wanted of a cluster's objects."""
    return Wanted(where, frozenset(causes), frozenset(advice.split()), told, never, live=True)


WANTED = [
    # What is not in the files is unseen, not absent.
    files("manifests_are_no_cluster/pods-of-a-custom-resource"),
    files("manifests_are_no_cluster/service-for-each-pod"),
    files("manifests_are_no_cluster/pods-of-a-rollout"),
    files("manifests_are_no_cluster/operators-service-beside-a-toolbox"),
    files("manifests_are_no_cluster/ingress-to-an-operators-service"),
    # Names of siblings are no typos; a patch only where nobody else selects the pods.
    cluster("siblings_are_no_typos/left-over-beside-a-namesake", ("warn", "SVC002", "Service shop/shop-backend")),
    cluster("siblings_are_no_typos/real-typo", ("fail", "SVC001", "Service shop/checkout"), told=("app=checkout",), never=()),
    cluster("siblings_are_no_typos/service-of-a-pod-scaled-away"),
    cluster("siblings_are_no_typos/service-of-two-workloads", advice="SVC025", told=("reports", "8181")),
    # What is ending, scaled away, elsewhere or waits for somebody else.
    cluster("ending_scaled_or_elsewhere/statefulset-on-a-dead-node", ("fail", "NOD001", "Node w1"), told=("db-0",)),
    cluster("ending_scaled_or_elsewhere/operators-pod-on-a-dead-node", ("fail", "NOD001", "Node w1")),
    cluster("ending_scaled_or_elsewhere/global-service-without-local-pods"),
    files("ending_scaled_or_elsewhere/alias-into-a-cluster-set", ("fail", "SVC009", "Service shop/own")),
    cluster(
        "ending_scaled_or_elsewhere/readiness-gate-of-a-load-balancer",
        ("fail", "SVC004", "Service shop/pay"),
        told=("Target.FailedHealthChecks", "health check"),
    ),
    # A name of a port belongs to its protocol.
    files("named_ports/named-port-of-another-protocol", ("fail", "SVC003", "Service home/resolver-udp")),
    cluster("named_ports/named-port-of-another-protocol-in-a-cluster", ("fail", "SVC003", "Service home/resolver-udp")),
    # NodeLocal DNSCache is known by what it runs.
    files("node_local_dns/nodelocal-of-another-name-allowed"),
    files("node_local_dns/nodelocal-of-another-name-forgotten", advice="POL003", told=("169.254.25.10",), never=()),
    cluster("node_local_dns/nodelocal-on-the-services-address"),
    # Two on one place.
    files("two_on_one_place/one-path-two-entrypoints"),
    # The Corefile as CoreDNS reads it.
    files("corefiles/corefile-other-upstream-plugin"),
    files("corefiles/corefile-without-braces"),
    files("corefiles/corefile-brace-at-a-lines-end"),
    files("corefiles/corefile-alone", ("fail", "DNC006", "ConfigMap kube-system/coredns")),
    files("corefiles/corefile-block-twice", ("fail", "DNC006", "ConfigMap kube-system/coredns"), told=("example.org",)),
    cluster("corefiles/cluster-domain-of-the-block"),
    # A policy is about pods' ports.
    files("policies/policy-names-the-services-port", advice="POL026", told=("8080",), never=()),
    # A failed sandbox is the network's only where the Event says so.
    cluster("sandboxes/sandbox-no-pause-image", ("fail", "NOD006", "Node w1"), told=("registry.k8s.io/pause:3.9",)),
    cluster("sandboxes/sandbox-cilium-range-full", ("fail", "NOD004", "Node w1")),
    cluster("sandboxes/sandbox-azure-no-addresses", ("fail", "NOD004", "Node w1"), told=("subnet",), never=("podCIDR",)),
    cluster("sandboxes/sandbox-calico-unauthorized", ("fail", "NOD003", "Node w1"), told=("token", "delete pod")),
    # The reason stands in the cause.
    cluster("dns_servers/dns-log-no-route", advice="DNC012", told=("192.0.2.53:53", "no route")),
    cluster(
        "dns_servers/dns-log-forbidden",
        ("fail", "DNC002", "Service kube-system/kube-dns"),
        told=("endpointslices", "ClusterRole"),
    ),
    cluster(
        "dns_servers/dns-unschedulable",
        ("fail", "DNC002", "Service kube-system/kube-dns"),
        told=("node.cloudprovider.kubernetes.io/uninitialized",),
        never=("patch", " logs "),
    ),
    cluster(
        "dns_servers/dns-waits-for-the-network",
        ("fail", "CNI002", "DaemonSet kube-flannel/kube-flannel-ds"),
        told=("pod cidr not assigned",),
    ),
    # Load balancers.
    cluster(
        "load_balancers/metallb-every-node-excluded",
        ("warn", "LBA001", "Service shop/web"),
        told=("192.168.50.240", "--ignore-exclude-lb"),
    ),
    cluster("load_balancers/ipvs-answers-arp-for-metallb", ("warn", "LBA002", "Cluster kube-proxy"), told=("strictARP",)),
    cluster(
        "kube_proxy/kube-proxy-crashes-everywhere",
        ("fail", "KPP006", "Cluster kube-proxy"),
        told=("nf_conntrack_max: permission denied",),
    ),
    cluster("kube_proxy/kube-proxys-cluster-cidr", advice="KPX012", told=("10.32.0.0/12",)),
    cluster("load_balancers/servicelb-port-taken", ("fail", "SVC006", "Service shop/web"), told=("80",)),
    # Addresses.
    cluster(
        "addresses/no-range-left-for-a-node", ("fail", "NOD008", "Node w2"), told=("CIDRNotAvailable", "--node-cidr-mask-size")
    ),
    cluster("addresses/no-range-and-none-needed"),
    cluster(
        "addresses/flannel-of-another-range", ("warn", "CNI016", "DaemonSet kube-flannel/kube-flannel-ds"), told=("10.10.0.0/16",)
    ),
    cluster(
        "addresses/nodes-share-one-address",
        ("fail", "ADR004", "Address 10.0.2.15"),
        told=("10.0.2.15", "cp1", "w1", "w2", "--node-ip"),
    ),
    cluster("addresses/calico-pool-over-the-nodes", ("warn", "ADR005", "IPPool default-ipv4-ippool"), told=("192.168.0.0/16",)),
    cluster("addresses/host-port-without-portmap", advice="CNI017", told=("edge-1", "portmap"), never=PATCH),
    cluster("addresses/ipv6-service-of-ipv4-pods", ("fail", "EPS001", "Service shop/web6"), told=("IPv6",)),
    cluster("two_on_one_place/external-ip-twice", ("warn", "SVC013", "Service shop/b"), told=("shop/a", "192.0.2.77", "80")),
]


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    """The command line, for a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return in_process(monkeypatch, capsys)


def report(netdoc: Netdoc, wanted: Wanted, tmp_path: Path) -> dict[str, Any]:
    """Return the report on an input, all of it."""
    folder = INPUTS / wanted.where
    if not wanted.live:
        return dict(json.loads(netdoc("check", "--from", str(folder), "-o", "json").out))
    with serving(BASE, folder) as url:
        config = kubeconfig(tmp_path, url)
        return dict(json.loads(netdoc("check", "--no-pods", "--kubeconfig", str(config), "-o", "json").out))


def named(finding: dict[str, Any]) -> str:
    """The subject in words."""
    subject = finding["subject"]
    return f"{subject['kind']} {subject.get('namespace', '')}/{subject['name']}".replace(" /", " ")


def above_info(found: dict[str, Any]) -> set[Cause]:
    """The causes above info."""
    causes = [finding for finding in found["findings"] if not finding["explained_by"] and finding["severity"] != "info"]
    return {(finding["severity"], finding["code"], named(finding)) for finding in causes}


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_answer_is_the_one_that_is_wanted(netdoc: Netdoc, wanted: Wanted, tmp_path: Path) -> None:
    found = report(netdoc, wanted, tmp_path)
    assert not [result for result in found["results"] if result["state"] == "crashed"]
    assert above_info(found) == wanted.causes
    told = [f for f in found["findings"] if f["severity"] != "info" or f["code"] in wanted.advice]
    assert wanted.advice <= {finding["code"] for finding in told}
    text = " ".join(
        f"{f['message']} {f['fix']} {' '.join(f['commands'])}"
        for f in (told if wanted.causes or wanted.advice else found["findings"])
    )
    assert [word for word in wanted.told if word.casefold() not in text.casefold()] == []
    commands = [command for finding in told for command in finding["commands"]]
    assert [command for command in commands for word in wanted.never if word in command] == []


def test_the_base_is_silent(netdoc: Netdoc, tmp_path: Path) -> None:
    assert above_info(report(netdoc, Wanted("_base", live=True), tmp_path)) == set()


@pytest.mark.parametrize(
    ("where", "named"),
    [("token-file-missing", "user u: tokenFile"), ("certificate-not-base64", "user u: client-certificate-data")],
)
def test_a_kubeconfig_that_can_not_be_used_says_what_of_whom(netdoc: Netdoc, where: str, named: str) -> None:
    done = netdoc("check", "--no-pods", "--kubeconfig", INPUTS / "kubeconfigs" / where / "m.yaml")
    assert named in complaint(done, 2)


@pytest.mark.parametrize(
    ("where", "question", "answers", "hop"),
    [
        ("why-beside-a-slice", ("-n", "shop", "deploy/cron", "svc/web:80"), {"yes"}, ""),
        ("why-a-pod-by-its-name", ("shop/deploy/web", "broker-0.broker.bus:9092"), {"no"}, "ingress"),
        ("why-a-pod-by-its-name", ("-n", "bus", "sts/broker", "broker-1.broker:9092"), {"yes"}, ""),
        ("why-selector-selects-nothing", ("-n", "shop", "deploy/cron", "svc/web:80"), {"unknown", "partly", "no"}, ""),
    ],
)
def test_why_answers(netdoc: Netdoc, where: str, question: tuple[str, ...], answers: set[str], hop: str) -> None:
    done = netdoc("why", "--from", INPUTS / "why" / where, *question, "-o", "json")
    story = json.loads(done.out)
    assert story["answer"] in answers
    assert story["stopped_by"] == hop
