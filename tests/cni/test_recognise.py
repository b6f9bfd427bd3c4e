# SPDX-License-Identifier: Apache-2.0
"""How each network carries packets, from its published objects; images, settings and log lines taken apart."""

from __future__ import annotations

import pytest

from kubectl_netdoc import cni
from kubectl_netdoc.cni.base import Image, repository
from kubectl_netdoc.components import encapsulation
from kubectl_netdoc.formats.cni_agent_log import LONGEST, last_words
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.cni import NETWORK_AGENT, NETWORK_CONFIG
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.testing import Built, make_cluster
from tests.support.cni_objects import MULTUS, NODES, OPENSHIFT, PUBLISHED, Published, daemon_set, node

ALL = [*PUBLISHED.items(), ("openshift", OPENSHIFT), ("multus", MULTUS)]


@pytest.mark.parametrize(("name", "published"), ALL, ids=[name for name, _ in ALL])
def test_carries(name: str, published: Published) -> None:
    (found,) = cni.recognise(make_cluster(*published.healthy()))
    assert found.name == published.network
    named = found.traits.by_name()
    assert {key: named.get(key) for key in published.carries} == dict(published.carries)


def test_dataplane_v2_is_told_by_its_name_wherever_its_image_comes_from() -> None:
    images = ("europe-artifactregistry.gcr.io/gke-release/gke-release/cilium/cilium:v1.18.7-gke.6", "gke.example/c:1")
    for image in images:
        (found,) = cni.recognise(make_cluster(*map(node, NODES), *daemon_set("kube-system", "anetd", {"cilium-agent": image})))
        assert (found.name, found.traits.kube_proxy) == ("GKE Dataplane V2", "in place of kube-proxy")


def _nodes(*addresses: str, **annotations: str) -> list[Built]:
    """Two nodes with these InternalIPs, and annotations of Calico's."""
    notes = {f"projectcalico.org/{name}": value for name, value in annotations.items()}
    told = [{"type": "InternalIP", "address": each} for each in addresses]
    return [
        (NODE, convert(NODE, {"metadata": {"name": name, "annotations": notes}, "status": {"addresses": told}}))
        for name in ("n1", "n2")
    ]


@pytest.mark.parametrize(
    ("annotations", "want"),
    [
        ({"IPv6Address": "fd00::1/64", "IPv6VXLANTunnelAddr": "fd01::"}, encapsulation.VXLAN),
        ({"IPv6Address": "fd00::1/64"}, encapsulation.NONE),
        ({"IPv6Address": "fd00::1/64", "WireguardPublicKeyV6": "x"}, encapsulation.WIREGUARD),
    ],
)
def test_calico_of_ipv6_alone_tells_its_encapsulation(annotations: dict[str, str], want: encapsulation.Overhead) -> None:
    cluster = make_cluster(*_nodes("fd00::1", **annotations))
    assert encapsulation.of(cluster) == want
    assert encapsulation.commands(cluster) == encapsulation.CALICO


@pytest.mark.parametrize(
    ("network", "addresses", "settings", "want"),
    [
        ("cilium tunnel", ("192.168.0.1", "fd00::1"), {}, "IPv4"),
        ("cilium tunnel", ("192.168.0.1", "fd00::1"), {"underlay-protocol": "ipv6"}, "IPv6"),
        ("cilium tunnel", ("fd00::1",), {}, "IPv6"),
        ("flannel vxlan", ("192.168.0.1", "fd00::1"), {}, "IPv6"),
        ("flannel vxlan", ("192.168.0.1",), {}, "IPv4"),
    ],
)
def test_what_carries_packets_of_ipv6(network: str, addresses: tuple[str, ...], settings: dict[str, str], want: str) -> None:
    own = [built for built in PUBLISHED[network].agents() if built[0] is not NETWORK_CONFIG]
    raw = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": settings}
    cluster = make_cluster(*_nodes(*addresses), *own, (NETWORK_CONFIG, convert(NETWORK_CONFIG, raw)))
    assert encapsulation.underlay_family(cluster, "IPv6") == want


@pytest.mark.parametrize(
    ("text", "repository_", "version"),
    [
        ("flannel/flannel:v1", "flannel/flannel", "v1"),
        ("host:5000/flannel/flannel", "host:5000/flannel/flannel", ""),
        ("host:5000/a/b:v1@sha256:abc", "host:5000/a/b", "v1"),
        ("a/b@sha256:abc", "a/b", "sha256:abc"),
    ],
)
def test_image(text: str, repository_: str, version: str) -> None:
    assert Image.parse(text) == Image(repository_, version)


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        ("quay.io/calico/node", True),
        ("rancher/mirrored-calico-node", True),
        ("registry.example/mirror/quay.io/calico/node", True),
        ("registry.example/calico_node", True),
        ("quay.io/calico/node-driver-registrar", False),
        ("quay.io/calico/cni", False),
        ("example/node", False),
    ],
)
def test_repository(image: str, fits: bool) -> None:
    assert bool(repository("calico/node").search(image)) is fits


def test_values_that_are_not_named_are_not_kept() -> None:
    env = [{"name": "WEAVE_PASSWORD", "value": "hunter2"}, {"name": "AWS_SECRET", "value": "hunter2"}]
    spec = {"template": {"spec": {"containers": [{"env": env, "args": ["--token=hunter2", "--run-router=true"]}]}}}
    kept = convert(NETWORK_AGENT, {"metadata": {"name": "a"}, "spec": spec})
    assert kept.settings == {"WEAVE_PASSWORD": "set", "run-router": "true"}


def test_a_config_map_that_is_no_json() -> None:
    kept = convert(NETWORK_CONFIG, {"metadata": {"name": "kube-flannel-cfg"}, "data": {"net-conf.json": "{", "x": "secret"}})
    assert kept.settings == {"unreadable": "net-conf.json"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("I0101 1:2:3.4 1 a.go:1] fine\n", ""),
        (
            "I0101 10:00:00.1 1 main.go:1] x\nE0101 10:00:00.123456       1 main.go:377] Error parsing subnet config: bad\n",
            "main.go:377] Error parsing subnet config: bad",
        ),
        ("F0101 10:00:00.1 1 a.go:1] no\nE0101 10:00:00.1 1 a.go:2] later error\n", "a.go:1] no"),
        ('time="2026-01-01T00:00:00Z" level=fatal msg="no etcd" subsys=daemon', 'level=fatal msg="no etcd" subsys=daemon'),
        ("2026-01-01 10:00:00.000 [FATAL][9] startup.go 1: no node", "[FATAL][9] startup.go 1: no node"),
        ("error: Authorization: Bearer abc.def", "error: Authorization: Bearer ***"),
        (
            "error " + "x" * 1000 + ": why",
            "error " + "x" * (LONGEST // 3 - 6) + " ... " + "x" * (2 * LONGEST // 3 - 10) + ": why",
        ),
    ],
)
def test_last_words(text: str, line: str) -> None:
    assert last_words(text) == line


def test_the_encapsulation_is_what_the_network_is_set_to_where_no_node_tells() -> None:
    told = {name: encapsulation.of(make_cluster(*PUBLISHED[name].healthy())) for name in PUBLISHED}
    assert (told["cilium tunnel"], told["flannel vxlan"]) == (encapsulation.VXLAN, encapsulation.VXLAN)
    assert encapsulation.commands(make_cluster(*PUBLISHED["cilium tunnel"].healthy())) == encapsulation.CILIUM_CONFIG
